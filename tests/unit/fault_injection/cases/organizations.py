"""Organizations, their members and their invitations."""

from collections.abc import Callable, Mapping
from copy import replace
from functools import partial
from typing import Any, Final

from gerbang.accounts.roles import Role
from gerbang.core.identifiers import botlaunch_id
from gerbang.mail.jobs import INVITATION, MailKind
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name

from tests.deployment import ALICE, BOB, PASSWORD
from tests.gateway_events import http_event
from tests.unit.access import password_works
from tests.unit.fault_injection.case import BOTLAUNCH_ERROR, RequestCase
from tests.unit.fault_injection.outcomes import already_done, find_user, has_body, mail_limit_reached
from tests.unit.fault_injection.requests import CAROL, bearer_headers
from tests.unit.handlers import Answer, Event, items
from tests.unit.mail_deployment import MailDeployment
from tests.unit.teams import Team, member, request


def in_organization(app: MailDeployment) -> Event:
    session = app.register(ALICE)
    return http_event(
        method="GET", headers=bearer_headers(session, **{"x-organization-id": str(session.user.organization_id)})
    )


def in_team(ask: Callable[[Team, SignedIn], Event]) -> Callable[[MailDeployment], Event]:
    """Prepare a request about Alice's organization, of which Bob is a member too."""

    def prepare(app: MailDeployment) -> Event:
        team = Team.create(app)
        return ask(team, team.join("bob", Role.CLIENT_MEMBER))

    return prepare


def by_owner(
    method: str, body: Mapping[str, Any] | None = None, **parameters: str
) -> Callable[[MailDeployment], Event]:
    return in_team(
        lambda team, _: request(team.owner, method, body, organization_id=team.organization_id, **parameters)
    )


def about_member(method: str, body: Mapping[str, Any] | None = None) -> Callable[[MailDeployment], Event]:
    def ask(team: Team, bob: SignedIn) -> Event:
        user_id = botlaunch_id(bob.user.user_id)
        return request(team.owner, method, body, organization_id=team.organization_id, userId=user_id)

    return in_team(ask)


def revoke_invitation(team: Team, _bob: SignedIn) -> Event:
    invitation_id = team.invitation(CAROL).invitation_id
    return request(team.owner, "DELETE", organization_id=team.organization_id, id=invitation_id)


def accept_and_register(team: Team, _bob: SignedIn) -> Event:
    token = team.app.base.invitation_tokens.token(team.invitation(CAROL, Role.CLIENT_ADMIN))
    return request(None, "POST", {"token": token, "name": "Carol", "password": PASSWORD})


def accept_invitation(team: Team, _bob: SignedIn) -> Event:
    carol = member(team.app, "carol")
    token = team.app.base.invitation_tokens.token(team.invitation(CAROL, Role.CLIENT_ADMIN))
    return request(carol, "POST", {"token": token})


def organizations_of_alice(app: MailDeployment) -> dict[str, str]:
    """Alice's role by the name of the organization."""
    listed = app.base.own_organizations.list(find_user(app, ALICE.email))
    return {organization.name: membership.role for organization, membership in listed}


def role_of(app: MailDeployment, email: str) -> str | None:
    """The role of an account in Alice's organization."""
    [organization_id] = {
        str(item["pk"]).removeprefix("ORG#") for item in items(app, "Organizations") if item["sk"] == "ORG"
    }
    user_id = app.users.find_id(Name.EMAIL, email)
    found = None if user_id is None else app.base.organization_table.find_membership(organization_id, user_id)
    return None if found is None else found.role


