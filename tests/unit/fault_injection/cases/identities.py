"""Sign-in with Google, and linking and unlinking identities."""

from collections.abc import Mapping
from copy import replace
from functools import partial
from typing import Final

from gerbang.core.emails import EmailAddress
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.profiles import providers_of

from tests.deployment import BOB, HOME, HOUR
from tests.gateway_events import body_of, http_event, json_event
from tests.unit.fault_injection.case import GOTRUE_ERROR, SNAPOTP_ERROR, RequestCase
from tests.unit.fault_injection.outcomes import (
    access_token,
    already_done,
    answer_has_session,
    caller_of,
    user_of_answer,
)
from tests.unit.fault_injection.requests import CAROL, bearer_headers, google_sign_in, with_api_key
from tests.unit.handlers import PUBLISHABLE_KEY, SECRET_KEY, Answer, Event, environment
from tests.unit.mail_deployment import MailDeployment


def with_google_identity(app: MailDeployment) -> Event:
    environment("api/auth/google", app)(google_sign_in(app))
    return google_sign_in(app)


def with_linkable_account(app: MailDeployment) -> Event:
    app.register(replace(BOB, email=EmailAddress(CAROL)))
    return google_sign_in(app)


def google_sign_in_by_back_end(app: MailDeployment) -> Event:
    del app
    return json_event(
        {"google_id": "carol", "email": CAROL, "name": "Carol"},
        headers={"content-type": "application/json", "apikey": SECRET_KEY},
    )


def request_of_google_user(method: str, app: MailDeployment) -> Event:
    answer = environment("api/auth/google", app)(google_sign_in(app))
    headers = {"authorization": f"Bearer {access_token(answer)}", "apikey": PUBLISHABLE_KEY}
    return http_event(method=method, headers=headers)


def link_google_to(session: SignedIn) -> Event:
    body = {"id_token": "dan", "provider": "google", "link_identity": True}
    headers = bearer_headers(session, apikey=PUBLISHABLE_KEY, **{"content-type": "application/json"})
    return json_event(body, headers=headers, query={"grant_type": "id_token"})


def link_google(app: MailDeployment) -> Event:
    return link_google_to(app.register_verified())


def link_google_as_guest(app: MailDeployment) -> Event:
    return link_google_to(app.guests.admit(HOME))


def unlink(provider: str, app: MailDeployment) -> Event:
    linked = environment("auth/v1/token", app)(link_google(app))
    app.queue.jobs.clear()
    app.base.clock.advance(HOUR / 2)
    identity_id = next(
        each["identity_id"] for each in user_of_answer(linked)["identities"] if each["provider"] == provider
    )
    headers = {"authorization": f"Bearer {access_token(linked)}", "apikey": PUBLISHABLE_KEY}
    return http_event(method="DELETE", headers=headers) | {"pathParameters": {"identity_id": identity_id}}


def is_linked(app: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether the identity is linked to the caller's account, and the caller's session still works."""
    user = caller_of(app, event)
    return user.subjects == {"google": "dan"} and user_of_answer(answer)["id"] == user.user_id and not user.is_anonymous


def has_identities(providers: list[str], app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return providers_of(caller_of(app, event)) == providers


def shows_identity(_post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return [each["provider"] for each in body_of(answer)["identities"]] == ["google"]


CASES: Final[Mapping[str, RequestCase]] = {
    "Google makes an account": RequestCase(
        function="api/auth/google", error_members=SNAPOTP_ERROR, prepare=google_sign_in, has_effect=answer_has_session
    ),
    "Google signs in": RequestCase(
        function="api/auth/google",
        error_members=SNAPOTP_ERROR,
        prepare=with_google_identity,
        has_effect=answer_has_session,
    ),
    "Google is linked": RequestCase(
        function="api/auth/google",
        error_members=SNAPOTP_ERROR,
        prepare=with_linkable_account,
        has_effect=answer_has_session,
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "Google by a back end": RequestCase(
        function="api/auth/google",
        error_members=SNAPOTP_ERROR,
        prepare=google_sign_in_by_back_end,
        has_effect=answer_has_session,
    ),
    "GoTrue id_token grant": RequestCase(
        function="auth/v1/token",
        error_members=GOTRUE_ERROR,
        prepare=lambda _: with_api_key({"id_token": "dan", "provider": "google"}, grant_type="id_token"),
        has_effect=answer_has_session,
    ),
    "GoTrue links an identity": RequestCase(
        function="auth/v1/token",
        error_members=GOTRUE_ERROR,
        prepare=link_google,
        has_effect=is_linked,
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "GoTrue guest links an identity": RequestCase(
        function="auth/v1/token", error_members=GOTRUE_ERROR, prepare=link_google_as_guest, has_effect=is_linked
    ),
    "GoTrue unlinks an identity": RequestCase(
        function="auth/v1/user/identities/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(unlink, "google"),
        has_effect=partial(has_identities, ["email"]),
        on_repeat=already_done(422, partial(has_identities, ["email"])),
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "GoTrue unlinks the address": RequestCase(
        function="auth/v1/user/identities/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(unlink, "email"),
        has_effect=partial(has_identities, ["google"]),
        on_repeat=already_done(422, partial(has_identities, ["google"])),
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "GoTrue user with an identity": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(request_of_google_user, "GET"),
        has_effect=shows_identity,
    ),
}
