"""Behaviour of time-activity curves: shapes, notes, options, and what bad input says."""

import math

import numpy as np
import pytest

from alphatwin.catalog import RetentionCurve
from alphatwin.errors import CatalogError, DomainError, FitError
from alphatwin.kinetics import MODELS, Curve, fit_curve, from_retention, remainder

TIMES = (3.7411, 27.7253, 103.0942, 123.9836)
LEFT = (98.561, 73.599, 25.396, 19.047)
BODY = (1328.78, 883.02, 426.22, 357.62)
LU = math.log(2) / (6.6443 * 24)  # only to build inputs; the tests below do not depend on its last digits


def fit(model="mono", times=TIMES, activity=LEFT, **options):
    return fit_curve(times, activity, nuclide="Lu-177", model=model, **options)


@pytest.mark.parametrize(
    ("times", "activity", "options", "says"),
    [
        ([1, 2], [5, 4], {"model": "uptake_clearance"}, "3 parameters, and there are 2 points"),
        ([1, 2, 2], [5, 4, 3], {}, r"times must increase; point 3 \(2 h\) does not come after point 2"),
        ([1, 2, 3], [5, -4, 3], {}, "point 2 is -4 MBq; an activity cannot be negative"),
        ([-1, 2, 3], [5, 4, 3], {}, "point 1 is -1 h; times count from the injection"),
        ([1, 2, 3], [5, math.nan, 3], {}, "activity of point 2 is nan"),
        ([1, math.inf, 3], [5, 4, 3], {}, "time of point 2 is inf"),
        ([1, 2, 3], [0, 0, 0], {}, "every activity is zero"),
        ([1, 2, 3], [5, 3, 4], {}, "rises at its end: 4 MBq at 3 h after 3 MBq at 2 h"),
        ([1, 2, 3], [5, 4], {}, "3 times and 2 activities"),
        ([], [], {}, "0 times and 0 activities"),
        ([24], [5], {}, "one point cannot carry a curve"),
        ([0], [5], {"model": "hanscheid"}, "only point is at the injection"),
        ([24, 48], [5, 4], {"model": "hanscheid"}, "takes one point, and 2 were given"),
        ([24], [5], {"model": "madsen"}, "needs population_half_life_h"),
        ([24], [5], {"model": "madsen", "population_half_life_h": 900.0}, "longer than the physical half-life"),
        ([24], [5], {"model": "madsen", "population_half_life_h": -1.0}, "must be above zero"),
        ([700], [5], {"model": "hanscheid"}, "too late for the Hänscheid rule"),
        ([24], [5], {"model": "trapezoid"}, "needs two points or more"),
        ([1, 2], [5, 4], {"model": "monoo"}, "Did you mean mono"),
        ([1, 2], [5, 4], {"sd_MBq": [1.0, 0.0]}, "above zero for each of the 2 points"),
        ([1, 2], [5, 4], {"relative_sd": 0.0}, "relative_sd is 0.0"),
        ([1, 2], [5, 4], {"weights": "log"}, "no weighting 'log'"),
        ([1, 2], [5, 4], {"model": "trapezoid", "tail": "flat"}, "tail is 'flat'"),
        ([1, 2], [5, 4], {"model": "trapezoid", "before_first": "line"}, "Allowed: linear, constant, decay"),
    ],
)
def test_bad_input_gets_one_message_that_says_where(times, activity, options, says):
    options = {"model": "auto", **options}
    with pytest.raises(FitError, match=says) as caught:
        fit_curve(times, activity, nuclide="Lu-177", where="kinetics.regions.liver", **options)
    assert str(caught.value).startswith("kinetics.regions.liver: ")


def test_unknown_nuclide_is_named():
    with pytest.raises(CatalogError, match="Lu177"):
        fit_curve(TIMES, LEFT, nuclide="Lu177x")


def test_every_model_name_can_be_fitted():
    times = [1, 4, 10, 24, 48, 96, 168, 240]
    activity = (
        50 * np.exp(-0.02 * np.array(times)) + 30 * np.exp(-0.1 * np.array(times)) - 75 * np.exp(-1.5 * np.array(times))
    )
    for model in MODELS:
        if model in ("hanscheid", "madsen"):
            curve = fit(model, [96], [5.0], population_half_life_h=60.0)
        else:
            curve = fit(model, times, activity)
        assert curve.time_integrated_activity_MBq_h > 0
        assert curve.activity_MBq([0.0, 5.0]).shape == (2,)
        assert curve.activity_MBq(5.0).shape == ()


