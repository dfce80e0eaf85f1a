"""gerbang.accounts.sign_up: sign-ups for Supabase's clients."""

from copy import replace

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.sign_up import Decoy, UserAlreadyExists
from gerbang.accounts.sign_up_policy import AnonymousSignInsDisabled, SignUpDisabled
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import MailKind
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.storage.accounts import Name, User

from tests.deployment import ABROAD, ALICE, BOB, CODE_TRIES, HOME, MINUTE, PASSWORD, Choices, by_email
from tests.unit.access import password_works
from tests.unit.links.steps import LINK, link_token_in, redeem_for_session, url_in
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.mail_fakes import code_in

ASKED = replace(BOB, user_metadata={"plan": "pro"})
OTHER_PASSWORD = "Another horse 2"


def sign_up(app: MailDeployment, new: NewAccount = ASKED) -> User | Decoy:
    return app.base.sign_up.sign_up(new, HOME)


def deliver_all(app: MailDeployment) -> None:
    """Deliver every job in the queue, and empty it."""
    app.deliver_queued()
    app.queue.jobs.clear()


def redeem(app: MailDeployment) -> None:
    app.code_sign_in.sign_in(BOB.email, code_in(app.outbox.last), HOME)


def test_a_sign_up_creates_an_account_and_mails_a_code(app: MailDeployment) -> None:
    user = sign_up(app)
    deliver_all(app)
    redeem(app)

    assert isinstance(user, User)
    stored = app.user(user.user_id)
    assert stored.user_metadata == {"plan": "pro"}
    assert stored.confirmation_sent_at == user.confirmation_sent_at
    assert stored.email_verified_at is not None
    assert password_works(app)


def test_a_verified_address_gets_a_decoy_answer_and_a_notice(app: MailDeployment) -> None:
    user = sign_up(app)
    assert isinstance(user, User)
    app.verify_email(user)
    before = app.user(user.user_id)
    app.queue.jobs.clear()
    app.base.clock.advance(MINUTE)

    decoy = sign_up(app, replace(ASKED, password=OTHER_PASSWORD))

    assert isinstance(decoy, Decoy)
    assert decoy.user.user_id != user.user_id
    assert app.base.users.find(decoy.user.user_id) is None
    assert app.user(user.user_id) == before
    deliver_all(app)
    assert [message.kind for message in app.outbox.sent] == [MailKind.ACCOUNT_EXISTS]


def test_a_repeated_sign_up_mails_the_code_again(app: MailDeployment) -> None:
    first = sign_up(app)
    deliver_all(app)
    app.base.clock.advance(MINUTE)

    second = sign_up(app)
    deliver_all(app)
    redeem(app)

    assert isinstance(first, User)
    assert isinstance(second, User)
    assert second.user_id == first.user_id
    assert password_works(app)


def test_a_sign_up_reveals_only_the_id_of_an_unverified_account(app: MailDeployment) -> None:
    user = app.register(replace(BOB, name="Bob Private", user_metadata={"plan": "secret"})).user
    app.change(user, new_email="bob@new.example", last_sign_in_at=1, app_metadata='{"team":"a"}')
    app.base.clock.advance(MINUTE)

    returned = sign_up(app)

    now = app.base.clock()
    assert returned == User(
        user_id=user.user_id,
        name=BOB.name,
        email=BOB.email,
        password_hash="",
        user_metadata={"plan": "pro"},
        confirmation_sent_at=now,
        created_at=now,
        updated_at=now,
    )
    assert app.user(user.user_id).user_metadata == {"plan": "secret"}


def test_after_sign_ups_with_two_passwords_verification_keeps_neither(app: MailDeployment) -> None:
    """Either sender may own the address, so the code keeps neither password."""
    sign_up(app)
    app.base.clock.advance(MINUTE)

    sign_up(app, replace(ASKED, password=OTHER_PASSWORD))
    deliver_all(app)
    redeem(app)

    assert not password_works(app)
    assert not password_works(app, OTHER_PASSWORD)


@pytest.mark.parametrize("password", [BOB.password, OTHER_PASSWORD])
def test_a_sign_up_within_a_minute_with_another_password_counts_too(app: MailDeployment, password: str) -> None:
    """The owner may be the one who has to wait, and gets the code of the stranger's sign-up."""
    sign_up(app)
    with pytest.raises(TooMuchMail):
        sign_up(app, replace(ASKED, password=password))

    deliver_all(app)
    redeem(app)

    assert password_works(app) is (password == BOB.password)
    assert password_works(app, OTHER_PASSWORD) is False


@in_memory_only
@pytest.mark.parametrize("account", [None, "unverified", "verified"])
def test_a_sign_up_within_a_minute_takes_one_hash_for_every_address(
    app: MailDeployment, hashes: list[int], account: str | None
) -> None:
    register(app, account)
    app.mail_service.request_verification_again(BOB.email, None, HOME.address)
    hashes.clear()

    with pytest.raises(TooMuchMail):
        sign_up(app, replace(ASKED, password=OTHER_PASSWORD))

    assert len(hashes) == 1


def register(app: MailDeployment, account: str | None) -> None:
    """Register Bob, unless there is to be no account; verify his address, if it is to be verified."""
    if account is not None:
        user = app.register().user
        if account == "verified":
            app.verify_email(user)


def use_up_tries(app: MailDeployment) -> None:
    for _ in range(CODE_TRIES.attempts):
        with pytest.raises(InvalidCode):
            app.code_sign_in.sign_in(BOB.email, "123456", HOME)


