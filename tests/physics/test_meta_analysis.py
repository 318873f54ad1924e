"""Synthesis against published values, closed forms and slow twins."""

import csv
import math
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import DomainError
from alphatwin.evidence._estimators import ESTIMATORS, tau2_of
from alphatwin.evidence._glmm import glmm, log_marginal
from alphatwin.evidence._transforms import TRANSFORMS, back, effect
from alphatwin.evidence.pool import pool, pool_estimates
from alphatwin.evidence.survival_curves import (
    PatientTimes,
    kaplan_meier,
    pool_hazards,
    pool_rmst,
    reconstruct,
    rmst,
    survival_curve,
)
from oracle import meta_analysis as slow

A = ([8, 24, 7, 8], [10, 24, 8, 9])
SETS = {
    "A": A,
    "B": ([1, 0, 0, 2, 1, 0, 0], [39, 8, 20, 35, 26, 24, 10]),
    "C": ([4, 8, 20, 5, 15, 4, 4, 8, 1, 10], [8, 10, 35, 26, 24, 8, 9, 12, 9, 23]),
    "D": ([12, 30, 9, 55, 21, 17], [40, 61, 33, 90, 50, 71]),
}
SPELLED = {"PLO": "logit", "PLN": "log", "PR": "raw", "PAS": "arcsine", "PFT": "freeman-tukey"}
NUMBERS = pathlib.Path(__file__).with_name("metafor_numbers.csv")


def numbers():
    with NUMBERS.open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


# --- published values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "estimate", "low", "high", "tolerance"),
    [
        # R metafor 3.8-1 and 5.0-1, equal to the digits printed; the GLMM as far as lme4's optimiser goes
        ({}, 0.922795, 0.778708, 0.975961, 2e-6),
        ({"method": "inverse", "estimator": "REML", "knha": True}, 0.879932, 0.634755, 0.968656, 1e-6),
        ({"transform": "freeman-tukey", "estimator": "DL"}, 0.931890, 0.769232, 1.000000, 1e-6),
        ({"method": "exact"}, 0.921569, 0.811194, 0.978216, 1e-6),
    ],
)
def test_four_answers_to_one_question(options, estimate, low, high, tolerance):
    p = pool(*A, **options)
    assert (p.estimate, *p.ci) == pytest.approx((estimate, low, high), abs=tolerance)


def test_quadrature_points_matter_when_studies_are_few():
    assert pool(*A).tau2 == pytest.approx(0.341266, abs=1e-4)
    assert pool(*A, nodes=1).tau2 == pytest.approx(0.356104, abs=1e-4)
    assert pool(*A, nodes=25).tau2 == pytest.approx(0.341225, abs=1e-4)


def test_widths_of_the_prediction_intervals_by_name():
    made = pool(*A, method="inverse").prediction_intervals
    widths = {name: high - low for name, (low, high) in made.items()}
    assert [round(widths[n], 2) for n in ("z", "t k-1 HK", "t k-1", "t k-2")] == [0.22, 0.33, 0.38, 0.53]


def test_both_definitions_of_i2_are_there():
    p = pool(*A)
    assert p.i2_by_definition["typical variance"] == pytest.approx(23.7, abs=0.05)
    assert p.i2_by_definition["inverse-variance Q"] == 0.0
    assert p.i2 == p.i2_by_definition["typical variance"]


def test_hartung_knapp_can_be_the_narrower_one_and_says_so():
    z, hk = pool(*A, method="inverse"), pool(*A, method="inverse", knha=True)
    assert (round(hk.se, 3), round(z.se, 3)) == (0.452, 0.509)
    assert any("0.452" in note and "adhoc" in note for note in hk.notes)
    assert pool(*A, method="inverse", knha="adhoc").se == pytest.approx(z.se, rel=1e-12)


