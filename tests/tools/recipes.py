"""The commands in docs/legacy-users.md with their expected results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.tools.imports import BCRYPT_PASSWORD

CREATED: Final = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
SIGNED_IN: Final = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
GOOGLE: Final = {"google": "108123456789012345678"}
FIRST: Final = "a0000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A command and its expected result."""

    command: str
    """The parameters of the command as printed in the document."""
    users: Mapping[str, Mapping[str, Any]]
    """The expected accounts by address. An account without `password` has none."""
    rejected: int = 0
    skipped: int = 0
    dropped: frozenset[str] = field(default_factory=frozenset)
    """Columns with dropped values."""


def person(**more: Any) -> dict[str, Any]:
    return {"verified": False, "disabled": False, "password": None, "subjects": {}, **more}


def mira(**more: Any) -> dict[str, Any]:
    return person(**{"verified": True, "password": BCRYPT_PASSWORD, **more})


def googler(**more: Any) -> dict[str, Any]:
    return person(**{"verified": True, "subjects": GOOGLE, **more})


FIREBASE_USERS: Final = {
    "mira@example.com": mira(
        name='Mira, "the" first',
        created_at=CREATED,
        last_sign_in_at=SIGNED_IN,
        app_metadata={"plan": "gold", "previous_id": "Kx9aMira"},
    ),
    "google@example.com": googler(disabled=True, name="Gül", subjects={**GOOGLE, "apple": "001234.abc"}),
}
"""The users in both forms of Firebase's export."""

