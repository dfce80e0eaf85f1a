"""FusionAuth: users in the form of its import API, or the tables `users` and `identities`."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.hashes import decoded, pbkdf2, whole
from gerbang_import.systems.system import Context, InvalidHash, System

_PBKDF2: Final = {"salted-pbkdf2-hmac-sha256": "sha256", "salted-pbkdf2-hmac-sha512": "sha512"}


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    others = context.of(record.text("id"))
    login = next((one for one in others if one.get("password") is not None), record)
    names = (record.text("firstName"), record.text("lastName"))
    return {
        "email": login.get("email") or record.get("email"),
        "email_verified": login.get("verified"),
        "username": login.get("username"),
        "name": record.get("fullName") or " ".join(filter(None, names)),
        "password_hash": _hash(login) if login.get("password") is not None else None,
        "locale": next(iter(record.texts("preferredLanguages")), None),
    }


def _hash(login: Fields) -> str:
    """Return the hash; its schemes: https://fusionauth.io/docs/reference/password-hashes."""
    scheme, text, salt, factor = (login.text(name) for name in ("encryptionScheme", "password", "salt", "factor"))
    if scheme == "bcrypt":
        return text if text.startswith("$") else f"$2a${whole(factor, 'factor'):02}${salt}{text}"
    name = scheme.removesuffix("-512")  # a longer key of the same function
    if name not in _PBKDF2:
        raise InvalidHash("is of an encryption scheme that is not read")
    return pbkdf2(_PBKDF2[name], iterations=factor, salt=decoded(salt), digest=decoded(text))


SYSTEM: Final = System(
    title="FusionAuth",
    columns={
        "id": "id",
        "created_at": "insertInstant",
        "last_sign_in_at": "lastLoginInstant",
        "enabled": "active",
        "user_metadata": "data",
    },
    more=_more,
    owner=lambda record: record.text("users_id"),
    leaves_out="registrations, roles, groups, second factors; schemes other than bcrypt and PBKDF2 are rejected",
)
