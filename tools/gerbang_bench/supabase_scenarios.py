"""The scenarios of Supabase Auth's endpoints, as `gerbang_bench.scenarios` has those of the others."""

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Final

from gerbang.accounts.identity_sign_in import VerifiedIdentity

from gerbang_bench.events import Event, Scenario, data_of, request
from gerbang_bench.worlds import PASSWORD, VERIFIER, Person, World

PASSWORD_GRANT: Final = "auth/v1/token?grant_type=password"  # noqa: S105 - a case
ID_TOKEN_GRANT: Final = "auth/v1/token?grant_type=id_token"  # noqa: S105
PKCE_GRANT: Final = "auth/v1/token?grant_type=pkce"

_USERS: Final = "/auth/v1/admin/users"
_FACTORS: Final = "/auth/v1/factors"


def _refresh_grant(world: World) -> Scenario:
    token = world.person().refresh_token
    path, key = "/auth/v1/token?grant_type=refresh_token", world.publishable_key
    while True:
        answer = yield request(path, {"refresh_token": token}, source=world.client_address(), apikey=key)
        token = data_of(answer)["refresh_token"]


def _password_grant(world: World) -> Scenario:
    person = world.person()
    world.prove(person)
    world.reset_password(person)
    body = {"email": person.email, "password": PASSWORD}
    while True:
        yield request(f"/{PASSWORD_GRANT}", body, source=world.client_address(), apikey=world.publishable_key)


def _id_token_grant(world: World) -> Scenario:
    identity = world.google_identity()
    world.sign_in_with_google(identity)
    while True:
        yield _exchanging(world, identity)


def _exchanging(world: World, identity: VerifiedIdentity) -> Event:
    body = {"provider": "google", "id_token": world.google_token(identity)}
    return request(f"/{ID_TOKEN_GRANT}", body, source=world.client_address(), apikey=world.publishable_key)


def _supabase_sign_up(world: World) -> Scenario:
    while True:
        body = {"email": world.email(), "password": PASSWORD, "data": {"name": "Violet Tram"}}
        yield request("/auth/v1/signup", body, source=world.client_address(), apikey=world.publishable_key)


def _reading(path: str) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        while True:
            yield request(path, source=world.client_address(), apikey=world.publishable_key)

    return scenario


def _supabase_user(world: World) -> Scenario:
    person = world.person()
    world.use(person)
    while True:
        yield _asking_for_user(world, person)


def _asking_for_user(world: World, person: Person) -> Event:
    bearer = f"Bearer {person.access_token}"
    return request("/auth/v1/user", source=world.client_address(), apikey=world.publishable_key, authorization=bearer)


def _supabase_logout(world: World) -> Scenario:
    while True:
        person = world.person()
        bearer = f"Bearer {world.access_token(person)}"
        yield request(
            "/auth/v1/logout", {}, source=world.client_address(), apikey=world.publishable_key, authorization=bearer
        )


def _asking_at_supabase(path: str, more: Mapping[str, str]) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        while True:
            body = {"email": world.email(), **more}
            yield request(path, body, source=world.client_address(), apikey=world.publishable_key)

    return scenario


def _verify(world: World) -> Scenario:
    person = world.person()
    world.prove(person)
    while True:
        yield _verifying(world, person)


def _verifying(world: World, person: Person) -> Event:
    body = {"email": person.email, "token": world.code(person), "type": "email"}
    return request("/auth/v1/verify", body, source=world.client_address(), apikey=world.publishable_key)


def _pkce_grant(world: World) -> Scenario:
    person = world.person()
    while True:
        body = {"auth_code": world.authorization_code(person), "code_verifier": VERIFIER}
        yield request(f"/{PKCE_GRANT}", body, source=world.client_address(), apikey=world.publishable_key)


def _reauthenticate(world: World) -> Scenario:
    while True:
        person = world.person()
        world.prove(person)
        yield _asking_to_reauthenticate(world, person)


def _asking_to_reauthenticate(world: World, person: Person) -> Event:
    """Return a request in a new session: only one code a minute is mailed to a person."""
    token = world.access_token_used(person)
    return request("/auth/v1/reauthenticate", None, source=world.client_address(), **_known(world, token))


def _unlinking(world: World) -> Scenario:
    person, identity = world.person(), world.google_identity()
    world.prove(person)
    world.reset_password(person)
    while True:
        token, identity_id = world.link(person, identity)
        event = request("/auth/v1/user/identities/one", None, source=world.client_address(), **_known(world, token))
        yield _as(event, "DELETE", "identity_id", identity_id)


def _finding_a_user(world: World) -> Scenario:
    person = world.person()
    while True:
        yield request(f"{_USERS}?filter={person.email}", None, source=world.client_address(), **_administrator(world))


def _showing_a_user(world: World) -> Scenario:
    user_id = world.user_id(world.person())
    while True:
        event = request(f"{_USERS}/one", None, source=world.client_address(), **_administrator(world))
        yield _as(event, "GET", "user_id", user_id)


def _inviting(world: World) -> Scenario:
    while True:
        body = {"email": world.email(), "data": {"name": "Violet Tram"}}
        yield request("/auth/v1/invite", body, source=world.client_address(), **_administrator(world))


def _generating_a_link(world: World) -> Scenario:
    person = world.person()
    while True:
        body = {"type": "magiclink", "email": person.email}
        path = "/auth/v1/admin/generate_link"
        yield request(path, body, source=world.client_address(), **_administrator(world))


