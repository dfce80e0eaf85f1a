"""The request bodies of Supabase Auth's endpoints for administrators."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any, Final, Self, override

from pydantic import AfterValidator
from pydantic.functional_validators import PlainValidator
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from gerbang.accounts.user_creation import NewUser
from gerbang.accounts.user_edit import UserEdit
from gerbang.apis.fields import Body, Email, Text, as_name
from gerbang.apis.gotrue.durations import InvalidDuration, parse_duration
from gerbang.apis.gotrue.path_ids import id_of
from gerbang.apis.gotrue.requests import NewPasswordBody, PhoneProviderDisabled, name_in
from gerbang.apis.gotrue.responses import AUTHENTICATED
from gerbang.core.errors import FieldError
from gerbang.http.request import InvalidFields
from gerbang.passwords.legacy import LegacyHashError
from gerbang.storage.metadata import MetadataTooLarge, merge

AUDIENCE: Final = "audience"
"""The member of the validation context that holds the deployment's audience."""

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 200
"""Users on a page. Lambda answers with 6 MB at most, and each user has up to 10 KiB of metadata."""

LARGEST_NUMBER: Final = 1_000_000
"""The largest number of a page, and of users on a page."""

_GENERATED: Final = frozenset({"provider", "providers"})
"""Members of `app_metadata` that are not stored, but made from the account's identities."""


def _ban(value: object) -> timedelta:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return timedelta() if value == "none" else parse_duration(value)
    except InvalidDuration:
        raise PydanticCustomError("ban_duration", "Must be none, or a duration such as 24h or 1h30m") from None


def _user_id(text: str) -> str:
    user_id = id_of(text)
    if user_id is None:
        raise PydanticCustomError("uuid", "Must be a UUID")
    return user_id


type BanDuration = Annotated[timedelta, PlainValidator(_ban), WithJsonSchema({"type": "string"})]
"""How long an account is banned. A duration of zero (`none`) ends a ban."""

type UserId = Annotated[str, AfterValidator(_user_id), WithJsonSchema({"type": "string", "format": "uuid"})]
"""An account's id, in lower case."""


class _AdminUserRequest(Body):
    """The members that bodies for creating and changing an account share."""

    email: Email | None = None
    phone: Text | None = None
    password: Text | None = None
    password_hash: Text | None = None
    email_confirm: bool = False
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    role: Annotated[Text, WithJsonSchema({"type": "string", "enum": [AUTHENTICATED]})] | None = None
    aud: Text | None = None
    ban_duration: BanDuration | None = None
    id: UserId | None = None

    @classmethod
    @override
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Self:
        """Return the body as this model.

        Raises:
            InvalidFields: fields are missing or invalid, or do not go together.
            PhoneProviderDisabled: the body has a phone number.
        """
        request = super().read(body, context)
        if request.phone is not None:
            raise PhoneProviderDisabled
        errors = tuple(request.conflicts(context[AUDIENCE]))
        if errors:
            raise InvalidFields(errors)
        return request

    @property
    def stored_app_metadata(self) -> dict[str, Any] | None:
        """The operator's metadata, without the members that are not stored."""
        if self.app_metadata is None:
            return None
        return {name: value for name, value in self.app_metadata.items() if name not in _GENERATED}

    def conflicts(self, audience: str) -> Iterator[FieldError]:
        """Yield what is wrong with the combination of fields, or in a deployment with this audience."""
        if self.role not in {None, AUTHENTICATED}:
            yield FieldError("role", f"Every user's role is {AUTHENTICATED}")
        if self.aud not in {None, audience}:
            yield FieldError("aud", f"Every user's audience is {audience}")


class CreateUserRequest(_AdminUserRequest):
    """`POST /auth/v1/admin/users`."""

    @override
    def conflicts(self, audience: str) -> Iterator[FieldError]:
        yield from super().conflicts(audience)
        if self.email is None:
            yield FieldError("email", "Field required")
        if self.password is not None and self.password_hash is not None:
            yield FieldError("password_hash", "Send either password or password_hash")

    def new_user(self) -> NewUser:
        """Return the account that is asked for."""
        if self.email is None:
            raise InvalidFields((FieldError("email", "Field required"),))
        metadata = merge({}, self.user_metadata or {})
        return NewUser(
            email=self.email,
            is_verified=self.email_confirm,
            name=name_in(metadata),
            user_id=self.id,
            password=self.password,
            inherited_hash=self.password_hash,
            user_metadata=metadata,
            app_metadata=merge({}, self.stored_app_metadata or {}),
            ban=self.ban_duration,
        )


class EditUserRequest(NewPasswordBody, _AdminUserRequest):
    """`PUT /auth/v1/admin/users/{user_id}`."""

    @override
    def conflicts(self, audience: str) -> Iterator[FieldError]:
        yield from super().conflicts(audience)
        if self.password_hash is not None:
            yield FieldError("password_hash", "Can be set only when the user is created. Send password")

    def edit(self, user_id: str) -> UserEdit:
        """Return the changes that are asked for of an account.

        Raises:
            InvalidFields: the body names another account.
        """
        if self.id not in {None, user_id}:
            raise InvalidFields((FieldError("id", "Cannot be changed"),))
        data = self.user_metadata or {}
        return UserEdit(
            email=self.email,
            verifies_email=self.email_confirm,
            password=self.password,
            user_metadata=self.user_metadata,
            app_metadata=self.stored_app_metadata,
            name="" if "name" in data and data["name"] is None else as_name(data.get("name")),
            ban=self.ban_duration,
        )


class DeleteUserRequest(Body):
    """`DELETE /auth/v1/admin/users/{user_id}`."""

    should_soft_delete: Annotated[bool, WithJsonSchema({"type": "boolean", "const": False})] = False

    @classmethod
    @override
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Self:
        """Return the body as this model.

        Raises:
            InvalidFields: a field is invalid, or asks to keep a part of the account.
        """
        request = super().read(body, context)
        if request.should_soft_delete:
            raise InvalidFields((FieldError("should_soft_delete", "Users are deleted for good. Send false, or ban"),))
        return request


class ListQuery:
    """The query of `GET /auth/v1/admin/users`. Clients send empty parameters for those that are not given."""

    def __init__(self, query: Mapping[str, str]) -> None:
        """Read the query.

        Raises:
            InvalidFields: a number is not one.
        """
        errors: list[FieldError] = []
        self.page: Final = _number(query, "page", 1, errors)
        self.per_page: Final = min(_number(query, "per_page", DEFAULT_PAGE, errors), LARGEST_PAGE)
        self.filter: Final = query.get("filter", "")
        if errors:
            raise InvalidFields(tuple(errors))


def _number(query: Mapping[str, str], name: str, default: int, errors: list[FieldError]) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_NUMBER)):
        number = int(text)
        if 1 <= number <= LARGEST_NUMBER:
            return number
    errors.append(FieldError(name, f"Must be a number from 1 to {LARGEST_NUMBER}"))
    return default


@contextmanager
def naming_fields() -> Iterator[None]:
    """Report errors inside the block by the field that they are about.

    Raises:
        InvalidFields: metadata is too large, or the hash of a password is not accepted.
    """
    try:
        yield
    except MetadataTooLarge as error:
        message = f"Must be at most {error.largest // 1024} KiB of JSON"
        raise InvalidFields((FieldError(error.attribute, message),)) from None
    except LegacyHashError as error:
        raise InvalidFields((FieldError("password_hash", f"{error}"),)) from None
