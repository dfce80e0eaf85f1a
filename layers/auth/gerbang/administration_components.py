"""The container's services for administrators, and the publisher of events.

The modules of a service are imported in the property that makes it, as in `gerbang.container`.
"""
# ruff: noqa: PLC0415

from functools import cached_property
from typing import TYPE_CHECKING

from gerbang.factor_components import FactorComponents

if TYPE_CHECKING:
    from gerbang.accounts.deletion import Deletion
    from gerbang.accounts.invitations import Invitations
    from gerbang.accounts.link_generation import LinkGeneration
    from gerbang.accounts.live_migration import LiveMigration
    from gerbang.accounts.user_creation import UserCreation
    from gerbang.accounts.user_edit import UserEditing
    from gerbang.events.publishing import Publisher
    from gerbang.storage.numbered_pages import NumberedPages


class AdministrationComponents(FactorComponents):
    """Makes the services for administrators, each once."""

    @cached_property
    def publisher(self) -> "Publisher":
        """Publishes events for other services."""
        from gerbang.events.changes import Table
        from gerbang.events.publishing import Publisher
        from gerbang.storage.event_bus import EventBus

        return Publisher(
            bus=EventBus(lambda: self.client("events"), self.settings.event_bus),
            source=self.settings.event_source,
            tables={
                self.settings.users_table: Table.USERS,
                self.settings.families_table: Table.FAMILIES,
                self.settings.organizations_table: Table.ORGANIZATIONS,
            },
            log_event=self.log_event,
        )

    @cached_property
    def deletion(self) -> "Deletion":
        """Deletes accounts."""
        from gerbang.accounts.deletion import Deletion

        return Deletion(
            store=self.store,
            users=self.users,
            families=self.families,
            organizations=self.organization_table,
            codes=self.codes,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def user_creation(self) -> "UserCreation":
        """Makes accounts for administrators."""
        from gerbang.accounts.user_creation import UserCreation

        return UserCreation(
            store=self.store,
            users=self.users,
            passwords=self.passwords,
            initial_credit=self.settings.initial_credit_balance,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
            new_number=self.new_number,
        )

    @cached_property
    def live_migration(self) -> "LiveMigration | None":
        """Makes accounts of users of the old system; None: there is none, and nothing is imported."""
        chosen = self.settings.legacy_verify
        if chosen is None:
            return None
        from gerbang.accounts.live_migration import EndpointVerifier, LiveMigration
        from gerbang.accounts.user_creation import UserCreation
        from gerbang.sessions.cached_secret import CachedSecret
        from gerbang.storage.clients import trust
        from gerbang.storage.secrets import Secret

        secret = Secret(lambda: self.client("secretsmanager"), chosen.secret)
        verifier = EndpointVerifier(
            url=chosen.url,
            secret=CachedSecret(secret.current, self.now),
            now=self.now,
            new_id=self.new_id,
            log_event=self.log_event,
            trust=trust,
        )
        creation = UserCreation(
            store=self.store,
            users=self.users,
            passwords=self.passwords,
            initial_credit=chosen.initial_credit,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
            new_number=self.new_number,
        )
        return LiveMigration(
            verifier=verifier, creation=creation, users=self.users, log_event=self.log_event, new_id=self.new_id
        )

    @cached_property
    def invitations(self) -> "Invitations":
        """Invites users."""
        from gerbang.accounts.invitations import Invitations

        return Invitations(
            users=self.users,
            creation=self.user_creation,
            mail_service=self.mail_service,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
        )

    @cached_property
    def link_generation(self) -> "LinkGeneration":
        """Generates links for administrators."""
        from gerbang.accounts.link_generation import LinkGeneration

        return LinkGeneration(
            users=self.users,
            creation=self.user_creation,
            password_check=self.password_check,
            issuer=self.code_issuer,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
        )

    @cached_property
    def user_editing(self) -> "UserEditing":
        """Changes accounts for administrators."""
        from gerbang.accounts.user_edit import UserEditing

        return UserEditing(
            store=self.store,
            users=self.users,
            addresses=self.addresses,
            passwords=self.passwords,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def numbered_users(self) -> "NumberedPages":
        """Lists accounts in numbered pages."""
        from gerbang.storage.listings import ListingTable
        from gerbang.storage.numbered_pages import NumberedPages

        return NumberedPages(self.users, ListingTable(self.store, self.settings.codes_table), self.now)
