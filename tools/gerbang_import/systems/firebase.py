"""Firebase Authentication: `firebase auth:export`, JSON or CSV without a header.

Layout of the CSV file: https://firebase.google.com/docs/cli/auth#file_format
"""

from collections.abc import Iterator, Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.hashes import firebase_scrypt
from gerbang_import.systems.system import Context, InvalidConfig, NotAUser, System

_PARAMETERS: Final = {"base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"}
_CSV_PROVIDERS: Final = ("google", "facebook", "twitter", "github")
_LATER_PROVIDERS: Final = ("apple", "microsoft", "gc.apple", "playgames.google", "linkedin", "yahoo")
"""Those that firebase-tools 15 writes after the other columns (`src/accountExporter.ts`)."""
_OF_A_PROVIDER: Final = ("Id", "Email", "DisplayName", "PhotoUrl")


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    if record.get("email") is None and record.get("phoneNumber") is None:
        raise NotAUser("a guest")
    digest, salt = record.text("passwordHash"), record.text("salt")
    if digest and not context.hash_config.keys() >= _PARAMETERS:
        raise InvalidConfig(
            "The hashes need the project's parameters: in Firebase's console, open Authentication, Users, the menu, "
            "Password hash parameters, copy them into a file, and name it with HASH_CONFIG=."
        )
    return {
        "password_hash": firebase_scrypt(digest, salt, context.hash_config) if digest else None,
        "identities": list(_identities(record)),
    }


def _identities(record: Fields) -> Iterator[Mapping[str, object]]:
    for one in record.each("providerUserInfo"):
        yield {"provider": one.text("providerId"), "subject": one.get("rawId"), "email": one.get("email")}
    for provider in (*_CSV_PROVIDERS, *_LATER_PROVIDERS):
        if (subject := record.get(f"{_folded(provider)}Id")) is not None:
            yield {
                "provider": f"{provider}.com",
                "subject": subject,
                "email": record.get(f"{_folded(provider)}Email"),
            }


def _folded(provider: str) -> str:
    return provider.replace(".", "_")


SYSTEM: Final = System(
    title="Firebase Authentication",
    columns={
        "id": "localId",
        "email": "email",
        "email_verified": "emailVerified",
        "name": "displayName",
        "created_at": "createdAt",
        "last_sign_in_at": ("lastSignedInAt", "lastLoginAt"),
        "disabled": "disabled",
        "app_metadata": "customAttributes",
    },
    more=_more,
    positions=(
        *("localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl"),
        *(f"{provider}{what}" for provider in _CSV_PROVIDERS for what in _OF_A_PROVIDER),
        *("createdAt", "lastSignedInAt", "phoneNumber", "disabled", "customAttributes"),
        *(f"{_folded(provider)}{what}" for provider in _LATER_PROVIDERS for what in _OF_A_PROVIDER),
    ),
    leaves_out="guests, photos, phone numbers, second factors; users without an e-mail address are rejected",
)
