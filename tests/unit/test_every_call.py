"""Every call that every endpoint makes, to the database and to the mail queue, goes wrong in every way.

The handlers are those of `functions/`. Whatever goes wrong, a client is answered as promised or 503, and the same
request sent again, once all is well, does what it promises. A request that was answered 503 is not counted.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import replace
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from gerbang.accounts import totp
from gerbang.accounts.reauthentication import FRESH_FOR
from gerbang.accounts.roles import Role
from gerbang.accounts.second_factor import WrongCode
from gerbang.accounts.user_update import UserChanges
from gerbang.core.emails import EmailAddress
from gerbang.core.identifiers import botlaunch_id
from gerbang.mail.jobs import INVITATION, NEW_USER_METADATA, NEW_USER_NAME, REGISTERED, SLOT, MailKind
from gerbang.mail.links import LinkRequest
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.pkce import ChallengeMethod, CodeChallenge
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.profiles import providers_of
from gerbang.storage.store import Update, Written
from gerbang_local.declarations import ROOT

from tests.deployment import ALICE, BOB, HOME, HOUR, MINUTE, PASSWORD, SECOND, SITE, Choices, by_email
from tests.gateway_events import body_of, http_event, json_event
from tests.unit.access import opens
from tests.unit.mail_fakes import MailDeployment, Point, code_in
from tests.unit.sweep import (
    CHOICES,
    LASTING,
    LOWEST,
    OLD_USER,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    SMALLEST,
    Answer,
    Event,
    Mishap,
    Trouble,
    counted,
    environment,
    is_unavailable,
    items,
    operation,
    operations,
    world,
)
from tests.unit.teams import Team, member, request

NEW_PASSWORD: Final = "Battery-staple-43"
CREDIT: Final = 5000
"""What new accounts have (`tests.deployment`)."""
CAROL: Final = "carol@example.com"
IMPORTED_HASH: Final = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"
"""Of `PASSWORD`, as PHP's bcrypt stores it."""

BOTLAUNCH: Final = frozenset({"statusCode", "error", "message"})
SNAPOTP: Final = frozenset({"success", "message"})
ATOURIN: Final = frozenset({"status", "code", "info", "msg"})
GOTRUE: Final = frozenset({"code", "error_code", "msg"})
"""The members of an error, by API."""


REPEATS: Final = SMALLEST + 2
"""How often a request is sent to go beyond every limit."""

MOST_ALIKE: Final = 8
"""Of a request's calls of one shape, the first few go wrong. A list of users asks for 300 months, one like another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """What a request is answered that is sent again because the answer to the first one was lost."""

    status: int
    is_done: Callable[[MailDeployment, Event], bool]
    """Whether the first one did what was asked."""
    then: Callable[[MailDeployment, Event], bool]
    """What the client does next, and whether that works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request to an endpoint, and what it is answered."""

    function: str
    """The folder of the function, below `functions`."""
    error: frozenset[str]
    prepare: Callable[[MailDeployment], Event]
    """Makes what the request needs, and returns the request."""
    status: int = 200
    kept: Callable[[MailDeployment, Event, Answer], bool]
    """Whether a request that was answered so has done what it promises."""
    notice: MailKind | None = None
    """A mail that is queued at the latest when the request is sent again."""
    repeated: Repeat | None = None
    """None: as the first one."""
    repeat_counts: frozenset[str] = frozenset()
    """The limits at which a request sent again counts, and the first one does not."""
    at_once: frozenset[int] = frozenset()
    """What one of two such requests at once may be answered besides."""
    choices: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the operator chose besides."""

    def world(self, choices: Choices = CHOICES) -> MailDeployment:
        """A world of its own for the request."""
        return world(replace(choices, **self.choices))


# What requests need


def bearer(held: SignedIn, **headers: str) -> dict[str, str]:
    return {"authorization": f"Bearer {held.tokens.access_token}", **headers}


def with_bearer(method: str, post: MailDeployment) -> Event:
    return http_event(method=method, headers=bearer(post.register(ALICE)))


def in_organization(post: MailDeployment) -> Event:
    held = post.register(ALICE)
    return http_event(method="GET", headers=bearer(held, **{"x-organization-id": str(held.user.organization_id)}))


def with_account(body: Mapping[str, str], post: MailDeployment) -> Event:
    post.register(ALICE)
    return json_event(body)


def change_account(post: MailDeployment, user_id: str, **changes: Any) -> None:
    assert isinstance(post.base.store.write(Update(post.users.key(user_id), changes)), Written)


def with_imported_account(post: MailDeployment) -> Event:
    change_account(post, post.register(ALICE).user.user_id, password_hash=IMPORTED_HASH)
    return json_event({"email": ALICE.email, "password": PASSWORD})


def with_refresh_token(field: str, post: MailDeployment, **more: Any) -> Event:
    return json_event({field: post.register(ALICE).tokens.refresh_token}, **more)


def with_stolen_token(post: MailDeployment) -> Event:
    held = post.register(ALICE)
    post.base.sessions.authenticate(post.base.sessions.refresh(held.tokens.refresh_token).tokens.access_token)
    post.base.clock.advance(HOUR)
    return json_event({"refresh_token": held.tokens.refresh_token})


def with_code(kind: MailKind, post: MailDeployment) -> Event:
    post.register(BOB)
    return json_event({"email": BOB.email, "otp": post.mailed_code(kind=kind)})


def with_key(body: Mapping[str, str], **query: str) -> Event:
    headers = {"content-type": "application/json", "apikey": PUBLISHABLE_KEY}
    return json_event(body, headers=headers, query=query)


def with_verified_account_and_key(post: MailDeployment) -> Event:
    change_account(post, post.register(ALICE).user.user_id, email_verified_at=1)
    return with_key({"email": ALICE.email, "password": PASSWORD}, grant_type="password")


def with_account_and_key(body: Mapping[str, str], post: MailDeployment) -> Event:
    post.register(ALICE)
    return with_key(body)


def with_code_at_gotrue(post: MailDeployment) -> Event:
    post.register(BOB)
    post.mailed_code(kind=MailKind.RECOVERY_CODE)
    return with_key({"type": "email", "email": BOB.email, "token": post.mailed_code()})


def with_code_of_a_sign_up(post: MailDeployment) -> Event:
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "Carol", NEW_USER_METADATA: "{}"}
    post.deliver(replace(post.job(MailKind.SIGN_IN_CODE, CAROL), payload=payload))
    return with_key({"type": "email", "email": CAROL, "token": post.outbox.codes[-1]})


LINK: Final = LinkRequest(base_url="https://auth.example.com", redirect_to=SITE)
PKCE_LINK: Final = replace(LINK, challenge=CodeChallenge("v" * 43, ChallengeMethod.PLAIN))


def mailed_link(post: MailDeployment, email: str, link: LinkRequest, **payload: str) -> dict[str, str]:
    """Have a link mailed; return the members of its query."""
    post.deliver(
        replace(post.job(MailKind.SIGN_IN_CODE, email), payload={SLOT: "RECOVERY", **link.to_payload(), **payload})
    )
    [url] = [line for line in post.outbox.last.text.splitlines() if line.startswith("http")]
    return dict(parse_qsl(urlsplit(url).query))


def with_link(link: LinkRequest, post: MailDeployment) -> Event:
    post.register(BOB)
    return http_event(method="GET", headers={}, query=mailed_link(post, BOB.email, link))


def with_link_of_a_sign_up(post: MailDeployment) -> Event:
    new = {NEW_USER_NAME: "Carol", NEW_USER_METADATA: "{}"}
    return http_event(method="GET", headers={}, query=mailed_link(post, CAROL, LINK, **new))


def with_token_hash(post: MailDeployment) -> Event:
    post.register(BOB)
    members = mailed_link(post, BOB.email, LINK)
    return with_key({"type": members["type"], "token_hash": members["token"]})


def with_authorization_code(post: MailDeployment) -> Event:
    answer = environment("auth/v1/verify", post)(with_link(PKCE_LINK, post))
    return with_key({"auth_code": code_of(answer), "code_verifier": "v" * 43}, grant_type="pkce")


def code_of(answer: Answer) -> str:
    location: str = answer["headers"]["location"]
    return dict(parse_qsl(urlsplit(location).query))["code"]


def with_secret_key(body: Mapping[str, str], post: MailDeployment) -> Event:
    del post
    headers = {"content-type": "application/json", "apikey": SECRET_KEY, "authorization": f"Bearer {SECRET_KEY}"}
    return json_event(body, headers=headers)


def with_reset_token(post: MailDeployment) -> Event:
    post.register(BOB)
    return json_event({"token": post.mailed_token(), "password": NEW_PASSWORD})


def with_verified_session(post: MailDeployment) -> Event:
    held = post.register(BOB)
    change_account(post, held.user.user_id, email_verified_at=1)
    return json_event(
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers=bearer(held, **{"content-type": "application/json"}),
    )


def of_google(post: MailDeployment) -> Event:
    del post
    return json_event({"id_token": "carol"})


def with_google_identity(post: MailDeployment) -> Event:
    environment("api/auth/google", post)(of_google(post))
    return of_google(post)


def with_linkable_account(post: MailDeployment) -> Event:
    post.register(replace(BOB, email=EmailAddress(CAROL)))
    return of_google(post)


def vouched(post: MailDeployment) -> Event:
    del post
    return json_event(
        {"google_id": "carol", "email": CAROL, "name": "Carol"},
        headers={"content-type": "application/json", "apikey": SECRET_KEY},
    )


def of_user(method: str, body: Mapping[str, Any] | None, post: MailDeployment) -> Event:
    """A request of Alice; Bob has an account, too."""
    post.register(BOB)
    return by_user(post.register(ALICE), method, body)


def by_user(held: SignedIn, method: str, body: Mapping[str, Any] | None) -> Event:
    headers = bearer(held, apikey=PUBLISHABLE_KEY)
    if body is None:
        return http_event(method=method, headers=headers)
    return json_event(body, method=method, headers=headers | {"content-type": "application/json"})


