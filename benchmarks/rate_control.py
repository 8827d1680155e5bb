"""Rate control against simulated providers: what was used and refused, beside the targets.

Run `python benchmarks/rate_control.py`, with --quick for a subset; virtual time, two minutes on two
cores. Writes docs/rate-control.png and docs/rate-control-reach.png.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness import ROOT
from benchmarks.rate_cells import cells
from benchmarks.rate_plot import draw
from benchmarks.rate_rows import Row
from benchmarks.reach_plot import draw_reach

PLOT = ROOT / "docs" / "rate-control.png"
REACH_PLOT = ROOT / "docs" / "rate-control-reach.png"


def rows(quick: bool) -> Iterator[Row]:
    """Yield the whole table; virtual time minds nobody beside it, so every core has a cell."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for row in [pool.submit(cell) for cell in cells(quick)]:
            yield row.result()


def main() -> int:
    """Print the table, write the plot; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a subset")
    quick = parser.parse_args().quick
    began = time.perf_counter()
    missed = 0
    for row in rows(quick):
        missed += sum(not figure.met for figure in row.figures)
        print(f"{row.name:48} {'  '.join(figure.text() for figure in row.figures)}", flush=True)
    print(f"{missed} figures miss their target (!); {time.perf_counter() - began:.0f} s")
    draw(PLOT)
    draw_reach(REACH_PLOT)
    print(f"plots: {PLOT}, {REACH_PLOT}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
