"""Registration: make an account in one transaction, and sign its owner in."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gerbang.accounts.organizations import Organizations
from gerbang.accounts.sign_up_policy import SignUpPolicy
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits
from gerbang.mail.links import LinkRequest
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.passwords.hashing import Passwords
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.devices import device_of
from gerbang.storage.organizations import Organization
from gerbang.storage.store import Absent, Action, ConditionFailed, Present, Store, Update
from gerbang.storage.users import NUMBER_DRAWS, UserTable

if TYPE_CHECKING:
    from gerbang.mail.service import MailService


class EmailTaken(AuthError):
    """Another account has the address."""

    code = "email_exists"

    def __init__(self, holder: User | None = None) -> None:
        """Keep which account it is, if known."""
        self.user_id = None if holder is None else holder.user_id
        super().__init__(self.user_id or "")
        self.holder = holder


class JoiningFailed(Exception):
    """The invitation or the organization was changed or deleted meanwhile. Nothing was written."""


class UsernameTaken(AuthError):
    """Another account has the user name, in upper or lower case."""

    code = "username_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What a registration asks for."""

    email: EmailAddress
    password: str = field(repr=False)
    name: str
    username: str | None = None
    founds: str | None = None
    """The name of the organization to found, None to found none."""
    locale: str | None = None
    user_metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    link: LinkRequest | None = None
    """The link of the mail that verifies the address; None: the mail has a code only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A new account, signed in, and the organization that was founded with it."""

    signed_in: SignedIn
    organization: Organization | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Makes accounts."""

    store: Store
    users: UserTable
    organizations: Organizations
    sessions: Sessions
    passwords: Passwords
    rate_limits: RateLimits
    limit: Limit
    """Registrations and guests per client address."""
    policy: SignUpPolicy
    initial_credit: int
    mail_service: "MailService | None"
    """Mails the code that verifies the address; None: registering sends no mail."""
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]

    def register(self, new: NewAccount, client: Client) -> Registered:
        """Make an account, with its organization if it founds one, and sign it in: one transaction, all or nothing.

        The password is hashed before the address is looked up, so both answers take as long.

        Raises:
            SignUpDisabled: the deployment takes no accounts.
            TooManyAttempts: this client has registered too often.
            EmailTaken, UsernameTaken: another account has it.
            DependencyUnavailable: the account could not be written, or its mail not queued; then nothing is written.
        """
        with self.counted(client):
            draft = self._draft(new)
            devices = (device_of(draft.user.user_id, client),)
            signed_in_user = replace(draft.user, last_sign_in_at=draft.user.created_at, devices=devices)
            signing_in = replace(draft, user=signed_in_user)
            user, signed_in = self._make(new, signing_in, lambda user: self.sessions.begin(user, client, "password"))
        self.log_event("registered", user_id=user.user_id, session_id=signed_in.family_id)
        return Registered(signed_in=replace(signed_in, role=draft.role), organization=draft.organization)

    def register_member(
        self,
        new: NewAccount,
        client: Client,
        organization_id: str,
        joining: Callable[[str, datetime], tuple[Action, ...]],
    ) -> SignedIn:
        """Make an account whose address is verified and which joins an organization, and sign it in.

        *joining* returns the actions of the membership, of an account's id and an instant.

        Raises:
            JoiningFailed: one of them failed; nothing was written.
            SignUpDisabled, TooManyAttempts, EmailTaken, DependencyUnavailable: as `register`.
        """
        with self.counted(client):
            draft = self._draft(new)
            user_id, at = draft.user.user_id, draft.user.created_at
            member = replace(
                draft.user,
                organization_id=organization_id,
                email_verified_at=at,
                last_sign_in_at=at,
                devices=(device_of(user_id, client),),
            )
            signing_in = _Draft(member, founding=joining(user_id, at))
            user, signed_in = self._make(new, signing_in, lambda user: self.sessions.begin(user, client, "password"))
        self.log_event("registered", user_id=user.user_id, session_id=signed_in.family_id)
        return signed_in

    def register_without_session(self, new: NewAccount, client: Client) -> User:
        """Make an account as `register` does, without opening a session.

        Raises:
            SignUpDisabled, TooManyAttempts, EmailTaken, UsernameTaken: as `register`.
        """
        with self.counted(client):
            return self.make(new)

    def make(self, new: NewAccount) -> User:
        """Make an account without a session, as part of what the caller counts.

        Raises:
            EmailTaken, UsernameTaken: as `register`.
        """
        user, _ = self._make(new, self._draft(new), lambda _: (None, None))
        self.log_event("registered", user_id=user.user_id)
        return user

    def find_holder(self, new: NewAccount) -> User | None:
        """Return the account that has the address, None if there is none. An unverified one becomes contested.

        If there is an account, this takes as many hashes as `make` takes without one, so the time reveals nothing.
        """
        holder = self.users.find_by_name(Name.EMAIL, new.email)
        if holder is None:
            return None
        if holder.email_verified_at is None:
            self._contest(holder, new.password)
        else:
            self.passwords.verify(new.password, None)
        return holder

    def _make[T](
        self, new: NewAccount, draft: "_Draft", begin: Callable[[User], tuple[T, Action | None]]
    ) -> tuple[User, T]:
        """Write an account with the first number drawn that is free; return it with what *begin* begins for it."""
        if self.mail_service is not None:
            self.mail_service.request_verification(draft.user, new.link)
        for _ in range(NUMBER_DRAWS):
            user = replace(draft.user, number=self.new_number())
            begun, opening = begin(user)
            creation = self.users.creation(user)
            actions = (*creation.values(), *draft.founding, *([] if opening is None else [opening]))
            failed = self.store.commit(*actions)
            if not failed:
                if self.mail_service is not None:
                    self.mail_service.forget_wrong_codes(user)
                return user, begun
            taken = {name: failure for name, failure in zip(creation, failed, strict=False) if failure is not None}
            if Name.EMAIL in taken:
                raise EmailTaken(self._contested(taken[Name.EMAIL], new.password))
            if Name.USERNAME in taken:
                raise UsernameTaken
            if any(failed[len(creation) : len(creation) + len(draft.founding)]):
                raise JoiningFailed
        raise DependencyUnavailable("no free number was drawn")

    def counted(self, client: Client) -> Attempt[None]:
        """Count a registration, also one of an address that is taken, but not one that fails (503).

        Raises:
            SignUpDisabled: the deployment takes no accounts.
            TooManyAttempts: this client has registered too often.
        """
        self.policy.check_account()
        return self.rate_limits.attempt(Counted(self.limit, client.address, OnSuccess.STAYS))

    def _contested(self, failure: ConditionFailed, password: str) -> User | None:
        """Return the account that took the address first, contested if its address is unverified."""
        user = None if failure.item is None else self.users.find(str(failure.item["user_id"]))
        if user is not None and user.email_verified_at is None:
            self._contest(user, password)
        return user

    def _contest(self, user: User, password: str) -> None:
        """Record on an unverified account that another registration of its address was rejected.

        From then on, no code keeps the account's password, because the rejected registration may be the owner's.
        Nothing is recorded if the address is verified meanwhile, or the password is the account's: then the same person
        has registered twice. A right password takes as long as a wrong one, so registering does not help to guess it.
        """
        same_person = self.passwords.verify_in_equal_time(password, user.password_hash) is Verdict.RIGHT
        when = Absent("pk") if same_person else Present("pk")  # every account has a key, so then nothing is written
        self.store.write(
            Update(
                self.users.key(user.user_id),
                {"contested_at": to_epoch(self.now())},
                (when, Absent("email_verified_at")),
            )
        )

    def _draft(self, new: NewAccount) -> "_Draft":
        now = self.now()
        user = User(
            user_id=self.new_id(),
            name=new.name,
            email=new.email,
            email_as_typed=new.email.as_typed,
            username=new.username,
            password_hash=self.passwords.hash(new.password),
            credit_balance=self.initial_credit,
            locale=new.locale,
            user_metadata=new.user_metadata,
            confirmation_sent_at=None if self.mail_service is None else now,
            created_at=now,
            updated_at=now,
        )
        if new.founds is None:
            return _Draft(user)
        founding = self.organizations.found(new.founds, user.user_id, at=now)
        user = replace(user, organization_id=founding.organization.organization_id)
        return _Draft(user, founding.organization, founding.role, founding.actions)


@dataclass(frozen=True, slots=True)
class _Draft:
    """An account without its number, the organization it founds or joins, and the actions for that."""

    user: User
    organization: Organization | None = None
    role: str | None = None
    founding: tuple[Action, ...] = ()
