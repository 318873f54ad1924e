"""Times of the kinetics room: one fit by each model, a thousand samples, and the 225Ac chain with free daughters.

Run with ``python benchmarks/bench_kinetics.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from alphatwin.kinetics import FreeDaughters, InPlace, chain_kinetics, fit_curve, integrate
from alphatwin.physics.nuclides import chain_table

TIMES = (3.7411, 27.7253, 103.0942, 123.9836)
LEFT_KIDNEY = (98.561, 73.599, 25.396, 19.047)


def best_of(call: Callable[[], object], repeats: int = 5) -> float:
    """The shortest of several runs after one that warms up, s."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def row(name: str, seconds: float) -> None:
    print(f"{name:<58} {seconds * 1e3:9.2f} ms")


def main() -> None:
    for model in ("mono", "uptake_clearance", "auto", "average", "trapezoid"):
        row(
            f"fit {model}, 4 points",
            best_of(lambda m=model: fit_curve(TIMES, LEFT_KIDNEY, nuclide="Lu-177", model=m, relative_sd=0.1)),
        )
    t = np.array([1.0, 3, 6, 12, 24, 48, 96, 144, 192])
    a = 60 * np.exp(-0.15 * t) + 40 * np.exp(-0.012 * t)
    row(
        "fit auto, 9 points, all five models",
        best_of(lambda: fit_curve(t, a, nuclide="Lu-177", model="auto", relative_sd=0.02)),
    )
    curve = fit_curve(TIMES, LEFT_KIDNEY, nuclide="Lu-177", model="average", relative_sd=0.1)
    z = np.random.default_rng(0).standard_normal((1000, curve.n_scores))
    row("1000 samples of an averaged curve", best_of(lambda: curve.sample(z)))

    names = chain_table("Ac-225").names
    rng, n = np.random.default_rng(1), 1000
    elements = {name.split("-")[0] for name in names}
    parents = {
        f"region_{i}": (
            np.array([3.0, -3.0]) * rng.lognormal(0, 0.1, (n, 1)),
            np.array([0.0141, 0.85]) * rng.lognormal(0, 0.1, (n, 2)),
        )
        for i in range(6)
    }
    free = FreeDaughters(
        {(p, q, "*"): rng.uniform(0.1, 0.9, n) for p in names for q in names},
        {e: rng.lognormal(-1, 0.2, n) for e in elements},
        {e: {o: rng.uniform(0.1, 0.2, n) for o in ("region_0", "region_1", "bone", "red_marrow")} for e in elements},
        {e: {o: rng.lognormal(2, 0.2, n) for o in ("region_0", "region_1")} for e in elements},
    )
    row(
        "225Ac chain, free daughters, 1000 samples, 6 regions", best_of(lambda: chain_kinetics(parents, "Ac-225", free))
    )
    row("225Ac chain, in place, 1000 samples, 6 regions", best_of(lambda: chain_kinetics(parents, "Ac-225", InPlace())))
    kinetics = chain_kinetics(parents, "Ac-225", free)
    row("integrate to infinity", best_of(lambda: integrate(kinetics)))
    row("activity at 200 times", best_of(lambda: kinetics.activity(np.linspace(0, 200, 200)), 2))


if __name__ == "__main__":
    main()
