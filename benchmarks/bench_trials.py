"""Speed of the trial engines, and of the R packages dfcrm and BOIN on the same designs where they are installed.

``python benchmarks/bench_trials.py`` prints seconds and the goal of each; the first call of a kernel (compilation) is not
timed. R's numbers are printed beside ours, with the selection probabilities of both, so that speed and agreement are seen at once.
"""

from __future__ import annotations

import shutil
import subprocess
import time

import numpy as np

from alphatwin.trials import boin, crm_design, operating_characteristics, tite_crm
from alphatwin.trials.calendar import Calendar

TRUTH = (0.05, 0.10, 0.20, 0.30, 0.45, 0.60)
SKELETON = (0.05, 0.10, 0.20, 0.35, 0.50, 0.70)

BOIN_R = """
suppressMessages(library(BOIN)); p <- c(0.05, 0.10, 0.20, 0.30, 0.45, 0.60); t <- system.time(
oc <- get.oc(target = 0.25, p.true = p, ncohort = 10, cohortsize = 3, ntrial = 1000, seed = 1))
cat(t[["elapsed"]], oc$selpercent / 100)
"""
CRM_R = """
suppressMessages(library(dfcrm)); p <- c(0.05, 0.10, 0.20, 0.30, 0.45, 0.60); t <- system.time(
oc <- crmsim(p, c(0.05, 0.10, 0.20, 0.35, 0.50, 0.70), 0.20, 36, 1, nsim = 1000, mcohort = 3, seed = 1, count = FALSE))
cat(t[["elapsed"]], oc$MTD)
"""
TITE_R = """
suppressMessages(library(dfcrm)); p <- c(0.05, 0.10, 0.20, 0.30, 0.45, 0.60); t <- system.time(
oc <- titesim(p, c(0.05, 0.10, 0.20, 0.35, 0.50, 0.70), 0.20, 36, 1, nsim = 1000, obswin = 6, rate = 4, seed = 1, count = FALSE))
cat(t[["elapsed"]], oc$MTD)
"""


def best(call, repeats=5):
    """Seconds of the fastest of a few calls, after one that compiles; and the last result."""
    result = call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def in_r(code, package):
    """Seconds and selection that R gives, or None where R or the package is missing."""
    if shutil.which("Rscript") is None:
        return None
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    seconds, *selection = map(float, done.stdout.split())
    return seconds, selection


def line(name, seconds, goal, found, peer=None, scale=1.0):
    """One row: ours, the goal, the ratio to the peer."""
    told = f"{name:54s}{seconds:9.3f} s   goal {goal:g} s"
    if peer is not None:
        told += f"   R {peer[0]:.2f} s ({peer[0] / seconds * scale:.0f} times ours)"
    print(told)
    print(f"{'':6s}selected: {np.array2string(found.selection, precision=3, suppress_small=True)}")
    if peer is not None:
        print(f"{'':6s}R:        {np.array2string(np.array(peer[1]), precision=3, suppress_small=True)}")


def main():
    """All of it."""
    trial = boin(target=0.25, cohort_size=3, cohorts=10)
    seconds, found = best(lambda: operating_characteristics(trial, TRUTH))
    assert found.exact
    line("exact BOIN, 6 doses, 30 patients", seconds, 5.0, found)
    seconds, found = best(lambda: operating_characteristics(trial, TRUTH, False, trials=10_000))
    line("10 000 BOIN trials with selection", seconds, 0.1, found, in_r(BOIN_R, "BOIN"), scale=10.0)
    seconds, found = best(lambda: operating_characteristics(trial, TRUTH, False, trials=100_000), 2)
    line("100 000 BOIN trials with selection", seconds, 60.0, found)
    ones = boin(target=0.25, cohort_size=1, cohorts=30)
    seconds, found = best(lambda: operating_characteristics(ones, TRUTH), 1)
    line(f"BOIN, cohorts of 1, 30 patients ({'exact' if found.exact else 'simulated'})", seconds, 60.0, found)
    model = crm_design(SKELETON, 0.20, 3, 12)
    seconds, found = best(lambda: operating_characteristics(model, TRUTH))
    line(f"CRM, 6 doses, 36 patients ({'exact' if found.exact else 'simulated'})", seconds, 5.0, found)
    seconds, found = best(lambda: operating_characteristics(model, TRUTH, False, trials=1000))
    line("1 000 CRM trials, cohorts of 3, 36 patients", seconds, 0.1, found, in_r(CRM_R, "dfcrm"))
    late = tite_crm(SKELETON, 0.20, 6.0, 1, 36)
    calendar = Calendar(accrual_per_month=4.0 * 30.4375 / 42.0)  # 4 patients in a window of 6 weeks
    seconds, found = best(lambda: operating_characteristics(late, TRUTH, False, trials=1000, calendar=calendar))
    line("1 000 TITE-CRM trials, 36 patients one by one", seconds, 1.0, found, in_r(TITE_R, "dfcrm"))
    missing = [p for p in ("BOIN", "dfcrm") if in_r(f"library({p}); cat(0)", p) is None]
    if missing:
        print(f"R without {', '.join(missing)}: no comparison with it here.")


if __name__ == "__main__":
    main()
