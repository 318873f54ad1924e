"""Times of the trial designs on one core, beside the R packages where they are installed: ``python benchmarks/bench_crm.py``.

Each line gives ours, the goal, and the peer's time for the same work in the same run (dfcrm, BOIN, clinfun; "-" where R or the
package is missing).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402  (the threads come first)

from alphatwin.trials import (  # noqa: E402
    Records,
    States,
    blrm_design,
    boin,
    bop2_joint,
    crm,
    crm_design,
    simon,
    tite_crm,
)

SKELETON = (0.05, 0.10, 0.20, 0.35, 0.50, 0.70)
R = {
    "crm": "library(dfcrm); p<-c(.05,.1,.2,.35,.5,.7); t<-system.time(crmsim(p,p,.2,36,3,nsim=20,mcohort=3,count=FALSE))[3]; cat(t/20*1000)",
    "tite": "library(dfcrm); p<-c(.05,.1,.2,.35,.5,.7); t<-system.time(titesim(p,p,.2,36,1,nsim=10,obswin=6,rate=6,count=FALSE))[3]; "
    "cat(t/10*1000)",
    "boin": "library(BOIN); t<-system.time(get.oc(.25,c(.05,.1,.2,.35,.5,.7),10,3,ntrial=1000))[3]; cat(t*10)",
    "simon": "library(clinfun); cat(system.time(ph2simon(.2,.35,.05,.1,nmax=90))[3])",
}


def peer(key: str) -> str:
    """Seconds of the R package for the same work, or a dash."""
    rscript = shutil.which("Rscript")
    if key not in R or rscript is None:
        return "-"
    done = subprocess.run([rscript, "-e", R[key]], capture_output=True, text=True, check=False)
    try:
        return f"{float(done.stdout.split()[-1]):.3g} s"
    except (ValueError, IndexError):
        return "-"


def best(job, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def complete(design, trials, seed=1):
    """Trials on complete data, all at once, selection included."""
    levels, stream = len(SKELETON), np.random.Generator(np.random.Philox(key=seed))
    n, y = np.zeros((trials, levels), dtype=np.int64), np.zeros((trials, levels), dtype=np.int64)
    current, top, live, row = (
        np.ones(trials, dtype=np.int64),
        np.full(trials, levels),
        np.ones(trials, dtype=bool),
        np.arange(trials),
    )
    truth = np.array(SKELETON)
    for _ in range(design.cohorts):
        size = design.cohort_size * live
        events = stream.binomial(size, truth[current - 1])
        n[row, current - 1] += size
        y[row, current - 1] += events
        level, new = design.decide_batch(States(n, y, current, top, size, events))
        top = np.where(live, new, top)
        live &= level > 0
        current = np.where(live, np.maximum(level, 1), current)
    return design.select_batch(States(n, y, current, top, size, events))


def late(design, trials, patients=36, gap=1.0, seed=1):
    """TITE trials: one patient every ``gap``, DLT times uniform in the window."""
    stream = np.random.Generator(np.random.Philox(key=seed))
    levels = len(SKELETON)
    level = np.zeros((trials, patients), dtype=np.int64)
    tolerance = stream.random((trials, patients))
    when = stream.random((trials, patients)) * design.window
    current, top = np.ones(trials, dtype=np.int64), np.full(trials, levels)
    truth = np.array([0.0, *SKELETON])
    for j in range(patients):
        level[:, j] = current
        since = (np.arange(j, -1, -1) + 1) * gap
        hit = tolerance[:, : j + 1] < truth[level[:, : j + 1]]
        seen = hit & (when[:, : j + 1] <= since)
        follow = np.where(seen, when[:, : j + 1], np.minimum(since, design.window))
        records = Records(level[:, : j + 1], seen, follow, current, top, levels)
        current, top = design.decide_records_batch(records)
    return design.select_records_batch(records)


def main():
    crm36, boin30 = crm_design(SKELETON, 0.20), boin(0.25)
    tite36 = tite_crm(SKELETON, 0.20, window=6.0)
    stopping = crm_design(SKELETON, 0.20, stop_above=0.9, rates="mean")
    blrm36 = blrm_design([1, 2, 4, 6, 8, 10], reference=10.0)
    for design in (crm36, boin30, stopping):
        complete(design, 4)  # compile, or load from the cache
    late(tite36, 4)
    simon(0.2, 0.5)
    jobs = [
        ("1 000 CRM trials, 6 doses, 36 patients by 3", lambda: complete(crm36, 1000), 0.1, "crm"),
        ("the same, mean rates and a stopping rule", lambda: complete(stopping, 1000), 0.1, ""),
        ("1 000 TITE-CRM trials, 36 patients by 1", lambda: late(tite36, 1000), 1.0, "tite"),
        ("10 000 BOIN trials, 30 patients, selection", lambda: complete(boin30, 10_000), 0.1, "boin"),
        ("1 000 BLRM trials, 36 patients by 3", lambda: complete(blrm36, 1000), None, ""),
        (
            "one CRM fit",
            lambda: crm(SKELETON, 0.2, [3, 4, 4, 3, 3, 4, 3, 2, 2, 2], [0, 0, 1, 0, 0, 1, 1, 0, 0, 0]),
            None,
            "",
        ),
        ("Simon, 0.20 against 0.35, 83 patients", lambda: simon(0.20, 0.35, 0.05, 0.10), 1.0, "simon"),
        (
            "BOP2, response and toxicity, 30 patients",
            lambda: bop2_joint((0.2, 0.4), (0.4, 0.2), [10, 20, 30]),
            None,
            "",
        ),
    ]
    print(f"{'':45s}{'ours':>12s}{'goal':>8s}{'R':>10s}")
    for name, job, goal, key in jobs:
        took = best(job)
        print(f"{name:45s}{took:10.4f} s{'' if goal is None else f'{goal:g} s':>8s}{peer(key):>10s}")


if __name__ == "__main__":
    main()
