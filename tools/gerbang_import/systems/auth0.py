"""Auth0: users of an export job (JSON Lines), the password hashes that its support sends, both, or an import file."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.hashes import auth0, phc
from gerbang_import.systems.system import Context, System

_DATABASE: Final = "auth0"


def _user_id(record: Fields) -> str:
    """Return `auth0|…` for a record of the hashes, which has MongoDB's `_id`, as for one of the users."""
    inner = record.text("_id.$oid", "_id")
    return f"{_DATABASE}|{inner}" if inner else record.text("user_id", "Id")


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    user_id = _user_id(record)
    rows = (record, *context.of(user_id))
    custom = next((one for row in rows if (one := row.inner("custom_password_hash")).members), None)
    plain = next((text for row in rows if (text := row.text("passwordHash", "password_hash"))), "")
    return {
        "id": user_id,
        "password_hash": auth0(custom) if custom else phc(plain),
        "identities": [
            {
                "provider": one.text("provider"),
                "subject": one.get("user_id"),
                "email": one.get("profileData.email") or record.get("email"),
            }
            for one in record.each("identities")
            if one.text("provider") != _DATABASE
        ],
    }


SYSTEM: Final = System(
    title="Auth0",
    columns={
        "email": "email",
        "email_verified": "email_verified",
        "name": ("name", "nickname"),
        "username": "username",
        "created_at": "created_at",
        "last_sign_in_at": "last_login",
        "disabled": "blocked",
        "locale": "locale",
        "user_metadata": "user_metadata",
        "app_metadata": "app_metadata",
    },
    more=_more,
    owner=_user_id,
    leaves_out="pictures, phone numbers, second factors, organizations, roles",
)
