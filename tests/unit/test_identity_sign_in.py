"""gerbang.accounts.identity_sign_in: the subject is the identity; its address links to its owner's account."""

from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.identity_sign_in import (
    GOOGLE,
    RACES,
    LinkedToAnother,
    ProviderEmailUnverified,
    VerifiedIdentity,
)
from gerbang.accounts.oidc import LARGEST_PROFILE_BYTES
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.sign_up_policy import SignUpDisabled, SignUpPolicy
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.clock import to_epoch
from gerbang.core.emails import InvalidEmail
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Identity, Name, identity_name
from gerbang.storage.store import Plus, Update

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, Choices, by_email
from tests.fakes import Call, FaultyStore, MeanwhileStore, MemoryStore, Numbers, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import FaultyRun, Scenario, calls_of, faulty_runs
from tests.unit.mail_fakes import MailDeployment, in_memory_only, mailing_in_memory

BOBS_SUBJECT = "110169484474386276334"
BOBS = VerifiedIdentity(provider=GOOGLE, subject=BOBS_SUBJECT, email="Bob@Example.com", name="Bob Martin")
SOMEBODY_ELSES = replace(BOBS, subject="220169484474386276334")
OTHER_PROVIDERS = replace(BOBS, provider="apple")


def sign_in(post: MailDeployment, identity: VerifiedIdentity = BOBS) -> SignedIn:
    return post.google.sign_in(identity, HOME)


def accounts(database: Database) -> int:
    return len([item for item in database.items("Users", "USER#") if item["sk"] == "ACCOUNT"])


def prove_address(post: MailDeployment) -> None:
    """Redeem the code of the registration."""
    code = post.mailed_code(kind=MailKind.VERIFICATION_CODE)
    post.code_sign_in.sign_in(BOB.email, code, HOME)


# The first time


def test_the_first_sign_in_makes_an_account_that_has_all_a_registered_one_has(
    post: MailDeployment, database: Database
) -> None:
    session = sign_in(post)

    standing = post.base.sessions.authenticate(session.tokens.access_token)
    user = standing.user
    assert user == session.user
    assert standing.family.amr[0].method == "oauth"
    assert (user.name, user.email, user.email_as_typed) == ("Bob Martin", "bob@example.com", "Bob@Example.com")
    assert (user.email_verified_at, user.subjects) == (post.base.clock(), {GOOGLE: BOBS_SUBJECT})
    assert (user.credit_balance, user.role_id, user.password_hash) == (5000, 3, None)
    assert user.number is not None
    assert {str(item["pk"]).partition("#")[0] for item in database.items("Users")} == {
        "USER",
        "EMAIL",
        "NUMBER",
        "IDENTITY",
    }


def test_the_first_sign_in_stores_the_identity_with_its_account(post: MailDeployment) -> None:
    user = sign_in(post).user

    person = post.base.users.find_person(user.user_id)

    assert person is not None
    assert person.user == user
    assert person.identities == (
        Identity(
            user_id=user.user_id,
            provider=GOOGLE,
            subject=BOBS_SUBJECT,
            email="Bob@Example.com",
            created_at=post.base.clock(),
        ),
    )


def test_the_account_keeps_the_providers_profile_as_gotrue_names_it(post: MailDeployment) -> None:
    profile = {"picture": "https://photos.example/bob", "locale": "es", "family_name": "Martin"}

    user = sign_in(post, replace(BOBS, issuer="https://accounts.google.com", profile=profile)).user

    assert post.user(user.user_id).user_metadata == {
        **profile,
        "full_name": "Bob Martin",
        "avatar_url": "https://photos.example/bob",
        "email": "bob@example.com",
        "email_verified": True,
        "iss": "https://accounts.google.com",
        "sub": BOBS_SUBJECT,
        "provider_id": BOBS_SUBJECT,
    }


