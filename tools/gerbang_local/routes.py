"""Which route of an HTTP API answers a request.

Rules: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html ("Routing API
requests"): the most specific path wins, a verb of its own wins over `ANY`, `$default` takes what is left.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT: Final = "$default"
"""The path of the route that takes every request which no other takes."""


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
    """A request's route, and what its path put into the route's variables."""

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
    """Return the variables of *pattern* as *path* fills them, None if it does not match; no variable may be empty."""
    if pattern == DEFAULT:
        return {}
    wanted, given = pattern.split("/"), path.split("/")
    found: dict[str, str] = {}
    if wanted[-1].endswith("+}"):
        rest = "/".join(given[len(wanted) - 1 :])
        if not rest:
            return None
        found[wanted.pop()[1:-2]] = rest
        given = given[: len(wanted)]
    if len(wanted) != len(given):
        return None
    for want, have in zip(wanted, given, strict=True):
        if want.startswith("{") and have:
            found[want[1:-1]] = have
        elif want != have:
            return None
    return found
