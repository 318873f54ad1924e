"""The continual reassessment method: against quadrature, its rules of conduct, weights, refusals."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import DomainError
from alphatwin.trials import Records, blrm, blrm_design, crm, crm_design, crm_skeleton, follow_up_weights, tite_crm
from alphatwin.trials.continual import PRIOR_SD, _fit, grid_for
from oracle import trial_designs as oracle

SKELETON = (0.05, 0.10, 0.20, 0.35, 0.50, 0.70)
LEVELS, DLT = [3, 4, 4, 3, 3, 4, 3, 2, 2, 2], [0, 0, 1, 0, 0, 1, 1, 0, 0, 0]


def records(level, dlt, follow_up, levels, **more):
    level = np.array([level])
    return Records(
        level,
        np.array([dlt], dtype=bool),
        np.array([follow_up], dtype=float),
        level[:, -1],
        np.array([levels]),
        levels,
        **more,
    )


@pytest.mark.parametrize("model", ["empiric", "logistic"])
@pytest.mark.parametrize("prior_sd", [PRIOR_SD, 0.5])
def test_posterior_agrees_with_quadrature(model, prior_sd):
    weights = [1, 1, 1, 0.4, 1, 1, 1, 0.9, 0.05, 0.5]
    follow = [w * 28.0 for w in weights]
    fit = crm(SKELETON, 0.2, LEVELS, DLT, prior_sd, model, follow_up=follow, window=28.0)
    mean, variance, rates, over = oracle.crm_posterior(SKELETON, 0.2, LEVELS, DLT, fit.weights, prior_sd, model)
    assert fit.estimate == pytest.approx(mean, abs=1e-9)
    assert fit.variance == pytest.approx(variance, abs=1e-9)
    np.testing.assert_allclose(fit.mean_probabilities, rates, atol=1e-9)
    np.testing.assert_allclose(fit.overdose, over, atol=1e-6)


@pytest.mark.parametrize("patients", [0, 1, 10, 36, 200])
@pytest.mark.parametrize("model", ["empiric", "logistic"])
def test_doubling_the_grid_changes_nothing(patients, model):
    """The estimate of the trial's own grid is converged to 1e-10 (a posterior far from the prior included)."""
    stream = np.random.Generator(np.random.Philox(key=patients))
    level = stream.integers(1, 7, patients)
    event = (stream.random(patients) < 0.3).astype(np.int64)
    once = _fit(SKELETON, 0.2, level, event, np.ones(patients), PRIOR_SD, model, "plug-in", 3.0)
    twice = _fit(SKELETON, 0.2, level, event, np.ones(patients), PRIOR_SD, model, "plug-in", 3.0, finer=2)
    assert once.estimate == pytest.approx(twice.estimate, abs=1e-10)
    n = np.bincount(level - 1, minlength=6)[None, :]
    y = np.bincount(level - 1, weights=event, minlength=6).astype(int)[None, :]
    coarse, fine = (grid_for(SKELETON, PRIOR_SD, model, 3.0, max(patients, 1), k).posterior(n, y) for k in (1, 2))
    np.testing.assert_allclose(coarse, fine, atol=1e-10)


def test_without_patients_the_posterior_is_the_prior():
    fit = crm(SKELETON, 0.2, [], [])
    assert fit.estimate == pytest.approx(0.0, abs=1e-12)
    assert fit.variance == pytest.approx(1.34, abs=1e-9)
    np.testing.assert_allclose(fit.plug_in, SKELETON, atol=1e-12)


def test_complete_follow_up_is_the_crm_and_none_is_no_information():
    full = crm(SKELETON, 0.2, LEVELS, DLT, follow_up=[40.0] * 10, window=28.0)
    plain = crm(SKELETON, 0.2, LEVELS, DLT)
    assert full.estimate == plain.estimate
    fresh = crm(SKELETON, 0.2, [*LEVELS, 1, 6], [*DLT, 0, 0], follow_up=[28.0] * 10 + [0.0, 0.0], window=28.0)
    assert fresh.estimate == pytest.approx(plain.estimate, abs=1e-12)


def test_plug_in_and_mean_rates_are_named_and_can_recommend_different_levels():
    plug_in, mean = (crm(SKELETON, 0.2, [2] * 6, [0] * 6, rates=name) for name in ("plug-in", "mean"))
    np.testing.assert_array_equal(plug_in.probabilities, plug_in.plug_in)
    np.testing.assert_array_equal(mean.probabilities, plug_in.mean_probabilities)
    assert (plug_in.recommended, mean.recommended) == (5, 4)
    assert crm(SKELETON, 0.2, [2] * 6, [0] * 6).rates == "plug-in"
    designs = [crm_design(SKELETON, 0.2, rates=name, skip=True) for name in ("plug-in", "mean")]
    assert [d.decide([0, 6, 0, 0, 0, 0], [0] * 6, 2).level for d in designs] == [5, 4]


