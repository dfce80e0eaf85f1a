"""The cost of authorizing callers, and of changing organizations."""

from gerbang.accounts.roles import Role
from gerbang.core.emails import EmailAddress
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.organizations import Membership

from tests.deployment import BOB, HOME, PASSWORD, Deployment
from tests.unit.budgets.measuring import Budget
from tests.unit.mail_deployment import with_mail
from tests.unit.teams import Team, member


def test_the_authorizer_takes_two_round_trips_at_the_first_use_of_a_generation_and_then_one(
    budget: Budget, alice: SignedIn
) -> None:
    organization_id = str(alice.user.organization_id)

    def authorize(deployment: Deployment) -> None:
        deployment.authorizer.authorize(alice.tokens.access_token, organization_id)

    assert budget.of(authorize) == (2, 0)
    assert budget.of(authorize) == (1, 0)


def test_the_master_secret_is_read_once(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.secret.reads = 0
    for _ in range(5):
        budget.of(lambda deployment: deployment.sessions.authenticate(alice.tokens.access_token))

    assert budget.deployment.secret.reads == 1


def test_changing_an_organization_takes_two_round_trips_after_authorization(budget: Budget, alice: SignedIn) -> None:
    """After the authorizer's read, the whole organization is read, and changed in one transaction."""
    base, organization_id, owner = budget.deployment, str(alice.user.organization_id), alice.user.user_id
    bob = base.register(BOB)
    table = base.organization_table
    joined = Membership(organization_id=organization_id, user_id=bob.user_id, role="CLIENT_MEMBER", since=base.clock())
    base.store.write(table.joining(joined))

    def invite(deployment: Deployment) -> None:
        email = EmailAddress("carol@example.com")
        with_mail(deployment).base.organization_invitations.invite(
            organization_id, owner, email, Role.CLIENT_MEMBER, HOME
        )

    changes = {
        "rename": lambda deployment: deployment.organization_changes.rename(organization_id, owner, "New"),
        "role": lambda deployment: deployment.organization_changes.change_role(
            organization_id, owner, bob.user_id, Role.CLIENT_ADMIN
        ),
        "remove": lambda deployment: deployment.organization_changes.remove(organization_id, owner, bob.user_id),
        "members": lambda deployment: deployment.members.list(organization_id),
        "invitations": lambda deployment: deployment.open_invitations.list(organization_id, owner),
        "invite": invite,
        "delete": lambda deployment: deployment.organization_deletion.delete(organization_id, owner),
    }
    assert {name: budget.of(change)[0] for name, change in changes.items()} == {
        "rename": 2,
        "role": 2,
        "remove": 3,  # also the account, whose default organization it may be
        "members": 2,
        "invitations": 1,
        "invite": 4,  # the invitation is counted, and the account with the address is looked up
        "delete": 4,  # also the invitations, and the accounts of the members
    }


def test_accepting_an_invitation_takes_four_round_trips_for_a_new_account_and_six_for_a_user(
    budget: Budget, alice: SignedIn
) -> None:
    team = Team(app=with_mail(budget.deployment), owner=alice, organization_id=str(alice.user.organization_id))
    token = team.app.base.invitation_tokens.token(team.invitation("carol@example.com"))
    carol = member(team.app, "dave")
    other = team.app.base.invitation_tokens.token(team.invitation("dave@example.com"))

    def register(deployment: Deployment) -> None:
        base = team.app.on(deployment.store).base
        base.invitation_acceptance.register(token, "Carol", PASSWORD, client=HOME, policy=PasswordPolicy())

    def join(deployment: Deployment) -> None:
        base = team.app.on(deployment.store).base
        base.invitation_acceptance.join(other, base.sessions.authenticate(carol.tokens.access_token), HOME)

    assert budget.of(register) == (4, 1)
    assert budget.of(join) == (6, 0)
