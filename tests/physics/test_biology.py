"""The biology against closed forms, slow twins, published values and the laws it must keep."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.biology import (
    DoseLimit,
    HighLET,
    Logistic,
    Lyman,
    Repair,
    TissueBudget,
    bed,
    course_bed,
    eqd2,
    fractionated_bed,
    lea_catcheside,
    lea_catcheside_curve,
    next_activity,
    rbe_2,
    rbe_at_dose,
    rbe_weighted_dose,
)
from oracle.biology import (
    activity_by_bisection,
    bed_by_fractions,
    protraction_by_integration,
    protraction_of_polygon,
)

LN2 = math.log(2)
positive = st.floats(1e-3, 1e3)


# --- Lea-Catcheside factor: closed forms ------------------------------------------------------------------------------


@pytest.mark.parametrize("effective_h", [0.1, 0.76, 1.5, 30.0, 160.0])
@pytest.mark.parametrize("repair_h", [0.25, 1.5, 2.8])
def test_one_exponential_has_the_textbook_g(effective_h, repair_h):
    g = lea_catcheside([3.0], [LN2 / effective_h], repair_h)
    assert g == pytest.approx(repair_h / (repair_h + effective_h), rel=1e-14)


def test_worked_examples():
    """Bi-213 in place (45.6 min), and 2 h uptake with 40 h clearance, both with 1.5 h repair; the digits as given."""
    assert lea_catcheside([1.0], [LN2 / 0.76], 1.5) == pytest.approx(0.6637, abs=5e-5)
    assert lea_catcheside([1.0, -1.0], [LN2 / 40, LN2 / 2], 1.5) == pytest.approx(0.035161, abs=5e-7)


def test_uptake_and_clearance_has_its_own_closed_form():
    """R = e^-kt - e^-ut through partial fractions of x' = R - mu x, a route that is singular where ours is not."""
    k, u, mu = 0.02, 0.7, 0.4
    # int R x dt for R = e^-kt - e^-ut, x = (e^-kt - e^-mt)/(mu-k) - (e^-ut - e^-mt)/(mu-u), integrated term by term
    inner = (1 / (2 * k) - 1 / (k + mu) - 1 / (k + u) + 1 / (u + mu)) / (mu - k)
    inner -= (1 / (k + u) - 1 / (k + mu) - 1 / (2 * u) + 1 / (u + mu)) / (mu - u)
    expected = 2 * inner / (1 / k - 1 / u) ** 2
    assert lea_catcheside([5.0, -5.0], [k, u], LN2 / mu) == pytest.approx(expected, rel=1e-12)


def test_equal_rates_and_rates_equal_to_repair_are_no_singularity():
    mu = LN2 / 2.8
    assert lea_catcheside([1.0, 2.0], [0.02, 0.02], 2.8) == pytest.approx(0.02 / (0.02 + mu), rel=1e-14)
    assert lea_catcheside([1.0], [mu], 2.8) == pytest.approx(0.5, rel=1e-14)
    at, near = (lea_catcheside([1.0, 1.0], [mu * f, 0.01], 2.8) for f in (1.0, 1.0 + 1e-9))
    assert at == pytest.approx(float(near), rel=1e-8)


def test_nearly_cancelling_uptake_tends_to_the_gamma_curve():
    """a(e^-rt - e^-(r+d)t) tends to t e^-rt, whose G the twin integrates directly."""
    r, repair = 0.05, 2.8
    twin = protraction_by_integration(lambda t: t * math.exp(-r * t), repair, 60 / r, (10.0, 50.0, 200.0))
    for d in (1e-3, 1e-4):  # relative to r: the limit is approached linearly in d
        g = lea_catcheside([1.0, -1.0], [r, r * (1 + d)], repair)
        assert g == pytest.approx(twin, rel=2 * d)
    # Second-order differences: eps (2/d)^2 in double would be 1e-6 here, long double must do better.
    a, b = (float(lea_catcheside([1.0, -1.0], [r, r * (1 + d)], repair)) for d in (1.0e-5, 1.1e-5))
    assert abs(a - b) < 2e-6 * a


