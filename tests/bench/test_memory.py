"""The recommended memory of a function: the cheapest setting that is fast enough."""

from dataclasses import replace

import pytest
from gerbang_bench.memory import Load, load_of, recommended_mb

from tests.bench.samples import cost, function

ENDPOINT = "api/auth/me"
FAST = Load(start_cpu_ms=100.0, call_cpu_ms=2.0, waits=2, peak_mb=50.0)


def test_with_a_whole_core_a_call_takes_its_cpu_time_and_its_waits() -> None:
    assert FAST.call_ms(1769) == pytest.approx(12.0)


def test_half_a_core_doubles_the_cpu_time_and_not_the_waits() -> None:
    assert FAST.call_ms(1769 // 2) == pytest.approx(14.0, abs=0.01)


def test_more_than_one_core_is_not_faster() -> None:
    assert FAST.call_ms(3008) == FAST.call_ms(1769)


def test_a_call_is_billed_by_memory_and_time() -> None:
    assert FAST.gigabyte_seconds(1024) == pytest.approx(1.0 * FAST.call_ms(1024) / 1000)


@pytest.mark.parametrize(
    ("load", "setting"),
    [
        (replace(FAST, start_cpu_ms=70.0, call_cpu_ms=1.0), 128),
        (FAST, 256),
        (replace(FAST, start_cpu_ms=250.0), 512),
        (replace(FAST, call_cpu_ms=20.0), 1024),
        (replace(FAST, call_cpu_ms=200.0), 1769),
        (replace(FAST, start_cpu_ms=70.0, call_cpu_ms=1.0, peak_mb=90.0), 256),
    ],
    ids=["very fast", "fast", "slow start", "much CPU time", "hashes", "much memory"],
)
def test_the_cheapest_setting_that_is_fast_enough_is_recommended(load: Load, setting: int) -> None:
    assert recommended_mb(ENDPOINT, load) == setting


def test_the_mailer_may_be_slow() -> None:
    slow = replace(FAST, start_cpu_ms=500.0, call_cpu_ms=30.0)

    assert recommended_mb(ENDPOINT, slow) == 1769
    assert recommended_mb("mailer", slow) == 128


def test_a_load_uses_the_measurements_of_further_uses() -> None:
    measured = function(start_cpu_ms=80.0, call_cpu_ms=3.0, first_use=cost(waits=4), again=cost(waits=3), peak_mb=40.0)

    assert load_of(measured) == Load(start_cpu_ms=80.0, call_cpu_ms=3.0, waits=3, peak_mb=40.0)


def test_a_function_that_is_never_invoked_has_no_call_time() -> None:
    assert load_of(function(call_cpu_ms=None, again=None)).call_ms(512) == 0.0
