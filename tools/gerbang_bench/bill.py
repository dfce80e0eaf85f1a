"""`python -m gerbang_bench.bill --mau 100000`: the monthly bill, out of what `make bench` measured last.

Needs no build, no Java and no network: the measurements are in the repository. Exit status: 0, or 1 with one sentence
where nothing is measured, or 2 where it was asked for something that is not.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from gerbang_bench import prices
from gerbang_bench.arguments import positive

USERS: Final = 100_000
"""Those of the README's line."""

REGION: Final = "eu-west-1"
"""Whose prices are the README's."""


def main(arguments: Sequence[str]) -> int:
    """Print the bill that *arguments* ask for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="gerbang_bench.bill", description=__doc__)
    parser.add_argument("--mau", type=positive, default=USERS, help="active users a month (default %(default)s)")
    parser.add_argument("--region", choices=prices.regions(), default=REGION, help="whose prices (default %(default)s)")
    asked = parser.parse_args(arguments)
    try:
        made = prices.bill(asked.mau, asked.region, prices.measured())
    except prices.NotMeasured as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"{prices.as_text(made)}\n\n{prices.line(made)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
