import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Literal

import pytest
from supabase_auth import SyncGoTrueAdminAPI
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError
from supabase_auth.types import User

from tests.clients.gerbang import OTHER_PASSWORD, PASSWORD, Client, Gerbang, Inbox, fails, user_of

HASH: Final = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"
"""The hash of `Correct horse 1`, made by PHP."""


@pytest.fixture
def admin(gerbang: Gerbang) -> SyncGoTrueAdminAPI:
    return gerbang.new_admin()


def created(admin: SyncGoTrueAdminAPI, inbox: Inbox) -> User:
    """Create a user as an administrator."""
    return admin.create_user({"email": inbox.address, "password": PASSWORD, "email_confirm": True}).user


def is_signed_in(client: Client) -> bool:
    with suppress(AuthApiError):
        return client.get_user() is not None
    return False


def test_create_user_creates_a_user_who_can_sign_in_immediately(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    inbox = gerbang.new_inbox()

    user = admin.create_user(
        {
            "email": inbox.address,
            "password": PASSWORD,
            "email_confirm": True,
            "user_metadata": {"nickname": "Mira"},
            "app_metadata": {"plan": "pro"},
        }
    ).user

    assert user.email == inbox.address
    assert user.email_confirmed_at is not None
    assert user.user_metadata["nickname"] == "Mira"
    assert user.app_metadata == {"plan": "pro", "provider": "email", "providers": ["email"]}
    assert user_of(gerbang.sign_in(inbox.address).get_user()).id == user.id
    assert inbox.codes() == []


def test_create_user_accepts_an_id_and_a_hash_of_another_system(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    inbox, user_id = gerbang.new_inbox(), str(uuid.uuid4())

    admin.create_user({"id": user_id, "email": inbox.address, "email_confirm": True, "password_hash": HASH})

    assert user_of(gerbang.sign_in(inbox.address, "Correct horse 1").get_user()).id == user_id


def test_create_user_with_a_taken_address_is_an_error(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    inbox = gerbang.new_inbox()
    created(admin, inbox)

    with fails(422, "email_exists"):
        created(admin, inbox)


def test_get_user_by_id_returns_the_user(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    user = created(admin, gerbang.new_inbox())

    assert admin.get_user_by_id(user.id).user == user
    with fails(404, "user_not_found"):
        admin.get_user_by_id(str(uuid.uuid4()))


def test_update_user_by_id_changes_the_user_immediately(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    owner, inbox = gerbang.sign_up(), gerbang.new_inbox()

    changed = admin.update_user_by_id(
        owner.id,
        {
            "email": inbox.address,
            "password": OTHER_PASSWORD,
            "user_metadata": {"color": "red", "nickname": None},
            "app_metadata": {"plan": "pro"},
        },
    ).user

    assert (changed.email, changed.app_metadata["plan"], changed.user_metadata["color"]) == (
        inbox.address,
        "pro",
        "red",
    )
    assert "nickname" not in changed.user_metadata
    with fails(403, "session_not_found"):
        owner.client.get_user()
    gerbang.sign_in(inbox.address, OTHER_PASSWORD)
    assert inbox.codes() == []


def test_update_user_by_id_with_a_weak_password_is_an_error(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    user = created(admin, gerbang.new_inbox())

    with pytest.raises(AuthWeakPasswordError) as caught:
        admin.update_user_by_id(user.id, {"password": "12345"})

    assert caught.value.reasons == ["length"]


def test_update_user_by_id_bans_and_unbans(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    owner = gerbang.sign_up()

    admin.update_user_by_id(owner.id, {"ban_duration": "24h"})

    with fails(403, "user_banned"):
        owner.client.get_user()
    with fails(400, "user_banned"):
        gerbang.sign_in(owner.inbox.address)
    admin.update_user_by_id(owner.id, {"ban_duration": "none"})
    assert user_of(owner.client.get_user()).id == owner.id


def test_list_users_returns_pages(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    created_ids = {created(admin, gerbang.new_inbox()).id for _ in range(3)}

    assert created_ids <= {user.id for user in admin.list_users() if user.created_at >= began}

    listed: list[str] = []
    page = 1
    while some := admin.list_users(page=page, per_page=2):
        listed += [user.id for user in some]
        page += 1
    assert created_ids <= set(listed)
    assert len(listed) == len(set(listed))


def test_delete_user_deletes_the_user_and_ends_their_sessions(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    owner = gerbang.sign_up()

    admin.delete_user(owner.id)

    with fails(403, "user_not_found"):
        owner.client.get_user()
    with fails(404, "user_not_found"):
        admin.delete_user(owner.id)
    created(admin, owner.inbox)


def test_delete_user_does_not_support_soft_deletion(gerbang: Gerbang, admin: SyncGoTrueAdminAPI) -> None:
    user = created(admin, gerbang.new_inbox())

    with fails(400, "validation_failed"):
        admin.delete_user(user.id, should_soft_delete=True)

    assert admin.get_user_by_id(user.id).user == user


@pytest.mark.parametrize(
    ("scope", "own_is_left", "other_is_left"),
    [("local", False, True), ("others", True, False), ("global", False, False)],
)
def test_sign_out_on_behalf_of_a_user(
    gerbang: Gerbang,
    admin: SyncGoTrueAdminAPI,
    scope: Literal["local", "others", "global"],
    *,
    own_is_left: bool,
    other_is_left: bool,
) -> None:
    owner = gerbang.sign_up()
    other = gerbang.sign_in(owner.inbox.address)

    admin.sign_out(owner.session.access_token, scope)

    assert (is_signed_in(owner.client), is_signed_in(other)) == (own_is_left, other_is_left)


def test_a_users_key_cannot_call_administrator_methods(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    with fails(403, "not_admin"):
        owner.client.admin.delete_user(owner.id)
    with fails(403, "not_admin"):
        gerbang.new_client().admin.list_users()
    assert is_signed_in(owner.client)
