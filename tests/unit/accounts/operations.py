"""What operators do with accounts, for tests of `gerbang.accounts.administration` and of deletion."""

from typing import Final

import pytest
from gerbang.accounts.administration import Accounts
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.organizations import Membership, OrganizationTable
from gerbang.storage.records import to_item
from gerbang.storage.store import Put

from tests.conftest import Database
from tests.deployment import ALICE, HOME, Deployment
from tests.fakes import FakeClock

CLOCK: Final = FakeClock()
NO_ACCOUNT: Final = "00000000-0000-4000-8000-00000000ffff"


def accounts_of(deployment: Deployment) -> Accounts:
    return Accounts(
        store=deployment.store,
        users=deployment.users,
        organizations=deployment.organization_table,
        deletion=deployment.deletion,
        own_sessions=deployment.own_sessions,
        now=deployment.clock,
    )


def everything(database: Database) -> dict[str, list[object]]:
    return {table: list(database.items(table)) for table in database.tables}


def assert_ended(deployment: Deployment, session: SignedIn) -> None:
    with pytest.raises(SessionEnded):
        deployment.sessions.authenticate(session.tokens.access_token)
    with pytest.raises(SessionEnded):
        deployment.sessions.refresh(session.tokens.refresh_token)


def link_google(deployment: Deployment, subject: str = "1081") -> SignedIn:
    identity = VerifiedIdentity(provider=GOOGLE, subject=subject, email=ALICE.email, name="Alice")
    return deployment.identity_sign_in.sign_in(identity, HOME)


def join(organizations: OrganizationTable, organization_id: str, user_id: str) -> None:
    """Make a user a member, as a product's own function does."""
    key = organizations.membership_deletion(organization_id, user_id).key
    membership = Membership(organization_id=organization_id, user_id=user_id, role="CLIENT_MEMBER", since=CLOCK())
    organizations.store.write(Put(key, to_item(membership)))
