"""Verify one user's password against the hash in a file, before anything is imported."""

from collections.abc import Callable

from gerbang.core.emails import InvalidEmail, canonical
from gerbang.passwords import legacy
from gerbang.passwords.bcrypt_sha256 import Verdict

from gerbang_import.drafting import Draft, Drafter
from gerbang_import.reading import records
from gerbang_import.records import Lines, Record
from gerbang_import.systems.system import System


def try_password(
    lines: Lines, *, system: System, drafter: Drafter, email: str, ask: Callable[[str], str]
) -> tuple[bool, str]:
    """Ask for the password of a user; return whether it matches the hash in the file, and a sentence.

    Raises:
        Unreadable: the file as a whole cannot be read.
    """
    try:
        wanted = canonical(email)
    except InvalidEmail:
        return False, f"{email} is not a valid address."
    found, _ = records(lines, system)
    unread = 0
    for record in found:
        draft = drafter.draft(record) if isinstance(record, Record) else record
        if isinstance(draft, Draft) and draft.email == wanted:
            return _verdict(draft, ask)
        if isinstance(record, Record) and _mentions(record, email):
            return (
                False,
                f"The user in line {record.line} would not be imported: {getattr(draft, 'reason', 'it is no user')}.",
            )
        unread += not isinstance(draft, Draft)
    return False, f"No user in the file has the address {email}; {unread:,} rows cannot be imported."


def _verdict(draft: Draft, ask: Callable[[str], str]) -> tuple[bool, str]:
    where = f"The user in line {draft.line}"
    if draft.user.password_hash is None:
        return False, f"{where} has no password."
    checked = legacy.check(draft.user.password_hash, ask(f"Password of {draft.email}: "))
    if checked.verdict is Verdict.RIGHT:
        return True, f"{where}: the password verifies. The hash is {draft.format}."
    if checked.verdict is Verdict.UNUSABLE:
        return False, f"{where}: the hash is {draft.format}, and cannot be computed on this machine."
    return False, f"{where}: the password does NOT verify. The hash is read as {draft.format}."


def _mentions(record: Record, email: str) -> bool:
    return any(isinstance(value, str) and value.strip().lower() == email.lower() for value in record.fields.values())
