"""ASP.NET Identity: the tables `AspNetUsers` and `AspNetUserLogins`."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, System


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    return {
        "identities": [
            {"provider": one.text("LoginProvider"), "subject": one.get("ProviderKey"), "email": record.get("Email")}
            for one in context.of(record.text("Id"))
        ]
    }


SYSTEM: Final = System(
    title="ASP.NET Identity",
    columns={
        "id": "Id",
        "email": "Email",
        "password_hash": "PasswordHash",
        "username": "UserName",
        "email_verified": "EmailConfirmed",
        "banned_until": ("LockoutEnd", "LockoutEndDateUtc"),
    },
    more=_more,
    owner=lambda record: record.text("UserId"),
    needed=("Email", "PasswordHash"),
    leaves_out="roles, claims, phone numbers, authenticator keys; it has no names and times of creation",
)
