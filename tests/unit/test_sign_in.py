"""gerbang.accounts.sign_in."""

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
UNKNOWN = "unknown@example.com"
LEGACY_HASH = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"
"""Of PASSWORD, by password_hash() of PHP 8.2."""


@pytest.fixture
def alice(deployment: Deployment) -> User:
    return deployment.register(ALICE)


def sign_in(deployment: Deployment, credentials: Credentials | None = None, client: Client = HOME) -> SignedIn:
    return deployment.sign_in.sign_in(credentials or by_email(), client)


def fail_to_sign_in(deployment: Deployment, email: str = ALICE.email, client: Client = HOME) -> None:
    """Sign in with a wrong password."""
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(email, "wrong"), client)


def change(deployment: Deployment, user: User, **changes: Value | Gone | Plus) -> None:
    assert isinstance(deployment.store.write(Update(deployment.users.key(user.user_id), changes)), Written)


def hash_of(deployment: Deployment, user: User) -> str | None:
    found = deployment.users.find(user.user_id)
    assert found is not None
    return found.password_hash


# Right and wrong passwords


def test_a_right_password_opens_a_session(deployment: Deployment, alice: User, log: RecordingLog) -> None:
    signed_in = sign_in(deployment)

    authenticated = deployment.sessions.authenticate(signed_in.tokens.access_token)
    assert authenticated.user.user_id == alice.user_id
    assert (authenticated.family.amr[0].method, authenticated.family.device) == ("password", HOME.device)
    assert log.notes[-1].event == "signed_in"
    assert log.notes[-1].fields == {
        "user_id": alice.user_id,
        "session_id": signed_in.family_id,
        "method": "password",
    }


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("username", ["alice", "Alice", "ALICE"])
def test_a_user_name_signs_in_in_any_case(deployment: Deployment, username: str) -> None:
    assert sign_in(deployment, Credentials(name=Name.USERNAME, value=username, password=PASSWORD)).user.name == "Alice"


@pytest.mark.covers("11")
def test_a_password_that_no_longer_meets_the_policy_signs_in(deployment: Deployment, alice: User) -> None:
    """ASVS 6.2.10, security.md 11: the policy applies when a password is set."""
    change(deployment, alice, password_hash=hash_text("short", deployment.choices.cost))

    assert sign_in(deployment, by_email(password="short")).user.user_id == alice.user_id


@pytest.mark.covers("F37")
def test_a_new_account_can_sign_in_immediately(deployment: Deployment) -> None:
    """The account is read from the table, not from an index that is updated later."""
    for number in range(5):
        new = NewAccount(email=EmailAddress(f"a{number}@example.com"), password=PASSWORD, name="A")
        user = deployment.registration.register(new, HOME).signed_in.user
        assert sign_in(deployment, by_email(new.email)).user.user_id == user.user_id


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "password", ["", "correct horse 1", f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1], f"{PASSWORD}\0", "x" * 100_000]
)
def test_a_wrong_password_is_rejected(deployment: Deployment, password: str) -> None:
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(password=password))


@pytest.mark.covers("17")
@pytest.mark.parametrize("stored", ["current", "legacy", "no account"])
def test_a_password_of_many_combining_marks_is_rejected_quickly(deployment_in_memory: Deployment, stored: str) -> None:
    """Normalizing it would take longer than hashing a password."""
    user = deployment_in_memory.register(ALICE)
    if stored == "legacy":
        change(deployment_in_memory, user, password_hash=LEGACY_HASH)
    credentials = by_email(UNKNOWN if stored == "no account" else ALICE.email, MARKS)

    def attempt() -> None:
        with pytest.raises(InvalidCredentials):
            sign_in(deployment_in_memory, credentials)

    assert is_quicker_than_normalising(attempt)


def test_the_repr_of_credentials_has_no_password() -> None:
    assert PASSWORD not in repr(by_email())


# Every failure looks the same: security.md 27, 28, 30, 35


