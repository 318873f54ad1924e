"""Outcome models: closed forms, conservation, the slow twin, published values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin import biology, catalog, dose, kinetics, transport
from alphatwin.biology.delivery import DoseCourse
from alphatwin.biology.kidney import KidneyParameters, PriorKidneyDose, egfr_ckd_epi_2021, kidney_course
from alphatwin.biology.marrow import Lineage, MarrowParameters, PriorMarrowDose, blood_course
from alphatwin.biology.protection import Scavenger, scavenger
from alphatwin.biology.tumour import RECIST, PriorTumourDose, TumourParameters, tumour_course
from alphatwin.draws import Draws
from oracle import outcome as oracle

LN2 = np.log(2.0)
RBE = biology.HighLET(4.0)
NOTHING = DoseCourse.simple({"x": 0.0}, effective_half_life_h=60.0)


def lesion(**change):
    """Parameters of a tumour that tests change one by one."""
    base = {
        "alpha_per_Gy": 0.05,
        "alpha_beta_Gy": 10.0,
        "repair_half_time_h": 1.5,
        "high_let": RBE,
        "growth_percent_per_month": 6.0,
        "clearance_half_time_d": 30.0,
        "carrying_capacity_mL": 500.0,
    }
    return TumourParameters(**(base | change))


def kidneys(**change):
    """Parameters of kidneys that tests change one by one."""
    base = {
        "alpha_beta_Gy": 2.6,
        "repair_half_time_h": 2.8,
        "high_let": biology.HighLET(5.0),
        "loss_percent_per_y": 3.0,
        "reference_bed_Gy": 18.0,
        "power": 1.3,
        "mean_delay_d": 365.0,
        "compensation": 0.4,
        "overload_per_y": 0.02,
        "ageing_mL_min_per_y": 0.9,
    }
    return KidneyParameters(**(base | change))


def marrow(line, **change):
    """Marrow with three equal lines and, unless asked for, no stem pool."""
    return MarrowParameters(line, line, line, **({"high_let": biology.HighLET(5.0)} | change))


# --- delivery --------------------------------------------------------------------------------------------------------


def test_dose_rates_of_kinetics_integrate_to_the_absorbed_dose():
    import xarray as xr

    amplitude = np.zeros((2, 1, 2, 2))
    amplitude[:, 0, 0] = [[4.0, -3.0], [5.0, -4.0]]
    amplitude[:, 0, 1] = [[2.0, 0.5], [1.0, 1.0]]
    curves = kinetics.Kinetics(
        xr.DataArray(
            amplitude,
            dims=("sample", "region", "nuclide", "term"),
            coords={"region": ["kidneys"], "nuclide": ["Ac-225", "Bi-213"]},
            attrs={"units": "MBq"},
        ),
        xr.DataArray([[0.01, 0.4], [0.02, 0.5]], dims=("sample", "term"), attrs={"units": "1/h"}),
    )
    s_values = transport.self_s_values({"kidneys": transport.RegionMass(310.0, "kidney")}, ["Ac-225", "Bi-213"])
    course = DoseCourse.from_kinetics(curves, s_values, start_d=(0.0, 56.0), relative_activities=[1.0, 0.5])
    given = dose.absorbed_dose(kinetics.integrate(curves), s_values).dose
    ours = course.dose_Gy.transpose(*given.dims)
    np.testing.assert_allclose(ours.values, 1.5 * given.values, rtol=1e-12)
    assert set(course.dose_Gy.radiation.values) == set(given.radiation.values)


# --- tumour: closed forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["gompertz", "exponential"])
def test_without_dose_growth_is_its_law(law):
    times = np.array([0.0, 30.4375, 200.0, 1000.0])
    result = tumour_course(NOTHING, {"x": 20.0}, lesion(law=law), times_d=times)
    rate = np.log(1.06) / 30.4375
    if law == "exponential":
        exact = 20.0 * np.exp(rate * times)
    else:
        k = rate / np.log(500.0 / 20.0)
        exact = 500.0 * np.exp(np.log(20.0 / 500.0) * np.exp(-k * times))
    np.testing.assert_allclose(result.volume.values[0, 0], exact, rtol=1e-7)
    np.testing.assert_allclose(result.viable.values, result.volume.values, rtol=1e-12)


def test_gompertz_growth_at_baseline_is_the_stated_one():
    result = tumour_course(NOTHING, {"x": 20.0}, lesion(), times_d=[0.0, 0.01])
    slope = np.log(result.volume.values[0, 0, 1] / 20.0) / 0.01
    assert slope == pytest.approx(np.log(1.06) / 30.4375, rel=1e-4)


def test_an_acute_dose_leaves_the_linear_quadratic_fraction():
    course = DoseCourse.simple({"x": 6.0}, effective_half_life_h=0.002)
    still = lesion(growth_percent_per_month=0.0, clearance_half_time_d=1e9)
    result = tumour_course(course, {"x": 10.0}, still, times_d=[0.0, 1.0])
    expected = biology.LinearQuadratic(0.05, 0.005).survival(6.0)
    # the dose takes 0.002 h against 1.5 h of repair: G = 1 - 0.0013
    assert result.viable.values[0, 0, 1] / 10.0 == pytest.approx(float(expected), rel=5e-4)
    assert result.volume.values[0, 0, 1] == pytest.approx(10.0, rel=1e-7)


@pytest.mark.parametrize("half_life_h", [0.76, 20.0, 77.0])
def test_the_killing_of_a_cycle_is_alpha_times_bed(half_life_h):
    course = DoseCourse.simple(
        {"x": 30.0}, effective_half_life_h=half_life_h, high_let_dose_Gy_per_cycle={"x": 2.0}, cycles=1
    )
    own = lesion(high_let=biology.HighLET(4.0, r_beta=0.5))
    result = tumour_course(course, {"x": 10.0}, own, times_d=[0.0, 120.0])
    g = biology.lea_catcheside([1.0], [LN2 / half_life_h], 1.5)
    value = biology.bed(30.0, 2.0, g, 10.0, own.high_let)
    assert result.exponent.values[0, 0, 1] == pytest.approx(0.05 * float(value), rel=1e-6)


def test_alpha_particles_kill_without_repair():
    slow, fast = (
        tumour_course(
            DoseCourse.simple({}, effective_half_life_h=h, high_let_dose_Gy_per_cycle={"x": 3.0}),
            {"x": 10.0},
            lesion(repair_half_time_h=r),
            times_d=[0.0, 200.0],
        ).exponent.values[0, 0, 1]
        for h, r in ((100.0, 0.5), (0.1, 24.0))
    )
    assert slow == pytest.approx(0.05 * 4.0 * 3.0, rel=1e-7)
    assert fast == pytest.approx(slow, rel=1e-7)


def test_gompertz_with_killing_is_linear_in_the_logarithm():
    """d ln V / dt = k (ln K - ln V) - kill has the solution of a linear equation, with kill a single exponential."""
    course = DoseCourse.simple({}, effective_half_life_h=60.0, high_let_dose_Gy_per_cycle={"x": 5.0})
    times = np.array([0.0, 3.0, 20.0, 100.0, 400.0])
    result = tumour_course(course, {"x": 20.0}, lesion(), times_d=times)
    k, r = np.log(1.06) / 30.4375 / np.log(25.0), LN2 / 2.5
    total = 0.05 * 4.0 * 5.0
    hit = total * r / (r - k) * (np.exp(-k * times) - np.exp(-r * times))
    log_v = np.log(500.0) + np.log(20.0 / 500.0) * np.exp(-k * times) - hit
    np.testing.assert_allclose(result.viable.values[0, 0], np.exp(log_v), rtol=1e-7)


def test_cells_that_die_are_conserved_until_they_are_cleared():
    course = DoseCourse.simple({"x": 20.0}, effective_half_life_h=50.0, cycles=3, interval_d=40.0)
    still = lesion(growth_percent_per_month=0.0, clearance_half_time_d=1e12)
    result = tumour_course(course, {"x": 10.0}, still, cold_share=0.2, times_d=np.arange(0.0, 200.0, 5.0))
    np.testing.assert_allclose(result.volume.values, 10.0, rtol=1e-7)


def test_cleared_cells_follow_one_exponential():
    course = DoseCourse.simple({}, effective_half_life_h=0.01, high_let_dose_Gy_per_cycle={"x": 10.0})
    result = tumour_course(course, {"x": 8.0}, lesion(growth_percent_per_month=0.0), times_d=[0.0, 1.0, 31.0, 61.0])
    dying = (result.volume - result.viable).values[0, 0]
    np.testing.assert_allclose(dying[2:] / dying[1:-1], 0.5, rtol=1e-7)


def test_cold_cells_survive_and_the_mean_dose_is_kept():
    course = DoseCourse.simple(
        {}, effective_half_life_h=1.0, high_let_dose_Gy_per_cycle={"x": 4.0}, cycles=2, interval_d=30.0
    )
    still = lesion(growth_percent_per_month=0.0)
    end = {}
    for cells in ("same", "redrawn"):
        result = tumour_course(course, {"x": 10.0}, still, cold_share=0.3, cold_cells=cells, times_d=[0.0, 29.0, 59.0])
        end[cells] = result.viable.values[0, 0] / 10.0
    one = 0.3 + 0.7 * np.exp(-0.05 * 4.0 * 4.0 / 0.7)
    assert end["same"][1] == pytest.approx(one, rel=1e-7)
    assert end["redrawn"][2] == pytest.approx(one**2, rel=1e-7)
    assert end["same"][2] == pytest.approx(0.3 + 0.7 * np.exp(-2.0 * 0.05 * 4.0 * 4.0 / 0.7), rel=1e-7)


def test_prior_dose_puts_dying_cells_into_the_baseline():
    own = lesion(growth_percent_per_month=0.0)
    times = [0.0, 30.0, 60.0]
    now = tumour_course(NOTHING, {"x": 10.0}, own, prior=PriorTumourDose(20.0, 30.0), times_d=times)
    lived = np.exp(-0.05 * 20.0)
    dying = (1.0 - lived) * 0.5 / ((1.0 - lived) * 0.5 + lived)
    np.testing.assert_allclose(
        now.volume.values[0, 0], 10.0 * (1.0 - dying + dying * np.array([1.0, 0.5, 0.25])), rtol=1e-8
    )


# --- kidney: closed forms --------------------------------------------------------------------------------------------


def test_without_dose_kidneys_age_by_the_stated_rate():
    times = np.array([0.0, 1.0, 3652.5])
    own = kidneys(overload_per_y=0.0)
    result = kidney_course(DoseCourse.simple({"kidneys": 0.0}, effective_half_life_h=50.0), 80.0, own, times_d=times)
    k = 0.9 / 80.0 / 0.6
    n = np.exp(-k * times / 365.25)
    np.testing.assert_allclose(result.nephrons.values[0], n, rtol=1e-8)
    np.testing.assert_allclose(result.egfr.values[0], 80.0 * n * (1.0 + 0.4 * (1.0 - n)), rtol=1e-8)
    assert (80.0 - result.egfr.values[0, 1]) * 365.25 == pytest.approx(0.9, rel=1e-3)


def test_the_received_bed_is_that_of_the_course():
    course = DoseCourse.simple(
        {"kidneys": 4.0}, effective_half_life_h=50.0, cycles=4, high_let_dose_Gy_per_cycle={"kidneys": 0.5}
    )
    result = kidney_course(course, 90.0, kidneys())
    g = biology.lea_catcheside([1.0], [LN2 / 50.0], 2.8)
    value = biology.course_bed(4.0, 0.5, g, 2.6, biology.HighLET(5.0), [1.0] * 4)
    # what is left of a cycle when the next begins, 2^(-56 d / 50 h) = 8e-9, meets the dose rate of the next
    assert result.bed.values[0, -1] == pytest.approx(float(value), rel=1e-6)
    np.testing.assert_array_equal(result.bed.values, result.bed_unprotected.values)


def test_the_loss_after_the_delay_is_the_stated_one():
    """At the reference BED, long after the delay and with no age or overload, d ln n / dt (1 - h) = ln(1 - loss)."""
    course = DoseCourse.simple({}, effective_half_life_h=1.0, high_let_dose_Gy_per_cycle={"kidneys": 3.6})
    own = kidneys(ageing_mL_min_per_y=0.0, overload_per_y=0.0, mean_delay_d=1.0)
    result = kidney_course(course, 90.0, own, times_d=[0.0, 60.0, 60.0 + 365.25])
    n = result.nephrons.values[0]
    assert (n[2] / n[1]) ** 0.6 == pytest.approx(0.97, rel=1e-6)


def test_the_delay_is_three_equal_steps():
    course = DoseCourse.simple({}, effective_half_life_h=0.001, high_let_dose_Gy_per_cycle={"kidneys": 2.0})
    times = np.array([0.0, 100.0, 365.0, 1000.0])
    result = kidney_course(course, 90.0, kidneys(), times_d=times)
    x = 3.0 / 365.0 * times
    np.testing.assert_allclose(
        result.bed_delayed.values[0], 10.0 * (1.0 - np.exp(-x) * (1.0 + x + x**2 / 2.0)), rtol=1e-5
    )


def test_prior_dose_goes_on_acting():
    """A dose given earlier is the same as one given then: the delayed BED goes on where it stood."""
    own = kidneys(ageing_mL_min_per_y=0.0)
    once = DoseCourse.simple({}, effective_half_life_h=0.001, high_let_dose_Gy_per_cycle={"kidneys": 2.0})
    none = DoseCourse.simple({"kidneys": 0.0}, effective_half_life_h=1.0)
    then = kidney_course(once, 90.0, own, times_d=[0.0, 200.0, 900.0]).bed_delayed.values[0]
    now = kidney_course(none, 90.0, own, prior=PriorKidneyDose(10.0, 200.0), times_d=[0.0, 700.0]).bed_delayed.values[0]
    np.testing.assert_allclose(now, then[1:], rtol=1e-5)


def test_a_scavenger_that_is_always_there_scales_the_linear_term():
    always = Scavenger("ideal", [1e5, 1e5], [0.5, 0.5], 1e5, 0.5, 1e-9, 0.3)
    course = DoseCourse.simple(
        {"kidneys": 5.0}, effective_half_life_h=50.0, high_let_dose_Gy_per_cycle={"kidneys": 1.0}
    )
    result = kidney_course(course, 90.0, kidneys(), scavenger=always, scavenger_doses=[(0.0, 1.0)])
    g = float(biology.lea_catcheside([1.0], [LN2 / 50.0], 2.8))
    exact = 0.5 * 5.0 + (1.0 - 0.15) * 5.0 * 1.0 + g * 25.0 / 2.6
    # the level rises from 0, and the effect is complete once it is far above 1e-9: at once
    assert result.bed.values[0, -1] == pytest.approx(exact, rel=1e-3)


# --- blood: closed forms ---------------------------------------------------------------------------------------------


def test_without_dose_blood_stays_as_it_is():
    course = DoseCourse.simple({"red_marrow": 0.0}, effective_half_life_h=60.0)
    result = blood_course(course, {"platelets": 210.0}, times_d=[0.0, 100.0, 400.0])
    np.testing.assert_allclose(result["platelets"].values, 210.0, rtol=1e-12)
    np.testing.assert_allclose(result.stem_pool.values, 1.0, rtol=1e-12)


def test_without_feedback_the_proliferating_pool_never_returns():
    """gamma = 0: P = exp(-alpha D), and every pool behind it settles there."""
    course = DoseCourse.simple({"red_marrow": 0.5}, effective_half_life_h=20.0, cycles=2, interval_d=30.0)
    result = blood_course(course, None, marrow(Lineage(8.0, 0.0, 0.8)), times_d=[0.0, 400.0])
    assert result.nadir("platelets")["fraction"][0] == pytest.approx(np.exp(-0.8), rel=1e-7)


def test_lymphocytes_after_an_acute_dose_and_on_the_way_back():
    course = DoseCourse.simple({"red_marrow": 0.9}, effective_half_life_h=0.01)
    own = marrow(Lineage(8.0, 0.1, 0.8), lymphocyte_d0_Gy=1.8, lymphocyte_half_time_d=100.0)
    result = blood_course(course, {"lymphocytes": 2.0}, own, times_d=[0.0, 0.02, 100.02])
    low = np.exp(-0.5)
    assert result["lymphocytes"].values[0, 1] == pytest.approx(2.0 * low, rel=2e-4)
    assert result["lymphocytes"].values[0, 2] == pytest.approx(2.0 * (1.0 - 0.5 * (1.0 - low)), rel=2e-4)


def test_the_stem_pool_sets_where_counts_return_to():
    """With a stem pool that never recovers, counts settle at its level: (S / C)^gamma = 1."""
    course = DoseCourse.simple({"red_marrow": 0.5}, effective_half_life_h=20.0)
    own = marrow(Lineage(5.0, 0.2, 1.0), stem_alpha_per_Gy=0.4, stem_half_time_d=1e9)
    result = blood_course(course, {"platelets": 200.0}, own, times_d=[0.0, 3000.0])
    assert result["platelets"].values[0, 1] == pytest.approx(200.0 * np.exp(-0.2), rel=1e-6)


def test_prior_marrow_dose_lowers_a_reference_count_and_leaves_a_measured_one():
    course = DoseCourse.simple({"red_marrow": 0.0}, effective_half_life_h=60.0)
    own = marrow(Lineage(5.0, 0.2, 1.0), stem_alpha_per_Gy=0.2, stem_half_time_d=100.0)
    prior = PriorMarrowDose(2.0, days_before=100.0)
    left = 1.0 - (1.0 - np.exp(-0.4)) / 2.0
    result = blood_course(course, {"neutrophils": 3.0}, own, prior=prior, times_d=[0.0, 1.0, 5000.0])
    reference = catalog.outcome_model("blood-course").values["baseline_platelets"].value
    assert result["platelets"].values[0, 0] == pytest.approx(left * reference)
    assert result["neutrophils"].values[0, 0] == pytest.approx(3.0)
    assert result["neutrophils"].values[0, -1] == pytest.approx(3.0 / left, rel=1e-5)


@pytest.mark.parametrize(
    ("transit_d", "fractions", "day"),
    [(5.5, (0.86, 0.73, 0.53), 14), (12.0, (0.84, 0.71, 0.50), 26), (16.0, (0.84, 0.70, 0.50), 34)],
)
def test_the_lowest_count_of_one_cycle(transit_d, fractions, day):
    """Marrow dose 0.42 Gy, effective half-life 60 h, gamma 0.10, alpha 0.5, 1 and 2 per Gy: an independent table,

    printed to two digits and the day of the middle column.
    """
    course = DoseCourse.simple({"red_marrow": 0.42}, effective_half_life_h=60.0)
    own = marrow(Lineage(transit_d, 0.10, np.array([0.5, 1.0, 2.0])))
    low = blood_course(course, None, own, times_d=np.arange(0.0, 60.0, 0.02)).nadir("platelets")
    assert tuple(np.round(low["fraction"], 2)) == fractions
    assert round(low["day"][1]) == day
    assert np.all(np.abs(low["day"] - day) < 1.0)


# --- the slow twin ---------------------------------------------------------------------------------------------------

TERMS = {"half": np.array([2.0, 60.0]), "share": np.array([-0.4, 1.4])}


def two_phase(region, low_Gy, high_Gy, start, relative):
    """A course with uptake and clearance, and its terms for the twin."""
    import xarray as xr

    rate = LN2 / TERMS["half"]
    per_Gy = TERMS["share"] * rate / TERMS["share"].sum()
    amplitude = np.zeros((1, 1, 1, 2, 2))
    amplitude[0, 0, 0, 0], amplitude[0, 0, 0, 1] = high_Gy * per_Gy, low_Gy * per_Gy
    # dose of each term is its share of the whole: a_i / r_i = share_i / sum
    course = DoseCourse(
        xr.DataArray(
            amplitude,
            dims=("sample", "region", "nuclide", "radiation", "term"),
            coords={"region": [region], "nuclide": ["Ac-225"], "radiation": ["alpha", "electron"]},
            attrs={"units": "Gy/h"},
        ),
        xr.DataArray(rate[None], dims=("sample", "term"), attrs={"units": "1/h"}),
        start,
        np.asarray(relative),
    )
    days = rate * 24.0
    return (
        course,
        list(zip(low_Gy * per_Gy * 24.0, days, strict=True)),
        list(zip(high_Gy * per_Gy * 24.0, days, strict=True)),
    )


@pytest.mark.parametrize("law", ["gompertz", "exponential"])
@pytest.mark.parametrize(("cold", "redrawn"), [(0.0, False), (0.25, False), (0.25, True)])
def test_tumour_agrees_with_its_slow_twin(law, cold, redrawn):
    course, low, high = two_phase("x", 12.0, 1.5, (0.0, 5.0, 60.0), [1.0, 0.5, 1.2])
    own = lesion(law=law, high_let=biology.HighLET(4.0, r_beta=0.6), alpha_beta_Gy=5.0, repair_half_time_h=6.0)
    times = np.array([0.0, 0.3, 2.0, 5.0, 7.0, 33.0, 60.0, 61.0, 180.0])
    ours = tumour_course(
        course, {"x": 20.0}, own, times_d=times, cold_share=cold, cold_cells="redrawn" if redrawn else "same"
    )
    slow = oracle.tumour(
        times, [(0.0, 1.0), (5.0, 0.5), (60.0, 1.2)], low, high, volume=20.0, alpha=0.05, alpha_beta=5.0, repair_h=6.0, rbe=4.0,
        r_beta=0.6, growth=6.0, law=law, capacity=500.0, clearance_d=30.0, cold=cold, redrawn=redrawn,
    )  # fmt: skip
    np.testing.assert_allclose(ours.viable.values[0, 0], slow[:, 0], rtol=1e-6)
    np.testing.assert_allclose(ours.volume.values[0, 0], slow[:, 1], rtol=1e-6)


@pytest.mark.parametrize("protected", [False, True])
def test_kidney_agrees_with_its_slow_twin(protected):
    course, low, high = two_phase("kidneys", 6.0, 0.4, (0.0, 56.0), [1.0, 1.0])
    own = kidneys(high_let=biology.HighLET(5.0, r_beta=0.5))
    times = np.array([0.0, 1.0, 5.0, 56.0, 57.0, 200.0, 700.0])
    drug = {"plasma_h": (0.5, 3.0), "shares": (0.7, 0.3), "kidney_h": 2.0, "most": 0.4, "half": 0.2, "high": 0.3}
    doses = ((0.0, 1.0), (1.0, 1.0), (56.0, 2.0))
    kind = Scavenger("test", drug["plasma_h"], drug["shares"], 2.0, 0.4, 0.2, 0.3) if protected else None
    ours = kidney_course(course, 75.0, own, times_d=times, scavenger=kind, scavenger_doses=doses if protected else None)
    slow = oracle.kidney(
        times, [(0.0, 1.0), (56.0, 1.0)], low, high, egfr=75.0, alpha_beta=2.6, repair_h=2.8, rbe=5.0, r_beta=0.5, loss=3.0,
        reference=18.0, power=1.3, delay_d=365.0, h=0.4, overload=0.02, ageing=0.9, drug=drug if protected else None,
        drug_doses=doses if protected else (),
    )  # fmt: skip
    got = np.stack([getattr(ours, k).values[0] for k in ("bed", "bed_delayed", "nephrons", "egfr")], axis=1)
    np.testing.assert_allclose(got, slow, rtol=2e-6, atol=1e-9)


def test_blood_agrees_with_its_slow_twin():
    course, low, high = two_phase("red_marrow", 0.5, 0.03, (0.0, 50.0, 100.0), [1.0, 1.0, 0.7])
    lines = [Lineage(16.0, 0.1, 1.0), Lineage(5.0, 0.16, 0.7), Lineage(8.0, 0.3, 1.0, 115.0, "marrow")]
    own = MarrowParameters(*lines, biology.HighLET(5.0), stem_alpha_per_Gy=0.15, lymphoid_dose_factor=2.0)
    times = np.array([0.0, 1.0, 20.0, 50.0, 70.0, 100.0, 101.0, 150.0, 300.0])
    ours = blood_course(
        course, dict.fromkeys(("platelets", "neutrophils", "haemoglobin", "lymphocytes"), 1.0), own, times_d=times
    )
    slow = oracle.blood(
        times, [(0.0, 1.0), (50.0, 1.0), (100.0, 0.7)], low, high, rbe=5.0, stem_alpha=0.15, stem_half_d=180.0, d0=1.75,
        lymph_half_d=120.0, factor=2.0, lines=[(16.0, 0.1, 1.0, None, "blood"), (5.0, 0.16, 0.7, None, "blood"), (8.0, 0.3, 1.0, 115.0, "marrow")],
    )  # fmt: skip
    names = ("platelets", "neutrophils", "haemoglobin")
    got = np.stack(
        [*(ours[k].values[0] for k in names), ours.stem_pool.values[0], ours["lymphocytes"].values[0]], axis=1
    )
    np.testing.assert_allclose(got, slow, rtol=1e-6)


# --- properties ------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    low=st.floats(0.0, 30.0), high=st.floats(0.0, 5.0), half=st.floats(0.5, 120.0), cycles=st.integers(1, 4), more=st.floats(1.05, 2.0)
)  # fmt: skip
def test_more_dose_never_does_less(low, high, half, cycles, more):
    """Kidney function and viable tumour fall, the lowest count falls, when every dose grows."""
    regions = ("x", "kidneys", "red_marrow")
    size = {"x": 1.0, "kidneys": 0.2, "red_marrow": 0.02}
    course = DoseCourse.simple(
        {r: low * size[r] for r in regions},
        effective_half_life_h=half,
        cycles=cycles,
        high_let_dose_Gy_per_cycle={r: high * size[r] for r in regions},
    )
    a, b = course, course.scaled(more)
    times = [0.0, 30.0, 100.0, 400.0]
    viable = [tumour_course(c, {"x": 20.0}, lesion(), times_d=times).viable.values for c in (a, b)]
    egfr = [kidney_course(c, 90.0, times_d=times).egfr.values for c in (a, b)]
    lowest = [blood_course(c).nadir("platelets")["fraction"] for c in (a, b)]
    assert (viable[1] <= viable[0] * (1 + 1e-6)).all()
    assert (egfr[1] <= egfr[0] * (1 + 1e-6)).all()
    assert (lowest[1] <= lowest[0] * (1 + 1e-6)).all()


def test_the_scavenger_spares_less_the_more_the_dose_is_from_alpha_particles():
    drug = scavenger("a1m")
    spared, gray = [], []
    for share in (0.0, 0.3, 0.7, 1.0):
        course = DoseCourse.simple(
            {"kidneys": 5.0 * (1.0 - share)}, effective_half_life_h=6.0, high_let_dose_Gy_per_cycle={"kidneys": share}
        )
        result = kidney_course(course, 90.0, scavenger=drug)
        gray.append(float(result.bed_unprotected[0, -1] - result.bed[0, -1]))
        spared.append(gray[-1] / float(result.bed_unprotected[0, -1]))
    assert spared == sorted(spared, reverse=True)
    assert gray[0] > 0.1
    # 5 Gy of electrons and 1 Gy of alpha particles with RBE 5 have the same linear BED
    assert gray[-1] == pytest.approx(float(drug.high_let_share[0]) * gray[0], rel=1e-7)


# --- published values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("creatinine", "age", "sex", "published"),
    # the National Kidney Foundation's statement of the equation, worked through by hand: at k both powers are 1
    [(0.7, 40, "female", 142 * 0.9938**40 * 1.012), (0.9, 60, "male", 142 * 0.9938**60), (1.8, 60, "male", 142 * 0.9938**60 * 2**-1.2),
     (0.45, 60, "male", 142 * 0.9938**60 * 0.5**-0.302)],
)  # fmt: skip
def test_ckd_epi(creatinine, age, sex, published):
    assert float(egfr_ckd_epi_2021(creatinine, age, sex)) == pytest.approx(published, rel=1e-12)


def population(size=4000):
    """Lesions of 177Lu-DOTATATE: 3.41 Gy/GBq with a CV of 60 % (catalogue of doses), 7.4 GBq, four cycles."""
    draws = Draws(size, seed=3)
    s = np.sqrt(np.log(1.36))
    per_cycle = 3.41 * 7.4 * np.exp(s * draws.normal("tumour dose") - s * s / 2.0)
    course = DoseCourse.simple({"target": per_cycle}, effective_half_life_h=77.0, cycles=4, interval_d=56.0)
    return course, TumourParameters.from_catalog(draws.normal)


def test_a_population_responds_as_published():
    """RECIST three months after the fourth cycle, 90 patients: 24, 70 and 7 %. The tolerance is twice the binomial

    standard error of each share in 90 patients.
    """
    course, own = population()
    result = tumour_course(course, {"target": 20.0}, own, times_d=[0.0, 84.0, 168.0, 259.0])
    at_end = result.category.values[:, -1]
    targets = catalog.outcome_model("tumour-course").targets
    for code, name in (("PR", "partial_response"), ("SD", "stable_disease"), ("PD", "progressive_disease")):
        published = targets[name].value / 100.0
        margin = 2.0 * np.sqrt(published * (1.0 - published) / 90.0)
        assert abs(np.mean(at_end == code) - published) < margin, code
    assert set(np.unique(at_end)) <= set(RECIST)


def test_kidney_function_falls_as_after_two_treatments():
    """Medians of creatinine clearance after 177Lu-DOTATATE and 90Y-DOTATOC, 3.8 and 7.3 % a year, in years 1 to 4.

    The doses are the middles of the published ranges; the model was set to these two numbers, so this holds the
    calibration. Tolerance 1 %/y: halfway between the two treatments is 1.75.
    """
    targets = catalog.outcome_model("kidney-course").targets
    for total, half, key in ((17.0, 50.0, "median_loss_lu177"), (28.5, 30.0, "median_loss_y90")):
        published = targets[key].value
        course = DoseCourse.simple({"kidneys": total / 4.0}, effective_half_life_h=half, cycles=4)
        loss = kidney_course(course, 85.0).loss_percent_per_y(365.25, 4 * 365.25)
        assert abs(float(loss[0]) - published) < 1.0


@pytest.mark.parametrize("high_share", [0.0, 0.4, 1.0])
def test_a_scavenger_spares_less_the_more_of_the_damage_is_from_alpha_particles(high_share):
    """Spared BED = integral of E (D'_L + f RBE D'_H), by quadrature over the effect that the public method gives."""
    drug = Scavenger("test", [6.0, 30.0], [0.5, 0.5], 8.0, 0.5, 0.25, 0.3)
    course = DoseCourse.simple(
        {"kidneys": 10.0 * (1.0 - high_share)},
        effective_half_life_h=51.0,
        high_let_dose_Gy_per_cycle={"kidneys": 2.0 * high_share},
    )
    before = course.dose_Gy.copy()
    result = kidney_course(course, 80.0, kidneys(), scavenger=drug)
    spared = float((result.bed_unprotected - result.bed)[0, -1])
    hours = np.linspace(0.0, 1500.0, 1_500_001)
    rate = LN2 / 51.0
    whole = np.trapezoid(drug.effect(hours, [(0.0, 1.0)])[0] * 10.0 * rate * np.exp(-rate * hours), hours)
    assert spared == pytest.approx(whole * (1.0 - high_share + 0.3 * high_share), rel=1e-6)
    np.testing.assert_array_equal(course.dose_Gy.values, before.values)


def test_counts_are_lowest_when_the_published_dose_response_is_clearest():
    """31 to 45 days after a treatment, for both fast lines, at the catalogue's point estimates."""
    course = DoseCourse.simple({"red_marrow": 0.42}, effective_half_life_h=60.0)
    blood = blood_course(course)
    for name in ("platelets", "neutrophils"):
        assert 31.0 <= float(blood.nadir(name)["day"][0]) <= 45.0
    assert float(blood.nadir("haemoglobin", cycle=1)["day"][0]) >= 20.0


