"""Effects that several kinds of cases check, and answers to requests that are sent again."""

from collections.abc import Callable
from copy import replace
from functools import partial
from typing import Any, Final

from gerbang.mail.jobs import REGISTERED, MailKind
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.sessions.sessions import Authenticated, SessionEnded
from gerbang.storage.accounts import Name, User

from tests.deployment import ALICE, BOB, PASSWORD
from tests.gateway_events import body_of, json_event
from tests.unit.access import password_works
from tests.unit.fault_injection.case import Repeat
from tests.unit.fault_injection.requests import CAROL, NEW_PASSWORD
from tests.unit.handlers import Answer, Event, environment, items
from tests.unit.mail_deployment import MailDeployment


def access_token(answer: Answer) -> str:
    body = body_of(answer)
    data = body.get("data", body)
    return str(next(data[name] for name in ("accessToken", "token", "access_token") if name in data))


def is_accepted(app: MailDeployment, token: str) -> bool:
    try:
        app.base.sessions.authenticate(token)
    except SessionEnded:
        return False
    return True


def answer_has_session(app: MailDeployment, _: Event, answer: Answer) -> bool:
    return is_accepted(app, access_token(answer))


def has_body(_post: MailDeployment, _event: Event, answer: Answer) -> bool:
    return bool(body_of(answer))


def is_signed_out(app: MailDeployment, event: Event, _: Answer | None = None) -> bool:
    return not is_accepted(app, bearer_token(event))


def user_of_answer(answer: Answer) -> Any:
    return body_of(answer)["user"]


def bearer_token(event: Event) -> str:
    return str(event["headers"]["authorization"].removeprefix("Bearer "))


def authenticate(app: MailDeployment, event: Event) -> Authenticated:
    return app.base.sessions.authenticate(bearer_token(event))


def caller_of(app: MailDeployment, event: Event) -> User:
    return authenticate(app, event).user


def find_user(app: MailDeployment, email: str) -> User:
    user_id = app.users.find_id(Name.EMAIL, email)
    assert user_id is not None
    return app.user(user_id)


def find_bob(app: MailDeployment) -> User:
    return find_user(app, BOB.email)


def is_queued(kind: MailKind, app: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return any(job.kind is kind for job in app.queue.jobs)


def carol_has_account(app: MailDeployment, _event: Event) -> bool:
    return app.users.find_id(Name.EMAIL, CAROL) is not None


def carol_can_sign_in(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return carol_has_account(app, event) and password_works(app, email=CAROL)


def carol_is_mailed(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    user_id = app.users.find_id(Name.EMAIL, CAROL)
    return carol_can_sign_in(app, event) and any(job.payload.get(REGISTERED) == user_id for job in app.queue.jobs)


def active_sessions(app: MailDeployment) -> int:
    """Return the number of Alice's active sessions."""
    alice = find_user(app, ALICE.email)
    return sum(family.epoch == alice.epoch for family in app.base.families.list(alice.user_id))


def all_are_signed_out(app: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return active_sessions(app) == 0


def password_is_changed(app: MailDeployment, _event: Event, _answer: Answer) -> bool:
    # A sign-in with the old password would be counted.
    is_old = app.base.passwords.verify(PASSWORD, find_bob(app).password_hash) is Verdict.RIGHT
    return password_works(app, NEW_PASSWORD) and not is_old


def password_is_set(app: MailDeployment, _event: Event) -> bool:
    """Whether Bob's password was set. The epoch tells; a sign-in would be counted."""
    return find_bob(app).epoch > 0


def code_is_spent(app: MailDeployment, _event: Event) -> bool:
    return any("spent_at" in item for item in items(app, "OneTimeCodes"))


def another_code_works(app: MailDeployment, event: Event) -> bool:
    del event
    answer = environment("auth/verify_otp", app)(json_event({"email": BOB.email, "otp": app.mailed_code()}))
    return bool(answer["statusCode"] == 200)


def nothing_is_spent(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    """Whether the mailed code can still be used, and Bob's password is the old one."""
    return not code_is_spent(app, event) and password_works(app)


ADDRESS_TAKEN: Final = Repeat(status=409, is_done=carol_has_account, recovers=carol_can_sign_in)
"""The address is taken, by the first request: the client signs in with the password (F3)."""


CODE_SPENT: Final = Repeat(status=400, is_done=code_is_spent, recovers=another_code_works)
"""A code works once: the client asks for another one."""


CODE_SPENT_AND_PASSWORD_REMOVED: Final = replace(
    CODE_SPENT,
    recovers=lambda app, event: is_queued(MailKind.PASSWORD_REMOVED, app, event) and another_code_works(app, event),
)
"""A code that removes a password: the owner also gets a mail about it."""


def mail_limit_reached(kind: MailKind) -> Repeat:
    """Only one mail a minute is allowed, and it is queued. A request that was answered 503 is not counted."""
    return Repeat(status=429, is_done=lambda *_: False, recovers=partial(is_queued, kind))


def already_done(status: int, is_done: Callable[..., bool]) -> Repeat:
    """The first request was executed, so the second one gets an error. The client has what it wanted."""
    return Repeat(status=status, is_done=is_done, recovers=is_done)


ALREADY_SIGNED_OUT: Final = already_done(401, is_signed_out)
"""A session cannot end twice."""
