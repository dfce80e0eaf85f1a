"""The errors of each grant of the token endpoint."""

from typing import Final

from gerbang.accounts.id_tokens import ID_TOKEN_ERRORS
from gerbang.accounts.identity_sign_in import IDENTITY_ERRORS
from gerbang.accounts.linked_identities import LINKING_ERRORS
from gerbang.accounts.pkce import PKCE_ERRORS
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis.gotrue.requests import PhoneProviderDisabled
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import REFRESH_ERRORS

PASSWORD: Final = (PhoneProviderDisabled, InvalidCredentials, EmailNotVerified, AccountDisabled, TooManyAttempts)
REFRESH_TOKEN: Final = REFRESH_ERRORS
ID_TOKEN: Final = (*ID_TOKEN_ERRORS, *IDENTITY_ERRORS)
LINKING: Final = (*ID_TOKEN_ERRORS, *LINKING_ERRORS)
PKCE: Final = (*PKCE_ERRORS, TooManyAttempts)
