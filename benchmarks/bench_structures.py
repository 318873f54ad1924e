"""Times of structures inside organs: ``python benchmarks/bench_structures.py``."""

from __future__ import annotations

import pathlib
import time

import alphatwin as at
from alphatwin import catalog
from alphatwin.transport import _structure_geometry, structures

CHAIN = ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213", "Tl-209", "Pb-209")
EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "ac225-dotatate-course.yaml"


def best(job, repeat=5):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def forget():
    """Nothing but compiled code is warm."""
    for cached in (_structure_geometry.built, structures._tally, structures._response, structures._nucleus_kernel):
        cached.cache_clear()


def fresh(name, geometries, histories):
    forget()
    entry = catalog.structure(name)
    sources = (*entry.placement("agent", "*").shares, structures.EVENLY)
    for g in geometries:
        structures.structure_response(name, CHAIN, sources, geometry=g, histories=histories)


def main():
    print("225Ac chain, dose and hits per decay in every source that a course needs")
    print(f"{'structure':26s}{'one geometry, ms':>18s}{'all drawn ones, ms':>20s}")
    for name in catalog.entries("structure"):
        fresh(name, (0,), 10_000)  # compiled
        one = best(lambda name=name: fresh(name, (0,), 50_000))
        drawn = best(lambda name=name: fresh(name, range(1, structures.GEOMETRIES + 1), 10_000), 2)
        print(f"{name:26s}{1e3 * one:18.1f}{1e3 * drawn:20.1f}")
    case = at.load(EXAMPLE)
    plain = case.model_copy(update={"structures": "none"})
    at.run(case)
    base = best(lambda: at.run(plain))
    warm = best(lambda: at.run(case))

    def cold():
        forget()
        at.run(case)

    first = best(cold, 2)
    print(f"\nalphatwin.run, {EXAMPLE.stem}, {case.options.samples} samples")
    print(f"  without structures {1e3 * base:8.0f} ms")
    print(f"  with them, again   {1e3 * warm:8.0f} ms   ratio {warm / base:.2f}")
    print(f"  with them, first   {1e3 * first:8.0f} ms   ratio {first / base:.2f}")


if __name__ == "__main__":
    main()
