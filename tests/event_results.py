"""The expected results of the events in `events/`, by file name without the extension."""

from typing import Final

INVALID_TOKEN: Final = "The token is not valid"

RESPONSES: Final[dict[str, tuple[int, str]]] = {
    "api/auth/change-password/no_session": (401, INVALID_TOKEN),
    "api/auth/forgot-password/unknown_address": (200, "If the address has an account"),
    "api/auth/google/trusted_back_end_without_its_key": (401, "the secret API key"),
    "api/auth/google/without_proof": (401, "an id_token, or"),
    "api/auth/login/form": (415, "Content-Type: application/json"),
    "api/auth/login/preflight": (204, ""),
    "api/auth/login/unknown_account": (400, "Invalid email or password"),
    "api/auth/login/unknown_user_name": (400, "Invalid username or password"),
    "api/auth/logout/no_session": (401, INVALID_TOKEN),
    "api/auth/me/no_session": (401, INVALID_TOKEN),
    "api/auth/me/no_token": (401, "A bearer token is required"),
    "api/auth/mfa/verify/unknown_token": (401, "The sign-in has expired"),
    "api/auth/mfa/verify/unknown_token_of_snapotp": (401, "The sign-in has expired"),
    "api/auth/refresh/unknown_token": (401, INVALID_TOKEN),
    "api/auth/register/new_account": (201, "Registration successful"),
    "api/auth/register/new_user_name": (201, '"username":"'),
    "api/auth/register/weak_password": (400, '"field":"password"'),
    "api/auth/reset-password/unknown_token": (400, "The reset token is wrong"),
    "api/organization/no_session": (401, INVALID_TOKEN),
    "auth/login_with_anonymous/guest": (200, "Success login anonymous"),
    "auth/login_with_email_password/unknown_account": (400, "Invalid email or password"),
    "auth/logout/no_session": (401, INVALID_TOKEN),
    "auth/mfa/verify/unknown_token": (401, "The sign-in has expired"),
    "auth/otp/unknown_address": (200, "Success send OTP"),
    "auth/register/new_account": (200, "Pendaftaran berhasil"),
    "auth/v1/admin/generate_link/no_key": (401, "A valid API key is required"),
    "auth/v1/admin/users/one/delete_without_key": (401, "A valid API key is required"),
    "auth/v1/admin/users/one/factors/no_key": (401, "A valid API key is required"),
    "auth/v1/admin/users/one/factors/one/no_key": (401, "A valid API key is required"),
    "auth/v1/admin/users/one/no_key": (401, "A valid API key is required"),
    "auth/v1/admin/users/create_without_key": (401, "A valid API key is required"),
    "auth/v1/admin/users/no_key": (401, "A valid API key is required"),
    "auth/v1/factors/no_key": (401, "A valid API key is required"),
    "auth/v1/factors/one/no_key": (401, "A valid API key is required"),
    "auth/v1/factors/one/challenge/no_key": (401, "A valid API key is required"),
    "auth/v1/factors/one/verify/no_key": (401, "A valid API key is required"),
    "auth/v1/factors/recovery-codes/no_key": (401, "A valid API key is required"),
    "auth/v1/health/health": (200, '"name":"Gerbang"'),
    "auth/v1/invite/no_key": (401, "A valid API key is required"),
    "auth/v1/logout/no_key": (401, "A valid API key is required"),
    "auth/v1/otp/no_key": (401, "A valid API key is required"),
    "auth/v1/reauthenticate/no_key": (401, "A valid API key is required"),
    "auth/v1/recover/no_key": (401, "A valid API key is required"),
    "auth/v1/resend/no_key": (401, "A valid API key is required"),
    "auth/v1/settings/no_key": (401, "A valid API key is required"),
    "auth/v1/signup/no_key": (401, "A valid API key is required"),
    "auth/v1/token/no_key": (401, "A valid API key is required"),
    "auth/v1/user/change_without_key": (401, "A valid API key is required"),
    "auth/v1/user/identities/one/no_key": (401, "A valid API key is required"),
    "auth/v1/user/no_key": (401, "A valid API key is required"),
    "auth/v1/verify/link_without_token": (400, "Field required"),
    "auth/v1/verify/no_key": (401, "A valid API key is required"),
    "auth/verify_legacy_password/unknown_account": (400, "Invalid email or password"),
    "auth/verify_otp/unknown_code": (400, "The code is wrong"),
    "default/unknown_path": (404, '"error":"Not Found"'),
    "default/unknown_path_of_gotrue": (404, '"error_code":'),
    "jwks/key_set": (200, '"keys":[{'),
    "jwks/key_set_of_gotrue": (200, '"keys":[{'),
    "openid-configuration/configuration": (404, '"error":"Not Found"'),
    "api/auth/invitations/accept/no_session": (401, INVALID_TOKEN),
    "api/auth/invitations/accept/unknown_token": (400, "invitation"),
    "api/auth/logout-all/no_session": (401, INVALID_TOKEN),
    "api/auth/sessions/no_session": (401, INVALID_TOKEN),
    "api/auth/sessions/one/no_session": (401, INVALID_TOKEN),
    "api/organization/delete_without_session": (401, INVALID_TOKEN),
    "api/organization/invitations/invite_without_session": (401, INVALID_TOKEN),
    "api/organization/invitations/no_session": (401, INVALID_TOKEN),
    "api/organization/invitations/one/no_session": (401, INVALID_TOKEN),
    "api/organization/members/no_session": (401, INVALID_TOKEN),
    "api/organization/members/one/change_without_session": (401, INVALID_TOKEN),
    "api/organization/members/one/remove_without_session": (401, INVALID_TOKEN),
    "api/organization/rename_without_session": (401, INVALID_TOKEN),
    "api/organizations/found_without_session": (401, INVALID_TOKEN),
    "api/organizations/no_session": (401, INVALID_TOKEN),
    "auth/v1/user/sessions/no_key": (401, "A valid API key is required"),
    "auth/v1/user/sessions/one/no_key": (401, "A valid API key is required"),
    "docs/document": (200, '"url":"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"'),
    "docs/page": (200, "<html"),
}
"""For each event that is a request: the status, and a part of the body."""

ERRORS: Final = {
    "authorizer/no_token": "Unauthorized",
    "authorizer/unknown_token": "Unauthorized",
    "rotation/another_secret": "another secret",
}
"""For each event that makes the function raise an exception: its text."""

FAILED_MESSAGES: Final = {
    "mailer/one_that_is_no_job": ["059f36b4-87a3-44ab-83d2-661975780004"],
    "mailer/unknown_addresses": [],
}
"""For each event that is a batch of mail jobs: the ids of the messages that are reported as failed."""

PUBLISHED: Final = "events/account_deleted"
"""The event that is a stream record, which is published."""
