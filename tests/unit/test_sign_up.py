"""gerbang.accounts.sign_up: the answer tells little, the mail tells its reader, and every sign-up counts as a mail."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.sign_up import Decoy, UserAlreadyExists
from gerbang.accounts.sign_up_policy import AnonymousSignInsDisabled, SignUpDisabled
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import MailKind
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.storage.accounts import Name, User

from tests.deployment import ABROAD, ALICE, BOB, CODE_TRIES, HOME, PASSWORD, Choices, by_email
from tests.fakes import MeanwhileStore
from tests.unit.access import password_works
from tests.unit.links import LINK, link_token_in, redeem_for_session, url_in
from tests.unit.mail_fakes import MailDeployment, code_in, in_memory_only

MINUTE = timedelta(minutes=1)
ASKED = replace(BOB, user_metadata={"plan": "pro"})
OTHER_PASSWORD = "Another horse 2"


def sign_up(post: MailDeployment, new: NewAccount = ASKED) -> User | Decoy:
    return post.base.sign_up.sign_up(new, HOME)


def choosing(post: MailDeployment, **choices: object) -> MailDeployment:
    """The same world with other settings."""
    return replace(post, base=replace(post.base, choices=Choices(**choices)))  # type: ignore[arg-type]


def deliver_all(post: MailDeployment) -> None:
    """Deliver what was queued, as the queue does."""
    for job in post.queue.jobs:
        post.mailer.deliver(job, queued_at=post.base.clock())
    post.queue.jobs.clear()


def redeem(post: MailDeployment) -> None:
    post.code_sign_in.sign_in(BOB.email, code_in(post.outbox.last), HOME)


def test_a_sign_up_makes_an_account_and_mails_its_code(post: MailDeployment) -> None:
    made = sign_up(post)
    deliver_all(post)
    redeem(post)

    assert isinstance(made, User)
    stored = post.user(made.user_id)
    assert stored.user_metadata == {"plan": "pro"}
    assert stored.confirmation_sent_at == made.confirmation_sent_at
    assert stored.email_verified_at is not None
    assert password_works(post)


def test_the_address_of_a_verified_account_is_answered_with_a_decoy_and_a_notice(post: MailDeployment) -> None:
    made = sign_up(post)
    assert isinstance(made, User)
    post.base.users.change(made, {"email_verified_at": to_epoch(post.base.clock())})
    before = post.user(made.user_id)
    post.queue.jobs.clear()
    post.base.clock.advance(MINUTE)

    decoy = sign_up(post, replace(ASKED, password=OTHER_PASSWORD))

    assert isinstance(decoy, Decoy)
    assert decoy.user.user_id != made.user_id
    assert post.base.users.find(decoy.user.user_id) is None
    assert post.user(made.user_id) == before
    deliver_all(post)
    assert [message.kind for message in post.outbox.sent] == [MailKind.ACCOUNT_EXISTS]


def test_an_account_that_waits_for_its_code_is_mailed_it_again_and_keeps_its_password(post: MailDeployment) -> None:
    made = sign_up(post)
    deliver_all(post)
    post.base.clock.advance(MINUTE)

    again = sign_up(post)
    deliver_all(post)
    redeem(post)

    assert isinstance(made, User)
    assert isinstance(again, User)
    assert again.user_id == made.user_id
    assert password_works(post)


def test_a_stranger_is_told_nothing_of_an_unverified_account_but_its_id(post: MailDeployment) -> None:
    made = post.register(replace(BOB, name="Bob Private", user_metadata={"plan": "secret"})).user
    post.base.users.change(made, {"new_email": "bob@new.example", "last_sign_in_at": 1, "app_metadata": '{"team":"a"}'})
    post.base.clock.advance(MINUTE)

    told = sign_up(post)

    now = post.base.clock()
    assert told == User(
        user_id=made.user_id,
        name=BOB.name,
        email=BOB.email,
        password_hash="",
        user_metadata={"plan": "pro"},
        confirmation_sent_at=now,
        created_at=now,
        updated_at=now,
    )
    assert post.user(made.user_id).user_metadata == {"plan": "secret"}


def test_a_sign_up_with_another_password_leaves_none_to_be_kept(post: MailDeployment) -> None:
    """Either of the two may be the owner of the address, so the code keeps neither's password."""
    sign_up(post)
    post.base.clock.advance(MINUTE)

    sign_up(post, replace(ASKED, password=OTHER_PASSWORD))
    deliver_all(post)
    redeem(post)

    assert not password_works(post)
    assert not password_works(post, OTHER_PASSWORD)


