"""Behaviour of chain kinetics and of the values Kinetics and Decays: dims, units, options, bad input."""

import numpy as np
import pytest

from alphatwin import catalog
from alphatwin.errors import CatalogError, DomainError, UnitError
from alphatwin.kinetics import (
    PLASMA,
    Decays,
    FreeDaughters,
    InPlace,
    Kinetics,
    chain_kinetics,
    free_daughters_from_catalog,
    integrate,
)

PARENT = {"kidneys": ([3.0, -3.0], [0.02, 0.9]), "liver": ([8.0], [0.01])}
ELEMENTS = ("Fr", "Bi", "Tl", "Pb")


def free(fraction=0.4, **changes):
    options = {
        "retained": {(p, q, "*"): fraction for p in CHAIN for q in CHAIN},
        "plasma_half_time_h": dict.fromkeys(ELEMENTS, 0.25),
        "uptake": {e: {"kidneys": 0.3, "bone": 0.2} for e in ELEMENTS},
        "retention_half_time_h": {e: {"kidneys": 10.0} for e in ELEMENTS},
    }
    return FreeDaughters(**{**options, **changes})


CHAIN = ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213", "Tl-209", "Pb-209")


def test_dims_units_and_names():
    kinetics = chain_kinetics(PARENT, "Ac-225", free(), n=3)
    assert kinetics.amplitude.dims == ("sample", "region", "nuclide", "term")
    assert kinetics.amplitude.attrs["units"] == "MBq"
    assert kinetics.rate.attrs["units"] == "1/h"
    assert kinetics.regions == ("kidneys", "liver", "blood", "bone")
    assert kinetics.nuclides == CHAIN
    activity = kinetics.activity([0.0, 1.0])
    assert activity.dims == ("sample", "region", "nuclide", "time")
    assert activity.shape == (3, 4, 7, 2)
    assert activity.attrs["units"] == "MBq"
    decays = integrate(kinetics)
    assert decays.decays.attrs["units"] == "1"
    assert decays.time_integrated_activity_MBq_h.attrs["units"] == "MBq h"
    assert np.asarray(decays.decays / 3.6e9) == pytest.approx(np.asarray(decays.time_integrated_activity_MBq_h))


def test_values_check_dims_units_and_rates_at_birth():
    kinetics = chain_kinetics(PARENT, "Ac-225", InPlace())
    with pytest.raises(UnitError, match="units"):
        Kinetics(kinetics.amplitude.assign_attrs(units="Bq"), kinetics.rate)
    with pytest.raises(UnitError, match="dims"):
        Kinetics(kinetics.amplitude.transpose("region", "sample", "nuclide", "term"), kinetics.rate)
    with pytest.raises(DomainError, match="never clear"):
        Kinetics(
            kinetics.amplitude,
            kinetics.rate * 0 + kinetics.rate.copy(data=-kinetics.rate.values).assign_attrs(units="1/h"),
        )
    with pytest.raises(DomainError, match="terms of amplitude"):
        Kinetics(kinetics.amplitude, kinetics.rate.isel(term=slice(1, None)))
    with pytest.raises(UnitError, match="finite"):
        Decays(integrate(kinetics).decays * np.nan)


def test_negative_times_and_durations_are_refused():
    kinetics = chain_kinetics(PARENT, "Lu-177", InPlace())
    with pytest.raises(DomainError, match="none of them negative"):
        kinetics.activity([-1.0])
    with pytest.raises(DomainError, match="duration_h"):
        integrate(kinetics, -1.0)
    with pytest.raises(DomainError, match="factor"):
        kinetics.scaled(-1.0)


def test_scaling_scales_all_of_it():
    kinetics = chain_kinetics(PARENT, "Ac-225", free(), n=2)
    twice = kinetics.scaled(np.array([2.0, 3.0]))
    assert np.asarray(integrate(twice).decays[1]) == pytest.approx(3 * np.asarray(integrate(kinetics).decays[1]))
    assert twice.excreted is not None
    assert np.asarray(twice.excreted[0]) == pytest.approx(2 * np.asarray(kinetics.excreted[0]))


def test_no_daughter_model_is_the_silent_default():
    with pytest.raises(TypeError):
        chain_kinetics(PARENT, "Ac-225")


def test_short_lived_daughters_stay_where_they_were_born():
    kinetics = chain_kinetics({"liver": ([8.0], [0.01])}, "Ac-225", free(fraction=1.0))
    assert kinetics.regions == ("liver",)
    tia = integrate(kinetics).time_integrated_activity_MBq_h[0, 0]
    assert float(tia.sel(nuclide="Po-213") / tia.sel(nuclide="Bi-213")) == pytest.approx(0.9791, rel=1e-3)


