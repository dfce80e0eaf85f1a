"""BotLaunch: camelCase, `{data, message}`; errors `{statusCode, error, message, details?}`."""

from gerbang.apis.botlaunch.api import API
from gerbang.apis.botlaunch.own_sessions import SessionsResponse, own_sessions
from gerbang.apis.botlaunch.responses import (
    MessageResponse,
    OrganizationResponse,
    SessionResponse,
    organization,
    session,
)

__all__ = [
    "API",
    "MessageResponse",
    "OrganizationResponse",
    "SessionResponse",
    "SessionsResponse",
    "organization",
    "own_sessions",
    "session",
]
