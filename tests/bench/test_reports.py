"""The performance page: targets, figures, and the README's line about the price."""

import re
from pathlib import Path

import pytest
from gerbang_bench import charts, prices, reports
from gerbang_bench.reports import bills, page, targets, write

from tests.bench.samples import cost, function, results


def row_of(text: str, target: str) -> list[str]:
    [found] = [line for line in text.splitlines() if line.startswith(f"| {target} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


@pytest.mark.parametrize(("ratio", "verdict"), [(1.4, "met"), (1.41, "**missed**")], ids=["at the limit", "above it"])
def test_a_target_is_met_up_to_its_limit(ratio: float, verdict: str) -> None:
    text = page(results(**{"api/auth/login": function(start_ratio=ratio, hash_ratio=1.0)}))

    assert row_of(text, "start of `api/auth/login`, ratio") == [
        "start of `api/auth/login`, ratio",
        "1.4",
        f"{ratio:.2f}",
        verdict,
    ]


def test_every_kind_of_target_is_on_the_page() -> None:
    text = page(results())

    for target in (
        "start of `api/auth/refresh`, ratio",
        "CPU of `api/auth/login`, ratio to its calls as bare reads",
        "CPU of `authorizer`, ratio to its calls as bare reads",
        "first event of `auth/otp` over the warm one, in bare reads",
        "round trips of `authorizer`",
    ):
        assert row_of(text, target)[3] == "met", target


def test_the_slowest_start_has_a_target() -> None:
    text = page(results(**{"auth/otp": function(start_ratio=1.51)}))

    assert row_of(text, "slowest start (`auth/otp`), ratio")[3] == "**missed**"


def test_the_first_use_counts_for_a_budget() -> None:
    expensive = function(first_use=cost(round_trips=3), again=cost(round_trips=1))

    assert ("round trips of `authorizer`", 2, 3.0) in targets(results(authorizer=expensive))


def test_the_cpu_target_depends_on_the_number_of_calls() -> None:
    me = function(own_cpu_ms=2.1, call_cpu_ms=2.3, again=cost(calls=2))

    assert ("CPU of `api/auth/me`, ratio to its calls as bare reads", 2.1, 2.1 / (2 * 0.7)) in targets(
        results(**{"api/auth/me": me})
    )


def test_first_events_have_a_target_except_the_mailers() -> None:
    slow = function(first_over_warm_ms=2.8)

    found = [target for target in targets(results(mailer=slow, **{"auth/otp": slow})) if target[2] == 2.8 / 0.7]

    assert found == [("first event of `auth/otp` over the warm one, in bare reads", 3.5, 4.0)]


def test_no_target_is_missed_in_the_repository() -> None:
    assert [name for name, most, value in targets(prices.measured()) if value > most] == []


def test_functions_that_were_not_measured_have_no_targets() -> None:
    partly = results()
    partly["functions"] = {"jwks": function(first_over_warm_ms=None)}

    assert [name for name, _, _ in targets(partly)] == ["slowest start (`jwks`), ratio"]


def test_different_costs_of_first_and_further_uses_are_both_shown() -> None:
    [found] = [line for line in page(results()).splitlines() if line.startswith("| `authorizer` | 2, then 1 |")]

    assert "| 1, then 0 |" in found


def test_cpu_time_is_shown_next_to_that_of_as_many_bare_reads() -> None:
    refresh = function(again=cost(calls=2), own_cpu_ms=2.1)

    text = page(results(**{"api/auth/refresh": refresh}))

    assert "| `api/auth/refresh` | 2 | 2.10 | 1.40 | 1.50 |" in text


def test_a_function_that_is_never_invoked_has_only_a_start() -> None:
    never = dict.fromkeys(
        ("first_ms", "warm_ms", "first_over_warm_ms", "first_over_warm_waited_ms", "first_over_warm_cpu_ms")
    )
    idle = function(**never, call_cpu_ms=None, own_cpu_ms=None, again=None)

    text = page(results(rotation=idle))

    lines = [line for line in text.splitlines() if "`rotation`" in line]
    assert len(lines) == 1
    assert lines[0].startswith("| `rotation` | 1.10 | 1.10 | 400 |  |  |")


def test_the_page_names_machine_versions_and_date() -> None:
    text = page(results())

    for fact in ("2026-01-02T03:04:05+00:00", "3 rounds", "Z80", "CP/M 2.2", "Python 3.13.0", "botocore 1.0"):
        assert fact in text


def test_the_page_links_to_rejected_optimisations() -> None:
    assert "](performance-tried.md)" in page(results())
    assert (reports.PAGE.parent / "performance-tried.md").exists()


def test_writing_the_page_updates_the_readmes_line(tmp_path: Path) -> None:
    readme, written = tmp_path / "README.md", tmp_path / "performance.md"
    readme.write_text("Before.\n<!-- bill -->\nold\n<!-- /bill -->\nAfter.\n")

    write(results(), written, readme)

    made = prices.bill(prices.USERS, prices.REGION, results())
    assert readme.read_text() == f"Before.\n<!-- bill -->\n{prices.line(made)}\n<!-- /bill -->\nAfter.\n"
    assert written.read_text() == page(results(), bills(results()))


def test_the_readme_has_the_monthly_price_that_the_measurements_give() -> None:
    bill = prices.bill(prices.USERS, prices.REGION, prices.measured())

    [printed] = re.findall(r"^<!-- bill -->\n(.*?)\n<!-- /bill -->$", reports.README.read_text("utf-8"), re.MULTILINE)

    assert printed == prices.line(bill), "run `make price ARGS=--write`"


def test_the_page_in_the_repository_is_up_to_date() -> None:
    """It is generated from `measured.json` and `prices.toml`."""
    measured = prices.measured()

    written = reports.PAGE.read_text("utf-8")

    assert written == page(measured, bills(measured)), (
        "run `make bench`, or, for prices alone, `make price ARGS=--write`"
    )


def test_the_charts_in_the_repository_are_up_to_date() -> None:
    drawn = charts.charts(prices.measured())

    assert {name: (reports.CHARTS / name).read_text("utf-8") for name in drawn} == drawn
    assert "api/auth/login" in drawn["starts.svg"]
    assert "Cognito Essentials, $14,900" in drawn["price.svg"]
    assert all(f"]({reports.CHARTS.name}/{name})" in reports.PAGE.read_text("utf-8") for name in drawn)
