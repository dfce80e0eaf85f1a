"""Concurrent changes of one organization: in parallel, and with one change between two calls of another."""

from collections.abc import Callable
from contextlib import suppress
from copy import replace
from functools import partial
from typing import Final

import pytest
from gerbang.accounts.invitation_acceptance import InvalidInvitation
from gerbang.accounts.organization_changes import LastOwner, NoSuchMember
from gerbang.accounts.organization_invitations import AlreadyMember, NoSuchInvitation
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.roles import InsufficientRole, Role
from gerbang.core.emails import EmailAddress
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.organizations import Invitation
from gerbang.storage.store import Put

from tests.conftest import Database
from tests.deployment import HOME, HOUR, MAIL_MINUTE, PASSWORD, REGISTRATIONS, Choices, Deployment
from tests.fakes import Call, at_once
from tests.unit.mail_fakes import mailing
from tests.unit.teams import Team, member

INVITED: Final = "zoe@example.com"


@pytest.fixture
def team(deployment: Deployment) -> Team:
    return Team.found(mailing(deployment))


def commits(call: Call) -> bool:
    return call.method == "commit"


def meanwhile(team: Team, happens: Callable[[], object], before: Callable[[Call], bool] = commits) -> Team:
    """The same team, where something happens just before the first commit, or another call."""
    return replace(team, post=team.post.meanwhile(happens, before))


def leave(team: Team, session: SignedIn) -> None:
    team.post.base.organization_changes.remove(team.organization_id, session.user.user_id, session.user.user_id)


def remove(team: Team, by: SignedIn, session: SignedIn) -> None:
    team.post.base.organization_changes.remove(team.organization_id, by.user.user_id, session.user.user_id)


def step_down(team: Team, session: SignedIn) -> None:
    change_role(team, session, session, Role.CLIENT_MEMBER)


def change_role(team: Team, by: SignedIn, session: SignedIn, role: Role) -> None:
    changes = team.post.base.organization_changes
    changes.change_role(team.organization_id, by.user.user_id, session.user.user_id, role)


def delete(team: Team, by: SignedIn) -> None:
    team.post.base.organization_deletion.delete(team.organization_id, by.user.user_id)


def invite(team: Team, by: SignedIn, email: str = INVITED, role: Role = Role.CLIENT_MEMBER) -> Invitation:
    invitations = team.post.base.organization_invitations
    return invitations.invite(team.organization_id, by.user.user_id, EmailAddress(email), role, HOME)


def token_of(team: Team, invitation: Invitation) -> str:
    return team.post.base.invitation_tokens.token(invitation)


def register(team: Team, token: str) -> SignedIn:
    acceptance, policy = team.post.base.invitation_acceptance, PasswordPolicy()
    return acceptance.register(token, "Zoe", PASSWORD, client=HOME, policy=policy)[0]


def join(team: Team, token: str, session: SignedIn) -> None:
    base = team.post.base
    base.invitation_acceptance.join(token, base.sessions.authenticate(session.tokens.access_token), HOME)


def owners(team: Team) -> list[str]:
    whole = team.post.base.organization_table.read_whole(team.organization_id)
    return [] if whole is None else [each.user_id for each in whole.members if each.role == Role.CLIENT_OWNER]


def open_invitations(team: Team) -> list[Invitation]:
    whole = team.post.base.organization_table.read_whole(team.organization_id)
    return [] if whole is None else [*whole.invitations]


def is_noted(team: Team, session: SignedIn) -> bool:
    """Whether the account has a note of its membership."""
    user = team.post.user(session.user.user_id)
    return team.organization_id in team.post.users.organization_ids(user)


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


# One invitation


@pytest.mark.covers("158")
def test_concurrent_uses_of_an_invitation_create_one_account(team: Team, database: Database) -> None:
    token = token_of(team, team.invitation(INVITED, Role.CLIENT_ADMIN))

    outcomes = at_once([partial(register, team, token)] * 5)

    [joined] = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert all(isinstance(outcome, SignedIn | InvalidInvitation | EmailTaken) for outcome in outcomes)
    assert team.role_of(joined) == Role.CLIENT_ADMIN
    accounts = [item for item in database.items("Users", "USER#") if item.get("email") == INVITED]
    assert len(accounts) == 1
    assert open_invitations(team) == []


