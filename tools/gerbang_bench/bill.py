"""`python -m gerbang_bench.bill --mau 100000`: the monthly bill, out of what `make bench` measured last.

`--write` puts it into `docs/performance.md`, its charts and the README, after prices or habits have changed. Needs no
build, no Java and no network: the measurements are in the repository. Exit status: 0, or 1 with one sentence where
nothing is measured, or 2 where it was asked for something that is not.
"""

import argparse
import sys
from collections.abc import Sequence

from gerbang_bench import prices, reports
from gerbang_bench.arguments import positive


def main(arguments: Sequence[str]) -> int:
    """Print the bill that *arguments* ask for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="gerbang_bench.bill", description=__doc__)
    parser.add_argument("--mau", type=positive, default=prices.USERS, help="active users a month (default %(default)s)")
    parser.add_argument("--region", choices=prices.regions(), default=prices.REGION, help="default %(default)s")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and the README's line anew")
    asked = parser.parse_args(arguments)
    try:
        results = prices.measured()
        made = prices.bill(asked.mau, asked.region, results)
        if asked.write:
            from gerbang_bench import charts  # noqa: PLC0415 - matplotlib, which the price alone does not need

            reports.write(results)
            charts.write(results)
    except prices.NotMeasured as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"{prices.as_text(made)}\n\n{prices.line(made)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
