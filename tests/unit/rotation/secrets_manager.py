"""Secrets Manager as it rotates a secret, on moto, and deployments that sign with the secret.

moto's `RotateSecret` makes a pending version without a value, as AWS does. The tests then call the function for each
of the four steps, as AWS would.
"""

import io
import zipfile
from collections.abc import Callable
from copy import replace
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import jwt
from gerbang.sessions.claims import TokenPair
from gerbang.sessions.rotation import Step
from gerbang.storage.accounts import Name, User

from tests.deployment import ALICE, HOME, Deployment

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

SESSION: Final = botocore.session.Session()
FIRST_SECRET: Final = "the first secret, as CloudFormation made it"
ROTATED_ONCE: Final = "the secret that the stack's creation rotated to"


@dataclass(frozen=True, slots=True)
class SecretsManager:
    """Rotates a secret as AWS does."""

    client: "SecretsManagerClient"
    secret_id: str
    function_arn: str
    handler: Callable[[dict[str, Any], object], dict[str, Any]]

    def rotate(self) -> str:
        """Rotate once; return the new version's id."""
        version_id = self.begin()
        for step in Step:
            self.call(step, version_id)
        return version_id

    def begin(self) -> str:
        """Do what `RotateSecret` does before the function is called; return the version's id."""
        for version_id, labels in self.labels().items():
            if "AWSPENDING" in labels:  # AWS removes the label from the current version; moto does not
                self.client.update_secret_version_stage(
                    SecretId=self.secret_id, VersionStage="AWSPENDING", RemoveFromVersionId=version_id
                )
        return self.client.rotate_secret(SecretId=self.secret_id, RotationLambdaARN=self.function_arn)["VersionId"]

    def call(self, step: str, version_id: str, secret_id: str | None = None) -> None:
        """Call the function for one step."""
        self.handler({"Step": step, "SecretId": secret_id or self.secret_id, "ClientRequestToken": version_id}, None)

    def put_pending(self, version_id: str, text: str) -> None:
        self.client.put_secret_value(
            SecretId=self.secret_id, ClientRequestToken=version_id, SecretString=text, VersionStages=["AWSPENDING"]
        )

    def labels(self) -> dict[str, list[str]]:
        return self.client.describe_secret(SecretId=self.secret_id)["VersionIdsToStages"]

    def version(self, label: str) -> str:
        """The id of the version that has a label."""
        [version_id] = [version_id for version_id, labels in self.labels().items() if label in labels]
        return version_id

    def text(self, label: str = "AWSCURRENT") -> str:
        return self.client.get_secret_value(SecretId=self.secret_id, VersionStage=label)["SecretString"]


def alice_of(deployment: Deployment) -> User:
    user_id = deployment.users.find_id(Name.EMAIL, ALICE.email)
    user = None if user_id is None else deployment.users.find(user_id)
    assert user is not None
    return user


def sign_in_alice(deployment: Deployment) -> TokenPair:
    return deployment.sessions.open(alice_of(deployment), HOME, "password").tokens


def cold(deployment: Deployment) -> Deployment:
    """Return another environment of the functions, which has read nothing yet."""
    return replace(deployment)


def attached_function() -> str:
    """Create a function in moto; return its ARN."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    iam: Any = SESSION.create_client("iam")
    role = iam.create_role(RoleName="rotation", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions: Any = SESSION.create_client("lambda")
    function = functions.create_function(
        FunctionName="rotation",
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
    )
    return str(function["FunctionArn"])


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
