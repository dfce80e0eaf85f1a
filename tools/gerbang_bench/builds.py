"""What `sam build` left, laid out as Lambda mounts it, and what it is compared with."""

import compileall
import importlib.metadata
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from gerbang_local.intrinsics import References, Resolver
from gerbang_local.stack import PSEUDO_PARAMETERS
from gerbang_local.template import Resource, Template, chosen_parameters

ROOT: Final = Path(__file__).parents[2]

RUNTIME: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""The distributions of Lambda's runtime client, which Lambda mounts at /var/runtime."""

BOTO3: Final = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
"""What a function has that makes a boto3 client: whole, with bytecode."""

_FUNCTION: Final = "AWS::Serverless::Function"
_LAYER: Final = "AWS::Serverless::LayerVersion"


class UnknownFunction(Exception):
    """There is no function of that name; the message lists those that there are."""


class NotBuilt(Exception):
    """There is nothing in the build folder, or what is there lacks something; the message says what to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltFunction:
    """A function as it is deployed."""

    logical_id: str
    folder: str
    """Of its source, below `functions/`: `api/auth/login`."""
    task: Path
    """What becomes /var/task."""
    opt: Path
    """What becomes /opt: its layers, over each other."""
    handler: str
    environment: Mapping[str, str]
    memory_mb: int


class Build:
    """One output of `sam build`, and a folder for what is laid out of it."""

    def __init__(self, folder: Path, scratch: Path, overrides: Mapping[str, str]) -> None:
        """Read the template that *folder* holds; *overrides* are parameters that differ from their defaults.

        Raises:
            NotBuilt: it holds none.
        """
        template = folder / "template.yaml"
        if not template.exists():
            raise NotBuilt(f"There is no build in {folder}: run `make bench`, which makes one.")
        self._folder, self._scratch = folder, scratch
        self.template: Final = Template.parse(template.read_text("utf-8"))
        self._resolver = Resolver(
            template=self.template,
            parameters=chosen_parameters(self.template, overrides),
            pseudo_parameters=PSEUDO_PARAMETERS,
            references=lambda logical_id: References(ref=logical_id),
        )

    def functions(self) -> dict[str, BuiltFunction]:
        """Return the functions by the folder of their source, in the template's order.

        Raises:
            NotBuilt: one was built from a folder that is not below `functions/`.
        """
        source = Template.parse((ROOT / "template.yaml").read_text("utf-8"))
        found = [self._function(one, source) for one in self._resolver.active_resources() if one.type == _FUNCTION]
        return {function.folder: function for function in found}

    def tables(self) -> list[Resource]:
        """Return the template's tables."""
        return [one for one in self._resolver.active_resources() if one.type == "AWS::DynamoDB::Table"]

    def layers(self) -> dict[str, Path]:
        """Return the folders of the layers by their logical ids."""
        resources = [one for one in self._resolver.active_resources() if one.type == _LAYER]
        return {one.logical_id: self._folder / one.logical_id for one in resources}

    def _function(self, resource: Resource, source: Template) -> BuiltFunction:
        needed = ("CodeUri", "Environment", "Handler", "Layers", "MemorySize")
        properties = self._resolver.resolve({name: resource.properties[name] for name in needed})
        written = source.resources.get(resource.logical_id)
        if written is None:
            raise NotBuilt(f"{resource.logical_id} is no longer in template.yaml: build again.")
        variables = properties["Environment"]["Variables"]
        return BuiltFunction(
            logical_id=resource.logical_id,
            folder=str(written.properties["CodeUri"]).removeprefix("functions/"),
            task=(self._folder / properties["CodeUri"]).resolve(),
            opt=self._mounted(properties["Layers"]),
            handler=properties["Handler"],
            environment={name: str(value) for name, value in variables.items()},
            memory_mb=int(properties["MemorySize"]),
        )

    def _mounted(self, layers: Sequence[str]) -> Path:
        """Return a folder that holds the layers over each other, as /opt does; hard links, so that it costs nothing."""
        mounted = self._scratch / "opt" / "-".join(layers)
        if not mounted.exists():
            for layer in layers:
                shutil.copytree(self._folder / layer, mounted, copy_function=_link, dirs_exist_ok=True)
        return mounted.resolve()


def _link(source: str, target: str) -> str:
    Path(target).unlink(missing_ok=True)
    os.link(source, target)
    return target


def installed(distributions: Iterable[str], into: Path) -> Path:
    """Return *into*, holding copies of distributions installed next to this package, with bytecode as the layers have.

    Raises:
        NotBuilt: one is not installed.
    """
    try:
        found = [importlib.metadata.distribution(name) for name in distributions]
    except importlib.metadata.PackageNotFoundError as error:
        raise NotBuilt(f"{error.name} is not installed: run `make bench`, which sees to it.") from error
    for distribution in found:
        for file in distribution.files or []:
            if ".dist-info" in file.parts[0] or file.suffix == ".pyc" or ".." in file.parts:
                continue
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(distribution.locate_file(file)), target)
    compileall.compile_dir(into, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return into


def written(source: str, into: Path) -> Path:
    """Return *into*, holding a function of the bench's own: `app.py` and its bytecode."""
    into.mkdir(parents=True, exist_ok=True)
    (into / "app.py").write_text(source)
    compileall.compile_dir(into, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return into


def versions() -> dict[str, str]:
    """Return the versions of what is measured and compared with, by distribution."""
    names = ("awslambdaric", "boto3", "botocore", "aws-lambda-powertools", "pyjwt", "bcrypt", "cryptography")
    return {name: importlib.metadata.version(name) for name in names}
