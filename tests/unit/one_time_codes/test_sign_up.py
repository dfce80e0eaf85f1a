"""gerbang.accounts.code_sign_in: a code for an address without an account creates the account."""

from copy import replace
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME
from gerbang.mail.jobs import NEW_USER_METADATA, SLOT
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.one_time_codes import Slot
from gerbang.storage.removal import removal
from gerbang.storage.users import NUMBER_DRAWS

from tests.conftest import Database
from tests.deployment import ABROAD, BOB, HOME, HOUR, SECOND, Choices
from tests.fakes import FakeClock, Fault, FaultyStore, Numbers, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_deployment import MailDeployment, new_app
from tests.unit.mail_fakes import code_in, wrong_code
from tests.unit.one_time_codes.redemption import (
    NEW_EMAIL,
    account_of,
    is_spent,
    reason_of_failure,
    redeem,
    redemption,
    sign_up_code,
    sign_up_job,
    stored_code,
)


def test_redeeming_the_code_creates_the_account(app: MailDeployment) -> None:
    code = sign_up_code(app)
    assert account_of(app) is None

    session = redeem(app, code, NEW_EMAIL)

    now = app.base.clock()
    user = account_of(app)
    assert user == session.user
    assert user is not None
    assert (user.email, user.email_as_typed, user.email_verified_at) == (NEW_EMAIL, "New.Person@Example.com", now)
    assert (user.name, user.user_metadata) == ("New", {"plan": "pro", "tags": ["a"]})
    assert (user.password_hash, user.is_anonymous, user.expires_at, user.credit_balance) == (None, False, None, 5000)
    assert (user.created_at, user.last_sign_in_at) == (now, now)
    assert user.number is not None
    assert app.users.find_id(Name.NUMBER, user.number) == user.user_id
    assert session_works(app, session)
    assert app.base.recorded.events[-1] == "registered"
    assert is_spent(app, Slot.EMAIL, NEW_EMAIL)
    assert reason_of_failure(app, code, NEW_EMAIL) == "none"


def test_the_account_gets_the_language_of_the_request(app_in_memory: MailDeployment) -> None:
    code = sign_up_code(app_in_memory)
    sign_in = app_in_memory.base.code_sign_in_with_sign_up

    session = sign_in.redeem(NEW_EMAIL, code, replace(HOME, locale="it"), slots=(Slot.EMAIL,)).signed_in

    assert session.user.locale == "it"


def test_a_wrong_code_creates_no_account(app_in_memory: MailDeployment) -> None:
    code = sign_up_code(app_in_memory)

    assert reason_of_failure(app_in_memory, wrong_code(code), NEW_EMAIL) == "wrong"
    assert reason_of_failure(app_in_memory, code, NEW_EMAIL, slots=(Slot.RECOVERY,)) == "none"

    assert account_of(app_in_memory) is None
    assert session_works(app_in_memory, redeem(app_in_memory, code, NEW_EMAIL))


def test_the_endpoint_of_atourin_creates_no_account(app_in_memory: MailDeployment) -> None:
    code = sign_up_code(app_in_memory)

    with pytest.raises(InvalidCode):
        app_in_memory.code_sign_in.sign_in(NEW_EMAIL, code, HOME)

    assert account_of(app_in_memory) is None


def test_a_code_of_a_deleted_account_creates_no_account(app_in_memory: MailDeployment) -> None:
    bob = app_in_memory.register().user
    code = app_in_memory.mailed_code()
    person = app_in_memory.users.find_person(bob.user_id)
    assert person is not None
    app_in_memory.base.store.commit(*removal(app_in_memory.users, person))

    assert reason_of_failure(app_in_memory, code) == "no account"


