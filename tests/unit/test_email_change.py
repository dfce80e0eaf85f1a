"""gerbang.accounts.email_change: an account has another address once the addresses that must have confirmed it."""

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
from gerbang.storage.store import Update, Written

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME
from tests.fakes import MeanwhileStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_fakes import MailDeployment, code_in, in_memory_only, mailing_in_memory

NEW = EmailAddress("Bob@New.example")
OTHER = EmailAddress("bob@other.example")
PRESENT_CODE, NEW_CODE = MailKind.EMAIL_CHANGE_CURRENT, MailKind.EMAIL_CHANGE_NEW


def change(post: MailDeployment, user: User, **changes: Any) -> None:
    assert isinstance(post.base.store.write(Update(post.users.key(user.user_id), changes)), Written)


def verified(post: MailDeployment) -> SignedIn:
    session = post.register()
    change(post, session.user, email_verified_at=1)
    return session


def request(post: MailDeployment, session: SignedIn, email: EmailAddress = NEW) -> dict[MailKind, str]:
    """Ask for a change of address; return the codes that are mailed, by the kind of mail."""
    before = len(post.queue.jobs)
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    post.base.user_update.update(caller, UserChanges(email=email), HOME, PasswordPolicy())
    return delivered(post, before)


def delivered(post: MailDeployment, first: int) -> dict[MailKind, str]:
    """Deliver the jobs from the first one on; return the codes, by the kind of mail."""
    codes: dict[MailKind, str] = {}
    for job in post.queue.jobs[first:]:
        sent = len(post.outbox.sent)
        post.base.clock.advance(timedelta(seconds=1))
        post.deliver(job)
        codes |= {message.kind: code_in(message) for message in post.outbox.sent[sent:]}
    return codes


def confirm(post: MailDeployment, email: str, code: str, client: Any = ABROAD) -> SignedIn | HalfConfirmed:
    return post.email_change.confirm(str(email), code, client)


