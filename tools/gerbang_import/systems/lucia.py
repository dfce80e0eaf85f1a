"""Lucia: the user's table of version 3 with `password_hash`, or the tables `user` and `key` of version 2."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.hashes import hex_scrypt
from gerbang_import.systems.system import Context, System

_VERSION_2: Final = "s2:"
"""Before the salt of version 2's hashes; those before have r = 8."""


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    keys = context.of(record.text("id"))
    of_keys = next((text for one in keys if (text := one.text("hashed_password"))), "")
    of_user = record.text("password_hash", "hashed_password")
    if of_keys and not of_keys.startswith((_VERSION_2, "$")):
        hashed = hex_scrypt(of_keys, r=8)
    else:
        hashed = hex_scrypt((of_user or of_keys).removeprefix(_VERSION_2), r=16)
    names = [one.text("id").partition(":") for one in keys]
    return {
        "email": record.get("email") or next((name for kind, _, name in names if kind == "email"), None),
        "password_hash": hashed,
        "identities": [
            {"provider": kind, "subject": name, "email": record.get("email")}
            for kind, _, name in names
            if kind not in {"email", "username"}
        ],
    }


SYSTEM: Final = System(
    title="Lucia",
    columns={
        "id": "id",
        "username": "username",
        "name": "name",
        "email_verified": "email_verified",
        "created_at": "created_at",
        "google_id": "google_id",
    },
    more=_more,
    owner=lambda record: record.text("user_id"),
    leaves_out="columns of your own, sessions",
)