def test_concurrent_uses_of_an_invitation_create_one_membership(team: Team) -> None:
    zoe, token = member(team.post, "zoe"), token_of(team, team.invitation(INVITED))

    outcomes = at_once([partial(join, team, token, zoe)] * 5)

    assert outcomes.count(None) == 1
    assert all(outcome is None or isinstance(outcome, InvalidInvitation | AlreadyMember) for outcome in outcomes)
    assert team.role_of(zoe) == Role.CLIENT_MEMBER
    assert is_noted(team, zoe)


@pytest.mark.parametrize("is_new", [True, False], ids=["by a new account", "by an account"])
def test_an_invitation_that_is_revoked_meanwhile_cannot_be_accepted(team: Team, is_new: bool) -> None:  # noqa: FBT001
    invitation = team.invitation(INVITED)
    token, revoke = token_of(team, invitation), team.post.base.open_invitations.revoke
    slow = meanwhile(team, partial(revoke, team.organization_id, team.owner.user.user_id, invitation.invitation_id))
    session = None if is_new else member(team.post, "zoe")

    with pytest.raises(InvalidInvitation):
        register(slow, token) if session is None else join(slow, token, session)

    assert (team.post.users.find_id(Name.EMAIL, INVITED) is None) == is_new
    assert session is None or team.role_of(session) is None


def test_an_invitation_that_is_accepted_meanwhile_cannot_be_revoked(team: Team) -> None:
    invitation = team.invitation(INVITED)
    slow = meanwhile(team, partial(register, team, token_of(team, invitation)))

    with pytest.raises(NoSuchInvitation):
        slow.post.base.open_invitations.revoke(team.organization_id, team.owner.user.user_id, invitation.invitation_id)


def test_concurrent_invitations_of_an_address_make_one_invitation(team: Team) -> None:
    bob = team.join("bob", Role.CLIENT_ADMIN)
    choices = Choices(mail_minute=replace(MAIL_MINUTE, attempts=10))
    team = replace(team, post=team.post.with_choices(choices))

    outcomes = at_once([partial(invite, team, team.owner), partial(invite, team, bob)])

    made = [outcome for outcome in outcomes if isinstance(outcome, Invitation)]
    assert made
    assert [each.invitation_id for each in open_invitations(team)] in [[each.invitation_id] for each in made]


def test_an_account_that_is_deleted_while_it_joins_leaves_no_membership(team: Team, database: Database) -> None:
    zoe, token = member(team.post, "zoe"), token_of(team, team.invitation(INVITED))
    slow = meanwhile(team, partial(team.post.base.deletion.delete_by_id, zoe.user.user_id))

    with pytest.raises(SessionEnded):
        join(slow, token, zoe)

    assert team.role_of(zoe) is None
    assert not [item for item in database.items("Users") if zoe.user.user_id in str(item)]


def test_an_account_that_joins_while_it_is_deleted_leaves_no_membership(team: Team, database: Database) -> None:
    """The deletion disables the account first, so that nothing can be added to it."""
    zoe, token = member(team.post, "zoe"), token_of(team, team.invitation(INVITED))
    caller = team.post.base.sessions.authenticate(zoe.tokens.access_token)

    def accept() -> None:
        with pytest.raises(SessionEnded):
            team.post.base.invitation_acceptance.join(token, caller, HOME)

    slow = meanwhile(team, accept, before=lambda call: call.method == "query")
    slow.post.base.deletion.delete_by_id(zoe.user.user_id)

    assert team.role_of(zoe) is None
    assert not [item for item in database.items("Users") if zoe.user.user_id in str(item)]


# A member who is removed or demoted during a call


