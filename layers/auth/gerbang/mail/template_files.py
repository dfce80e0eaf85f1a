"""The files of the mail templates, read and checked."""

from functools import cache
from pathlib import Path
from string import Template

from gerbang.core.dataclass import dataclass
from gerbang.mail.languages import Locale


class MailTemplateInvalid(Exception):
    """A template is missing, or its placeholders are not those of its message; says which file and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTemplates:
    """One message's templates in one language, checked."""

    subject: Template
    text: Template
    html: Template
    layout: Template
    greeting_named: Template
    greeting_unnamed: Template

    def greeting(self, name: str | None) -> str:
        """Return the first line of a mail to *name*, None to use no name."""
        return self.greeting_unnamed.template if name is None else self.greeting_named.substitute(name=name)


@cache
def read_templates(folder: Path, locale: Locale, name: str, values: frozenset[str]) -> MessageTemplates:
    """Return the templates of message *name*, read once in the life of the process.

    Raises:
        MailTemplateInvalid: a file is missing, not UTF-8 or not in its form, uses a placeholder that the message does
            not have, or leaves out one of *values*.
    """
    language = folder / locale
    allowed = values | {"greeting", "product_name"}
    first_line, _, text = _read(language / f"{name}.txt").partition("\n")
    if not first_line.startswith("Subject: ") or not text.strip():
        raise MailTemplateInvalid(f"{locale}/{name}.txt: the first line must be 'Subject: …', the text follows")
    subject = first_line.removeprefix("Subject: ").strip()
    layout = frozenset({"locale", "subject", "product_name", "content"})
    return MessageTemplates(
        subject=_checked(f"{locale}/{name}.txt: Subject", subject, allowed=frozenset({"product_name"})),
        text=_checked(f"{locale}/{name}.txt", f"{text.strip()}\n", allowed=allowed, required=values),
        html=_checked(f"{locale}/{name}.html", _read(language / f"{name}.html"), allowed=allowed, required=values),
        layout=_checked("layout.html", _read(folder / "layout.html"), allowed=layout, required=layout),
        greeting_named=_checked(
            f"{locale}/greeting_named.txt",
            _read(language / "greeting_named.txt").strip(),
            allowed=frozenset({"name"}),
            required=frozenset({"name"}),
        ),
        greeting_unnamed=_checked(
            f"{locale}/greeting_unnamed.txt", _read(language / "greeting_unnamed.txt").strip(), allowed=frozenset()
        ),
    )


def _read(file: Path) -> str:
    """Return the text of a template."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MailTemplateInvalid(f"{file.parent.name}/{file.name}: missing") from None
    except UnicodeDecodeError:
        raise MailTemplateInvalid(f"{file.parent.name}/{file.name}: not UTF-8") from None


def _checked(source: str, text: str, *, allowed: frozenset[str], required: frozenset[str] = frozenset()) -> Template:
    """Return *text* as a template whose placeholders are all *allowed*, the *required* ones among them."""
    template = Template(text)
    if not template.is_valid():
        raise MailTemplateInvalid(f"{source}: a $ that starts no placeholder; write $$ for the sign itself")
    used = frozenset(template.get_identifiers())
    if unknown := used - allowed:
        raise MailTemplateInvalid(f"{source}: unknown placeholder {', '.join(sorted(unknown))}")
    if unused := required - used:
        raise MailTemplateInvalid(f"{source}: placeholder {', '.join(sorted(unused))} is not used")
    return template
