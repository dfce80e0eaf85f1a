"""gerbang.accounts.identity_sign_in: an identity is its subject, not its address (security.md 107)."""

from copy import replace
from functools import partial

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE, LinkedToAnother

from tests.conftest import Database
from tests.deployment import BOB
from tests.fakes import at_once
from tests.unit.access import session_works
from tests.unit.identities.steps import (
    BOB_AT_APPLE,
    BOB_AT_GOOGLE,
    BOB_SUBJECT,
    OTHER_SUBJECT,
    account_count,
    sign_in,
    verify_address,
)
from tests.unit.mail_deployment import MailDeployment


@pytest.mark.covers("107")
def test_the_same_subject_is_the_same_account_with_any_address(app: MailDeployment, database: Database) -> None:
    first = sign_in(app)

    second = sign_in(app, replace(BOB_AT_GOOGLE, email="robert@elsewhere.example", name="Robert"))

    assert second.user.user_id == first.user.user_id
    assert second.user.email == BOB.email
    assert account_count(database) == 1
    assert session_works(app, first)


def test_the_same_subject_can_sign_in_with_an_invalid_address(app_in_memory: MailDeployment) -> None:
    first = sign_in(app_in_memory)

    second = sign_in(app_in_memory, replace(BOB_AT_GOOGLE, email='"bob martin"@example.com'))

    assert second.user.user_id == first.user.user_id


@pytest.mark.covers("107")
def test_another_subject_with_the_same_address_is_rejected(app: MailDeployment, database: Database) -> None:
    sign_in(app)

    with pytest.raises(LinkedToAnother):
        sign_in(app, OTHER_SUBJECT)

    assert account_count(database) == len(database.items("Users", "IDENTITY#")) == 1


def test_of_two_concurrent_subjects_with_one_address_only_one_gets_the_account(
    app: MailDeployment, database: Database
) -> None:
    app.register()

    outcomes = at_once([partial(sign_in, app, identity) for identity in (BOB_AT_GOOGLE, OTHER_SUBJECT)] * 5)

    assert account_count(database) == len(database.items("Users", "IDENTITY#")) == 1
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LinkedToAnother"] * 5 + ["SignedIn"] * 5


def test_a_first_sign_in_succeeds_when_the_same_identity_is_linked_during_it(app: MailDeployment) -> None:
    app.register(BOB)
    interrupted = app.meanwhile(
        before=lambda call: call.keys[0].pk.startswith("EMAIL#"),  # after the subject was looked up and was not linked
        happens=lambda: sign_in(app),
    )

    assert session_works(app, sign_in(interrupted))


def test_an_account_can_have_one_identity_of_each_provider(app: MailDeployment, database: Database) -> None:
    first = sign_in(app)

    second = sign_in(app, BOB_AT_APPLE)

    assert second.user.user_id == first.user.user_id
    assert second.user.subjects == {GOOGLE: BOB_SUBJECT, "apple": BOB_SUBJECT}
    assert app.user(second.user.user_id) == second.user
    assert session_works(app, first)
    assert account_count(database) == 1
    with pytest.raises(LinkedToAnother):
        sign_in(app, OTHER_SUBJECT)
    for identity in (BOB_AT_GOOGLE, BOB_AT_APPLE):
        assert sign_in(app, identity).user.user_id == first.user.user_id


def test_two_providers_can_link_to_one_account_at_once(app: MailDeployment) -> None:
    bob = app.register(BOB).user
    verify_address(app)
    meanwhile = app.meanwhile(lambda: sign_in(app, BOB_AT_APPLE))

    assert session_works(app, sign_in(meanwhile))

    assert app.user(bob.user_id).subjects == {"apple": BOB_SUBJECT, GOOGLE: BOB_SUBJECT}


def test_the_same_subject_at_another_provider_is_another_identity(app: MailDeployment, database: Database) -> None:
    bob = sign_in(app).user

    carol = sign_in(app, replace(BOB_AT_APPLE, email="carol@example.com")).user

    assert carol.user_id != bob.user_id
    assert account_count(database) == 2
