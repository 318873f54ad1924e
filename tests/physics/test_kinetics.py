"""Kinetics against published values, closed forms, conservation, and the slow twins."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from alphatwin.kinetics import Curve, FreeDaughters, InPlace, chain_kinetics, fit_curve, integrate
from alphatwin.physics.nuclides import chain_table, decays, nuclide
from oracle import kinetics as oracle

# SNMMI 177Lu dosimetry challenge 2021, patient 4, left kidney (doi 10.7302/864r-tb45); fit published with it
TIMES = (3.7411, 27.7253, 103.0942, 123.9836)
LEFT = (98.561, 73.599, 25.396, 19.047)
PUBLISHED_TIA_MBQ_H = 7593.75
PUBLISHED_TERMS = (108.742, 0.0140814, 0.845429)


def fit(model, times=TIMES, activity=LEFT, name="Lu-177", **options):
    return fit_curve(times, activity, nuclide=name, model=model, **options)


# --- published -------------------------------------------------------------------------------------------------------


def test_left_kidney_of_the_challenge():
    """Published parameters are printed to six digits; unweighted least squares gives them to 1e-4."""
    curve = fit("uptake_clearance")
    amplitude, slow, fast = PUBLISHED_TERMS
    assert curve.time_integrated_activity_MBq_h == pytest.approx(PUBLISHED_TIA_MBQ_H, rel=1e-4)
    assert curve.parameters == pytest.approx([amplitude, slow, fast - slow], rel=1e-4)
    assert curve.effective_half_life_h == pytest.approx(49.2, abs=0.05)


@pytest.mark.parametrize("weights", ["uniform", "relative", "poisson"])
def test_left_kidney_does_not_hang_on_the_weights(weights):
    assert fit("uptake_clearance", weights=weights).time_integrated_activity_MBq_h == pytest.approx(
        PUBLISHED_TIA_MBQ_H, rel=2e-3
    )


def test_left_kidney_by_simpler_models():
    """Published differences, in percent, to the digit printed: mono +2.0, Hänscheid -0.5 (103 h) and -10.3 (124 h)."""
    found = [
        fit("mono").time_integrated_activity_MBq_h,
        fit("hanscheid", TIMES[2:3], LEFT[2:3]).time_integrated_activity_MBq_h,
        fit("hanscheid", TIMES[3:4], LEFT[3:4]).time_integrated_activity_MBq_h,
    ]
    assert [100 * (f / PUBLISHED_TIA_MBQ_H - 1) for f in found] == pytest.approx([2.0, -0.5, -10.3], abs=0.05)


def test_hanscheid_error_over_its_window():
    """For one exponential the rule is off by 2 x 2^-x - 1, x = t / T_eff: the bounds that the curve's note prints."""
    x = np.linspace(0.75, 2.5, 2001)
    half_life = 60.0
    ratio = (
        np.array(
            [
                fit("hanscheid", [t], [math.exp(-math.log(2) * t / half_life)]).time_integrated_activity_MBq_h
                for t in x[::100] * half_life
            ]
        )
        * math.log(2)
        / half_life
    )
    exact = 2 * x * 2.0**-x
    assert ratio == pytest.approx(exact[::100], rel=1e-12)
    assert exact.min() - 1 == pytest.approx(-0.116, abs=5e-4)
    assert exact.max() - 1 == pytest.approx(0.061, abs=5e-4)
    note = fit("hanscheid", [96.0], [1.0]).notes[0]
    assert "-12% to +6%" in note
    assert "between 38 and 128 h" in note


def test_madsen_is_exact_for_the_population_half_life_and_least_sensitive_at_the_mean_life():
    half_life, k = 60.0, math.log(2) / 60.0
    for t in (4.0, 24.0, 96.0):
        curve = fit(
            "madsen", [t], [7.0 * math.exp(-k * t)], population_half_life_h=half_life, population_relative_sd=0.2
        )
        assert curve.time_integrated_activity_MBq_h == pytest.approx(7.0 / k, rel=1e-12)
        # d ln TIA / d ln k = k t - 1
        assert curve.sd / curve.time_integrated_activity_MBq_h == pytest.approx(0.2 * abs(k * t - 1), rel=1e-9)
    best = fit("madsen", [1 / k], [1.0], population_half_life_h=half_life, population_relative_sd=0.2)
    assert best.sd == pytest.approx(0, abs=1e-9 * best.time_integrated_activity_MBq_h)


