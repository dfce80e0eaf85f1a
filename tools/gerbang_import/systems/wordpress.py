"""WordPress: the table `wp_users`, as CSV or as `mysql --batch` writes it."""

import re
from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, NotAUser, System


def _more(record: Fields, _context: Context) -> Mapping[str, object]:
    if record.text("deleted") == "1" or record.text("spam") == "1":  # columns of a network of sites
        raise NotAUser("a deleted user, or spam")
    text = record.text("user_pass")
    # Before version 2.5, and after a reset by SQL, it is MD5, which WordPress still accepts.
    return {"password_hash": f"md5:{text.lower()}" if re.fullmatch(r"[0-9A-Fa-f]{32}", text) else text}


SYSTEM: Final = System(
    title="WordPress",
    columns={
        "id": "ID",
        "email": "user_email",
        "name": "display_name",
        "username": "user_login",
        "created_at": "user_registered",
    },
    more=_more,
    needed=("user_email", "user_pass"),
    leaves_out="roles and wp_usermeta; it has no verified addresses",
)
