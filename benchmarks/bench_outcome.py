"""Outcome models against SciPy's LSODA on the same equations, one thread: ``python benchmarks/bench_outcome.py``."""

from __future__ import annotations

import os
import pathlib
import sys
import time

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

import numpy as np

import alphatwin as at
from alphatwin.biology.kidney import KidneyParameters
from alphatwin.biology.marrow import MarrowParameters
from alphatwin.biology.tumour import TumourParameters
from oracle import outcome as twin

SIZE = 10_000
SLOW = 3  # patients for SciPy
HALF_LIFE = {"kidneys": 51.0, "red_marrow": 60.0, "tumour": 77.0}
MEAN = {"kidneys": 3.7, "red_marrow": 0.42, "tumour": 25.0}
CYCLES = [(56.0 * c, 1.0) for c in range(4)]


def best(job, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def terms(region, dose_Gy):
    rate = np.log(2.0) / HALF_LIFE[region] * 24.0
    return [(dose_Gy * rate, rate)]


def slow_tumour(i, own, dose, days):
    return twin.tumour(
        days, CYCLES, terms("tumour", dose["tumour"][i]), [], volume=20.0, alpha=own.alpha_per_Gy[i],
        alpha_beta=own.alpha_beta_Gy[i], repair_h=own.repair_half_time_h[i], rbe=0.0, r_beta=0.0,
        growth=own.growth_percent_per_month[i], law="gompertz", capacity=own.carrying_capacity_mL[i],
        clearance_d=own.clearance_half_time_d[i],
    )[:, 1]  # fmt: skip


def slow_kidney(i, own, dose, days):
    return twin.kidney(
        days, CYCLES, terms("kidneys", dose["kidneys"][i]), [], egfr=85.0, alpha_beta=own.alpha_beta_Gy[i],
        repair_h=own.repair_half_time_h[i], rbe=0.0, r_beta=0.0, loss=own.loss_percent_per_y[i],
        reference=own.reference_bed_Gy[i], power=own.power[i], delay_d=own.mean_delay_d[i], h=own.compensation[i],
        overload=own.overload_per_y[i], ageing=own.ageing_mL_min_per_y[i],
    )[:, 3]  # fmt: skip


def slow_blood(i, own, dose, days):
    def line(x, k=None, senses="blood"):
        return (x.mean_transit_time_d[i], x.feedback[i], x.alpha_per_Gy[i], k, senses)

    red = own.haemoglobin
    lines = [line(own.platelets), line(own.neutrophils), line(red, red.residence_d[i], "marrow")]
    return twin.blood(
        days, CYCLES, terms("red_marrow", dose["red_marrow"][i]), [], lines=lines, rbe=0.0,
        stem_alpha=own.stem_alpha_per_Gy[i], stem_half_d=own.stem_half_time_d[i], d0=own.lymphocyte_d0_Gy[i],
        lymph_half_d=own.lymphocyte_half_time_d[i], factor=own.lymphoid_dose_factor[i],
    )[:, 0]  # fmt: skip


def main():
    z = at.Draws(SIZE, seed=1).normal
    dose = {r: m * np.exp(0.4 * z(f"dose {r}")) for r, m in MEAN.items()}
    course = at.DoseCourse.simple(dose, effective_half_life_h=HALF_LIFE, cycles=4)
    days = {
        "tumour": np.arange(0.0, 358.0, 7.0),
        "kidney": np.arange(0.0, 1827.0, 30.4375),
        "blood": np.arange(0.0, 289.0),
    }
    own = {
        "tumour": TumourParameters.from_catalog(z),
        "kidney": KidneyParameters.from_catalog(z),
        "blood": MarrowParameters.from_catalog(z),
    }
    ours = {
        "tumour": lambda: at.tumour_course(course, {"tumour": 20.0}, own["tumour"], times_d=days["tumour"]).volume.values[:, 0],
        "kidney": lambda: at.kidney_course(course, 85.0, own["kidney"], times_d=days["kidney"]).egfr.values,
        "blood": lambda: at.blood_course(course, {"platelets": 1.0}, own["blood"], times_d=days["blood"])["platelets"].values,
    }  # fmt: skip
    slow = {"tumour": slow_tumour, "kidney": slow_kidney, "blood": slow_blood}
    print(f"{'four cycles':12s}{'patients/s':>12s}{'LSODA':>9s}{'ratio':>8s}{'error':>10s}")
    for name, job in ours.items():
        fast = job()  # compile, or load from the cache
        rate = SIZE / best(job)
        twin.TIGHT.update(method="LSODA", rtol=1e-8, atol=1e-10)
        peer = SLOW / best(lambda name=name: [slow[name](i, own[name], dose, days[name]) for i in range(SLOW)], 1)
        twin.TIGHT.update(method="DOP853", rtol=1e-11, atol=1e-13)
        exact = np.array([slow[name](i, own[name], dose, days[name]) for i in range(SLOW)])
        error = np.abs(fast[:SLOW] / exact - 1.0).max()
        print(f"{name:12s}{rate:12.0f}{peer:9.1f}{rate / peer:8.0f}{error:10.1e}")


if __name__ == "__main__":
    main()