# --- closed forms ----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(1.0, 60.0)), min_size=1, max_size=3),
    st.floats(1e-3, 1e3),
)
@settings(max_examples=40, deadline=None)
def test_closed_integral_agrees_with_quadrature_and_scales(terms, factor):
    constant = nuclide("Lu-177").decay_constant_per_h
    amplitudes, rates = [a for a, _ in terms], [m * constant for _, m in terms]
    curve = Curve.from_terms(amplitudes, rates, nuclide="Lu-177")
    slow = oracle.time_integral(curve.activity_MBq, split_h=3 / max(rates))
    assert curve.time_integrated_activity_MBq_h == pytest.approx(slow, rel=1e-7)
    scaled = Curve.from_terms([factor * a for a in amplitudes], rates, nuclide="Lu-177")
    assert scaled.time_integrated_activity_MBq_h == pytest.approx(
        factor * curve.time_integrated_activity_MBq_h, rel=1e-12
    )


@pytest.mark.parametrize("before", ["linear", "constant", "decay"])
@pytest.mark.parametrize("tail", ["decay", "slope"])
def test_trapezoid_integrals_agree_with_quadrature(before, tail):
    curve = fit("trapezoid", before_first=before, tail=tail)
    edges = [0.0, *TIMES]
    pieces = [quad(curve.activity_MBq, a, b, epsrel=1e-12)[0] for a, b in itertools.pairwise(edges)]
    rate = math.log(2) / curve.effective_half_life_h
    tail_area = quad(curve.activity_MBq, TIMES[-1], np.inf, epsrel=1e-12)[0]
    assert curve.time_integrated_activity_MBq_h == pytest.approx(sum(pieces) + tail_area, rel=1e-9)
    assert curve.tail_fraction == pytest.approx(tail_area / curve.time_integrated_activity_MBq_h, rel=1e-9)
    grid = np.linspace(0, 40 / rate, 400_001)
    moment = np.trapezoid(grid * curve.activity_MBq(grid), grid)
    amplitude, stand_in = curve.exponentials()
    assert float(amplitude[0] / stand_in[0] ** 2) == pytest.approx(moment, rel=1e-5)


@given(st.floats(0.5, 30), st.floats(0.05, 5), st.floats(1, 500))
@settings(max_examples=30, deadline=None)
def test_fit_finds_the_curve_that_made_the_points(biology, uptake, height):
    """Exact points, twice as many as parameters: the integral comes back."""
    constant = nuclide("Lu-177").decay_constant_per_h
    slow = constant * (1 + 0.1 * biology)
    fast = slow + uptake
    times = np.array([1.0, 3, 8, 24, 72, 168])
    activity = height * (np.exp(-slow * times) - np.exp(-fast * times))
    found = fit("uptake_clearance", times, activity)
    assert found.time_integrated_activity_MBq_h == pytest.approx(height * (1 / slow - 1 / fast), rel=1e-5)


@given(st.floats(1e-3, 1e3))
@settings(max_examples=15, deadline=None)
def test_fit_is_linear_in_activity(factor):
    scaled = fit("uptake_clearance", activity=[factor * a for a in LEFT])
    assert scaled.time_integrated_activity_MBq_h == pytest.approx(
        factor * fit("uptake_clearance").time_integrated_activity_MBq_h, rel=1e-6
    )
    assert scaled.sd == pytest.approx(factor * fit("uptake_clearance").sd, rel=1e-4)


def test_sd_of_one_exponential_has_its_textbook_value():
    """Delta method by finite differences of an independent fit: sd^2 = sum (dTIA/dA_i)^2 sd_i^2."""
    base = fit("mono", relative_sd=0.1)
    slopes = []
    sd = 0.1 * np.array(LEFT)
    for i in range(4):
        up, down = np.array(LEFT), np.array(LEFT)
        up[i] += 1e-3
        down[i] -= 1e-3
        pair = [fit("mono", activity=a, sd_MBq=sd).time_integrated_activity_MBq_h for a in (up, down)]
        slopes.append((pair[0] - pair[1]) / 2e-3)
    # residuals are small, so the Gauss-Newton covariance equals the exact one to their square
    assert base.sd == pytest.approx(float(np.linalg.norm(np.array(slopes) * sd)), rel=0.03)


