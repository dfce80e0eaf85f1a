"""The composition root: settings to keys, tables and services. Only here do real clocks, chance and clients arrive.

Called while a function's module is imported, which is Lambda's init. Nothing unique is made then (ids, nonces), so
that environments restored from one snapshot do not share it. What a service is made of is imported where it is made:
each function starts with what its own route needs and no more.
"""
# ruff: noqa: PLC0415

import secrets
from functools import cache
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from gerbang import init
from gerbang.clock import from_epoch, system_clock
from gerbang.identifiers import LARGEST_NUMBER
from gerbang.journal import journal
from gerbang.settings import MailerSettings, Settings

if TYPE_CHECKING:
    from gerbang.api_keys import ApiKeys
    from gerbang.authorization import Authorizer
    from gerbang.google import GoogleVerifier
    from gerbang.google_sign_in import GoogleSignIn
    from gerbang.guests import Guests
    from gerbang.keys import Keys
    from gerbang.mail_queue import MailQueue
    from gerbang.mailer import Mailer
    from gerbang.mailing import MailDesk
    from gerbang.one_time_codes import CodeSignIn
    from gerbang.organizations import Organizations
    from gerbang.password_change import PasswordChange, PasswordReset
    from gerbang.password_policy import PasswordPolicy
    from gerbang.passwords import Passwords
    from gerbang.rate_limits import RateLimits, SignInGuard
    from gerbang.registration import Registration
    from gerbang.rotation import Rotation
    from gerbang.sessions import Sessions
    from gerbang.sign_in import PasswordSignIn
    from gerbang.storage.codes import CodeTable
    from gerbang.storage.dynamodb import DynamoStore
    from gerbang.storage.families import FamilyTable
    from gerbang.storage.resets import ResetTable
    from gerbang.storage.users import UserTable
    from gerbang.tokens import Tokens

NOBODY: Final = "nobody"
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


def organizations() -> "Organizations":
    """Return what knows who belongs where."""
    chosen = settings()
    _warm_organizations(chosen)
    return _organizations(chosen)


def password_sign_in() -> "PasswordSignIn":
    """Return what signs people in by a password."""
    from gerbang.sign_in import PasswordSignIn

    chosen = settings()
    _warm_accounts(chosen, connections=5)
    return PasswordSignIn(
        users=_users(chosen),
        sessions=_sessions(chosen),
        passwords=_passwords(chosen),
        guard=_guard(chosen),
        unproved=chosen.unproved,
        journal=journal(),
        now=system_clock,
    )


def registration() -> "Registration":
    """Return what makes accounts and signs them in."""
    chosen = settings()
    return _registration(chosen, _sessions(chosen))


def enrolment() -> "Registration":
    """Return what makes accounts and signs nobody in: it reads no secret, not even to warm up."""
    chosen = settings()
    return _registration(chosen, _cold_sessions(chosen))


def _registration(chosen: Settings, sessions: "Sessions") -> "Registration":
    from gerbang.registration import Registration

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
        journal=journal(),
        now=system_clock,
        new_id=new_id,
        new_number=new_number,
    )


def authorizer() -> "Authorizer":
    """Return what answers who may call the deployment's other APIs."""
    from gerbang.authorization import Authorizer

    chosen = settings()
    _warm_standing(chosen)
    _warm_organizations(chosen)
    return Authorizer(_sessions(chosen), _organizations(chosen))


def code_sign_in() -> "CodeSignIn":
    """Return what signs people in by a code that was mailed to them."""
    from gerbang.one_time_codes import CodeMaker, CodeSignIn

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
        journal=journal(),
        now=system_clock,
    )


def guests() -> "Guests":
    """Return what lets people in without an account of their own."""
    from gerbang.guests import Guests

    chosen = settings()
    _warm_limits(chosen)
    return Guests(
        store=_store(),
        users=_users(chosen),
        sessions=_sessions(chosen),
        rate_limits=_rate_limits(chosen),
        limit=chosen.registration_limit,
        journal=journal(),
        now=system_clock,
        new_id=new_id,
    )


def google_verifier() -> "GoogleVerifier":
    """Return what reads Google's ID tokens."""
    import jwt  # noqa: F401  # pyright: ignore[reportUnusedImport] - first, with cryptography: Google has RSA

    from gerbang.google import GoogleVerifier, KeyEndpoint
    from gerbang.storage.clients import trust

    chosen = settings()
    endpoint = KeyEndpoint(url=chosen.google_certs_url, trust=trust)
    made = GoogleVerifier(client_ids=chosen.google_client_ids, now=system_clock, fetch=endpoint)
    init.ahead(made.warm)
    return made


