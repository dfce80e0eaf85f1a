"""What to do with a session that an answer has: links of OpenAPI from it to refreshing and to signing in again."""

from collections.abc import Mapping
from typing import Final

from gerbang_docs.operations import Documented
from gerbang_docs.schemas import Json

_REFRESH: Final[Mapping[str, tuple[str, Json, Json]]] = {
    "BotLaunch": ("postApiAuthRefresh", {}, {"refreshToken": "$response.body#/data/refreshToken"}),
    "SnapOTP": ("postApiAuthRefresh", {}, {"refresh_token": "$response.body#/data/refresh_token"}),
    "Atourin": (
        "postAuthV1Token",
        {"query.grant_type": "refresh_token"},
        {"refresh_token": "$response.body#/data/refresh_token"},
    ),
    "Supabase Auth": (
        "postAuthV1Token",
        {"query.grant_type": "refresh_token"},
        {"refresh_token": "$response.body#/refresh_token"},
    ),
}
"""By the API that answers with a session: the operation that renews it, its parameters and its body."""


def links_of(each: Documented) -> Json:
    """Return the links of an operation's answer."""
    response = each.operation.response
    if response is None or response.__name__ != "SessionResponse":
        return {}
    operation_id, parameters, body = _REFRESH[each.api.name]
    link: Json = {"operationId": operation_id, "requestBody": body}
    return {f"{each.key}.refresh": {**link, **({"parameters": parameters} if parameters else {})}}
