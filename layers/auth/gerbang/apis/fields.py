"""The base class and the field types of request bodies, for all APIs."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Self
from unicodedata import category, normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError, ValidationInfo
from pydantic.functional_validators import PlainValidator
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from gerbang.core.emails import EmailAddress, InvalidEmail
from gerbang.core.errors import FieldError
from gerbang.http.request import InvalidFields
from gerbang.passwords.policy import PasswordPolicy, Requirement, UnacceptablePassword

LONGEST_NAME: Final = 200
"""Characters of a person's or an organization's name."""

PASSWORD_POLICY: Final = "password_policy"  # noqa: S105 - the name of a validation context's member
"""The member of the validation context that holds the deployment's rules for new passwords."""

_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that a name must not contain: controls, surrogates, line and paragraph separators."""

_BLANKS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are invisible: Hangul fillers and the blank Braille pattern."""


class Body(BaseModel):
    """A request body: types are not converted, unknown members are dropped (ASVS 15.3.3, 15.3.5)."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True, defer_build=True)

    @classmethod
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Self:
        """Return the body as this model. An optional member that is null or empty text was not given.

        Raises:
            InvalidFields: with every field that is missing or invalid.
        """
        optional = {field.alias or name for name, field in cls.model_fields.items() if not field.is_required()}
        given = {name: value for name, value in body.items() if name not in optional or value not in (None, "")}
        try:
            return cls.model_validate(given, context=dict(context))
        except ValidationError as error:
            raise _invalid_fields(error) from None

    @classmethod
    def prepare(cls) -> None:
        """Build the validator, which pydantic otherwise builds at the first `read`."""
        cls.model_rebuild()


def _invalid_fields(error: ValidationError) -> InvalidFields:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    fields = tuple(FieldError(".".join(map(str, detail["loc"])), detail["msg"]) for detail in details)
    codes = {detail["type"] for detail in details}
    for code in (UnacceptablePassword.code, InvalidEmail.code):
        if codes == {code}:
            return InvalidFields(fields, code)
    return InvalidFields(fields)


type Text = Annotated[str, StringConstraints(min_length=1)]
"""Text that is not empty."""


def is_visible(text: str) -> bool:
    """Return whether a text has a visible character."""
    return any(category(character)[0] not in "CMZ" and character not in _BLANKS for character in text)


def clean_name(text: str) -> str:
    """Return an identity provider's name as we accept it: printable, NFC, trimmed, cut; empty if nothing is left."""
    printable = "".join(character for character in text if category(character) not in _UNPRINTABLE)
    name = normalize("NFC", printable).strip()[:LONGEST_NAME].rstrip()
    return name if is_visible(name) else ""


def _name(text: str) -> str:
    if any(category(character) in _UNPRINTABLE for character in text):
        raise PydanticCustomError("unprintable", "Must not contain control characters")
    if not is_visible(text):
        raise PydanticCustomError("invisible", "Must contain at least one visible character")
    return normalize("NFC", text)


def as_name(value: object) -> str | None:
    """Return a value from metadata as a person's name, None if it cannot be one."""
    text = value.strip() if isinstance(value, str) else ""
    is_name = len(text) <= LONGEST_NAME and is_visible(text) and _UNPRINTABLE.isdisjoint(map(category, text))
    return normalize("NFC", text) if is_name else None


type Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME), AfterValidator(_name)
]
"""A name: 1 to 200 characters, at least one of them visible, no control characters; trimmed, in NFC."""

_USERNAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,30}")
_USERNAME_SCHEMA: Final = {"type": "string", "pattern": rf"^\s*{_USERNAME.pattern}\s*$"}


def is_username(text: str) -> bool:
    """Return whether a text may be a user name: 3 to 30 of letters, digits, `_`, `.`, `-`."""
    return _USERNAME.fullmatch(text) is not None


def _username(text: str) -> str:
    if not is_username(text):
        raise PydanticCustomError("username", "Must be 3 to 30 of the letters a to z, digits, _, . and -")
    return text


type Username = Annotated[
    str, StringConstraints(strip_whitespace=True), AfterValidator(_username), WithJsonSchema(_USERNAME_SCHEMA)
]
"""A user name; unique without regard to case, kept as typed."""


def _email(value: object) -> EmailAddress:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return EmailAddress(value)
    except InvalidEmail:
        raise PydanticCustomError(InvalidEmail.code, "The email address is not valid") from None


type Email = Annotated[
    EmailAddress, PlainValidator(_email), WithJsonSchema({"type": "string", "format": "email", "maxLength": 254})
]
"""An e-mail address."""


def new_password(*requirements: Requirement) -> Callable[[str, ValidationInfo], str]:
    """Return the validator of a new password, by the deployment's policy and an API's own *requirements*.

    The password must be the last field of its model: it must not consist of the personal data in the fields before it.
    """

    def validate(password: str, info: ValidationInfo) -> str:
        policy: PasswordPolicy = (info.context or {})[PASSWORD_POLICY]
        try:
            policy.asking_for(*requirements).check(password, about=_texts(info.data))
        except UnacceptablePassword as error:
            raise PydanticCustomError(UnacceptablePassword.code, "{reason}", {"reason": error.reason}) from None
        return password

    return validate


def _texts(fields: Mapping[str, Any]) -> Iterator[str]:
    for name in ("email", "username", "name"):
        value = fields.get(name)
        if value is not None:
            yield value
