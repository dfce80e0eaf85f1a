"""The composition root: one class that makes every service from the settings, when it is first used.

The parts are real; a test or a tool replaces any of them in the constructor call. Nothing unique is made in advance
(ids, nonces), so that environments restored from one snapshot do not share it (security.md 157).

A service's modules are imported in the property that makes it, so a function loads only what its endpoint needs.
Importing everything at the top makes a start take 1.1 to 1.2 times as long (docs/performance-tried.md).
"""
# ruff: noqa: PLC0415

from dataclasses import replace
from functools import cached_property
from os import environ  # noqa: TID251 - handed to `Settings`, which reads it
from typing import TYPE_CHECKING, Final

from gerbang.core import init
from gerbang.core.identifiers import NO_ACCOUNT
from gerbang.organization_components import OrganizationComponents

if TYPE_CHECKING:
    from gerbang.accounts.authorization import Authorizer
    from gerbang.accounts.guests import Guests
    from gerbang.accounts.invitation_acceptance import InvitationAcceptance
    from gerbang.accounts.password_change import PasswordChange
    from gerbang.accounts.password_reset import PasswordReset
    from gerbang.accounts.registration import Registration
    from gerbang.accounts.sign_in import PasswordSignIn
    from gerbang.accounts.sign_up import ConfirmedSignUp, SignUp
    from gerbang.accounts.user_update import UserUpdate


