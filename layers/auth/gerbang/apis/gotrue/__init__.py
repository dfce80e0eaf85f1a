"""Supabase Auth (GoTrue): snake_case, bare objects; errors `{code, error_code, msg}`."""

from gerbang.apis.gotrue.api import API, REFRESH_ERRORS
from gerbang.apis.gotrue.responses import EmptyResponse, SessionResponse, User, session, user

__all__ = ["API", "REFRESH_ERRORS", "EmptyResponse", "SessionResponse", "User", "session", "user"]
