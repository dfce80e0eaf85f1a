"""Hashes passwords in one public format, and verifies them against that format and against hashes of other systems.

A wrong password costs the same work for every account: unknown, without a password, or with an inherited hash.
"""

from collections.abc import Iterable
from datetime import datetime

from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.passwords.bcrypt_sha256 import (
    RECOMMENDED_COST,
    Verdict,
    cost_of,
    dummy_hash,
    hash_text,
    is_current_format,
    verify_text,
)
from gerbang.passwords.policy import normalized
from gerbang.storage.store import Change


@dataclass(frozen=True, slots=True)
class Passwords:
    """Hashes and verifies passwords at the deployment's cost; reads inherited hashes, never writes one."""

    cost: int = RECOMMENDED_COST

    def hash(self, password: str) -> str:
        """Return the hash to keep for a password, normalized to NFC first (NIST SP 800-63B-4, 3.1.1.2)."""
        return hash_text(normalized(password), self.cost)

    def verify(self, password: str, stored: str | None) -> Verdict:
        """Compare *password* with the hash *stored*, which is None if there is no account or no password.

        A wrong password always costs one hash at the deployment's cost. So the time does not reveal which accounts
        exist (ASVS 6.3.8), or which have an inherited hash.
        """
        verdict, costs_left = self._compare(password, stored)
        if verdict is not Verdict.RIGHT:  # a right one is hashed again
            self._spend_hashes(password, costs_left)
        return verdict

    def verify_in_equal_time(self, password: str, stored: str | None) -> Verdict:
        """Compare as `verify`, at the same cost for a right password: for callers who must not learn the result."""
        verdict, costs_left = self._compare(password, stored)
        self._spend_hashes(password, costs_left)
        return verdict

    def needs_rehash(self, stored: str) -> bool:
        """Return whether a sign-in should replace the hash: it is inherited, or its cost is below the setting."""
        return not is_current_format(stored) or cost_of(stored) < self.cost

    def _compare(self, password: str, stored: str | None) -> tuple[Verdict, Iterable[int]]:
        """Return the verdict, and the costs of the hashes that bring the work up to one at the deployment's cost."""
        if stored is None:
            return Verdict.WRONG, (self.cost,)
        if is_current_format(stored):
            try:
                right = verify_text(stored, normalized(password))
            except ValueError:
                return Verdict.UNUSABLE, (self.cost,)
            # 2^c + 2^c + 2^(c+1) + ... + 2^(cost-1) = 2^cost rounds
            return Verdict.RIGHT if right else Verdict.WRONG, range(cost_of(stored), self.cost)
        from gerbang.passwords import legacy  # noqa: PLC0415 - most sign-ins need no inherited hash

        result = legacy.check(stored, password)
        return result.verdict, result.costs_left(self.cost)

    def _spend_hashes(self, password: str, costs: Iterable[int]) -> None:
        for cost in costs:
            verify_text(dummy_hash(cost), normalized(password))


def replacing(old: str | None, new: str, *, at: datetime) -> dict[str, Change]:
    """Return the changes of an account that replace the hash *old*, None if it had none, by the hash *new*.

    If *old* was inherited, the account is marked as migrated: a new password replaces the old system's hash, as a
    sign-in does.
    """
    changes: dict[str, Change] = {"password_hash": new, "updated_at": to_epoch(at)}
    if old is not None and not is_current_format(old):
        changes["migrated_at"] = to_epoch(at)
    return changes
