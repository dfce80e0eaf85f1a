"""gerbang.accounts.password_reset: a mailed token sets a new password."""

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
from gerbang.storage.store import Gone

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import Call, FakeClock, FakeSecret, FaultyStore, PassingStore, at_once
from tests.unit.access import is_alive, opens
from tests.unit.mail_fakes import (
    MailDeployment,
    Scene,
    calls_of,
    every_mishap,
    in_memory_only,
    mailing_in_memory,
)
from tests.unit.torn_store import TornStore

SECOND = timedelta(seconds=1)
NEW = "Another horse 2"
POLICY = PasswordPolicy()
LEGACY_HASH = "md5:5f4dcc3b5aa765d61d8327deb882cf99"


def reset(post: MailDeployment, token: str, password: str = NEW, client: Client = HOME) -> None:
    post.password_reset.reset(token, password, client=client, policy=POLICY)


def unknown_token(post: MailDeployment, user: User) -> str:
    """A token of the right form that was never mailed."""
    return post.reset_tokens.token("never asked", user)


def assert_rejected(post: MailDeployment, token: str) -> None:
    with pytest.raises(InvalidResetToken):
        reset(post, token)


# The token: security.md 49


@pytest.fixture
def tokens(secret: FakeSecret, clock: FakeClock) -> ResetTokens:
    return ResetTokens(Keys(secret, clock))


@pytest.fixture
def bob(post_in_memory: MailDeployment) -> User:
    return post_in_memory.register().user


def test_a_token_is_65_letters_and_digits(tokens: ResetTokens, bob: User) -> None:
    first = replace(bob, user_id=str(UUID(int=0)))
    last = replace(bob, user_id=str(UUID(int=2**128 - 1)))

    made = [tokens.token(f"job-{number}", user) for number in range(1000) for user in (bob, first, last)]

    assert all(re.fullmatch(r"[A-Za-z0-9]{65}", token) for token in made)  # mail programs drop a trailing - or _
    assert {tokens.user_id(token) for token in made} == {user.user_id for user in (bob, first, last)}


def test_a_token_has_256_secret_bits(tokens: ResetTokens, bob: User) -> None:
    secrets = [from_base62(tokens.token(f"job-{number}", bob)[22:]) for number in range(256)]

    assert max(secrets) < 2**256
    assert all(any(secret >> bit & 1 for secret in secrets) for bit in range(256))
    assert all(any(not secret >> bit & 1 for secret in secrets) for bit in range(256))


def test_a_token_depends_on_job_account_epoch_and_secret(tokens: ResetTokens, bob: User) -> None:
    of_another_secret = ResetTokens(Keys(FakeSecret("another secret"), FakeClock()))

    secrets = {
        token[22:]
        for token in (
            tokens.token("job-1", bob),
            tokens.token("job-1", bob),
            tokens.token("job-2", bob),
            tokens.token("job-1", replace(bob, user_id="ffffffff-0000-4000-8000-000000000001")),
            tokens.token("job-1", replace(bob, epoch=1)),
            of_another_secret.token("job-1", bob),
        )
    }

    assert len(secrets) == 5


@pytest.mark.covers("49")
def test_a_stored_token_matches_only_itself_and_only_with_the_key(tokens: ResetTokens, bob: User) -> None:
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
def test_a_malformed_token_is_rejected(post_in_memory: MailDeployment, text: str) -> None:
    assert_rejected(post_in_memory, text)


def test_a_token_is_valid_after_one_rotation_of_the_master_secret(
    post_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    post_in_memory.register()
    token = post_in_memory.mailed_token()
    secret.rotate("second secret")
    clock.advance(timedelta(minutes=6))  # every warm function has read the new secret by then

    reset(post_in_memory, token)

    assert opens(post_in_memory, NEW)


def test_a_token_is_invalid_after_two_rotations(
    post_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    post_in_memory.register()
    token = post_in_memory.mailed_token()
    secret.rotate("second secret")
    secret.rotate("third secret")
    clock.advance(timedelta(minutes=6))

    assert_rejected(post_in_memory, token)


# What a reset does: security.md 53, 55, 57, 60


def test_a_mailed_token_sets_the_password(post: MailDeployment) -> None:
    registered = post.register().user
    token = post.mailed_token()

    reset(post, token)

    assert not opens(post, PASSWORD)
    assert opens(post, NEW)
    user = post.user(registered.user_id)
    assert (user.epoch, user.updated_at) == (registered.epoch + 1, post.base.clock())
    assert "password_reset" in post.base.recorded.events


@pytest.mark.covers("53", "55")
def test_a_reset_ends_every_session_and_opens_none(post: MailDeployment, database: Database) -> None:
    sessions = [post.register(), post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)]
    token = post.mailed_token()
    before = {item["sk"] for item in database.items("RefreshTokenFamilies")}

    reset(post, token)

    assert not any(is_alive(post, session) for session in sessions)
    for session in sessions:
        with pytest.raises(SessionEnded):
            post.base.sessions.refresh(session.tokens.refresh_token)
    assert {item["sk"] for item in database.items("RefreshTokenFamilies")} <= before


@pytest.mark.covers("53", "F11")
def test_a_reset_ends_sessions_that_are_opened_meanwhile(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    opened: list[SignedIn] = []
    meanwhile = post.meanwhile(lambda: opened.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)))

    reset(meanwhile, token)

    assert [is_alive(post, session) for session in opened] == [False]


