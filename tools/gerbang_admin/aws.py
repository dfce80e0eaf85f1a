"""What the tools share about AWS: sessions, time-outs, and how a failed request is described."""

import os
import re
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from gerbang.core.errors import DependencyUnavailable

CONFIG: Final = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
"""Longer time-outs and more tries than in the functions: an operator can wait."""

AwsFailure = (BotoCoreError, ClientError, DependencyUnavailable)
"""What a failed request to AWS raises: from boto3, and from the storage layer on top of it."""

_ACTION: Final = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
"""How AWS names the missing permission in the message of an AccessDenied error."""


def session_of(*, profile: str | None = None, region: str | None = None) -> boto3.Session:
    """Return a session; without arguments it finds profile, region and credentials as AWS CLI 2 does.

    Raises:
        BotoCoreError: there is no such profile.
    """
    chosen = region or os.environ.get("AWS_REGION") or None  # boto3 reads AWS_DEFAULT_REGION and the profile only
    return boto3.Session(profile_name=profile, region_name=chosen)


def failure(error: Exception) -> str:
    """Return one sentence about a failed request: its error code, its action, and AWS's message."""
    cause = error.__cause__ if isinstance(error, DependencyUnavailable) and error.__cause__ else error
    if isinstance(cause, NoCredentialsError):
        return "There are no AWS credentials. Sign in with `aws configure` or `aws sso login`, or set AWS_PROFILE."
    if isinstance(cause, NoRegionError):
        return "No AWS region is chosen. Set REGION=, as in REGION=eu-west-1."
    if not isinstance(cause, ClientError):
        return f"The AWS request failed: {str(cause).rstrip('.')}."
    details = cause.response.get("Error", {})
    message = details.get("Message", "")
    action = _ACTION.search(message)
    sentence = (
        f"The AWS request failed: {details.get('Code', 'Unknown')} ({action[1] if action else cause.operation_name})."
    )
    return f"{sentence} {message}".rstrip()
