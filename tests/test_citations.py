"""Every row of docs/faults.md and docs/security.md has a test that is marked with its number.

`@pytest.mark.covers("F41")` names a row of docs/faults.md, `@pytest.mark.covers("28")` one of docs/security.md. The
markers are read from the source code, so the result does not depend on which tests are run.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

FAULT: Final = re.compile(r"(?<![#\w/.\\-])[DF]\d{1,2}\b")
REQUIREMENTS: Final = re.compile(r"security\.md (C?\d+(?:(?:,| and) C?\d+)*)", re.IGNORECASE)
MARKER: Final = "pytest.mark.covers"
NOT_RUN: Final = ("pytest.mark.skip", "pytest.mark.xfail")


def modules(*folders: str) -> Iterator[str]:
    """Return the source of every module below the folders, except test vectors."""
    for folder in folders:
        for module in sorted((ROOT / folder).rglob("*.py")):
            if not {".venv", "vectors"} & set(module.relative_to(ROOT).parts):
                yield module.read_text("utf-8")


def rows(page: str, kinds: str) -> set[str]:
    """Return the row numbers of a page's tables. A number has no letter or one of the letters *kinds* before it."""
    return set(re.findall(rf"^\| ([{kinds}]?\d+) \|", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE))


FAULTS: Final = rows("faults.md", "DFS")
REQUIRED: Final = rows("security.md", "C")


def numbers_covered(source: str) -> set[str]:
    """Return the numbers marked on the tests that pytest collects: functions, and methods of Test classes."""
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
    bodies = [tree.body, *(test_class.body for test_class in classes)]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return {number for function in functions if function.name.startswith("test_") for number in _marked(function)}


def _marked(function: ast.FunctionDef) -> set[str]:
    marks = {ast.unparse(mark.func if isinstance(mark, ast.Call) else mark) for mark in function.decorator_list}
    if not marks.isdisjoint(NOT_RUN):
        return set()
    return {
        str(ast.literal_eval(number))
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == MARKER
        for number in mark.args
    }


COVERED: Final = {number for source in modules("tests") for number in numbers_covered(source)}


def test_every_row_of_the_faults_page_has_a_test() -> None:
    assert FAULTS
    assert set() == FAULTS - COVERED, "no test is marked as covering these rows of docs/faults.md"


def test_every_row_of_the_security_page_has_a_test() -> None:
    assert REQUIRED
    assert set() == REQUIRED - COVERED, "no test is marked as covering these rows of docs/security.md"


def test_markers_name_only_existing_rows() -> None:
    assert set() == COVERED - FAULTS - REQUIRED


def test_comments_and_docstrings_cite_only_existing_rows() -> None:
    text = "\n".join(modules("layers", "functions", "tools", "tests"))
    requirements = {number for cited in REQUIREMENTS.findall(text) for number in re.findall(r"C?\d+", cited)}

    assert set(FAULT.findall(text)) - FAULTS == set(), "docs/faults.md has no such rows"
    assert requirements - REQUIRED == set(), "docs/security.md has no such rows"


TEST: Final = '@pytest.mark.covers("F1", "28")\ndef test_a() -> None: ...\n'


@pytest.mark.parametrize(
    ("source", "covered"),
    [
        (TEST, {"F1", "28"}),
        (f"class TestIt:\n    {TEST.replace('\n', '\n    ')}", {"F1", "28"}),
        (TEST.replace("test_a", "check_a"), set()),
        (f"class It:\n    {TEST.replace('\n', '\n    ')}", set()),
        (f"def helper():\n    {TEST.replace('\n', '\n    ')}", set()),
        (f"@pytest.mark.skip\n{TEST}", set()),
        (f"@pytest.mark.xfail(reason='later')\n{TEST}", set()),
        (f"# {TEST}def test_a() -> None: ...", set()),
        ('def test_a() -> None:\n    """F1, security.md 28."""', set()),
    ],
    ids=[
        "function",
        "method",
        "no test",
        "no test class",
        "inner",
        "skipped",
        "expected to fail",
        "comment",
        "docstring",
    ],
)
def test_only_a_test_that_pytest_runs_covers_a_row(source: str, covered: set[str]) -> None:
    assert numbers_covered(source) == covered


# docs/asvs.md

ASVS: Final = (ROOT / "docs" / "asvs.md").read_text("utf-8")
SUMMARY, _, WALK = ASVS.partition("## Walk")
LEVELS_1_AND_2: Final = 253
"""Requirements of ASVS 5.0.0: 70 of level 1 and 183 of level 2."""


def asvs_rows(text: str) -> list[tuple[list[str], str, str]]:
    """Return the requirement numbers, the state and the evidence of each row of the page's tables."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [(ids, row[1], row[-1]) for row in cells if (ids := re.findall(r"\b\d+\.\d+\.\d+\b", row[0]))]


def test_every_asvs_requirement_is_assessed_exactly_once() -> None:
    ids = [requirement for numbers, _, _ in asvs_rows(WALK) for requirement in numbers]

    assert len(ids) == len(set(ids)) == LEVELS_1_AND_2
    assert {state for _, state, _ in asvs_rows(WALK)} == {"met", "**not met**", "AWS", "yours", "none"}


def test_asvs_evidence_cites_only_existing_rows() -> None:
    cited = {
        number
        for _, _, evidence in asvs_rows(WALK)
        for numbers in re.findall(r"\brows? ([\d, ]+)", evidence)
        for number in re.findall(r"\d+", numbers)
    }

    assert cited - REQUIRED == set()
    assert all(evidence for _, _, evidence in asvs_rows(WALK))


def test_the_asvs_summary_lists_every_requirement_that_is_not_met() -> None:
    not_met = {requirement for ids, state, _ in asvs_rows(WALK) for requirement in ids if state == "**not met**"}

    assert {requirement for ids, _, _ in asvs_rows(SUMMARY) for requirement in ids} == not_met