class Container(OrganizationComponents):
    """Makes the services of one deployment, each once."""

    # Accounts

    @cached_property
    def authorizer(self) -> "Authorizer":
        """Checks who calls the operator's other APIs, and in which organization."""
        from gerbang.accounts.authorization import Authorizer
        from gerbang.sessions.assurance import SecondFactorPolicy

        return Authorizer(self.sessions, self.organizations, SecondFactorPolicy(self.settings.second_factor_policy))

    @cached_property
    def password_sign_in(self) -> "PasswordSignIn":
        """Signs in by a password."""
        from gerbang.accounts.sign_in import PasswordSignIn

        return PasswordSignIn(
            users=self.users,
            sessions=self.sign_in_sessions,
            passwords=self.passwords,
            password_check=self.password_check,
            password_attempts=self.password_attempts,
            unverified=self.unverified_address,
            live_migration=self.live_migration,
            first_factors=self.first_factors,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def password_sign_in_with_role(self) -> "PasswordSignIn":
        """`password_sign_in`, which also reads the role in the user's organization."""
        sessions = replace(self.sign_in_sessions, read_role=self.organization_table.default_role)
        return replace(self.password_sign_in, sessions=sessions)

    @cached_property
    def supabase_password_sign_in(self) -> "PasswordSignIn":
        """`password_sign_in` for Supabase's clients: only verified addresses sign in; disabled accounts are told so."""
        from gerbang.sessions.email_policy import UnverifiedAddress

        unverified = UnverifiedAddress.ACCEPTED if self.sign_up_policy.autoconfirm else UnverifiedAddress.REFUSED
        return replace(self.password_sign_in, unverified=unverified, first_factors=None, tells_of_disabling=True)

    @cached_property
    def registration_without_mail(self) -> "Registration":
        """Makes accounts, and sends no mail."""
        from gerbang.accounts.registration import Registration

        return Registration(
            store=self.store,
            users=self.users,
            organizations=self.organizations,
            sessions=self.sessions,
            passwords=self.passwords,
            rate_limits=self.rate_limits,
            limit=self.limit("registration"),
            policy=self.sign_up_policy,
            initial_credit=self.settings.initial_credit_balance,
            mail_service=None,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
            new_number=self.new_number,
        )

    @cached_property
    def registration(self) -> "Registration":
        """Makes accounts, and mails a verification code where an unverified address does not sign in."""
        return self.registration_with_mail if self.settings.requires_verified_email else self.registration_without_mail

    @cached_property
    def registration_with_mail(self) -> "Registration":
        """Makes accounts, and mails a verification code to each."""
        return replace(self.registration_without_mail, mail_service=self.mail_service)

    @cached_property
    def sign_up(self) -> "SignUp":
        """Makes accounts for Supabase's clients, with a mailed code."""
        from gerbang.accounts.sign_up import SignUp

        return SignUp(
            registration=self.registration_with_mail,
            mail_service=self.mail_service,
            now=self.now,
            new_id=self.new_id,
        )

    @cached_property
    def confirmed_sign_up(self) -> "ConfirmedSignUp":
        """Makes accounts that are signed in at once."""
        from gerbang.accounts.sign_up import ConfirmedSignUp

        return ConfirmedSignUp(registration=self.registration_without_mail)

    @cached_property
    def guests(self) -> "Guests":
        """Makes guests' accounts."""
        from gerbang.accounts.guests import Guests

        return Guests(
            store=self.store,
            users=self.users,
            sessions=self.sessions,
            rate_limits=self.rate_limits,
            limit=self.limit("registration"),
            policy=self.sign_up_policy,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
        )

    @cached_property
    def password_reset(self) -> "PasswordReset":
        """Sets forgotten passwords."""
        from gerbang.accounts.password_reset import PasswordReset

        return PasswordReset(
            store=self.store,
            users=self.users,
            codes=self.codes,
            tokens=self.reset_tokens,
            passwords=self.passwords,
            password_check=self.password_check,
            rate_limits=self.rate_limits,
            limit=self.limit("reset"),
            password_attempts=self.password_attempts,
            mail_service=self.mail_service,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def password_change(self) -> "PasswordChange":
        """Changes passwords."""
        from gerbang.accounts.password_change import PasswordChange

        return PasswordChange(
            store=self.store,
            users=self.users,
            families=self.families,
            sessions=self.sessions,
            passwords=self.passwords,
            password_check=self.password_check,
            password_attempts=self.password_attempts,
            mail_service=self.mail_service,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def user_update(self) -> "UserUpdate":
        """Changes the account of a signed-in user."""
        from gerbang.accounts.user_update import UserUpdate

        return UserUpdate(
            store=self.store,
            users=self.users,
            families=self.families,
            sessions=self.sessions,
            addresses=self.addresses,
            passwords=self.passwords,
            password_check=self.password_check,
            reauthentication=self.reauthentication,
            rate_limits=self.rate_limits,
            limit=self.limit("registration"),
            policy=self.sign_up_policy,
            mail_service=self.mail_service,
            change_mails=self.email_change_mails,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def invitation_acceptance(self) -> "InvitationAcceptance":
        """Accepts invitations to organizations."""
        from gerbang.accounts.invitation_acceptance import InvitationAcceptance

        return InvitationAcceptance(
            store=self.store,
            users=self.users,
            table=self.organization_table,
            tokens=self.invitation_tokens,
            registration=self.registration_without_mail,
            sessions=self.sessions,
            rate_limits=self.rate_limits,
            limit=self.limit("reset"),
            log_event=self.log_event,
            now=self.now,
        )

    # Warming up: what the first request would wait for is done in init (docs/decisions/0013-init.md)

    def warm_up_tokens(self) -> None:
        """Read the keys, sign and verify once."""
        init.preload(self.tokens.warm)

    def warm_up_keys(self) -> None:
        """Read the keys."""
        init.preload(self.keys.current)

    def warm_up_secret_api_key(self) -> None:
        """Read the secret API keys, which every call of an administrator is compared with."""
        init.preload(self.api_keys.read_secret)

    def warm_up_users(self, *, connections: int = 1) -> None:
        """Open connections to DynamoDB by reading an account that does not exist."""
        for _ in range(connections):
            init.preload(lambda: self.users.find(NO_ACCOUNT))

    def warm_up_sessions(self, *, connections: int = 1) -> None:
        """Open connections to DynamoDB by reading a session that does not exist."""
        keys = self.families.key(NO_ACCOUNT, NO_ACCOUNT), self.users.key(NO_ACCOUNT)
        for _ in range(connections):
            init.preload(lambda: self.store.get_all(*keys))

    def warm_up_organizations(self) -> None:
        """Open a connection to DynamoDB by reading an organization that does not exist."""
        init.preload(lambda: self.organization_table.find(NO_ACCOUNT))

    def warm_up_limits(self, *, connections: int = 1) -> None:
        """Open connections to DynamoDB by giving back an attempt that was never taken, which changes nothing."""
        for _ in range(connections):
            init.preload(lambda: self.counters.give_back(NO_ACCOUNT, NO_ACCOUNT))

    def warm_up_devices(self) -> None:
        """Load the parser of User-Agent headers, and have it parse the most common ones."""
        from gerbang.core.user_agents import COMMON_USER_AGENTS, read_device

        init.preload(lambda: [read_device(user_agent) for user_agent in COMMON_USER_AGENTS])

    def warm_up_mail_queue(self) -> None:
        """Open a connection to SQS by a message that it does not accept: an empty one."""
        queue_url = self.settings.mail_queue_url
        init.preload(lambda: self.client("sqs").send_message(QueueUrl=queue_url, MessageBody=""))


container: Final = Container(environ)
"""The container of this process."""
