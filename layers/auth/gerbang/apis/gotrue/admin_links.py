"""The request bodies of the links that administrators ask for."""

from collections.abc import Mapping
from typing import Any, Literal, Self, override

from pydantic import Field

from gerbang.accounts.link_generation import WantedLink
from gerbang.accounts.user_creation import NewUser
from gerbang.apis.fields import Body, Email, Text
from gerbang.apis.gotrue.requests import UserMetadata, name_in
from gerbang.core.errors import FieldError
from gerbang.http.request import InvalidFields


class InviteRequest(Body):
    """`POST /auth/v1/invite`."""

    email: Email
    data: UserMetadata = Field(default_factory=dict)

    def new_user(self) -> NewUser:
        """Return the account that the invitation is for."""
        return NewUser(email=self.email, is_verified=False, name=name_in(self.data), user_metadata=self.data)


class GenerateLinkRequest(Body):
    """`POST /auth/v1/admin/generate_link`."""

    type: Literal["signup", "invite", "magiclink", "recovery", "email_change_current", "email_change_new"]
    email: Email
    password: Text | None = None
    new_email: Email | None = None
    data: UserMetadata = Field(default_factory=dict)
    redirect_to: Text | None = None

    @classmethod
    @override
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Self:
        """Return the body as this model.

        Raises:
            InvalidFields: fields are missing or invalid, or do not go together.
        """
        request = super().read(body, context)
        needed = {"signup": "password", "email_change_current": "new_email", "email_change_new": "new_email"}
        missing = needed.get(request.type)
        if missing is not None and getattr(request, missing) is None:
            raise InvalidFields((FieldError(missing, "Field required"),))
        return request

    @property
    def wanted(self) -> WantedLink:
        """What the link is for."""
        return WantedLink(self.type)

    def new_user(self) -> NewUser:
        """Return the account to create if there is none. Only a sign-up link gives it a password."""
        password = self.password if self.wanted is WantedLink.SIGN_UP else None
        name = name_in(self.data)
        return NewUser(email=self.email, is_verified=False, name=name, password=password, user_metadata=self.data)
