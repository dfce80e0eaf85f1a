"""`python -m gerbang_smoke --stack NAME [--region R]`, or `--url URL`: walk through a deployed stack.

Registers one account under a new address at example.com, calls the endpoints of every API with it, and deletes the
account again if the AWS credentials allow it; otherwise it says what is left. AWS account and region are those of your
shell, as for every AWS tool.

Exit status: 0 if every answer was as expected, 1 if one was not, 2 if the walk could not start.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from gerbang.accounts.administration import NoSuchAccount
from gerbang.accounts.deletion import ChangedMeanwhile
from gerbang_admin.aws import AwsFailure, failure, session_of
from gerbang_admin.stacks import Stack, UnknownStack

from gerbang_smoke.http import Api, NoAnswer, NotAnAddress
from gerbang_smoke.walk import Deviation, Walk

PASSED: Final = 0
DEVIATED: Final = 1
NOT_WALKED: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk through the API that the arguments name, and return the exit status."""
    options = _options(arguments)
    try:
        session = session_of(profile=options.profile, region=options.region)
        stack = None if options.stack is None else Stack.find(session, options.stack)
        api = Api.at(options.url or (stack.output("ApiUrl") if stack else ""))
        lambda_route, jwt_route = (url and Api.at(url) for url in (options.lambda_route, options.jwt_route))
    except (UnknownStack, NotAnAddress) as error:
        print(error, file=sys.stderr)
        return NOT_WALKED
    except AwsFailure as error:
        print(failure(error), file=sys.stderr)
        return NOT_WALKED
    key = stack.outputs.get("PublishableKey") if stack else None
    walk = Walk(api=api, publishable_key=key, lambda_route=lambda_route, jwt_route=jwt_route)
    try:
        return _run(walk)
    finally:
        _delete_account(walk, stack)


def _run(walk: Walk) -> int:
    started_at, steps = time.monotonic(), 0
    print(f"Walking through {walk.api.parts.geturl()} as {walk.email}", flush=True)
    try:
        for step in walk.steps():
            steps += 1
            print(f"  {step.name:<36} {step.answer.status}  {step.answer.milliseconds:>6} ms", flush=True)
            if step.note:
                print(f"    {step.note}", flush=True)
    except (Deviation, NoAnswer) as error:
        print(f"  FAILED at step {steps + 1}, {error}", file=sys.stderr)
        return DEVIATED
    print(f"  {steps} steps, all as expected, in {time.monotonic() - started_at:.1f} s")
    return PASSED


def _delete_account(walk: Walk, stack: Stack | None) -> None:
    if not walk.has_begun:
        return
    left = f"Not deleted: the account {walk.email} and its organization, if they were created"
    if stack is None:
        print(f"{left}.")
        return
    try:
        accounts = stack.accounts()
        accounts.delete(accounts.find(walk.email))
    except NoSuchAccount:
        print("No account was created.")
    except AwsFailure as error:
        print(f"{left}. {failure(error)}")
    except UnknownStack as error:
        print(f"{left}. {error}")
    except ChangedMeanwhile:
        print(f"{left}. It was changed in the meantime: delete it with gerbang-admin.")
    else:
        print("The account was deleted again.")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gerbang_smoke", description="Walk through a deployed stack.")
    parser.add_argument("--stack", help="the stack's name in CloudFormation")
    parser.add_argument("--region", help="the stack's region (default: as for every AWS tool)")
    parser.add_argument("--profile", help="of ~/.aws/config (default: as for every AWS tool)")
    parser.add_argument("--url", help="call this URL instead of the stack's ApiUrl: a domain of your own, or make run")
    for way in ("lambda", "jwt"):
        authorizer = {"lambda": "this stack's Lambda authorizer", "jwt": "a JWT authorizer"}[way]
        parser.add_argument(f"--{way}-route", metavar="URL", help=f"a GET route of your own API behind {authorizer}")
    options = parser.parse_args(arguments)
    if not options.stack and not options.url:
        parser.error("--stack or --url is required")
    return options


if __name__ == "__main__":
    sys.exit(main())
