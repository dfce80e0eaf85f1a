"""`make build` and `make deploy`: SAM CLI, and versions of the functions where a setting needs them."""

import platform


def this_machine() -> str:
    """Return this machine's architecture, as Lambda names it."""
    return "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
