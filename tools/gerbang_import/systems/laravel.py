"""Laravel: the table `users`."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, NotAUser, System


def _more(record: Fields, _context: Context) -> Mapping[str, object]:
    if record.get("deleted_at") is not None:
        raise NotAUser("a deleted user")
    return {}


SYSTEM: Final = System(
    title="Laravel",
    columns={
        "id": "id",
        "email": "email",
        "password_hash": "password",
        "name": "name",
        "username": "username",
        "email_verified": "email_verified_at",
        "created_at": "created_at",
        "locale": "locale",
        "google_id": "google_id",
    },
    more=_more,
    needed=("email", "password"),
    leaves_out="deleted users, remember_token, two-factor secrets, teams",
)
