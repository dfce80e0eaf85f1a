"""gerbang.storage.secrets: the versions of a secret as Secrets Manager has them, or none at all."""

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


def holding(manager: Stubber, stage: str, text: str) -> None:
    manager.add_response(
        "get_secret_value",
        {"SecretString": text, "CreatedDate": SINCE},
        {"SecretId": "gerbang/master", "VersionStage": stage},
    )


def lacking(manager: Stubber, stage: str, code: str = "ResourceNotFoundException") -> None:
    manager.add_client_error(
        "get_secret_value", code, expected_params={"SecretId": "gerbang/master", "VersionStage": stage}
    )


def test_both_versions_are_read_and_when_the_current_one_was_created(manager: Stubber) -> None:
    holding(manager, "AWSCURRENT", "new")
    holding(manager, "AWSPREVIOUS", "old")

    assert secret(manager).read() == SecretVersions("new", "old", current_since=SINCE)


def test_a_secret_that_was_never_rotated_has_one_version(manager: Stubber) -> None:
    holding(manager, "AWSCURRENT", "only")
    lacking(manager, "AWSPREVIOUS")

    assert secret(manager).read().previous is None


@pytest.mark.covers("F23")
def test_a_secret_that_does_not_exist_is_unavailable_and_has_no_default(manager: Stubber) -> None:
    lacking(manager, "AWSCURRENT")

    with pytest.raises(DependencyUnavailable):
        secret(manager).read()


@pytest.mark.parametrize(
    "code", ["InternalServiceError", "ThrottlingException", "AccessDeniedException", "DecryptionFailure"]
)
@pytest.mark.parametrize("stage", ["AWSCURRENT", "AWSPREVIOUS"])
def test_a_version_that_cannot_be_read_is_unavailable_never_absent(manager: Stubber, code: str, stage: str) -> None:
    """Otherwise tokens of the previous version would be refused for good, and their owners signed out."""
    if stage == "AWSPREVIOUS":
        holding(manager, "AWSCURRENT", "new")
    lacking(manager, stage, code)

    with pytest.raises(DependencyUnavailable):
        secret(manager).read()


def test_a_secret_store_that_does_not_answer_is_unavailable() -> None:
    class Silent:
        def get_secret_value(self, **_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://secretsmanager.invalid")

    client: Any = Silent()

    with pytest.raises(DependencyUnavailable):
        Secret(lambda: client, "gerbang/master").read()
    with pytest.raises(DependencyUnavailable):
        Secret(lambda: client, "gerbang/master").current()


def test_the_current_text_alone_takes_one_call(manager: Stubber) -> None:
    holding(manager, "AWSCURRENT", "new")

    assert secret(manager).current() == "new"
    manager.assert_no_pending_responses()


def test_the_client_is_made_at_the_first_read() -> None:
    """SnapStart and cold starts: a function that never needs the secret makes no client."""
    made: list[int] = []

    def client() -> Any:
        made.append(1)
        raise EndpointConnectionError(endpoint_url="https://secretsmanager.invalid")

    unread = Secret(client, "gerbang/master")

    assert made == []
    with pytest.raises(DependencyUnavailable):
        unread.read()
