"""The statuses and messages of errors that the APIs share. Each API's table is this one with its own changes.

A test asserts that every error has a spec here, and that every spec has an error.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from gerbang.http.errors import ErrorSpec

_BAD_REQUEST: Final = HTTPStatus.BAD_REQUEST
_UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN
_CONFLICT: Final = HTTPStatus.CONFLICT
_UNPROCESSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY

COMMON: Final[Mapping[str, ErrorSpec]] = MappingProxyType(
    {
        # The request
        "bad_json": ErrorSpec(_BAD_REQUEST, "The body is not a JSON object. Send one JSON object in UTF-8."),
        "validation_failed": ErrorSpec(_BAD_REQUEST, "Some fields are missing or invalid."),
        "email_address_invalid": ErrorSpec(_BAD_REQUEST, "The email address is not valid."),
        "weak_password": ErrorSpec(_BAD_REQUEST, "The password is not acceptable. Choose another one."),
        "request_entity_too_large": ErrorSpec(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than 16 KiB. Send less."
        ),
        "unsupported_media_type": ErrorSpec(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not JSON. Send it with Content-Type: application/json."
        ),
        "method_not_allowed": ErrorSpec(
            HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed. Use one that the Allow header names."
        ),
        "not_found": ErrorSpec(HTTPStatus.NOT_FOUND, "No endpoint has this path. Check the URL."),
        "unsupported_grant_type": ErrorSpec(
            _BAD_REQUEST, "This grant_type is not supported. Use password, refresh_token, id_token or pkce."
        ),
        # Who calls
        "not_through_cloudfront": ErrorSpec(
            _FORBIDDEN, "This API answers through its CloudFront distribution only. Use the address of that."
        ),
        "no_authorization": ErrorSpec(
            _UNAUTHORIZED, "A bearer token is required. Send it in the Authorization header."
        ),
        "invalid_api_key": ErrorSpec(_UNAUTHORIZED, "A valid API key is required. Send it in the apikey header."),
        "bad_jwt": ErrorSpec(_UNAUTHORIZED, "The token is not valid. Sign in again."),
        "token_expired": ErrorSpec(_UNAUTHORIZED, "The access token has expired. Refresh it."),
        "session_not_found": ErrorSpec(_UNAUTHORIZED, "The session has ended. Sign in again."),
        "user_not_found": ErrorSpec(_UNAUTHORIZED, "The session has ended. Sign in again."),
        "user_disabled": ErrorSpec(_UNAUTHORIZED, "The session has ended. Sign in again."),
        "refresh_token_reused": ErrorSpec(_UNAUTHORIZED, "The session has ended. Sign in again."),
        "no_such_session": ErrorSpec(HTTPStatus.NOT_FOUND, "You have no active session with this id."),
        "registered_account_required": ErrorSpec(_FORBIDDEN, "Guests cannot do this. Register first."),
        "insufficient_role": ErrorSpec(_FORBIDDEN, "Your role in this organization does not allow this."),
        "invitation_of_another_address": ErrorSpec(
            _FORBIDDEN, "This invitation was mailed to another email address. Sign in with the account of that address."
        ),
        "member_not_found": ErrorSpec(HTTPStatus.NOT_FOUND, "Nobody with this id belongs to the organization."),
        "invitation_not_found": ErrorSpec(
            HTTPStatus.NOT_FOUND, "The organization has no open invitation with this id."
        ),
        "invalid_invitation": ErrorSpec(
            _BAD_REQUEST, "The invitation is wrong or no longer valid. Ask for another one."
        ),
        "already_member": ErrorSpec(_CONFLICT, "This person belongs to the organization already."),
        "last_owner": ErrorSpec(
            _CONFLICT, "An organization needs an owner. Make another member one, or delete the organization."
        ),
        "too_many_organizations": ErrorSpec(_CONFLICT, "You belong to 100 organizations. Leave one first."),
        "not_a_member": ErrorSpec(_FORBIDDEN, "You do not belong to this organization."),
        # Signing in and registering
        "invalid_credentials": ErrorSpec(_BAD_REQUEST, "Invalid email or password."),
        "account_changed": ErrorSpec(_BAD_REQUEST, "The account was changed at the same time. Try again."),
        "current_password_invalid": ErrorSpec(_BAD_REQUEST, "The current password is wrong."),
        "email_not_confirmed": ErrorSpec(
            _FORBIDDEN, "The email address is not verified yet. Enter the code that was mailed to it."
        ),
        "invalid_code": ErrorSpec(_BAD_REQUEST, "The code is wrong or no longer valid. Request a new one."),
        "invalid_reset_token": ErrorSpec(
            _BAD_REQUEST, "The reset token is wrong or no longer valid. Request a new one."
        ),
        "email_exists": ErrorSpec(_CONFLICT, "This email address is already registered. Sign in instead."),
        "username_exists": ErrorSpec(_CONFLICT, "This user name is taken. Choose another one."),
        "invalid_id_token": ErrorSpec(_UNAUTHORIZED, "The Google credential is not valid. Sign in with Google again."),
        "identity_mismatch": ErrorSpec(_UNAUTHORIZED, "The fields do not agree with the Google credential."),
        "identity_not_proven": ErrorSpec(
            _UNAUTHORIZED, "Send an id_token, or the secret API key in the apikey header."
        ),
        "identity_already_exists": ErrorSpec(
            _CONFLICT, "This email address belongs to an account with another Google identity."
        ),
        "address_not_confirmed": ErrorSpec(_BAD_REQUEST, "The user's present address is not confirmed."),
        "user_already_exists": ErrorSpec(_UNPROCESSABLE, "User already registered. Sign in instead."),
        "same_password": ErrorSpec(_UNPROCESSABLE, "The new password must differ from the present one."),
        "address_required": ErrorSpec(_UNPROCESSABLE, "Guests have no password. Add an email address first."),
        "signup_disabled": ErrorSpec(_FORBIDDEN, "New accounts are not accepted here."),
        "anonymous_provider_disabled": ErrorSpec(_FORBIDDEN, "Signing in as a guest is turned off. Register instead."),
        "phone_provider_disabled": ErrorSpec(_UNPROCESSABLE, "Phone numbers are not supported. Use an email address."),
        "not_admin": ErrorSpec(_FORBIDDEN, "Only an administrator can do this."),
        "manual_linking_disabled": ErrorSpec(HTTPStatus.NOT_FOUND, "Manual linking is disabled."),
        "identity_not_found": ErrorSpec(_UNPROCESSABLE, "Your account has no such identity."),
        "single_identity_not_deletable": ErrorSpec(
            _UNPROCESSABLE, "This is the only identity of your account. Link another one, or set a password, first."
        ),
        "reauthentication_needed": ErrorSpec(
            _BAD_REQUEST, "You signed in too long ago to change the password. Request a code and send it as nonce."
        ),
        "reauthentication_not_valid": ErrorSpec(
            _UNPROCESSABLE, "The code has expired or is invalid. Request a new one."
        ),
        "current_password_required": ErrorSpec(_BAD_REQUEST, "Send the current password along with the new one."),
        "passkey_disabled": ErrorSpec(HTTPStatus.NOT_FOUND, "Passkeys are not available here."),
        "saml_provider_disabled": ErrorSpec(HTTPStatus.NOT_FOUND, "Single sign-on by SAML is not available here."),
        "web3_provider_disabled": ErrorSpec(_UNPROCESSABLE, "Signing in with a wallet is not available here."),
        "provider_disabled": ErrorSpec(
            _BAD_REQUEST, "Sign-in with this provider is turned off. Sign in in another way."
        ),
        "provider_email_needs_verification": ErrorSpec(
            _UNPROCESSABLE,
            "The provider has not verified your email address. Verify it there, or sign in in another way.",
        ),
        "flow_state_not_found": ErrorSpec(
            HTTPStatus.NOT_FOUND, "The authorization code is unknown or was used. Ask for a new link."
        ),
        "flow_state_expired": ErrorSpec(
            _UNPROCESSABLE, "The authorization code has expired. Ask for a new link, and open it."
        ),
        "bad_code_verifier": ErrorSpec(
            _BAD_REQUEST, "The code verifier is wrong. Open the link where you asked for it."
        ),
        "captcha_failed": ErrorSpec(_BAD_REQUEST, "The CAPTCHA was not solved, or its token was used. Solve it again."),
        "user_banned": ErrorSpec(_FORBIDDEN, "This account is disabled."),
        # Second factors
        "second_factor_required": ErrorSpec(
            _FORBIDDEN, "This account has a second factor. Send one of its codes with the token of this answer."
        ),
        "invalid_mfa_token": ErrorSpec(_UNAUTHORIZED, "The sign-in has expired. Sign in again."),
        "mfa_verification_failed": ErrorSpec(
            _BAD_REQUEST, "The code is wrong or was used. Wait for the next one of your app."
        ),
        "insufficient_aal": ErrorSpec(_FORBIDDEN, "This needs your second factor. Enter a code of your app first."),
        "mfa_registered_account_required": ErrorSpec(_FORBIDDEN, "Guests have no second factor. Register first."),
        "mfa_factor_not_found": ErrorSpec(HTTPStatus.NOT_FOUND, "Your account has no such factor. Enrol one."),
        "mfa_factor_name_conflict": ErrorSpec(
            _UNPROCESSABLE, "Another factor of your account has this name. Choose another one."
        ),
        "too_many_enrolled_mfa_factors": ErrorSpec(
            _UNPROCESSABLE, "Your account has ten factors. Remove one before you add another one."
        ),
        "mfa_factor_required": ErrorSpec(_UNPROCESSABLE, "Your account has no second factor. Enrol one first."),
        "mfa_challenge_not_found": ErrorSpec(
            _UNPROCESSABLE, "The challenge is not of this session and factor. Ask for another one."
        ),
        "mfa_challenge_expired": ErrorSpec(_UNPROCESSABLE, "The challenge has expired. Ask for another one."),
        "mfa_phone_enroll_not_enabled": ErrorSpec(_UNPROCESSABLE, "Phones are not supported. Use a code app (totp)."),
        "mfa_webauthn_enroll_not_enabled": ErrorSpec(
            _UNPROCESSABLE, "Security keys are not supported. Use a code app (totp)."
        ),
        # Limits and failures
        "over_request_rate_limit": ErrorSpec(
            HTTPStatus.TOO_MANY_REQUESTS, "Too many attempts. Try again after the time in Retry-After."
        ),
        "over_email_send_rate_limit": ErrorSpec(
            HTTPStatus.TOO_MANY_REQUESTS, "Too many mails were requested. Try again after the time in Retry-After."
        ),
        "service_unavailable": ErrorSpec(HTTPStatus.SERVICE_UNAVAILABLE, "The service is busy. Try again in a second."),
        "unexpected_failure": ErrorSpec(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side."),
    }
)
"""Error specs by the error's code."""
