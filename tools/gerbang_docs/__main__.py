"""`python -m gerbang_docs`, which `make docs` calls: writes every document that is made from the code.

With `texts`, which `make texts` calls: puts new texts into the catalogues of translations, and prints them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from gerbang_local.declarations import ROOT

from gerbang_docs import explorer_page, openapi, reference, tables
from gerbang_docs.fields import all_texts
from gerbang_docs.texts import Catalogue, TranslationsMissing


def every_text() -> list[str]:
    """Return every text that is translated, in English."""
    return [*dict.fromkeys([*explorer_page.texts(), *reference.TEXTS, *all_texts()])]


def documents() -> dict[Path, str]:
    """Return the text of every document that is made from the code, by its file.

    Raises:
        TranslationsMissing: a catalogue does not have exactly the texts that there are.
    """
    catalogue = Catalogue()
    catalogue.check(every_text())
    return {
        **tables.pages(),
        openapi.FILE: openapi.text_of(openapi.make_document()),
        explorer_page.FILE: explorer_page.make_page(catalogue),
        **reference.pages(catalogue),
    }


def out_of_date() -> Iterator[tuple[Path, str]]:
    """Yield the file and the text of each document that is not what the code says."""
    for file, text in documents().items():
        if not file.exists() or file.read_text("utf-8") != text:
            yield file, text


def main() -> int:
    """Write the documents, and print which changed; return the exit status."""
    return update_texts() if sys.argv[1:] == ["texts"] else write_documents()


def update_texts() -> int:
    """Put new texts into the catalogues, and print those that have no translation."""
    missing = Catalogue().update(every_text())
    print(*(missing or ["Every text is translated."]), sep="\n")
    return 0


def write_documents() -> int:
    """Write the documents, and print which changed; return the exit status."""
    try:
        changed = list(out_of_date())
    except TranslationsMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    for file, text in changed:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        print(f"Wrote {file.relative_to(ROOT)}.")
    if not changed:
        print("Every document is up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
