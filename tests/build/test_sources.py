"""The sources of the build: locked requirements, the trimming of botocore, the imports of functions."""

import ast
import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trim

from tests.build.artefacts import ROOT

DEPENDENCIES = ROOT / "layers" / "dependencies"
LONGEST_MODULE = 350
"""Lines (docs/decisions/0020-wings.md)."""


@pytest.mark.parametrize(
    ("file", "chosen"),
    [("requirements.txt", "--no-default-groups"), ("asymmetric.txt", "--only-group=asymmetric")],
    ids=["dependencies", "asymmetric"],
)
def test_the_requirements_of_the_layers_match_the_lock_file(file: str, chosen: str) -> None:
    """`make lock` writes both files."""
    options = ["--frozen", "--quiet", "--no-annotate", "--no-header", "--no-emit-project", chosen]
    locked = subprocess.run(
        [ROOT / "tools" / "bootstrap" / "uv", "export", *options], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert (DEPENDENCIES / file).read_text() == locked.stdout


def test_every_requirement_has_hashes() -> None:
    for file in ("requirements.txt", "asymmetric.txt"):
        for requirement in (DEPENDENCIES / file).read_text().replace("\\\n", "").splitlines():
            assert re.match(r"[a-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", requirement), requirement


def test_trimming_a_folder_that_does_not_exist_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "urllib3" / "contrib").mkdir(parents=True)

    with pytest.raises(trim.NothingToCut, match="urllib3/contrib/emscripten"):
        trim.trim(tmp_path)


def test_trimming_keeps_only_the_services_that_are_called(tmp_path: Path) -> None:
    data = tmp_path / "botocore" / "data"
    for file in ("dynamodb/2011-12-05/a", "dynamodb/1/examples-1.json", "dynamodb/1/waiters-2.json", "dynamodb/1/b"):
        (data / file).parent.mkdir(parents=True, exist_ok=True)
        (data / file).touch()
    for service in ({*trim.AWS_SERVICES} - {"dynamodb"}) | {"s3"}:
        (data / service).mkdir()
    partition = {
        "partition": "aws",
        "regions": {"eu-west-1": {}},
        "services": {"dynamodb": {"endpoints": {}}, "s3": {}},
    }
    (data / "endpoints.json").write_text(json.dumps({"partitions": [partition]}))

    trim.trim(tmp_path)

    assert {path.name for path in data.iterdir() if path.is_dir()} == set(trim.AWS_SERVICES)
    assert [path.name for path in data.glob("dynamodb/*/*")] == ["b"]
    assert json.loads((data / "endpoints.json").read_text())["partitions"] == [
        partition | {"services": {"dynamodb": {"endpoints": {}}}}
    ]


def test_trimming_removes_only_the_documentation_from_service_models(tmp_path: Path) -> None:
    data = tmp_path / "botocore" / "data"
    for service in trim.AWS_SERVICES:
        (data / service / "1").mkdir(parents=True)
    (data / "endpoints.json").write_text('{"partitions": []}')
    member = {"shape": "Text", "documentation": "<p>Says what it is.</p>"}
    model = {"documentation": "<p>All of it.</p>", "shapes": {"Put": {"members": {"documentation": member}}}}
    file = data / "sqs" / "1" / "service-2.json.gz"
    file.write_bytes(gzip.compress(json.dumps(model).encode()))

    trim.keep_only_our_services(data)

    kept = {"shapes": {"Put": {"members": {"documentation": {"shape": "Text"}}}}}
    assert json.loads(gzip.decompress(file.read_bytes())) == kept


def test_no_module_of_the_package_is_too_long() -> None:
    """docs/decisions/0020-wings.md."""
    package = ROOT / "layers" / "auth" / "gerbang"
    lines = {str(file.relative_to(package)): len(file.read_text().splitlines()) for file in package.rglob("*.py")}

    assert {file: count for file, count in lines.items() if count > LONGEST_MODULE} == {}


def imported_by(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "gerbang":
            yield from (f"gerbang.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_functions_do_not_import_storage_settings_or_boto() -> None:
    """import-linter cannot check functions, because they are not a package."""
    forbidden = re.compile(r"gerbang\.(storage|settings|clock)\b|boto")

    forbidden_imports = {
        f"{source.relative_to(ROOT)} imports {module}"
        for source in (ROOT / "functions").rglob("app.py")
        for module in imported_by(source)
        if forbidden.match(module)
    }

    assert forbidden_imports == set()


def test_every_target_of_the_makefile_is_listed() -> None:
    targets = set(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"help"}

    listed = subprocess.run(["make", "--silent"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert targets == set(re.findall(r"^  make ([a-z-]+) ", listed, re.MULTILINE))
