"""The settings that an operator chooses, read from the environment that `template.yaml` sets.

Each setting is read when it is used, because a function's environment has only the settings that it reads.
"""

from datetime import timedelta
from typing import Final

from gerbang.provider_settings import (
    CaptchaSettings,
    InvalidSettings,
    LegacyVerifySettings,
    OidcProvider,
    read_captcha,
    read_legacy_verify,
    read_oidc_provider,
)
from gerbang.variables import Variables, is_number

__all__ = ["InvalidSettings", "OidcProvider", "Settings"]

REQUIRED_CHARACTERS: Final = (
    "letters_digits",
    "lower_upper_letters_digits",
    "lower_upper_letters_digits_symbols",
)
"""The kinds of characters that passwords may be required to have, as in Supabase's `password_requirements`."""

_LOWEST_BCRYPT_COST: Final = 4
"""bcrypt's own minimum, for tests. The template demands more of a deployment: 10 at least."""


class Settings(Variables):
    """The deployment's settings. Each is described at its parameter in `template.yaml`.

    Raises, from every property:
        InvalidSettings: the setting is missing or wrong.
    """

    @property
    def users_table(self) -> str:
        """The name of the table of accounts."""
        return self._text("USERS_TABLE")

    @property
    def organizations_table(self) -> str:
        """The name of the table of organizations."""
        return self._text("ORGANIZATIONS_TABLE")

    @property
    def families_table(self) -> str:
        """The name of the table of refresh-token families."""
        return self._text("REFRESH_TOKEN_FAMILIES_TABLE")

    @property
    def codes_table(self) -> str:
        """The name of the table of one-time codes."""
        return self._text("ONE_TIME_CODES_TABLE")

    @property
    def limits_table(self) -> str:
        """The name of the table of rate limits."""
        return self._text("RATE_LIMITS_TABLE")

    @property
    def master_secret(self) -> str:
        """Name or ARN of the secret that every key is derived from."""
        return self._text("MASTER_SECRET")

    @property
    def secret_api_key(self) -> str:
        """Name or ARN of the secret that holds the secret API key."""
        return self._text("SECRET_API_KEY")

    @property
    def publishable_key(self) -> str:
        """The API key that clients send; not secret."""
        return self._text("PUBLISHABLE_KEY")

    @property
    def issuer(self) -> str:
        """The `iss` of tokens."""
        return self._text("TOKEN_ISSUER")

    @property
    def audience(self) -> str:
        """The `aud` of access tokens."""
        return self._text("TOKEN_AUDIENCE")

    @property
    def token_algorithm(self) -> str:
        """How access tokens are signed: `HS256`, `ES256` or `RS256`."""
        return self._one_of("TOKEN_ALGORITHM", "HS256", "ES256", "RS256")

    @property
    def access_token_lifetime(self) -> timedelta:
        """How long an access token lives."""
        return timedelta(seconds=self._session_number("access"))

    @property
    def refresh_token_lifetime(self) -> timedelta:
        """How long a refresh token lives; each refresh issues a new one."""
        return timedelta(seconds=self._session_number("refresh"))

    @property
    def longest_session(self) -> timedelta:
        """How long a session lives after its sign-in, even if it is refreshed."""
        return timedelta(days=self._session_number("days"))

    @property
    def refresh_grace(self) -> timedelta:
        """How long a used refresh token is accepted again, even if its successor is in use."""
        return timedelta(seconds=self._session_number("grace"))

    @property
    def unconfirmed_grace(self) -> timedelta:
        """How long a used refresh token is accepted again while its successor is unused; 0 means a token's lifetime."""
        return timedelta(seconds=self._session_number("unconfirmed")) or self.refresh_token_lifetime

    @property
    def tokens_carry_user_metadata(self) -> bool:
        """Whether access tokens contain the `user_metadata` of their user."""
        return self._choice("SESSIONS", "user_metadata")

    @property
    def tells_of_new_devices(self) -> bool:
        """Whether a mail tells the owner of a verified address of a sign-in from a new device."""
        return self._choice("SESSIONS", "new_device_mail")

    @property
    def claims_function(self) -> str | None:
        """The ARN of the function that adds claims to access tokens; None: there is none."""
        return self._entry("SESSIONS", "claims") or None

    @property
    def claims_failure(self) -> str:
        """What happens if that function fails: an answer of `503`, or tokens `without` its claims."""
        return self._one_entry("SESSIONS", "claims_failure", "503", "without")

    @property
    def secures_password_change(self) -> bool:
        """Whether setting a password in a session older than a day needs a mailed code."""
        return self._choice("SESSIONS", "secure_password_change")

    @property
    def requires_current_password(self) -> bool:
        """Whether setting a password needs the present one."""
        return self._choice("SESSIONS", "current_password")

    @property
    def second_factor_policy(self) -> str:
        """When the authorizer requires a second factor: `never`, `if-enrolled` or `always`."""
        return self._one_entry("SESSIONS", "second_factor", "never", "if-enrolled", "always")

    @property
    def takes_accounts(self) -> bool:
        """Whether new accounts may be made."""
        return not self._choice("SIGN_UPS", "disabled")

    @property
    def takes_guests(self) -> bool:
        """Whether guests are admitted."""
        return self._choice("SIGN_UPS", "anonymous")

    @property
    def autoconfirm(self) -> bool:
        """Whether Supabase's clients are signed in at sign-up, without a code."""
        return self._choice("SIGN_UPS", "autoconfirm")

    @property
    def lets_users_link(self) -> bool:
        """Whether users may link identities of providers to their accounts, and unlink them."""
        return self._choice("SIGN_UPS", "linking")

    @property
    def public_url(self) -> str | None:
        """The URL of the API, for links in mails; None: the one that the request was sent to.

        It is the issuer of tokens, if the operator has set that.
        """
        return self.issuer.rstrip("/") if self.issuer.startswith("https://") else None

    @property
    def site_url(self) -> str:
        """Where mailed links lead if they name no allowed target."""
        return self._entry("LINKS", "site")

    @property
    def redirect_urls(self) -> tuple[str, ...]:
        """Patterns of other targets that mailed links may lead to."""
        return tuple(each for each in self._entry("LINKS", "redirects").split(",") if each)

    @property
    def confirms_links(self) -> bool:
        """Whether a mailed link shows a page with a button, instead of taking effect at once."""
        return self._choice("LINKS", "confirmation_page")

    @property
    def password_hash_cost(self) -> int:
        """The cost of bcrypt; one more doubles the work."""
        return self._number("PASSWORD_HASH_COST", least=_LOWEST_BCRYPT_COST)

    @property
    def shortest_password(self) -> int:
        """The fewest characters of a new password."""
        return self._number("PASSWORD_MIN_LENGTH", least=8)

    @property
    def required_characters(self) -> str:
        """The kinds of characters that a new password must have, as Supabase names them; empty: no kind is required."""
        value = self._environment.get("PASSWORD_REQUIRED_CHARACTERS", "")
        return self._one_of("PASSWORD_REQUIRED_CHARACTERS", *REQUIRED_CHARACTERS) if value else ""

    @property
    def product_name(self) -> str:
        """The product's name as its users know it."""
        return self._text("PRODUCT_NAME")

    @property
    def initial_credit_balance(self) -> int:
        """The credit of a new account."""
        return self._number("INITIAL_CREDIT_BALANCE")

    @property
    def requires_verified_email(self) -> bool:
        """Whether a password signs in only once the address is verified."""
        return self._one_of("REQUIRE_VERIFIED_EMAIL", "true", "false") == "true"

    @property
    def google_client_ids(self) -> frozenset[str]:
        """Google's ids of the apps whose users may sign in. If there are none, Google's ID tokens are not accepted."""
        names = self._environment.get("GOOGLE_CLIENT_IDS", "").split(",")
        return frozenset(name.strip() for name in names if name.strip())

    @property
    def google_certs_url(self) -> str:
        """Where Google publishes the keys of its ID tokens."""
        return self._text("GOOGLE_CERTS_URL")

    @property
    def oidc_providers(self) -> tuple[OidcProvider, ...]:
        """The OpenID providers other than Google: `name=issuer|client ids`, separated by spaces; empty: none."""
        entries = self._environment.get("OIDC_PROVIDERS", "").split()
        providers = tuple(read_oidc_provider(entry, f"OIDC_PROVIDERS, entry {n}") for n, entry in enumerate(entries, 1))
        for attribute in ("name", "issuer"):  # an account's identity is the provider's name and the issuer's `sub`
            if len({getattr(provider, attribute) for provider in providers}) < len(providers):
                raise InvalidSettings(f"OIDC_PROVIDERS has two entries with the same {attribute}")
        return providers

    @property
    def captcha(self) -> CaptchaSettings | None:
        """The CAPTCHA that is required; None: there is none."""
        provider, secret, url = (self._entry("CAPTCHA", name) for name in ("provider", "secret", "url"))
        return read_captcha(provider, secret, url)

    @property
    def legacy_verify(self) -> LegacyVerifySettings | None:
        """The endpoint that verifies passwords of the old system; None: there is none."""
        url, secret, credit = (self._entry("LEGACY_VERIFY", name) for name in ("url", "secret", "credit"))
        return read_legacy_verify(url, secret, credit)

    @property
    def mail_queue_url(self) -> str:
        """The queue of mail jobs."""
        return self._text("MAIL_QUEUE_URL")

    @property
    def mail_sender(self) -> str:
        """The address that mails come from."""
        return self._text("MAIL_SENDER")

    @property
    def mail_sender_name(self) -> str | None:
        """The sender's name; None: the product's."""
        return self._environment.get("MAIL_SENDER_NAME") or None

    @property
    def mail_reply_to(self) -> str | None:
        """The address for replies to mails; None: the sender's."""
        return self._environment.get("MAIL_REPLY_TO") or None

    @property
    def password_reset_url(self) -> str | None:
        """The page that takes a reset token; None: the mail carries the token itself."""
        return self._environment.get("PASSWORD_RESET_URL") or None

    @property
    def invitation_url(self) -> str | None:
        """The page that takes the token of an invitation to an organization; None: the mail carries the token."""
        return self._environment.get("INVITATION_URL") or None

    @property
    def default_locale(self) -> str:
        """The language of mails to people whose language is not known."""
        return self._text("DEFAULT_LOCALE")

    @property
    def ses_configuration_set(self) -> str | None:
        """The SES configuration set to send with; None: there is none."""
        return self._environment.get("SES_CONFIGURATION_SET") or None

    @property
    def event_bus(self) -> str:
        """The name of the EventBridge bus that events are published on."""
        return self._entry("EVENTS", "bus")

    @property
    def event_source(self) -> str:
        """The `source` of those events."""
        return self._entry("EVENTS", "source")

    def limit(self, name: str) -> tuple[int, timedelta]:
        """Return how many attempts a limit allows in which window.

        All limits are in one variable: `name=attempts/seconds`, separated by spaces.
        """
        attempts, _, seconds = self._entry("LIMITS", name).partition("/")
        if not (is_number(attempts) and is_number(seconds) and int(attempts) and int(seconds)):
            raise InvalidSettings(f"LIMITS has no {name}=attempts/seconds")
        return int(attempts), timedelta(seconds=int(seconds))

    def _session_number(self, name: str) -> int:
        """Return a number of `SESSIONS`: a span in seconds, except for `days`."""
        text = self._entry("SESSIONS", name)
        if not is_number(text):
            raise InvalidSettings(f"SESSIONS has no {name}=number")
        return int(text)
