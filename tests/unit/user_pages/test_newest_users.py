"""gerbang.storage.newest_users: accounts are listed newest first, page by page, with a cursor."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from gerbang.storage.accounts import User
from gerbang.storage.newest_users import LARGEST_PAGE, MONTHS_PER_PAGE, InvalidCursor, NewestUsers, UserPage
from gerbang.storage.store import Store
from gerbang.storage.users import FIRST_MONTH, UserTable

from tests.conftest import Database
from tests.deployment import HOME
from tests.fakes import PassingStore
from tests.unit.user_pages.accounts import NOW, days_apart, remove, user, write


@pytest.fixture
def users(database: Database) -> UserTable:
    return UserTable(database.store, database.tables["Users"])


def pages(users: UserTable, size: int, *, at: datetime = NOW) -> Iterator[UserPage]:
    page = NewestUsers(users).page(at=at, size=size)
    yield page
    while page.cursor is not None:
        page = NewestUsers(users).page(at=at, size=size, cursor=page.cursor)
        yield page


def listed(users: UserTable, size: int = LARGEST_PAGE) -> list[User]:
    return [user for page in pages(users, size) for user in page.users]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_the_pages_list_all_accounts_newest_first(users: UserTable, size: int) -> None:
    accounts = days_apart(70)
    write(users, *accounts)

    assert listed(users, size) == accounts


def test_an_empty_table_has_empty_pages(users: UserTable) -> None:
    assert listed(users) == []


def test_months_and_years_without_accounts_are_skipped(users: UserTable) -> None:
    accounts = [user(1), user(2, NOW - timedelta(days=400)), user(3, datetime(2001, 1, 1, tzinfo=UTC))]
    write(users, *accounts)

    assert listed(users, 2) == accounts


def test_a_page_queries_a_limited_number_of_months(database: Database) -> None:
    watched = PassingStore(database.store)
    users = UserTable(watched, database.tables["Users"])

    every = list(pages(users, 10))

    months = (2003 - 2000) * 12 + 3
    assert len(every) == -(-months // MONTHS_PER_PAGE) == 2
    assert [call.method for call in watched.calls] == ["query"] * months


def test_accounts_from_before_the_first_month_are_listed_last(users: UserTable) -> None:
    """As an import from an old system may create them."""
    accounts = [
        user(1, datetime(2000, 1, 2, tzinfo=UTC)),
        user(2, datetime(1999, 12, 31, tzinfo=UTC)),
        user(3, datetime(999, 5, 1, tzinfo=UTC)),
    ]
    write(users, *accounts)

    assert listed(users, 1) == accounts
    assert FIRST_MONTH == "2000-01"


def test_accounts_of_the_same_second_are_listed_once(users: UserTable) -> None:
    accounts = [user(number) for number in range(7)]
    write(users, *accounts)

    found = listed(users, 2)

    assert sorted(found, key=lambda each: each.number or 0) == accounts


def test_guests_identities_and_markers_are_not_listed(users: UserTable) -> None:
    write(users, user(1), replace(user(2), is_anonymous=True))

    assert listed(users) == [user(1)]


def test_the_list_has_the_current_state_of_accounts(users: UserTable) -> None:
    write(users, user(1))
    users.change(user(1), {"name": "Renamed"})

    assert listed(users) == [replace(user(1), name="Renamed")]


@pytest.mark.parametrize("removed", [0, 1, 2, 3, 4, 5])
def test_no_account_is_skipped_when_one_is_removed_between_pages(users: UserTable, removed: int) -> None:
    accounts = days_apart(6)
    write(users, *accounts)
    paged = pages(users, 2)
    found = list(next(paged).users)

    remove(users, accounts[removed])
    found += [each for page in paged for each in page.users]

    # An account of the first page was listed before it was removed. A later one is not listed.
    assert found == [each for each in accounts if each != accounts[removed] or removed < 2]


@pytest.mark.parametrize("hours", [-1, 13, 25, 37, 24 * 40])
def test_no_account_is_skipped_when_one_is_added_between_pages(users: UserTable, hours: int) -> None:
    accounts = days_apart(6)
    write(users, *accounts)
    paged = pages(users, 2)
    found = list(next(paged).users)
    added = user(99, NOW - timedelta(hours=hours))

    write(users, added)
    found += [each for page in paged for each in page.users]

    assert [each for each in found if each != added] == accounts
    assert found.count(added) == (1 if added.created_at < accounts[1].created_at else 0)


def test_every_month_of_a_year_is_listed(users: UserTable) -> None:
    accounts = [user(month, datetime(2002, month, 28, tzinfo=UTC)) for month in range(12, 0, -1)]
    write(users, *accounts)

    assert listed(users, 5) == accounts


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
def test_an_invalid_cursor_is_an_error(users: UserTable, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        NewestUsers(users).page(at=NOW, size=10, cursor=cursor)


@pytest.mark.parametrize("size", [0, -1, LARGEST_PAGE + 1])
def test_an_invalid_page_size_is_an_error(users: UserTable, size: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        NewestUsers(users).page(at=NOW, size=size)


def test_a_sign_in_does_not_move_an_account(users: UserTable, store: Store, database: Database) -> None:
    """Else every sign-in would write to the index."""
    write(users, user(1))
    keys: Callable[[], set[object]] = lambda: {  # noqa: E731 - one expression, twice
        (item["created_month"], item["created_at"]) for item in database.items("Users") if item["sk"] == "ACCOUNT"
    }
    before = keys()

    store.write(users.signing_in(user(1), NOW + timedelta(days=50), HOME))

    assert keys() == before == {("2003-03", int(NOW.timestamp()))}
