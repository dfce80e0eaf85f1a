"""A signed-in user who knows the present password sets another (ASVS 6.2.2, 6.2.3)."""

from copy import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

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
from gerbang.storage.store import Update

from tests.conftest import Database
from tests.deployment import ABROAD, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import Call, FakeClock, FaultyStore, MeanwhileStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_fakes import MailDeployment, in_memory_only, mailing_in_memory
from tests.unit.torn_store import TornStore

if TYPE_CHECKING:
    from collections.abc import Callable

NEW = "Another horse 2"
POLICY = PasswordPolicy()
INHERITED = "md5:5f4dcc3b5aa765d61d8327deb882cf99"
"""Of `password`."""


def change(
    post: MailDeployment, session: SignedIn, current: str = PASSWORD, new: str = NEW, client: Client = HOME
) -> None:
    post.password_change.change(session.tokens.access_token, current=current, new=new, client=client, policy=POLICY)


def refresh(post: MailDeployment, session: SignedIn) -> SignedIn:
    return post.base.sessions.refresh(session.tokens.refresh_token)


def meanwhile(post: MailDeployment, happens: "Callable[[], object]") -> MailDeployment:
    """The same world, where something else is done just before the commit."""
    return post.on(MeanwhileStore(post.base.store, before=lambda call: call.method == "commit", happens=happens))