def test_claims_that_are_missing_are_left_out_of_the_metadata(post_in_memory: MailDeployment) -> None:
    assert sign_in(post_in_memory, replace(BOBS, name="")).user.user_metadata == {
        "email": "bob@example.com",
        "email_verified": True,
        "sub": BOBS_SUBJECT,
        "provider_id": BOBS_SUBJECT,
    }


def test_the_largest_identity_can_be_stored(post_in_memory: MailDeployment) -> None:
    """The bounds: gerbang.accounts.oidc, gerbang.apis.fields, gerbang.core.emails, and the template's for issuers."""
    largest = VerifiedIdentity(
        provider=GOOGLE,
        subject='"' * 255,
        email="b" * 64 + "@" + ".".join(["c" * 61] * 3) + ".de",
        name="\U0001f600" * 200,
        issuer="i" * 500,
        profile={"picture": '"' * ((LARGEST_PROFILE_BYTES - 2) // 2)},
    )

    assert sign_in(post_in_memory, largest).user.user_metadata["avatar_url"] == largest.profile["picture"]


def test_linking_leaves_the_accounts_metadata_as_it_is(post_in_memory: MailDeployment) -> None:
    post_in_memory.register(BOB)

    assert sign_in(post_in_memory, replace(BOBS, profile={"locale": "es"})).user.user_metadata == {}


def test_without_a_name_the_account_is_called_after_its_address(post_in_memory: MailDeployment) -> None:
    assert sign_in(post_in_memory, replace(BOBS, name="")).user.name == "bob"


def test_the_address_is_taken_from_then_on(post_in_memory: MailDeployment) -> None:
    sign_in(post_in_memory)

    with pytest.raises(EmailTaken):
        post_in_memory.register(BOB)


def test_no_password_opens_an_account_that_has_none(post_in_memory: MailDeployment) -> None:
    sign_in(post_in_memory)

    for password in ("", "Correct horse 1"):
        with pytest.raises(InvalidCredentials):
            post_in_memory.base.sign_in.sign_in(by_email(BOB.email, password), HOME)


@in_memory_only
def test_an_address_that_cannot_be_kept_makes_no_account(post: MailDeployment, database: Database) -> None:
    with pytest.raises(InvalidEmail):
        sign_in(post, replace(BOBS, email="no address"))

    assert database.items("Users") == []


@pytest.mark.covers("F4")
def test_of_twenty_first_sign_ins_at_once_all_are_let_in_to_one_account(
    post: MailDeployment, database: Database
) -> None:
    outcomes = at_once([partial(sign_in, post)] * 20)

    sessions = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(sessions) == 20
    assert len({session.user.user_id for session in sessions}) == accounts(database) == 1
    assert all(session_works(post, session) for session in sessions)
    assert len(database.items("Users", "NUMBER#")) == 1


def test_of_a_registration_and_a_first_sign_in_at_once_one_account_comes(
    post: MailDeployment, database: Database
) -> None:
    outcomes = at_once([partial(sign_in, post), partial(post.register, BOB)] * 5)

    assert accounts(database) == 1
    assert all(isinstance(outcome, SignedIn) for outcome in outcomes[::2])
    assert all(isinstance(outcome, SignedIn | EmailTaken) for outcome in outcomes[1::2])
    standing = post.base.users.find_id(Name.EMAIL, BOB.email)
    assert standing == post.base.users.find_id(Name.IDENTITY, identity_name(GOOGLE, BOBS_SUBJECT))
    assert not password_works(post)  # the person who registered had verified nothing


def test_a_number_that_is_taken_is_drawn_again(post: MailDeployment) -> None:
    alice = post.register(ALICE).user
    assert alice.number is not None
    base = replace(post.base, new_number=Numbers(alice.number, alice.number, 77))

    assert sign_in(replace(post, base=base)).user.number == 77


@in_memory_only
def test_where_no_number_is_free_nobody_is_let_in(post: MailDeployment, database: Database) -> None:
    alice = post.register(ALICE).user
    assert alice.number is not None
    base = replace(post.base, new_number=Numbers(*[alice.number] * RACES))

    with pytest.raises(DependencyUnavailable):
        sign_in(replace(post, base=base))

    assert accounts(database) == 1


# The identity is the subject: security.md 107


@pytest.mark.covers("107")
def test_the_same_subject_is_the_same_account_whatever_its_address(post: MailDeployment, database: Database) -> None:
    first = sign_in(post)

    second = sign_in(post, replace(BOBS, email="robert@elsewhere.example", name="Robert"))

    assert second.user.user_id == first.user.user_id
    assert second.user.email == BOB.email
    assert accounts(database) == 1
    assert session_works(post, first)


def test_the_same_subject_is_let_in_though_its_new_address_could_not_be_kept(post_in_memory: MailDeployment) -> None:
    first = sign_in(post_in_memory)

    second = sign_in(post_in_memory, replace(BOBS, email='"bob martin"@example.com'))

    assert second.user.user_id == first.user.user_id


@pytest.mark.covers("107")
def test_another_subject_with_the_same_address_is_refused(post: MailDeployment, database: Database) -> None:
    sign_in(post)

    with pytest.raises(LinkedToAnother):
        sign_in(post, SOMEBODY_ELSES)

    assert accounts(database) == len(database.items("Users", "IDENTITY#")) == 1


def test_of_two_subjects_at_once_with_one_address_one_has_the_account(post: MailDeployment, database: Database) -> None:
    post.register()

    outcomes = at_once([partial(sign_in, post, identity) for identity in (BOBS, SOMEBODY_ELSES)] * 5)

    assert accounts(database) == len(database.items("Users", "IDENTITY#")) == 1
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LinkedToAnother"] * 5 + ["SignedIn"] * 5


def test_whoever_signs_in_twice_at_once_for_the_first_time_is_not_taken_for_another(post: MailDeployment) -> None:
    post.register(BOB)
    twice = MeanwhileStore(
        post.base.store,
        before=lambda call: call.keys[0].pk.startswith("EMAIL#"),  # it was not linked when the subject was looked up
        happens=lambda: sign_in(post),
    )

    assert session_works(post, sign_in(post.on(twice)))


def test_each_provider_may_have_one_identity_of_an_account(post: MailDeployment, database: Database) -> None:
    first = sign_in(post)

    second = sign_in(post, OTHER_PROVIDERS)

    assert second.user.user_id == first.user.user_id
    assert second.user.subjects == {GOOGLE: BOBS_SUBJECT, "apple": BOBS_SUBJECT}
    assert post.user(second.user.user_id) == second.user
    assert session_works(post, first)
    assert accounts(database) == 1
    with pytest.raises(LinkedToAnother):
        sign_in(post, SOMEBODY_ELSES)
    for identity in (BOBS, OTHER_PROVIDERS):
        assert sign_in(post, identity).user.user_id == first.user.user_id


def test_of_two_providers_that_link_at_once_neither_undoes_the_other(post: MailDeployment) -> None:
    bob = post.register(BOB).user
    prove_address(post)
    meanwhile = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "commit", happens=lambda: sign_in(post, OTHER_PROVIDERS)
    )

    assert session_works(post, sign_in(post.on(meanwhile)))

    assert post.user(bob.user_id).subjects == {"apple": BOBS_SUBJECT, GOOGLE: BOBS_SUBJECT}


def test_the_same_subject_at_another_provider_is_another_identity(post: MailDeployment, database: Database) -> None:
    bob = sign_in(post).user

    carol = sign_in(post, replace(OTHER_PROVIDERS, email="carol@example.com")).user

    assert carol.user_id != bob.user_id
    assert accounts(database) == 2


# Linking by address: security.md 108


@pytest.mark.covers("108")
def test_an_address_that_nobody_proved_is_its_owners_and_strangers_are_out(
    post: MailDeployment, database: Database
) -> None:
    strangers = post.register(BOB)

    owners = sign_in(post)

    assert owners.user.user_id == strangers.user.user_id
    assert owners.user == post.user(owners.user.user_id)
    assert (owners.user.subjects, owners.user.email_verified_at) == ({GOOGLE: BOBS_SUBJECT}, post.base.clock())
    assert session_works(post, owners)
    assert not session_works(post, strangers)
    with pytest.raises(SessionEnded):
        post.base.sessions.refresh(strangers.tokens.refresh_token)
    assert not password_works(post)
    assert accounts(database) == 1
    assert post.base.recorded.events[-1] == "identity_linked"


def test_an_owner_who_had_proved_the_address_keeps_password_and_sessions(post: MailDeployment) -> None:
    registered = post.register(BOB)
    prove_address(post)
    post.base.clock.advance(timedelta(seconds=5))

    linked = sign_in(post)

    assert linked.user.user_id == registered.user.user_id
    assert linked.user == post.user(linked.user.user_id)
    assert linked.user.updated_at == post.base.clock()
    assert session_works(post, registered)
    assert password_works(post)


@in_memory_only
def test_once_linked_the_next_sign_in_changes_nothing(post: MailDeployment) -> None:
    registered = post.register(BOB)
    prove_address(post)
    sign_in(post)
    before = post.user(registered.user.user_id)
    post.base.clock.advance(timedelta(seconds=5))

    again = sign_in(post)

    assert post.user(again.user.user_id) == replace(before, last_sign_in_at=post.base.clock())


def test_the_name_and_address_of_an_account_are_not_overwritten(post_in_memory: MailDeployment) -> None:
    registered = post_in_memory.register(BOB)

    linked = sign_in(post_in_memory, replace(BOBS, email="BOB@EXAMPLE.COM", name="Somebody"))

    assert linked.user.user_id == registered.user.user_id
    assert (linked.user.name, linked.user.email_as_typed) == (BOB.name, BOB.email)


def test_a_stranger_who_signs_in_while_the_owner_links_is_out(post: MailDeployment) -> None:
    post.register(BOB)
    strangers: list[SignedIn] = []
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: strangers.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)),
    )

    owners = sign_in(post.on(meanwhile))

    assert [session_works(post, session) for session in (*strangers, owners)] == [False, True]


