"""How the tools find credentials and region, and how they describe failed requests."""

from pathlib import Path
from typing import Final

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from gerbang.core.errors import DependencyUnavailable
from gerbang_admin.aws import failure, session_of

DENIED: Final = (
    "User: arn:aws:sts::123456789012:assumed-role/support/ann is not authorized to perform: dynamodb:UpdateItem "
    "on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/users"
)
"""AWS's message about a missing permission."""


def client_error(code: str, message: str, operation: str = "UpdateItem") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def access_key(session: boto3.Session) -> str | None:
    credentials = session.get_credentials()
    return None if credentials is None else credentials.access_key


def test_profile_and_region_come_from_the_environment_and_the_shared_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.write_text(
        "[profile prod]\nregion = ap-southeast-3\naws_access_key_id = PROD\naws_secret_access_key = x\n"
        "[profile test]\nregion = eu-north-1\naws_access_key_id = TEST\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "prod")

    found = session_of()
    chosen = session_of(profile="test", region="us-west-2")

    assert (found.region_name, access_key(found)) == ("ap-southeast-3", "PROD")
    assert (chosen.region_name, access_key(chosen)) == ("us-west-2", "TEST")


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
    ],
    ids=["AWS CLI 2's", "boto3's", "both"],
)
def test_either_variable_chooses_the_region(
    variables: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS CLI 2 reads both. boto3 and SAM CLI read only the second (tools/bootstrap/sam passes the first on)."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert session_of().region_name == region
    assert session_of(region="us-east-1").region_name == "us-east-1"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            client_error("AccessDenied", DENIED),
            f"The AWS request failed: AccessDenied (dynamodb:UpdateItem). {DENIED}",
        ),
        (
            client_error("ExpiredToken", "The token is expired", "DescribeStacks"),
            "The AWS request failed: ExpiredToken (DescribeStacks). The token is expired",
        ),
        (
            EndpointConnectionError(endpoint_url="https://dynamodb.example"),
            'The AWS request failed: Could not connect to the endpoint URL: "https://dynamodb.example".',
        ),
        (DependencyUnavailable("a write stayed in conflict"), "The AWS request failed: a write stayed in conflict."),
    ],
    ids=["permission", "credentials", "network", "storage"],
)
def test_a_failed_request_is_described_by_its_code_and_action(error: Exception, sentence: str) -> None:
    assert failure(error) == sentence


def test_a_failure_that_the_storage_layer_translated_is_described_by_its_cause() -> None:
    unavailable = DependencyUnavailable("ThrottlingException")
    unavailable.__cause__ = client_error("ThrottlingException", "Rate exceeded")

    assert failure(unavailable) == "The AWS request failed: ThrottlingException (UpdateItem). Rate exceeded"
