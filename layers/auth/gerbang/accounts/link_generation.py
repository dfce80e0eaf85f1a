"""Links and codes that an administrator is given instead of having them mailed."""

from collections.abc import Callable
from dataclasses import field, replace
from enum import StrEnum

from gerbang.accounts.addresses import request_change
from gerbang.accounts.invitations import find_unverified, mark_invited
from gerbang.accounts.password_check import PasswordCheck
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_creation import NewUser, UserCreation
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.mail.email_change import change_subject
from gerbang.mail.issuing import CodeIssuer, CodeOrder
from gerbang.mail.links import LinkRequest, LinkType
from gerbang.storage.accounts import Name, User
from gerbang.storage.one_time_codes import CodePurpose, Slot
from gerbang.storage.store import ConditionFailed
from gerbang.storage.users import UserTable, unchanged


class WantedLink(StrEnum):
    """What a link is for, in GoTrue's words."""

    SIGN_UP = "signup"
    INVITE = "invite"
    MAGIC_LINK = "magiclink"
    RECOVERY = "recovery"
    EMAIL_CHANGE_CURRENT = "email_change_current"
    EMAIL_CHANGE_NEW = "email_change_new"


class AddressNotConfirmed(AuthError):
    """The present address is not verified, so it does not confirm a change: only the new address does."""

    code = "address_not_confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedLink:
    """A link that is not mailed, and its parts."""

    user: User
    url: str = field(repr=False)
    code: str = field(repr=False)
    token: str = field(repr=False)
    wanted: WantedLink
    """What it is for: a magic link for an address that no account has confirms the sign-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkGeneration:
    """Generates links."""

    users: UserTable
    creation: UserCreation
    password_check: PasswordCheck
    issuer: CodeIssuer
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]

    def generate(
        self, wanted: WantedLink, new: NewUser, link: LinkRequest, *, new_email: EmailAddress | None = None
    ) -> GeneratedLink:
        """Return a link for an account. It replaces the last code and link for the same purpose.

        *new* is the account to make if there is none: by a sign-up, an invitation or a magic link. *new_email* is what
        a change of address needs.

        Raises:
            EmailTaken: a sign-up or an invitation for a verified account; or another account has the new address.
            NoSuchUser: there is no account to recover, or whose address to change.
            AddressNotConfirmed: the present address is to confirm a change, and is not verified.
            MetadataTooLarge: the account's metadata would be.
            DependencyUnavailable: the same request works later.
        """
        try:
            generated = self._generate(wanted, new, link, new_email)
        except EmailTaken:
            if new_email is not None or self._is_verified(new.email):
                raise
            generated = self._generate(wanted, new, link, new_email)  # for the account that was made meanwhile
        self.log_event("link_generated", user_id=generated.user.user_id, kind=wanted.value)
        return generated

    def _generate(
        self, wanted: WantedLink, new: NewUser, link: LinkRequest, new_email: EmailAddress | None
    ) -> GeneratedLink:
        match wanted:
            case WantedLink.SIGN_UP:
                existing = find_unverified(self.users, new.email)
                user = self.creation.create(new) if existing is None else existing
                purpose = self._purpose_of_sign_up(existing, new)
                return self._issue(wanted, user, Slot.EMAIL, link, purpose)
            case WantedLink.INVITE:
                existing, now = find_unverified(self.users, new.email), self.now()
                user = (
                    self.creation.create(replace(new, invited_at=now))
                    if existing is None
                    else mark_invited(self.users, existing, at=now)
                )
                return self._issue(wanted, user, Slot.EMAIL, link)
            case WantedLink.MAGIC_LINK:
                found = self.users.find_by_name(Name.EMAIL, new.email)
                if found is None:
                    return self._issue(WantedLink.SIGN_UP, self.creation.create(new), Slot.EMAIL, link)
                return self._issue(wanted, found, Slot.RECOVERY, link)
            case WantedLink.RECOVERY:
                return self._issue(wanted, self._existing(new.email), Slot.RECOVERY, link)
            case WantedLink.EMAIL_CHANGE_CURRENT | WantedLink.EMAIL_CHANGE_NEW:
                return self._generate_change(wanted, self._existing(new.email), new_email or new.email, link)

    def _is_verified(self, email: EmailAddress) -> bool:
        user = self.users.find_by_name(Name.EMAIL, email)
        return user is not None and user.email_verified_at is not None

    def _existing(self, email: EmailAddress) -> User:
        user = self.users.find_by_name(Name.EMAIL, email)
        if user is None:
            raise NoSuchUser("no account has the address")
        return user

    def _purpose_of_sign_up(self, existing: User | None, new: NewUser) -> CodePurpose:
        """Return the purpose of a sign-up's link: it keeps the account's password only if that is this sign-up's."""
        is_its_own = existing is None or self.password_check.is_right(new.password or "", existing)
        return CodePurpose.VERIFICATION if is_its_own else CodePurpose.SIGN_IN

    def _generate_change(
        self, wanted: WantedLink, user: User, new_email: EmailAddress, link: LinkRequest
    ) -> GeneratedLink:
        """Return a link by which one of the two addresses confirms a change, which is requested if it is not yet."""
        slot = Slot.EMAIL_CHANGE_NEW
        if wanted is WantedLink.EMAIL_CHANGE_CURRENT:
            slot = Slot.EMAIL_CHANGE_CURRENT
            if user.email_verified_at is None:
                raise AddressNotConfirmed
        if self.users.find_id(Name.EMAIL, new_email) is not None:
            raise EmailTaken
        if user.new_email != new_email:
            requested, changes = request_change(user, new_email, as_typed=new_email.as_typed, at=self.now())
            if isinstance(self.users.change(user, changes, unchanged("email", user)), ConditionFailed):
                raise DependencyUnavailable("the account was changed meanwhile")
            user = requested
        return self._issue(wanted, user, slot, link, CodePurpose.EMAIL_CHANGE)

    def _issue(
        self,
        wanted: WantedLink,
        user: User,
        slot: Slot,
        link: LinkRequest,
        purpose: CodePurpose = CodePurpose.SIGN_IN,
    ) -> GeneratedLink:
        is_change = purpose is CodePurpose.EMAIL_CHANGE
        address = (user.new_email if slot is Slot.EMAIL_CHANGE_NEW else user.email) or ""
        issued = self.issuer.issue_at_once(
            CodeOrder(
                job_id=self.new_id(),
                queued_at=self.now(),
                slot=slot,
                email=address,
                subject=change_subject(slot, user) if is_change else address,
                purpose=purpose,
                epoch=user.epoch,
                user_id=user.user_id if is_change else None,
                link=link,
                link_type=LinkType.EMAIL_CHANGE if is_change else LinkType(wanted.value),
            )
        )
        return GeneratedLink(
            user=user, url=issued.link or "", code=issued.code, token=issued.token or "", wanted=wanted
        )
