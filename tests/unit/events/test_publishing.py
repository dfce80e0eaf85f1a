"""gerbang.events.publishing: events are published at least once, in order."""

from typing import Any

from gerbang.events.publishing import Publisher, handler
from gerbang.storage.store import Key

from tests.deployment import Deployment
from tests.fakes import RecordingLog
from tests.unit.events.stream import Bus, Streaming, stream_record


def test_a_repeated_event_has_the_same_id(
    streaming: Deployment, publisher: Publisher, bus: Bus, store: Streaming
) -> None:
    streaming.register()

    for _ in range(2):
        assert publisher.publish(store.records) is None

    ids = [detail["id"] for detail in bus.details]
    half = len(ids) // 2
    assert ids[:half] == ids[half:]
    assert len(set(ids)) == half


def session_records(number: int) -> list[dict[str, Any]]:
    return [
        stream_record(Key("RefreshTokenFamilies", "1", f"{n}"), None, {}, at=1, number=n) for n in range(1, number + 1)
    ]


def test_events_are_put_ten_at_a_time_in_order(publisher: Publisher, bus: Bus) -> None:
    assert publisher.publish(session_records(25)) is None

    assert [detail["data"]["session_id"] for detail in bus.details] == [f"{n}" for n in range(1, 26)]


def test_after_a_rejected_event_all_later_ones_are_delivered_again(
    publisher: Publisher, bus: Bus, log: RecordingLog
) -> None:
    """Lambda delivers the batch again from the reported number on."""
    bus.fails = lambda entry: "ThrottlingException" if '"13"' in entry["Detail"] else None

    answer = handler(publisher)({"Records": session_records(25)}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "13"}]}
    [note] = [note for note in log.notes if note.event == "events_delayed"]
    assert note.fields == {"sequence_number": "13", "reason": "ThrottlingException"}
    bus.fails = lambda _entry: None
    assert handler(publisher)({"Records": session_records(25)[12:]}, None) == {"batchItemFailures": []}
    assert {detail["data"]["session_id"] for detail in bus.details} == {f"{n}" for n in range(1, 26)}


def test_without_the_bus_the_whole_batch_is_delivered_again(publisher: Publisher, bus: Bus) -> None:
    bus.is_down = True

    assert publisher.publish(session_records(3)) == "1"


def test_an_empty_batch_makes_no_call(publisher: Publisher, bus: Bus, log: RecordingLog) -> None:
    bus.is_down = True

    assert publisher.publish([]) is None
    assert log.events == []