def stored(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def moved_at_once(post: MailDeployment, session: SignedIn, email: EmailAddress = NEW) -> SignedIn:
    """Change an address all the way; return the session that confirming it opened."""
    codes = request(post, session, email)
    present = stored(post, session).email
    if PRESENT_CODE in codes:
        assert isinstance(confirm(post, str(present), codes[PRESENT_CODE]), HalfConfirmed)
    signed_in = confirm(post, email, codes[NEW_CODE])
    assert isinstance(signed_in, SignedIn)
    return signed_in


def meanwhile(post: MailDeployment, happens: Any) -> MailDeployment:
    """The same world, where something else is done just before the first commit."""
    return post.on(MeanwhileStore(post.base.store, before=lambda call: call.method == "commit", happens=happens))


# Confirming


@pytest.mark.parametrize("order", [(PRESENT_CODE, NEW_CODE), (NEW_CODE, PRESENT_CODE)])
def test_each_address_confirms_in_any_order_and_the_second_opens_a_session(
    post: MailDeployment, order: tuple[MailKind, MailKind]
) -> None:
    session = verified(post)
    codes, addresses = request(post, session), {PRESENT_CODE: BOB.email, NEW_CODE: str(NEW)}

    half = confirm(post, addresses[order[0]], codes[order[0]])
    assert isinstance(half, HalfConfirmed)
    assert half.user == stored(post, session)
    assert half.user.email == BOB.email

    whole = confirm(post, addresses[order[1]], codes[order[1]])
    assert isinstance(whole, SignedIn)
    after = stored(post, session)
    assert after == whole.user
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
    assert post.users.find_id(Name.EMAIL, NEW) == after.user_id
    assert post.users.find_id(Name.EMAIL, BOB.email) is None
    assert session_works(post, whole)
    family = post.base.families.read(post.base.store.get(post.base.families.key(after.user_id, whole.family_id)))
    assert family is not None
    assert family.amr == (Authentication(method="otp", at=post.base.clock()),)


def test_sessions_and_password_stay(post: MailDeployment) -> None:
    session = verified(post)

    moved_at_once(post, session)

    assert session_works(post, session)
    assert password_works(post, email=str(NEW))
    assert not password_works(post, email=BOB.email)


def test_a_present_address_that_is_not_verified_need_not_confirm(post: MailDeployment) -> None:
    session = post.register()
    codes = request(post, session)
    assert codes.keys() == {NEW_CODE}

    assert isinstance(confirm(post, NEW, codes[NEW_CODE]), SignedIn)

    assert stored(post, session).email_verified_at == post.base.clock()


def test_a_present_address_that_is_verified_meanwhile_must_confirm(post: MailDeployment) -> None:
    session = post.register()
    codes = request(post, session)
    change(post, session.user, email_verified_at=1)

    assert isinstance(confirm(post, NEW, codes[NEW_CODE]), HalfConfirmed)

    assert stored(post, session).email == BOB.email


def test_a_guest_becomes_a_registered_account(post: MailDeployment, database: Database) -> None:
    guest = post.guests.admit(HOME)

    signed_in = moved_at_once(post, guest)

    after = stored(post, guest)
    assert after == signed_in.user
    assert (after.is_anonymous, after.expires_at, after.credit_balance, after.email) == (False, None, 5000, NEW)
    assert after.number is not None
    assert post.users.find_id(Name.NUMBER, after.number) == after.user_id
    (account,) = [item for item in database.items("Users") if item["sk"] == "ACCOUNT"]
    assert account["created_month"] == "2026-01"
    assert "expires_at" not in account
    assert session_works(post, guest)
    assert not post.base.sessions.refresh(guest.tokens.refresh_token).user.is_anonymous


def test_a_guest_whose_number_is_taken_is_given_another(post: MailDeployment) -> None:
    taken = post.register(ALICE).user.number
    numbers = iter([taken, taken, 4711])
    post = replace(post, base=replace(post.base, new_number=lambda: next(numbers)))
    guest = post.guests.admit(HOME)

    assert moved_at_once(post, guest).user.number == 4711


def test_a_google_identity_stays(post: MailDeployment) -> None:
    identity = VerifiedIdentity(provider=GOOGLE, subject="1001", email=BOB.email, name="Bob")
    session = post.google.sign_in(identity, HOME)

    moved_at_once(post, session)

    again = post.google.sign_in(identity, HOME)
    assert (again.user.user_id, again.user.email) == (session.user.user_id, NEW)


def test_the_freed_address_can_be_registered(post: MailDeployment) -> None:
    session = verified(post)
    moved_at_once(post, session)

    stranger = post.register()

    assert stranger.user.user_id != session.user.user_id
    assert session_works(post, session)


def test_an_address_can_be_changed_again_and_back(post: MailDeployment) -> None:
    session = verified(post)
    moved_at_once(post, session)
    for email in (OTHER, EmailAddress(BOB.email)):
        post.base.clock.advance(timedelta(minutes=2))
        moved_at_once(post, session, email)

    assert stored(post, session).email == BOB.email
    assert post.users.find_id(Name.EMAIL, NEW) is None


# Codes that are worth nothing


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12 456", "١٢٣٤٥٦", "abcdef"])
def test_what_is_no_code_is_invalid_and_not_counted(post_in_memory: MailDeployment, code: str) -> None:
    with pytest.raises(InvalidCode):
        confirm(post_in_memory, NEW, code)

    assert not post_in_memory.base.recorded.events


def test_a_code_works_once(post: MailDeployment) -> None:
    session = verified(post)
    codes = request(post, session)
    confirm(post, BOB.email, codes[PRESENT_CODE])

    with pytest.raises(InvalidCode):
        confirm(post, BOB.email, codes[PRESENT_CODE])

    confirm(post, NEW, codes[NEW_CODE])
    for email, kind in ((BOB.email, PRESENT_CODE), (str(NEW), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])


def test_a_code_works_at_its_own_address_only(post: MailDeployment) -> None:
    codes = request(post, verified(post))
    assert codes[PRESENT_CODE] != codes[NEW_CODE]

    for email, code in (
        (BOB.email, codes[NEW_CODE]),
        (str(NEW), codes[PRESENT_CODE]),
        ("x@y.example", codes[NEW_CODE]),
    ):
        with pytest.raises(InvalidCode):
            confirm(post, email, code)


def test_a_code_ends_after_ten_minutes(post: MailDeployment) -> None:
    session = verified(post)
    codes = request(post, session)
    post.base.clock.advance(CODE_LIFETIME)

    for email, kind in ((BOB.email, PRESENT_CODE), (str(NEW), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])


def test_a_code_for_one_change_does_not_confirm_the_next(post: MailDeployment) -> None:
    """Else the owner's code for an address of theirs would confirm one that a thief of the session asks for."""
    session = verified(post)
    codes = request(post, session)
    post.base.clock.advance(timedelta(minutes=1))
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    post.base.user_update.update(caller, UserChanges(email=OTHER), HOME, PasswordPolicy())

    for email, kind in ((BOB.email, PRESENT_CODE), (str(NEW), NEW_CODE), (str(OTHER), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])


def test_a_change_asked_for_again_must_be_confirmed_again(post: MailDeployment) -> None:
    session = verified(post)
    confirm(post, BOB.email, request(post, session)[PRESENT_CODE])
    post.base.clock.advance(timedelta(minutes=1))

    codes = request(post, session, OTHER)

    assert isinstance(confirm(post, OTHER, codes[NEW_CODE]), HalfConfirmed)


@pytest.mark.parametrize("what", ["reset", "password", "sign-out"])
def test_what_ends_codes_ends_both(post: MailDeployment, what: str) -> None:
    session = verified(post)
    codes = request(post, session)
    if what == "reset":
        token = post.mailed_token()
        post.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())
    elif what == "password":
        caller = post.base.sessions.authenticate(session.tokens.access_token)
        post.base.user_update.update(caller, UserChanges(password="Another horse 2"), HOME, PasswordPolicy())
    else:
        change(post, session.user, epoch=session.user.epoch + 1)

    for email, kind in ((BOB.email, PRESENT_CODE), (str(NEW), NEW_CODE)):
        with pytest.raises(InvalidCode):
            confirm(post, email, codes[kind])
    assert stored(post, session).email == BOB.email


