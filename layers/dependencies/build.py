"""Builds a layer of third-party packages as it is deployed: wheels for Lambda, without unneeded files, with bytecode.

The bytecode is not validated at run time (unchecked-hash, PEP 552). SAM dates every file in its archives 1980, so
bytecode that is validated by time would never be used, and compiling at each cold start takes longer than all the rest.
"""

import argparse
import compileall
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from py_compile import PycInvalidationMode

from authorities import split_bundle
from trim import trim

MOUNTED_AT = "/opt"
"""Where Lambda unpacks layers; `python` below it is on the path. Tracebacks name files by it."""


def build(*, requirements: Path, platforms: Path, into: Path) -> None:
    """Install *requirements* into the folder `python` of *into*, for machines that take wheels of *platforms*.

    Args:
        requirements: A requirements file with hashes.
        platforms: A file with a wheel tag (PEP 600) on each line.
        into: The layer's root, which need not exist.

    Raises:
        subprocess.CalledProcessError: pip found no wheel, or one whose hash is not the one written down.
        trim.NothingToCut: A cut in `trim.py` no longer matches anything.
    """
    packages = into / "python"
    tags = [line for line in platforms.read_text().splitlines() if line and not line.startswith("#")]
    # fmt: off
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile",
        "--requirement", str(requirements), "--require-hashes", "--no-deps", "--only-binary", ":all:",
        "--implementation", "cp", "--python-version", "3.13", *(f"--platform={tag}" for tag in tags),
        "--target", str(packages), "--upgrade",
    ]
    # fmt: on
    subprocess.run(command, check=True)
    trim(packages)
    if (authorities := packages / "botocore" / "cacert.pem").exists():
        split_bundle(authorities)
    compileall.compile_dir(
        packages,
        quiet=1,
        force=True,
        stripdir=str(into),
        prependdir=MOUNTED_AT,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def main(arguments: Sequence[str]) -> int:
    """Build the layer that *arguments* ask for, and return the exit status."""
    if sys.version_info[:2] != (3, 13):
        print("Lambda's python3.13 reads no other version's bytecode: run this with Python 3.13", file=sys.stderr)
        return 1
    if importlib.util.find_spec("pip") is None:
        print(
            f"{sys.executable} has no pip. Run `{sys.executable} -m ensurepip` (Debian, Ubuntu: apt install "
            "python3-pip), or run sam build --use-container.",
            file=sys.stderr,
        )
        return 1
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirements", type=Path, required=True)
    parser.add_argument("--platforms", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    asked = parser.parse_args(arguments)
    try:
        build(requirements=asked.requirements, platforms=asked.platforms, into=asked.into)
    except subprocess.CalledProcessError:  # pip has said why
        print(f"pip could not install {asked.requirements}. The package index must be reachable.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