@pytest.mark.covers("60")
def test_a_reset_verifies_the_address_and_changes_nothing_else(post: MailDeployment) -> None:
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
        devices=(),  # devices of a stranger who registered the address
    )


@in_memory_only
def test_a_reset_keeps_the_time_at_which_the_address_was_verified(post: MailDeployment) -> None:
    registered = post.register().user
    reset(post, post.mailed_token())
    verified_at = post.base.clock()

    reset(post, post.mailed_token(), "A third horse 3")

    assert post.user(registered.user_id).email_verified_at == verified_at < post.base.clock()


@pytest.mark.parametrize("stored", [None, LEGACY_HASH, "junk"], ids=["none", "md5", "junk"])
def test_a_reset_replaces_any_stored_hash(post_in_memory: MailDeployment, stored: str | None) -> None:
    registered = post_in_memory.register().user
    post_in_memory.change(registered, password_hash=Gone() if stored is None else stored)

    reset(post_in_memory, post_in_memory.mailed_token())

    new_hash = post_in_memory.user(registered.user_id).password_hash
    assert new_hash is not None
    assert is_current_format(new_hash)
    assert opens(post_in_memory, NEW)


def test_a_reset_records_when_a_legacy_hash_was_replaced(post: MailDeployment) -> None:
    registered = post.register().user
    post.change(registered, password_hash=LEGACY_HASH)

    reset(post, post.mailed_token())
    first_reset_at = post.base.clock()
    post.base.clock.advance(timedelta(hours=1))
    reset(post, post.mailed_token())

    assert post.user(registered.user_id).migrated_at == first_reset_at


@pytest.mark.covers("57")
@in_memory_only
def test_a_reset_queues_a_notice(post: MailDeployment) -> None:
    post.register()

    reset(post, post.mailed_token())

    assert [(job.kind, job.email) for job in post.queue.jobs] == [(MailKind.PASSWORD_CHANGED, BOB.email)]


