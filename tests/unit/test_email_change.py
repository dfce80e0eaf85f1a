"""gerbang.accounts.email_change: an address changes when the current and the new address have confirmed it."""

from copy import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_update import UserChanges
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME, InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.families import Authentication
from gerbang.storage.one_time_codes import Slot

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME
from tests.fakes import at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_fakes import MailDeployment, code_in, in_memory_only, mailing_in_memory, wrong_code

NEW_EMAIL = EmailAddress("Bob@New.example")
OTHER_EMAIL = EmailAddress("bob@other.example")
CURRENT_CODE, NEW_CODE = MailKind.EMAIL_CHANGE_CURRENT, MailKind.EMAIL_CHANGE_NEW


def verified_bob(post: MailDeployment) -> SignedIn:
    session = post.register()
    post.change(session.user, email_verified_at=1)
    return session


def request_change(post: MailDeployment, session: SignedIn, email: EmailAddress = NEW_EMAIL) -> dict[MailKind, str]:
    """Request a change of address; return the mailed codes by the kind of mail."""
    before = len(post.queue.jobs)
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    post.base.user_update.update(caller, UserChanges(email=email), HOME, PasswordPolicy())
    return deliver_from(post, before)


def deliver_from(post: MailDeployment, first: int) -> dict[MailKind, str]:
    """Deliver the jobs from the given one on; return the codes by the kind of mail."""
    codes: dict[MailKind, str] = {}
    for job in post.queue.jobs[first:]:
        sent = len(post.outbox.sent)
        post.base.clock.advance(timedelta(seconds=1))
        post.deliver(job)
        codes |= {message.kind: code_in(message) for message in post.outbox.sent[sent:]}
    return codes


def confirm(post: MailDeployment, email: str, code: str, client: Any = ABROAD) -> SignedIn | HalfConfirmed:
    return post.email_change.confirm(str(email), code, client)


def current_user(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def change_address(post: MailDeployment, session: SignedIn, email: EmailAddress = NEW_EMAIL) -> SignedIn:
    """Request a change and confirm it; return the session that the last confirmation opens."""
    codes = request_change(post, session, email)
    current = current_user(post, session).email
    if CURRENT_CODE in codes:
        assert isinstance(confirm(post, str(current), codes[CURRENT_CODE]), HalfConfirmed)
    signed_in = confirm(post, email, codes[NEW_CODE])
    assert isinstance(signed_in, SignedIn)
    return signed_in


# Confirming


@pytest.mark.parametrize("order", [(CURRENT_CODE, NEW_CODE), (NEW_CODE, CURRENT_CODE)])
def test_both_addresses_confirm_in_any_order_and_the_second_confirmation_opens_a_session(
    post: MailDeployment, order: tuple[MailKind, MailKind]
) -> None:
    session = verified_bob(post)
    codes, addresses = request_change(post, session), {CURRENT_CODE: BOB.email, NEW_CODE: str(NEW_EMAIL)}

    half = confirm(post, addresses[order[0]], codes[order[0]])
    assert isinstance(half, HalfConfirmed)
    assert half.user == current_user(post, session)
    assert half.user.email == BOB.email

    signed_in = confirm(post, addresses[order[1]], codes[order[1]])
    assert isinstance(signed_in, SignedIn)
    after = current_user(post, session)
    assert after == signed_in.user
    assert (after.email, after.email_as_typed, after.email_verified_at) == (
        "bob@new.example",
        "Bob@New.example",
        post.base.clock(),
    )
    assert (after.new_email, after.new_email_as_typed, after.email_change_sent_at, after.email_change_confirmed) == (
        None,
        None,
        None,
        None,
    )
    assert after.last_sign_in_at == post.base.clock()
    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) == after.user_id
    assert post.users.find_id(Name.EMAIL, BOB.email) is None
    assert session_works(post, signed_in)
    family = post.base.families.read(post.base.store.get(post.base.families.key(after.user_id, signed_in.family_id)))
    assert family is not None
    assert family.amr == (Authentication(method="otp", at=post.base.clock()),)


def test_a_change_keeps_sessions_and_password(post: MailDeployment) -> None:
    session = verified_bob(post)

    change_address(post, session)

    assert session_works(post, session)
    assert password_works(post, email=str(NEW_EMAIL))
    assert not password_works(post, email=BOB.email)


