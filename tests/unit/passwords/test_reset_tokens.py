"""Reset tokens: how they are made and stored (security.md 49), and when they are valid (50, 51, 61)."""

import re
from copy import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from gerbang.core.identifiers import from_base62
from gerbang.mail.codes import RESET_LIFETIME, InvalidResetToken, ResetTokens
from gerbang.sessions.keys import Keys
from gerbang.storage.accounts import User

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, PASSWORD, SECOND
from tests.fakes import FakeClock, FakeSecret
from tests.unit.access import password_works, session_works
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.passwords.resets import NEW, POLICY, assert_rejected, reset


@pytest.fixture
def tokens(secret: FakeSecret, clock: FakeClock) -> ResetTokens:
    return ResetTokens(Keys(secret, clock))


def test_a_token_is_65_letters_and_digits(tokens: ResetTokens, bob: User) -> None:
    first = replace(bob, user_id=str(UUID(int=0)))
    last = replace(bob, user_id=str(UUID(int=2**128 - 1)))

    mailed = [tokens.token(f"job-{number}", user) for number in range(1000) for user in (bob, first, last)]

    assert all(re.fullmatch(r"[A-Za-z0-9]{65}", token) for token in mailed)  # mail programs drop a trailing - or _
    assert {tokens.user_id(token) for token in mailed} == {user.user_id for user in (bob, first, last)}


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
def test_a_malformed_token_is_rejected(app_in_memory: MailDeployment, text: str) -> None:
    assert_rejected(app_in_memory, text)


def test_a_token_is_valid_after_one_rotation_of_the_master_secret(
    app_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    app_in_memory.register()
    token = app_in_memory.mailed_token()
    secret.rotate("second secret")
    clock.advance(timedelta(minutes=6))  # every warm function has read the new secret by then

    reset(app_in_memory, token)

    assert password_works(app_in_memory, NEW)


def test_a_token_is_invalid_after_two_rotations(
    app_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    app_in_memory.register()
    token = app_in_memory.mailed_token()
    secret.rotate("second secret")
    secret.rotate("third secret")
    clock.advance(timedelta(minutes=6))

    assert_rejected(app_in_memory, token)


# One use, half an hour, only the newest


@pytest.mark.covers("50")
def test_a_token_works_once(app: MailDeployment) -> None:
    app.register()
    token = app.mailed_token()
    reset(app, token)

    with pytest.raises(InvalidResetToken):
        reset(app, token, "A third horse 3")

    assert password_works(app, NEW)


@pytest.mark.covers("51")
@in_memory_only
def test_a_token_is_valid_for_half_an_hour(app: MailDeployment, clock: FakeClock) -> None:
    app.register()
    token = app.mailed_token()
    clock.advance(timedelta(minutes=30) - SECOND)

    reset(app, token)

    assert password_works(app, NEW)


@pytest.mark.covers("51", "F35")
def test_an_expired_token_is_rejected_before_ttl_deletes_it(
    app: MailDeployment, database: Database, clock: FakeClock
) -> None:
    app.register()
    token = app.mailed_token()
    clock.advance(timedelta(minutes=30))

    assert_rejected(app, token)

    assert database.items("OneTimeCodes", "RESET#")
    assert password_works(app, PASSWORD)


def test_a_token_that_expires_during_the_reset_is_rejected(app: MailDeployment, clock: FakeClock) -> None:
    app.register()
    token = app.mailed_token()
    clock.advance(RESET_LIFETIME - SECOND)
    slow = app.meanwhile(lambda: clock.advance(SECOND), before=lambda call: call.method == "get_all")

    assert_rejected(slow, token)

    assert password_works(app, PASSWORD)


@pytest.mark.covers("61")
@in_memory_only
def test_a_new_token_replaces_the_old_one(app: MailDeployment) -> None:
    app.register()
    older, newer = app.mailed_token(), app.mailed_token()
    assert_rejected(app, older)

    reset(app, newer)

    assert_rejected(app, older)
    assert password_works(app, NEW)


@pytest.mark.covers("61")
@in_memory_only
def test_a_password_change_invalidates_a_token(app: MailDeployment) -> None:
    session = app.register()
    token = app.mailed_token()
    app.password_change.change(session.tokens.access_token, current=PASSWORD, new=NEW, client=HOME, policy=POLICY)

    with pytest.raises(InvalidResetToken):
        reset(app, token, "A third horse 3")

    assert password_works(app, NEW)


def test_a_password_change_during_the_reset_invalidates_the_token(app: MailDeployment) -> None:
    session = app.register()
    token = app.mailed_token()
    change = partial(app.password_change.change, session.tokens.access_token, current=PASSWORD, new=NEW)
    meanwhile = app.meanwhile(partial(change, client=HOME, policy=POLICY))

    with pytest.raises(InvalidResetToken):
        reset(meanwhile, token, "A third horse 3")

    assert password_works(app, NEW)
    assert session_works(app, session)


@in_memory_only
def test_a_token_works_only_for_its_account(app: MailDeployment) -> None:
    bob, alice = app.register().user, app.register(ALICE).user
    bobs, alices = app.mailed_token(BOB.email), app.mailed_token(ALICE.email)
    crossed = alices[:22] + bobs[22:]  # Alice's id, Bob's secret
    assert (app.reset_tokens.user_id(bobs), app.reset_tokens.user_id(crossed)) == (bob.user_id, alice.user_id)

    assert_rejected(app, crossed)

    assert password_works(app, PASSWORD)
