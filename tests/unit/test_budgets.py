"""Budgets: round trips to the database, one after the other, and password hashes, an endpoint each."""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import replace
from datetime import timedelta
from threading import local
from typing import Any

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
from tests.fakes import Call, PassingStore
from tests.unit.mail_fakes import mailing
from tests.unit.teams import Team, member


class Path:
    """How many round trips lie one after the other on the way to this point of the program.

    A call in a pool begins where it was submitted, and who ends the pool has waited for all of its calls. So concurrent
    calls count as the longest of them, on whatever threads they ran.
    """

    def __init__(self) -> None:
        self._here = local()

    @property
    def length(self) -> int:
        return int(getattr(self._here, "length", 0))

    @length.setter
    def length(self, length: int) -> None:
        self._here.length = length

    def watch_pools(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended: dict[ThreadPoolExecutor, list[int]] = defaultdict(list)
        submit, shutdown = ThreadPoolExecutor.submit, ThreadPoolExecutor.shutdown

        def watched_submit(pool: ThreadPoolExecutor, call: Callable[..., Any], *args: Any) -> Future[Any]:
            start = self.length

            def run() -> Any:
                self.length = start
                try:
                    return call(*args)
                finally:
                    ended[pool].append(self.length)

            return submit(pool, run)

        def watched_shutdown(pool: ThreadPoolExecutor, **how: Any) -> None:
            shutdown(pool, **how)
            self.length = max(self.length, *ended.pop(pool, [0]))

        monkeypatch.setattr(ThreadPoolExecutor, "submit", watched_submit)
        monkeypatch.setattr(ThreadPoolExecutor, "shutdown", watched_shutdown)


class CountingStore(PassingStore):
    """Hands every call on and takes it down on the path."""

    def __init__(self, deployment: Deployment, path: Path) -> None:
        super().__init__(deployment.store)
        self._path = path

    def _pass[T](self, call: Call, do: Callable[[], T]) -> T:  # type: ignore[explicit-override]
        self._path.length += 1
        return super()._pass(call, do)


class Budget:
    """What a step has cost."""

    def __init__(self, deployment: Deployment, path: Path, hashes: list[int]) -> None:
        self._path = path
        self._hashes = hashes
        self.store = CountingStore(deployment, path)
        self.deployment = replace(deployment, store=self.store)

    def of(self, step: Callable[[Deployment], object]) -> tuple[int, int]:
        """Round trips one after the other, and hashes."""
        self._path.length = 0
        self.store.calls.clear()
        self._hashes.clear()
        step(self.deployment)
        return self._path.length, len(self._hashes)


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> Path:
    path = Path()
    path.watch_pools(monkeypatch)
    return path


@pytest.fixture
def budget(deployment_in_memory: Deployment, path: Path, hashes: list[int]) -> Budget:
    return Budget(deployment_in_memory, path, hashes)


@pytest.fixture
def alice(deployment_in_memory: Deployment) -> SignedIn:
    return deployment_in_memory.sessions.open(deployment_in_memory.register(ALICE), HOME, "password")


# The measure itself


def test_calls_beside_one_another_count_once_and_those_after_one_another_add_up(budget: Budget, path: Path) -> None:
    def trip() -> None:
        budget.deployment.users.find("nobody")

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
    assert path.length == 5


# The endpoints


@pytest.mark.usefixtures("alice")
def test_login_takes_three_round_trips_seven_calls_and_one_hash(budget: Budget) -> None:
    for _ in range(2):  # a device that is not known yet, and one that is
        assert budget.of(lambda its: its.sign_in.sign_in(by_email(), HOME)) == (3, 1)
        assert len(budget.store.calls) == 7


@pytest.mark.usefixtures("alice")
def test_login_that_answers_the_role_takes_one_call_more(budget: Budget) -> None:
    for _ in range(2):
        assert budget.of(lambda its: its.password_sign_in_with_role.sign_in(by_email(), HOME)) == (3, 1)
        assert len(budget.store.calls) == 8


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("email", [ALICE.email, "nobody@example.com"])
def test_a_failed_login_takes_three_round_trips_six_calls_and_one_hash_known_or_not(budget: Budget, email: str) -> None:
    def fail(its: Deployment) -> None:
        with pytest.raises(InvalidCredentials):
            its.sign_in.sign_in(by_email(email, "wrong"), HOME)

    assert budget.of(fail) == (3, 1)
    assert len(budget.store.calls) == 6


@pytest.mark.usefixtures("alice")
def test_past_half_of_both_wide_limits_a_login_takes_two_calls_more_and_no_round_trip(budget: Budget) -> None:
    few = Limit(name="few", attempts=5, window=timedelta(hours=1))
    choices = Choices(address=replace(few, name="a"), account=replace(few, name="b"))
    budget.deployment = replace(budget.deployment, choices=choices)
    for _ in range(2):
        budget.of(lambda its: its.sign_in.sign_in(by_email(), HOME))

    def fail(its: Deployment) -> None:
        with pytest.raises(InvalidCredentials):
            its.sign_in.sign_in(by_email(password="wrong"), HOME)

    assert budget.of(lambda its: its.sign_in.sign_in(by_email(), HOME)) == (3, 1)
    assert len(budget.store.calls) == 9
    assert budget.of(fail) == (3, 1)
    assert len(budget.store.calls) == 8


def test_redeeming_a_code_takes_three_round_trips(budget: Budget) -> None:
    post = mailing(budget.deployment)
    post.register()
    code = post.mailed_code()

    assert budget.of(lambda its: post.on(its.store).code_sign_in.sign_in(BOB.email, code, HOME)) == (3, 0)


@pytest.mark.parametrize("kind", [MailKind.SIGN_IN_CODE, MailKind.RECOVERY_CODE])
def test_redeeming_a_code_of_any_slot_takes_three_round_trips(budget: Budget, kind: MailKind) -> None:
    post = mailing(budget.deployment)
    post.register()
    post.mailed_code()
    code = post.mailed_code(kind=kind)

    def redeem(its: Deployment) -> None:
        its.code_sign_in_with_sign_up.redeem(BOB.email, code, HOME, slots=(Slot.EMAIL, Slot.RECOVERY))

    assert budget.of(lambda its: redeem(post.on(its.store).base)) == (3, 0)


def test_a_code_that_makes_an_account_takes_one_round_trip_more(budget: Budget) -> None:
    post = mailing(budget.deployment)
    job = replace(post.job(MailKind.SIGN_IN_CODE), payload={SLOT: "RECOVERY", NEW_USER_METADATA: "{}"})
    post.deliver(job)
    [code] = post.outbox.codes

    def redeem(its: Deployment) -> None:
        its.code_sign_in_with_sign_up.redeem(BOB.email, code, HOME, slots=(Slot.EMAIL,))

    assert budget.of(lambda its: redeem(post.on(its.store).base)) == (4, 0)


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (MailKind.PASSWORD_RESET, 3),
        (MailKind.SIGN_IN_CODE, 4),
        (MailKind.VERIFICATION_CODE, 4),
        (MailKind.RECOVERY_CODE, 4),
    ],
)
def test_asking_for_a_mail_takes_one_round_trip(budget: Budget, kind: MailKind, calls: int) -> None:
    assert budget.of(lambda its: mailing(its).mail_service.ask(kind, BOB.email, None, HOME.address)) == (1, 0)
    assert len(budget.store.calls) == calls