def test_no_events_at_all_has_an_exact_answer():
    p = pool([0, 0, 0, 0], [14, 12, 14, 14])
    assert p.estimate == 0
    assert p.ci == pytest.approx((0, 0.0660), abs=5e-5)
    assert "exact" in p.method
    assert "no study has an event" in p.notes[0]
    ft = pool([0, 0, 0, 0], [14, 12, 14, 14], transform="freeman-tukey", estimator="DL")
    assert ft.ci[1] < 0.65 * p.ci[1]  # the double arcsine promises what it cannot know
    assert any("0.0660" in note for note in ft.notes)


def test_the_method_moves_the_answer_more_than_the_data():
    events, totals = SETS["B"]  # 4 of 162 patients
    assert sum(events) == 4
    assert sum(totals) == 162
    assert 100 * pool(events, totals).estimate == pytest.approx(2.5, abs=0.05)
    assert 100 * pool(events, totals, method="inverse").estimate > 3.5
    assert 100 * pool(events, totals, transform="freeman-tukey").estimate < 1.6


@pytest.mark.parametrize("name", list(SETS))
def test_every_estimator_and_transform_against_stored_numbers(name):
    """Ten digits are stored; iterations of both sides end at 1e-13."""
    seen = 0
    for row in numbers():
        if row["set"] != name:
            continue
        seen += 1
        if row["measure"] == "GLMM":
            if row["test"] != "z":
                continue
            p, tolerance = pool(*SETS[name]), 1e-4
        else:
            p = pool(
                *SETS[name], method="inverse", transform=row["measure"], estimator=row["estimator"], test=row["test"]
            )
            assert p.transform == SPELLED[row["measure"]]
            tolerance = 1e-8
        ours = {"estimate": p.estimate, "low": p.ci[0], "high": p.ci[1], "ahead_low": p.prediction_interval[0],
                "ahead_high": p.prediction_interval[1], "se": p.se, "tau2": p.tau2, "i2": p.i2 / 100, "q": p.q}  # fmt: skip
        if row["tau2_low"] and row["measure"] != "GLMM" and row["test"] == "z":
            ours |= {"tau2_low": p.tau2_ci[0], "tau2_high": p.tau2_ci[1]}
        for key, value in ours.items():
            if row[key]:
                want = float(row[key]) / (100 if key == "i2" else 1)
                if key in ("estimate", "low", "high", "ahead_low", "ahead_high"):
                    want = min(max(want, 0.0), 1.0)  # a share is cut at its ends
                assert value == pytest.approx(want, rel=tolerance, abs=tolerance), (row, key)
    assert seen == 5 * 9 * 2 + 1


# --- slow twins ------------------------------------------------------------------------------------------------------


def test_marginal_likelihood_against_a_fine_trapezoid():
    for x, n in ((0, 7), (3, 9), (24, 24), (80, 200)):
        for beta, tau in ((-3.0, 0.3), (0.4, 1.0), (2.0, 2.0)):
            want = math.log(slow.marginal(x, n, beta, tau))
            got = log_marginal(np.array([float(x)]), np.array([float(n)]), np.array([beta]), np.array([tau]), 90)[0]
            # 40 points integrate these smooth peaks to far below the 1e-12 asked of the twin
            assert got == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("name", ["A", "D"])
def test_glmm_finds_the_maximum_that_brute_force_finds(name):
    beta, tau = slow.glmm_fit(*SETS[name])
    p = pool(*SETS[name], nodes=40)
    # Nelder and Mead stop at 1e-13 of the likelihood, flat to about 1e-6 in its arguments
    assert p.effect == pytest.approx(beta, abs=3e-6)
    assert math.sqrt(p.tau2) == pytest.approx(tau, abs=3e-6)


def test_glmm_at_no_spread_is_the_binomial():
    p = pool([5, 5, 10], [10, 10, 20])
    assert p.tau2 == 0
    assert p.estimate == pytest.approx(0.5)
    assert p.se == pytest.approx(1 / math.sqrt(40 * 0.25))


