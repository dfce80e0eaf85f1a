"""The memory that a function should have: the cheapest at which it is quick enough."""

from dataclasses import replace

import pytest
from gerbang_bench.memory import Load, load_of, recommended_mb

from tests.bench.samples import cost, function

ENDPOINT = "api/auth/me"
QUICK = Load(start_cpu_ms=100.0, call_cpu_ms=2.0, waits=2, peak_mb=50.0)


def test_a_whole_core_makes_a_call_take_its_cpu_and_its_waits() -> None:
    assert QUICK.call_ms(1769) == pytest.approx(12.0)


def test_half_a_core_doubles_the_computing_and_not_the_waiting() -> None:
    assert QUICK.call_ms(1769 // 2) == pytest.approx(14.0, abs=0.01)


def test_more_than_a_whole_core_makes_nothing_quicker() -> None:
    assert QUICK.call_ms(3008) == QUICK.call_ms(1769)


def test_a_call_is_billed_by_its_memory_and_its_time() -> None:
    assert QUICK.gigabyte_seconds(1024) == pytest.approx(1.0 * QUICK.call_ms(1024) / 1000)


@pytest.mark.parametrize(
    ("load", "setting"),
    [
        (replace(QUICK, start_cpu_ms=70.0, call_cpu_ms=1.0), 128),
        (QUICK, 256),
        (replace(QUICK, start_cpu_ms=250.0), 512),
        (replace(QUICK, call_cpu_ms=20.0), 1024),
        (replace(QUICK, call_cpu_ms=200.0), 1769),
        (replace(QUICK, start_cpu_ms=70.0, call_cpu_ms=1.0, peak_mb=90.0), 256),
    ],
    ids=["next to nothing", "quick", "slow to start", "computes much", "hashes", "needs the room"],
)
def test_the_cheapest_setting_that_is_quick_enough_is_recommended(load: Load, setting: int) -> None:
    assert recommended_mb(ENDPOINT, load) == setting


def test_nobody_waits_for_the_mailer() -> None:
    slow = replace(QUICK, start_cpu_ms=500.0, call_cpu_ms=30.0)

    assert recommended_mb(ENDPOINT, slow) == 1769
    assert recommended_mb("mailer", slow) == 128


def test_a_load_is_what_was_measured_of_further_uses() -> None:
    measured = function(start_cpu_ms=80.0, call_cpu_ms=3.0, first_use=cost(waits=4), again=cost(waits=3), peak_mb=40.0)

    assert load_of(measured) == Load(start_cpu_ms=80.0, call_cpu_ms=3.0, waits=3, peak_mb=40.0)


def test_what_nobody_invokes_is_only_started() -> None:
    assert load_of(function(call_cpu_ms=None, again=None)).call_ms(512) == 0.0
