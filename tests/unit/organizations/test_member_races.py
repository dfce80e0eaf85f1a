"""Concurrent changes of an organization's members and owners."""

from collections.abc import Callable
from contextlib import suppress
from copy import replace
from functools import partial
from typing import Final

import pytest
from gerbang.accounts.invitation_acceptance import InvalidInvitation
from gerbang.accounts.organization_changes import LastOwner, NoSuchMember
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import InsufficientRole, Role
from gerbang.sessions.sessions import SignedIn

from tests.conftest import Database
from tests.deployment import REGISTRATIONS, Choices, Deployment
from tests.fakes import Call, at_once
from tests.unit.mail_deployment import with_mail
from tests.unit.organizations.changes import (
    INVITED,
    change_role,
    delete,
    invite,
    is_noted,
    join,
    leave,
    meanwhile,
    open_invitations,
    owners,
    remove,
    step_down,
    token_of,
)
from tests.unit.teams import Team, member

# The last two owners


TWO_OWNERS: Final[dict[str, Callable[[Team, SignedIn, SignedIn], Callable[[], None]]]] = {
    "leaves": lambda team, one, _: partial(leave, team, one),
    "steps down": lambda team, one, _: partial(step_down, team, one),
    "removes the other": lambda team, one, other: partial(remove, team, one, other),
    "demotes the other": lambda team, one, other: partial(change_role, team, one, other, Role.CLIENT_ADMIN),
}

TOO_LATE: Final = LastOwner, NotAMember, NoSuchMember, InsufficientRole
"""Errors of the change that comes second."""


@pytest.mark.covers("158")
@pytest.mark.parametrize("second", TWO_OWNERS)
@pytest.mark.parametrize("first", TWO_OWNERS)
def test_one_of_the_last_two_owners_stays(team: Team, first: str, second: str) -> None:
    bob = team.join("bob", Role.CLIENT_OWNER)
    calls = [TWO_OWNERS[first](team, team.owner, bob), TWO_OWNERS[second](team, bob, team.owner)]

    outcomes = at_once(calls)

    assert len(owners(team)) == 1
    assert None in outcomes
    assert all(outcome is None or isinstance(outcome, TOO_LATE) for outcome in outcomes)


@pytest.mark.parametrize("second", TWO_OWNERS)
@pytest.mark.parametrize("first", TWO_OWNERS)
def test_one_owner_stays_when_the_other_goes_in_between(team: Team, first: str, second: str) -> None:
    bob = team.join("bob", Role.CLIENT_OWNER)
    slow = meanwhile(team, TWO_OWNERS[second](team, bob, team.owner))

    with suppress(*TOO_LATE):
        TWO_OWNERS[first](slow, team.owner, bob)()

    assert len(owners(team)) == 1


def test_one_of_five_owners_who_leave_concurrently_stays(team: Team) -> None:
    all_of_them = [team.owner, *(team.join(f"owner-{number}", Role.CLIENT_OWNER) for number in range(4))]

    outcomes = at_once([partial(leave, team, each) for each in all_of_them])

    gone = [each for each, outcome in zip(all_of_them, outcomes, strict=True) if outcome is None]
    assert len(owners(team)) == len(all_of_them) - len(gone) >= 1
    assert all(not is_noted(team, each) for each in gone)


# A member who is removed or demoted during a call


CALLS: Final[dict[str, Callable[[Team, SignedIn, SignedIn], object]]] = {
    "renames": lambda team, bob, _: team.app.base.organization_changes.rename(
        team.organization_id, bob.user.user_id, "Bob's now"
    ),
    "invites": lambda team, bob, _: invite(team, bob, "xan@example.com"),
    "changes a role": lambda team, bob, zoe: change_role(team, bob, zoe, Role.CLIENT_ADMIN),
    "removes a member": remove,
    "revokes an invitation": lambda team, bob, _: team.app.base.open_invitations.revoke(
        team.organization_id, bob.user.user_id, open_invitations(team)[0].invitation_id
    ),
}


