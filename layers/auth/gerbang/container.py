"""The composition root: settings to keys, tables and services. Only here do real clocks, chance and clients arrive.

Called while a function's module is imported, which is Lambda's init. Nothing unique is made then (ids, nonces), so
that environments restored from one snapshot do not share it. What a service is made of is imported where it is made:
each function starts with what its own route needs and no more.
"""
# ruff: noqa: PLC0415

import secrets
from dataclasses import replace
from functools import cache
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from gerbang.core import init
from gerbang.core.clock import from_epoch, system_clock
from gerbang.core.identifiers import LARGEST_NUMBER
from gerbang.core.log import log_event
from gerbang.settings import MailerSettings, Settings

if TYPE_CHECKING:
    from gerbang.accounts.authorization import Authorizer
    from gerbang.accounts.code_sign_in import CodeSignIn
    from gerbang.accounts.google import GoogleVerifier
    from gerbang.accounts.guests import Guests
    from gerbang.accounts.identity_sign_in import IdentitySignIn
    from gerbang.accounts.organizations import Organizations
    from gerbang.accounts.password_change import PasswordChange, PasswordReset
    from gerbang.accounts.registration import Registration
    from gerbang.accounts.sign_in import PasswordSignIn
    from gerbang.limits.rate_limits import RateLimits, SignInGuard
    from gerbang.mail.jobs import MailQueue
    from gerbang.mail.mailer import Mailer
    from gerbang.mail.service import MailService
    from gerbang.passwords.hashing import Passwords
    from gerbang.passwords.policy import PasswordPolicy
    from gerbang.sessions.api_keys import ApiKeys
    from gerbang.sessions.keys import Keys
    from gerbang.sessions.rotation import Rotation
    from gerbang.sessions.sessions import Sessions
    from gerbang.sessions.tokens import Tokens
    from gerbang.storage.codes import CodeTable
    from gerbang.storage.dynamodb import DynamoStore
    from gerbang.storage.families import FamilyTable
    from gerbang.storage.resets import ResetTable
    from gerbang.storage.users import UserTable

NO_ACCOUNT: Final = "nobody"
"""Names no account, session or counter: looking for it warms what a request will need, and changes nothing."""


def settings() -> Settings:
    """Return the function's settings.

    Raises:
        InvalidSettings: some are missing or wrong; all of them are named.
    """
    return Settings.from_environment()


def sessions() -> "Sessions":
    """Return what recognises and closes sessions."""
    chosen = settings()
    _warm_standing(chosen)
    return _sessions(chosen)


def refreshing() -> "Sessions":
    """Return what refreshes sessions."""
    chosen = settings()
    _warm_accounts(chosen)
    return _sessions(chosen)


def refreshing_with_role() -> "Sessions":
    """Return what refreshes sessions and reads the role of a member, which BotLaunch shows."""
    chosen = settings()
    _warm_accounts(chosen, connections=2)
    return replace(_sessions(chosen), read_role=_organizations(chosen).default_role)


def organizations() -> "Organizations":
    """Return what knows who belongs where."""
    chosen = settings()
    _warm_organizations(chosen)
    return _organizations(chosen)


def password_sign_in() -> "PasswordSignIn":
    """Return what signs people in by a password."""
    from gerbang.accounts.sign_in import PasswordSignIn

    chosen = settings()
    _warm_accounts(chosen, connections=5)
    return PasswordSignIn(
        users=_users(chosen),
        sessions=_sessions(chosen),
        passwords=_passwords(chosen),
        guard=_guard(chosen),
        unverified=chosen.unverified,
        log_event=log_event,
        now=system_clock,
    )


def password_sign_in_with_role() -> "PasswordSignIn":
    """Return what signs people in by a password and reads the role of a member, which BotLaunch shows."""
    sign_in = password_sign_in()
    return replace(sign_in, sessions=replace(sign_in.sessions, read_role=_organizations(settings()).default_role))


def registration() -> "Registration":
    """Return what makes accounts and signs them in."""
    chosen = settings()
    return _registration(chosen, _sessions(chosen))


def registration_without_session() -> "Registration":
    """Return what makes accounts and signs nobody in: it reads no secret, not even to warm up."""
    chosen = settings()
    return _registration(chosen, _cold_sessions(chosen))


