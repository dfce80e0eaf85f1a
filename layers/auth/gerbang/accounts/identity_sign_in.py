"""Sign in with an identity of another provider: its account is found, linked or made in one transaction.

The identity is the provider's subject, never the address (ASVS 6.8.1, 10.5.2). An address that the provider has
verified links the identity to the account that has the address, or makes an account. What was set up in that account
before the address was verified is dropped. An identity without a verified address signs in only to the account that it
is linked to (docs/decisions/0028-oidc-providers.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Final

from gerbang.accounts.sign_up_policy import SignUpDisabled, SignUpPolicy
from gerbang.accounts.verification import AccountDisabled, EarlierCredentials, verify_email
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.concurrency import run_concurrently
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits, TooManyAttempts
from gerbang.mail.identity_notices import IdentityNotices
from gerbang.sessions.first_factor import FirstFactors, waiting
from gerbang.sessions.sessions import Sessions, SignedIn, SignInOvertaken
from gerbang.storage.accounts import Identity, Name, User, identity_name
from gerbang.storage.devices import device_of, learned_device
from gerbang.storage.store import Action, Store
from gerbang.storage.users import UserTable

GOOGLE: Final = "google"
"""The provider's name, as stored and as GoTrue's clients know it."""


class LinkedToAnother(AuthError):
    """The address belongs to an account that another identity of the same provider signs in to."""

    code = "identity_already_exists"


class ProviderEmailUnverified(AuthError):
    """The identity is linked to no account, and its provider has not verified an address."""

    code = "provider_email_needs_verification"


IDENTITY_ERRORS: Final = (
    ProviderEmailUnverified,
    InvalidEmail,
    SignUpDisabled,
    LinkedToAnother,
    AccountDisabled,
    TooManyAttempts,
)
"""What `IdentitySignIn.sign_in` raises, except `SecondFactorRequired` and `DependencyUnavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedIdentity:
    """A user at a provider, verified by the provider's signature, or by the operator's own back end."""

    provider: str
    """Such as `GOOGLE`; without `#`."""
    subject: str
    email: str = field(repr=False)
    """As the provider spells it."""
    name: str = field(repr=False)
    email_verified: bool = True
    """Whether the provider has verified the address. If not, it is not used."""
    issuer: str = ""
    """The `iss` of the token, empty if there was none."""
    profile: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, hash=False)
    """Other claims of the profile, such as `picture` and `locale`: 2 KiB at most."""

    def user_metadata(self, email: str) -> dict[str, object]:
        """Return the `user_metadata` of an account that is made for the identity, with GoTrue's names for the claims.

        *email* is the account's address. Claims that are missing are left out.
        """
        texts = {
            **self.profile,
            "full_name": self.name,
            "avatar_url": self.profile.get("picture", ""),
            "email": email,
            "iss": self.issuer,
            "sub": self.subject,
            "provider_id": self.subject,
        }
        return {**{name: text for name, text in texts.items() if text}, "email_verified": True}

    def linked_to(self, user: User) -> Identity:
        """Return the identity to store when it is linked to an account, at the account's `updated_at`."""
        return Identity(
            user_id=user.user_id,
            provider=self.provider,
            subject=self.subject,
            email=self.email,
            created_at=user.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySignIn:
    """Signs in by an identity at a provider; makes the account at the first sign-in."""

    store: Store
    users: UserTable
    sessions: Sessions
    rate_limits: RateLimits
    limit: Limit
    """Registrations and guests per client address; first sign-ins count."""
    initial_credit: int
    notices: IdentityNotices
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]
    policy: SignUpPolicy = field(default_factory=SignUpPolicy)
    first_factors: FirstFactors | None = None
    """Makes sign-ins wait for a second factor; None: the session is raised later, as at Supabase Auth."""

    def sign_in(self, identity: VerifiedIdentity, client: Client) -> SignedIn:
        """Return a session of the identity's account: the linked one, the one with its address, or a new one.

        Raises:
            ProviderEmailUnverified: the identity is new here, and its provider has not verified its address.
            InvalidEmail: the identity is new here, and its address is not one that can be stored.
            SignUpDisabled: the identity is new here, no account has its address, and none may be made.
            LinkedToAnother: another identity of the provider signs in to the account with that address.
            AccountDisabled: the account may not be used.
            TooManyAttempts: this client address has made too many accounts.
            SecondFactorRequired: the account has a second factor, and the API asks for it. The identity is linked.
        """
        for _ in range(CHANGE_TRIES):
            holder = self._holder(identity)
            if holder is None:
                self.policy.check_account()
                with self.rate_limits.attempt(Counted(self.limit, client.address, OnSuccess.STAYS)) as attempt:
                    signed_in = self._make(identity, client)
                    if signed_in is None:
                        attempt.give_back()
            elif holder.subjects.get(identity.provider) == identity.subject:
                signed_in = self._open(holder, client)
            else:
                signed_in = self._link(holder, identity, client)
            if signed_in is not None:
                return signed_in
        raise KeptChanging("account")

    def _holder(self, identity: VerifiedIdentity) -> User | None:
        """Return the account that the identity signs in to or, if there is none yet, the one that has its address."""
        linked = self.users.find_by_name(Name.IDENTITY, identity_name(identity.provider, identity.subject))
        if linked is not None and linked.subjects.get(identity.provider) == identity.subject:
            return linked
        if not identity.email_verified:  # also if the identity was unlinked between the two reads
            raise ProviderEmailUnverified
        return self.users.find_by_name(Name.EMAIL, canonical(identity.email))

    def _open(self, user: User, client: Client) -> SignedIn | None:
        """Open a session; None when the account was disabled, or its epoch raised, since it was read."""
        if user.is_disabled(self.now()):
            raise AccountDisabled(user.user_id)
        if (required := waiting(self.first_factors, user, "oauth")) is not None:
            raise required
        try:
            return self.sessions.open(user, client, "oauth")
        except SignInOvertaken:
            return None

    def _link(self, holder: User, identity: VerifiedIdentity, client: Client) -> SignedIn | None:
        now = self.now()
        if holder.is_disabled(now):
            raise AccountDisabled(holder.user_id)
        if identity.provider in holder.subjects:
            raise LinkedToAnother
        verified, changes = verify_email(holder, EarlierCredentials.DROPPED, at=now, locale=client.locale)
        linked = replace(verified, subjects={**holder.subjects, identity.provider: identity.subject}, updated_at=now)
        changes["updated_at"] = to_epoch(now)
        if self.first_factors is None or not verified.has_second_factor:  # else the session, opened later, records it
            changes |= learned_device(verified, client)
        linking = self.users.linking(holder, identity.linked_to(linked), changes)
        notices = self.notices.linking(holder, linked, identity.provider, locale=client.locale)
        signed_in, *_ = run_concurrently(lambda: self._commit(linked, client, "identity_linked", *linking), *notices)
        return signed_in

    def _make(self, identity: VerifiedIdentity, client: Client) -> SignedIn | None:
        now, email, user_id = self.now(), canonical(identity.email), self.new_id()
        user = User(
            user_id=user_id,
            number=self.new_number(),
            name=identity.name or email.partition("@")[0],
            email=email,
            email_as_typed=identity.email,
            email_verified_at=now,
            subjects={identity.provider: identity.subject},
            credit_balance=self.initial_credit,
            locale=client.locale,
            created_at=now,
            updated_at=now,
            last_sign_in_at=now,
            devices=(device_of(user_id, client),),
            user_metadata=identity.user_metadata(email),
        )
        creation = (*self.users.creation(user).values(), *self.users.identity_creation(identity.linked_to(user)))
        return self._commit(user, client, "registered", *creation)

    def _commit(self, user: User, client: Client, event: str, *actions: Action) -> SignedIn | None:
        """Write the account and its session; return None if another request has changed the account meanwhile."""
        if (required := waiting(self.first_factors, user, "oauth")) is not None:
            if self.store.commit(*actions):
                return None
            self.log_event(event, user_id=user.user_id, method="oauth")
            raise required
        signed_in, opening = self.sessions.begin(user, client, "oauth")
        if self.store.commit(*actions, opening):
            return None
        self.log_event(event, user_id=user.user_id, session_id=signed_in.family_id, method="oauth")
        return signed_in
