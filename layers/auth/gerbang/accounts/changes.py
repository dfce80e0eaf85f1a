"""Changes of an account in both forms: the account as it will be, and what is written for it."""

from dataclasses import replace
from typing import Any

from gerbang.storage.accounts import User
from gerbang.storage.records import to_value
from gerbang.storage.store import Change, Gone


def set_fields(user: User, **values: Any) -> tuple[User, dict[str, Change]]:
    """Return the account with other values of these fields, and the changes that store them. None removes a value.

    Every field is written, even if the account that was read has the value already: it may have changed since.
    """
    changes: dict[str, Change] = {name: Gone() if value is None else to_value(value) for name, value in values.items()}
    return replace(user, **values), changes
