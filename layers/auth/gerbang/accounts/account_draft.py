"""An account as a user or an administrator asks to change it, ready to be written in one transaction."""

from collections.abc import Mapping
from dataclasses import replace

from gerbang.accounts.addresses import Move
from gerbang.core.dataclass import dataclass
from gerbang.storage.accounts import Name, User
from gerbang.storage.metadata import merge
from gerbang.storage.records import to_value
from gerbang.storage.store import Action, Change, CommitOutcome, Condition
from gerbang.storage.users import unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDraft:
    """The account as it will be, and the actions that write it: none if nothing changes."""

    user: User
    actions: tuple[Action, ...] = ()
    move: Move | None = None
    """To another address, or to a guest's first one."""
    sets_password: bool = False

    def finds_email_taken(self, failed: CommitOutcome) -> bool:
        """Return whether the transaction failed because another account has the address."""
        if self.move is None:
            return False
        failure = failed[self.actions.index(self.move.markers[Name.EMAIL])]
        return failure is not None and failure.item is not None and failure.item["user_id"] != self.user.user_id


def set_profile(
    user: User,
    *,
    name: str | None,
    user_metadata: Mapping[str, object] | None,
    app_metadata: Mapping[str, object] | None = None,
) -> tuple[User, dict[str, Change], list[Condition]]:
    """Return the account with another name and these members of its metadata, the changes, and their conditions.

    What is None stays; a member of the metadata that is None is removed. The conditions say that the metadata is still
    as it was read.
    """
    changes: dict[str, Change] = {}
    conditions: list[Condition] = []
    changed = replace(
        user,
        name=user.name if name is None else name,
        user_metadata=merge(user.user_metadata, user_metadata or {}),
        app_metadata=user.app_metadata if app_metadata is None else merge(user.app_metadata, app_metadata),
    )
    for attribute, metadata in (("user_metadata", changed.user_metadata), ("app_metadata", changed.app_metadata)):
        if metadata != getattr(user, attribute):
            changes[attribute] = to_value(metadata)
            conditions.append(unchanged(attribute, user))
    if changed.name != user.name:
        changes["name"] = changed.name
    return changed, changes, conditions