def test_an_account_whose_epoch_moves_while_it_is_linked_is_looked_at_again(post: MailDeployment) -> None:
    bob = post.register(BOB).user
    meanwhile = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "commit", happens=lambda: raise_epoch(post, bob.user_id)
    )

    assert session_works(post, sign_in(post.on(meanwhile)))


def raise_epoch(post: MailDeployment, user_id: str) -> None:
    post.base.store.write(Update(post.base.users.key(user_id), {"epoch": Plus(1)}))


# Addresses that the provider does not vouch for: security.md 108

UNVOUCHED = replace(BOBS, email_verified=False)


@pytest.mark.covers("108")
@pytest.mark.parametrize("email", ["Bob@Example.com", "", "no address"])
@pytest.mark.parametrize("before", ["nobody", "registered", "linked to another identity"])
def test_an_unknown_identity_whose_address_nobody_vouches_for_changes_nothing(
    post: MailDeployment, database: Database, before: str, email: str
) -> None:
    if before == "registered":
        post.register(BOB)
    if before == "linked to another identity":
        sign_in(post, SOMEBODY_ELSES)
    tables = ("Users", "RefreshTokenFamilies", "RateLimits")
    items = [database.items(table) for table in tables]

    with pytest.raises(ProviderEmailUnverified) as refusal:
        sign_in(post, replace(UNVOUCHED, email=email))

    assert refusal.value.code == "provider_email_needs_verification"
    assert [database.items(table) for table in tables] == items


