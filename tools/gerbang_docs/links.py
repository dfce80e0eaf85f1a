"""Links of OpenAPI: the calls that may follow an answer, such as a refresh or a sign-out after a sign-in."""

from collections.abc import Mapping
from typing import Final

from gerbang_docs.operations import Documented
from gerbang_docs.schemas import Json

_EMAIL: Final = "$request.body#/email"


def _bearer(pointer: str) -> Json:
    return {"header.Authorization": f"Bearer {{$response.body#{pointer}}}"}


_GOTRUE_REFRESH: Final = {"query.grant_type": "refresh_token"}
_LINKS: Final[Mapping[tuple[str, str], Mapping[str, Json]]] = {
    ("BotLaunch", "SessionResponse"): {
        "refresh": {
            "operationId": "postApiAuthRefresh",
            "requestBody": {"refreshToken": "$response.body#/data/refreshToken"},
        },
        "sign-out": {"operationId": "postApiAuthLogout", "parameters": _bearer("/data/accessToken")},
    },
    ("SnapOTP", "SessionResponse"): {
        "refresh": {
            "operationId": "postApiAuthRefresh",
            "requestBody": {"refresh_token": "$response.body#/data/refresh_token"},
        },
        "account": {"operationId": "getApiAuthMe", "parameters": _bearer("/data/token")},
        "sign-out": {"operationId": "postApiAuthLogout", "parameters": _bearer("/data/token")},
    },
    ("Atourin", "RegistrationResponse"): {
        "code": {"operationId": "postAuthVerifyOtp", "requestBody": {"email": _EMAIL}},
    },
    ("Atourin", "SessionResponse"): {
        "refresh": {
            "operationId": "postAuthV1Token",
            "parameters": _GOTRUE_REFRESH,
            "requestBody": {"refresh_token": "$response.body#/data/refresh_token"},
        },
        "sign-out": {"operationId": "getAuthLogout", "parameters": _bearer("/data/access_token")},
    },
    ("Supabase Auth", "User"): {
        "code": {"operationId": "postAuthV1Verify", "requestBody": {"type": "signup", "email": _EMAIL}},
    },
    ("Supabase Auth", "SessionResponse"): {
        "refresh": {
            "operationId": "postAuthV1Token",
            "parameters": _GOTRUE_REFRESH,
            "requestBody": {"refresh_token": "$response.body#/refresh_token"},
        },
        "account": {"operationId": "getAuthV1User", "parameters": _bearer("/access_token")},
        "sign-out": {"operationId": "postAuthV1Logout", "parameters": _bearer("/access_token")},
    },
}
"""The calls that may follow, by API and type of the answer."""

_SIGN_UP: Final = "/auth/v1/signup"


def links_of(each: Documented) -> Json:
    """Return the links of an operation's answer."""
    response = each.operation.response
    if response is None or (response.__name__ == "User" and each.path != _SIGN_UP):
        return {}
    links = _LINKS.get((each.api.name, response.__name__), {})
    return {f"{each.key}.{name}": link for name, link in links.items()}
