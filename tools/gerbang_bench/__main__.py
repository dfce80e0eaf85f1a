"""`python -m gerbang_bench`: measure the build and write the page; `--case` measures one function and writes nothing.

Exit status: 0, or 1 with one sentence where something that is needed is not there or a function failed, or 2 where it
was asked for something that is not.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dynamodb_local

from gerbang_bench import benches, charts, prices, reports
from gerbang_bench.arguments import positive
from gerbang_bench.builds import ROOT, NotBuilt, UnknownFunction
from gerbang_bench.environments import Failed
from gerbang_bench.scenarios import Unsuccessful
from gerbang_bench.traffic import CannotServe

ROUNDS: Final = 11


def main(arguments: Sequence[str]) -> int:
    """Do what *arguments* ask, and return the exit status."""
    parser = argparse.ArgumentParser(prog="gerbang_bench", description=__doc__)
    parser.add_argument("--case", action="append", default=[], help="a function's folder: api/auth/login")
    parser.add_argument("--rounds", type=positive, default=ROUNDS, help="samples of each case (default %(default)s)")
    parser.add_argument("--build", type=Path, default=ROOT / ".aws-sam" / "build", help="what sam build left")
    parser.add_argument("--json", type=Path, help="write every result here, too")
    asked = parser.parse_args(arguments)
    if asked.json is not None and not asked.json.absolute().parent.is_dir():
        parser.error(f"argument --json: there is no folder {asked.json.absolute().parent}")
    try:
        results = _measured(asked)
    except UnknownFunction as reason:
        parser.error(f"argument --case: {reason}")
    except (NotBuilt, Failed, Unsuccessful, CannotServe, dynamodb_local.Unavailable) as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing is written.", file=sys.stderr)
        return 1
    said = json.dumps(results, indent=1) + "\n"
    if asked.json is not None:
        asked.json.write_text(said, "utf-8")
    if asked.case:
        print(reports.page(results))
    else:
        prices.MEASURED.write_text(said, "utf-8")
        reports.write(results)
        charts.write(results)
        print(reports.PAGE.read_text("utf-8"))
    return 0


def _measured(asked: argparse.Namespace) -> dict[str, object]:
    with benches.started(asked.build, _progress, only=asked.case) as bench:
        results = benches.run(bench, asked.case or list(bench.cases), asked.rounds, _progress)
    return results if asked.case else benches.with_traffic(results, _progress)


def _progress(sentence: str) -> None:
    print(f"  {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