@in_memory_only
def test_a_reset_succeeds_when_its_notice_cannot_be_queued(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    post.queue.is_down = True

    reset(post, token)

    assert opens(post, NEW)
    assert "mail_not_queued" in post.base.recorded.events


# Once, newest only, for half an hour: security.md 50, 51, 61


@pytest.mark.covers("50")
def test_a_token_works_once(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    reset(post, token)

    with pytest.raises(InvalidResetToken):
        reset(post, token, "A third horse 3")

    assert opens(post, NEW)


@pytest.mark.covers("50", "F17")
def test_one_of_twenty_concurrent_resets_succeeds(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()

    outcomes = at_once([partial(reset, post, token, f"Horse number {number}") for number in range(20)])

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    # The others try passwords with a used token, which are limited to ten.
    assert sum(isinstance(outcome, InvalidResetToken | TooManyAttempts) for outcome in outcomes) == 19
    assert [number for number in range(20) if opens(post, f"Horse number {number}", client_number(number))] == [winner]


def client_number(number: int) -> Client:
    """A client with its own address."""
    return Client(address=f"198.51.100.{number + 100}")


@pytest.mark.covers("51")
@in_memory_only
def test_a_token_is_valid_for_half_an_hour(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    token = post.mailed_token()
    clock.advance(timedelta(minutes=30) - SECOND)

    reset(post, token)

    assert opens(post, NEW)


@pytest.mark.covers("51", "F35")
def test_an_expired_token_is_rejected_before_ttl_deletes_it(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    post.register()
    token = post.mailed_token()
    clock.advance(timedelta(minutes=30))

    assert_rejected(post, token)

    assert database.items("OneTimeCodes", "RESET#")
    assert opens(post, PASSWORD)


def test_a_token_that_expires_during_the_reset_is_rejected(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    token = post.mailed_token()
    clock.advance(RESET_LIFETIME - SECOND)
    slow = post.meanwhile(lambda: clock.advance(SECOND), before=lambda call: call.method == "get_all")

    assert_rejected(slow, token)

    assert opens(post, PASSWORD)


@pytest.mark.covers("61")
@in_memory_only
def test_a_new_token_replaces_the_old_one(post: MailDeployment) -> None:
    post.register()
    older, newer = post.mailed_token(), post.mailed_token()
    assert_rejected(post, older)

    reset(post, newer)

    assert_rejected(post, older)
    assert opens(post, NEW)


@pytest.mark.covers("61")
@in_memory_only
def test_a_password_change_invalidates_a_token(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()
    post.password_change.change(session.tokens.access_token, current=PASSWORD, new=NEW, client=HOME, policy=POLICY)

    with pytest.raises(InvalidResetToken):
        reset(post, token, "A third horse 3")

    assert opens(post, NEW)


def test_a_password_change_during_the_reset_invalidates_the_token(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()
    change = partial(post.password_change.change, session.tokens.access_token, current=PASSWORD, new=NEW)
    meanwhile = post.meanwhile(partial(change, client=HOME, policy=POLICY))

    with pytest.raises(InvalidResetToken):
        reset(meanwhile, token, "A third horse 3")

    assert opens(post, NEW)
    assert is_alive(post, session)


@in_memory_only
def test_a_token_works_only_for_its_account(post: MailDeployment) -> None:
    bob, alice = post.register().user, post.register(ALICE).user
    bobs, alices = post.mailed_token(BOB.email), post.mailed_token(ALICE.email)
    crossed = alices[:22] + bobs[22:]  # Alice's id, Bob's secret
    assert (post.reset_tokens.user_id(bobs), post.reset_tokens.user_id(crossed)) == (bob.user_id, alice.user_id)

    assert_rejected(post, crossed)

    assert opens(post, PASSWORD)


# A reset is repeated because its response was lost: F42


def test_a_repeated_reset_succeeds_and_changes_nothing(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    registered = post.register().user
    token = post.mailed_token()
    reset(post, token)
    before, codes = post.user(registered.user_id), database.items("OneTimeCodes")
    session = post.base.sign_in.sign_in(by_email(BOB.email, NEW), HOME)

    for _ in range(12):  # not counted as wrong passwords
        reset(post, token)
    clock.advance(REPEATABLE_FOR)
    reset(post, token)

    after = post.user(registered.user_id)
    assert replace(after, last_sign_in_at=before.last_sign_in_at, devices=before.devices) == before
    assert database.items("OneTimeCodes") == codes
    assert is_alive(post, session)
    assert {job.kind for job in post.queue.jobs} == {MailKind.PASSWORD_CHANGED}
    assert len({job.job_id for job in post.queue.jobs}) == 1  # so the mailer sends one notice


@in_memory_only
def test_a_reset_cannot_be_repeated_after_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    token = post.mailed_token()
    reset(post, token)
    clock.advance(REPEATABLE_FOR + SECOND)

    assert_rejected(post, token)


@pytest.mark.parametrize("happened", ["password changed", "disabled", "newer token"])
def test_a_reset_cannot_be_repeated_after_a_later_change(
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

    assert_rejected(post, token)


@in_memory_only
def test_guesses_with_a_used_token_are_limited(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    reset(post, token)
    for number in range(10):
        with pytest.raises(InvalidResetToken):
            reset(post, token, f"A guess {number}")

    with pytest.raises(TooManyAttempts) as caught:
        reset(post, token)
    with pytest.raises(TooManyAttempts):
        opens(post, NEW, HOME)

    assert caught.value.limit == "sign_in_account_and_address"
    assert opens(post, NEW, ABROAD)


def test_the_same_reset_sent_twice_concurrently_succeeds_twice(post: MailDeployment) -> None:
    registered = post.register().user
    token = post.mailed_token()

    outcomes = at_once([partial(reset, post, token)] * 2)

    assert outcomes == [None, None]
    assert opens(post, NEW)
    assert post.user(registered.user_id).epoch == registered.epoch + 1


@in_memory_only
@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["Users", "OneTimeCodes"])
def test_a_repeated_reset_succeeds_although_its_read_is_torn(post: MailDeployment, old: str) -> None:
    post.register()
    token = post.mailed_token()
    torn = TornStore(post.base.store, old=post.base.tables[old], happens=lambda: reset(post, token))

    replace(post.password_reset, store=torn).reset(token, NEW, client=HOME, policy=POLICY)

    assert opens(post, NEW)


# A password that may not be set: security.md 54


@pytest.mark.covers("54")
@pytest.mark.parametrize("password", ["short", "password1", "bob@example.com", "x" * 257])
def test_an_unacceptable_password_does_not_use_up_the_token(
    post_in_memory: MailDeployment, bob: User, password: str
) -> None:
    token = post_in_memory.mailed_token()

    for _ in range(40):  # not counted as wrong tokens
        with pytest.raises(UnacceptablePassword):
            reset(post_in_memory, token, password)

    assert opens(post_in_memory, PASSWORD)
    reset(post_in_memory, token)
    assert opens(post_in_memory, NEW)
    assert post_in_memory.user(bob.user_id).epoch == 1


@pytest.mark.parametrize("invalid", ["unknown", "expired", "of a disabled account"])
def test_the_policy_is_checked_only_with_a_valid_token(
    post_in_memory: MailDeployment, bob: User, clock: FakeClock, invalid: str
) -> None:
    token = post_in_memory.mailed_token()
    if invalid == "unknown":
        token = unknown_token(post_in_memory, bob)
    if invalid == "expired":
        clock.advance(RESET_LIFETIME)
    if invalid == "of a disabled account":
        post_in_memory.change(bob, disabled_at=to_epoch(clock()))

    with pytest.raises(InvalidResetToken):
        reset(post_in_memory, token, BOB.email)


# Wrong tokens: security.md 59


@pytest.mark.covers("59")
@in_memory_only
def test_wrong_tokens_are_limited_per_client_address(post: MailDeployment) -> None:
    bob = post.register().user
    token = post.mailed_token()
    for _ in range(30):
        assert_rejected(post, unknown_token(post, bob))

    with pytest.raises(TooManyAttempts) as caught:
        reset(post, token)

    assert (caught.value.limit, caught.value.retry_after) == ("reset", timedelta(hours=1))
    reset(post, token, client=ABROAD)  # the token is still valid
    assert opens(post, NEW)


@pytest.mark.covers("59")
def test_a_malformed_token_counts_as_a_wrong_one(post_in_memory: MailDeployment) -> None:
    for _ in range(30):
        assert_rejected(post_in_memory, "x")

    with pytest.raises(TooManyAttempts):
        reset(post_in_memory, "x")


def test_thirty_of_sixty_concurrent_tokens_are_compared(post: MailDeployment) -> None:
    bob = post.register().user
    watched = PassingStore(post.base.store)
    here = post.on(watched)

    outcomes = at_once([partial(reset, here, unknown_token(post, bob))] * 60)

    assert sum(isinstance(outcome, InvalidResetToken) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 30
    assert sum(call.method == "get_all" for call in watched.calls) == 30


@pytest.mark.covers("F28")
@in_memory_only
def test_a_token_is_not_compared_when_it_cannot_be_counted(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    failing = FaultyStore(post.base.store, at=lambda call: call.keys[0].table == post.base.tables["RateLimits"])

    with pytest.raises(DependencyUnavailable):
        reset(post.on(failing), token)

    assert opens(post, PASSWORD)
    reset(post, token)


@in_memory_only
def test_right_tokens_are_not_counted(post: MailDeployment) -> None:
    limit = Limit(name="reset", attempts=1, window=timedelta(hours=1))
    post = post.with_choices(Choices(reset=limit))
    post.register()

    for number in range(3):
        reset(post, post.mailed_token(), f"Horse number {number}")

    assert opens(post, "Horse number 2")


# Every error has the same answer


def answer_to(post: MailDeployment, token: str) -> Response:
    with pytest.raises(InvalidResetToken) as caught:
        reset(post, token)
    return snapotp.API.render(caught.value, Request(method="POST", path="/api/auth/reset-password"), {})


def test_every_invalid_token_gets_the_same_answer(post_in_memory: MailDeployment, bob: User, clock: FakeClock) -> None:
    replaced, used = post_in_memory.mailed_token(), post_in_memory.mailed_token()
    reset(post_in_memory, used)
    clock.advance(REPEATABLE_FOR + SECOND)
    answers = [answer_to(post_in_memory, token) for token in (replaced, used, unknown_token(post_in_memory, bob), "x")]
    expired = post_in_memory.mailed_token()
    clock.advance(RESET_LIFETIME)
    answers += [answer_to(post_in_memory, expired)]
    of_earlier_epoch = post_in_memory.mailed_token()
    post_in_memory.end_sessions(bob)
    answers += [answer_to(post_in_memory, of_earlier_epoch)]
    disabled = post_in_memory.mailed_token()
    post_in_memory.change(bob, disabled_at=1)
    answers += [answer_to(post_in_memory, disabled)]
    of_no_account = post_in_memory.reset_tokens.token(
        "job-1", replace(bob, user_id="ffffffff-0000-4000-8000-000000000001")
    )
    answers += [answer_to(post_in_memory, of_no_account)]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0].status == 400


def test_a_token_of_an_unknown_account_makes_the_same_calls_as_a_wrong_one(
    post_in_memory: MailDeployment, bob: User
) -> None:
    post_in_memory.mailed_token()
    no_account = replace(bob, user_id="ffffffff-0000-4000-8000-000000000001")

    wrong = calls_of(post_in_memory, lambda post: assert_rejected(post, unknown_token(post, bob)))

    assert calls_of(post_in_memory, lambda post: assert_rejected(post, unknown_token(post, no_account))) == wrong


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(post: MailDeployment) -> None:
    bob = post.register().user
    token = post.mailed_token()
    meanwhile = post.meanwhile(lambda: post.change(bob, disabled_at=to_epoch(post.base.clock())))

    assert_rejected(meanwhile, token)

    assert post.user(bob.user_id).password_hash == bob.password_hash


# A reset clears the counts of wrong passwords: security.md 24, C5


@pytest.mark.covers("24", "C5")
def test_a_reset_clears_the_limit_of_the_account(post_in_memory: MailDeployment) -> None:
    post = post_in_memory.with_choices(Choices(account=Limit(name="account", attempts=3, window=timedelta(hours=1))))
    post.register()
    for number in range(3):
        assert not opens(post, "a guess", client_number(number))
    with pytest.raises(TooManyAttempts):
        opens(post, PASSWORD)

    reset(post, post.mailed_token())

    assert opens(post, NEW)


def test_a_reset_clears_the_wrong_passwords_of_its_own_client_address_only(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    post.register()
    for client in (HOME, ABROAD):
        for _ in range(10):
            assert not opens(post, "a guess", client)

    reset(post, post.mailed_token())

    assert opens(post, NEW, HOME)
    with pytest.raises(TooManyAttempts):
        opens(post, NEW, ABROAD)


@in_memory_only
def test_a_reset_succeeds_when_the_counts_cannot_be_cleared(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    counters = post.base.tables["RateLimits"]
    calls: list[Call] = []

    def after_the_first(call: Call) -> bool:
        calls.append(call)
        return call.keys[0].table == counters and calls[0] != call

    reset(post.on(FaultyStore(post.base.store, at=after_the_first)), token)

    assert opens(post, NEW)
    assert "attempts_not_forgotten" in post.base.recorded.events


# A token is used up in the same transaction that sets the password: F16


@pytest.mark.covers("F16")
def test_when_any_call_fails_token_and_old_password_are_both_valid_or_both_invalid() -> None:
    def scene() -> Scene:
        post = mailing_in_memory()
        post.register()
        token = post.mailed_token()
        return Scene(post, lambda here: reset(here, token))

    for mishap in every_mishap(scene):
        here = mishap.deployment
        (token,) = here.outbox.reset_tokens
        assert mishap.failure is None or isinstance(mishap.failure, DependencyUnavailable), mishap
        if opens(here, PASSWORD):
            assert mishap.failure is not None, mishap
            assert not opens(here, NEW), mishap
            reset(here, token)
            assert not opens(here, PASSWORD), mishap
        else:
            reset(here, token)  # as a client does whose response was lost
            with pytest.raises(InvalidResetToken):
                reset(here, token, "A third horse 3")
        assert opens(here, NEW), mishap


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_contains_no_token_password_or_address(post_in_memory: MailDeployment, bob: User) -> None:
    token = post_in_memory.mailed_token()
    assert_rejected(post_in_memory, unknown_token(post_in_memory, bob))
    reset(post_in_memory, token)

    logged = str(post_in_memory.base.recorded.notes)

    for secret in (token, NEW, BOB.email):
        assert secret not in logged
