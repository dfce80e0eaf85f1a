"""The request bodies of Supabase Auth's API."""

from gerbang.apis.fields import Body, Text
from gerbang.core.errors import AuthError


class UnsupportedGrantType(AuthError):
    """`grant_type` is not one that the token endpoint trades for a session."""

    code = "unsupported_grant_type"


class RefreshRequest(Body):
    """`POST /auth/v1/token?grant_type=refresh_token`."""

    refresh_token: Text