CALLS: Final[dict[str, Callable[[Team, SignedIn, SignedIn], object]]] = {
    "renames": lambda team, bob, _: team.post.base.organization_changes.rename(
        team.organization_id, bob.user.user_id, "Bob's now"
    ),
    "invites": lambda team, bob, _: invite(team, bob, "xan@example.com"),
    "changes a role": lambda team, bob, zoe: change_role(team, bob, zoe, Role.CLIENT_ADMIN),
    "removes a member": remove,
    "revokes an invitation": lambda team, bob, _: team.post.base.open_invitations.revoke(
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
    before = team.post.base.organization_table.read_whole(team.organization_id)

    with pytest.raises(NotAMember if change == "removed" else InsufficientRole):
        CALLS[call](meanwhile(team, happens), bob, zoe)

    after = team.post.base.organization_table.read_whole(team.organization_id)
    assert before is not None
    assert after is not None
    assert (after.organization.name, after.invitations) == (before.organization.name, before.invitations)
    assert team.role_of(zoe) == Role.CLIENT_MEMBER
    assert team.role_of(bob) == (None if change == "removed" else Role.CLIENT_MEMBER)


def test_an_invitation_by_a_member_who_was_removed_meanwhile_is_not_mailed(team: Team) -> None:
    bob = team.join("bob", Role.CLIENT_ADMIN)

    with pytest.raises(NotAMember):
        invite(meanwhile(team, partial(remove, team, team.owner, bob)), bob)
    [job] = team.post.queue.jobs
    team.post.mailer.deliver(job, queued_at=team.post.base.clock() - HOUR)

    assert team.post.outbox.sent == []


def test_a_note_without_a_membership_does_not_prevent_joining(team: Team) -> None:
    """A function of the operator may have deleted the membership and left the note."""
    zoe, token = member(team.post, "zoe"), token_of(team, team.invitation(INVITED))
    base = team.post.base
    base.store.write(Put(base.users.organization_key(zoe.user.user_id, team.organization_id), {"since": 0}))

    join(team, token, zoe)

    assert team.role_of(zoe) == Role.CLIENT_MEMBER


# Deleting an organization


def test_a_user_who_joins_while_the_organization_is_deleted_is_no_member(team: Team, database: Database) -> None:
    zoe, token = member(team.post, "zoe"), token_of(team, team.invitation(INVITED))
    ends_last_membership = team.post.base.organization_table.membership_deletion(
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
    team = replace(team, post=team.post.with_choices(choices))
    bob = team.join("bob", Role.CLIENT_OWNER)
    people = [team.join(f"member-{number}", Role.CLIENT_MEMBER) for number in range(members)]

    with pytest.raises((NotAMember, InsufficientRole)):
        delete(meanwhile(team, partial(happens, team, bob, team.owner)), team.owner)

    assert owners(team) == [bob.user.user_id]
    assert all(team.role_of(each) == Role.CLIENT_MEMBER for each in people)


def test_a_large_organization_is_deleted_with_its_members_and_invitations(team: Team, database: Database) -> None:
    """In several steps, because a transaction has a limit."""
    choices = Choices(registration=replace(REGISTRATIONS, attempts=100))
    team = replace(team, post=team.post.with_choices(choices))
    people = [team.join(f"member-{number}", Role.CLIENT_MEMBER) for number in range(65)]
    for number in range(101):
        team.invitation(f"invited-{number}@example.com")

    delete(team, team.owner)

    assert database.items("Organizations") == []
    assert not any(is_noted(team, each) for each in (team.owner, *people))


# Creating an organization


def test_two_concurrently_created_organizations_both_exist_and_one_is_the_default(deployment: Deployment) -> None:
    post = mailing(deployment)
    bob = member(post, "bob")
    caller = deployment.sessions.authenticate(bob.tokens.access_token)

    outcomes = at_once([partial(deployment.own_organizations.found, caller, name) for name in ("One", "Two")])

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    listed = deployment.own_organizations.list(post.user(bob.user.user_id))
    assert {organization.name for organization, _ in listed} == {"One", "Two"}
    assert post.user(bob.user.user_id).organization_id == listed[0][0].organization_id
