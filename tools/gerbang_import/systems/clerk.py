"""Clerk: the dashboard's CSV, which has the hashes, or users of its API, which have the rest."""

import re
from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, System


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    others = context.of(record.text("id"))
    api = Fields({**(others[0].members if others else {}), **record.members})
    email = api.text("primary_email_address")
    verified = {one.lower() for one in re.split(r"[\s,;|]+", api.text("verified_email_addresses")) if one}
    primary = api.text("primary_email_address_id")
    for one in api.each("email_addresses"):
        if one.text("id") == primary:
            email = one.text("email_address")
        if one.text("verification.status") == "verified":
            verified.add(one.text("email_address").lower())
    return {
        "email": email,
        "email_verified": email.lower() in verified,
        "name": " ".join(filter(None, (api.text("first_name"), api.text("last_name")))),
        "username": api.get("username"),
        "created_at": api.get("created_at"),
        "last_sign_in_at": api.get("last_sign_in_at"),
        "disabled": api.get("banned"),
        "locale": api.get("locale"),
        "user_metadata": _merged(api, "unsafe_metadata", "public_metadata"),
        "app_metadata": _merged(api, "private_metadata"),
        "identities": [
            {
                "provider": one.text("provider"),
                "subject": one.get("provider_user_id", "google_id"),
                "email": one.get("email_address"),
            }
            for one in api.each("external_accounts")
        ],
    }


def _merged(record: Fields, *names: str) -> dict[str, object] | None:
    merged: dict[str, object] = {}
    for name in names:
        merged |= record.inner(name).members
    return merged or None


SYSTEM: Final = System(
    title="Clerk",
    columns={"id": "id", "password_hash": "password_digest"},
    more=_more,
    collection="data",
    owner=lambda record: record.text("id"),
    needed=("primary_email_address", "password_digest"),
    leaves_out="further addresses, phone numbers, second factors, organizations",
)