@pytest.mark.parametrize("password", [BOB.password, OTHER_PASSWORD])
def test_a_sign_up_that_is_too_soon_for_another_mail_leaves_no_other_password_to_be_kept(
    post: MailDeployment, password: str
) -> None:
    """The owner of the address may be the one who is told to wait, and has the code of the stranger's sign-up."""
    sign_up(post)
    with pytest.raises(TooMuchMail):
        sign_up(post, replace(ASKED, password=password))

    deliver_all(post)
    redeem(post)

    assert password_works(post) is (password == BOB.password)
    assert password_works(post, OTHER_PASSWORD) is False


@in_memory_only
@pytest.mark.parametrize("account", [None, "unverified", "verified"])
def test_a_sign_up_that_is_too_soon_takes_one_hash_whoever_has_the_address(
    post: MailDeployment, hashes: list[int], account: str | None
) -> None:
    if account is not None:
        user = post.register().user
        if account == "verified":
            post.base.users.change(user, {"email_verified_at": 1})
    post.mail_service.request_verification_again(BOB.email, None, HOME.address)
    hashes.clear()

    with pytest.raises(TooMuchMail):
        sign_up(post, replace(ASKED, password=OTHER_PASSWORD))

    assert len(hashes) == 1


def use_up_tries(post: MailDeployment) -> None:
    for _ in range(CODE_TRIES.attempts):
        with pytest.raises(InvalidCode):
            post.code_sign_in.sign_in(BOB.email, "123456", HOME)


@in_memory_only
@pytest.mark.parametrize("account", [None, "unverified", "verified"])
def test_an_address_that_has_used_up_its_tries_is_mailed_nothing_and_told_so_whoever_has_it(
    post: MailDeployment, hashes: list[int], account: str | None
) -> None:
    """A code could not be redeemed. The answer, and the one hash that it takes, are the same for all."""
    if account is not None:
        user = post.register().user
        if account == "verified":
            post.base.users.change(user, {"email_verified_at": 1})
    use_up_tries(post)
    hashes.clear()

    with pytest.raises(TooManyAttempts) as refused:
        sign_up(post, replace(ASKED, password=OTHER_PASSWORD))

    assert (refused.value.code, refused.value.limit) == ("over_request_rate_limit", "code_tries")
    assert refused.value.wait == CODE_TRIES.window
    assert post.queue.jobs == []
    assert (post.users.find_id(Name.EMAIL, BOB.email) is None) is (account is None)
    assert len(hashes) == 1

    post.base.clock.advance(CODE_TRIES.window)
    sign_up(post, replace(ASKED, password=OTHER_PASSWORD))
    assert len(post.queue.jobs) == 1


@pytest.mark.parametrize("password", [BOB.password, OTHER_PASSWORD])
def test_a_sign_up_after_too_many_wrong_codes_leaves_no_other_password_to_be_kept(
    post: MailDeployment, password: str
) -> None:
    """The link in the owner's mailbox still works, and it is the stranger's sign-up that mailed it."""
    sign_up(post, replace(ASKED, link=LINK))
    deliver_all(post)
    token = link_token_in(url_in(post))
    use_up_tries(post)
    post.base.clock.advance(MINUTE)
    with pytest.raises(TooManyAttempts) as refused:
        sign_up(post, replace(ASKED, password=password))
    assert refused.value.limit == "code_tries"

    redeem_for_session(post, token)

    assert password_works(post) is (password == BOB.password)
    assert password_works(post, OTHER_PASSWORD) is False


def test_where_no_code_is_mailed_wrong_ones_keep_nobody_from_signing_up(post: MailDeployment) -> None:
    use_up_tries(post)

    assert post.base.confirmed_sign_up.sign_up(ASKED, HOME).user.email == BOB.email


