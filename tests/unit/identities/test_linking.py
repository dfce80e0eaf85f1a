"""gerbang.accounts.linked_identities: a signed-in user links identities of providers."""

from copy import replace

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE, LinkedToAnother, VerifiedIdentity
from gerbang.accounts.sign_up_policy import ManualLinkingDisabled
from gerbang.mail.jobs import MailKind
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.storage.accounts import Name

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, HOUR, MINUTE, Choices
from tests.fakes import Numbers
from tests.unit.access import password_works, session_works
from tests.unit.identities.linking_steps import (
    APPLE,
    UNVERIFIED,
    caller_of,
    current_user,
    link,
    mail_kinds,
    sign_in_with,
    unlink,
)
from tests.unit.mail_deployment import MailDeployment

# Linking


@pytest.mark.parametrize("identity", [GOOGLE, UNVERIFIED])
def test_a_linked_identity_signs_in_to_the_account(post: MailDeployment, identity: VerifiedIdentity) -> None:
    session = post.register_verified()

    linked = link(post, session, identity)

    assert linked.user == current_user(post, session)
    assert linked.user.subjects == {"google": "1001"}
    assert (linked.user.email, linked.user.name) == (BOB.email, "Bob")
    assert sign_in_with(post, identity) == session.user.user_id
    [stored] = post.users.identities_of(linked.user)
    assert (stored.provider, stored.subject, stored.email) == ("google", "1001", "Bob@Work.example")


def test_linking_keeps_the_session_of_the_caller(post: MailDeployment) -> None:
    session = post.register_verified()
    before = caller_of(post, session).family
    post.base.clock.advance(MINUTE)

    linked = link(post, session)

    family = caller_of(post, linked).family
    assert linked.family_id == session.family_id
    assert linked.tokens.refresh_token == session.tokens.refresh_token
    assert family.created_at == before.created_at
    assert [each.method for each in family.amr] == ["password", "oauth"]
    assert session_works(post, session)
    assert session_works(post, post.base.sessions.refresh(session.tokens.refresh_token))


def test_linking_a_linked_identity_again_changes_nothing(post: MailDeployment) -> None:
    session = post.register_verified()
    link(post, session)
    before = current_user(post, session)
    post.base.clock.advance(HOUR / 2)

    linked_again = link(post, session)

    assert linked_again.user == before == current_user(post, session)
    assert session_works(post, linked_again)
    assert mail_kinds(post) == [MailKind.IDENTITY_LINKED]


def test_an_identity_of_another_account_cannot_be_linked(post: MailDeployment) -> None:
    session = post.register_verified()
    other_user_id = sign_in_with(post, GOOGLE)

    with pytest.raises(LinkedToAnother):
        link(post, session)

    assert current_user(post, session).subjects == {}
    assert sign_in_with(post, GOOGLE) == other_user_id


def test_an_account_can_have_one_identity_of_each_provider(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register_verified()
    link(post_in_memory, session)
    link(post_in_memory, session, APPLE)

    with pytest.raises(LinkedToAnother):
        link(post_in_memory, session, replace(GOOGLE, subject="1002"))

    assert current_user(post_in_memory, session).subjects == {"google": "1001", "apple": "2001"}


def test_an_account_with_an_unverified_address_cannot_link_an_identity_with_another_address(
    post_in_memory: MailDeployment,
) -> None:
    session = post_in_memory.register(BOB)

    for identity in (GOOGLE, replace(UNVERIFIED, email=BOB.email)):
        with pytest.raises(EmailNotVerified):
            link(post_in_memory, session, identity)

    assert current_user(post_in_memory, session).subjects == {}


def test_an_identity_with_the_unverified_address_verifies_it_and_keeps_the_password(post: MailDeployment) -> None:
    session = post.register(BOB)

    linked = link(post, session, replace(GOOGLE, email="Bob@Example.com"))

    assert linked.user.email_verified_at == post.base.clock()
    assert linked.user == current_user(post, session)
    assert password_works(post)
    assert session_works(post, session)


def test_with_manual_linking_disabled_linking_and_unlinking_are_rejected(post_in_memory: MailDeployment) -> None:
    post = post_in_memory.with_choices(Choices(manual_linking=False))
    session = post.register_verified()

    for step in (link, unlink):
        with pytest.raises(ManualLinkingDisabled):
            step(post, session)


# Guests


def test_a_guest_becomes_a_registered_account_with_the_address_of_the_identity(
    post: MailDeployment, database: Database
) -> None:
    guest = post.guests.admit(HOME, role="authenticated")
    post.base.clock.advance(MINUTE)

    linked = link(post, guest)

    user = linked.user
    assert user == current_user(post, guest)
    assert user.user_id == guest.user.user_id
    assert (user.is_anonymous, user.expires_at, user.name) == (False, None, "Bob Martin")
    assert (user.email, user.email_as_typed) == ("bob@work.example", "Bob@Work.example")
    assert (user.email_verified_at, user.credit_balance) == (post.base.clock(), 5000)
    assert user.number is not None
    [account] = [item for item in database.items("Users", "USER#") if item["sk"] == "ACCOUNT"]
    assert "created_month" in account
    assert "expires_at" not in account
    assert post.users.find_id(Name.EMAIL, "bob@work.example") == user.user_id
    assert post.users.find_id(Name.NUMBER, user.number) == user.user_id
    assert mail_kinds(post) == []
    assert {"registered", "identity_linked"} <= set(post.base.recorded.events)


@pytest.mark.parametrize("identity", [replace(GOOGLE, email=BOB.email), UNVERIFIED, replace(GOOGLE, email="bob")])
def test_a_guest_gets_no_taken_unverified_or_invalid_address(post: MailDeployment, identity: VerifiedIdentity) -> None:
    owner = post.register_verified()
    guest = post.guests.admit(HOME)

    linked = link(post, guest, identity)

    user = linked.user
    assert user == current_user(post, guest)
    assert (user.is_anonymous, user.expires_at, user.email, user.email_verified_at) == (False, None, None, None)
    assert user.number is not None
    assert sign_in_with(post, identity) == guest.user.user_id
    assert post.users.find_id(Name.EMAIL, BOB.email) == owner.user.user_id


def test_a_taken_number_is_drawn_again(post: MailDeployment) -> None:
    alice = post.register(ALICE).user
    assert alice.number is not None
    base = replace(post.base, new_number=Numbers(alice.number, 77))

    assert link(replace(post, base=base), post.guests.admit(HOME)).user.number == 77


def test_an_account_without_an_address_gets_the_address_of_its_next_identity(post_in_memory: MailDeployment) -> None:
    guest = post_in_memory.guests.admit(HOME)
    link(post_in_memory, guest, UNVERIFIED)

    linked = link(post_in_memory, guest, APPLE)

    assert (linked.user.email, linked.user.number) == (
        "bob@private.example",
        current_user(post_in_memory, guest).number,
    )
    assert linked.user.credit_balance == 5000


def test_an_account_without_an_address_can_refresh_where_addresses_must_be_verified(
    post_in_memory: MailDeployment,
) -> None:
    base = replace(post_in_memory.base, choices=Choices(unverified=UnverifiedAddress.REFUSED))
    post = replace(post_in_memory, base=base)

    linked = link(post, post.guests.admit(HOME), UNVERIFIED)

    assert session_works(post, post.base.sessions.refresh(linked.tokens.refresh_token))
