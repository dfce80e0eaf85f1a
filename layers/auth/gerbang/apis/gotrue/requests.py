"""The request bodies of Supabase Auth's API."""

from typing import Any

from gerbang.apis.fields import Body, Email, Text, as_name
from gerbang.core.errors import AuthError


class UnsupportedGrantType(AuthError):
    """`grant_type` is not one that the token endpoint trades for a session."""

    code = "unsupported_grant_type"


class PhoneProviderDisabled(AuthError):
    """A phone number was sent; accounts have none."""

    code = "phone_provider_disabled"


class NotAdmin(AuthError):
    """A user asked for what is an administrator's to do."""

    code = "not_admin"


class RefreshRequest(Body):
    """`POST /auth/v1/token?grant_type=refresh_token`."""

    refresh_token: Text


class UserRequest(Body):
    """`PUT /auth/v1/user`."""

    email: Email | None = None
    phone: Text | None = None
    password: Text | None = None
    data: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None

    @property
    def name(self) -> str | None:
        """The account's new name, from the metadata; empty: it is removed, None: it stays."""
        data = self.data or {}
        return "" if "name" in data and data["name"] is None else as_name(data.get("name"))
