"""The request bodies of Supabase Auth's API."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from gerbang.accounts.id_tokens import ShownIdToken
from gerbang.apis.fields import Body, Email, Text, clean_name
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, FieldError
from gerbang.http.request import InvalidFields
from gerbang.storage.metadata import LARGEST_USER_METADATA, size_of


class UnsupportedGrantType(AuthError):
    """`grant_type` is not one that the token endpoint trades for a session."""

    code = "unsupported_grant_type"


class PhoneProviderDisabled(AuthError):
    """The request names a phone number, and no text messages are sent here."""

    code = "phone_provider_disabled"


def _metadata(data: Mapping[str, Any]) -> Mapping[str, Any]:
    if size_of(data) > LARGEST_USER_METADATA:
        raise PydanticCustomError("metadata_too_large", "Must be at most 8 KiB of JSON")
    return data


type Metadata = Annotated[dict[str, Any], AfterValidator(_metadata)]
"""What becomes a user's `user_metadata`: an object of at most 8 KiB."""


class RefreshRequest(Body):
    """`POST /auth/v1/token?grant_type=refresh_token`."""

    refresh_token: Text


class EmailOrPhone(Body):
    """A body that names an account by its e-mail address. A phone number is refused, not ignored."""

    email: Email | None = None
    phone: str | None = None

    def address(self) -> EmailAddress:
        """Return the address.

        Raises:
            InvalidFields: there is neither an address nor a phone number, or both.
            PhoneProviderDisabled: there is a phone number.
        """
        if self.phone is not None and self.email is None:
            raise PhoneProviderDisabled
        if self.phone is not None:
            raise InvalidFields((FieldError("phone", "Send either email or phone"),))
        if self.email is None:
            raise InvalidFields((FieldError("email", "Field required"),))
        return self.email


class SignUpRequest(EmailOrPhone):
    """`POST /auth/v1/signup` with an e-mail address."""

    password: Text
    data: Metadata | None = None

    @property
    def name(self) -> str:
        """The name that the metadata gives, empty if none that we accept."""
        return name_in(self.data or {})


class AnonymousRequest(Body):
    """`POST /auth/v1/signup` without an address."""

    data: Metadata | None = None


class PasswordRequest(EmailOrPhone):
    """`POST /auth/v1/token?grant_type=password`."""

    password: Text


class IdTokenRequest(Body):
    """`POST /auth/v1/token?grant_type=id_token`."""

    id_token: Text
    provider: str | None = None
    client_id: str | None = None
    issuer: str | None = None
    nonce: str | None = None
    access_token: str | None = None
    link_identity: bool | None = None

    def shown(self) -> ShownIdToken:
        """Return the token with what the request says about it."""
        return ShownIdToken(
            id_token=self.id_token,
            provider=self.provider,
            issuer=self.issuer,
            client_id=self.client_id,
            nonce=self.nonce,
            access_token=self.access_token,
        )


def name_in(metadata: Mapping[str, Any]) -> str:
    """Return the name that metadata gives its user, as the other APIs show it; empty if there is none."""
    for member in ("name", "full_name"):
        name = metadata.get(member)
        if isinstance(name, str) and name:
            return clean_name(name)
    return ""
