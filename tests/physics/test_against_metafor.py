"""metafor beside ours, run here, on random data sets. Skipped, visibly, where Rscript with metafor (lme4) is missing."""

import csv
import functools
import math
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from alphatwin.evidence.bias import begg, egger, trim_and_fill
from alphatwin.evidence.pool import pool
from alphatwin.evidence.regression import meta_regression
from alphatwin.evidence.sensitivity import cumulative, influence, leave_one_out

SCRIPT = pathlib.Path(__file__).parents[1] / "oracle" / "metafor.R"
SETS = 5
SPELLED = {"PLO": "logit", "PLN": "log", "PR": "raw", "PAS": "arcsine", "PFT": "freeman-tukey"}
# Both solve the same equations to 1e-13 or better; the back-transformed quantities lose a few digits in sums of k terms.
CLOSED = 1e-8
# lme4 stops its optimiser at a relative change of about 1e-6 of the deviance; the likelihood is flat to that in tau2 at 1e-4.
GLMM = 1e-4
# trimfill() refits with metafor's usual threshold, a step of 1e-5 in tau2, whatever it was given.
LOOSE = 2e-5


@functools.cache
def installed(package):
    if shutil.which("Rscript") is None:
        return False
    ask = f"quit(status = !requireNamespace('{package}', quietly = TRUE))"
    return subprocess.run(["Rscript", "-e", ask], capture_output=True).returncode == 0


def needs(*packages):
    absent = [p for p in packages if not installed(p)]
    if absent:
        pytest.skip(f"R with {', '.join(absent)} is not installed here: nothing was compared")


def data_sets(count=SETS):
    """Sets of 4 to 14 studies of 6 to 90 patients, with and without zeros, and a moderator."""
    made = {}
    for s in range(count):
        rng = np.random.Generator(np.random.Philox(key=[11, s]))
        k = int(rng.integers(4, 15))
        n = rng.integers(6, 91, k)
        z = np.round(rng.normal(size=k), 3)
        logit = rng.uniform(-2, 2) + rng.uniform(-0.6, 0.6) * z + rng.uniform(0, 1.2) * rng.normal(size=k)
        made[s] = (rng.binomial(n, 1 / (1 + np.exp(-logit))).tolist(), n.tolist(), z.tolist())
    return made


def metafor(folder, what):
    given = folder / "in.csv"
    with given.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "x", "n", "z"])
        for s, (x, n, z) in data_sets().items():
            writer.writerows([s, *row] for row in zip(x, n, z, strict=True))
    out = folder / "out.csv"
    done = subprocess.run(["Rscript", str(SCRIPT), str(given), str(out), what], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {}
    with out.open(newline="") as file:
        for row in csv.DictReader(file):
            value = float(row["value"]) if row["value"] not in ("NA", "NaN") else math.nan
            found.setdefault((int(row["set"]), row["measure"], row["estimator"], row["test"]), {})[row["key"]] = value
    return found


def ours_as_theirs(p):
    return {
        "estimate": p.estimate, "low": p.ci[0], "high": p.ci[1], "ahead_low": p.prediction_interval[0],
        "ahead_high": p.prediction_interval[1], "effect": p.effect, "se": p.se, "tau2": p.tau2, "i2": p.i2, "h2": p.h2,
        "q": p.q, "q_p": p.q_p,
    }  # fmt: skip


SHARES = {"estimate", "low", "high", "ahead_low", "ahead_high"}


def close(ours, theirs, tolerance, where):
    for key, value in ours.items():
        want = theirs[key]
        if math.isnan(want):
            continue
        if key in SHARES:
            want = min(max(want, 0.0), 1.0)  # a log or a raw interval may leave 0 to 1; ours is cut there
        assert value == pytest.approx(want, rel=tolerance, abs=tolerance), (where, key)


@pytest.mark.slow
def test_nine_estimators_five_transforms_four_tests(tmp_path):
    needs("metafor")
    sets, found = data_sets(), metafor(tmp_path, "uni")
    assert len(found) == SETS * 5 * 9 * 4
    for (s, measure, estimator, test), theirs in found.items():
        x, n, _ = sets[s]
        p = pool(x, n, method="inverse", transform=SPELLED[measure], estimator=estimator, test=test)
        close(ours_as_theirs(p), theirs, CLOSED, (s, measure, estimator, test))
        if estimator != "EE" and test == "z":
            low, high = p.tau2_ci
            close({"tau2_low": low, "tau2_high": high}, theirs, CLOSED, (s, measure, estimator, "Q-profile"))


def test_glmm_and_its_regression(tmp_path):
    needs("metafor", "lme4")
    sets, found = data_sets(), metafor(tmp_path, "glmm")
    assert len(found) == 2 * SETS
    for (s, _, _, test), theirs in found.items():
        x, n, z = sets[s]
        if test == "z":
            ours = ours_as_theirs(pool(x, n))
            ours["i2"], theirs["i2"] = ours["i2"] / 100, theirs["i2"] / 100  # a share, so that one tolerance serves
            close(ours, theirs, GLMM, s)
        else:
            m = meta_regression(x, n, {"z": z}, method="glmm")
            a, b = m.coefficients
            ours = {"b0": a.estimate, "b1": b.estimate, "se0": a.se, "se1": b.se, "tau2": m.tau2, "qe": m.qe}
            close(ours, theirs, GLMM, (s, "regression"))


def test_regression_bias_influence_and_subsets(tmp_path):
    needs("metafor")
    sets, found = data_sets(), metafor(tmp_path, "more")
    seen = set()
    for (s, _, estimator, part), theirs in found.items():
        x, n, z = sets[s]
        p = pool(x, n, method="inverse", estimator=estimator)
        kind, _, rest = part.partition("-")
        seen.add(kind)
        where = (s, estimator, part)
        if kind == "reg":
            m = meta_regression(x, n, {"z": z}, estimator=estimator, test=rest)
            a, b = m.coefficients
            ours = {"b0": a.estimate, "b1": b.estimate, "se0": a.se, "se1": b.se, "tau2": m.tau2, "i2": m.i2, "qe": m.qe, "qm": m.qm,
                    "qm_p": m.qm_p, "r2": m.r2, "low1": b.ci[0], "high1": b.ci[1]}  # fmt: skip
            close(ours, theirs, CLOSED, where)
        elif kind == "bias":
            e, r, b = egger(p), egger(p, "rma"), begg(p)
            ours = {
                "egger": e.statistic,
                "egger_p": e.p,
                "mixed": r.statistic,
                "mixed_p": r.p,
                "begg": b.statistic,
                "begg_p": b.p,
            }
            close(ours, theirs, CLOSED, where)
        elif kind == "fill":
            f = trim_and_fill(p)
            close({"missing": f.missing, "effect": f.effect, "se": f.se, "tau2": f.tau2}, theirs, LOOSE, where)
        elif kind == "out":
            one, i = leave_one_out(p)[int(rest) - 1].pooled, influence(p)[int(rest) - 1]
            ours = {"effect": one.effect, "se": one.se, "tau2": one.tau2, "residual": i.residual, "dffits": i.dffits, "cook": i.cook,
                    "ratio": i.covariance_ratio, "hat": i.hat, "q_deleted": i.q_deleted}  # fmt: skip
            close(ours, theirs, CLOSED, where)
        else:
            one = cumulative(p)[int(rest) - 1].pooled
            close({"effect": one.effect, "se": one.se}, theirs, CLOSED, where)
    assert seen == {"reg", "bias", "fill", "out", "upto"}
