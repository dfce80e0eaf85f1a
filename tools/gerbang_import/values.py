"""Reads values as databases and other systems write them: instants, yes and no, numbers, names, languages, JSON, none.

A reader raises `InvalidValue` rather than guess. The message never quotes the value.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

from gerbang.apis.fields import as_name

NONE: Final = frozenset({"", "NULL", "null", r"\N", "<null>"})
"""Texts that mean no value: empty, SQL's NULL in CSV files, and its form in files of PostgreSQL's COPY and MySQL."""

FAR_FUTURE: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""What PostgreSQL's `infinity` is read as."""

_YES: Final = frozenset({"true", "t", "yes", "y", "1", "on", "b'1'", "\x01"})
_NO: Final = frozenset({"false", "f", "no", "n", "0", "off", "b'0'", "\x00"})

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_SECONDS: Final = range(10**8, 10**10)
"""Epoch seconds of the years 1973 to 2286. Numbers outside both ranges, such as Excel's dates, mean something else."""
_MILLISECONDS: Final = range(10**11, 10**13)

_NO_DATE: Final = re.compile(r"(0000-00-00|0001-01-01)([ T]00:00:00(\.0+)?)?( ?(Z|[+-]00:?00))?|-infinity")
"""MySQL's zero date, .NET's DateTime.MinValue, PostgreSQL's `-infinity`."""

_ISO: Final = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[ T](?P<time>\d{1,2}:\d{2}(?::\d{2})?)(?P<fraction>[.,]\d+)?"
    r"\s*(?P<zone>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?(?::?\d{2})?)?(?: [A-Z]{3,5})?)?"
)
"""ISO 8601 with the liberties of PostgreSQL (`+00`), MSSQL (seven decimals), Rails (` UTC`) and Go (`+0000 UTC`)."""

_GENERALIZED: Final = re.compile(r"(\d{14})(?:[.,]\d+)?Z")
"""LDAP's (RFC 4517, section 3.3.13): without the Z, 14 digits might be anything."""

_LOCALE: Final = re.compile(r"(?P<language>[A-Za-z]{2,3})(?P<rest>(?:-[A-Za-z0-9]{2,8})*)(?:_[A-Za-z]+)?(?:[.@].*)?")
_LONGEST_LOCALE: Final = 35
"""Characters that RFC 5646, section 4.4.1, expects of a language tag at most."""

_WHOLE: Final = re.compile(r"-?\d{1,19}(\.0*)?")


class InvalidValue(ValueError):
    """A value cannot be read; the text says why, without quoting it."""


def is_none(value: object) -> bool:
    """Say whether a value means that there is none."""
    return value is None or (isinstance(value, str) and value.strip() in NONE)


def instant(value: object) -> datetime | None:
    """Return the instant that *value* names, in UTC; None for dates that mean none, such as `0000-00-00`.

    Text: ISO 8601 and its relatives, RFC 2822, epoch seconds or milliseconds. JSON: also `{"$date": …}` of MongoDB's
    Extended JSON. Without a zone it is in UTC.

    Raises:
        InvalidValue: it is none of these, or a number that is neither seconds nor milliseconds since 1970.
    """
    if isinstance(value, Mapping):
        return _mongo_instant(cast("Mapping[str, object]", value))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValue("is not a date")
    text = str(value).strip()
    if text in NONE or _NO_DATE.fullmatch(text):
        return None
    if _NUMBER.fullmatch(text):
        return _epoch_instant(float(text))
    return FAR_FUTURE if text == "infinity" else _written_instant(text)


def boolean(value: object) -> bool:
    """Return the truth value of a word or number that means yes or no.

    Raises:
        InvalidValue: it means neither.
    """
    text = str(value).strip().lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise InvalidValue("is neither yes nor no")


def since(value: object) -> datetime | bool:
    """Return yes, no, or since when: how systems write that an address is verified or an account disabled.

    Raises:
        InvalidValue: it is neither a truth value nor an instant.
    """
    try:
        return boolean(value)
    except InvalidValue:
        return instant(value) or False


def whole_number(value: object, allowed: range) -> int:
    """Return a whole number in a range.

    Raises:
        InvalidValue: it is something else.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not _WHOLE.fullmatch(text):
        raise InvalidValue("is not a whole number")
    number = int(text.partition(".")[0])
    if number not in allowed:
        raise InvalidValue(f"is not a number from {allowed.start} to {allowed.stop - 1}")
    return number


def display_name(value: object) -> str:
    """Return the name of a user or an organization.

    Raises:
        InvalidValue: it is too long, or has no visible characters, or has control characters.
    """
    name = as_name(value)
    if name is None:
        raise InvalidValue("is not 1 to 200 visible characters without control characters")
    return name


def locale(value: object) -> str:
    """Return a language as a tag: `en-GB` as it is, `en_US` and `id_ID.UTF-8` as the language alone.

    Raises:
        InvalidValue: it is not one.
    """
    found = _LOCALE.fullmatch(str(value).strip())
    if found is None or len(found["language"] + found["rest"]) > _LONGEST_LOCALE:
        raise InvalidValue("is not a language such as id or en-GB")
    return found["language"] + found["rest"]


def json_object(value: object) -> dict[str, Any]:
    """Return an object of JSON, also if it is written as text, or as Python writes a dict of plain texts.

    Raises:
        InvalidValue: it is something else.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidValue("is not JSON") from None
    if not isinstance(value, Mapping):
        raise InvalidValue("is not a JSON object")
    return dict(cast("Mapping[str, Any]", value))


def _written_instant(text: str) -> datetime:
    if (generalized := _GENERALIZED.fullmatch(text)) is not None:
        return _checked(lambda: datetime.strptime(generalized[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC))
    if (iso := _ISO.fullmatch(text)) is not None:
        return _checked(lambda: _iso_instant(iso))
    return _checked(lambda: _in_utc(parsedate_to_datetime(text)))


def _mongo_instant(value: Mapping[str, object]) -> datetime | None:
    inner = value.get("$date", value.get("$numberLong"))
    if inner is None:
        raise InvalidValue("is not a date")
    return instant(inner)


def _epoch_instant(number: float) -> datetime | None:
    if number == 0:
        return None
    if math.isfinite(number) and int(number) in _SECONDS:
        return datetime.fromtimestamp(number, UTC)
    if math.isfinite(number) and int(number) in _MILLISECONDS:
        return datetime.fromtimestamp(number / 1000, UTC)
    raise InvalidValue("is a number that is neither seconds nor milliseconds since 1970: write dates as 2020-01-31")


def _iso_instant(found: re.Match[str]) -> datetime:
    clock = found["time"] or "00:00"
    local = datetime.fromisoformat(f"{found['date']}T{clock.zfill(5) if clock.count(':') == 1 else clock.zfill(8)}")
    microseconds = int((found["fraction"] or "")[1:7].ljust(6, "0"))
    zone = (found["zone"] or "Z").upper().replace("UTC", "Z").replace("GMT", "Z")
    offset = datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo
    return _in_utc((local + timedelta(microseconds=microseconds)).replace(tzinfo=offset))


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _checked(read: Callable[[], datetime]) -> datetime:
    try:
        return read()
    except (ValueError, OverflowError, TypeError):  # also a date that no calendar has, or beyond the years 1 to 9999
        raise InvalidValue("is not a date such as 2020-01-31T09:00:00Z") from None
