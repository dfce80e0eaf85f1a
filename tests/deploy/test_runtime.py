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
from tests.event_results import ERRORS, FAILED_MESSAGES, PUBLISHED, RESPONSES

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
        created_stack(GoogleCertsUrl=certs_url, **PARAMETERS) as created,
    ):
        yield created


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
