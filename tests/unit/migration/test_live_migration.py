"""gerbang.accounts.live_migration: users of an old system get an account at their first sign-in."""

from collections.abc import Callable
from copy import replace
from dataclasses import dataclass, field
from typing import Final

import pytest
from gerbang.accounts.live_migration import LiveMigration, OldUser
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.accounts.user_creation import UserCreation
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.sessions.sessions import SignedIn

from tests.conftest import Database
from tests.deployment import ALICE, HOME, PASSWORD, Deployment
from tests.fakes import RecordingLog, at_once

OLD_EMAIL: Final = "Mira@Example.com"


@dataclass(slots=True)
class FakeOldSystem:
    """A verifier in memory that records the questions."""

    users: dict[tuple[str, str], OldUser] = field(default_factory=lambda: {("mira@example.com", PASSWORD): OldUser()})
    questions: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    meanwhile: Callable[[str], object] = lambda _: None
    """Called before the answer."""

    def verify(self, email: str, password: str) -> OldUser | None:
        self.questions.append((email, password))
        self.meanwhile(email)
        return self.users.get((email, password))


@pytest.fixture
def old_system() -> FakeOldSystem:
    return FakeOldSystem()


@pytest.fixture
def migrating(deployment: Deployment, old_system: FakeOldSystem) -> Deployment:
    creation = UserCreation(
        store=deployment.store,
        users=deployment.users,
        passwords=deployment.passwords,
        initial_credit=5000,
        log_event=deployment.log_event,
        now=deployment.now,
        new_id=deployment.new_id,
        new_number=deployment.new_number,
    )
    migration = LiveMigration(
        verifier=old_system,
        creation=creation,
        users=deployment.users,
        log_event=deployment.log_event,
        new_id=deployment.new_id,
    )
    return replace(deployment, live_migration=migration)


def sign_in(deployment: Deployment, email: str = OLD_EMAIL, password: str = PASSWORD) -> SignedIn:
    return deployment.sign_in.sign_in(Credentials.by_email(EmailAddress(email), password), HOME)


# Who is migrated


def test_the_first_sign_in_creates_the_account_with_a_current_hash(
    migrating: Deployment, old_system: FakeOldSystem, log: RecordingLog
) -> None:
    old_system.users["mira@example.com", PASSWORD] = OldUser(name="Mira", email_verified=True)

    user = sign_in(migrating).user

    stored = migrating.users.find(user.user_id)
    assert stored is not None
    assert (stored.name, stored.email, stored.email_as_typed) == ("Mira", "mira@example.com", "Mira@Example.com")
    assert stored.email_verified_at == migrating.clock()
    assert stored.credit_balance == 5000
    assert (stored.password_hash or "").startswith("$bcrypt-sha256$v=2")
    events = [note.event for note in log.notes]
    assert {"registered", "legacy_user_moved_in", "signed_in"} <= {*events}


def test_later_sign_ins_do_not_ask_the_old_system(migrating: Deployment, old_system: FakeOldSystem) -> None:
    first = sign_in(migrating).user

    old_system.users.clear()

    assert sign_in(migrating).user.user_id == first.user_id
    assert len(old_system.questions) == 1


def test_by_default_the_name_is_the_local_part_and_the_address_is_unverified(migrating: Deployment) -> None:
    user = sign_in(migrating).user

    assert (user.name, user.email_verified_at) == ("mira", None)


def test_with_require_verified_email_an_unverified_user_is_created_but_not_signed_in(
    migrating: Deployment, database: Database
) -> None:
    strict = replace(migrating, choices=replace(migrating.choices, unverified=UnverifiedAddress.REFUSED))

    with pytest.raises(EmailNotVerified):
        sign_in(strict)

    assert len(database.items("Users", "USER#")) == 1


@pytest.mark.parametrize("password", ["wrong", "", "x" * 257])
def test_a_wrong_password_creates_no_account_and_is_counted(
    migrating: Deployment, database: Database, password: str
) -> None:
    with pytest.raises(InvalidCredentials):
        sign_in(migrating, password=password)

    assert database.items("Users") == []
    assert len(database.items("RateLimits")) == 3


# The password of an account is never sent to the old system


def test_for_a_wrong_password_of_an_account_the_old_system_is_asked_about_a_made_up_user(
    migrating: Deployment, old_system: FakeOldSystem
) -> None:
    migrating.register(ALICE)

    with pytest.raises(InvalidCredentials):
        sign_in(migrating, ALICE.email, "a wrong password")

    [(email, password)] = old_system.questions
    assert email == "nobody@example.invalid"
    assert password != "a wrong password"


def test_the_old_system_is_not_asked_about_right_passwords_or_user_names(
    migrating: Deployment, old_system: FakeOldSystem
) -> None:
    migrating.register(ALICE)

    sign_in(migrating, ALICE.email)
    assert old_system.questions == []

    with pytest.raises(InvalidCredentials):
        migrating.sign_in.sign_in(Credentials.by_username("nobody", PASSWORD), HOME)
    assert [email for email, _ in old_system.questions] == ["nobody@example.invalid"]


def test_known_and_unknown_accounts_cost_the_same_hashes_and_questions(
    migrating: Deployment, old_system: FakeOldSystem, hashes: list[int]
) -> None:
    migrating.register(ALICE)
    work: list[tuple[int, int]] = []
    for email in (ALICE.email, OLD_EMAIL):
        hashes.clear()
        old_system.questions.clear()
        with pytest.raises(InvalidCredentials):
            sign_in(migrating, email, "a wrong password")
        work.append((len(hashes), len(old_system.questions)))

    assert work == [(1, 1), (1, 1)]


# Races, also on DynamoDB Local


def test_concurrent_first_sign_ins_create_one_account(migrating: Deployment, database: Database) -> None:
    outcomes = at_once([lambda: sign_in(migrating)] * 8)

    users = {outcome.user.user_id for outcome in outcomes if isinstance(outcome, SignedIn)}
    others = [outcome for outcome in outcomes if not isinstance(outcome, SignedIn)]
    assert len(users) == 1
    assert all(isinstance(outcome, DependencyUnavailable) for outcome in others)  # contention: the client tries again
    assert len(database.items("Users", "USER#")) == 1
    assert len(database.items("Users", "EMAIL#")) == 1


def test_an_account_registered_during_the_question_keeps_its_password(
    migrating: Deployment, old_system: FakeOldSystem, database: Database
) -> None:
    """The transaction decides, not the answer of the old system."""

    def register(email: str) -> None:
        migrating.register(replace(ALICE, email=EmailAddress(email), password="quite another one"))

    old_system.meanwhile = register

    with pytest.raises(InvalidCredentials):
        sign_in(migrating)

    assert len(database.items("Users", "USER#")) == 1
