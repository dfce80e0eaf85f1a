"""For each function, events that succeed, one after the other: a generator that is sent each answer.

What is measured is the ordinary case: the right password, a live token. The events of a function are all alike; where
the first use of something costs other calls than every further one, `first_use_of` has its event apart. A function
without a scenario of its own is given an event out of `events/`, which it may refuse but not fail at.

A case is named after the function's folder. A function that does several things has other cases, named after folder and
query: `auth/v1/token?grant_type=password`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gerbang.accounts.identity_sign_in import VerifiedIdentity

from gerbang_bench.builds import ROOT
from gerbang_bench.events import Event, Scenario, data_of, request
from gerbang_bench.supabase_scenarios import FIRST_USES_AT_SUPABASE, PASSWORD_GRANT, PKCE_GRANT, SUPABASE
from gerbang_bench.team_scenarios import TEAMS
from gerbang_bench.worlds import OTHER_PASSWORD, PASSWORD, Person, World

NOT_FOUND: Final = 404
FIRST_ERROR: Final = 400


class Unsuccessful(Exception):
    """An answer is not what its event should have had; the message holds it."""


def _signing_in(path: str) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        person = world.person()
        while True:
            yield request(path, {"email": person.email, "password": PASSWORD}, source=world.client_address())

    return scenario


def _register(world: World) -> Scenario:
    while True:
        body = {"email": world.email(), "password": PASSWORD, "name": "Violet Tram"}
        yield request("/api/auth/register", body, source=world.client_address())


def _enrol(world: World) -> Scenario:
    while True:
        body = {"email": world.email(), "password": PASSWORD, "name": "Violet Tram"}
        yield request("/auth/register", body, source=world.client_address())


def _refresh(world: World) -> Scenario:
    token = world.person().refresh_token
    while True:
        answer = yield request("/api/auth/refresh", {"refreshToken": token}, source=world.client_address())
        token = data_of(answer)["refreshToken"]


def _me(world: World) -> Scenario:
    person = world.person()
    world.use(person)
    while True:
        yield _asking_who(world, person)


def _asking_who(world: World, person: Person) -> Event:
    return request("/api/auth/me", source=world.client_address(), authorization=f"Bearer {person.access_token}")


def _logging_out(path: str, body: Mapping[str, Any] | None) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        person = world.person()
        while True:
            bearer = f"Bearer {world.access_token(person)}"
            yield request(path, body, source=world.client_address(), authorization=bearer)

    return scenario


def _change_password(world: World) -> Scenario:
    person, old, new = world.person(), PASSWORD, OTHER_PASSWORD
    world.use(person)
    while True:
        yield _changing(world, person, old, new)
        old, new = new, old


def _changing(world: World, person: Person, old: str, new: str) -> Event:
    body = {"current_password": old, "new_password": new}
    bearer = f"Bearer {person.access_token}"
    return request("/api/auth/change-password", body, source=world.client_address(), authorization=bearer)


def _reset_password(world: World) -> Scenario:
    person = world.person()
    while True:
        body = {"token": world.reset_token(person), "password": PASSWORD}
        yield request("/api/auth/reset-password", body, source=world.client_address())


def _second_factor(path: str, field: str) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        person = world.person()
        while True:
            world.set_factor(person)
            body = {field: world.waiting_sign_in(person), "code": world.code_of_app(person)}
            yield request(path, body, source=world.client_address())

    return scenario


def _verify_otp(world: World) -> Scenario:
    person = world.person()
    world.prove(person)
    while True:
        yield _redeeming(world, person)


def _redeeming(world: World, person: Person) -> Event:
    body = {"email": person.email, "otp": world.code(person)}
    return request("/auth/verify_otp", body, source=world.client_address())


def _asking_for_mail(path: str) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        while True:
            yield request(path, {"email": world.email()}, source=world.client_address())

    return scenario


def _guest(world: World) -> Scenario:
    while True:
        yield request("/auth/login_with_anonymous", {}, source=world.client_address())


def _google(world: World) -> Scenario:
    identity = world.google_identity()
    world.sign_in_with_google(identity)
    while True:
        yield _proving(world, identity)


def _proving(world: World, identity: VerifiedIdentity) -> Event:
    body = {"id_token": world.google_token(identity)}
    return request("/api/auth/google", body, source=world.client_address())


def _organization(world: World) -> Scenario:
    person = world.person()
    world.use(person)
    while True:
        yield _showing_organization(world, person)


def _showing_organization(world: World, person: Person) -> Event:
    return request(
        "/api/organization",
        source=world.client_address(),
        authorization=f"Bearer {person.access_token}",
        x_organization_id=person.organization_id,
    )


def _authorizer(world: World) -> Scenario:
    person = world.person()
    world.use(person)
    while True:
        yield _authorizing(world, person)


def _authorizing(world: World, person: Person) -> Event:
    return _showing_organization(world, person) | {"type": "REQUEST"}


def _mailer(world: World) -> Scenario:
    person = world.person()
    while True:
        yield {"Records": [_record(world, person)]}


def _record(world: World, person: Person) -> dict[str, Any]:
    return {
        "messageId": "059f36b4-87a3-44ab-83d2-661975780001",
        "body": world.job(person),
        "attributes": {"SentTimestamp": str(world.now_ms())},
        "eventSource": "aws:sqs",
    }


def _default(world: World) -> Scenario:
    while True:
        yield request("/nothing/here", source=world.client_address())


OWN: Final[Mapping[str, Callable[[World], Scenario]]] = {
    "api/auth/change-password": _change_password,
    "api/auth/forgot-password": _asking_for_mail("/api/auth/forgot-password"),
    "api/auth/google": _google,
    "api/auth/login": _signing_in("/api/auth/login"),
    "api/auth/logout": _logging_out("/api/auth/logout", {}),
    "api/auth/me": _me,
    "api/auth/mfa/verify": _second_factor("/api/auth/mfa/verify", "mfaToken"),
    "api/auth/refresh": _refresh,
    "api/auth/register": _register,
    "api/auth/reset-password": _reset_password,
    "api/organization": _organization,
    "auth/login_with_anonymous": _guest,
    "auth/login_with_email_password": _signing_in("/auth/login_with_email_password"),
    "auth/logout": _logging_out("/auth/logout", None),
    "auth/mfa/verify": _second_factor("/auth/mfa/verify", "mfa_token"),
    "auth/otp": _asking_for_mail("/auth/otp"),
    "auth/register": _enrol,
    "auth/verify_legacy_password": _signing_in("/auth/verify_legacy_password"),
    "auth/verify_otp": _verify_otp,
    **SUPABASE,
    **TEAMS,
    "authorizer": _authorizer,
    "default": _default,
    "mailer": _mailer,
}

FIRST_USES: Final[Mapping[str, Callable[[World], Event]]] = {
    "api/auth/change-password": lambda world: _changing(world, world.person(), PASSWORD, OTHER_PASSWORD),
    "api/auth/google": lambda world: _proving(world, world.google_identity()),
    "api/auth/me": lambda world: _asking_who(world, world.person()),
    "auth/verify_otp": lambda world: _redeeming(world, world.person()),
    "api/organization": lambda world: _showing_organization(world, world.person()),
    **FIRST_USES_AT_SUPABASE,
    "authorizer": lambda world: _authorizing(world, world.person()),
}
"""An access token's first use confirms its session; a first code proves an address; a new identity gets an account."""

