"""What `sam build` left: for this machine in .aws-sam/build, for the other architecture in a folder named after it."""

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
from sam_deploy import this_machine

ROOT: Final = Path(__file__).parents[2]

ARCHITECTURES: Final = ("arm64", "x86_64")
"""As Lambda names them."""

LAYERS: Final = ("DependenciesLayer", "AsymmetricLayer", "AuthLayer")
"""Logical ids, in the order in which Lambda puts them over each other."""


@dataclass(frozen=True, slots=True)
class Build:
    """One output of `sam build`."""

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
        """Logical id to the folder that is unpacked into /opt."""
        return {layer: self.folder / layer for layer in LAYERS}

    @property
    def path(self) -> list[str]:
        """What the layers add to sys.path."""
        return [str(layer / "python") for layer in self.layers.values()]


@cache
def build_for(architecture: str) -> Build:
    """Return the build for *architecture*, skipping the test (in CI: failing it) if there is none."""
    name = "build" if architecture == this_machine() else architecture
    folder = ROOT / ".aws-sam" / name
    if not is_built_for(architecture, folder):
        reason = f"no build for {architecture} in .aws-sam/{name}: .ci/run makes both"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return Build(folder, architecture)


def is_built_for(architecture: str, folder: Path) -> bool:
    """Say whether there is a build for *architecture*, as `sam_deploy` makes them: it takes no other any more."""
    template = folder / "template.yaml"
    if not template.exists():
        return False
    parameter = Template.parse(template.read_text("utf-8")).parameters["Architecture"]
    return bool(parameter["AllowedValues"] == [architecture])


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
