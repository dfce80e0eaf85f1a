"""Sign-up by a mailed one-time code: the account is made when the code is redeemed, with a verified address.

So a stranger cannot fill the table with accounts of unverified addresses. Until then, requests for known and unknown
addresses cost the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gerbang.accounts.sign_up_policy import SignUpPolicy
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.one_time_codes import OneTimeCode
from gerbang.storage.store import Action, Store
from gerbang.storage.users import NUMBER_DRAWS, UserTable


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSignUp:
    """Makes the accounts of addresses to which a code was mailed for that."""

    store: Store
    users: UserTable
    rate_limits: RateLimits
    limit: Limit
    """Registrations and guests per client address."""
    policy: SignUpPolicy
    initial_credit: int
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]

    def make[T](
        self,
        email: EmailAddress,
        code: OneTimeCode,
        client: Client,
        *,
        spending: Sequence[Action],
        begin: Callable[[User], tuple[T, *tuple[Action, ...]]],
    ) -> T | None:
        """Make the account that a code is for and return what is begun for it, in the transaction that spends the code.

        *spending* are the actions that spend it, the code itself first. Returns None if the code was spent or replaced
        meanwhile.

        Raises:
            SignUpDisabled: the deployment takes no accounts.
            TooManyAttempts: this client address has made too many.
            DependencyUnavailable: another account has taken the address meanwhile, or the database did not answer.
        """
        self.policy.check_account()
        now = self.now()
        draft = User(
            user_id=self.new_id(),
            name=code.new_user_name,
            email=email,
            email_as_typed=email.as_typed,
            email_verified_at=now,
            credit_balance=self.initial_credit,
            locale=client.locale,
            created_at=now,
            updated_at=now,
            last_sign_in_at=now,
            user_metadata=code.new_user_metadata or {},
        )
        with self.rate_limits.attempt(Counted(self.limit, client.address, OnSuccess.STAYS)) as attempt:
            for _ in range(NUMBER_DRAWS):
                user = replace(draft, number=self.new_number())
                begun, *opening = begin(user)
                if isinstance(begun, SignedIn):
                    user = begun.user
                creation = self.users.creation(user)
                failed = self.store.commit(*spending, *creation.values(), *opening)
                if not failed:
                    session = {"session_id": begun.family_id} if isinstance(begun, SignedIn) else {}
                    self.log_event("registered", user_id=user.user_id, **session, method="otp")
                    return begun
                if failed[0] is not None:
                    attempt.give_back()
                    return None
                if dict(zip(creation, failed[len(spending) :], strict=False))[Name.EMAIL] is not None:
                    raise DependencyUnavailable("the address was registered meanwhile")
        raise DependencyUnavailable("no free number was drawn")