def test_weights():
    np.testing.assert_allclose(follow_up_weights([0, 3, 6, 9, 2], [0, 0, 0, 0, 1], 6.0), [0, 0.5, 1, 1, 1])
    # two DLTs, at 2 and 4: pieces of one third of the weight each
    np.testing.assert_allclose(
        follow_up_weights([1.0, 2.0, 3.0, 5.0, 2.0, 4.0], [0, 0, 0, 0, 1, 1], 6.0, "adaptive"),
        [1 / 6, 1 / 3, 0.5, 5 / 6, 1, 1],
    )
    np.testing.assert_allclose(follow_up_weights([3.0], [0], 6.0, "adaptive"), [0.5])  # no DLT yet: linear
    # four cycles, half of the hazard in the last
    np.testing.assert_allclose(
        follow_up_weights([6, 12, 18, 21, 24], [0] * 5, 24.0, [1, 1, 2, 4]), [1 / 8, 2 / 8, 4 / 8, 6 / 8, 1]
    )


@pytest.mark.parametrize("scheme", ["linear", "adaptive", (0.5, 0.3, 0.2)])
def test_batch_of_records_equals_the_single_fit(scheme):
    stream = np.random.Generator(np.random.Philox(key=7))
    design = tite_crm(SKELETON, 0.2, 6.0, weights=scheme, coherence="none", skip=True)
    for _ in range(20):
        level = stream.integers(1, 7, 12)
        event = stream.random(12) < 0.3
        follow = stream.random(12) * 8
        fit = crm(SKELETON, 0.2, level, event.astype(int), follow_up=follow, window=6.0, weights=scheme)
        rates, _ = design.estimate_batch(*design.weighted(records(level, event, follow, 6)))
        np.testing.assert_allclose(rates[0], fit.probabilities, atol=1e-9)
        assert design.decide_records_batch(records(level, event, follow, 6))[0][0] == fit.recommended


def test_coherence_rules_differ():
    """One DLT in a cohort of five: 'cohort' asks whether 1/5 reaches the target, 'any' whether there was a DLT."""
    n, y = [5, 20, 5, 0, 0, 0], [0, 0, 1, 0, 0, 0]
    moves = {
        name: crm_design(SKELETON, 0.25, cohort_size=5, cohorts=8, coherence=name).decide(n, y, 3, last=(5, 1)).level
        for name in ("none", "cohort", "any")
    }
    assert moves == {"none": 4, "cohort": 4, "any": 3}
    held = crm_design(SKELETON, 0.20, cohort_size=5, cohorts=8).decide(n, y, 3, last=(5, 1)).level
    assert held <= 3  # 1/5 is not below 0.20


def test_no_untried_level_is_skipped_unless_asked():
    n, y = [3, 0, 0, 0, 0, 0], [0] * 6
    assert crm_design(SKELETON, 0.2).decide(n, y, 1).level == 2
    assert crm_design(SKELETON, 0.2, skip=True).decide(n, y, 1).level > 2


def test_the_mtd_was_given_to_somebody_unless_asked():
    """A last cohort without DLT asks for a level nobody received; that is not a recommendation."""
    n, y = [3, 3, 3, 0, 0, 0], [0] * 6
    design = crm_design(SKELETON, 0.2)
    assert design.decide(n, y, 3).level == 4
    assert design.select(n, y) == 3
    assert crm_design(SKELETON, 0.2, selection="model").select(n, y) > 3


def test_stopping_for_toxicity_and_for_enough():
    design = crm_design(SKELETON, 0.2, stop_above=0.9)
    decision = design.decide([6, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0], 1)
    assert decision.stops
    assert decision.top == 0
    assert design.select([6, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0], top=decision.top) == 0
    assert not crm_design(SKELETON, 0.2).decide([6, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0], 1).stops
    settled = crm_design(SKELETON, 0.2, enough=12)
    n, y = [3, 3, 12, 0, 0, 0], [0, 0, 2, 0, 0, 0]
    assert crm_design(SKELETON, 0.2).decide(n, y, 3, last=(3, 1)).level == 3
    assert settled.decide(n, y, 3, last=(3, 1)).stops


def test_the_stop_probability_is_that_of_the_single_fit():
    n, y = np.array([[3, 6, 3, 0, 0, 0]]), np.array([[1, 2, 1, 0, 0, 0]])
    design = crm_design(SKELETON, 0.2, stop_above=0.9)
    level = np.repeat([1, 2, 3], [3, 6, 3])
    event = [1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0]
    assert design.estimate_batch(n, y)[1][0] == pytest.approx(crm(SKELETON, 0.2, level, event).overdose[0], abs=2e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 1)), max_size=30), st.floats(0.1, 0.5))