@pytest.mark.parametrize("racers", [2, 8])
def test_of_concurrent_redemptions_one_creates_the_account(
    app: MailDeployment, database: Database, racers: int
) -> None:
    code = sign_up_code(app)
    tries = Limit(name="code_tries", attempts=racers, window=HOUR)
    many_tries = app.with_choices(Choices(code_tries=tries))

    outcomes = at_once([partial(redeem, many_tries, code, NEW_EMAIL)] * racers)

    winners = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == racers - 1
    assert account_of(app) == winners[0].user
    assert len(database.items("Users", "USER#")) == len(database.items("RefreshTokenFamilies")) == 1


def register_new_email(app: MailDeployment) -> None:
    """Register the address with a password, as a stranger could do."""
    app.registration.register_without_session(replace(BOB, email=NEW_EMAIL), ABROAD)


def test_the_code_verifies_an_address_that_was_registered_meanwhile_and_removes_its_password(
    app: MailDeployment,
) -> None:
    code = sign_up_code(app)
    register_new_email(app)

    session = redemption(app, code, NEW_EMAIL)

    assert session.password_removed
    assert session.signed_in.user == account_of(app)
    assert session.signed_in.user.user_metadata == {}
    assert not password_works(app, email=NEW_EMAIL)


def test_a_registration_during_the_redemption_is_a_503_after_which_the_code_works(
    app: MailDeployment,
) -> None:
    code = sign_up_code(app)
    meanwhile = app.meanwhile(lambda: register_new_email(app))

    with pytest.raises(DependencyUnavailable):
        redeem(meanwhile, code, NEW_EMAIL)

    assert not is_spent(app, Slot.EMAIL, NEW_EMAIL)
    assert redeem(app, code, NEW_EMAIL).user == account_of(app)


def test_concurrent_registration_and_redemption_create_one_account(app: MailDeployment, database: Database) -> None:
    code = sign_up_code(app)

    redeeming, registering = at_once([lambda: redeem(app, code, NEW_EMAIL), lambda: register_new_email(app)])

    assert isinstance(redeeming, SignedIn | DependencyUnavailable)
    assert registering is None or isinstance(registering, EmailTaken | DependencyUnavailable)
    assert len(database.items("Users", "USER#")) == 1
    if isinstance(redeeming, DependencyUnavailable):
        redeeming = redeem(app, code, NEW_EMAIL)
    assert session_works(app, redeeming)
    assert not password_works(app, email=NEW_EMAIL)


def test_a_code_from_before_a_new_epoch_is_rejected(
    app_in_memory: MailDeployment,
) -> None:
    code = sign_up_code(app_in_memory)
    register_new_email(app_in_memory)
    user = account_of(app_in_memory)
    assert user is not None
    app_in_memory.end_sessions(user)

    assert reason_of_failure(app_in_memory, code, NEW_EMAIL) == "another epoch"


def test_a_code_creates_no_account_after_sign_ups_were_closed(app_in_memory: MailDeployment) -> None:
    code = sign_up_code(app_in_memory)
    closed = app_in_memory.with_choices(Choices(sign_up_disabled=True))

    with pytest.raises(SignUpDisabled):
        redeem(closed, code, NEW_EMAIL)
    reason_of_failure(closed, wrong_code(code), NEW_EMAIL)

    assert account_of(app_in_memory) is None
    assert session_works(app_in_memory, redeem(app_in_memory, code, NEW_EMAIL))


def test_accounts_created_by_codes_count_as_registrations(app_in_memory: MailDeployment) -> None:
    few = Choices(registration=Limit(name="registration", attempts=1, window=HOUR))
    app = app_in_memory.with_choices(few)
    redeem(app, sign_up_code(app), NEW_EMAIL)
    other = EmailAddress("other@example.com")
    code = sign_up_code(app, other)

    with pytest.raises(TooManyAttempts) as error:
        redeem(app, code, other)

    assert error.value.limit == "registration"
    assert account_of(app, other) is None
    assert not is_spent(app, Slot.EMAIL, other)


