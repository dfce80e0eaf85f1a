"""Parsing values in the formats of databases and other systems."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from gerbang_import import values
from gerbang_import.fields import Fields
from gerbang_import.values import InvalidValue, boolean, instant, locale, since

from tests.tools.imports import STRONG, Import, in_memory, table_of

AT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2020-01-02 03:04:05+00",  # PostgreSQL
        "2020-01-02T03:04:05Z",
        "2020-01-02 03:04:05 UTC",  # Rails
        "2020-01-02 03:04:05.0000000",  # MSSQL's datetime2
        "2020-01-02 05:04:05.0000000 +02:00",  # MSSQL's datetimeoffset
        "2020-01-02 03:04:05",  # MySQL
        "2020-01-02 10:04:05+0700",
        "2020-01-02 08:34:05+05:30",
        "2020-01-02 03:04:05 +0000 UTC",  # Go
        "Thu, 02 Jan 2020 03:04:05 GMT",  # RFC 2822
        "Thu, 2 Jan 2020 10:04:05 +0700",
        "20200102030405Z",  # LDAP
        "1577934245",
        1577934245,
        1577934245.0,
        "1577934245000",
        1577934245000,
        {"$date": "2020-01-02T03:04:05Z"},  # MongoDB
        {"$date": {"$numberLong": "1577934245000"}},
        {"$date": 1577934245000},
    ],
    ids=repr,
)
def test_a_time_is_parsed_in_every_format(written: object) -> None:
    assert instant(written) == AT


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2020-01-02 03:04:05.123456+00", AT.replace(microsecond=123456)),
        ("2020-01-02T03:04:05.123Z", AT.replace(microsecond=123000)),
        ("2020-01-02 03:04:05.1234567", AT.replace(microsecond=123456)),
        ("9999-12-31 23:59:59.9999999 +00:00", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),  # .NET's last
        ("2020-01-02", AT.replace(hour=0, minute=0, second=0)),
        ("infinity", values.FAR_FUTURE),
    ],
)
def test_fractions_and_dates_are_parsed(written: str, read: datetime) -> None:
    assert instant(written) == read


@pytest.mark.parametrize(
    "written",
    ["", "NULL", r"\N", "0000-00-00", "0000-00-00 00:00:00", "0001-01-01T00:00:00", "-infinity", 0, "0"],
    ids=repr,
)
def test_empty_and_zero_dates_are_none(written: object) -> None:
    assert instant(written) is None


@pytest.mark.parametrize(
    "written",
    [
        "20200102030405",  # 14 digits may be anything
        "43832",  # Excel's
        "43832.127835648",
        20200102,
        "02/01/2020",
        "2020-13-01",
        "2020-02-30 00:00:00",
        "yesterday",
        "0001-01-01T00:00:00+14:00",
        True,
        [],
        {},
        {"$date": "x"},
        "1e300",
        "9" * 400,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_an_ambiguous_or_invalid_time_is_an_error(written: object) -> None:
    with pytest.raises(InvalidValue):
        instant(written)


@pytest.mark.parametrize("written", ["t", "1", "yes", "true", "TRUE", "True", "Y", "on", True, 1, "b'1'"], ids=repr)
def test_true_is_parsed_in_every_format(written: object) -> None:
    assert boolean(written) is True
    assert since(written) is True


@pytest.mark.parametrize("written", ["f", "0", "no", "false", "FALSE", "N", "off", False, 0, "b'0'"], ids=repr)
def test_false_is_parsed_in_every_format(written: object) -> None:
    assert boolean(written) is False
    assert since(written) is False


@pytest.mark.parametrize("written", ["perhaps", "2", 7, [], "jein"], ids=repr)
def test_other_values_are_not_booleans(written: object) -> None:
    with pytest.raises(InvalidValue):
        since(written)


def test_a_time_can_stand_for_true() -> None:
    assert since("2020-01-02 03:04:05+00") == AT
    assert since("0000-00-00 00:00:00") is False


@pytest.mark.parametrize(
    ("written", "read"),
    [("en_US", "en"), ("id", "id"), ("en-GB", "en-GB"), ("id_ID.UTF-8", "id"), ("de_CH@euro", "de"), ("fil", "fil")],
)
def test_a_language_is_parsed(written: str, read: str) -> None:
    assert locale(written) == read


@pytest.mark.parametrize("written", ["Bahasa", "e", "en US", "x" * 40, "", "english"])
def test_an_invalid_language_is_an_error(written: str) -> None:
    with pytest.raises(InvalidValue):
        locale(written)


# --- fields


def test_a_field_is_found_in_other_spellings_and_in_nested_objects() -> None:
    record = Fields({"Email Verified": "x", "inner": '{"UserName": "jane", "list": ["a", "b"], "none": "NULL"}'})

    assert (record.get("email_verified"), record.get("emailVerified")) == ("x", "x")
    assert (record.get("inner.user_name"), record.get("inner.list")) == ("jane", "a")
    assert record.get("inner.none", "nothing", "EMAILVERIFIED") == "x"
    assert record.get("inner.list.deeper", "email_verified.deeper") is None


# --- invalid values


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "x" * 201),
        ("name", "Ja\nne"),
        ("username", "j d"),
        ("id", "x" * 129),
        ("number", "2147483648"),
        ("created_at", "yesterday"),
        ("created_at", "20200102030405"),
        ("last_sign_in_at", "43832"),
        ("email_verified", "perhaps"),
        ("locale", "Bahasa"),
        ("credit_balance", "-1"),
        ("credit_balance", "1.5"),
        ("role_id", "4"),
        ("user_metadata", "[1]"),
        ("user_metadata", '{"a": "' + "x" * 8192 + '"}'),
        ("app_metadata", "no json"),
        ("app_metadata", '{"a": "' + "x" * 2048 + '"}'),
        ("identities", '[{"provider": "Not A Name", "subject": "1"}]'),
        ("identities", '[{"provider": "google"}]'),
        ("organization_id", "17"),
        ("disabled", "perhaps"),
        ("banned_until", "soon"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_user_is_imported_without_an_invalid_value(run: Import, column: str, value: str) -> None:
    outcome = run(table_of(("jane@example.com", STRONG, value), header=("email", "password_hash", column)))

    assert (outcome.count.imported, outcome.rejections) == (1, [])
    assert [(line, name) for line, name, _ in outcome.dropped] == [("2", column)]
    assert outcome.count.dropped == {column: 1}


@pytest.fixture
def run(tmp_path: Path) -> Import:
    return in_memory(tmp_path)


@pytest.mark.parametrize("column", ["disabled", "banned_until", "enabled"])
def test_an_invalid_value_about_disabling_disables_the_account(run: Import, column: str) -> None:
    run(table_of(("jane@example.com", STRONG, "unclear"), header=("email", "password_hash", column)))

    assert run.find("jane@example.com").disabled_at is not None


def test_several_invalid_values_are_dropped(run: Import) -> None:
    header = ("email", "password_hash", "username", "created_at", "locale")

    outcome = run(table_of(("jane@example.com", STRONG, "x", "y", "z"), header=header))

    assert [column for _, column, _ in outcome.dropped] == ["created_at", "username", "locale"]
    assert outcome.count.imported == 1


def test_metadata_that_is_not_valid_json_does_not_stop_the_import(run: Import) -> None:
    outcome = run('{"email": "jane@example.com", "user_metadata": {"a": NaN}, "app_metadata": {"a": "\\ud800"}}')

    assert outcome.count.imported == 1
