"""gerbang.storage.numbered_pages: accounts are listed by page number; no account is skipped by reading on."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from gerbang.storage.listings import ListingTable
from gerbang.storage.numbered_pages import EMPTY_FOR, REMEMBERED, NumberedPage, NumberedPages
from gerbang.storage.users import UserTable

from tests.conftest import Database
from tests.fakes import FakeClock, PassingStore
from tests.unit.user_pages.accounts import days_apart, remove, user, write

if TYPE_CHECKING:
    from gerbang.storage.accounts import User

NOW = datetime(2026, 3, 1, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def users(database: Database) -> UserTable:
    return UserTable(database.store, database.tables["Users"])


@pytest.fixture
def pages(database: Database, users: UserTable, clock: FakeClock) -> NumberedPages:
    return NumberedPages(users, ListingTable(database.store, database.tables["OneTimeCodes"]), clock)


def all_pages(pages: NumberedPages, size: int, caller: str = "me") -> Iterator[NumberedPage]:
    number = 1
    page = pages.page(1, size=size, caller=caller)
    yield page
    while not page.is_last:
        number += 1
        page = pages.page(number, size=size, caller=caller)
        yield page


@pytest.mark.parametrize("size", [3, 7, 69, 70, 150])
def test_the_pages_list_all_accounts_newest_first(users: UserTable, pages: NumberedPages, size: int) -> None:
    accounts = days_apart(70)
    write(users, *accounts)

    read = list(all_pages(pages, size))

    assert [account for page in read for account in page.users] == accounts
    assert [page.number for page in read] == list(range(1, -(-70 // size) + 1))
    assert {page.total for page in read} == {70}
    assert all(len(page.users) == size for page in read[:-1])


def test_an_empty_table_has_one_empty_page(pages: NumberedPages) -> None:
    page = pages.page(1, size=10, caller="me")

    assert (page.users, page.total, page.is_last) == ((), 0, True)


@pytest.mark.parametrize("number", [1, 2, 4, 7])
def test_any_page_can_be_read_first(users: UserTable, pages: NumberedPages, number: int) -> None:
    accounts = days_apart(70)
    write(users, *accounts)

    page = pages.page(number, size=10, caller="me")

    assert list(page.users) == accounts[10 * (number - 1) : 10 * number]
    assert (page.total, page.is_last) == (70, number == 7)


@pytest.mark.parametrize("number", [8, 9, 100])
def test_a_page_after_the_last_is_empty(users: UserTable, pages: NumberedPages, number: int) -> None:
    write(users, *days_apart(70))

    page = pages.page(number, size=10, caller="me")

    assert (page.users, page.total, page.is_last) == ((), 70, True)


def test_the_page_after_the_last_is_empty_after_reading_all_pages(users: UserTable, pages: NumberedPages) -> None:
    write(users, *days_apart(5))
    list(all_pages(pages, 3))

    assert pages.page(3, size=3, caller="me").users == ()


def test_added_and_removed_accounts_do_not_move_others_to_another_page(users: UserTable, pages: NumberedPages) -> None:
    accounts = days_apart(40)
    write(users, *accounts)
    first = pages.page(1, size=10, caller="me")

    remove(users, accounts[0])
    write(users, *(user(100 + number, NOW) for number in range(3)))
    second = pages.page(2, size=10, caller="me")

    assert [*first.users, *second.users] == accounts[:20]


def test_a_page_can_be_read_again(users: UserTable, pages: NumberedPages) -> None:
    accounts = days_apart(40)
    write(users, *accounts)
    pages.page(1, size=10, caller="me")
    second = pages.page(2, size=10, caller="me")

    remove(users, accounts[3])

    assert pages.page(2, size=10, caller="me") == second
    assert list(pages.page(3, size=10, caller="me").users) == accounts[20:30]


def test_each_caller_has_its_own_pages(users: UserTable, pages: NumberedPages) -> None:
    accounts = days_apart(40)
    write(users, *accounts)
    pages.page(1, size=10, caller="me")
    remove(users, accounts[3])

    pages.page(1, size=10, caller="another")

    assert list(pages.page(2, size=10, caller="me").users) == accounts[10:20]


def test_pages_are_counted_again_after_a_while(users: UserTable, pages: NumberedPages, clock: FakeClock) -> None:
    accounts = days_apart(40)
    write(users, *accounts)
    pages.page(1, size=10, caller="me")
    remove(users, accounts[3])

    clock.advance(REMEMBERED)

    page = pages.page(2, size=10, caller="me")
    assert (list(page.users), page.total) == (accounts[11:21], 39)


def test_an_account_imported_into_an_old_month_is_listed_after_a_while(
    users: UserTable, pages: NumberedPages, clock: FakeClock
) -> None:
    pages.page(1, size=10, caller="me")
    old = user(1, datetime(2001, 5, 1, tzinfo=UTC))
    write(users, old)

    clock.advance(EMPTY_FOR)

    assert pages.page(1, size=10, caller="me").users == (old,)


def test_months_without_accounts_are_queried_once(users: UserTable, clock: FakeClock, database: Database) -> None:
    write(users, *days_apart(40))
    watched = PassingStore(database.store)
    listings = ListingTable(watched, database.tables["OneTimeCodes"])
    pages = NumberedPages(replace(users, store=watched), listings, clock)
    pages.page(1, size=10, caller="me")
    assert len(watched.calls) > 12 * 26

    watched.calls.clear()
    pages.page(2, size=10, caller="me")

    # Reads the position, the keys and the accounts, and writes the position.
    assert sorted(call.method for call in watched.calls) == ["get", "get_all", "query", "write"]


def test_more_accounts_than_are_counted_are_all_listed(
    users: UserTable, pages: NumberedPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerbang.storage.numbered_pages.MOST_COUNTED", 20)
    accounts = [user(number, NOW - timedelta(days=20 * number)) for number in range(40)]
    write(users, *accounts)

    read = list(all_pages(pages, 10))

    assert [account for page in read for account in page.users] == accounts
    assert 20 <= read[0].total <= 40


def test_removed_accounts_are_not_listed(users: UserTable, pages: NumberedPages) -> None:
    accounts: list[User] = days_apart(5)
    write(users, *accounts)
    remove(users, accounts[2])

    assert list(pages.page(1, size=5, caller="me").users) == [*accounts[:2], *accounts[3:]]
