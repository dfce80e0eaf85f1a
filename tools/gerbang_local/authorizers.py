"""Lambda authorizers as an HTTP API asks them: payload format 2.0, simple responses, remembered for a while.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from gerbang_local.events import Api, Request, Response, authorizer_event
from gerbang_local.invoker import FunctionFailed, Invoker, NoAnswerInTime
from gerbang_local.routes import Match
from gerbang_local.stack import Authorizer

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_PATIENCE_SECONDS: Final = 10
# Entries beyond which those that have expired are thrown out.
_REMEMBERED_AT_MOST: Final = 10_000

UNAUTHORIZED: Final = Response.of_gateway(401, "Unauthorized")
FORBIDDEN: Final = Response.of_gateway(403, "Forbidden")
FAILED: Final = Response.of_gateway(500, "Internal Server Error")


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may go on; *context* is what the authorizer has to say about it."""

    context: Mapping[str, Any]


class Gatekeeper:
    """Asks the authorizers. To be used from one event loop."""

    def __init__(self, authorizers: Mapping[str, Authorizer], invoker: Invoker, api: Api) -> None:
        """Take the authorizers by name."""
        self._authorizers: Final = authorizers
        self._invoker: Final = invoker
        self._api: Final = api
        self._remembered: Final[dict[tuple[str, ...], tuple[float, Admitted | Response]]] = {}

    async def ask(self, name: str, request: Request, match: Match) -> Admitted | Response:
        """Return the authorizer's decision on a request: admitted, or the error response."""
        authorizer = self._authorizers[name]
        identity = _identity(authorizer, request)
        if identity is None:
            return UNAUTHORIZED
        key = (name, *identity)
        until, answer = self._remembered.get(key, (0.0, FAILED))
        if time.monotonic() < until:
            return answer
        event = authorizer_event(request, match, api=self._api, identity=identity)
        try:
            said = await self._invoker.invoke(authorizer.function, event, patience_seconds=_PATIENCE_SECONDS)
        except FunctionFailed as failure:
            return UNAUTHORIZED if failure.message == "Unauthorized" else FAILED
        except NoAnswerInTime:
            return FAILED
        match said:
            case {"isAuthorized": True, **rest}:
                context = rest.get("context")
                answer = Admitted(context if isinstance(context, dict) else {})
            case {"isAuthorized": False}:
                answer = FORBIDDEN
            case _:
                return FAILED
        if authorizer.remembered_seconds > 0:
            self._remember(key, answer, authorizer.remembered_seconds)
        return answer

    def _remember(self, key: tuple[str, ...], answer: Admitted | Response, seconds: int) -> None:
        now = time.monotonic()
        if len(self._remembered) >= _REMEMBERED_AT_MOST:
            for old in [key for key, (until, _) in self._remembered.items() if until <= now]:
                del self._remembered[old]
        self._remembered[key] = (now + seconds, answer)


def _identity(authorizer: Authorizer, request: Request) -> tuple[str, ...] | None:
    """Return the values of the authorizer's identity sources; None if one is missing or empty: it is not asked then."""
    query = parse_qs(request.raw_query, keep_blank_values=True)
    values = [
        *(request.header(header) or "" for header in authorizer.headers),
        *(",".join(query.get(parameter, [])) for parameter in authorizer.query_parameters),
    ]
    return tuple(values) if all(values) else None