def test_beta_binomial_is_highest_where_it_says():
    p = pool(*SETS["D"], method="beta-binomial")
    mean, rho = p.estimate, p.extra["rho"]
    top = slow.beta_binomial_loglik(*SETS["D"], mean, rho)
    for dm in (-0.01, 0.0, 0.01):
        for dr in (-0.005, 0.0, 0.005):
            assert slow.beta_binomial_loglik(*SETS["D"], mean + dm, rho + dr) <= top + 1e-9
    # ends of the interval: the drop of the profile over rho is the 95 % quantile of chi-square(1), 3.841459, over 2
    for end in p.ci:
        height = max(slow.beta_binomial_loglik(*SETS["D"], end, r) for r in np.linspace(0.001, 0.4, 800))
        assert top - height == pytest.approx(3.841459 / 2, abs=2e-4)


def test_posterior_against_a_rectangle_rule():
    low, middle, high = slow.posterior([2, 6, 3], [9, 11, 10], 0.5)
    p = pool([2, 6, 3], [9, 11, 10], method="bayes", prior_tau=0.5)
    # rectangles of h = 0.062 under a density of width 0.45: h^2 / (24 * 0.45) * 2 / 4 is 2e-4 of a proportion at the ends
    assert (p.ci[0], p.estimate, p.ci[1]) == pytest.approx((low, middle, high), abs=4e-4)


@pytest.mark.parametrize("name", list(SETS))
def test_a_finer_grid_does_not_move_the_posterior(name, monkeypatch):
    from alphatwin.evidence import _bayes

    a = pool(*SETS[name], method="bayes")
    monkeypatch.setattr(_bayes, "_TAUS", 2 * _bayes._TAUS)
    monkeypatch.setattr(_bayes, "_MUS", 2 * _bayes._MUS)
    b = pool(*SETS[name], method="bayes")
    assert (a.estimate, *a.ci, *a.prediction_interval) == pytest.approx(
        (b.estimate, *b.ci, *b.prediction_interval), abs=1e-4
    )


def test_posterior_without_spread_is_the_beta():
    """With tau held at (almost) 0 the posterior of the proportion is Beta(1 + x, 1 + n - x)."""
    from scipy.stats import beta

    p = pool([3, 4], [20, 15], method="bayes", prior_tau=0.001)
    want = beta(8, 29).ppf([0.025, 0.5, 0.975])
    assert (p.ci[0], p.estimate, p.ci[1]) == pytest.approx(tuple(want), abs=1e-5)


def test_dersimonian_laird_and_reml_against_sums_in_loops():
    for events, totals in SETS.values():
        y, v, _ = effect(np.array(events, float), np.array(totals, float), "logit")
        tau2, mean, se = slow.dersimonian_laird(y, v)
        p = pool(events, totals, method="DL")
        assert (p.tau2, p.effect, p.se) == pytest.approx((tau2, mean, se), rel=1e-10, abs=1e-13)
        best = pool(events, totals, method="REML").tau2
        top = slow.restricted_loglik(y, v, best)
        assert all(slow.restricted_loglik(y, v, t) <= top + 1e-12 for t in np.linspace(0, 5, 2001))


def test_profile_interval_of_the_glmm_ends_where_the_likelihood_has_fallen():
    events, totals = SETS["D"]
    p = pool(events, totals, nodes=25)
    low, high = p.tau2_ci
    top = slow.glmm_loglik(events, totals, p.effect, math.sqrt(p.tau2))
    for end in (low, high):
        heights = [
            slow.glmm_loglik(events, totals, b, math.sqrt(end)) for b in np.linspace(p.effect - 0.3, p.effect + 0.3, 61)
        ]
        assert top - max(heights) == pytest.approx(3.841459 / 2, abs=5e-3)  # a grid of 0.01 in beta


