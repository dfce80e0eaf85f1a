"""gerbang.accounts.linked_identities: a signed-in user links identities of providers, and unlinks them."""

from collections.abc import Callable
from copy import replace
from functools import partial
from typing import Any, Final, override

import pytest
from gerbang.accounts.identity_sign_in import LinkedToAnother, VerifiedIdentity
from gerbang.accounts.linked_identities import IdentityNotFound, LastIdentity
from gerbang.accounts.sign_up_policy import ManualLinkingDisabled
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailKind
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.sessions.sessions import Authenticated, SessionEnded, SignedIn
from gerbang.storage.accounts import Name, User, identity_name
from gerbang.storage.records import to_value
from gerbang.storage.store import Action, Change, CommitOutcome, Plus, Update

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, HOUR, MINUTE, Choices
from tests.fakes import MeanwhileStore, Numbers, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_fakes import MailDeployment, mailing_in_memory

GOOGLE: Final = VerifiedIdentity(provider="google", subject="1001", email="Bob@Work.example", name="Bob Martin")
APPLE: Final = VerifiedIdentity(provider="apple", subject="2001", email="bob@private.example", name="")
UNVERIFIED: Final = replace(GOOGLE, email_verified=False)


def verified_bob(post: MailDeployment) -> SignedIn:
    """Register Bob, and mark his address as verified."""
    session = post.register(BOB)
    post.verify_email(session.user)
    return session


def caller_of(post: MailDeployment, session: SignedIn) -> Authenticated:
    return post.base.sessions.authenticate(session.tokens.access_token)


def link(post: MailDeployment, session: SignedIn, identity: VerifiedIdentity = GOOGLE) -> SignedIn:
    return post.base.linked_identities.link(caller_of(post, session), identity, HOME)


def unlink(post: MailDeployment, session: SignedIn, provider: str | None = "google") -> None:
    post.base.linked_identities.unlink(caller_of(post, session), provider, HOME)


