"""gerbang.accounts.password_change: a user changes the password by giving the current one (ASVS 6.2.2, 6.2.3)."""

from copy import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.client import Client
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.codes import InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy, UnacceptablePassword
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.sessions import NotAPerson, SessionEnded, SignedIn

from tests.conftest import Database
from tests.deployment import ABROAD, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import Call, FakeClock, FaultyStore, at_once
from tests.unit.access import is_alive, opens
from tests.unit.mail_fakes import MailDeployment, Scene, every_mishap, in_memory_only, mailing_in_memory
from tests.unit.torn_store import TornStore

NEW = "Another horse 2"
POLICY = PasswordPolicy()
LEGACY_HASH = "md5:5f4dcc3b5aa765d61d8327deb882cf99"
"""Of `password`."""


def change(
    post: MailDeployment, session: SignedIn, current: str = PASSWORD, new: str = NEW, client: Client = HOME
) -> None:
    post.password_change.change(session.tokens.access_token, current=current, new=new, client=client, policy=POLICY)


def refresh(post: MailDeployment, session: SignedIn) -> SignedIn:
    return post.base.sessions.refresh(session.tokens.refresh_token)


@pytest.mark.covers("F40", "121")
def test_an_unusable_hash_is_logged_and_changes_nothing(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    post_in_memory.change(session.user, password_hash="$bcrypt-sha256$v=2,t=2b,r=31$junk$junk")
    post_in_memory.base.clock.advance(REPEATABLE_FOR + timedelta(seconds=1))  # else the new password is compared too

    with pytest.raises(WrongPassword):
        change(post_in_memory, session)

    (note,) = [note for note in post_in_memory.base.recorded.notes if note.event == "password_hash_unusable"]
    assert (note.severity, note.fields) == (Severity.ERROR, {"user_id": session.user.user_id})


# What a change does


def test_the_current_password_changes_the_password(post: MailDeployment) -> None:
    session = post.register()

    change(post, session)

    assert not opens(post, PASSWORD)
    assert opens(post, NEW)
    user = post.user(session.user.user_id)
    assert (user.epoch, user.updated_at) == (session.user.epoch + 1, post.base.clock())
    assert "password_changed" in post.base.recorded.events


def test_a_change_ends_all_other_sessions(post: MailDeployment) -> None:
    session = post.register()
    others = [post.base.sign_in.sign_in(by_email(BOB.email), client) for client in (HOME, ABROAD)]

    change(post, session)

    assert not any(is_alive(post, other) for other in others)
    for other in others:
        with pytest.raises(SessionEnded):
            refresh(post, other)


def test_a_change_keeps_its_own_session_and_tokens(post: MailDeployment) -> None:
    session = post.register()

    change(post, session)

    assert is_alive(post, session)
    renewed = refresh(post, session)
    assert is_alive(post, renewed)
    assert is_alive(post, refresh(post, renewed))


@in_memory_only
def test_a_password_can_be_changed_again_in_the_same_session(post: MailDeployment) -> None:
    session = post.register()
    change(post, session)

    change(post, refresh(post, session), NEW, "A third horse 3")

    assert opens(post, "A third horse 3")
    assert is_alive(post, session)


def test_a_change_does_not_verify_the_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()

    change(post_in_memory, session)

    after = post_in_memory.user(session.user.user_id)
    assert after == replace(
        session.user, password_hash=after.password_hash, epoch=1, updated_at=post_in_memory.base.clock()
    )


@pytest.mark.covers("F19")
@in_memory_only
def test_a_change_replaces_a_legacy_hash(post: MailDeployment) -> None:
    """Which is still there if it could not be replaced at the sign-in."""
    session = post.register()
    post.change(session.user, password_hash=LEGACY_HASH)

    change(post, session, current="password")

    assert post.user(session.user.user_id).migrated_at == post.base.clock()
    assert opens(post, NEW)


@in_memory_only
def test_a_notice_goes_to_a_verified_address(post: MailDeployment) -> None:
    session = post.register()
    post.code_sign_in.sign_in(BOB.email, post.mailed_code(kind=MailKind.VERIFICATION_CODE), HOME)

    change(post, session)

    assert [(job.kind, job.email) for job in post.queue.jobs] == [(MailKind.PASSWORD_CHANGED, BOB.email)]


@in_memory_only
def test_no_notice_goes_to_an_unverified_address(post: MailDeployment) -> None:
    change(post, post.register())

    assert post.queue.jobs == []


@in_memory_only
def test_a_change_succeeds_when_its_notice_cannot_be_queued(post: MailDeployment) -> None:
    session = post.register()
    post.code_sign_in.sign_in(BOB.email, post.mailed_code(kind=MailKind.VERIFICATION_CODE), HOME)
    post.queue.is_down = True

    change(post, session)

    assert opens(post, NEW)
    assert "mail_not_queued" in post.base.recorded.events


# Who may not change a password


@pytest.mark.covers("95")
@in_memory_only
def test_an_access_token_without_the_password_changes_nothing(post: MailDeployment) -> None:
    session = post.register()

    for guess in ("", NEW, PASSWORD.lower(), f"{PASSWORD} "):
        with pytest.raises(InvalidCredentials):
            change(post, session, guess)

    assert post.user(session.user.user_id) == session.user
    assert post.queue.jobs == []
    assert opens(post, PASSWORD)


def test_no_current_password_is_right_for_an_account_without_one(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.google.sign_in(
        VerifiedIdentity(provider=GOOGLE, subject="1", email=BOB.email, name="Bob"), HOME
    )

    for guess in ("", "None", PASSWORD):
        with pytest.raises(InvalidCredentials):
            change(post_in_memory, session, guess)

    assert post_in_memory.user(session.user.user_id).password_hash is None


def test_a_guest_has_no_password_to_change(post_in_memory: MailDeployment) -> None:
    guest = post_in_memory.guests.admit(HOME)

    with pytest.raises(NotAPerson):
        change(post_in_memory, guest, "")


@in_memory_only
def test_an_ended_session_changes_nothing(post: MailDeployment, clock: FakeClock) -> None:
    session = post.register()
    ended = post.base.sign_in.sign_in(by_email(BOB.email), HOME)
    post.base.sessions.close(ended.tokens.access_token)

    with pytest.raises(SessionEnded):
        change(post, ended)
    with pytest.raises(InvalidToken):
        post.password_change.change(session.tokens.refresh_token, current=PASSWORD, new=NEW, client=HOME, policy=POLICY)
    clock.advance(timedelta(hours=1))
    with pytest.raises(TokenExpired):
        change(post, session)

    assert opens(post, PASSWORD)


@pytest.mark.parametrize("password", ["short", "password1", "bob@example.com", "x" * 257])
def test_an_unacceptable_password_changes_nothing_and_is_not_counted(
    post_in_memory: MailDeployment, password: str
) -> None:
    session = post_in_memory.register()

    for _ in range(12):
        with pytest.raises(UnacceptablePassword):
            change(post_in_memory, session, new=password)

    change(post_in_memory, session)
    assert opens(post_in_memory, NEW)


# Wrong passwords: one limit for all endpoints, security.md 33


@in_memory_only
def test_wrong_passwords_count_together_with_those_of_sign_ins(post: MailDeployment) -> None:
    session = post.register()
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            change(post, session, "a guess")
        assert not opens(post, "a guess", HOME)

    with pytest.raises(TooManyAttempts):
        change(post, session)
    with pytest.raises(TooManyAttempts):
        opens(post, PASSWORD, HOME)

    assert opens(post, PASSWORD, ABROAD)
    assert is_alive(post, session)


@in_memory_only
def test_ten_of_thirty_concurrent_passwords_are_compared(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(change, post, session, "a guess")] * 30)

    assert sum(isinstance(outcome, InvalidCredentials) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 20


@in_memory_only
def test_a_right_password_clears_the_wrong_ones(post: MailDeployment) -> None:
    session = post.register()
    passwords = [PASSWORD, NEW, "A third horse 3"]
    for current, new in pairwise(passwords):
        for _ in range(9):
            with pytest.raises(InvalidCredentials):
                change(post, session, "a guess", "A fourth horse 4")
        change(post, session, current, new)

    assert opens(post, passwords[-1], HOME)


@pytest.mark.covers("F28")
@in_memory_only
def test_a_password_is_not_compared_when_it_cannot_be_counted(post: MailDeployment) -> None:
    session = post.register()
    failing = FaultyStore(post.base.store, at=lambda call: call.keys[0].table == post.base.tables["RateLimits"])

    with pytest.raises(DependencyUnavailable):
        change(post.on(failing), session)

    assert opens(post, PASSWORD)


@in_memory_only
def test_a_change_succeeds_when_the_count_cannot_be_cleared(post: MailDeployment) -> None:
    session = post.register()
    counters = post.base.tables["RateLimits"]
    committed: list[Call] = []

    def after_the_commit(call: Call) -> bool:
        committed.extend([call] if call.method == "commit" else [])
        return bool(committed) and call.keys[0].table == counters

    change(post.on(FaultyStore(post.base.store, at=after_the_commit)), session)

    assert "attempt_not_given_back" in post.base.recorded.events
    assert opens(post, NEW)


def test_a_known_address_can_change_the_password_when_the_account_limit_is_reached(
    post_in_memory: MailDeployment,
) -> None:
    limit = Limit(name="account", attempts=3, window=timedelta(hours=1))  # security.md 24
    post = post_in_memory.with_choices(Choices(account=limit))
    post.register()
    session = post.base.sign_in.sign_in(by_email(BOB.email), HOME)
    for number in range(2):
        assert not opens(post, "a guess", Client(address=f"198.51.100.{number + 100}"))
    with pytest.raises(TooManyAttempts):
        opens(post, "a guess", Client(address="198.51.100.200"))

    change(post, session)

    assert opens(post, NEW, HOME)


# A change is repeated because its response was lost: F42


def test_a_repeated_change_succeeds_and_changes_nothing(post: MailDeployment, clock: FakeClock) -> None:
    session = post.register()
    change(post, session)
    before = post.user(session.user.user_id)

    for _ in range(12):  # not counted as wrong passwords
        change(post, session)
    clock.advance(REPEATABLE_FOR)
    change(post, session)

    assert post.user(session.user.user_id) == before
    assert is_alive(post, session)


def test_a_repeated_change_sends_one_notice(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    session = post.register()
    post.verify_email(session.user)

    change(post, session)
    change(post, session)
    post.deliver_queued()

    assert [job.kind for job in post.queue.jobs] == [MailKind.PASSWORD_CHANGED] * 2
    assert len(post.outbox.sent) == 1


@in_memory_only
def test_a_change_cannot_be_repeated_after_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    session = post.register()
    change(post, session)
    clock.advance(REPEATABLE_FOR + timedelta(seconds=1))

    with pytest.raises(WrongPassword):
        change(post, session)


@in_memory_only
def test_guesses_at_a_new_password_are_limited_too(post: MailDeployment) -> None:
    session = post.register()
    change(post, session)
    for number in range(10):
        with pytest.raises(WrongPassword):
            change(post, session, "a guess", f"Another guess {number}")

    with pytest.raises(TooManyAttempts):
        change(post, session)


def test_the_same_change_sent_twice_concurrently_succeeds_twice(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(change, post, session)] * 2)

    assert outcomes == [None, None]
    assert opens(post, NEW)
    assert post.user(session.user.user_id).epoch == session.user.epoch + 1
    assert is_alive(post, session)


# Races: F10, F11, F17


def test_one_of_twenty_concurrent_changes_succeeds(post: MailDeployment) -> None:
    session = post.register()
    many_attempts = Limit(name="a", attempts=99, window=timedelta(days=1))
    unlimited = post.with_choices(Choices(account_and_address=many_attempts))

    outcomes = at_once(
        [partial(change, unlimited, session, PASSWORD, f"Horse number {number}") for number in range(20)]
    )

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert sum(isinstance(outcome, InvalidCredentials) for outcome in outcomes) == 19
    assert [number for number in range(20) if opens(unlimited, f"Horse number {number}")] == [winner]
    assert is_alive(post, session)


@pytest.mark.covers("F17")
def test_one_of_a_concurrent_change_and_reset_succeeds(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()

    changed, was_reset = at_once(
        [
            partial(change, post, session),
            partial(post.password_reset.reset, token, "A third horse 3", client=HOME, policy=POLICY),
        ]
    )

    if was_reset is None:
        assert isinstance(changed, InvalidCredentials | SessionEnded)
        assert opens(post, "A third horse 3")
        assert not is_alive(post, session)
    else:
        assert changed is None
        assert isinstance(was_reset, InvalidResetToken)
        assert opens(post, NEW)
        assert is_alive(post, session)


def test_a_change_does_not_overwrite_a_reset(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()
    reset = partial(post.password_reset.reset, token, "A third horse 3", client=HOME, policy=POLICY)

    with pytest.raises(InvalidCredentials):
        change(post.meanwhile(reset), session)

    assert opens(post, "A third horse 3")
    assert not is_alive(post, session)


def test_a_session_that_is_signed_out_meanwhile_changes_nothing(post: MailDeployment, database: Database) -> None:
    session = post.register()
    sign_out = partial(post.base.sessions.close, session.tokens.access_token)

    with pytest.raises(InvalidCredentials):
        change(post.meanwhile(sign_out), session)

    assert database.items("RefreshTokenFamilies") == []
    assert opens(post, PASSWORD)


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(post: MailDeployment) -> None:
    session = post.register()
    meanwhile = post.meanwhile(lambda: post.change(session.user, disabled_at=to_epoch(post.base.clock())))

    with pytest.raises(InvalidCredentials):
        change(meanwhile, session)

    assert post.user(session.user.user_id).password_hash == session.user.password_hash


def test_a_session_that_is_refreshed_meanwhile_stays_valid(post: MailDeployment) -> None:
    session = post.register()
    renewed: list[SignedIn] = []

    change(post.meanwhile(lambda: renewed.append(refresh(post, session))), session)

    assert [is_alive(post, each) for each in (session, *renewed)] == [True, True]
    assert is_alive(post, refresh(post, renewed[0]))


def test_a_refresh_during_a_change_succeeds(post: MailDeployment) -> None:
    session = post.register()
    families = post.base.tables["RefreshTokenFamilies"]
    meanwhile = post.meanwhile(partial(change, post, session), before=lambda call: call.keys[0].table == families)

    renewed = refresh(meanwhile, session)

    assert is_alive(post, renewed)
    assert is_alive(post, refresh(post, renewed))


@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_a_read_of_the_account_during_a_change_succeeds(post: MailDeployment, old: str) -> None:
    """As GET /api/auth/me reads it. D11: a batch is only read-committed."""
    session = post.register()
    torn = TornStore(post.base.store, old=post.base.tables[old], happens=partial(change, post, session))

    caller = post.on(torn).base.sessions.authenticate_person(session.tokens.access_token)

    assert (caller.user.user_id, caller.user.epoch, caller.family.epoch) == (session.user.user_id, 1, 1)


# One transaction: F16


@pytest.mark.covers("F16")
def test_when_any_call_fails_password_and_sessions_are_both_old_or_both_new() -> None:
    def scene() -> Scene:
        post = mailing_in_memory()
        session = post.register()
        others.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD))
        sessions.append(session)
        return Scene(post, lambda here: change(here, session))

    sessions: list[SignedIn] = []
    others: list[SignedIn] = []
    for mishap in every_mishap(scene):
        here = mishap.deployment
        assert mishap.failure is None or isinstance(mishap.failure, DependencyUnavailable), mishap
        was_changed = opens(here, NEW)
        assert was_changed or mishap.failure is not None, mishap
        assert opens(here, PASSWORD) != was_changed, mishap
        assert is_alive(here, sessions[-1]), mishap
        assert is_alive(here, others[-1]) != was_changed, mishap


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_contains_no_password_and_no_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    with pytest.raises(InvalidCredentials) as caught:
        change(post_in_memory, session, "a wrong password")
    change(post_in_memory, session)

    logged = str(post_in_memory.base.recorded.notes) + str(caught.value)

    for secret in (PASSWORD, NEW, "a wrong password", BOB.email):
        assert secret not in logged
