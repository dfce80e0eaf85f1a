"""The output of `make docs` is up to date, complete, and in four languages."""

import re
from pathlib import Path

import pytest
from gerbang_docs import explorer_page
from gerbang_docs.__main__ import every_text, out_of_date
from gerbang_docs.texts import FOLDER, LANGUAGES, SOURCE, Catalogue, TranslationsMissing

TRANSLATED = [language for language in LANGUAGES if language != SOURCE]
TEXTS = every_text()


def test_every_generated_document_is_up_to_date() -> None:
    assert [file.name for file, _ in out_of_date()] == [], "run `make docs`"


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_keep_placeholders_and_code(language: str) -> None:
    catalogue = Catalogue()
    for text in TEXTS:
        translated = catalogue.text(text, language)
        for pattern in (r"\{\w+\}", r"`[^`]+`"):
            assert sorted(re.findall(pattern, text)) == sorted(re.findall(pattern, translated)), text


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_keep_the_final_full_stop(language: str) -> None:
    catalogue = Catalogue()
    for text in TEXTS:
        translated = catalogue.text(text, language)
        assert (text[-1] == ".") == (translated[-1] == "."), text
        assert translated == translated.strip(), text


@pytest.fixture
def catalogues(tmp_path: Path) -> Path:
    """A copy of the catalogues."""
    for file in FOLDER.glob("*.po"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_a_missing_translation_fails_the_build(catalogues: Path) -> None:
    Catalogue(catalogues).check(TEXTS)

    with pytest.raises(TranslationsMissing, match=r"`make texts`[^$]*id\.po lacks: A new text"):
        Catalogue(catalogues).check([*TEXTS, "A new text."])


def test_an_unused_translation_fails_the_build(catalogues: Path) -> None:
    with pytest.raises(TranslationsMissing, match=re.escape(f"es.po has, of no use: {TEXTS[-1]}")):
        Catalogue(catalogues).check(TEXTS[:-1])


def test_a_fuzzy_translation_counts_as_missing(catalogues: Path) -> None:
    file = catalogues / "it.po"
    file.write_text(file.read_text("utf-8").replace('msgid "Send"', '#, fuzzy\nmsgid "Send"'), "utf-8")

    with pytest.raises(TranslationsMissing, match=r"it\.po lacks: Send"):
        Catalogue(catalogues).check(TEXTS)


def test_new_texts_are_added_to_the_catalogues(catalogues: Path) -> None:
    missing = Catalogue(catalogues).update([*TEXTS[1:], 'A "new" text.'])

    assert missing == ['A "new" text.']
    for language in TRANSLATED:
        written = (catalogues / f"{language}.po").read_text("utf-8")
        assert 'msgid "A \\"new\\" text."\nmsgstr ""\n' in written
        assert f'msgid "{TEXTS[0]}"\n' not in written
    with pytest.raises(TranslationsMissing):
        Catalogue(catalogues).check([*TEXTS[1:], 'A "new" text.'])


def test_the_explorer_page_is_small_and_loads_no_other_files() -> None:
    page = explorer_page.FILE.read_bytes()
    text = page.decode("utf-8")

    assert len(page) < explorer_page.LARGEST
    assert (
        re.findall(r"""\b(?:src|srcset|@import)\b\s*[=(]""", re.sub(r'(?s)<script id="data".*?</script>', "", text))
        == []
    )
    assert re.findall(r'<link rel="(?!icon")', text) == []
    assert text.count('nonce="{nonce}"') == len(re.findall(r"<(?:script|style)\b", text))
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|localStorage|sessionStorage", text) == []