def test_register_takes_two_round_trips_and_one_hash(budget: Budget) -> None:
    assert budget.of(lambda its: its.registration.register(ALICE, HOME)) == (2, 1)
    assert len(budget.store.calls) == 2
    assert budget.of(lambda its: its.registration.register_without_session(BOB, HOME)) == (2, 1)


@pytest.mark.usefixtures("alice")
def test_registering_what_is_taken_notes_it_on_the_account_that_has_the_address(budget: Budget) -> None:
    """It reads the account, too, and compares the passwords: the same person may have registered twice."""

    def fail(its: Deployment) -> None:
        with pytest.raises(EmailTaken):
            its.registration.register(ALICE, HOME)

    assert budget.of(fail) == (4, 2)


def test_refresh_takes_two_round_trips_forgiven_or_not(budget: Budget, alice: SignedIn) -> None:
    for _ in range(2):
        assert budget.of(lambda its: its.sessions.refresh(alice.tokens.refresh_token)) == (2, 0)


def test_a_guests_refresh_takes_two_round_trips(budget: Budget) -> None:
    made = budget.deployment
    guest = replace(made.register(BOB), is_anonymous=True, user_id=made.new_id(), email=None, number=None)
    made.store.commit(*made.users.creation(guest).values())
    held = made.sessions.open(guest, HOME, "anonymous")

    assert budget.of(lambda its: its.sessions.refresh(held.tokens.refresh_token)) == (2, 0)


def test_finding_out_a_thief_takes_two_round_trips_more(budget: Budget, alice: SignedIn) -> None:
    strict = budget.deployment
    budget.deployment = replace(strict, choices=Choices(grace=Choices().grace * 0))
    second = budget.deployment.sessions.refresh(alice.tokens.refresh_token)
    budget.deployment.sessions.authenticate(second.tokens.access_token)

    def fail(its: Deployment) -> None:
        with pytest.raises(RefreshTokenReused):
            its.sessions.refresh(alice.tokens.refresh_token)

    assert budget.of(fail) == (4, 0)  # the last two: say why in the table's stream, and delete