def test_low_counts_are_as_frequent_as_in_the_trial():
    """NETTER-1, 111 patients: low platelets 53 %, low neutrophils 26 % (severe 3 %), severe lymphopenia 44 %.

    The model is calibrated to these; the tolerance is twice the binomial standard error of each share. Severe
    thrombocytopenia (1 % there, 3 % here) is outside: see docs/outcome.md.
    """
    z = Draws(4000, seed=3).normal
    s = np.sqrt(np.log1p((0.27 / 0.42) ** 2))
    course = DoseCourse.simple(
        {"red_marrow": 0.42 * np.exp(s * z("marrow dose") - s * s / 2.0)}, effective_half_life_h=60.0, cycles=4
    )
    entry = catalog.outcome_model("blood-course")
    names = ("platelets", "neutrophils", "haemoglobin", "lymphocytes")
    measured = {k: entry.values[f"baseline_{k}"].at_score(z(k)) for k in names}
    blood = blood_course(course, measured, MarrowParameters.from_catalog(z), times_d=np.arange(0.0, 290.0, 2.0))
    for name, key, least in (("platelets", "thrombocytopenia_any", 1), ("neutrophils", "neutropenia_any", 1),
                             ("neutrophils", "neutropenia", 3), ("lymphocytes", "lymphopenia", 3)):  # fmt: skip
        published = entry.targets[key].value / 100.0
        margin = 2.0 * np.sqrt(published * (1.0 - published) / 111.0)
        assert abs(np.mean(blood.worst_grade(name, "5") >= least) - published) < margin, key
    weeks = np.median(blood.nadir("platelets", cycle=1)["day"]) / 7.0
    assert weeks == pytest.approx(entry.targets["platelet_nadir"].value, abs=1.0)


