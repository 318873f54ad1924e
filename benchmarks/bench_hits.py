"""Times of the hit statistics: ``python benchmarks/bench_hits.py``."""

from __future__ import annotations

import time

import numpy as np

from alphatwin.transport import _components, _tracks
from alphatwin.transport.cells import CellShape, alpha_moments
from alphatwin.transport.hits import specific_energy

CELL = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0}


def best(job, repeat=7):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def fresh(**options):
    """A new geometry each time: nothing but compiled code is warm."""
    _components.unit_component.cache_clear()
    return specific_energy("Ac-225", **CELL, decays=5.0, **options)


def main():
    kept = specific_energy("Ac-225", **CELL, decays=5.0)
    kept.pdf(0.1), kept.survival(1.0, 0.05), kept.single_event_pdf(0.1)  # compiled
    table = _tracks.cross_nodes(5.3046, "surface", 5.0, 4.0, np.linspace(10, 50, 200))
    s = np.ones(16) + 1j
    _tracks.cross_transform(table, s)
    jobs = {
        "225Ac chain (66 lines), moments": lambda: fresh().z_dose_mean_Gy,
        "the same, single-event density": lambda: fresh().single_event_pdf(0.1),
        "the same, f(z) of many events": lambda: fresh().pdf(0.1),
        "the same, stochastic LQ survival": lambda: fresh().survival(1.0, 0.05),
        "geometry seen before, other decays: f(z)": lambda: specific_energy("Ac-225", **CELL, decays=6.0).pdf(0.1),
        "nodes of one line from the surface": lambda: _tracks.track_nodes(5.3, "surface", 5.0, 4.0),
        "nodes of one line from the cytoplasm": lambda: _tracks.track_nodes(5.3, "cytoplasm", 5.0, 4.0),
        "cross nodes, one line, 200 distances": lambda: _tracks.cross_nodes(
            5.3046, "surface", 5.0, 4.0, np.linspace(10, 50, 200)
        ),
        f"their transform at 16 complex s ({len(table.weight)} nodes)": lambda: _tracks.cross_transform(table, s),
    }
    for label, job in jobs.items():
        print(f"{label:58s}{best(job) * 1e3:9.3f} ms")
    ball = CellShape.sphere(5.0, 4.0)
    drawn = best(lambda: alpha_moments(5.3, ball, "surface", histories=1_000_000), 3)
    exact = best(lambda: _tracks.track_nodes(5.3, "surface", 5.0, 4.0))
    print(f"{'moments by Monte Carlo (1e6 tracks, 0.2 %) over the nodes':58s}{drawn / exact:9.0f} x")


if __name__ == "__main__":
    main()
