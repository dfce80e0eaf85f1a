"""The files that the layers leave out of their packages, and why.

A cold start unpacks every byte of a layer, and reads many from a cold disk. botocore also searches its data folder
twice for every client. A pattern that matches nothing stops the build, so the list stays up to date. If a needed file
is left out, the tests in tests/build fail: they make every AWS call that the functions make.
"""

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ANYWHERE: Mapping[str, str] = {
    "**/*.pyi": "type stubs are for type checkers",
    "**/py.typed": "markers of type stubs, which are for type checkers",
    "*.dist-info": "nothing asks for an installed version; pydantic searches them all for plugins",
    "bin": "command-line tools",
}
"""Pattern to reason. A pattern need not match in every layer."""

OF_A_PACKAGE: Mapping[str, Mapping[str, str]] = {
    "aws_lambda_powertools": {
        "event_handler": "gerbang.http.endpoint is the router",
        "metrics/provider/datadog": "metrics go to CloudWatch",
        "middleware_factory": "gerbang.http.endpoint wraps handlers",
        "utilities/auth_alpha": "gerbang itself authenticates",
        "utilities/batch": "the mailer reports partial failures by itself",
        "utilities/circuit_breaker": "the SDK's own retry quota is the breaker",
        "utilities/data_classes": "gerbang.http.request reads events",
        "utilities/data_masking": "needs the encryption SDK",
        "utilities/feature_flags": "settings are template parameters",
        "utilities/idempotency": "writes are conditional instead",
        "utilities/kafka": "no such event source",
        "utilities/metadata": "nothing asks where it runs",
        "utilities/parameters": "gerbang.storage reads secrets",
        "utilities/parser": "gerbang.apis are the models",
        "utilities/streaming": "no S3",
        "utilities/validation": "needs fastjsonschema",
    },
    "botocore": {
        "data/dynamodb/2011-12-05": "the API before conditions",
        "data/*/*/examples-1.json": "for documentation",
        "data/*/*/waiters-2.json": "no function waits",
    },
    "cffi": {"": "cryptography needs only its C part, _cffi_backend"},
    "dateutil": {
        "zoneinfo": "a copy of the time zone database; instants are in UTC",
        "rrule.py": "calendar recurrences",
        "easter.py": "calendar recurrences",
        "tz/win.py": "Windows",
        "tzwin.py": "Windows",
    },
    "passlib": {
        "_data": "word lists for new passwords",
        "ext": "plug-ins for Django",
        "apache.py": "reads files of Apache's passwords",
        "apps.py": "lists of formats by application",
        "context.py": "gerbang.passwords chooses the format",
        "hosts.py": "lists of formats by operating system",
        "pwd.py": "makes new passwords",
        "totp.py": "one-time passwords",
        "crypto/_blowfish": "bcrypt has it",
        "crypto/scrypt": "hashlib has it",
    },
    "pycparser": {"": "parses C when cffi builds; nothing is built at run time"},
    "pydantic": {
        "v1": "the previous pydantic, whole",
        "mypy.py": "a plugin for mypy",
        "experimental": "nothing uses it",
    },
    "segno": {"cli.py": "a command-line tool", "helpers.py": "contacts, networks and the like"},
    "urllib3": {"contrib/emscripten": "browsers"},
}
"""Package to pattern to reason. Each pattern must match if the package is there; an empty one is the whole package."""

AWS_SERVICES = ("dynamodb", "events", "lambda", "secretsmanager", "sesv2", "sqs")
"""The folders that are kept of the 400 in botocore's data: the services that the functions call."""

AWS_ENDPOINT_PREFIXES = ("dynamodb", "email", "events", "lambda", "secretsmanager", "sqs")
"""The same services, as `endpoints.json` names them. They are kept for every partition and region."""


class NothingToCut(Exception):
    """A pattern matched nothing in a package that is there: the package changed, and the list above must follow."""


def trim(packages: Path) -> None:
    """Remove everything listed above from the folder *packages*.

    Raises:
        NothingToCut: A pattern matches nothing.
    """
    for pattern in ANYWHERE:
        _remove(packages.glob(pattern))
    for package, cuts in OF_A_PACKAGE.items():
        for pattern in cuts if (packages / package).exists() else ():
            if not _remove((packages / package).glob(pattern) if pattern else iter([packages / package])):
                raise NothingToCut(f"{package}/{pattern}")
    if (packages / "botocore").exists():
        keep_only_our_services(packages / "botocore" / "data")


def _remove(found: Iterator[Path]) -> int:
    paths = list(found)
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(paths)


def keep_only_our_services(data: Path) -> None:
    """Remove from botocore's folder *data* the services that are not called, and the documentation of the others.

    Raises:
        NothingToCut: A service is missing from it.
    """
    services = [folder for folder in data.iterdir() if folder.is_dir()]
    if not set(AWS_SERVICES) <= {folder.name for folder in services}:
        raise NothingToCut(f"{data}: a service is missing from it")
    _remove(folder for folder in services if folder.name not in AWS_SERVICES)

    endpoints: dict[str, Any] = json.loads((data / "endpoints.json").read_text())
    for partition in endpoints["partitions"]:
        kept = {name: partition["services"][name] for name in AWS_ENDPOINT_PREFIXES if name in partition["services"]}
        partition["services"] = kept
    (data / "endpoints.json").write_text(json.dumps(endpoints, separators=(",", ":")))

    for model in data.glob("*/*/service-2.json.gz"):
        described = json.loads(gzip.decompress(model.read_bytes()))
        undocumented = json.dumps(_without_documentation(described), separators=(",", ":"))
        model.write_bytes(gzip.compress(undocumented.encode(), mtime=0))


def _without_documentation(described: Any) -> Any:
    """Return a model without its documentation, which is four fifths of it and takes each start 4 ms to parse."""
    if isinstance(described, dict):
        return {
            name: _without_documentation(part)
            for name, part in described.items()
            if not (name == "documentation" and isinstance(part, str))  # a member of that name would be a dict
        }
    return [_without_documentation(part) for part in described] if isinstance(described, list) else described
