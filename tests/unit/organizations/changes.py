"""Changes of an organization, to be made concurrently: in parallel, or between two calls of another change."""

from collections.abc import Callable
from copy import replace
from typing import Final

from gerbang.accounts.roles import Role
from gerbang.core.emails import EmailAddress
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.organizations import Invitation

from tests.deployment import HOME, PASSWORD
from tests.fakes import Call
from tests.unit.teams import Team

INVITED: Final = "zoe@example.com"


def commits(call: Call) -> bool:
    return call.method == "commit"


def meanwhile(team: Team, happens: Callable[[], object], before: Callable[[Call], bool] = commits) -> Team:
    """The same team, where something happens just before the first commit, or another call."""
    return replace(team, app=team.app.meanwhile(happens, before))


def leave(team: Team, session: SignedIn) -> None:
    team.app.base.organization_changes.remove(team.organization_id, session.user.user_id, session.user.user_id)


def remove(team: Team, by: SignedIn, session: SignedIn) -> None:
    team.app.base.organization_changes.remove(team.organization_id, by.user.user_id, session.user.user_id)


def step_down(team: Team, session: SignedIn) -> None:
    change_role(team, session, session, Role.CLIENT_MEMBER)


def change_role(team: Team, by: SignedIn, session: SignedIn, role: Role) -> None:
    changes = team.app.base.organization_changes
    changes.change_role(team.organization_id, by.user.user_id, session.user.user_id, role)


def delete(team: Team, by: SignedIn) -> None:
    team.app.base.organization_deletion.delete(team.organization_id, by.user.user_id)


def invite(team: Team, by: SignedIn, email: str = INVITED, role: Role = Role.CLIENT_MEMBER) -> Invitation:
    invitations = team.app.base.organization_invitations
    return invitations.invite(team.organization_id, by.user.user_id, EmailAddress(email), role, HOME)


def token_of(team: Team, invitation: Invitation) -> str:
    return team.app.base.invitation_tokens.token(invitation)


def register(team: Team, token: str) -> SignedIn:
    acceptance, policy = team.app.base.invitation_acceptance, PasswordPolicy()
    return acceptance.register(token, "Zoe", PASSWORD, client=HOME, policy=policy)[0]


def join(team: Team, token: str, session: SignedIn) -> None:
    base = team.app.base
    base.invitation_acceptance.join(token, base.sessions.authenticate(session.tokens.access_token), HOME)


def owners(team: Team) -> list[str]:
    whole = team.app.base.organization_table.read_whole(team.organization_id)
    return [] if whole is None else [each.user_id for each in whole.members if each.role == Role.CLIENT_OWNER]


def open_invitations(team: Team) -> list[Invitation]:
    whole = team.app.base.organization_table.read_whole(team.organization_id)
    return [] if whole is None else [*whole.invitations]


def is_noted(team: Team, session: SignedIn) -> bool:
    """Whether the account has a note of its membership."""
    user = team.app.user(session.user.user_id)
    return team.organization_id in team.app.users.organization_ids(user)
