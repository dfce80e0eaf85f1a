"""SnapOTP: snake_case, `{success, data}`; errors `{success: false, message, errors?}`."""

from gerbang.apis.snapotp.api import API
from gerbang.apis.snapotp.responses import MessageResponse, SessionResponse, UserResponse, message, session, user

__all__ = ["API", "MessageResponse", "SessionResponse", "UserResponse", "message", "session", "user"]
