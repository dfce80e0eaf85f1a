"""`gerbang-admin COMMAND ACCOUNT --stack NAME`: find, show and change accounts of a deployed stack.

ACCOUNT is an e-mail address, a user name, SnapOTP's number, a UUID or a `usr_…` id; `end-all-sessions` takes none. AWS
account and region are found as by every AWS tool: the environment and `~/.aws`, or --profile and --region.

Exit status: 0 done, 1 not done (no such account, changed in the meantime, not confirmed), 2 wrong usage, or a request
to AWS failed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Final

import boto3
from gerbang.accounts.administration import ROLES, Accounts, AmbiguousName, ChangedMeanwhile, NoSuchAccount
from gerbang.storage.users import User

from gerbang_admin.aws import CONFIG, AwsFailure, failure, session_of
from gerbang_admin.everybody import NotRotated, end_all_sessions
from gerbang_admin.showing import farewell_of, fields_of, lines_of
from gerbang_admin.stacks import Stack, UnknownStack

DONE: Final = 0
NOT_DONE: Final = 1
FAILED: Final = 2

_LARGEST_CREDIT: Final = 2**53 - 1
"""What every JSON reader reads exactly (RFC 8259, section 6)."""


class NotConfirmed(Exception):
    """The operator did not confirm the command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the arguments (default: the command line's) and return the exit status."""
    options = _options(arguments)
    try:
        session = session_of(profile=options.profile, region=options.region)
        stack = Stack.find(session, options.stack)
        if options.command == _EVERYBODY:
            _end_all_sessions(stack, session, options)
        else:
            accounts = stack.accounts(session)
            _COMMANDS[options.command](accounts, accounts.find(options.who), options)
    except (NoSuchAccount, AmbiguousName, ChangedMeanwhile, NotConfirmed) as error:
        print(_sentence(error, options), file=sys.stderr)
        return NOT_DONE
    except UnknownStack as error:
        print(error, file=sys.stderr)
        return FAILED
    except NotRotated:
        print(
            "The rotation of the master secret did not end in time. Read the log of RotationFunction.", file=sys.stderr
        )
        return FAILED
    except AwsFailure as error:
        print(failure(error), file=sys.stderr)
        return FAILED
    return DONE


def _sentence(error: Exception, options: argparse.Namespace) -> str:
    match error:
        case NoSuchAccount():
            return f"No account matches '{options.who}' in stack {options.stack}."
        case AmbiguousName(user_ids=user_ids):
            both = " and ".join(user_ids)
            return (
                f"'{options.who}' is the user name of one account and the number of another: {both}. "
                "Repeat the command with one of these ids."
            )
        case ChangedMeanwhile():
            return (
                "Nothing was changed: the account already has this state, or was changed in the meantime. "
                "Run `show`, then decide again."
            )
        case _:
            return "Nothing was changed: the command was not confirmed."


def _show(_accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(user, options)


def _disable(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.disable(user), options)


def _enable(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.enable(user), options)


def _end_sessions(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.end_sessions(user), options)


def _set_role(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.set_role(user, options.role), options)


def _set_credit(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.set_credit(user, options.credit), options)


def _delete(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _ask([*lines_of(user), "", *farewell_of(user, accounts.departure(user))], options)
    accounts.delete(user)
    if options.json:
        print(json.dumps({"deleted": user.user_id}))
    else:
        print(f"{user.user_id} is deleted.")


def _end_all_sessions(stack: Stack, session: boto3.Session, options: argparse.Namespace) -> None:
    secret_id = stack.output("MasterSecretArn")
    _ask([f"Every user of {stack.name} in {stack.region} has to sign in again, on every device."], options)
    end_all_sessions(session.client("secretsmanager", config=CONFIG), secret_id)
    if options.json:
        print(json.dumps({"ended": "all sessions"}))
    else:
        print("Every token issued before now is invalid in five minutes at the latest.")


_EVERYBODY: Final = "end-all-sessions"
_COMMANDS: Final[dict[str, Callable[[Accounts, User, argparse.Namespace], None]]] = {
    "show": _show,
    "disable": _disable,
    "enable": _enable,
    "end-sessions": _end_sessions,
    "set-role": _set_role,
    "set-credit": _set_credit,
    "delete": _delete,
}


def _ask(sentences: Sequence[str], options: argparse.Namespace) -> None:
    """Ask for confirmation, unless --yes was given.

    Raises:
        NotConfirmed: the answer is not yes, or there is no terminal to ask at.
    """
    if options.yes:
        return
    print("\n".join(sentences), file=sys.stderr)
    if not sys.stdin.isatty():
        print("There is no terminal to ask at. Add --yes to confirm.", file=sys.stderr)
        raise NotConfirmed
    print("Type yes to confirm: ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        raise NotConfirmed from None
    if answer.strip().lower() != "yes":
        raise NotConfirmed


def _tell(user: User, options: argparse.Namespace) -> None:
    print(json.dumps(fields_of(user), ensure_ascii=False) if options.json else "\n".join(lines_of(user)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    who = argparse.ArgumentParser(add_help=False)
    who.add_argument("who", metavar="ACCOUNT", help="e-mail address, user name, number, UUID or usr_… id")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--stack", required=True, help="the stack's name in CloudFormation")
    where.add_argument("--region", help="the stack's region (default: as for every AWS tool)")
    where.add_argument("--profile", help="of ~/.aws/config (default: as for every AWS tool)")
    where.add_argument("--json", action="store_true", help="print JSON")
    confirmation = argparse.ArgumentParser(add_help=False)
    confirmation.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser = argparse.ArgumentParser(prog="gerbang-admin", description="Accounts of a deployed stack.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, summary: str, *parts: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[*parts, where], help=summary, description=f"{summary.capitalize()}.")

    command("show", "show an account, without its secrets", who)
    command("disable", "make an account unusable, and end its sessions, at once", who)
    command("enable", "make a disabled account usable again; its sessions stay ended", who)
    command("end-sessions", "end every session of an account at once", who)
    names = ", ".join(f"{role_id} {name}" for role_id, name in ROLES.items())
    command("set-role", "give an account a role", who).add_argument("role", type=_role, help=names)
    command("set-credit", "set the credit of an account", who).add_argument("credit", type=_credit, help="0 or more")
    command("delete", "delete an account for good", who, confirmation)
    command(_EVERYBODY, "end every session of every user, by rotating the keys twice", confirmation)
    return parser.parse_args(arguments)


def _role(text: str) -> int:
    for role_id, name in ROLES.items():
        if text in {str(role_id), name}:
            return role_id
    raise argparse.ArgumentTypeError(f"{text} is not a role")


def _credit(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > _LARGEST_CREDIT:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {_LARGEST_CREDIT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
