"""Requests for mail, as tests of the mail service make them."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import pytest
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import MailJob, MailKind

from tests.deployment import BOB, HOME
from tests.unit.mail_deployment import MailDeployment

UNKNOWN = "unknown@example.com"

ASKED_FOR = [
    MailKind.SIGN_IN_CODE,
    MailKind.PASSWORD_RESET,
    MailKind.VERIFICATION_CODE,
    MailKind.RECOVERY_CODE,
]

CODES = [kind for kind in ASKED_FOR if kind is not MailKind.PASSWORD_RESET]


def ask(
    app: MailDeployment,
    email: str = BOB.email,
    *,
    kind: MailKind = MailKind.SIGN_IN_CODE,
    client: str = HOME.address,
) -> None:
    app.mail_service.ask(kind, email, None, client)


def limit_reached(asking: Callable[[], None]) -> tuple[str, timedelta | None]:
    """Return the limit that a request has reached, and how long to wait."""
    with pytest.raises(TooManyAttempts) as caught:
        asking()
    return caught.value.limit, caught.value.retry_after


def queued(app: MailDeployment) -> list[MailJob]:
    """The jobs in the queue, without their ids."""
    return [replace(job, job_id="") for job in app.queue.jobs]
