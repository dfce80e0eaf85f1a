"""`python -m dynamodb_local [PORT]` serves until Ctrl-C; `python -m dynamodb_local fetch` only downloads it."""

import os
import sys

import dynamodb_local


def main(arguments: list[str]) -> int:
    """Serve on the port named first among *arguments* (8000 if none), and return the exit status."""
    try:
        if arguments == ["fetch"]:
            dynamodb_local.fetch()
            return 0
        port = int(arguments[0]) if arguments else 8000
        server = dynamodb_local.start(owner=os.getpid(), log=sys.stderr.buffer, port=port)
    except dynamodb_local.Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"DynamoDB Local {dynamodb_local.VERSION}, in memory: DYNAMODB_ENDPOINT={server.endpoint}", flush=True)
    try:
        _, status = os.waitpid(server.process_id, 0)
        return os.waitstatus_to_exitcode(status)
    except KeyboardInterrupt:
        return 0  # the server ends with this process


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
