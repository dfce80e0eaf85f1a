"""Draws the charts of `docs/performance.md`, as SVG, with matplotlib."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gerbang_bench import prices
from gerbang_bench.reports import CHARTS

USERS: Final = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)

_OURS: Final = "#0d6b52"
_OURS_TOO: Final = "#4cae8f"
_OTHERS: Final = "#8a94a3"
_INK: Final = "#2b333d"
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "gerbang",  # the same figures make the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def charts(results: Mapping[str, Any]) -> dict[str, str]:
    """Return the charts of a whole run, by file name.

    Raises:
        NotMeasured: the measurements lack a function that is needed.
    """
    with mpl.rc_context(_STYLE):
        return {"starts.svg": _starts(results["functions"]), "price.svg": _price(results)}


def write(results: Mapping[str, Any], folder: Path = CHARTS) -> None:
    """Write the charts of a whole run into a folder."""
    folder.mkdir(exist_ok=True)
    for name, svg in charts(results).items():
        (folder / name).write_text(svg, "utf-8")


def _starts(functions: Mapping[str, Mapping[str, Any]]) -> str:
    """Draw each function's start as a ratio to the base, the slowest first."""
    ratios = sorted((float(one["start_ratio"]), folder) for folder, one in functions.items())
    figure = Figure(figsize=(8, 0.8 + 0.24 * len(ratios)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh([folder for _, folder in ratios], [ratio for ratio, _ in ratios], color=_OURS, height=0.66)
    axes.bar_label(bars, fmt="%.2f", padding=4, fontsize=9)
    axes.axvline(1, color=_OTHERS, linestyle="--")
    axes.annotate("import boto3, one client", (1, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom")
    axes.set_xlabel("time to start, as a ratio to that of the base")
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.08, y=0.01)
    return _svg(figure)


def _price(results: Mapping[str, Any]) -> str:
    """Draw what a month costs by the number of active users, next to Cognito."""
    made = [prices.bill(users, prices.REGION, results) for users in USERS]
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    _line(axes, "Gerbang", _OURS, [one.total for one in made])
    _line(axes, "with JWT authorizers", _OURS_TOO, [one.total_with_jwt_authorizers for one in made])
    for tier in made[0].cognito:
        _line(axes, f"Cognito {tier}", _OTHERS, [one.cognito[tier] for one in made])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(USERS, [f"{users:,}" for users in USERS])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda dollars, _position: f"${dollars:,.{0 if dollars >= 1 else 2}f}")
    axes.set_xlabel("active users in a month")
    axes.grid(axis="y", color="#e4e8ed")
    axes.margins(x=0.2)
    axes.set_xlim(left=USERS[0] * 0.9)
    return _svg(figure)


def _line(axes: Axes, name: str, color: str, dollars: list[float]) -> None:
    axes.plot(USERS, dollars, color=color, marker="o", markersize=4)
    axes.annotate(
        f"{name}, ${dollars[-1]:,.0f}",
        (USERS[-1], dollars[-1]),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=color if color != _OTHERS else _INK,
    )


def _svg(figure: Figure) -> str:
    drawn = StringIO()
    figure.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in drawn.getvalue().splitlines()) + "\n"
