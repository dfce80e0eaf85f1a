"""Accounts to be listed page by page."""

from datetime import UTC, datetime, timedelta

from gerbang.storage.accounts import User
from gerbang.storage.removal import removal
from gerbang.storage.users import UserTable

NOW = datetime(2003, 3, 1, 0, 0, 5, tzinfo=UTC)
"""Soon after the first month, because a listing queries every month: more months than one page queries, but few."""


def user(number: int, created_at: datetime = NOW) -> User:
    return User(
        user_id=f"{number:08x}-0000-4000-8000-000000000000",
        name=f"user {number}",
        number=number,
        created_at=created_at,
        updated_at=created_at,
    )


def write(users: UserTable, *accounts: User) -> None:
    for each in accounts:
        assert users.store.commit(*users.creation(each).values()) == ()


def remove(users: UserTable, user: User) -> None:
    person = users.find_person(user.user_id)
    assert person is not None
    assert users.store.commit(*removal(users, person)) == ()


def days_apart(count: int) -> list[User]:
    """Accounts of several months, the newest first."""
    return [user(number, NOW - timedelta(days=number)) for number in range(count)]
