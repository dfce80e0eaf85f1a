"""The language that a request asks for: apart from `callers`, so that only who mails imports what mails need."""

from gerbang.http.edge import Request
from gerbang.mail.languages import Locale, requested_locale


def locale_of(request: Request) -> Locale | None:
    """Return the language that a request asks for, of those that mails are written in; None if none of them."""
    return requested_locale(request.headers.get("accept-language"))
