"""Amazon Cognito: `aws cognito-idp list-users`, or the CSV of its import jobs. They have no password hashes."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, System


def _more(record: Fields, _context: Context) -> Mapping[str, object]:
    attributes = {one.text("Name"): one.get("Value") for one in record.each("Attributes")}
    known = Fields({**record.members, **attributes})
    names = " ".join(filter(None, (known.text("given_name"), known.text("family_name"))))
    username = known.text("Username", "cognito:username")
    subject = known.text("sub")
    return {
        "id": subject or None,
        "email": known.get("email"),
        "email_verified": known.get("email_verified"),
        "name": known.get("name") or names,
        "username": None if username == subject else username,
        "locale": known.get("locale"),
        "user_metadata": {
            name.removeprefix("custom:"): value for name, value in attributes.items() if name.startswith("custom:")
        }
        or None,
        "identities": [
            {"provider": one.text("providerName"), "subject": one.get("userId"), "email": known.get("email")}
            for one in known.each("identities")
        ],
    }


SYSTEM: Final = System(
    title="Amazon Cognito",
    columns={"created_at": "UserCreateDate", "enabled": "Enabled"},
    more=_more,
    collection="Users",
    has_hashes=False,
    leaves_out="passwords, groups, phone numbers, second factors",
)