_WITHOUT_PROVIDERS: Final = {"GOOGLE_CLIENT_IDS": "", "OIDC_PROVIDERS": ""}

VARIABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "auth/v1/token": _WITHOUT_PROVIDERS,
    PASSWORD_GRANT: _WITHOUT_PROVIDERS,
    PKCE_GRANT: _WITHOUT_PROVIDERS,
}
"""What cases have in the place of the function's variables: a deployment without providers, which is the default."""

_EXPECTED: Final = {"default": NOT_FOUND}
"""Statuses of answers that are no success and right all the same."""


OTHERS: Final = frozenset(case for case in OWN if "?" in case)
"""Cases that are not the first of their function."""

NOT_INVOKED: Final = frozenset({"rotation"})
"""Functions that are only started: Secrets Manager calls this one four times a year."""


def folder_of(case: str) -> str:
    """Return the folder of a case's function."""
    return case.partition("?")[0]


def cases_of(folders: Iterable[str]) -> list[str]:
    """Return all cases of functions, in their order."""
    return [case for folder in folders for case in (folder, *sorted(OTHERS)) if folder_of(case) == folder]


def first_use_of(folder: str, world: World) -> Event | None:
    """Return the event of a first use, None where that costs what every other does."""
    return FIRST_USES[folder](world) if folder in FIRST_USES else None


def scenario_of(folder: str, world: World) -> Scenario | None:
    """Return the events of a function, None if it is not invoked while it is measured.

    Raises:
        LookupError: there is neither a scenario for it nor an event in `events/`.
    """
    if folder in OWN:
        return OWN[folder](world)
    if folder in NOT_INVOKED:
        return None
    files = sorted((ROOT / "events" / folder).glob("*.json"))
    if not files:
        raise LookupError(f"{folder} has neither a scenario nor an event in events/{folder}")
    return _the_same(json.loads(files[0].read_text("utf-8")))


def check(folder: str, answer: Any) -> None:
    """Look whether an answer is what it should be.

    Raises:
        Unsuccessful: it is not.
    """
    status = answer.get("statusCode", 200) if isinstance(answer, dict) else 200
    expected = _EXPECTED.get(folder)
    right = status == expected if expected else status < FIRST_ERROR or (folder not in OWN and status < 500)  # noqa: PLR2004
    if not right or answer.get("isAuthorized") is False or answer.get("batchItemFailures"):
        raise Unsuccessful(f"{folder}: {json.dumps(answer)[:1000]}")


def _the_same(event: Event) -> Scenario:
    while True:
        yield event
