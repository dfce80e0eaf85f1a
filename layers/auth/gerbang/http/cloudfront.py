"""CloudFront in front of the API, where the operator demands it: who may call, and which address the client has.

The distribution adds a secret header to each request. Its SHA-256 is a setting, so the stack holds no secret, and a
check reads nothing. (docs/decisions/0047-cloudfront.md)
"""

from dataclasses import replace
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from os import environ  # noqa: TID251 - the setting of every function, also of those that need no container
from typing import Final

from gerbang.core.errors import AuthError
from gerbang.http.request import Request

SECRET_HEADER: Final = "x-origin-secret"  # noqa: S105 - its name
"""The header that the distribution adds, as custom header of its origin."""

VARIABLE: Final = "CLOUDFRONT_SECRET_SHA256"
"""Of the environment: the header's SHA-256 in hexadecimal digits, two with a comma between them, or empty."""


class NotThroughCloudFront(AuthError):
    """The request does not have the secret header, so it did not come through the operator's distribution."""

    code = "not_through_cloudfront"


def hashes() -> tuple[str, ...]:
    """Return the hashes that the header may have; none if the API is open to all."""
    return tuple(filter(None, environ.get(VARIABLE, "").split(",")))


def admit(request: Request, accepted: tuple[str, ...]) -> Request:
    """Return the request with the viewer's address, if its header has one of the hashes.

    Raises:
        NotThroughCloudFront: it has not.
    """
    sent = sha256(request.headers.get(SECRET_HEADER, "").encode(errors="replace")).hexdigest()
    if not any(compare_digest(sent, each) for each in accepted):
        raise NotThroughCloudFront
    return replace(request, source_ip=_viewer(request))


def _viewer(request: Request) -> str:
    """Return the address that CloudFront saw, or the gateway's if CloudFront did not say.

    CloudFront appends its viewer's address to `X-Forwarded-For`, and API Gateway the address of CloudFront's server.
    What is left of these was sent by the client and proves nothing.
    """
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
    if hops[-1] == request.source_ip:
        hops.pop()
    try:
        return str(ip_address(hops[-1])) if hops else request.source_ip
    except ValueError:
        return request.source_ip