def test_acute_and_endless_limits():
    assert lea_catcheside([1.0], [1e6], 2.8) == pytest.approx(1.0, abs=1e-6)
    assert lea_catcheside([1.0], [1e-9], 2.8) == pytest.approx(0.0, abs=1e-8)
    assert lea_catcheside([1.0], [0.05], 2.8, duration_h=1e-7) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("duration_h", [0.01, 1.0, 8.0, 100.0])
@pytest.mark.parametrize("ratio", [0.0, 1e-6, 0.3, 0.999999, 1.0, 1.4, 30.0])
def test_finite_exposure_of_one_exponential(duration_h, ratio):
    """Textbook form G = 2 l^2 {...}/[(mu - l)(1 - e^-lT)^2] in 60 digits, with its limits at l = 0 and l = mu."""
    mu = LN2 / 2.8
    lam = ratio * mu
    getcontext().prec = 60
    m, time = Decimal(mu), Decimal(duration_h)
    step = Decimal(lam)
    if lam == 0.0 or step == m:
        step += Decimal(10) ** -20  # the form is smooth there: an error of 1e-20
    dose = (1 - (-step * time).exp()) / step
    braces = (1 - (-2 * step * time).exp()) / (2 * step) - (1 - (-(step + m) * time).exp()) / (step + m)
    expected = float(2 * braces / ((m - step) * dose**2))
    assert lea_catcheside([2.0], [lam], 2.8, duration_h=duration_h) == pytest.approx(expected, rel=1e-12)


def test_long_exposure_is_an_endless_one():
    a, r = [3.0, 2.0, -4.0], [0.015, 0.06, 0.9]
    assert lea_catcheside(a, r, 1.5, duration_h=4000.0) == pytest.approx(float(lea_catcheside(a, r, 1.5)), rel=1e-12)


@pytest.mark.parametrize("end_h", [5.0, 60.0])
def test_closed_form_equals_its_definition(end_h):
    a, r = np.array([3.0, 2.0, -4.5]), np.array([0.03, 0.1, 1.2])
    twin = protraction_by_integration(lambda t: float((a * np.exp(-r * t)).sum()), 1.5, end_h, (2.0,))
    assert lea_catcheside(a, r, 1.5, duration_h=end_h) == pytest.approx(twin, rel=1e-8)


def test_two_repair_rates_are_a_weighted_sum():
    parts = [float(lea_catcheside([1.0], [0.02], t)) for t in (0.5, 4.0)]
    both = lea_catcheside([1.0], [0.02], Repair((0.5, 4.0), (0.6, 0.4)))
    assert both == pytest.approx(0.6 * parts[0] + 0.4 * parts[1], rel=1e-14)


# --- Lea-Catcheside factor: curves ------------------------------------------------------------------------------------


@pytest.mark.parametrize("repair_h", [0.2, 1.5, 30.0])
def test_kernel_equals_the_double_integral(repair_h):
    times = np.array([0.0, 0.3, 1.0, 3.7, 8.0, 20.0, 41.0])
    rate = np.array([0.0, 2.0, 3.0, 2.5, 1.9, 1.0, 0.2])
    twin = protraction_of_polygon(times, rate, repair_h, order=60)
    assert lea_catcheside_curve(times, rate, repair_h) == pytest.approx(twin, rel=1e-10)


def test_constant_dose_rate():
    for x in (1e-6, 0.3, 0.4999, 0.5001, 12.0, 300.0):  # mu T on both sides of the series
        expected = 2 * (x - 1 + math.exp(-x)) / x**2 if x > 1e-3 else 1 - x / 3
        assert lea_catcheside_curve([0.0, x], [1.0, 1.0], LN2) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(
    ("a", "r", "repair_h"),
    [
        ([1.0], [0.014], 2.8),
        ([1.0, -1.0], [LN2 / 40, LN2 / 2], 1.5),
        ([5.0, 2.0, -6.0], [0.01, 0.05, 0.8], 0.5),
        ([1.0], [0.912], 1.5),
    ],
)
def test_curve_and_closed_form_agree_to_1e_6(a, r, repair_h):
    """20 000 geometric steps over 12 of the slowest time constants, each below 0.1 % of the time t: straight lines err
    by (r h)^2/12 < 1e-6 (rt)^2/12, below 1e-6 while rt < 3. The slowest term goes on as the tail, e^-12 of the dose."""
    a, r = np.array(a), np.array(r)
    times = np.concatenate([[0.0], 1e-3 / r.max() * np.geomspace(1.0, 12e3 * r.max() / r.min(), 20_000)])
    rate = (a[:, None] * np.exp(-r[:, None] * times)).sum(axis=0)
    curve = lea_catcheside_curve(times, np.maximum(rate, 0.0), repair_h, tail_rate_per_h=r.min())
    assert curve == pytest.approx(float(lea_catcheside(a, r, repair_h)), rel=1e-6)


