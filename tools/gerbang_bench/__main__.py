"""`python -m gerbang_bench`: measure and write the page; `python -m gerbang_bench price --mau 100000`: the bill.

Exit status: 0, or 1 with one sentence where something that is needed is not there, or a function failed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dynamodb_local

from gerbang_bench import benches, prices, reports
from gerbang_bench.builds import ROOT, NotBuilt
from gerbang_bench.environments import Failed
from gerbang_bench.scenarios import Unsuccessful
from gerbang_bench.traffic import CannotServe

ROUNDS: Final = 11
REGIONS: Final = ("eu-west-1", "us-east-1")
USERS: Final = 100_000


def main(arguments: Sequence[str]) -> int:
    """Do what *arguments* ask, and return the exit status."""
    parser = argparse.ArgumentParser(prog="gerbang_bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("bench", "price"), default="bench")
    parser.add_argument("--case", action="append", default=[], help="a function's folder, such as api/auth/login")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="samples of each case (default %(default)s)")
    parser.add_argument("--build", type=Path, default=ROOT / ".aws-sam" / "build", help="what sam build left")
    parser.add_argument("--json", type=Path, help="write every result here, too")
    parser.add_argument("--mau", type=int, default=USERS, help="active users a month, for the bill")
    parser.add_argument("--region", choices=REGIONS, default=REGIONS[0], help="whose prices")
    asked = parser.parse_args(arguments)
    try:
        return _price(asked.mau, asked.region) if asked.what == "price" else _bench(asked)
    except (NotBuilt, Failed, Unsuccessful, CannotServe, prices.NotMeasured, dynamodb_local.Unavailable) as reason:
        print(reason, file=sys.stderr)
        return 1


def _bench(asked: argparse.Namespace) -> int:
    with benches.started(asked.build, _progress) as bench:
        unknown = [case for case in asked.case if case not in bench.functions]
        if unknown:
            print(f"{', '.join(unknown)}: no such function; there are {', '.join(bench.functions)}", file=sys.stderr)
            return 1
        results = benches.run(bench, asked.case or list(bench.functions), asked.rounds, _progress)
    if not asked.case:
        results = benches.with_traffic(results, _progress)
        prices.MEASURED.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    bills = [] if asked.case else [prices.bill(USERS, region, results) for region in REGIONS]
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if not asked.case:
        reports.write(results, bills)
    print(reports.page(results, bills))
    return 0


def _price(users: int, region: str) -> int:
    made = prices.bill(users, region, prices.measured())
    print(reports.bill_of(made))
    print()
    print(prices.line(made))
    return 0


def _progress(sentence: str) -> None:
    print(f"  {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
