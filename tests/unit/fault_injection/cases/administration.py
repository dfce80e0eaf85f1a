"""Endpoints for administrators: users, factors, invitations and generated links."""

from collections.abc import Mapping
from copy import replace
from functools import partial
from typing import Any, Final

from gerbang.core.emails import EmailAddress
from gerbang.mail.jobs import MailKind
from gerbang.storage.accounts import User

from tests.deployment import ALICE, BOB, HOME, PASSWORD
from tests.gateway_events import body_of
from tests.unit.fault_injection.case import GOTRUE_ERROR, RequestCase
from tests.unit.fault_injection.cases.second_factor import session_with_second_factor
from tests.unit.fault_injection.outcomes import (
    ADDRESS_TAKEN,
    already_done,
    carol_can_sign_in,
    carol_has_account,
    find_bob,
    has_body,
    password_is_changed,
)
from tests.unit.fault_injection.requests import CAROL, NEW_PASSWORD, admin_request, google_sign_in, with_secret_key
from tests.unit.handlers import Answer, Event, environment, items
from tests.unit.mail_deployment import MailDeployment


def admin_request_about_bob(method: str, body: Mapping[str, Any] | None, app: MailDeployment) -> Event:
    app.register(ALICE)
    return admin_request(method, app.register(BOB).user.user_id, body)


def admin_request_about_alice(method: str, app: MailDeployment) -> Event:
    """A request about Alice, who has an organization, a code and a Google identity."""
    session = app.register(replace(ALICE, email=EmailAddress(CAROL)))
    environment("api/auth/google", app)(google_sign_in(app))
    app.mailed_code(CAROL)
    return admin_request(method, session.user.user_id)


def admin_request_about_guest(app: MailDeployment) -> Event:
    return admin_request("PUT", app.guests.admit(HOME).user.user_id, {"email": CAROL, "password": PASSWORD})


def list_users(query: Mapping[str, str], app: MailDeployment) -> Event:
    app.register(ALICE)
    environment("api/auth/google", app)(google_sign_in(app))
    return admin_request("GET", query=query)


def admin_request_about_factor(method: str, body: Mapping[str, Any] | None, app: MailDeployment) -> Event:
    user = app.user(session_with_second_factor(app).user.user_id)
    event = admin_request(method, user.user_id, body)
    return event | {"pathParameters": {"user_id": user.user_id, "factor_id": user.factors[0].factor_id}}


def secret_key_request_about_bob(body: Mapping[str, str], app: MailDeployment) -> Event:
    app.register(BOB)
    return with_secret_key({**body, "email": BOB.email}, app)


def secret_key_request_about_verified_bob(body: Mapping[str, str], app: MailDeployment) -> Event:
    app.register_verified()
    return with_secret_key({**body, "email": BOB.email}, app)


def named_user(app: MailDeployment, event: Event) -> User:
    """The account with the id that is in the request."""
    return app.user(event["pathParameters"]["user_id"])


