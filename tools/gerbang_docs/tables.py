"""The tables of docs/endpoints.md, from the declarations, and docs/settings.md, from `template.yaml`.

Each table is between two comments, `<!-- name -->` and `<!-- /name -->`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gerbang.http.conditions import BodyGives, BodyHas, IsForm, QueryIsAndBodySets
from gerbang.http.endpoint import Operation
from gerbang_local.declarations import ROOT, template

from gerbang_docs.operations import Documented, documented

ENDPOINTS: Final = ROOT / "docs" / "endpoints.md"
SETTINGS: Final = ROOT / "docs" / "settings.md"


class MarkersMissing(Exception):
    """The comments around a table are missing, or not exactly one pair."""


def pages() -> dict[Path, str]:
    """Return the text of both pages with their tables up to date, by their file.

    Raises:
        MarkersMissing: the comments around a table are not one pair.
    """
    return {
        ENDPOINTS: with_table(ENDPOINTS.read_text("utf-8"), "endpoints", _endpoints()),
        SETTINGS: with_table(SETTINGS.read_text("utf-8"), "settings", _settings()),
    }


def with_table(page: str, name: str, rows: Iterable[str]) -> str:
    """Return the page with the rows in place of the table of this name.

    Raises:
        MarkersMissing: the comments around the table are not one pair.
    """
    parts = re.split(rf"(^<!-- /?{name} -->$)", page, flags=re.MULTILINE)
    if parts[1::2] != [f"<!-- {name} -->", f"<!-- /{name} -->"]:
        raise MarkersMissing(f"docs/{name}.md needs <!-- {name} --> and <!-- /{name} --> once each, in this order")
    before, opening, _, closing, after = parts
    return "\n".join([before + opening, *rows, closing + after])


def _endpoints() -> Iterator[str]:
    """A row per operation and path, in the template's order. Operations that only raise an error are left out."""
    yield "| method and path | API | who may call | what it does |"
    yield "|---|---|---|---|"
    for each in documented():
        if each.answers:
            cells = f"`{each.method} {each.path}{_query(each)}`", _api(each), _caller(each.operation)
            yield f"| {' | '.join(cells)} | {each.operation.summary} |"


def _query(each: Documented) -> str:
    return "".join(f"?{name}={value}" for name, value in each.query.items())


def _api(each: Documented) -> str:
    name = each.api_name
    match each.operation.when:
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