def of_google_user(method: str, post: MailDeployment) -> Event:
    answer = environment("api/auth/google", post)(of_google(post))
    headers = {"authorization": f"Bearer {access_token(answer)}", "apikey": PUBLISHABLE_KEY}
    return http_event(method=method, headers=headers)


def with_verified_user(post: MailDeployment) -> Event:
    held = post.register(BOB)
    change_account(post, held.user.user_id, email_verified_at=1)
    return by_user(held, "PUT", {"password": NEW_PASSWORD})


def of_guest(post: MailDeployment) -> Event:
    return by_user(post.guests.admit(HOME), "PUT", {"email": CAROL})


def linking(post: MailDeployment) -> Event:
    held = post.register(BOB)
    change_account(post, held.user.user_id, email_verified_at=1)
    body = {"id_token": "dan", "provider": "google", "link_identity": True}
    headers = bearer(held, apikey=PUBLISHABLE_KEY, **{"content-type": "application/json"})
    return json_event(body, headers=headers, query={"grant_type": "id_token"})


def guest_linking(post: MailDeployment) -> Event:
    body = {"id_token": "dan", "provider": "google", "link_identity": True}
    headers = bearer(post.guests.admit(HOME), apikey=PUBLISHABLE_KEY, **{"content-type": "application/json"})
    return json_event(body, headers=headers, query={"grant_type": "id_token"})


def unlinking(provider: str, post: MailDeployment) -> Event:
    linked = environment("auth/v1/token", post)(linking(post))
    post.queue.jobs.clear()
    post.base.clock.advance(HOUR / 2)
    identity_id = next(each["identity_id"] for each in user_in(linked)["identities"] if each["provider"] == provider)
    headers = {"authorization": f"Bearer {access_token(linked)}", "apikey": PUBLISHABLE_KEY}
    return http_event(method="DELETE", headers=headers) | {"pathParameters": {"identity_id": identity_id}}


def reauthenticating(post: MailDeployment) -> Event:
    held = post.register(BOB)
    change_account(post, held.user.user_id, email_verified_at=1)
    return http_event(method="GET", headers=bearer(held, apikey=PUBLISHABLE_KEY))


def code_of_app(post: MailDeployment, user: User) -> str:
    """The code that a user's app shows now."""
    secret = totp.secret_of(post.base.keys, user.user_id, user.factors[0].factor_id)
    return totp.code_of(secret, totp.step_at(post.base.clock()))


def show_code(post: MailDeployment, held: SignedIn) -> SignedIn:
    """Show a user's second factor; the app's next code is a new one then."""
    caller = post.base.sessions.authenticate(held.tokens.access_token)
    factor_id = caller.user.factors[0].factor_id
    challenge_id = post.base.own_factors.challenge(caller, factor_id).challenge_id
    code = code_of_app(post, caller.user)
    raised = post.base.second_factor.verify(caller, factor_id, challenge_id=challenge_id, code=code, client=HOME)
    post.base.clock.advance(MINUTE)
    return raised


def with_new_factor(post: MailDeployment) -> SignedIn:
    held = post.register(BOB)
    post.base.own_factors.enrol(post.base.sessions.authenticate(held.tokens.access_token), name="phone", issuer="Toko")
    return held


def with_second_factor(post: MailDeployment) -> SignedIn:
    return show_code(post, with_new_factor(post))


def enrolling(post: MailDeployment) -> Event:
    return by_user(post.register(BOB), "POST", {"factor_type": "totp", "friendly_name": "phone"})


def about_factor(method: str, held: SignedIn, post: MailDeployment, body: Mapping[str, Any] | None = None) -> Event:
    factor_id = post.user(held.user.user_id).factors[0].factor_id
    return by_user(held, method, body) | {"pathParameters": {"factor_id": factor_id}}


def verifying(held: SignedIn, post: MailDeployment) -> Event:
    caller = post.base.sessions.authenticate(held.tokens.access_token)
    challenge = post.base.own_factors.challenge(caller, caller.user.factors[0].factor_id)
    body = {"challenge_id": challenge.challenge_id, "code": code_of_app(post, caller.user)}
    return about_factor("POST", held, post, body)


def verifying_in_a_session_of_one_factor(post: MailDeployment) -> Event:
    """There are a session that is to be raised, and one that is to end."""
    user = post.user(with_second_factor(post).user.user_id)
    post.base.sessions.open(user, HOME, "password")
    return verifying(post.base.sessions.open(user, HOME, "password"), post)


def with_waiting_sign_in(field: str, post: MailDeployment) -> Event:
    user = post.user(with_second_factor(post).user.user_id)
    token = post.base.first_factors.waiting(user, "password").mfa_token
    return json_event({field: token, "code": code_of_app(post, user)})


def with_recovery_code(post: MailDeployment) -> Event:
    caller = post.base.sessions.authenticate(with_second_factor(post).tokens.access_token)
    code, *_ = post.base.own_factors.replace_recovery_codes(caller)
    return json_event({"mfa_token": post.base.first_factors.waiting(caller.user, "otp").mfa_token, "code": code})


def with_password_and_factor(post: MailDeployment) -> Event:
    with_second_factor(post)
    return json_event({"email": BOB.email, "password": PASSWORD})


def with_code_and_factor(post: MailDeployment) -> Event:
    change_account(post, with_second_factor(post).user.user_id, email_verified_at=1)
    return json_event({"email": BOB.email, "otp": post.mailed_code()})


def with_google_and_factor(post: MailDeployment) -> Event:
    change_account(post, with_second_factor(post).user.user_id, email_verified_at=1)
    return json_event({"id_token": "bob"})


def factor_by_admin(method: str, body: Mapping[str, Any] | None, post: MailDeployment) -> Event:
    user = post.user(with_second_factor(post).user.user_id)
    event = by_admin(method, user.user_id, body)
    return event | {"pathParameters": {"user_id": user.user_id, "factor_id": user.factors[0].factor_id}}


def signing_out(scope: str | None, post: MailDeployment) -> Event:
    held = post.register(ALICE)
    post.base.sign_in.sign_in(by_email(), HOME)
    return http_event(headers=bearer(held, apikey=PUBLISHABLE_KEY), query={"scope": scope} if scope else {})


def by_admin(
    method: str,
    user_id: str | None = None,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> Event:
    headers = {"authorization": f"Bearer {SECRET_KEY}", "apikey": SECRET_KEY, "content-type": "application/json"}
    more: dict[str, Any] = {} if user_id is None else {"pathParameters": {"user_id": user_id}}
    if body is None:
        return http_event(method=method, headers=headers, query=query, **more)
    return json_event(body, method=method, headers=headers, **more)


def by_admin_about_bob(method: str, body: Mapping[str, Any] | None, post: MailDeployment) -> Event:
    post.register(ALICE)
    return by_admin(method, post.register(BOB).user.user_id, body)


def by_admin_about_alice(method: str, post: MailDeployment) -> Event:
    """A request about Alice, who has an organization, a code and an identity at Google."""
    held = post.register(replace(ALICE, email=EmailAddress(CAROL)))
    environment("api/auth/google", post)(of_google(post))
    post.mailed_code(CAROL)
    return by_admin(method, held.user.user_id)


def by_admin_about_a_guest(post: MailDeployment) -> Event:
    return by_admin("PUT", post.guests.admit(HOME).user.user_id, {"email": CAROL, "password": PASSWORD})


def listing(query: Mapping[str, str], post: MailDeployment) -> Event:
    post.register(ALICE)
    environment("api/auth/google", post)(of_google(post))
    return by_admin("GET", query=query)


def another_code(code: str) -> str:
    """A code that is not the one that was mailed."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def another_token(token: str) -> str:
    """A token that is not the one that was mailed."""
    return f"{token[:-1]}{'1' if token[-1] == '0' else '0'}"


def with_wrong_code(post: MailDeployment) -> Event:
    post.register(BOB)
    return json_event({"email": BOB.email, "otp": another_code(post.mailed_code())})


def with_wrong_code_at_gotrue(kind: str, post: MailDeployment) -> Event:
    post.register(BOB)
    return with_key({"type": kind, "email": BOB.email, "token": another_code(post.mailed_code())})


def with_wrong_link(post: MailDeployment) -> Event:
    post.register(BOB)
    query = mailed_link(post, BOB.email, LINK)
    return http_event(method="GET", headers={}, query=query | {"token": another_token(query["token"])})


def with_wrong_reset_token(post: MailDeployment) -> Event:
    post.register(BOB)
    return json_event({"token": another_token(post.mailed_token()), "password": NEW_PASSWORD})


def with_wrong_factor_code(post: MailDeployment) -> Event:
    event = with_waiting_sign_in("mfaToken", post)
    body = json.loads(event["body"])
    return json_event(body | {"code": another_code(body["code"])})


def verifying_with_a_wrong_code(post: MailDeployment) -> Event:
    held = with_new_factor(post)
    body = json.loads(verifying(held, post)["body"])
    return about_factor("POST", held, post, body | {"code": another_code(body["code"])})


def with_wrong_present_password(post: MailDeployment) -> Event:
    event = with_verified_session(post)
    body = json.loads(event["body"])
    return event | {"body": json.dumps(body | {"current_password": "Wrong horse 1"})}


def with_recovery_code_at_gotrue(post: MailDeployment) -> Event:
    change_account(post, post.register(BOB).user.user_id, email_verified_at=1)
    code = post.mailed_code(kind=MailKind.RECOVERY_CODE)
    return with_key({"type": "recovery", "email": BOB.email, "token": code})


def changing_address(post: MailDeployment, held: SignedIn) -> dict[MailKind, str]:
    """Ask for a change to Carol's address; return the codes that are mailed."""
    caller = post.base.sessions.authenticate(held.tokens.access_token)
    post.base.user_update.update(caller, UserChanges(email=EmailAddress(CAROL), link=LINK), HOME, PasswordPolicy())
    for job in post.queue.jobs:
        post.base.clock.advance(SECOND)
        post.deliver(job)
    post.queue.jobs.clear()
    return {message.kind: code_in(message) for message in post.outbox.sent}


def bob_changing_address(post: MailDeployment) -> dict[MailKind, str]:
    held = post.register(BOB)
    change_account(post, held.user.user_id, email_verified_at=1)
    return changing_address(post, held)


def confirming(email: str, code: str) -> Event:
    return with_key({"type": "email_change", "email": email, "token": code})


def confirming_first(post: MailDeployment) -> Event:
    return confirming(BOB.email, bob_changing_address(post)[MailKind.EMAIL_CHANGE_CURRENT])


def confirming_last(post: MailDeployment) -> Event:
    codes = bob_changing_address(post)
    post.email_change.confirm(BOB.email, codes[MailKind.EMAIL_CHANGE_CURRENT], HOME)
    return confirming(CAROL, codes[MailKind.EMAIL_CHANGE_NEW])


def confirming_last_by_link(post: MailDeployment) -> Event:
    body = json.loads(confirming_last(post)["body"])
    [message] = [each for each in post.outbox.sent if each.kind is MailKind.EMAIL_CHANGE_NEW]
    [url] = [line for line in message.text.splitlines() if line.startswith("http")]
    query = dict(parse_qsl(urlsplit(url).query))
    return with_key({"type": body["type"], "token_hash": query["token"]})


def guest_confirming(post: MailDeployment) -> Event:
    return confirming(CAROL, changing_address(post, post.guests.admit(HOME))[MailKind.EMAIL_CHANGE_NEW])


def confirming_with_a_wrong_code(post: MailDeployment) -> Event:
    return confirming(BOB.email, another_code(bob_changing_address(post)[MailKind.EMAIL_CHANGE_CURRENT]))


def in_an_old_session(change: Callable[[str], str], post: MailDeployment) -> Event:
    """A request for another password, with the code that was mailed for it, changed or not."""
    held = post.register(BOB)
    change_account(post, held.user.user_id, email_verified_at=1)
    post.base.clock.advance(FRESH_FOR + SECOND)
    held = post.base.sessions.refresh(held.tokens.refresh_token)
    code = post.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)
    return by_user(held, "PUT", {"password": NEW_PASSWORD, "nonce": change(code)})


