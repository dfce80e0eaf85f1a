"""SuperTokens: `emailpassword_users`, with `emailverification_verified_emails` and `thirdparty_users`."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, System


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    email = record.text("email")
    others = context.of(record.text("user_id"))
    own = {"provider": record.text("third_party_id"), "subject": record.get("third_party_user_id")}
    verified = [one for one in others if one.get("third_party_id") is None and one.text("email") == email]
    return {
        "email_verified": record.get("email_verified") or bool(verified),
        "identities": [
            {**one, "email": email}
            for one in (
                own,
                *(
                    {"provider": other.text("third_party_id"), "subject": other.get("third_party_user_id")}
                    for other in others
                ),
            )
            if one["provider"]
        ],
    }


SYSTEM: Final = System(
    title="SuperTokens",
    columns={
        "id": "user_id",
        "email": "email",
        "password_hash": "password_hash",
        "created_at": "time_joined",
    },
    more=_more,
    owner=lambda record: record.text("user_id"),
    needed=("email", "password_hash|third_party_id"),
    leaves_out="phone numbers, second factors, roles, metadata; it has no names",
)
