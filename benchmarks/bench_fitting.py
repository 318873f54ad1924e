"""How fast fits are: a population by NUTS, one point by weighted draws against a new run, one patient by the whole-body model.

python benchmarks/bench_fitting.py
"""

from __future__ import annotations

import math
import time

import numpy as np

import alphatwin as at
from alphatwin.kinetics.individual import Observation, fit_individual
from alphatwin.kinetics.population import fit_population, simulate_dataset, single_time_point

POPULATION = {"log_amplitude": math.log(2.3), "log_half_life": math.log(75.0), "log_uptake_half_life": math.log(2.0)}
SPREAD = {"log_amplitude": 0.35, "log_half_life": 0.25, "log_uptake_half_life": 0.4}


def timed(call):
    wall, cpu = time.perf_counter(), time.process_time()
    made = call()
    return made, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    for patients in (40, 100):
        data, _, _ = simulate_dataset(
            nuclide="Lu-177",
            model="uptake_clearance",
            population=POPULATION,
            spread=SPREAD,
            times_h=[4, 24, 96, 168],
            patients=patients,
        )
        fit, wall, cpu = timed(lambda data=data: fit_population(data, nuclide="Lu-177"))
        least = min(fit.ess.values())
        print(
            f"{patients} patients x 4 points, 2 x (500 + 1000) draws: {wall:.0f} s, {cpu:.0f} CPU-s with compilation, least effective draws {least:.0f}, converged {fit.converged}"
        )
        _, one, _ = timed(lambda fit=fit: [single_time_point(fit, 96.0, 60.0, 7400.0, seed=i) for i in range(50)])
        print(f"  one point: {1000 * one / 50:.1f} ms, {wall / (one / 50):.0f} times faster than a new run")
    model = at.pbpk("lu177-dotatate")
    own = {k: v[7] for k, v in model.at_scores(at.Draws(50, seed=5).normal).items()}
    result = model.simulate(168.0, activity_MBq=7400.0, times_h=[4.0, 24.0, 96.0, 168.0], **own)
    curve = result.activity.isel(nuclide=0)
    points = [
        Observation(r, float(t), float(curve.sel(region=r).values[0, j]))
        for r in ("kidneys", "liver", "spleen", "tumour")
        for j, t in enumerate(curve["time"].values)
    ]
    fit_individual(model, points, library=20_000)  # compiles
    for library in (20_000, 100_000):
        found, wall, cpu = timed(lambda library=library: fit_individual(model, points, library=library))
        print(
            f"whole-body model, 16 points, library {library}: {wall:.1f} s, {cpu:.1f} CPU-s, effective draws {', '.join(f'{r:.0f}' for r in found.rounds)} of {len(found.weight)}; {len(found.weight) / cpu:.0f} patients per CPU-s with the model"
        )
    alone = found.rounds[0] / library
    print(
        f"without refinement {1000 / max(alone, 1e-12):.3g} virtual patients would be needed for 1000 effective ones: {np.round(1000 / alone / len(found.weight))} times more"
    )


if __name__ == "__main__":
    main()
