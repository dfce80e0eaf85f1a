"""What a rotation of the master secret leaves valid, and what it invalidates."""

from datetime import timedelta

import pytest
from gerbang.mail.codes import CodeMaker, ResetTokens
from gerbang.sessions.cached_secret import FRESH_FOR
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.keys import KNOWN_AFTER, REREAD_AT_MOST_EVERY
from gerbang.sessions.rotation import Step
from gerbang.storage.store import Put

from tests.deployment import ALICE, Deployment
from tests.fakes import FakeClock
from tests.unit.rotation.secrets_manager import SecretsManager, alice_of, cold, kid_of, sign_in_alice


def test_tokens_signed_before_a_rotation_are_valid_until_they_expire(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    """ASVS 13.3.4."""
    session = sign_in_alice(warm)

    aws.rotate()

    for wait in (timedelta(0), FRESH_FOR, warm.choices.access_lifetime - FRESH_FOR - timedelta(seconds=1)):
        clock.advance(wait)
        assert warm.accepts(session)
        assert cold(warm).accepts(session)


@pytest.mark.covers("F22")
def test_no_environment_signs_with_a_key_before_all_have_read_it(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    """Environments read the secret at different times; every minute a user signs in at each of them."""
    sign_in_alice(warm)
    clock.advance(FRESH_FOR / 2)
    environments = (warm, cold(warm))
    for environment in environments:
        sign_in_alice(environment)
    aws.rotate()

    since = clock()
    signed: dict[str, list[timedelta]] = {}
    for minute in (*range(20), *range(120, 140)):
        clock.advance(since + timedelta(minutes=minute) - clock())
        for environment in (*environments, cold(warm)):
            session = sign_in_alice(environment)
            signed.setdefault(kid_of(session.access_token), []).append(timedelta(minutes=minute))
            assert all(other.accepts(session) for other in (*environments, cold(warm)))

    old, new = signed.values()
    assert max(old) < KNOWN_AFTER == min(new)


def test_a_warm_environment_uses_the_new_key_without_a_deployment(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    first = kid_of(sign_in_alice(warm).access_token)
    aws.rotate()

    clock.advance(FRESH_FOR)
    assert {key.kid for key in warm.keys.verifying()} > {first.removesuffix(".rs256")}
    assert kid_of(sign_in_alice(warm).access_token) == first
    clock.advance(KNOWN_AFTER - FRESH_FOR)
    assert kid_of(sign_in_alice(warm).access_token) != first


def test_an_unknown_key_id_makes_the_secret_be_read_again(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    """AWS retried the rotation for so long that the new version signs as soon as it is current."""
    sign_in_alice(warm)
    version_id = aws.begin()
    aws.call(Step.CREATE, version_id)
    clock.advance(KNOWN_AFTER)
    sign_in_alice(warm)  # reads the secret again, too early
    clock.advance(REREAD_AT_MOST_EVERY)
    aws.call(Step.FINISH, version_id)

    assert warm.accepts(sign_in_alice(cold(warm)))


def test_a_client_stays_signed_in_through_three_rotations(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    session = sign_in_alice(warm)

    for _ in range(3):
        aws.rotate()
        clock.advance(warm.choices.lifetime - timedelta(hours=1))
        session = warm.sessions.refresh(session.refresh_token).tokens

    assert warm.accepts(session)


def test_a_second_rotation_invalidates_tokens_of_the_first_key(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    session = sign_in_alice(warm)
    aws.rotate()

    aws.rotate()

    assert not cold(warm).accepts(session)
    clock.advance(FRESH_FOR)
    assert not warm.accepts(session)
    assert warm.accepts(sign_in_alice(warm))


def test_mailed_codes_and_reset_tokens_are_valid_after_one_rotation_and_not_after_two(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    address, job = ALICE.email, "5c0ff3a2-0000-4000-8000-000000000001"
    code = CodeMaker(warm.keys).code(job, address, epoch=0)
    code_stored = CodeMaker(warm.keys).stored_form(address, code)
    token = ResetTokens(warm.keys).token(job, alice_of(warm))
    token_stored = ResetTokens(warm.keys).stored_form(token)

    def matches(environment: Deployment) -> set[bool]:
        return {
            CodeMaker(environment.keys).matches(code_stored, address, code),
            ResetTokens(environment.keys).matches(token_stored, token),
        }

    aws.rotate()
    for _ in range(3):
        assert matches(warm) == matches(cold(warm)) == {True}
        clock.advance(KNOWN_AFTER / 2)

    aws.rotate()
    assert matches(cold(warm)) == {False}


@pytest.mark.covers("F44")
def test_two_rotations_invalidate_the_sessions_of_a_restored_table(
    aws: SecretsManager, warm: Deployment, clock: FakeClock
) -> None:
    """docs/operations.md, "Restoring": a session that was signed out after the backup is in the table again."""
    session = sign_in_alice(warm)
    claims = warm.tokens.read_access(session.access_token, at=clock())
    key = warm.families.key(claims.user_id, claims.family_id)
    backed_up = warm.store.get(key)
    assert backed_up is not None
    warm.sessions.close(session.access_token)

    warm.store.write(Put(key, backed_up))
    warm.sessions.authenticate(session.access_token)  # valid again, which is why the guide says to rotate
    aws.rotate()
    aws.rotate()
    clock.advance(FRESH_FOR)

    for environment in (warm, cold(warm)):
        with pytest.raises(InvalidToken):
            environment.sessions.authenticate(session.access_token)
        with pytest.raises(InvalidToken):
            environment.sessions.refresh(session.refresh_token)
    warm.sessions.authenticate(sign_in_alice(warm).access_token)