def test_an_unverified_current_address_need_not_confirm(post: MailDeployment) -> None:
    session = post.register()
    codes = request_change(post, session)
    assert codes.keys() == {NEW_CODE}

    assert isinstance(confirm(post, NEW_EMAIL, codes[NEW_CODE]), SignedIn)

    assert current_user(post, session).email_verified_at == post.base.clock()


def test_a_current_address_that_is_verified_meanwhile_must_confirm(post: MailDeployment) -> None:
    session = post.register()
    codes = request_change(post, session)
    post.change(session.user, email_verified_at=1)

    assert isinstance(confirm(post, NEW_EMAIL, codes[NEW_CODE]), HalfConfirmed)

    assert current_user(post, session).email == BOB.email


def test_a_guest_becomes_a_registered_account(post: MailDeployment, database: Database) -> None:
    guest = post.guests.admit(HOME)

    signed_in = change_address(post, guest)

    after = current_user(post, guest)
    assert after == signed_in.user
    assert (after.is_anonymous, after.expires_at, after.credit_balance, after.email) == (False, None, 5000, NEW_EMAIL)
    assert after.number is not None
    assert post.users.find_id(Name.NUMBER, after.number) == after.user_id
    (account,) = [item for item in database.items("Users") if item["sk"] == "ACCOUNT"]
    assert account["created_month"] == "2026-01"
    assert "expires_at" not in account
    assert session_works(post, guest)
    assert not post.base.sessions.refresh(guest.tokens.refresh_token).user.is_anonymous


def test_a_taken_number_is_drawn_again_for_a_guest(post: MailDeployment) -> None:
    taken = post.register(ALICE).user.number
    numbers = iter([taken, taken, 4711])
    post = post.with_parts(new_number=lambda: next(numbers))
    guest = post.guests.admit(HOME)

    assert change_address(post, guest).user.number == 4711


def test_a_change_keeps_the_google_identity(post: MailDeployment) -> None:
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=BOB.email, name="Bob")
    session = post.google.sign_in(identity, HOME)

    change_address(post, session)

    second = post.google.sign_in(identity, HOME)
    assert (second.user.user_id, second.user.email) == (session.user.user_id, NEW_EMAIL)


def test_the_old_address_can_be_registered_again(post: MailDeployment) -> None:
    session = verified_bob(post)
    change_address(post, session)

    strangers_session = post.register()

    assert strangers_session.user.user_id != session.user.user_id
    assert session_works(post, session)


def test_an_address_can_be_changed_again_and_changed_back(post: MailDeployment) -> None:
    session = verified_bob(post)
    change_address(post, session)
    for email in (OTHER_EMAIL, EmailAddress(BOB.email)):
        post.base.clock.advance(timedelta(minutes=2))
        change_address(post, session, email)

    assert current_user(post, session).email == BOB.email
    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) is None


# Codes that are rejected


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12 456", "١٢٣٤٥٦", "abcdef"])
def test_a_malformed_code_is_rejected_and_not_counted(post_in_memory: MailDeployment, code: str) -> None:
    with pytest.raises(InvalidCode):
        confirm(post_in_memory, NEW_EMAIL, code)

    assert not post_in_memory.base.recorded.events


def test_a_code_works_once(post: MailDeployment) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)
    confirm(post, BOB.email, codes[CURRENT_CODE])

    with pytest.raises(InvalidCode):
        confirm(post, BOB.email, codes[CURRENT_CODE])

    confirm(post, NEW_EMAIL, codes[NEW_CODE])
    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])


def test_a_code_works_only_for_its_own_address(post: MailDeployment) -> None:
    codes = request_change(post, verified_bob(post))
    assert codes[CURRENT_CODE] != codes[NEW_CODE]

    for email, code in (
        (BOB.email, codes[NEW_CODE]),
        (str(NEW_EMAIL), codes[CURRENT_CODE]),
        ("x@y.example", codes[NEW_CODE]),
    ):
        with pytest.raises(InvalidCode):
            confirm(post, email, code)


def test_a_code_expires_after_ten_minutes(post: MailDeployment) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)
    post.base.clock.advance(CODE_LIFETIME)

    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])


def test_a_code_for_one_change_does_not_confirm_the_next(post: MailDeployment) -> None:
    """Otherwise the owner's code for one change would confirm another one that a session thief requests."""
    session = verified_bob(post)
    codes = request_change(post, session)
    post.base.clock.advance(timedelta(minutes=1))
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    post.base.user_update.update(caller, UserChanges(email=OTHER_EMAIL), HOME, PasswordPolicy())

    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE), (str(OTHER_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])


