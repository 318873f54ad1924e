"""Operating characteristics against published values, closed forms and themselves: exact = simulated within error."""

import math

import numpy as np
import pytest

from alphatwin.trials import (
    boin,
    crm_design,
    keyboard,
    mtpi2,
    operating_characteristics,
    three_plus_three,
    tite_crm,
    true_mtd,
)
from alphatwin.trials._exact import exact_states
from alphatwin.trials.calendar import Calendar
from alphatwin.trials.protection_trial import protection_trial
from alphatwin.trials.truth import CourseTruth, EgfrDecline, LateHazard, Probabilities
from oracle import trials as slow

TRUTH = (0.02, 0.05, 0.10, 0.25, 0.45)


def test_three_plus_three_is_exact_to_the_digits_known():
    # a 3+3 trial is a product of binomials; the values were computed twice, by R and by hand-written recursion
    found = operating_characteristics(three_plus_three(), TRUTH)
    assert found.exact
    expected = [0.004573, 0.026436, 0.090943, 0.351348, 0.403285, 0.123416]
    np.testing.assert_allclose(found.selection, expected, atol=6e-7)
    assert found.mean_total_patients == pytest.approx(16.147587, abs=6e-7)
    assert not found.standard_error.any()


def test_three_plus_three_none_is_a_closed_form():
    # nothing is selected when level 1 shows 2 of 3, or 1 of 3 and then 1 or more of 3 more
    p, q = 0.3, 0.7
    first_two = 3 * p**2 * q + p**3
    one_then_more = 3 * p * q**2 * (1 - q**3)
    assert operating_characteristics(three_plus_three(), [p, 0.5, 0.6]).selection[0] == pytest.approx(
        first_two + one_then_more, abs=1e-12
    )


def test_the_selected_level_is_not_the_next_level():
    """BOIN, four cohorts of 3: escalation would name level 5 with P = 0.248, where nobody was treated."""
    design = boin(target=0.25, cohort_size=3, cohorts=4)
    found = operating_characteristics(design, TRUTH)
    assert found.selection[5] == 0.0
    assert found.mean_patients[4] == 0.0
    # level 4 is reached only by the fourth cohort: 0/3, 0/3, 0/3 below it in the shortest way
    reach = (0.98 * 0.95 * 0.90) ** 3
    assert found.selection[4] == pytest.approx(0.496, abs=5e-4)
    assert 0.75**3 * reach == pytest.approx(0.248, abs=5e-4)


def test_same_escalation_other_selection():
    """The same doses and data, another selector: 0.496 or 0.248 for level 4 (isotonic; with rates above lambda_d refused)."""
    free = operating_characteristics(boin(target=0.25, cohort_size=3, cohorts=4), TRUTH)
    bound = operating_characteristics(boin(target=0.25, cohort_size=3, cohorts=4, bound_mtd=True), TRUTH)
    np.testing.assert_array_equal(free.mean_patients, bound.mean_patients)
    assert free.selection[4] == pytest.approx(0.496, abs=5e-4)
    assert bound.selection[4] == pytest.approx(0.248, abs=5e-4)


@pytest.mark.parametrize(
    "design",
    [boin(target=0.25, cohort_size=3, cohorts=4), boin(target=0.3, cohort_size=1, cohorts=6), three_plus_three(),
     keyboard(target=0.3, cohort_size=2, cohorts=4), mtpi2(target=0.3, cohort_size=3, cohorts=3),
     crm_design([0.1, 0.25, 0.4], 0.25, 2, 4)],
    ids=lambda d: d.name,
)  # fmt: skip
def test_recursion_equals_a_dictionary_of_states(design):
    truth = [0.1, 0.3, 0.5]
    selection, patients = slow.characteristics(design, truth)
    found = operating_characteristics(design, truth)
    np.testing.assert_allclose(found.selection, selection, atol=1e-12)
    np.testing.assert_allclose(found.mean_patients, patients, atol=1e-11)


def test_ends_are_merged_and_complete():
    """As many ends as the dictionary has keys, the same probability for each."""
    design, truth = boin(target=0.25, cohort_size=3, cohorts=4), [0.1, 0.3, 0.5]
    ends, twin = exact_states(design, np.array(truth)), slow.recursion(design, truth)
    assert ends.probability.sum() == pytest.approx(1.0, abs=1e-12)
    assert len(ends.probability) == len(twin)
    s = ends.states
    for n, y, top, current, p in zip(s.n, s.y, s.top, s.current, ends.probability, strict=True):
        zero = (0,) * 3
        assert p == pytest.approx(twin[(tuple(n), tuple(y), zero, zero, int(top), int(current))], abs=1e-13)


