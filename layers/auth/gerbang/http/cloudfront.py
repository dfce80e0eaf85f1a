"""Checks that requests come through the operator's CloudFront distribution, and reads the client's address from them.

The distribution adds a secret header to each request. The setting is the header's SHA-256, so the stack stores no
secret, and a check makes no call. (docs/decisions/0047-cloudfront.md)
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
"""The environment variable with the header's SHA-256 in hexadecimal: one, two separated by a comma, or none."""


class NotThroughCloudFront(AuthError):
    """The request does not have the secret header, so it did not come through the operator's distribution."""

    code = "not_through_cloudfront"


def hashes() -> tuple[str, ...]:
    """Return the accepted hashes of the header; empty if requests need not come through CloudFront."""
    return tuple(filter(None, environ.get(VARIABLE, "").split(",")))


def admit(request: Request, accepted: tuple[str, ...]) -> Request:
    """Check the secret header of a request, and return the request with the viewer's address.

    Raises:
        NotThroughCloudFront: the header is missing, or has none of the *accepted* hashes.
    """
    sent_hash = sha256(request.headers.get(SECRET_HEADER, "").encode(errors="replace")).hexdigest()
    if not any(compare_digest(sent_hash, each) for each in accepted):
        raise NotThroughCloudFront
    return replace(request, source_ip=_viewer(request))


def _viewer(request: Request) -> str:
    """Return the client's address as CloudFront reports it, or the gateway's if there is none.

    CloudFront appends its viewer's address to `X-Forwarded-For`, and API Gateway the address of CloudFront's server.
    The addresses before these two were sent by the client, and are not trusted.
    """
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
    if hops[-1] == request.source_ip:
        hops.pop()
    try:
        return str(ip_address(hops[-1])) if hops else request.source_ip
    except ValueError:
        return request.source_ip
