"""The bench measures the output of `sam build`, with layers mounted like on Lambda."""

import importlib.util
from pathlib import Path

import pytest
from gerbang_bench import builds
from gerbang_bench.builds import Build, NotBuilt

TEMPLATE = """
Parameters: {Cost: {Type: Number, Default: 12}}
Globals:
  Function: {Runtime: python3.13, Handler: app.handler, MemorySize: 512, Environment: {Variables: {COST: !Ref Cost}}}
Resources:
  UnderLayer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: UnderLayer}}
  UpperLayer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: UpperLayer}}
  ApiMeFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ApiMeFunction, MemorySize: 1769, Layers: [!Ref UnderLayer, !Ref UpperLayer]}
  Items: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: []}}
"""


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    for path, content in {
        "template.yaml": TEMPLATE,
        "UnderLayer/python/both.py": "under",
        "UnderLayer/python/under.py": "under",
        "UpperLayer/python/both.py": "upper",
        "ApiMeFunction/app.py": "",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


def test_a_function_has_its_merged_layers_and_its_settings(built: Path, tmp_path: Path) -> None:
    [function] = Build(built, tmp_path / "scratch", {"Cost": "10"}).functions().values()

    mounted = {path.name: path.read_text() for path in (function.opt / "python").iterdir()}
    assert mounted == {"both.py": "upper", "under.py": "under"}
    assert function.task == (built / "ApiMeFunction").resolve()
    assert function.folder == "api/auth/me"
    assert function.memory_mb == 1769
    assert function.environment["COST"] == "10"


def test_mounting_layers_does_not_change_the_build(built: Path, tmp_path: Path) -> None:
    Build(built, tmp_path / "scratch", {}).functions()

    assert (built / "UnderLayer/python/both.py").read_text() == "under"


def test_tables_are_read_from_the_template(built: Path, tmp_path: Path) -> None:
    assert [table.logical_id for table in Build(built, tmp_path, {}).tables()] == ["Items"]


def test_a_removed_function_asks_for_a_new_build(built: Path, tmp_path: Path) -> None:
    (built / "template.yaml").write_text(TEMPLATE.replace("ApiMeFunction:", "GoneFunction:"))

    with pytest.raises(NotBuilt, match=r"GoneFunction is no longer in template.yaml: build again"):
        Build(built, tmp_path / "scratch", {}).functions()


def test_a_missing_build_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="run `make bench`"):
        Build(tmp_path, tmp_path / "scratch", {})


def test_installed_packages_have_unchecked_bytecode(tmp_path: Path) -> None:
    """Like the layers. Otherwise a start would include the compilation."""
    builds.installed(["jmespath"], tmp_path)
    source = tmp_path / "jmespath" / "parser.py"

    bytecode = Path(importlib.util.cache_from_source(str(source))).read_bytes()

    assert int.from_bytes(bytecode[4:8], "little") == 1  # PEP 552: hash-based, unchecked
    assert not list(tmp_path.glob("*.dist-info"))


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="no-such-distribution is not installed"):
        builds.installed(["no-such-distribution"], tmp_path)