@pytest.mark.covers("129")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("change", ["removed", "demoted"])
def test_a_member_who_is_removed_or_demoted_during_a_call_changes_nothing(team: Team, call: str, change: str) -> None:
    bob, zoe = team.join("bob", Role.CLIENT_ADMIN), team.join("zoe", Role.CLIENT_MEMBER)
    team.invitation("yan@example.com")
    happens = {
        "removed": partial(remove, team, team.owner, bob),
        "demoted": partial(change_role, team, team.owner, bob, Role.CLIENT_MEMBER),
    }[change]
    before = team.app.base.organization_table.read_whole(team.organization_id)

    with pytest.raises(NotAMember if change == "removed" else InsufficientRole):
        CALLS[call](meanwhile(team, happens), bob, zoe)

    after = team.app.base.organization_table.read_whole(team.organization_id)
    assert before is not None
    assert after is not None
    assert (after.organization.name, after.invitations) == (before.organization.name, before.invitations)
    assert team.role_of(zoe) == Role.CLIENT_MEMBER
    assert team.role_of(bob) == (None if change == "removed" else Role.CLIENT_MEMBER)


# Deleting an organization


def test_a_user_who_joins_while_the_organization_is_deleted_is_no_member(team: Team, database: Database) -> None:
    zoe, token = member(team.app, "zoe"), token_of(team, team.invitation(INVITED))
    ends_last_membership = team.app.base.organization_table.membership_deletion(
        team.organization_id, team.owner.user.user_id
    ).key

    def is_last_step(call: Call) -> bool:
        return call.method == "commit" and ends_last_membership in call.keys

    def happens() -> None:
        with pytest.raises(InvalidInvitation):  # the invitation has been deleted already
            join(team, token, zoe)
        team.add(zoe, Role.CLIENT_MEMBER)

    delete(meanwhile(team, happens, is_last_step), team.owner)

    assert database.items("Organizations") == []
    assert not is_noted(team, zoe)
    assert not is_noted(team, team.owner)


def test_two_owners_can_delete_the_organization_concurrently(team: Team, database: Database) -> None:
    bob = team.join("bob", Role.CLIENT_OWNER)

    outcomes = at_once([partial(delete, team, team.owner), partial(delete, team, bob)])

    assert all(outcome is None or isinstance(outcome, NotAMember) for outcome in outcomes)
    assert None in outcomes
    assert database.items("Organizations") == []


@pytest.mark.parametrize("members", [0, 40], ids=["few members", "many members"])
@pytest.mark.parametrize("happens", [remove, partial(change_role, role=Role.CLIENT_MEMBER)], ids=["removed", "demoted"])
def test_an_owner_who_loses_the_role_meanwhile_cannot_delete_the_organization(
    team: Team, happens: Callable[[Team, SignedIn, SignedIn], None], members: int
) -> None:
    choices = Choices(registration=replace(REGISTRATIONS, attempts=100))
    team = replace(team, app=team.app.with_choices(choices))
    bob = team.join("bob", Role.CLIENT_OWNER)
    people = [team.join(f"member-{number}", Role.CLIENT_MEMBER) for number in range(members)]

    with pytest.raises((NotAMember, InsufficientRole)):
        delete(meanwhile(team, partial(happens, team, bob, team.owner)), team.owner)

    assert owners(team) == [bob.user.user_id]
    assert all(team.role_of(each) == Role.CLIENT_MEMBER for each in people)


def test_a_large_organization_is_deleted_with_its_members_and_invitations(team: Team, database: Database) -> None:
    """In several steps, because a transaction has a limit."""
    choices = Choices(registration=replace(REGISTRATIONS, attempts=100))
    team = replace(team, app=team.app.with_choices(choices))
    people = [team.join(f"member-{number}", Role.CLIENT_MEMBER) for number in range(65)]
    for number in range(101):
        team.invitation(f"invited-{number}@example.com")

    delete(team, team.owner)

    assert database.items("Organizations") == []
    assert not any(is_noted(team, each) for each in (team.owner, *people))


# Creating an organization


def test_two_concurrently_created_organizations_both_exist_and_one_is_the_default(deployment: Deployment) -> None:
    app = with_mail(deployment)
    bob = member(app, "bob")
    caller = deployment.sessions.authenticate(bob.tokens.access_token)

    outcomes = at_once([partial(deployment.own_organizations.found, caller, name) for name in ("One", "Two")])

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    listed = deployment.own_organizations.list(app.user(bob.user.user_id))
    assert {organization.name for organization, _ in listed} == {"One", "Two"}
    assert app.user(bob.user.user_id).organization_id == listed[0][0].organization_id