# --- laws ------------------------------------------------------------------------------------------------------------

_STUDY = st.integers(2, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
_STUDIES = st.lists(_STUDY, min_size=2, max_size=9)


@settings(max_examples=40, deadline=None)
@given(_STUDIES, st.sampled_from(ESTIMATORS), st.sampled_from(TRANSFORMS), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_tau2_is_not_negative(studies, estimator, transform, shuffle):
    x, n = zip(*studies, strict=True)
    p = pool(x, n, method="inverse", estimator=estimator, transform=transform)
    assert p.tau2 >= 0
    assert 0 <= p.ci[0] <= p.estimate <= p.ci[1] <= 1
    assert sum(p.weights) == pytest.approx(100)
    mixed = list(studies)
    shuffle.shuffle(mixed)
    x, n = zip(*mixed, strict=True)
    q = pool(x, n, method="inverse", estimator=estimator, transform=transform)
    assert (p.estimate, p.tau2, p.q) == pytest.approx((q.estimate, q.tau2, q.q), rel=1e-7, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(_STUDIES)
def test_complement_mirrors_the_answer(studies):
    x, n = zip(*studies, strict=True)
    other = [b - a for a, b in studies]
    for options in (
        {},
        {"transform": "logit"},
        {"transform": "arcsine"},
        {"method": "exact"},
        {"method": "beta-binomial"},
    ):
        p, q = pool(x, n, **options), pool(other, n, **options)
        assert p.estimate == pytest.approx(1 - q.estimate, abs=2e-6)
        assert p.ci == pytest.approx((1 - q.ci[1], 1 - q.ci[0]), abs=2e-5)


@settings(max_examples=30, deadline=None)
@given(_STUDIES)
def test_the_glmm_answers_always_with_something_sensible(studies):
    x, n = zip(*studies, strict=True)
    p = pool(x, n)
    assert 0 <= p.ci[0] <= p.estimate <= p.ci[1] <= 1
    assert p.prediction_interval[0] <= p.ci[0] + 1e-9 or p.tau2 == 0 or "Bayesian" in p.method
    rates = [a / b for a, b in studies]
    # the median of a logit-normal law lies between the extremes of what was seen; a posterior is pulled towards its prior
    if "GLMM" in p.method:
        assert min(rates) - 1e-6 <= p.estimate <= max(rates) + 1e-6


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.05, 2)), min_size=2, max_size=8),
    st.floats(0.2, 5),
    st.sampled_from(ESTIMATORS),
)
def test_scaling_the_unit_scales_the_answer(rows, factor, estimator):
    y, s = zip(*rows, strict=True)
    p = pool_estimates(y, s, estimator=estimator)
    q = pool_estimates([factor * v for v in y], [factor * v for v in s], estimator=estimator)
    assert q.estimate == pytest.approx(factor * p.estimate, rel=1e-6, abs=1e-6)
    assert q.tau2 == pytest.approx(factor**2 * p.tau2, rel=1e-5, abs=1e-6 * max(1, factor**2))


def test_equal_effects_is_inverse_variance():
    y, s = [0.1, 0.5, 0.9], [0.2, 0.3, 0.4]
    w = [1 / v**2 for v in s]
    p = pool_estimates(y, s, estimator="EE")
    assert p.estimate == pytest.approx(sum(a * b for a, b in zip(w, y, strict=True)) / sum(w))
    assert p.se == pytest.approx(1 / math.sqrt(sum(w)))


def test_every_transform_comes_back():
    x, n = np.arange(1.0, 20.0), np.full(19, 20.0)
    for transform in TRANSFORMS:
        y, _, _ = effect(x, n, transform)
        assert back(y, transform, 20.0) == pytest.approx(x / n, abs=1e-12)


