"""The texts of four languages: gettext catalogues, one for each language but English, which the code is written in.

`make docs` fails if a text has no translation, if one is marked as uncertain (fuzzy), or if one is no longer used.
`make texts` writes the current texts to every catalogue. New ones have an empty translation, to be filled in.
The comment at the head of a catalogue lists the terms of its language, which the mails use, too.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from babel.messages.pofile import read_po

SOURCE: Final = "en"
LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English",
    "id": "Bahasa Indonesia",
    "it": "Italiano",
    "es": "Español",
}
FOLDER: Final = Path(__file__).with_name("texts")


class TranslationsMissing(Exception):
    """Catalogues do not have exactly the texts in use. The text lists the missing and the unused ones."""


class Catalogue:
    """The translations of every text."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read the catalogues of a folder."""
        self._folder: Final = folder
        self._texts: Final = {
            language: _read(folder / f"{language}.po") for language in LANGUAGES if language != SOURCE
        }

    def text(self, text: str, language: str) -> str:
        """Return a text in a language.

        Raises:
            TranslationsMissing: it has no translation.
        """
        if language == SOURCE:
            return text
        translated = self._texts[language].get(text)
        if translated is None:
            raise TranslationsMissing(f"tools/gerbang_docs/texts/{language}.po has no translation of: {text}")
        return translated

    def check(self, texts: Iterable[str]) -> None:
        """Check that every catalogue has these texts, and no others.

        Raises:
            TranslationsMissing: one has not.
        """
        wanted = set(texts)
        problems = [
            f"{language}.po {what}: {text}"
            for language, known in self._texts.items()
            for what, different in (("lacks", wanted - known.keys()), ("has an unused text", known.keys() - wanted))
            for text in sorted(different)
        ]
        if problems:
            advice = "`make texts` puts the missing texts into tools/gerbang_docs/texts, where you translate them:"
            raise TranslationsMissing("\n".join([advice, *problems]))

    def update(self, texts: Iterable[str]) -> list[str]:
        """Write every catalogue with these texts, in this order; return which texts have no translation yet."""
        wanted = list(dict.fromkeys(texts))
        for language, known in self._texts.items():
            path = self._folder / f"{language}.po"
            header = path.read_text("utf-8").partition("\n\n")[0]
            entries = [f"msgid {_quoted(text)}\nmsgstr {_quoted(known.get(text, ''))}" for text in wanted]
            path.write_text("\n\n".join([header, *entries]) + "\n", "utf-8")
        return [text for text in wanted if any(text not in known for known in self._texts.values())]


def _quoted(text: str) -> str:
    """Return a text quoted as in gettext's files, which is the same as in JSON for the characters in use."""
    return json.dumps(text, ensure_ascii=False)


def _read(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    return {str(each.id): str(each.string) for each in catalogue if each.id and each.string and not each.fuzzy}
