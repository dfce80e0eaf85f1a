"""The page that a mailed link shows first, if the operator wants it. Its one button does what the link is for.

Programs that open the links in mails to check them do not post forms, so they do not use the link up.
"""

import html
import re
from functools import cache
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from gerbang.apis.gotrue.opened_links import OpenedLink
from gerbang.core.dataclass import dataclass
from gerbang.http.response import Response, page
from gerbang.mail.languages import choose_locale

_ORIGIN: Final = re.compile(r"https?://[^/?#]+|[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class Words(NamedTuple):
    """The texts of the page in one language."""

    heading: str
    text: str
    button: str
    aside: str


_ASIDES: Final = {
    "en": "If you did not ask for this email, close this page.",
    "id": "Jika Anda tidak meminta email ini, tutup halaman ini.",
    "it": "Se non hai chiesto questa email, chiudi questa pagina.",
    "es": "Si no pediste este correo, cierra esta página.",
}

_TEXTS: Final = {
    "en": "You opened a link from an email. Press the button to go on. The link works once.",
    "id": "Anda membuka tautan dari sebuah email. Tekan tombol untuk melanjutkan. Tautan ini hanya berlaku satu kali.",
    "it": "Hai aperto un link da un\u2019email. Premi il pulsante per continuare. Il link funziona una sola volta.",
    "es": "Abriste un enlace de un correo. Pulsa el botón para continuar. El enlace funciona una sola vez.",
}

_ACTIONS: Final = {
    "signup": {
        "en": ("Confirm your email address", "Confirm"),
        "id": ("Konfirmasi alamat email Anda", "Konfirmasi"),
        "it": ("Conferma il tuo indirizzo email", "Conferma"),
        "es": ("Confirma tu dirección de correo", "Confirmar"),
    },
    "invite": {
        "en": ("Accept your invitation", "Accept"),
        "id": ("Terima undangan Anda", "Terima"),
        "it": ("Accetta il tuo invito", "Accetta"),
        "es": ("Acepta tu invitación", "Aceptar"),
    },
    "recovery": {
        "en": ("Choose a new password", "Continue"),
        "id": ("Buat kata sandi baru", "Lanjutkan"),
        "it": ("Scegli una nuova password", "Continua"),
        "es": ("Elige una contraseña nueva", "Continuar"),
    },
    "email_change": {
        "en": ("Confirm the change of your email address", "Confirm"),
        "id": ("Konfirmasi perubahan alamat email Anda", "Konfirmasi"),
        "it": ("Conferma il cambio del tuo indirizzo email", "Conferma"),
        "es": ("Confirma el cambio de tu dirección de correo", "Confirmar"),
    },
    "magiclink": {
        "en": ("Sign in", "Sign in"),
        "id": ("Masuk", "Masuk"),
        "it": ("Accedi", "Accedi"),
        "es": ("Iniciar sesión", "Iniciar sesión"),
    },
}
"""Heading and button, by the type of the link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPage:
    """Renders the page."""

    site: str
    """The host of the app, by which readers recognize it."""

    def show(self, link: OpenedLink, *, locale: str | None, nonce: str) -> Response:
        """Return the page for a link, in the reader's language. This reads and changes no data."""
        language = choose_locale(locale)
        words = words_in(language, link.link_type)
        values = {
            "locale": language if language in _TEXTS else "en",
            "nonce": nonce,
            "title": f"{words.heading} - {self.site}",
            "site": self.site,
            "heading": words.heading,
            "text": words.text,
            "button": words.button,
            "aside": words.aside,
            "token": link.token,
            "link_type": link.link_type,
            "target": link.target,
        }
        text = _template().substitute({name: html.escape(value) for name, value in values.items()})
        return page(text, content_security_policy=_policy(nonce, link.target))


def words_in(language: str, link_type: str) -> Words:
    """Return the texts of the page in a language; in English if the operator has added the language to the mails."""
    if language not in _TEXTS:
        language = "en"
    heading, button = _ACTIONS.get(link_type, _ACTIONS["magiclink"])[language]
    return Words(heading, _TEXTS[language], button, _ASIDES[language])


def _policy(nonce: str, target: str) -> str:
    """Return the page's content security policy.

    The target's origin is in it, because Chromium applies `form-action` to the redirects that follow a form, too.
    """
    origin = _ORIGIN.match(target)
    allowed = "'self'" if origin is None else f"'self' {origin[0]}"
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action {allowed}; base-uri 'none'; frame-ancestors 'none'"
    )


@cache
def _template() -> Template:
    return Template(Path(__file__).with_suffix(".html").read_text("utf-8"))