def test_a_reset_between_the_two_codes_ends_the_second(post: MailDeployment) -> None:
    session = verified(post)
    codes = request(post, session)
    confirm(post, BOB.email, codes[PRESENT_CODE])
    post.password_reset.reset(post.mailed_token(), "Another horse 2", client=HOME, policy=PasswordPolicy())

    with pytest.raises(InvalidCode):
        confirm(post, NEW, codes[NEW_CODE])


@pytest.mark.parametrize("what", ["reset", "password", "change", "code", "recovery", "identity"])
def test_an_owner_who_arrives_later_ends_a_stranger_s_change(post: MailDeployment, what: str) -> None:
    """Else the stranger has the account's next code for it mailed to their own address: `/resend` asks for no token."""
    session = post.register()
    request(post, session)
    assert stored(post, session).new_email is not None
    match what:
        case "reset":
            post.password_reset.reset(post.mailed_token(), "Another horse 2", client=HOME, policy=PasswordPolicy())
        case "password":
            caller = post.base.sessions.authenticate(session.tokens.access_token)
            changed = post.base.user_update.update(
                caller, UserChanges(password="Another horse 2"), HOME, PasswordPolicy()
            )
            assert changed == replace(stored(post, session), updated_at=changed.updated_at)
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
            assert redeemed.signed_in.user == stored(post, session)

    after = stored(post, session)
    assert (after.new_email, after.new_email_as_typed, after.email_change_sent_at) == (None, None, None)
    post.base.clock.advance(timedelta(minutes=1))
    before = len(post.queue.jobs)
    post.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    assert delivered(post, before).keys() == set()


def test_a_request_for_an_address_and_a_password_changes_both(post: MailDeployment) -> None:
    session = verified(post)
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    asked = UserChanges(email=NEW, password="Another horse 2")

    post.base.user_update.update(caller, asked, HOME, PasswordPolicy())

    assert post.queue.jobs.pop().kind is MailKind.PASSWORD_CHANGED
    codes = delivered(post, 0)
    confirm(post, BOB.email, codes[PRESENT_CODE])
    assert isinstance(confirm(post, NEW, codes[NEW_CODE]), SignedIn)


def test_a_disabled_account_s_codes_are_worth_nothing(post: MailDeployment) -> None:
    session = verified(post)
    codes = request(post, session)
    post.disable(session.user)

    with pytest.raises(InvalidCode):
        confirm(post, NEW, codes[NEW_CODE])


def test_a_guest_past_its_time_confirms_nothing(post: MailDeployment) -> None:
    guest = post.guests.admit(HOME)
    codes = request(post, guest)
    change(post, guest.user, expires_at=1)

    with pytest.raises(InvalidCode):
        confirm(post, NEW, codes[NEW_CODE])


