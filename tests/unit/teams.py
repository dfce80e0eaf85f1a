"""An organisation with members, and requests about it: for tests of roles, invitations and races."""

from collections.abc import Mapping
from copy import replace
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from gerbang.accounts.registration import NewAccount
from gerbang.core.emails import EmailAddress
from gerbang.core.identifiers import INVITATION, public_id
from gerbang.mail.organization_invitations import INVITATION_LIFETIME
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.organizations import Invitation, Membership
from gerbang.storage.store import Put, Store

from tests.deployment import ALICE, PASSWORD
from tests.gateway_events import JSON, http_event, json_event
from tests.unit.handlers import Answer, Event, environment, items
from tests.unit.mail_deployment import MailDeployment

ANOTHER_ROLE: Final = "TREASURER"
"""A role that a product defines."""


def request(
    session: SignedIn | None,
    method: str,
    body: Mapping[str, Any] | None = None,
    *,
    organization_id: str | None = None,
    **parameters: str,
) -> Event:
    """A request of a signed-in user, or without a token. *parameters* are those of the path."""
    headers = dict(JSON) if body is not None else {}
    if session is not None:
        headers["authorization"] = f"Bearer {session.tokens.access_token}"
    if organization_id is not None:
        headers["x-organization-id"] = organization_id
    more: dict[str, Any] = {"method": method, "headers": headers}
    if parameters:
        more["pathParameters"] = parameters
    return http_event(**more) if body is None else json_event(body, **more)


def member(app: MailDeployment, name: str) -> SignedIn:
    """Register a user without an organisation."""
    return app.register(
        NewAccount(email=EmailAddress(f"{name}@example.com"), password=PASSWORD, name=name.capitalize())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Alice's organisation."""

    app: MailDeployment
    owner: SignedIn
    organization_id: str

    @classmethod
    def create(cls, app: MailDeployment) -> Self:
        """Register Alice and her organisation."""
        owner = app.register(ALICE)
        return cls(app=app, owner=owner, organization_id=str(owner.user.organization_id))

    def on(self, store: Store) -> "Team":
        """The same team, on another store."""
        return replace(self, app=self.app.on(store))

    def ask(
        self,
        session: SignedIn,
        function: str,
        method: str,
        body: Mapping[str, Any] | None = None,
        **parameters: str,
    ) -> Answer:
        """Send a request of a user for the organisation; check that an error changes nothing."""
        event = request(session, method, body, organization_id=self.organization_id, **parameters)
        before = items(self.app, "Organizations")
        answer = environment(function, self.app)(event)
        assert answer["statusCode"] < 400 or items(self.app, "Organizations") == before
        return answer

    def join(self, name: str, role: str) -> SignedIn:
        """Register a user, and make them a member."""
        session = member(self.app, name)
        self.add(session, role)
        return session

    def add(self, session: SignedIn, role: str) -> None:
        """Make a user a member, as an accepted invitation does."""
        base, user_id = self.app.base, session.user.user_id
        membership = Membership(organization_id=self.organization_id, user_id=user_id, role=role, since=base.clock())
        note = Put(base.users.organization_key(user_id, self.organization_id), {"since": 0})
        table = base.organization_table
        assert not base.store.commit(table.joining(membership), note, table.revising(self.organization_id))

    def role_of(self, session: SignedIn) -> str | None:
        """The role of a user; None if they are no member."""
        membership = self.app.base.organization_table.find_membership(self.organization_id, session.user.user_id)
        return None if membership is None else membership.role

    def invitation(self, email: str, role: str = "CLIENT_MEMBER") -> Invitation:
        """Write an open invitation."""
        base = self.app.base
        invitation = Invitation(
            invitation_id=public_id(INVITATION, UUID(base.new_id())),
            organization_id=self.organization_id,
            email=email,
            email_as_typed=email,
            role=role,
            invited_by=self.owner.user.user_id,
            created_at=base.clock(),
            expires_at=base.clock() + INVITATION_LIFETIME,
        )
        base.store.commit(base.organization_table.invitation_creation(invitation))
        return invitation