def test_straight_lines_err_as_their_square():
    """Halving the steps divides the error by 4: the order that the docstring states."""
    exact = float(lea_catcheside([1.0, 1.0], [0.05, 0.5], 2.8))
    errors = []
    for n in (801, 1601):
        times = np.linspace(0.0, 200.0, n)
        rate = np.exp(-0.05 * times) + np.exp(-0.5 * times)
        errors.append(abs(float(lea_catcheside_curve(times, rate, 2.8, tail_rate_per_h=0.05)) - exact))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.02)


def test_tail_alone_is_an_exponential():
    g = lea_catcheside_curve([0.0, 1e-9], [1.0, 1.0], 2.8, tail_rate_per_h=0.02)
    assert g == pytest.approx(float(lea_catcheside([1.0], [0.02], 2.8)), rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 50.0), st.floats(0.0, 1e3)), min_size=2, max_size=12).filter(
        lambda p: any(r for _, r in p)
    ),
    st.floats(0.05, 50.0),
)
def test_g_of_any_curve_lies_between_0_and_1(points, repair_h):
    times = np.cumsum([h for h, _ in points])
    rate = np.array([r for _, r in points])
    g = float(lea_catcheside_curve(times, rate, repair_h))
    assert 0.0 < g <= 1.0
    assert float(lea_catcheside_curve(times, rate, 2.0 * repair_h)) >= g - 1e-12  # slower repair: more is left to meet
    assert float(lea_catcheside_curve(times, 7.0 * rate, repair_h)) == pytest.approx(g, rel=1e-9)  # a shape only


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(positive, st.floats(1e-4, 10.0)), min_size=1, max_size=5), st.floats(0.05, 50.0))
def test_g_of_falling_exponentials_lies_between_those_of_its_rates(terms, repair_h):
    a, r = (np.array(x) for x in zip(*terms, strict=True))
    g = float(lea_catcheside(a, r, repair_h))
    mu = LN2 / repair_h
    # A mixture of exponentials keeps at least the least of G_i share of each pair's damage, at most the largest rate's.
    assert 0.0 < g <= r.max() / (r.max() + mu) * (1 + 1e-12)
    shares = (a / r) / (a / r).sum()
    assert g >= float((shares**2 * r / (r + mu)).sum()) * (1 - 1e-12)  # own pairs alone


# --- BED, RBE ---------------------------------------------------------------------------------------------------------


def test_bed_of_one_exponential_is_the_textbook_form():
    dose, rep, eff, ratio = 18.0, 2.8, 32.0, 2.6
    ours = bed(dose, 0.0, lea_catcheside([1.0], [LN2 / eff], rep), ratio, HighLET(5.0))
    assert ours == pytest.approx(dose * (1 + dose * rep / ((rep + eff) * ratio)), rel=1e-13)


@pytest.mark.parametrize(
    ("low", "high", "r_beta"), [(15.0, 0.0, 0.0), (4.0, 3.0, 0.0), (4.0, 3.0, 1.0), (0.0, 3.0, 2.0)]
)
def test_bed_equals_many_acute_pulses(low, high, r_beta):
    """4000 pulses: what is left is of the order of one pulse's own share, 1/4000 of the quadratic part."""
    rate, mu, ratio = 0.03, LN2 / 2.8, 2.6
    ours = float(bed(low, high, lea_catcheside([1.0], [rate], 2.8), ratio, HighLET(5.0, r_beta)))
    twin = bed_by_fractions(low, high, 5.0, r_beta, ratio, rate, mu, 4000)
    quadratic = (low + r_beta * high) ** 2 / ratio
    assert abs(ours - twin) < quadratic / 1000 + 1e-9