def _registration(chosen: Settings, sessions: "Sessions") -> "Registration":
    from gerbang.accounts.registration import Registration

    _warm_limits(chosen)
    return Registration(
        store=_store(),
        users=_users(chosen),
        organizations=_organizations(chosen),
        sessions=sessions,
        passwords=_passwords(chosen),
        rate_limits=_rate_limits(chosen),
        limit=chosen.registration_limit,
        initial_credit=chosen.initial_credit_balance,
        log_event=log_event,
        now=system_clock,
        new_id=new_id,
        new_number=new_number,
    )


def authorizer() -> "Authorizer":
    """Return what answers who may call the deployment's other APIs."""
    from gerbang.accounts.authorization import Authorizer

    chosen = settings()
    _warm_standing(chosen)
    _warm_organizations(chosen)
    return Authorizer(_sessions(chosen), _organizations(chosen))


def code_sign_in() -> "CodeSignIn":
    """Return what signs people in by a code that was mailed to them."""
    from gerbang.accounts.code_sign_in import CodeSignIn
    from gerbang.mail.codes import CodeMaker

    chosen = settings()
    _warm_accounts(chosen, connections=3)
    return CodeSignIn(
        store=_store(),
        users=_users(chosen),
        codes=_codes(chosen),
        maker=CodeMaker(_keys(chosen.master_secret)),
        sessions=_sessions(chosen),
        rate_limits=_rate_limits(chosen),
        tries=chosen.code_tries,
        address_limit=chosen.sign_in_limits.address,
        log_event=log_event,
        now=system_clock,
    )


def guests() -> "Guests":
    """Return what lets people in without an account of their own."""
    from gerbang.accounts.guests import Guests

    chosen = settings()
    _warm_limits(chosen)
    return Guests(
        store=_store(),
        users=_users(chosen),
        sessions=_sessions(chosen),
        rate_limits=_rate_limits(chosen),
        limit=chosen.registration_limit,
        log_event=log_event,
        now=system_clock,
        new_id=new_id,
    )


def google_verifier() -> "GoogleVerifier":
    """Return what reads Google's ID tokens."""
    import jwt  # noqa: F401  # pyright: ignore[reportUnusedImport] - first, with cryptography: Google has RSA

    from gerbang.accounts.google import GoogleVerifier, KeyEndpoint
    from gerbang.storage.clients import trust

    chosen = settings()
    endpoint = KeyEndpoint(url=chosen.google_certs_url, trust=trust)
    made = GoogleVerifier(client_ids=chosen.google_client_ids, now=system_clock, fetch=endpoint)
    init.preload(made.warm)
    return made


def identity_sign_in() -> "IdentitySignIn":
    """Return what signs people in with an identity of another provider."""
    from gerbang.accounts.identity_sign_in import IdentitySignIn

    chosen = settings()
    _warm_accounts(chosen)
    return IdentitySignIn(
        store=_store(),
        users=_users(chosen),
        sessions=_sessions(chosen),
        rate_limits=_rate_limits(chosen),
        limit=chosen.registration_limit,
        initial_credit=chosen.initial_credit_balance,
        log_event=log_event,
        now=system_clock,
        new_id=new_id,
        new_number=new_number,
    )


def password_reset() -> "PasswordReset":
    """Return what sets forgotten passwords anew."""
    from gerbang.accounts.password_change import PasswordReset
    from gerbang.mail.codes import ResetTokens

    chosen = settings()
    _warm_limits(chosen)
    init.preload(_keys(chosen.master_secret).current)
    return PasswordReset(
        store=_store(),
        users=_users(chosen),
        resets=_resets(chosen),
        tokens=ResetTokens(_keys(chosen.master_secret)),
        passwords=_passwords(chosen),
        rate_limits=_rate_limits(chosen),
        limit=chosen.reset_limit,
        guard=_guard(chosen),
        mail_service=_mail_desk(chosen),
        log_event=log_event,
        now=system_clock,
    )


def password_change() -> "PasswordChange":
    """Return what changes passwords."""
    from gerbang.accounts.password_change import PasswordChange

    chosen = settings()
    _warm_standing(chosen, connections=3)
    return PasswordChange(
        store=_store(),
        users=_users(chosen),
        families=_families(chosen),
        sessions=_sessions(chosen),
        passwords=_passwords(chosen),
        guard=_guard(chosen),
        mail_service=_mail_desk(chosen),
        log_event=log_event,
        now=system_clock,
    )


def mail_service() -> "MailService":
    """Return what takes requests for mail: into the queue or, where there is none, to the mailer in line."""
    chosen = settings()
    _warm_limits(chosen, connections=3)
    return _mail_desk(chosen)


