"""Sign-in by the link of a mail, which does what the mail's code does.

Wrong links are counted by client address only: a token has 256 bits and cannot be guessed.
"""

from collections.abc import Callable, Sequence
from typing import Any

from gerbang.accounts.code_sign_in import Begin, CodeSignIn, InvalidCode, PresentedCode
from gerbang.accounts.email_change import EmailChange, HalfConfirmed
from gerbang.accounts.pkce import AuthorizationCode, PkceFlows
from gerbang.core.client import Client
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted
from gerbang.mail.link_tokens import LinkTokens, unseal
from gerbang.sessions.pkce import CodeChallenge
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.one_time_codes import EMAIL_CHANGES, OneTimeCode, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSignIn:
    """Signs in by links."""

    tokens: LinkTokens
    sign_in: CodeSignIn
    email_change: EmailChange
    flows: PkceFlows
    log_event: LogEvent

    def redeem(self, token: str, client: Client, *, slots: Sequence[Slot]) -> SignedIn | HalfConfirmed:
        """Trade the token of a link, of one of *slots*, for a session. Four round trips.

        Raises:
            InvalidCode: the token is wrong, spent, replaced or expired.
            AccountDisabled, SignUpDisabled, EmailTaken, TooManyAttempts, DependencyUnavailable: as with a code
                (`CodeSignIn.redeem`, `EmailChange.confirm`).
        """
        return self._open(token, client, slots, lambda _: lambda user: self._begin_session(user, client))

    def follow(
        self, token: str, client: Client, *, slots: Sequence[Slot]
    ) -> SignedIn | AuthorizationCode | HalfConfirmed:
        """Trade the token of a link that was opened in a browser for what its client asked for. Four round trips.

        A client that uses PKCE is given an authorization code, any other one a session.

        Raises:
            InvalidCode, AccountDisabled, SignUpDisabled, EmailTaken, TooManyAttempts, DependencyUnavailable: as
                `redeem`.
        """

        def choose(code: OneTimeCode) -> Begin[SignedIn | AuthorizationCode]:
            challenge = None if code.challenge is None else CodeChallenge.from_text(code.challenge)
            if challenge is None:
                return lambda user: self._begin_session(user, client)
            return lambda user: self.flows.begin(user, challenge)

        followed = self._open(token, client, slots, choose)
        self.log_event("link_followed", user_id=followed.user.user_id)
        return followed

    def _begin_session(self, user: User, client: Client) -> Any:
        return self.sign_in.sessions.begin(user, client, "otp")

    def _open[T](
        self, token: str, client: Client, slots: Sequence[Slot], choose: Callable[[OneTimeCode], Begin[T]]
    ) -> T | HalfConfirmed:
        named = self.tokens.read(token)
        if named is None or named.slot not in slots:
            raise InvalidCode("malformed" if named is None else "another type")
        codes, now = self.sign_in.codes, self.sign_in.now()
        with self.sign_in.rate_limits.attempt(
            Counted(self.sign_in.address_limit, client.address),
            alongside=lambda: codes.find(codes.key(named.slot, named.subject)),
        ) as attempt:
            code = attempt.alongside
            sealed = None if code is None or not code.is_live(now) else code.sealed_email
            email = None if sealed is None else unseal(token, sealed, named)
            if code is None or email is None:
                raise InvalidCode("none, or wrong")
            return self._redeem_at(token, EmailAddress(email), client, attempt, slot=named.slot, begin=choose(code))

    def _redeem_at[T](
        self, token: str, email: EmailAddress, client: Client, attempt: Attempt[Any], *, slot: Slot, begin: Begin[T]
    ) -> T | HalfConfirmed:
        """Redeem the token of an address. Its code is read again together with the account, and compared."""

        def is_right(code: OneTimeCode, subject: str = email) -> bool:
            return code.link_hash is not None and self.tokens.matches(code.link_hash, token, subject=subject)

        if slot in EMAIL_CHANGES:
            return self.email_change.confirm_counted(email, is_right, client, attempt, begin=begin)
        presented = PresentedCode(email=email, slots=(slot,), is_right=is_right)
        user_id = self.sign_in.users.find_id(Name.EMAIL, email)
        return self.sign_in.open(presented, client, attempt, user_id=user_id, begin=begin).begun
