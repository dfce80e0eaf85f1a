"""Secrets Manager's events to a rotation function: `Step`, `SecretId`, `ClientRequestToken`."""

from typing import Any

from gerbang.core import init
from gerbang.core.log import Severity, log_event, request_id
from gerbang.sessions.rotation import Rotation, Step


def handler(rotation: Rotation) -> init.LambdaHandler:
    """Return the Lambda handler that takes one step of a rotation. If it raises, Secrets Manager repeats the step."""

    def rotate(event: dict[str, Any], _context: object) -> dict[str, Any]:
        request_id.set(str(event["ClientRequestToken"]))
        try:
            step = Step(event["Step"])
            rotation.take(step, secret_id=event["SecretId"], version_id=event["ClientRequestToken"])
        except Exception as failure:
            log_event("rotation_failed", Severity.ERROR, reason=type(failure).__name__)
            raise
        log_event("rotation_step_taken", step=step)
        return {}

    return init.finish_init(rotate)