@pytest.mark.parametrize("model", ["mono", "uptake_clearance"])
def test_sd_covers_the_truth_as_often_as_it_should(model):
    """300 noisy repeats: the pull (fit - truth)/sd has mean 0 and sd 1 (sampling error 0.06; the fit is non-linear)."""
    rng = np.random.default_rng(20)
    times = np.array([2.0, 6, 24, 72, 120, 168])
    slow, fast = 0.014, 0.4 if model == "uptake_clearance" else math.inf
    shape = np.exp(-slow * times) - (np.exp(-fast * times) if math.isfinite(fast) else 0.0)
    truth = 100 * (1 / slow - (1 / fast if math.isfinite(fast) else 0.0))
    pulls = []
    for _ in range(300):
        noisy = 100 * shape * (1 + 0.03 * rng.standard_normal(6))
        if noisy[-1] > noisy[-2]:
            continue
        curve = fit(model, times, noisy, sd_MBq=3 * shape)
        pulls.append((curve.time_integrated_activity_MBq_h - truth) / curve.sd)
    assert np.mean(pulls) == pytest.approx(0, abs=0.2)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_akaike_weights_and_variance_by_hand():
    """w = exp(-AICc/2) normalised; variance within plus between models (Burnham & Anderson 2002, chapter 4)."""
    average = fit("average", relative_sd=0.05)
    criteria = {name: fit(name, relative_sd=0.05).aicc for name in average.model_weights}
    least = min(criteria.values())
    raw = {name: math.exp(-(value - least) / 2) for name, value in criteria.items()}
    shares = {name: value / sum(raw.values()) for name, value in raw.items()}
    assert dict(average.model_weights) == pytest.approx(shares, rel=1e-9)
    curves = {name: fit(name, relative_sd=0.05) for name in shares}
    mean = sum(s * curves[m].time_integrated_activity_MBq_h for m, s in shares.items())
    variance = sum(
        s * (curves[m].sd ** 2 + (curves[m].time_integrated_activity_MBq_h - mean) ** 2) for m, s in shares.items()
    )
    assert average.time_integrated_activity_MBq_h == pytest.approx(mean, rel=1e-9)
    assert average.sd == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_small_sample_criterion_by_hand():
    """AICc = n ln(S/n) + 2k + 2k(k+1)/(n-k-1), k = parameters + variance; with a known sd chi^2 + 2p."""
    times, activity = np.array([3.0, 10, 30, 60, 100, 150]), np.array([90.0, 84, 60, 41, 20, 11])
    curve = fit("mono", times, activity)
    total = float(np.sum(curve.residuals**2))
    assert curve.aicc == pytest.approx(6 * math.log(total / 6) + 6 + 2 * 3 * 4 / 2)
    known = fit("mono", times, activity, sd_MBq=np.full(6, 2.0))
    assert known.aicc == pytest.approx(float(np.sum((known.residuals / 2) ** 2)) + 4)


@pytest.mark.parametrize("model", ["mono", "uptake_clearance", "average", "trapezoid"])
@pytest.mark.parametrize("other", ["Ac-225", "Pb-212", "Bi-213", "In-111"])
def test_translation_there_and_back(model, other):
    curve = fit(model, relative_sd=0.1)
    back = curve.translate(other, 0.01).translate("Lu-177", 100.0)
    assert back.time_integrated_activity_MBq_h == pytest.approx(curve.time_integrated_activity_MBq_h, rel=1e-9)
    assert back.sd == pytest.approx(curve.sd, rel=1e-6)


def test_translation_keeps_the_biology():
    curve = fit("uptake_clearance")
    moved = curve.translate("Pb-212", 0.1)
    t = np.array([1.0, 10, 60])
    lu, pb = (nuclide(n).decay_constant_per_h for n in ("Lu-177", "Pb-212"))
    assert moved.activity_MBq(t) * np.exp(pb * t) == pytest.approx(
        0.1 * curve.activity_MBq(t) * np.exp(lu * t), rel=1e-12
    )


# --- daughters -------------------------------------------------------------------------------------------------------

