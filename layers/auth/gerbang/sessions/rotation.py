"""Rotation of the master secret, in the four steps that Secrets Manager calls.

Every step first checks that its version has the label that the step needs. So a step that is repeated after its answer
was lost, or after the rotation was finished, does nothing. A step for a version that is not pending fails.
(docs/decisions/0014-publish-then-sign.md)
"""

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.log import LogEvent
from gerbang.sessions.keys import Keys, MasterKey, version_text
from gerbang.storage.secret_versions import CURRENT, PENDING, SecretVersionHistory
from gerbang.storage.secrets import SecretVersions

if TYPE_CHECKING:
    from gerbang.sessions.tokens import Tokens


class Step(StrEnum):
    """The steps, as Secrets Manager names them in its events."""

    CREATE = "createSecret"
    SET = "setSecret"
    TEST = "testSecret"
    FINISH = "finishSecret"


class InvalidRotation(Exception):
    """The step is for another secret, for a version that is not pending, or for one that has no text yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Makes a new version of the master secret the current one."""

    history: SecretVersionHistory
    new_secret: Callable[[], str]
    new_key_pair: Callable[[], bytes]
    """Makes the RSA key pair of a version. Each has one, so that a deployment can change to RS256 at any time."""
    tokens_with: "Callable[[Keys], Tokens]"
    """Returns the deployment's `Tokens` with other keys."""
    log_event: LogEvent
    now: Clock

    def take(self, step: Step, *, secret_id: str, version_id: str) -> None:
        """Do one step of the rotation to the version *version_id*, `ClientRequestToken` in the event.

        Raises:
            InvalidRotation: it is another secret, or the version is not pending.
            DependencyUnavailable: Secrets Manager did not answer; it will repeat the step.
        """
        if secret_id != self.history.secret_id:
            raise InvalidRotation("another secret")
        labels = self.history.labels()
        own = labels.get(version_id, frozenset())
        if CURRENT in own:
            return  # done before; the step is repeated
        if PENDING not in own:
            raise InvalidRotation("the version is not pending")
        match step:
            case Step.CREATE:
                if self.history.pending(version_id) is None:
                    lasting = MasterKey.from_secret(self.history.current()).lasting
                    text = version_text(self.new_secret(), self.new_key_pair(), lasting=lasting)
                    self.history.add_pending(version_id, text)
            case Step.SET:
                pass  # nothing to notify: the functions read the secret themselves
            case Step.TEST:
                self.tokens_with(Keys(_OnlyVersion(self._text(version_id)), self.now)).warm()
            case Step.FINISH:
                self._text(version_id)
                [current] = [version for version, its_labels in labels.items() if CURRENT in its_labels]
                self.history.make_current(version_id, instead_of=current)
                self.log_event("master_secret_rotated", version_id=version_id)

    def _text(self, version_id: str) -> str:
        text = self.history.pending(version_id)
        if text is None:
            raise InvalidRotation("the version has no text yet")
        return text


@dataclass(frozen=True, slots=True)
class _OnlyVersion:
    """A secret with one version: the one that is being tested."""

    text: str = field(repr=False)

    def read(self) -> SecretVersions:
        return SecretVersions(self.text)
