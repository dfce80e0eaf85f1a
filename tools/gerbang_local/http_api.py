"""The HTTP API of a template: its routes, authorizers and CORS settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gerbang_local.cors import Cors
from gerbang_local.routes import DEFAULT, Route
from gerbang_local.template import TemplateError, check_known, is_true, text_of

_VERBS: Final = frozenset({"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_FORMAT_2: Final = "2.0"


# Properties that are read, and those that change nothing here. Any other stops the start.
_API_PROPERTIES: Final = frozenset(
    {"Auth", "CorsConfiguration", "StageName"}
    | {"AccessLogSettings", "DefaultRouteSettings", "Description", "DisableExecuteApiEndpoint", "Domain"}
    | {"FailOnWarnings", "Name", "PropagateTags", "RouteSettings", "Tags"}
)
_ROUTE_PROPERTIES: Final = frozenset(
    {"ApiId", "Auth", "Method", "Path", "PayloadFormatVersion"} | {"RouteSettings", "TimeoutInMillis"}
)
_AUTHORIZER_PROPERTIES: Final = frozenset(
    {"AuthorizerPayloadFormatVersion", "EnableSimpleResponses", "FunctionArn", "Identity"}
    | {"EnableFunctionDefaultPermissions", "FunctionInvokeRole"}
)
_IDENTITY_PROPERTIES: Final = frozenset({"Headers", "QueryStrings", "ReauthorizeEvery"})
_CORS_PROPERTIES: Final = frozenset(
    {"AllowCredentials", "AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders", "MaxAge"}
)

# How long an HTTP API caches an authorizer's answer without ReauthorizeEvery:
# https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-httpapi-lambdaauthorizationidentity.html
_CACHE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorizer:
    """A Lambda authorizer of the API: payload format 2.0, simple responses."""

    function: str  # logical id
    headers: tuple[str, ...]  # identity sources, in lower case
    query_parameters: tuple[str, ...]  # identity sources
    cache_seconds: int  # 0: called every time


class ApiReader:
    """Reads the resolved properties of the API."""

    def __init__(self, properties: Mapping[str, Any], *, logical_id: str | None) -> None:
        """Take the properties; *logical_id* is None for the API that SAM makes by itself.

        Raises:
            TemplateError: a property is not known here.
        """
        check_known(properties, _API_PROPERTIES)
        if properties.get("StageName", DEFAULT) != DEFAULT:
            raise TemplateError("StageName is not served here: paths would begin with it")
        auth = properties.get("Auth", {})
        check_known(auth, frozenset({"Authorizers", "DefaultAuthorizer", "EnableIamAuthorizer"}), "Auth.")
        if is_true(auth.get("EnableIamAuthorizer")):
            raise TemplateError("Auth.EnableIamAuthorizer is not served here")
        self._authorizers: Mapping[str, Mapping[str, Any]] = auth.get("Authorizers", {})
        self._default_authorizer: str | None = auth.get("DefaultAuthorizer")
        self._logical_id = logical_id
        self.cors: Final = _cors(properties.get("CorsConfiguration"))

    def route(self, function: str, details: Mapping[str, Any]) -> Route:
        """Return the route of an `HttpApi` event."""
        check_known(details, _ROUTE_PROPERTIES, "HttpApi event: ")
        if text_of(details.get("PayloadFormatVersion", _FORMAT_2)) != _FORMAT_2:
            raise TemplateError("PayloadFormatVersion is not 2.0")
        if self._logical_id is not None and "ApiId" not in details:
            raise TemplateError("HttpApi event: it has no ApiId, so that SAM would make a second API for it")
        path = text_of(details.get("Path", DEFAULT))
        method = text_of(details.get("Method", "ANY")).upper().replace("*", "ANY")
        if method not in _VERBS:
            raise TemplateError(f"method {method} is not one that an HTTP API routes")
        auth = details.get("Auth", {})
        check_known(auth, frozenset({"Authorizer"}), "HttpApi event: Auth.")
        authorizer = auth.get("Authorizer", self._default_authorizer)
        if authorizer == "NONE":
            authorizer = None
        if authorizer is not None and authorizer not in self._authorizers:
            raise TemplateError(f"there is no authorizer {authorizer}")
        return Route(method=method, path=path, function=function, authorizer=authorizer)

    def authorizers(self, functions_by_arn: Mapping[str, str]) -> Iterator[tuple[str, Authorizer]]:
        """Yield the authorizers by name."""
        for name, properties in self._authorizers.items():
            check_known(properties, _AUTHORIZER_PROPERTIES, f"authorizer {name}: ")
            if text_of(properties.get("AuthorizerPayloadFormatVersion")) != _FORMAT_2:
                raise TemplateError(f"authorizer {name}: AuthorizerPayloadFormatVersion is not 2.0")
            if not is_true(properties.get("EnableSimpleResponses")):
                raise TemplateError(f"authorizer {name}: EnableSimpleResponses is not true")
            if (arn := text_of(properties.get("FunctionArn"))) not in functions_by_arn:
                raise TemplateError(f"authorizer {name}: {arn} is not a function of this template")
            identity = properties.get("Identity", {})
            check_known(identity, _IDENTITY_PROPERTIES, f"authorizer {name}: Identity.")
            headers = tuple(header.lower() for header in identity.get("Headers", []))
            queries = tuple(identity.get("QueryStrings", []))
            cache_seconds = int(identity.get("ReauthorizeEvery", _CACHE_SECONDS if headers or queries else 0))
            yield (
                name,
                Authorizer(
                    function=functions_by_arn[arn],
                    headers=headers,
                    query_parameters=queries,
                    cache_seconds=cache_seconds,
                ),
            )


def _cors(configuration: Any) -> Cors | None:
    match configuration:
        case None | False:
            return None
        case True:  # https://github.com/aws/serverless-application-model: every origin
            return Cors(origins=("*",))
        case dict():
            check_known(configuration, _CORS_PROPERTIES, "CorsConfiguration.")
            cors = Cors(
                origins=tuple(configuration.get("AllowOrigins", [])),
                methods=tuple(configuration.get("AllowMethods", [])),
                headers=tuple(configuration.get("AllowHeaders", [])),
                exposed_headers=tuple(configuration.get("ExposeHeaders", [])),
                max_age_seconds=int(configuration["MaxAge"]) if "MaxAge" in configuration else None,
                allows_credentials=is_true(configuration.get("AllowCredentials")),
            )
            if cors.allows_credentials and "*" in cors.origins:
                raise TemplateError(
                    "CorsConfiguration: AWS rejects AllowCredentials with AllowOrigins *: list the origins instead"
                )
            return cors
        case _:
            raise TemplateError("CorsConfiguration is neither true nor a mapping")
