"""gerbang.sessions.rotation: the steps of Secrets Manager."""

from base64 import b64encode
from copy import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.keys import Algorithm, Keys, MasterKey, NoKeyPair
from gerbang.sessions.rotation import InvalidRotation, Rotation, Step
from gerbang.sessions.rsa_pair import private_key
from gerbang.storage.secret_versions import SecretVersionHistory

from tests.fakes import FakeSecret, RecordingLog, with_key_pair
from tests.unit.rotation.secrets_manager import FIRST_SECRET, ROTATED_ONCE, SecretsManager


def test_a_rotation_makes_a_new_secret_current_and_the_old_one_previous(aws: SecretsManager) -> None:
    first = aws.version("AWSCURRENT")

    second = aws.rotate()

    assert aws.version("AWSCURRENT") == second
    assert aws.version("AWSPREVIOUS") == first
    assert MasterKey.from_secret(aws.text("AWSPREVIOUS")).secret.decode() == ROTATED_ONCE


def test_a_new_secret_is_64_random_letters_and_digits(aws: SecretsManager) -> None:
    """381 bits (ASVS 11.5.1 requires 128), as the template generates the first secret."""
    keys = []
    for _ in range(3):
        aws.rotate()
        keys.append(MasterKey.from_secret(aws.text()))

    assert len({key.secret for key in keys}) == 3
    assert all(len(key.secret) == 64 and key.secret.isascii() and key.secret.isalnum() for key in keys)


def test_every_rotation_keeps_the_lasting_key(aws: SecretsManager) -> None:
    aws.client.put_secret_value(SecretId=aws.secret_id, SecretString=FIRST_SECRET)
    lasting = MasterKey.from_secret(FIRST_SECRET).lasting

    for _ in range(3):
        aws.rotate()
        assert MasterKey.from_secret(aws.text()).lasting == lasting


def test_every_version_has_its_own_key_pair(aws: SecretsManager) -> None:
    """With any algorithm, so that a deployment can change to RS256 without a rotation."""
    pairs = set()
    for _ in range(2):
        aws.rotate()
        pairs.add(MasterKey.from_secret(aws.text()).key_pair)

    keys = [private_key(pair) for pair in pairs if pair is not None]
    assert [(key.key_size, key.public_key().public_numbers().e) for key in keys] == [(2048, 65537)] * 2
    assert len(aws.text()) < 65_536  # the largest secret: API reference, PutSecretValue


def test_every_step_can_be_repeated(aws: SecretsManager) -> None:
    version_id = aws.begin()

    texts = []
    for step in Step:
        for _ in range(2):
            aws.call(step, version_id)
            texts.append(aws.client.get_secret_value(SecretId=aws.secret_id, VersionId=version_id)["SecretString"])

    assert aws.version("AWSCURRENT") == version_id
    assert len(set(texts)) == 1


def test_two_concurrent_create_steps_make_one_secret(aws: SecretsManager, rotation: Rotation) -> None:
    version_id = aws.begin()

    def overtaken() -> str:
        aws.call(Step.CREATE, version_id)
        events: Any = aws.client.meta.events
        events.register("before-call.secrets-manager.PutSecretValue", reject_another_value)
        return "late" * 16

    replace(rotation, new_secret=overtaken).take(Step.CREATE, secret_id=aws.secret_id, version_id=version_id)

    text = aws.client.get_secret_value(SecretId=aws.secret_id, VersionId=version_id)["SecretString"]
    assert text != "late" * 16


def reject_another_value(**_: object) -> tuple[SimpleNamespace, dict[str, Any]]:
    """Answer as AWS does if the version has a value already (API reference, PutSecretValue); moto overwrites it."""
    return SimpleNamespace(status_code=400), {"Error": {"Code": "ResourceExistsException"}, "ResponseMetadata": {}}


@pytest.mark.parametrize("step", Step)
def test_a_late_step_does_not_change_a_finished_rotation(aws: SecretsManager, step: Step) -> None:
    version_id = aws.rotate()
    labels, text = aws.labels(), aws.text()

    aws.call(step, version_id)

    assert aws.labels() == labels
    assert aws.text() == text


@pytest.mark.parametrize("step", Step)
def test_a_step_for_a_version_that_is_not_pending_is_an_error(aws: SecretsManager, step: Step) -> None:
    first = aws.version("AWSCURRENT")
    aws.rotate()
    labels = aws.labels()

    for version_id in (str(uuid4()), first):  # an unknown version, and the previous one
        with pytest.raises(InvalidRotation):
            aws.call(step, version_id)

    assert aws.labels() == labels


@pytest.mark.parametrize("step", Step)
def test_a_step_for_another_secret_is_an_error(aws: SecretsManager, step: Step) -> None:
    version_id = aws.begin()

    with pytest.raises(InvalidRotation):
        aws.call(step, version_id, secret_id=aws.secret_id + "X")


@pytest.mark.parametrize("step", [Step.TEST, Step.FINISH])
def test_a_version_without_a_value_never_becomes_current(aws: SecretsManager, step: Step) -> None:
    version_id = aws.begin()

    with pytest.raises(InvalidRotation):
        aws.call(step, version_id)

    assert aws.text() == with_key_pair(ROTATED_ONCE)


def test_an_unknown_step_is_an_error(aws: SecretsManager) -> None:
    version_id = aws.begin()

    with pytest.raises(ValueError, match="eraseSecret"):
        aws.call("eraseSecret", version_id)


def test_the_test_step_of_aws_when_a_schedule_is_attached_succeeds(aws: SecretsManager) -> None:
    """With `RotateImmediately: false` AWS calls only the test step, on a pending copy of the current secret."""
    version_id = aws.begin()
    aws.put_pending(version_id, FIRST_SECRET)

    aws.call(Step.TEST, version_id)

    assert aws.text() == with_key_pair(ROTATED_ONCE)


def test_a_version_that_cannot_sign_fails_the_test_step(aws: SecretsManager, rotation: Rotation) -> None:
    """With RS256: a version without a key pair."""
    tokens = replace(rotation.tokens_with(Keys(FakeSecret(), rotation.now)), algorithm=Algorithm.RS256)
    version_id = aws.begin()
    aws.put_pending(version_id, FIRST_SECRET)

    with pytest.raises(NoKeyPair):
        replace(rotation, tokens_with=lambda keys: replace(tokens, keys=keys)).take(
            Step.TEST, secret_id=aws.secret_id, version_id=version_id
        )


@pytest.mark.parametrize("step", Step)
def test_an_error_of_secrets_manager_is_retryable(rotation: Rotation, step: Step) -> None:
    def fail() -> Any:
        raise EndpointConnectionError(endpoint_url="https://secretsmanager")

    rotation = replace(rotation, history=SecretVersionHistory(fail, rotation.history.secret_id))

    with pytest.raises(DependencyUnavailable):
        rotation.take(step, secret_id=rotation.history.secret_id, version_id="any")


def test_no_secret_is_logged(aws: SecretsManager, log: RecordingLog, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidRotation):
        aws.call(Step.FINISH, str(uuid4()))
    aws.rotate()

    written = f"{log.notes} {capfd.readouterr()}"
    assert "master_secret_rotated" in written
    key = MasterKey.from_secret(aws.text())
    assert key.key_pair is not None
    assert all(
        secret not in written for secret in (key.secret.decode(), FIRST_SECRET, b64encode(key.key_pair).decode())
    )
