"""gerbang.accounts.sign_in: the same guesses, the same work and the same answer for everyone who fails."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import bcrypt
import pytest
from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.core.client import Client
from gerbang.core.clock import to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.passwords.bcrypt_sha256 import Verdict, hash_text
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Gone, Plus, Update, Value, Written

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, Choices, Deployment, by_email
from tests.fakes import Call, FakeClock, FaultyStore, MeanwhileStore, PassingStore, RecordingLog, at_once
from tests.unit.combining_marks import MARKS, is_quicker_than_normalising

MINUTE = timedelta(minutes=1)
UNKNOWN = "nobody@example.com"
BARE_BCRYPT = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"
"""Of PASSWORD, by password_hash() of PHP 8.2."""


@pytest.fixture
def alice(deployment: Deployment) -> User:
    return deployment.register(ALICE)


def sign_in(deployment: Deployment, shown: Credentials | None = None, client: Client = HOME) -> SignedIn:
    return deployment.sign_in.sign_in(shown or by_email(), client)


def guess(deployment: Deployment, email: str = ALICE.email, client: Client = HOME) -> None:
    """Sign in with a wrong password, in vain."""
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(email, "wrong"), client)


def change(deployment: Deployment, user: User, **changes: Value | Gone | Plus) -> None:
    assert isinstance(deployment.store.write(Update(deployment.users.key(user.user_id), changes)), Written)


def hash_of(deployment: Deployment, user: User) -> str | None:
    found = deployment.users.find(user.user_id)
    assert found is not None
    return found.password_hash


# Who gets in


def test_a_right_password_opens_a_session(deployment: Deployment, alice: User, log: RecordingLog) -> None:
    signed_in = sign_in(deployment)

    standing = deployment.sessions.authenticate(signed_in.tokens.access_token)
    assert standing.user.user_id == alice.user_id
    assert (standing.family.amr[0].method, standing.family.device) == ("password", HOME.device)
    assert log.notes[-1].event == "signed_in"
    assert log.notes[-1].fields == {
        "user_id": alice.user_id,
        "session_id": signed_in.family_id,
        "method": "password",
    }


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("username", ["alice", "Alice", "ALICE"])
def test_a_user_name_signs_in_in_whatever_case(deployment: Deployment, username: str) -> None:
    assert sign_in(deployment, Credentials(name=Name.USERNAME, value=username, password=PASSWORD)).user.name == "Alice"


@pytest.mark.covers("11")
def test_an_old_password_that_would_no_longer_be_taken_still_signs_in(deployment: Deployment, alice: User) -> None:
    """ASVS 6.2.10, security.md 11: the policy is for setting a password."""
    change(deployment, alice, password_hash=hash_text("short", deployment.choices.cost))

    assert sign_in(deployment, by_email(password="short")).user.user_id == alice.user_id


@pytest.mark.covers("F37")
def test_whoever_has_just_registered_can_sign_in_at_once(deployment: Deployment) -> None:
    """No index lags behind."""
    for number in range(5):
        new = NewAccount(email=EmailAddress(f"a{number}@example.com"), password=PASSWORD, name="A")
        user = deployment.registration.register(new, HOME).signed_in.user
        assert sign_in(deployment, by_email(new.email)).user.user_id == user.user_id


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "password", ["", "correct horse 1", f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1], f"{PASSWORD}\0", "x" * 100_000]
)
def test_any_other_password_does_not(deployment: Deployment, password: str) -> None:
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(password=password))


@pytest.mark.covers("17")
@pytest.mark.parametrize("stored", ["today's", "inherited", "nobody's"])
def test_a_body_full_of_combining_marks_is_nobodys_password_and_refused_at_once(
    deployment_in_memory: Deployment, stored: str
) -> None:
    """To normalise it would take longer than to hash a password."""
    user = deployment_in_memory.register(ALICE)
    if stored == "inherited":
        change(deployment_in_memory, user, password_hash=BARE_BCRYPT)
    shown = by_email(UNKNOWN if stored == "nobody's" else ALICE.email, MARKS)

    def attempt() -> None:
        with pytest.raises(InvalidCredentials):
            sign_in(deployment_in_memory, shown)

    assert is_quicker_than_normalising(attempt)


def test_passwords_do_not_show() -> None:
    assert PASSWORD not in repr(by_email())


# Everyone who fails: security.md 27, 28, 30, 35


def spoiled(deployment: Deployment, user: User, how: str) -> Credentials:
    """Credentials that fail, each for another reason."""
    match how:
        case "unknown":
            return by_email(UNKNOWN)
        case "wrong":
            return by_email(password="wrong")
        case "disabled":
            change(deployment, user, disabled_at=1)
        case "disabled and wrong":
            change(deployment, user, disabled_at=1)
            return by_email(password="wrong")
        case "without a password":
            change(deployment, user, password_hash=Gone())
        case "unusable hash":
            change(deployment, user, password_hash="$bcrypt-sha256$v=2,t=2b,r=31$junk$junk")
        case _:
            raise ValueError(how)
    return by_email()


@pytest.mark.covers("27", "28", "30")
@pytest.mark.parametrize(
    "how", ["unknown", "wrong", "disabled", "disabled and wrong", "without a password", "unusable hash"]
)
def test_every_failure_is_one_refusal_after_one_hash_and_the_same_calls(
    deployment: Deployment, alice: User, database: Database, hashes: list[int], how: str
) -> None:
    shown = spoiled(deployment, alice, how)
    sessions_before = len(database.items("RefreshTokenFamilies"))
    watched = PassingStore(deployment.store)
    hashes.clear()

    with pytest.raises(InvalidCredentials) as caught:
        sign_in(replace(deployment, store=watched), shown)

    assert type(caught.value) is InvalidCredentials
    assert hashes == [deployment.choices.cost]
    assert sorted(call.method for call in watched.calls) == ["get", "get", "write", "write", "write", "write"]
    assert len(database.items("RefreshTokenFamilies")) == sessions_before


@pytest.mark.covers("30")
def test_an_inherited_hash_costs_what_any_other_does(deployment: Deployment, alice: User, hashes: list[int]) -> None:
    """A fast hash would tell by its speed who comes from the old system."""
    costly = replace(deployment, choices=Choices(cost=7))
    change(deployment, alice, password_hash=BARE_BCRYPT)
    watched = PassingStore(deployment.store)
    hashes.clear()

    guess(replace(costly, store=watched))

    assert 2**7 <= sum(2**cost for cost in hashes) <= 2**7 + 2**5
    assert len(watched.calls) == 6


@pytest.mark.covers("27", "28", "30")
@pytest.mark.parametrize("stored", [BARE_BCRYPT, hash_text(PASSWORD, 4)], ids=["inherited", "of a lower cost"])
def test_the_right_password_of_a_disabled_account_costs_what_any_wrong_one_does(
    deployment_in_memory: Deployment, hashes: list[int], stored: str
) -> None:
    """What is quicker to be right about would tell that the password is."""
    user = deployment_in_memory.register(ALICE)
    change(deployment_in_memory, user, password_hash=stored, disabled_at=1)
    hashes.clear()

    with pytest.raises(InvalidCredentials):
        sign_in(replace(deployment_in_memory, choices=Choices(cost=7)))

    assert hashes == [7]


@pytest.mark.covers("F40", "121")
def test_an_unusable_hash_lets_nobody_in_and_somebody_is_told(
    deployment: Deployment, alice: User, log: RecordingLog
) -> None:
    shown = spoiled(deployment, alice, "unusable hash")

    with pytest.raises(InvalidCredentials):
        sign_in(deployment, shown)

    (note,) = [note for note in log.notes if note.event == "password_hash_unusable"]
    assert note.severity is Severity.ERROR
    assert note.fields == {"user_id": alice.user_id}


# Limits: security.md 20 to 26, 29, 36


@pytest.mark.covers("20", "29")
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("email", [ALICE.email, UNKNOWN], ids=["known", "unknown"])
def test_after_ten_wrong_passwords_known_and_unknown_alike_have_to_wait(
    deployment: Deployment, clock: FakeClock, hashes: list[int], email: str
) -> None:
    """The limit itself does not tell who exists."""
    for _ in range(10):
        guess(deployment, email)
    clock.advance(MINUTE)
    hashes.clear()

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(deployment, by_email(email))  # the right password does not help now

    assert caught.value.retry_after == timedelta(minutes=14)
    assert hashes == []
    clock.advance(timedelta(minutes=14))
    guess(deployment, email)


@pytest.mark.covers("24")
def test_the_owner_gets_in_once_the_window_has_ended(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    for _ in range(10):
        guess(deployment)
    clock.advance(timedelta(minutes=15))

    assert sign_in(deployment).user.user_id == alice.user_id


@pytest.mark.covers("F15", "21")
@pytest.mark.usefixtures("alice")
def test_guessing_in_parallel_gains_nothing(deployment: Deployment, hashes: list[int]) -> None:
    """Counted before the hash is computed."""
    hashes.clear()

    outcomes = at_once([lambda: sign_in(deployment, by_email(password="wrong"))] * 40)

    assert sum(type(outcome) is InvalidCredentials for outcome in outcomes) == len(hashes) == 10
    assert sum(type(outcome) is TooManyAttempts for outcome in outcomes) == 30


@pytest.mark.covers("26")
@pytest.mark.usefixtures("alice")
def test_a_right_password_among_wrong_ones_clears_the_count(deployment: Deployment) -> None:
    for _ in range(3):
        for _ in range(9):
            guess(deployment)
        sign_in(deployment)


def test_guesses_from_one_address_leave_another_alone(deployment: Deployment, alice: User) -> None:
    for _ in range(10):
        guess(deployment)

    assert sign_in(deployment, client=ABROAD).user.user_id == alice.user_id


@pytest.mark.covers("24")
def test_open_sessions_go_on_while_sign_in_is_limited(deployment: Deployment, alice: User) -> None:
    held = deployment.sessions.open(alice, HOME, "password")
    for _ in range(10):
        guess(deployment)

    assert deployment.sessions.refresh(held.tokens.refresh_token).user.user_id == alice.user_id


@pytest.mark.covers("36")
@pytest.mark.usefixtures("alice")
def test_one_address_that_tries_many_accounts_is_limited(deployment: Deployment) -> None:
    """Spraying, and only that address."""
    few = Limit(name="address", attempts=6, window=15 * MINUTE)
    limited = replace(deployment, choices=Choices(address=few))
    for number in range(6):
        guess(limited, f"a{number}@example.com")

    with pytest.raises(TooManyAttempts):
        sign_in(limited)
    sign_in(limited, client=ABROAD)


def test_when_strangers_use_up_an_account_its_owners_known_devices_get_in(deployment: Deployment, alice: User) -> None:
    few = Limit(name="account", attempts=5, window=60 * MINUTE)
    limited = replace(deployment, choices=Choices(account=few))
    sign_in(limited, client=HOME)
    for number in range(4):
        guess(limited, client=Client(address=f"203.0.113.{number}"))

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(limited, client=ABROAD)

    assert caught.value.limit == "sign_in_account"
    assert sign_in(limited, client=HOME).user.user_id == alice.user_id


@pytest.mark.covers("33")
def test_the_same_attempts_are_counted_whatever_name_is_used(deployment: Deployment, alice: User) -> None:
    """One budget an account."""
    by_name = Credentials(name=Name.USERNAME, value="alice", password="wrong")
    for number in range(10):
        with pytest.raises(InvalidCredentials):
            sign_in(deployment, by_name if number % 2 else by_email(password="wrong"))

    with pytest.raises(TooManyAttempts):
        sign_in(deployment)
    assert deployment.users.find(alice.user_id) is not None


@pytest.mark.covers("F21")
@pytest.mark.usefixtures("alice")
def test_a_clock_that_jumps_back_locks_for_the_window_and_the_jump_at_most(
    deployment: Deployment, clock: FakeClock
) -> None:
    for _ in range(10):
        guess(deployment)
    clock.advance(-timedelta(hours=1))

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(deployment)

    assert caught.value.retry_after == timedelta(hours=1, minutes=15)
    clock.advance(timedelta(hours=1, minutes=15))
    sign_in(deployment)


# Faults


def of_the_limits(deployment: Deployment) -> Callable[[Call], bool]:
    table = deployment.tables["RateLimits"]
    return lambda call: call.method == "write" and call.keys[0].table == table


@pytest.mark.covers("F28")
@pytest.mark.usefixtures("alice")
def test_a_limit_that_cannot_be_counted_is_not_a_pass(deployment: Deployment, hashes: list[int]) -> None:
    """Of a hundred guesses none is evaluated."""
    faulty = FaultyStore(deployment.store, at=of_the_limits(deployment))
    hashes.clear()

    for password in ("wrong", PASSWORD) * 5:
        with pytest.raises(DependencyUnavailable):
            sign_in(replace(deployment, store=faulty), by_email(password=password))

    assert hashes == []


def test_what_cannot_be_given_back_leaves_its_owner_signed_in(
    deployment: Deployment, alice: User, log: RecordingLog
) -> None:
    watched = PassingStore(deployment.store)
    replace(deployment, store=watched).password_attempts.attempt(alice.user_id, HOME.address)
    counters = {call.keys for call in watched.calls}
    faulty = FaultyStore(
        deployment.store,
        at=lambda call: of_the_limits(deployment)(call) and not (call.keys in counters and call.nth == 0),
    )

    signed_in = sign_in(replace(deployment, store=faulty))

    assert deployment.sessions.authenticate(signed_in.tokens.access_token).user.user_id == alice.user_id
    assert "attempt_not_given_back" in log.events


@pytest.mark.covers("F33")
def test_a_process_that_dies_while_hashing_has_written_the_counted_attempt_and_no_more(
    deployment: Deployment, alice: User, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {table: database.contents(table) for table in database.tables.values()}

    is_dead = False
    dying_store = FaultyStore(deployment.store, at=lambda _: is_dead)

    def dies(_password: bytes, _salt: bytes) -> bytes:
        nonlocal is_dead
        is_dead = True
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(bcrypt, "hashpw", dies)
        with pytest.raises(SystemExit):
            sign_in(replace(deployment, store=dying_store))

    limits = database.tables["RateLimits"]
    assert all(database.contents(table) == items for table, items in before.items() if table != limits)
    counted = [item for item in database.contents(limits) if item not in before[limits]]
    assert [item["attempts"] for item in counted] == [1, 1, 1]
    assert sign_in(deployment).user.user_id == alice.user_id


@pytest.mark.covers("F11")
@pytest.mark.parametrize("overtaken_by", ["a reset", "disabling"])
def test_a_sign_in_that_is_overtaken_is_refused_like_a_wrong_password(
    deployment: Deployment, alice: User, database: Database, overtaken_by: str
) -> None:
    sessions_before = len(database.items("RefreshTokenFamilies"))
    changes: dict[str, Value | Plus] = {"epoch": Plus(1)} if overtaken_by == "a reset" else {"disabled_at": 1}
    meanwhile = MeanwhileStore(
        deployment.store,
        before=lambda call: call.method == "commit",
        happens=lambda: change(deployment, alice, **changes),
    )

    with pytest.raises(InvalidCredentials):
        sign_in(replace(deployment, store=meanwhile))

    assert len(database.items("RefreshTokenFamilies")) == sessions_before


# Renewing a hash: F18, F19, security.md 18, 118, 119


@pytest.fixture
def costlier(deployment: Deployment) -> Deployment:
    """The deployment after its cost was raised by one."""
    return replace(deployment, choices=Choices(cost=5))


def of_the_account(deployment: Deployment, user: User) -> Callable[[Call], bool]:
    key = deployment.users.key(user.user_id)
    return lambda call: call.method == "write" and call.keys == (key,)


@pytest.mark.covers("18")
def test_a_hash_of_a_lower_cost_is_replaced_at_the_next_sign_in_and_only_then(
    costlier: Deployment, alice: User, clock: FakeClock, log: RecordingLog, hashes: list[int]
) -> None:
    old = hash_of(costlier, alice)
    clock.advance(MINUTE)
    sign_in(costlier)

    renewed = costlier.users.find(alice.user_id)
    assert renewed is not None
    assert renewed.password_hash is not None
    assert renewed.password_hash != old
    assert "r=5$" in renewed.password_hash
    assert (renewed.updated_at, renewed.migrated_at, renewed.epoch) == (clock(), None, 0)
    assert log.events[-1] == "password_hash_renewed"

    hashes.clear()
    sign_in(costlier)
    assert hashes == [5]
    assert hash_of(costlier, alice) == renewed.password_hash


def test_a_wrong_password_renews_nothing(costlier: Deployment, alice: User) -> None:
    old = hash_of(costlier, alice)

    guess(costlier)

    assert hash_of(costlier, alice) == old


@pytest.mark.covers("118")
def test_an_inherited_hash_gives_way_to_todays_at_the_first_right_password(
    deployment: Deployment, alice: User, clock: FakeClock
) -> None:
    change(deployment, alice, password_hash=BARE_BCRYPT)

    sign_in(deployment)

    migrated = deployment.users.find(alice.user_id)
    assert migrated is not None
    assert (migrated.password_hash or "").startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert migrated.migrated_at == clock()
    assert sign_in(deployment).user.user_id == alice.user_id
    assert deployment.passwords.verify(PASSWORD, migrated.password_hash) is Verdict.RIGHT


@pytest.mark.covers("F18", "118")
@pytest.mark.parametrize("raises_epoch", ["with the epoch", "without it"])
def test_a_password_set_while_its_hash_is_being_renewed_stays(
    costlier: Deployment, alice: User, raises_epoch: str
) -> None:
    """Renewing is conditional on the old hash."""
    new_hash = hash_text("Another horse 2", 5)
    changes: dict[str, Value | Plus] = {"password_hash": new_hash}
    if raises_epoch == "with the epoch":
        changes["epoch"] = Plus(1)
    meanwhile = MeanwhileStore(
        costlier.store,
        before=of_the_account(costlier, alice),
        happens=lambda: change(costlier, alice, **changes),
    )

    sign_in(replace(costlier, store=meanwhile))

    assert hash_of(costlier, alice) == new_hash
    with pytest.raises(InvalidCredentials):
        sign_in(costlier)
    sign_in(costlier, by_email(password="Another horse 2"))


@pytest.mark.covers("F19", "119")
def test_a_hash_that_cannot_be_renewed_does_not_fail_the_sign_in(
    costlier: Deployment, alice: User, log: RecordingLog
) -> None:
    old = hash_of(costlier, alice)
    faulty = FaultyStore(costlier.store, at=of_the_account(costlier, alice))

    signed_in = sign_in(replace(costlier, store=faulty))

    assert costlier.sessions.authenticate(signed_in.tokens.access_token).user.user_id == alice.user_id
    assert hash_of(costlier, alice) == old
    assert log.events[-1] == "password_hash_not_renewed"
    sign_in(costlier)
    assert hash_of(costlier, alice) != old


def test_two_sign_ins_at_once_renew_a_hash_once(costlier: Deployment, log: RecordingLog, alice: User) -> None:
    outcomes = at_once([lambda: sign_in(costlier)] * 5)

    assert all(isinstance(outcome, SignedIn) for outcome in outcomes)
    assert log.events.count("password_hash_renewed") == 1
    assert costlier.passwords.verify(PASSWORD, hash_of(costlier, alice)) is Verdict.RIGHT


# Where an address must be verified first (RequireVerifiedEmail)


def test_an_unproved_address_is_told_so_to_whoever_knows_the_password_only(
    deployment: Deployment, alice: User, database: Database
) -> None:
    demanding = replace(deployment, choices=Choices(unverified=UnverifiedAddress.REFUSED))
    sessions_before = len(database.items("RefreshTokenFamilies"))

    for _ in range(12):  # a right password is no failed attempt
        with pytest.raises(EmailNotVerified) as caught:
            sign_in(demanding)
        assert caught.value.user_id == alice.user_id
    guess(demanding)
    guess(demanding, UNKNOWN)
    assert len(database.items("RefreshTokenFamilies")) == sessions_before

    change(demanding, alice, email_verified_at=to_epoch(deployment.clock()))
    assert sign_in(demanding).user.user_id == alice.user_id


def test_bobs_password_is_not_alices(deployment: Deployment, alice: User) -> None:
    deployment.register(replace(BOB, password="Quite another 7"))

    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(BOB.email))
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(password="Quite another 7"))
    assert sign_in(deployment).user.user_id == alice.user_id


# The account's language


@pytest.mark.parametrize(("known", "requested", "kept"), [(None, "it", "it"), ("es", "it", "es"), (None, None, None)])
def test_an_account_without_a_language_takes_that_of_the_sign_in_with_no_further_write(
    deployment: Deployment, known: str | None, requested: str | None, kept: str | None
) -> None:
    alice = deployment.register(replace(ALICE, locale=known))
    usual, watched = PassingStore(deployment.store), PassingStore(deployment.store)
    sign_in(replace(deployment, store=usual))

    sign_in(replace(deployment, store=watched), client=replace(HOME, locale=requested))

    found = deployment.users.find(alice.user_id)
    assert found is not None
    assert found.locale == kept
    assert len(watched.calls) == len(usual.calls)
