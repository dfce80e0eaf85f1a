"""Supabase Auth (GoTrue): snake_case, bare objects; errors `{code, error_code, msg}`."""

from gerbang.apis.gotrue.api import (
    API,
    ID_TOKEN_ERRORS,
    PASSWORD_ERRORS,
    PHONE_IS_A_BAD_REQUEST,
    REFRESH_ERRORS,
    VERIFY_ERRORS,
)
from gerbang.apis.gotrue.responses import (
    AUTHENTICATED,
    EmptyResponse,
    HalfConfirmedResponse,
    HealthResponse,
    SessionResponse,
    SettingsResponse,
    User,
    decoy,
    half_confirmed,
    health,
    session,
    settings,
    user,
)

__all__ = [
    "API",
    "AUTHENTICATED",
    "ID_TOKEN_ERRORS",
    "PASSWORD_ERRORS",
    "PHONE_IS_A_BAD_REQUEST",
    "REFRESH_ERRORS",
    "VERIFY_ERRORS",
    "EmptyResponse",
    "HalfConfirmedResponse",
    "HealthResponse",
    "SessionResponse",
    "SettingsResponse",
    "User",
    "decoy",
    "half_confirmed",
    "health",
    "session",
    "settings",
    "user",
]
