"""Django: `dumpdata auth.user` or the table `auth_user`, also of a custom user model; django-allauth's addresses."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, NotAUser, System
from gerbang_import.values import InvalidValue, boolean

_UNUSABLE: Final = "!"
"""The beginning of what `set_unusable_password` stores."""


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    text = record.text("fields.password", "password")
    if record.get("model") is not None and not text:
        raise NotAUser("a record of another model")
    names = (record.text("fields.first_name", "first_name"), record.text("fields.last_name", "last_name"))
    email = record.text("fields.email", "email").lower()
    addresses = context.of(record.text("pk", "id"))
    return {
        "password_hash": None if text.startswith(_UNUSABLE) else text,
        "name": " ".join(filter(None, names)) or record.get("fields.name", "name"),
        "email_verified": any(_verifies(one, email) for one in addresses) if addresses else None,
    }


def _verifies(address: Fields, email: str) -> bool:
    try:
        is_verified = boolean(address.text("fields.verified", "verified"))
    except InvalidValue:
        return False
    return is_verified and address.text("fields.email", "email").lower() == email


SYSTEM: Final = System(
    title="Django",
    columns={
        "id": ("pk", "id"),
        "email": ("fields.email", "email"),
        "username": ("fields.username", "username"),
        "created_at": ("fields.date_joined", "date_joined"),
        "last_sign_in_at": ("fields.last_login", "last_login"),
        "enabled": ("fields.is_active", "is_active"),
        "email_verified": ("fields.email_verified", "email_verified"),
    },
    more=_more,
    owner=lambda record: record.text("fields.user", "user_id"),
    needed=("email", "password"),
    leaves_out="is_staff, is_superuser, groups and permissions",
)