def test_activity_before_the_injection_is_refused():
    with pytest.raises(DomainError, match="-1 h"):
        fit().activity_MBq([-1.0, 2.0])


def test_nothing_clears_slower_than_it_decays_unless_asked():
    times = np.array([4.0, 24, 72, 168])
    slow = 10 * np.exp(-0.5 * LU * times)
    held = fit("mono", times, slow)
    assert held.rates_per_h[0] == held.decay_constant_per_h
    assert held.held == (False, True)
    assert any("held at the physical decay" in note for note in held.notes)
    free = fit("mono", times, slow, allow_slower_than_decay=True)
    assert free.rates_per_h[0] == pytest.approx(0.5 * LU, rel=1e-6)
    assert free.time_integrated_activity_MBq_h > 1.5 * held.time_integrated_activity_MBq_h


def test_criterion_is_infinite_and_named_where_it_is_undefined():
    assert fit("mono").aicc == math.inf  # k = 3 with the variance; n = 4 = k + 1
    auto = fit("auto")
    assert auto.model == "mono"
    assert any("AICc is undefined for 4 points" in note for note in auto.notes)
    five = fit("auto", (3, 10, 30, 60, 100), (90, 82, 60, 37, 20))
    assert any("defined for mono only (not for uptake_clearance, bi)" in note for note in five.notes)


def test_known_sd_makes_four_points_comparable():
    auto = fit("auto", relative_sd=0.02)
    assert set(auto.model_weights) == {"mono", "uptake_clearance"}
    assert sum(auto.model_weights.values()) == pytest.approx(1)
    assert math.isfinite(auto.aicc)


def test_more_points_let_the_criterion_choose_the_true_model():
    times = np.array([1.0, 3, 6, 12, 24, 48, 96, 144, 192])
    noise = 1 + 0.01 * np.array([1, -1, 1, -1, -1, 1, 1, -1, 0.5])
    two = (60 * np.exp(-0.15 * times) + 40 * np.exp(-0.012 * times)) * noise
    assert fit("auto", times, two, relative_sd=0.01).model == "bi"
    one = 80 * np.exp(-0.012 * times) * noise
    assert fit("auto", times, one, relative_sd=0.01).model == "mono"
    uptake = 80 * (np.exp(-0.012 * times) - np.exp(-0.5 * times)) * noise
    assert fit("auto", times, uptake, relative_sd=0.01).model == "uptake_clearance"


def test_average_lies_between_its_members_and_is_wider():
    average = fit("average", relative_sd=0.1)
    tia = [member.time_integrated_activity_MBq_h for member in average.members]
    assert min(tia) < average.time_integrated_activity_MBq_h < max(tia)
    within = sum(w * m.sd**2 for w, m in zip(average.model_weights.values(), average.members, strict=True))
    assert average.sd**2 > within
    times = np.linspace(0.1, 300, 40)
    curves = np.array([member.activity_MBq(times) for member in average.members])
    assert np.all(average.activity_MBq(times) <= curves.max(axis=0) + 1e-9)
    assert np.all(average.activity_MBq(times) >= curves.min(axis=0) - 1e-9)


def test_as_many_points_as_parameters_give_no_sd_but_a_note():
    curve = fit("bi", TIMES, BODY)
    assert math.isnan(curve.sd)
    assert any("uncertainty of the curve is unknown" in note for note in curve.notes)
    assert math.isfinite(fit("bi", TIMES, BODY, relative_sd=0.05).sd)
    amplitude, rate = curve.sample(np.zeros((3, curve.n_scores)))
    assert np.ptp(amplitude, axis=0) == pytest.approx(0)
    assert rate.shape == (3, 2)


@pytest.mark.parametrize("model", ["mono", "uptake_clearance", "bi", "average", "trapezoid"])
def test_samples_keep_the_mean_and_zero_scores_give_the_curve(model):
    data = BODY if model == "bi" else LEFT
    curve = fit(model, TIMES, data, relative_sd=0.1)
    z = np.random.default_rng(7).standard_normal((4000, curve.n_scores))
    amplitude, rate = curve.sample(z)
    tia = np.sum(amplitude / rate, axis=1)
    assert tia.mean() == pytest.approx(curve.time_integrated_activity_MBq_h, rel=1e-12)
    if model != "bi":  # two phases from four points: the delta method is no yardstick there
        assert tia.std() == pytest.approx(curve.sd, rel=0.1)
    if model != "trapezoid":
        assert rate.min() >= curve.decay_constant_per_h
    a0, r0 = curve.sample(np.zeros((1, curve.n_scores)))
    assert np.sum(a0 / r0) == pytest.approx(curve.time_integrated_activity_MBq_h, rel=1e-12)
    if curve.terms is not None:
        at = np.array([1.0, 30, 200])
        assert np.exp(-np.multiply.outer(at, r0[0])) @ a0[0] == pytest.approx(curve.activity_MBq(at), rel=1e-12)


