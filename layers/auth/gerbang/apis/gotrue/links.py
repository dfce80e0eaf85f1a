"""The links in mails that requests ask for."""

from typing import Final

from gerbang.accounts.redirects import RedirectTargets
from gerbang.core.dataclass import dataclass
from gerbang.http.endpoint import Parameter
from gerbang.http.request import Request
from gerbang.mail.links import LinkRequest
from gerbang.sessions.pkce import CodeChallenge

REDIRECT_TO: Final = Parameter(
    name="redirect_to",
    description="The page of your app that the mailed link leads to.",
    example="https://app.example.com/welcome",
)


@dataclass(frozen=True, slots=True)
class Links:
    """Reads from a request where the link of its mail leads."""

    public_url: str | None
    """The API's URL; None: the one that the client called."""
    targets: RedirectTargets

    def asked_for(
        self, request: Request, challenge: CodeChallenge | None = None, *, redirect_to: str | None = None
    ) -> LinkRequest:
        """Return the link that a request asks for; *redirect_to* is the target in its body."""
        return LinkRequest(
            base_url=self.public_url or request.base_url,
            redirect_to=self.target(request, redirect_to),
            challenge=challenge,
        )

    def target(self, request: Request, redirect_to: str | None = None) -> str:
        """Return where a link leads: the target that was asked for if it is allowed, else the site."""
        headers = request.headers
        asked = (request.query.get("redirect_to"), headers.get("redirect_to"), headers.get("referer"))
        return self.targets.choose(redirect_to, *asked)
