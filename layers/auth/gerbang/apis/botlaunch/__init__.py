"""BotLaunch: camelCase, `{data, message}`; errors `{statusCode, error, message, details?}`."""

from gerbang.apis.botlaunch.api import API
from gerbang.apis.botlaunch.responses import MessageResponse, SessionResponse, session

__all__ = ["API", "MessageResponse", "SessionResponse", "session"]