def current_user(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def sign_in_with(post: MailDeployment, identity: VerifiedIdentity) -> str:
    return post.google.sign_in(identity, ABROAD).user.user_id


def mail_kinds(post: MailDeployment) -> list[MailKind]:
    return [job.kind for job in post.queue.jobs]


# Linking


@pytest.mark.parametrize("identity", [GOOGLE, UNVERIFIED])
def test_a_linked_identity_signs_in_to_the_account(post: MailDeployment, identity: VerifiedIdentity) -> None:
    session = verified_bob(post)

    linked = link(post, session, identity)

    assert linked.user == current_user(post, session)
    assert linked.user.subjects == {"google": "1001"}
    assert (linked.user.email, linked.user.name) == (BOB.email, "Bob")
    assert sign_in_with(post, identity) == session.user.user_id
    [stored] = post.users.identities_of(linked.user)
    assert (stored.provider, stored.subject, stored.email) == ("google", "1001", "Bob@Work.example")


def test_linking_keeps_the_session_of_the_caller(post: MailDeployment) -> None:
    session = verified_bob(post)
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
    session = verified_bob(post)
    link(post, session)
    before = current_user(post, session)
    post.base.clock.advance(HOUR / 2)

    linked_again = link(post, session)

    assert linked_again.user == before == current_user(post, session)
    assert session_works(post, linked_again)
    assert mail_kinds(post) == [MailKind.IDENTITY_LINKED]


def test_an_identity_of_another_account_cannot_be_linked(post: MailDeployment) -> None:
    session = verified_bob(post)
    other_user_id = sign_in_with(post, GOOGLE)

    with pytest.raises(LinkedToAnother):
        link(post, session)

    assert current_user(post, session).subjects == {}
    assert sign_in_with(post, GOOGLE) == other_user_id


def test_an_account_can_have_one_identity_of_each_provider(post_in_memory: MailDeployment) -> None:
    session = verified_bob(post_in_memory)
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
    session = verified_bob(post)

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
    owner = verified_bob(post)
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


# Races


def test_of_two_accounts_that_link_one_identity_at_once_only_one_gets_it(post: MailDeployment) -> None:
    alice = post.register(ALICE)
    post.verify_email(alice.user)
    sessions = [verified_bob(post), alice]

    outcomes = at_once([partial(link, post, session) for session in sessions] * 3)

    linked = {outcome.user.user_id for outcome in outcomes if isinstance(outcome, SignedIn)}
    assert len(linked) == 1
    assert all(isinstance(outcome, SignedIn | LinkedToAnother) for outcome in outcomes)
    assert {sign_in_with(post, GOOGLE)} == linked


def test_two_identities_can_be_linked_at_once(post: MailDeployment) -> None:
    session = verified_bob(post)

    outcomes = at_once([partial(link, post, session, identity) for identity in (GOOGLE, APPLE)])

    assert all(isinstance(outcome, SignedIn) for outcome in outcomes)
    assert current_user(post, session).subjects == {"google": "1001", "apple": "2001"}


def test_of_two_identities_unlinked_at_once_one_is_kept(post: MailDeployment) -> None:
    session = verified_bob(post)
    link(post, session)

    outcomes = at_once([partial(unlink, post, session, provider) for provider in ("google", "email")])

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [LastIdentity]
    user = current_user(post, session)
    assert (user.password_hash is None) == bool(user.subjects)


def test_a_session_that_ends_meanwhile_cannot_link(post: MailDeployment) -> None:
    session = verified_bob(post)
    ending_session = post.meanwhile(partial(post.base.sessions.close, session.tokens.access_token))

    with pytest.raises(SessionEnded):
        link(ending_session, session)

    assert current_user(post, session).subjects == {}


def test_linking_is_retried_when_the_account_changes_meanwhile(post: MailDeployment) -> None:
    session = verified_bob(post)
    changes: dict[str, Any] = {"email_verified_at": 7}
    change = partial(post.base.store.write, Update(post.users.key(session.user.user_id), changes))

    linked = link(post.meanwhile(change), session)

    assert linked.user == current_user(post, session)
    assert to_epoch(linked.user.email_verified_at or post.base.clock()) == 7


def test_linking_fails_when_the_account_keeps_changing(post_in_memory: MailDeployment) -> None:
    session = verified_bob(post_in_memory)
    overtaken_linking = replace(
        post_in_memory.base.linked_identities, store=AlwaysOvertaken(post_in_memory, session.user.user_id)
    )

    with pytest.raises(DependencyUnavailable):
        overtaken_linking.link(caller_of(post_in_memory, session), GOOGLE, HOME)


class AlwaysOvertaken(MeanwhileStore):
    """Changes an account before each transaction."""

    def __init__(self, post: MailDeployment, user_id: str) -> None:
        super().__init__(post.base.store, before=lambda _: False, happens=lambda: None)
        self._change = Update(post.users.key(user_id), {"email_verified_at": Plus(1)})

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        self.write(self._change)
        return super().commit(*actions)


# Unlinking


def test_an_unlinked_identity_cannot_sign_in_to_the_account(post: MailDeployment, database: Database) -> None:
    session = verified_bob(post)
    link(post, session)

    unlink(post, session)

    assert current_user(post, session).subjects == {}
    assert not database.items("Users", "IDENTITY#")
    assert post.users.find_person(session.user.user_id).identities == ()  # type: ignore[union-attr]
    assert sign_in_with(post, GOOGLE) != session.user.user_id
    assert session_works(post, session)
    assert password_works(post)


def test_unlinking_email_removes_only_the_password(post: MailDeployment) -> None:
    session = verified_bob(post)
    link(post, session)

    unlink(post, session, "email")

    user = current_user(post, session)
    assert (user.password_hash, user.email, user.subjects) == (None, BOB.email, {"google": "1001"})
    assert not password_works(post)
    assert session_works(post, session)
    assert post.code_sign_in.sign_in(BOB.email, post.mailed_code(), HOME).signed_in.user.user_id == user.user_id


@pytest.mark.parametrize("provider", [None, "apple", "custom:shop"])
def test_an_identity_that_the_account_does_not_have_is_not_found(
    post_in_memory: MailDeployment, provider: str | None
) -> None:
    session = verified_bob(post_in_memory)
    link(post_in_memory, session)

    with pytest.raises(IdentityNotFound):
        unlink(post_in_memory, session, provider)


def test_a_guest_has_no_identity(post_in_memory: MailDeployment) -> None:
    with pytest.raises(IdentityNotFound):
        unlink(post_in_memory, post_in_memory.guests.admit(HOME), "email")


def test_the_last_identity_cannot_be_unlinked(post: MailDeployment) -> None:
    session = verified_bob(post)
    with pytest.raises(LastIdentity):
        unlink(post, session, "email")

    session_of_apple = post.google.sign_in(replace(APPLE, email="carol@example.com"), HOME)
    with pytest.raises(LastIdentity):
        unlink(post, session_of_apple, "apple")

    assert password_works(post)
    assert current_user(post, session_of_apple).subjects == {"apple": "2001"}


# Mails


def test_the_owner_of_a_verified_address_gets_mails_about_linking_and_unlinking(post: MailDeployment) -> None:
    session = verified_bob(post)

    link(post, session)
    post.base.clock.advance(MINUTE)
    unlink(post, session)
    post.base.clock.advance(MINUTE)
    link(post, session)
    post.base.clock.advance(MINUTE)
    unlink(post, session, "email")

    for job in post.queue.jobs:
        post.queued_at[job.job_id] = post.base.clock()
    assert mail_kinds(post) == [
        MailKind.IDENTITY_LINKED,
        MailKind.IDENTITY_UNLINKED,
        MailKind.IDENTITY_LINKED,
        MailKind.IDENTITY_UNLINKED,
    ]
    for job in post.queue.jobs[2:]:
        post.deliver(job)
    assert [message.to for message in post.outbox.sent] == [BOB.email] * 2
    assert "Google" in post.outbox.sent[0].text
    assert "password" in post.outbox.sent[1].subject


def test_the_owner_gets_a_mail_when_a_sign_in_links_an_identity(post: MailDeployment) -> None:
    verified_bob(post)

    post.google.sign_in(replace(GOOGLE, email=BOB.email), HOME)
    post.google.sign_in(replace(GOOGLE, email=BOB.email), HOME)

    assert mail_kinds(post) == [MailKind.IDENTITY_LINKED]
    post.deliver(post.queue.jobs[0])
    assert post.outbox.last.to == BOB.email


def test_linking_succeeds_when_its_mail_cannot_be_queued(post_in_memory: MailDeployment) -> None:
    session = verified_bob(post_in_memory)
    post_in_memory.queue.is_down = True

    link(post_in_memory, session)

    assert current_user(post_in_memory, session).subjects == {"google": "1001"}
    assert "mail_not_queued" in post_in_memory.base.recorded.events


def test_the_owner_gets_at_most_five_mails_an_hour(post_in_memory: MailDeployment) -> None:
    session = verified_bob(post_in_memory)

    for _ in range(8):
        link(post_in_memory, session)
        unlink(post_in_memory, session)

    assert mail_kinds(post_in_memory).count(MailKind.IDENTITY_LINKED) == 5


# Faults


@pytest.mark.parametrize("step", [link, unlink])
def test_after_any_failed_call_the_request_can_be_sent_again(
    step: Callable[[MailDeployment, SignedIn], object],
) -> None:
    def scenario() -> Scenario:
        post = mailing_in_memory()
        session = verified_bob(post)
        if step is unlink:
            link(post, session)
            post.queue.jobs.clear()
            post.base.clock.advance(MINUTE)
        return Scenario(post, lambda deployment: step(deployment, session))

    for run in faulty_runs(scenario):
        if run.failure is not None:
            assert isinstance(run.failure, DependencyUnavailable)
            try:
                run.scenario.act(run.deployment)
            except IdentityNotFound:
                assert step is unlink
        user_id = run.deployment.users.find_id(Name.EMAIL, BOB.email)
        assert run.deployment.user(str(user_id)).subjects == ({"google": "1001"} if step is link else {})
        sent = {job.job_id for job in run.deployment.queue.jobs}
        assert len(sent) == 1 or (not sent and run.failing_call.shape[1][0][0] == "RateLimits")


def test_an_identity_whose_marker_names_another_account_is_not_linked(post_in_memory: MailDeployment) -> None:
    """The data is damaged: the account has the identity, and its marker names another account."""
    session = verified_bob(post_in_memory)
    changes: dict[str, Change] = {"subjects": to_value({"google": "1001"})}
    post_in_memory.base.store.write(Update(post_in_memory.users.key(session.user.user_id), changes))
    other_user_id = post_in_memory.register(ALICE).user.user_id
    name = identity_name("google", "1001")
    post_in_memory.base.store.commit(post_in_memory.users.claim(Name.IDENTITY, name, other_user_id))

    with pytest.raises(LinkedToAnother):
        link(post_in_memory, session)
