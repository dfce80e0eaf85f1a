"""A request to an endpoint, the answer that it gets, and the effect that it has."""

from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass, field
from typing import Any, Final

from gerbang.mail.jobs import MailKind

from tests.deployment import Choices
from tests.unit.handlers import LOW_LIMITS, Answer, Event, deployment_with_low_limits
from tests.unit.mail_deployment import MailDeployment

BOTLAUNCH_ERROR: Final = frozenset({"statusCode", "error", "message"})
SNAPOTP_ERROR: Final = frozenset({"success", "message"})
ATOURIN_ERROR: Final = frozenset({"status", "code", "info", "msg"})
GOTRUE_ERROR: Final = frozenset({"code", "error_code", "msg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The answer to a request that is sent again after it was executed and its answer was lost."""

    status: int
    is_done: Callable[[MailDeployment, Event], bool]
    """Whether the first request had its effect."""
    recovers: Callable[[MailDeployment, Event], bool]
    """Does what the client does next, and returns whether that works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCase:
    """A request to an endpoint, the answer that it gets, and the effect that it has."""

    function: str
    """The folder of the function, below `functions`."""
    error_members: frozenset[str]
    """The members of an error response of the function's API."""
    prepare: Callable[[MailDeployment], Event]
    """Creates what the request needs, and returns the request."""
    status: int = 200
    has_effect: Callable[[MailDeployment, Event, Answer], bool]
    """Whether a request that was answered with `status` has had its effect."""
    mail: MailKind | None = None
    """A mail that is queued by the time the request has been sent again."""
    on_repeat: Repeat | None = None
    """None: a request that is sent again is answered as the first one."""
    counted_on_repeat: frozenset[str] = frozenset()
    """The limits at which a request sent again is counted, though the first one was not."""
    concurrent_statuses: frozenset[int] = frozenset()
    """Further statuses that one of two concurrent requests may get."""
    choices: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings that are not the default."""

    @property
    def repeat_statuses(self) -> frozenset[int]:
        return frozenset() if self.on_repeat is None else frozenset({self.on_repeat.status})

    def deploy(self, choices: Choices = LOW_LIMITS) -> MailDeployment:
        """Return a new deployment for the request."""
        return deployment_with_low_limits(replace(choices, **self.choices))
