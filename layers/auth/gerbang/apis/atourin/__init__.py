"""Atourin: snake_case, `{data, info, msg, status, code}`; errors the same, `status: false`."""

from gerbang.apis.atourin.api import API
from gerbang.apis.atourin.responses import (
    CodeSentResponse,
    RegistrationResponse,
    SessionResponse,
    SignedOutResponse,
    code_sent,
    registered,
    session,
    signed_out,
)

__all__ = [
    "API",
    "CodeSentResponse",
    "RegistrationResponse",
    "SessionResponse",
    "SignedOutResponse",
    "code_sent",
    "registered",
    "session",
    "signed_out",
]