def test_yttrium_kidney_threshold_against_external_beam():
    """Konijnenberg 2003 (abstract): 23 Gy of external beam becomes at least 30-35 Gy with Y-90 in three or more cycles.

    23 Gy in 2 Gy fractions and D in three cycles, T_rep 2.8 h, alpha/beta 2.5, have the same BED; kidneys clear Y-90
    peptides with an effective half-life of 25 to 40 h, and the answer must fall in the published range for all of them.
    """
    target = float(fractionated_bed(2.0, 11.5, 2.5))
    for effective_h in (25.0, 30.0, 40.0):
        g = lea_catcheside([1.0], [LN2 / effective_h], 2.8)
        dose = 3.0 * activity_by_bisection(
            lambda d, g=g: float(course_bed(d, 0.0, g, 2.5, HighLET(5.0), [1, 1, 1])), target
        )
        assert 29.5 <= dose <= 35.0


def test_external_beam_textbook_pairs():
    """Fowler 1989: 2 Gy x 30 at alpha/beta 10 is 72 Gy BED, and 60 Gy EQD2; 2 Gy x 30 at 3 Gy is 100 Gy."""
    assert fractionated_bed(2.0, 30, 10.0) == pytest.approx(72.0)
    assert eqd2(72.0, 10.0) == pytest.approx(60.0)
    assert fractionated_bed(2.0, 30, 3.0) == pytest.approx(100.0)


def test_a_large_number_of_small_fractions_is_an_endless_exposure():
    low_rate = bed(10.0, 0.0, lea_catcheside([1.0], [1e-6], 2.8), 2.5, HighLET(5.0))
    assert fractionated_bed(10.0 / 1e6, 1e6, 2.5) == pytest.approx(float(low_rate), rel=1e-4)


def test_rbe2_is_eqd2_over_dose():
    """Hobbs 2014, linear alpha response: RBE2 = EQD2 / D = RBE_M / (1 + 2/(alpha/beta)), whatever the dose."""
    for dose in (0.1, 2.0, 30.0):
        ours = eqd2(bed(0.0, dose, 0.3, 2.6, HighLET(5.0)), 2.6) / dose
        assert ours == pytest.approx(5.0 / (1 + 2 / 2.6), rel=1e-14)
        assert ours == pytest.approx(float(rbe_2(5.0, 2.6)), rel=1e-14)
        back = eqd2(bed(0.0, dose, 0.3, 2.6, HighLET(5.0, reference="2_gy_fractions")), 2.6) / dose
        assert back == pytest.approx(5.0, rel=1e-14)


def test_rbe_runs_from_rbe_m_to_r_beta():
    let = HighLET(6.0, 1.4)
    assert rbe_at_dose(1e-9, 2.6, let) == pytest.approx(6.0, rel=1e-7)
    assert rbe_at_dose(1e9, 2.6, let) == pytest.approx(1.4, rel=1e-7)
    # Published form with alpha and beta: [-ax + sqrt(ax^2 + 4 bx (a D + b D^2))] / (2 bx D)
    ax, bx, d = 0.26, 0.1, 3.0
    a, b = 6.0 * ax, 1.4**2 * bx
    direct = (-ax + math.sqrt(ax**2 + 4 * bx * (a * d + b * d**2))) / (2 * bx * d)
    assert rbe_at_dose(d, ax / bx, let) == pytest.approx(direct, rel=1e-13)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(0, 100),
    st.floats(0, 100),
    st.floats(1e-3, 1),
    st.floats(0.5, 20),
    st.floats(0, 20),
    st.floats(0, 3),
    st.floats(0.01, 10),
)
def test_bed_keeps_its_order(low, high, g, ratio, rbe, r_beta, more):
    let = HighLET(rbe, r_beta)
    value = float(bed(low, high, g, ratio, let))
    assert value >= float(rbe_weighted_dose(low, high, let)) * (1 - 1e-12)
    assert float(bed(low + more, high, g, ratio, let)) > value
    assert float(bed(low, high + more, g, ratio, let)) >= value
    assert float(bed(low, high, min(1.0, g * 1.5), ratio, let)) >= value * (1 - 1e-12)
    assert float(bed(low, high, g, ratio * 2, let)) <= value * (1 + 1e-12)
    halves = float(course_bed(low, high, g, ratio, let, [0.5, 0.5]))
    assert halves <= value * (1 + 1e-12)  # fractionation spares


# --- complication -----------------------------------------------------------------------------------------------------


