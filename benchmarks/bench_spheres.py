"""Times of the self dose of spheres: ``python benchmarks/bench_spheres.py``."""

from __future__ import annotations

import time

import numpy as np

from alphatwin.transport import RegionMass, _tables, self_s_values, sphere_absorbed_fraction

NUCLIDES = ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213", "Tl-209", "Pb-209")


def best(job, repeat=5):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    rng = np.random.default_rng(1)
    regions = {f"tumour_{i}": RegionMass(100.0 * (i + 1) * rng.lognormal(0.0, 0.1, 1000)) for i in range(8)}
    print(f"{'S values, 8 regions x 7 nuclides x 1000 samples, first':60s}", end="")
    print(f"{best(lambda: self_s_values(regions, NUCLIDES), 1):9.4f} s")
    print(f"{'the same, again':60s}{best(lambda: self_s_values(regions, NUCLIDES)):9.4f} s")
    energy, mass = np.geomspace(0.002, 4, 300), np.geomspace(1e-3, 1e5, 100)
    for radiation in ("alpha", "electron", "photon"):
        label = f"absorbed fractions, {radiation}, 300 energies x 100 masses"
        print(f"{label:60s}{best(lambda r=radiation: sphere_absorbed_fraction(r, energy, mass)):9.4f} s")
    for e in (0.1, 1.0):
        took = best(lambda e=e: _tables.electron_table(e, 6400), 2)
        print(f"{f'kernel of electrons of {e} MeV, 6400 histories':60s}{took:9.3f} s")
    took = best(lambda: _tables.photon_table(0.208, 6400), 1)
    print(f"{'build-up of 0.208 MeV, 11 x 6400 histories':60s}{took:9.3f} s")


if __name__ == "__main__":
    main()
