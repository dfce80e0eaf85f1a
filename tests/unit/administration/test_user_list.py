"""Supabase Auth's list of users for administrators: its order, its pages and its filter."""

from datetime import timedelta

import pytest

from tests.deployment import BOB, HOME
from tests.gateway_events import body_of
from tests.unit.administration.client import CAROL, Admin
from tests.unit.mail_deployment import MailDeployment


def test_users_are_listed_newest_first_with_their_identities(admin: Admin, app: MailDeployment) -> None:
    first = app.register(BOB).user.user_id
    app.base.clock.advance(timedelta(seconds=5))
    second = admin.create(email=CAROL)["id"]
    app.guests.admit(HOME)

    answer = admin.ask("GET")
    body = body_of(answer)

    assert body["aud"] == "authenticated"
    assert [user["id"] for user in body["users"]] == [second, first]
    assert body["users"] == [admin("GET", user_id)[1] for user_id in (second, first)]
    assert answer["headers"]["x-total-count"] == "2"
    assert answer["headers"]["link"] == '</admin/users?page=1&per_page=50>; rel="last"'


def test_the_link_header_names_the_next_and_the_last_page(admin_in_memory: Admin) -> None:
    for number in range(7):
        admin_in_memory.base.clock.advance(timedelta(seconds=1))
        admin_in_memory.create(email=f"user-{number}@example.com")

    def page(number: int) -> tuple[list[str], str]:
        answer = admin_in_memory.ask("GET", query={"page": str(number), "per_page": "3"})
        assert answer["headers"]["x-total-count"] == "7"
        return [user["email"] for user in body_of(answer)["users"]], answer["headers"]["link"]

    assert page(1) == (
        [f"user-{number}@example.com" for number in (6, 5, 4)],
        '</admin/users?page=2&per_page=3>; rel="next", </admin/users?page=3&per_page=3>; rel="last"',
    )
    assert page(2)[1] == '</admin/users?page=3&per_page=3>; rel="next", </admin/users?page=3&per_page=3>; rel="last"'
    assert page(3) == (["user-0@example.com"], '</admin/users?page=3&per_page=3>; rel="last"')
    assert page(9) == ([], '</admin/users?page=3&per_page=3>; rel="last"')


@pytest.mark.parametrize("query", [{"page": "", "per_page": ""}, {"page": "1"}, {"per_page": "1000"}, {"sort": "x"}])
def test_page_parameters_have_defaults(admin_in_memory: Admin, query: dict[str, str]) -> None:
    admin_in_memory.create(email=CAROL)

    answer = admin_in_memory.ask("GET", query=query)

    assert len(body_of(answer)["users"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"per_page": "0"},
        {"page": "1000001"},
        {"page": "9" * 20},
        {"page": "\u0661"},
    ],
)
def test_an_invalid_page_parameter_is_400(admin_in_memory: Admin, query: dict[str, str]) -> None:
    answer = admin_in_memory.ask("GET", query=query)

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (400, "validation_failed")


@pytest.mark.parametrize(
    ("text", "found"),
    [(CAROL, 1), (" Carol@EXAMPLE.com", 1), ("carol", 0), ("@example.com", 0), ("dan@example.com", 0)],
)
def test_the_filter_matches_a_complete_address_only(admin_in_memory: Admin, text: str, found: int) -> None:
    admin_in_memory.create(email=CAROL)

    answer = admin_in_memory.ask("GET", query={"filter": text, "page": "", "per_page": ""})

    assert [user["email"] for user in body_of(answer)["users"]] == [CAROL] * found
    assert answer["headers"]["x-total-count"] == str(found)
