"""Registration and sign-in with a password."""

from collections.abc import Mapping
from copy import replace
from functools import partial
from typing import Final

from gerbang.mail.jobs import MailKind
from gerbang.storage.accounts import Name

from tests.deployment import ALICE, PASSWORD
from tests.gateway_events import http_event, json_event
from tests.unit.access import password_works
from tests.unit.fault_injection.case import (
    ATOURIN_ERROR,
    BOTLAUNCH_ERROR,
    GOTRUE_ERROR,
    SNAPOTP_ERROR,
    Repeat,
    RequestCase,
)
from tests.unit.fault_injection.outcomes import (
    ADDRESS_TAKEN,
    answer_has_session,
    carol_can_sign_in,
    carol_is_mailed,
    mail_limit_reached,
)
from tests.unit.fault_injection.requests import (
    CAROL,
    NEW_PASSWORD,
    with_account,
    with_account_and_api_key,
    with_api_key,
)
from tests.unit.handlers import OLD_USER, Answer, Event, items
from tests.unit.mail_deployment import MailDeployment
from tests.unit.migration.legacy_hashes import PHP_BCRYPT

CREDIT: Final = 5000
"""The credit of a new account (`tests.deployment`)."""


def with_imported_account(app: MailDeployment) -> Event:
    app.change(app.register(ALICE).user, password_hash=PHP_BCRYPT)
    return json_event({"email": ALICE.email, "password": PASSWORD})


def with_verified_account_and_api_key(app: MailDeployment) -> Event:
    app.register_verified(ALICE)
    return with_api_key({"email": ALICE.email, "password": PASSWORD}, grant_type="password")


def sign_in_from_new_device(app: MailDeployment) -> Event:
    """A sign-in of a verified account from a device that it has not used before. The owner gets a mail about it."""
    app.register_verified(ALICE)
    return json_event({"email": ALICE.email, "password": PASSWORD})


