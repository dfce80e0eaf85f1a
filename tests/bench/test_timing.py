"""What samples come to: starts over the base's beside them, first events over warm ones, hashes left out."""

import pytest
from gerbang_bench.benches import timed
from gerbang_bench.measuring import ratio

from tests.bench.samples import sample, taken

NO_EVENTS = [sample(100.0), sample(200.0, base_ms=200.0), sample(100.0)]
IDLE = [sample(30.0, taken(1.0, cpu_ms=0.5), taken(1.0, cpu_ms=0.5))] * 3
HASH = [sample(30.0, taken(200.0, hash_ms=200.0), taken(200.0, hash_ms=200.0))] * 3


def test_a_start_is_compared_with_those_of_the_base_beside_it() -> None:
    """A time in which the machine is half as fast changes no ratio."""
    own = [sample(150.0), sample(300.0, base_ms=200.0), sample(160.0)]

    assert ratio(own, lambda start: start.ms) == 1.5
    assert timed(own, bare=IDLE, hashed=HASH)["start_ratio"] == 1.5


def test_the_first_event_is_compared_with_the_warm_ones_of_its_own_start() -> None:
    quick = sample(100.0, taken(6.0, waited_ms=3.0), taken(4.0, waited_ms=2.0), taken(4.0, waited_ms=2.0))
    slow = sample(200.0, taken(12.0, waited_ms=3.0), taken(10.0, waited_ms=2.0), taken(10.0, waited_ms=2.0))

    said = timed([quick, slow, quick], bare=IDLE, hashed=HASH)

    assert said["first_over_warm_ms"] == 2.0
    assert said["first_over_warm_waited_ms"] == 1.0


def test_hashes_are_left_out_of_what_the_first_event_takes_over_the_warm_one() -> None:
    own = [sample(100.0, taken(215.0, hash_ms=210.0), taken(193.0, hash_ms=190.0), taken(203.0, hash_ms=200.0))] * 3

    said = timed(own, bare=IDLE, hashed=HASH)

    assert said["first_over_warm_ms"] == 2.0
    assert said["first_over_warm_cpu_ms"] == 2.0


def test_a_sign_in_is_compared_with_its_own_hash_and_with_a_bare_one() -> None:
    own = [sample(100.0, taken(0.0), taken(204.0, hash_ms=200.0), taken(206.0, hash_ms=200.0))] * 3

    said = timed(own, bare=IDLE, hashed=HASH)

    assert said["hash_ratio"] == pytest.approx(1.025)
    assert said["bare_hash_ratio"] == pytest.approx(1.025)


def test_the_runtime_clients_own_share_is_left_out_of_what_a_function_computes() -> None:
    own = [sample(100.0, taken(9.0), taken(4.0, cpu_ms=2.5), taken(4.0, cpu_ms=2.5))] * 3

    said = timed(own, bare=IDLE, hashed=HASH)

    assert said["call_cpu_ms"] == 2.5
    assert said["own_cpu_ms"] == 2.0


def test_nothing_is_said_of_events_that_there_were_none_of() -> None:
    said = timed(NO_EVENTS, bare=IDLE, hashed=HASH)

    assert said["start_ratio"] == 1.0
    assert said["first_ms"] is None
    assert said["call_cpu_ms"] is None
    assert said["hash_ratio"] is None


def test_nothing_is_said_of_hashes_where_none_was_computed() -> None:
    said = timed(IDLE, bare=IDLE, hashed=HASH)

    assert said["first_ms"] == 1.0
    assert said["hash_ratio"] is None


def test_the_memory_that_counts_is_the_most_of_all_starts() -> None:
    own = [sample(100.0, peak_mb=peak) for peak in (48.0, 61.0, 50.0)]

    assert timed(own, bare=IDLE, hashed=HASH)["peak_mb"] == 61.0