def test_both_complication_models_have_the_stated_median_and_slope():
    for model, slope in ((Lyman(44.0, 0.12), 1 / (0.12 * math.sqrt(2 * math.pi))), (Logistic(44.0, 2.5), 2.5)):
        assert model.probability(44.0) == pytest.approx(0.5, abs=1e-15)
        h = 1e-4
        ours = float((model.probability(44.0 * (1 + h)) - model.probability(44.0 * (1 - h))) / (2 * h))
        assert ours == pytest.approx(slope, rel=1e-6)
        p = model.probability(np.linspace(0.0, 200.0, 400))
        assert (np.diff(p) >= 0).all()
        assert ((p >= 0) & (p <= 1)).all()


def test_logistic_slope_from_two_published_points():
    """MIRD 20 kidney response, 50 % at 44 Gy and 5 % at 37 Gy BED: gamma50 = ln 19 / (4 ln(44/37)) joins them."""
    model = Logistic(44.0, math.log(19.0) / (4.0 * math.log(44.0 / 37.0)))
    assert model.probability([37.0, 44.0]) == pytest.approx([0.05, 0.5], rel=1e-12)


def test_lyman_slope_from_two_published_points():
    """Kidney, Emami 1991: TD5/5 23 Gy, TD50/5 28 Gy: m = (1 - 23/28)/1.645 = 0.109; Burman 1991 fits 0.10."""
    assert Lyman(28.0, 0.10).probability(23.0) == pytest.approx(0.05, abs=0.02)
    assert Lyman(28.0, (1 - 23 / 28) / 1.6448536).probability(23.0) == pytest.approx(0.05, rel=1e-6)


# --- next activity ----------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    st.floats(1e-4, 2), st.floats(1e-4, 2), st.floats(1e-3, 1), st.floats(1, 10), st.floats(1, 10), st.floats(0, 2),
    st.floats(0, 39), st.integers(1, 6), st.sampled_from(["bed", "eqd2", "absorbed_dose"]),
)  # fmt: skip
def test_the_activity_brings_the_total_to_the_limit(low, high, g, ratio, rbe, r_beta, used, cycles, quantity):
    let = HighLET(rbe, r_beta)
    budget = TissueBudget(low, high, g, ratio, let, DoseLimit(40.0, quantity), used)
    activity = next_activity({"kidneys": budget}, remaining_cycles=cycles).activity_MBq_median
    added = course_bed(low * activity, high * activity, g, ratio, let, [1.0] * cycles)
    if quantity == "eqd2":
        added = eqd2(added, ratio)
    if quantity == "absorbed_dose":
        added = cycles * rbe_weighted_dose(low * activity, high * activity, let)
    assert used + float(added) == pytest.approx(40.0, rel=1e-12)


def test_the_root_agrees_with_bisection():
    let = HighLET(4.0, 0.5)
    budget = TissueBudget(0.3, 0.8, 0.06, 2.5, let, DoseLimit(40.0, "bed"), 12.0)
    ours = next_activity({"kidneys": budget}).activity_MBq_median
    twin = activity_by_bisection(lambda a: 12.0 + float(bed(0.3 * a, 0.8 * a, 0.06, 2.5, let)), 40.0)
    assert ours == pytest.approx(twin, rel=1e-12)


def test_confidence_means_the_share_of_samples_that_stay_below():
    rng = np.random.default_rng(7)
    n = 999
    low, high = rng.lognormal(-1.0, 0.4, n), rng.lognormal(-0.5, 0.4, n)
    rbe, used = rng.lognormal(math.log(5), 0.3, n), rng.lognormal(math.log(15), 0.2, n)
    budget = TissueBudget(low, high, 0.05, 2.5, HighLET(rbe), DoseLimit(40.0, "bed"), used)
    for confidence in (0.5, 0.9, 0.95):
        activity = next_activity({"kidneys": budget}, confidence=confidence).activity_MBq_at_confidence
        after = used + bed(low * activity * (1 - 1e-12), high * activity * (1 - 1e-12), 0.05, 2.5, HighLET(rbe))
        assert np.mean(after <= 40.0) >= confidence
        more = 1.0 + 1e-9
        above = used + bed(low * activity * more, high * activity * more, 0.05, 2.5, HighLET(rbe))
        assert np.mean(above <= 40.0) < confidence + 1.0 / n  # and no larger activity would do
