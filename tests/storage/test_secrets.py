"""gerbang.storage.secrets: reading the versions of a secret from Secrets Manager."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.secrets import Secret, SecretVersions

SINCE = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def manager(botocore_session: botocore.session.Session) -> Iterator[Stubber]:
    client: Any = botocore_session.create_client(
        "secretsmanager", region_name="eu-west-1", aws_access_key_id="local", aws_secret_access_key="local"
    )
    with Stubber(client) as stubber:
        yield stubber


def secret(manager: Stubber) -> Secret:
    client: Any = manager.client
    return Secret(lambda: client, "gerbang/master")


def add_version(manager: Stubber, stage: str, text: str) -> None:
    manager.add_response(
        "get_secret_value",
        {"SecretString": text, "CreatedDate": SINCE},
        {"SecretId": "gerbang/master", "VersionStage": stage},
    )


def add_error(manager: Stubber, stage: str, code: str = "ResourceNotFoundException") -> None:
    manager.add_client_error(
        "get_secret_value", code, expected_params={"SecretId": "gerbang/master", "VersionStage": stage}
    )


def test_both_versions_and_the_age_of_the_current_one_are_read(manager: Stubber) -> None:
    add_version(manager, "AWSCURRENT", "new")
    add_version(manager, "AWSPREVIOUS", "old")

    assert secret(manager).read() == SecretVersions("new", "old", current_since=SINCE)


def test_a_secret_before_its_first_rotation_has_no_previous_version(manager: Stubber) -> None:
    add_version(manager, "AWSCURRENT", "only")
    add_error(manager, "AWSPREVIOUS")

    assert secret(manager).read().previous is None


@pytest.mark.covers("F23")
def test_a_missing_secret_is_unavailable_and_has_no_default(manager: Stubber) -> None:
    add_error(manager, "AWSCURRENT")

    with pytest.raises(DependencyUnavailable):
        secret(manager).read()


@pytest.mark.parametrize(
    "code", ["InternalServiceError", "ThrottlingException", "AccessDeniedException", "DecryptionFailure"]
)
@pytest.mark.parametrize("stage", ["AWSCURRENT", "AWSPREVIOUS"])
def test_an_unreadable_version_is_unavailable_not_absent(manager: Stubber, code: str, stage: str) -> None:
    """If it counted as absent, tokens signed with the previous version would be rejected and users signed out."""
    if stage == "AWSPREVIOUS":
        add_version(manager, "AWSCURRENT", "new")
    add_error(manager, stage, code)

    with pytest.raises(DependencyUnavailable):
        secret(manager).read()


def test_secrets_are_unavailable_if_secrets_manager_cannot_be_reached() -> None:
    class Unreachable:
        def get_secret_value(self, **_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://secretsmanager.invalid")

    client: Any = Unreachable()

    with pytest.raises(DependencyUnavailable):
        Secret(lambda: client, "gerbang/master").read()
    with pytest.raises(DependencyUnavailable):
        Secret(lambda: client, "gerbang/master").current()


def test_reading_only_the_current_text_takes_one_call(manager: Stubber) -> None:
    add_version(manager, "AWSCURRENT", "new")

    assert secret(manager).current() == "new"
    manager.assert_no_pending_responses()


def test_the_client_is_created_at_the_first_read() -> None:
    """A function that never reads the secret does not pay for a client at its start."""
    created: list[int] = []

    def client() -> Any:
        created.append(1)
        raise EndpointConnectionError(endpoint_url="https://secretsmanager.invalid")

    unread = Secret(client, "gerbang/master")

    assert created == []
    with pytest.raises(DependencyUnavailable):
        unread.read()
    assert created
