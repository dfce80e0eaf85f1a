"""Issues one-time codes, and links that redeem them: derived from a mail job, stored as the newest of their slot."""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime

from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.limits.rate_limits import digest
from gerbang.mail.codes import CODE_LIFETIME, CodeMaker
from gerbang.mail.link_tokens import LinkTokens, seal
from gerbang.mail.links import LinkRequest, LinkType
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, OneTimeCodeTable, Slot
from gerbang.storage.store import Condition, Key


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeOrder:
    """A request for a code."""

    job_id: str
    queued_at: datetime
    """When it was requested: a later request's code replaces it."""
    slot: Slot
    email: str = field(repr=False)
    """The canonical address that it is mailed to."""
    subject: str = field(repr=False)
    """What the code is for: the address, or a change of it (`gerbang.mail.email_change.change_subject`)."""
    purpose: CodePurpose
    epoch: int
    user_id: str | None = None
    new_user_metadata: Mapping[str, object] | None = field(default=None, repr=False)
    new_user_name: str = field(default="", repr=False)
    """As `OneTimeCode` has them."""
    link: LinkRequest | None = None
    link_type: LinkType = LinkType.MAGIC_LINK


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCode:
    """A code as it is mailed."""

    code: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """Of the link, None if none was requested."""
    link: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeIssuer:
    """Issues codes."""

    codes: OneTimeCodeTable
    maker: CodeMaker
    link_tokens: LinkTokens
    now: Clock

    def issue(self, order: CodeOrder, *conditions: Condition) -> IssuedCode | None:
        """Return the code of an order, now the newest of its slot; None if a later order was served already.

        Its lifetime starts now. *conditions* are of the slot's item.

        Raises:
            DependencyUnavailable: the keys could not be read, or the code could not be stored.
        """
        issued, stored = self._make(order)
        is_newest = self.codes.replace(self._key(order), stored, *conditions)
        return issued if is_newest else None

    def issue_at_once(self, order: CodeOrder) -> IssuedCode:
        """Return the code of an order, which replaces any code in its slot. Its lifetime starts now.

        Raises:
            DependencyUnavailable: the keys could not be read, or the code could not be stored.
        """
        issued, stored = self._make(order)
        self.codes.overwrite(self._key(order), stored)
        return issued

    def _key(self, order: CodeOrder) -> Key:
        return self.codes.key(order.slot, digest(order.email))

    def _make(self, order: CodeOrder) -> tuple[IssuedCode, OneTimeCode]:
        """Return the code of an order, and the record that is stored."""
        code, token = self.maker.code(order.job_id, order.subject, epoch=order.epoch), self._token(order)
        stored = OneTimeCode(
            secret_hash=self.maker.stored_form(order.subject, code),
            purpose=order.purpose,
            epoch=order.epoch,
            job_id=order.job_id,
            issued_at_ms=int(order.queued_at.timestamp() * 1000),
            expires_at=self.now() + CODE_LIFETIME,
            new_user_metadata=order.new_user_metadata,
            new_user_name=order.new_user_name,
            user_id=order.user_id,
        )
        link = None
        if order.link is not None and token is not None:
            link, challenge = order.link.url(token, order.link_type), order.link.challenge
            stored = replace(
                stored,
                link_hash=self.link_tokens.stored_form(token, subject=order.subject),
                sealed_email=seal(token, order.email),
                challenge=None if challenge is None else challenge.to_text(),
            )
        return IssuedCode(code=code, token=token, link=link), stored

    def _token(self, order: CodeOrder) -> str | None:
        if order.link is None:
            return None
        return self.link_tokens.token(
            order.job_id,
            order.slot,
            order.email,
            subject=order.subject,
            epoch=order.epoch,
            is_pkce=order.link.challenge is not None,
        )