def credentials_that_fail(deployment: Deployment, user: User, how: str) -> Credentials:
    """Credentials that fail for a reason."""
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
def test_every_failure_has_the_same_error_hash_and_calls(
    deployment: Deployment, alice: User, database: Database, hashes: list[int], how: str
) -> None:
    credentials = credentials_that_fail(deployment, alice, how)
    sessions_before = len(database.items("RefreshTokenFamilies"))
    watched = PassingStore(deployment.store)
    hashes.clear()

    with pytest.raises(InvalidCredentials) as caught:
        sign_in(replace(deployment, store=watched), credentials)

    assert type(caught.value) is InvalidCredentials
    assert hashes == [deployment.choices.cost]
    assert sorted(call.method for call in watched.calls) == ["get", "get", "write", "write", "write", "write"]
    assert len(database.items("RefreshTokenFamilies")) == sessions_before


@pytest.mark.covers("30")
def test_a_legacy_hash_takes_the_same_work(deployment: Deployment, alice: User, hashes: list[int]) -> None:
    """A fast hash would reveal which accounts come from the old system."""
    costly = replace(deployment, choices=Choices(cost=7))
    change(deployment, alice, password_hash=LEGACY_HASH)
    watched = PassingStore(deployment.store)
    hashes.clear()

    fail_to_sign_in(replace(costly, store=watched))

    assert 2**7 <= sum(2**cost for cost in hashes) <= 2**7 + 2**5
    assert len(watched.calls) == 6


@pytest.mark.covers("27", "28", "30")
@pytest.mark.parametrize("stored", [LEGACY_HASH, hash_text(PASSWORD, 4)], ids=["legacy", "of a lower cost"])
def test_the_right_password_of_a_disabled_account_takes_the_work_of_a_wrong_one(
    deployment_in_memory: Deployment, hashes: list[int], stored: str
) -> None:
    """A quicker answer would reveal that the password is right."""
    user = deployment_in_memory.register(ALICE)
    change(deployment_in_memory, user, password_hash=stored, disabled_at=1)
    hashes.clear()

    with pytest.raises(InvalidCredentials):
        sign_in(replace(deployment_in_memory, choices=Choices(cost=7)))

    assert hashes == [7]


@pytest.mark.covers("F40", "121")
def test_an_unusable_hash_is_rejected_and_logged(deployment: Deployment, alice: User, log: RecordingLog) -> None:
    credentials = credentials_that_fail(deployment, alice, "unusable hash")

    with pytest.raises(InvalidCredentials):
        sign_in(deployment, credentials)

    (note,) = [note for note in log.notes if note.event == "password_hash_unusable"]
    assert note.severity is Severity.ERROR
    assert note.fields == {"user_id": alice.user_id}


# Limits: security.md 20 to 26, 29, 36


@pytest.mark.covers("20", "29")
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("email", [ALICE.email, UNKNOWN], ids=["known", "unknown"])
def test_ten_wrong_passwords_reach_the_limit_of_known_and_unknown_addresses(
    deployment: Deployment, clock: FakeClock, hashes: list[int], email: str
) -> None:
    """Else the limit would reveal who has an account."""
    for _ in range(10):
        fail_to_sign_in(deployment, email)
    clock.advance(MINUTE)
    hashes.clear()

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(deployment, by_email(email))  # with the right password

    assert caught.value.retry_after == timedelta(minutes=14)
    assert hashes == []
    clock.advance(timedelta(minutes=14))
    fail_to_sign_in(deployment, email)