def test_a_taken_number_is_drawn_again(app: MailDeployment) -> None:
    taken_number = app.with_parts(new_number=Numbers(7))
    redeem(taken_number, sign_up_code(taken_number), NEW_EMAIL)
    other = EmailAddress("other@example.com")
    code = sign_up_code(app, other)

    session = redeem(app.with_parts(new_number=Numbers(7, 7, 8)), code, other)

    assert (session.user.number, session.user) == (8, account_of(app, other))


def test_without_a_free_number_no_account_is_created_and_the_code_still_works(app_in_memory: MailDeployment) -> None:
    app = app_in_memory
    redeem(app.with_parts(new_number=Numbers(7)), sign_up_code(app), NEW_EMAIL)
    other = EmailAddress("other@example.com")
    code = sign_up_code(app, other)

    with pytest.raises(DependencyUnavailable):
        redeem(app.with_parts(new_number=Numbers(*[7] * NUMBER_DRAWS)), code, other)

    assert session_works(app, redeem(app, code, other))


def test_after_any_fault_the_code_still_works_or_its_account_exists() -> None:
    def scenario() -> Scenario:
        app = new_app()
        code = sign_up_code(app)
        return Scenario(app, lambda deployment: redeem(deployment, code, NEW_EMAIL))

    for run in faulty_runs(scenario):
        deployment = run.deployment
        code = deployment.outbox.codes[-1]
        user = account_of(deployment)
        if isinstance(run.outcome, SignedIn):
            assert session_works(deployment, run.outcome), run
            assert user == run.outcome.user, run
        else:
            assert isinstance(run.failure, DependencyUnavailable), run
            assert is_spent(deployment, Slot.EMAIL, NEW_EMAIL) == (user is not None), run
            if user is not None:  # only the answer was lost: another code signs in
                code = sign_up_code(deployment)
            assert session_works(deployment, redeem(deployment, code, NEW_EMAIL)), run


def test_a_lost_answer_leaves_one_account(app: MailDeployment, database: Database) -> None:
    code = sign_up_code(app)
    lost = FaultyStore(app.base.store, at=lambda call: call.method == "commit", fault=Fault.ANSWER_LOST)

    with pytest.raises(DependencyUnavailable):
        redeem(app.on(lost), code, NEW_EMAIL)

    assert reason_of_failure(app, code, NEW_EMAIL) == "none"
    assert len(database.items("Users", "USER#")) == 1
    assert redeem(app, sign_up_code(app), NEW_EMAIL).user == account_of(app)


def test_a_newer_code_determines_the_account(app_in_memory: MailDeployment, clock: FakeClock) -> None:
    older = sign_up_code(app_in_memory)
    clock.advance(SECOND)
    job = replace(sign_up_job(app_in_memory), payload={SLOT: "RECOVERY", NEW_USER_METADATA: '{"b":2}'})
    app_in_memory.deliver(job)

    reason_of_failure(app_in_memory, older, NEW_EMAIL)
    user = redeem(app_in_memory, code_in(app_in_memory.outbox.last), NEW_EMAIL).user

    assert (user.name, user.user_metadata) == ("", {"b": 2})


def test_a_code_that_creates_an_account_expires(app_in_memory: MailDeployment, clock: FakeClock) -> None:
    code = sign_up_code(app_in_memory)
    clock.advance(CODE_LIFETIME)

    assert reason_of_failure(app_in_memory, code, NEW_EMAIL) == "none"
    assert account_of(app_in_memory) is None


@pytest.mark.covers("167")
def test_neither_the_log_nor_the_repr_of_a_code_contains_the_new_user(app_in_memory: MailDeployment) -> None:
    code = sign_up_code(app_in_memory)
    code_item = stored_code(app_in_memory, Slot.EMAIL, NEW_EMAIL)
    reason_of_failure(app_in_memory, wrong_code(code), NEW_EMAIL)
    redeem(app_in_memory, code, NEW_EMAIL)

    logged = str(app_in_memory.base.recorded.notes)
    assert not any(text in logged for text in (code, NEW_EMAIL, "pro"))
    assert "pro" not in repr(code_item)
