"""Which memory setting a function should have: what a call costs and takes at the share of a core that Lambda gives.

Lambda gives a whole vCPU at 1,769 MB and less in proportion
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). A smaller share of it
makes computing take longer, but not waiting for DynamoDB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

WHOLE_CORE_MB: Final = 1769
"""Where Lambda gives one vCPU."""

SETTINGS_MB: Final = (128, 256, 512, 1024, 1769)
"""The settings that are compared."""

ROUND_TRIP_MS: Final = 5.0
"""What one round trip to DynamoDB is taken to wait, within a region: "single-digit milliseconds"
(https://aws.amazon.com/dynamodb/). An assumption: there is no AWS here to measure. Calls to other services are taken to
wait as long."""

LONGEST_CALL_MS: Final = 50.0
"""The longest call that a client should wait for; a call that hashes a password takes longer."""

UNATTENDED: Final = frozenset({"mailer", "rotation"})
"""Functions whose calls and starts may take as long as they like: a queue and Secrets Manager are patient."""

LONGEST_START_MS: Final = 1000.0
"""What a start should take at most, at the function's own share."""

HEADROOM: Final = 1.5
"""How many times its peak a function's memory should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a function's calls ask of Lambda."""

    start_cpu_ms: float
    call_cpu_ms: float
    """Both on a whole core."""
    waits: float
    """Calls to any service, one after the other."""
    peak_mb: float

    def call_ms(self, memory_mb: int) -> float:
        """Return how long a call takes at a setting."""
        return self.waits * ROUND_TRIP_MS + self.call_cpu_ms * slowdown(memory_mb)

    def start_ms(self, memory_mb: int) -> float:
        """Return how long a start takes at a setting, should Lambda lend it no more than its share."""
        return self.start_cpu_ms * slowdown(memory_mb)

    def gigabyte_seconds(self, memory_mb: int) -> float:
        """Return what a call is billed for."""
        return memory_mb / 1024 * self.call_ms(memory_mb) / 1000


def load_of(function: Mapping[str, Any]) -> Load:
    """Return the load of a function, out of the bench's results; a call of one that is not invoked costs nothing."""
    return Load(
        start_cpu_ms=function["start_cpu_ms"],
        call_cpu_ms=function["call_cpu_ms"] or 0.0,
        waits=function["again"]["waits"] if function["again"] else 0.0,
        peak_mb=function["peak_mb"],
    )


def slowdown(memory_mb: int) -> float:
    """Return how many times as long computing takes as on a whole core."""
    return max(1.0, WHOLE_CORE_MB / memory_mb)


def recommended_mb(folder: str, load: Load) -> int:
    """Return the setting that costs a function least of those at which it is quick enough; the quickest if none is."""
    roomy = [setting for setting in SETTINGS_MB if setting >= HEADROOM * load.peak_mb]
    quick = [
        setting
        for setting in roomy
        if folder in UNATTENDED
        or (load.call_ms(setting) <= LONGEST_CALL_MS and load.start_ms(setting) <= LONGEST_START_MS)
    ]
    return min(quick, key=load.gigabyte_seconds) if quick else SETTINGS_MB[-1]