def test_a_new_request_must_be_confirmed_at_both_addresses_again(post: MailDeployment) -> None:
    session = verified_bob(post)
    confirm(post, BOB.email, request_change(post, session)[CURRENT_CODE])
    post.base.clock.advance(timedelta(minutes=1))

    codes = request_change(post, session, OTHER_EMAIL)

    assert isinstance(confirm(post, OTHER_EMAIL, codes[NEW_CODE]), HalfConfirmed)


@pytest.mark.parametrize("what", ["reset", "password", "sign-out"])
def test_a_reset_a_new_password_or_a_sign_out_everywhere_invalidates_both_codes(
    post: MailDeployment, what: str
) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)
    if what == "reset":
        token = post.mailed_token()
        post.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())
    elif what == "password":
        caller = post.base.sessions.authenticate(session.tokens.access_token)
        post.base.user_update.update(caller, UserChanges(password="Another horse 2"), HOME, PasswordPolicy())
    else:
        post.change(session.user, epoch=session.user.epoch + 1)

    for email, kind in ((BOB.email, CURRENT_CODE), (str(NEW_EMAIL), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])
    assert current_user(post, session).email == BOB.email


def test_a_reset_between_the_two_codes_invalidates_the_second(post: MailDeployment) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)
    confirm(post, BOB.email, codes[CURRENT_CODE])
    post.password_reset.reset(post.mailed_token(), "Another horse 2", client=HOME, policy=PasswordPolicy())

    with pytest.raises(InvalidCode):
        confirm(post, NEW_EMAIL, codes[NEW_CODE])


@pytest.mark.parametrize("what", ["reset", "password", "change", "code", "recovery", "identity"])
def test_proof_by_the_owner_of_the_address_cancels_the_change_of_a_stranger(post: MailDeployment, what: str) -> None:
    """Otherwise the stranger could have the next code mailed to their own address: `/resend` needs no token."""
    session = post.register()
    request_change(post, session)
    assert current_user(post, session).new_email is not None
    match what:
        case "reset":
            post.password_reset.reset(post.mailed_token(), "Another horse 2", client=HOME, policy=PasswordPolicy())
        case "password":
            caller = post.base.sessions.authenticate(session.tokens.access_token)
            changed = post.base.user_update.update(
                caller, UserChanges(password="Another horse 2"), HOME, PasswordPolicy()
            )
            assert changed == replace(current_user(post, session), updated_at=changed.updated_at)
            assert post.base.recorded.events.count("email_change_requested") == 1
        case "change":
            post.password_change.change(
                session.tokens.access_token,
                current=BOB.password,
                new="Another horse 2",
                client=HOME,
                policy=PasswordPolicy(),
            )
        case "identity":
            post.google.sign_in(VerifiedIdentity(provider=GOOGLE, subject="g-1", email=BOB.email, name="Bob"), HOME)
        case _:
            kind = MailKind.RECOVERY_CODE if what == "recovery" else MailKind.SIGN_IN_CODE
            slot = Slot.RECOVERY if what == "recovery" else Slot.EMAIL
            redeemed = post.code_sign_in.redeem(BOB.email, post.mailed_code(kind=kind), HOME, slots=(slot,))
            assert redeemed.signed_in.user == current_user(post, session)

    after = current_user(post, session)
    assert (after.new_email, after.new_email_as_typed, after.email_change_sent_at) == (None, None, None)
    post.base.clock.advance(timedelta(minutes=1))
    before = len(post.queue.jobs)
    post.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    assert deliver_from(post, before).keys() == set()


def test_one_request_can_change_address_and_password(post: MailDeployment) -> None:
    session = verified_bob(post)
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    changes = UserChanges(email=NEW_EMAIL, password="Another horse 2")

    post.base.user_update.update(caller, changes, HOME, PasswordPolicy())

    assert post.queue.jobs.pop().kind is MailKind.PASSWORD_CHANGED
    codes = deliver_from(post, 0)
    confirm(post, BOB.email, codes[CURRENT_CODE])
    assert isinstance(confirm(post, NEW_EMAIL, codes[NEW_CODE]), SignedIn)


def test_codes_of_a_disabled_account_are_rejected(post: MailDeployment) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)
    post.disable(session.user)

    with pytest.raises(InvalidCode):
        confirm(post, NEW_EMAIL, codes[NEW_CODE])


def test_codes_of_an_expired_guest_are_rejected(post: MailDeployment) -> None:
    guest = post.guests.admit(HOME)
    codes = request_change(post, guest)
    post.change(guest.user, expires_at=1)

    with pytest.raises(InvalidCode):
        confirm(post, NEW_EMAIL, codes[NEW_CODE])