@pytest.mark.parametrize("email", ["Bob@Example.com", "", "no address", "alice@example.com"])
def test_a_known_identity_is_let_in_whatever_its_address(post: MailDeployment, email: str) -> None:
    post.register(ALICE)
    first = sign_in(post)

    second = sign_in(post, replace(UNVOUCHED, email=email))

    assert second.user.user_id == first.user.user_id
    assert session_works(post, second)


@pytest.mark.covers("108")
def test_an_identity_that_is_unlinked_meanwhile_is_not_linked_again(post: MailDeployment) -> None:
    user = sign_in(post).user
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.keys[0].pk.startswith("USER#"),  # after it was looked up
        happens=lambda: post.base.store.commit(*post.users.unlinking(user, GOOGLE, {})),
    )

    with pytest.raises(ProviderEmailUnverified):
        sign_in(post.on(meanwhile), UNVOUCHED)

    assert post.user(user.user_id).subjects == {}


# Deployments that take no new accounts


def test_where_no_accounts_are_taken_a_new_identity_makes_none(post: MailDeployment, database: Database) -> None:
    closed = replace(post.google, policy=SignUpPolicy(takes_accounts=False))

    with pytest.raises(SignUpDisabled):
        closed.sign_in(BOBS, HOME)

    assert database.items("Users") == database.items("RateLimits") == []


