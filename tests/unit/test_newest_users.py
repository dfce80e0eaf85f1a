"""Accounts are listed the newest first, page by page: complete, whatever is added or removed meanwhile."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from gerbang.storage.accounts import User
from gerbang.storage.newest_users import LARGEST_PAGE, MONTHS_PER_PAGE, InvalidCursor, NewestUsers, UserPage
from gerbang.storage.removal import removal
from gerbang.storage.store import Store
from gerbang.storage.users import FIRST_MONTH, UserTable

from tests.conftest import Database
from tests.deployment import HOME
from tests.fakes import PassingStore

NOW = datetime(2003, 3, 1, 0, 0, 5, tzinfo=UTC)
"""Soon after the first month, since each listing asks for every month: few, but more than one page looks into."""


@pytest.fixture
def users(database: Database) -> UserTable:
    return UserTable(database.store, database.tables["Users"])


def user(number: int, created_at: datetime = NOW) -> User:
    return User(
        user_id=f"{number:08x}-0000-4000-8000-000000000000",
        name=f"user {number}",
        number=number,
        created_at=created_at,
        updated_at=created_at,
    )


def write(users: UserTable, *made: User) -> None:
    for each in made:
        assert users.store.commit(*users.creation(each).values()) == ()


def remove(users: UserTable, user: User) -> None:
    person = users.find_person(user.user_id)
    assert person is not None
    assert users.store.commit(*removal(users, person)) == ()


def pages(users: UserTable, size: int, *, at: datetime = NOW) -> Iterator[UserPage]:
    page = NewestUsers(users).page(at=at, size=size)
    yield page
    while page.cursor is not None:
        page = NewestUsers(users).page(at=at, size=size, cursor=page.cursor)
        yield page


def listed(users: UserTable, size: int = LARGEST_PAGE) -> list[User]:
    return [user for page in pages(users, size) for user in page.users]


def days_apart(count: int) -> list[User]:
    """Accounts of several months, the newest first."""
    return [user(number, NOW - timedelta(days=number)) for number in range(count)]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pages_together_are_all_accounts_the_newest_first(users: UserTable, size: int) -> None:
    made = days_apart(70)
    write(users, *made)

    assert listed(users, size) == made


def test_an_empty_table_is_listed_to_its_end(users: UserTable) -> None:
    assert listed(users) == []


def test_months_and_years_without_accounts_are_passed_over(users: UserTable) -> None:
    made = [user(1), user(2, NOW - timedelta(days=400)), user(3, datetime(2001, 1, 1, tzinfo=UTC))]
    write(users, *made)

    assert listed(users, 2) == made


def test_a_page_looks_into_so_many_months_and_no_more(database: Database) -> None:
    watched = PassingStore(database.store)
    users = UserTable(watched, database.tables["Users"])

    every = list(pages(users, 10))

    months = (2003 - 2000) * 12 + 3
    assert len(every) == -(-months // MONTHS_PER_PAGE) == 2
    assert [call.method for call in watched.calls] == ["query"] * months


def test_accounts_from_before_the_first_month_are_the_last(users: UserTable) -> None:
    """As an import from an old system may make them."""
    made = [
        user(1, datetime(2000, 1, 2, tzinfo=UTC)),
        user(2, datetime(1999, 12, 31, tzinfo=UTC)),
        user(3, datetime(999, 5, 1, tzinfo=UTC)),
    ]
    write(users, *made)

    assert listed(users, 1) == made
    assert FIRST_MONTH == "2000-01"


def test_accounts_of_one_second_are_each_listed_once(users: UserTable) -> None:
    made = [user(number) for number in range(7)]
    write(users, *made)

    found = listed(users, 2)

    assert sorted(found, key=lambda each: each.number or 0) == made


def test_guests_identities_and_markers_are_not_listed(users: UserTable) -> None:
    write(users, user(1), replace(user(2), is_anonymous=True))

    assert listed(users) == [user(1)]


def test_an_account_is_listed_as_it_is_now(users: UserTable) -> None:
    write(users, user(1))
    users.change(user(1), {"name": "Renamed"})

    assert listed(users) == [replace(user(1), name="Renamed")]


@pytest.mark.parametrize("removed", [0, 1, 2, 3, 4, 5])
def test_pages_are_complete_while_accounts_are_removed(users: UserTable, removed: int) -> None:
    made = days_apart(6)
    write(users, *made)
    paged = pages(users, 2)
    found = list(next(paged).users)

    remove(users, made[removed])
    found += [each for page in paged for each in page.users]

    # An account of the first page was listed before it was removed; a later one is not listed any more.
    assert found == [each for each in made if each != made[removed] or removed < 2]


@pytest.mark.parametrize("hours", [-1, 13, 25, 37, 24 * 40])
def test_pages_are_complete_while_accounts_are_added(users: UserTable, hours: int) -> None:
    made = days_apart(6)
    write(users, *made)
    paged = pages(users, 2)
    found = list(next(paged).users)
    added = user(99, NOW - timedelta(hours=hours))

    write(users, added)
    found += [each for page in paged for each in page.users]

    assert [each for each in found if each != added] == made
    assert found.count(added) == (1 if added.created_at < made[1].created_at else 0)


def test_the_months_of_a_year_follow_each_other(users: UserTable) -> None:
    made = [user(month, datetime(2002, month, 28, tzinfo=UTC)) for month in range(12, 0, -1)]
    write(users, *made)

    assert listed(users, 5) == made


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "2026",
        "2026-13",
        "2026-1",
        "2026-01.",
        "2026-01.1.",
        "2026-01.1.usr_1",
        "2026-01.x.00000001-0000-4000-8000-000000000000",
        "2026-01.1.00000001-0000-4000-8000-000000000000\n",
        "2026-01.1.00000001-0000-4000-8000-00000000000#",
        "\N{FULLWIDTH DIGIT TWO}026-01",
    ],
)
def test_a_text_that_is_no_cursor_is_an_error(users: UserTable, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        NewestUsers(users).page(at=NOW, size=10, cursor=cursor)


@pytest.mark.parametrize("size", [0, -1, LARGEST_PAGE + 1])
def test_a_page_of_another_size_is_an_error(users: UserTable, size: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        NewestUsers(users).page(at=NOW, size=size)


def test_a_sign_in_does_not_move_an_account(users: UserTable, store: Store, database: Database) -> None:
    """Then it would write to the index."""
    write(users, user(1))
    keys: Callable[[], set[object]] = lambda: {  # noqa: E731 - one expression, twice
        (item["created_month"], item["created_at"]) for item in database.items("Users") if item["sk"] == "ACCOUNT"
    }
    before = keys()

    store.write(users.signing_in(user(1), NOW + timedelta(days=50), HOME))

    assert keys() == before == {("2003-03", int(NOW.timestamp()))}