PARENTS = {
    "kidneys": (np.array([3.0, -3.0]), np.array([0.0141, 0.85])),
    "liver": (np.array([8.0]), np.array([0.009])),
    "tumour_1": (np.array([2.0, 1.0]), np.array([0.006, 0.03])),
}


def chain_of(name):
    """Names, constants, branching, and decays of each per decay of the parent (by the chain alone)."""
    names, constants, branching = chain_table(name)
    births = np.zeros(len(names))
    births[0] = 1.0
    for q in range(1, len(names)):
        births[q] = branching[q] @ births
    return names, constants, branching, births


def free_model(names, rng=None, n=1):
    def vary(value, spread=0.3):
        return value if rng is None else value * rng.uniform(1 - spread, 1 + spread, n)

    elements = sorted({name.split("-")[0] for name in names})
    plasma = {e: vary(0.2 + 0.05 * i) for i, e in enumerate(elements)}
    uptake = {e: {"kidneys": vary(0.3), "liver": vary(0.2), "bone": vary(0.1)} for e in elements}
    retention = {e: {"kidneys": vary(5.0), "liver": vary(20.0)} for e in elements}
    retained = {(p, q, "*"): vary(0.4) for p in names for q in names}
    return retained, plasma, uptake, retention


@pytest.mark.parametrize("name", ["Ac-225", "Pb-212", "Ra-223"])
def test_free_daughters_agree_with_a_stiff_solver(name):
    names, constants, branching, _ = chain_of(name)
    parents = {r: (a, k + constants[0]) for r, (a, k) in PARENTS.items()}
    retained, plasma, uptake, retention = free_model(names)
    kinetics = chain_kinetics(parents, name, FreeDaughters(retained, plasma, uptake, retention))
    times = np.array([0.01, 0.1, 0.5, 1, 5, 24, 100.0])

    def local(q):
        return math.log(2) / constants[names.index(q)] * 3600 < 1

    slow = oracle.free_daughters(
        names, constants, branching, parents, times,
        retained=lambda p, q, r: 0.4, plasma=plasma, uptake=uptake, retention=retention, local=local,
    )  # fmt: skip
    activity = kinetics.activity(times)
    for region in kinetics.regions:
        ours, theirs = activity.sel(region=region).values[0], slow[region]
        assert np.abs(ours - theirs).max(axis=1) == pytest.approx(0, abs=1e-7 * np.abs(theirs).max())


@pytest.mark.parametrize("name", ["Ac-225", "Pb-212", "Ra-223", "At-211", "Th-227"])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_daughter_born_decays_once_or_is_excreted(name, seed):
    names, constants, _, births = chain_of(name)
    rng = np.random.default_rng(seed)
    n = 50
    parents = {
        r: (a * rng.lognormal(0, 0.3, (n, 1)), constants[0] + k * rng.lognormal(0, 0.3, (n, 1)))
        for r, (a, k) in PARENTS.items()
    }
    model = FreeDaughters(*free_model(names, rng, n))
    kinetics = chain_kinetics(parents, name, model)
    inside = integrate(kinetics).time_integrated_activity_MBq_h.sum("region").values
    total = inside + kinetics.excreted.values
    assert total / total[:, :1] == pytest.approx(np.broadcast_to(births, total.shape), rel=1e-10)
    assert np.all(inside <= total[:, :1] * births * (1 + 1e-10))
    activity = kinetics.activity(np.geomspace(1e-3, 500, 60)).values
    assert activity.min() >= -1e-9 * activity.max()


def test_in_place_every_region_holds_its_own_chain():
    names, _, _, births = chain_of("Ac-225")
    kinetics = chain_kinetics(PARENTS, "Ac-225", InPlace())
    tia = integrate(kinetics).time_integrated_activity_MBq_h[0]
    assert kinetics.regions == tuple(PARENTS)
    assert tia.values == pytest.approx(np.outer(tia.sel(nuclide="Ac-225").values, births), rel=1e-12)
    # trap: 212Po and 208Tl are 64 and 36 %, not both 100 %
    lead = integrate(chain_kinetics({"liver": ([1.0], [0.07])}, "Pb-212", InPlace())).decays[0, 0]
    per_parent = lead / lead.sel(nuclide="Pb-212")
    assert float(per_parent.sel(nuclide="Po-212")) == pytest.approx(0.6406, abs=5e-4)
    assert float(per_parent.sel(nuclide="Po-212") + per_parent.sel(nuclide="Tl-208")) == pytest.approx(1, abs=1e-9)
    assert names[0] == "Ac-225"


