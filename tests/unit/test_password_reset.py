"""A mailed token sets a new password, once, for half an hour, and opens no session."""

import re
from copy import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.apis import snapotp
from gerbang.core.client import Client
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import from_base62
from gerbang.http.request import Request
from gerbang.http.response import Response
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.codes import RESET_LIFETIME, InvalidResetToken, ResetTokens
from gerbang.mail.jobs import MailKind
from gerbang.passwords.bcrypt_sha256 import is_current_format
from gerbang.passwords.policy import PasswordPolicy, UnacceptablePassword
from gerbang.sessions.keys import Keys
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Gone, Plus, Update

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import Call, FakeClock, FakeSecret, FaultyStore, MeanwhileStore, PassingStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, calls_of, faulty_runs
from tests.unit.mail_fakes import MailDeployment, in_memory_only, mailing_in_memory
from tests.unit.torn_store import TornStore

SECOND = timedelta(seconds=1)
NEW = "Another horse 2"
POLICY = PasswordPolicy()
INHERITED = "md5:5f4dcc3b5aa765d61d8327deb882cf99"


def reset(post: MailDeployment, token: str, password: str = NEW, client: Client = HOME) -> None:
    post.password_reset.reset(token, password, client=client, policy=POLICY)


def made_up(post: MailDeployment, user: User) -> str:
    """A token of the right form that was never mailed."""
    return post.reset_tokens.token("never asked", user)


def refused(post: MailDeployment, token: str) -> None:
    with pytest.raises(InvalidResetToken):
        reset(post, token)


def raise_epoch(post: MailDeployment, user: User) -> None:
    post.base.store.write(Update(post.base.users.key(user.user_id), {"epoch": Plus(1)}))


# The token: security.md 49


@pytest.fixture
def tokens(secret: FakeSecret, clock: FakeClock) -> ResetTokens:
    return ResetTokens(Keys(secret, clock))


@pytest.fixture
def bob(post_in_memory: MailDeployment) -> User:
    return post_in_memory.register().user


def test_a_token_is_letters_and_digits_and_always_as_long(tokens: ResetTokens, bob: User) -> None:
    first = replace(bob, user_id=str(UUID(int=0)))
    last = replace(bob, user_id=str(UUID(int=2**128 - 1)))

    made = [tokens.token(f"job-{number}", user) for number in range(1000) for user in (bob, first, last)]

    assert all(re.fullmatch(r"[A-Za-z0-9]{65}", token) for token in made)  # mail programs drop a trailing - or _
    assert {tokens.user_id(token) for token in made} == {user.user_id for user in (bob, first, last)}


def test_a_token_holds_256_bits_that_only_the_key_gives(tokens: ResetTokens, bob: User) -> None:
    secrets = [from_base62(tokens.token(f"job-{number}", bob)[22:]) for number in range(256)]

    assert max(secrets) < 2**256
    assert all(any(secret >> bit & 1 for secret in secrets) for bit in range(256))
    assert all(any(not secret >> bit & 1 for secret in secrets) for bit in range(256))


def test_the_same_job_makes_the_same_token_and_another_another(tokens: ResetTokens, bob: User) -> None:
    stranger = ResetTokens(Keys(FakeSecret("another secret"), FakeClock()))

    secrets = {
        token[22:]
        for token in (
            tokens.token("job-1", bob),
            tokens.token("job-1", bob),
            tokens.token("job-2", bob),
            tokens.token("job-1", replace(bob, user_id="ffffffff-0000-4000-8000-000000000001")),
            tokens.token("job-1", replace(bob, epoch=1)),
            stranger.token("job-1", bob),
        )
    }

    assert len(secrets) == 5