def test_codes_and_tokens_that_were_mailed_to_the_old_address_are_worth_nothing(post: MailDeployment) -> None:
    session = verified(post)
    sign_in_code, token = post.mailed_code(), post.mailed_token()

    moved_at_once(post, session)

    for email in (BOB.email, NEW):
        with pytest.raises(InvalidCode):
            post.code_sign_in.sign_in(email, sign_in_code, HOME)
    with pytest.raises(InvalidResetToken):
        post.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())


def test_a_change_s_code_does_not_sign_in_otherwise(post: MailDeployment) -> None:
    codes = request(post, verified(post))

    with pytest.raises(InvalidCode):
        post.code_sign_in.sign_in(BOB.email, codes[PRESENT_CODE], HOME)


# Limits


def test_wrong_codes_are_counted_by_address_and_a_right_one_clears_them(post: MailDeployment) -> None:
    session = verified(post)
    codes = request(post, session)
    wrong = f"{(int(codes[NEW_CODE]) + 1) % 1_000_000:06d}"
    for _ in range(4):
        with pytest.raises(InvalidCode):
            confirm(post, NEW, wrong)

    confirm(post, NEW, codes[NEW_CODE])

    for _ in range(5):
        with pytest.raises(InvalidCode):
            confirm(post, NEW, wrong)
    with pytest.raises(TooManyAttempts):
        confirm(post, NEW, codes[NEW_CODE])


def test_a_dead_address_is_mailed_no_code(post: MailDeployment) -> None:
    session = verified(post)
    for _ in range(5):
        with pytest.raises(InvalidCode):
            confirm(post, NEW, "123456")

    with pytest.raises(TooManyAttempts):
        request(post, session)


# At the same time


def test_of_two_accounts_that_change_to_one_address_at_once_exactly_one_has_it(post: MailDeployment) -> None:
    bob, alice = post.register(), post.register(ALICE)
    codes = request(post, bob)
    change(post, alice.user, new_email=NEW, new_email_as_typed=NEW)

    def alice_is_first() -> None:
        move = post.base.addresses.move(
            post.user(alice.user.user_id), NEW, as_typed=NEW, at=post.base.clock(), verified_at=post.base.clock()
        )
        assert not post.base.store.commit(
            post.users.changing(alice.user, move.changes), *move.markers.values(), *move.releases
        )

    with pytest.raises(EmailTaken):
        confirm(meanwhile(post, alice_is_first), NEW, codes[NEW_CODE])

    assert post.users.find_id(Name.EMAIL, NEW) == alice.user.user_id
    assert stored(post, bob).email == BOB.email
    assert post.users.find_id(Name.EMAIL, BOB.email) == bob.user.user_id
    with pytest.raises(EmailTaken):
        confirm(post, NEW, codes[NEW_CODE])


def test_an_address_that_is_registered_meanwhile_is_taken(post: MailDeployment) -> None:
    bob = post.register()
    codes = request(post, bob)
    post.register(replace(ALICE, email=NEW))

    with pytest.raises(EmailTaken):
        confirm(post, NEW, codes[NEW_CODE])

    assert stored(post, bob).email == BOB.email


def test_a_change_confirmed_at_both_addresses_at_once_is_made(post: MailDeployment) -> None:
    session = verified(post)
    codes = request(post, session)

    outcomes = at_once(
        [partial(confirm, post, BOB.email, codes[PRESENT_CODE]), partial(confirm, post, NEW, codes[NEW_CODE])]
    )

    assert {type(outcome) for outcome in outcomes} == {HalfConfirmed, SignedIn}
    assert stored(post, session).email == NEW


@pytest.mark.parametrize("first", [PRESENT_CODE, NEW_CODE])
def test_the_other_half_confirmed_just_before_makes_this_one_the_last(post: MailDeployment, first: MailKind) -> None:
    session = verified(post)
    codes, addresses = request(post, session), {PRESENT_CODE: BOB.email, NEW_CODE: str(NEW)}
    last = NEW_CODE if first is PRESENT_CODE else PRESENT_CODE

    outcome = confirm(
        meanwhile(post, lambda: confirm(post, addresses[first], codes[first])), addresses[last], codes[last]
    )

    assert isinstance(outcome, SignedIn)
    assert stored(post, session).email == NEW


