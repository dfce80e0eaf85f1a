"""gerbang.accounts.identity_sign_in: the first sign-in with an identity, limits, faults and the log."""

from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE, LinkedToAnother, VerifiedIdentity
from gerbang.accounts.oidc import LARGEST_PROFILE_BYTES
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.sign_up_policy import SignUpDisabled, SignUpPolicy
from gerbang.core.contention import CHANGE_TRIES
from gerbang.core.emails import InvalidEmail
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Identity, Name, identity_name

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, Choices, by_email
from tests.fakes import Call, FaultyStore, MemoryStore, Numbers, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import FaultyRun, Scenario, calls_of, faulty_runs
from tests.unit.identities.steps import BOB_AT_GOOGLE, BOB_SUBJECT, OTHER_SUBJECT, account_count, sign_in
from tests.unit.mail_deployment import MailDeployment, in_memory_only, new_app

# The first sign-in


def test_the_first_sign_in_creates_a_complete_account(app: MailDeployment, database: Database) -> None:
    session = sign_in(app)

    authenticated = app.base.sessions.authenticate(session.tokens.access_token)
    user = authenticated.user
    assert user == session.user
    assert authenticated.family.amr[0].method == "oauth"
    assert (user.name, user.email, user.email_as_typed) == ("Bob Martin", "bob@example.com", "Bob@Example.com")
    assert (user.email_verified_at, user.subjects) == (app.base.clock(), {GOOGLE: BOB_SUBJECT})
    assert (user.credit_balance, user.role_id, user.password_hash) == (5000, 3, None)
    assert user.number is not None
    assert {str(item["pk"]).partition("#")[0] for item in database.items("Users")} == {
        "USER",
        "EMAIL",
        "NUMBER",
        "IDENTITY",
    }


def test_the_first_sign_in_stores_the_identity_with_its_account(app: MailDeployment) -> None:
    user = sign_in(app).user

    person = app.base.users.find_person(user.user_id)

    assert person is not None
    assert person.user == user
    assert person.identities == (
        Identity(
            user_id=user.user_id,
            provider=GOOGLE,
            subject=BOB_SUBJECT,
            email="Bob@Example.com",
            created_at=app.base.clock(),
        ),
    )


def test_the_profile_of_the_provider_is_stored_with_the_names_that_gotrue_uses(app: MailDeployment) -> None:
    profile = {"picture": "https://photos.example/bob", "locale": "es", "family_name": "Martin"}

    user = sign_in(app, replace(BOB_AT_GOOGLE, issuer="https://accounts.google.com", profile=profile)).user

    assert app.user(user.user_id).user_metadata == {
        **profile,
        "full_name": "Bob Martin",
        "avatar_url": "https://photos.example/bob",
        "email": "bob@example.com",
        "email_verified": True,
        "iss": "https://accounts.google.com",
        "sub": BOB_SUBJECT,
        "provider_id": BOB_SUBJECT,
    }


def test_missing_claims_are_left_out_of_the_metadata(app_in_memory: MailDeployment) -> None:
    assert sign_in(app_in_memory, replace(BOB_AT_GOOGLE, name="")).user.user_metadata == {
        "email": "bob@example.com",
        "email_verified": True,
        "sub": BOB_SUBJECT,
        "provider_id": BOB_SUBJECT,
    }


