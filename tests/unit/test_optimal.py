"""The search for a course: closed forms, a slow twin that tries activities one by one, and honest refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from alphatwin.biology.course import TissueParameters
from alphatwin.biology.delivery import DoseCourse
from alphatwin.biology.effectiveness import HighLET, course_bed
from alphatwin.biology.kidney import KidneyParameters, PriorKidneyDose, kidney_course
from alphatwin.biology.optimal import CourseLimit, Protection, best_course, course_at
from alphatwin.biology.protraction import lea_catcheside
from alphatwin.biology.tumour import TumourParameters
from alphatwin.draws import Draws
from alphatwin.errors import CatalogError, DomainError
from oracle.optimal import largest_activity

N = 400
SPREAD = 0.5 * np.exp(0.3 * Draws(N, 3).normal("kidney dose"))  # Gy/GBq
HALF_H = 60.0
ONE = DoseCourse.simple({"kidneys": SPREAD, "red_marrow": 0.05, "lesion": 4.0}, effective_half_life_h=HALF_H)
NO_GROWTH = TumourParameters(0.05, 2.6, 2.8, HighLET(5.0), 0.0, 45.0, law="exponential")
KIDNEYS = {"kidneys": TissueParameters("kidneys", [2.6], [2.8], [5.0])}
LESION = {"lesion": 20.0}


def search(limits, course=ONE, **more):
    options = {
        "reference_MBq": 1000.0,
        "tumour": NO_GROWTH,
        "tissues": KIDNEYS,
        "cycles": [4],
        "intervals_d": [56.0],
    } | more
    return best_course({"none": Protection(course)}, limits, LESION, **options)


@pytest.mark.parametrize("p", [0.5, 0.8, 0.9, 0.95])
def test_a_dose_linear_in_activity_gives_the_activity_at_its_quantile(p):
    """D = c a with lognormal c: P(4 c a <= 23) >= p asks for a = 23 / (4 c_p)."""
    found = search([CourseLimit("absorbed_dose", 23.0, p)])
    exact = 23.0 / 4.0 / (0.5 * np.exp(0.3 * ndtri(p))) * 1000.0
    # 400 stratified draws: the quantile lies within a stratum, whose width over the density is below 2 %
    assert found.best.activity_MBq == pytest.approx(exact, rel=0.02)
    assert found.kept["dose of kidneys at most 23 Gy"] >= p


def test_the_activity_is_the_largest_that_keeps_the_probability():
    limit = CourseLimit("bed", 40.0, 0.9)
    found = search([limit])
    g = float(lea_catcheside([1.0], [np.log(2) / HALF_H], 2.8))

    def bed(a):
        return course_bed(SPREAD * a / 1000.0, 0.0, g, 2.6, HighLET(5.0), [1.0] * 4)

    grid = found.best.activity_MBq * np.array([0.9, 0.99, 0.999, 1.0, 1.001, 1.01, 1.1])
    assert largest_activity(bed, 40.0, 0.9, grid) == pytest.approx(found.best.activity_MBq)


def test_with_equal_alpha_beta_and_equal_doses_the_number_of_cycles_is_indifferent():
    """Tumour and kidney with the same dose, G and alpha/beta: at a kidney BED of 40 Gy the kill is alpha x 40 Gy."""
    course = DoseCourse.simple({"kidneys": 1.0, "lesion": 1.0}, effective_half_life_h=HALF_H)
    found = search([CourseLimit("bed", 40.0, 0.9)], course, cycles=[1, 2, 4, 8])
    effects = [c.effect for c in found.candidates]
    np.testing.assert_allclose(effects, 0.05 * 40.0 / np.log(10.0), rtol=1e-9)
    assert found.best.cycles == 1  # among equals fewer cycles


def test_a_tumour_of_higher_alpha_beta_asks_for_more_cycles_and_growth_for_fewer():
    same = DoseCourse.simple(
        {"kidneys": 1.0, "lesion": 1.0}, effective_half_life_h=HALF_H
    )  # as much as the kidneys get
    late = TumourParameters(0.05, 10.0, 2.8, HighLET(5.0), 0.0, 45.0, law="exponential")
    many = search([CourseLimit("bed", 40.0, 0.9)], same, cycles=[1, 2, 4, 8], tumour=late)
    assert many.best.cycles == 8
    fast = TumourParameters(0.05, 10.0, 2.8, HighLET(5.0), 60.0, 45.0, law="exponential")
    few = search([CourseLimit("bed", 40.0, 0.9)], same, cycles=[1, 2, 4, 8], tumour=fast, intervals_d=[42.0, 84.0])
    assert few.best.cycles < 8
    by_gap = {c.interval_d: c.effect for c in few.candidates if c.cycles == 4}
    assert by_gap[42.0] > by_gap[84.0]
    hot = search(
        [CourseLimit("bed", 40.0, 0.9)], cycles=[1, 8], tumour=late
    )  # 8 times the kidneys' dose: G D matters more
    assert hot.best.cycles == 1


def test_the_effect_of_alpha_particles_does_not_depend_on_the_number_of_cycles():
    course = DoseCourse.simple({"kidneys": 0.0, "lesion": 0.0}, effective_half_life_h=HALF_H,
                               high_let_dose_Gy_per_cycle={"kidneys": 1.0, "lesion": 3.0})  # fmt: skip
    found = search([CourseLimit("bed", 40.0, 0.9)], course, cycles=[1, 3, 6])
    np.testing.assert_allclose([c.effect for c in found.candidates], 0.05 * 3.0 * 40.0 / np.log(10.0), rtol=1e-9)


def test_earlier_therapy_takes_its_part():
    free, used = (
        search([CourseLimit("bed", 40.0, 0.9)], prior_kidney=prior) for prior in (None, PriorKidneyDose(25.0, 300.0))
    )
    assert used.best.activity_MBq < free.best.activity_MBq
    assert used.best.activity_MBq == pytest.approx(search([CourseLimit("bed", 15.0, 0.9)]).best.activity_MBq, rel=1e-12)


def test_an_egfr_limit_is_settled_on_the_model_itself():
    own = KidneyParameters.from_catalog(Draws(60, 2).normal)
    course = DoseCourse.simple({"kidneys": SPREAD[:60], "lesion": 4.0}, effective_half_life_h=HALF_H)
    limit = CourseLimit("egfr", 60.0, 0.8, after_y=3.0)
    found = search([limit], course, activity_MBq=(0.0, 3e4), kidney=own, egfr=85.0, tissues={})
    assert found.best.binding == limit.label

    def egfr(a):
        made = DoseCourse.simple({"kidneys": SPREAD[:60] * a / 1000.0}, effective_half_life_h=HALF_H, cycles=4)
        return kidney_course(made, 85.0, own, times_d=[0.0, 3 * 365.25]).egfr.values[:, -1]

    assert np.mean(egfr(found.best.activity_MBq) >= 60.0) >= 0.8
    assert np.mean(egfr(1.01 * found.best.activity_MBq) >= 60.0) < 0.8


def test_blood_counts_can_bind():
    course = DoseCourse.simple({"kidneys": 0.01, "red_marrow": 0.3, "lesion": 4.0}, effective_half_life_h=HALF_H)
    limit = CourseLimit("platelets", 100.0, 0.5)
    found = search([limit], course, activity_MBq=(0.0, 1e5), cycles=[2])
    assert found.best.binding == limit.label
    _, kept = course_at({"none": Protection(course)}, [limit], LESION, ("none", 2, 56.0), 1.02 * found.best.activity_MBq,
                        reference_MBq=1000.0, tumour=NO_GROWTH)  # fmt: skip
    assert kept[limit.label] < 0.5


def test_more_risk_never_costs_effect():
    found = search([CourseLimit("bed", 40.0, 0.9), CourseLimit("absorbed_dose", 23.0, 0.95)])
    effects = [c.effect for _, c in found.front]
    assert all(b >= a for a, b in itertools.pairwise(effects))


@settings(max_examples=15, deadline=None)
@given(p=st.floats(0.05, 0.95), q=st.floats(0.05, 0.95), limit=st.floats(5.0, 60.0))
def test_a_stricter_probability_never_allows_more(p, q, limit):
    low, high = (search([CourseLimit("bed", limit, x)]).best.activity_MBq for x in (max(p, q), min(p, q)))
    assert low <= high


def test_of_two_protections_the_better_one_is_chosen():
    weaker = DoseCourse.simple({"kidneys": 0.7 * SPREAD, "lesion": 4.0}, effective_half_life_h=HALF_H)
    found = best_course({"none": Protection(ONE), "AA": Protection(weaker)}, [CourseLimit("bed", 40.0, 0.9)], LESION,
                        reference_MBq=1000.0, tumour=NO_GROWTH, tissues=KIDNEYS, cycles=[4], intervals_d=[56.0])  # fmt: skip
    assert found.best.protection == "AA"
    assert found.choices == {("AA", 4, 56.0): 1.0}


def test_the_same_seed_gives_the_same_spread():
    a, b = (search([CourseLimit("bed", 40.0, 0.9)], seed=4) for _ in range(2))
    assert a.activity_range_MBq == b.activity_range_MBq
    low, high = a.activity_range_MBq
    assert low <= a.best.activity_MBq <= high


def test_control_probability_lies_between_0_and_1_and_grows_with_the_limit():
    found = [
        search([CourseLimit("bed", x, 0.9)], objective="tcp", clonogens_per_mL=10.0).best.effect for x in (4.0, 8.0)
    ]
    assert 0.0 <= found[0] < found[1] <= 1.0


def test_a_response_is_one_or_none_and_the_share_that_is_told_is_the_models_own():
    """Between the activities that are gone through the share is drawn straight; what is told of the best course is not."""
    course = DoseCourse.simple({"kidneys": 4.0, "lesion": 40.0}, effective_half_life_h=60.0)
    tumour = TumourParameters.from_catalog(Draws(60, 1).normal)
    limits, more = [CourseLimit("bed", 30.0, 0.9)], {"reference_MBq": 1000.0, "objective": "response", "tumour": tumour}
    found = best_course({"none": Protection(course)}, limits, {"lesion": 20.0}, cycles=[4], intervals_d=[56.0], **more)
    assert set(np.unique(found.effect_samples)) == {0.0, 1.0}
    assert found.best.effect == found.effect_samples.mean()
    shape = ("none", 4, 56.0)
    exact, _ = course_at({"none": Protection(course)}, limits, {"lesion": 20.0}, shape, found.best.activity_MBq, **more)
    np.testing.assert_array_equal(found.effect_samples, exact)


def test_limits_that_nothing_keeps_get_an_answer_and_no_error():
    found = search([CourseLimit("bed", 20.0, 0.9)], prior_kidney=PriorKidneyDose(30.0, 300.0))
    assert found.best is None
    assert "No course keeps the limits" in found.answer
    assert "0 % of patients at most, and 90 %" in found.answer
    assert all(c is None for _, c in found.front)
    least = search([CourseLimit("bed", 40.0, 0.9)], activity_MBq=(1e6, 2e6))
    assert least.best is None
    assert "1e+06 MBq" in least.answer


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: CourseLimit("bed", 40.0, 1.0), DomainError, "between 0 and 1"),
        (lambda: CourseLimit("bed", 40.0, 0.0), DomainError, "between 0 and 1"),
        (lambda: CourseLimit("bed", 0.0, 0.9), DomainError, "above 0"),
        (lambda: CourseLimit("bet", 40.0, 0.9), CatalogError, "bed"),
        (lambda: search([CourseLimit("bed", 40.0, 0.9, region="kidney")]), CatalogError, "kidneys"),
        (lambda: search([CourseLimit("bed", 40.0, 0.9)], cycles=[]), DomainError, "cycles"),
        (lambda: search([CourseLimit("bed", 40.0, 0.9)], cycles=[2.5]), DomainError, "whole numbers"),
        (lambda: search([CourseLimit("bed", 40.0, 0.9)], intervals_d=[]), DomainError, "intervals_d"),
        (lambda: search([CourseLimit("bed", 40.0, 0.9)], objective="kill"), CatalogError, "log_kill"),
        (lambda: search([CourseLimit("egfr", 60.0, 0.9)]), DomainError, "largest activity"),
        (lambda: search([CourseLimit("bed", 40.0, 0.9)], activity_MBq=(5.0, 5.0)), DomainError, "above the smallest"),
        (
            lambda: best_course({"AA": Protection(ONE, lasts_h=10.0)}, [CourseLimit("bed", 40.0, 0.9)], LESION,
                                reference_MBq=1000.0, cycles=[2], intervals_d=[0.4]),
            DomainError, "shorter than what 'AA' gives",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
