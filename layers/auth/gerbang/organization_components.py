"""The container's services for organizations.

The modules of a part are imported in the property that makes it, as in `gerbang.container`.
"""
# ruff: noqa: PLC0415

from functools import cached_property
from typing import TYPE_CHECKING

from gerbang.administration_components import AdministrationComponents

if TYPE_CHECKING:
    from gerbang.accounts.members import Members
    from gerbang.accounts.organization_changes import OrganizationChanges
    from gerbang.accounts.organization_deletion import OrganizationDeletion
    from gerbang.accounts.organization_invitations import OpenInvitations, OrganizationInvitations
    from gerbang.accounts.organizations import Organizations
    from gerbang.accounts.own_organizations import OwnOrganizations


class OrganizationComponents(AdministrationComponents):
    """Makes the services for organizations, each once."""

    @cached_property
    def organizations(self) -> "Organizations":
        """Founds organizations and reads memberships."""
        from gerbang.accounts.organizations import Organizations

        return Organizations(self.organization_table, self.new_id)

    @cached_property
    def own_organizations(self) -> "OwnOrganizations":
        """Founds and lists the organizations of one user."""
        from gerbang.accounts.own_organizations import OwnOrganizations

        return OwnOrganizations(
            store=self.store,
            users=self.users,
            organizations=self.organizations,
            sessions=self.sessions,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def organization_changes(self) -> "OrganizationChanges":
        """Renames organizations, changes roles, removes members."""
        from gerbang.accounts.organization_changes import OrganizationChanges

        return OrganizationChanges(
            store=self.store, users=self.users, table=self.organization_table, log_event=self.log_event
        )

    @cached_property
    def organization_deletion(self) -> "OrganizationDeletion":
        """Deletes organizations."""
        from gerbang.accounts.organization_deletion import OrganizationDeletion

        return OrganizationDeletion(
            store=self.store, users=self.users, table=self.organization_table, log_event=self.log_event
        )

    @cached_property
    def members(self) -> "Members":
        """Lists members of organizations."""
        from gerbang.accounts.members import Members

        return Members(store=self.store, users=self.users, table=self.organization_table)

    @cached_property
    def open_invitations(self) -> "OpenInvitations":
        """Lists and revokes invitations to organizations."""
        from gerbang.accounts.organization_invitations import OpenInvitations

        return OpenInvitations(
            table=self.organization_table,
            organization_changes=self.organization_changes,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def organization_invitations(self) -> "OrganizationInvitations":
        """Invites addresses to organizations."""
        from gerbang.accounts.organization_invitations import OrganizationInvitations
        from gerbang.mail.organization_invitations import InvitationRequests

        return OrganizationInvitations(
            users=self.users,
            table=self.organization_table,
            organization_changes=self.organization_changes,
            requests=InvitationRequests(self.mail_service),
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
        )
