"""gerbang.accounts.sign_in: right passwords, and every failure with the same error and work."""

from copy import replace

import pytest
from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.core.clock import to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.core.log import Severity
from gerbang.passwords.bcrypt_sha256 import hash_text
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Gone, Plus, Value

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, PASSWORD, Choices, Deployment, by_email
from tests.fakes import MeanwhileStore, PassingStore, RecordingLog
from tests.unit.combining_marks import MARKS, is_quicker_than_normalising
from tests.unit.sign_in.steps import LEGACY_HASH, UNKNOWN, change, fail_to_sign_in, sign_in

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


def test_a_password_of_another_account_is_rejected(deployment: Deployment, alice: User) -> None:
    deployment.register(replace(BOB, password="Quite another 7"))

    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(BOB.email))
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, by_email(password="Quite another 7"))
    assert sign_in(deployment).user.user_id == alice.user_id


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