RECIPES: Final = {
    "firebase": Recipe(
        command="FROM=firebase FILE=users.json HASH_CONFIG=hash_config.txt",
        users=FIREBASE_USERS,
        rejected=1,
        skipped=1,
    ),
    "firebase csv": Recipe(
        command="FROM=firebase FILE=users.csv HASH_CONFIG=hash_config.txt",
        users=FIREBASE_USERS,
        rejected=1,
        skipped=1,
    ),
    "auth0": Recipe(
        command="FROM=auth0 FILE=users.json ALSO=passwords.json",
        users={
            "mira@example.com": mira(
                name="Mira Lind",
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                user_metadata={"theme": "dark"},
                app_metadata={"plan": "gold", "previous_id": "auth0|60425dc43519d90068f82973"},
            ),
            "google@example.com": googler(disabled=True),
        },
    ),
    "auth0, hashes alone": Recipe(
        command="FROM=auth0 FILE=passwords.json", users={"mira@example.com": mira(name="mira")}
    ),
    "auth0, import file": Recipe(
        command="FROM=auth0 FILE=bulk.json",
        users={
            "mira@example.com": mira(number=17),
            **{f"{name}@example.com": mira(verified=False) for name in ("hmac", "scrypt", "pbkdf2")},
        },
    ),
    "supabase": Recipe(
        command="FROM=supabase FILE=users.csv ALSO=identities.csv",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                name="Mira",
                email_verified_at=datetime(2020, 1, 2, 3, 5, tzinfo=UTC),
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                app_metadata={"provider": "email", "providers": ["email"]},
                user_metadata={"sub": FIRST, "name": "Mira", "favourite": 'say "hi", twice'},
            ),
            "google@example.com": googler(name="Gül"),
            "banned@example.com": mira(
                verified=False, disabled=True, banned_until=datetime(2123, 1, 2, 3, 5, tzinfo=UTC)
            ),
        },
        skipped=2,
    ),
    "cognito": Recipe(
        command="FROM=cognito FILE=users.json",
        users={
            "mira@example.com": person(
                verified=True,
                user_id=FIRST,
                username="mira",
                name="Mira",
                locale="en",
                created_at=CREATED,
                user_metadata={"plan": "gold"},
            ),
            "google@example.com": googler(disabled=True, name="Gül Ay", created_at=CREATED),
        },
    ),
    "cognito csv": Recipe(
        command="FROM=cognito FILE=users.csv",
        users={"mira@example.com": person(verified=True, username="mira", name="Mira", locale="en")},
    ),
    "keycloak": Recipe(
        command="FROM=keycloak FILE=shop-realm.json",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                username="mira",
                name="Mira Lind",
                locale="id",
                created_at=CREATED,
                user_metadata={"locale": ["id"], "plan": ["gold"]},
            ),
            "google@example.com": googler(disabled=True, username=None),
            "sha512@example.com": mira(verified=False),
            "argon2@example.com": mira(verified=False),
        },
        skipped=1,
    ),
    "clerk": Recipe(
        command="FROM=clerk FILE=users.csv ALSO=users.json",
        users={
            "mira@example.com": mira(
                username="mira",
                name="Mira Lind",
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                user_metadata={"plan": "gold"},
                app_metadata={"crm": 7, "previous_id": "user_2abcMira"},
            ),
            "google@example.com": googler(disabled=True, name="Gül"),
        },
    ),
    "clerk, API alone": Recipe(
        command="FROM=clerk FILE=users.json",
        users={"mira@example.com": mira(password=None, username="mira"), "google@example.com": googler(disabled=True)},
    ),
    "wordpress": Recipe(
        command="FROM=wordpress FILE=users.tsv",
        users={
            "mira@example.com": mira(verified=False, number=1, username="mira", name="Mira Lind", created_at=CREATED),
            "old@example.com": mira(verified=False, number=2, username=None, name="Old User"),
            "reset@example.com": mira(verified=False, number=3, username="reset"),
        },
        dropped=frozenset({"username"}),
    ),
    "wordpress csv": Recipe(
        command="FROM=wordpress FILE=wp_users.csv",
        users={
            "mira@example.com": mira(verified=False, name="Mira Lind", created_at=CREATED),
            "old@example.com": mira(verified=False),
            "reset@example.com": mira(verified=False),
        },
        dropped=frozenset({"username"}),
    ),
    "django": Recipe(
        command="FROM=django FILE=users.json ALSO=addresses.json",
        users={
            "mira@example.com": mira(
                number=1, username="mira", name="Mira Lind", created_at=CREATED, last_sign_in_at=SIGNED_IN
            ),
            "jo@example.com": person(disabled=True, username=None),
        },
        skipped=1,
    ),
    "django csv": Recipe(
        command="FROM=django FILE=auth_user.csv VERIFIED=1",
        users={
            "mira@example.com": mira(number=1, created_at=CREATED, last_sign_in_at=SIGNED_IN),
            "jo@example.com": person(verified=True, disabled=True),
        },
    ),
    "laravel": Recipe(
        command="FROM=laravel FILE=users.csv",
        users={
            "mira@example.com": mira(
                number=1,
                name="Mira Lind",
                created_at=CREATED,
                email_verified_at=datetime(2020, 1, 2, 3, 5, tzinfo=UTC),
            ),
            "jo@example.com": mira(verified=False),
        },
        skipped=1,
    ),
    "aspnet": Recipe(
        command="FROM=aspnet FILE=AspNetUsers.csv ALSO=AspNetUserLogins.csv",
        users={
            "mira@example.com": mira(user_id=FIRST, username=None),
            "locked@example.com": mira(verified=False, disabled=True, username="locked", banned_until=None),
            "google@example.com": googler(banned_until=None),
        },
    ),
    "better-auth": Recipe(
        command="FROM=better-auth FILE=user.json ALSO=account.json",
        users={"mira@example.com": mira(verified=False, name="Mira"), "google@example.com": googler(name="Gül")},
    ),
    "lucia": Recipe(
        command="FROM=lucia FILE=auth_user.csv ALSO=user_key.csv",
        users={"mira@example.com": mira(name="Mira"), "google@example.com": googler(name="Gül")},
    ),
    "lucia 3": Recipe(command="FROM=lucia FILE=user.csv", users={"mira@example.com": mira(verified=False)}),
    "kratos": Recipe(
        command="FROM=kratos FILE=identities.json",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                name="Mira Lind",
                created_at=CREATED,
                user_metadata={"theme": "dark"},
                app_metadata={"plan": "gold"},
            ),
            "google@example.com": googler(disabled=True),
            "pbkdf2@example.com": mira(verified=False),
        },
    ),
    "supertokens": Recipe(
        command="FROM=supertokens FILE=emailpassword_users.csv ALSO=emailverification_verified_emails.csv",
        users={
            "mira@example.com": mira(user_id=FIRST, created_at=CREATED),
            "jo@example.com": mira(verified=False),
        },
    ),
    "supertokens, third parties": Recipe(
        command="FROM=supertokens FILE=thirdparty_users.csv ALSO=emailverification_verified_emails.csv",
        users={"google@example.com": googler(created_at=CREATED)},
    ),
    "fusionauth": Recipe(
        command="FROM=fusionauth FILE=users.csv ALSO=identities.csv",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                username="mira",
                name="Mira Lind",
                created_at=CREATED,
                user_metadata={"plan": "gold"},
            )
        },
    ),
    "fusionauth json": Recipe(
        command="FROM=fusionauth FILE=users.json",
        users={
            "mira@example.com": mira(username="mira", locale="en", user_metadata={"plan": "gold"}),
            "bcrypt@example.com": mira(verified=False, disabled=True),
        },
    ),
    "ldap": Recipe(
        command="FROM=ldap FILE=people.ldif",
        users={
            "mira@example.com": mira(
                verified=False,
                user_id=FIRST,
                username="mira",
                name="Mira Lind",
                locale="en-GB",
                created_at=CREATED,
            ),
            "guel@example.com": mira(verified=False, disabled=True, username=None, name="Ay"),
        },
        skipped=1,
        dropped=frozenset({"username"}),
    ),
    "shadow": Recipe(
        command="FROM=shadow FILE=shadow DOMAIN=example.com",
        users={
            "mira@example.com": mira(verified=False, username="mira"),
            "locked@example.com": mira(verified=False, disabled=True),
            "expired@example.com": mira(verified=False, disabled=True),
        },
        skipped=3,
    ),
}
