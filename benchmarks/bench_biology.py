"""Times of the biology, best of three: ``python benchmarks/bench_biology.py``."""

from __future__ import annotations

import time

import numpy as np

from alphatwin.biology import (
    DoseLimit,
    HighLET,
    TissueBudget,
    course_bed,
    lea_catcheside,
    lea_catcheside_curve,
    next_activity,
)


def best(job, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    rng = np.random.default_rng(1)
    n = 100_000
    a = rng.uniform(0.1, 1.0, (n, 3))
    r = rng.uniform(0.01, 0.5, (n, 3))
    repair = rng.uniform(1.0, 4.0, n)
    times = np.linspace(0.0, 300.0, 101)
    curves = rng.uniform(0.0, 1.0, (n, times.size))
    dose, rbe = rng.lognormal(0.0, 0.5, n), rng.lognormal(1.6, 0.3, n)
    budget = TissueBudget(dose, dose, 0.05, 2.5, HighLET(rbe), DoseLimit(40.0, "bed"), 10.0)
    jobs = {
        "G, closed form, 1e5 curves of 3 terms": lambda: lea_catcheside(a, r, repair),
        "G, finite exposure, 1e5 curves of 3 terms": lambda: lea_catcheside(a, r, repair, duration_h=100.0),
        "G, measured, 1e5 curves of 101 points": lambda: lea_catcheside_curve(times, curves, repair),
        "BED of four cycles, 1e5 samples": lambda: course_bed(dose, dose, 0.05, 2.5, HighLET(rbe), [1.0] * 4),
        "next activity, 1e5 samples, three tissues": lambda: next_activity({"a": budget, "b": budget, "c": budget}),
    }
    lea_catcheside_curve(times, curves[:2], repair[:2])  # compile, or load from the cache
    for name, job in jobs.items():
        print(f"{name:45s} {best(job) * 1e3:9.2f} ms")


if __name__ == "__main__":
    main()
