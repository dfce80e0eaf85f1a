"""The request bodies of BotLaunch's API."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gerbang.apis.fields import Body, Email, Name, Text, new_password
from gerbang.passwords.policy import ONE_DIGIT, ONE_UPPER_CASE_LETTER

type NewPassword = Annotated[Text, AfterValidator(new_password(ONE_UPPER_CASE_LETTER, ONE_DIGIT))]
"""A new password: at least one upper-case letter and one digit (docs/decisions/0005-composition-rules.md)."""


type RoleName = Literal["CLIENT_OWNER", "CLIENT_ADMIN", "CLIENT_MEMBER"]
"""A role in an organization (`gerbang.accounts.roles`)."""


class LoginRequest(Body):
    """`POST /api/auth/login`."""

    email: Email
    password: Text


class RegisterRequest(Body):
    """`POST /api/auth/register`."""

    email: Email
    name: Name
    organization_name: Name | None = Field(default=None, alias="organizationName")
    password: NewPassword


class SecondFactorRequest(Body):
    """`POST /api/auth/mfa/verify`."""

    mfa_token: Text = Field(alias="mfaToken")
    code: Text


class OrganizationRequest(Body):
    """`POST /api/organizations` and `PATCH /api/organization`."""

    name: Name


class RoleRequest(Body):
    """`PATCH /api/organization/members/{userId}`."""

    role: RoleName


class InvitationRequest(Body):
    """`POST /api/organization/invitations`."""

    email: Email
    role: RoleName = "CLIENT_MEMBER"


class AcceptRequest(Body):
    """`POST /api/auth/invitations/accept` of a signed-in user."""

    token: Text


class AcceptAndRegisterRequest(Body):
    """`POST /api/auth/invitations/accept` of someone who has no account."""

    token: Text
    name: Name
    password: NewPassword


class RefreshRequest(Body):
    """`POST /api/auth/refresh`."""

    refresh_token: Text = Field(alias="refreshToken")