def test_where_no_accounts_are_taken_identities_of_accounts_are_let_in(post: MailDeployment) -> None:
    closed = replace(post.google, policy=SignUpPolicy(takes_accounts=False))
    bob = post.register(BOB).user

    linked = closed.sign_in(BOBS, HOME)
    again = closed.sign_in(BOBS, HOME)

    assert linked.user.user_id == again.user.user_id == bob.user_id


# Accounts that may not be used


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
def test_a_disabled_account_lets_nobody_in(post: MailDeployment, database: Database, *, linked: bool) -> None:
    user = (sign_in(post) if linked else post.register(BOB)).user
    post.disable(user)
    before = len(database.items("RefreshTokenFamilies"))

    with pytest.raises(AccountDisabled) as refusal:
        sign_in(post)

    assert refusal.value.user_id == user.user_id
    assert len(database.items("RefreshTokenFamilies")) == before


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
def test_an_account_that_is_disabled_meanwhile_lets_nobody_in(
    post: MailDeployment, database: Database, *, linked: bool
) -> None:
    user = (sign_in(post) if linked else post.register(BOB)).user
    before = len(database.items("RefreshTokenFamilies"))
    meanwhile = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "commit", happens=lambda: disable_alone(post, user.user_id)
    )

    with pytest.raises(AccountDisabled):
        sign_in(post.on(meanwhile))

    assert len(database.items("RefreshTokenFamilies")) == before


def disable_alone(post: MailDeployment, user_id: str) -> None:
    """Disable, and leave the epoch as it is."""
    post.base.store.write(Update(post.base.users.key(user_id), {"disabled_at": to_epoch(post.base.clock())}))


@pytest.mark.covers("F11")
def test_a_sign_in_that_a_reset_overtakes_is_made_after_it(post: MailDeployment) -> None:
    user = sign_in(post).user
    meanwhile = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "commit", happens=lambda: raise_epoch(post, user.user_id)
    )

    assert session_works(post, sign_in(post.on(meanwhile)))


@pytest.mark.covers("107")
def test_of_two_identities_that_link_to_one_account_at_once_the_first_has_it(
    post: MailDeployment, database: Database
) -> None:
    """Linking does not raise the epoch of an account with a verified address."""
    post.register(BOB)
    prove_address(post)
    meanwhile = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "commit", happens=lambda: sign_in(post, SOMEBODY_ELSES)
    )

    with pytest.raises(LinkedToAnother):
        sign_in(post.on(meanwhile))

    assert [item["pk"] for item in database.items("Users", "IDENTITY#")] == [
        f"IDENTITY#google#{SOMEBODY_ELSES.subject}"
    ]
    assert session_works(post, sign_in(post, SOMEBODY_ELSES))