def test_all_retained_equals_in_place():
    names, *_ = chain_of("Ac-225")
    retained, *rest = free_model(names)
    kept = chain_kinetics(PARENTS, "Ac-225", FreeDaughters(dict.fromkeys(retained, 1.0), *rest))
    place = chain_kinetics(PARENTS, "Ac-225", InPlace())
    t = np.geomspace(0.01, 300, 30)
    assert kept.activity(t).values == pytest.approx(place.activity(t).values, rel=1e-12, abs=1e-15)


def test_only_decay_agrees_with_the_nuclide_room():
    """A region that only decays is a sealed source: the chain solver of `physics` gives its decays."""
    constant = nuclide("Ac-225").decay_constant_per_h
    ours = integrate(chain_kinetics({"vial": ([2.0], [constant])}, "Ac-225", InPlace()), 100.0).decays[0, 0]
    theirs = decays({"Ac-225": 2.0}, 100.0)
    for name in ours.coords["nuclide"].values:
        assert float(ours.sel(nuclide=name)) == pytest.approx(float(theirs.sel(nuclide=name)), rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e-13, 1e-10, 1e-8, -1e-8, 1e-6, 1e-4])
def test_a_rate_that_meets_a_decay_constant_is_no_pole(offset):
    """Carrier clearing exactly as fast as 212Bi decays: A = a lambda t exp(-lambda t), the confluent solution."""
    bismuth = nuclide("Bi-212").decay_constant_per_h
    kinetics = chain_kinetics({"liver": ([1.0], [bismuth * (1 + offset)])}, "Pb-212", InPlace())
    t = np.array([0.1, 1.0, 3.0, 8.0])
    branch = chain_table("Pb-212")[2][1, 0]
    found = kinetics.activity(t).sel(nuclide="Bi-212", region="liver")[0]
    exact = branch * bismuth * t * np.exp(-bismuth * t) * (1 - offset * bismuth * t / 2)
    assert np.asarray(found) == pytest.approx(exact, rel=2e-5)
    tia = integrate(kinetics).time_integrated_activity_MBq_h[0, 0]
    assert float(tia.sel(nuclide="Bi-212")) == pytest.approx(branch * float(tia.sel(nuclide="Pb-212")), rel=1e-9)


def test_short_lived_daughters_are_in_secular_equilibrium():
    kinetics = chain_kinetics(PARENTS, "Ac-225", InPlace())
    late = kinetics.activity([200.0]).sel(region="liver")[0, :, 0]
    assert float(late.sel(nuclide="At-217") / late.sel(nuclide="Fr-221")) == pytest.approx(1, rel=1e-5)
    assert float(late.sel(nuclide="Po-213") / late.sel(nuclide="Bi-213")) == pytest.approx(0.9791, rel=1e-3)


@given(st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_more_retention_never_lowers_the_tumour(first, second):
    names, *_ = chain_of("Ac-225")
    retained, *rest = free_model(names)
    low, high = sorted((first, second))
    tia = [
        float(
            integrate(chain_kinetics(PARENTS, "Ac-225", FreeDaughters(dict.fromkeys(retained, f), *rest)))
            .time_integrated_activity_MBq_h.sel(region="tumour_1", nuclide="Bi-213")
            .item()
        )
        for f in (low, high)
    ]
    assert tia[0] <= tia[1] * (1 + 1e-12)


def test_partial_integrals_add_up():
    kinetics = chain_kinetics(PARENTS, "Ac-225", InPlace())
    t = np.linspace(0, 50, 200_001)
    liver = kinetics.activity(t).sel(region="liver", nuclide="Bi-213").values[0]
    assert float(integrate(kinetics, 50.0).decays.sel(region="liver", nuclide="Bi-213").item()) == pytest.approx(
        3.6e9 * np.trapezoid(liver, t), rel=1e-7
    )
    assert integrate(kinetics, 1e9).decays.values == pytest.approx(integrate(kinetics).decays.values, rel=1e-12)
