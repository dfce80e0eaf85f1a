"""API Gateway's Lambda authorizer for the account's other APIs.

HTTP APIs ask with payload format 2.0 and take simple responses; REST APIs ask with a `REQUEST` event and take a policy.
For a missing or invalid token, the gateway answers 401; for an organization that the caller does not belong to, 403. It
answers 401 if the function raises an exception whose text is exactly `Unauthorized`.
(docs/decisions/0007-authorizer-401.md)
"""

from collections.abc import Mapping
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
        """Set the text that the gateway looks for."""
        super().__init__("Unauthorized")


def handler(authorizer: Authorizer) -> init.LambdaHandler:
    """Return the Lambda handler of an authorizer, and end init."""

    def authorize(event: dict[str, Any], _context: object) -> dict[str, Any]:
        request_id.set(str(event.get("requestContext", {}).get("requestId", "")))
        rest_method = event.get("methodArn")
        request = Request.from_event(event) if rest_method is None else _rest_request(event)
        try:
            caller = authorizer.authorize(request.bearer(), request.headers.get(ORGANIZATION_HEADER))
        except Exception as error:
            status = COMMON[code_of(error)].status
            log_error(error, request, status)
            if not isinstance(error, AuthError):
                raise
            if status is HTTPStatus.UNAUTHORIZED:
                raise Unauthorized from None
            return {"isAuthorized": False} if rest_method is None else _policy("Deny", rest_method)
        context = {
            "sub": caller.subject,
            "userId": caller.user_id,
            "emailVerified": caller.email_verified,
            "sessionId": caller.session_id,
            "aal": caller.level,
            "organizationId": caller.organization_id,
            "role": caller.role,
        }
        if rest_method is not None:
            return {**_policy("Allow", rest_method, caller.subject), "context": context}
        return {"isAuthorized": True, "context": context}

    return init.finish_init(authorize)


def _rest_request(event: Mapping[str, Any]) -> Request:
    """Return the request of a REST API's event to a `REQUEST` authorizer (input-reference of Lambda authorizers)."""
    identity = event.get("requestContext", {}).get("identity") or {}
    return Request(
        method=str(event.get("httpMethod", "")),
        path=str(event.get("path", "")),
        route=str(event.get("resource", "")),
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        source_ip=str(identity.get("sourceIp", "")),
    )


def _policy(effect: str, method_arn: str, subject: str = "unauthorized") -> dict[str, Any]:
    """Return the policy for the one method that is called. With a cache, it would be used for other methods, too."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}
    return {"principalId": subject, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