def verification_mail_service() -> "MailService | None":
    """Return what asks new accounts to prove their address, where nobody signs in again before they do; else None."""
    from gerbang.sessions.email_policy import UnverifiedAddress

    chosen = settings()
    return _mail_desk(chosen) if chosen.unverified is UnverifiedAddress.REFUSED else None


def _mail_desk(chosen: Settings) -> "MailService":
    from gerbang.mail.service import MailService

    return MailService(
        queue=_mail_queue(chosen),
        rate_limits=_rate_limits(chosen),
        limits=chosen.mail_limits,
        log_event=log_event,
        new_id=new_id,
    )


def mailer() -> "Mailer":
    """Return what sends mail."""
    chosen = settings()
    _warm_accounts(chosen)
    init.preload(_keys(chosen.master_secret).current)
    return _mailer(chosen)


def tokens() -> "Tokens":
    """Return what signs and reads the deployment's tokens."""
    chosen = settings()
    made = _tokens(chosen, _keys(chosen.master_secret))
    init.preload(made.warm)
    return made


def rotation() -> "Rotation":
    """Return what rotates the master secret."""
    from gerbang.sessions.rotation import Rotation
    from gerbang.storage.secret_versions import SecretVersionHistory

    chosen = settings()
    return Rotation(
        history=SecretVersionHistory(lambda: _client("secretsmanager"), chosen.master_secret),
        new_secret=new_secret,
        tokens_with=lambda keys: _tokens(chosen, keys),
        log_event=log_event,
        now=system_clock,
    )


def api_keys() -> "ApiKeys":
    """Return what knows the deployment's API keys."""
    from gerbang.sessions.api_keys import ApiKeys
    from gerbang.storage.secrets import Secret

    chosen = settings()
    secret = Secret(lambda: _client("secretsmanager"), chosen.secret_api_key)
    return ApiKeys(chosen.publishable_key, secret, system_clock)


def password_policy() -> "PasswordPolicy":
    """Return the deployment's rules for new passwords."""
    from gerbang.passwords.policy import PasswordPolicy, common_passwords

    init.preload(common_passwords)
    chosen = settings()
    return PasswordPolicy(shortest=chosen.shortest_password, service_name=chosen.product_name)


def new_id() -> str:
    """Return a new random UUID, as text."""
    return str(uuid4())


def new_number() -> int:
    """Return a random integer id, 1 to 2^31 - 1."""
    return secrets.randbelow(LARGEST_NUMBER) + 1


def new_secret() -> str:
    """Return a new master secret: 64 random letters and digits, 381 bits, as `template.yaml` has the first one made."""
    return "".join(secrets.choice(ascii_letters + digits) for _ in range(64))


def _sessions(chosen: Settings) -> "Sessions":
    sessions = _cold_sessions(chosen)
    init.preload(sessions.tokens.warm)
    return sessions


def _cold_sessions(chosen: Settings) -> "Sessions":
    from gerbang.sessions.sessions import Sessions

    return Sessions(
        store=_store(),
        families=_families(chosen),
        users=_users(chosen),
        tokens=_tokens(chosen, _keys(chosen.master_secret)),
        log_event=log_event,
        now=system_clock,
        new_id=new_id,
        lifetime=chosen.refresh_token_lifetime,
        longest=chosen.longest_session,
        grace=chosen.refresh_grace,
        unconfirmed_grace=chosen.unconfirmed_grace,
        unverified=chosen.unverified,
    )


def _tokens(chosen: Settings, keys: "Keys") -> "Tokens":
    from gerbang.sessions.keys import Algorithm

    if chosen.token_algorithm is Algorithm.HS256:
        with init.hidden("cryptography"):  # docs/decisions/0013-init.md
            import jwt  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from gerbang.sessions.tokens import Tokens

    return Tokens(
        keys=keys,
        issuer=chosen.issuer,
        audience=chosen.audience,
        algorithm=chosen.token_algorithm,
        access_lifetime=chosen.access_token_lifetime,
        new_id=new_id,
    )


def _organizations(chosen: Settings) -> "Organizations":
    from gerbang.accounts.organizations import Organizations
    from gerbang.storage.organizations import OrganizationTable

    return Organizations(OrganizationTable(_store(), chosen.organizations_table), new_id)


def _passwords(chosen: Settings) -> "Passwords":
    from gerbang.passwords.hashing import Passwords

    return Passwords(chosen.password_hash_cost)


