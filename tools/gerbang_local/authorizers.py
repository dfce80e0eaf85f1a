"""Lambda authorizers, called as an HTTP API calls them: payload format 2.0, simple responses, cached results.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from gerbang_local.events import Api, Request, Response, authorizer_event
from gerbang_local.http_api import Authorizer
from gerbang_local.invoker import FunctionFailed, Invoker, NoAnswerInTime
from gerbang_local.routes import Match

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_TIMEOUT_SECONDS: Final = 10
# When the cache has this many entries, expired ones are removed.
_MOST_CACHED: Final = 10_000

UNAUTHORIZED: Final = Response.of_gateway(401, "Unauthorized")
FORBIDDEN: Final = Response.of_gateway(403, "Forbidden")
FAILED: Final = Response.of_gateway(500, "Internal Server Error")


@dataclass(frozen=True, slots=True)
class Authorized:
    """The request is authorized; *context* is passed on to the function."""

    context: Mapping[str, Any]


class LambdaAuthorizers:
    """Calls the authorizers. To be used from one event loop."""

    def __init__(self, authorizers: Mapping[str, Authorizer], invoker: Invoker, api: Api) -> None:
        """Take the authorizers by name."""
        self._authorizers: Final = authorizers
        self._invoker: Final = invoker
        self._api: Final = api
        self._cache: Final[dict[tuple[str, ...], tuple[float, Authorized | Response]]] = {}

    async def authorize(self, name: str, request: Request, match: Match) -> Authorized | Response:
        """Return the authorizer's decision on a request: authorized, or the error response."""
        authorizer = self._authorizers[name]
        identity = _identity(authorizer, request)
        if identity is None:
            return UNAUTHORIZED
        key = (name, *identity)
        until, answer = self._cache.get(key, (0.0, FAILED))
        if time.monotonic() < until:
            return answer
        event = authorizer_event(request, match, api=self._api, identity=identity)
        try:
            result = await self._invoker.invoke(authorizer.function, event, timeout_seconds=_TIMEOUT_SECONDS)
        except FunctionFailed as failure:
            return UNAUTHORIZED if failure.message == "Unauthorized" else FAILED
        except NoAnswerInTime:
            return FAILED
        match result:
            case {"isAuthorized": True, **rest}:
                context = rest.get("context")
                answer = Authorized(context if isinstance(context, dict) else {})
            case {"isAuthorized": False}:
                answer = FORBIDDEN
            case _:
                return FAILED
        if authorizer.cache_seconds > 0:
            self._store(key, answer, authorizer.cache_seconds)
        return answer

    def _store(self, key: tuple[str, ...], answer: Authorized | Response, seconds: int) -> None:
        now = time.monotonic()
        if len(self._cache) >= _MOST_CACHED:
            for old in [key for key, (until, _) in self._cache.items() if until <= now]:
                del self._cache[old]
        self._cache[key] = (now + seconds, answer)


def _identity(authorizer: Authorizer, request: Request) -> tuple[str, ...] | None:
    """Return the values of the authorizer's identity sources; None if one is missing: it is not called then."""
    query = parse_qs(request.raw_query, keep_blank_values=True)
    values = [
        *(request.header(header) or "" for header in authorizer.headers),
        *(",".join(query.get(parameter, [])) for parameter in authorizer.query_parameters),
    ]
    return tuple(values) if all(values) else None
