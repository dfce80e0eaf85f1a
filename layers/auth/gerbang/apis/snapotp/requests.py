"""The request bodies of SnapOTP's API."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from gerbang.apis.fields import Body, Email, Name, Text, Username, new_password

type NewPassword = Annotated[Text, AfterValidator(new_password())]
"""A new password; SnapOTP's API has no composition rule."""


class LoginRequest(Body):
    """`POST /api/auth/login` with a user name, or an e-mail address in its place."""

    username: Text
    password: Text


class RegisterRequest(Body):
    """`POST /api/auth/register` with a user name."""

    username: Username
    email: Email
    name: Name
    password: NewPassword


class RefreshRequest(Body):
    """`POST /api/auth/refresh` as SnapOTP's clients would write it."""

    refresh_token: Text


class SecondFactorRequest(Body):
    """`POST /api/auth/mfa/verify` as SnapOTP's clients write it."""

    mfa_token: Text
    code: Text


class GoogleRequest(Body):
    """`POST /api/auth/google`: an ID token, or three fields from a trusted back end."""

    id_token: Text | None = None
    google_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")] | None = None
    email: Email | None = None
    name: Name | None = None


class ForgotPasswordRequest(Body):
    """`POST /api/auth/forgot-password`."""

    email: Email


class ResetPasswordRequest(Body):
    """`POST /api/auth/reset-password`."""

    token: Text
    password: NewPassword


class ChangePasswordRequest(Body):
    """`POST /api/auth/change-password`."""

    current_password: Text
    new_password: NewPassword
