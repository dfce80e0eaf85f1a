"""Evaluating samples: starts relative to the base, first events relative to warm ones, without hashes."""

import pytest
from gerbang_bench.benches import timed
from gerbang_bench.measuring import ratio

from tests.bench.samples import sample, taken

NO_EVENTS = [sample(100.0), sample(200.0, base_ms=200.0), sample(100.0)]
IDLE = [sample(30.0, taken(1.0, cpu_ms=0.5), taken(1.0, cpu_ms=0.5))] * 3
HASH = [sample(30.0, taken(200.0, hash_ms=200.0), taken(200.0, hash_ms=200.0))] * 3


def test_a_start_is_compared_with_the_base_of_the_same_sample() -> None:
    """So a slow phase of the machine does not change the ratio."""
    own = [sample(150.0), sample(300.0, base_ms=200.0), sample(160.0)]

    assert ratio(own, lambda start: start.ms) == 1.5
    assert timed(own, bare=IDLE, hashed=HASH)["start_ratio"] == 1.5


def test_the_first_event_is_compared_with_the_warm_ones_of_the_same_start() -> None:
    quick = sample(100.0, taken(6.0, waited_ms=3.0), taken(4.0, waited_ms=2.0), taken(4.0, waited_ms=2.0))
    slow = sample(200.0, taken(12.0, waited_ms=3.0), taken(10.0, waited_ms=2.0), taken(10.0, waited_ms=2.0))

    report = timed([quick, slow, quick], bare=IDLE, hashed=HASH)

    assert report["first_over_warm_ms"] == 2.0
    assert report["first_over_warm_waited_ms"] == 1.0


def test_hashes_are_excluded_from_the_difference_between_first_and_warm_events() -> None:
    own = [sample(100.0, taken(215.0, hash_ms=210.0), taken(193.0, hash_ms=190.0), taken(203.0, hash_ms=200.0))] * 3

    report = timed(own, bare=IDLE, hashed=HASH)

    assert report["first_over_warm_ms"] == 2.0
    assert report["first_over_warm_cpu_ms"] == 2.0


def test_a_sign_in_is_compared_with_its_hash_and_with_a_bare_hash() -> None:
    own = [sample(100.0, taken(0.0), taken(204.0, hash_ms=200.0), taken(206.0, hash_ms=200.0))] * 3

    report = timed(own, bare=IDLE, hashed=HASH)

    assert report["hash_ratio"] == pytest.approx(1.025)
    assert report["bare_hash_ratio"] == pytest.approx(1.025)


def test_the_cpu_time_of_the_runtime_client_is_excluded() -> None:
    own = [sample(100.0, taken(9.0), taken(4.0, cpu_ms=2.5), taken(4.0, cpu_ms=2.5))] * 3

    report = timed(own, bare=IDLE, hashed=HASH)

    assert report["call_cpu_ms"] == 2.5
    assert report["own_cpu_ms"] == 2.0


def test_without_events_only_the_start_is_reported() -> None:
    report = timed(NO_EVENTS, bare=IDLE, hashed=HASH)

    assert report["start_ratio"] == 1.0
    assert report["first_ms"] is None
    assert report["call_cpu_ms"] is None
    assert report["hash_ratio"] is None


def test_without_hashes_there_is_no_hash_ratio() -> None:
    report = timed(IDLE, bare=IDLE, hashed=HASH)

    assert report["first_ms"] == 1.0
    assert report["hash_ratio"] is None


def test_the_memory_is_the_maximum_of_all_starts() -> None:
    own = [sample(100.0, peak_mb=peak) for peak in (48.0, 61.0, 50.0)]

    assert timed(own, bare=IDLE, hashed=HASH)["peak_mb"] == 61.0
