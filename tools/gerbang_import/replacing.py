"""Replace an account that an earlier import made, if it has not been used or changed since.

An import writes the same time to `imported_at` and `updated_at`. Every change moves `updated_at`, every sign-in
`last_sign_in_at`, every end of sessions `epoch`. The transaction's conditions are that none of these has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from gerbang.core.clock import Clock, to_epoch
from gerbang.storage.accounts import Identity, Name, Person, User, identity_name
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.store import Action, Condition, Delete, Equal, Key, Put, Store
from gerbang.storage.users import UserTable, names_of, unchanged

from gerbang_import.drafting import Draft
from gerbang_import.writing import actions_of, without_taken

ROUNDS: Final = 8
"""How often an account is tried again without a name that belongs to another account: once per name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacer:
    """Replaces accounts of earlier imports."""

    store: Store
    users: UserTable
    organizations: OrganizationTable
    new_number: Callable[[], int]
    now: Clock

    def replace(self, draft: Draft, user: User, user_id: str) -> Draft | None:
        """Replace the account *user_id* by the draft, whose complete account is *user*.

        Returns:
            the draft as it was written; None if the account has been used or changed, and stays as it is.

        Raises:
            DependencyUnavailable: DynamoDB did not answer.
        """
        person = self.users.find_person(user_id)
        if person is None or not is_replaceable(person.user):
            return None
        draft = self._with_old_ids(draft, user, person.user)
        for _ in range(ROUNDS):
            actions = self._actions(person, draft)
            outcome = self.store.commit(*actions.values())
            if not outcome:
                return draft
            failed = [about for about, answer in zip(actions, outcome, strict=True) if answer is not None]
            taken = [about for about in failed if not about.startswith("old ")]
            if len(taken) < len(failed) or "account" in taken:
                return None
            draft = without_taken(draft, taken, self.new_number)
        return None

    def _with_old_ids(self, draft: Draft, user: User, old: User) -> Draft:
        """Return the draft with the id and the number of the old account, unless its record has others."""
        # At least a second later, so that no condition takes this account for the old one.
        now = max(self.now(), old.updated_at + timedelta(seconds=1))
        user_id = old.user_id if "id" in draft.generated else user.user_id
        number = old.number if "number" in draft.generated and old.number is not None else user.number
        membership = None if draft.membership is None else replace(draft.membership, user_id=user_id)
        return replace(
            draft,
            user=replace(user, user_id=user_id, number=number, imported_at=now, updated_at=now),
            identities=tuple(replace(one, user_id=user_id) for one in draft.identities),
            membership=membership,
        )

    def _actions(self, person: Person, draft: Draft) -> dict[str, Action]:
        """Return the actions that delete the old account's items and write the new ones, one for each item."""
        old, new = person.user, draft.user
        old_items = self._items_of(person)
        guard: tuple[Condition, ...] = (
            Equal("imported_at", to_epoch(old.updated_at)),
            Equal("updated_at", to_epoch(old.updated_at)),
            Equal("epoch", old.epoch),
            unchanged("last_sign_in_at", old),
        )
        actions: dict[str, Action] = {}
        for about, put in actions_of(draft, self.users, self.organizations).items():
            conditions = old_items.pop(put.key, None)
            if conditions is None:
                actions[about] = put
            elif put.key == self.users.key(old.user_id):
                actions["old account"] = Put(put.key, put.item, guard)
            elif conditions or old.user_id != new.user_id:
                actions[f"old {about}"] = Put(put.key, put.item, conditions)
            else:
                actions[f"old {about}"] = Put(put.key, put.item)
        for number, (key, conditions) in enumerate(old_items.items()):
            is_account = key == self.users.key(old.user_id)
            actions[f"old {number}"] = Delete(key, guard if is_account else conditions)
        return actions

    def _items_of(self, person: Person) -> dict[Key, tuple[Condition, ...]]:
        """Return every item of an account, with the conditions that it still belongs to the account."""
        user = person.user
        own = (Equal("user_id", user.user_id),)
        names: list[tuple[Name, str | int]] = list(names_of(user).items())
        identities: tuple[Identity, ...] = person.identities
        names += [(Name.IDENTITY, identity_name(one.provider, one.subject)) for one in identities]
        items: dict[Key, tuple[Condition, ...]] = {self.users.marker(name, value): own for name, value in names}
        items |= dict.fromkeys(person.keys, ())
        if user.organization_id is not None:
            items[self.organizations.membership_deletion(user.organization_id, user.user_id).key] = ()
        return items


def is_replaceable(user: User) -> bool:
    """Return whether an import made the account, and it has not been used or changed since."""
    return (
        user.imported_at is not None
        and user.updated_at == user.imported_at
        and user.epoch == 0
        and (user.last_sign_in_at is None or user.last_sign_in_at < user.imported_at)
    )
