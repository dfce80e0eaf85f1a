"""Links in mails: what the request that queued a mail says about its link, and the link's URL.

Only requests of Supabase's clients ask for links. Mails for other requests have a code and no link.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from gerbang.core.dataclass import dataclass
from gerbang.sessions.pkce import CodeChallenge

BASE_URL: Final = "link_base_url"
REDIRECT_TO: Final = "link_redirect_to"
CODE_CHALLENGE: Final = "link_code_challenge"
"""The members of a job's payload that are about its link."""

_BASE_URL: Final = re.compile(
    r"(https://[a-z0-9.-]{1,253}|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,150})?",
    re.IGNORECASE,
)
"""An https URL, or an http URL of this machine."""

_TARGET: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,2000}")
"""The form of a target that `gerbang.accounts.redirects` chose. It chooses again when the link is opened."""


class LinkType(StrEnum):
    """What a link is for, in GoTrue's terms."""

    SIGN_UP = "signup"
    MAGIC_LINK = "magiclink"
    RECOVERY = "recovery"
    INVITE = "invite"
    EMAIL_CHANGE = "email_change"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRequest:
    """The link that a request asks for."""

    base_url: str
    """The URL at which the client called the API."""
    redirect_to: str
    """Where the browser is sent once the link was opened."""
    challenge: CodeChallenge | None = field(default=None, repr=False)
    """The challenge of a client that uses PKCE; None: the target receives the session itself."""

    def to_payload(self) -> dict[str, str]:
        """Return the link as members of a job's payload."""
        challenge = {} if self.challenge is None else {CODE_CHALLENGE: self.challenge.to_text()}
        return {BASE_URL: self.base_url, REDIRECT_TO: self.redirect_to, **challenge}

    @classmethod
    def from_payload(cls, payload: Mapping[str, str]) -> "LinkRequest | None":
        """Return the link that a job's payload describes, None if it describes none or an invalid one."""
        base_url, redirect_to = payload.get(BASE_URL, ""), payload.get(REDIRECT_TO, "")
        if not _BASE_URL.fullmatch(base_url) or not _TARGET.fullmatch(redirect_to):
            return None
        text = payload.get(CODE_CHALLENGE)
        try:
            challenge = None if text is None else CodeChallenge.from_text(text)
        except ValueError:
            return None
        return cls(base_url=base_url, redirect_to=redirect_to, challenge=challenge)

    def url(self, token: str, link_type: LinkType) -> str:
        """Return the URL of the link. It ends in a letter or digit, so that mail programs link all of it."""
        query = urlencode({"token": token, "type": link_type.value, "redirect_to": self.redirect_to})
        if not query[-1].isalnum():  # one of "-._~", which are not encoded
            query = f"{query[:-1]}%{ord(query[-1]):02X}"
        return f"{self.base_url.rstrip('/')}/auth/v1/verify?{query}"


def to_payload(link: LinkRequest | None) -> dict[str, str]:
    """Return the members of a job's payload for a link, empty if there is none."""
    return {} if link is None else link.to_payload()