def test_glmm_with_many_patients_meets_the_normal_model():
    """With 1e5 patients a study the binomial is normal: the GLMM and ML on the logit agree to the order of 1/n."""
    x, n = [30_000, 42_000, 36_000, 51_000], [100_000] * 4
    a, b = pool(x, n), pool(x, n, method="ML")
    assert (a.effect, a.tau2, a.se) == pytest.approx((b.effect, b.tau2, b.se), rel=1e-3)


@pytest.mark.slow
def test_coverage_of_the_default_interval():
    """2,000 data sets of 12 studies of 40 patients, tau 0.7: a 95 % Wald interval with 12 studies covers about 92 to 95 %."""
    rng = np.random.Generator(np.random.Philox(key=[7, 7]))
    hits, runs = 0, 2000
    for _ in range(runs):
        p = 1 / (1 + np.exp(-(-0.5 + 0.7 * rng.normal(size=12))))
        x, n = rng.binomial(40, p).astype(float), np.full(12, 40.0)
        fit = glmm(x, n, np.ones((12, 1)))
        half = 1.959964 * math.sqrt(fit.covariance[0, 0])
        hits += abs(fit.beta[0] + 0.5) < half
    assert 0.90 < hits / runs < 0.965


def test_tau2_estimators_agree_on_a_balanced_set():
    """With equal variances DL, HE, PM, EB and REML are one estimator: the sample variance less v."""
    y, v = np.array([0.1, 1.0, -0.7, 2.0, 0.4]), np.full(5, 0.2)
    want = np.var(y, ddof=1) - 0.2
    for estimator in ("DL", "HE", "PM", "EB", "REML"):
        assert tau2_of(y, v, np.ones((5, 1)), estimator) == pytest.approx(want, rel=1e-9)
    assert tau2_of(y, v, np.ones((5, 1)), "ML") == pytest.approx(np.var(y) - 0.2, rel=1e-9)


# --- time to event ---------------------------------------------------------------------------------------------------


def patients(seed, n=150, mean=14.0):
    rng = np.random.Generator(np.random.Philox(key=[3, seed]))
    t, c = rng.exponential(mean, n), rng.uniform(3, 36, n)
    return PatientTimes(tuple(np.minimum(t, c).tolist()), tuple((t <= c).tolist()), f"study {seed}")


def test_restricted_mean_against_loops():
    for seed in range(3):
        p = patients(seed, 60)
        area, se = slow.area_under(p.times, p.events, 20.0)
        r = rmst(p, 20.0)
        assert (r.value, r.se) == pytest.approx((area, se), rel=1e-10)


@pytest.mark.parametrize(
    ("horizon", "value", "se"),
    [(12, 9.9752100840, 0.7863206040), (18, 13.2525210084, 1.3332685069), (24, 15.7525210084, 1.8825040755),
     (30, 17.5907563025, 2.3919119415)],
)  # fmt: skip
def test_restricted_mean_against_the_r_package_survival(horizon, value, se):
    """summary(survfit(Surv(t, e) ~ 1), rmean = horizon) of survival 3.5-3, printed to 10 digits."""
    t = (1, 3, 3, 4, 6, 7, 9, 10, 12, 12, 15, 16, 18, 20, 22, 25, 26, 30, 31, 33)
    e = (1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1)
    r = rmst(PatientTimes(tuple(map(float, t)), tuple(map(bool, e))), horizon)
    assert (r.value, r.se) == pytest.approx((value, se), abs=1e-9)


def test_restricted_mean_of_an_exponential():
    """Landmarks of exp(-t / 10): area 10 (1 - exp(-T / 10)), whatever the landmarks."""
    t = [3.0, 6.0, 12.0, 18.0]
    c = survival_curve(t, [math.exp(-v / 10) for v in t], 80)
    assert rmst(c, 18.0).value == pytest.approx(10 * (1 - math.exp(-1.8)), rel=1e-9)
    assert rmst(c, 9.0).value == pytest.approx(10 * (1 - math.exp(-0.9)), rel=1e-9)