def test_of_the_same_code_sent_twice_at_once_one_is_redeemed(post: MailDeployment) -> None:
    session = post.register()
    codes = request(post, session)

    outcomes = at_once([partial(confirm, post, NEW, codes[NEW_CODE])] * 3)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvalidCode | DependencyUnavailable) for outcome in outcomes) == 2


def test_another_change_asked_for_meanwhile_is_not_confirmed(post: MailDeployment) -> None:
    session = verified(post)
    codes = request(post, session)
    confirm(post, BOB.email, codes[PRESENT_CODE])

    def asks_for_another() -> None:
        change(post, session.user, new_email=OTHER, email_change_confirmed="")

    with pytest.raises(InvalidCode):
        confirm(meanwhile(post, asks_for_another), NEW, codes[NEW_CODE])

    assert stored(post, session).email == BOB.email


@pytest.mark.covers("F14")
def test_whatever_call_fails_the_change_is_made_with_its_session_or_not_at_all() -> None:
    def scene() -> Scenario:
        post = mailing_in_memory()
        session = verified(post)
        codes = request(post, session)
        confirm(post, BOB.email, codes[PRESENT_CODE])
        return Scenario(post, lambda here: confirm(here, NEW, codes[NEW_CODE]))

    for mishap in faulty_runs(scene):
        post = mishap.deployment
        new, old = post.users.find_id(Name.EMAIL, NEW), post.users.find_id(Name.EMAIL, BOB.email)
        assert (new is None) != (old is None), mishap
        user = post.user(str(new or old))
        assert user.email == (NEW if new else BOB.email)
        assert user.new_email == (None if new else NEW)
        assert mishap.failure is None or isinstance(mishap.failure, DependencyUnavailable)
        assert mishap.failure is not None or new is not None


# Asking again for the mails


def test_the_mails_of_a_pending_change_can_be_asked_for_again(post: MailDeployment) -> None:
    session = verified(post)
    old = request(post, session)
    with pytest.raises(TooMuchMail):
        post.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    post.base.clock.advance(timedelta(minutes=1))

    post.base.email_change_mails.request_again(BOB.email, None, HOME.address)

    codes = delivered(post, 2)
    assert codes.keys() == {PRESENT_CODE, NEW_CODE}
    with pytest.raises(InvalidCode):
        confirm(post, NEW, old[NEW_CODE])
    confirm(post, BOB.email, codes[PRESENT_CODE])
    assert isinstance(confirm(post, NEW, codes[NEW_CODE]), SignedIn)


@pytest.mark.parametrize("state", ["unknown", "nothing pending", "unverified"])
def test_where_nothing_is_to_be_confirmed_nothing_is_mailed(post_in_memory: MailDeployment, state: str) -> None:
    if state != "unknown":
        session = post_in_memory.register()
        if state == "unverified":
            change(post_in_memory, session.user, new_email=NEW)

    post_in_memory.base.email_change_mails.request_again(BOB.email, None, HOME.address)

    expected = {NEW_CODE} if state == "unverified" else set()
    assert delivered(post_in_memory, 0).keys() == expected
    assert len(post_in_memory.queue.jobs) == 2


def test_only_the_account_that_asked_last_has_the_new_address_mailed_again(post: MailDeployment) -> None:
    """So that many accounts that wait for one stranger's address cannot flood it."""
    bob, alice = post.register(), post.register(ALICE)
    request(post, bob)
    post.base.clock.advance(timedelta(minutes=1))
    codes = request(post, alice)
    post.base.clock.advance(timedelta(minutes=1))
    first = len(post.queue.jobs)

    post.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    assert delivered(post, first) == {}

    assert isinstance(confirm(post, NEW, codes[NEW_CODE]), SignedIn)
    assert stored(post, alice).email == NEW


@in_memory_only
def test_codes_are_in_the_slots_of_the_two_addresses(post: MailDeployment, database: Database) -> None:
    request(post, verified(post))

    prefixes = sorted(str(item["pk"]).partition("#")[0] for item in database.items("OneTimeCodes"))
    assert prefixes.count(Slot.EMAIL_CHANGE_CURRENT) == prefixes.count(Slot.EMAIL_CHANGE_NEW) == 1
    assert BOB.email not in str(database.items("OneTimeCodes"))
