"""API Gateway's Lambda authorizer, payload format 2.0, simple responses: for the account's other APIs.

A missing or bad token is the gateway's 401, a foreign organization its 403. The 401 is asked for by raising an
exception with exactly that text. (docs/decisions/0007-authorizer-401.md)
"""

from http import HTTPStatus
from typing import Any

from gerbang.accounts.authorization import Authorizer
from gerbang.apis.errors import COMMON
from gerbang.core import init
from gerbang.core.errors import AuthError
from gerbang.core.log import request_id
from gerbang.http.callers import ORGANIZATION_HEADER
from gerbang.http.endpoint import log_error
from gerbang.http.errors import code_of
from gerbang.http.request import Request


class Unauthorized(Exception):
    """Tells API Gateway to answer 401; its text is the protocol."""

    def __init__(self) -> None:
        """Carry the text that the gateway looks for."""
        super().__init__("Unauthorized")


def handler(authorizer: Authorizer) -> init.LambdaHandler:
    """Return the Lambda handler of an authorizer, and end init."""

    def authorize(event: dict[str, Any], _context: object) -> dict[str, Any]:
        request_id.set(str(event.get("requestContext", {}).get("requestId", "")))
        request = Request.from_event(event)
        try:
            caller = authorizer.authorize(request.bearer(), request.headers.get(ORGANIZATION_HEADER))
        except Exception as error:
            status = COMMON[code_of(error)].status
            log_error(error, request, status)
            if not isinstance(error, AuthError):
                raise
            if status is HTTPStatus.UNAUTHORIZED:
                raise Unauthorized from None
            return {"isAuthorized": False}
        return {
            "isAuthorized": True,
            "context": {
                "sub": caller.subject,
                "userId": caller.user_id,
                "emailVerified": caller.email_verified,
                "sessionId": caller.session_id,
                "aal": caller.level,
                "organizationId": caller.organization_id,
                "role": caller.role,
            },
        }

    return init.finish_init(authorize)
