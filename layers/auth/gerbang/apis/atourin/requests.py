"""The request bodies of Atourin's API."""

from typing import Annotated

from pydantic import AfterValidator

from gerbang.apis.fields import Body, Email, Name, Text, new_password

type NewPassword = Annotated[Text, AfterValidator(new_password())]
"""A new password; Atourin's API has no composition rule."""


class EmailRequest(Body):
    """`POST /auth/otp`."""

    email: Email


class CodeRequest(Body):
    """`POST /auth/verify_otp`."""

    email: Email
    otp: Text


class LoginRequest(Body):
    """`POST /auth/login_with_email_password` and `/auth/verify_legacy_password`."""

    email: Email
    password: Text


class SecondFactorRequest(Body):
    """`POST /auth/mfa/verify`."""

    mfa_token: Text
    code: Text


class RegisterRequest(Body):
    """`POST /auth/register`."""

    name: Name
    email: Email
    password: NewPassword
