"""Adds to a built template what shifts traffic gradually, or starts functions from snapshots: versions of them.

SAM publishes a version of a function when its code or its properties change, as they are written in the template. The
value of a parameter is not written there, so a deployment that changes only values would leave the old version in use,
with the old settings. Here each deployment has a release of its own, and publishes every function.
(docs/decisions/0046-deploying.md)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

RULE: Final = "VersionsNeedMake"
"""The template's rule that refuses these settings in a build without versions."""

ALIAS: Final = "live"

SIGN_IN: Final = frozenset(
    {
        "ApiLoginFunction",
        "ApiRefreshFunction",
        "AtourinLoginWithEmailPasswordFunction",
        "SupabaseTokenFunction",
    }
)
"""What `SnapStart=sign-in` starts from snapshots."""

_FUNCTION: Final = "AWS::Serverless::Function"
_ALARMS: Final = [
    {"Ref": "ServerErrorsAlarm"},
    {"Fn::If": ["HasExtraAlarms", {"Ref": "LatencyAlarm"}, {"Ref": "AWS::NoValue"}]},
]


def are_needed(settings: Mapping[str, str]) -> bool:
    """Say whether these settings need versions of the functions."""
    return settings["DeploymentPreference"] != "AllAtOnce" or settings["SnapStart"] != "none"


def publish(built: Path, settings: Mapping[str, str], *, release: str) -> None:
    """Have a built template publish a version of each function, as *release*, and send calls there by an alias."""
    template: dict[str, Any] = yaml.safe_load(built.read_text("utf-8"))
    del template["Rules"][RULE]
    gradual = settings["DeploymentPreference"] != "AllAtOnce"
    for name, resource in template["Resources"].items():
        if resource["Type"] != _FUNCTION:
            continue
        properties = resource["Properties"]
        properties["AutoPublishAlias"] = ALIAS
        properties["AutoPublishCodeSha256"] = release
        if gradual:
            properties["DeploymentPreference"] = {"Type": settings["DeploymentPreference"], "Alarms": _ALARMS}
        if settings["SnapStart"] == "all" or (settings["SnapStart"] == "sign-in" and name in SIGN_IN):
            properties["SnapStart"] = {"ApplyOn": "PublishedVersions"}
    built.write_text(yaml.safe_dump(template, sort_keys=False), "utf-8")
