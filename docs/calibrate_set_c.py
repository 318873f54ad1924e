"""How parameter set C of the peptide model was found: python docs/calibrate_set_c.py prints its values.

Sets A and B were calibrated for one patient (filtration 110 mL/min, 400 mL of tumour). Set C is calibrated for a population:
the *means* over virtual patients of the first cycle meet eight published means, with seven parameters. What else
is compared with publications (spreads, outcomes, effects of kidney function, amino acids and peptide) was left out.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from alphatwin.cohort import _simulate as inner
from alphatwin.cohort import load_cohort

PATIENTS = 3000
SPEC = {"cohort": "calibration", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}, "parameters": "C"}
# published mean and the weight's standard deviation: doses Gy/GBq and half-life h as logarithms, excretion in percent
TARGETS = {"kidneys": (0.51, 0.1), "liver": (0.27, 0.1), "spleen": (1.17, 0.1), "tumour": (3.41, 0.1), "half-life": (77.0, 0.05)}  # fmt: skip
EXCRETED = ((44.0, 58.0, 65.0), 8.0)
FITTED = ("phi", "cl_megalin_L_per_min", "r0_liver_nM", "r0_spleen_nM", "r0_lesion_nM", "k_rel_lesion_per_min", "k_hold_rest_per_min")  # fmt: skip


def means(factors, spec, patients, model, given, volumes):
    """Means of the first cycle when the parameters of `FITTED` are multiplied by these factors."""
    phi, megalin, liver, spleen, lesion, release, hold = factors
    now = dict(given)
    now["phi"] = np.minimum(given["phi"] * phi, 1.0)
    for name in ("cl_megalin_L_per_min", "r0_kidneys_nM"):  # the shares of the two stay
        now[name] = given[name] * megalin
    now["r0_liver_nM"], now["r0_spleen_nM"] = given["r0_liver_nM"] * liver, given["r0_spleen_nM"] * spleen
    now["gfr_L_per_min"] = patients.gfr / 1000.0
    now["k_hold_rest_per_min"] = np.full(patients.n, model.parameters["k_hold_rest_per_min"].value * hold)
    for name, volume in zip(spec.lesion_names, volumes, strict=True):
        now[f"r0_{name}_nM"] = given[f"r0_{name}_nM"] * lesion
        now[f"k_rel_{name}_per_min"] = given[f"k_rel_{name}_per_min"] * release
        now[f"volume_{name}_mL"] = volume
    cycle = inner._cycle(spec, model, now, patients.activity_MBq, patients.mass)
    per_gbq = {region: float(np.mean(dose / patients.activity_MBq)) * 1e3 for region, dose in cycle.low.items()}
    targets = [name for name in spec.lesion_names if name != "bulk"]
    found = {region: per_gbq[region] for region in ("kidneys", "liver", "spleen")}
    found["tumour"] = float(np.mean([per_gbq[name] for name in targets]))
    found["half-life"] = float(np.mean([np.median(cycle.half_life_h[name]) for name in targets]))
    return found, 100.0 * cycle.excreted.mean(axis=0)


def main():
    spec = load_cohort(SPEC)
    patients = inner._Patients(spec, 0, PATIENTS)
    model = inner._model(spec.agent, spec.parameters, spec.lesion_names)
    given, volumes = patients.kinetics(model), patients.lesion_volumes()

    def misses(logs):
        found, excreted = means(np.exp(logs), spec, patients, model, given, volumes)
        apart = [np.log(found[name] / published) / sd for name, (published, sd) in TARGETS.items()]
        return np.array([*apart, *((excreted - np.array(EXCRETED[0])) / EXCRETED[1])])

    fit = least_squares(misses, np.zeros(len(FITTED)), bounds=(-2.5, 2.5), diff_step=0.02, max_nfev=20)
    found, excreted = means(np.exp(fit.x), spec, patients, model, given, volumes)
    print("means:", {name: round(value, 3) for name, value in found.items()}, "excreted", excreted.round(1))
    entry = model.entry.values
    for name, factor in zip(FITTED, np.exp(fit.x), strict=True):
        print(f"{name:24s}{entry[name].value * factor:.4g}")
    print(f"{'r0_kidneys_nM':24s}{entry['r0_kidneys_nM'].value * np.exp(fit.x[1]):.4g}")


if __name__ == "__main__":
    main()