def test_logout_takes_two_round_trips(budget: Budget, alice: SignedIn) -> None:
    assert budget.of(lambda its: its.sessions.close(alice.tokens.access_token)) == (2, 0)


def test_me_takes_two_round_trips_the_first_time_a_generation_is_used_and_then_one(
    budget: Budget, alice: SignedIn
) -> None:
    def me(its: Deployment) -> None:
        snapotp.user(its.sessions.authenticate_person(alice.tokens.access_token).user)

    assert budget.of(me) == (2, 0)
    assert budget.of(me) == (1, 0)


def test_gotrue_s_user_takes_what_me_does_and_one_more_with_identities(budget: Budget, alice: SignedIn) -> None:
    def show(its: Deployment) -> None:
        its.users.identities_of(its.sessions.authenticate(alice.tokens.access_token).user)

    assert budget.of(show) == (2, 0)
    assert budget.of(show) == (1, 0)
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=ALICE.email, name="Alice")
    token = budget.deployment.identity_sign_in.sign_in(identity, HOME).tokens.access_token
    budget.deployment.sessions.authenticate(token)
    assert budget.of(lambda its: its.users.identities_of(its.sessions.authenticate(token).user)) == (2, 0)


@pytest.mark.parametrize("scope", Scope)
def test_gotrue_s_logout_takes_two_round_trips(budget: Budget, alice: SignedIn, scope: Scope) -> None:
    assert budget.of(lambda its: its.sign_out.sign_out(alice.tokens.access_token, scope)) == (2, 0)


def test_changing_metadata_takes_one_round_trip_more_than_showing_the_user(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.sessions.authenticate(alice.tokens.access_token)

    def change(its: Deployment) -> None:
        post = mailing(its).base
        caller = post.sessions.authenticate(alice.tokens.access_token)
        post.user_update.update(caller, UserChanges(metadata={"a": 1}), HOME, PasswordPolicy())

    assert budget.of(change) == (2, 0)


def test_a_new_address_and_password_take_four_round_trips_and_two_hashes(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.sessions.authenticate(alice.tokens.access_token)
    asked = UserChanges(email=EmailAddress("alice@new.example"), password="Another horse 2")

    def change(its: Deployment) -> None:
        post = mailing(its).base
        caller = post.sessions.authenticate(alice.tokens.access_token)
        post.user_update.update(caller, asked, HOME, PasswordPolicy())

    assert budget.of(change) == (4, 2)


def test_confirming_a_change_of_address_takes_three_round_trips(budget: Budget) -> None:
    post = mailing(budget.deployment)
    session = post.register()
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    post.base.user_update.update(caller, UserChanges(email=EmailAddress("bob@new.example")), HOME, PasswordPolicy())
    post.deliver(post.queue.jobs[0])
    code = post.outbox.codes[0]

    assert budget.of(lambda its: its.email_change.confirm("bob@new.example", code, HOME)) == (3, 0)


def test_linking_takes_three_round_trips_and_unlinking_two(budget: Budget) -> None:
    post = mailing(budget.deployment)
    session = post.register()
    change = Update(post.users.key(session.user.user_id), {"email_verified_at": 1})
    post.base.store.write(change)
    post.base.sessions.authenticate(session.tokens.access_token)
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=BOB.email, name="Bob")

    def link(its: Deployment) -> None:
        base = post.on(its.store).base
        base.linked_identities.link(base.sessions.authenticate(session.tokens.access_token), identity, HOME)

    def unlink(its: Deployment) -> None:
        base = post.on(its.store).base
        base.linked_identities.unlink(base.sessions.authenticate(session.tokens.access_token), GOOGLE, HOME)

    assert budget.of(link) == (3, 0)
    assert budget.of(unlink) == (2, 0)


def test_a_code_that_confirms_takes_two_round_trips_more(budget: Budget) -> None:
    made = budget.deployment
    budget.deployment = replace(made, choices=Choices(secure_password_change=True))
    post = mailing(budget.deployment)
    session = post.register()
    post.base.store.write(Update(post.users.key(session.user.user_id), {"email_verified_at": 1}))
    made.clock.advance(timedelta(hours=25))
    session = post.base.sessions.refresh(session.tokens.refresh_token)
    post.base.sessions.authenticate(session.tokens.access_token)
    code = post.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)
    asked = UserChanges(password="Another horse 2", code=code)

    def change(its: Deployment) -> None:
        base = post.on(its.store).base
        caller = base.sessions.authenticate(session.tokens.access_token)
        base.user_update.update(caller, asked, HOME, PasswordPolicy())

    assert budget.of(change) == (5, 2)


