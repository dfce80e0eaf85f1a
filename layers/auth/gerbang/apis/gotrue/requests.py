"""The request bodies of Supabase Auth's API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, Self, override

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from gerbang.accounts.id_tokens import ShownIdToken
from gerbang.apis.fields import PASSWORD_POLICY, Body, Email, Text, as_name, clean_name
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, FieldError
from gerbang.http.request import InvalidFields
from gerbang.passwords.policy import PasswordPolicy, UnacceptablePassword
from gerbang.sessions.pkce import CHALLENGE, ChallengeMethod, CodeChallenge
from gerbang.storage.metadata import LARGEST_USER_METADATA, MetadataTooLarge, merge, size_of
from gerbang.storage.one_time_codes import EMAIL_CHANGES, Slot


class UnsupportedGrantType(AuthError):
    """The token endpoint does not support this `grant_type`."""

    code = "unsupported_grant_type"


class PhoneProviderDisabled(AuthError):
    """The request is about a phone number, and no text messages are sent here."""

    code = "phone_provider_disabled"


def _user_metadata(data: dict[str, Any]) -> dict[str, object]:
    """Return metadata as it is stored: members that are null are left out."""
    metadata = merge({}, data)
    if size_of(metadata) > LARGEST_USER_METADATA:
        raise PydanticCustomError("too_large", "Must be at most 8 KiB of JSON")
    return metadata


@contextmanager
def naming_data() -> Iterator[None]:
    """Report metadata that is too large as an error of the field `data`.

    Raises:
        InvalidFields: `data` makes the account's metadata too large.
    """
    try:
        yield
    except MetadataTooLarge:
        raise InvalidFields((FieldError("data", "All metadata together must be at most 8 KiB of JSON"),)) from None


type UserMetadata = Annotated[dict[str, Any], AfterValidator(_user_metadata)]
"""What the owner of an account stores with it: an object of at most 8 KiB."""

type Challenge = Annotated[str, StringConstraints(pattern=rf"^{CHALLENGE.pattern}$")]
"""A challenge of PKCE (RFC 7636, section 4.2)."""

type ChallengeMethodName = Annotated[str, StringConstraints(pattern=r"^(?:[sS]256|[pP][lL][aA][iI][nN])$")]
"""How the challenge was made, in any case of letters."""

_PHONE_TYPES: Final = ("sms", "phone_change")

_REQUIRED: Final = FieldError("email", "Field required")

SLOTS: Final[Mapping[str, tuple[Slot, ...]]] = {
    "signup": (Slot.EMAIL,),
    "invite": (Slot.EMAIL,),
    "magiclink": (Slot.RECOVERY,),
    "recovery": (Slot.RECOVERY,),
    "email": (Slot.EMAIL, Slot.RECOVERY),
    "email_change": EMAIL_CHANGES,
}
"""The slots in which a code of each type is looked up."""


class NotAdmin(AuthError):
    """A user asked for something that only an administrator may do."""

    code = "not_admin"


class RefreshRequest(Body):
    """`POST /auth/v1/token?grant_type=refresh_token`."""

    refresh_token: Text


class _LinkedRequest(Body):
    """A body that asks for a mail with a link. Clients that use PKCE send a challenge."""

    code_challenge: Challenge | None = None
    code_challenge_method: ChallengeMethodName | None = None

    @property
    def challenge(self) -> CodeChallenge | None:
        """The client's challenge, None if it uses no PKCE.

        Raises:
            InvalidFields: there is a challenge without a method, or a method without a challenge.
        """
        value, method = self.code_challenge, self.code_challenge_method
        if value is None and method is None:
            return None
        if value is None or method is None:
            missing = "code_challenge" if value is None else "code_challenge_method"
            raise InvalidFields((FieldError(missing, "Send code_challenge and code_challenge_method together"),))
        return CodeChallenge(value, ChallengeMethod(method.lower()))


class NewPasswordBody(Body):
    """A body with a new password. If other fields are invalid, a weak password is reported along with them.

    If no other field is invalid, the password is checked after the body is read: then `UnacceptablePassword` gives
    clients the reasons.
    """

    @classmethod
    @override
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Self:
        """Return the body as this model.

        Raises:
            InvalidFields: fields are missing or invalid; a weak password is among them.
        """
        try:
            return super().read(body, context)
        except InvalidFields as error:
            weak = tuple(_weak_password(body, context[PASSWORD_POLICY]))
            if not weak:
                raise
            raise InvalidFields((*error.field_errors, *weak)) from None


def _weak_password(body: Mapping[str, Any], policy: PasswordPolicy) -> Iterator[FieldError]:
    """Yield what is wrong with the password in a body that could not be read as a model."""
    password, email, data = body.get("password"), body.get("email"), body.get("data")
    if not isinstance(password, str) or not password:
        return
    about = (email if isinstance(email, str) else None, name_in(data) if isinstance(data, dict) else None)
    try:
        policy.check(password, about=about)
    except UnacceptablePassword as error:
        yield from error.field_errors


class RecoverRequest(_LinkedRequest):
    """`POST /auth/v1/recover`."""

    email: Email


class PkceRequest(Body):
    """`POST /auth/v1/token?grant_type=pkce`."""

    auth_code: Text
    code_verifier: Text


class AddressedRequest(Body):
    """A body about an e-mail address. Clients may send a phone number instead, which is not supported."""

    email: Email | None = None
    phone: Text | None = None

    @classmethod
    @override
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Self:
        """Return the body as this model.

        Raises:
            InvalidFields: fields are missing or invalid, or do not go together.
            PhoneProviderDisabled: the body is about a phone number.
        """
        request = super().read(body, context)
        errors = request.conflicts()
        if errors:
            raise InvalidFields(tuple(errors))
        if request.is_about_phone:
            raise PhoneProviderDisabled
        return request

    @property
    def address(self) -> EmailAddress:
        """The e-mail address. Only a body with a `token_hash` can be without one."""
        if self.email is None:
            raise InvalidFields((_REQUIRED,))
        return self.email

    @property
    def is_about_phone(self) -> bool:
        """Whether the body is about a phone number."""
        return self.phone is not None

    def conflicts(self) -> list[FieldError]:
        """Return what is wrong with the combination of fields."""
        if self.email is not None and self.phone is not None:
            return [FieldError("phone", "Send either email or phone")]
        if self.email is None and not self.is_about_phone:
            return [_REQUIRED]
        return []


class _NewUserRequest(AddressedRequest, _LinkedRequest):
    """A body that may create an account, with the account's metadata."""

    data: UserMetadata = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name in the metadata, empty if there is none that we accept."""
        return name_in(self.data)


class SignUpRequest(NewPasswordBody, _NewUserRequest):
    """`POST /auth/v1/signup` with an e-mail address."""

    password: Text


class AnonymousRequest(Body):
    """`POST /auth/v1/signup` without an address."""

    data: UserMetadata = Field(default_factory=dict)


class PasswordRequest(AddressedRequest):
    """`POST /auth/v1/token?grant_type=password`."""

    password: Text


class OtpRequest(_NewUserRequest):
    """`POST /auth/v1/otp`."""

    create_user: bool = True
    channel: Text | None = None

    @property
    @override
    def is_about_phone(self) -> bool:
        return self.phone is not None or self.channel is not None

    @override
    def conflicts(self) -> list[FieldError]:
        if self.email is not None and self.channel is not None:
            return [FieldError("channel", "Send channel with phone only")]
        return super().conflicts()


class ResendRequest(AddressedRequest):
    """`POST /auth/v1/resend`."""

    type: Literal["signup", "email_change", "sms", "phone_change"]

    @property
    @override
    def is_about_phone(self) -> bool:
        return self.phone is not None or self.type in _PHONE_TYPES


class VerifyRequest(AddressedRequest):
    """`POST /auth/v1/verify`."""

    type: Literal["signup", "invite", "magiclink", "recovery", "email", "email_change", "sms", "phone_change"]
    token: Text | None = None
    token_hash: Text | None = None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots in which the code is looked up."""
        return SLOTS.get(self.type, ())

    @property
    @override
    def is_about_phone(self) -> bool:
        return self.phone is not None or self.type in _PHONE_TYPES

    @override
    def conflicts(self) -> list[FieldError]:
        if (self.token is None) == (self.token_hash is None):
            return [FieldError("token", "Send either token or token_hash")]
        if self.token_hash is None:
            return super().conflicts()
        if self.email is not None or self.phone is not None:
            return [FieldError("token_hash", "Send it without email and phone")]
        return []


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
        """Return the token with the other members of the request."""
        return ShownIdToken(
            id_token=self.id_token,
            provider=self.provider,
            issuer=self.issuer,
            client_id=self.client_id,
            nonce=self.nonce,
            access_token=self.access_token,
        )


def name_in(metadata: Mapping[str, Any]) -> str:
    """Return the user's name in metadata, as the other APIs show it; empty if there is none."""
    for member in ("name", "full_name"):
        name = metadata.get(member)
        if isinstance(name, str) and name:
            return clean_name(name)
    return ""


class UserRequest(NewPasswordBody, _LinkedRequest):
    """`PUT /auth/v1/user`."""

    email: Email | None = None
    phone: Text | None = None
    password: Text | None = None
    nonce: Text | None = None
    current_password: Text | None = None
    data: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None

    @property
    def name(self) -> str | None:
        """The account's new name, from the metadata; empty: it is removed; None: it does not change."""
        data = self.data or {}
        return "" if "name" in data and data["name"] is None else as_name(data.get("name"))
