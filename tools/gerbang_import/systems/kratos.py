"""Ory Kratos: identities of its admin API, with their credentials."""

from collections.abc import Iterator, Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.hashes import phc
from gerbang_import.systems.system import Context, System


def _more(record: Fields, _context: Context) -> Mapping[str, object]:
    email = record.text("traits.email")
    addresses = {one.text("value"): one for one in record.each("verifiable_addresses")}
    address = addresses.get(email, Fields({}))
    names = (record.text("traits.name.first"), record.text("traits.name.last"))
    return {
        "email_verified": address.get("verified_at") or address.get("verified"),
        "name": " ".join(filter(None, names)) or record.get("traits.name"),
        "disabled": record.text("state") == "inactive",
        "password_hash": phc(record.text("credentials.password.config.hashed_password")),
        "identities": list(_identities(record, email)),
    }


def _identities(record: Fields, email: str) -> Iterator[Mapping[str, object]]:
    oidc = record.inner("credentials.oidc")
    providers = oidc.each("config.providers")
    for one in providers:
        yield {"provider": one.text("provider"), "subject": one.get("subject"), "email": email}
    for identifier in () if providers else oidc.texts("identifiers"):
        provider, _, subject = identifier.partition(":")
        yield {"provider": provider, "subject": subject, "email": email}


SYSTEM: Final = System(
    title="Ory Kratos",
    columns={
        "id": "id",
        "email": "traits.email",
        "username": "traits.username",
        "created_at": "created_at",
        "user_metadata": "metadata_public",
        "app_metadata": "metadata_admin",
    },
    more=_more,
    collection="identities",
    leaves_out="other traits, phone numbers, second factors, passkeys, sessions",
)