def test_codes_and_tokens_mailed_to_the_old_address_are_rejected(post: MailDeployment) -> None:
    session = verified_bob(post)
    sign_in_code, token = post.mailed_code(), post.mailed_token()

    change_address(post, session)

    for email in (BOB.email, NEW_EMAIL):
        with pytest.raises(InvalidCode):
            post.code_sign_in.sign_in(email, sign_in_code, HOME)
    with pytest.raises(InvalidResetToken):
        post.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())


def test_a_code_for_a_change_cannot_be_used_to_sign_in(post: MailDeployment) -> None:
    codes = request_change(post, verified_bob(post))

    with pytest.raises(InvalidCode):
        post.code_sign_in.sign_in(BOB.email, codes[CURRENT_CODE], HOME)


# Limits


def test_wrong_codes_are_counted_by_address_and_a_right_one_clears_them(post: MailDeployment) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)
    wrong = wrong_code(codes[NEW_CODE])
    for _ in range(4):
        with pytest.raises(InvalidCode):
            confirm(post, NEW_EMAIL, wrong)

    confirm(post, NEW_EMAIL, codes[NEW_CODE])

    for _ in range(5):
        with pytest.raises(InvalidCode):
            confirm(post, NEW_EMAIL, wrong)
    with pytest.raises(TooManyAttempts):
        confirm(post, NEW_EMAIL, codes[NEW_CODE])


def test_an_address_without_tries_left_gets_no_code(post: MailDeployment) -> None:
    session = verified_bob(post)
    for _ in range(5):
        with pytest.raises(InvalidCode):
            confirm(post, NEW_EMAIL, "123456")

    with pytest.raises(TooManyAttempts):
        request_change(post, session)


# Races


def test_of_two_accounts_that_change_to_one_address_at_once_only_one_gets_it(post: MailDeployment) -> None:
    bob, alice = post.register(), post.register(ALICE)
    codes = request_change(post, bob)
    post.change(alice.user, new_email=NEW_EMAIL, new_email_as_typed=NEW_EMAIL)

    def alice_confirms_first() -> None:
        move = post.base.addresses.move(
            post.user(alice.user.user_id),
            NEW_EMAIL,
            as_typed=NEW_EMAIL,
            at=post.base.clock(),
            verified_at=post.base.clock(),
        )
        assert not post.base.store.commit(
            post.users.changing(alice.user, move.changes), *move.markers.values(), *move.releases
        )

    with pytest.raises(EmailTaken):
        confirm(post.meanwhile(alice_confirms_first), NEW_EMAIL, codes[NEW_CODE])

    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) == alice.user.user_id
    assert current_user(post, bob).email == BOB.email
    assert post.users.find_id(Name.EMAIL, BOB.email) == bob.user.user_id
    with pytest.raises(EmailTaken):
        confirm(post, NEW_EMAIL, codes[NEW_CODE])


def test_a_new_address_that_is_registered_meanwhile_is_taken(post: MailDeployment) -> None:
    bob = post.register()
    codes = request_change(post, bob)
    post.register(replace(ALICE, email=NEW_EMAIL))

    with pytest.raises(EmailTaken):
        confirm(post, NEW_EMAIL, codes[NEW_CODE])

    assert current_user(post, bob).email == BOB.email


def test_concurrent_confirmations_of_both_addresses_complete_the_change(post: MailDeployment) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)

    outcomes = at_once(
        [partial(confirm, post, BOB.email, codes[CURRENT_CODE]), partial(confirm, post, NEW_EMAIL, codes[NEW_CODE])]
    )

    assert {type(outcome) for outcome in outcomes} == {HalfConfirmed, SignedIn}
    assert current_user(post, session).email == NEW_EMAIL


@pytest.mark.parametrize("first", [CURRENT_CODE, NEW_CODE])
def test_a_confirmation_completes_the_change_when_the_other_one_commits_first(
    post: MailDeployment, first: MailKind
) -> None:
    session = verified_bob(post)
    codes, addresses = request_change(post, session), {CURRENT_CODE: BOB.email, NEW_CODE: str(NEW_EMAIL)}
    last = NEW_CODE if first is CURRENT_CODE else CURRENT_CODE

    outcome = confirm(
        post.meanwhile(lambda: confirm(post, addresses[first], codes[first])), addresses[last], codes[last]
    )

    assert isinstance(outcome, SignedIn)
    assert current_user(post, session).email == NEW_EMAIL


