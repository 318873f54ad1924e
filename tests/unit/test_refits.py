"""Many rows of points fitted together, against one fit after the other."""

import numpy as np
import pytest

from alphatwin.errors import FitError
from alphatwin.kinetics import fit_curve
from alphatwin.kinetics.refits import refit_integrals

LN2 = np.log(2)


def rows_of(model, times, n, seed, noise=0.05):
    """Points of curves of a model with noise of 5 %, that fall at their end."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    made = []
    while len(made) < n:
        slow, quick, taken = LN2 / rng.uniform(30, 155), LN2 / rng.uniform(3, 12), LN2 / rng.uniform(0.3, 2)
        a, b = rng.uniform(5, 10), rng.uniform(0, 15)
        terms = {
            "mono": [(a, slow)],
            "uptake_clearance": [(a, slow), (-a, taken)],
            "bi": [(a, slow), (b, quick)],
            "uptake_biclearance": [(a, slow), (b, quick), (-a - b, taken)],
            "tri": [(a, slow), (b, quick), (a, taken)],
        }[model]
        y = sum(k * np.exp(-r * times) for k, r in terms) * np.exp(noise * rng.standard_normal(len(times)))
        if y[-1] <= y[-2]:
            made.append(y)
    return np.array(made)


@pytest.mark.parametrize(
    ("model", "times"),
    [
        ("mono", [4, 24, 96, 168]),
        ("mono", [24, 96]),
        ("uptake_clearance", [1, 4, 24, 96, 168]),
        ("bi", [1, 4, 24, 96, 168]),
        ("bi", [4, 24, 96, 168]),
        ("uptake_biclearance", [1, 2, 4, 24, 48, 96, 168]),
    ],
)
@pytest.mark.parametrize("known_sd", [True, False])
def test_rows_together_are_rows_alone(model, times, known_sd):
    """The general solver stops where a step of 1e-11 or a gain of 1e-13 is left, or on a bound that costs 1e-7 of the least
    sum of squares; along a flat valley the latter is up to 3e-4 of a standard uncertainty, here some 1e-5 of the integral."""
    times = np.array(times, dtype=float)
    rows = rows_of(model, times, 12, seed=len(times))
    sd = 0.05 * rows.mean(axis=0) if known_sd else None
    found = refit_integrals(times, rows, nuclide="Lu-177", model=model, sd_MBq=sd)
    alone = [fit_curve(times, y, nuclide="Lu-177", model=model, sd_MBq=sd) for y in rows]
    assert found == pytest.approx([c.time_integrated_activity_MBq_h for c in alone], rel=3e-5)


def test_points_on_a_curve_give_its_integral():
    """Closed form: a/r - a/q."""
    times = np.array([1.0, 4.0, 24.0, 96.0, 168.0])
    r, q = LN2 / np.array([50.0, 90.0]), LN2 / np.array([0.8, 3.0])
    rows = 7.0 * (np.exp(-np.multiply.outer(r, times)) - np.exp(-np.multiply.outer(q, times)))
    found = refit_integrals(times, rows, nuclide="Lu-177", model="uptake_clearance")
    assert found == pytest.approx(7.0 / r - 7.0 / q, rel=1e-8)


def test_nothing_clears_slower_than_it_decays():
    times, half_life_h = np.array([4.0, 24.0, 96.0]), 6.647 * 24
    rows = np.array([[10.0, 10.0, 10.0], [10.0, 9.9, 9.8]])
    found = refit_integrals(times, rows, nuclide="Lu-177", model="mono")
    decay = LN2 / half_life_h
    held = [float(y @ np.exp(-decay * times) / np.sum(np.exp(-2 * decay * times))) / decay for y in rows]
    assert found == pytest.approx(held, rel=1e-3)  # the half-life of the nuclide data has four digits


@pytest.mark.parametrize("model", ["hanscheid", "trapezoid", "average"])
def test_other_models_go_one_after_the_other(model):
    times = np.array([72.0]) if model == "hanscheid" else np.array([4.0, 24.0, 48.0, 96.0, 168.0])
    rows = np.array([[5.0], [3.0]]) * np.exp(-0.01 * times)
    found = refit_integrals(times, rows, nuclide="Lu-177", model=model)
    want = [fit_curve(times, y, nuclide="Lu-177", model=model).time_integrated_activity_MBq_h for y in rows]
    assert found.tolist() == want


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1.0, 2.0, 3.0, 4.0], "rises at its end"),
        ([4.0, -1.0, 2.0, 1.0], "cannot be negative"),
        ([4.0, np.nan, 2.0, 1.0], "needs a number"),
        ([0.0, 0.0, 0.0, 0.0], "every activity is zero"),
    ],
)
def test_what_a_fit_refuses_is_refused(bad, message):
    times = np.array([4.0, 24.0, 96.0, 168.0])
    rows = np.array([[8.0, 4.0, 2.0, 1.0], bad])
    with pytest.raises(FitError, match=message):
        refit_integrals(times, rows, nuclide="Lu-177", model="mono", where="Region liver")