def test_the_largest_identity_can_be_stored(app_in_memory: MailDeployment) -> None:
    """The limits are in gerbang.accounts.oidc, gerbang.apis.fields, gerbang.core.emails and the template."""
    largest = VerifiedIdentity(
        provider=GOOGLE,
        subject='"' * 255,
        email="b" * 64 + "@" + ".".join(["c" * 61] * 3) + ".de",
        name="\U0001f600" * 200,
        issuer="i" * 500,
        profile={"picture": '"' * ((LARGEST_PROFILE_BYTES - 2) // 2)},
    )

    assert sign_in(app_in_memory, largest).user.user_metadata["avatar_url"] == largest.profile["picture"]


def test_linking_does_not_change_the_metadata_of_the_account(app_in_memory: MailDeployment) -> None:
    app_in_memory.register(BOB)

    assert sign_in(app_in_memory, replace(BOB_AT_GOOGLE, profile={"locale": "es"})).user.user_metadata == {}


def test_without_a_name_the_local_part_of_the_address_is_the_name(app_in_memory: MailDeployment) -> None:
    assert sign_in(app_in_memory, replace(BOB_AT_GOOGLE, name="")).user.name == "bob"


def test_the_address_of_the_identity_is_taken(app_in_memory: MailDeployment) -> None:
    sign_in(app_in_memory)

    with pytest.raises(EmailTaken):
        app_in_memory.register(BOB)


def test_no_password_signs_in_to_an_account_without_one(app_in_memory: MailDeployment) -> None:
    sign_in(app_in_memory)

    for password in ("", "Correct horse 1"):
        with pytest.raises(InvalidCredentials):
            app_in_memory.base.sign_in.sign_in(by_email(BOB.email, password), HOME)


@in_memory_only
def test_an_invalid_address_creates_no_account(app: MailDeployment, database: Database) -> None:
    with pytest.raises(InvalidEmail):
        sign_in(app, replace(BOB_AT_GOOGLE, email="no address"))

    assert database.items("Users") == []


@pytest.mark.covers("F4")
def test_twenty_concurrent_first_sign_ins_share_one_account(app: MailDeployment, database: Database) -> None:
    outcomes = at_once([partial(sign_in, app)] * 20)

    sessions = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(sessions) == 20
    assert len({session.user.user_id for session in sessions}) == account_count(database) == 1
    assert all(session_works(app, session) for session in sessions)
    assert len(database.items("Users", "NUMBER#")) == 1


def test_a_concurrent_registration_and_first_sign_in_create_one_account(
    app: MailDeployment, database: Database
) -> None:
    outcomes = at_once([partial(sign_in, app), partial(app.register, BOB)] * 5)

    assert account_count(database) == 1
    assert all(isinstance(outcome, SignedIn) for outcome in outcomes[::2])
    assert all(isinstance(outcome, SignedIn | EmailTaken) for outcome in outcomes[1::2])
    authenticated = app.base.users.find_id(Name.EMAIL, BOB.email)
    assert authenticated == app.base.users.find_id(Name.IDENTITY, identity_name(GOOGLE, BOB_SUBJECT))
    assert not password_works(app)  # the address was not verified by the registration


def test_a_taken_number_is_drawn_again(app: MailDeployment) -> None:
    alice = app.register(ALICE).user
    assert alice.number is not None
    base = replace(app.base, new_number=Numbers(alice.number, alice.number, 77))

    assert sign_in(replace(app, base=base)).user.number == 77


@in_memory_only
def test_without_a_free_number_the_sign_in_fails(app: MailDeployment, database: Database) -> None:
    alice = app.register(ALICE).user
    assert alice.number is not None
    base = replace(app.base, new_number=Numbers(*[alice.number] * CHANGE_TRIES))

    with pytest.raises(DependencyUnavailable):
        sign_in(replace(app, base=base))

    assert account_count(database) == 1


# Disabled sign-ups


def test_with_sign_ups_disabled_a_new_identity_creates_no_account(app: MailDeployment, database: Database) -> None:
    closed_sign_in = replace(app.google, policy=SignUpPolicy(takes_accounts=False))

    with pytest.raises(SignUpDisabled):
        closed_sign_in.sign_in(BOB_AT_GOOGLE, HOME)

    assert database.items("Users") == database.items("RateLimits") == []


def test_with_sign_ups_disabled_existing_users_can_sign_in(app: MailDeployment) -> None:
    closed_sign_in = replace(app.google, policy=SignUpPolicy(takes_accounts=False))
    bob = app.register(BOB).user

    linked = closed_sign_in.sign_in(BOB_AT_GOOGLE, HOME)
    next_session = closed_sign_in.sign_in(BOB_AT_GOOGLE, HOME)

    assert linked.user.user_id == next_session.user.user_id == bob.user_id


# Limits: security.md 34


@pytest.mark.covers("34")
@in_memory_only
def test_first_sign_ins_and_registrations_of_a_client_share_one_limit(app: MailDeployment) -> None:
    limit = Limit(name="registration", attempts=2, window=timedelta(hours=1))
    app = app.with_choices(Choices(registration=limit))
    app.base.registration.register(ALICE, HOME)
    sign_in(app)

    with pytest.raises(TooManyAttempts) as error:
        sign_in(app, VerifiedIdentity(provider=GOOGLE, subject="3", email="carol@example.com", name="Carol"))

    assert error.value.limit == "registration"
    assert session_works(app, sign_in(app))  # a user with an account is not counted


@in_memory_only
def test_linking_is_not_counted_as_a_registration(app: MailDeployment, database: Database) -> None:
    app.register(BOB)
    before = database.items("RateLimits", "registration#")

    sign_in(app)

    assert database.items("RateLimits", "registration#") == before


@in_memory_only
def test_a_number_drawn_again_is_not_counted_again(app: MailDeployment, database: Database) -> None:
    alice = app.register(ALICE).user
    assert alice.number is not None
    base = replace(app.base, new_number=Numbers(alice.number, alice.number))

    sign_in(replace(app, base=base))

    assert sorted(int(item["attempts"]) for item in database.items("RateLimits")) == [1, 1]


# Faults: F2, F3, F42


@pytest.mark.covers("F42")
@pytest.mark.parametrize("before", ["no account", "registered", "linked"])
def test_after_any_fault_there_is_one_account_and_the_next_sign_in_succeeds(before: str) -> None:
    def scenario() -> Scenario:
        app = new_app()
        if before == "registered":
            app.register(BOB)
        if before == "linked":
            sign_in(app)
        return Scenario(app, sign_in)

    for run in faulty_runs(scenario):
        deployment = run.deployment
        if isinstance(run.outcome, SignedIn):
            assert session_works(deployment, run.outcome), run
        else:
            assert isinstance(run.failure, DependencyUnavailable), run
        next_session = sign_in(deployment)
        assert session_works(deployment, next_session), run
        assert has_one_account_with_its_markers(run), run


def has_one_account_with_its_markers(run: FaultyRun) -> bool:
    base = run.deployment.base
    assert isinstance(base.store, MemoryStore)
    kinds = sorted(str(item["pk"]).partition("#")[0] for item in base.store.items(base.tables["Users"]))
    return kinds == ["EMAIL", "IDENTITY", "NUMBER", "USER", "USER"]


def test_a_sign_in_of_a_known_identity_takes_two_reads_and_a_commit(app_in_memory: MailDeployment) -> None:
    sign_in(app_in_memory)

    assert [method for method, _ in calls_of(app_in_memory, sign_in)] == ["commit", "get", "get"]


def test_a_sign_in_that_is_overtaken_too_often_fails(app_in_memory: MailDeployment) -> None:
    bob = app_in_memory.register(BOB).user

    def overtaken(call: Call) -> bool:
        if call.method == "commit":
            app_in_memory.end_sessions(bob)
        return False

    always_overtaken = FaultyStore(app_in_memory.base.store, at=overtaken)

    with pytest.raises(DependencyUnavailable):
        sign_in(app_in_memory.on(always_overtaken))

    assert sum(call.method == "commit" for call in always_overtaken.calls) == CHANGE_TRIES


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_contains_no_address_and_no_name(app_in_memory: MailDeployment) -> None:
    app_in_memory.register(BOB)
    sign_in(app_in_memory)
    with pytest.raises(LinkedToAnother):
        sign_in(app_in_memory, OTHER_SUBJECT)

    logged = str(app_in_memory.base.recorded.notes) + repr(BOB_AT_GOOGLE)

    assert "bob@example.com" not in logged.lower()
    assert "Martin" not in logged
