"""The reference in four languages, `docs/api/`: every endpoint with its fields, examples and errors."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from gerbang.http.conditions import IsForm
from gerbang_local.declarations import ROOT

from gerbang_docs.fields import fields_of
from gerbang_docs.openapi import TAGS, limits
from gerbang_docs.operations import Documented, documented
from gerbang_docs.samples import answer_of, request_of
from gerbang_docs.texts import LANGUAGES, Catalogue

FOLDER: Final = ROOT / "docs/api"

type Translate = Callable[[str], str]

_TITLE: Final = "API reference"
_IN_COMMON: Final = "What all APIs have in common"
_MADE: Final = """\
This page is made from the code by `make docs`. You can try every endpoint at `/docs`, on `make run` and on your own \
deployment."""
_BODIES: Final = """\
Bodies are JSON objects in UTF-8 of at most 16 KiB. Fields that are not listed are ignored. A field of `null` or `""` \
counts as not given."""
_COMMON: Final = (
    _MADE,
    "All APIs use the same accounts and sessions: a user who registers through one API can sign in through any other.",
    _BODIES,
    "An access token works for an hour, a refresh token for seven days. Each refresh returns a new refresh token.",
)
_LIMITS: Final = "Limits"
_LIMITED: Final = "A request above a limit is answered 429 with `Retry-After`, in seconds. These are the defaults."
_COUNTED: Final = "What is counted"
_LIMIT: Final = "Limit"
_IN_TIME: Final = "{count} in {seconds} seconds"
_ANYONE: Final = "Anyone may call it"
_WITH: Final = "With {credentials}"
_CHOSEN: Final = "chosen by"
_REQUEST: Final = "Request"
_ANSWER: Final = "Answer"
_ERRORS: Final = "Errors"
_STATUS: Final = "Status"
_CODE: Final = "Code"
_MEANS: Final = "What it means and what to do"
_FIELD: Final = "Field"
_PARAMETER: Final = "Parameter"
_TYPE: Final = "Type"
_MEANING: Final = "Meaning"
_REQUIRED: Final = "required"
_CREDENTIALS: Final = {
    "access token": "access token",
    "apikey": "API key",
    "secret key": "secret key",
    "x-organization-id": "organization",
}

TEXTS: Final = (
    *(_TITLE, _IN_COMMON, *_COMMON, _LIMITS, _LIMITED, _COUNTED, _LIMIT, _IN_TIME, _ANYONE, _WITH, _CHOSEN, _REQUEST),
    *(_ANSWER, _ERRORS, _STATUS, _CODE, _MEANS, _FIELD, _PARAMETER, _TYPE, _MEANING, _REQUIRED),
    *_CREDENTIALS.values(),
    *TAGS.values(),
    *(what for what, _, _ in limits()),
)
"""The texts of the reference, without those of the endpoints."""


def pages(catalogue: Catalogue) -> dict[Path, str]:
    """Return the text of each page by its file."""
    return {FOLDER / f"{language}.md": _page(catalogue, language) for language in LANGUAGES}


def _page(catalogue: Catalogue, language: str) -> str:
    lines = _lines(lambda text: catalogue.text(text, language), language)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _lines(t: Translate, language: str) -> Iterator[str]:
    yield f"# Gerbang: {t(_TITLE)}"
    yield ""
    others = [name if code == language else f"[{name}]({code}.md)" for code, name in LANGUAGES.items()]
    yield " · ".join(others)
    yield ""
    for name in TAGS:
        yield f"- [{t(name)}](#{_anchor(t(name))})"
    yield ""
    yield f"## {t(_IN_COMMON)}"
    for paragraph in _COMMON:
        yield ""
        yield t(paragraph)
    yield ""
    yield f"### {t(_LIMITS)}"
    yield ""
    yield t(_LIMITED)
    yield ""
    rows = [(t(what), t(_IN_TIME).format(count=count, seconds=seconds)) for what, count, seconds in limits()]
    yield from _table((t(_COUNTED), t(_LIMIT)), rows)
    for name, what in TAGS.items():
        here = [each for each in documented() if each.api_name == name and each.answers]
        yield ""
        yield f"## {t(name)}"
        yield ""
        yield t(what)
        for each in sorted(here, key=lambda each: (each.path, each.method)):
            yield from _operation(each, t)
        yield ""
        yield f"### {t(_ERRORS)}: {t(name)}"
        yield ""
        errors = {(error.status, error.code, error.message) for each in here for error in each.errors()}
        described = [(str(status), f"`{code}`", t(message)) for status, code, message in sorted(errors)]
        yield from _table((t(_STATUS), t(_CODE), t(_MEANS)), described)


def _operation(each: Documented, t: Translate) -> Iterator[str]:
    query = "".join(f"?{name}={value}" for name, value in each.query.items())
    yield ""
    yield f"### {each.method} {each.path}{query}"
    yield ""
    chosen = f" ({t(_CHOSEN)} {', '.join(each.conditions)})" if each.conditions and each.is_shared else ""
    yield f"{t(each.operation.summary)}{chosen}."
    yield ""
    names = [t(_CREDENTIALS.get(name, name)) for name in each.operation.caller.credentials]
    yield f"{t(_WITH).format(credentials=' + '.join(names)) if names else t(_ANYONE)}."
    yield ""
    parameters = [
        (f"`{parameter.name}`", _marked(t(parameter.description), t, is_required=parameter.is_required))
        for parameter in each.operation.parameters
    ]
    if parameters:
        yield from _table((t(_PARAMETER), t(_MEANING)), parameters)
        yield ""
    fields = [
        (f"`{name}`", kind.replace("|", r"\|"), _marked(t(about) if about else "", t, is_required=required))
        for name, kind, required, about in fields_of(each)
    ]
    if fields:
        yield from _table((t(_FIELD), t(_TYPE), t(_MEANING)), fields)
        yield ""
    if each.model is not None and not isinstance(each.operation.when, IsForm):
        yield f"{t(_REQUEST)}:"
        yield from _block(request_of(each))
    answer = answer_of(each)
    status = f"{each.operation.status.value} {each.operation.status.phrase}"
    yield f"{t(_ANSWER)}: {status}{'' if answer is None else ':'}"
    if answer is not None:
        yield from _block(answer)
    yield ""
    yield f"{t(_ERRORS)}: {', '.join(f'{error.status} `{error.code}`' for error in each.errors())}"


def _marked(text: str, t: Translate, *, is_required: bool) -> str:
    return f"**{t(_REQUIRED)}**{'. ' if text else ''}{text}" if is_required else text


def _block(value: Any) -> Iterator[str]:
    yield ""
    yield "```json"
    yield json.dumps(value, ensure_ascii=False, indent=2)
    yield "```"
    yield ""


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _anchor(heading: str) -> str:
    """Return the name by which GitHub links to a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
