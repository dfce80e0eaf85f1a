"""Budgets: the sequential round trips to the database and the password hashes of each endpoint."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts import totp
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.roles import Role
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.user_creation import NewUser
from gerbang.accounts.user_edit import UserEdit
from gerbang.accounts.user_update import UserChanges
from gerbang.apis import snapotp
from gerbang.core.concurrency import run_concurrently
from gerbang.core.emails import EmailAddress
from gerbang.limits.rate_limits import Limit
from gerbang.mail.jobs import NEW_USER_METADATA, SLOT, MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.first_factor import SecondFactorRequired
from gerbang.sessions.sessions import RefreshTokenReused, SignedIn
from gerbang.sessions.sign_out import Scope
from gerbang.storage.one_time_codes import Slot
from gerbang.storage.organizations import Membership
from gerbang.storage.store import Update

from tests.deployment import ALICE, BOB, HOME, PASSWORD, Choices, Deployment, by_email
from tests.unit.budgets.measuring import Budget, RoundTrips
from tests.unit.mail_fakes import mailing
from tests.unit.teams import Team, member


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> RoundTrips:
    trips = RoundTrips()
    trips.watch_thread_pools(monkeypatch)
    return trips


@pytest.fixture
def budget(deployment_in_memory: Deployment, trips: RoundTrips, hashes: list[int]) -> Budget:
    return Budget(deployment_in_memory, trips, hashes)


@pytest.fixture
def alice(deployment_in_memory: Deployment) -> SignedIn:
    return deployment_in_memory.sessions.open(deployment_in_memory.register(ALICE), HOME, "password")


# How costs are measured


def test_concurrent_calls_count_once_and_sequential_calls_add_up(budget: Budget, trips: RoundTrips) -> None:
    def trip() -> None:
        budget.deployment.users.find("no-account")

    def three() -> None:
        for _ in range(3):
            trip()

    assert budget.of(lambda _: three()) == (3, 0)
    assert budget.of(lambda _: run_concurrently(trip, trip)) == (1, 0)
    assert budget.of(lambda _: run_concurrently(trip, three)) == (3, 0)
    assert budget.of(lambda _: run_concurrently(three, trip)) == (3, 0)
    assert budget.of(lambda _: run_concurrently(*[trip, trip, trip, trip])) == (1, 0)
    assert budget.of(
        lambda _: [run_concurrently(*[trip]), run_concurrently(*[trip, three, trip]), run_concurrently(*[trip])]
    ) == (5, 0)
    assert trips.count == 5


# Endpoints


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
    post = mailing(budget.deployment)
    post.register()
    code = post.mailed_code()

    assert budget.of(lambda deployment: post.on(deployment.store).code_sign_in.sign_in(BOB.email, code, HOME)) == (3, 0)


@pytest.mark.parametrize("kind", [MailKind.SIGN_IN_CODE, MailKind.RECOVERY_CODE])
def test_redeeming_a_code_of_any_slot_takes_three_round_trips(budget: Budget, kind: MailKind) -> None:
    post = mailing(budget.deployment)
    post.register()
    post.mailed_code()
    code = post.mailed_code(kind=kind)

    def redeem(deployment: Deployment) -> None:
        deployment.code_sign_in_with_sign_up.redeem(BOB.email, code, HOME, slots=(Slot.EMAIL, Slot.RECOVERY))

    assert budget.of(lambda deployment: redeem(post.on(deployment.store).base)) == (3, 0)


def test_redeeming_a_code_that_creates_an_account_takes_four_round_trips(budget: Budget) -> None:
    post = mailing(budget.deployment)
    job = replace(post.job(MailKind.SIGN_IN_CODE), payload={SLOT: "RECOVERY", NEW_USER_METADATA: "{}"})
    post.deliver(job)
    [code] = post.outbox.codes

    def redeem(deployment: Deployment) -> None:
        deployment.code_sign_in_with_sign_up.redeem(BOB.email, code, HOME, slots=(Slot.EMAIL,))

    assert budget.of(lambda deployment: redeem(post.on(deployment.store).base)) == (4, 0)


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
    assert budget.of(lambda deployment: mailing(deployment).mail_service.ask(kind, BOB.email, None, HOME.address)) == (
        1,
        0,
    )
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
        post = mailing(deployment).base
        caller = post.sessions.authenticate(alice.tokens.access_token)
        post.user_update.update(caller, UserChanges(metadata={"a": 1}), HOME, PasswordPolicy())

    assert budget.of(change) == (2, 0)


def test_a_new_address_and_password_take_four_round_trips_and_two_hashes(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.sessions.authenticate(alice.tokens.access_token)
    changes = UserChanges(email=EmailAddress("alice@new.example"), password="Another horse 2")

    def change(deployment: Deployment) -> None:
        post = mailing(deployment).base
        caller = post.sessions.authenticate(alice.tokens.access_token)
        post.user_update.update(caller, changes, HOME, PasswordPolicy())

    assert budget.of(change) == (4, 2)


def test_confirming_a_change_of_address_takes_three_round_trips(budget: Budget) -> None:
    post = mailing(budget.deployment)
    session = post.register()
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    post.base.user_update.update(caller, UserChanges(email=EmailAddress("bob@new.example")), HOME, PasswordPolicy())
    post.deliver(post.queue.jobs[0])
    code = post.outbox.codes[0]

    assert budget.of(lambda deployment: deployment.email_change.confirm("bob@new.example", code, HOME)) == (3, 0)


def test_linking_takes_three_round_trips_and_unlinking_two(budget: Budget) -> None:
    post = mailing(budget.deployment)
    session = post.register()
    post.verify_email(session.user)
    post.base.sessions.authenticate(session.tokens.access_token)
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=BOB.email, name="Bob")

    def link(deployment: Deployment) -> None:
        base = post.on(deployment.store).base
        base.linked_identities.link(base.sessions.authenticate(session.tokens.access_token), identity, HOME)

    def unlink(deployment: Deployment) -> None:
        base = post.on(deployment.store).base
        base.linked_identities.unlink(base.sessions.authenticate(session.tokens.access_token), GOOGLE, HOME)

    assert budget.of(link) == (3, 0)
    assert budget.of(unlink) == (2, 0)


def test_a_reauthentication_code_takes_two_more_round_trips(budget: Budget) -> None:
    base = budget.deployment
    budget.deployment = replace(base, choices=Choices(secure_password_change=True))
    post = mailing(budget.deployment)
    session = post.register()
    post.verify_email(session.user)
    base.clock.advance(timedelta(hours=25))
    session = post.base.sessions.refresh(session.tokens.refresh_token)
    post.base.sessions.authenticate(session.tokens.access_token)
    code = post.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)
    changes = UserChanges(password="Another horse 2", code=code)

    def change(deployment: Deployment) -> None:
        base = post.on(deployment.store).base
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
    base = mailing(replace(budget.deployment, choices=Choices(new_device_mail=True))).base
    base.store.write(Update(base.users.key("00000002-0000-4000-8000-000000000001"), {"email_verified_at": 1}))

    def sign_in(_: Deployment) -> None:
        base.sign_in.sign_in(by_email(), replace(HOME, address="198.51.100.9"))

    assert budget.of(sign_in) == (4, 1)  # the mail about it is counted and queued
    assert budget.of(sign_in) == (3, 1)


def test_changing_an_organization_takes_two_round_trips_after_authorization(budget: Budget, alice: SignedIn) -> None:
    """After the authorizer's read, the whole organization is read, and changed in one transaction."""
    base, organization_id, owner = budget.deployment, str(alice.user.organization_id), alice.user.user_id
    bob = base.register(BOB)
    table = base.organization_table
    joined = Membership(organization_id=organization_id, user_id=bob.user_id, role="CLIENT_MEMBER", since=base.clock())
    base.store.write(table.joining(joined))

    def invite(deployment: Deployment) -> None:
        email = EmailAddress("carol@example.com")
        mailing(deployment).base.organization_invitations.invite(
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
    team = Team(post=mailing(budget.deployment), owner=alice, organization_id=str(alice.user.organization_id))
    token = team.post.base.invitation_tokens.token(team.invitation("carol@example.com"))
    carol = member(team.post, "dave")
    other = team.post.base.invitation_tokens.token(team.invitation("dave@example.com"))

    def register(deployment: Deployment) -> None:
        base = team.post.on(deployment.store).base
        base.invitation_acceptance.register(token, "Carol", PASSWORD, client=HOME, policy=PasswordPolicy())

    def join(deployment: Deployment) -> None:
        base = team.post.on(deployment.store).base
        base.invitation_acceptance.join(other, base.sessions.authenticate(carol.tokens.access_token), HOME)

    assert budget.of(register) == (4, 1)
    assert budget.of(join) == (6, 0)
