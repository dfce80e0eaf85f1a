"""Ends every session of a deployment, by rotating the master secret twice.

One rotation ends no session, because the previous version still verifies tokens; after the second, the version that
the first one replaced is unknown. (docs/decisions/0014-publish-then-sign.md)
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

ROTATION_SECONDS: Final = 180.0
"""A rotation takes about ten: four invocations, the first of them a cold start."""

_LOOK_EVERY_SECONDS: Final = 2.0


class NotRotated(Exception):
    """The rotation function did not make the new version current in time. Its log has the reason."""


def end_all_sessions(
    secrets: "SecretsManagerClient", secret_id: str, *, pause: Callable[[float], None] = time.sleep
) -> None:
    """Rotate the master secret twice; functions reject all older tokens within five minutes.

    Raises:
        NotRotated: a rotation did not end; sessions stay active.
        ClientError, BotoCoreError: the request failed, for example because a rotation is already running.
    """
    for _ in range(2):
        version_id = secrets.rotate_secret(SecretId=secret_id)["VersionId"]
        waited = 0.0
        while "AWSCURRENT" not in _labels(secrets, secret_id, version_id):
            if waited >= ROTATION_SECONDS:
                raise NotRotated
            pause(_LOOK_EVERY_SECONDS)
            waited += _LOOK_EVERY_SECONDS


def _labels(secrets: "SecretsManagerClient", secret_id: str, version_id: str) -> list[str]:
    versions = secrets.describe_secret(SecretId=secret_id).get("VersionIdsToStages", {})
    return versions.get(version_id, [])
