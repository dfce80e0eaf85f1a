"""Supabase: the tables `auth.users` and `auth.identities`, as PostgreSQL's COPY writes them."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, NotAUser, System
from gerbang_import.values import InvalidValue, boolean


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    if _is_yes(record.get("is_anonymous")):
        raise NotAUser("a guest")
    if record.get("deleted_at") is not None:
        raise NotAUser("a deleted user")
    return {
        "identities": [
            {
                "provider": one.text("provider"),
                "subject": one.get("provider_id", "identity_data.sub", "id"),
                "email": one.get("email", "identity_data.email"),
            }
            for one in (*context.of(record.text("id")), *record.each("identities"))
        ]
    }


def _is_yes(value: object) -> bool:
    try:
        return value is not None and boolean(value)
    except InvalidValue:
        return False


SYSTEM: Final = System(
    title="Supabase Auth",
    columns={
        "id": "id",
        "email": "email",
        "password_hash": "encrypted_password",
        "email_verified": "email_confirmed_at",
        "name": ("raw_user_meta_data.full_name", "raw_user_meta_data.name"),
        "created_at": "created_at",
        "last_sign_in_at": "last_sign_in_at",
        "banned_until": "banned_until",
        "user_metadata": "raw_user_meta_data",
        "app_metadata": "raw_app_meta_data",
    },
    more=_more,
    owner=lambda record: record.text("user_id"),
    needed=("email", "encrypted_password"),
    leaves_out="guests, deleted users, phone numbers, second factors, sessions",
)