@in_memory_only
@pytest.mark.parametrize("account", [None, "unverified", "verified"])
def test_an_address_without_tries_left_is_mailed_nothing(
    app: MailDeployment, hashes: list[int], account: str | None
) -> None:
    """Error and work are the same for every address."""
    register(app, account)
    use_up_tries(app)
    hashes.clear()

    with pytest.raises(TooManyAttempts) as caught:
        sign_up(app, replace(ASKED, password=OTHER_PASSWORD))

    assert (caught.value.code, caught.value.limit) == ("over_request_rate_limit", "code_tries")
    assert caught.value.wait == CODE_TRIES.window
    assert app.queue.jobs == []
    assert (app.users.find_id(Name.EMAIL, BOB.email) is None) is (account is None)
    assert len(hashes) == 1

    app.base.clock.advance(CODE_TRIES.window)
    sign_up(app, replace(ASKED, password=OTHER_PASSWORD))
    assert len(app.queue.jobs) == 1


@pytest.mark.parametrize("password", [BOB.password, OTHER_PASSWORD])
def test_a_sign_up_without_tries_left_with_another_password_counts_too(app: MailDeployment, password: str) -> None:
    """The link that the stranger's sign-up mailed to the owner is still valid."""
    sign_up(app, replace(ASKED, link=LINK))
    deliver_all(app)
    token = link_token_in(url_in(app))
    use_up_tries(app)
    app.base.clock.advance(MINUTE)
    with pytest.raises(TooManyAttempts) as caught:
        sign_up(app, replace(ASKED, password=password))
    assert caught.value.limit == "code_tries"

    redeem_for_session(app, token)

    assert password_works(app) is (password == BOB.password)
    assert password_works(app, OTHER_PASSWORD) is False


def test_with_autoconfirm_wrong_codes_do_not_prevent_a_sign_up(app: MailDeployment) -> None:
    use_up_tries(app)

    assert app.base.confirmed_sign_up.sign_up(ASKED, HOME).user.email == BOB.email


@in_memory_only
@pytest.mark.parametrize("password", [BOB.password, OTHER_PASSWORD])
@pytest.mark.parametrize("account", [None, "unverified", "verified"])
def test_a_sign_up_takes_one_hash_for_every_address(
    app: MailDeployment, hashes: list[int], account: str | None, password: str
) -> None:
    register(app, account)
    hashes.clear()

    sign_up(app, replace(ASKED, password=password))

    assert len(hashes) == 1


def test_a_concurrent_registration_of_the_address_is_answered_with_its_account(app: MailDeployment) -> None:
    returned = sign_up(app.meanwhile(app.register))

    assert isinstance(returned, User)
    assert returned.user_id == app.users.find_id(Name.EMAIL, BOB.email)


@in_memory_only
@pytest.mark.parametrize("known", [False, True])
def test_sign_ups_are_limited_for_known_and_unknown_addresses(app: MailDeployment, *, known: bool) -> None:
    register(app, "verified" if known else None)
    sign_up(app)

    with pytest.raises(TooMuchMail) as caught:
        sign_up(app)

    assert caught.value.retry_after == MINUTE


@in_memory_only
def test_a_sign_up_whose_mail_cannot_be_queued_is_not_counted(app: MailDeployment) -> None:
    app.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        sign_up(app)
    app.queue.is_down = False

    assert isinstance(sign_up(app), User)


# Autoconfirm


def test_autoconfirm_signs_in_and_verifies_nothing(app: MailDeployment) -> None:
    app = app.with_choices(Choices(autoconfirm=True))

    redeem_for_session = app.base.confirmed_sign_up.sign_up(ASKED, HOME)

    assert app.base.sessions.authenticate(redeem_for_session.tokens.access_token).user == redeem_for_session.user
    assert redeem_for_session.user.email_verified_at is None
    assert app.queue.jobs == []
    with pytest.raises(UserAlreadyExists):
        app.base.confirmed_sign_up.sign_up(ASKED, HOME)


# Signing in with a password through Supabase's clients


def sign_in(app: MailDeployment, password: str = PASSWORD) -> None:
    app.base.supabase_password_sign_in.sign_in(by_email(BOB.email, password), ABROAD)


@in_memory_only
def test_only_a_verified_address_can_sign_in_without_autoconfirm(app: MailDeployment) -> None:
    sign_up(app)

    with pytest.raises(EmailNotVerified):
        sign_in(app)
    sign_in(app.with_choices(Choices(autoconfirm=True)))


@in_memory_only
def test_only_the_right_password_reveals_a_disabled_account(app: MailDeployment) -> None:
    user = app.register().user
    app.disable(user)

    with pytest.raises(AccountDisabled):
        sign_in(app)
    with pytest.raises(InvalidCredentials):
        sign_in(app, OTHER_PASSWORD)
    with pytest.raises(InvalidCredentials):  # the other APIs do not reveal it
        app.base.sign_in.sign_in(by_email(BOB.email, PASSWORD), ABROAD)


# Sign-ups and guests can be disabled


@in_memory_only
def test_when_sign_ups_are_disabled_no_endpoint_creates_an_account(app: MailDeployment) -> None:
    app.register()
    app = app.with_choices(Choices(sign_up_disabled=True))
    endpoints = (
        lambda: sign_up(app, ALICE),
        lambda: app.base.confirmed_sign_up.sign_up(ALICE, HOME),
        lambda: app.base.registration.register(ALICE, HOME),
        lambda: app.registration.register_without_session(ALICE, HOME),
        lambda: app.guests.admit(HOME),
    )

    for create_account in endpoints:
        with pytest.raises(SignUpDisabled):
            create_account()

    assert password_works(app)


@in_memory_only
def test_when_guests_are_disabled_users_can_sign_up(app: MailDeployment) -> None:
    app = app.with_choices(Choices(anonymous_sign_ins=False))

    with pytest.raises(AnonymousSignInsDisabled):
        app.guests.admit(HOME)

    assert isinstance(sign_up(app), User)
