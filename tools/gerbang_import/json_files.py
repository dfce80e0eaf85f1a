"""JSON Lines, and JSON documents of any size: an array of users, an object with one, objects one after another."""

import json
from collections.abc import Iterator
from typing import Any, cast

import ijson  # type: ignore[import-untyped]

from gerbang_import.records import NOT_UTF_8, Lines, Record, Rejection, Unreadable, is_utf_8

type _Events = Iterator[tuple[str, Any]]


def line_records(lines: Lines) -> Iterator[Record | Rejection]:
    """Return the objects of JSON Lines."""
    for text in lines:
        if not text.strip():
            continue
        if not is_utf_8(text):
            yield Rejection(lines.read, NOT_UTF_8, text=text)
            continue
        try:
            members: Any = json.loads(text)
        except (ValueError, RecursionError):
            yield Rejection(lines.read, "is not JSON", text=text)
            continue
        if isinstance(members, dict):
            yield Record(lines.read, cast("dict[str, object]", members), lines.read_bytes)
        else:
            yield Rejection(lines.read, "is not a JSON object", text=text)


def document_records(lines: Lines, collection: str) -> Iterator[Record | Rejection]:
    """Return the objects of an array, of the array *collection* of an object, or objects one after another.

    Raises:
        Unreadable: it is not JSON from some line on, or holds no such objects.
    """
    number = 0
    try:
        for line, value in _users(_events(lines), collection, lines):
            number += 1
            if isinstance(value, dict):
                yield Record(line, cast("dict[str, object]", value), lines.read_bytes)
            else:
                yield Rejection(line, "is not a JSON object", text=json.dumps(value))
    except (ijson.JSONError, UnicodeDecodeError, RecursionError, StopIteration) as error:
        sentence = "not UTF-8: save it as UTF-8" if _is_about_encoding(error) else "not JSON"
        raise Unreadable(f"The file is {sentence}. Line {lines.read} cannot be read.") from None
    if not number:
        raise Unreadable(f"The file holds no users: it is no array, and has no array named {collection}.")


def _is_about_encoding(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) or "utf8" in str(error).lower().replace("-", "")


def _events(lines: Lines) -> _Events:
    events: Any = ijson.sendable_list()
    parser: Any = ijson.basic_parse_coro(events, use_float=True, multiple_values=True)
    for chunk in lines.chunks():
        parser.send(chunk)
        yield from events
        del events[:]
    parser.close()
    yield from events


def _users(events: _Events, collection: str, lines: Lines) -> Iterator[tuple[int, object]]:
    """Return the values that are users, each with the line on which it begins."""
    for event, value in events:
        line = lines.read
        if event == "start_array":
            yield from _members(events, lines)
        elif event == "start_map":
            members: dict[str, object] = {}
            has_collection = False
            for _, key in _until("end_map", events):
                event_of_member, member = next(events)
                if key == collection and event_of_member == "start_array":
                    has_collection = True
                    yield from _members(events, lines)
                else:
                    members[key] = _value(event_of_member, member, events)
            if not has_collection:
                yield line, members
        else:
            yield line, value


def _members(events: _Events, lines: Lines) -> Iterator[tuple[int, object]]:
    for event, value in _until("end_array", events):
        line = lines.read
        yield line, _value(event, value, events)


def _value(event: str, value: Any, events: _Events) -> object:
    if event == "start_map":
        return {key: _value(*next(events), events) for _, key in _until("end_map", events)}
    if event == "start_array":
        return [_value(*one, events) for one in _until("end_array", events)]
    return cast("object", value)


def _until(end: str, events: _Events) -> _Events:
    for one in events:
        if one[0] == end:
            return
        yield one
