"""A user's own account: its metadata, and the change of its address."""

import json
from collections.abc import Mapping
from copy import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gerbang.accounts.user_update import UserChanges
from gerbang.core.emails import EmailAddress
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn

from tests.deployment import BOB, HOME, SECOND
from tests.gateway_events import body_of
from tests.unit.fault_injection.case import GOTRUE_ERROR, Repeat, RequestCase
from tests.unit.fault_injection.outcomes import (
    already_done,
    answer_has_session,
    caller_of,
    carol_can_sign_in,
    carol_has_account,
    code_is_spent,
    find_bob,
    has_body,
    is_queued,
    mail_limit_reached,
    nothing_is_spent,
)
from tests.unit.fault_injection.requests import CAROL, LINK, gotrue_request, gotrue_request_of_alice, with_api_key
from tests.unit.handlers import Answer, Event, environment
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import code_in, wrong_code


def set_address_of_guest(app: MailDeployment) -> Event:
    return gotrue_request(app.guests.admit(HOME), "PUT", {"email": CAROL})


def request_address_change(app: MailDeployment, session: SignedIn) -> dict[MailKind, str]:
    """Request a change to Carol's address; return the mailed codes by the kind of mail."""
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    app.base.user_update.update(caller, UserChanges(email=EmailAddress(CAROL), link=LINK), HOME, PasswordPolicy())
    for job in app.queue.jobs:
        app.base.clock.advance(SECOND)
        app.deliver(job)
    app.queue.jobs.clear()
    return {message.kind: code_in(message) for message in app.outbox.sent}


def request_address_change_of_bob(app: MailDeployment) -> dict[MailKind, str]:
    return request_address_change(app, app.register_verified())


def confirmation(email: str, code: str) -> Event:
    return with_api_key({"type": "email_change", "email": email, "token": code})


def confirm_current_address(app: MailDeployment) -> Event:
    return confirmation(BOB.email, request_address_change_of_bob(app)[MailKind.EMAIL_CHANGE_CURRENT])


def confirm_new_address(app: MailDeployment) -> Event:
    codes = request_address_change_of_bob(app)
    app.email_change.confirm(BOB.email, codes[MailKind.EMAIL_CHANGE_CURRENT], HOME)
    return confirmation(CAROL, codes[MailKind.EMAIL_CHANGE_NEW])


def confirm_new_address_by_link(app: MailDeployment) -> Event:
    body = json.loads(confirm_new_address(app)["body"])
    [message] = [each for each in app.outbox.sent if each.kind is MailKind.EMAIL_CHANGE_NEW]
    [url] = [line for line in message.text.splitlines() if line.startswith("http")]
    query = dict(parse_qsl(urlsplit(url).query))
    return with_api_key({"type": body["type"], "token_hash": query["token"]})


def confirm_address_of_guest(app: MailDeployment) -> Event:
    return confirmation(CAROL, request_address_change(app, app.guests.admit(HOME))[MailKind.EMAIL_CHANGE_NEW])


def confirm_with_wrong_code(app: MailDeployment) -> Event:
    return confirmation(BOB.email, wrong_code(request_address_change_of_bob(app)[MailKind.EMAIL_CHANGE_CURRENT]))


def metadata_is_changed(app: MailDeployment, event: Event, _answer: Answer) -> bool:
    user = caller_of(app, event)
    return (user.name, user.user_metadata) == ("Allie", {"nickname": "Al", "name": "Allie"})


def change_is_pending(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return caller_of(app, event).new_email == CAROL and is_queued(MailKind.EMAIL_CHANGE_NEW, app, event)


def first_half_is_confirmed(app: MailDeployment, _event: Event, answer: Answer) -> bool:
    return body_of(answer)["code"] == "200" and find_bob(app).email_change_confirmed == "current"


def other_half_works(app: MailDeployment, _event: Event) -> bool:
    [code] = [code_in(message) for message in app.outbox.sent if message.kind is MailKind.EMAIL_CHANGE_NEW]
    answer = environment("auth/v1/verify", app)(confirmation(CAROL, code))
    return bool(answer["statusCode"] == 200) and carol_has_account(app, {})


def address_is_changed(app: MailDeployment, event: Event, answer: Answer) -> bool:
    return carol_has_account(app, event) and answer_has_session(app, event, answer)


def guest_is_registered(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user = caller_of(app, event)
    return (user.email, user.is_anonymous) == (CAROL, False)


CASES: Final[Mapping[str, RequestCase]] = {
    "GoTrue user": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(gotrue_request_of_alice, "GET", None),
        has_effect=has_body,
    ),
    "GoTrue metadata": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(gotrue_request_of_alice, "PUT", {"data": {"nickname": "Al", "name": "Allie"}}),
        has_effect=metadata_is_changed,
    ),
    "GoTrue address": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(gotrue_request_of_alice, "PUT", {"email": CAROL, "data": {"nickname": "Al"}}),
        has_effect=change_is_pending,
        on_repeat=replace(mail_limit_reached(MailKind.EMAIL_CHANGE_NEW), recovers=change_is_pending),
    ),
    "GoTrue guest's address": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=set_address_of_guest,
        has_effect=change_is_pending,
        on_repeat=replace(mail_limit_reached(MailKind.EMAIL_CHANGE_NEW), recovers=change_is_pending),
    ),
    "GoTrue guest's address without confirmation": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=set_address_of_guest,
        has_effect=guest_is_registered,
        choices={"autoconfirm": True},
    ),
    "GoTrue taken address": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(gotrue_request_of_alice, "PUT", {"email": BOB.email}),
        status=422,
        has_effect=lambda app, *_: not app.queue.jobs,
    ),
    "GoTrue confirms half of a change": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=confirm_current_address,
        has_effect=first_half_is_confirmed,
        on_repeat=Repeat(status=403, is_done=code_is_spent, recovers=other_half_works),
    ),
    "GoTrue confirms a change": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=confirm_new_address,
        has_effect=address_is_changed,
        on_repeat=Repeat(status=403, is_done=carol_has_account, recovers=carol_can_sign_in),
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "GoTrue confirms a change by its link": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=confirm_new_address_by_link,
        has_effect=address_is_changed,
        on_repeat=Repeat(status=403, is_done=carol_has_account, recovers=carol_can_sign_in),
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "GoTrue guest confirms an address": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=confirm_address_of_guest,
        has_effect=address_is_changed,
        on_repeat=already_done(403, carol_has_account),
    ),
    "GoTrue wrong code of another address": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=confirm_with_wrong_code,
        status=403,
        has_effect=nothing_is_spent,
    ),
}