@pytest.mark.covers("24")
def test_the_owner_can_sign_in_after_the_window(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    for _ in range(10):
        fail_to_sign_in(deployment)
    clock.advance(timedelta(minutes=15))

    assert sign_in(deployment).user.user_id == alice.user_id


@pytest.mark.covers("F15", "21")
@pytest.mark.usefixtures("alice")
def test_concurrent_wrong_passwords_are_limited_too(deployment: Deployment, hashes: list[int]) -> None:
    """Each attempt is counted before the hash is computed."""
    hashes.clear()

    outcomes = at_once([lambda: sign_in(deployment, by_email(password="wrong"))] * 40)

    assert sum(type(outcome) is InvalidCredentials for outcome in outcomes) == len(hashes) == 10
    assert sum(type(outcome) is TooManyAttempts for outcome in outcomes) == 30


@pytest.mark.covers("26")
@pytest.mark.usefixtures("alice")
def test_a_right_password_clears_the_wrong_ones(deployment: Deployment) -> None:
    for _ in range(3):
        for _ in range(9):
            fail_to_sign_in(deployment)
        sign_in(deployment)


def test_wrong_passwords_from_one_address_do_not_limit_another(deployment: Deployment, alice: User) -> None:
    for _ in range(10):
        fail_to_sign_in(deployment)

    assert sign_in(deployment, client=ABROAD).user.user_id == alice.user_id


@pytest.mark.covers("24")
def test_open_sessions_can_refresh_while_sign_ins_are_limited(deployment: Deployment, alice: User) -> None:
    session = deployment.sessions.open(alice, HOME, "password")
    for _ in range(10):
        fail_to_sign_in(deployment)

    assert deployment.sessions.refresh(session.tokens.refresh_token).user.user_id == alice.user_id


@pytest.mark.covers("36")
@pytest.mark.usefixtures("alice")
def test_one_address_that_tries_many_accounts_is_limited(deployment: Deployment) -> None:
    """Password spraying. Only that address is limited."""
    few = Limit(name="address", attempts=6, window=15 * MINUTE)
    limited = replace(deployment, choices=Choices(address=few))
    for number in range(6):
        fail_to_sign_in(limited, f"a{number}@example.com")

    with pytest.raises(TooManyAttempts):
        sign_in(limited)
    sign_in(limited, client=ABROAD)


def test_a_known_device_can_sign_in_when_the_account_limit_is_reached(deployment: Deployment, alice: User) -> None:
    few = Limit(name="account", attempts=5, window=60 * MINUTE)
    limited = replace(deployment, choices=Choices(account=few))
    sign_in(limited, client=HOME)
    for number in range(4):
        fail_to_sign_in(limited, client=Client(address=f"203.0.113.{number}"))

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(limited, client=ABROAD)

    assert caught.value.limit == "sign_in_account"
    assert sign_in(limited, client=HOME).user.user_id == alice.user_id


@pytest.mark.covers("33")
def test_attempts_by_address_and_by_user_name_are_counted_together(deployment: Deployment, alice: User) -> None:
    """One limit per account."""
    by_name = Credentials(name=Name.USERNAME, value="alice", password="wrong")
    for number in range(10):
        with pytest.raises(InvalidCredentials):
            sign_in(deployment, by_name if number % 2 else by_email(password="wrong"))

    with pytest.raises(TooManyAttempts):
        sign_in(deployment)
    assert deployment.users.find(alice.user_id) is not None


@pytest.mark.covers("F21")
@pytest.mark.usefixtures("alice")
def test_a_clock_that_jumps_back_extends_the_wait_by_the_jump_at_most(deployment: Deployment, clock: FakeClock) -> None:
    for _ in range(10):
        fail_to_sign_in(deployment)
    clock.advance(-timedelta(hours=1))

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(deployment)

    assert caught.value.retry_after == timedelta(hours=1, minutes=15)
    clock.advance(timedelta(hours=1, minutes=15))
    sign_in(deployment)


# Faults


def counts_attempts(deployment: Deployment) -> Callable[[Call], bool]:
    table = deployment.tables["RateLimits"]
    return lambda call: call.method == "write" and call.keys[0].table == table


@pytest.mark.covers("F28")
@pytest.mark.usefixtures("alice")
def test_no_password_is_compared_when_attempts_cannot_be_counted(deployment: Deployment, hashes: list[int]) -> None:
    """Not even with the right password."""
    faulty = FaultyStore(deployment.store, at=counts_attempts(deployment))
    hashes.clear()

    for password in ("wrong", PASSWORD) * 5:
        with pytest.raises(DependencyUnavailable):
            sign_in(replace(deployment, store=faulty), by_email(password=password))

    assert hashes == []


def test_a_sign_in_succeeds_when_its_attempt_cannot_be_given_back(
    deployment: Deployment, alice: User, log: RecordingLog
) -> None:
    watched = PassingStore(deployment.store)
    replace(deployment, store=watched).password_attempts.attempt(alice.user_id, HOME.address)
    counters = {call.keys for call in watched.calls}
    faulty = FaultyStore(
        deployment.store,
        at=lambda call: counts_attempts(deployment)(call) and not (call.keys in counters and call.nth == 0),
    )

    signed_in = sign_in(replace(deployment, store=faulty))

    assert deployment.sessions.authenticate(signed_in.tokens.access_token).user.user_id == alice.user_id
    assert "attempt_not_given_back" in log.events


@pytest.mark.covers("F33")
def test_a_function_killed_while_hashing_has_written_only_the_counted_attempt(
    deployment: Deployment, alice: User, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {table: database.contents(table) for table in database.tables.values()}

    is_killed = False
    store = FaultyStore(deployment.store, at=lambda _: is_killed)

    def kill(_password: bytes, _salt: bytes) -> bytes:
        nonlocal is_killed
        is_killed = True
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(bcrypt, "hashpw", kill)
        with pytest.raises(SystemExit):
            sign_in(replace(deployment, store=store))

    limits = database.tables["RateLimits"]
    assert all(database.contents(table) == items for table, items in before.items() if table != limits)
    counted = [item for item in database.contents(limits) if item not in before[limits]]
    assert [item["attempts"] for item in counted] == [1, 1, 1]
    assert sign_in(deployment).user.user_id == alice.user_id


@pytest.mark.covers("F11")
@pytest.mark.parametrize("change_of_account", ["reset", "disabling"])
def test_a_sign_in_during_a_reset_or_disabling_fails_like_a_wrong_password(
    deployment: Deployment, alice: User, database: Database, change_of_account: str
) -> None:
    sessions_before = len(database.items("RefreshTokenFamilies"))
    changes: dict[str, Value | Plus] = {"epoch": Plus(1)} if change_of_account == "reset" else {"disabled_at": 1}
    meanwhile = MeanwhileStore(
        deployment.store,
        before=lambda call: call.method == "commit",
        happens=lambda: change(deployment, alice, **changes),
    )

    with pytest.raises(InvalidCredentials):
        sign_in(replace(deployment, store=meanwhile))

    assert len(database.items("RefreshTokenFamilies")) == sessions_before


# Replacing a hash: F18, F19, security.md 18, 118, 119


@pytest.fixture
def higher_cost(deployment: Deployment) -> Deployment:
    """The deployment after the cost of hashes was raised by one."""
    return replace(deployment, choices=Choices(cost=5))


def writes_account(deployment: Deployment, user: User) -> Callable[[Call], bool]:
    key = deployment.users.key(user.user_id)
    return lambda call: call.method == "write" and call.keys == (key,)


@pytest.mark.covers("18")
def test_a_sign_in_replaces_a_hash_of_a_lower_cost_once(
    higher_cost: Deployment, alice: User, clock: FakeClock, log: RecordingLog, hashes: list[int]
) -> None:
    old = hash_of(higher_cost, alice)
    clock.advance(MINUTE)
    sign_in(higher_cost)

    renewed = higher_cost.users.find(alice.user_id)
    assert renewed is not None
    assert renewed.password_hash is not None
    assert renewed.password_hash != old
    assert "r=5$" in renewed.password_hash
    assert (renewed.updated_at, renewed.migrated_at, renewed.epoch) == (clock(), None, 0)
    assert log.events[-1] == "password_hash_renewed"

    hashes.clear()
    sign_in(higher_cost)
    assert hashes == [5]
    assert hash_of(higher_cost, alice) == renewed.password_hash


def test_a_wrong_password_does_not_replace_the_hash(higher_cost: Deployment, alice: User) -> None:
    old = hash_of(higher_cost, alice)

    fail_to_sign_in(higher_cost)

    assert hash_of(higher_cost, alice) == old


@pytest.mark.covers("118")
def test_a_sign_in_replaces_a_legacy_hash(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    change(deployment, alice, password_hash=LEGACY_HASH)

    sign_in(deployment)

    migrated = deployment.users.find(alice.user_id)
    assert migrated is not None
    assert (migrated.password_hash or "").startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert migrated.migrated_at == clock()
    assert sign_in(deployment).user.user_id == alice.user_id
    assert deployment.passwords.verify(PASSWORD, migrated.password_hash) is Verdict.RIGHT


@pytest.mark.covers("F18", "118")
@pytest.mark.parametrize("raises_epoch", ["with the epoch", "without it"])
def test_replacing_a_hash_does_not_overwrite_a_new_password(
    higher_cost: Deployment, alice: User, raises_epoch: str
) -> None:
    """The write is conditional on the old hash."""
    new_hash = hash_text("Another horse 2", 5)
    changes: dict[str, Value | Plus] = {"password_hash": new_hash}
    if raises_epoch == "with the epoch":
        changes["epoch"] = Plus(1)
    meanwhile = MeanwhileStore(
        higher_cost.store,
        before=writes_account(higher_cost, alice),
        happens=lambda: change(higher_cost, alice, **changes),
    )

    sign_in(replace(higher_cost, store=meanwhile))

    assert hash_of(higher_cost, alice) == new_hash
    with pytest.raises(InvalidCredentials):
        sign_in(higher_cost)
    sign_in(higher_cost, by_email(password="Another horse 2"))


@pytest.mark.covers("F19", "119")
def test_a_sign_in_succeeds_when_its_hash_cannot_be_replaced(
    higher_cost: Deployment, alice: User, log: RecordingLog
) -> None:
    old = hash_of(higher_cost, alice)
    faulty = FaultyStore(higher_cost.store, at=writes_account(higher_cost, alice))

    signed_in = sign_in(replace(higher_cost, store=faulty))

    assert higher_cost.sessions.authenticate(signed_in.tokens.access_token).user.user_id == alice.user_id
    assert hash_of(higher_cost, alice) == old
    assert log.events[-1] == "password_hash_not_renewed"
    sign_in(higher_cost)
    assert hash_of(higher_cost, alice) != old


def test_concurrent_sign_ins_replace_a_hash_once(higher_cost: Deployment, log: RecordingLog, alice: User) -> None:
    outcomes = at_once([lambda: sign_in(higher_cost)] * 5)

    assert all(isinstance(outcome, SignedIn) for outcome in outcomes)
    assert log.events.count("password_hash_renewed") == 1
    assert higher_cost.passwords.verify(PASSWORD, hash_of(higher_cost, alice)) is Verdict.RIGHT


# Addresses that must be verified first: RequireVerifiedEmail


def test_only_the_right_password_reveals_an_unverified_address(
    deployment: Deployment, alice: User, database: Database
) -> None:
    requiring = replace(deployment, choices=Choices(unverified=UnverifiedAddress.REFUSED))
    sessions_before = len(database.items("RefreshTokenFamilies"))

    for _ in range(12):  # right passwords are not counted
        with pytest.raises(EmailNotVerified) as caught:
            sign_in(requiring)
        assert caught.value.user_id == alice.user_id
    fail_to_sign_in(requiring)
    fail_to_sign_in(requiring, UNKNOWN)
    assert len(database.items("RefreshTokenFamilies")) == sessions_before

    change(requiring, alice, email_verified_at=to_epoch(deployment.clock()))
    assert sign_in(requiring).user.user_id == alice.user_id


def test_a_password_of_another_account_is_rejected(deployment: Deployment, alice: User) -> None:
    deployment.register(replace(BOB, password="Quite another 7"))

    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(BOB.email))
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(password="Quite another 7"))
    assert sign_in(deployment).user.user_id == alice.user_id


# The account's language


@pytest.mark.parametrize(("before", "requested", "after"), [(None, "it", "it"), ("es", "it", "es"), (None, None, None)])
def test_a_sign_in_sets_the_language_of_an_account_that_has_none(
    deployment: Deployment, before: str | None, requested: str | None, after: str | None
) -> None:
    """With no further write."""
    alice = deployment.register(replace(ALICE, locale=before))
    usual, watched = PassingStore(deployment.store), PassingStore(deployment.store)
    sign_in(replace(deployment, store=usual))

    sign_in(replace(deployment, store=watched), client=replace(HOME, locale=requested))

    found = deployment.users.find(alice.user_id)
    assert found is not None
    assert found.locale == after
    assert len(watched.calls) == len(usual.calls)
