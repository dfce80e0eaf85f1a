"""The versions of a secret and their labels, for its rotation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"


@dataclass(frozen=True, slots=True)
class SecretVersionHistory:
    """Reads, adds and labels the versions of one secret. The client is created at the first call.

    Every method raises `gerbang.core.errors.DependencyUnavailable` when the request to Secrets Manager failed.
    """

    client: Callable[[], "SecretsManagerClient"]
    secret_id: str

    def labels(self) -> Mapping[str, frozenset[str]]:
        """Return the labels of each version that has any, by version id."""
        with _failures_translated():
            answer = self.client().describe_secret(SecretId=self.secret_id)
        return {version_id: frozenset(labels) for version_id, labels in answer.get("VersionIdsToStages", {}).items()}

    def current(self) -> str:
        """Return the text of the current version."""
        with _failures_translated():
            return self.client().get_secret_value(SecretId=self.secret_id, VersionStage=CURRENT)["SecretString"]

    def pending(self, version_id: str) -> str | None:
        """Return the text of a pending version, None if it has no text or is not pending."""
        with _failures_translated():
            try:
                answer = self.client().get_secret_value(
                    SecretId=self.secret_id, VersionId=version_id, VersionStage=PENDING
                )
            except self.client().exceptions.ResourceNotFoundException:
                return None
        return answer["SecretString"]

    def add_pending(self, version_id: str, text: str) -> None:
        """Create a pending version with a text; a version that has a text already keeps it."""
        with _failures_translated():
            try:
                self.client().put_secret_value(
                    SecretId=self.secret_id, ClientRequestToken=version_id, SecretString=text, VersionStages=[PENDING]
                )
            except self.client().exceptions.ResourceExistsException:
                return

    def make_current(self, version_id: str, *, instead_of: str) -> None:
        """Move the label AWSCURRENT to a version; Secrets Manager moves AWSPREVIOUS to the one that had it."""
        with _failures_translated():
            self.client().update_secret_version_stage(
                SecretId=self.secret_id,
                VersionStage=CURRENT,
                MoveToVersionId=version_id,
                RemoveFromVersionId=instead_of,
            )


@contextmanager
def _failures_translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ParamValidationError):
            raise
        raise DependencyUnavailable("secret") from error
