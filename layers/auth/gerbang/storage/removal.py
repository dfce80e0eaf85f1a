"""Removes an account: it is disabled first, and then deleted with everything that is stored under its key."""

from collections.abc import Iterator
from datetime import datetime

from gerbang.core.clock import to_epoch
from gerbang.storage.accounts import Name, Person, User, identity_name
from gerbang.storage.store import Change, Condition, Delete, IfAbsent, Plus, Present, Update
from gerbang.storage.users import ATTRIBUTES, UserTable, names_of, unchanged


def retiring(users: UserTable, user: User, at: datetime) -> Update:
    """Return the action that disables an account which is to be removed, and raises its epoch.

    It fails if epoch, names or identities have changed since the account was read.
    """
    changes: dict[str, Change] = {"disabled_at": IfAbsent(to_epoch(at)), "epoch": Plus(1)}
    return Update(users.key(user.user_id), changes, (Present("pk"), *_same(user)))


def removal(users: UserTable, person: Person, *conditions: Condition) -> tuple[Delete, ...]:
    """Return the actions that remove an account, with every item under its key and its markers; its own is first.

    They fail if epoch, names or identities have changed since, or a marker is another account's. A marker may be
    missing. An item added under the key since the person was read is not removed.
    """
    user = person.user
    account = users.key(user.user_id)
    identities = {identity_name(*each) for each in user.subjects.items()}
    identities |= {identity_name(each.provider, each.subject) for each in person.identities}
    names = [*names_of(user).items(), *((Name.IDENTITY, name) for name in sorted(identities))]
    return (
        Delete(account, (Present("pk"), *_same(user), *conditions)),
        *(Delete(key) for key in person.keys if key != account),
        *(users.release(name, value, user.user_id) for name, value in names),
    )


def _same(user: User) -> Iterator[Condition]:
    """Return the conditions that an account has the epoch, names and identities that were read."""
    return (unchanged(attribute, user) for attribute in ("epoch", "subjects", *ATTRIBUTES.values()))