def with_factor(its: Deployment, session: SignedIn) -> tuple[SignedIn, str]:
    """Enrol a factor and verify its first code; return the raised session and the factor's id."""
    caller = its.sessions.authenticate(session.tokens.access_token)
    factor_id = its.own_factors.enrol(caller, name="", issuer="Toko").factor.factor_id
    return verify(its, session, factor_id, steps=-1), factor_id


def verify(its: Deployment, session: SignedIn, factor_id: str, *, steps: int) -> SignedIn:
    caller = its.sessions.authenticate(session.tokens.access_token)
    challenge_id = its.own_factors.challenge(caller, factor_id).challenge_id
    code = code_of(its, session, factor_id, steps)
    return its.second_factor.verify(caller, factor_id, challenge_id=challenge_id, code=code, client=HOME)


def code_of(its: Deployment, session: SignedIn, factor_id: str, steps: int) -> str:
    secret = totp.secret_of(its.keys, session.user.user_id, factor_id)
    return totp.code_of(secret, totp.step_at(its.clock()) + steps)


def test_showing_a_second_factor_takes_two_round_trips_more_than_being_authenticated(
    budget: Budget, alice: SignedIn
) -> None:
    _, factor_id = with_factor(budget.deployment, alice)

    assert budget.of(lambda its: its.sessions.authenticate(alice.tokens.access_token)) == (1, 0)
    assert budget.of(lambda its: verify(its, alice, factor_id, steps=0)) == (3, 0)


def test_enrolling_takes_two_round_trips_and_unenrolling_three(budget: Budget, alice: SignedIn) -> None:
    raised, factor_id = with_factor(budget.deployment, alice)
    budget.deployment.sessions.authenticate(raised.tokens.access_token)

    def enrol(its: Deployment) -> None:
        its.own_factors.enrol(its.sessions.authenticate(raised.tokens.access_token), name="", issuer="Toko")

    def unenrol(its: Deployment) -> None:
        its.own_factors.unenrol(its.sessions.authenticate(raised.tokens.access_token), factor_id)

    assert budget.of(enrol) == (2, 0)
    assert budget.of(unenrol) == (3, 0)


def test_a_sign_in_that_waits_takes_what_any_does_and_its_second_step_two_round_trips(
    budget: Budget, alice: SignedIn
) -> None:
    _, factor_id = with_factor(budget.deployment, alice)
    tokens: list[str] = []

    def wait(its: Deployment) -> None:
        with pytest.raises(SecondFactorRequired) as waits:
            its.sign_in.sign_in(by_email(), HOME)
        tokens.append(waits.value.mfa_token)

    assert budget.of(wait) == (3, 1)
    code = code_of(budget.deployment, alice, factor_id, 0)
    assert budget.of(lambda its: its.second_factor.sign_in(tokens[0], code, HOME)) == (2, 0)


def test_an_administrator_s_calls_take_one_or_two_round_trips(budget: Budget, alice: SignedIn) -> None:
    user_id, policy = alice.user.user_id, PasswordPolicy()

    def create(its: Deployment) -> None:
        its.user_creation.create(NewUser(email=EmailAddress("c@example.com"), is_verified=True, name="", password="x"))

    def edit(its: Deployment) -> None:
        its.user_editing.edit(user_id, UserEdit(email=EmailAddress("d@example.com"), password="Battery 12"), policy)

    assert budget.of(lambda its: its.users.find_person(user_id)) == (1, 0)
    assert budget.of(create) == (1, 1)
    assert budget.of(edit) == (2, 1)


def test_a_deletion_takes_eight_round_trips(budget: Budget, alice: SignedIn) -> None:
    """The account, disabled; its sessions, gone; what there is, the organization's members, it gone, then the rest."""
    assert budget.of(lambda its: its.deletion.delete_by_id(alice.user.user_id)) == (8, 0)


@pytest.mark.usefixtures("alice")
def test_the_next_page_of_users_takes_three_round_trips(budget: Budget) -> None:
    def page(number: int) -> Callable[[Deployment], object]:
        return lambda its: its.numbered_users.page(number, size=1, caller="me")

    for number in range(2):
        new = NewUser(email=EmailAddress(f"user-{number}@example.com"), is_verified=True, name="")
        budget.deployment.user_creation.create(new)
    budget.of(page(1))

    assert budget.of(page(2)) == (3, 0)


