"""gerbang.accounts.reauthentication: what must be shown along with a new password, where the deployment asks for it."""

from contextlib import suppress
from copy import replace
from functools import partial
from typing import Final

import pytest
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.reauthentication import (
    FRESH_FOR,
    CurrentPasswordRequired,
    InvalidReauthenticationCode,
    ReauthenticationNeeded,
)
from gerbang.accounts.user_update import SamePassword, UserChanges
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Change, Update, Written

from tests.deployment import ABROAD, ALICE, BOB, HOME, MINUTE, PASSWORD, SECOND, Choices
from tests.fakes import at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_fakes import MailDeployment, mailing_in_memory

NEW: Final = "Another horse 2"
OTHER: Final = "A third horse 3"
WITH_CODE: Final = Choices(secure_password_change=True)
WITH_PASSWORD: Final = Choices(require_current_password=True)
WITH_BOTH: Final = Choices(secure_password_change=True, require_current_password=True)


def choosing(post: MailDeployment, choices: Choices) -> MailDeployment:
    return replace(post, base=replace(post.base, choices=choices))


def bob(post: MailDeployment) -> SignedIn:
    """Bob, whose address is verified."""
    session = post.register(BOB)
    changes: dict[str, Change] = {"email_verified_at": to_epoch(post.base.clock())}
    assert isinstance(post.base.store.write(Update(post.users.key(session.user.user_id), changes)), Written)
    return session


def bob_of_yesterday(post: MailDeployment) -> SignedIn:
    """Bob, in a session that is old."""
    session = bob(post)
    post.base.clock.advance(FRESH_FOR + SECOND)
    return post.base.sessions.refresh(session.tokens.refresh_token)


def set_password(
    post: MailDeployment,
    session: SignedIn,
    password: str = NEW,
    *,
    code: str | None = None,
    current: str | None = None,
) -> User:
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    asked = UserChanges(password=password, code=code, current_password=current)
    return post.base.user_update.update(caller, asked, HOME, PasswordPolicy())


def mailed_code(post: MailDeployment) -> str:
    return post.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


# A mailed code


@pytest.mark.parametrize("choices", [Choices(), WITH_CODE])
def test_a_fresh_session_needs_no_code(post_in_memory: MailDeployment, choices: Choices) -> None:
    post = choosing(post_in_memory, choices)
    session = bob(post)
    post.base.clock.advance(FRESH_FOR - SECOND)
    session = post.base.sessions.refresh(session.tokens.refresh_token)

    set_password(post, session)

    assert password_works(post, NEW)


def test_an_old_session_needs_none_where_the_deployment_does_not_ask_for_it(post_in_memory: MailDeployment) -> None:
    set_password(post_in_memory, bob_of_yesterday(post_in_memory))

    assert password_works(post_in_memory, NEW)


def test_an_old_session_needs_a_code_which_is_spent_with_the_password(post: MailDeployment) -> None:
    post = choosing(post, WITH_CODE)
    session = bob_of_yesterday(post)
    with pytest.raises(ReauthenticationNeeded):
        set_password(post, session)
    code = mailed_code(post)

    set_password(post, session, code=code)

    assert password_works(post, NEW)
    assert session_works(post, session)
    with pytest.raises(InvalidReauthenticationCode):
        set_password(post, session, OTHER, code=code)
    assert password_works(post, NEW)


def test_what_is_not_the_password_needs_no_code(post_in_memory: MailDeployment) -> None:
    post = choosing(post_in_memory, WITH_BOTH)
    session = bob_of_yesterday(post)
    caller = post.base.sessions.authenticate(session.tokens.access_token)

    user = post.base.user_update.update(caller, UserChanges(metadata={"a": 1}), HOME, PasswordPolicy())

    assert user.user_metadata == {"a": 1}


@pytest.mark.parametrize("code", ["12345", "1234567", "12345x", "١٢٣٤٥٦"])
def test_what_is_no_code_is_not_valid(post_in_memory: MailDeployment, code: str) -> None:
    post = choosing(post_in_memory, WITH_CODE)

    with pytest.raises(InvalidReauthenticationCode):
        set_password(post, bob_of_yesterday(post), code=code)


@pytest.mark.parametrize("kind", [MailKind.SIGN_IN_CODE, MailKind.RECOVERY_CODE])
def test_a_code_for_something_else_is_not_valid(post_in_memory: MailDeployment, kind: MailKind) -> None:
    post = choosing(post_in_memory, WITH_CODE)
    session = bob_of_yesterday(post)

    with pytest.raises(InvalidReauthenticationCode):
        set_password(post, session, code=post.mailed_code(kind=kind))


def test_a_code_ends(post_in_memory: MailDeployment) -> None:
    post = choosing(post_in_memory, WITH_CODE)
    session = bob_of_yesterday(post)
    code = mailed_code(post)
    post.base.clock.advance(CODE_LIFETIME)

    with pytest.raises(InvalidReauthenticationCode):
        set_password(post, session, code=code)