def with_present_password(password: str, post: MailDeployment) -> Event:
    held = post.register(BOB)
    change_account(post, held.user.user_id, email_verified_at=1)
    return by_user(held, "PUT", {"password": NEW_PASSWORD, "current_password": password})


def about_bob(body: Mapping[str, str], post: MailDeployment) -> Event:
    post.register(BOB)
    return with_secret_key({**body, "email": BOB.email}, post)


def about_verified_bob(body: Mapping[str, str], post: MailDeployment) -> Event:
    change_account(post, post.register(BOB).user.user_id, email_verified_at=1)
    return with_secret_key({**body, "email": BOB.email}, post)


# What answers promise


def access_token(answer: Answer) -> str:
    body = body_of(answer)
    data = body.get("data", body)
    return str(next(data[name] for name in ("accessToken", "token", "access_token") if name in data))


def link_signs_in(post: MailDeployment, _event: Event, answer: Answer) -> bool:
    session = dict(parse_qsl(urlsplit(answer["headers"]["location"]).fragment))
    return accepts(post, session.get("access_token", ""))


def link_gives_code(post: MailDeployment, _event: Event, answer: Answer) -> bool:
    exchanged = environment("auth/v1/token", post)(
        with_key({"auth_code": code_of(answer), "code_verifier": "v" * 43}, grant_type="pkce")
    )
    return session_works(post, _event, exchanged)


def another_link_works(post: MailDeployment, event: Event) -> bool:
    del event
    query = mailed_link(post, BOB.email, LINK)
    answer = environment("auth/v1/verify", post)(http_event(method="GET", headers={}, query=query))
    return link_signs_in(post, {}, answer)


def is_invited(post: MailDeployment, _event: Event, answer: Answer) -> bool:
    user = post.user(body_of(answer)["id"])
    return user.invited_at is not None and any(job.kind is MailKind.INVITE for job in post.queue.jobs)