def test_the_authorizer_takes_two_round_trips_the_first_time_and_then_one(budget: Budget, alice: SignedIn) -> None:
    organization_id = str(alice.user.organization_id)

    def authorize(its: Deployment) -> None:
        its.authorizer.authorize(alice.tokens.access_token, organization_id)

    assert budget.of(authorize) == (2, 0)
    assert budget.of(authorize) == (1, 0)


def test_the_secret_is_read_once_for_all_of_it(budget: Budget, alice: SignedIn) -> None:
    budget.deployment.secret.reads = 0
    for _ in range(5):
        budget.of(lambda its: its.sessions.authenticate(alice.tokens.access_token))

    assert budget.deployment.secret.reads == 1


def test_sessions_are_listed_in_one_round_trip_more_than_a_user_and_ended_in_two_more(
    budget: Budget, alice: SignedIn
) -> None:
    budget.deployment.sessions.authenticate(alice.tokens.access_token)

    def show(its: Deployment) -> None:
        its.own_sessions.list(its.sessions.authenticate(alice.tokens.access_token).user)

    def end(its: Deployment) -> None:
        its.own_sessions.end(its.sessions.authenticate(alice.tokens.access_token).user, alice.family_id)

    assert budget.of(show) == (2, 0)
    assert budget.of(end) == (3, 0)


@pytest.mark.usefixtures("alice")
def test_a_sign_in_from_a_new_device_takes_one_round_trip_more_and_the_next_one_none(budget: Budget) -> None:
    made = mailing(replace(budget.deployment, choices=Choices(new_device_mail=True))).base
    made.store.write(Update(made.users.key("00000002-0000-4000-8000-000000000001"), {"email_verified_at": 1}))

    def sign_in(_: Deployment) -> None:
        made.sign_in.sign_in(by_email(), replace(HOME, address="198.51.100.9"))

    assert budget.of(sign_in) == (4, 1)  # the notice is counted, and queued
    assert budget.of(sign_in) == (3, 1)


def test_organizations_are_changed_in_two_round_trips_after_who_may(budget: Budget, alice: SignedIn) -> None:
    """The authorizer reads first. Then the organization is read whole, and the change is one transaction."""
    made, organization_id, owner = budget.deployment, str(alice.user.organization_id), alice.user.user_id
    bob = made.register(BOB)
    table = made.organization_table
    joined = Membership(organization_id=organization_id, user_id=bob.user_id, role="CLIENT_MEMBER", since=made.clock())
    made.store.write(table.joining(joined))

    def invite(its: Deployment) -> None:
        email = EmailAddress("carol@example.com")
        mailing(its).base.organization_invitations.invite(organization_id, owner, email, Role.CLIENT_MEMBER, HOME)

    changes = {
        "rename": lambda its: its.organization_changes.rename(organization_id, owner, "New"),
        "role": lambda its: its.organization_changes.change_role(
            organization_id, owner, bob.user_id, Role.CLIENT_ADMIN
        ),
        "remove": lambda its: its.organization_changes.remove(organization_id, owner, bob.user_id),
        "members": lambda its: its.members.list(organization_id),
        "invitations": lambda its: its.open_invitations.list(organization_id, owner),
        "invite": invite,
        "delete": lambda its: its.organization_deletion.delete(organization_id, owner),
    }
    assert {name: budget.of(change)[0] for name, change in changes.items()} == {
        "rename": 2,
        "role": 2,
        "remove": 3,  # the account, whose default organization it may be
        "members": 2,
        "invitations": 1,
        "invite": 4,  # it is counted first, and whose address it is looked up
        "delete": 4,  # the invitations first, and the accounts of the members
    }


def test_an_invitation_is_accepted_in_four_round_trips_and_by_a_new_account_in_three_and_one_hash(
    budget: Budget, alice: SignedIn
) -> None:
    team = Team(post=mailing(budget.deployment), owner=alice, organization_id=str(alice.user.organization_id))
    token = team.post.base.invitation_tokens.token(team.invitation("carol@example.com"))
    carol = member(team.post, "dave")
    other = team.post.base.invitation_tokens.token(team.invitation("dave@example.com"))

    def register(its: Deployment) -> None:
        base = team.post.on(its.store).base
        base.invitation_acceptance.register(token, "Carol", PASSWORD, client=HOME, policy=PasswordPolicy())

    def join(its: Deployment) -> None:
        base = team.post.on(its.store).base
        base.invitation_acceptance.join(other, base.sessions.authenticate(carol.tokens.access_token), HOME)

    assert budget.of(register) == (4, 1)
    assert budget.of(join) == (6, 0)
