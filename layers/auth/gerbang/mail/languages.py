"""The languages of mails, which are those with a folder of templates, and how one is chosen."""

import re
from pathlib import Path
from typing import Final, NewType

Locale = NewType("Locale", str)
"""A language with templates: the name of a folder in `templates`, an RFC 5646 tag such as `en`."""

TEMPLATES: Final = Path(__file__).with_name("templates")
"""The folder of the mail templates: `layout.html` and one folder per language."""

# A language-range of RFC 4647, section 2.1, but for "*"; with "_" as well, which Java, iOS and PHP write (es_MX).
_TAG: Final = r"[A-Za-z]{1,8}(?:[-_][A-Za-z0-9]{1,8})*"

LOCALES: Final = frozenset(
    Locale(entry.name) for entry in TEMPLATES.iterdir() if entry.is_dir() and re.fullmatch(_TAG, entry.name)
)
"""The languages mails can be written in. To add one, add its folder (docs/mail.md)."""

_FALLBACK: Final = Locale("en")
_LOCALE_OF_TAG: Final = {locale.lower(): locale for locale in LOCALES}
_RENAMED_TAGS: Final = {"in": "id"}  # Indonesian until 1989 (RFC 5646, section 2.2.1); Java before 17 still sends it

_TAG_CHARACTERS: Final = 35  # what RFC 5646, section 4.4.1, expects of a tag at most
_ACCEPT_LANGUAGE_CHARACTERS: Final = 1024  # browsers send under 200; what comes after is ignored
_RANGE: Final = re.compile(rf"({_TAG}|\*)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{{0,3}})?|1(?:\.0{{0,3}})?))?")


def choose_locale(*tags: str | None) -> Locale:
    """Return the language of the first tag that there are templates for; English if there are none for any."""
    return next((locale for tag in tags if (locale := find_locale(tag)) is not None), _FALLBACK)


def find_locale(tag: str | None) -> Locale | None:
    """Return the language with templates that a tag names, None if there is none.

    Subtags are removed from the right until one fits, so `en-GB` gets `en` (lookup, RFC 4647, section 3.4).
    """
    language, hyphen, rest = (tag or "")[:_TAG_CHARACTERS].lower().replace("_", "-").partition("-")
    remaining = _RENAMED_TAGS.get(language, language) + hyphen + rest
    while remaining:
        if remaining in _LOCALE_OF_TAG:
            return _LOCALE_OF_TAG[remaining]
        remaining = remaining.rpartition("-")[0]
    return None


def requested_locale(accept_language: str | None) -> Locale | None:
    """Return the best language with templates that an Accept-Language header names, None if it names none of them.

    Weights order the ranges, equal weights keep the header's order, and weight 0 excludes a language (RFC 9110,
    section 12.5.4); `*` expresses no preference. Malformed ranges are ignored, as is all after 1,024 characters.
    """
    header = accept_language or ""
    if len(header) > _ACCEPT_LANGUAGE_CHARACTERS:
        header = header[:_ACCEPT_LANGUAGE_CHARACTERS].rpartition(",")[0]
    ranges = [found for item in header.split(",") if (found := _RANGE.fullmatch(item.strip(" \t")))]
    weighted = [(float(found[2] or 1), found[1]) for found in ranges]
    for weight, tag in sorted(weighted, key=lambda pair: pair[0], reverse=True):
        locale = find_locale(tag)
        if weight > 0 and locale is not None:
            return locale
    return None
