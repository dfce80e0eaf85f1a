"""The cost of requests of signed-in users and of administrators."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts import totp
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.user_creation import NewUser
from gerbang.accounts.user_edit import UserEdit
from gerbang.accounts.user_update import UserChanges
from gerbang.core.emails import EmailAddress
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.first_factor import SecondFactorRequired
from gerbang.sessions.sessions import SignedIn
from gerbang.sessions.sign_out import Scope

from tests.deployment import ALICE, BOB, HOME, Choices, Deployment, by_email
from tests.unit.budgets.measuring import Budget
from tests.unit.mail_deployment import with_mail


def test_the_user_at_gotrue_costs_as_much_as_me_and_one_round_trip_more_with_identities(
    budget: Budget, alice: SignedIn
) -> None:
    def show(deployment: Deployment) -> None:
        deployment.users.identities_of(deployment.sessions.authenticate(alice.tokens.access_token).user)

    assert budget.of(show) == (2, 0)
    assert budget.of(show) == (1, 0)
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=ALICE.email, name="Alice")
    token = budget.deployment.identity_sign_in.sign_in(identity, HOME).tokens.access_token
    budget.deployment.sessions.authenticate(token)
    assert budget.of(
        lambda deployment: deployment.users.identities_of(deployment.sessions.authenticate(token).user)
    ) == (2, 0)


@pytest.mark.parametrize("scope", Scope)
def test_a_logout_at_gotrue_takes_two_round_trips(budget: Budget, alice: SignedIn, scope: Scope) -> None:
    assert budget.of(lambda deployment: deployment.sign_out.sign_out(alice.tokens.access_token, scope)) == (2, 0)


def test_changing_metadata_takes_one_round_trip_more_than_reading_the_user(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.sessions.authenticate(alice.tokens.access_token)

    def change(deployment: Deployment) -> None:
        app = with_mail(deployment).base
        caller = app.sessions.authenticate(alice.tokens.access_token)
        app.user_update.update(caller, UserChanges(metadata={"a": 1}), HOME, PasswordPolicy())

    assert budget.of(change) == (2, 0)


def test_a_new_address_and_password_take_four_round_trips_and_two_hashes(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.sessions.authenticate(alice.tokens.access_token)
    changes = UserChanges(email=EmailAddress("alice@new.example"), password="Another horse 2")

    def change(deployment: Deployment) -> None:
        app = with_mail(deployment).base
        caller = app.sessions.authenticate(alice.tokens.access_token)
        app.user_update.update(caller, changes, HOME, PasswordPolicy())

    assert budget.of(change) == (4, 2)


def test_confirming_a_change_of_address_takes_three_round_trips(budget: Budget) -> None:
    app = with_mail(budget.deployment)
    session = app.register()
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    app.base.user_update.update(caller, UserChanges(email=EmailAddress("bob@new.example")), HOME, PasswordPolicy())
    app.deliver(app.queue.jobs[0])
    code = app.outbox.codes[0]

    assert budget.of(lambda deployment: deployment.email_change.confirm("bob@new.example", code, HOME)) == (3, 0)


def test_linking_takes_three_round_trips_and_unlinking_two(budget: Budget) -> None:
    app = with_mail(budget.deployment)
    session = app.register()
    app.verify_email(session.user)
    app.base.sessions.authenticate(session.tokens.access_token)
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=BOB.email, name="Bob")

    def link(deployment: Deployment) -> None:
        base = app.on(deployment.store).base
        base.linked_identities.link(base.sessions.authenticate(session.tokens.access_token), identity, HOME)

    def unlink(deployment: Deployment) -> None:
        base = app.on(deployment.store).base
        base.linked_identities.unlink(base.sessions.authenticate(session.tokens.access_token), GOOGLE, HOME)

    assert budget.of(link) == (3, 0)
    assert budget.of(unlink) == (2, 0)


def test_a_reauthentication_code_takes_two_more_round_trips(budget: Budget) -> None:
    base = budget.deployment
    budget.deployment = replace(base, choices=Choices(secure_password_change=True))
    app = with_mail(budget.deployment)
    session = app.register()
    app.verify_email(session.user)
    base.clock.advance(timedelta(hours=25))
    session = app.base.sessions.refresh(session.tokens.refresh_token)
    app.base.sessions.authenticate(session.tokens.access_token)
    code = app.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)
    changes = UserChanges(password="Another horse 2", code=code)

    def change(deployment: Deployment) -> None:
        base = app.on(deployment.store).base
        caller = base.sessions.authenticate(session.tokens.access_token)
        base.user_update.update(caller, changes, HOME, PasswordPolicy())

    assert budget.of(change) == (5, 2)


def with_factor(deployment: Deployment, session: SignedIn) -> tuple[SignedIn, str]:
    """Enrol a factor and verify its first code; return the session with two factors and the id of the factor."""
    caller = deployment.sessions.authenticate(session.tokens.access_token)
    factor_id = deployment.own_factors.enrol(caller, name="", issuer="Toko").factor.factor_id
    return verify(deployment, session, factor_id, steps=-1), factor_id


def verify(deployment: Deployment, session: SignedIn, factor_id: str, *, steps: int) -> SignedIn:
    caller = deployment.sessions.authenticate(session.tokens.access_token)
    challenge_id = deployment.own_factors.challenge(caller, factor_id).challenge_id
    code = code_of(deployment, session, factor_id, steps)
    return deployment.second_factor.verify(caller, factor_id, challenge_id=challenge_id, code=code, client=HOME)


def code_of(deployment: Deployment, session: SignedIn, factor_id: str, steps: int) -> str:
    secret = totp.secret_of(deployment.keys, session.user.user_id, factor_id)
    return totp.code_of(secret, totp.step_at(deployment.clock()) + steps)


def test_verifying_a_second_factor_takes_two_round_trips_after_authentication(budget: Budget, alice: SignedIn) -> None:
    _, factor_id = with_factor(budget.deployment, alice)

    assert budget.of(lambda deployment: deployment.sessions.authenticate(alice.tokens.access_token)) == (1, 0)
    assert budget.of(lambda deployment: verify(deployment, alice, factor_id, steps=0)) == (3, 0)


def test_enrolling_a_factor_takes_two_round_trips_and_unenrolling_three(budget: Budget, alice: SignedIn) -> None:
    raised, factor_id = with_factor(budget.deployment, alice)
    budget.deployment.sessions.authenticate(raised.tokens.access_token)

    def enrol(deployment: Deployment) -> None:
        deployment.own_factors.enrol(
            deployment.sessions.authenticate(raised.tokens.access_token), name="", issuer="Toko"
        )

    def unenrol(deployment: Deployment) -> None:
        deployment.own_factors.unenrol(deployment.sessions.authenticate(raised.tokens.access_token), factor_id)

    assert budget.of(enrol) == (2, 0)
    assert budget.of(unenrol) == (3, 0)


def test_a_sign_in_with_a_second_factor_takes_two_round_trips_for_the_second_step(
    budget: Budget, alice: SignedIn
) -> None:
    _, factor_id = with_factor(budget.deployment, alice)
    tokens: list[str] = []

    def sign_in(deployment: Deployment) -> None:
        with pytest.raises(SecondFactorRequired) as error:
            deployment.sign_in.sign_in(by_email(), HOME)
        tokens.append(error.value.mfa_token)

    assert budget.of(sign_in) == (3, 1)
    code = code_of(budget.deployment, alice, factor_id, 0)
    assert budget.of(lambda deployment: deployment.second_factor.sign_in(tokens[0], code, HOME)) == (2, 0)


def test_calls_of_an_administrator_take_one_or_two_round_trips(budget: Budget, alice: SignedIn) -> None:
    user_id, policy = alice.user.user_id, PasswordPolicy()

    def create(deployment: Deployment) -> None:
        deployment.user_creation.create(
            NewUser(email=EmailAddress("c@example.com"), is_verified=True, name="", password="x")
        )

    def edit(deployment: Deployment) -> None:
        deployment.user_editing.edit(
            user_id, UserEdit(email=EmailAddress("d@example.com"), password="Battery 12"), policy
        )

    assert budget.of(lambda deployment: deployment.users.find_person(user_id)) == (1, 0)
    assert budget.of(create) == (1, 1)
    assert budget.of(edit) == (2, 1)


def test_a_deletion_takes_eight_round_trips(budget: Budget, alice: SignedIn) -> None:
    """It disables the account, deletes its sessions, reads its items, deletes its organization, then the rest."""
    assert budget.of(lambda deployment: deployment.deletion.delete_by_id(alice.user.user_id)) == (8, 0)


@pytest.mark.usefixtures("alice")
def test_the_next_page_of_users_takes_three_round_trips(budget: Budget) -> None:
    def page(number: int) -> Callable[[Deployment], object]:
        return lambda deployment: deployment.numbered_users.page(number, size=1, caller="me")

    for number in range(2):
        new = NewUser(email=EmailAddress(f"user-{number}@example.com"), is_verified=True, name="")
        budget.deployment.user_creation.create(new)
    budget.of(page(1))

    assert budget.of(page(2)) == (3, 0)
