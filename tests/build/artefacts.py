"""The output of `sam build` in .aws-sam/build: the functions, and the layers for both architectures."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from gerbang_local.template import Template

from tests.not_run import not_run

ROOT: Final = Path(__file__).parents[2]

ARCHITECTURES: Final = ("arm64", "x86_64")
"""The names that Lambda uses."""

LAYERS: Final = {
    "arm64": {"Dependencies": "DependenciesArmLayer", "Asymmetric": "AsymmetricArmLayer", "Auth": "AuthLayer"},
    "x86_64": {"Dependencies": "DependenciesX86Layer", "Asymmetric": "AsymmetricX86Layer", "Auth": "AuthLayer"},
}
"""Logical ids for each architecture. Lambda unpacks the layers in this order."""


@dataclass(frozen=True, slots=True)
class Build:
    """The output of `sam build` for one architecture."""

    folder: Path
    architecture: str

    @property
    def functions(self) -> dict[str, Path]:
        """The folders that become /var/task, by logical id."""
        template = Template.parse((self.folder / "template.yaml").read_text())
        return {
            resource.logical_id: self.folder / resource.properties["CodeUri"]
            for resource in template.resources.values()
            if resource.type == "AWS::Serverless::Function"
        }

    @property
    def layers(self) -> dict[str, Path]:
        """The folders that are unpacked into /opt, by the layer's name."""
        return {name: self.folder / layer for name, layer in LAYERS[self.architecture].items()}

    @property
    def path(self) -> list[str]:
        """The folders that the layers add to sys.path."""
        return [str(layer / "python") for layer in self.layers.values()]


@cache
def build_for(architecture: str) -> Build:
    """Return the build for *architecture*. Skip the test (in CI: fail it) if there is none."""
    folder = ROOT / ".aws-sam" / "build"
    build = Build(folder, architecture)
    if not (folder / "template.yaml").exists() or not all(layer.is_dir() for layer in build.layers.values()):
        not_run("tests of the build", "there is nothing in .aws-sam/build. Run `make build`.")
    return build


def files(folder: Path) -> Iterator[Path]:
    """Yield every file below *folder*."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def unpacked_bytes(folder: Path) -> int:
    """Return the size of a folder's files."""
    return sum(path.stat().st_size for path in files(folder))


def zipped_bytes(folder: Path) -> int:
    """Return the size of *folder* as a deflated zip archive, which SAM CLI uploads."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in files(folder):
            target.write(path, path.relative_to(folder))
    return archive.tell()
