"""Two administrators change a user at the same time, on both databases."""

from collections.abc import Callable
from copy import replace
from typing import Final

from gerbang.storage.accounts import Name

from tests.conftest import Database
from tests.deployment import HOME, PASSWORD, by_email
from tests.fakes import Call, MeanwhileStore
from tests.unit.administration.client import CAROL, Admin

NEW_PASSWORD: Final = "Battery-staple-43"


def with_rival(admin: Admin, rival: Callable[[], object]) -> Admin:
    """Return an administrator before whose first write to the users `rival` is called."""

    def is_write_to_users(call: Call) -> bool:
        return call.method in {"commit", "write"} and any(key.table == admin.base.tables["Users"] for key in call.keys)

    store = MeanwhileStore(admin.base.store, before=is_write_to_users, happens=rival)
    return Admin(replace(admin.base, store=store))


def test_concurrent_changes_of_different_fields_are_both_kept(admin: Admin) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = with_rival(admin, lambda: admin("PUT", user_id, user_metadata={"a": 1}, ban_duration="1h"))

    status, changed = another("PUT", user_id, user_metadata={"b": 2}, app_metadata={"plan": "pro"})

    assert status == 200
    assert changed["user_metadata"] == {"a": 1, "b": 2}
    assert "banned_until" in changed
    assert admin("GET", user_id)[1] == changed


def test_of_two_concurrent_address_changes_the_later_wins(admin: Admin, database: Database) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = with_rival(admin, lambda: admin("PUT", user_id, email="first@example.com"))

    assert another("PUT", user_id, email="second@example.com")[1]["email"] == "second@example.com"

    assert [item["pk"] for item in database.items("Users", "EMAIL#")] == ["EMAIL#second@example.com"]


def test_of_two_concurrent_password_changes_the_later_wins(admin: Admin) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = with_rival(admin, lambda: admin("PUT", user_id, password=NEW_PASSWORD))

    assert another("PUT", user_id, password=PASSWORD)[0] == 200

    admin.base.sign_in.sign_in(by_email(CAROL), HOME)


def test_a_change_does_not_restore_a_user_who_is_deleted_during_it(admin: Admin, database: Database) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = with_rival(admin, lambda: admin("DELETE", user_id))

    assert another("PUT", user_id, email="second@example.com", password=PASSWORD)[0] == 404

    assert database.items("Users") == []


def test_of_two_concurrent_changes_to_one_address_only_the_first_succeeds(admin: Admin) -> None:
    first, second = (admin.create(email=f"{name}@example.com")["id"] for name in ("one", "two"))
    another = with_rival(admin, lambda: admin("PUT", first, email=CAROL))

    status, error = another("PUT", second, email=CAROL)

    assert (status, error["error_code"]) == (422, "email_exists")
    assert admin.base.users.find_id(Name.EMAIL, CAROL) == first
