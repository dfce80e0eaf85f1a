"""The tables of README.md: endpoints from their declarations, settings from `template.yaml`.

Each table is between two comments, `<!-- name -->` and `<!-- /name -->`.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from gerbang.http.endpoint import BodyGives, BodyHas, IsForm, Operation, QueryIs, QueryIsAndBodySets
from gerbang.http.errors import Api
from gerbang_local.declarations import ROOT, endpoints, template

README: Final = ROOT / "README.md"

_WITHOUT_JSON: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.SEE_OTHER}
"""Statuses of operations that answer without JSON, and do not only raise an error."""


class MarkersMissing(Exception):
    """The comments around a table are missing, or not exactly one pair."""


def with_tables(readme: str) -> str:
    """Return the README with both tables up to date.

    Raises:
        MarkersMissing: the comments around a table are not one pair.
    """
    for name, rows in (("endpoints", _endpoints()), ("settings", _settings())):
        parts = re.split(rf"(^<!-- /?{name} -->$)", readme, flags=re.MULTILINE)
        if parts[1::2] != [f"<!-- {name} -->", f"<!-- /{name} -->"]:
            raise MarkersMissing(f"README.md needs <!-- {name} --> and <!-- /{name} --> once each, in this order")
        before, opening, _, closing, after = parts
        readme = "\n".join([before + opening, *rows, closing + after])
    return readme


def _endpoints() -> Iterator[str]:
    """A row per operation and path, in the template's order. Operations that only raise an error are left out."""
    yield "| method and path | API | who may call | what it does |"
    yield "|---|---|---|---|"
    for endpoint in endpoints().values():
        for operation in endpoint.operations:
            if operation.response is not None or operation.status in _WITHOUT_JSON:
                for path in endpoint.paths:
                    cells = f"`{operation.method} {path}{_query(operation)}`", _api(operation), _caller(operation)
                    yield f"| {' | '.join(cells)} | {operation.summary} |"


def _query(operation: Operation) -> str:
    condition = operation.when
    return f"?{condition.name}={condition.value}" if isinstance(condition, QueryIs | QueryIsAndBodySets) else ""


def _api(operation: Operation) -> str:
    name = operation.api.name if isinstance(operation.api, Api) else "all"
    match operation.when:
        case BodyHas(member):
            return f"{name}, with `{member}`"
        case QueryIsAndBodySets(_, _, member):
            return f"{name}, with `{member}: true`"
        case BodyGives(members):
            return f"{name}, with {' or '.join(f'`{member}`' for member in members)}"
        case IsForm():
            return f"{name}, with a form"
        case _:
            return name


def _caller(operation: Operation) -> str:
    credentials = operation.caller.credentials
    return f"with {' and '.join(credentials)}" if credentials else "anyone"


def _settings() -> Iterator[str]:
    """A row per parameter, in the template's order."""
    yield "| parameter | default | what it sets |"
    yield "|---|---|---|"
    for name, parameter in template().parameters.items():
        default = f"`{parameter['Default']}`" if str(parameter["Default"]) else ""
        yield f"| `{name}` | {default} | {parameter['Description']} |"
