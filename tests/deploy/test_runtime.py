"""Every built function starts and works under Lambda's runtime interface client.

So a module that is missing in the layers is found. AWS is in memory, with the stack that CloudFormation created. Each
function also receives each of its events in `events/`, and its response must match the event's name.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang_local.google import LOCAL_CLIENT_ID, StandInIssuer
from sam_deploy import this_machine

from tests.build.artefacts import build_for
from tests.deploy.api import StackApi
from tests.deploy.aws_server import served_aws
from tests.deploy.lambda_runtime import BuiltFunctions, FunctionFailed, Mounts, RunningFunction
from tests.deploy.scenarios.every_call import PARAMETERS, call_everything
from tests.deploy.scenarios.world import World, serve_json
from tests.deploy.stacks import ROOT, Stack, created_stack, written

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime interface client is for Linux"),
]

FUNCTIONS: Final = sorted(written("AWS::Serverless::Function"))
FOLDERS: Final = {
    str(resource.properties["CodeUri"]).removeprefix("functions/"): name
    for name, resource in written("AWS::Serverless::Function").items()
}
"""Logical ids by folder. `functions/` and `events/` have the same folders."""

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
    "docs/document": (200, "openapi"),
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


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Mounts:
    return Mounts.of(build_for(this_machine()), tmp_path_factory.mktemp("lambda"))


@pytest.fixture(scope="module")
def issuer() -> StandInIssuer:
    return StandInIssuer(LOCAL_CLIENT_ID)


@pytest.fixture(scope="module")
def stack(issuer: StandInIssuer) -> Iterator[Stack]:
    with (
        serve_json(issuer.key_set()) as certs_url,
        created_stack(GoogleCertsUrl=certs_url, **PARAMETERS) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def functions(stack: Stack, mounts: Mounts) -> Iterator[BuiltFunctions]:
    folders = build_for(this_machine()).functions
    described = {name: stack.described(name, folder) for name, folder in folders.items()}
    with served_aws() as aws:
        built = BuiltFunctions(described, mounts, aws)
        try:
            yield built
        finally:
            built.end()


def test_every_function_of_the_template_was_built() -> None:
    assert sorted(build_for(this_machine()).functions) == FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts(functions: BuiltFunctions, name: str) -> None:
    functions.start(name)  # raises the exception of a failed import


def test_all_scenarios_work_and_use_every_function(
    stack: Stack, functions: BuiltFunctions, issuer: StandInIssuer
) -> None:
    call_everything(World(stack, StackApi(stack, functions), issuer, functions))

    assert sorted(functions.running) == FUNCTIONS


def test_every_event_has_an_expected_result() -> None:
    files = {str(file.relative_to(ROOT / "events").with_suffix("")) for file in (ROOT / "events").rglob("*.json")}

    assert files == {*RESPONSES, *ERRORS, *FAILED_MESSAGES, PUBLISHED}


@pytest.mark.parametrize("event", RESPONSES)
def test_a_request_gets_the_expected_response(functions: BuiltFunctions, event: str) -> None:
    status, text = RESPONSES[event]

    answer = sent(functions, event)

    assert (answer["statusCode"], text in answer.get("body", "")) == (status, True), answer


@pytest.mark.parametrize("event", ERRORS)
def test_an_error_event_raises_the_expected_exception(functions: BuiltFunctions, event: str) -> None:
    with pytest.raises(FunctionFailed, match=f"^{ERRORS[event]}$"):
        sent(functions, event)


@pytest.mark.parametrize("event", FAILED_MESSAGES)
def test_a_batch_of_mail_jobs_reports_the_invalid_ones(functions: BuiltFunctions, stack: Stack, event: str) -> None:
    sent_before = len(stack.mailbox.mails())

    answer = sent(functions, event)

    assert answer == {"batchItemFailures": [{"itemIdentifier": one} for one in FAILED_MESSAGES[event]]}
    assert len(stack.mailbox.mails()) == sent_before  # the addresses have no accounts


def test_a_stream_record_is_published(functions: BuiltFunctions, stack: Stack) -> None:
    text = (ROOT / "events" / f"{PUBLISHED}.json").read_text("utf-8")
    event = json.loads(text.replace("gerbang-local-Users", stack.ids["Users"]))

    assert functions.invoke("EventsFunction", event) == {"batchItemFailures": []}


def sent(functions: BuiltFunctions, event: str) -> Any:
    """Return the function's result for an event of `events/`."""
    content = json.loads((ROOT / "events" / f"{event}.json").read_text("utf-8"))
    return functions.invoke(FOLDERS[event.rpartition("/")[0]], content)


def test_a_module_that_no_layer_has_cannot_be_imported(stack: Stack, mounts: Mounts, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import pytest")

    with pytest.raises(FunctionFailed, match="No module named 'pytest'"):
        RunningFunction(mounts, stack.described("DefaultFunction", tmp_path), {})


def test_packages_are_imported_from_the_layers(stack: Stack, mounts: Mounts, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import botocore, gerbang\ndef handler(event, context): return [gerbang.__file__, botocore.__file__]"
    )
    function = RunningFunction(mounts, stack.described("DefaultFunction", tmp_path), {})

    files = function.invoke({})

    function.end()
    assert [Path(file).is_relative_to(mounts.opt) for file in files] == [True, True]
