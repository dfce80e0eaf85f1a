"""The request bodies of Supabase Auth's API."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, override

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from gerbang.accounts.id_tokens import ShownIdToken
from gerbang.apis.fields import Body, Email, Text, clean_name
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, FieldError
from gerbang.http.request import InvalidFields
from gerbang.storage.metadata import LARGEST_USER_METADATA, size_of
from gerbang.storage.one_time_codes import Slot


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


_PHONE_TYPES: Final = ("sms", "phone_change")

_SLOTS: Final[Mapping[str, tuple[Slot, ...]]] = {
    "signup": (Slot.EMAIL,),
    "invite": (Slot.EMAIL,),
    "magiclink": (Slot.RECOVERY,),
    "recovery": (Slot.RECOVERY,),
    "email": (Slot.EMAIL, Slot.RECOVERY),
}
"""The slots in which a code of a type is looked for."""


class NotAdmin(AuthError):
    """A user asked for what is an administrator's to do."""

    code = "not_admin"


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


class RecoverRequest(Body):
    """`POST /auth/v1/recover`."""

    email: Email


class OtpRequest(EmailOrPhone):
    """`POST /auth/v1/otp`."""

    create_user: bool = True
    data: Metadata | None = None
    channel: str | None = None

    @override
    def address(self) -> EmailAddress:
        """Return the address.

        Raises:
            InvalidFields: as `EmailOrPhone.address`; or an address comes with a channel, which only phones have.
            PhoneProviderDisabled: there is a phone number or a channel.
        """
        if self.channel is None:
            return super().address()
        if self.email is None:
            raise PhoneProviderDisabled
        raise InvalidFields((FieldError("channel", "Send it with phone only"),))


class ResendRequest(EmailOrPhone):
    """`POST /auth/v1/resend`."""

    type: Literal["signup", "email_change", "sms", "phone_change"]

    @override
    def address(self) -> EmailAddress:
        """Return the address.

        Raises:
            InvalidFields: as `EmailOrPhone.address`.
            PhoneProviderDisabled: there is a phone number, or the type is for one.
        """
        if self.type in _PHONE_TYPES:
            raise PhoneProviderDisabled
        return super().address()


class VerifyRequest(EmailOrPhone):
    """`POST /auth/v1/verify`."""

    type: Literal["signup", "invite", "magiclink", "recovery", "email", "email_change", "sms", "phone_change"]
    token: str | None = None
    token_hash: str | None = None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots in which the code is looked for; none for the change of an address."""
        return _SLOTS.get(self.type, ())

    def address_and_code(self) -> tuple[EmailAddress, str] | None:
        """Return the address and the code that was mailed to it; None if there is the `token_hash` of a link instead.

        Raises:
            InvalidFields: as `EmailOrPhone.address`; or there are both or neither of code and `token_hash`, or an
                address with a `token_hash`.
            PhoneProviderDisabled: there is a phone number, or the type is for one.
        """
        if (self.token is None) == (self.token_hash is None):
            raise InvalidFields((FieldError("token", "Send either token or token_hash"),))
        if self.token is None and (self.email is not None or self.phone is not None):
            raise InvalidFields((FieldError("token_hash", "Send it without email and phone"),))
        if self.type in _PHONE_TYPES:
            raise PhoneProviderDisabled
        return None if self.token is None else (self.address(), self.token)


def name_in(metadata: Mapping[str, Any]) -> str:
    """Return the name that metadata gives its user, as the other APIs show it; empty if there is none."""
    for member in ("name", "full_name"):
        name = metadata.get(member)
        if isinstance(name, str) and name:
            return clean_name(name)
    return ""


class UserRequest(Body):
    """`PUT /auth/v1/user`."""

    email: Email | None = None
    phone: Text | None = None
    password: Text | None = None
    data: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