def _enrolling(world: World) -> Scenario:
    person = world.person()
    token = world.access_token_used(person)
    while True:
        world.remove_factors(person)
        body = {"factor_type": "totp", "friendly_name": "phone"}
        yield request(_FACTORS, body, source=world.client_address(), **_known(world, token))


def _challenging(world: World) -> Scenario:
    person = world.person()
    token, factor_id = world.access_token_used(person), world.set_factor(person)
    while True:
        yield _about_factor(world, token, factor_id, "challenge", {})


def _verifying_a_factor(world: World) -> Scenario:
    person = world.person()
    while True:
        token, factor_id = world.access_token_used(person), world.set_factor(person)
        body = {"challenge_id": world.challenge(token, factor_id), "code": world.code_of_app(person)}
        yield _about_factor(world, token, factor_id, "verify", body)


def _about_factor(world: World, token: str, factor_id: str, what: str, body: Mapping[str, str]) -> Event:
    event = request(f"{_FACTORS}/one/{what}", body, source=world.client_address(), **_known(world, token))
    path = f"{_FACTORS}/{factor_id}/{what}"
    event["requestContext"]["http"]["path"] = path
    route = event["routeKey"].replace("/one/", "/{factor_id}/")
    return event | {"rawPath": path, "routeKey": route, "pathParameters": {"factor_id": factor_id}}


def _unenrolling(world: World) -> Scenario:
    person = world.person()
    while True:
        factor_id = world.set_factor(person)
        known = _known(world, world.raised_token(person))
        event = request(f"{_FACTORS}/one", None, source=world.client_address(), **known)
        yield _as(event, "DELETE", "factor_id", factor_id)


def _making_recovery_codes(world: World) -> Scenario:
    person = world.person()
    world.set_factor(person)
    known = _known(world, world.raised_token(person))
    while True:
        yield request(f"{_FACTORS}/recovery-codes", {}, source=world.client_address(), **known)


def _listing_factors(world: World) -> Scenario:
    person = world.person()
    world.set_factor(person)
    user_id = world.user_id(person)
    while True:
        path = f"{_USERS}/{user_id}/factors"
        event = request(path, None, source=world.client_address(), **_administrator(world))
        route = event["routeKey"].replace(user_id, "{user_id}")
        yield event | {"routeKey": route, "pathParameters": {"user_id": user_id}}


def _renaming_a_factor(world: World) -> Scenario:
    person = world.person()
    user_id, factor_id, names = world.user_id(person), world.set_factor(person), cycle(("tablet", "phone"))
    while True:
        path = f"{_USERS}/{user_id}/factors/one"
        body = {"friendly_name": next(names)}
        event = _as(
            request(path, body, source=world.client_address(), **_administrator(world)), "PUT", "factor_id", factor_id
        )
        route = event["routeKey"].replace(user_id, "{user_id}")
        yield event | {"routeKey": route, "pathParameters": {"user_id": user_id, "factor_id": factor_id}}


def _known(world: World, access_token: str) -> dict[str, str]:
    return {"apikey": world.publishable_key, "authorization": f"Bearer {access_token}"}


def _administrator(world: World) -> dict[str, str]:
    return {"apikey": world.secret_key, "authorization": f"Bearer {world.secret_key}"}


def _as(event: Event, method: str, parameter: str, value: str) -> Event:
    """Return an event of a path with a parameter, the last part of the path, with another method."""
    path = event["rawPath"].removesuffix("one") + value
    event["requestContext"]["http"] |= {"method": method, "path": path}
    route = event["routeKey"].removesuffix("one") + f"{{{parameter}}}"
    return event | {"rawPath": path, "routeKey": route, "pathParameters": {parameter: value}}


SUPABASE: Final[Mapping[str, Callable[[World], Scenario]]] = {
    "auth/v1/admin/generate_link": _generating_a_link,
    "auth/v1/admin/users": _finding_a_user,
    "auth/v1/admin/users/one": _showing_a_user,
    "auth/v1/admin/users/one/factors": _listing_factors,
    "auth/v1/admin/users/one/factors/one": _renaming_a_factor,
    "auth/v1/factors": _enrolling,
    "auth/v1/factors/one": _unenrolling,
    "auth/v1/factors/one/challenge": _challenging,
    "auth/v1/factors/one/verify": _verifying_a_factor,
    "auth/v1/factors/recovery-codes": _making_recovery_codes,
    "auth/v1/health": _reading("/auth/v1/health"),
    "auth/v1/invite": _inviting,
    "auth/v1/logout": _supabase_logout,
    "auth/v1/otp": _asking_at_supabase("/auth/v1/otp", {}),
    "auth/v1/reauthenticate": _reauthenticate,
    "auth/v1/recover": _asking_at_supabase("/auth/v1/recover", {}),
    "auth/v1/resend": _asking_at_supabase("/auth/v1/resend", {"type": "signup"}),
    "auth/v1/settings": _reading("/auth/v1/settings"),
    "auth/v1/signup": _supabase_sign_up,
    "auth/v1/token": _refresh_grant,
    ID_TOKEN_GRANT: _id_token_grant,
    PASSWORD_GRANT: _password_grant,
    PKCE_GRANT: _pkce_grant,
    "auth/v1/user": _supabase_user,
    "auth/v1/user/identities/one": _unlinking,
    "auth/v1/verify": _verify,
}

FIRST_USES_AT_SUPABASE: Final[Mapping[str, Callable[[World], Event]]] = {
    ID_TOKEN_GRANT: lambda world: _exchanging(world, world.google_identity()),
    "auth/v1/user": lambda world: _asking_for_user(world, world.person()),
    "auth/v1/verify": lambda world: _verifying(world, world.person()),
}
