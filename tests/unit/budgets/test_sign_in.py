"""The cost of registering, signing in, refreshing and signing out."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis import snapotp
from gerbang.limits.rate_limits import Limit
from gerbang.mail.jobs import NEW_USER_METADATA, SLOT, MailKind
from gerbang.sessions.sessions import RefreshTokenReused, SignedIn
from gerbang.storage.one_time_codes import Slot
from gerbang.storage.store import Update

from tests.deployment import ALICE, BOB, HOME, Choices, Deployment, by_email
from tests.unit.budgets.measuring import Budget
from tests.unit.mail_deployment import with_mail


@pytest.mark.usefixtures("alice")
def test_a_login_takes_three_round_trips_seven_calls_and_one_hash(budget: Budget) -> None:
    for _ in range(2):  # from an unknown device, then from a known one
        assert budget.of(lambda deployment: deployment.sign_in.sign_in(by_email(), HOME)) == (3, 1)
        assert len(budget.store.calls) == 7


@pytest.mark.usefixtures("alice")
def test_a_login_that_returns_the_role_takes_one_more_call(budget: Budget) -> None:
    for _ in range(2):
        assert budget.of(lambda deployment: deployment.password_sign_in_with_role.sign_in(by_email(), HOME)) == (3, 1)
        assert len(budget.store.calls) == 8


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("email", [ALICE.email, "unknown@example.com"])
def test_a_failed_login_costs_the_same_for_known_and_unknown_addresses(budget: Budget, email: str) -> None:
    def fail(deployment: Deployment) -> None:
        with pytest.raises(InvalidCredentials):
            deployment.sign_in.sign_in(by_email(email, "wrong"), HOME)

    assert budget.of(fail) == (3, 1)
    assert len(budget.store.calls) == 6


@pytest.mark.usefixtures("alice")
def test_past_half_of_both_wide_limits_a_login_takes_two_more_calls_and_no_more_round_trips(budget: Budget) -> None:
    few = Limit(name="few", attempts=5, window=timedelta(hours=1))
    choices = Choices(address=replace(few, name="a"), account=replace(few, name="b"))
    budget.deployment = replace(budget.deployment, choices=choices)
    for _ in range(2):
        budget.of(lambda deployment: deployment.sign_in.sign_in(by_email(), HOME))

    def fail(deployment: Deployment) -> None:
        with pytest.raises(InvalidCredentials):
            deployment.sign_in.sign_in(by_email(password="wrong"), HOME)

    assert budget.of(lambda deployment: deployment.sign_in.sign_in(by_email(), HOME)) == (3, 1)
    assert len(budget.store.calls) == 9
    assert budget.of(fail) == (3, 1)
    assert len(budget.store.calls) == 8


def test_redeeming_a_code_takes_three_round_trips(budget: Budget) -> None:
    app = with_mail(budget.deployment)
    app.register()
    code = app.mailed_code()

    assert budget.of(lambda deployment: app.on(deployment.store).code_sign_in.sign_in(BOB.email, code, HOME)) == (3, 0)


@pytest.mark.parametrize("kind", [MailKind.SIGN_IN_CODE, MailKind.RECOVERY_CODE])
def test_redeeming_a_code_of_any_slot_takes_three_round_trips(budget: Budget, kind: MailKind) -> None:
    app = with_mail(budget.deployment)
    app.register()
    app.mailed_code()
    code = app.mailed_code(kind=kind)

    def redeem(deployment: Deployment) -> None:
        deployment.code_sign_in_with_sign_up.redeem(BOB.email, code, HOME, slots=(Slot.EMAIL, Slot.RECOVERY))

    assert budget.of(lambda deployment: redeem(app.on(deployment.store).base)) == (3, 0)


def test_redeeming_a_code_that_creates_an_account_takes_four_round_trips(budget: Budget) -> None:
    app = with_mail(budget.deployment)
    job = replace(app.job(MailKind.SIGN_IN_CODE), payload={SLOT: "RECOVERY", NEW_USER_METADATA: "{}"})
    app.deliver(job)
    [code] = app.outbox.codes

    def redeem(deployment: Deployment) -> None:
        deployment.code_sign_in_with_sign_up.redeem(BOB.email, code, HOME, slots=(Slot.EMAIL,))

    assert budget.of(lambda deployment: redeem(app.on(deployment.store).base)) == (4, 0)


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (MailKind.PASSWORD_RESET, 3),
        (MailKind.SIGN_IN_CODE, 4),
        (MailKind.VERIFICATION_CODE, 4),
        (MailKind.RECOVERY_CODE, 4),
    ],
)
def test_requesting_a_mail_takes_one_round_trip(budget: Budget, kind: MailKind, calls: int) -> None:
    def request(deployment: Deployment) -> None:
        with_mail(deployment).mail_service.ask(kind, BOB.email, None, HOME.address)

    assert budget.of(request) == (1, 0)
    assert len(budget.store.calls) == calls


def test_a_registration_takes_two_round_trips_and_one_hash(budget: Budget) -> None:
    assert budget.of(lambda deployment: deployment.registration.register(ALICE, HOME)) == (2, 1)
    assert len(budget.store.calls) == 2
    assert budget.of(lambda deployment: deployment.registration.register_without_session(BOB, HOME)) == (2, 1)


@pytest.mark.usefixtures("alice")
def test_registering_a_taken_address_takes_four_round_trips_and_two_hashes(budget: Budget) -> None:
    """It also reads the account and compares the passwords: the same user may have registered twice."""

    def fail(deployment: Deployment) -> None:
        with pytest.raises(EmailTaken):
            deployment.registration.register(ALICE, HOME)

    assert budget.of(fail) == (4, 2)


def test_a_refresh_takes_two_round_trips_also_for_a_reused_token_that_is_forgiven(
    budget: Budget, alice: SignedIn
) -> None:
    for _ in range(2):
        assert budget.of(lambda deployment: deployment.sessions.refresh(alice.tokens.refresh_token)) == (2, 0)


def test_a_refresh_of_a_guest_takes_two_round_trips(budget: Budget) -> None:
    base = budget.deployment
    guest = replace(base.register(BOB), is_anonymous=True, user_id=base.new_id(), email=None, number=None)
    base.store.commit(*base.users.creation(guest).values())
    session = base.sessions.open(guest, HOME, "anonymous")

    assert budget.of(lambda deployment: deployment.sessions.refresh(session.tokens.refresh_token)) == (2, 0)


def test_detecting_a_stolen_refresh_token_takes_four_round_trips(budget: Budget, alice: SignedIn) -> None:
    strict = budget.deployment
    budget.deployment = replace(strict, choices=Choices(grace=Choices().grace * 0))
    second = budget.deployment.sessions.refresh(alice.tokens.refresh_token)
    budget.deployment.sessions.authenticate(second.tokens.access_token)

    def fail(deployment: Deployment) -> None:
        with pytest.raises(RefreshTokenReused):
            deployment.sessions.refresh(alice.tokens.refresh_token)

    assert budget.of(fail) == (4, 0)  # the last two write the reason for the table's stream, and delete the session


def test_a_logout_takes_two_round_trips(budget: Budget, alice: SignedIn) -> None:
    assert budget.of(lambda deployment: deployment.sessions.close(alice.tokens.access_token)) == (2, 0)


def test_me_takes_two_round_trips_at_the_first_use_of_a_generation_and_then_one(
    budget: Budget, alice: SignedIn
) -> None:
    def me(deployment: Deployment) -> None:
        snapotp.user(deployment.sessions.authenticate_person(alice.tokens.access_token).user)

    assert budget.of(me) == (2, 0)
    assert budget.of(me) == (1, 0)


def test_listing_sessions_takes_two_round_trips_and_ending_one_takes_three(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.sessions.authenticate(alice.tokens.access_token)

    def show(deployment: Deployment) -> None:
        deployment.own_sessions.list(deployment.sessions.authenticate(alice.tokens.access_token).user)

    def end(deployment: Deployment) -> None:
        deployment.own_sessions.end(deployment.sessions.authenticate(alice.tokens.access_token).user, alice.family_id)

    assert budget.of(show) == (2, 0)
    assert budget.of(end) == (3, 0)


@pytest.mark.usefixtures("alice")
def test_the_first_sign_in_from_a_new_device_takes_one_more_round_trip(budget: Budget) -> None:
    base = with_mail(replace(budget.deployment, choices=Choices(new_device_mail=True))).base
    base.store.write(Update(base.users.key("00000002-0000-4000-8000-000000000001"), {"email_verified_at": 1}))

    def sign_in(_: Deployment) -> None:
        base.sign_in.sign_in(by_email(), replace(HOME, address="198.51.100.9"))

    assert budget.of(sign_in) == (4, 1)  # the mail about it is counted and queued
    assert budget.of(sign_in) == (3, 1)
