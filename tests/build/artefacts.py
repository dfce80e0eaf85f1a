"""What `sam build` left in .aws-sam/build: the functions, and the layers for both architectures."""

import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from gerbang_local.template import Template

ROOT: Final = Path(__file__).parents[2]

ARCHITECTURES: Final = ("arm64", "x86_64")
"""As Lambda names them."""

LAYERS: Final = {
    "arm64": {"Dependencies": "DependenciesArmLayer", "Asymmetric": "AsymmetricArmLayer", "Auth": "AuthLayer"},
    "x86_64": {"Dependencies": "DependenciesX86Layer", "Asymmetric": "AsymmetricX86Layer", "Auth": "AuthLayer"},
}
"""Logical ids for each architecture, in the order in which Lambda puts them over each other."""


@dataclass(frozen=True, slots=True)
class Build:
    """The output of `sam build`, as functions of one architecture use it."""

    folder: Path
    architecture: str

    @property
    def functions(self) -> dict[str, Path]:
        """Logical id to the folder that becomes /var/task."""
        template = Template.parse((self.folder / "template.yaml").read_text())
        return {
            resource.logical_id: self.folder / resource.properties["CodeUri"]
            for resource in template.resources.values()
            if resource.type == "AWS::Serverless::Function"
        }

    @property
    def layers(self) -> dict[str, Path]:
        """Name to the folder that is unpacked into /opt."""
        return {name: self.folder / layer for name, layer in LAYERS[self.architecture].items()}

    @property
    def path(self) -> list[str]:
        """What the layers add to sys.path."""
        return [str(layer / "python") for layer in self.layers.values()]


@cache
def build_for(architecture: str) -> Build:
    """Return the build for *architecture*, skipping the test (in CI: failing it) if there is none."""
    folder = ROOT / ".aws-sam" / "build"
    build = Build(folder, architecture)
    if not (folder / "template.yaml").exists() or not all(layer.is_dir() for layer in build.layers.values()):
        reason = "no build in .aws-sam/build: `make build` makes it"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return build


def files(folder: Path) -> Iterator[Path]:
    """Yield every file below *folder*."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def unpacked_bytes(folder: Path) -> int:
    """Return the size of what Lambda unpacks."""
    return sum(path.stat().st_size for path in files(folder))


def zipped_bytes(folder: Path) -> int:
    """Return the size of *folder* as SAM CLI uploads it: a zip archive, deflated."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in files(folder):
            target.write(path, path.relative_to(folder))
    return archive.tell()