def has_role(email: str, role: str | None, app: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return role_of(app, email) == role


def invitations_are(count: int, app: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return sum(str(item["sk"]).startswith("INVITATION#") for item in items(app, "Organizations")) == count


def no_organization_is_left(app: MailDeployment, _event: Event, _answer: Answer | None = None) -> bool:
    return not items(app, "Organizations") and not organizations_of_alice(app)


def invitation_is_mailed(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    """Whether there is one open invitation, and its mail is queued."""
    found = [item["sk"] for item in items(app, "Organizations") if str(item["sk"]).startswith("INVITATION#")]
    queued = {f"INVITATION#{job.payload[INVITATION]}" for job in app.queue.jobs if INVITATION in job.payload}
    return invitations_are(1, app, event) and queued.issuperset(map(str, found))


def carol_has_joined(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return (
        has_role(CAROL, Role.CLIENT_ADMIN, app, event)
        and invitations_are(0, app, event)
        and password_works(app, email=CAROL)
    )


CASES: Final[Mapping[str, RequestCase]] = {
    "organization": RequestCase(
        function="api/organization", error_members=BOTLAUNCH_ERROR, prepare=in_organization, has_effect=has_body
    ),
    "organizations": RequestCase(
        function="api/organizations", error_members=BOTLAUNCH_ERROR, prepare=by_owner("GET"), has_effect=has_body
    ),
    "create an organization": RequestCase(
        function="api/organizations",
        error_members=BOTLAUNCH_ERROR,
        prepare=by_owner("POST", {"name": "Second"}),
        status=201,
        has_effect=lambda app, *_: organizations_of_alice(app).get("Second") == Role.CLIENT_OWNER,
    ),
    "rename an organization": RequestCase(
        function="api/organization",
        error_members=BOTLAUNCH_ERROR,
        prepare=by_owner("PATCH", {"name": "Renamed"}),
        has_effect=lambda app, *_: organizations_of_alice(app) == {"Renamed": Role.CLIENT_OWNER},
    ),
    "delete an organization": RequestCase(
        function="api/organization",
        error_members=BOTLAUNCH_ERROR,
        prepare=by_owner("DELETE"),
        has_effect=no_organization_is_left,
        on_repeat=already_done(403, no_organization_is_left),
    ),
    "members": RequestCase(
        function="api/organization/members", error_members=BOTLAUNCH_ERROR, prepare=by_owner("GET"), has_effect=has_body
    ),
    "change a role": RequestCase(
        function="api/organization/members/one",
        error_members=BOTLAUNCH_ERROR,
        prepare=about_member("PATCH", {"role": Role.CLIENT_ADMIN}),
        has_effect=partial(has_role, BOB.email, Role.CLIENT_ADMIN),
    ),
    "remove a member": RequestCase(
        function="api/organization/members/one",
        error_members=BOTLAUNCH_ERROR,
        prepare=about_member("DELETE"),
        has_effect=partial(has_role, BOB.email, None),
        on_repeat=already_done(404, partial(has_role, BOB.email, None)),
    ),
    "invitations": RequestCase(
        function="api/organization/invitations",
        error_members=BOTLAUNCH_ERROR,
        prepare=by_owner("GET"),
        has_effect=has_body,
    ),
    "invite to an organization": RequestCase(
        function="api/organization/invitations",
        error_members=BOTLAUNCH_ERROR,
        prepare=by_owner("POST", {"email": CAROL}),
        status=201,
        has_effect=invitation_is_mailed,
        on_repeat=replace(mail_limit_reached(MailKind.ORGANIZATION_INVITATION), recovers=invitation_is_mailed),
    ),
    "revoke an invitation": RequestCase(
        function="api/organization/invitations/one",
        error_members=BOTLAUNCH_ERROR,
        prepare=in_team(revoke_invitation),
        has_effect=partial(invitations_are, 0),
        on_repeat=already_done(404, partial(invitations_are, 0)),
    ),
    "accept an invitation and register": RequestCase(
        function="api/auth/invitations/accept",
        error_members=BOTLAUNCH_ERROR,
        prepare=in_team(accept_and_register),
        status=201,
        has_effect=carol_has_joined,
        on_repeat=already_done(400, carol_has_joined),
        counted_on_repeat=frozenset({"reset"}),
        concurrent_statuses=frozenset({409}),  # the other request has registered the address
    ),
    "accept an invitation": RequestCase(
        function="api/auth/invitations/accept",
        error_members=BOTLAUNCH_ERROR,
        prepare=in_team(accept_invitation),
        has_effect=carol_has_joined,
        on_repeat=already_done(400, carol_has_joined),
        concurrent_statuses=frozenset({409}),  # the other request has made her a member
    ),
}
