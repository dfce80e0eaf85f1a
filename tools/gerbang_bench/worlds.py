"""The users, sessions, organisations and codes that events are about, made by the services of this source."""

import itertools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import uuid4

import boto3
import dynamodb_local
from botocore.exceptions import BotoCoreError
from gerbang.accounts import totp
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.registration import NewAccount
from gerbang.apis import gotrue
from gerbang.container import Container
from gerbang.core.client import Client
from gerbang.core.clock import system_clock
from gerbang.core.emails import EmailAddress
from gerbang.core.identifiers import INVITATION, botlaunch_id, public_id
from gerbang.core.log import Severity
from gerbang.mail.jobs import MailJob, MailKind
from gerbang.mail.organization_invitations import INVITATION_LIFETIME
from gerbang.sessions.pkce import ChallengeMethod, CodeChallenge
from gerbang.storage import clients
from gerbang.storage.accounts import Factor, Name, User
from gerbang.storage.families import Authentication
from gerbang.storage.organizations import Invitation, Membership
from gerbang.storage.records import to_value
from gerbang_local.google import StandInIssuer
from gerbang_local.template import Resource

from gerbang_bench.events import USER_AGENT

PASSWORD: Final = "Violet-tram-42"  # noqa: S105 - of people who do not exist
OTHER_PASSWORD: Final = "Silver-ferry-43"  # noqa: S105
VERIFIER: Final = "a-verifier-of-a-client-that-uses-pkce-in-the-bench"

