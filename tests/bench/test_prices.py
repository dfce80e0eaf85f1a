"""The monthly price: habits of users, times measurements, times list prices."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from gerbang_bench import prices
from gerbang_bench.prices import NotMeasured, bill, line, stepped

from tests.bench.samples import cost, function, results

ROOT = Path(__file__).parents[2]
PRICES = """
as_of = "some day"
[regions.here]
api_million_requests = [[1, 2.0], [inf, 1.0]]
lambda_million_requests = 10.0
lambda_gigabyte_second = 0.001
dynamodb_million_writes = 100.0
dynamodb_million_reads = 10.0
dynamodb_gigabyte_month = 1.0
dynamodb_backup_gigabyte_month = 1.0
sqs_million_requests = 1.0
mail_thousand = 1.0
secret_month = 3.0
secret_million_reads = 0.0
log_gigabyte = 0.0
metric_month = 1.0
alarm_month = 1.0
dashboard_month = 1.0
transfer_gigabyte = 0.0
[given]
"SQS" = { sqs_million_requests = 2 }
"CloudWatch metrics" = { metric_month = 100 }
[cognito]
Essentials = [[10, 0], [inf, 1.0]]
Lite = [[10, 0], [inf, 0.5]]
[habits.registrations]
times = 1
functions = ["api/auth/register"]
[habits.authorized_calls]
times = 10
first_uses = 1
functions = ["authorizer"]
[habits.mailed_codes]
times = 1
functions = ["auth/otp", "mailer"]
[assumed]
cold_share = 0.0
environments = 0
platform_log_bytes = 0
stored_bytes_per_user = 1000
idle_receives = 1_000_000
secrets = 2
alarms = 4
dashboards = 1
metrics = 3
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES)
    return file


def bill_of(listed: Path, users: int = 1_000_000, functions: Mapping[str, Any] = MappingProxyType({})) -> prices.Bill:
    return bill(users, "here", results(**functions), listed)


@pytest.mark.parametrize(("amount", "dollars"), [(0, 0.0), (5, 0.0), (10, 0.0), (12, 2.0), (20, 10.0), (30, 15.0)])
def test_a_tiered_price_is_computed_tier_by_tier(amount: float, dollars: float) -> None:
    assert stepped(amount, [[10, 0.0], [20, 1.0], [float("inf"), 0.5]]) == dollars


def test_first_uses_and_further_uses_are_billed_separately(listed: Path) -> None:
    """A million users make ten calls each. One of them is the first use of a token."""
    first, again = cost(read_units=3.0, write_units=1.0), cost(read_units=2.0, write_units=0.0)

    total_bill = bill_of(listed, functions={"authorizer": function(first_use=first, again=again)})

    assert total_bill.parts["authorized_calls"]["DynamoDB"] == pytest.approx((3 + 9 * 2) * 10.0 + 1 * 100.0)


def test_requests_to_other_apis_are_not_part_of_the_price(listed: Path) -> None:
    total_bill = bill_of(listed)

    assert total_bill.parts["authorized_calls"]["API Gateway"] == 0.0
    assert total_bill.parts["authorized_calls"]["Lambda requests"] > 0.0


def test_requests_of_all_habits_count_together_for_tiers(listed: Path) -> None:
    """A million registrations and a million codes: the second million is cheaper."""
    assert bill_of(listed).services["API Gateway"] == pytest.approx(2.0 + 1.0)


def test_a_mail_costs_three_sqs_requests_and_one_ses_mail(listed: Path) -> None:
    queueing = function(again=cost(queued=1))

    total_bill = bill_of(listed, functions={"auth/otp": queueing})

    assert total_bill.parts["mailed_codes"]["SQS"] == pytest.approx(3.0)
    assert total_bill.parts["mailed_codes"]["SES"] == pytest.approx(1000.0)


