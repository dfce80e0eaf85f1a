"""The tables of docs/endpoints.md and docs/settings.md. (That they are up to date: test_documents_made.py.)"""

import re

import pytest
from gerbang_docs.tables import ENDPOINTS, MarkersMissing, with_table
from gerbang_local.declarations import endpoints


def test_the_rows_replace_those_between_the_comments() -> None:
    page = "Before.\n<!-- endpoints -->\nold\n<!-- /endpoints -->\nAfter."

    written = with_table(page, "endpoints", ["| new |", "|---|"])

    assert written == "Before.\n<!-- endpoints -->\n| new |\n|---|\n<!-- /endpoints -->\nAfter."


@pytest.mark.parametrize("page", ["", "<!-- /endpoints -->", "<!-- /endpoints -->\n<!-- endpoints -->"])
def test_a_table_without_its_comments_is_an_error(page: str) -> None:
    with pytest.raises(MarkersMissing, match=re.escape("docs/endpoints.md needs <!-- endpoints -->")):
        with_table(page, "endpoints", [])


def test_every_endpoint_is_in_the_table() -> None:
    page = ENDPOINTS.read_text("utf-8")
    paths = {path for endpoint in endpoints().values() for path in endpoint.paths if path != "$default"}

    assert [path for path in paths if not re.search(rf"^\| `[A-Z]+ {re.escape(path)}[?`]", page, re.MULTILINE)] == []