def link_is_generated(post: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether there are an account and a link. The link works unless another one was generated since."""
    return has_account(post, event) and body_of(answer)["hashed_token"] in body_of(answer)["action_link"]


def flow_is_over(post: MailDeployment, _event: Event) -> bool:
    return not any(str(item["pk"]).startswith("FLOW#") for item in items(post, "OneTimeCodes"))


def accepts(post: MailDeployment, token: str) -> bool:
    try:
        post.base.sessions.authenticate(token)
    except SessionEnded:
        return False
    return True


def session_works(post: MailDeployment, _: Event, answer: Answer) -> bool:
    return accepts(post, access_token(answer))


def shown(_post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return bool(body_of(answer))


def is_signed_out(post: MailDeployment, event: Event, _: Answer | None = None) -> bool:
    return not accepts(post, event["headers"]["authorization"].removeprefix("Bearer "))


def user_in(answer: Answer) -> Any:
    return body_of(answer)["user"]


def is_linked(post: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether the identity is linked to the account of the caller, whose session goes on."""
    user = caller_of(post, event)
    return user.subjects == {"google": "dan"} and user_in(answer)["id"] == user.user_id and not user.is_anonymous


def has_identities(left: list[str], post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return providers_of(caller_of(post, event)) == left


def shows_identity(_post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return [each["provider"] for each in body_of(answer)["identities"]] == ["google"]


def caller_of(post: MailDeployment, event: Event) -> User:
    token = event["headers"]["authorization"].removeprefix("Bearer ")
    return post.base.sessions.authenticate(token).user


def has_factor(post: MailDeployment, event: Event, answer: Answer) -> bool:
    return body_of(answer)["id"] in {factor.factor_id for factor in caller_of(post, event).factors}


def is_raised(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    token = event["headers"]["authorization"].removeprefix("Bearer ")
    held = post.base.sessions.authenticate(token)
    others = [each for each in post.base.families.list(held.user.user_id) if each.epoch == held.user.epoch]
    return held.family.aal == "aal2" and all(each.aal == "aal2" for each in others)


def has_no_factor(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    caller = post.base.sessions.authenticate(event["headers"]["authorization"].removeprefix("Bearer "))
    return caller.user.factors == () and caller.family.aal == "aal1"


def recovery_code_works(post: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether one of the codes signs in, unless others were made since."""
    token = post.base.first_factors.waiting(caller_of(post, event), "password").mfa_token
    with suppress(WrongCode):
        post.base.second_factor.sign_in(token, body_of(answer)["recovery_codes"][0], HOME)
    return len(body_of(answer)["recovery_codes"]) == 10


def session_of_two_factors_works(post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return post.base.sessions.authenticate(access_token(answer)).family.aal == "aal2"


def bob_of(post: MailDeployment) -> User:
    user_id = post.users.find_id(Name.EMAIL, BOB.email)
    assert user_id is not None
    return post.user(user_id)


def code_is_used(post: MailDeployment, _event: Event) -> bool:
    """Whether the code that the app shows now was accepted, or a recovery code."""
    bob = bob_of(post)
    return bob.factors[0].last_step == totp.step_at(post.base.clock()) or len(bob.recovery_codes) == 9


def next_code_works(post: MailDeployment, _event: Event) -> bool:
    post.base.clock.advance(MINUTE)
    bob = bob_of(post)
    token = post.base.first_factors.waiting(bob, "password").mfa_token
    return bool(post.base.second_factor.sign_in(token, code_of_app(post, bob), HOME))


def token_completes(post: MailDeployment, _event: Event, answer: Answer) -> bool:
    """Whether the sign-in that waits is completed by the app's code."""
    body = body_of(answer)
    token = body.get("mfaToken") or body["data"]["mfa_token"] if "mfa_token" not in body else body["mfa_token"]
    post.base.clock.advance(MINUTE)
    return bool(post.base.second_factor.sign_in(token, code_of_app(post, bob_of(post)), HOME))


def mailed_code_is_spent(post: MailDeployment, _event: Event) -> bool:
    return any("spent_at" in item for item in items(post, "OneTimeCodes"))


def another_mailed_code_waits(post: MailDeployment, _event: Event) -> bool:
    answer = environment("auth/verify_otp", post)(json_event({"email": BOB.email, "otp": post.mailed_code()}))
    return bool(answer["statusCode"] == 403)


def factor_is_renamed(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return [factor.friendly_name for factor in user_named(post, event).factors] == ["tablet"]


def factor_is_removed(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user = user_named(post, event)
    return not user.factors and all(each.aal == "aal1" for each in post.base.families.list(user.user_id))


def metadata_is_new(post: MailDeployment, event: Event, _answer: Answer) -> bool:
    user = caller_of(post, event)
    return (user.name, user.user_metadata) == ("Allie", {"nickname": "Al", "name": "Allie"})


def change_is_pending(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return caller_of(post, event).new_email == CAROL and is_queued(MailKind.EMAIL_CHANGE_NEW, post, event)


def user_named(post: MailDeployment, event: Event) -> User:
    """The account that an administrator's request names."""
    return post.user(event["pathParameters"]["user_id"])


def is_edited(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user = user_named(post, event)
    return (user.email, user.user_metadata, user.app_metadata) == (CAROL, {"a": 1}, {"plan": "pro"})


def is_gone(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user_id = event["pathParameters"]["user_id"]
    tables = ("Users", "Organizations", "RefreshTokenFamilies")
    return not any(user_id in str(item) for table in tables for item in items(post, table))


def lists(count: int, _post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return len(body_of(answer)["users"]) == count


def active_sessions(post: MailDeployment) -> int:
    """How many sessions Alice has."""
    user_id = post.users.find_id(Name.EMAIL, ALICE.email)
    assert user_id is not None
    epoch = post.user(user_id).epoch
    return sum(family.epoch == epoch for family in post.base.families.list(user_id))


def all_are_signed_out(post: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return active_sessions(post) == 0


def others_are_signed_out(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return active_sessions(post) == 1 and not is_signed_out(post, event)


def is_queued(kind: MailKind, post: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return any(job.kind is kind for job in post.queue.jobs)


def password_is_new(post: MailDeployment, _event: Event, _answer: Answer) -> bool:
    user_id = post.users.find_id(Name.EMAIL, BOB.email)
    assert user_id is not None
    is_old = post.base.passwords.verify(PASSWORD, post.user(user_id).password_hash) is Verdict.RIGHT
    return opens(post, NEW_PASSWORD) and not is_old  # a wrong password would be counted


def password_is_set(post: MailDeployment, _event: Event) -> bool:
    """Whether Bob's password was set, which raises the epoch: signing in would count."""
    user_id = post.users.find_id(Name.EMAIL, BOB.email)
    return user_id is not None and post.user(user_id).epoch > 0


def account_works(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return has_account(post, event) and opens(post, email=CAROL)


def has_account(post: MailDeployment, _event: Event) -> bool:
    return post.users.find_id(Name.EMAIL, CAROL) is not None


def account_has_its_mail(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user_id = post.users.find_id(Name.EMAIL, CAROL)
    return account_works(post, event) and any(job.payload.get(REGISTERED) == user_id for job in post.queue.jobs)


def code_is_spent(post: MailDeployment, _event: Event) -> bool:
    return any("spent_at" in item for item in items(post, "OneTimeCodes"))


def another_code_works(post: MailDeployment, event: Event) -> bool:
    del event
    answer = environment("auth/verify_otp", post)(json_event({"email": BOB.email, "otp": post.mailed_code()}))
    return bool(answer["statusCode"] == 200)


def another_code_of_a_sign_up_works(post: MailDeployment, event: Event) -> bool:
    del event
    answer = environment("auth/v1/verify", post)(with_code_of_a_sign_up(post))
    return bool(answer["statusCode"] == 200)


def nothing_is_spent(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    """Whether the code that was mailed still waits, and Bob's password is the old one."""
    return not code_is_spent(post, event) and opens(post)


def first_half_is_confirmed(post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return body_of(answer)["code"] == "200" and bob_of(post).email_change_confirmed == "current"


def other_half_works(post: MailDeployment, _event: Event) -> bool:
    [code] = [code_in(message) for message in post.outbox.sent if message.kind is MailKind.EMAIL_CHANGE_NEW]
    answer = environment("auth/v1/verify", post)(confirming(CAROL, code))
    return bool(answer["statusCode"] == 200) and has_account(post, {})


def address_is_new(post: MailDeployment, event: Event, answer: Answer) -> bool:
    return has_account(post, event) and session_works(post, event, answer)


def guest_is_registered(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user = caller_of(post, event)
    return (user.email, user.is_anonymous) == (CAROL, False)


def link_is_bobs(post: MailDeployment, _event: Event, answer: Answer) -> bool:
    body = body_of(answer)
    return body["id"] == bob_of(post).user_id and body["hashed_token"] in body["action_link"]


def link_changes_address(post: MailDeployment, event: Event, answer: Answer) -> bool:
    return link_is_bobs(post, event, answer) and bob_of(post).new_email == CAROL


def has_moved_in(post: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether the account of the old system's user has been made, with its credit, once."""
    user_id = post.users.find_id(Name.EMAIL, OLD_USER)
    accounts = [item for item in items(post, "Users") if item["sk"] == "ACCOUNT"]
    return (
        user_id is not None
        and post.user(user_id).credit_balance == CREDIT
        and len(accounts) == 1
        and session_works(post, event, answer)
    )


TAKEN: Final = Repeat(status=409, is_done=has_account, then=account_works)
"""The address is taken, by this client: the password signs in (F3)."""

SIGNED_OUT: Final = Repeat(status=401, is_done=is_signed_out, then=is_signed_out)
"""A session is not ended twice: the client is signed out, as it wanted."""

SPENT: Final = Repeat(status=400, is_done=code_is_spent, then=another_code_works)
"""A code has one use: the client asks for another one."""

SPENT_AND_TOLD: Final = replace(
    SPENT,
    then=lambda post, event: is_queued(MailKind.PASSWORD_REMOVED, post, event) and another_code_works(post, event),
)
"""A code that removes a password: the owner is told so by mail."""


USED: Final = Repeat(status=400, is_done=code_is_used, then=next_code_works)
"""A code of an app, or a recovery code, has one use: the client takes the next one."""

NAMED: Final = Repeat(
    status=422,
    is_done=lambda post, event: bool(caller_of(post, event).factors),
    then=lambda post, event: len(caller_of(post, event).factors) == 1,
)
"""The name is taken, by the factor whose secret was not seen: it ends in five minutes."""


def mailed(kind: MailKind) -> Repeat:
    """One mail a minute: the mail is on its way. Only for a request that is sent twice: 503 is not counted."""
    return Repeat(status=429, is_done=lambda *_: False, then=partial(is_queued, kind))


CAROL_AT_BOTLAUNCH: Final = {"email": CAROL, "password": PASSWORD, "name": "Carol", "organizationName": "Carol Inc"}
CAROL_AT_SNAPOTP: Final = {"username": "carol", "email": CAROL, "password": PASSWORD, "name": "Carol"}
CAROL_AT_SUPABASE: Final = {"email": CAROL, "password": PASSWORD}
CAROL_AT_ATOURIN: Final = {"email": CAROL, "password": PASSWORD, "name": "Carol"}

OTHER_ROWS: Final[Mapping[str, Row]] = {
    "BotLaunch register": Row(
        function="api/auth/register",
        error=BOTLAUNCH,
        prepare=lambda _: json_event(CAROL_AT_BOTLAUNCH),
        status=201,
        kept=account_works,
        repeated=TAKEN,
    ),
    "SnapOTP register": Row(
        function="api/auth/register",
        error=SNAPOTP,
        prepare=lambda _: json_event(CAROL_AT_SNAPOTP),
        status=201,
        kept=account_works,
        repeated=TAKEN,
    ),
    "Atourin register": Row(
        function="auth/register",
        error=ATOURIN,
        prepare=lambda _: json_event(CAROL_AT_ATOURIN),
        kept=account_has_its_mail,
        repeated=replace(TAKEN, then=account_has_its_mail),
    ),
    "register a taken address": Row(
        function="auth/register",
        error=ATOURIN,
        prepare=partial(with_account, CAROL_AT_ATOURIN | {"email": ALICE.email}),
        status=409,
        kept=lambda post, *_: opens(post, email=ALICE.email),
    ),
    "BotLaunch login": Row(
        function="api/auth/login",
        error=BOTLAUNCH,
        prepare=partial(with_account, {"email": ALICE.email, "password": PASSWORD}),
        kept=session_works,
    ),
    "SnapOTP login": Row(
        function="api/auth/login",
        error=SNAPOTP,
        prepare=partial(with_account, {"username": "alice", "password": PASSWORD}),
        kept=session_works,
    ),
    "wrong password": Row(
        function="api/auth/login",
        error=SNAPOTP,
        prepare=partial(with_account, {"username": "alice", "password": NEW_PASSWORD}),
        status=400,
        kept=lambda post, *_: opens(post, email=ALICE.email),
    ),
    "Atourin login": Row(
        function="auth/login_with_email_password",
        error=ATOURIN,
        prepare=partial(with_account, {"email": ALICE.email, "password": PASSWORD}),
        kept=session_works,
    ),
    "imported password": Row(
        function="auth/verify_legacy_password", error=ATOURIN, prepare=with_imported_account, kept=session_works
    ),
    "guest": Row(
        function="auth/login_with_anonymous", error=ATOURIN, prepare=lambda _: http_event(), kept=session_works
    ),
    "me": Row(function="api/auth/me", error=SNAPOTP, prepare=partial(with_bearer, "GET"), kept=shown),
    "organization": Row(function="api/organization", error=BOTLAUNCH, prepare=in_organization, kept=shown),
    "BotLaunch logout": Row(
        function="api/auth/logout",
        error=BOTLAUNCH,
        prepare=partial(with_bearer, "POST"),
        kept=is_signed_out,
        repeated=SIGNED_OUT,
    ),
    "Atourin logout": Row(
        function="auth/logout",
        error=ATOURIN,
        prepare=partial(with_bearer, "GET"),
        kept=is_signed_out,
        repeated=SIGNED_OUT,
    ),
    "BotLaunch refresh": Row(
        function="api/auth/refresh",
        error=BOTLAUNCH,
        prepare=partial(with_refresh_token, "refreshToken"),
        kept=session_works,
    ),
    "SnapOTP refresh": Row(
        function="api/auth/refresh",
        error=SNAPOTP,
        prepare=partial(with_refresh_token, "refresh_token"),
        kept=session_works,
    ),
    "stolen refresh token": Row(
        function="api/auth/refresh", error=SNAPOTP, prepare=with_stolen_token, status=401, kept=shown
    ),
    "GoTrue refresh": Row(
        function="auth/v1/token",
        error=GOTRUE,
        prepare=partial(
            with_refresh_token,
            "refresh_token",
            query={"grant_type": "refresh_token"},
            headers={"content-type": "application/json", "apikey": PUBLISHABLE_KEY},
        ),
        kept=session_works,
    ),
    "GoTrue sign-up": Row(
        function="auth/v1/signup",
        error=GOTRUE,
        prepare=lambda _: with_key(CAROL_AT_SUPABASE),
        kept=account_has_its_mail,
        repeated=replace(mailed(MailKind.VERIFICATION_CODE), then=account_has_its_mail),
    ),
    "GoTrue sign-up of a taken address": Row(
        function="auth/v1/signup",
        error=GOTRUE,
        prepare=partial(with_account_and_key, {**CAROL_AT_SUPABASE, "email": ALICE.email}),
        kept=lambda post, *_: opens(post, email=ALICE.email),
        repeated=Repeat(status=429, is_done=lambda *_: False, then=lambda post, _: opens(post, email=ALICE.email)),
    ),
    "GoTrue guest": Row(function="auth/v1/signup", error=GOTRUE, prepare=lambda _: with_key({}), kept=session_works),
    "GoTrue password grant": Row(
        function="auth/v1/token",
        error=GOTRUE,
        prepare=with_verified_account_and_key,
        kept=session_works,
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "GoTrue id_token grant": Row(
        function="auth/v1/token",
        error=GOTRUE,
        prepare=lambda _: with_key({"id_token": "dan", "provider": "google"}, grant_type="id_token"),
        kept=session_works,
    ),
    "GoTrue links an identity": Row(
        function="auth/v1/token",
        error=GOTRUE,
        prepare=linking,
        kept=is_linked,
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "GoTrue guest links an identity": Row(
        function="auth/v1/token", error=GOTRUE, prepare=guest_linking, kept=is_linked
    ),
    "GoTrue unlinks an identity": Row(
        function="auth/v1/user/identities/one",
        error=GOTRUE,
        prepare=partial(unlinking, "google"),
        kept=partial(has_identities, ["email"]),
        repeated=Repeat(
            status=422, is_done=partial(has_identities, ["email"]), then=partial(has_identities, ["email"])
        ),
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "GoTrue unlinks the address": Row(
        function="auth/v1/user/identities/one",
        error=GOTRUE,
        prepare=partial(unlinking, "email"),
        kept=partial(has_identities, ["google"]),
        repeated=Repeat(
            status=422, is_done=partial(has_identities, ["google"]), then=partial(has_identities, ["google"])
        ),
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "GoTrue reauthenticate": Row(
        function="auth/v1/reauthenticate",
        error=GOTRUE,
        prepare=reauthenticating,
        kept=partial(is_queued, MailKind.REAUTHENTICATION_CODE),
        repeated=mailed(MailKind.REAUTHENTICATION_CODE),
    ),
    "GoTrue user": Row(function="auth/v1/user", error=GOTRUE, prepare=partial(of_user, "GET", None), kept=shown),
    "GoTrue user with an identity": Row(
        function="auth/v1/user", error=GOTRUE, prepare=partial(of_google_user, "GET"), kept=shows_identity
    ),
    "GoTrue metadata": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=partial(of_user, "PUT", {"data": {"nickname": "Al", "name": "Allie"}}),
        kept=metadata_is_new,
    ),
    "GoTrue password": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=with_verified_user,
        kept=password_is_new,
        notice=MailKind.PASSWORD_CHANGED,
        repeated=Repeat(
            status=422,
            is_done=password_is_set,
            then=lambda post, event: is_queued(MailKind.PASSWORD_CHANGED, post, event),
        ),
    ),
    "GoTrue address": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=partial(of_user, "PUT", {"email": CAROL, "data": {"nickname": "Al"}}),
        kept=change_is_pending,
        repeated=replace(mailed(MailKind.EMAIL_CHANGE_NEW), then=change_is_pending),
    ),
    "GoTrue guest's address": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=of_guest,
        kept=change_is_pending,
        repeated=replace(mailed(MailKind.EMAIL_CHANGE_NEW), then=change_is_pending),
    ),
    "GoTrue taken address": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=partial(of_user, "PUT", {"email": BOB.email}),
        status=422,
        kept=lambda post, *_: not post.queue.jobs,
    ),
    "GoTrue logout": Row(
        function="auth/v1/logout",
        error=GOTRUE,
        prepare=partial(signing_out, None),
        status=204,
        kept=all_are_signed_out,
        repeated=replace(SIGNED_OUT, status=403, then=all_are_signed_out),
    ),
    "GoTrue logout here": Row(
        function="auth/v1/logout",
        error=GOTRUE,
        prepare=partial(signing_out, "local"),
        status=204,
        kept=is_signed_out,
        repeated=replace(SIGNED_OUT, status=403),
    ),
    "GoTrue logout of others": Row(
        function="auth/v1/logout",
        error=GOTRUE,
        prepare=partial(signing_out, "others"),
        status=204,
        kept=others_are_signed_out,
    ),
    "administrator lists users": Row(
        function="auth/v1/admin/users",
        error=GOTRUE,
        prepare=partial(listing, {"page": "1", "per_page": "10"}),
        kept=partial(lists, 2),
    ),
    "administrator finds a user": Row(
        function="auth/v1/admin/users",
        error=GOTRUE,
        prepare=partial(listing, {"filter": CAROL}),
        kept=partial(lists, 1),
    ),
    "administrator creates a user": Row(
        function="auth/v1/admin/users",
        error=GOTRUE,
        prepare=lambda _: by_admin("POST", body={"email": CAROL, "password": PASSWORD}),
        kept=account_works,
        repeated=replace(TAKEN, status=422),
    ),
    "administrator shows a user": Row(
        function="auth/v1/admin/users/one", error=GOTRUE, prepare=partial(by_admin_about_bob, "GET", None), kept=shown
    ),
    "administrator changes a user": Row(
        function="auth/v1/admin/users/one",
        error=GOTRUE,
        prepare=partial(
            by_admin_about_bob, "PUT", {"email": CAROL, "user_metadata": {"a": 1}, "app_metadata": {"plan": "pro"}}
        ),
        kept=is_edited,
    ),
    "administrator sets a password": Row(
        function="auth/v1/admin/users/one",
        error=GOTRUE,
        prepare=partial(by_admin_about_bob, "PUT", {"password": NEW_PASSWORD}),
        kept=password_is_new,
    ),
    "administrator registers a guest": Row(
        function="auth/v1/admin/users/one", error=GOTRUE, prepare=by_admin_about_a_guest, kept=account_works
    ),
    "administrator deletes a user": Row(
        function="auth/v1/admin/users/one",
        error=GOTRUE,
        prepare=partial(by_admin_about_alice, "DELETE"),
        kept=is_gone,
        repeated=Repeat(status=404, is_done=is_gone, then=is_gone),
    ),
    "GoTrue otp": Row(
        function="auth/v1/otp",
        error=GOTRUE,
        prepare=partial(with_account_and_key, {"email": ALICE.email}),
        kept=partial(is_queued, MailKind.SIGN_IN_CODE),
        repeated=mailed(MailKind.SIGN_IN_CODE),
    ),
    "GoTrue recover": Row(
        function="auth/v1/recover",
        error=GOTRUE,
        prepare=partial(with_account_and_key, {"email": ALICE.email}),
        kept=partial(is_queued, MailKind.RECOVERY_CODE),
        repeated=mailed(MailKind.RECOVERY_CODE),
    ),
    "GoTrue resend": Row(
        function="auth/v1/resend",
        error=GOTRUE,
        prepare=partial(with_account_and_key, {"email": ALICE.email, "type": "signup"}),
        kept=partial(is_queued, MailKind.VERIFICATION_CODE),
        repeated=mailed(MailKind.VERIFICATION_CODE),
    ),
    "GoTrue verify": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=with_code_at_gotrue,
        kept=session_works,
        notice=MailKind.PASSWORD_REMOVED,
        repeated=replace(SPENT_AND_TOLD, status=403),
    ),
    "GoTrue verify makes an account": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=with_code_of_a_sign_up,
        kept=lambda post, event, answer: has_account(post, event) and session_works(post, event, answer),
        repeated=Repeat(status=403, is_done=has_account, then=another_code_of_a_sign_up_works),
    ),
    "GoTrue link": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=partial(with_link, LINK),
        status=303,
        kept=link_signs_in,
        notice=MailKind.PASSWORD_REMOVED,
        repeated=replace(SPENT_AND_TOLD, status=403),
    ),
    "GoTrue link of a client with PKCE": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=partial(with_link, PKCE_LINK),
        status=303,
        kept=link_gives_code,
        notice=MailKind.PASSWORD_REMOVED,
        repeated=replace(SPENT_AND_TOLD, status=403),
    ),
    "GoTrue link makes an account": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=with_link_of_a_sign_up,
        status=303,
        kept=lambda post, event, answer: has_account(post, event) and link_signs_in(post, event, answer),
        repeated=Repeat(status=403, is_done=has_account, then=another_code_of_a_sign_up_works),
    ),
    "GoTrue token_hash": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=with_token_hash,
        kept=session_works,
        notice=MailKind.PASSWORD_REMOVED,
        repeated=replace(SPENT_AND_TOLD, status=403),
    ),
    "GoTrue pkce grant": Row(
        function="auth/v1/token",
        error=GOTRUE,
        prepare=with_authorization_code,
        kept=session_works,
        repeated=Repeat(status=404, is_done=flow_is_over, then=another_link_works),
    ),
    "GoTrue invite": Row(
        function="auth/v1/invite",
        error=GOTRUE,
        prepare=partial(with_secret_key, {"email": CAROL}),
        kept=is_invited,
    ),
    "GoTrue generate_link makes an account": Row(
        function="auth/v1/admin/generate_link",
        error=GOTRUE,
        prepare=partial(with_secret_key, {"email": CAROL, "type": "magiclink"}),
        kept=link_is_generated,
    ),
    "GoTrue enrols": Row(function="auth/v1/factors", error=GOTRUE, prepare=enrolling, kept=has_factor, repeated=NAMED),
    "GoTrue challenge": Row(
        function="auth/v1/factors/one/challenge",
        error=GOTRUE,
        prepare=lambda post: about_factor("POST", with_second_factor(post), post, {}),
        kept=shown,
    ),
    "GoTrue verifies a factor": Row(
        function="auth/v1/factors/one/verify",
        error=GOTRUE,
        prepare=lambda post: verifying(with_new_factor(post), post),
        kept=is_raised,
        repeated=Repeat(status=422, is_done=is_raised, then=is_raised),
    ),
    "GoTrue raises a session": Row(
        function="auth/v1/factors/one/verify",
        error=GOTRUE,
        prepare=verifying_in_a_session_of_one_factor,
        kept=is_raised,
        repeated=Repeat(status=422, is_done=is_raised, then=is_raised),
    ),
    "GoTrue unenrols": Row(
        function="auth/v1/factors/one",
        error=GOTRUE,
        prepare=lambda post: about_factor("DELETE", with_second_factor(post), post),
        kept=has_no_factor,
        repeated=Repeat(status=404, is_done=has_no_factor, then=has_no_factor),
    ),
    "GoTrue recovery codes": Row(
        function="auth/v1/factors/recovery-codes",
        error=GOTRUE,
        prepare=lambda post: by_user(with_second_factor(post), "POST", {}),
        kept=recovery_code_works,
    ),
    "administrator lists factors": Row(
        function="auth/v1/admin/users/one/factors",
        error=GOTRUE,
        prepare=partial(factor_by_admin, "GET", None),
        kept=shown,
    ),
    "administrator renames a factor": Row(
        function="auth/v1/admin/users/one/factors/one",
        error=GOTRUE,
        prepare=partial(factor_by_admin, "PUT", {"friendly_name": "tablet"}),
        kept=factor_is_renamed,
    ),
    "administrator removes a factor": Row(
        function="auth/v1/admin/users/one/factors/one",
        error=GOTRUE,
        prepare=partial(factor_by_admin, "DELETE", None),
        kept=factor_is_removed,
        repeated=Repeat(status=404, is_done=factor_is_removed, then=factor_is_removed),
    ),
    "BotLaunch second factor": Row(
        function="api/auth/mfa/verify",
        error=BOTLAUNCH,
        prepare=partial(with_waiting_sign_in, "mfaToken"),
        kept=session_of_two_factors_works,
        repeated=USED,
    ),
    "SnapOTP recovery code": Row(
        function="api/auth/mfa/verify",
        error=SNAPOTP,
        prepare=with_recovery_code,
        kept=session_of_two_factors_works,
        repeated=USED,
    ),
    "Atourin second factor": Row(
        function="auth/mfa/verify",
        error=ATOURIN,
        prepare=partial(with_waiting_sign_in, "mfa_token"),
        kept=session_of_two_factors_works,
        repeated=USED,
    ),
    "BotLaunch login that waits": Row(
        function="api/auth/login",
        error=BOTLAUNCH,
        prepare=with_password_and_factor,
        status=403,
        kept=token_completes,
    ),
    "verify_otp that waits": Row(
        function="auth/verify_otp",
        error=ATOURIN,
        prepare=with_code_and_factor,
        status=403,
        kept=token_completes,
        repeated=Repeat(status=400, is_done=mailed_code_is_spent, then=another_mailed_code_waits),
    ),
    "Google that waits": Row(
        function="api/auth/google",
        error=SNAPOTP,
        prepare=with_google_and_factor,
        status=403,
        kept=token_completes,
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "change-password": Row(
        function="api/auth/change-password",
        error=SNAPOTP,
        prepare=with_verified_session,
        kept=password_is_new,
        notice=MailKind.PASSWORD_CHANGED,
    ),
    "Google makes an account": Row(function="api/auth/google", error=SNAPOTP, prepare=of_google, kept=session_works),
    "Google signs in": Row(function="api/auth/google", error=SNAPOTP, prepare=with_google_identity, kept=session_works),
    "Google is linked": Row(
        function="api/auth/google",
        error=SNAPOTP,
        prepare=with_linkable_account,
        kept=session_works,
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "Google by a back end": Row(function="api/auth/google", error=SNAPOTP, prepare=vouched, kept=session_works),
    "otp": Row(
        function="auth/otp",
        error=ATOURIN,
        prepare=partial(with_account, {"email": ALICE.email}),
        kept=partial(is_queued, MailKind.SIGN_IN_CODE),
        repeated=mailed(MailKind.SIGN_IN_CODE),
    ),
    "forgot-password": Row(
        function="api/auth/forgot-password",
        error=SNAPOTP,
        prepare=partial(with_account, {"email": ALICE.email}),
        kept=partial(is_queued, MailKind.PASSWORD_RESET),
        repeated=mailed(MailKind.PASSWORD_RESET),
    ),
    "verify_otp": Row(
        function="auth/verify_otp",
        error=ATOURIN,
        prepare=partial(with_code, MailKind.SIGN_IN_CODE),
        kept=session_works,
        notice=MailKind.PASSWORD_REMOVED,
        repeated=SPENT_AND_TOLD,
    ),
    "verify_otp of a registration": Row(
        function="auth/verify_otp",
        error=ATOURIN,
        prepare=partial(with_code, MailKind.VERIFICATION_CODE),
        kept=session_works,
        repeated=SPENT,
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "user of the old system": Row(
        function="auth/login_with_email_password",
        error=ATOURIN,
        prepare=lambda _: json_event({"email": OLD_USER, "password": PASSWORD}),
        kept=has_moved_in,
    ),
    "user of the old system at GoTrue": Row(
        function="auth/v1/token",
        error=GOTRUE,
        prepare=lambda _: with_key({"email": OLD_USER, "password": PASSWORD}, grant_type="password"),
        kept=has_moved_in,
    ),
    "wrong code": Row(
        function="auth/verify_otp", error=ATOURIN, prepare=with_wrong_code, status=400, kept=nothing_is_spent
    ),
    "GoTrue wrong code": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=partial(with_wrong_code_at_gotrue, "email"),
        status=403,
        kept=nothing_is_spent,
    ),
    "GoTrue wrong link": Row(
        function="auth/v1/verify", error=GOTRUE, prepare=with_wrong_link, status=403, kept=nothing_is_spent
    ),
    "GoTrue wrong code of another address": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=confirming_with_a_wrong_code,
        status=403,
        kept=nothing_is_spent,
    ),
    "wrong reset token": Row(
        function="api/auth/reset-password",
        error=SNAPOTP,
        prepare=with_wrong_reset_token,
        status=400,
        kept=nothing_is_spent,
    ),
    "wrong present password": Row(
        function="api/auth/change-password",
        error=SNAPOTP,
        prepare=with_wrong_present_password,
        status=400,
        kept=nothing_is_spent,
    ),
    "BotLaunch wrong second factor": Row(
        function="api/auth/mfa/verify",
        error=BOTLAUNCH,
        prepare=with_wrong_factor_code,
        status=400,
        kept=lambda post, event, _: not code_is_used(post, event),
    ),
    "GoTrue wrong second factor": Row(
        function="auth/v1/factors/one/verify",
        error=GOTRUE,
        prepare=verifying_with_a_wrong_code,
        status=422,
        kept=lambda post, event, _: caller_of(post, event).factors[0].verified_at is None,
    ),
    "GoTrue recovery": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=with_recovery_code_at_gotrue,
        kept=session_works,
        repeated=replace(SPENT, status=403),
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "GoTrue confirms half of a change": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=confirming_first,
        kept=first_half_is_confirmed,
        repeated=Repeat(status=403, is_done=code_is_spent, then=other_half_works),
    ),
    "GoTrue confirms a change": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=confirming_last,
        kept=address_is_new,
        repeated=Repeat(status=403, is_done=has_account, then=account_works),
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "GoTrue confirms a change by its link": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=confirming_last_by_link,
        kept=address_is_new,
        repeated=Repeat(status=403, is_done=has_account, then=account_works),
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "GoTrue guest confirms an address": Row(
        function="auth/v1/verify",
        error=GOTRUE,
        prepare=guest_confirming,
        kept=address_is_new,
        repeated=Repeat(status=403, is_done=has_account, then=has_account),
    ),
    "GoTrue password with a code": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=partial(in_an_old_session, str),
        kept=password_is_new,
        notice=MailKind.PASSWORD_CHANGED,
        repeated=Repeat(
            status=422,
            is_done=password_is_set,
            then=lambda post, event: is_queued(MailKind.PASSWORD_CHANGED, post, event),
        ),
        choices={"secure_password_change": True},
    ),
    "GoTrue password with a wrong code": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=partial(in_an_old_session, another_code),
        status=422,
        kept=nothing_is_spent,
        choices={"secure_password_change": True},
    ),
    "GoTrue password with the present one": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=partial(with_present_password, PASSWORD),
        kept=password_is_new,
        notice=MailKind.PASSWORD_CHANGED,
        repeated=Repeat(
            status=422,
            is_done=password_is_set,
            then=lambda post, event: is_queued(MailKind.PASSWORD_CHANGED, post, event),
        ),
        choices={"require_current_password": True},
    ),
    "GoTrue password with a wrong present one": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=partial(with_present_password, "Wrong horse 1"),
        status=400,
        kept=nothing_is_spent,
        choices={"require_current_password": True},
    ),
    "GoTrue sign-up without confirmation": Row(
        function="auth/v1/signup",
        error=GOTRUE,
        prepare=lambda _: with_key(CAROL_AT_SUPABASE),
        kept=lambda post, event, answer: account_works(post, event) and session_works(post, event, answer),
        repeated=replace(TAKEN, status=422),
        choices={"autoconfirm": True},
    ),
    "GoTrue guest's address without confirmation": Row(
        function="auth/v1/user",
        error=GOTRUE,
        prepare=of_guest,
        kept=guest_is_registered,
        choices={"autoconfirm": True},
    ),
    "GoTrue invite of an unverified user": Row(
        function="auth/v1/invite", error=GOTRUE, prepare=partial(about_bob, {}), kept=is_invited
    ),
    "GoTrue invite of a verified user": Row(
        function="auth/v1/invite",
        error=GOTRUE,
        prepare=partial(about_verified_bob, {}),
        status=422,
        kept=lambda post, *_: not post.queue.jobs,
    ),
    **{
        f"GoTrue generate_link {kind}": Row(
            function="auth/v1/admin/generate_link",
            error=GOTRUE,
            prepare=partial(about_bob, {"type": kind, "password": PASSWORD}),
            kept=link_is_bobs,
        )
        for kind in ("signup", "invite", "magiclink", "recovery")
    },
    **{
        f"GoTrue generate_link {kind}": Row(
            function="auth/v1/admin/generate_link",
            error=GOTRUE,
            prepare=partial(about_verified_bob, {"type": kind, "new_email": CAROL}),
            kept=link_changes_address,
        )
        for kind in ("email_change_current", "email_change_new")
    },
    "reset-password": Row(
        function="api/auth/reset-password",
        error=SNAPOTP,
        prepare=with_reset_token,
        kept=password_is_new,
        notice=MailKind.PASSWORD_CHANGED,
        repeat_counts=frozenset({"sign_in_account", "sign_in_address"}),  # as an attempt with a password
    ),
}

# Sessions of one's own, and organizations

MEMBER_EMAIL: Final = "bob@example.com"


def in_team(ask: Callable[[Team, SignedIn], Event]) -> Callable[[MailDeployment], Event]:
    """Prepare a request about Alice's organization, to which Bob belongs, too."""

    def prepare(post: MailDeployment) -> Event:
        team = Team.found(post)
        return ask(team, team.join("bob", Role.CLIENT_MEMBER))

    return prepare


def by_owner(
    method: str, body: Mapping[str, Any] | None = None, **parameters: str
) -> Callable[[MailDeployment], Event]:
    return in_team(
        lambda team, _: request(team.owner, method, body, organization_id=team.organization_id, **parameters)
    )


def about_member(method: str, body: Mapping[str, Any] | None = None) -> Callable[[MailDeployment], Event]:
    def ask(team: Team, bob: SignedIn) -> Event:
        user_id = botlaunch_id(bob.user.user_id)
        return request(team.owner, method, body, organization_id=team.organization_id, userId=user_id)

    return in_team(ask)


def revoking(team: Team, _bob: SignedIn) -> Event:
    invitation_id = team.invitation(CAROL).invitation_id
    return request(team.owner, "DELETE", organization_id=team.organization_id, id=invitation_id)


def accepting(team: Team, _bob: SignedIn) -> Event:
    token = team.post.base.invitation_tokens.token(team.invitation(CAROL, Role.CLIENT_ADMIN))
    return request(None, "POST", {"token": token, "name": "Carol", "password": PASSWORD})


def joining(team: Team, _bob: SignedIn) -> Event:
    carol = member(team.post, "carol")
    token = team.post.base.invitation_tokens.token(team.invitation(CAROL, Role.CLIENT_ADMIN))
    return request(carol, "POST", {"token": token})


def from_new_device(post: MailDeployment) -> Event:
    """A sign-in of a verified account that has signed in elsewhere: the answer waits for no mail about it."""
    change_account(post, post.register(ALICE).user.user_id, email_verified_at=1)
    return json_event({"email": ALICE.email, "password": PASSWORD})


def ending_a_session(post: MailDeployment, *, parameter: str, **headers: str) -> Event:
    held, other = post.register(ALICE), post.base.sign_in.sign_in(by_email(), HOME)
    event = http_event(method="DELETE", headers=bearer(held, **headers))
    return event | {"pathParameters": {parameter: other.family_id}}


def other_session_has_ended(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return active_sessions(post) == 1 and not is_signed_out(post, event)


def organizations_of_alice(post: MailDeployment) -> dict[str, str]:
    """Her roles, by the names of the organizations."""
    user_id = post.users.find_id(Name.EMAIL, ALICE.email)
    assert user_id is not None
    listed = post.base.own_organizations.list(post.user(user_id))
    return {organization.name: membership.role for organization, membership in listed}


def membership_of(post: MailDeployment, email: str) -> str | None:
    """The role of somebody in Alice's organization."""
    [organization_id] = {
        str(item["pk"]).removeprefix("ORG#") for item in items(post, "Organizations") if item["sk"] == "ORG"
    }
    user_id = post.users.find_id(Name.EMAIL, email)
    found = None if user_id is None else post.base.organization_table.find_membership(organization_id, user_id)
    return None if found is None else found.role


def has_role(email: str, role: str | None, post: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return membership_of(post, email) == role


def invitations_are(count: int, post: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return sum(str(item["sk"]).startswith("INVITATION#") for item in items(post, "Organizations")) == count


def no_organization_is_left(post: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return not items(post, "Organizations") and not organizations_of_alice(post)


def invitation_is_mailed(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    """Whether the mail of the one open invitation is under way."""
    found = [item["sk"] for item in items(post, "Organizations") if str(item["sk"]).startswith("INVITATION#")]
    queued = {f"INVITATION#{job.payload[INVITATION]}" for job in post.queue.jobs if INVITATION in job.payload}
    return invitations_are(1, post, event) and queued.issuperset(map(str, found))


def carol_has_joined(post: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return (
        has_role(CAROL, Role.CLIENT_ADMIN, post, event) and invitations_are(0, post, event) and opens(post, email=CAROL)
    )


def ended(status: int, is_done: Callable[..., bool]) -> Repeat:
    """What was removed is not there to be removed again."""
    return Repeat(status=status, is_done=is_done, then=is_done)


TEAM_ROWS: Final[Mapping[str, Row]] = {
    "sign-in from a new device": Row(
        function="api/auth/login",
        error=BOTLAUNCH,
        prepare=from_new_device,
        kept=session_works,
        notice=MailKind.NEW_DEVICE,
        repeat_counts=frozenset({"mail_hour"}),
    ),
    "sessions": Row(function="api/auth/sessions", error=BOTLAUNCH, prepare=partial(with_bearer, "GET"), kept=shown),
    "a session ends": Row(
        function="api/auth/sessions/one",
        error=BOTLAUNCH,
        prepare=partial(ending_a_session, parameter="sessionId"),
        kept=other_session_has_ended,
        repeated=ended(404, other_session_has_ended),
    ),
    "BotLaunch logout everywhere": Row(
        function="api/auth/logout-all",
        error=BOTLAUNCH,
        prepare=partial(with_bearer, "POST"),
        kept=all_are_signed_out,
        repeated=SIGNED_OUT,
    ),
    "GoTrue sessions": Row(
        function="auth/v1/user/sessions", error=GOTRUE, prepare=partial(of_user, "GET", None), kept=shown
    ),
    "GoTrue ends a session": Row(
        function="auth/v1/user/sessions/one",
        error=GOTRUE,
        prepare=partial(ending_a_session, parameter="session_id", apikey=PUBLISHABLE_KEY),
        kept=other_session_has_ended,
        repeated=ended(404, other_session_has_ended),
    ),
    "organizations": Row(function="api/organizations", error=BOTLAUNCH, prepare=by_owner("GET"), kept=shown),
    "found an organization": Row(
        function="api/organizations",
        error=BOTLAUNCH,
        prepare=by_owner("POST", {"name": "Second"}),
        status=201,
        kept=lambda post, *_: organizations_of_alice(post).get("Second") == Role.CLIENT_OWNER,
    ),
    "rename an organization": Row(
        function="api/organization",
        error=BOTLAUNCH,
        prepare=by_owner("PATCH", {"name": "Renamed"}),
        kept=lambda post, *_: organizations_of_alice(post) == {"Renamed": Role.CLIENT_OWNER},
    ),
    "delete an organization": Row(
        function="api/organization",
        error=BOTLAUNCH,
        prepare=by_owner("DELETE"),
        kept=no_organization_is_left,
        repeated=ended(403, no_organization_is_left),
    ),
    "members": Row(function="api/organization/members", error=BOTLAUNCH, prepare=by_owner("GET"), kept=shown),
    "change a role": Row(
        function="api/organization/members/one",
        error=BOTLAUNCH,
        prepare=about_member("PATCH", {"role": Role.CLIENT_ADMIN}),
        kept=partial(has_role, MEMBER_EMAIL, Role.CLIENT_ADMIN),
    ),
    "remove a member": Row(
        function="api/organization/members/one",
        error=BOTLAUNCH,
        prepare=about_member("DELETE"),
        kept=partial(has_role, MEMBER_EMAIL, None),
        repeated=ended(404, partial(has_role, MEMBER_EMAIL, None)),
    ),
    "invitations": Row(function="api/organization/invitations", error=BOTLAUNCH, prepare=by_owner("GET"), kept=shown),
    "invite to an organization": Row(
        function="api/organization/invitations",
        error=BOTLAUNCH,
        prepare=by_owner("POST", {"email": CAROL}),
        status=201,
        kept=invitation_is_mailed,
        repeated=replace(mailed(MailKind.ORGANIZATION_INVITATION), then=invitation_is_mailed),
    ),
    "revoke an invitation": Row(
        function="api/organization/invitations/one",
        error=BOTLAUNCH,
        prepare=in_team(revoking),
        kept=partial(invitations_are, 0),
        repeated=ended(404, partial(invitations_are, 0)),
    ),
    "accept an invitation and register": Row(
        function="api/auth/invitations/accept",
        error=BOTLAUNCH,
        prepare=in_team(accepting),
        status=201,
        kept=carol_has_joined,
        repeated=ended(400, carol_has_joined),
        repeat_counts=frozenset({"reset"}),
        at_once=frozenset({409}),  # the address is taken, by this client
    ),
    "accept an invitation": Row(
        function="api/auth/invitations/accept",
        error=BOTLAUNCH,
        prepare=in_team(joining),
        kept=carol_has_joined,
        repeated=ended(400, carol_has_joined),
        at_once=frozenset({409}),  # she belongs to the organization already
    ),
}

ROWS: Final[Mapping[str, Row]] = {**OTHER_ROWS, **TEAM_ROWS}

NOT_SWEPT: Final = {
    "auth/v1/health": "makes no call",
    "auth/v1/settings": "makes no call to the database",
    "authorizer": "raises for the gateway instead of answering: tests/unit/test_faults.py fails its calls",
    "default": "makes no call",
    "docs": "makes no call",
    "jwks": "makes no call",
    "openid-configuration": "makes no call",
    "events": "makes one call, which tests/unit/test_published_events.py has fail",
    "mailer": "answers no client: tests/unit/test_mailer.py fails its calls",
    "rotation": "answers no client and has no database: tests/unit/test_rotation.py",
}


NOT_SWEPT_OPERATIONS: Final = {
    ("auth/v1/token", "other_grant"): "makes no call",
    ("auth/v1/user/identities/one", "link_by_redirect"): "makes no call",
    ("auth/v1/verify", "show_that_link_exists"): "makes no call",
    ("auth/v1/verify", "confirm_link"): "makes the calls of `open_link`, which is swept",
}


@dataclass(frozen=True, slots=True)
class Usual:
    """What a request does when all goes well."""

    points: tuple[Point, ...]
    """Its calls."""
    counted: Mapping[str, int]


@cache
def usual(name: str) -> Usual:
    row, trouble = ROWS[name], Trouble()
    post = row.world()
    event = row.prepare(post)
    answer = environment(row.function, post, trouble)(event)
    assert answer["statusCode"] == row.status, answer
    held = counted(post)
    assert row.kept(post, event, answer)
    shapes = sorted(trouble.calls)
    points = (Point(shape, shapes[:index].count(shape)) for index, shape in enumerate(shapes))
    return Usual(tuple(point for point in points if point.nth < MOST_ALIKE), held)


@pytest.fixture(autouse=True)
def no_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace for each of some thousand requests would take a third of the time."""
    monkeypatch.setattr("gerbang.http.endpoint.log_event", lambda *_, **__: None)


def check_answer(row: Row, answer: Answer) -> None:
    """Check that a request that met a mishap was answered as promised or, in the product's own words, 503."""
    if is_unavailable(answer):
        assert row.error <= body_of(answer).keys()
        assert answer["headers"]["retry-after"] == "1"
    else:
        assert answer["statusCode"] == row.status, answer


def check_again(row: Row, event: Event, post: MailDeployment, answer: Answer, expected: Mapping[str, int]) -> None:
    """Check the answer to a request that was sent again after 503, once all was well."""
    repeated = row.repeated
    if answer["statusCode"] == row.status:
        more = {limit for limit, attempts in counted(post).items() if attempts > expected.get(limit, 0)}
        assert more <= row.repeat_counts
        assert row.notice is None or is_queued(row.notice, post, event)
        assert row.kept(post, event, answer)
    else:
        assert repeated is not None, answer
        assert answer["statusCode"] == repeated.status, answer
        assert repeated.then(post, event)


def check_mishap(name: str, mishap: Mishap, point: Point) -> None:
    """Check a request of which one call goes wrong, and the same request sent again."""
    row = ROWS[name]
    post = row.world()
    event = row.prepare(post)
    trouble = Trouble(point=point, mishap=mishap)
    first = environment(row.function, post, trouble)
    answer = first(event)
    assert trouble.met == 1
    check_answer(row, answer)
    if not is_unavailable(answer):
        if mishap is Mishap.EXECUTED_TWICE:
            assert counted(post) == usual(name).counted
        assert row.kept(post, event, answer)
        return
    assert mishap is not Mishap.EXECUTED_TWICE, "the SDK's second try is not recognised"
    trouble.is_over = True
    was_done = row.repeated is not None and row.repeated.is_done(post, event)
    # Another environment serves the request, except where this one still has to give back what it counted.
    answer = (first if mishap in LASTING else environment(row.function, post))(event)
    assert not (was_done and answer["statusCode"] == row.status), "done twice"
    assert was_done or answer["statusCode"] == row.status, answer
    check_again(row, event, post, answer, usual(name).counted)


def check_conflict(name: str, point: Point) -> None:
    """Check a request while one of whose calls the same request is served elsewhere."""
    row, rivals = ROWS[name], list[Answer]()
    post = row.world()
    event = row.prepare(post)
    elsewhere = environment(row.function, post)
    trouble = Trouble(point=point, mishap=Mishap.CONFLICT, meanwhile=lambda: rivals.append(elsewhere(event)))
    answer = environment(row.function, post, trouble)(event)
    (rival,) = rivals
    allowed = row.at_once | ({row.status} if row.repeated is None else {row.status, row.repeated.status})
    statuses = {rival["statusCode"], answer["statusCode"]}
    assert row.status in statuses <= allowed, (rival, answer)
    for each in (rival, answer):
        if each["statusCode"] == row.status:
            assert row.kept(post, event, each)


def check_repeated(name: str, mishap: Mishap, point: Point) -> None:
    """Check a request of which the same call goes wrong again and again, up to the limit and beyond."""
    row = ROWS[name]
    post = row.world(LOWEST)
    event = row.prepare(post)
    trouble = Trouble(point=point, mishap=mishap)
    serve = environment(row.function, post, trouble)
    is_answered = False
    for _ in range(REPEATS):
        was_done = row.repeated is not None and row.repeated.is_done(post, event)
        answer = serve(event)
        if was_done and not is_unavailable(answer):
            check_again(row, event, post, answer, {})
            return
        check_answer(row, answer)
        if not is_unavailable(answer):
            assert row.kept(post, event, answer)
            if row.status >= 400 or row.repeated is not None:
                return  # the limits are on these
            is_answered = True
    assert trouble.met
    trouble.is_over = True
    answer = serve(event)
    if is_answered:
        assert answer["statusCode"] == row.status, answer
    else:
        check_again(row, event, post, answer, usual(name).counted)


def check_repeated_twice(name: str, _mishap: Mishap, point: Point) -> None:
    """Check requests of which the same call is executed twice each time: answered and counted as others are."""
    trouble = Trouble(point=point, mishap=Mishap.EXECUTED_TWICE)
    assert run_repeatedly(name, trouble, REPEATS) == undisturbed(name, REPEATS)


def check_repeated_conflict(name: str, _mishap: Mishap, point: Point) -> None:
    """Check requests while each of which the same request is served elsewhere, up to the limits and beyond.

    They are answered as if one had been sent after the other. Together they count no more, but for the one that came
    too late: it may be counted after the other's success has cleared the counter, or as another request for the same.
    """
    row, rivals = ROWS[name], list[Answer]()
    post = row.world(LOWEST)
    event = row.prepare(post)
    elsewhere = environment(row.function, post)
    trouble = Trouble(point=point, mishap=Mishap.CONFLICT, meanwhile=lambda: rivals.append(elsewhere(event)))
    serve = environment(row.function, post, trouble)
    answers = [serve(event) for _ in range(REPEATS)] + rivals
    in_turn, most = undisturbed(name, 2 * REPEATS)
    allowed = {row.status, *in_turn, *row.at_once} | (set() if row.repeated is None else {row.repeated.status})
    assert {answer["statusCode"] for answer in answers} <= allowed
    more = {limit for limit, attempts in counted(post).items() if attempts > most.get(limit, 0) + 1}
    assert more <= row.repeat_counts


def run_repeatedly(name: str, trouble: Trouble, times: int) -> tuple[list[int], Mapping[str, int]]:
    """Send a request again and again; return the statuses, and what is counted then."""
    row = ROWS[name]
    post = row.world(LOWEST)
    event = row.prepare(post)
    serve = environment(row.function, post, trouble)
    return [serve(event)["statusCode"] for _ in range(times)], counted(post)


@cache
def undisturbed(name: str, times: int) -> tuple[list[int], Mapping[str, int]]:
    """A request that is sent again and again while all goes well."""
    return run_repeatedly(name, Trouble(), times)


def check_all(
    check: Callable[[str, Mishap, Point], None], name: str, mishap: Mishap, points: tuple[Point, ...]
) -> None:
    for point in points:
        check(name, mishap, point)


@pytest.mark.covers("F3", "F7", "F9", "F27", "F28", "F32", "D6")
@pytest.mark.parametrize("mishap", [mishap for mishap in Mishap if mishap is not Mishap.CONFLICT])
@pytest.mark.parametrize("name", ROWS)
def test_whichever_call_goes_wrong_the_request_can_be_sent_again(name: str, mishap: Mishap) -> None:
    check_all(check_mishap, name, mishap, usual(name).points)


@pytest.mark.covers("F30", "F42")
@pytest.mark.parametrize("name", ROWS)
def test_whichever_call_meets_the_same_request_one_of_them_is_served(name: str) -> None:
    for point in usual(name).points:
        check_conflict(name, point)


@pytest.mark.covers("D6")
@pytest.mark.parametrize("name", ROWS)
def test_however_often_a_call_is_executed_twice_it_is_as_if_it_were_once(name: str) -> None:
    check_all(check_repeated_twice, name, Mishap.EXECUTED_TWICE, usual(name).points)


@pytest.mark.covers("F30", "F42")
@pytest.mark.parametrize("name", ROWS)
def test_however_often_a_call_meets_the_same_request_both_are_answered_as_in_turn(name: str) -> None:
    check_all(check_repeated_conflict, name, Mishap.CONFLICT, usual(name).points)


@pytest.mark.covers("F27", "F28")
@pytest.mark.parametrize("mishap", [Mishap.THROTTLED, Mishap.ANSWER_LOST, *LASTING])
@pytest.mark.parametrize("name", ROWS)
def test_however_often_a_call_goes_wrong_the_next_request_is_served(name: str, mishap: Mishap) -> None:
    check_all(check_repeated, name, mishap, usual(name).points)


def test_every_function_is_swept_or_named_with_the_reason_why_not() -> None:
    folders = {str(app.parent.relative_to(ROOT / "functions")) for app in (ROOT / "functions").rglob("app.py")}
    swept = {row.function for row in ROWS.values()}

    asked = Counter((row.function, operation(row.function, row.prepare(row.world()))) for row in ROWS.values())
    declared = {(folder, each) for folder in swept for each in operations(folder)}

    assert declared - asked.keys() == NOT_SWEPT_OPERATIONS.keys()
    assert swept.isdisjoint(NOT_SWEPT)
    assert swept | NOT_SWEPT.keys() == folders
    assert all(usual(name).points for name in ROWS)


@pytest.mark.parametrize(
    ("method", "name", "mishap"),
    [
        ("limits.rate_limits.RateLimits.give_back", "BotLaunch login", Mishap.THROTTLED),
        ("limits.rate_limits.RateLimits._repay", "otp", Mishap.OUTAGE),
        ("sessions.sessions.Sessions._forgives", "SnapOTP refresh", Mishap.ANSWER_LOST),
        ("accounts.password_change.PasswordChange._is_repeated", "change-password", Mishap.ANSWER_LOST),
    ],
)
def test_a_package_that_does_not_do_what_it_must_is_found_out(
    monkeypatch: pytest.MonkeyPatch, method: str, name: str, mishap: Mishap
) -> None:
    points = usual(name).points
    monkeypatch.setattr(f"gerbang.{method}", lambda *_: None)

    for check in (check_mishap, check_repeated):
        with pytest.raises(AssertionError):
            check_all(check, name, mishap, points)
