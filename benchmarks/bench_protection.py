"""Protection and the search for a course against slow twins, one thread: ``python benchmarks/bench_protection.py``."""

from __future__ import annotations

import os
import pathlib
import sys
import time

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

import numpy as np
from scipy.integrate import quad

from alphatwin.biology.course import TissueParameters
from alphatwin.biology.delivery import DoseCourse
from alphatwin.biology.effectiveness import HighLET, course_bed
from alphatwin.biology.optimal import CourseLimit, Protection, best_course
from alphatwin.biology.protection import Scavenger, spared_bed
from alphatwin.biology.protraction import lea_catcheside
from alphatwin.draws import Draws
from oracle.optimal import largest_activity

SIZE = 1000


def best(job, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def spared():
    """Scavenged BED per patient: array against quadrature."""
    drug = Scavenger("test", [0.5, 2.0], [0.5, 0.5], 2.0, 0.4, 0.25, 0.3)
    doses = 4.0 * np.exp(0.3 * Draws(SIZE, 1).normal("d"))
    course = DoseCourse.simple({"kidneys": doses}, effective_half_life_h=50.0)
    ours = best(lambda: spared_bed(course, drug, [0.0, 24.0], 5.0)) / SIZE
    amplitude, fall = drug.level_terms()
    rate = np.log(2) / 50.0

    def slow():
        def integrand(t, d):
            level = sum((amplitude[0] * np.exp(-fall[0] / 24.0 * (t - h))).sum() for h in (0.0, 24.0) if t >= h)
            return 0.4 * level / (0.25 + level) * d * rate * np.exp(-rate * t)

        return [
            sum(quad(integrand, a, b, args=(d,), limit=200)[0] for a, b in ((0, 24), (24, 80), (80, 400)))
            for d in doses[:5]
        ]

    twin = best(slow, 1) / 5
    error = np.max(np.abs(spared_bed(course, drug, [0.0, 24.0], 5.0)[:5] / np.array(slow()) - 1.0))
    print(
        f"spared BED: {1 / ours:.0f} patients/s, {twin / ours:.0f} x SciPy's quadrature, largest difference {error:.1e}"
    )


def search():
    """Chance-constrained activity: quantile of critical activities against trying activities one by one."""
    c = 0.5 * np.exp(0.3 * Draws(SIZE, 3).normal("c"))
    course = DoseCourse.simple({"kidneys": c, "lesion": 4.0}, effective_half_life_h=60.0)
    tissues = {"kidneys": TissueParameters("kidneys", [2.6], [2.8], [5.0])}

    def ours():
        return best_course({"none": Protection(course)}, [CourseLimit("bed", 40.0, 0.9)], {"lesion": 20.0}, reference_MBq=1000.0,
                           cycles=[4], intervals_d=[56.0], tissues=tissues).best.activity_MBq  # fmt: skip

    g = float(lea_catcheside([1.0], [np.log(2) / 60.0], 2.8))

    def slow():
        return largest_activity(lambda a: course_bed(c * a / 1e3, 0.0, g, 2.6, HighLET(5.0), [1.0] * 4), 40.0, 0.9,
                                np.arange(1.0, 2e4, 1.0))  # fmt: skip

    fast_s, slow_s = best(ours), best(slow, 1)
    print(f"search: {fast_s:.3f} s with 200 resamplings and the trade-off, {slow_s / fast_s:.1f} x a grid of 1 MBq; "
          f"{ours():.1f} against {slow():.1f} MBq")  # fmt: skip


if __name__ == "__main__":
    spared()
    search()
