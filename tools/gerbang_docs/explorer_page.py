"""The page at `/docs`: one file, made of the parts in `explorer/`, the endpoints and the texts of four languages."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from gerbang.http.conditions import IsForm
from gerbang.http.endpoint import Parameter
from gerbang_local.declarations import ROOT

from gerbang_docs.fields import fields_of
from gerbang_docs.openapi import TAGS
from gerbang_docs.operations import Documented, documented
from gerbang_docs.samples import answer_of, request_of
from gerbang_docs.texts import LANGUAGES, Catalogue

FILE: Final = ROOT / "functions/docs/explorer.html"
LARGEST: Final = 200_000
"""Bytes of the page."""

PARTS: Final = Path(__file__).with_name("explorer")
_TEXTS_IN_SCRIPTS: Final = re.compile(r"""\bt\(\s*"((?:[^"\\]|\\.)*)\"""")
_TEXTS_IN_STEPS: Final = re.compile(r'^  \["[a-z0-9-]+", "([^"]+)"\],$', re.MULTILINE)
_TEXTS_IN_LISTS: Final = re.compile(r'\["(Access token|Refresh token|Organization)",')
_CALLERS: Final = ("access token", "API key", "secret key", "organization", "refresh token", "code from the mail")
_TEXTS_IN_PAGE: Final = re.compile(r'data-(?:t|label|placeholder)="([^"]+)"')
type _Errors = dict[tuple[int, str, str], int]
"""The number of each error: its status, its code and what it says."""

_OF_EVERY_PATH: Final = {HTTPStatus.NOT_FOUND.value, HTTPStatus.METHOD_NOT_ALLOWED.value}
"""The errors of every path."""

_FORM_EXAMPLE: Final = {"token": "9f86d081884c7d65", "type": "magiclink"}


def script() -> str:
    """Return the scripts, one after the other."""
    return "\n".join(path.read_text("utf-8") for path in sorted(PARTS.glob("*.js")))


def texts_of_the_page() -> list[str]:
    """Return the texts that the page and its scripts show, in English."""
    found = _TEXTS_IN_PAGE.findall((PARTS / "page.html").read_text("utf-8"))
    source = script()
    for pattern in (_TEXTS_IN_SCRIPTS, _TEXTS_IN_STEPS, _TEXTS_IN_LISTS):
        found += pattern.findall(source)
    return [*dict.fromkeys([*found, *_CALLERS])]


def make_page(catalogue: Catalogue) -> str:
    """Return the page. The function that serves it puts a nonce in place of `{nonce}`."""
    data = _data(catalogue)
    inline = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    page = (PARTS / "page.html").read_text("utf-8")
    parts = {"style": (PARTS / "style.css").read_text("utf-8"), "data": inline, "script": _without_comments(script())}
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text.strip())
    return page


def _without_comments(source: str) -> str:
    lines = [line.strip() for line in source.splitlines() if not re.match(r"\s*(//|/\*\*.*\*/$)", line)]
    return "\n".join(line for line in lines if line)


def texts() -> list[str]:
    """Return every text of the page, in English."""
    errors: _Errors = {}
    operations = [_operation(each, errors) for each in _ordered()]
    found = [
        *texts_of_the_page(),
        *(each["s"] for each in operations),
        *(parameter["about"] for each in operations for parameter in each.get("P", ())),
        *(about for each in operations for _, _, _, about in each.get("F", ()) if about),
        *(message for _, _, message in errors),
        *TAGS,
    ]
    return [*dict.fromkeys(found)]


def _data(catalogue: Catalogue) -> dict[str, Any]:
    errors: _Errors = {}
    operations = [_operation(each, errors) for each in _ordered()]
    statuses = sorted({each["r"][0] for each in operations} | {status for status, _, _ in errors} | _OF_EVERY_PATH)
    return {
        "texts": {language: [catalogue.text(each, language) for each in texts()] for language in LANGUAGES},
        "apis": [*TAGS],
        "operations": operations,
        "errors": list(errors),
        "statuses": {status: HTTPStatus(status).phrase for status in statuses},
    }


def _ordered() -> list[Documented]:
    """Return the operations by API, in the order of their URLs."""
    answering = [each for each in documented() if each.answers]
    return sorted(answering, key=lambda each: (list(TAGS).index(each.api_name), each.path, each.method))


def _operation(each: Documented, errors: _Errors) -> dict[str, Any]:
    operation = each.operation
    numbers = [errors.setdefault((error.status, error.code, error.message), len(errors)) for error in each.errors()]
    is_form = isinstance(operation.when, IsForm)
    described: dict[str, Any] = {
        "k": each.key,
        "m": each.method,
        "p": each.path,
        "a": each.api_name,
        "s": operation.summary,
        "q": each.query,
        "c": operation.caller.credentials,
        "w": ", ".join(each.conditions),
        "P": [_parameter(parameter) for parameter in operation.parameters],
        "b": _FORM_EXAMPLE if is_form else request_of(each),
        "form": is_form,
        "F": fields_of(each),
        "r": [operation.status.value, answer_of(each)],
        "e": numbers,
    }
    return {name: value for name, value in described.items() if value or name == "e"}


def _parameter(parameter: Parameter) -> Mapping[str, Any]:
    described = {
        "name": parameter.name,
        "in": parameter.where,
        "about": parameter.description,
        "values": list(parameter.values),
        "required": parameter.is_required,
        "example": parameter.example,
    }
    return {name: value for name, value in described.items() if value}
