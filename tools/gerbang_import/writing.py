"""Write accounts in transactions of about 25, and never over an account that exists."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, Protocol

from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.accounts import Name, User
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.store import ConditionFailed, Key, Put, Store
from gerbang.storage.users import UserTable

from gerbang_import.columns import Dropped
from gerbang_import.drafting import Draft
from gerbang_import.importing import Outcome
from gerbang_import.records import Rejection

MOST_ACTIONS: Final = 100
"""Of a transaction (API reference, TransactWriteItems)."""

TRIES: Final = 7
"""How often a call is made while DynamoDB does not answer or throttles: with the pauses between, for a minute."""

TAKEN: Final = "belongs to another account"

_ACCOUNT: Final = "account"
_MEMBERSHIP: Final = "membership"


class Replacing(Protocol):
    """Replaces accounts that an earlier import made."""

    def replace(self, draft: Draft, user: User, user_id: str) -> Draft | None:
        """Return the draft that replaced the account, None if the account stays as it is."""
        ...


@dataclass(slots=True)
class _Tally:
    already_there: int = 0
    replaced: int = 0
    formats: Counter[str] = field(default_factory=Counter[str])
    rejections: list[Rejection] = field(default_factory=list[Rejection])
    dropped: list[Dropped] = field(default_factory=list[Dropped])

    def written(self, draft: Draft) -> None:
        self.formats[draft.format] += 1
        self.dropped += draft.dropped


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An account still to be written, with the actions that write it, named by their subject."""

    draft: Draft
    actions: dict[str, Put]

    @property
    def keys(self) -> set[Key]:
        return {put.key for put in self.actions.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes batches of accounts; may be used by several threads."""

    store: Store
    users: UserTable
    organizations: OrganizationTable
    cost: int
    """Of the hashes that weak ones are wrapped in."""
    new_number: Callable[[], int]
    replacer: Replacing | None = None
    """None: accounts that are there already stay as they are."""
    pause: Callable[[float], None] = time.sleep
    _founded: set[str] = field(default_factory=set[str])
    _lock: Lock = field(default_factory=Lock)

    def write(self, drafts: Sequence[Draft]) -> Outcome:
        """Write the accounts whose addresses are not taken.

        Raises:
            DependencyUnavailable: DynamoDB did not answer for a minute. What was written stays.
        """
        tally = _Tally()
        addresses = [self.users.marker(Name.EMAIL, draft.email) for draft in drafts]
        markers = self._persist(lambda: self.store.get_all(*addresses))
        waiting: list[_Waiting] = []
        for draft, marker in zip(drafts, markers, strict=True):
            if marker is None:
                self._found_organization(draft)
                waiting.append(self._waiting(replace(draft, user=draft.finished(self.cost))))
            else:
                self._replace(draft, str(marker["user_id"]), tally)
        while waiting:
            waiting = self._write_some(waiting, tally)
        return Outcome(
            formats=tally.formats,
            replaced=tally.replaced,
            already_there=tally.already_there,
            rejections=tally.rejections,
            dropped=tally.dropped,
        )

    def _replace(self, draft: Draft, user_id: str, tally: _Tally) -> None:
        replacer = self.replacer
        if replacer is not None:
            self._found_organization(draft)
            user = draft.finished(self.cost)
            replaced = self._persist(lambda: replacer.replace(draft, user, user_id))
            if replaced is not None:
                tally.replaced += 1
                tally.written(replaced)
                return
        tally.already_there += 1

    def _write_some(self, waiting: list[_Waiting], tally: _Tally) -> list[_Waiting]:
        """Write the accounts that share no item, or find out which cannot be written; return those left to write."""
        some, later = _disjoint(waiting)
        outcome = self._persist(lambda: self.store.commit(*(put for one in some for put in one.actions.values())))
        answers = iter(outcome)
        failed_of = [{about: answer for about in one.actions if (answer := next(answers, None))} for one in some]
        if not any(failed_of) or any(map(_is_its_own, some, failed_of)):
            for one in some:
                tally.written(one.draft)
            return later
        remaining = [self._after(one, failed, tally) for one, failed in zip(some, failed_of, strict=True)]
        return [one for one in remaining if one is not None] + later

    def _after(self, one: _Waiting, failed: dict[str, ConditionFailed], tally: _Tally) -> _Waiting | None:
        """Return what to write of an account after a condition failed, None if it is not written."""
        if Name.EMAIL in failed:
            tally.already_there += 1
            return None
        if _ACCOUNT in failed:
            tally.rejections.append(Rejection(one.draft.line, f"id: {TAKEN}", one.draft.record))
            return None
        if not failed:
            return one
        draft = without_taken(one.draft, failed, self.new_number)
        return self._waiting(draft)

    def _waiting(self, draft: Draft) -> _Waiting:
        return _Waiting(draft, actions_of(draft, self.users, self.organizations))

    def _found_organization(self, draft: Draft) -> None:
        """Write the organization of an account, unless there is one of that id."""
        organization, membership = draft.organization, draft.membership
        if organization is None or membership is None or organization.organization_id in self._founded:
            return
        founding, _ = self.organizations.creation(organization, membership)
        self._persist(lambda: self.store.write(founding))
        with self._lock:
            self._founded.add(organization.organization_id)

    def _persist[Answer](self, call: Callable[[], Answer]) -> Answer:
        for attempt in range(TRIES - 1):
            try:
                return call()
            except DependencyUnavailable:
                self.pause(2**attempt)
        return call()


def actions_of(draft: Draft, users: UserTable, organizations: OrganizationTable) -> dict[str, Put]:
    """Return the actions that write an account, its names, identities and membership, named by their subject."""
    actions = {_ACCOUNT if name is None else str(name): put for name, put in users.creation(draft.user).items()}
    for identity in draft.identities:
        item, marker = users.identity_creation(identity)
        actions |= {f"identity {identity.provider}": item, f"subject {identity.provider}": marker}
    if draft.organization is not None and draft.membership is not None:
        _, actions[_MEMBERSHIP] = organizations.creation(draft.organization, draft.membership)
    return actions


def without_taken(draft: Draft, failed: Iterable[str], new_number: Callable[[], int]) -> Draft:
    """Return a draft without the names that belong to other accounts, and with a new number if its own is taken."""
    taken = set(failed)
    if Name.USERNAME in taken:
        draft = draft.without("username", TAKEN, replace(draft.user, username=None))
    if Name.NUMBER in taken:
        user = replace(draft.user, number=new_number())
        draft = replace(draft, user=user) if "number" in draft.generated else draft.without("number", TAKEN, user)
        draft = replace(draft, generated=draft.generated | {"number"})
    providers = {about.partition(" ")[2] for about in taken if about.startswith(("subject ", "identity "))}
    for identity in draft.identities:
        if identity.provider in providers:
            subjects = {name: subject for name, subject in draft.user.subjects.items() if name != identity.provider}
            draft = draft.without("identities", TAKEN, replace(draft.user, subjects=subjects))
    identities = tuple(one for one in draft.identities if one.provider not in providers)
    membership = None if _MEMBERSHIP in taken else draft.membership  # the user is a member already
    return replace(draft, identities=identities, membership=membership)


def _disjoint(waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """Return the first accounts that have no item in common, as a transaction requires, and the rest."""
    some: list[_Waiting] = []
    later: list[_Waiting] = []
    taken: set[Key] = set()
    actions = 0
    for one in waiting:
        fits = actions + len(one.actions) <= MOST_ACTIONS and not one.keys & taken
        (some if fits else later).append(one)
        actions += len(one.actions) if fits else 0
        taken |= one.keys
    return some, later


def _is_its_own(one: _Waiting, failed: dict[str, ConditionFailed]) -> bool:
    """Return whether this transaction wrote the account already, and its response was lost."""
    marker = failed.get(Name.EMAIL)
    return marker is not None and marker.item is not None and marker.item["user_id"] == one.draft.user.user_id
