"""Outcome models: what they accept, what they refuse, how counts and volumes become grades and categories."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import alphatwin as at
from alphatwin import biology, catalog
from alphatwin.biology.delivery import DoseCourse
from alphatwin.biology.kidney import (
    CKD_STAGES,
    KidneyParameters,
    PriorKidneyDose,
    ckd_stage,
    egfr_ckd_epi_2021,
    kidney_course,
)
from alphatwin.biology.marrow import Lineage, MarrowParameters, PriorMarrowDose, blood_course, ctcae_grade
from alphatwin.biology.modifiers import ResponseModifier, modifier_of
from alphatwin.biology.protection import Scavenger, scavenger
from alphatwin.biology.tumour import RECIST, PriorTumourDose, TumourParameters, recist, tumour_course
from alphatwin.catalog import OutcomeParameter, load_entry
from alphatwin.draws import Draws
from alphatwin.errors import CatalogError, DomainError, UnitError

LU = DoseCourse.simple(
    {"kidneys": 4.5, "red_marrow": 0.4, "liver_1": 25.0, "liver_2": 10.0},
    effective_half_life_h={"kidneys": 51.0, "red_marrow": 60.0, "liver_1": 77.0, "liver_2": 70.0},
    cycles=4,
    nuclide="Lu-177",
)
AC = DoseCourse.simple(
    {"kidneys": 0.1, "liver_1": 0.3},
    effective_half_life_h=60.0,
    cycles=2,
    high_let_dose_Gy_per_cycle={"kidneys": 0.6, "liver_1": 3.0},
    nuclide="Ac-225",
)


# --- the course of dose rates ----------------------------------------------------------------------------------------


def test_public_names_are_at_the_top():
    assert (at.DoseCourse, at.tumour_course) == (DoseCourse, tumour_course)
    assert (at.kidney_course, at.blood_course) == (kidney_course, blood_course)


def test_a_simple_course_has_the_doses_it_was_given():
    total = LU.dose_Gy.sum(("nuclide", "radiation"))
    np.testing.assert_allclose(total.values[0], [18.0, 1.6, 100.0, 40.0], rtol=1e-12)
    assert LU.start_d == (0.0, 56.0, 112.0, 168.0)
    assert (LU.samples, LU.dose_Gy.attrs["units"], [str(x) for x in LU.amplitude.nuclide.values]) == (
        1,
        "Gy",
        ["Lu-177"],
    )
    high = AC.dose_Gy.sel(radiation="alpha", region="liver_1")
    assert float(high.sum()) == pytest.approx(6.0)
    assert float(AC.scaled(0.5).dose_Gy.sum()) == pytest.approx(0.5 * float(AC.dose_Gy.sum()))


def test_terms_of_a_region_are_its_own_per_day():
    low, high, rate = LU.by_let("liver_2")
    assert low.shape == high.shape == rate.shape == (1, 1)
    assert float(low[0, 0] / rate[0, 0]) == pytest.approx(10.0)
    assert float(rate[0, 0]) == pytest.approx(np.log(2) / 70.0 * 24.0)
    assert not high.any()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"dose_Gy_per_cycle": {}}, DomainError, "at least one region"),
        ({"cycles": 0}, DomainError, "whole number of 1 or more"),
        ({"cycles": 2.5}, DomainError, "whole number"),
        ({"interval_d": 0.0}, DomainError, "interval_d"),
        ({"effective_half_life_h": 0.0}, DomainError, "effective_half_life_h of kidneys"),
        ({"effective_half_life_h": {"kidney": 3.0}}, CatalogError, "Did you mean kidney"),
        ({"dose_Gy_per_cycle": {"kidneys": -1.0}}, DomainError, "dose per cycle of kidneys"),
        ({"dose_Gy_per_cycle": {"kidneys": "5 Gy"}}, DomainError, "must be a number"),
        ({"relative_activities": [1.0, 1.0, 1.0]}, DomainError, "for 2 cycles"),
        ({"relative_activities": [1.0, -1.0]}, DomainError, "relative_activities"),
        ({"relative_activities": ["1", "a"]}, DomainError, "relative_activities"),
        ({"relative_activities": [[1.0, 1.0], [1.0]]}, DomainError, "relative_activities"),
        ({"cycles": "four"}, DomainError, "cycles is 'four'"),
        ({"cycles": np.nan}, DomainError, "cycles holds nan"),
        ({"cycles": [4]}, DomainError, "cycles has shape"),
        ({"interval_d": [56.0, 56.0]}, DomainError, "interval_d has shape"),
        ({"dose_Gy_per_cycle": [5.0]}, DomainError, "a mapping of region to Gy is meant"),
        ({"dose_Gy_per_cycle": {"kidneys": [[1.0, 2.0]]}}, DomainError, "dose per cycle of kidneys has shape"),
        ({"dose_Gy_per_cycle": {"x": [1.0, 2.0], "y": [1.0, 2.0, 3.0]}}, DomainError, "each of 3 samples"),
    ],
)
def test_courses_that_cannot_be_are_refused(change, error, says):
    good = {"dose_Gy_per_cycle": {"kidneys": 5.0}, "effective_half_life_h": 50.0, "cycles": 2}
    DoseCourse.simple(**good)
    with pytest.raises(error, match=says):
        DoseCourse.simple(**(good | change))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"start_d": (56.0, 0.0)}, DomainError, "one after the other"),
        ({"start_d": (0.0, 0.0)}, DomainError, "one after the other"),
        ({"amplitude": LU.amplitude.assign_attrs(units="Gy/d")}, UnitError, "Gy/h"),
        ({"rate": LU.rate.isel(term=[0])}, DomainError, "one rate a term"),
        ({"rate": LU.rate * 0.0}, DomainError, "above 0"),
        ({"amplitude": (-LU.amplitude).assign_attrs(units="Gy/h")}, DomainError, "negative"),
        ({"amplitude": LU.amplitude.assign_coords(radiation=["proton", "electron"])}, DomainError, "proton"),
        ({"relative_activities": np.ones((3, 4)), "rate": xr.concat([LU.rate] * 2, "sample")}, DomainError, "samples"),
    ],
)
def test_a_course_is_whole_at_birth(change, error, says):
    with pytest.raises(error, match=says):
        dataclasses.replace(LU, **change)


def test_a_course_is_scaled_by_one_number():
    with pytest.raises(DomainError, match="factor has shape"):
        LU.scaled([1.0, 2.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: tumour_course(5.0, {"liver_1": 3.0}), "dose is 5.0 .float.; a DoseCourse is meant"),
        (lambda: kidney_course(None, 80.0), "a DoseCourse is meant"),
        (lambda: blood_course(5.0), "a DoseCourse is meant"),
        (lambda: tumour_course(LU, 30.0), "a mapping of lesion to mL"),
        (lambda: tumour_course(LU, {"liver_1": 3.0}, KidneyParameters.from_catalog()), "TumourParameters"),
        (lambda: tumour_course(LU, {"liver_1": 3.0}, {"liver_1": 2.0}), "TumourParameters"),
        (lambda: kidney_course(LU, 80.0, TumourParameters.from_catalog()), "KidneyParameters"),
        (lambda: blood_course(LU, None, TumourParameters.from_catalog()), "MarrowParameters"),
        (lambda: tumour_course(LU, {"liver_1": 3.0}, prior=PriorKidneyDose(1.0, 2.0)), "PriorTumourDose"),
        (lambda: kidney_course(LU, 80.0, prior=20.0), "PriorKidneyDose"),
        (lambda: blood_course(LU, prior=PriorKidneyDose(1.0, 2.0)), "PriorMarrowDose"),
        (lambda: kidney_course(LU, 80.0, scavenger="a1m"), "a Scavenger is meant"),
        (lambda: tumour_course(LU, {"liver_1": 3.0}, modifiers="5-fu"), "modifier_of"),
        (lambda: tumour_course(LU, {"liver_1": 3.0}, modifiers=modifier_of("5-fu")), "a list of ResponseModifier"),
        (lambda: tumour_course(LU, {"liver_1": 3.0}, vanished_below_mm=np.nan), "vanished_below_mm holds nan"),
        (lambda: tumour_course(LU, {"liver_1": 3.0}, vanished_below_mm="2 mm"), "vanished_below_mm"),
        (lambda: blood_course(LU, 240.0), "a mapping of count to its value"),
        (lambda: blood_course(LU, lower_limits={"platelets": [150.0, 140.0]}), "lower limit of platelets has shape"),
        (lambda: dataclasses.replace(TumourParameters.from_catalog(), high_let=3.0), "HighLET"),
        (lambda: dataclasses.replace(KidneyParameters.from_catalog(), high_let=3.0), "HighLET"),
        (lambda: dataclasses.replace(MarrowParameters.from_catalog(), platelets=3.0), "a Lineage is meant"),
    ],
)
def test_what_is_of_another_kind_is_refused_in_words(call, says):
    with pytest.raises(DomainError, match=says):
        call()


def test_r_beta_alone_may_hold_the_samples():
    own = dataclasses.replace(KidneyParameters.from_catalog(), high_let=biology.HighLET(3.0, [0.0, 1.0]))
    bed = kidney_course(AC, 80.0, own).bed.values[:, -1]
    assert bed.shape == (2,)
    assert bed[1] > bed[0]
    lesion = dataclasses.replace(TumourParameters.from_catalog(), high_let=biology.HighLET(3.0, [0.0, 1.0]))
    assert tumour_course(AC, {"liver_1": 3.0}, lesion).volume.sizes["sample"] == 2


def test_doses_far_beyond_use_leave_numbers_not_warnings():
    huge = DoseCourse.simple({"kidneys": 1e4, "x": 1e4, "red_marrow": 1e3}, effective_half_life_h=60.0)
    kidney = kidney_course(huge, 80.0)
    assert str(kidney.stage.values[0, -1]) == "G5"
    assert float(kidney.loss_percent_per_y()[0]) == pytest.approx(100.0)
    assert np.isfinite(tumour_course(huge, {"x": 3.0}).growth_percent_per_month(0.0, 100.0)).all()
    assert int(blood_course(huge).worst_grade("platelets", "6")[0]) == 4
    past = tumour_course(LU, {"liver_1": 3.0}, prior=PriorTumourDose(1e6, 0.0))
    assert float(past.volume[0, 0, 0]) == pytest.approx(3.0)
    assert np.isfinite(past.volume.values).all()
    with pytest.raises(DomainError, match="no marrow that makes blood"):
        blood_course(LU, prior=PriorMarrowDose(1e4, 0.0))


def test_a_course_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        LU.start_d = (1.0,)
    with pytest.raises(ValueError, match="read-only"):
        LU.relative_activities[0, 0] = 2.0


@pytest.mark.parametrize("call", [lambda c: tumour_course(c, {"liver_3": 5.0}), lambda c: kidney_course(c, 90.0, region="kidney"),
                                  lambda c: blood_course(c, region="marrow")])  # fmt: skip
def test_a_region_without_dose_is_refused_with_a_suggestion(call):
    with pytest.raises(CatalogError, match="Did you mean"):
        call(LU)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [5.0, 1.0], [-1.0, 3.0], [0.0, np.nan], [[0.0, 1.0]]])
def test_times_must_increase(times):
    with pytest.raises(DomainError, match="times_d"):
        kidney_course(LU, 90.0, times_d=times)


# --- every result ----------------------------------------------------------------------------------------------------


def test_results_say_their_units_and_samples():
    draws = Draws(5, seed=1)
    tumour = tumour_course(LU, {"liver_1": 10.0, "liver_2": 3.0}, TumourParameters.from_catalog(draws.normal))
    assert tumour.volume.dims == ("sample", "lesion", "time")
    assert tumour.volume.sizes["sample"] == 5
    assert list(tumour.volume.lesion.values) == ["liver_1", "liver_2"]
    assert (tumour.volume.attrs["units"], tumour.volume.time.attrs["units"]) == ("mL", "d")
    kidney = kidney_course(LU, 90.0, KidneyParameters.from_catalog(draws.normal))
    assert (kidney.egfr.sizes["sample"], kidney.egfr.attrs["units"]) == (5, "mL/min/1.73 m^2")
    blood = blood_course(LU, None, MarrowParameters.from_catalog(draws.normal))
    assert blood["haemoglobin"].attrs["units"] == "g/dL"
    assert blood["platelets"].sizes["sample"] == 5
    for result in (tumour, kidney, blood):
        assert result.notes
        assert all(isinstance(note, str) and note for note in result.notes)


def test_a_sample_is_solved_as_if_it_were_alone():
    """Same bits, whatever stands beside it and however many threads share the work."""
    import numba

    dose = DoseCourse.simple({"red_marrow": np.array([0.2, 0.4, 0.9, 1.3])}, effective_half_life_h=60.0, cycles=3)
    alone = DoseCourse.simple({"red_marrow": 0.9}, effective_half_life_h=60.0, cycles=3)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    one = blood_course(dose)["platelets"].values
    numba.set_num_threads(before)
    np.testing.assert_array_equal(blood_course(dose)["platelets"].values, one)
    np.testing.assert_array_equal(blood_course(alone)["platelets"].values[0], one[2])


def test_every_model_gives_the_same_bits_for_any_threads_and_any_company():
    import numba

    z, n = Draws(40, seed=5), 40
    gfr, volume, cold = np.linspace(20.0, 120.0, n), np.linspace(1.0, 60.0, n), np.linspace(0.0, 0.4, n)

    def solved(part):
        def scores(name):
            return z.normal(name)[part]

        tumour = tumour_course(
            AC, {"liver_1": volume[part]}, TumourParameters.from_catalog(scores), cold_share=cold[part],
            cold_cells="redrawn", prior=PriorTumourDose(10.0, 100.0),
        )  # fmt: skip
        kidney = kidney_course(
            AC, gfr[part], KidneyParameters.from_catalog(scores), prior=PriorKidneyDose(5.0, 100.0),
            scavenger=scavenger(scores=scores, gfr_mL_min=gfr[part]),
        )  # fmt: skip
        return [tumour.volume.values, tumour.viable.values, kidney.egfr.values, kidney.bed.values]

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    one = solved(slice(None))
    numba.set_num_threads(before)
    for whole, again, alone, part in zip(
        one, solved(slice(None)), solved(slice(7, 8)), solved(slice(20, 31)), strict=True
    ):
        np.testing.assert_array_equal(again, whole)
        np.testing.assert_array_equal(alone, whole[7:8])
        np.testing.assert_array_equal(part, whole[20:31])


def test_sample_axes_that_differ_are_refused():
    with pytest.raises(DomainError, match="samples"):
        kidney_course(LU, [90.0, 80.0], KidneyParameters.from_catalog(Draws(3).normal))
    with pytest.raises(DomainError, match="samples"):
        blood_course(LU, {"platelets": [200.0, 210.0]}, MarrowParameters.from_catalog(Draws(3).normal))
    with pytest.raises(DomainError, match="samples"):
        tumour_course(LU, {"liver_1": [1.0, 2.0]}, TumourParameters.from_catalog(Draws(3).normal))


def test_an_impossible_parameter_is_said_not_returned_as_nan():
    wild = TumourParameters(1.0, 10.0, 1.5, biology.HighLET(1e300), 5.0, 30.0)
    with pytest.raises(DomainError, match="could not be integrated for sample 0"):
        tumour_course(AC, {"liver_1": 10.0}, wild)


# --- tumour ----------------------------------------------------------------------------------------------------------


def ball(volume_mL):
    return 10.0 * np.cbrt(6.0 * volume_mL / np.pi)


def test_diameter_is_that_of_the_ball():
    result = tumour_course(LU, {"liver_1": 10.0, "liver_2": 3.0}, times_d=[0.0, 50.0])
    assert float(result.diameter[0, 0, 0]) == pytest.approx(26.73, abs=0.01)
    assert float(result.sum_of_diameters[0, 0]) == pytest.approx(ball(10.0) + ball(3.0))


@pytest.mark.parametrize(
    ("sums", "categories"),
    [
        ([100, 71, 69, 75, 82.7], "SD SD PR SD SD"),
        ([100, 70, 83.9, 84], "SD PR SD PD"),  # 20 % above the nadir of 70, not above baseline
        ([100, 60, 55, 66], "SD PR PR PD"),
        ([20, 15, 18, 20], "SD SD SD PD"),  # 5 mm as well as 20 %
        ([20, 15, 18, 19.9], "SD SD SD SD"),
        ([100, 119.9, 120], "SD SD PD"),
        ([50, 1.9, 3.0, 7.0], "SD CR PD PD"),  # seen again after a complete response, whatever its size
        ([50, 1.9, 1.0, 2.0], "SD CR CR PD"),
        ([100, 130, 100], "SD PD SD"),
    ],
)
def test_recist(sums, categories):
    _, codes = recist([[sums]])
    assert [RECIST[c] for c in codes[0]] == categories.split()


def test_a_lesion_that_is_no_longer_seen_counts_nothing_and_all_must_vanish_for_cr():
    sums, codes = recist([[[20.0, 1.0], [30.0, 3.0]]])
    assert (sums[0, 1], RECIST[codes[0, 1]]) == (3.0, "PR")
    with pytest.raises(DomainError, match="nothing to follow"):
        recist([[[1.0, 0.5]]])
    with pytest.raises(DomainError, match="sample, lesion, time"):
        recist([1.0, 2.0])


def test_best_response_stops_at_progression_and_progression_is_the_first():
    growing = TumourParameters(0.0, 10.0, 1.5, biology.HighLET(4.0), 10.0, 30.0)
    result = tumour_course(LU, {"liver_1": 10.0}, growing, times_d=np.arange(0.0, 400.0, 10.0))
    assert result.best_response == ("SD",)
    volume = 10.0 * 1.2**3
    rate = np.log(1.1) / 30.4375
    first = np.log(np.log(2000 / 10) / np.log(2000 / volume)) / (rate / np.log(200.0))
    assert result.progression_d[0] == pytest.approx(10.0 * np.ceil(first / 10.0))
    at_once = tumour_course(LU, {"liver_1": 10.0}, growing, times_d=[0.0, 300.0])
    assert at_once.best_response == ("PD",)
    never = tumour_course(LU, {"liver_1": 10.0}, dataclasses.replace(growing, growth_percent_per_month=0.0))
    assert np.isnan(never.progression_d).all()
    assert never.shares() == {"CR": 0.0, "PR": 0.0, "SD": 1.0, "PD": 0.0}


def test_stable_disease_needs_six_weeks():
    quick = TumourParameters(0.0, 10.0, 1.5, biology.HighLET(4.0), 200.0, 30.0, law="exponential")
    result = tumour_course(LU, {"liver_1": 10.0}, quick, times_d=[0.0, 7.0, 35.0, 60.0])
    assert [str(c) for c in result.category.values[0]] == ["SD", "SD", "PD", "PD"]
    assert result.best_response == ("PD",)


def test_the_baseline_is_no_response_whenever_it_was_taken():
    quick = TumourParameters(0.0, 10.0, 1.5, biology.HighLET(4.0), 80.0, 30.0)
    result = tumour_course(LU, {"liver_1": 3.0}, quick, times_d=[50.0, 150.0])
    assert [str(c) for c in result.category.values[0]] == ["SD", "PD"]
    assert result.best_response == ("PD",)


def test_activities_may_change_from_cycle_to_cycle_and_between_patients():
    per_patient = DoseCourse.simple(
        {"x": 10.0}, effective_half_life_h=60.0, cycles=2, relative_activities=[[1.0, 1.0], [1.0, 0.5], [1.0, 0.0]]
    )
    assert per_patient.samples == 3
    ends = tumour_course(per_patient, {"x": 10.0}, times_d=[0.0, 55.0, 150.0])
    assert np.ptp(ends.viable.values[:, 0, 1]) == 0.0
    assert (np.diff(ends.viable.values[:, 0, 2]) > 0.0).all()
    once = DoseCourse.simple({"x": 10.0}, effective_half_life_h=60.0)
    alone = tumour_course(once, {"x": 10.0}, times_d=[0.0, 55.0, 150.0])
    np.testing.assert_allclose(ends.viable.values[2], alone.viable.values[0], rtol=1e-7)


def test_growth_rate_of_an_image_pair():
    still = TumourParameters(0.0, 10.0, 1.5, biology.HighLET(4.0), 6.0, 30.0, law="exponential")
    result = tumour_course(LU, {"liver_1": 10.0}, still)
    np.testing.assert_allclose(result.growth_percent_per_month(0.0, 140.0), 6.0, rtol=1e-6)
    with pytest.raises(DomainError, match="does not lie within"):
        result.growth_percent_per_month(0.0, 1e6)


def test_5_fu_acts_on_low_let_only_and_a_missing_factor_is_refused():
    own = TumourParameters.from_catalog()
    drug = modifier_of("5-fu")
    for course, changed in ((LU, True), (AC, False)):
        without = tumour_course(course, {"liver_1": 10.0}, own)
        with_drug = tumour_course(course, {"liver_1": 10.0}, own, modifiers=[drug])
        less = float(without.exponent[0, 0, -1]) / float(with_drug.exponent[0, 0, -1])
        assert (less < 1.0 - 1e-4) == changed
    assert any("changes nothing for alpha" in note for note in with_drug.notes)
    with pytest.raises(DomainError, match="Give your own"):
        tumour_course(LU, {"liver_1": 10.0}, own, modifiers=[modifier_of("parp-inhibition")])
    mine = ResponseModifier("my PARP inhibitor", "low_let", alpha_factor=2.0, beta_factor=1.0)
    doubled = dataclasses.replace(own, alpha_per_Gy=2.0 * own.alpha_per_Gy, alpha_beta_Gy=2.0 * own.alpha_beta_Gy)
    np.testing.assert_allclose(
        tumour_course(LU, {"liver_1": 10.0}, own, modifiers=[mine]).volume,
        tumour_course(LU, {"liver_1": 10.0}, doubled).volume,
        rtol=1e-9,
    )
    alpha = ResponseModifier("for alpha", "high_let", alpha_factor=1.5, beta_factor=1.0)
    more = tumour_course(AC, {"liver_1": 10.0}, own, modifiers=[alpha]).exponent[0, 0, -1]
    assert float(more) > float(without.exponent[0, 0, -1])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"cold_share": 1.0}, DomainError, "below 1"),
        ({"cold_share": -0.1}, DomainError, "cold_share"),
        ({"cold_share": {"liver_2": 0.1}}, CatalogError, "cold share"),
        ({"cold_cells": "fixed"}, DomainError, "same or redrawn"),
        ({"baseline_volume_mL": {"liver_1": 0.0}}, DomainError, "baseline volume of liver_1"),
        ({"baseline_volume_mL": {"liver_1": 3000.0}}, DomainError, "carrying capacity"),
        ({"baseline_volume_mL": {}}, DomainError, "names no lesion"),
        ({"baseline_volume_mL": {"liver_1": 0.001}}, DomainError, "nothing to follow"),
        ({"parameters": {"liver_2": TumourParameters.from_catalog()}}, CatalogError, "tumour parameters"),
    ],
)
def test_tumours_that_cannot_be_are_refused(change, error, says):
    with pytest.raises(error, match=says):
        tumour_course(LU, **({"baseline_volume_mL": {"liver_1": 10.0}} | change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"alpha_per_Gy": -0.1}, "alpha_per_Gy"),
        ({"clearance_half_time_d": 0.0}, "clearance"),
        ({"law": "logistic"}, "gompertz or exponential"),
        ({"growth_percent_per_month": -2.0}, "shrinks by itself"),
        ({"growth_percent_per_month": np.nan}, "finite"),
    ],
)
def test_tumour_parameters_are_checked_at_birth(change, says):
    with pytest.raises(DomainError, match=says):
        dataclasses.replace(TumourParameters.from_catalog(), **change)


@pytest.mark.parametrize("prior", [PriorTumourDose, PriorKidneyDose, PriorMarrowDose])
@pytest.mark.parametrize("values", [(-1.0, 10.0), (5.0, -1.0), ("5 Gy", 10.0)])
def test_prior_treatments_are_checked_at_birth(prior, values):
    with pytest.raises(DomainError, match="prior treatment"):
        prior(*values)


def test_prior_doses_may_come_from_a_ledger_with_samples():
    row = biology.external_beam("kidneys", np.array([0.5, 1.0, 1.8]), 10, 2.6)
    book = biology.ledger([row], biology.DoseLimit(40.0, "bed"))
    kidney = kidney_course(LU, 80.0, prior=PriorKidneyDose(book.total_Gy("bed"), 400.0))
    assert (np.diff(kidney.egfr.values[:, -1]) < 0.0).all()
    np.testing.assert_allclose(kidney.bed.values[:, 0], row.bed_Gy)
    blood = blood_course(LU, prior=PriorMarrowDose([0.0, 1.0, 2.0], 100.0))
    assert (np.diff(blood["platelets"].values[:, 0]) < 0.0).all()
    tumour = tumour_course(LU, {"liver_1": 10.0}, prior=PriorTumourDose([0.0, 20.0, 60.0], [30.0, 30.0, 30.0]))
    assert (np.diff(tumour.viable.values[:, 0, 0]) < 0.0).all()
    with pytest.raises(DomainError, match="samples"):
        kidney_course(LU, [80.0, 90.0], prior=PriorKidneyDose([1.0, 2.0, 3.0], 400.0))


def test_a_tumour_shrinks_by_itself_only_with_exponential_growth():
    own = dataclasses.replace(TumourParameters.from_catalog(), law="exponential", growth_percent_per_month=-5.0)
    result = tumour_course(
        DoseCourse.simple({"x": 0.0}, effective_half_life_h=1.0), {"x": 10.0}, own, times_d=[0.0, 30.4375]
    )
    assert float(result.volume[0, 0, 1]) == pytest.approx(9.5)


# --- kidney ----------------------------------------------------------------------------------------------------------


def test_ckd_stages_at_their_bounds():
    values = [120, 90, 89.99, 60, 59.99, 45, 44.99, 30, 29.99, 15, 14.99, 0]
    stages = "G1 G1 G2 G2 G3a G3a G3b G3b G4 G4 G5 G5"
    assert [CKD_STAGES[i] for i in ckd_stage(values)] == stages.split()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: egfr_ckd_epi_2021(0.0, 50.0, "male"), "above 0"),
        (lambda: egfr_ckd_epi_2021(80.0, 50.0, "male"), "umol/L"),
        (lambda: egfr_ckd_epi_2021(0.9, 12.0, "male"), "18 or more"),
        (lambda: egfr_ckd_epi_2021(0.9, 50.0, "m"), "female or male"),
        (lambda: egfr_ckd_epi_2021([0.9, 1.0], [50.0, 60.0, 70.0], "male"), "do not go together"),
        (lambda: kidney_course(LU, 0.0), "egfr"),
        (lambda: kidney_course(LU, 90.0, nephrons=1.2), "at most 1"),
        (lambda: kidney_course(LU, 90.0, scavenger_doses=[(0.0, 1.0)]), "without a scavenger"),
        (
            lambda: kidney_course(LU, 90.0, scavenger=scavenger(), scavenger_doses=[(-1.0, 1.0)]),
            "day of a scavenger dose",
        ),
        (
            lambda: kidney_course(LU, 90.0, scavenger=scavenger(), scavenger_doses=[(0.0, -1.0)]),
            "amount of a scavenger",
        ),
        (lambda: kidney_course(LU, 90.0, scavenger=scavenger(), scavenger_doses=[0.0, 1.0]), "pairs .day, amount."),
        (lambda: kidney_course(LU, 90.0, scavenger=scavenger(), scavenger_doses=[(0.0, [1.0, 2.0])]), "one number"),
        (lambda: scavenger().level([0.0, 1.0], [(0.0, -1.0)]), "amount of a scavenger dose"),
        (lambda: scavenger().effect([0.0, 1.0], [(0.0, np.nan)]), "amount of a scavenger dose"),
        (lambda: scavenger().effect([0.0, 1.0], [("0", 1.0)]), "day of a scavenger dose"),
        (lambda: kidney_course(LU, 90.0).loss_percent_per_y("0"), "from_d"),
        (lambda: dataclasses.replace(KidneyParameters.from_catalog(), compensation=1.0), "below 1"),
        (lambda: dataclasses.replace(KidneyParameters.from_catalog(), power=0.0), "power"),
        (lambda: dataclasses.replace(KidneyParameters.from_catalog(), loss_percent_per_y=100.0), "below 100"),
    ],
)
def test_kidneys_that_cannot_be_are_refused(call, says):
    with pytest.raises(DomainError, match=says):
        call()


def test_kidney_stage_follows_egfr_and_loss_is_positive():
    result = kidney_course(LU, 62.0)
    assert str(result.stage.values[0, 0]) == "G2"
    assert str(result.stage.values[0, -1]) in ("G3a", "G3b")
    assert float(result.loss_percent_per_y()[0]) > 1.0
    with pytest.raises(DomainError, match="does not lie within"):
        result.loss_percent_per_y(0.0, 1e5)


def test_prior_dose_and_fewer_nephrons_make_it_worse():
    end = [
        float(kidney_course(LU, 80.0, **extra).egfr.values[0, -1])
        for extra in ({}, {"nephrons": 0.6}, {"prior": PriorKidneyDose(18.0, 700.0)})
    ]
    assert end[1] < end[0]
    assert end[2] < end[0]


# --- protection ------------------------------------------------------------------------------------------------------


def test_one_reference_dose_peaks_at_one_and_doses_add_up():
    drug = scavenger("a1m", species="mouse")
    hours = np.linspace(0.0, 6.0, 20_001)
    level = drug.level(hours, [(0.0, 1.0)])
    assert float(level.max()) == pytest.approx(1.0, abs=1e-6)
    assert float(level[0, 0]) == 0.0
    both = drug.level(hours, [(0.0, 1.0), (1.0 / 24.0, 0.5)])
    late = drug.level(hours, [(1.0 / 24.0, 0.5)])
    np.testing.assert_allclose(both, level + late, atol=1e-12)
    assert not late[0, hours < 1.0].any()


def test_rodent_kidneys_fill_within_the_hour_and_poor_filtration_fills_them_later():
    hours = np.linspace(0.0, 48.0, 48_001)
    peak = {}
    for name, given in (
        ("mouse", {"species": "mouse"}),
        ("healthy", {"gfr_mL_min": 100.0}),
        ("poor", {"gfr_mL_min": 20.0}),
    ):
        peak[name] = float(hours[scavenger("a1m", **given).level(hours, [(0.0, 1.0)])[0].argmax()])
    assert peak["mouse"] < 1.0
    assert peak["mouse"] < peak["healthy"] < peak["poor"]


def test_equal_rates_of_plasma_and_kidney_are_no_problem():
    same = Scavenger("same", [2.0, 2.0], [0.5, 0.5], 2.0, 0.4, 0.25, 0.3).level([1.0, 3.0], [(0.0, 1.0)])
    r = np.log(2.0) / 2.0
    np.testing.assert_allclose(same[0], np.array([1.0, 3.0]) * r * np.exp(1.0 - r * np.array([1.0, 3.0])), rtol=1e-4)


def test_every_prediction_with_a1m_carries_the_evidence_against_it():
    result = kidney_course(LU, 90.0, scavenger=scavenger())
    text = " ".join(result.notes)
    for word in ("hypothesis", "futility", "POINTER", "Nobody has given A1M"):
        assert word in text
    directions = [f.direction for f in catalog.protector("a1m").findings if f.species == "human"]
    assert directions.count("none") >= 2


def test_a_scavenger_helps_and_never_more_than_its_largest_effect():
    drug = scavenger("a1m", scores=Draws(200, seed=2).normal)
    result = kidney_course(LU, 90.0, scavenger=drug)
    assert (result.bed.values <= result.bed_unprotected.values + 1e-12).all()
    linear = 18.0
    spared = (result.bed_unprotected - result.bed).values[:, -1]
    assert (spared <= drug.largest_effect * linear + 1e-9).all()
    assert spared.max() > 0.05


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: scavenger("a1n"), CatalogError, "Did you mean a1m"),
        (lambda: scavenger("amino-acids"), DomainError, "Give your own"),
        (lambda: scavenger("a1m", species="dog"), DomainError, "human, mouse or rat"),
        (lambda: scavenger("a1m", gfr_mL_min=0.0), DomainError, "gfr_mL_min"),
        (lambda: scavenger("a1m", gfr_mL_min=[[30.0, 90.0]]), DomainError, "gfr_mL_min has shape"),
        (lambda: Scavenger("x", [1.0, 2.0], [0.5, 0.5], [1.0, 2.0], [0.1] * 3, 0.2, 0.3), DomainError, "samples"),
        (lambda: Scavenger("x", [1.0, 2.0], [0.5, 0.6], 1.0, 0.1, 1.0, 0.3), DomainError, "sum to 1"),
        (lambda: Scavenger("x", [1.0], [1.0], 1.0, 0.1, 1.0, 0.3), DomainError, "two values"),
        (lambda: Scavenger("x", [1.0, 2.0], [0.5, 0.5], 1.0, 1.1, 1.0, 0.3), DomainError, "0 to 1"),
        (lambda: Scavenger("x", [1.0, 2.0], [0.5, 0.5], 1.0, 0.1, 0.0, 0.3), DomainError, "half_effect_level"),
    ],
)
def test_scavengers_that_cannot_be_are_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


# --- blood -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "version", "bounds"),
    [  # counts on and just below each bound, written from the two versions of the criteria
        ("neutrophils", "5", {2.0: 0, 1.99: 1, 1.5: 1, 1.49: 2, 1.0: 2, 0.99: 3, 0.5: 3, 0.49: 4}),
        ("neutrophils", "6", {1.99: 0, 1.5: 0, 1.49: 1, 1.0: 1, 0.99: 2, 0.5: 2, 0.49: 3, 0.1: 3, 0.09: 4}),
        ("platelets", "5", {150.0: 0, 149.0: 1, 75.0: 1, 74.0: 2, 50.0: 2, 49.0: 3, 25.0: 3, 24.0: 4}),
        ("platelets", "6", {150.0: 0, 149.0: 1, 75.0: 1, 74.0: 2, 50.0: 2, 49.0: 3, 24.0: 3, 10.0: 3, 9.0: 4}),
        ("lymphocytes", "5", {1.0: 0, 0.99: 1, 0.8: 1, 0.79: 2, 0.5: 2, 0.49: 3, 0.2: 3, 0.19: 4}),
        ("haemoglobin", "5", {12.0: 0, 11.9: 1, 10.0: 1, 9.9: 2, 8.0: 2, 7.9: 3, 2.0: 3}),
        ("haemoglobin", "6", {12.0: 0, 11.9: 1, 9.9: 2, 7.9: 3, 2.0: 3}),
    ],
)
def test_ctcae_grades_at_their_bounds(quantity, version, bounds):
    limit = catalog.outcome_model("blood-course").values[f"lower_limit_{quantity}"].value
    grades = ctcae_grade(list(bounds), quantity, version, lower_limit=limit)
    assert grades.tolist() == list(bounds.values())


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ctcae_grade(1.0, "neutrophils", "4", lower_limit=2.0), DomainError, "state '5' or '6'"),
        (lambda: ctcae_grade(1.0, "neutrophils", ["5"], lower_limit=2.0), DomainError, "state '5' or '6'"),
        (lambda: ctcae_grade([1.0, 2.0], "platelets", "5", lower_limit=[1.0, 2.0, 3.0]), DomainError, "together"),
        (lambda: blood_course(LU).nadir("platelets", cycle="1"), DomainError, "cycle is '1'"),
        (lambda: blood_course(LU).nadir("platelets", cycle=1.5), DomainError, "cycles 1 to 4"),
        (lambda: ctcae_grade(1.0, "lymphocytes", "6", lower_limit=1.0), DomainError, "version '5'"),
        (lambda: ctcae_grade(1.0, "neutrophil", "5", lower_limit=2.0), CatalogError, "Did you mean neutrophils"),
        (lambda: ctcae_grade(-1.0, "neutrophils", "5", lower_limit=2.0), DomainError, "0 or more"),
        (lambda: blood_course(LU, {"thrombocytes": 200.0}), CatalogError, "no blood count 'thrombocytes'"),
        (lambda: blood_course(LU, {"platelets": 0.0}), DomainError, "baseline of platelets"),
        (lambda: blood_course(LU, lower_limits={"platelets": 0.0}), DomainError, "lower limit of platelets"),
        (lambda: blood_course(LU)["leukocytes"], CatalogError, "blood count"),
        (lambda: blood_course(LU).nadir("platelets", cycle=5), DomainError, "cycles 1 to 4"),
        (lambda: blood_course(LU, times_d=[0.0, 10.0]).nadir("platelets", cycle=4), DomainError, "more times_d"),
        (lambda: Lineage(0.0, 0.1, 1.0), DomainError, "mean_transit_time_d"),
        (lambda: Lineage(5.0, -0.1, 1.0), DomainError, "feedback"),
        (lambda: Lineage(5.0, 0.1, 1.0, senses="bone"), DomainError, "blood or marrow"),
    ],
)
def test_blood_that_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_grade_names_its_version_and_the_two_versions_differ():
    strong = DoseCourse.simple({"red_marrow": 1.5}, effective_half_life_h=60.0, cycles=2)
    blood = blood_course(strong)
    five, six = (blood.grade("neutrophils", v) for v in ("5", "6"))
    assert (five.attrs["ctcae"], six.attrs["ctcae"]) == ("5", "6")
    assert "CTCAE 6" in six.attrs["long_name"]
    assert int(blood.worst_grade("neutrophils", "5")[0]) > int(blood.worst_grade("neutrophils", "6")[0])


def test_counts_fall_deeper_from_cycle_to_cycle():
    blood = blood_course(LU)
    fractions = [float(blood.nadir("platelets", cycle=c)["fraction"][0]) for c in (1, 2, 3, 4)]
    assert fractions == sorted(fractions, reverse=True)
    days = [float(blood.nadir("lymphocytes", cycle=c)["day"][0]) for c in (1, 2, 3)]
    assert all(day < float(blood.nadir("platelets", cycle=1)["day"][0]) for day in days)


# --- the catalogue ---------------------------------------------------------------------------------------------------

PARAMETER = {
    "value": 1.0,
    "unit": "1",
    "source": "friberg2002",
    "locator": "here",
    "verified": False,
    "evidence": "recalled",
}


@pytest.mark.parametrize("evidence", ["calibrated", "recalled", "assumed"])
def test_a_parameter_that_was_not_read_cannot_be_verified(evidence):
    load_entry(PARAMETER | {"evidence": evidence}, OutcomeParameter, "here")
    with pytest.raises(CatalogError, match="verified is false"):
        load_entry(PARAMETER | {"evidence": evidence, "verified": True}, OutcomeParameter, "here")
    load_entry(PARAMETER | {"evidence": "abstract", "verified": True}, OutcomeParameter, "here")


def test_evidence_is_never_left_out():
    with pytest.raises(CatalogError, match="evidence"):
        load_entry({k: v for k, v in PARAMETER.items() if k != "evidence"}, OutcomeParameter, "here")


@pytest.mark.parametrize("name", ["tumour-course", "kidney-course", "blood-course"])
def test_priors_move_with_their_scores_and_rest_at_their_value(name):
    entry = catalog.outcome_model(name)
    assert entry.gaps
    for key, quantity in entry.values.items():
        low, _, high = quantity.at_score(np.array([-1.0, 0.0, 1.0]))
        assert (low < high) == quantity.uncertain, key


def test_what_the_models_read_is_in_their_units():
    units = {
        "tumour-course": {"alpha": "1/Gy", "growth": "%/month", "clearance_half_time": "d", "carrying_capacity": "mL"},
        "kidney-course": {"loss": "%/y", "reference_bed": "Gy", "power": "1", "mean_delay": "d", "compensation": "1",
                          "overload": "1/y", "ageing": "mL/min/y"},
        "blood-course": {"mean_transit_time": "d", "feedback": "1", "alpha": "1/Gy", "red_cell_transit_time": "d",
                         "red_cell_residence": "d", "stem_alpha": "1/Gy", "stem_half_time": "d", "lymphocyte_d0": "Gy",
                         "lymphocyte_half_time": "d", "lymphoid_dose_factor": "1", "baseline_platelets": "1e9/L",
                         "baseline_haemoglobin": "g/dL"},
    }  # fmt: skip
    for name, wanted in units.items():
        values = catalog.outcome_model(name).values
        assert {k: values[k].unit for k in wanted} == wanted
    drug = catalog.protector("a1m").values
    assert {k: drug[k].unit for k in ("kidney_half_time", "rodent_fast_half_time", "central_volume", "exchange_flow")} == {
        "kidney_half_time": "h", "rodent_fast_half_time": "min", "central_volume": "L", "exchange_flow": "L/h",
    }  # fmt: skip
