"""Contention: a conditional write fails if another request has changed the item since it was read.

The caller then reads the item again, decides again and writes again, a few times.
"""

from typing import Final

from gerbang.core.errors import DependencyUnavailable

CHANGE_TRIES: Final = 4
"""How often a change is tried, the first time included. Each try of a change that draws an account's number draws
another one: the number may be taken."""


class KeptChanging(DependencyUnavailable):
    """Other requests changed the item at each try. The same request works later."""

    def __init__(self, item: str) -> None:
        """Keep what was changed, for the log."""
        super().__init__(f"others kept changing the {item}")
