"""gerbang.apis.gotrue.durations: the durations of bans, in Go's notation."""

from datetime import timedelta

import pytest
from gerbang.apis.gotrue.durations import LONGEST, InvalidDuration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0", timedelta()),
        ("24h", timedelta(hours=24)),
        ("90m", timedelta(minutes=90)),
        ("1h30m10.5s", timedelta(hours=1, minutes=30, seconds=10.5)),
        (".5h", timedelta(minutes=30)),
        ("1.h", timedelta(hours=1)),
        ("1500ms", timedelta(seconds=1.5)),
        ("3µs", timedelta(microseconds=3)),
        ("999ns", timedelta()),
        ("876000h", timedelta(hours=876_000)),
        ("2562047h47m16.854775807s", LONGEST),
    ],
)
def test_a_duration_is_parsed_as_go_does(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "h",
        "1d",
        "-1h",
        "+1h",
        " 1h",
        "1h ",
        "1e3h",
        "1,5h",
        ".h",
        "2562048h",
        "9" * 70 + "h",
        "\u0661h",
        "1h1",
        "none",
    ],
)
def test_an_invalid_duration_is_rejected(text: str) -> None:
    with pytest.raises(InvalidDuration):
        parse_duration(text)
