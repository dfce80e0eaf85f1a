"""Two stacks that CloudFormation creates on moto: one with default settings, one with many settings."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.deploy.clients import client
from tests.deploy.stacks import Stack, created_stack, written

TABLES: Final = {"Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes", "RateLimits"}
SECRETS: Final = ("MasterSecret", "SecretApiKey")
KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY: Final = "arn:aws:iam::123456789012:policy/boundary"
CERTIFICATE: Final = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
IRREPLACEABLE: Final = {"Users", "Organizations"}
"""Tables that are kept when the stack is deleted, because their data exists nowhere else."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with created_stack() as created:
        yield created


@pytest.fixture(scope="module")
def customized() -> Iterator[Stack]:
    """A stack with settings that differ from the defaults."""
    with created_stack(
        "gerbang-customized",
        AlarmEmail="ops@example.com",
        Architecture="x86_64",
        CertificateArn=CERTIFICATE,
        CorsAllowOrigins="https://app.example.com,https://www.example.com",
        DeletionProtection="true",
        DomainName="auth.example.com",
        ExtraAlarms="true",
        KmsKeyArn=KEY,
        MailConcurrency="3",
        PermissionsBoundary=BOUNDARY,
        PointInTimeRecovery="false",
        ReservedConcurrency="7",
        ThrottleBurst="20",
        ThrottleRate="10",
        Tracing="Active",
    ) as created:
        yield created


def every_function() -> list[str]:
    functions = written("AWS::Serverless::Function").items()
    return [name for name, resource in functions if resource.condition in {None, *TRUE_BY_DEFAULT}]


TRUE_BY_DEFAULT: Final = {"HasApiDocs"}
"""Conditions of the template that hold with default settings."""


def queue_attributes(stack: Stack, queue: str) -> dict[str, str]:
    attributes: dict[str, str] = client("sqs").get_queue_attributes(QueueUrl=stack.ids[queue], AttributeNames=["All"])[
        "Attributes"
    ]
    return attributes