def test_rates_rise_with_the_level_and_lie_within_zero_and_one(patients, target):
    fit = crm(SKELETON, target, [p[0] for p in patients], [p[1] for p in patients])
    for rates in (fit.plug_in, fit.mean_probabilities):
        assert (np.diff(rates) > 0).all()
        assert ((rates > 0) & (rates < 1)).all()
    assert (np.diff(fit.overdose) >= -1e-9).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 6), st.integers(1, 6))
def test_one_more_dlt_never_lowers_a_rate(events, level):
    low = crm(SKELETON, 0.2, [level] * 7, [1] * events + [0] * (7 - events))
    high = crm(SKELETON, 0.2, [level] * 7, [1] * (events + 1) + [0] * (6 - events))
    assert (high.plug_in >= low.plug_in).all()


@pytest.mark.parametrize("model", ["empiric", "logistic"])
def test_the_skeleton_has_its_indifference_intervals(model):
    """Where two neighbours are equally far from the target, they are target -+ the half width."""
    target, half = 0.25, 0.06
    skeleton = crm_skeleton(half, target, 2, 5, model)
    assert skeleton[1] == pytest.approx(target)
    grid = grid_for(skeleton, 1.0, model, 3.0, 10)
    for d in range(4):
        b = grid.edge(target - half, skeleton[d])
        np.testing.assert_allclose(grid.rates(np.array(b))[d : d + 2], [target - half, target + half], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"skeleton": [0.1, 0.1, 0.2]}, "must rise"),
        ({"skeleton": [0.1, 0.3, 0.2]}, "level 2 is 0.3, level 3 is 0.2"),
        ({"skeleton": [0.0, 0.1, 0.2]}, "level 1 is 0"),
        ({"skeleton": [0.1, 0.2, 1.0]}, "level 3 is 1"),
        ({"skeleton": []}, "empty"),
        ({"target": 0.0}, "above 0 and below 1"),
        ({"target": 1.0}, "above 0 and below 1"),
        ({"levels": [1, 4, 2]}, "Patient 2: level 4; levels are counted from 1 to 3"),
        ({"levels": [0, 1, 2]}, "Patient 1"),
        ({"dlt": [0, 2, 0]}, "Patient 2: DLT is 2; it must be 0"),
        ({"dlt": [0, 1]}, "3 levels and 2 DLTs"),
        ({"dlt": [0, "1", 0]}, "Patient 2: DLT is '1'"),
        ({"dlt": [0, float("nan"), 0]}, "Patient 2"),
        ({"levels": [1, 2.5, 2]}, "Patient 2: level 2.5"),
        ({"levels": [1, None, 2]}, "Patient 2: level None"),
        ({"prior_sd": 0.0}, "prior_sd"),
        ({"prior_sd": -1.0}, "prior_sd"),
        ({"model": "empirical"}, "Did you mean empiric"),
        ({"follow_up": [1, 1, 1]}, "follow_up without window"),
        ({"window": 6.0}, "window without follow_up"),
        ({"follow_up": [1, 1], "window": 6.0}, "2 follow-up times for 3 patients"),
        ({"follow_up": [1, -1, 1], "window": 6.0}, "Patient 2: follow-up -1"),
        ({"follow_up": [1, float("nan"), 1], "window": 6.0}, "Patient 2: follow-up nan"),
        ({"follow_up": [1, 1, 1], "window": 0.0}, "window"),
        ({"follow_up": [1, 1, 1], "window": 6.0, "weights": "linea"}, "Did you mean linear"),
        ({"follow_up": [1, 1, 1], "window": 6.0, "weights": [0.5, -0.5]}, "at least 0"),
        ({"rates": "median"}, "rates"),
        ({"model": "logistic", "intercept": -3.0}, "log odds"),
    ],
)
def test_bad_input_is_refused_with_what_is_allowed(change, words):
    given = {"skeleton": [0.1, 0.2, 0.3], "target": 0.25, "levels": [1, 2, 2], "dlt": [0, 0, 1]}
    with pytest.raises(DomainError, match=words):
        crm(**{**given, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"halfwidth": 0.3}, "halfwidth"),
        ({"halfwidth": 0.0}, "halfwidth"),
        ({"nu": 7}, "nu"),
        ({"nlevels": 0}, "nlevels"),
    ],
)
def test_bad_skeleton_requests_are_refused(change, words):
    with pytest.raises(DomainError, match=words):
        crm_skeleton(**{"halfwidth": 0.05, "target": 0.25, "nu": 3, "nlevels": 6, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cohorts": 0}, "cohorts"),
        ({"cohort_size": 2.5}, "cohort_size"),
        ({"start": 7}, "start is 7; it must be a whole number from 1 to 6"),
        ({"coherence": "dlt"}, "coherence"),
        ({"stop_above": 1.0}, "stop_above"),
    ],
)
def test_bad_crm_designs_are_refused(change, words):
    with pytest.raises(DomainError, match=words):
        crm_design(SKELETON, 0.2, **change)