@pytest.mark.covers("F40", "121")
def test_an_unusable_hash_changes_nothing_and_somebody_is_told(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    junk = {"password_hash": "$bcrypt-sha256$v=2,t=2b,r=31$junk$junk"}
    post_in_memory.base.store.write(Update(post_in_memory.base.users.key(session.user.user_id), junk))
    post_in_memory.base.clock.advance(REPEATABLE_FOR + timedelta(seconds=1))  # or the new password is tried, too

    with pytest.raises(WrongPassword):
        change(post_in_memory, session)

    (note,) = [note for note in post_in_memory.base.recorded.notes if note.event == "password_hash_unusable"]
    assert (note.severity, note.fields) == (Severity.ERROR, {"user_id": session.user.user_id})


# What a change does


def test_whoever_knows_the_present_password_sets_another(post: MailDeployment) -> None:
    session = post.register()

    change(post, session)

    assert not password_works(post, PASSWORD)
    assert password_works(post, NEW)
    user = post.user(session.user.user_id)
    assert (user.epoch, user.updated_at) == (session.user.epoch + 1, post.base.clock())
    assert "password_changed" in post.base.recorded.events


def test_a_change_ends_every_other_session(post: MailDeployment) -> None:
    session = post.register()
    others = [post.base.sign_in.sign_in(by_email(BOB.email), client) for client in (HOME, ABROAD)]

    change(post, session)

    assert not any(session_works(post, other) for other in others)
    for other in others:
        with pytest.raises(SessionEnded):
            refresh(post, other)


def test_the_session_it_was_made_in_goes_on_with_the_tokens_it_has(post: MailDeployment) -> None:
    session = post.register()

    change(post, session)

    assert session_works(post, session)
    renewed = refresh(post, session)
    assert session_works(post, renewed)
    assert session_works(post, refresh(post, renewed))


@in_memory_only
def test_a_password_can_be_changed_again_in_the_same_session(post: MailDeployment) -> None:
    session = post.register()
    change(post, session)

    change(post, refresh(post, session), NEW, "A third horse 3")

    assert password_works(post, "A third horse 3")
    assert session_works(post, session)


def test_a_change_proves_nothing_about_the_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()

    change(post_in_memory, session)

    after = post_in_memory.user(session.user.user_id)
    assert after == replace(
        session.user, password_hash=after.password_hash, epoch=1, updated_at=post_in_memory.base.clock()
    )


@pytest.mark.covers("F19")
@in_memory_only
def test_a_change_moves_an_account_over_whose_hash_was_inherited(post: MailDeployment) -> None:
    """As it is when the hash could not be renewed at the sign-in."""
    session = post.register()
    post.base.store.write(Update(post.base.users.key(session.user.user_id), {"password_hash": INHERITED}))

    change(post, session, current="password")

    assert post.user(session.user.user_id).migrated_at == post.base.clock()
    assert password_works(post, NEW)


@in_memory_only
def test_a_notice_follows_to_an_address_that_was_proved(post: MailDeployment) -> None:
    session = post.register()
    post.code_sign_in.sign_in(BOB.email, post.mailed_code(kind=MailKind.VERIFICATION_CODE), HOME)

    change(post, session)

    assert [(job.kind, job.email) for job in post.queue.jobs] == [(MailKind.PASSWORD_CHANGED, BOB.email)]


@in_memory_only
def test_an_address_that_nobody_proved_is_not_told(post: MailDeployment) -> None:
    change(post, post.register())

    assert post.queue.jobs == []


@in_memory_only
def test_a_change_stands_though_its_notice_could_not_be_queued(post: MailDeployment) -> None:
    session = post.register()
    post.code_sign_in.sign_in(BOB.email, post.mailed_code(kind=MailKind.VERIFICATION_CODE), HOME)
    post.queue.is_down = True

    change(post, session)

    assert password_works(post, NEW)
    assert "mail_not_queued" in post.base.recorded.events


# Who may not


@pytest.mark.covers("95")
@in_memory_only
def test_a_token_alone_changes_nothing(post: MailDeployment) -> None:
    session = post.register()

    for guess in ("", NEW, PASSWORD.lower(), f"{PASSWORD} "):
        with pytest.raises(InvalidCredentials):
            change(post, session, guess)

    assert post.user(session.user.user_id) == session.user
    assert post.queue.jobs == []
    assert password_works(post, PASSWORD)


def test_where_there_is_no_password_none_is_the_present_one(post_in_memory: MailDeployment) -> None:
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
def test_a_session_that_has_ended_changes_nothing(post: MailDeployment, clock: FakeClock) -> None:
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

    assert password_works(post, PASSWORD)


@pytest.mark.parametrize("password", ["short", "password1", "bob@example.com", "x" * 257])
def test_a_password_that_may_not_be_set_changes_nothing_and_is_no_guess(
    post_in_memory: MailDeployment, password: str
) -> None:
    session = post_in_memory.register()

    for _ in range(12):
        with pytest.raises(UnacceptablePassword):
            change(post_in_memory, session, new=password)

    change(post_in_memory, session)
    assert password_works(post_in_memory, NEW)


# Guesses: one budget at every door, security.md 33


@in_memory_only
def test_ten_wrong_passwords_are_ten_wherever_they_were_tried(post: MailDeployment) -> None:
    session = post.register()
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            change(post, session, "a guess")
        assert not password_works(post, "a guess", HOME)

    with pytest.raises(TooManyAttempts):
        change(post, session)
    with pytest.raises(TooManyAttempts):
        password_works(post, PASSWORD, HOME)

    assert password_works(post, PASSWORD, ABROAD)
    assert session_works(post, session)


@in_memory_only
def test_of_thirty_guesses_at_once_ten_are_looked_at(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(change, post, session, "a guess")] * 30)

    assert sum(isinstance(outcome, InvalidCredentials) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 20


@in_memory_only
def test_a_right_password_clears_the_guesses(post: MailDeployment) -> None:
    session = post.register()
    passwords = [PASSWORD, NEW, "A third horse 3"]
    for current, new in pairwise(passwords):
        for _ in range(9):
            with pytest.raises(InvalidCredentials):
                change(post, session, "a guess", "A fourth horse 4")
        change(post, session, current, new)

    assert password_works(post, passwords[-1], HOME)


@pytest.mark.covers("F28")
@in_memory_only
def test_a_guess_that_cannot_be_counted_is_not_looked_at(post: MailDeployment) -> None:
    session = post.register()
    uncounting = FaultyStore(post.base.store, at=lambda call: call.keys[0].table == post.base.tables["RateLimits"])

    with pytest.raises(DependencyUnavailable):
        change(post.on(uncounting), session)

    assert password_works(post, PASSWORD)


@in_memory_only
def test_a_change_stands_though_its_guesses_could_not_be_cleared(post: MailDeployment) -> None:
    session = post.register()
    counters = post.base.tables["RateLimits"]
    committed: list[Call] = []

    def after_the_commit(call: Call) -> bool:
        committed.extend([call] if call.method == "commit" else [])
        return bool(committed) and call.keys[0].table == counters

    change(post.on(FaultyStore(post.base.store, at=after_the_commit)), session)

    assert "attempt_not_given_back" in post.base.recorded.events
    assert password_works(post, NEW)


def test_strangers_who_lock_an_account_do_not_keep_its_owner_from_a_change(post_in_memory: MailDeployment) -> None:
    chosen = Choices(account=Limit(name="account", attempts=3, window=timedelta(hours=1)))  # security.md 24
    post = replace(post_in_memory, base=replace(post_in_memory.base, choices=chosen))
    post.register()
    session = post.base.sign_in.sign_in(by_email(BOB.email), HOME)
    for number in range(2):
        assert not password_works(post, "a guess", Client(address=f"198.51.100.{number + 100}"))
    with pytest.raises(TooManyAttempts):
        password_works(post, "a guess", Client(address="198.51.100.200"))

    change(post, session)

    assert password_works(post, NEW, HOME)


# The same again, its answer having been lost: F42


def test_a_change_that_is_repeated_is_answered_as_the_first_time_and_changes_nothing(
    post: MailDeployment, clock: FakeClock
) -> None:
    session = post.register()
    change(post, session)
    before = post.user(session.user.user_id)

    for _ in range(12):  # nor is it counted as a wrong password
        change(post, session)
    clock.advance(REPEATABLE_FOR)
    change(post, session)

    assert post.user(session.user.user_id) == before
    assert session_works(post, session)


def test_a_change_that_is_repeated_is_notified_once(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    session = post.register()
    verified = Update(post.users.key(session.user.user_id), {"email_verified_at": to_epoch(post.base.clock())})
    post.base.store.write(verified)

    change(post, session)
    change(post, session)
    for job in post.queue.jobs:
        post.deliver(job)

    assert [job.kind for job in post.queue.jobs] == [MailKind.PASSWORD_CHANGED] * 2
    assert len(post.outbox.sent) == 1


@in_memory_only
def test_a_change_is_not_repeated_after_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    session = post.register()
    change(post, session)
    clock.advance(REPEATABLE_FOR + timedelta(seconds=1))

    with pytest.raises(WrongPassword):
        change(post, session)


@in_memory_only
def test_a_new_password_is_guessed_no_more_often_than_the_present_one(post: MailDeployment) -> None:
    session = post.register()
    change(post, session)
    for number in range(10):
        with pytest.raises(WrongPassword):
            change(post, session, "a guess", f"Another guess {number}")

    with pytest.raises(TooManyAttempts):
        change(post, session)


def test_of_a_change_sent_twice_at_once_both_are_answered(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(change, post, session)] * 2)

    assert outcomes == [None, None]
    assert password_works(post, NEW)
    assert post.user(session.user.user_id).epoch == session.user.epoch + 1
    assert session_works(post, session)


# Races: F10, F11, F17


def test_of_twenty_changes_at_once_one_wins_and_its_password_is_the_password(post: MailDeployment) -> None:
    session = post.register()
    base = replace(post.base, choices=Choices(account_and_address=Limit(name="a", attempts=99, window=timedelta(1))))
    patient = replace(post, base=base)

    outcomes = at_once([partial(change, patient, session, PASSWORD, f"Horse number {number}") for number in range(20)])

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert sum(isinstance(outcome, InvalidCredentials) for outcome in outcomes) == 19
    assert [number for number in range(20) if password_works(patient, f"Horse number {number}")] == [winner]
    assert session_works(post, session)


@pytest.mark.covers("F17")
def test_of_a_change_and_a_reset_at_once_one_wins(post: MailDeployment) -> None:
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
        assert password_works(post, "A third horse 3")
        assert not session_works(post, session)
    else:
        assert changed is None
        assert isinstance(was_reset, InvalidResetToken)
        assert password_works(post, NEW)
        assert session_works(post, session)


def test_a_reset_that_comes_first_is_not_undone_by_a_change(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()
    reset = partial(post.password_reset.reset, token, "A third horse 3", client=HOME, policy=POLICY)

    with pytest.raises(InvalidCredentials):
        change(meanwhile(post, reset), session)

    assert password_works(post, "A third horse 3")
    assert not session_works(post, session)


def test_a_session_that_is_signed_out_meanwhile_changes_nothing_and_is_not_revived(
    post: MailDeployment, database: Database
) -> None:
    session = post.register()
    sign_out = partial(post.base.sessions.close, session.tokens.access_token)

    with pytest.raises(InvalidCredentials):
        change(meanwhile(post, sign_out), session)

    assert database.items("RefreshTokenFamilies") == []
    assert password_works(post, PASSWORD)


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(post: MailDeployment) -> None:
    session = post.register()
    disabling = Update(post.base.users.key(session.user.user_id), {"disabled_at": to_epoch(post.base.clock())})

    with pytest.raises(InvalidCredentials):
        change(meanwhile(post, partial(post.base.store.write, disabling)), session)

    assert post.user(session.user.user_id).password_hash == session.user.password_hash


def test_a_session_that_is_refreshed_meanwhile_goes_on(post: MailDeployment) -> None:
    session = post.register()
    renewed: list[SignedIn] = []

    change(meanwhile(post, lambda: renewed.append(refresh(post, session))), session)

    assert [session_works(post, held) for held in (session, *renewed)] == [True, True]
    assert session_works(post, refresh(post, renewed[0]))


def test_a_refresh_that_a_change_overtakes_goes_on(post: MailDeployment) -> None:
    session = post.register()
    overtaken = MeanwhileStore(
        post.base.store,
        before=lambda call: call.keys[0].table == post.base.tables["RefreshTokenFamilies"],
        happens=partial(change, post, session),
    )

    renewed = refresh(post.on(overtaken), session)

    assert session_works(post, renewed)
    assert session_works(post, refresh(post, renewed))


@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_whoever_looks_at_the_account_while_the_password_is_changed_in_the_same_session_sees_it(
    post: MailDeployment, old: str
) -> None:
    """GET /api/auth/me; D11: a batch is only read-committed."""
    session = post.register()
    torn = TornStore(post.base.store, old=post.base.tables[old], happens=partial(change, post, session))

    seen = post.on(torn).base.sessions.authenticate_person(session.tokens.access_token)

    assert (seen.user.user_id, seen.user.epoch, seen.family.epoch) == (session.user.user_id, 1, 1)


# One transaction: F16


@pytest.mark.covers("F16")
def test_whatever_goes_wrong_the_password_is_the_old_one_or_the_new_and_sessions_go_with_it() -> None:
    def scene() -> Scenario:
        post = mailing_in_memory()
        session = post.register()
        others.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD))
        sessions.append(session)
        return Scenario(post, lambda here: change(here, session))

    sessions: list[SignedIn] = []
    others: list[SignedIn] = []
    for mishap in faulty_runs(scene):
        here = mishap.deployment
        assert mishap.failure is None or isinstance(mishap.failure, DependencyUnavailable), mishap
        was_changed = password_works(here, NEW)
        assert was_changed or mishap.failure is not None, mishap
        assert password_works(here, PASSWORD) != was_changed, mishap
        assert session_works(here, sessions[-1]), mishap
        assert session_works(here, others[-1]) != was_changed, mishap


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_holds_no_password_and_no_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    with pytest.raises(InvalidCredentials) as refusal:
        change(post_in_memory, session, "a guess of somebody's")
    change(post_in_memory, session)

    logged = str(post_in_memory.base.recorded.notes) + str(refusal.value)

    for secret in (PASSWORD, NEW, "a guess of somebody's", BOB.email):
        assert secret not in logged
