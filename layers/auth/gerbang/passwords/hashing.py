"""Passwords: hashed in one public format, verified in that and in those that other systems left behind.

Whatever a guess meets, an unknown account, one without a password, an inherited hash, it costs the same work.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize

from gerbang.core.clock import to_epoch
from gerbang.passwords.bcrypt_sha256 import (
    RECOMMENDED_COST,
    Verdict,
    cost_of,
    dummy_hash,
    hash_text,
    is_current_format,
    verify_text,
)
from gerbang.passwords.policy import LONGEST_UNNORMALISED
from gerbang.storage.store import Change


@dataclass(frozen=True, slots=True)
class Passwords:
    """Hashes and verifies passwords at the deployment's cost; reads inherited hashes, never writes one."""

    cost: int = RECOMMENDED_COST

    def hash(self, password: str) -> str:
        """Return the hash to keep for a password, brought to Unicode NFC first (NIST SP 800-63B-4, 3.1.1.2)."""
        return hash_text(_normal(password), self.cost)

    def verify(self, password: str, stored: str | None) -> Verdict:
        """Say whether *password* is the one that *stored* was made from; None: there is no account or no password.

        A wrong password costs one hash of the deployment's cost, whatever is stored, if anything is: the time does not
        show who has an account (ASVS 6.3.8), nor whose hash was inherited.
        """
        verdict, costs_left = self._compare(password, stored)
        if verdict is not Verdict.RIGHT:  # when right, it is hashed anew
            self._spend_hashes(password, costs_left)
        return verdict

    def verify_in_equal_time(self, password: str, stored: str | None) -> Verdict:
        """Do as `verify`, at the same cost for a right password: for callers who may not learn which it was."""
        verdict, costs_left = self._compare(password, stored)
        self._spend_hashes(password, costs_left)
        return verdict

    def needs_rehash(self, stored: str) -> bool:
        """Say whether a hash should be replaced, its password being at hand: inherited, or of a lower cost than set."""
        return not is_current_format(stored) or cost_of(stored) < self.cost

    def _compare(self, password: str, stored: str | None) -> tuple[Verdict, Iterable[int]]:
        """Return the verdict, and the costs of the hashes that bring the work up to one of the deployment's cost."""
        if stored is None:
            return Verdict.WRONG, (self.cost,)
        if is_current_format(stored):
            try:
                right = verify_text(stored, _normal(password))
            except ValueError:
                return Verdict.UNUSABLE, (self.cost,)
            # 2^c + 2^c + 2^(c+1) + ... + 2^(cost-1) = 2^cost rounds
            return Verdict.RIGHT if right else Verdict.WRONG, range(cost_of(stored), self.cost)
        from gerbang.passwords import legacy  # noqa: PLC0415 - most sign-ins never meet an inherited hash

        checked = legacy.check(stored, password)
        return checked.verdict, checked.costs_left(self.cost)

    def _spend_hashes(self, password: str, costs: Iterable[int]) -> None:
        for cost in costs:
            verify_text(dummy_hash(cost), _normal(password))


def replacing(old: str | None, new: str, *, at: datetime) -> dict[str, Change]:
    """Return the changes of an account that put the hash *new* in the place of *old*, None where it had none.

    Where *old* was inherited, the account is marked as migrated: a new password replaces the old system's hash, as a
    sign-in does.
    """
    changes: dict[str, Change] = {"password_hash": new, "updated_at": to_epoch(at)}
    if old is not None and not is_current_format(old):
        changes["migrated_at"] = to_epoch(at)
    return changes


def _normal(password: str) -> str:
    """Return the NFC form; of a text that is too long to be anybody's password the text itself, which costs nothing."""
    return normalize("NFC", password) if len(password) <= LONGEST_UNNORMALISED else password
