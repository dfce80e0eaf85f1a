"""`gerbang-admin COMMAND ACCOUNT --stack NAME`: list, show and change accounts of a deployed stack.

With --local instead of --stack, the accounts of a running `make run`.

ACCOUNT is an e-mail address, a user name, SnapOTP's number, a UUID or a `usr_…` id; `list` and `end-all-sessions` take
none. AWS account and region come from the environment and `~/.aws`, as for every AWS tool, or --profile and --region.

Exit status: 0 done, 1 not done (no such account, changed in the meantime, not confirmed), 2 wrong usage, or a request
to AWS failed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Final

from gerbang.accounts.administration import (
    ROLES,
    Accounts,
    AmbiguousName,
    NoSuchAccount,
    NotLinked,
    OnlyWayToSignIn,
)
from gerbang.accounts.deletion import ChangedMeanwhile
from gerbang.storage.accounts import User
from gerbang.storage.newest_users import LARGEST_PAGE

from gerbang_admin.all_sessions import NotRotated, end_all_sessions
from gerbang_admin.aws import CONFIG, AwsFailure, failure
from gerbang_admin.showing import (
    deletion_of,
    fields_of,
    line_of,
    lines_of,
    session_fields_of,
    session_line_of,
    summary_of,
    unlinking_of,
)
from gerbang_admin.stacks import Stack, UnknownStack, choose_stack

DONE: Final = 0
NOT_DONE: Final = 1
FAILED: Final = 2

_LARGEST_CREDIT: Final = 2**53 - 1
"""What every JSON reader reads exactly (RFC 8259, section 6)."""


_SESSIONS: Final = f"{'session':<36}  {'first seen':<23}  {'last seen':<23}  {'method':<9}  {'address':<15}  device"


class NotConfirmed(Exception):
    """The operator did not confirm the command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the arguments (default: the command line's) and return the exit status."""
    options = _options(arguments)
    try:
        stack = Stack.chosen(options)
        options.stack = stack.name
        if options.command == _EVERY_SESSION:
            _end_all_sessions(stack, options)
        elif options.command == _LIST:
            _list(stack.accounts(), options)
        else:
            accounts = stack.accounts()
            _COMMANDS[options.command](accounts, accounts.find(options.account), options)
    except (NoSuchAccount, AmbiguousName, ChangedMeanwhile, NotLinked, OnlyWayToSignIn, NotConfirmed) as error:
        print(_message(error, options), file=sys.stderr)
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


def _message(error: Exception, options: argparse.Namespace) -> str:
    match error:
        case NoSuchAccount():
            return f"No account matches '{options.account}' in stack {options.stack}."
        case AmbiguousName(user_ids=user_ids):
            ids = " and ".join(user_ids)
            return f"'{options.account}' matches several accounts: {ids}. Repeat the command with one of these ids."
        case ChangedMeanwhile():
            return (
                "Nothing was changed: the account already has this state, or was changed in the meantime. "
                "Run `show`, then decide again."
            )
        case NotLinked():
            return f"Nothing was changed: the account has no {options.provider} identity."
        case OnlyWayToSignIn():
            return f"Nothing was changed: the owner could not sign in without the {options.provider} identity."
        case _:
            return "Nothing was changed: the command was not confirmed."


def _list(accounts: Accounts, options: argparse.Namespace) -> None:
    left, cursor = options.limit, None
    while left:
        page = accounts.list_newest(cursor, size=min(left, LARGEST_PAGE))
        for user in page.users:
            print(json.dumps(summary_of(user), ensure_ascii=False) if options.json else line_of(user))
        left, cursor = left - len(page.users), page.cursor
        if cursor is None:
            return


def _show(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _print(accounts, user, options)


def _disable(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _print(accounts, accounts.disable(user), options)


def _enable(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _print(accounts, accounts.enable(user), options)


def _sessions(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    sessions = accounts.sessions(user)
    if not options.json:
        print(_SESSIONS if sessions else "The account has no active session.")
    for family in sessions:
        print(json.dumps(session_fields_of(family), ensure_ascii=False) if options.json else session_line_of(family))


def _end_sessions(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _print(accounts, accounts.end_sessions(user), options)


def _set_role(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _print(accounts, accounts.set_role(user, options.role), options)


def _set_credit(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _print(accounts, accounts.set_credit(user, options.credit), options)


def _unlink(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    if options.provider in user.subjects:
        _confirm([*lines_of(user, accounts.details(user)), "", *unlinking_of(user, options.provider)], options)
    _print(accounts, accounts.unlink(user, options.provider), options)


def _delete(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    details = accounts.details(user)
    _confirm([*lines_of(user, details), "", *deletion_of(user, accounts.departures(user))], options)
    accounts.delete(user)
    if options.json:
        print(json.dumps({"deleted": user.user_id}))
    else:
        print(f"{user.user_id} is deleted.")


def _end_all_sessions(stack: Stack, options: argparse.Namespace) -> None:
    if options.local:
        raise UnknownStack("end-all-sessions rotates the master secret, which `make run` does not: start it again.")
    secret_id = stack.output("MasterSecretArn")
    _confirm([f"Every user of {stack.name} in {stack.region} has to sign in again, on every device."], options)
    end_all_sessions(stack.session.client("secretsmanager", config=CONFIG), secret_id)
    if options.json:
        print(json.dumps({"ended": "all sessions"}))
    else:
        print("Every token issued before now is invalid in five minutes at the latest.")


_LIST: Final = "list"
_EVERY_SESSION: Final = "end-all-sessions"
_COMMANDS: Final[dict[str, Callable[[Accounts, User, argparse.Namespace], None]]] = {
    "show": _show,
    "disable": _disable,
    "enable": _enable,
    "sessions": _sessions,
    "end-sessions": _end_sessions,
    "set-role": _set_role,
    "set-credit": _set_credit,
    "unlink": _unlink,
    "delete": _delete,
}


def _confirm(sentences: Sequence[str], options: argparse.Namespace) -> None:
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


def _print(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    details = accounts.details(user)
    if options.json:
        print(json.dumps(fields_of(user, details), ensure_ascii=False))
    else:
        print("\n".join(lines_of(user, details)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    account = argparse.ArgumentParser(add_help=False)
    account.add_argument("account", metavar="ACCOUNT", help="e-mail address, user name, number, UUID or usr_… id")
    where = argparse.ArgumentParser(add_help=False)
    choose_stack(where)
    where.add_argument("--json", action="store_true", help="print JSON")
    confirmed = argparse.ArgumentParser(add_help=False)
    confirmed.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser = argparse.ArgumentParser(prog="gerbang-admin", description="Manage the accounts of a deployed stack.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, summary: str, *parts: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[*parts, where], help=summary, description=f"{summary.capitalize()}.")

    listing = command(_LIST, "list accounts without guests, the newest first")
    listing.add_argument("--limit", type=_limit, default=50, help="how many at most (default: %(default)s)")
    command("show", "show an account, without its secrets", account)
    command("disable", "disable an account and end its sessions, at once", account)
    command("enable", "enable a disabled account; its sessions stay ended", account)
    command("sessions", "list the active sessions of an account, the last used first", account)
    command("end-sessions", "end every session of an account at once", account)
    names = ", ".join(f"{role_id} {name}" for role_id, name in ROLES.items())
    command("set-role", "give an account a role", account).add_argument("role", type=_role, help=names)
    command("set-credit", "set the credit of an account", account).add_argument(
        "credit", type=_credit, help="0 or more"
    )
    unlinking = command("unlink", "unlink an identity from an account and end its sessions", account, confirmed)
    unlinking.add_argument("provider", metavar="PROVIDER", help="such as google")
    command("delete", "delete an account permanently", account, confirmed)
    command(_EVERY_SESSION, "end every session of every account, by rotating the keys twice", confirmed)
    return parser.parse_args(arguments)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a number of accounts")
    return int(text)


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
