"""The generic form, which also takes what products on Gerbang's APIs call things."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, System


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    organization = record.get("organization_id", "organization.id")
    identities = [one.members for one in context.of(record.text("id"))]
    return {
        "organization_role": record.get("organization_role", "organization.role", "role") if organization else None,
        **({"identities": identities} if identities else {}),
    }


SYSTEM: Final = System(
    title="any system",
    columns={
        "email": "email",
        "password_hash": "password_hash",
        "password_salt": "password_salt",
        "name": ("name", "full_name"),
        "username": "username",
        "id": "id",
        "number": "number",
        "created_at": "created_at",
        "last_sign_in_at": ("last_sign_in_at", "last_login_at", "last_login"),
        "email_verified": ("email_verified", "email_verified_at", "email_confirmed_at", "confirmed_at"),
        "disabled": ("disabled", "disabled_at", "banned"),
        "enabled": ("enabled", "is_active"),
        "banned_until": "banned_until",
        "locale": "locale",
        "role_id": "role_id",
        "credit_balance": "credit_balance",
        "user_metadata": ("user_metadata", "raw_user_meta_data"),
        "app_metadata": ("app_metadata", "raw_app_meta_data"),
        "identities": "identities",
        "google_id": ("google_id", "google_sub", "google_subject"),
        "organization_id": ("organization_id", "organization.id"),
        "organization_name": ("organization_name", "organization.name"),
    },
    more=_more,
    owner=lambda record: record.text("user_id"),
    needed=("email",),
    rejects_unknown_hash_columns=True,
    leaves_out="all other columns",
)