def _mail_queue(chosen: Settings) -> "MailQueue":
    if chosen.mail_queue_url is None:
        from gerbang.mail.mailer import InlineQueue

        return InlineQueue(_mailer(chosen))
    from gerbang.mail.jobs import SqsMailQueue

    queue = _client("sqs")
    init.preload(lambda: queue.send_message(QueueUrl=chosen.mail_queue_url, MessageBody=""))  # SQS refuses an empty one
    return SqsMailQueue(client=queue, queue_url=chosen.mail_queue_url)


def _mailer(chosen: Settings) -> "Mailer":
    from gerbang.mail.codes import CodeMaker, ResetTokens
    from gerbang.mail.mailer import Mailer
    from gerbang.mail.messages import Mails, MailSettings, SesOutbox

    ours = MailerSettings.from_environment()
    mail_settings = MailSettings(
        product_name=ours.product_name,
        sender_address=ours.sender_address,
        sender_name=ours.sender_name,
        reply_to=ours.reply_to,
        password_reset_url=ours.password_reset_url,
        configuration_set=ours.configuration_set,
    )
    return Mailer(
        users=_users(chosen),
        codes=_codes(chosen),
        maker=CodeMaker(_keys(chosen.master_secret)),
        resets=_resets(chosen),
        reset_tokens=ResetTokens(_keys(chosen.master_secret)),
        mails=Mails(settings=mail_settings),
        outbox=SesOutbox(client=_client("sesv2"), settings=mail_settings),
        default_locale=ours.default_locale,
        log_event=log_event,
        now=system_clock,
    )


def _codes(chosen: Settings) -> "CodeTable":
    from gerbang.storage.codes import CodeTable

    return CodeTable(_store(), chosen.codes_table)


def _resets(chosen: Settings) -> "ResetTable":
    from gerbang.storage.resets import ResetTable

    return ResetTable(_store(), chosen.codes_table)


def _users(chosen: Settings) -> "UserTable":
    from gerbang.storage.users import UserTable

    return UserTable(_store(), chosen.users_table)


def _families(chosen: Settings) -> "FamilyTable":
    from gerbang.storage.families import FamilyTable

    return FamilyTable(_store(), chosen.families_table)


def _guard(chosen: Settings) -> "SignInGuard":
    from gerbang.limits.rate_limits import SignInGuard

    return SignInGuard(chosen.sign_in_limits, _rate_limits(chosen))


def _rate_limits(chosen: Settings) -> "RateLimits":
    from gerbang.limits.rate_limits import RateLimits
    from gerbang.storage.counters import CounterTable

    return RateLimits(CounterTable(_store(), chosen.limits_table), system_clock, new_id)


def _warm_accounts(chosen: Settings, *, connections: int = 1) -> None:
    """Open connections beside each other, as a request will, by a read that functions may make that look people up."""
    users = _users(chosen)
    for _ in range(connections):
        init.preload(lambda: users.find(NO_ACCOUNT))


def _warm_standing(chosen: Settings, *, connections: int = 1) -> None:
    """The same, by the read of functions that authenticate sessions."""
    store, keys = _store(), (_families(chosen).key(NO_ACCOUNT, NO_ACCOUNT), _users(chosen).key(NO_ACCOUNT))
    for _ in range(connections):
        init.preload(lambda: store.get_all(*keys))


def _warm_organizations(chosen: Settings) -> None:
    """The same, by the read of functions that look organisations up."""
    organizations = _organizations(chosen).table
    init.preload(lambda: organizations.find(NO_ACCOUNT))


def _warm_limits(chosen: Settings, *, connections: int = 1) -> None:
    """The same, by a write of functions that count attempts, whose condition holds of no counter."""
    from gerbang.storage.counters import Taken, Window

    counters, never = _rate_limits(chosen).counters, Taken(Window(attempts=0, until=from_epoch(0)), nonce=NO_ACCOUNT)
    for _ in range(connections):
        init.preload(lambda: counters.give_back(NO_ACCOUNT, never))


@cache
def _keys(secret_id: str) -> "Keys":
    from gerbang.sessions.keys import Keys
    from gerbang.storage.secrets import Secret

    return Keys(Secret(lambda: _client("secretsmanager"), secret_id), system_clock)


@cache
def _store() -> "DynamoStore":
    from gerbang.storage.dynamodb import DynamoStore

    return DynamoStore(_client("dynamodb"))


def _client(service: str) -> Any:
    from gerbang.storage.clients import client

    return client(service)
