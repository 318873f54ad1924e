"""Patients a second of the whole-body model on one core, beside scipy's LSODA on the same equations, in one run.

    NUMBA_NUM_THREADS=1 python benchmarks/bench_pbpk.py

The limits: at least 5000 patients a second on one core (0 to 1000 h, 60 output times, rtol 1e-5), error below 1e-4
against LSODA at 1e-12. LSODA runs the right-hand side as a person would write it in Python with NumPy; that is what it
is compared with, not the best that could be done for it.
"""

import os
import pathlib
import sys
import time

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

import numpy as np

from alphatwin.kinetics import _pbpk_model
from alphatwin.kinetics.compiler import compiled
from alphatwin.kinetics.compiler.exchange import to_sbml
from alphatwin.kinetics.pbpk import pbpk
from oracle import pbpk as twin

N = 20_000
TIMES = np.concatenate([[0.0], np.geomspace(1, 60_000, 59)])
NAMES = ["plasma", *(f"kidneys_{x}" for x in "vtbnm"), *(f"{o}_{x}" for o in ("spleen", "liver", "tumour") for x in "vibn"), "rest_v", "rest_i", "rest_n", "excreted"]  # fmt: skip


def best(run, repeat=3):
    """Shortest of some runs, s."""
    spans = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        spans.append(time.perf_counter() - start)
    return min(spans)


def main():
    model = pbpk("lu177-dotatate")
    body = compiled(_pbpk_model.declare(dict(model.parameters), ["tumour"], integrals=False))
    start = time.perf_counter()
    body.solve(TIMES, start_min=-30.0)
    print(f"first call (compiled once for each model, then kept on disk)  {time.perf_counter() - start:8.1f} s")
    spread = np.exp(0.3 * np.linspace(-2, 2, N))
    many = {
        "gfr_L_per_min": 0.11 * spread,
        "r0_tumour_nM": 20.8 * spread[::-1],
        "peptide_nmol": 139 * np.roll(spread, N // 3),
    }
    numbers = {name: q.value for name, q in model.parameters.items()}
    exact = twin.solve(numbers, ["tumour"], TIMES)
    scale = np.maximum(np.abs(exact), 1e-3 * np.abs(exact).max(axis=1, keepdims=True))
    slow = best(lambda: twin.solve(numbers, ["tumour"], TIMES, rtol=1e-5))
    print(f"scipy LSODA, rtol 1e-5                {1 / slow:10.0f} patients/s")
    for label, chosen, rtol in (
        (f"this model, {body.program.n} states, rtol 1e-5", body, 1e-5),
        (f"this model, {body.program.n} states, rtol 1e-6", body, 1e-6),
        (f"with integrals, {model.compiled.program.n} states, 1e-5", model.compiled, 1e-5),
    ):
        span = best(lambda chosen=chosen, rtol=rtol: chosen.solve(TIMES, many, start_min=-30.0, rtol=rtol))
        one = chosen.solve(TIMES, start_min=-30.0, rtol=rtol)
        error = (np.abs(np.array([one[n][0] for n in NAMES]) - exact) / scale).max()
        print(
            f"{label:38s}{N / span:10.0f} patients/s  {slow * N / span:5.0f} x LSODA  error {error:.1e}  steps {int(one.steps[0])}"
        )
    peer(body.model, N / best(lambda: body.solve(TIMES, many, start_min=-30.0, rtol=1e-5)))


def peer(declared, ours):
    """The same model as SBML in libroadrunner, where that is installed: agreement and patients a second."""
    try:
        import roadrunner
    except ImportError:
        print("libroadrunner is not installed: no comparison with it")
        return
    theirs = roadrunner.RoadRunner(to_sbml(declared, start_min=-30.0))
    theirs.timeCourseSelections = ["time", *NAMES]
    theirs.integrator.maximum_num_steps = 500_000
    theirs.integrator.relative_tolerance, theirs.integrator.absolute_tolerance = 1e-9, 1e-12
    clock = [0.0, *(30 + TIMES)]
    fine = np.array(theirs.simulate(times=clock))[1:, 1:].T
    found = compiled(declared).solve(TIMES, start_min=-30.0, rtol=1e-8)
    scale = np.maximum(np.abs(fine), 1e-3 * np.abs(fine).max(axis=1, keepdims=True))
    apart = (np.abs(np.array([found[n][0] for n in NAMES]) - fine) / scale).max()
    theirs.integrator.relative_tolerance, theirs.integrator.absolute_tolerance = 1e-5, 1e-9

    def run():
        for _ in range(200):
            theirs.reset()
            theirs.simulate(times=clock)

    rate = 200 / best(run)
    print(
        f"libroadrunner, the exported SBML      {rate:10.0f} patients/s; ours {ours / rate:.1f} x; they differ by {apart:.1e}"
    )


if __name__ == "__main__":
    main()
