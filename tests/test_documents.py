"""Everything that a document names exists: links, files, modules, settings, resources, variables, make targets.

Names are read from code spans (`like this`). `ELSEWHERE` lists names that belong to other products.
"""

import importlib
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import yaml
from sam_deploy.versions import SIGN_IN

from tests.test_tree import PARAMETERS, RESOURCES, TEMPLATE, of_type

ROOT: Final = Path(__file__).parents[1]

ELSEWHERE: Final = {
    "AuthorizationScopes": "a property of SAM's routes",
    "AWS_LAMBDA_LOG_LEVEL": "a variable of Lambda; it was tried with the JSON format and is not used",
    "AWS_PROFILE": "a variable of every AWS tool",
    "AllViewerExceptHostHeader": "a CloudFront policy",
    "ApplicationLogLevel": "a setting of Lambda's logging; it was tried and is not used",
    "CachingDisabled": "a CloudFront policy",
    "ROLE_ARN": "a variable of the reader's repository",
    "githubusercontent": "a domain of GitHub",
    "TypeAdapter": "a class of pydantic; it was tried and is not used",
    "parameter_validation": "a setting of botocore; it was tried and is not used",
}
"""Names that documents may use although the code has none of them, each with its reason."""


@cache
def tracked() -> frozenset[str]:
    """Return the paths of all files and folders of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file()]
    return frozenset(str(path) for file in files for path in (file, *file.parents[:-1]))


DOCUMENTS: Final = sorted(
    path for path in tracked() if path.endswith(".md") and "\n\nSuperseded by [" not in (ROOT / path).read_text("utf-8")
)
"""All documents except superseded decision notes, which name things that no longer exist."""
of_every_document = pytest.mark.parametrize("document", DOCUMENTS)


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def spans(document: str) -> list[str]:
    """Return the code spans of a document, without its code blocks."""
    prose = re.sub(r"^```.*?^```$", "", text_of(document), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


@cache
def words() -> frozenset[str]:
    """Return every word of the code, the template and the build files: the names that a document may use."""
    kinds = (".py", ".yaml", ".toml", ".json", ".txt", ".html", "Makefile", ".ci/run")
    sources = [
        path for path in tracked() if path.endswith(kinds) and not path.startswith("tests/") and path != "uv.lock"
    ]
    sources += [path for path in tracked() if path.startswith("tools/bootstrap/")]
    return frozenset(word for path in sources for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text_of(path)))


# --- links ------------------------------------------------------------------------------------------------------------


def sections(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@of_every_document
def test_links_are_not_broken(document: str) -> None:
    broken: list[str] = []
    for path, section in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)", text_of(document)):
        target = (ROOT / document).parent.joinpath(path).resolve() if path else ROOT / document
        name = str(target.relative_to(ROOT))
        if name not in tracked() or (section and section not in sections(name)):
            broken.append(f"{path}#{section}")

    assert broken == []


def test_the_index_lists_every_decision_note_and_titles_have_their_numbers() -> None:
    notes = sorted(path for path in tracked() if re.match(r"docs/decisions/\d{4}", path))
    index = dict(re.findall(r"^\| \[\d{4}\]\(([^)]+)\) \| (.+) \|$", text_of("docs/decisions/README.md"), re.MULTILINE))

    assert list(index) == [Path(note).name for note in notes]
    for note in notes:
        assert re.match(rf"# {Path(note).name[:4]}\. .", text_of(note)), note


# --- names ------------------------------------------------------------------------------------------------------------

FILE: Final = re.compile(r"[\w./{}+-]*\w\.(?:py|md|toml|yaml|json|jsonl|txt|html)")
FOLDER: Final = re.compile(r"[\w-][\w./-]*/\*?")
FOLDERS: Final = tuple(sorted(f"{path}/" for path in tracked() if "/" not in path and (ROOT / path).is_dir()))
SETTING: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
NAME: Final = re.compile(
    r"(?<![:\w])(?:[A-Z][a-z0-9]+){2,}\b|\b[a-z]+(?:_[a-z0-9]+)+\b|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b"
)
"""A name in CamelCase, snake_case or dotted form. `service:Action` of AWS is not one."""
DOTTED: Final = re.compile(r"gerbang(?:_\w+)?(?:\.\w+)+")


@of_every_document
def test_named_files_and_folders_exist(document: str) -> None:
    first = [span.split()[0] for span in spans(document)]
    named = [word for word in first if FILE.fullmatch(word) or FOLDER.fullmatch(word) or word.startswith(FOLDERS)]

    assert [path for path in named if not exists(path)] == []


def exists(path: str) -> bool:
    """Say whether a path exists: from the root if it begins with a top folder, otherwise as the end of a path."""
    path = path.rstrip("/*")
    if path in ELSEWHERE or path in tracked():
        return True
    return not path.startswith(FOLDERS) and any(known.endswith(f"/{path}") for known in tracked())


@of_every_document
def test_named_modules_classes_and_functions_exist(document: str) -> None:
    named = [span for text in spans(document) for span in DOTTED.findall(text) if not FILE.fullmatch(text)]
    named += re.findall(r"python -m ((?:gerbang|sam|dynamodb)\w*(?:\.\w+)*)", text_of(document))

    assert [name for name in named if not imports(name)] == []


def imports(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@of_every_document
def test_named_environment_variables_exist(document: str) -> None:
    named = {name for span in spans(document) for name in SETTING.findall(span)}

    assert named - words() - ELSEWHERE.keys() == set()


@of_every_document
def test_named_parameters_resources_classes_and_fields_exist(document: str) -> None:
    named = {part for span in spans(document) for name in NAME.findall(FILE.sub("", span)) for part in name.split(".")}

    assert named - words() - ELSEWHERE.keys() == set()


@of_every_document
def test_named_make_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^\$ |`)(?:[A-Z]+=\S+ )*make ([a-z-]+)", text_of(document), re.MULTILINE))

    assert named - targets == set()


def test_documents_that_the_code_names_exist() -> None:
    code = [path for path in tracked() if path.endswith((".py", ".yaml", ".toml", "Makefile"))]

    missing = {
        f"{path}: {name}"
        for path in code
        for name in re.findall(r"[\w/-]+\.md\b", text_of(path))
        if not exists(name.lower()) and not exists(name)
    }

    assert missing == set()


# --- counts and lists -------------------------------------------------------------------------------------------------

NUMBERS: Final = {"two": 2, "three": 3, "five": 5, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12}


def test_the_operations_page_lists_exactly_the_alarms_of_the_template() -> None:
    rows = re.findall(r"^\| (`\w+Alarm`(?:, `\w+Alarm`)*) \|", text_of("docs/operations.md"), re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"\w+Alarm", row)]

    assert sorted(listed) == sorted(of_type("AWS::CloudWatch::Alarm"))


@pytest.mark.parametrize(
    ("counted", "kind"),
    [("secrets", "AWS::SecretsManager::Secret"), ("alarms", "AWS::CloudWatch::Alarm")],
)
def test_the_operations_page_gives_the_right_number_of_secrets_and_alarms(counted: str, kind: str) -> None:
    [number] = re.findall(rf"What does not grow with use: [^.]*?(\w+) {counted}", text_of("docs/operations.md"))

    assert NUMBERS[number] == len([each for each in of_type(kind) if "Condition" not in RESOURCES[each]])


def test_named_alarms_exist_in_the_template() -> None:
    named = {name for document in DOCUMENTS for name in re.findall(r"`(\w+Alarm)`", text_of(document))}

    assert named <= {*RESOURCES, *PARAMETERS, *TEMPLATE["Outputs"]}


def test_the_pipeline_of_the_operations_page_is_a_valid_github_workflow() -> None:
    """GitHub supports anchors and aliases but not merge keys: docs.github.com, "Reusing workflow configurations"."""
    [text] = re.findall(r"^```yaml\n(on: .*?)^```$", text_of("docs/operations.md"), re.MULTILINE | re.DOTALL)
    merges = [token for token in yaml.scan(text) if isinstance(token, yaml.ScalarToken) and token.value == "<<"]

    workflow = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - reads every scalar as text, so that the key `on` does not become True

    assert merges == []
    assert workflow.keys() == {"on", "permissions", "jobs"}
    assert workflow["permissions"]["id-token"] == "write"
    for name, job in workflow["jobs"].items():
        assert job.keys() <= {"needs", "runs-on", "environment", "env", "steps"}
        assert job["environment"] == name
        assert job["needs"] in workflow["jobs"] if "needs" in job else name == "staging"
        assert job["runs-on"] == "ubuntu-latest"
        assert all(step.keys() in ({"uses"}, {"uses", "with"}, {"run"}) for step in job["steps"])


def test_the_pipeline_runs_smoke_tests_on_the_stacks_that_it_deploys() -> None:
    [stack] = re.findall(
        r"- run: make smoke STACK=(\S+?)\$\{\{ vars.STAGE \}\}$", text_of("docs/operations.md"), re.MULTILINE
    )
    configured = tomllib.loads(text_of("samconfig.toml"))

    for stage in ("staging", "production"):
        assert configured[stage]["global"]["parameters"]["stack_name"] == f"{stack}{stage}"


def test_the_price_of_snapshots_matches_the_memory_of_the_functions() -> None:
    document, month_seconds = text_of("docs/operations.md"), 730 * 3_600
    [price_of_a_gb_second] = re.findall(r"\$(0\.\d+) a GB-second", document)
    default = TEMPLATE["Globals"]["Function"]["MemorySize"]
    memory = {
        name: properties.get("MemorySize", default) for name, properties in of_type("AWS::Serverless::Function").items()
    }
    for choice, functions in {"sign-in": SIGN_IN, "all": memory.keys()}.items():
        price = sum(memory[name] for name in functions) / 1024 * float(price_of_a_gb_second) * month_seconds
        [(count, written)] = re.findall(rf"^\| `{choice}` \| (\d+)[^|]* \| \$(\d+) \|$", document, re.MULTILINE)
        assert (int(count), int(written)) == (len(functions), round(price))
