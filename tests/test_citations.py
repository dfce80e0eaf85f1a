"""What the code cites by a number is explained: faults in docs/faults.md, requirements in docs/security.md."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

FAULT: Final = re.compile(r"(?<![#\w/.\\-])[DF]\d{1,2}\b")
REQUIREMENTS: Final = re.compile(r"security\.md (C?\d+(?:(?:,| and) C?\d+)*)", re.IGNORECASE)
CONFLICT: Final = re.compile(r"(?:\"|, | )(C\d{1,2})(?=[:.), ])")


def text_of(*folders: str) -> str:
    """Every module below the folders, except answers that other implementations made."""
    modules = [module for folder in folders for module in sorted((ROOT / folder).rglob("*.py"))]
    ours = [module for module in modules if not {".venv", "vectors"} & set(module.relative_to(ROOT).parts)]
    return "\n".join(module.read_text("utf-8") for module in ours)


def rows(page: str, kinds: str) -> set[str]:
    """The numbers that begin the rows of a page's tables, if they begin with one of the letters, or with none."""
    return set(re.findall(rf"^\| ([{kinds}]?\d+) \|", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE))


def requirements_in(text: str) -> set[str]:
    return {number for cited in REQUIREMENTS.findall(text) for number in re.findall(r"C?\d+", cited)}


def test_every_fault_that_is_cited_is_explained() -> None:
    cited = set(FAULT.findall(text_of("layers", "functions", "tools", "tests")))

    assert cited
    assert cited - rows("faults.md", "DF") == set(), "docs/faults.md has no row of these"


def test_every_fault_that_is_explained_has_its_test() -> None:
    tested = set(FAULT.findall(text_of("tests")))

    assert rows("faults.md", "DF") - tested == set()


def test_every_requirement_that_is_cited_is_explained() -> None:
    cited = requirements_in(text_of("layers", "functions", "tools", "tests"))

    assert cited
    assert cited - rows("security.md", "C") == set(), "docs/security.md has no row of these"


def test_every_requirement_that_is_explained_has_its_test() -> None:
    tests = text_of("tests")

    assert rows("security.md", "C") - requirements_in(tests) - set(CONFLICT.findall(tests)) == set()
