"""Every benchmark, one table, and RESULTS.md: run `make bench`, or this file with --only PART."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import (
    batches,
    evaluation,
    extraction,
    live_judging,
    makespan,
    rate_control,
    report_page,
    scale,
    short_run,
    stalls,
    throughput,
    wide_lane,
)
from benchmarks.harness import ROOT, Figure, machine
from benchmarks.rate_plot import draw
from benchmarks.reach_plot import draw_reach

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
_COLUMNS = ("part", "figure", "measured", "bound", "measured / bound", "", "resting on")
_GRID = "rate control"  # hundreds of figures, which only who works on the limiter wants
_INTRODUCTION = """\
# Results of `make bench`

Written by benchmarks/run_all.py; do not edit. First what a user feels, then what was missed, then
the limiter's grid. Figures that depend on the machine are ratios within one run or processor time
on one core, and a busy machine makes those worse too. Rate control runs in virtual time, which no
load disturbs; what a task costs early and late is counted, not timed, in INSTRUCTIONS.md.
"""


def rate_control_figures() -> Iterator[Figure]:
    """Yield the figures of the limiter's own benchmark; draw its plots."""
    draw(rate_control.PLOT)
    draw_reach(rate_control.REACH_PLOT)
    for row in rate_control.rows(quick=False):
        for figure in row.figures:
            unit = next((unit for unit in ("%", "min") if f" {unit}" in figure.name), "")
            yield Figure(
                part="rate control",
                name=f"{row.name}: {figure.name.replace(f' {unit}', '')}",
                value=figure.value,
                bound=figure.target,
                unit=unit,
                at_least=figure.at_least,
            )


def extraction_figures() -> Iterator[Figure]:
    """Yield the figures of extraction's own benchmark."""
    for row in extraction.rows():
        yield Figure(
            part="extraction",
            name=row.name,
            value=row.value,
            bound=row.bound,
            unit=row.unit,
            at_least=row.at_least,
        )


# One after the other, but that a short run waits most of its time, and virtual time minds nobody.
_TURNS: tuple[dict[str, Callable[[], Iterable[Figure]]], ...] = (
    {"extraction": extraction_figures},
    {"throughput": throughput.figures},
    {"makespan": makespan.figures},
    {"scale": scale.figures},
    {"wide_lane": wide_lane.figures},
    {"report_page": report_page.figures},
    {"stalls": stalls.figures},
    {"evaluation": evaluation.figures},
    {"judging": live_judging.figures},
    {"batches": batches.figures},
    {"short_run": short_run.figures, "rate_control": rate_control_figures},
)
PARTS = {name: figures for turn in _TURNS for name, figures in turn.items()}


def main() -> None:
    """Run the parts, print the table, write RESULTS.md where all parts ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part alone")
    chosen = parser.parse_args().only or list(PARTS)
    started, load = time.perf_counter(), _load()
    found: list[Figure] = []
    for turn in _TURNS:
        if parts := [part for part in turn if part in chosen]:
            print(f"{', '.join(parts)} ...", file=sys.stderr, flush=True)
            with ThreadPoolExecutor() as beside:
                found += chain.from_iterable(beside.map(figures_of, parts))
            print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    lines = table(found)
    print("\n".join(lines))
    print(summary(found, seconds))
    if len(chosen) == len(PARTS):
        about = (*machine(), f"load: {load} before, {_load()} after", summary(found, seconds))
        RESULTS.write_text("\n".join(page(found, about)), encoding="utf-8")


def page(found: Sequence[Figure], about: Iterable[str]) -> list[str]:
    """Return the lines of RESULTS.md: what a user feels, what was missed, and the grid last."""
    grid = [figure for figure in found if figure.part == _GRID]
    missed = [figure for figure in found if not figure.is_met]
    return [
        _INTRODUCTION,
        *(f"- {line}" for line in about),
        "\n## What a user feels\n",
        *table([figure for figure in found if figure.part != _GRID]),
        f"\n## Missed: {len(missed)} of {len(found)}\n",
        *(table(missed) if missed else ["None."]),
        f"\n## Rate control: {len(grid)} figures in virtual time\n",
        *table(grid),
        "",
    ]


def figures_of(part: str) -> list[Figure]:
    """Return a part's figures, measured in a process of its own.

    Linux counts to a command's peak memory what its parent held when it started it.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, part).result()


def _measure(part: str) -> list[Figure]:
    return list(PARTS[part]())


def table(found: Sequence[Figure]) -> list[str]:
    """Return the lines of a Markdown table, its columns aligned."""
    rows = [_COLUMNS, *(_cells(figure) for figure in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    ruled = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in ruled
    ]


def summary(found: Sequence[Figure], seconds: float) -> str:
    """Return how many bounds are met, in one line."""
    met = sum(figure.is_met for figure in found)
    return f"{met} of {len(found)} bounds met, {seconds:.0f} s in all"


def _cells(figure: Figure) -> tuple[str, ...]:
    sign = "at least" if figure.at_least else "at most"
    ratio = f"{figure.value / figure.bound:.3f}" if figure.bound else ""
    return (
        figure.part,
        figure.name,
        f"{figure.value:.4g} {figure.unit}".strip(),
        f"{sign} {figure.bound:g} {figure.unit}".strip(),
        ratio,
        "met" if figure.is_met else "MISSED",
        figure.detail,
    )


def _load() -> str:
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


if __name__ == "__main__":
    main()
