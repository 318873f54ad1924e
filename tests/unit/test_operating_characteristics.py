"""The engines: same patients for every design, same bits for every cut, refusals, fallbacks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import AlphatwinError, DomainError
from alphatwin.trials import (
    boin,
    boin12,
    crm_design,
    operating_characteristics,
    rolling_six,
    three_plus_three,
    tite_boin,
    tite_crm,
    true_mtd,
    virtual_trials,
)
from alphatwin.trials._exact import _distinct
from alphatwin.trials._simulate import simulate_trials
from alphatwin.trials._uniforms import patient_uniforms
from alphatwin.trials.calendar import Calendar, calendar_trials
from alphatwin.trials.truth import CourseTruth, LateHazard, Probabilities
from oracle import trials as slow

TRUTH = (0.05, 0.12, 0.25, 0.40)
BOIN = boin(target=0.25, cohort_size=3, cohorts=6)
COURSE_OF_FOUR = CourseTruth((4.0, 6.0, 8.0, 12.0), 4, 8.0, (0.02, 0.05, 0.08, 0.12), LateHazard(0.3, 32.0, 2.0))


def test_uniforms_belong_to_the_patient():
    whole = patient_uniforms(7, 0, 20, 9)
    assert whole.shape == (20, 9, 12)
    np.testing.assert_array_equal(patient_uniforms(7, 5, 3, 4), whole[5:8, :4])  # cut anywhere
    np.testing.assert_array_equal(patient_uniforms(7, 5, 3, 4, draws=1), whole[5:8, :4, :4])
    assert (whole > 0).all()
    assert (whole < 1).all()
    assert np.unique(whole).size == whole.size
    assert abs(patient_uniforms(7, 0, 2000, 10, 1).mean() - 0.5) < 4 * math.sqrt(1 / 12 / 80_000)
    assert (patient_uniforms(8, 0, 20, 9) != whole).all()
    assert (patient_uniforms(7 + 2**32, 0, 20, 9) != whole).all()  # the upper half of the seed counts


def test_bits_do_not_depend_on_chunks(monkeypatch):
    import sys

    engine = sys.modules["alphatwin.trials._operating"]
    wanted = [operating_characteristics(BOIN, TRUTH, False, trials=700, seed=4),
              operating_characteristics(BOIN, COURSE_OF_FOUR, False, trials=300, seed=4, calendar=Calendar())]  # fmt: skip
    monkeypatch.setattr(engine, "_CHUNK", 64)
    monkeypatch.setattr(engine, "_CHUNK_TIMES", 64)
    again = [operating_characteristics(BOIN, TRUTH, False, trials=700, seed=4),
             operating_characteristics(BOIN, COURSE_OF_FOUR, False, trials=300, seed=4, calendar=Calendar())]  # fmt: skip
    for a, b in zip(wanted, again, strict=True):
        np.testing.assert_array_equal(a.selection, b.selection)
        np.testing.assert_array_equal(a.mean_patients, b.mean_patients)
        assert a.mean_weeks == b.mean_weeks


@pytest.mark.parametrize(
    "design", [BOIN, three_plus_three(), crm_design([0.05, 0.12, 0.25, 0.4], 0.25, 2, 9)], ids=lambda d: d.name
)
def test_simulation_is_one_trial_after_another(design):
    """Trial i of the array engine is the trial that a loop over patients makes of the same uniforms."""
    u = patient_uniforms(3, 0, 40, design.max_patients(4), 1)[..., 0]
    selected, n, y, kept = simulate_trials(
        design, Probabilities(TRUTH), math.inf, seed=3, first=0, trials=40, keep=True
    )
    for i in range(40):
        chosen, treated, dlt = slow.one_trial(design, TRUTH, u[i])
        assert (int(selected[i]), list(n[i]), list(y[i])) == (chosen, treated, dlt)
    assert (kept.level > 0).sum() == n.sum()


def test_pending_patients_are_seen_as_a_loop_sees_them():
    """TITE-CRM in lockstep over trials against one trial walked through patient by patient."""
    design = tite_crm([0.05, 0.12, 0.25, 0.4], 0.25, 12.0, 1, 15, coherence="none")
    calendar, truth = Calendar(accrual_per_month=3.0, read_delay_weeks=1.0), Probabilities(TRUTH, window_weeks=12.0)
    found = calendar_trials(design, truth, calendar, 12.0, seed=9, first=0, trials=25)
    u = patient_uniforms(9, 0, 25, 15, 1)
    gaps = -np.log(u[..., 2]) * calendar.mean_gap_weeks
    times = truth.drawn(u).toxicity_weeks
    for i in range(25):
        walked = slow.tite_trial(design, gaps[i], times[i], 12.0, 1.0)
        assert [p[1] for p in walked] == list(found.level[i][found.level[i] > 0])
        np.testing.assert_allclose([p[0] for p in walked], found.enrolled_weeks[i][: len(walked)], rtol=1e-12)


def test_common_patients_make_designs_comparable():
    """Trials of two designs on one seed share arrivals and tolerance: with no choice to make they are the same trials."""
    one = virtual_trials(boin(target=0.25, cohort_size=3, cohorts=4), (0.2,), 50, seed=2, calendar=Calendar())
    two = virtual_trials(crm_design([0.2], 0.25, 3, 4), (0.2,), 50, seed=2, calendar=Calendar())
    np.testing.assert_array_equal(one.dlt[:, :3], two.dlt[:, :3])
    np.testing.assert_array_equal(one.enrolled_weeks[:, :3], two.enrolled_weeks[:, :3])


def test_dropouts_are_replaced_by_designs_that_wait():
    calendar = Calendar(accrual_per_month=2.0, dropout_per_month=0.3)
    found = virtual_trials(BOIN, Probabilities((0.0, 0.0, 0.0, 0.0), window_weeks=8.0), 200, calendar=calendar)
    n, y = found.counts(4)
    assert (n.sum(axis=1) == 18).all()  # every cohort was filled up
    lost = (found.level > 0) & ~found.evaluable
    weeks = 8.0
    chance = 1 - math.exp(-0.3 * weeks / (30.4375 / 7))
    share = lost.sum() / (found.level > 0).sum()
    assert abs(share - chance) < 4 * math.sqrt(chance * (1 - chance) / (found.level > 0).sum())
    assert not y.any()


def test_a_death_completes_or_is_lost():
    deadly = CourseTruth((4.0,), 1, 8.0, (0.3,), LateHazard(0.0, 4.0), death_median_months=2.0)
    complete = virtual_trials(boin(target=0.6, cohort_size=3, cohorts=4), deadly, 300, calendar=Calendar())
    lost = virtual_trials(boin(target=0.6, cohort_size=3, cohorts=4), deadly, 300, calendar=Calendar(death="lost"))
    assert complete.evaluable[complete.level > 0].all()
    assert complete.died.any()
    assert not lost.evaluable[lost.level > 0].all()
    rates = [float(v.counts(1)[1].sum() / v.counts(1)[0].sum()) for v in (complete, lost)]
    assert abs(rates[0] - deadly.toxicity_by(8.0)[0]) < 0.04  # cumulative incidence with death competing
    assert rates[1] > rates[0]  # among survivors and those with a DLT


def test_an_exact_answer_that_cannot_be_had_says_so():
    pending = operating_characteristics(tite_boin(0.25, 8.0, 3, 4), TRUTH, trials=200)
    assert not pending.exact
    assert "pending" in pending.note
    assert (pending.standard_error > 0).all()
    timed = operating_characteristics(BOIN, TRUTH, calendar=Calendar(), trials=200)
    assert "calendar" in timed.note
    assert timed.mean_weeks > 0
    rolling = operating_characteristics(rolling_six(window=8.0), Probabilities(TRUTH, window_weeks=8.0), trials=200)
    assert not rolling.exact


def test_a_plain_list_fills_the_window_of_the_design():
    """DLTs of a list are spread over the window, however long: late ones are not seen at once."""
    short = virtual_trials(tite_crm([0.05, 0.12, 0.25, 0.4], 0.25, 6.0, 1, 12), [0.3] * 4, 200)
    long = virtual_trials(tite_crm([0.05, 0.12, 0.25, 0.4], 0.25, 60.0, 1, 12), [0.3] * 4, 200)
    assert short.event_weeks[short.dlt].max() <= 6.0
    late = long.event_weeks[long.dlt]
    assert 24.0 < late.mean() < 36.0
    assert late.max() > 50.0


def test_too_many_states_are_simulated(monkeypatch):
    from alphatwin.trials import Design

    monkeypatch.setattr(Design, "exact_rows", 20)
    found = operating_characteristics(BOIN, TRUTH, trials=500)
    assert not found.exact
    assert "too many states" in found.note
    assert (found.standard_error > 0).all()


def test_toxicity_and_response_are_exact_too():
    design = boin12(0.35, 0.25, 3, 3)
    truth = Probabilities((0.1, 0.3), (0.2, 0.5))
    exact = operating_characteristics(design, truth)
    assert exact.exact
    simulated = operating_characteristics(design, truth, False, trials=20_000, seed=5)
    assert (np.abs(simulated.selection - exact.selection) < 4.5 * simulated.standard_error).all()
    selection, patients = slow.characteristics(design, truth.dlt, truth.efficacy)
    np.testing.assert_allclose(exact.selection, selection, atol=1e-12)
    np.testing.assert_allclose(exact.mean_patients, patients, atol=1e-11)
    with pytest.raises(DomainError, match=r"no P\(response\)"):
        operating_characteristics(design, [0.1, 0.3])


def test_summary_numbers_hang_together():
    found = operating_characteristics(BOIN, TRUTH)
    assert found.mtd == 3
    assert found.correct == found.selection[3]
    assert found.overdose == pytest.approx(found.selection[4])
    assert found.overdosed_patients == pytest.approx(found.mean_patients[3])
    assert found.mean_total_dlt == pytest.approx(
        float(found.mean_patients @ np.array(TRUTH))
    )  # Wald: DLT = p x patients
    mean, error = found.at_selected("dlt_in_window")
    assert error == 0.0
    assert mean == pytest.approx(float(found.selection[1:] @ np.array(TRUTH)) / (1 - found.selection[0]))
    assert [r["label"] for r in found.rows()][:2] == ["none", "dose 1"]
    with pytest.raises(AlphatwinError, match="dlt_in_window"):
        found.at_selected("dlt_in_windw")
    assert true_mtd([0.2, 0.3], 0.25) == 1  # the lower of two equally near


def test_nothing_selected_has_no_mean():
    found = operating_characteristics(BOIN, [1.0, 1.0, 1.0, 1.0])
    assert found.selection[0] == 1.0
    assert math.isnan(found.at_selected("dlt_in_window")[0])
    assert found.mean_total_patients == 3.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4).map(sorted), st.integers(1, 3), st.integers(1, 4))
def test_probabilities_stay_probabilities(truth, size, cohorts):
    found = operating_characteristics(boin(target=0.3, cohort_size=size, cohorts=cohorts), truth)
    assert found.selection.sum() == pytest.approx(1.0, abs=1e-12)
    assert (found.selection >= 0).all()
    assert found.mean_total_patients <= size * cohorts + 1e-9
    np.testing.assert_allclose(found.mean_dlt, found.mean_patients * np.array(truth), atol=1e-9)
    never_given = np.flatnonzero(found.mean_patients == 0)
    assert not found.selection[1 + never_given].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 14), st.integers(1, 2**40), st.integers(0, 2**32))
def test_merging_is_exact_packed_or_hashed(rows, columns, top, seed):
    table = np.random.Generator(np.random.Philox(key=seed)).integers(0, 2, (rows, columns)) * top
    first, inverse = _distinct(table.astype(np.int64))
    np.testing.assert_array_equal(table[first][inverse], table)
    assert len(first) == len(np.unique(table, axis=0))


@pytest.mark.parametrize(
    ("truth", "words"),
    [([], "no dose"), ([0.1, 1.2], "dose 2 is 1.2"), ([0.1, float("nan")], "dose 2"), ("0.1", "list of DLT"),
     ([0.1, "x"], "no list of numbers"), (0.3, "no list of numbers")],
)  # fmt: skip
def test_a_truth_that_is_none_is_refused(truth, words):
    with pytest.raises(DomainError, match=words):
        operating_characteristics(BOIN, truth)


@pytest.mark.parametrize(
    ("call", "words"),
    [(lambda: operating_characteristics(crm_design([0.1, 0.2], 0.25), TRUTH), "made for 2"),
     (lambda: operating_characteristics(boin(0.25, start=3), [0.1, 0.2]), "starts at level 3"),
     (lambda: operating_characteristics(BOIN, TRUTH, False, trials=0), "trials is 0"),
     (lambda: operating_characteristics(BOIN, TRUTH, False, seed=-1), "seed is -1"),
     (lambda: operating_characteristics(BOIN, TRUTH, window_weeks=0.0), "window_weeks is 0"),
     (lambda: Calendar(accrual_per_month=0.0), "accrual_per_month is 0.0"),
     (lambda: Calendar(read_delay_weeks=-1.0), "read_delay_weeks is -1.0"),
     (lambda: Calendar(death="ignored"), "death is 'ignored'")],
)  # fmt: skip
def test_bad_requests_are_refused(call, words):
    with pytest.raises(DomainError, match=words):
        call()


def test_too_many_lost_is_told():
    with pytest.raises(DomainError, match="cannot fill its cohorts"):
        operating_characteristics(
            BOIN, Probabilities(TRUTH, window_weeks=104.0), calendar=Calendar(dropout_per_month=0.3)
        )


def test_the_function_has_one_name_everywhere():
    import alphatwin as at

    assert at.operating_characteristics is operating_characteristics
    assert at.virtual_trials is virtual_trials


def test_a_window_of_one_is_a_window():
    """A window of 1 (a week, a day) is not "no window": the truth's own window is taken only where none was set."""
    truth = CourseTruth((4.0, 8.0), 4, 8.0, (0.1, 0.3), LateHazard(0.14, 32.0), window_weeks=8.0)
    assert boin(0.25).window is None
    assert operating_characteristics(boin(0.25), truth).window_weeks == 8.0
    one = operating_characteristics(boin(0.25, window=1.0), truth)
    assert one.window_weeks == 1.0
    assert (one.true_dlt < truth.toxicity_by(8.0)).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"design": "boin"}, "The design was given as str"),
        ({"trials": 10.5, "exact": False}, "trials is 10.5"),
        ({"trials": 0, "exact": False}, "trials is 0"),
        ({"seed": "a", "exact": False}, "seed is 'a'"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    given = {"design": boin(0.25), "truth": [0.1, 0.2]} | arguments
    with pytest.raises(DomainError, match=words):
        operating_characteristics(**given)
