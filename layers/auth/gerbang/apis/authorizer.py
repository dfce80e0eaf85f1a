"""API Gateway's Lambda authorizer, payload format 2.0, simple responses.

No or no good token is the gateway's 401, somebody else's organisation its 403. The 401 is asked for by raising an
exception with exactly that text, as HTTP APIs want it. (docs/decisions/0007-authorizer-401.md)
"""

from http import HTTPStatus
from typing import Any

from gerbang.accounts.authorization import Authorizer
from gerbang.apis.refusals import problem_of
from gerbang.core import init
from gerbang.core.errors import AuthError
from gerbang.core.log import request_id
from gerbang.http import edge

ORGANIZATION_HEADER = "x-organization-id"
"""Names the organisation that the caller wants to act in."""


class Unauthorized(Exception):
    """Tells API Gateway to answer 401; its text is the protocol."""

    def __init__(self) -> None:
        """Carry the text that the gateway looks for."""
        super().__init__("Unauthorized")


def handler(authorizer: Authorizer) -> init.LambdaHandler:
    """Return the Lambda handler of an authorizer."""

    def authorize(event: dict[str, Any], _context: object) -> dict[str, Any]:
        request_id.set(str(event.get("requestContext", {}).get("requestId", "")))
        request = edge.request_of(event)
        try:
            caller = authorizer.authorize(request.bearer(), request.headers.get(ORGANIZATION_HEADER, ""))
        except AuthError as refusal:
            if problem_of(refusal, request).status == HTTPStatus.UNAUTHORIZED:
                raise Unauthorized from None
            return {"isAuthorized": False}
        except Exception as failure:
            problem_of(failure, request)
            raise
        return {
            "isAuthorized": True,
            "context": {
                "sub": caller.subject,
                "userId": caller.user_id,
                "emailVerified": caller.email_verified,
                "sessionId": caller.session_id,
                "organizationId": caller.organization_id,
                "role": caller.role,
            },
        }

    return init.finish_init(authorize)
