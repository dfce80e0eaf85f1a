"""Writes accounts in transactions of some 25, each all or nothing, none over an account that is there."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.store import ConditionFailed, Key, Put, Store
from gerbang.storage.users import Name, User, UserTable

from gerbang_import.drafting import Draft
from gerbang_import.reading import Refusal

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
    refusals: tuple[Refusal, ...]


@dataclass(slots=True)
class _Tally:
    already_there: int
    formats: Counter[str] = field(default_factory=Counter[str])
    refusals: list[Refusal] = field(default_factory=list[Refusal])


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
        """Write those of at most `BATCH` accounts whose address nobody has.

        Raises:
            DependencyUnavailable: DynamoDB was not to be had for a minute. What was written stays.
        """
        addresses = [self.users.marker(Name.EMAIL, draft.email) for draft in drafts]
        markers = self._persist(lambda: self.store.get_all(*addresses))
        new = [draft for draft, marker in zip(drafts, markers, strict=True) if marker is None]
        tally = _Tally(already_there=len(drafts) - len(new))
        waiting = [self._waiting(draft, draft.finished(self.cost)) for draft in new]
        while waiting:
            waiting = self._write_some(waiting, tally)
        return Outcome(formats=tally.formats, already_there=tally.already_there, refusals=tuple(tally.refusals))

    def _write_some(self, waiting: list[_Waiting], tally: _Tally) -> list[_Waiting]:
        """Write the accounts that have no name in common, or find out which cannot be; return what is left to do."""
        some, later = _disjoint(waiting)
        refusals = self._persist(lambda: self.store.commit(*(put for one in some for put in one.creation.values())))
        answers = iter(refusals)
        refused_of = [{name: answer for name in one.creation if (answer := next(answers, None))} for one in some]
        if not any(refused_of) or any(map(_is_its_own, some, refused_of)):
            tally.formats.update(one.draft.inherited.format for one in some)
            return later
        again: list[_Waiting] = []
        for one, refused in zip(some, refused_of, strict=True):
            if Name.EMAIL in refused:
                tally.already_there += 1
            elif Name.USERNAME in refused:
                tally.refusals.append(Refusal(one.draft.line, "username: belongs to another account"))
            elif None in refused:
                tally.refusals.append(Refusal(one.draft.line, "id: belongs to another account"))
            elif Name.NUMBER in refused:
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


def _is_its_own(one: _Waiting, refused: dict[Name | None, ConditionFailed]) -> bool:
    """Say whether an account is there by this very transaction, sent before; the answer was lost."""
    marker = refused.get(Name.EMAIL)
    return marker is not None and marker.item is not None and marker.item["user_id"] == one.user.user_id
