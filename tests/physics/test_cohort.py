"""A virtual patient, step by step, by the public functions; and the population beside what the models promise."""

from __future__ import annotations

import numpy as np
import pytest

import alphatwin as at
from alphatwin import catalog
from alphatwin.biology.kidney import KidneyParameters
from alphatwin.biology.marrow import MarrowParameters
from alphatwin.biology.tumour import TumourParameters
from alphatwin.cohort import load_cohort
from alphatwin.cohort._courses import KidneyState, TumourState
from alphatwin.cohort._simulate import _Patients, _this_cycle, simulate
from alphatwin.kinetics.pbpk import pbpk

SPEC = {"cohort": "mine", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}}
HALF_LIFE_H = 159.5


@pytest.fixture(scope="module")
def few():
    """Six patients, the patients' covariates, and the whole-body model."""
    spec = load_cohort(SPEC)
    return (
        spec,
        simulate(spec, 0, 6),
        _Patients(spec, 0, 6),
        pbpk("lu177-dotatate", lesions=dict.fromkeys(spec.lesion_names, 50.0)),
    )


def test_the_first_cycle_is_that_of_the_whole_body_model(few):
    spec, found, patients, model = few
    volumes = patients.lesion_volumes()
    fixed = patients.kinetics(model)
    given = _this_cycle(patients, fixed, patients.tumours(volumes), patients.kidneys(), 0, np.ones(6))
    result = model.simulate(duration_h=168.0, times_h=[5.0, 24.0, 48.0, 168.0], activity_MBq=7400.0, rtol=1e-8, **given)
    per_gbq = result.absorbed_dose_Gy_per_GBq
    for region in ("kidneys", "liver", "spleen", *spec.lesion_names):
        i = ("kidneys", "liver", "spleen", "red_marrow", *spec.lesion_names).index(region)
        # the solver is asked for 1e-4, the table of S values is interpolated: together below 1e-3
        assert found["dose"][:, 0, i] == pytest.approx(7.4 * per_gbq.sel(region=region).values, rel=1e-3), region
        half = result.effective_half_life_h(region)
        assert found["effective_half_life"][:, i] == pytest.approx(half, rel=2e-3), region
    assert found["excreted"] == pytest.approx(result.excreted_fraction.values[:, :3], rel=1e-3)
    assert found["megalin_share"] == pytest.approx(result.megalin_share.values, rel=1e-3)
    # photons from other regions come on top of the marrow's own dose
    assert (found["dose"][:, 0, 3] > 7.4 * per_gbq.sel(region="red_marrow").values).all()


def test_tumours_cycle_by_cycle_are_the_tumour_course():
    """Equal cycles: the integrator that stops at each cycle against the course that knows all of them."""
    draws = at.Draws(20, seed=2)
    p = TumourParameters.from_catalog(draws.normal)
    dose, half = np.linspace(5.0, 60.0, 20), np.linspace(40.0, 120.0, 20)
    times = np.arange(0.0, 700.0, 28.0)
    course = at.DoseCourse.simple({"t": dose}, effective_half_life_h=half, cycles=4, interval_d=56.0)
    whole = at.tumour_course(course, {"t": np.full(20, 15.0)}, p, times_d=times)
    state = TumourState(p, np.full(20, 15.0), HALF_LIFE_H)
    parts = []
    for c in range(4):
        end = 56.0 * (c + 1) if c < 3 else 700.0
        days = [t - 56.0 * c for t in times if 56.0 * c <= t < end]
        parts.append(state.volume_mL(state.advance(dose, np.zeros(20), half, end - 56.0 * c, days)))
    # 1e-5 a step; what is left of a cycle before the last one, below 1e-4 of its label, is dropped
    assert np.concatenate(parts, axis=1) == pytest.approx(whole.volume.values[:, 0], rel=5e-4)


def test_kidneys_cycle_by_cycle_are_the_kidney_course():
    draws = at.Draws(20, seed=2)
    p = KidneyParameters.from_catalog(draws.normal)
    dose, half, egfr = np.linspace(1.0, 12.0, 20), np.linspace(40.0, 70.0, 20), np.linspace(45.0, 110.0, 20)
    times = np.arange(0.0, 1827.0, 91.0)
    high = 0.1 * dose
    course = at.DoseCourse.simple({"kidneys": dose}, effective_half_life_h=half, cycles=4, interval_d=56.0,
                                  high_let_dose_Gy_per_cycle={"kidneys": high})  # fmt: skip
    whole = at.kidney_course(course, egfr, p, times_d=times)
    state = KidneyState(p, egfr, HALF_LIFE_H)
    parts = []
    for c in range(4):
        end = 56.0 * (c + 1) if c < 3 else 1900.0
        days = [t - 56.0 * c for t in times if 56.0 * c <= t < end]
        parts.append(state.egfr(state.advance(dose, high, half, end - 56.0 * c, days)))
    assert np.concatenate(parts, axis=1) == pytest.approx(whole.egfr.values, rel=5e-4)
    assert state.bed_Gy == pytest.approx(whole.bed.values[:, -1], rel=5e-4)


def test_lowest_counts_are_those_of_the_blood_course(few):
    _, found, patients, _ = few
    relative = found["marrow_dose"].astype(float)
    course = at.DoseCourse.simple(
        {"red_marrow": relative[:, 0]}, effective_half_life_h=patients.draw("marrow_half_life"), cycles=4, interval_d=56.0,
        relative_activities=relative / relative[:, :1],
    )  # fmt: skip
    entry = catalog.outcome_model("blood-course")
    start = {
        k: entry.values[f"baseline_{k}"].at_score(patients.scores.own(f"baseline_{k}"))
        for k in ("platelets", "lymphocytes")
    }
    daily = at.blood_course(course, start, MarrowParameters.from_catalog(patients.scores.own))
    for k, name in ((0, "platelets"), (3, "lymphocytes")):
        for c in (1, 2, 3):
            true = daily.nadir(name, cycle=c)["count"]
            assert found["nadir"][:, c - 1, k] == pytest.approx(true, rel=0.02)  # counts are looked at every three days
            assert (found["nadir"][:, c - 1, k] >= true * (1 - 1e-4)).all()


def test_function_and_tumour_act_back_on_the_kinetics(few):
    """Later cycles: a tumour that shrank takes less peptide and the kidneys get more, but for their own drift of 10 %."""
    spec = load_cohort(
        {**SPEC, "covariates": {"kidney_change": {"cv": 0.0}, "receptor_loss": {"low": 0.0, "high": 0.0, "value": 0.0}}}
    )
    found = simulate(spec, 0, 64)
    shrunk = found["lesion_volume"][:, -1].sum(axis=1) < 0.8 * found["lesion_volume"][:, 0].sum(axis=1)
    assert shrunk.sum() > 5
    ratio = found["dose"][:, -1, 0] / found["dose"][:, 0, 0]
    assert (ratio[shrunk] > 1.0).all()


def test_a_seed_moves_the_mean_by_its_standard_error_and_no_more():
    found = [at.cohort(SPEC, size=600, seed=s).dose_Gy_per_GBq.sel(region="kidneys", cycle=1).values for s in (1, 2)]
    error = np.sqrt(sum(x.var() / len(x) for x in found))
    assert abs(found[0].mean() - found[1].mean()) < 4.5 * error


@pytest.mark.slow
def test_no_patient_of_many_breaks_the_models():
    found = at.cohort(SPEC, size=20_000, seed=11)
    for name in ("dose", "egfr", "nadir", "sum_of_diameters", "excreted"):
        assert np.isfinite(found[name].values).all(), name
