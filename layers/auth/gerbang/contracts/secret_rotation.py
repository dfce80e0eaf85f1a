"""Secrets Manager's events to a rotation function: `Step`, `SecretId`, `ClientRequestToken`."""

from typing import Any

from gerbang import edge, init
from gerbang.journal import Severity, journal, request_id
from gerbang.rotation import Rotation, Step


def handler(rotation: Rotation) -> edge.Lambda:
    """Return the Lambda handler that takes one step of a rotation. What it raises makes Secrets Manager try again."""

    def rotate(event: dict[str, Any], _context: object) -> dict[str, Any]:
        request_id.set(str(event["ClientRequestToken"]))
        try:
            step = Step(event["Step"])
            rotation.take(step, secret_id=event["SecretId"], version_id=event["ClientRequestToken"])
        except Exception as failure:
            journal().note("rotation_failed", Severity.FAILURE, reason=type(failure).__name__)
            raise
        journal().note("rotation_step_taken", step=step)
        return {}

    return init.over(rotate)