def test_lambda_bills_whole_milliseconds_and_the_configured_memory(listed: Path) -> None:
    """Two waits and CPU time of 10.2 ms are billed as 11 ms with half a gigabyte."""
    measured = function(call_cpu_ms=0.2 / (1769 / 512), again=cost(waits=2), memory_mb=512)

    total_bill = bill_of(listed, functions={"authorizer": measured})

    assert total_bill.parts["authorized_calls"]["Lambda requests"] == pytest.approx(10 * 10.0)
    assert total_bill.parts["authorized_calls"]["Lambda duration"] == pytest.approx(10e6 * 0.5 * 0.011 * 0.001)


def test_fixed_costs_are_billed_without_users(listed: Path) -> None:
    total_bill = bill_of(listed, users=0)

    assert total_bill.total == pytest.approx(2 * 3.0 + 3 * 1.0 + 4 * 1.0 + 1.0 + 1.0)
    assert total_bill.habits[prices.FIXED] == total_bill.total


def test_stored_data_and_backups_are_billed(listed: Path) -> None:
    total_bill = bill_of(listed)

    assert total_bill.services["DynamoDB storage"] == pytest.approx(1.0)
    assert total_bill.services["DynamoDB backups"] == pytest.approx(1.0)


def test_free_quotas_count_only_as_far_as_they_are_used(listed: Path) -> None:
    """Two of four million SQS requests are free, and all three metrics, of which a hundred are free."""
    total_bill = bill_of(listed, functions={"auth/otp": function(again=cost(queued=1))})

    assert total_bill.free == pytest.approx(2.0 + 3.0)


def test_cognitos_price_has_free_users_and_includes_mails(listed: Path) -> None:
    total_bill = bill_of(listed, users=1000)

    assert total_bill.cognito == {"Essentials": pytest.approx(990 + 1.0), "Lite": pytest.approx(495 + 1.0)}


def test_the_sums_by_service_and_by_habit_are_equal(listed: Path) -> None:
    total_bill = bill_of(listed)

    assert sum(total_bill.services.values()) == pytest.approx(total_bill.total)


def test_the_table_names_the_largest_part(listed: Path) -> None:
    total_bill = bill_of(listed, functions={"authorizer": function(again=cost(write_units=1000.0))})

    assert "The largest service is DynamoDB" in prices.as_text(total_bill)
    assert "`authorized_calls`" in prices.as_text(total_bill).splitlines()[0]


def test_the_line_contains_users_region_date_and_both_cognito_tiers(listed: Path) -> None:
    total_bill = bill_of(listed, users=1000)

    assert line(total_bill).startswith("1,000 active users")
    for text in ("here", "some day", "$991", "$496", f"${total_bill.total:,.0f} "):
        assert text in line(total_bill)


def test_a_function_that_was_not_measured_is_named(listed: Path) -> None:
    partly = results()
    del partly["functions"]["authorizer"]

    with pytest.raises(NotMeasured, match="authorizer is not measured: run `make bench`"):
        bill(1000, "here", partly, listed)


def test_missing_measurements_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match="make bench"):
        prices.measured(tmp_path / "measured.json")


def test_the_price_list_is_complete_and_has_sources_and_a_date() -> None:
    listed = tomllib.loads(prices.PRICES.read_text("utf-8"))

    assert re.fullmatch(r"[A-Z][a-z]+ 20[2-9][0-9]", listed["as_of"])
    assert all(source.startswith("https://aws.amazon.com/") for source in listed["sources"].values())
    first, *others = (set(region) for region in listed["regions"].values())
    assert others
    assert all(other == first for other in others)


def test_the_stored_measurements_give_a_price_in_every_region() -> None:
    for region in prices.regions():
        total_bill = bill(100_000, region, prices.measured())

        assert 0 < total_bill.total < total_bill.cognito["Essentials"]


def test_the_price_needs_nothing_but_python(tmp_path: Path) -> None:
    """No build, no Java, no network, no third party: what `make price` runs on a fresh clone."""
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); from gerbang_bench.bill import main; "
    script += "sys.exit(main(['--mau', '5000', '--region', 'us-east-1']))"

    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", script],
        cwd=tmp_path,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stderr == ""
    assert ran.returncode == 0
    assert "5,000 active users in a month, us-east-1" in ran.stdout