def test_scores_of_another_shape_are_refused():
    curve = fit("mono", relative_sd=0.1)
    with pytest.raises(DomainError, match=r"takes \(samples, 2\)"):
        curve.sample(np.zeros((5, 3)))


def test_an_instant_uptake_is_held_and_said():
    curve = fit("uptake_clearance", TIMES, BODY, relative_sd=0.1)
    assert curve.held[2]
    assert any("quicker than these points" in note for note in curve.notes)
    assert curve.sd < 0.1 * curve.time_integrated_activity_MBq_h


def test_an_sd_that_the_scatter_exceeds_is_widened_to_it():
    """Birge: with chi^2 above the degrees of freedom the sd is that of the scatter, whatever was given; below, what was given."""
    tight, tighter, loose, looser = (fit("mono", relative_sd=s) for s in (0.01, 0.005, 1.0, 2.0))
    assert looser.sd == pytest.approx(2 * loose.sd, rel=1e-6)
    assert tighter.sd == pytest.approx(tight.sd, rel=1e-6)
    dof = len(TIMES) - 2
    assert tight.chi2 > dof > loose.chi2
    # as large as the given one times sqrt(chi^2/dof), written out
    assert tight.sd == pytest.approx(0.01 * loose.sd * np.sqrt(tight.chi2 / dof), rel=1e-6)
    assert any("widened" in n for n in tight.notes)
    assert not any("widened" in n for n in loose.notes)
    assert loose.time_integrated_activity_MBq_h == pytest.approx(tight.time_integrated_activity_MBq_h, rel=1e-9)


def test_scatter_gives_the_sd_where_none_is_given():
    scatter = fit("mono", TIMES, LEFT)
    doubled = fit("mono", TIMES, scatter.activity_MBq(TIMES) + 2 * scatter.residuals)
    assert doubled.sd == pytest.approx(2 * scatter.sd, rel=0.02)


def test_weights_can_be_chosen_apart_from_the_sd():
    both = fit("mono", relative_sd=0.1, weights="uniform")
    assert both.parameters == pytest.approx(fit("mono").parameters, rel=1e-9)
    # Gauss-Markov: the variance is least when the weights are those of the sd
    assert both.sd > fit("mono", relative_sd=0.1).sd


def test_trapezoid_says_its_ends_and_has_no_terms():
    curve = fit("trapezoid", tail="decay", before_first="constant", relative_sd=0.1)
    assert curve.terms is None
    assert len(curve.amplitudes_MBq) == 0
    assert "Trapezoid: the first activity before 3.7411 h." in curve.notes
    assert any("physical decay" in note for note in curve.notes)
    slope = fit("trapezoid")
    assert slope.effective_half_life_h == pytest.approx(
        math.log(2) * (TIMES[3] - TIMES[2]) / math.log(LEFT[2] / LEFT[3])
    )
    rising = fit("trapezoid", (1, 2, 3), (5, 3, 4))
    assert rising.effective_half_life_h == pytest.approx(math.log(2) / rising.decay_constant_per_h)
    assert fit("trapezoid", (1, 2, 3), (5, 3, 0)).tail_fraction == 0


def test_trapezoid_stands_in_by_one_exponential_with_its_own_integral():
    curve = fit("trapezoid")
    amplitude, rate = curve.exponentials()
    assert amplitude.shape == (1,)
    assert float(amplitude[0] / rate[0]) == pytest.approx(curve.time_integrated_activity_MBq_h, rel=1e-12)


def test_translation_refuses_what_would_grow():
    times = np.array([4.0, 24, 72, 168])
    slow = fit("mono", times, 10 * np.exp(-0.2 * LU * times), allow_slower_than_decay=True)
    with pytest.raises(FitError, match="grow for ever"):
        slow.translate("Ac-225")
    with pytest.raises(DomainError, match="activity_ratio"):
        fit().translate("Ac-225", -1.0)