def test_standard_error_of_landmarks_is_that_of_patients():
    """Monthly landmarks without censoring hold nearly what the patients hold: the standard errors meet within 2 %."""
    t = np.sort(np.random.Generator(np.random.Philox(key=9)).exponential(10, 400))
    p = PatientTimes(tuple(t.tolist()), (True,) * 400)
    months = np.arange(1.0, 21.0)
    c = survival_curve(months, [float(np.mean(t > m)) for m in months], 400)
    assert rmst(c, 20.0).value == pytest.approx(rmst(p, 20.0).value, rel=5e-3)
    assert rmst(c, 20.0).se == pytest.approx(rmst(p, 20.0).se, rel=0.02)


def test_reconstruction_without_censoring_is_exact():
    times = tuple(float(v) for v in (1, 1, 2, 4, 5, 7, 8, 8, 9, 12))
    km = kaplan_meier(times, (True,) * 10)
    p = reconstruct(survival_curve(km.times, km.survival, [10, 6, 2], [0, 5, 9], drawn=True))
    assert p.times == times
    assert all(p.events)


@pytest.mark.parametrize("seed", range(6))
def test_reconstruction_of_a_digitised_curve(seed):
    """250 points read to 0.002, numbers at risk every 6 months: curve, events and restricted mean come back.

    Heights are read to 0.001 either way, of at least 25 patients at 24 months: half a patient is 0.02 there, and the
    restricted mean may be off by a tenth of its standard error (7 %), which is below 1 % of its value.
    """
    true = patients(seed)
    km = kaplan_meier(true.times, true.events)
    grid = np.linspace(0, true.last, 250)
    drawn = np.round(np.array([km.at(g) for g in grid]) / 0.002) * 0.002
    when = np.arange(0, true.last, 6.0)
    left = [int(np.sum(np.array(true.times) >= w)) for w in when]
    p = reconstruct(survival_curve(grid, drawn, left, when, drawn=True), true.n_events)
    again = kaplan_meier(p.times, p.events)
    assert p.total == true.total
    assert abs(p.n_events - true.n_events) <= 3
    for w, n in zip(when, left, strict=True):
        assert abs(sum(t >= w for t in p.times) - n) <= 1
    assert max(abs(again.at(g) - km.at(g)) for g in grid[grid < 24]) < 0.02
    assert rmst(p, 24.0).value == pytest.approx(rmst(true, 24.0).value, rel=0.01)
    assert rmst(p, 24.0).se == pytest.approx(rmst(true, 24.0).se, rel=0.03)


def test_pooled_restricted_mean_and_hazards_find_the_truth():
    studies = [patients(s, 200, 14.0) for s in range(5)]
    p = pool_rmst(studies, 18.0)
    want = 14 * (1 - math.exp(-18 / 14))
    assert abs(p.estimate - want) < 3 * p.se
    h = pool_hazards(studies, [6.0, 12.0, 18.0])
    for low, high in zip(h.low, h.high, strict=True):
        assert low < 1 / 14 < high
    assert h.survival[-1] == pytest.approx(math.exp(-18 / 14), abs=0.05)
    assert h.median == pytest.approx(14 * math.log(2), abs=1.5)


def test_hazards_of_landmarks_that_agree_give_them_back():
    t = [6.0, 12.0, 24.0]
    curves = [survival_curve(t, [0.8, 0.6, 0.3], n, label=str(n)) for n in (40, 90)]
    h = pool_hazards(curves)
    assert h.survival == pytest.approx((1.0, 0.8, 0.6, 0.3), rel=1e-9)
    assert h.tau2 == pytest.approx((0, 0, 0), abs=1e-12)


def test_a_horizon_nobody_reached_is_refused():
    with pytest.raises(DomainError, match="Nothing is extrapolated"):
        rmst(PatientTimes((1.0, 2.0, 5.0), (True, False, False)), 12.0)