# Limits: security.md 34


@pytest.mark.covers("34")
@in_memory_only
def test_first_sign_ins_and_registrations_of_one_client_are_counted_together(post: MailDeployment) -> None:
    limit = Limit(name="registration", attempts=2, window=timedelta(hours=1))
    post = replace(post, base=replace(post.base, choices=Choices(registration=limit)))
    post.base.registration.register(ALICE, HOME)
    sign_in(post)

    with pytest.raises(TooManyAttempts) as refusal:
        sign_in(post, VerifiedIdentity(provider=GOOGLE, subject="3", email="carol@example.com", name="Carol"))

    assert refusal.value.limit == "registration"
    assert session_works(post, sign_in(post))  # whoever has an account is not counted


@in_memory_only
def test_linking_is_not_counted(post: MailDeployment, database: Database) -> None:
    post.register(BOB)
    before = database.items("RateLimits", "registration#")

    sign_in(post)

    assert database.items("RateLimits", "registration#") == before


@in_memory_only
def test_a_number_drawn_again_is_not_counted_again(post: MailDeployment, database: Database) -> None:
    alice = post.register(ALICE).user
    assert alice.number is not None
    base = replace(post.base, new_number=Numbers(alice.number, alice.number))

    sign_in(replace(post, base=base))

    assert sorted(int(item["attempts"]) for item in database.items("RateLimits")) == [1, 1]


# Faults: F2, F3, F42


@pytest.mark.covers("F42")
@pytest.mark.parametrize("before", ["nobody", "registered", "linked"])
def test_whatever_goes_wrong_one_account_is_left_and_the_next_try_gets_in(before: str) -> None:
    def scene() -> Scenario:
        post = mailing_in_memory()
        if before == "registered":
            post.register(BOB)
        if before == "linked":
            sign_in(post)
        return Scenario(post, sign_in)

    for mishap in faulty_runs(scene):
        here = mishap.deployment
        if isinstance(mishap.outcome, SignedIn):
            assert session_works(here, mishap.outcome), mishap
        else:
            assert isinstance(mishap.failure, DependencyUnavailable), mishap
        again = sign_in(here)
        assert session_works(here, again), mishap
        assert one_account_with_its_markers(mishap), mishap


def one_account_with_its_markers(mishap: FaultyRun) -> bool:
    base = mishap.deployment.base
    assert isinstance(base.store, MemoryStore)
    kinds = sorted(str(item["pk"]).partition("#")[0] for item in base.store.items(base.tables["Users"]))
    return kinds == ["EMAIL", "IDENTITY", "NUMBER", "USER", "USER"]


def test_a_sign_in_to_an_account_that_is_known_reads_two_items_and_commits(post_in_memory: MailDeployment) -> None:
    sign_in(post_in_memory)

    assert [method for method, _ in calls_of(post_in_memory, sign_in)] == ["commit", "get", "get"]


def test_others_who_keep_making_the_account_are_not_waited_for_for_ever(post_in_memory: MailDeployment) -> None:
    bob = post_in_memory.register(BOB).user

    def others_first(call: Call) -> bool:
        if call.method == "commit":
            raise_epoch(post_in_memory, bob.user_id)
        return False

    contested = FaultyStore(post_in_memory.base.store, at=others_first)

    with pytest.raises(DependencyUnavailable):
        sign_in(post_in_memory.on(contested))

    assert sum(call.method == "commit" for call in contested.calls) == RACES


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_holds_no_address_and_no_subject(post_in_memory: MailDeployment) -> None:
    post_in_memory.register(BOB)
    sign_in(post_in_memory)
    with pytest.raises(LinkedToAnother):
        sign_in(post_in_memory, SOMEBODY_ELSES)

    logged = str(post_in_memory.base.recorded.notes) + repr(BOBS)

    assert "bob@example.com" not in logged.lower()
    assert "Martin" not in logged