def test_translation_is_said_and_moves_the_points():
    moved = fit().translate("Ac-225", 0.001)
    assert moved.nuclide == "Ac-225"
    assert any("translated to Ac-225" in note for note in moved.notes)
    shift = moved.decay_constant_per_h - fit().decay_constant_per_h
    assert moved.measured_MBq == pytest.approx(0.001 * np.array(LEFT) * np.exp(-shift * np.array(TIMES)))


def test_published_terms_are_checked():
    with pytest.raises(FitError, match="negative at some time"):
        Curve.from_terms([1.0, -2.0], [0.1, 0.5], nuclide="Lu-177")
    with pytest.raises(FitError, match="slower than Lu-177 decays"):
        Curve.from_terms([1.0], [0.001], nuclide="Lu-177")
    with pytest.raises(FitError, match="one finite amplitude"):
        Curve.from_terms([1.0, 2.0], [0.1], nuclide="Lu-177")
    curve = Curve.from_terms([2.0, -2.0], [0.1, 0.5], nuclide="Lu-177", relative_sd=0.2)
    assert curve.sd == pytest.approx(0.2 * curve.time_integrated_activity_MBq_h)
    amplitude, rate = curve.sample(np.array([[0.0], [1.0]]))
    assert rate[0] == pytest.approx(rate[1])
    assert amplitude[1, 0] / amplitude[0, 0] == pytest.approx(math.exp(math.sqrt(math.log1p(0.04))))


def entry(**changes):
    data = {
        "region": "kidneys",
        "terms": [{"fraction": 0.05, "half_life_h": 60.0}],
        "half_lives": "biological",
        "nuclide": "Lu-177",
        "unit": "fraction of administered activity",
        "source": "burnham2002",
        "locator": "none, a test",
        "verified": False,
    }
    return RetentionCurve.model_validate({**data, **changes})


def test_published_retention_gets_the_decay_of_the_nuclide_asked_for():
    curve = from_retention(entry(), 100.0, "Ac-225")
    assert curve.rates_per_h[0] == pytest.approx(math.log(2) / 60 + curve.decay_constant_per_h)
    assert curve.amplitudes_MBq[0] == pytest.approx(5.0)
    assert any("not verified" in note for note in curve.notes)
    effective = from_retention(entry(half_lives="effective"), 100.0, "Lu-177")
    assert effective.rates_per_h[0] == pytest.approx(math.log(2) / 60)
    moved = from_retention(entry(half_lives="effective"), 100.0, "Ac-225")
    assert moved.rates_per_h[0] == pytest.approx(
        math.log(2) / 60 - effective.decay_constant_per_h + moved.decay_constant_per_h
    )
    with pytest.raises(FitError, match="per L"):
        from_retention(entry(unit="fraction of administered activity per L"), 100.0, "Lu-177")
    with pytest.raises(FitError, match="administered activity is 0"):
        from_retention(entry(), 0.0, "Lu-177")


def test_remainder_refuses_organs_larger_than_the_body():
    left = remainder(BODY, {"left": LEFT})
    assert left == pytest.approx(np.array(BODY) - np.array(LEFT))
    with pytest.raises(
        FitError, match=r"liver: the organs together hold more than the whole body at point 2 \(remainder -1 MBq\)"
    ):
        remainder([10.0, 5.0], {"a": [1.0, 6.0]}, where="liver")
    with pytest.raises(FitError, match="a has 1 points and the whole body 2"):
        remainder([10.0, 5.0], {"a": [1.0]})


def test_sources_are_those_of_the_method_used():
    assert fit("hanscheid", [96.0], [5.0]).sources == ("hanscheid2018teff",)
    assert "burnham2002" in fit("auto").sources
    assert "burnham2002" not in fit("mono").sources
    from alphatwin.catalog import sources

    for model in ("mono", "auto", "average"):
        assert set(fit(model).sources) <= set(sources())


def test_points_that_determine_nothing_are_said():
    curve = fit("mono", (150.0, 160.0), (1e-3, 3e-4), relative_sd=0.5)
    assert curve.sd > curve.time_integrated_activity_MBq_h
    assert any("do not determine" in note for note in curve.notes)
    amplitude, rate = curve.sample(np.random.default_rng(3).standard_normal((100, curve.n_scores)))
    assert np.isfinite(amplitude / rate).all()


def test_curves_cannot_be_changed():
    curve = fit()
    with pytest.raises(ValueError, match="read-only"):
        curve.amplitudes_MBq[0] = 1.0
    with pytest.raises(AttributeError):
        curve.model = "bi"
