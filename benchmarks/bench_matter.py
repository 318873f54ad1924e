"""Times of the matter room: first answers in a fresh process, table building, and a million look-ups."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

FIRST = "from alphatwin.physics.matter import medium; {call}"
CALLS = {
    "first alpha range, fresh process": "medium('water').csda_range_um('alpha', 5.8)",
    "first mu_en/rho, fresh process": "medium('water').mass_energy_absorption(0.1)",
}


def main() -> None:
    for label, call in CALLS.items():
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST.format(call=call)], check=True)
        print(f"{label:45s} {time.perf_counter() - start:8.3f} s")

    from alphatwin.physics.matter import medium

    bone = medium("bone-cortical")
    energy = np.geomspace(0.01, 10.0, 1_000_000)
    jobs = {
        "build alpha table": lambda: bone.csda_range_um("alpha", 5.8),
        "build electron table": lambda: bone.csda_range_um("electron", 1.0),
        "build photon table (9 elements)": lambda: bone.mass_energy_absorption(0.1),
        "1e6 alpha stopping powers": lambda: bone.mass_stopping_power("alpha", energy),
        "1e6 alpha ranges": lambda: bone.csda_range_um("alpha", energy),
        "1e6 energies from residual range": lambda: bone.energy_after("alpha", energy),
        "1e6 photon attenuations": lambda: bone.mass_attenuation(energy),
    }
    for label, job in jobs.items():
        start = time.perf_counter()
        job()
        print(f"{label:45s} {time.perf_counter() - start:8.3f} s")


if __name__ == "__main__":
    main()