@pytest.mark.covers("49")
def test_a_stored_token_fits_itself_only_and_not_without_the_key(tokens: ResetTokens, bob: User) -> None:
    token = tokens.token("job-1", bob)
    stored = tokens.stored_form(token)

    assert tokens.matches(stored, token)
    assert not tokens.matches(stored, tokens.token("job-2", bob))
    assert not tokens.matches("", token)
    assert not tokens.matches("né", token)
    assert not ResetTokens(Keys(FakeSecret("a thief's guess"), FakeClock())).matches(stored, token)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "A" * 64,
        "A" * 66,
        "A" * 64 + "=",
        "A" * 64 + "-",
        "A" * 64 + "_",
        "A" * 64 + "\n",
        "z" * 65,  # the id is no UUID: above 128 bits
        "é" * 65,
        "A" * 5000,
    ],
    ids=lambda text: f"{len(text)} {text[-1:]!a}",
)
def test_what_has_not_the_form_of_a_token_is_refused(post_in_memory: MailDeployment, text: str) -> None:
    refused(post_in_memory, text)


def test_a_token_survives_one_rotation_of_the_master_secret(
    post_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    post_in_memory.register()
    token = post_in_memory.mailed_token()
    secret.rotate("second secret")
    clock.advance(timedelta(minutes=6))  # by when every warm function has read the new one

    reset(post_in_memory, token)

    assert password_works(post_in_memory, NEW)


def test_a_token_does_not_survive_two_rotations(
    post_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    post_in_memory.register()
    token = post_in_memory.mailed_token()
    secret.rotate("second secret")
    secret.rotate("third secret")
    clock.advance(timedelta(minutes=6))

    refused(post_in_memory, token)


# What a reset does: security.md 53, 55, 57, 60


def test_the_token_that_was_mailed_sets_the_password(post: MailDeployment) -> None:
    registered = post.register().user
    token = post.mailed_token()

    reset(post, token)

    assert not password_works(post, PASSWORD)
    assert password_works(post, NEW)
    user = post.user(registered.user_id)
    assert (user.epoch, user.updated_at) == (registered.epoch + 1, post.base.clock())
    assert "password_reset" in post.base.recorded.events


@pytest.mark.covers("53", "55")
def test_a_reset_ends_every_session_and_opens_none(post: MailDeployment, database: Database) -> None:
    sessions = [post.register(), post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)]
    token = post.mailed_token()
    before = len(database.items("RefreshTokenFamilies"))

    reset(post, token)

    assert not any(session_works(post, session) for session in sessions)
    for session in sessions:
        with pytest.raises(SessionEnded):
            post.base.sessions.refresh(session.tokens.refresh_token)
    assert len(database.items("RefreshTokenFamilies")) <= before


@pytest.mark.covers("53", "F11")
def test_sessions_opened_while_the_reset_ran_are_dead(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    opened: list[SignedIn] = []
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: opened.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)),
    )

    reset(post.on(meanwhile), token)

    assert [session_works(post, session) for session in opened] == [False]


@pytest.mark.covers("60")
def test_a_reset_proves_the_address_and_nothing_more(post: MailDeployment) -> None:
    before = post.register(ALICE).user
    token = post.mailed_token(ALICE.email)

    reset(post, token)

    after = post.user(before.user_id)
    assert after == replace(
        before,
        email_verified_at=post.base.clock(),
        updated_at=post.base.clock(),
        password_hash=after.password_hash,
        epoch=before.epoch + 1,
        devices=(),  # a stranger may have registered the address
    )


@in_memory_only
def test_a_proved_address_keeps_the_time_of_its_proof(post: MailDeployment) -> None:
    registered = post.register().user
    reset(post, post.mailed_token())
    proved_at = post.base.clock()

    reset(post, post.mailed_token(), "A third horse 3")

    assert post.user(registered.user_id).email_verified_at == proved_at < post.base.clock()


@pytest.mark.parametrize("stored", [None, INHERITED, "junk"], ids=["none", "md5", "junk"])
def test_whatever_was_in_the_place_of_the_password_is_replaced(
    post_in_memory: MailDeployment, stored: str | None
) -> None:
    registered = post_in_memory.register().user
    users = post_in_memory.base.users
    post_in_memory.base.store.commit(
        Update(users.key(registered.user_id), {"password_hash": Gone() if stored is None else stored})
    )

    reset(post_in_memory, post_in_memory.mailed_token())

    kept = post_in_memory.user(registered.user_id).password_hash
    assert kept is not None
    assert is_current_format(kept)
    assert password_works(post_in_memory, NEW)