def test_a_free_element_without_a_model_is_named():
    with pytest.raises(CatalogError, match="Bi is set free"):
        chain_kinetics(PARENT, "Ac-225", free(uptake={"Fr": {"kidneys": 0.1}}, plasma_half_time_h={"Fr": 0.1}))
    with pytest.raises(CatalogError, match="No retained fraction for Fr-221 born of Ac-225 in kidneys"):
        chain_kinetics(PARENT, "Ac-225", free(retained={}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"retained": {("Ac-225", "Fr-221", "*"): 1.2}}, "must lie between 0 and 1"),
        ({"uptake": {e: {"kidneys": -0.3} for e in ELEMENTS}}, "uptake of Fr in kidneys runs from -0.3"),
        ({"plasma_half_time_h": dict.fromkeys(ELEMENTS, 0.0)}, "plasma half-time of Fr must be above zero"),
        ({"retention_half_time_h": {"Fr": {"kidneys": -1.0}}}, "retention half-time of Fr in kidneys"),
    ],
)
def test_impossible_fractions_and_times_are_refused(change, says):
    with pytest.raises(DomainError, match=says):
        chain_kinetics(PARENT, "Ac-225", free(**change))


def test_parents_of_another_shape_are_refused():
    with pytest.raises(DomainError, match="liver: amplitudes"):
        chain_kinetics({"liver": ([1.0, 2.0], [0.1])}, "Ac-225", InPlace())
    with pytest.raises(DomainError, match="rates above zero"):
        chain_kinetics({"liver": ([1.0], [0.0])}, "Ac-225", InPlace())
    with pytest.raises(DomainError, match="no region"):
        chain_kinetics({}, "Ac-225", InPlace())
    with pytest.raises(DomainError, match="initial_MBq names Ra-226"):
        chain_kinetics(PARENT, "Ac-225", InPlace(), initial_MBq={("Ra-226", "liver"): 1.0})


def test_uptake_of_a_divided_organ_follows_its_parts():
    split = {"kidneys": {"kidney_left": 0.6, "kidney_right": 0.4}}
    parents = {"kidney_left": ([1.0], [0.02]), "kidney_right": ([1.0], [0.02])}
    kinetics = chain_kinetics(parents, "Ac-225", free(uptake_split=split))
    assert "kidneys" not in kinetics.regions
    tia = integrate(kinetics).time_integrated_activity_MBq_h.sel(nuclide="Fr-221")[0]
    kept = 0.4 * 1.0 / 0.02
    left, right = (float(tia.sel(region=r)) - kept for r in parents)
    assert left / right == pytest.approx(1.5)


def test_uptake_fractions_above_one_are_brought_to_one():
    kinetics = chain_kinetics(
        PARENT, "Ac-225", free(uptake={e: {"kidneys": 0.9, "bone": 0.9} for e in ELEMENTS}, retention_half_time_h={})
    )
    assert kinetics.excreted is not None
    assert np.asarray(kinetics.excreted) == pytest.approx(0, abs=1e-9)


def test_injected_free_daughters_start_in_plasma():
    kinetics = chain_kinetics(PARENT, "Ac-225", free(), initial_MBq={("Bi-213", PLASMA): 5.0})
    start = kinetics.activity([0.0]).sel(nuclide="Bi-213", time=0.0)[0]
    assert float(start.sel(region=PLASMA)) == pytest.approx(5.0)
    assert float(start.sel(region="kidneys")) == pytest.approx(0.0, abs=1e-9)
    kept = chain_kinetics(PARENT, "Ac-225", InPlace(), initial_MBq={("Bi-213", "liver"): 5.0})
    assert float(kept.activity([0.0]).sel(nuclide="Bi-213", region="liver").item()) == pytest.approx(5.0)


def test_catalogue_is_sampled_by_name_once():
    asked = []

    def draws(name):
        asked.append(name)
        return np.zeros(4)

    regions = ["kidney_left", "kidney_right", "liver", "tumour_1"]
    model = free_daughters_from_catalog("ac225-dotatate", "Ac-225", regions, draws)
    assert len(asked) == len(set(asked))
    assert {"retained Fr-221 internalised", "retained Bi-213 internalised", "uptake Bi kidneys"} <= set(asked)
    assert "kruijff2015daughters" in model.sources
    bismuth = catalog.free_element("Bi")
    assert {f"uptake Bi {o}" for o, q in bismuth.uptake.items() if not q.verified} <= set(model.unverified)
    assert not {f"uptake Bi {o}" for o, q in bismuth.uptake.items() if q.verified} & set(model.unverified)
    assert set(model.uptake_split["kidneys"]) == {"kidney_left", "kidney_right"}
    kinetics = chain_kinetics({r: ([1.0], [0.02]) for r in regions}, "Ac-225", model, n=4)
    assert kinetics.amplitude.sizes["sample"] == 4
    assert any("ac225" in note for note in kinetics.notes)


def test_a_case_may_replace_the_retained_fraction():
    def draws(name):
        return np.zeros(1)

    model = free_daughters_from_catalog("ac225-dotatate", "Ac-225", ["liver"], draws, retained={"Bi-213": 0.123})
    assert float(np.asarray(model.retained["At-217", "Bi-213", "liver"])) == 0.123
    with pytest.raises(CatalogError, match="Did you mean Bi-213"):
        free_daughters_from_catalog("ac225-dotatate", "Ac-225", ["liver"], draws, retained={"Bi213": 0.1})