def test_another_account_s_code_is_not_valid(post_in_memory: MailDeployment) -> None:
    post = choosing(post_in_memory, WITH_CODE)
    session = bob_of_yesterday(post)
    alice = post.register(ALICE).user
    changes: dict[str, Change] = {"email_verified_at": 1}
    post.base.store.write(Update(post.users.key(alice.user_id), changes))

    with pytest.raises(InvalidReauthenticationCode):
        set_password(post, session, code=post.mailed_code(email=ALICE.email, kind=MailKind.REAUTHENTICATION_CODE))


def test_wrong_codes_are_counted_with_those_of_every_slot(post: MailDeployment) -> None:
    post = choosing(post, WITH_CODE)
    session = bob_of_yesterday(post)
    code = mailed_code(post)

    for _ in range(5):
        with pytest.raises(InvalidReauthenticationCode):
            set_password(post, session, code=wrong(code))

    with pytest.raises(TooManyAttempts) as error:
        set_password(post, session, code=code)
    assert error.value.limit == "code_tries"
    with pytest.raises(TooManyAttempts):
        post.mail_service.request_reauthentication(BOB.email, None, HOME.address)


def test_of_two_passwords_set_with_one_code_at_once_one_is_set(post: MailDeployment) -> None:
    post = choosing(post, WITH_CODE)
    session = bob_of_yesterday(post)
    code = mailed_code(post)

    outcomes = at_once([partial(set_password, post, session, each, code=code) for each in (NEW, OTHER)])

    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert password_works(post, NEW) != password_works(post, OTHER)


def test_of_one_request_sent_twice_at_once_both_are_done(post: MailDeployment) -> None:
    post = choosing(post, WITH_CODE)
    session = bob_of_yesterday(post)
    code = mailed_code(post)

    outcomes = at_once([partial(set_password, post, session, code=code)] * 2)

    assert all(isinstance(outcome, User | SamePassword) for outcome in outcomes)
    assert password_works(post, NEW)


# The present password


def test_the_present_password_is_needed_and_compared(post: MailDeployment) -> None:
    post = choosing(post, WITH_PASSWORD)
    session = bob(post)

    with pytest.raises(CurrentPasswordRequired):
        set_password(post, session)
    with pytest.raises(WrongPassword):
        set_password(post, session, current=OTHER)
    set_password(post, session, current=PASSWORD)

    assert password_works(post, NEW)


def test_the_new_password_is_no_way_to_guess_the_present_one(post_in_memory: MailDeployment) -> None:
    post = choosing(post_in_memory, WITH_PASSWORD)
    session = bob(post)

    with pytest.raises(CurrentPasswordRequired):
        set_password(post, session, PASSWORD)
    with pytest.raises(WrongPassword):
        set_password(post, session, PASSWORD, current=OTHER)
    with pytest.raises(SamePassword):
        set_password(post, session, PASSWORD, current=PASSWORD)


def test_wrong_passwords_count_as_attempts_to_sign_in(post: MailDeployment) -> None:
    post = choosing(post, WITH_PASSWORD)
    session = bob(post)

    for _ in range(10):
        with pytest.raises(WrongPassword):
            set_password(post, session, current=OTHER)

    with pytest.raises(TooManyAttempts):
        set_password(post, session, current=PASSWORD)
    with pytest.raises(TooManyAttempts):
        password_works(post, PASSWORD, HOME)


def test_a_session_that_a_code_opened_needs_none(post: MailDeployment) -> None:
    post = choosing(post, WITH_PASSWORD)
    bob(post)
    session = post.code_sign_in.sign_in(BOB.email, post.mailed_code(), ABROAD).signed_in

    set_password(post, session)

    assert password_works(post, NEW)


def test_an_account_without_a_password_needs_none(post_in_memory: MailDeployment) -> None:
    post = choosing(post_in_memory, WITH_PASSWORD)
    session = post.guests.admit(HOME)
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    base = replace(post.base, choices=Choices(require_current_password=True, autoconfirm=True))
    asked = UserChanges(email=BOB.email, password=NEW)

    base.user_update.update(caller, asked, HOME, PasswordPolicy())

    assert password_works(post, NEW)


# Requests that are sent again


@pytest.mark.parametrize("choices", [WITH_CODE, WITH_PASSWORD, WITH_BOTH])
def test_a_request_that_was_done_is_answered_so_when_it_is_sent_again(post: MailDeployment, choices: Choices) -> None:
    post = choosing(post, choices)
    session = bob_of_yesterday(post)
    code = mailed_code(post)
    set_password(post, session, code=code, current=PASSWORD)

    with pytest.raises(SamePassword):
        set_password(post, session, code=code, current=PASSWORD)

    post.base.clock.advance(11 * MINUTE)
    with pytest.raises((InvalidReauthenticationCode, WrongPassword)):
        set_password(post, session, code=code, current=PASSWORD)


def test_whichever_call_fails_the_request_can_be_sent_again() -> None:
    def scene() -> Scenario:
        post = choosing(mailing_in_memory(), WITH_BOTH)
        session = bob_of_yesterday(post)
        code = mailed_code(post)
        return Scenario(post, lambda there: set_password(there, session, code=code, current=PASSWORD))

    for mishap in faulty_runs(scene):
        if mishap.failure is not None:
            assert isinstance(mishap.failure, DependencyUnavailable)
            with suppress(SamePassword):
                mishap.scenario.act(mishap.deployment)
        assert password_works(mishap.deployment, NEW)
        assert not password_works(mishap.deployment)
