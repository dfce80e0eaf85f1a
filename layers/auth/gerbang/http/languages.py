"""The language that a request asks for: apart from the endpoint, so that only endpoints that mail import it."""

from gerbang.http.request import Request
from gerbang.mail.jobs import Locale, requested_locale


def locale_of(request: Request) -> Locale | None:
    """Return the language that a request asks for, of those that mails are written in; None if none of them."""
    return requested_locale(request.headers.get("accept-language"))
