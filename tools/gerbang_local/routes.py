"""Which route of an HTTP API answers a request.

Rules: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html ("Routing API
requests"): the most specific path wins, a named method wins over `ANY`, `$default` takes all other requests.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT: Final = "$default"
"""The path of the route for requests that match no other route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One `HttpApi` event of a function."""

    method: str  # in capitals, or ANY
    path: str  # /like/{this}, /or/{this+}, or $default
    function: str  # logical id
    authorizer: str | None  # by its name in the API's Auth.Authorizers

    @property
    def key(self) -> str:
        """What AWS calls it in `routeKey`: `POST /auth/otp`, or `$default`."""
        return DEFAULT if self.path == DEFAULT else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A request's route, and the values of the route's variables."""

    route: Route
    path_parameters: Mapping[str, str]


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Take *routes* in any order."""
        self.routes: Final = tuple(sorted(routes, key=_specificity))

    def match(self, method: str, path: str) -> Match | None:
        """Return the most specific route for *method* and the decoded *path*; None if there is none."""
        for route in self.routes:
            if route.method in {"ANY", method} and (found := _path_parameters(route.path, path)) is not None:
                return Match(route=route, path_parameters=found)
        return None


def _specificity(route: Route) -> tuple[tuple[int, ...], bool]:
    """Return a key that sorts the more specific route first."""
    if route.path == DEFAULT:
        return ((3,), True)
    segments = tuple(2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in route.path.split("/"))
    return (segments, route.method == "ANY")


def _path_parameters(pattern: str, path: str) -> dict[str, str] | None:
    """Return the values of the variables of *pattern* in *path*; None if it does not match, or a value is empty."""
    if pattern == DEFAULT:
        return {}
    pattern_parts, path_parts = pattern.split("/"), path.split("/")
    found: dict[str, str] = {}
    if pattern_parts[-1].endswith("+}"):
        rest = "/".join(path_parts[len(pattern_parts) - 1 :])
        if not rest:
            return None
        found[pattern_parts.pop()[1:-2]] = rest
        path_parts = path_parts[: len(pattern_parts)]
    if len(pattern_parts) != len(path_parts):
        return None
    for expected, part in zip(pattern_parts, path_parts, strict=True):
        if expected.startswith("{") and part:
            found[expected[1:-1]] = part
        elif expected != part:
            return None
    return found
