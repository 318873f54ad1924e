"""Protection: blockers of uptake, scavengers and their timing, feedback of filtration; each against a slow twin."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from alphatwin import catalog
from alphatwin.biology.delivery import DoseCourse
from alphatwin.biology.effectiveness import HighLET
from alphatwin.biology.kidney import KidneyParameters, kidney_course
from alphatwin.biology.protection import (
    Scavenger,
    UptakeBlock,
    best_schedule,
    scavenger,
    spared_bed,
    uptake_block,
)
from alphatwin.biology.tumour import TumourParameters, tumour_course
from alphatwin.draws import Draws
from alphatwin.errors import CatalogError, DomainError

DRUG = Scavenger("test", [0.5, 2.0], [0.5, 0.5], 2.0, 0.4, 0.25, 0.3)
MIXED = DoseCourse.simple(
    {"kidneys": 3.0, "lesion": 8.0}, effective_half_life_h=50.0, cycles=3, interval_d=42.0,
    high_let_dose_Gy_per_cycle={"kidneys": 0.5, "lesion": 1.0},
)  # fmt: skip


# --- scavengers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [(0.0,), (0.0, 24.0), (3.5,), (-1.0, 12.0)])
def test_spared_bed_is_the_integral_of_effect_times_dose_rate(times):
    rate = np.log(2.0) / 50.0
    amplitude, fall = DRUG.level_terms()
    fall = fall / 24.0

    def level(t):
        return sum(float((amplitude[0] * np.exp(-fall[0] * (t - h))).sum()) for h in times if t >= h)

    def integrand(t):
        e = 0.4 * level(t) / (0.25 + level(t))
        return e * (3.0 + 0.3 * 4.0 * 0.5) * rate * np.exp(-rate * t)

    marks = sorted({0.0, *(max(h, 0.0) for h in times), 60.0, 400.0})
    slow = sum(quad(integrand, a, b, limit=400, epsabs=1e-11)[0] for a, b in itertools.pairwise(marks))
    # trapezoids 2 min apart at a dose and closer together before: relative errors of some 1e-4
    assert float(spared_bed(MIXED, DRUG, times, 4.0)[0]) == pytest.approx(slow, rel=1e-3)


def test_spared_bed_of_a_course_is_what_the_kidney_model_spares():
    own = replace(KidneyParameters.from_catalog(), high_let=HighLET(4.0))
    doses = [(d + h / 24.0, 1.0) for d in MIXED.start_d for h in (0.0, 24.0)]
    course = kidney_course(MIXED, 90.0, own, scavenger=DRUG, scavenger_doses=doses)
    spared = float((course.bed_unprotected - course.bed).values[0, -1])
    assert 3.0 * float(spared_bed(MIXED, DRUG, [0.0, 24.0], 4.0)[0]) == pytest.approx(spared, rel=2e-3)


def test_a_scavenger_does_less_the_more_of_the_dose_is_alpha():
    shares = []
    for high in (0.0, 0.5, 1.0):
        course = DoseCourse.simple({"kidneys": 1.0 - high}, effective_half_life_h=50.0,
                                   high_let_dose_Gy_per_cycle={"kidneys": high})  # fmt: skip
        shares.append(float(spared_bed(course, DRUG, [0.0], 5.0)[0]) / (1.0 - high + 5.0 * high))
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] == pytest.approx(0.3 * shares[0], rel=1e-9)  # the same curve, the share of high LET alone


def test_the_best_time_is_where_a_fine_search_finds_it():
    found = best_schedule(MIXED, DRUG, 4.0)
    fine = np.linspace(0.0, 20.0, 401)
    values = [float(spared_bed(MIXED, DRUG, [t], 4.0).mean()) for t in fine]
    assert float(found.spared_Gy.mean()) >= max(values) * (1.0 - 2e-4)
    assert abs(found.times_h[0] - fine[int(np.argmax(values))]) < 0.5


def test_more_doses_spare_more_and_lie_apart():
    spared = [float(best_schedule(MIXED, DRUG, 4.0, doses=n).spared_Gy.mean()) for n in (1, 2, 3)]
    assert spared[0] < spared[1] < spared[2]
    two = best_schedule(MIXED, DRUG, 4.0, doses=2).times_h
    together = float(spared_bed(MIXED, DRUG, [two[0], two[0]], 4.0)[0])
    assert two[1] - two[0] > 4.0
    assert spared[1] > together


def test_the_best_schedule_is_the_same_every_time():
    assert best_schedule(MIXED, DRUG, 4.0, doses=3).times_h == best_schedule(MIXED, DRUG, 4.0, doses=3).times_h


def test_a_tumour_is_spared_only_where_somebody_asks_and_then_as_the_equations_say():
    own = TumourParameters(0.05, 10.0, 1.5, HighLET(3.0), 0.0, 45.0, law="exponential")
    free = tumour_course(MIXED, {"lesion": 10.0}, own, times_d=[0.0, 120.0])
    spared = tumour_course(MIXED, {"lesion": 10.0}, own, times_d=[0.0, 120.0], scavenger=DRUG)
    assert float(spared.exponent.values[0, 0, -1]) < float(free.exponent.values[0, 0, -1])
    by_linear_term = 0.05 * 3.0 * float(
        spared_bed(DoseCourse.simple({"kidneys": 8.0}, effective_half_life_h=50.0,
                                     high_let_dose_Gy_per_cycle={"kidneys": 1.0}), DRUG, [0.0], 3.0)[0]
    )  # fmt: skip
    lost = float((free.exponent - spared.exponent).values[0, 0, -1])
    assert lost == pytest.approx(by_linear_term, rel=2e-3)
    assert any("asked for" in note for note in spared.notes)


def test_protected_tumour_against_plain_integration():
    own = TumourParameters(0.05, 10.0, 1.5, HighLET(3.0), 5.0, 45.0, law="exponential")
    course = DoseCourse.simple({"lesion": 8.0}, effective_half_life_h=50.0)
    amplitude, fall = DRUG.level_terms()
    rate, mu, beta = np.log(2) / 50 * 24, np.log(2) / 1.5 * 24, 0.05 / 10.0

    def slope(t, y):
        level = max(float((amplitude[0] * np.exp(-fall[0] * t)).sum()), 0.0)
        dose = 8.0 * rate * np.exp(-rate * t)
        kill = 0.05 * (1 - 0.4 * level / (0.25 + level)) * dose + 2 * beta * dose * y[2]
        return [(np.log1p(0.05) / 30.4375 - kill) * y[0], kill * y[0] - np.log(2) / 45 * y[1], dose - mu * y[2]]

    slow = solve_ivp(slope, (0.0, 60.0), [10.0, 0.0, 0.0], method="DOP853", rtol=1e-10, atol=1e-12, max_step=0.05).y[
        :, -1
    ]
    ours = tumour_course(course, {"lesion": 10.0}, own, times_d=[0.0, 60.0], scavenger=DRUG)
    assert float(ours.viable.values[0, 0, -1]) == pytest.approx(slow[0], rel=1e-6)
    assert float(ours.volume.values[0, 0, -1]) == pytest.approx(slow[0] + slow[1], rel=1e-6)


def test_amifostine_has_an_effect_that_is_a_prior_and_findings_on_uptake():
    drug = scavenger("amifostine", scores=Draws(100, 1).normal)
    assert 0.0 <= float(np.min(drug.largest_effect)) < float(np.max(drug.largest_effect)) < 0.5
    entry = catalog.protector("amifostine")
    assert all(q.evidence in ("assumed", "recalled") for q in entry.values.values())
    assert any("uptake" in f.statement for f in entry.findings)


# --- feedback of filtration ------------------------------------------------------------------------------------------


def test_the_dose_of_a_later_cycle_follows_the_filtration_at_its_start():
    own = replace(KidneyParameters.from_catalog(), loss_percent_per_y=np.array([40.0]), mean_delay_d=np.array([30.0]))
    course = DoseCourse.simple({"kidneys": 6.0}, effective_half_life_h=51.0, cycles=4, interval_d=120.0)
    ours = kidney_course(course, 80.0, own, clearance_exponent=0.8, times_d=[0.0, 700.0])
    factors = [1.0]
    for c in range(1, 4):  # cycle by cycle: what came before decides
        before = DoseCourse.simple({"kidneys": 6.0}, effective_half_life_h=51.0, cycles=c, interval_d=120.0,
                                   relative_activities=factors)  # fmt: skip
        now = float(kidney_course(before, 80.0, own, times_d=[0.0, 120.0 * c]).egfr.values[0, -1])
        factors.append((now / 80.0) ** -0.8)
    slow = kidney_course(replace(course, relative_activities=np.array(factors)), 80.0, own, times_d=[0.0, 700.0])
    assert factors[3] > 1.02
    np.testing.assert_allclose(ours.egfr.values, slow.egfr.values, rtol=1e-7)
    np.testing.assert_allclose(ours.bed.values, slow.bed.values, rtol=1e-7)


def test_without_an_exponent_nothing_feeds_back():
    course = DoseCourse.simple({"kidneys": 6.0}, effective_half_life_h=51.0, cycles=4)
    a, b = (kidney_course(course, 80.0, clearance_exponent=k).egfr.values for k in (0.0, 1e-12))
    np.testing.assert_allclose(a, b, rtol=1e-9)
    worse = kidney_course(course, 80.0, clearance_exponent=1.0).egfr.values
    assert (worse[:, -1] < a[:, -1]).all()


def test_a_negative_exponent_is_refused():
    with pytest.raises(DomainError, match="clearance_exponent"):
        kidney_course(MIXED, 80.0, clearance_exponent=-0.5)


# --- blockers --------------------------------------------------------------------------------------------------------


def test_the_label_s_infusion_divides_megalin_clearance_by_1_9():
    block = uptake_block("amino-acids")
    assert 1.0 / (1.0 - float(block.block[0])) == pytest.approx(1.9, rel=0.02)  # the label: -47 %
    assert block.overrides(0.0055)["cl_megalin_L_per_min"] == pytest.approx(0.0055 / 1.923, rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(a=st.floats(0.0, 0.75), b=st.floats(0.0, 0.75))
def test_two_blockers_do_more_than_one_and_never_more_than_all(a, b):
    one, two = (UptakeBlock("x", v, 0.25, 1.0, 4.0) for v in (a, b))
    both = one.with_other(two)
    assert float(both.block[0]) >= max(a, b) - 1e-12
    assert float(both.block[0]) <= min(1.0 - (1.0 - a) * (1.0 - b), 0.8) + 1e-12
    assert float(both.overrides(1.0)["amino_acid_emax"][0]) <= 1.0


def test_a_gelatin_infusion_reaches_its_level_at_its_end():
    block = uptake_block("gelofusine", duration_h=3.0)
    given = block.overrides(0.005)
    k = float(given["amino_acid_k_per_min"][0])
    assert float(given["amino_acids"][0]) * (1.0 - np.exp(-k * 180.0)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: uptake_block("a1m"), DomainError, "acts on damage"),
        (lambda: uptake_block("gelofusin"), CatalogError, "gelofusine"),
        (lambda: uptake_block("amino-acids", duration_h=0.0), DomainError, "duration_h"),
        (lambda: uptake_block("amino-acids", amount=-1.0), DomainError, "amount"),
        (lambda: UptakeBlock("x", 0.9, 0.25, 1.0, 4.0), DomainError, "at most 0.8"),
        (lambda: UptakeBlock("x", [0.1, 0.2], 0.25, [1.0] * 3, 4.0), DomainError, "samples"),
        (lambda: best_schedule(MIXED, DRUG, 4.0, doses=0), DomainError, "doses"),
        (lambda: best_schedule(MIXED, DRUG, 4.0, window_h=(5.0, 5.0)), DomainError, "window_h"),
        (lambda: spared_bed(MIXED, DRUG, [0.0], 4.0, region="kidney"), CatalogError, "kidneys"),
        (
            lambda: tumour_course(MIXED, {"lesion": 1.0}, scavenger_doses=[(0.0, 1.0)]),
            DomainError,
            "without a scavenger",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
