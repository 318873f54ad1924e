"""Truths: tables, courses, virtual patients; what they refuse and what must hold for any of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.biology.complication import Logistic, Lyman
from alphatwin.catalog import source
from alphatwin.errors import AlphatwinError, CaseError, DomainError
from alphatwin.trials._uniforms import patient_uniforms
from alphatwin.trials.truth import (
    ANCHORS,
    WEEKS_PER_MONTH,
    CourseTruth,
    EgfrDecline,
    LateHazard,
    Probabilities,
    Truth,
    as_truth,
)
from alphatwin.trials.virtual_patients import Arm, MechanisticTruth, PatientTable

TWO_YEARS = 24.0 * WEEKS_PER_MONTH


def patients(n=300):
    rng = np.random.Generator(np.random.Philox(key=4))
    return PatientTable(
        rng.uniform(50, 110, n), 0.45 * np.exp(0.3 * rng.standard_normal(n)), 2.5 * np.exp(0.6 * rng.standard_normal(n)),
        0.012 * np.exp(0.3 * rng.standard_normal(n)),
    )  # fmt: skip


ARMS = (
    Arm("fixed", "fixed", 10.2), Arm("per kg", "per_kg", 0.12, cap_MBq=12.0),
    Arm("stopped", "fixed", 10.2, kidney_limit_Gy=15.0, coefficient_cv=0.2), Arm("two", "fixed", 20.4, 2, 16.0),
    Arm("dosimetry", "dosimetry", 20.0, kidney_limit_Gy=20.0, coefficient_cv=0.2),
)  # fmt: skip
MECHANISTIC = MechanisticTruth(
    patients(), ARMS, Logistic(40.0, 1.5), Lyman(0.6, 0.3), Logistic(90.0, 0.5), window_weeks=8.0
)
COURSE = CourseTruth((4.0, 8.0, 12.0), 4, 8.0, (0.02, 0.05, 0.12), LateHazard(0.3, 32.0, 2.0), LateHazard(0.05, 24.0),
                     LateHazard(0.03, 32.0, by_months=60.0), death_median_months=30.0,
                     progression_median_months=20.0, efficacy=(0.1, 0.2, 0.3))  # fmt: skip
EGFR = CourseTruth((4.0, 8.0), 4, 8.0, (0.02, 0.05), EgfrDecline(80.0, 15.0, 0.2, 6.0))
TABLE = Probabilities((0.1, 0.25, 0.4), (0.2, 0.3, 0.4), window_weeks=8.0, second_half=0.7)


@pytest.mark.parametrize("truth", [TABLE, COURSE, EGFR, MECHANISTIC], ids=["table", "course", "egfr", "patients"])
def test_drawn_patients_have_the_probabilities_that_are_stated(truth):
    assert isinstance(truth, Truth)
    n = 60_000
    seen = truth.drawn(patient_uniforms(3, 0, n // 100, 100))
    for weeks in (4.0, 8.0, 20.0, TWO_YEARS):
        known = truth.toxicity_by(weeks)
        share = (seen.toxicity_weeks <= weeks).mean(axis=(0, 1))
        assert (np.abs(share - known) < 4.5 * np.sqrt(np.maximum(known * (1 - known), 1e-6) / n) + 1e-12).all()
    if truth.response is not None:
        p = np.array(truth.response)
        assert (np.abs(seen.response.mean(axis=(0, 1)) - p) < 4.5 * np.sqrt(p * (1 - p) / n)).all()
    known = {e.name: np.array(e.values) for e in truth.estimands()}
    if "renal_grade3_24_months" in known:
        p = known["renal_grade3_24_months"]
        share = (seen.late_weeks <= TWO_YEARS).mean(axis=(0, 1))
        assert (np.abs(share - p) < 4.5 * np.sqrt(np.maximum(p * (1 - p), 1e-6) / n)).all()
    if "cycles_received" in known:
        np.testing.assert_allclose(seen.cycles.mean(axis=(0, 1)), known["cycles_received"], atol=0.03)


@pytest.mark.parametrize("truth", [TABLE, COURSE, EGFR, MECHANISTIC], ids=["table", "course", "egfr", "patients"])
def test_incidence_only_rises_and_stays_a_probability(truth):
    curve = np.array([truth.toxicity_by(w) for w in (0.001, 2.0, 8.0, 8.001, 20.0, 40.0, 104.0, 300.0)])
    assert (np.diff(curve, axis=0) >= -1e-9).all()
    assert ((curve >= 0) & (curve <= 1)).all()
    assert len(truth.labels) == truth.doses == curve.shape[1]
    assert all(len(e.values) == truth.doses and e.definition for e in truth.estimands())
    assert truth.assumptions


def test_a_patient_who_tolerates_a_dose_tolerates_the_lower_ones():
    seen = TABLE.drawn(patient_uniforms(1, 0, 50, 20)).toxicity_weeks
    assert (seen[..., 1:] <= seen[..., :-1]).all()  # the same patient: toxicity at a higher dose comes no later
    assert (np.isfinite(seen[..., 0]) <= np.isfinite(seen[..., 2])).all()


def test_time_of_a_dlt_within_the_window():
    np.testing.assert_allclose(TABLE.toxicity_by(4.0), np.array(TABLE.dlt) * 0.3)
    np.testing.assert_allclose(TABLE.toxicity_by(math.inf), TABLE.dlt)
    times = TABLE.drawn(patient_uniforms(2, 0, 500, 40)).toxicity_weeks[..., 2]
    times = times[np.isfinite(times)]
    assert times.max() <= 8.0
    assert abs((times > 4.0).mean() - 0.7) < 4 * math.sqrt(0.21 / len(times))


def test_a_course_without_anything_late_is_a_product():
    truth = CourseTruth((4.0,), 3, 8.0, (0.1,), LateHazard(0.0, 10.0))
    np.testing.assert_allclose(truth.toxicity_by(8.0), [0.1], atol=1e-12)
    np.testing.assert_allclose(truth.toxicity_by(12.0), [1 - 0.9 * 0.95], atol=1e-12)
    np.testing.assert_allclose(truth.toxicity_by(24.0), [1 - 0.9**3], atol=1e-12)
    np.testing.assert_allclose(truth.mean_cycles(), [1 + 0.9 + 0.81], atol=1e-12)


def test_one_cycle_with_late_toxicity_is_one_formula():
    truth = CourseTruth((10.0,), 1, 8.0, (0.1,), LateHazard(0.2, 10.0, shape=2.0))
    late = 1 - 0.8 ** ((52.0 / TWO_YEARS) ** 2)
    np.testing.assert_allclose(truth.toxicity_by(52.0), [1 - 0.9 * (1 - late)], atol=1e-12)
    assert truth.estimand("renal_grade3_24_months").values[0] == pytest.approx(0.2, abs=1e-12)


def test_death_competes_by_the_textbook_formula():
    """Constant hazards a and b: incidence of a by t is a/(a+b) (1 - exp(-(a+b) t))."""
    months = 12.0
    truth = CourseTruth((10.0,), 1, 8.0, (0.0,), LateHazard(0.5, 10.0, shape=1.0), death_median_months=18.0)
    a = math.log(2) / TWO_YEARS
    b = math.log(2) / (18.0 * WEEKS_PER_MONTH)
    t = months * WEEKS_PER_MONTH
    assert truth.toxicity_by(t)[0] == pytest.approx(a / (a + b) * (1 - math.exp(-(a + b) * t)), rel=1e-6)
    net = truth.estimand("renal_grade3_24_months_net").values[0]
    assert net == pytest.approx(0.5, abs=1e-12)
    assert truth.estimand("renal_grade3_24_months").values[0] < net


def test_the_window_cannot_see_the_second_cycle():
    with_it = CourseTruth((8.0,), 4, 8.0, (0.05,), LateHazard(0.0, 8.0), LateHazard(0.5, 8.0))
    np.testing.assert_allclose(with_it.toxicity_by(8.0), [0.05], atol=1e-12)
    q = with_it.cycle_hazards()[0]
    # cycle k has seen (k - 1) x 8 MBq: hazard ln 2 x (k - 1)
    np.testing.assert_allclose(q, 1 - 0.95 * 0.5 ** np.arange(4))


def test_slope_is_that_of_the_activity_received():
    values = EGFR.estimand("egfr_slope").values
    np.testing.assert_allclose(values, -(1.0 + 0.2 * EGFR.mean_cycles() * np.array([4.0, 8.0])))


def test_anchors_have_sources_and_whole_events():
    for anchor in ANCHORS:
        assert source(anchor.source).text
        assert round(100 * anchor.events / anchor.n, 1) == pytest.approx(100 * anchor.fraction, abs=0.15)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.6), st.floats(1.0, 100.0), st.floats(0.0, 3.0), st.floats(0.5, 4.0), st.floats(0.01, 0.99))
def test_late_times_invert_the_distribution(p, at, power, shape, u):
    late = LateHazard(p, at, power, shape)
    weeks = float(late.time(np.array(u), np.array(0.5), np.array(30.0)))
    assert float(late.by(weeks, 30.0)) == pytest.approx(1 - u, abs=1e-9)


# --- virtual patients ------------------------------------------------------------------------------------------------


def test_arms_give_what_they_say():
    table = PatientTable.of(
        {"weight_kg": [50.0, 85.0, 120.0], "kidney_Gy_per_MBq": [0.3, 0.6, 1.2], "other": [1, 2, 3]}
    )
    np.testing.assert_allclose(Arm("a", "per_kg", 0.12).course(table)[0], [6.0, 10.2, 14.4])
    np.testing.assert_allclose(Arm("a", "per_kg", 0.12, cap_MBq=11.0).course(table)[0], [6.0, 10.2, 11.0])
    fixed = Arm("a", "fixed", 10.0, 4, kidney_limit_Gy=20.0)
    np.testing.assert_array_equal(
        fixed.course(table)[1], [4, 3, 1]
    )  # 66.7, 33.3 and 16.7 MBq are allowed; the first is given
    by_dose = Arm("a", "dosimetry", 100.0, 4, kidney_limit_Gy=24.0, exceed=0.5)
    np.testing.assert_allclose(by_dose.course(table)[0] * 4 * table.kidney_Gy_per_MBq, 24.0)


def test_the_dosimetry_constraint_holds_as_a_probability():
    """P(true kidney dose > limit | dosimetry) is the chance asked for, by drawing true coefficients about the estimate."""
    table = patients(1)
    arm = Arm("a", "dosimetry", 1e6, 4, kidney_limit_Gy=23.0, exceed=0.1, coefficient_cv=0.3)
    activity, n = arm.course(table)
    z = np.random.Generator(np.random.Philox(key=8)).standard_normal(200_000)
    true = table.kidney_Gy_per_MBq[0] * np.exp(math.sqrt(math.log(1.09)) * z)
    assert abs((true * activity[0] * n[0] > 23.0).mean() - 0.1) < 4 * math.sqrt(0.09 / 200_000)


def test_fixed_and_per_kg_agree_at_85_kg_only():
    table = PatientTable.of({"weight_kg": [85.0], "kidney_Gy_per_MBq": [0.5]})
    truth = MechanisticTruth(table, (Arm("a", "fixed", 10.2), Arm("b", "per_kg", 0.12)), Logistic(40.0, 1.5))
    assert truth.estimands()[1].values[0] == pytest.approx(truth.estimands()[1].values[1], rel=1e-12)


def test_a_table_from_csv(tmp_path):
    file = tmp_path / "p.csv"
    file.write_text("weight_kg,kidney_Gy_per_MBq\n70,0.5\n90,0.6\n")
    assert len(PatientTable.read(file)) == 2
    file.write_text("weight,kidney_Gy_per_MBq\n70,0.5\n")
    with pytest.raises(CaseError, match="no column weight_kg"):
        PatientTable.read(file)
    file.write_text("weight_kg,kidney_Gy_per_MBq\n70,0.5\n-1,0.5\n")
    with pytest.raises(DomainError, match="Patient 2: weight_kg is -1"):
        PatientTable.read(file)
    file.write_text("weight_kg,kidney_Gy_per_MBq\nseventy,0.5\n")
    with pytest.raises(CaseError, match="no number"):
        PatientTable.read(file)
    with pytest.raises(CaseError, match=r"no table of patients q.csv"):
        PatientTable.read(tmp_path / "q.csv")


@pytest.mark.parametrize(
    "call",
    [lambda: Probabilities((0.1,), (0.1, 0.2)), lambda: Probabilities((0.1,), window_weeks=0.0), lambda: Probabilities((0.1,), names=("a", "b")),
     lambda: Probabilities((0.1,), (1.5,)), lambda: LateHazard(1.0, 10.0), lambda: LateHazard(0.1, 0.0), lambda: LateHazard(0.1, 1.0, -1.0),
     lambda: EgfrDecline(80.0, 15.0, 0.2, 4.0, minimum=20.0), lambda: EgfrDecline(80.0, 0.0, 0.2, 4.0),
     lambda: CourseTruth((4.0,), 4, 8.0, (0.1, 0.2), LateHazard(0.1, 10.0)), lambda: CourseTruth((4.0,), 0, 8.0, (0.1,), LateHazard(0.1, 10.0)),
     lambda: CourseTruth((4.0,), 4, 8.0, (0.1,), LateHazard(0.1, 10.0), acute_weeks=9.0),
     lambda: CourseTruth((4.0,), 4, 8.0, (0.1,), LateHazard(0.1, 10.0), death_median_months=0.0),
     lambda: CourseTruth((-4.0,), 4, 8.0, (0.1,), LateHazard(0.1, 10.0)), lambda: CourseTruth((4.0,), 4, 8.0, (1.0,), LateHazard(0.1, 10.0)),
     lambda: CourseTruth((4.0,), 4, 8.0, (0.1,), LateHazard(0.1, 10.0), efficacy=(0.1, 0.2)),
     lambda: Arm("a", "fixd", 1.0), lambda: Arm("a", "fixed", 0.0), lambda: Arm("a", "dosimetry", 1.0), lambda: Arm("a", "fixed", 1.0, 0),
     lambda: Arm("a", "fixed", 1.0, exceed=0.0), lambda: Arm("a", "fixed", math.inf),
     lambda: MechanisticTruth(patients(3), (), Logistic(40.0, 1.5)),
     lambda: MechanisticTruth(PatientTable(np.ones(2), np.ones(2)), ARMS, Logistic(40.0, 1.5), marrow=Logistic(1.0, 1.0)),
     lambda: MechanisticTruth(PatientTable(np.ones(2), np.ones(2)), ARMS, Logistic(40.0, 1.5), tumour=Logistic(1.0, 1.0)),
     lambda: PatientTable(np.ones(2), np.ones(3)), lambda: PatientTable(np.ones(0), np.ones(0)), lambda: as_truth({"dlt": 1}),
     lambda: COURSE.estimand("renal")],
)  # fmt: skip
def test_what_cannot_be_true_is_refused(call):
    with pytest.raises(AlphatwinError):
        call()
