"""All error classes of the package."""

import importlib
import pkgutil

import gerbang
from gerbang.core.errors import AuthError


def every_error() -> set[type[AuthError]]:
    """Every subclass of AuthError in the package."""
    for module in pkgutil.walk_packages(gerbang.__path__, "gerbang."):
        importlib.import_module(module.name)
    found: set[type[AuthError]] = set()
    to_visit: list[type[AuthError]] = [AuthError]
    while to_visit:
        for error in to_visit.pop().__subclasses__():
            to_visit.append(error)
            if error.__module__.startswith("gerbang."):
                found.add(error)
    return found