@pytest.mark.parametrize(
    ("design", "truth"),
    [(boin(target=0.25, cohort_size=3, cohorts=10), (0.05, 0.1, 0.2, 0.3, 0.45, 0.6)), (three_plus_three(), TRUTH),
     (crm_design([0.05, 0.10, 0.20, 0.35, 0.50, 0.70], 0.20, 3, 12), (0.05, 0.1, 0.2, 0.3, 0.45, 0.6))],
    ids=["boin", "3+3", "crm"],
)  # fmt: skip
def test_exact_equals_simulated_within_its_error(design, truth):
    exact = operating_characteristics(design, truth)
    simulated = operating_characteristics(design, truth, False, trials=40_000, seed=11)
    assert exact.exact
    assert not simulated.exact
    assert (np.abs(simulated.selection - exact.selection) < 4.5 * simulated.standard_error).all()
    assert (np.abs(simulated.mean_patients - exact.mean_patients) < 4.5 * simulated.mean_patients_error + 1e-12).all()
    assert simulated.sd_total_patients == pytest.approx(exact.sd_total_patients, rel=0.05, abs=0.05)


def test_the_calendar_changes_nothing_for_a_design_that_waits():
    design, truth = boin(target=0.25, cohort_size=3, cohorts=6), Probabilities(TRUTH, window_weeks=8.0)
    exact = operating_characteristics(design, truth)
    timed = operating_characteristics(design, truth, trials=20_000, calendar=Calendar(2.0, 1.0, 0.05))
    assert (np.abs(timed.selection - exact.selection) < 4.5 * timed.standard_error).all()


def test_duration_of_a_trial_that_waits_is_a_closed_form():
    """Cohorts of one, no toxicity: every patient arrives after the last window and its reading, n (gap + window + delay)."""
    calendar, n, window = Calendar(accrual_per_month=3.0, read_delay_weeks=0.5), 8, 6.0
    design = boin(target=0.25, cohort_size=1, cohorts=n)
    found = operating_characteristics(
        design, Probabilities((0.0, 0.0), window_weeks=window), trials=20_000, calendar=calendar
    )
    # patients arrive as a Poisson process from the last enrolment on: the wait is max(0, window + delay - gap)
    g, hold = calendar.mean_gap_weeks, window + 0.5
    between = hold + g * math.exp(-hold / g)  # mean of max(gap, hold)
    assert abs(found.mean_weeks - (g + (n - 1) * between + hold)) < 4 * found.mean_weeks_error


def test_a_late_truth_is_what_its_patients_do():
    """Cumulative incidence by quadrature against patients drawn event by event, with death and progression competing."""
    truth = CourseTruth(
        (4.0, 10.0), 4, 8.0, (0.03, 0.10), LateHazard(0.3, 32.0, 2.0, 1.5), LateHazard(0.06, 24.0, 1.5),
        acute_weeks=6.0, death_median_months=20.0, progression_median_months=12.0,
    )  # fmt: skip
    rng = np.random.Generator(np.random.Philox(key=5))
    n = 20_000
    renal = truth.estimand("renal_grade3_24_months").values
    for dose in range(2):
        drawn = np.array([slow.course(truth, rng, dose) for _ in range(n)])
        for weeks in (5.0, 20.0, 60.0, 104.357142857):
            share = float((drawn[:, 0] <= weeks).mean())
            known = float(truth.toxicity_by(weeks)[dose])
            assert abs(share - known) < 4.5 * math.sqrt(known * (1 - known) / n)
        late = float((drawn[:, 1] <= 104.357142857).mean())
        assert abs(late - renal[dose]) < 4.5 * math.sqrt(renal[dose] / n)
        assert abs(drawn[:, 3].mean() - truth.mean_cycles()[dose]) < 4.5 * drawn[:, 3].std() / math.sqrt(n)