def google_sign_in() -> "GoogleSignIn":
    """Return what signs people in who proved a Google identity."""
    from gerbang.google_sign_in import GoogleSignIn

    chosen = settings()
    _warm_accounts(chosen)
    return GoogleSignIn(
        store=_store(),
        users=_users(chosen),
        sessions=_sessions(chosen),
        rate_limits=_rate_limits(chosen),
        limit=chosen.registration_limit,
        initial_credit=chosen.initial_credit_balance,
        journal=journal(),
        now=system_clock,
        new_id=new_id,
        new_number=new_number,
    )


def password_reset() -> "PasswordReset":
    """Return what sets forgotten passwords anew."""
    from gerbang.password_change import PasswordReset, ResetTokens

    chosen = settings()
    _warm_limits(chosen)
    init.ahead(_keys(chosen.master_secret).current)
    return PasswordReset(
        store=_store(),
        users=_users(chosen),
        resets=_resets(chosen),
        tokens=ResetTokens(_keys(chosen.master_secret)),
        passwords=_passwords(chosen),
        rate_limits=_rate_limits(chosen),
        limit=chosen.reset_limit,
        guard=_guard(chosen),
        desk=_mail_desk(chosen),
        journal=journal(),
        now=system_clock,
    )


def password_change() -> "PasswordChange":
    """Return what changes passwords."""
    from gerbang.password_change import PasswordChange

    chosen = settings()
    _warm_standing(chosen, connections=3)
    return PasswordChange(
        store=_store(),
        users=_users(chosen),
        families=_families(chosen),
        sessions=_sessions(chosen),
        passwords=_passwords(chosen),
        guard=_guard(chosen),
        desk=_mail_desk(chosen),
        journal=journal(),
        now=system_clock,
    )


def mail_desk() -> "MailDesk":
    """Return what takes requests for mail: into the queue or, where there is none, to the mailer in line."""
    chosen = settings()
    _warm_limits(chosen, connections=3)
    return _mail_desk(chosen)


def welcome_desk() -> "MailDesk | None":
    """Return what asks new accounts to prove their address, where nobody signs in again before they do; else None."""
    from gerbang.proof import UnprovedAddress

    chosen = settings()
    return _mail_desk(chosen) if chosen.unproved is UnprovedAddress.REFUSED else None


def _mail_desk(chosen: Settings) -> "MailDesk":
    from gerbang.mailing import MailDesk

    return MailDesk(
        queue=_mail_queue(chosen),
        rate_limits=_rate_limits(chosen),
        limits=chosen.mail_limits,
        journal=journal(),
        new_id=new_id,
    )


def mailer() -> "Mailer":
    """Return what sends mail."""
    chosen = settings()
    _warm_accounts(chosen)
    init.ahead(_keys(chosen.master_secret).current)
    return _mailer(chosen)


def tokens() -> "Tokens":
    """Return what signs and reads the deployment's tokens."""
    chosen = settings()
    made = _tokens(chosen, _keys(chosen.master_secret))
    init.ahead(made.warm)
    return made


def rotation() -> "Rotation":
    """Return what rotates the master secret."""
    from gerbang.rotation import Rotation
    from gerbang.storage.secret_versions import SecretVersionHistory

    chosen = settings()
    return Rotation(
        history=SecretVersionHistory(lambda: _client("secretsmanager"), chosen.master_secret),
        new_secret=new_secret,
        tokens_with=lambda keys: _tokens(chosen, keys),
        journal=journal(),
        now=system_clock,
    )


def api_keys() -> "ApiKeys":
    """Return what knows the deployment's API keys."""
    from gerbang.api_keys import ApiKeys
    from gerbang.storage.secrets import Secret

    chosen = settings()
    secret = Secret(lambda: _client("secretsmanager"), chosen.secret_api_key)
    return ApiKeys(chosen.publishable_key, secret, system_clock)


def password_policy() -> "PasswordPolicy":
    """Return the deployment's rules for new passwords."""
    from gerbang.password_policy import PasswordPolicy, common_passwords

    init.ahead(common_passwords)
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
    init.ahead(sessions.tokens.warm)
    return sessions