def test_an_inherited_account_has_moved_over_once_its_password_was_reset(post: MailDeployment) -> None:
    registered = post.register().user
    post.base.store.write(Update(post.base.users.key(registered.user_id), {"password_hash": INHERITED}))

    reset(post, post.mailed_token())
    moved_over_at = post.base.clock()
    post.base.clock.advance(timedelta(hours=1))
    reset(post, post.mailed_token())

    assert post.user(registered.user_id).migrated_at == moved_over_at


@pytest.mark.covers("57")
@in_memory_only
def test_a_notice_follows_to_the_address(post: MailDeployment) -> None:
    post.register()

    reset(post, post.mailed_token())

    assert [(job.kind, job.email) for job in post.queue.jobs] == [(MailKind.PASSWORD_CHANGED, BOB.email)]


@in_memory_only
def test_a_reset_stands_though_its_notice_could_not_be_queued(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    post.queue.is_down = True

    reset(post, token)

    assert password_works(post, NEW)
    assert "mail_not_queued" in post.base.recorded.events


# Once, newest only, for half an hour: security.md 50, 51, 61


@pytest.mark.covers("50")
def test_a_token_works_once(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    reset(post, token)

    with pytest.raises(InvalidResetToken):
        reset(post, token, "A third horse 3")

    assert password_works(post, NEW)


@pytest.mark.covers("50", "F17")
def test_of_twenty_resets_at_once_one_wins_and_its_password_is_the_password(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()

    outcomes = at_once([partial(reset, post, token, f"Horse number {number}") for number in range(20)])

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    # Those who come too late have spent the token's password attempts: ten are looked at.
    assert sum(isinstance(outcome, InvalidResetToken | TooManyAttempts) for outcome in outcomes) == 19
    assert [number for number in range(20) if password_works(post, f"Horse number {number}", other(number))] == [winner]


def other(number: int) -> Client:
    """A client of its own."""
    return Client(address=f"198.51.100.{number + 100}")


@pytest.mark.covers("51")
@in_memory_only
def test_a_token_lives_for_half_an_hour(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    token = post.mailed_token()
    clock.advance(timedelta(minutes=30) - SECOND)

    reset(post, token)

    assert password_works(post, NEW)


@pytest.mark.covers("51", "F35")
def test_a_token_is_dead_after_half_an_hour_though_its_item_is_still_there(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    post.register()
    token = post.mailed_token()
    clock.advance(timedelta(minutes=30))

    refused(post, token)

    assert database.items("OneTimeCodes", "RESET#")
    assert password_works(post, PASSWORD)


def test_a_token_that_ends_while_it_is_being_looked_at_sets_nothing(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    token = post.mailed_token()
    clock.advance(RESET_LIFETIME - SECOND)
    slow = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "get_all", happens=lambda: clock.advance(SECOND)
    )

    refused(post.on(slow), token)

    assert password_works(post, PASSWORD)


@pytest.mark.covers("61")
@in_memory_only
def test_a_newer_token_kills_the_older_one(post: MailDeployment) -> None:
    post.register()
    older, newer = post.mailed_token(), post.mailed_token()
    refused(post, older)

    reset(post, newer)

    refused(post, older)
    assert password_works(post, NEW)


@pytest.mark.covers("61")
@in_memory_only
def test_a_password_that_was_changed_since_makes_a_token_worthless(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()
    post.password_change.change(session.tokens.access_token, current=PASSWORD, new=NEW, client=HOME, policy=POLICY)

    with pytest.raises(InvalidResetToken):
        reset(post, token, "A third horse 3")

    assert password_works(post, NEW)


def test_a_password_that_is_changed_meanwhile_makes_a_token_worthless(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: post.password_change.change(
            session.tokens.access_token, current=PASSWORD, new=NEW, client=HOME, policy=POLICY
        ),
    )

    with pytest.raises(InvalidResetToken):
        reset(post.on(meanwhile), token, "A third horse 3")

    assert password_works(post, NEW)
    assert session_works(post, session)


@in_memory_only
def test_a_token_is_of_the_account_it_was_mailed_to(post: MailDeployment) -> None:
    bob, alice = post.register().user, post.register(ALICE).user
    bobs, alices = post.mailed_token(BOB.email), post.mailed_token(ALICE.email)
    crossed = alices[:22] + bobs[22:]  # Alice's id, Bob's secret
    assert (post.reset_tokens.user_id(bobs), post.reset_tokens.user_id(crossed)) == (bob.user_id, alice.user_id)

    refused(post, crossed)

    assert password_works(post, PASSWORD)


# The same again, its answer having been lost: F42


def test_a_reset_that_is_repeated_is_answered_as_the_first_time_and_changes_nothing(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    registered = post.register().user
    token = post.mailed_token()
    reset(post, token)
    before, codes = post.user(registered.user_id), database.items("OneTimeCodes")
    session = post.base.sign_in.sign_in(by_email(BOB.email, NEW), HOME)

    for _ in range(12):  # nor is it counted as a wrong password
        reset(post, token)
    clock.advance(REPEATABLE_FOR)
    reset(post, token)

    after = post.user(registered.user_id)
    assert replace(after, last_sign_in_at=before.last_sign_in_at, devices=before.devices) == before
    assert database.items("OneTimeCodes") == codes
    assert session_works(post, session)
    assert {job.kind for job in post.queue.jobs} == {MailKind.PASSWORD_CHANGED}
    assert len({job.job_id for job in post.queue.jobs}) == 1  # so that the mailer sends one


@in_memory_only
def test_a_reset_is_not_repeated_after_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    token = post.mailed_token()
    reset(post, token)
    clock.advance(REPEATABLE_FOR + SECOND)

    refused(post, token)


@pytest.mark.parametrize("happened", ["password changed", "disabled", "newer token"])
def test_a_reset_is_not_repeated_when_it_does_not_hold_any_more(
    post_in_memory: MailDeployment, bob: User, happened: str
) -> None:
    post = post_in_memory
    token = post.mailed_token()
    reset(post, token)
    if happened == "password changed":
        session = post.base.sign_in.sign_in(by_email(BOB.email, NEW), HOME)
        change = partial(post.password_change.change, session.tokens.access_token, current=NEW, new="A third horse 3")
        change(client=HOME, policy=POLICY)
    if happened == "disabled":
        post.disable(bob)
    if happened == "newer token":
        post.mailed_token()

    refused(post, token)


@in_memory_only
def test_a_spent_token_is_no_way_to_guess_the_password(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    reset(post, token)
    for number in range(10):
        with pytest.raises(InvalidResetToken):
            reset(post, token, f"A guess {number}")

    with pytest.raises(TooManyAttempts) as refusal:
        reset(post, token)
    with pytest.raises(TooManyAttempts):
        password_works(post, NEW, HOME)

    assert refusal.value.limit == "sign_in_account_and_address"
    assert password_works(post, NEW, ABROAD)


def test_of_a_reset_sent_twice_at_once_both_are_answered(post: MailDeployment) -> None:
    registered = post.register().user
    token = post.mailed_token()

    outcomes = at_once([partial(reset, post, token)] * 2)

    assert outcomes == [None, None]
    assert password_works(post, NEW)
    assert post.user(registered.user_id).epoch == registered.epoch + 1


@in_memory_only
@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["Users", "OneTimeCodes"])
def test_a_reset_that_reads_while_it_is_done_elsewhere_is_answered_too(post: MailDeployment, old: str) -> None:
    post.register()
    token = post.mailed_token()
    torn = TornStore(post.base.store, old=post.base.tables[old], happens=lambda: reset(post, token))

    replace(post.password_reset, store=torn).reset(token, NEW, client=HOME, policy=POLICY)

    assert password_works(post, NEW)


# A password that may not be set: security.md 54


@pytest.mark.covers("54")
@pytest.mark.parametrize("password", ["short", "password1", "bob@example.com", "x" * 257])
def test_a_refused_password_does_not_burn_the_token(post_in_memory: MailDeployment, bob: User, password: str) -> None:
    token = post_in_memory.mailed_token()

    for _ in range(40):  # nor is it counted as a wrong token
        with pytest.raises(UnacceptablePassword):
            reset(post_in_memory, token, password)

    assert password_works(post_in_memory, PASSWORD)
    reset(post_in_memory, token)
    assert password_works(post_in_memory, NEW)
    assert post_in_memory.user(bob.user_id).epoch == 1


@pytest.mark.parametrize("worthless", ["made up", "expired", "of a disabled account"])
def test_whoever_has_no_good_token_learns_nothing_of_the_rules_for_passwords(
    post_in_memory: MailDeployment, bob: User, clock: FakeClock, worthless: str
) -> None:
    token = post_in_memory.mailed_token()
    if worthless == "made up":
        token = made_up(post_in_memory, bob)
    if worthless == "expired":
        clock.advance(RESET_LIFETIME)
    if worthless == "of a disabled account":
        disabling = Update(post_in_memory.base.users.key(bob.user_id), {"disabled_at": to_epoch(clock())})
        post_in_memory.base.store.write(disabling)

    with pytest.raises(InvalidResetToken):
        reset(post_in_memory, token, BOB.email)


# Guessing: security.md 59


@pytest.mark.covers("59")
@in_memory_only
def test_guesses_of_one_client_are_bounded_and_no_others(post: MailDeployment) -> None:
    bob = post.register().user
    token = post.mailed_token()
    for _ in range(30):
        refused(post, made_up(post, bob))

    with pytest.raises(TooManyAttempts) as refusal:
        reset(post, token)

    assert (refusal.value.limit, refusal.value.retry_after) == ("reset", timedelta(hours=1))
    reset(post, token, client=ABROAD)  # a token survives its neighbours' guesses
    assert password_works(post, NEW)


@pytest.mark.covers("59")
def test_what_is_no_token_is_a_guess_too(post_in_memory: MailDeployment) -> None:
    for _ in range(30):
        refused(post_in_memory, "x")

    with pytest.raises(TooManyAttempts):
        reset(post_in_memory, "x")


def test_of_sixty_guesses_at_once_thirty_are_looked_at(post: MailDeployment) -> None:
    bob = post.register().user
    watched = PassingStore(post.base.store)
    here = post.on(watched)

    outcomes = at_once([partial(reset, here, made_up(post, bob))] * 60)

    assert sum(isinstance(outcome, InvalidResetToken) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 30
    assert sum(call.method == "get_all" for call in watched.calls) == 30


@pytest.mark.covers("F28")
@in_memory_only
def test_a_guess_that_cannot_be_counted_is_not_looked_at(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    uncounting = FaultyStore(post.base.store, at=lambda call: call.keys[0].table == post.base.tables["RateLimits"])

    with pytest.raises(DependencyUnavailable):
        reset(post.on(uncounting), token)

    assert password_works(post, PASSWORD)
    reset(post, token)


@in_memory_only
def test_right_tokens_count_for_nothing(post: MailDeployment) -> None:
    limit = Limit(name="reset", attempts=1, window=timedelta(hours=1))
    post = replace(post, base=replace(post.base, choices=Choices(reset=limit)))
    post.register()

    for number in range(3):
        reset(post, post.mailed_token(), f"Horse number {number}")

    assert password_works(post, "Horse number 2")


# One answer for all who fail


def answer_to(post: MailDeployment, token: str) -> Response:
    with pytest.raises(InvalidResetToken) as refusal:
        reset(post, token)
    return snapotp.API.render(refusal.value, Request(method="POST", path="/api/auth/reset-password"), {})


def test_every_worthless_token_is_answered_alike(post_in_memory: MailDeployment, bob: User, clock: FakeClock) -> None:
    replaced, spent = post_in_memory.mailed_token(), post_in_memory.mailed_token()
    reset(post_in_memory, spent)
    clock.advance(REPEATABLE_FOR + SECOND)
    answers = [answer_to(post_in_memory, token) for token in (replaced, spent, made_up(post_in_memory, bob), "x")]
    expired = post_in_memory.mailed_token()
    clock.advance(RESET_LIFETIME)
    answers += [answer_to(post_in_memory, expired)]
    outlived = post_in_memory.mailed_token()
    raise_epoch(post_in_memory, bob)
    answers += [answer_to(post_in_memory, outlived)]
    disabled = post_in_memory.mailed_token()
    post_in_memory.base.store.write(Update(post_in_memory.base.users.key(bob.user_id), {"disabled_at": 1}))
    answers += [answer_to(post_in_memory, disabled)]
    nobodys = post_in_memory.reset_tokens.token("job-1", replace(bob, user_id="ffffffff-0000-4000-8000-000000000001"))
    answers += [answer_to(post_in_memory, nobodys)]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0].status == 400


def test_a_token_of_nobody_costs_the_same_calls_as_a_wrong_one(post_in_memory: MailDeployment, bob: User) -> None:
    post_in_memory.mailed_token()
    nobody = replace(bob, user_id="ffffffff-0000-4000-8000-000000000001")

    wrong = calls_of(post_in_memory, lambda post: refused(post, made_up(post, bob)))

    assert calls_of(post_in_memory, lambda post: refused(post, made_up(post, nobody))) == wrong


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(post: MailDeployment) -> None:
    bob = post.register().user
    token = post.mailed_token()
    changes = {"disabled_at": to_epoch(post.base.clock())}
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: post.base.store.write(Update(post.base.users.key(bob.user_id), changes)),
    )

    refused(post.on(meanwhile), token)

    assert post.user(bob.user_id).password_hash == bob.password_hash


# Strangers' guesses: security.md 24, C5


@pytest.mark.covers("24", "C5")
def test_a_reset_reopens_an_account_that_strangers_have_locked(post_in_memory: MailDeployment) -> None:
    chosen = Choices(account=Limit(name="account", attempts=3, window=timedelta(hours=1)))
    post = replace(post_in_memory, base=replace(post_in_memory.base, choices=chosen))
    post.register()
    for number in range(3):
        assert not password_works(post, "a guess", other(number))
    with pytest.raises(TooManyAttempts):
        password_works(post, PASSWORD)

    reset(post, post.mailed_token())

    assert password_works(post, NEW)


def test_a_reset_forgets_the_guesses_of_its_own_client_and_not_those_of_others(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    post.register()
    for client in (HOME, ABROAD):
        for _ in range(10):
            assert not password_works(post, "a guess", client)

    reset(post, post.mailed_token())

    assert password_works(post, NEW, HOME)
    with pytest.raises(TooManyAttempts):
        password_works(post, NEW, ABROAD)


@in_memory_only
def test_a_reset_stands_though_the_guesses_could_not_be_forgotten(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    counters = post.base.tables["RateLimits"]
    made: list[Call] = []

    def after_the_first(call: Call) -> bool:
        made.append(call)
        return call.keys[0].table == counters and made[0] != call

    reset(post.on(FaultyStore(post.base.store, at=after_the_first)), token)

    assert password_works(post, NEW)
    assert "attempts_not_forgotten" in post.base.recorded.events


# Spent with what it buys: F16


@pytest.mark.covers("F16")
def test_whatever_goes_wrong_the_token_works_and_the_old_password_too_or_neither_does() -> None:
    def scene() -> Scenario:
        post = mailing_in_memory()
        post.register()
        token = post.mailed_token()
        return Scenario(post, lambda here: reset(here, token))

    for mishap in faulty_runs(scene):
        here = mishap.deployment
        (token,) = here.outbox.reset_tokens
        assert mishap.failure is None or isinstance(mishap.failure, DependencyUnavailable), mishap
        if password_works(here, PASSWORD):
            assert mishap.failure is not None, mishap
            assert not password_works(here, NEW), mishap
            reset(here, token)
            assert not password_works(here, PASSWORD), mishap
        else:
            reset(here, token)  # as a client does whose answer was lost
            with pytest.raises(InvalidResetToken):
                reset(here, token, "A third horse 3")
        assert password_works(here, NEW), mishap


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_holds_no_token_no_password_and_no_address(post_in_memory: MailDeployment, bob: User) -> None:
    token = post_in_memory.mailed_token()
    refused(post_in_memory, made_up(post_in_memory, bob))
    reset(post_in_memory, token)

    logged = str(post_in_memory.base.recorded.notes)

    for secret in (token, NEW, BOB.email):
        assert secret not in logged
