"""What is measured is what `sam build` left, laid out as Lambda mounts it."""

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
  Things: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: []}}
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


def test_a_function_has_its_layers_over_each_other_and_its_own_settings(built: Path, tmp_path: Path) -> None:
    [function] = Build(built, tmp_path / "scratch", {"Cost": "10"}).functions().values()

    mounted = {path.name: path.read_text() for path in (function.opt / "python").iterdir()}
    assert mounted == {"both.py": "upper", "under.py": "under"}
    assert function.task == (built / "ApiMeFunction").resolve()
    assert function.folder == "api/auth/me"
    assert function.memory_mb == 1769
    assert function.environment["COST"] == "10"


def test_laying_out_leaves_the_build_as_it_is(built: Path, tmp_path: Path) -> None:
    Build(built, tmp_path / "scratch", {}).functions()

    assert (built / "UnderLayer/python/both.py").read_text() == "under"


def test_tables_are_the_templates(built: Path, tmp_path: Path) -> None:
    assert [table.logical_id for table in Build(built, tmp_path, {}).tables()] == ["Things"]


def test_a_function_that_is_no_longer_in_the_source_asks_for_a_new_build(built: Path, tmp_path: Path) -> None:
    (built / "template.yaml").write_text(TEMPLATE.replace("ApiMeFunction:", "GoneFunction:"))

    with pytest.raises(NotBuilt, match=r"GoneFunction is no longer in template.yaml: build again"):
        Build(built, tmp_path / "scratch", {}).functions()


def test_where_nothing_was_built_it_is_said_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="run `make bench`"):
        Build(tmp_path, tmp_path / "scratch", {})


def test_what_is_compared_with_has_bytecode_that_is_used_unchecked(tmp_path: Path) -> None:
    """As the layers have it, or a start would be compared with a compiler."""
    builds.installed(["jmespath"], tmp_path)
    source = tmp_path / "jmespath" / "parser.py"

    bytecode = Path(importlib.util.cache_from_source(str(source))).read_bytes()

    assert int.from_bytes(bytecode[4:8], "little") == 1  # PEP 552: hash-based, unchecked
    assert not list(tmp_path.glob("*.dist-info"))


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="no-such-distribution is not installed"):
        builds.installed(["no-such-distribution"], tmp_path)