def user_is_migrated(app: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether exactly one account was created for the old system's user, with its credit."""
    user_id = app.users.find_id(Name.EMAIL, OLD_USER)
    accounts = [item for item in items(app, "Users") if item["sk"] == "ACCOUNT"]
    return (
        user_id is not None
        and app.user(user_id).credit_balance == CREDIT
        and len(accounts) == 1
        and answer_has_session(app, event, answer)
    )


CAROL_AT_BOTLAUNCH: Final = {"email": CAROL, "password": PASSWORD, "name": "Carol", "organizationName": "Carol Inc"}
CAROL_AT_SNAPOTP: Final = {"username": "carol", "email": CAROL, "password": PASSWORD, "name": "Carol"}
CAROL_AT_SUPABASE: Final = {"email": CAROL, "password": PASSWORD}
CAROL_AT_ATOURIN: Final = {"email": CAROL, "password": PASSWORD, "name": "Carol"}

CASES: Final[Mapping[str, RequestCase]] = {
    "BotLaunch register": RequestCase(
        function="api/auth/register",
        error_members=BOTLAUNCH_ERROR,
        prepare=lambda _: json_event(CAROL_AT_BOTLAUNCH),
        status=201,
        has_effect=carol_can_sign_in,
        on_repeat=ADDRESS_TAKEN,
    ),
    "SnapOTP register": RequestCase(
        function="api/auth/register",
        error_members=SNAPOTP_ERROR,
        prepare=lambda _: json_event(CAROL_AT_SNAPOTP),
        status=201,
        has_effect=carol_can_sign_in,
        on_repeat=ADDRESS_TAKEN,
    ),
    "Atourin register": RequestCase(
        function="auth/register",
        error_members=ATOURIN_ERROR,
        prepare=lambda _: json_event(CAROL_AT_ATOURIN),
        has_effect=carol_is_mailed,
        on_repeat=replace(ADDRESS_TAKEN, recovers=carol_is_mailed),
    ),
    "register a taken address": RequestCase(
        function="auth/register",
        error_members=ATOURIN_ERROR,
        prepare=partial(with_account, CAROL_AT_ATOURIN | {"email": ALICE.email}),
        status=409,
        has_effect=lambda app, *_: password_works(app, email=ALICE.email),
    ),
    "GoTrue sign-up": RequestCase(
        function="auth/v1/signup",
        error_members=GOTRUE_ERROR,
        prepare=lambda _: with_api_key(CAROL_AT_SUPABASE),
        has_effect=carol_is_mailed,
        on_repeat=replace(mail_limit_reached(MailKind.VERIFICATION_CODE), recovers=carol_is_mailed),
    ),
    "GoTrue sign-up of a taken address": RequestCase(
        function="auth/v1/signup",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_account_and_api_key, {**CAROL_AT_SUPABASE, "email": ALICE.email}),
        has_effect=lambda app, *_: password_works(app, email=ALICE.email),
        on_repeat=Repeat(
            status=429, is_done=lambda *_: False, recovers=lambda app, _: password_works(app, email=ALICE.email)
        ),
    ),
    "GoTrue sign-up without confirmation": RequestCase(
        function="auth/v1/signup",
        error_members=GOTRUE_ERROR,
        prepare=lambda _: with_api_key(CAROL_AT_SUPABASE),
        has_effect=lambda app, event, answer: carol_can_sign_in(app, event) and answer_has_session(app, event, answer),
        on_repeat=replace(ADDRESS_TAKEN, status=422),
        choices={"autoconfirm": True},
    ),
    "BotLaunch login": RequestCase(
        function="api/auth/login",
        error_members=BOTLAUNCH_ERROR,
        prepare=partial(with_account, {"email": ALICE.email, "password": PASSWORD}),
        has_effect=answer_has_session,
    ),
    "SnapOTP login": RequestCase(
        function="api/auth/login",
        error_members=SNAPOTP_ERROR,
        prepare=partial(with_account, {"username": "alice", "password": PASSWORD}),
        has_effect=answer_has_session,
    ),
    "wrong password": RequestCase(
        function="api/auth/login",
        error_members=SNAPOTP_ERROR,
        prepare=partial(with_account, {"username": "alice", "password": NEW_PASSWORD}),
        status=400,
        has_effect=lambda app, *_: password_works(app, email=ALICE.email),
    ),
    "Atourin login": RequestCase(
        function="auth/login_with_email_password",
        error_members=ATOURIN_ERROR,
        prepare=partial(with_account, {"email": ALICE.email, "password": PASSWORD}),
        has_effect=answer_has_session,
    ),
    "imported password": RequestCase(
        function="auth/verify_legacy_password",
        error_members=ATOURIN_ERROR,
        prepare=with_imported_account,
        has_effect=answer_has_session,
    ),
    "GoTrue password grant": RequestCase(
        function="auth/v1/token",
        error_members=GOTRUE_ERROR,
        prepare=with_verified_account_and_api_key,
        has_effect=answer_has_session,
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "sign-in from a new device": RequestCase(
        function="api/auth/login",
        error_members=BOTLAUNCH_ERROR,
        prepare=sign_in_from_new_device,
        has_effect=answer_has_session,
        mail=MailKind.NEW_DEVICE,
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "user of the old system": RequestCase(
        function="auth/login_with_email_password",
        error_members=ATOURIN_ERROR,
        prepare=lambda _: json_event({"email": OLD_USER, "password": PASSWORD}),
        has_effect=user_is_migrated,
    ),
    "user of the old system at GoTrue": RequestCase(
        function="auth/v1/token",
        error_members=GOTRUE_ERROR,
        prepare=lambda _: with_api_key({"email": OLD_USER, "password": PASSWORD}, grant_type="password"),
        has_effect=user_is_migrated,
    ),
    "guest": RequestCase(
        function="auth/login_with_anonymous",
        error_members=ATOURIN_ERROR,
        prepare=lambda _: http_event(),
        has_effect=answer_has_session,
    ),
    "GoTrue guest": RequestCase(
        function="auth/v1/signup",
        error_members=GOTRUE_ERROR,
        prepare=lambda _: with_api_key({}),
        has_effect=answer_has_session,
    ),
}
