"""Better Auth: the tables `user` and `account`, which has the hashes and the providers' identities."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.hashes import hex_scrypt
from gerbang_import.systems.system import Context, System

_R: Final = 16
"""scrypt's block size (better-auth, `packages/better-auth/src/crypto/password.ts`)."""


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    accounts = context.of(record.text("id"))
    hashes = [one.text("password") for one in accounts if one.text("providerId") == "credential"]
    return {
        "password_hash": hex_scrypt(next(filter(None, hashes), ""), r=_R),
        "disabled": None if record.get("banExpires") else record.get("banned"),
        "identities": [
            {"provider": one.text("providerId"), "subject": one.get("accountId"), "email": record.get("email")}
            for one in accounts
            if one.text("providerId") != "credential"
        ],
    }


SYSTEM: Final = System(
    title="Better Auth",
    columns={
        "id": "id",
        "email": "email",
        "email_verified": "emailVerified",
        "name": "name",
        "username": "username",
        "created_at": "createdAt",
        "banned_until": "banExpires",
    },
    more=_more,
    owner=lambda record: record.text("userId"),
    needed=("email",),
    leaves_out="images, roles, second factors, organizations, sessions",
)
