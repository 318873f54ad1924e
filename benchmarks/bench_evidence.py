"""Times of the synthesis beside metafor's, in one run: ``python benchmarks/bench_evidence.py``."""

from __future__ import annotations

import csv
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy as np

from alphatwin.evidence.pool import pool
from alphatwin.evidence.survival_curves import PatientTimes, kaplan_meier, reconstruct, rmst, survival_curve

SCRIPT = pathlib.Path(__file__).parents[1] / "tests" / "oracle" / "metafor.R"
SETS = {4: ([8, 24, 7, 8], [10, 24, 8, 9])}
for _k in (10, 40):
    _rng = np.random.Generator(np.random.Philox(key=[4, _k]))
    _n = _rng.integers(8, 120, _k)
    SETS[_k] = (_rng.binomial(_n, 1 / (1 + np.exp(-_rng.normal(-0.5, 0.8, _k)))).tolist(), _n.tolist())


def best(job, repeat=15):
    job()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def metafor():
    """Seconds a call of metafor by (set, method); empty where R or metafor is missing."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        given, out = pathlib.Path(folder, "in.csv"), pathlib.Path(folder, "out.csv")
        with given.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["set", "x", "n", "z"])
            for k, (x, n) in SETS.items():
                writer.writerows([k, a, b, 0] for a, b in zip(x, n, strict=True))
        if subprocess.run(["Rscript", str(SCRIPT), str(given), str(out), "time"], capture_output=True).returncode:
            return {}
        with out.open(newline="") as file:
            return {
                (int(r["set"]), "GLMM" if r["measure"] == "GLMM" else r["estimator"]): float(r["value"])
                for r in csv.DictReader(file)
            }


def main():
    theirs = metafor()
    print(f"{'':44s}{'ours, ms':>10s}{'metafor, ms':>13s}{'ratio':>9s}")
    for k, (x, n) in SETS.items():
        for name, options in (("GLMM", {}), ("REML", {"method": "REML"}), ("DL", {"method": "DL"}), ("beta-binomial", {"method": "beta-binomial"}), ("bayes", {"method": "bayes"})):  # fmt: skip
            ours = best(lambda x=x, n=n, o=options: pool(x, n, **o))
            peer = theirs.get((k, name))
            right = f"{1e3 * peer:13.2f}{peer / ours:9.1f}" if peer else f"{'-':>13s}{'-':>9s}"
            print(f"{f'{name}, {k} studies':44s}{1e3 * ours:10.2f}{right}")
    if not theirs:
        print("metafor is not installed here: no ratios")
    rng = np.random.Generator(np.random.Philox(key=2))
    t, c = rng.exponential(14, 300), rng.uniform(3, 36, 300)
    p = PatientTimes(tuple(np.minimum(t, c).tolist()), tuple((t <= c).tolist()))
    km = kaplan_meier(p.times, p.events)
    grid = np.linspace(0, p.last, 300)
    when = np.arange(0, p.last, 6.0)
    left = [int(np.sum(np.array(p.times) >= w)) for w in when]
    curve = survival_curve(grid, [km.at(g) for g in grid], left, when, drawn=True)
    print(f"{'patients behind a curve, 300 points':44s}{1e3 * best(lambda: reconstruct(curve)):10.2f}")
    print(f"{'restricted mean of 300 patients':44s}{1e3 * best(lambda: rmst(p, 24.0)):10.2f}")


if __name__ == "__main__":
    main()