_CODE: Final = re.compile(r"^([0-9]{6})$", re.MULTILINE)
_RESET_TOKEN: Final = re.compile(r"^([A-Za-z0-9]{65})$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A registered user with an open session."""

    email: str
    organization_id: str
    access_token: str
    refresh_token: str


def make_tables(tables: list[Resource], endpoint: str) -> None:
    """Make the template's tables at a DynamoDB Local, each named by its logical id; those that are there stay.

    Raises:
        dynamodb_local.Unavailable: nothing answers there.
    """
    client: Any = boto3.client(
        "dynamodb",
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",  # noqa: S106
    )
    try:
        for table in tables:
            _make_table(client, table)
    except BotoCoreError as error:
        raise dynamodb_local.Unavailable(f"DynamoDB Local does not answer at {endpoint}: {error}") from error
    finally:
        client.close()


def _make_table(client: Any, table: Resource) -> None:
    try:
        client.create_table(
            TableName=table.logical_id,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=table.properties["AttributeDefinitions"],
            KeySchema=table.properties["KeySchema"],
            **{name: table.properties[name] for name in ("GlobalSecondaryIndexes",) if name in table.properties},
        )
    except client.exceptions.ResourceInUseException:  # it is there
        return


class World:
    """Makes people and what they hold, in a context: meanwhile this process's services are those of a function."""

    def __init__(self, variables: Mapping[str, str], secret_key: str, last_mail: Callable[[], str]) -> None:
        """Take the environment of all functions together, the secret API key, and what returns the text mailed last."""
        self.secret_key: Final = secret_key
        self.publishable_key: Final = variables["PUBLISHABLE_KEY"]
        self._variables: Final = variables
        self._google: Final = StandInIssuer(variables["GOOGLE_CLIENT_IDS"])
        self._last_mail = last_mail
        self._numbers = itertools.count(1)
        self._run = uuid4().hex[:8]
        self._before: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Make the functions' environment this process's, which the services read."""
        self._before = dict(os.environ)
        os.environ.update(self._variables)
        os.environ.update(
            AWS_ACCESS_KEY_ID="bench",
            AWS_SECRET_ACCESS_KEY="bench",  # noqa: S106
            AWS_DEFAULT_REGION="eu-west-1",
        )
        _forget_clients()
        self._container = Container(os.environ, log_event=_log_nothing)
        return self

    def __exit__(self, *_: object) -> None:
        """Put this process's environment back."""
        _forget_clients()
        os.environ.clear()
        os.environ.update(self._before)

    def email(self) -> str:
        """Return an address without an account."""
        return f"person-{self._run}-{next(self._numbers)}@example.com"

    def client_address(self) -> str:
        """Return an address to call from: limits are counted by it, and no event is to meet one."""
        number = next(self._numbers)
        return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"  # the /64 is what is counted

    def _client(self) -> Client:
        return Client(address=self.client_address(), device=USER_AGENT)

    def person(self) -> Person:
        """Register a user with an organisation. One password hash."""
        email = self.email()
        made = self._container.registration.register(
            NewAccount(email=EmailAddress(email), password=PASSWORD, name="Violet Tram", founds="Tram & Ferry"),
            self._client(),
        )
        tokens = made.signed_in.tokens
        return Person(
            email=email,
            organization_id="" if made.organization is None else made.organization.organization_id,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
        )

    def user_id(self, person: Person) -> str:
        """Return the id of a person's account."""
        return self._user(person).user_id

    def access_token(self, person: Person) -> str:
        """Open another session of a person and return its access token. No hash."""
        client = self._client()
        return self._container.sessions.open(self._user(person), client, "password").tokens.access_token

    def access_token_used(self, person: Person) -> str:
        """Do the same, and use the token, so that its next use is not its first."""
        token = self.access_token(person)
        self._container.sessions.authenticate(token)
        return token

    def authorization_code(self, person: Person) -> str:
        """Make an authorization code for a person, as a mailed link of a client with `VERIFIER` does."""
        challenge = CodeChallenge(VERIFIER, ChallengeMethod.PLAIN)
        made, storing = self._container.pkce_flows.begin(self._user(person), challenge)
        self._container.store.commit(storing)
        return made.code

    def link(self, person: Person, identity: VerifiedIdentity) -> tuple[str, str]:
        """Link an identity to a person's account, and return an access token that was used, and the identity's id."""
        token = self.access_token_used(person)
        caller = self._container.sessions.authenticate(token)
        linked = self._container.linked_identities.link(caller, identity, self._client())
        shown = gotrue.user(linked.user, self._container.users.identities_of(linked.user), audience="")
        [identity_id] = (each["identity_id"] for each in shown["identities"] if each["provider"] == identity.provider)
        return token, identity_id

    def set_factor(self, person: Person) -> str:
        """Give a person a verified factor none of whose codes was used, in place of any other; return its id."""
        now = system_clock()
        factor = Factor(factor_id=str(uuid4()), friendly_name="phone", created_at=now, updated_at=now, verified_at=now)
        self._set_factors(person, factor)
        return factor.factor_id

    def remove_factors(self, person: Person) -> None:
        """Leave a person without factors."""
        self._set_factors(person)

    def _set_factors(self, person: Person, *factors: Factor) -> None:
        users = self._container.users
        users.change(self._user(person), {"factors": to_value(factors)})

    def code_of_app(self, person: Person) -> str:
        """Return the code that a person's app shows."""
        user = self._user(person)
        secret = totp.secret_of(self._container.keys, user.user_id, user.factors[0].factor_id)
        return totp.code_of(secret, totp.step_at(system_clock()))

    def raised_token(self, person: Person) -> str:
        """Open a session of two factors of a person, and return its access token, which was used."""
        user, by = self._user(person), Authentication(method="totp", at=system_clock())
        factor_id = user.factors[0].factor_id
        signed_in, opening = self._container.sessions.begin(
            user,
            self._client(),
            "password",
            raised=lambda family: family.raised(by, factor_id=factor_id),
        )
        self._container.store.commit(opening)
        self._container.sessions.authenticate(signed_in.tokens.access_token)
        return signed_in.tokens.access_token

    def challenge(self, access_token: str, factor_id: str) -> str:
        """Return the id of a new challenge of a session's factor."""
        caller = self._container.sessions.authenticate(access_token)
        return self._container.own_factors.challenge(caller, factor_id).challenge_id

    def waiting_sign_in(self, person: Person) -> str:
        """Return the token of a person's sign-in that waits for a second factor."""
        return self._container.first_factors.waiting(self._user(person), "password").mfa_token

    def code(self, person: Person) -> str:
        """Have a one-time code mailed to a person and return it."""
        return self._mailed(person, MailKind.SIGN_IN_CODE, _CODE)

    def reset_token(self, person: Person) -> str:
        """Have a reset token mailed to a person and return it."""
        return self._mailed(person, MailKind.PASSWORD_RESET, _RESET_TOKEN)

    def other_session_id(self, person: Person) -> str:
        """Return the id of a person's session that is not the one of the access token."""
        user = self._user(person)
        current = self._container.sessions.authenticate(person.access_token).family.family_id
        return next(each.family_id for each in self._container.own_sessions.list(user) if each.family_id != current)

    def invite(self, person: Person) -> tuple[str, str]:
        """Write an invitation to a person's organisation; return its id and the token that its mail would have."""
        now, invitation_id = self._container.now(), public_id(INVITATION, uuid4())
        email = self.email()
        invitation = Invitation(
            invitation_id=invitation_id,
            organization_id=person.organization_id,
            email=email,
            email_as_typed=email,
            role="CLIENT_MEMBER",
            invited_by=self.user_id(person),
            created_at=now,
            expires_at=now + INVITATION_LIFETIME,
        )
        self._container.store.write(self._container.organization_table.invitation_creation(invitation))
        return invitation_id, self._container.invitation_tokens.token(invitation)

    def add_member(self, person: Person) -> str:
        """Have another account belong to a person's organisation; return its `usr_…` id. One password hash."""
        member = self.user_id(self.person())
        since = self._container.now()
        joined = Membership(organization_id=person.organization_id, user_id=member, role="CLIENT_MEMBER", since=since)
        self._container.store.write(self._container.organization_table.joining(joined))
        return botlaunch_id(member)

    def use(self, person: Person) -> None:
        """Use a person's access token, so that its next use is not its first."""
        self._container.sessions.authenticate(person.access_token)

    def prove(self, person: Person) -> None:
        """Have a person redeem a code, so that the address is verified. No hash."""
        self._container.code_sign_in.sign_in(EmailAddress(person.email), self.code(person), self._client())

    def reset_password(self, person: Person) -> None:
        """Have a person set the password again, which the first code removes. One hash."""
        self._container.password_reset.reset(
            self.reset_token(person),
            PASSWORD,
            client=self._client(),
            policy=self._container.password_policy,
        )

    def google_identity(self) -> VerifiedIdentity:
        """Return a Google identity that has no account here."""
        subject = f"{self._run}{next(self._numbers)}"
        return VerifiedIdentity(provider=GOOGLE, subject=subject, email=self.email(), name="Violet Tram")

    def sign_in_with_google(self, identity: VerifiedIdentity) -> None:
        """Make the account that goes with an identity."""
        self._container.identity_sign_in.sign_in(identity, self._client())

    def google_token(self, identity: VerifiedIdentity) -> str:
        """Return an ID token of an identity."""
        return self._google.id_token({"google_id": identity.subject, "email": identity.email, "name": identity.name})

    def google_keys(self) -> dict[str, Any]:
        """Return the keys that these tokens verify with."""
        return self._google.key_set()

    def job(self, person: Person) -> str:
        """Return the text of a queued job to mail a person a code."""
        job = MailJob(job_id=str(uuid4()), kind=MailKind.SIGN_IN_CODE, email=person.email, locale=None)
        return job.to_json()

    @staticmethod
    def now_ms() -> int:
        """Return the time, in milliseconds since 1970."""
        return int(system_clock().timestamp() * 1000)

    def _user(self, person: Person) -> User:
        users = self._container.users
        user_id = users.find_id(Name.EMAIL, person.email)
        user = None if user_id is None else users.find(user_id)
        if user is None:
            raise LookupError(f"{person.email} has no account")
        return user

    def _mailed(self, person: Person, kind: MailKind, pattern: re.Pattern[str]) -> str:
        job = MailJob(job_id=str(uuid4()), kind=kind, email=person.email, locale=None)
        self._container.mailer.deliver(job, queued_at=system_clock())
        found = pattern.search(self._last_mail())
        if found is None:
            raise LookupError("the mail holds no code")
        return found[1]


def _forget_clients() -> None:
    """Have AWS clients made anew, by the environment as it is then."""
    for made in vars(clients).values():
        if forget := getattr(made, "cache_clear", None):
            forget()


def text_of_mail(asked: Mapping[str, Any]) -> str:
    """Return the plain text of a SendEmail request."""
    return str(asked["Content"]["Simple"]["Body"]["Text"]["Data"])


def _log_nothing(_event: str, _severity: Severity = Severity.INFO, /, **_fields: str | float) -> None:
    """Keep what the services log out of the benchmark's output."""