def test_a_code_sent_three_times_at_once_is_redeemed_once(post: MailDeployment) -> None:
    session = post.register()
    codes = request_change(post, session)

    outcomes = at_once([partial(confirm, post, NEW_EMAIL, codes[NEW_CODE])] * 3)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvalidCode | DependencyUnavailable) for outcome in outcomes) == 2


def test_a_change_requested_meanwhile_is_not_confirmed_by_an_older_code(post: MailDeployment) -> None:
    session = verified_bob(post)
    codes = request_change(post, session)
    confirm(post, BOB.email, codes[CURRENT_CODE])

    def request_another() -> None:
        post.change(session.user, new_email=OTHER_EMAIL, email_change_confirmed="")

    with pytest.raises(InvalidCode):
        confirm(post.meanwhile(request_another), NEW_EMAIL, codes[NEW_CODE])

    assert current_user(post, session).email == BOB.email


@pytest.mark.covers("F14")
def test_after_any_fault_the_change_is_either_complete_or_not_made() -> None:
    def scenario() -> Scenario:
        post = mailing_in_memory()
        session = verified_bob(post)
        codes = request_change(post, session)
        confirm(post, BOB.email, codes[CURRENT_CODE])
        return Scenario(post, lambda deployment: confirm(deployment, NEW_EMAIL, codes[NEW_CODE]))

    for run in faulty_runs(scenario):
        post = run.deployment
        new, old = post.users.find_id(Name.EMAIL, NEW_EMAIL), post.users.find_id(Name.EMAIL, BOB.email)
        assert (new is None) != (old is None), run
        user = post.user(str(new or old))
        assert user.email == (NEW_EMAIL if new else BOB.email)
        assert user.new_email == (None if new else NEW_EMAIL)
        assert run.failure is None or isinstance(run.failure, DependencyUnavailable)
        assert run.failure is not None or new is not None


# Requesting the mails again


def test_the_mails_of_a_pending_change_can_be_requested_again(post: MailDeployment) -> None:
    session = verified_bob(post)
    old = request_change(post, session)
    with pytest.raises(TooMuchMail):
        post.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    post.base.clock.advance(timedelta(minutes=1))

    post.base.email_change_mails.request_again(BOB.email, None, HOME.address)

    codes = deliver_from(post, 2)
    assert codes.keys() == {CURRENT_CODE, NEW_CODE}
    with pytest.raises(InvalidCode):
        confirm(post, NEW_EMAIL, old[NEW_CODE])
    confirm(post, BOB.email, codes[CURRENT_CODE])
    assert isinstance(confirm(post, NEW_EMAIL, codes[NEW_CODE]), SignedIn)


@pytest.mark.parametrize("state", ["unknown", "nothing pending", "unverified"])
def test_only_addresses_that_must_confirm_get_a_mail(post_in_memory: MailDeployment, state: str) -> None:
    if state != "unknown":
        session = post_in_memory.register()
        if state == "unverified":
            post_in_memory.change(session.user, new_email=NEW_EMAIL)

    post_in_memory.base.email_change_mails.request_again(BOB.email, None, HOME.address)

    expected = {NEW_CODE} if state == "unverified" else set()
    assert deliver_from(post_in_memory, 0).keys() == expected
    assert len(post_in_memory.queue.jobs) == 2


def test_only_the_account_that_requested_last_gets_the_mail_to_the_new_address_again(post: MailDeployment) -> None:
    """Otherwise many accounts with the same pending address could flood it with mails."""
    bob, alice = post.register(), post.register(ALICE)
    request_change(post, bob)
    post.base.clock.advance(timedelta(minutes=1))
    codes = request_change(post, alice)
    post.base.clock.advance(timedelta(minutes=1))
    first = len(post.queue.jobs)

    post.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    assert deliver_from(post, first) == {}

    assert isinstance(confirm(post, NEW_EMAIL, codes[NEW_CODE]), SignedIn)
    assert current_user(post, alice).email == NEW_EMAIL


@in_memory_only
def test_the_codes_are_stored_in_a_slot_for_each_address(post: MailDeployment, database: Database) -> None:
    request_change(post, verified_bob(post))

    prefixes = sorted(str(item["pk"]).partition("#")[0] for item in database.items("OneTimeCodes"))
    assert prefixes.count(Slot.EMAIL_CHANGE_CURRENT) == prefixes.count(Slot.EMAIL_CHANGE_NEW) == 1
    assert BOB.email not in str(database.items("OneTimeCodes"))
