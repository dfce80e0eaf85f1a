"""Keycloak: the realm's JSON, exported with its users."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.hashes import decoded, encoded, pbkdf2, whole
from gerbang_import.systems.system import Context, InvalidHash, NotAUser, System

_PBKDF2: Final = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}


def _more(record: Fields, _context: Context) -> Mapping[str, object]:
    if record.get("serviceAccountClientId") is not None:
        raise NotAUser("a service account")
    passwords = [one for one in record.each("credentials") if one.text("type") == "password"]
    return {
        "name": " ".join(filter(None, (record.text("firstName"), record.text("lastName")))),
        "password_hash": _hash(passwords[0]) if passwords else None,
        "user_metadata": record.inner("attributes").members or None,
        "identities": [
            {"provider": one.text("identityProvider"), "subject": one.get("userId"), "email": record.get("email")}
            for one in record.each("federatedIdentities")
        ],
    }


def _hash(credential: Fields) -> str:
    algorithm, iterations = (
        credential.text("credentialData.algorithm"),
        credential.text("credentialData.hashIterations"),
    )
    salt, digest = (decoded(credential.text(f"secretData.{part}")) for part in ("salt", "value"))
    if algorithm in _PBKDF2:
        return pbkdf2(_PBKDF2[algorithm], iterations=iterations, salt=salt, digest=digest)
    if algorithm != "argon2":
        raise InvalidHash("is of an algorithm that is not read")
    more = credential.inner("credentialData.additionalParameters")
    kind, memory, lanes = (more.text(name) for name in ("type", "memory", "parallelism"))
    costs = f"m={whole(memory, 'memory')},t={whole(iterations, 'number of passes')},p={whole(lanes, 'lanes')}"
    return f"$argon2{kind}$v=19${costs}${encoded(salt)}${encoded(digest)}"


SYSTEM: Final = System(
    title="Keycloak",
    columns={
        "id": "id",
        "email": "email",
        "email_verified": "emailVerified",
        "username": "username",
        "created_at": "createdTimestamp",
        "enabled": "enabled",
        "locale": "attributes.locale",
    },
    more=_more,
    leaves_out="service accounts, roles, groups, second factors, required actions",
)
