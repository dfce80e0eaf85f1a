"""Cross-origin requests, answered by the API's `CorsConfiguration` as an HTTP API does.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html: the gateway answers preflights, adds
the headers to every response to another origin, and ignores those of the function.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """A `CorsConfiguration`."""

    origins: tuple[str, ...]  # an origin, *, http://* or https://*
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed_headers: tuple[str, ...] = ()
    max_age_seconds: int | None = None
    allows_credentials: bool = False

    def headers_for(self, origin: str) -> dict[str, str]:
        """Return the headers of a response to *origin*; none if it is not allowed."""
        allowed = self._allowed(origin)
        if allowed is None:
            return {}
        headers = {"access-control-allow-origin": allowed}
        if self.allows_credentials:
            headers["access-control-allow-credentials"] = "true"
        if self.exposed_headers:
            headers["access-control-expose-headers"] = ",".join(self.exposed_headers)
        return headers

    def preflight_headers_for(self, origin: str) -> dict[str, str]:
        """Return the headers of the response to a preflight of *origin*; none if it is not allowed."""
        headers = self.headers_for(origin)
        if not headers:
            return {}
        if self.methods:
            headers["access-control-allow-methods"] = ",".join(self.methods)
        if self.headers:
            headers["access-control-allow-headers"] = ",".join(self.headers)
        if self.max_age_seconds is not None:
            headers["access-control-max-age"] = str(self.max_age_seconds)
        return headers

    def _allowed(self, origin: str) -> str | None:
        if "*" in self.origins:
            return "*"
        scheme = origin.partition("://")[0]
        return origin if not {origin, f"{scheme}://*"}.isdisjoint(self.origins) else None