@in_memory_only
@pytest.mark.parametrize("password", [BOB.password, OTHER_PASSWORD])
@pytest.mark.parametrize("account", [None, "unverified", "verified"])
def test_a_sign_up_takes_one_hash_whoever_has_the_address(
    post: MailDeployment, hashes: list[int], account: str | None, password: str
) -> None:
    if account is not None:
        user = post.register().user
        if account == "verified":
            post.base.users.change(user, {"email_verified_at": 1})
    hashes.clear()

    sign_up(post, replace(ASKED, password=password))

    assert len(hashes) == 1


def test_an_address_that_is_registered_at_the_same_time_is_answered_for(post: MailDeployment) -> None:
    meanwhile = MeanwhileStore(post.base.store, before=lambda call: call.method == "commit", happens=post.register)

    told = sign_up(post.on(meanwhile))

    assert isinstance(told, User)
    assert told.user_id == post.users.find_id(Name.EMAIL, BOB.email)


@in_memory_only
@pytest.mark.parametrize("known", [False, True])
def test_sign_ups_of_an_address_are_limited_whether_or_not_an_account_has_it(
    post: MailDeployment, *, known: bool
) -> None:
    if known:
        user = post.register().user
        post.base.users.change(user, {"email_verified_at": 1})
    sign_up(post)

    with pytest.raises(TooMuchMail) as refused:
        sign_up(post)

    assert refused.value.retry_after == MINUTE


@in_memory_only
def test_a_sign_up_whose_mail_cannot_be_queued_makes_nothing_and_is_not_counted(post: MailDeployment) -> None:
    post.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        sign_up(post)
    post.queue.is_down = False

    assert isinstance(sign_up(post), User)


# Autoconfirm


def test_autoconfirm_signs_in_and_verifies_nothing(post: MailDeployment) -> None:
    post = choosing(post, autoconfirm=True)

    redeem_for_session = post.base.confirmed_sign_up.sign_up(ASKED, HOME)

    assert post.base.sessions.authenticate(redeem_for_session.tokens.access_token).user == redeem_for_session.user
    assert redeem_for_session.user.email_verified_at is None
    assert post.queue.jobs == []
    with pytest.raises(UserAlreadyExists):
        post.base.confirmed_sign_up.sign_up(ASKED, HOME)


# Who signs in with a password, as Supabase's clients know it


def sign_in(post: MailDeployment, password: str = PASSWORD) -> None:
    post.base.supabase_password_sign_in.sign_in(by_email(BOB.email, password), ABROAD)


@in_memory_only
def test_only_a_verified_address_signs_in_unless_addresses_are_confirmed_at_once(post: MailDeployment) -> None:
    sign_up(post)

    with pytest.raises(EmailNotVerified):
        sign_in(post)
    sign_in(choosing(post, autoconfirm=True))


@in_memory_only
def test_a_disabled_account_is_told_after_the_password_was_checked(post: MailDeployment) -> None:
    user = post.register().user
    post.disable(user)

    with pytest.raises(AccountDisabled):
        sign_in(post)
    with pytest.raises(InvalidCredentials):
        sign_in(post, OTHER_PASSWORD)
    with pytest.raises(InvalidCredentials):  # the other APIs tell nobody
        post.base.sign_in.sign_in(by_email(BOB.email, PASSWORD), ABROAD)


# What an operator turns off


@in_memory_only
def test_without_sign_ups_no_account_is_made_by_any_way(post: MailDeployment) -> None:
    post.register()
    post = choosing(post, sign_up_disabled=True)
    ways = (
        lambda: sign_up(post, ALICE),
        lambda: post.base.confirmed_sign_up.sign_up(ALICE, HOME),
        lambda: post.base.registration.register(ALICE, HOME),
        lambda: post.registration.register_without_session(ALICE, HOME),
        lambda: post.guests.admit(HOME),
    )

    for way in ways:
        with pytest.raises(SignUpDisabled):
            way()

    assert password_works(post)


@in_memory_only
def test_without_guests_people_still_sign_up(post: MailDeployment) -> None:
    post = choosing(post, anonymous_sign_ins=False)

    with pytest.raises(AnonymousSignInsDisabled):
        post.guests.admit(HOME)

    assert isinstance(sign_up(post), User)
