"""The systems whose exports can be imported, one module each: what is read, and what is left out."""

from typing import Final

from gerbang_import.systems import (
    aspnet_identity,
    auth0,
    better_auth,
    clerk,
    cognito,
    django,
    firebase,
    fusionauth,
    generic,
    gerbang,
    keycloak,
    kratos,
    laravel,
    ldap,
    lucia,
    shadow,
    supabase,
    supertokens,
    wordpress,
)
from gerbang_import.systems.system import System

GENERIC: Final = generic.SYSTEM

SYSTEMS: Final[dict[str, System]] = {
    "aspnet": aspnet_identity.SYSTEM,
    "auth0": auth0.SYSTEM,
    "better-auth": better_auth.SYSTEM,
    "clerk": clerk.SYSTEM,
    "cognito": cognito.SYSTEM,
    "django": django.SYSTEM,
    "firebase": firebase.SYSTEM,
    "fusionauth": fusionauth.SYSTEM,
    "gerbang": gerbang.SYSTEM,
    "keycloak": keycloak.SYSTEM,
    "kratos": kratos.SYSTEM,
    "laravel": laravel.SYSTEM,
    "ldap": ldap.SYSTEM,
    "lucia": lucia.SYSTEM,
    "shadow": shadow.SYSTEM,
    "supabase": supabase.SYSTEM,
    "supertokens": supertokens.SYSTEM,
    "wordpress": wordpress.SYSTEM,
}
"""By the name that `FROM=` takes."""