def test_red_cells_fall_little_and_do_not_overshoot():
    """The pool is back in weeks and a red cell lives 115 d: at most (loss of the pool) x (weeks) / 115 d is missing."""
    course = DoseCourse.simple({"red_marrow": 0.42}, effective_half_life_h=60.0)
    own = marrow(Lineage(8.0, 0.25, 1.0, 115.0, "marrow"))
    count = blood_course(course, {"haemoglobin": 13.0}, own, times_d=np.arange(0.0, 800.0, 2.0))["haemoglobin"].values[
        0
    ]
    lost = (1.0 - np.exp(-0.42)) * (1.0 / (0.25 * 0.5)) / 115.0  # the pool returns at k_tr gamma = 0.125 a day
    assert 0.5 * lost < 1.0 - count.min() / 13.0 < 1.3 * lost
    assert count.max() <= 13.0 * (1.0 + 1e-9)


@pytest.mark.parametrize(
    ("entry", "key", "value", "unit", "u"),
    [  # read again in the abstracts, not in the entries
        (
            "tumour-course",
            "partial_response",
            24,
            "%",
            None,
        ),  # RECIST 1.1 partial response was 24%, with 70% stable and 7%
        ("tumour-course", "stable_disease", 70, "%", None),
        ("tumour-course", "progressive_disease", 7, "%", None),
        ("tumour-course", "partial_response_trial", 16, "%", None),  # 16% partial response, 66% stable, 19% progressive
        ("tumour-course", "stable_disease_trial", 66, "%", None),
        ("tumour-course", "progressive_disease_trial", 19, "%", None),
        ("tumour-course", "progression_free_survival", 29, "month", None),  # median PFS 29 months
        (
            "kidney-course",
            "median_loss_lu177",
            3.8,
            "%/y",
            None,
        ),  # 7.3% per y (90Y-DOTATOC), 3.8% per y (177Lu-DOTATATE)
        ("kidney-course", "median_loss_y90", 7.3, "%/y", None),
        ("kidney-course", "loss_y90", 6.8, "mL/min/y", None),  # 6.8 v. 3.0 mL a year
        ("kidney-course", "loss_y90_tandem", 3.0, "mL/min/y", None),
        (
            "blood-course",
            "marrow_dose_per_cycle",
            0.42,
            "Gy",
            0.27,
        ),  # 0.42 Gy (median 0.33 Gy, SD 0.27 Gy) per treatment
    ],
)
def test_published_outcomes_were_copied_right(entry, key, value, unit, u):
    found = catalog.outcome_model(entry).targets[key]
    assert (found.value, found.unit, found.u, found.verified) == (value, unit, u, True)
