"""`/etc/shadow`: user names and hashes; the addresses are the names at a domain."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, FileForm, NotAUser, System

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    name, text = record.text("name"), record.text("hash")
    hashed = text.lstrip("!*")  # `!` before a hash locks it (passwd(1)); without one there is no password
    if not hashed:
        raise NotAUser("an account without a password")
    expires = record.text("expires")
    is_expired = expires.isdecimal() and _EPOCH + timedelta(days=int(expires)) <= context.now
    return {
        "email": f"{name}@{context.domain}",
        "password_hash": hashed,
        "disabled": text != hashed or is_expired,
    }


SYSTEM: Final = System(
    title="/etc/shadow",
    columns={"username": "name"},
    more=_more,
    form=FileForm.SHADOW,
    leaves_out="accounts without a password, ages of passwords; it has no names",
)