def user_is_changed(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user = named_user(app, event)
    return (user.email, user.user_metadata, user.app_metadata) == (CAROL, {"a": 1}, {"plan": "pro"})


def user_is_deleted(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user_id = event["pathParameters"]["user_id"]
    tables = ("Users", "Organizations", "RefreshTokenFamilies")
    return not any(user_id in str(item) for table in tables for item in items(app, table))


def lists(count: int, _post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return len(body_of(answer)["users"]) == count


def factor_is_renamed(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return [factor.friendly_name for factor in named_user(app, event).factors] == ["tablet"]


def factor_is_removed(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user = named_user(app, event)
    return not user.factors and all(each.aal == "aal1" for each in app.base.families.list(user.user_id))


def is_invited(app: MailDeployment, _event: Event, answer: Answer) -> bool:
    user = app.user(body_of(answer)["id"])
    return user.invited_at is not None and any(job.kind is MailKind.INVITE for job in app.queue.jobs)


def link_is_generated(app: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether there are an account and a link."""
    return carol_has_account(app, event) and body_of(answer)["hashed_token"] in body_of(answer)["action_link"]


def link_is_bobs(app: MailDeployment, _event: Event, answer: Answer) -> bool:
    body = body_of(answer)
    return body["id"] == find_bob(app).user_id and body["hashed_token"] in body["action_link"]


def link_changes_address(app: MailDeployment, event: Event, answer: Answer) -> bool:
    return link_is_bobs(app, event, answer) and find_bob(app).new_email == CAROL


CASES: Final[Mapping[str, RequestCase]] = {
    "administrator lists users": RequestCase(
        function="auth/v1/admin/users",
        error_members=GOTRUE_ERROR,
        prepare=partial(list_users, {"page": "1", "per_page": "10"}),
        has_effect=partial(lists, 2),
    ),
    "administrator finds a user": RequestCase(
        function="auth/v1/admin/users",
        error_members=GOTRUE_ERROR,
        prepare=partial(list_users, {"filter": CAROL}),
        has_effect=partial(lists, 1),
    ),
    "administrator creates a user": RequestCase(
        function="auth/v1/admin/users",
        error_members=GOTRUE_ERROR,
        prepare=lambda _: admin_request("POST", body={"email": CAROL, "password": PASSWORD}),
        has_effect=carol_can_sign_in,
        on_repeat=replace(ADDRESS_TAKEN, status=422),
    ),
    "administrator shows a user": RequestCase(
        function="auth/v1/admin/users/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(admin_request_about_bob, "GET", None),
        has_effect=has_body,
    ),
    "administrator changes a user": RequestCase(
        function="auth/v1/admin/users/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(
            admin_request_about_bob, "PUT", {"email": CAROL, "user_metadata": {"a": 1}, "app_metadata": {"plan": "pro"}}
        ),
        has_effect=user_is_changed,
    ),
    "administrator sets a password": RequestCase(
        function="auth/v1/admin/users/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(admin_request_about_bob, "PUT", {"password": NEW_PASSWORD}),
        has_effect=password_is_changed,
    ),
    "administrator registers a guest": RequestCase(
        function="auth/v1/admin/users/one",
        error_members=GOTRUE_ERROR,
        prepare=admin_request_about_guest,
        has_effect=carol_can_sign_in,
    ),
    "administrator deletes a user": RequestCase(
        function="auth/v1/admin/users/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(admin_request_about_alice, "DELETE"),
        has_effect=user_is_deleted,
        on_repeat=already_done(404, user_is_deleted),
    ),
    "administrator lists factors": RequestCase(
        function="auth/v1/admin/users/one/factors",
        error_members=GOTRUE_ERROR,
        prepare=partial(admin_request_about_factor, "GET", None),
        has_effect=has_body,
    ),
    "administrator renames a factor": RequestCase(
        function="auth/v1/admin/users/one/factors/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(admin_request_about_factor, "PUT", {"friendly_name": "tablet"}),
        has_effect=factor_is_renamed,
    ),
    "administrator removes a factor": RequestCase(
        function="auth/v1/admin/users/one/factors/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(admin_request_about_factor, "DELETE", None),
        has_effect=factor_is_removed,
        on_repeat=already_done(404, factor_is_removed),
    ),
    "GoTrue invite": RequestCase(
        function="auth/v1/invite",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_secret_key, {"email": CAROL}),
        has_effect=is_invited,
    ),
    "GoTrue invite of an unverified user": RequestCase(
        function="auth/v1/invite",
        error_members=GOTRUE_ERROR,
        prepare=partial(secret_key_request_about_bob, {}),
        has_effect=is_invited,
    ),
    "GoTrue invite of a verified user": RequestCase(
        function="auth/v1/invite",
        error_members=GOTRUE_ERROR,
        prepare=partial(secret_key_request_about_verified_bob, {}),
        status=422,
        has_effect=lambda app, *_: not app.queue.jobs,
    ),
    "GoTrue generate_link makes an account": RequestCase(
        function="auth/v1/admin/generate_link",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_secret_key, {"email": CAROL, "type": "magiclink"}),
        has_effect=link_is_generated,
    ),
    **{
        f"GoTrue generate_link {kind}": RequestCase(
            function="auth/v1/admin/generate_link",
            error_members=GOTRUE_ERROR,
            prepare=partial(secret_key_request_about_bob, {"type": kind, "password": PASSWORD}),
            has_effect=link_is_bobs,
        )
        for kind in ("signup", "invite", "magiclink", "recovery")
    },
    **{
        f"GoTrue generate_link {kind}": RequestCase(
            function="auth/v1/admin/generate_link",
            error_members=GOTRUE_ERROR,
            prepare=partial(secret_key_request_about_verified_bob, {"type": kind, "new_email": CAROL}),
            has_effect=link_changes_address,
        )
        for kind in ("email_change_current", "email_change_new")
    },
}