def _cold_sessions(chosen: Settings) -> "Sessions":
    from gerbang.sessions import Sessions

    return Sessions(
        store=_store(),
        families=_families(chosen),
        users=_users(chosen),
        tokens=_tokens(chosen, _keys(chosen.master_secret)),
        journal=journal(),
        now=system_clock,
        new_id=new_id,
        lifetime=chosen.refresh_token_lifetime,
        longest=chosen.longest_session,
        grace=chosen.refresh_grace,
        unconfirmed_grace=chosen.unconfirmed_grace,
    )


def _tokens(chosen: Settings, keys: "Keys") -> "Tokens":
    from gerbang.keys import Algorithm

    if chosen.token_algorithm is Algorithm.HS256:
        with init.hiding("cryptography"):  # docs/decisions/0013-init.md
            import jwt  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from gerbang.tokens import Tokens

    return Tokens(
        keys=keys,
        issuer=chosen.issuer,
        audience=chosen.audience,
        algorithm=chosen.token_algorithm,
        access_lifetime=chosen.access_token_lifetime,
        new_id=new_id,
    )


def _organizations(chosen: Settings) -> "Organizations":
    from gerbang.organizations import Organizations
    from gerbang.storage.organizations import OrganizationTable

    return Organizations(OrganizationTable(_store(), chosen.organizations_table), new_id)


def _passwords(chosen: Settings) -> "Passwords":
    from gerbang.passwords import Passwords

    return Passwords(chosen.password_hash_cost)


def _mail_queue(chosen: Settings) -> "MailQueue":
    if chosen.mail_queue_url is None:
        from gerbang.mailer import InlineQueue

        return InlineQueue(_mailer(chosen))
    from gerbang.mail_queue import SqsMailQueue

    queue = _client("sqs")
    init.ahead(lambda: queue.send_message(QueueUrl=chosen.mail_queue_url, MessageBody=""))  # SQS refuses an empty one
    return SqsMailQueue(client=queue, queue_url=chosen.mail_queue_url)


def _mailer(chosen: Settings) -> "Mailer":
    from gerbang.mail import Mails, MailSettings, SesOutbox
    from gerbang.mailer import Mailer
    from gerbang.one_time_codes import CodeMaker
    from gerbang.password_change import ResetTokens

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
        journal=journal(),
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
    from gerbang.rate_limits import SignInGuard

    return SignInGuard(chosen.sign_in_limits, _rate_limits(chosen))


def _rate_limits(chosen: Settings) -> "RateLimits":
    from gerbang.rate_limits import RateLimits
    from gerbang.storage.counters import CounterTable

    return RateLimits(CounterTable(_store(), chosen.limits_table), system_clock, new_id)


def _warm_accounts(chosen: Settings, *, connections: int = 1) -> None:
    """Open connections beside each other, as a request will, by a read that functions may make that look people up."""
    users = _users(chosen)
    for _ in range(connections):
        init.ahead(lambda: users.find(NOBODY))


def _warm_standing(chosen: Settings, *, connections: int = 1) -> None:
    """The same, by the read of functions that recognise sessions."""
    store, keys = _store(), (_families(chosen).key(NOBODY), _users(chosen).key(NOBODY))
    for _ in range(connections):
        init.ahead(lambda: store.get_all(*keys))


def _warm_organizations(chosen: Settings) -> None:
    """The same, by the read of functions that look organisations up."""
    organizations = _organizations(chosen).table
    init.ahead(lambda: organizations.find(NOBODY))


def _warm_limits(chosen: Settings, *, connections: int = 1) -> None:
    """The same, by a write of functions that count attempts, whose condition holds of no counter."""
    from gerbang.storage.counters import Taken, Window

    counters, never = _rate_limits(chosen).counters, Taken(Window(attempts=0, until=from_epoch(0)), turn=NOBODY)
    for _ in range(connections):
        init.ahead(lambda: counters.give_back(NOBODY, never))


@cache
def _keys(secret_id: str) -> "Keys":
    from gerbang.keys import Keys
    from gerbang.storage.secrets import Secret

    return Keys(Secret(lambda: _client("secretsmanager"), secret_id), system_clock)


@cache
def _store() -> "DynamoStore":
    from gerbang.storage.dynamodb import DynamoStore

    return DynamoStore(_client("dynamodb"))


def _client(service: str) -> Any:
    from gerbang.storage.clients import client

    return client(service)
