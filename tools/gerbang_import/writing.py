"""Write accounts in transactions of some 25, each all or nothing, never over an account that exists."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import ConditionFailed, Key, Put, Store
from gerbang.storage.users import UserTable

from gerbang_import.drafting import Draft
from gerbang_import.reading import Rejection

BATCH: Final = 25
"""Accounts a transaction: each is up to four items, and DynamoDB takes 100 (API reference, TransactWriteItems)."""

TRIES: Final = 7
"""How often a call is made while DynamoDB does not answer or throttles: with the pauses between, for a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a batch."""

    formats: Counter[str]
    """The hashes of the accounts imported: how many of which format."""
    already_there: int
    rejections: tuple[Rejection, ...]


@dataclass(slots=True)
class _Tally:
    already_there: int
    formats: Counter[str] = field(default_factory=Counter[str])
    rejections: list[Rejection] = field(default_factory=list[Rejection])


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An account still to be written, with the actions that write it."""

    draft: Draft
    user: User
    creation: dict[Name | None, Put]

    @property
    def keys(self) -> set[Key]:
        return {put.key for put in self.creation.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes batches of accounts; may be used by several threads."""

    store: Store
    users: UserTable
    cost: int
    """Of the hashes that weak ones are wrapped in."""
    new_number: Callable[[], int]
    pause: Callable[[float], None] = time.sleep

    def write(self, drafts: Sequence[Draft]) -> Outcome:
        """Write those of at most `BATCH` accounts whose address no account has.

        Raises:
            DependencyUnavailable: DynamoDB did not answer for a minute. What was written stays.
        """
        addresses = [self.users.marker(Name.EMAIL, draft.email) for draft in drafts]
        markers = self._persist(lambda: self.store.get_all(*addresses))
        new = [draft for draft, marker in zip(drafts, markers, strict=True) if marker is None]
        tally = _Tally(already_there=len(drafts) - len(new))
        waiting = [self._waiting(draft, draft.finished(self.cost)) for draft in new]
        while waiting:
            waiting = self._write_some(waiting, tally)
        return Outcome(formats=tally.formats, already_there=tally.already_there, rejections=tuple(tally.rejections))

    def _write_some(self, waiting: list[_Waiting], tally: _Tally) -> list[_Waiting]:
        """Write the accounts that share no name, or find out which cannot be written; return those left to write."""
        some, later = _disjoint(waiting)
        outcome = self._persist(lambda: self.store.commit(*(put for one in some for put in one.creation.values())))
        answers = iter(outcome)
        failed_of = [{name: answer for name in one.creation if (answer := next(answers, None))} for one in some]
        if not any(failed_of) or any(map(_is_its_own, some, failed_of)):
            tally.formats.update(one.draft.inherited.format for one in some)
            return later
        again: list[_Waiting] = []
        for one, failed in zip(some, failed_of, strict=True):
            if Name.EMAIL in failed:
                tally.already_there += 1
            elif Name.USERNAME in failed:
                tally.rejections.append(Rejection(one.draft.line, "username: belongs to another account"))
            elif None in failed:
                tally.rejections.append(Rejection(one.draft.line, "id: belongs to another account"))
            elif Name.NUMBER in failed:
                again.append(self._waiting(one.draft, replace(one.user, number=self.new_number())))
            else:
                again.append(one)
        return again + later

    def _waiting(self, draft: Draft, user: User) -> _Waiting:
        return _Waiting(draft, user, self.users.creation(user))

    def _persist[Answer](self, call: Callable[[], Answer]) -> Answer:
        for attempt in range(TRIES - 1):
            try:
                return call()
            except DependencyUnavailable:
                self.pause(2**attempt)
        return call()


def _disjoint(waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """Return the first accounts that share no item, as one transaction must, and the rest."""
    some: list[_Waiting] = []
    later: list[_Waiting] = []
    taken: set[Key] = set()
    for one in waiting:
        (later if one.keys & taken else some).append(one)
        taken |= one.keys
    return some, later


def _is_its_own(one: _Waiting, failed: dict[Name | None, ConditionFailed]) -> bool:
    """Say whether this transaction wrote the account already and its answer was lost."""
    marker = failed.get(Name.EMAIL)
    return marker is not None and marker.item is not None and marker.item["user_id"] == one.user.user_id