def test_crossing_of_egfr_is_a_normal_probability_where_the_entry_rule_does_not_cut():
    """B and L normal and independent: P(B - L s < threshold) = Phi(...), when nearly nobody is excluded."""
    from scipy.special import ndtr

    kidney = EgfrDecline(80.0, 8.0, 0.2, 4.0, minimum=30.5)
    years = 2.0
    weeks = years * 12 * 30.4375 / 7
    mean = kidney.mean_loss_per_year(40.0)
    expected = ndtr((mean * years - 50.0) / math.hypot(8.0, 4.0 * years))
    assert float(kidney.by(weeks, 40.0)) == pytest.approx(float(expected), rel=2e-6)


def test_late_aware_designs_see_what_a_window_misses():
    """Same patients: a window of one cycle selects a dose with far more than the target; two years of follow-up do not."""
    truth = CourseTruth((4.0, 6.0, 8.0, 10.0, 12.0), 4, 8.0, (0.01, 0.02, 0.04, 0.07, 0.12),
                        LateHazard(0.30, 32.0, 2.0, 1.5), LateHazard(0.03, 24.0, 1.5), death_median_months=40.0,
                        progression_median_months=24.0)  # fmt: skip
    two_years = 104.0
    blind = operating_characteristics(boin(target=0.25, cohort_size=3, cohorts=12), truth, window_weeks=8.0)
    patient = operating_characteristics(boin(target=0.25, cohort_size=3, cohorts=12), truth, window_weeks=two_years)
    aware = operating_characteristics(
        tite_crm([0.07, 0.14, 0.25, 0.37, 0.5], 0.25, two_years, 3, 12), truth, trials=1000
    )
    risk = {k: oc.at_selected("toxicity_24_months") for k, oc in (("b", blind), ("p", patient), ("a", aware))}
    assert risk["b"][0] > 0.5
    assert abs(risk["p"][0] - 0.25) < 0.03  # the nearest level differs from the target by 0.036, both ways
    assert abs(risk["a"][0] - 0.25) < 0.03 + 3 * risk["a"][1]
    # the true MTD of the long window is the level whose two-year toxicity is nearest the target
    assert patient.mtd == true_mtd(truth.toxicity_by(two_years), 0.25) == 3


def test_protection_trial_with_full_follow_up_is_the_textbook_formula():
    trial = protection_trial(slope_sd=6.0, residual_sd=5.0, control_slope=-8.4, benefit=0.4, source="[assumed]")
    one = slow.ols_slope_variance([t / 12 for t in trial.visits_months], 6.0, 5.0)
    assert trial.standard_error(100) == pytest.approx(math.sqrt(2 * one / 100), rel=1e-12)
    # n = 2 (z_a + z_b)^2 s^2 / delta^2, by normal quantiles; the t distribution adds about z^2/4 = 1 patient
    n = 2 * (1.959964 + 1.281552) ** 2 * one / 3.36**2
    assert n <= trial.patients_per_arm(0.9) <= n + 2.0


@pytest.mark.slow
def test_protection_trial_power_is_found_again_by_simulation():
    trial = protection_trial(
        slope_sd=6.0, residual_sd=5.0, control_slope=-8.4, benefit=0.4, source="[assumed]", dropout_per_year=0.15
    )
    power, error = trial.simulated_power(99, 6000, seed=2)
    # estimated variances cost about a hundredth of power beside known ones
    assert abs(power - trial.power(99)) < 3.5 * error + 0.015
    null = protection_trial(slope_sd=6.0, residual_sd=5.0, control_slope=-8.4, benefit=1e-12, source="[assumed]")
    size, error = null.simulated_power(60, 6000, seed=3)
    assert abs(size - 0.05) < 3.5 * error


def test_a_grid_twice_as_fine_changes_nothing():
    """The posterior's grid is converged: doubling it moves no operating characteristic by 1e-4."""
    from alphatwin.trials.continual import CRMDesign, grid_for

    class Finer(CRMDesign):
        @property
        def grid(self):
            return grid_for(self.skeleton, self.prior_sd, self.model, self.intercept, self.max_patients(self.levels), 2)

    options = {"skeleton": (0.05, 0.10, 0.20, 0.35, 0.50, 0.70), "target": 0.20, "cohort_size": 3, "cohorts": 12}
    truth = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6)
    coarse, fine = (operating_characteristics(design(**options), truth) for design in (CRMDesign, Finer))
    assert coarse.exact
    np.testing.assert_allclose(fine.selection, coarse.selection, atol=1e-4)
    np.testing.assert_allclose(fine.mean_patients, coarse.mean_patients, atol=1e-3)
