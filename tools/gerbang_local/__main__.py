"""`python -m gerbang_local`: serve `template.yaml` on this machine until Ctrl-C.

Settings are environment variables: PORT (3000; 0 for any free one), HOST (127.0.0.1), DYNAMODB_ENDPOINT (the URL of a
DynamoDB Local; without it tables are in memory, too), PARAMETERS (`Name=Value Other=Value`, as
`sam deploy --parameter-overrides` takes them). The template is `template.yaml` in the current folder, or the one
argument.

Exit status: 0 after Ctrl-C or SIGTERM, 1 with one sentence if the start failed.
"""

import logging
import os
import signal
import sys
import traceback

from gerbang_local.options import InvalidOption, Options
from gerbang_local.template import TemplateError


def main() -> int:
    """Serve; return the exit status."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # both, even if a shell in the background ignores SIGINT
        signal.signal(ending, signal.default_int_handler)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.raiseExceptions = False  # a closed terminal ends the log, not the service
    try:
        options = Options.from_environment(os.environ, sys.argv[1:])
        from gerbang_local.server import CannotStart, serve  # noqa: PLC0415 - moto takes a second; bad options do not

        try:
            serve(options)
        except CannotStart as error:
            if error.__cause__ is not None:
                traceback.print_exception(error.__cause__)
            return _failed(str(error))
        except TemplateError as error:
            return _failed(f"{options.template.name}: {error}.")
    except InvalidOption as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return 0
    return 0


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A handler that hangs must not keep the process: nothing is left to save.
    os._exit(status)
