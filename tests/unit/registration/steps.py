"""What tests of registration need."""

from collections.abc import Callable

from gerbang.accounts.registration import Registered

from tests.conftest import Database

PREFIXES = ("USER#", "EMAIL#", "USERNAME#", "NUMBER#", "IDENTITY#")

type Register = Callable[..., Registered]


def stored_items(database: Database) -> dict[str, int]:
    """Count the stored items of accounts and organizations by kind; kinds without an item are left out."""
    counts = {prefix: len(database.items("Users", prefix)) for prefix in PREFIXES}
    counts["organizations"] = len(database.items("Organizations"))
    return {kind: count for kind, count in counts.items() if count}
