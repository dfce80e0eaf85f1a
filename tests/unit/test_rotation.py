"""Rotating the master secret: the steps of Secrets Manager, and what stays valid.

moto's `RotateSecret` makes a pending version without a value, as AWS does. The tests then call the function for each
of the four steps, as AWS would.
"""

import io
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import botocore.session
import jwt
import pytest
from botocore.exceptions import EndpointConnectionError
from gerbang.container import Container
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.codes import CodeMaker, ResetTokens
from gerbang.sessions import rotation_events as secret_rotation
from gerbang.sessions.cached_secret import FRESH_FOR
from gerbang.sessions.claims import InvalidToken, TokenPair
from gerbang.sessions.keys import KNOWN_AFTER, REREAD_AT_MOST_EVERY, Algorithm, Keys, MasterKey, NoKeyPair
from gerbang.sessions.rotation import InvalidRotation, Rotation, Step
from gerbang.sessions.rsa_pair import new_key_pair, private_key
from gerbang.storage.accounts import Name, User
from gerbang.storage.secret_versions import SecretVersionHistory
from gerbang.storage.secrets import Secret
from gerbang.storage.store import Put
from moto import mock_aws

from tests.deployment import ALICE, HOME, Choices, Deployment
from tests.fakes import FakeClock, FakeSecret, RecordingLog, with_key_pair

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

SESSION: Final = botocore.session.Session()
FIRST_SECRET: Final = "the first secret, as CloudFormation made it"
ROTATED_ONCE: Final = "the secret that the stack's creation rotated to"


@dataclass(frozen=True, slots=True)
class SecretsManager:
    """Rotates a secret as AWS does."""

    client: "SecretsManagerClient"
    secret_id: str
    function_arn: str
    handler: Callable[[dict[str, Any], object], dict[str, Any]]

    def rotate(self) -> str:
        """Rotate once; return the new version's id."""
        version_id = self.begin()
        for step in Step:
            self.call(step, version_id)
        return version_id

    def begin(self) -> str:
        """Do what `RotateSecret` does before the function is called; return the version's id."""
        for version_id, labels in self.labels().items():
            if "AWSPENDING" in labels:  # AWS removes the label from the current version; moto does not
                self.client.update_secret_version_stage(
                    SecretId=self.secret_id, VersionStage="AWSPENDING", RemoveFromVersionId=version_id
                )
        return self.client.rotate_secret(SecretId=self.secret_id, RotationLambdaARN=self.function_arn)["VersionId"]

    def call(self, step: str, version_id: str, secret_id: str | None = None) -> None:
        """Call the function for one step."""
        self.handler({"Step": step, "SecretId": secret_id or self.secret_id, "ClientRequestToken": version_id}, None)

    def put_pending(self, version_id: str, text: str) -> None:
        self.client.put_secret_value(
            SecretId=self.secret_id, ClientRequestToken=version_id, SecretString=text, VersionStages=["AWSPENDING"]
        )

    def labels(self) -> dict[str, list[str]]:
        return self.client.describe_secret(SecretId=self.secret_id)["VersionIdsToStages"]

    def version(self, label: str) -> str:
        """The id of the version that has a label."""
        [version_id] = [version_id for version_id, labels in self.labels().items() if label in labels]
        return version_id

    def text(self, label: str = "AWSCURRENT") -> str:
        return self.client.get_secret_value(SecretId=self.secret_id, VersionStage=label)["SecretString"]


def alice_of(deployment: Deployment) -> User:
    user_id = deployment.users.find_id(Name.EMAIL, ALICE.email)
    user = None if user_id is None else deployment.users.find(user_id)
    assert user is not None
    return user


def sign_in_alice(deployment: Deployment) -> TokenPair:
    return deployment.sessions.open(alice_of(deployment), HOME, "password").tokens


def cold(deployment: Deployment) -> Deployment:
    """Return another environment of the functions, which has read nothing yet."""
    return replace(deployment)


@pytest.fixture
def client(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> "Iterator[SecretsManagerClient]":
    """Secrets Manager in memory, on the test's clock, with the first secret, rotated once as in a new stack."""
    for name, value in {"ACCESS_KEY_ID": "local", "SECRET_ACCESS_KEY": "local", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Gerbang")
    monkeypatch.setattr("moto.secretsmanager.models.time", SimpleNamespace(time=lambda: clock().timestamp()))
    with mock_aws(config={"lambda": {"use_docker": False}}):
        client: Any = SESSION.create_client("secretsmanager")
        client.create_secret(Name="master", SecretString=FIRST_SECRET)
        client.put_secret_value(SecretId="master", SecretString=with_key_pair(ROTATED_ONCE))
        yield client


@pytest.fixture
def rotation(client: "SecretsManagerClient", deployment_in_memory: Deployment, clock: FakeClock) -> Rotation:
    secret_id = client.describe_secret(SecretId="master")["ARN"]
    return Rotation(
        history=SecretVersionHistory(lambda: client, secret_id),
        new_secret=Container({}).new_secret,
        new_key_pair=new_key_pair,
        tokens_with=lambda keys: replace(deployment_in_memory.tokens, keys=keys),
        log_event=deployment_in_memory.log_event,
        now=clock,
    )


@pytest.fixture
def aws(client: "SecretsManagerClient", rotation: Rotation, clock: FakeClock) -> SecretsManager:
    """The rotation function attached to the master secret, after every environment has read the secret."""
    function_arn = attached_function()
    clock.advance(KNOWN_AFTER)
    return SecretsManager(client, rotation.history.secret_id, function_arn, secret_rotation.handler(rotation))


def attached_function() -> str:
    """Create a function in moto; return its ARN."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    iam: Any = SESSION.create_client("iam")
    role = iam.create_role(RoleName="rotation", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions: Any = SESSION.create_client("lambda")
    function = functions.create_function(
        FunctionName="rotation",
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
    )
    return str(function["FunctionArn"])


@pytest.fixture(params=Algorithm)
def warm(request: pytest.FixtureRequest, aws: SecretsManager, deployment_in_memory: Deployment) -> Deployment:
    """An environment that is warm before the rotation, with Alice registered; for each algorithm."""
    secret = Secret(lambda: aws.client, aws.secret_id)
    environment = replace(deployment_in_memory, secret=secret, choices=Choices(algorithm=request.param))
    environment.register()
    return environment


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


# The steps


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


# What stays valid


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


# After a restore (F44)


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
