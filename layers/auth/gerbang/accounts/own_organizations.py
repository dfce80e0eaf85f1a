"""The organizations of a user: found one, list them."""

from datetime import datetime
from itertools import batched
from typing import Final

from gerbang.accounts.organizations import Organizations
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.sessions.sessions import Authenticated, Sessions
from gerbang.storage.accounts import User
from gerbang.storage.organizations import Membership, Organization
from gerbang.storage.store import Action, Change, Put, Store
from gerbang.storage.users import UserTable, not_disabled, unchanged

MOST_ORGANIZATIONS: Final = 100
"""Organizations of one user. Lists and deletions read them all."""

_AT_ONCE: Final = 50
"""Organizations that are read in one call: two items each, 100 in all (DynamoDB, BatchGetItem)."""


class TooManyOrganizations(AuthError):
    """The user belongs to as many organizations as is allowed."""

    code = "too_many_organizations"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrganizations:
    """Founds organizations for users, and lists theirs."""

    store: Store
    users: UserTable
    organizations: Organizations
    sessions: Sessions
    log_event: LogEvent
    now: Clock

    def found(self, caller: Authenticated, name: str) -> tuple[Organization, str]:
        """Found an organization whose owner is the caller, and return it with the role. One transaction.

        It becomes the account's default organization if it has none.

        Raises:
            TooManyOrganizations: the caller belongs to too many.
            SessionEnded: the account was disabled, or its sessions ended, meanwhile.
            DependencyUnavailable: nothing was written; or others kept changing the account.
        """
        for _ in range(CHANGE_TRIES):
            user, now = caller.user, self.now()
            check_organization_limit(self.users, user)
            founding = self.organizations.found(name, user.user_id, at=now)
            organization = founding.organization
            belonging = belonging_actions(self.users, user, organization.organization_id, at=now)
            if not self.store.commit(*founding.actions, *belonging):
                ids = {"user_id": user.user_id, "organization_id": organization.organization_id}
                self.log_event("organization_founded", **ids)
                return organization, founding.role
            caller = self.sessions.read_again(caller)
        raise KeptChanging("account")

    def list(self, user: User) -> tuple[tuple[Organization, Membership], ...]:
        """Return the organizations that a user belongs to, the default one first. Two calls, one more for each 50."""
        table = self.organizations.table
        found = (
            table.find_all(some, user.user_id)
            for some in batched(self.users.organization_ids(user), _AT_ONCE, strict=False)
        )
        return tuple(pair for some in found for pair in some)


def check_organization_limit(users: UserTable, user: User) -> None:
    """Check that an account may belong to one more organization.

    Raises:
        TooManyOrganizations: it may not.
    """
    if len(users.organization_ids(user)) >= MOST_ORGANIZATIONS:
        raise TooManyOrganizations


def belonging_actions(
    users: UserTable, user: User, organization_id: str, *, at: datetime, changes: dict[str, Change] | None = None
) -> tuple[Action, ...]:
    """Return the actions that record on an account, as it was read, that it belongs to an organization.

    They fail when the account was disabled or its epoch raised since, so nothing is added to an account that is being
    deleted. A record of an earlier membership is replaced. *changes* are other changes of the account.
    """
    default: dict[str, Change] = {"organization_id": organization_id} if user.organization_id is None else {}
    account = users.changing(
        user,
        {"updated_at": to_epoch(at), **(changes or {}), **default},
        *not_disabled(at),
        unchanged("organization_id", user),
    )
    record = Put(users.organization_key(user.user_id, organization_id), {"since": to_epoch(at)})
    return account, record
