"""Reading secrets from Secrets Manager."""

from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import GetSecretValueResponseTypeDef


@dataclass(frozen=True, slots=True)
class SecretVersions:
    """The texts of a secret: of its current version and, after a rotation, of the previous one."""

    current: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)
    current_since: datetime | None = None
    """When the current version was created; None if that is unknown."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Reads one secret. The client is created at the first read."""

    client: Callable[[], "SecretsManagerClient"]
    secret_id: str

    def read(self) -> SecretVersions:
        """Return the current and the previous version.

        Raises:
            DependencyUnavailable: it could not be read.
        """
        answer, previous = self._current(), self._read("AWSPREVIOUS")
        return SecretVersions(
            current=answer["SecretString"],
            previous=None if previous is None else previous["SecretString"],
            current_since=answer["CreatedDate"],
        )

    def current(self) -> str:
        """Return the text of the current version.

        Raises:
            DependencyUnavailable: it could not be read.
        """
        return self._current()["SecretString"]

    def _current(self) -> "GetSecretValueResponseTypeDef":
        answer = self._read("AWSCURRENT")
        if answer is None:
            raise DependencyUnavailable("the secret has no current version")
        return answer

    def _read(self, stage: str) -> "GetSecretValueResponseTypeDef | None":
        try:
            return self.client().get_secret_value(SecretId=self.secret_id, VersionStage=stage)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException" and stage != "AWSCURRENT":
                return None
            raise DependencyUnavailable("secret") from error
        except BotoCoreError as error:
            raise DependencyUnavailable("secret") from error
