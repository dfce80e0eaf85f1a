"""The texts of four languages: gettext catalogues, one for each language but English, which the code is written in.

`make docs` fails if a text has no translation, if one is marked as uncertain (fuzzy), or if one is of no use any more.
"""

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
    """Catalogues do not have exactly the texts that there are. Its text lists what is missing and what is left over."""


class Catalogue:
    """The translations of every text."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read the catalogues of a folder."""
        self._texts: Final = {language: _read(folder / f"{language}.po") for language in LANGUAGES if language != SOURCE}

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
            for what, different in (("lacks", wanted - known.keys()), ("has, of no use", known.keys() - wanted))
            for text in sorted(different)
        ]
        if problems:
            raise TranslationsMissing("\n".join(["Mend tools/gerbang_docs/texts:", *problems]))


def _read(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    return {str(each.id): str(each.string) for each in catalogue if each.id and each.string and not each.fuzzy}
