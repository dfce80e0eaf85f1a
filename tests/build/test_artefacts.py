"""The build that is deployed: its size, bytecode and extension modules, and that nothing is missing."""

import importlib.util
import json
import marshal
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sam_deploy import this_machine

from tests.build.artefacts import (
    ARCHITECTURES,
    ROOT,
    Build,
    build_for,
    files,
    unpacked_bytes,
    zipped_bytes,
)

pytestmark = pytest.mark.build

MEGABYTE = 1_000_000

UNCHECKED_HASH = 1
"""The flags of bytecode that Python uses without checking its source (PEP 552)."""

MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}
"""e_machine of the ELF header: EM_X86_64, EM_AARCH64."""

GLIBC_OF_LAMBDA = (2, 34)
"""The version of Amazon Linux 2023, which the runtime python3.13 uses."""


@pytest.fixture(params=ARCHITECTURES)
def build(request: pytest.FixtureRequest) -> Build:
    return build_for(request.param)


def test_the_layers_are_within_their_size_limits(build: Build) -> None:
    zipped = {layer: zipped_bytes(folder) for layer, folder in build.layers.items()}
    unpacked = {layer: unpacked_bytes(folder) for layer, folder in build.layers.items()}

    assert sum(zipped.values()) <= 14 * MEGABYTE, zipped
    assert sum(unpacked.values()) <= 45 * MEGABYTE, unpacked
    assert zipped["Dependencies"] <= 7 * MEGABYTE, zipped


def test_every_certificate_authority_has_its_own_file(build: Build) -> None:
    botocore = build.layers["Dependencies"] / "python" / "botocore"
    bundled = (botocore / "cacert.pem").read_text().count("BEGIN CERTIFICATE")

    assert len(list((botocore / "cacert.d").iterdir())) == bundled > 100


def test_a_function_is_at_most_ten_kilobytes(build: Build) -> None:
    sizes = {function: zipped_bytes(folder) for function, folder in build.functions.items()}

    most = {"DocsFunction": 100_000}  # it contains the page and the document that it serves
    assert {function: size for function, size in sizes.items() if size > most.get(function, 10_000)} == {}


def test_a_function_contains_only_its_own_handler(build: Build) -> None:
    handlers = {function: len(list(folder.rglob("app.py"))) for function, folder in build.functions.items()}

    assert {function: number for function, number in handlers.items() if number != 1} == {}


def test_every_source_file_has_bytecode_that_lambda_uses(build: Build) -> None:
    mounted = {"/opt": build.layers.values(), "/var/task": build.functions.values()}
    wrong = [
        f"{source.relative_to(build.folder)}: {fault}"
        for place, folders in mounted.items()
        for folder in folders
        for source in folder.rglob("*.py")
        if (fault := fault_of_bytecode(source, mounted_at=f"{place}/{source.relative_to(folder)}"))
    ]

    assert wrong == []


def fault_of_bytecode(source: Path, *, mounted_at: str) -> str | None:
    bytecode = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
    if not bytecode.exists():
        return "has no bytecode"
    content = bytecode.read_bytes()
    if content[:4] != importlib.util.MAGIC_NUMBER:
        return "bytecode is of another version of Python"
    if int.from_bytes(content[4:8], "little") != UNCHECKED_HASH:
        return "bytecode is checked against its source"
    if content[8:16] != importlib.util.source_hash(source.read_bytes()):
        return "bytecode was compiled from another source"
    named = marshal.loads(content[16:]).co_filename  # noqa: S302 - our own build
    return None if named == mounted_at else f"bytecode names {named} in tracebacks"


def test_extension_modules_run_on_lambda(build: Build) -> None:
    extensions = [path for layer in build.layers.values() for path in layer.rglob("*.so")]
    machines = {path.name: int.from_bytes(path.read_bytes()[18:20], "little") for path in extensions}
    newest_glibc = max(
        tuple(int(part) for part in version.split(b"."))
        for path in extensions
        for version in re.findall(rb"GLIBC_(\d+\.\d+)", path.read_bytes())
    )

    assert sorted(path.name.split(".")[0] for path in extensions) == [
        "_bcrypt",
        "_cffi_backend",
        "_pydantic_core",
        "_rust",
    ]
    assert set(machines.values()) == {MACHINES[build.architecture]}, machines
    assert newest_glibc <= GLIBC_OF_LAMBDA


def test_developer_files_are_not_deployed(build: Build) -> None:
    useless = re.compile(r"\.(pyi|md|rst|typed|toml)$|\.dist-info/|/tests?/|(^|/)(Makefile|requirements\.txt)$")
    folders = [*build.layers.values(), *build.functions.values()]

    found = [str(path) for folder in folders for path in files(folder) if useless.search(str(path.relative_to(folder)))]

    assert found == []


def test_the_package_is_deployed_completely(build: Build) -> None:
    package = ROOT / "layers" / "auth" / "gerbang"
    deployed = build.layers["Auth"] / "python" / "gerbang"

    ours = {path.relative_to(package): path.read_bytes() for path in files(package) if "__pycache__" not in path.parts}

    assert {path for path, content in ours.items() if (deployed / path).read_bytes() != content} == set()


IMPORT_EVERYTHING = """
import ast, importlib, json, sys
path, sources = json.load(sys.stdin)
sys.path[:0] = path
wanted = set()
def collect(node):
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        wanted.update((alias.name, None) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        wanted.update((node.module, alias.name) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        collect(child)
for source in sources:
    collect(ast.parse(open(source, encoding="utf-8").read()))
missing = []
for module, name in sorted(wanted, key=str):
    try:
        found = importlib.import_module(module)
        if name is not None and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
    except ImportError as error:
        missing.append(f"{module}.{name}: {error}")
elsewhere = {
    name: module.__file__
    for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
}
json.dump({"missing": missing, "elsewhere": elsewhere}, sys.stdout)
"""


def test_every_module_that_a_function_imports_is_deployed() -> None:
    """Including imports inside functions. Unit tests cannot find a missing module, because all are installed there."""
    build = build_for(this_machine())
    functions = [path for folder in build.functions.values() for path in folder.glob("*.py")]
    package = list((build.layers["Auth"] / "python").rglob("*.py"))

    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT_EVERYTHING],
        input=json.dumps([build.path, [str(path) for path in functions + package]]),
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(answer.stdout) == {"missing": [], "elsewhere": {}}


def test_only_the_asymmetric_layer_contains_cryptography() -> None:
    """PyJWT imports it if it is installed, which slows down the start."""
    build = build_for(this_machine())

    layers = [name for name, layer in build.layers.items() if (layer / "python" / "cryptography").exists()]

    assert layers == ["Asymmetric"]
