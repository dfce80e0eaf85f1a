"""LDAP: people in LDIF, as `ldapsearch -LLL` and `slapcat` write them."""

from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, FileForm, NotAUser, System


def _more(record: Fields, _context: Context) -> Mapping[str, object]:
    text = record.text("userPassword")
    if not text and record.get("mail") is None:
        raise NotAUser("an entry with neither mail nor userPassword")
    names = (record.text("givenName"), record.text("sn"))
    return {
        "name": record.get("displayName") or " ".join(filter(None, names)) or record.get("cn"),
        "locale": record.text("preferredLanguage").partition(",")[0].partition(";")[0],
        "disabled": record.get("pwdAccountLockedTime") is not None,
    }


SYSTEM: Final = System(
    title="LDAP",
    columns={
        "id": "entryUUID",
        "email": "mail",
        "password_hash": "userPassword",
        "username": "uid",
        "created_at": "createTimestamp",
        "last_sign_in_at": "authTimestamp",
    },
    more=_more,
    form=FileForm.LDIF,
    leaves_out="groups, all other attributes; of several values, all but the first",
)