def test_the_text_names_every_number():
    text = tite_crm(SKELETON, 0.2, 24.0, weights=[2, 1, 1], prior_sd=0.75, stop_above=0.9).protocol_text()
    for words in (
        "TITE-CRM",
        "0.05, 0.1, 0.2, 0.35, 0.5, 0.7",
        "0.75",
        "36 patients",
        "0.5, 0.25, 0.25",
        "window of 24",
        "0.9",
    ):
        assert words in text
    assert "No rule stops the trial early" in crm_design(SKELETON, 0.2).protocol_text()


# --- two parameters ----------------------------------------------------------------------------------------------------------


def test_two_parameter_grid_agrees_with_quadrature():
    doses, n, y = [1.0, 2.5, 5.0, 10.0], [3, 6, 6, 0], [0, 1, 2, 0]
    level = np.repeat([1, 2, 3], [3, 6, 6])
    event = [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    fit = blrm(doses, level, event, 5.0, prior_mean=(-1.0, 0.2), prior_sd=(1.5, 0.7), prior_correlation=-0.3)
    slow = oracle.two_parameter(doses, 5.0, n, y, (-1.0, 0.2), (1.5, 0.7), -0.3, (0.16, 0.33))
    np.testing.assert_allclose(np.column_stack([fit.under, fit.target, fit.over]), slow[:, :3], atol=2e-6)
    np.testing.assert_allclose(fit.probabilities, slow[:, 3], atol=1e-8)


def test_the_grid_of_a_simulation_is_converged():
    """Doubling the grid that designs use moves no probability by 1e-4."""
    from alphatwin.trials.overdose import posterior

    design = blrm_design([1, 2, 4, 6, 8, 10], reference=10.0)
    stream = np.random.Generator(np.random.Philox(key=3))
    n = stream.integers(0, 13, (40, 6))
    y = stream.binomial(n, 0.3)
    coarse, fine = (posterior(design.model, n, y, int(n.sum(axis=1).max()), k)[0] for k in (1, 2))
    np.testing.assert_allclose(coarse, fine, atol=1e-4)
    np.testing.assert_allclose(coarse.sum(axis=2), 1.0, atol=1e-12)


def test_overdose_control_closes_levels_and_stops():
    design = blrm_design([2.5, 5.0, 7.5, 10.0], reference=10.0, overdose_limit=0.25)
    fit = blrm([2.5, 5.0, 7.5, 10.0], [1, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 0], 10.0)
    decision = design.decide([3, 3, 0, 0], [0, 2, 0, 0], 2)
    assert (fit.over[: decision.level] <= 0.25).all()
    assert decision.level == fit.recommended == 1
    stopped = design.decide([3, 0, 0, 0], [3, 0, 0, 0], 1)
    assert stopped.stops
    assert stopped.top == 0
    assert design.select([3, 0, 0, 0], [3, 0, 0, 0], top=0) == 0
    strict = dataclasses.replace(design, overdose_limit=0.01)
    assert strict.decide([3, 0, 0, 0], [0, 0, 0, 0], 1).stops


def test_steps_are_limited():
    doses = [1.0, 1.5, 4.0]
    free = blrm_design(doses, 4.0).decide([6, 6, 0], [0, 0, 0], 2)
    limited = blrm_design(doses, 4.0, max_increase=2.0).decide([6, 6, 0], [0, 0, 0], 2)
    assert (free.level, limited.level) == (3, 2)
    skipping = blrm_design([1.0, 1.01, 1.02], 4.0, skip=True).decide([6, 0, 0], [0, 0, 0], 1)
    assert skipping.level == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"doses": [1, 1, 2]}, "must rise"),
        ({"reference": 0.0}, "reference"),
        ({"prior_sd": (1.0, 0.0)}, "prior_sd"),
        ({"prior_mean": (1.0,)}, "two numbers"),
        ({"prior_correlation": 1.0}, "prior_correlation"),
        ({"interval": (0.33, 0.16)}, "must rise"),
        ({"overdose_limit": 0.0}, "overdose_limit"),
    ],
)
def test_bad_two_parameter_designs_are_refused(change, words):
    with pytest.raises(DomainError, match=words):
        blrm_design(**{"doses": [1, 2, 4], "reference": 4.0, **change})


def test_blrm_text_has_its_numbers():
    text = blrm_design([1, 2, 4], 4.0, overdose_limit=0.3, max_increase=2.0).protocol_text()
    for words in ("1, 2, 4", "0.3", "0.16 to 0.33", "at most 2 times", f"{math.log(0.5):.4g}"):
        assert words in text
