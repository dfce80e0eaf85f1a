"""The rotation function on moto's Secrets Manager."""

from copy import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from gerbang.container import Container
from gerbang.sessions import rotation_events as secret_rotation
from gerbang.sessions.keys import KNOWN_AFTER, Algorithm
from gerbang.sessions.rotation import Rotation
from gerbang.sessions.rsa_pair import new_key_pair
from gerbang.storage.secret_versions import SecretVersionHistory
from gerbang.storage.secrets import Secret
from moto import mock_aws

from tests.deployment import Choices, Deployment
from tests.fakes import FakeClock, with_key_pair
from tests.unit.rotation.secrets_manager import FIRST_SECRET, ROTATED_ONCE, SESSION, SecretsManager, attached_function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_secretsmanager.client import SecretsManagerClient


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


@pytest.fixture(params=Algorithm)
def warm(request: pytest.FixtureRequest, aws: SecretsManager, deployment_in_memory: Deployment) -> Deployment:
    """An environment that is warm before the rotation, with Alice registered; for each algorithm."""
    secret = Secret(lambda: aws.client, aws.secret_id)
    environment = replace(deployment_in_memory, secret=secret, choices=Choices(algorithm=request.param))
    environment.register()
    return environment
