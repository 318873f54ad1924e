"""The whole-body model as a user meets it: what it takes, what it gives back, what it refuses."""

import numpy as np
import pytest
from ruamel.yaml import YAML

import alphatwin as at
from alphatwin import catalog
from alphatwin.catalog._pbpk import ModelParameter, ModelParameters, model_parameters
from alphatwin.errors import AlphatwinError, CatalogError, DomainError
from alphatwin.kinetics.pbpk import Lesion, pbpk

MODEL = pbpk("lu177-dotatate")


def test_it_is_a_public_name():
    assert at.pbpk is pbpk


def test_a_result_has_the_promised_axes_and_units():
    r = MODEL.simulate(duration_h=100, peptide_nmol=[100, 150, 200], activity_MBq=7400)
    assert r.activity.dims == ("sample", "region", "nuclide", "time")
    assert list(r.activity["region"].values) == ["kidneys", "liver", "spleen", "red_marrow", "remainder", "tumour"]
    assert r.activity.shape == (3, 6, 1, 60)
    assert r.activity.attrs["units"] == "MBq"
    assert r.time_integrated_activity.attrs["units"] == "MBq h"
    assert r.absorbed_dose_Gy_per_GBq.dims == ("sample", "region")
    assert "remainder" not in r.absorbed_dose_Gy_per_GBq["region"].values
    assert r.excreted_fraction.dims == ("sample", "time")
    assert float(r.activity["time"][0]) == 0
    assert float(r.activity["time"][-1]) == 100
    assert any("not measured" in note for note in r.notes)
    assert set(r.sources) <= set(catalog.sources())


def test_asked_times_come_back_and_do_not_change_the_numbers():
    few, many = MODEL.simulate(times_h=[0, 24, 96]), MODEL.simulate(times_h=np.linspace(0, 336, 337))
    np.testing.assert_allclose(few.activity.values[..., 1:], many.activity.sel(time=[24, 96]).values, rtol=1e-4)
    np.testing.assert_allclose(few.absorbed_dose_Gy_per_GBq.values, many.absorbed_dose_Gy_per_GBq.values, rtol=1e-12)


def test_dose_per_activity_does_not_depend_on_activity_and_curves_are_linear_in_it():
    a, b = MODEL.simulate(activity_MBq=1000), MODEL.simulate(activity_MBq=4000)
    np.testing.assert_allclose(a.absorbed_dose_Gy_per_GBq.values, b.absorbed_dose_Gy_per_GBq.values, rtol=1e-12)
    np.testing.assert_allclose(4 * a.activity.values, b.activity.values, rtol=1e-12)


def test_arrays_make_a_batch_that_equals_its_members():
    gfr, r0 = np.array([0.05, 0.11]), np.array([10.0, 40.0])
    both = MODEL.simulate(gfr_L_per_min=gfr, r0_tumour_nM=r0, activity_MBq=[7400.0, 3700.0])
    for i in range(2):
        one = MODEL.simulate(gfr_L_per_min=gfr[i], r0_tumour_nM=r0[i], activity_MBq=[7400.0, 3700.0][i])
        assert np.array_equal(one.activity.values[0], both.activity.values[i])
        assert np.array_equal(one.absorbed_dose_Gy_per_GBq.values[0], both.absorbed_dose_Gy_per_GBq.values[i])


def test_lesions_any_number_each_with_its_own_parameters():
    none = pbpk("lu177-dotatate", lesions={}).simulate()
    assert list(none.absorbed_dose_Gy_per_GBq["region"].values) == ["kidneys", "liver", "spleen", "red_marrow"]
    given = {f"lesion_{i}": Lesion(5.0 * (i + 1), r0_nM=10.0 * (i + 1), perfusion_per_min=0.05) for i in range(6)}
    model = pbpk("lu177-dotatate", lesions=given)
    dose = model.simulate().absorbed_dose_Gy_per_GBq.sel(region=list(given)).values[0]
    assert (np.diff(dose) > 0).all()
    assert model.parameters["r0_lesion_3_nM"].value == 40.0
    assert model.parameters["k_rel_lesion_3_per_min"].evidence == "calibrated"
    assert model.parameters["r0_lesion_3_nM"].evidence == "assumed"


def test_two_halves_of_a_lesion_are_as_good_as_the_whole():
    whole = pbpk("lu177-dotatate", lesions={"a": 100.0}).simulate(rtol=1e-8)
    halves = pbpk("lu177-dotatate", lesions={"a": 50.0, "b": 50.0}).simulate(rtol=1e-8)
    both = halves.activity.sel(region=["a", "b"]).sum("region").values
    np.testing.assert_allclose(both, whole.activity.sel(region="a").values, rtol=1e-6, atol=1e-6)


def test_alpha_emitters_bring_their_daughters_along():
    r = pbpk("ac225-dotatate").simulate(activity_MBq=8.0, peptide_nmol=100, times_h=[0, 1, 24, 100])
    assert list(r.activity["nuclide"].values)[:2] == ["Ac-225", "Fr-221"]
    late = r.activity.sel(region="kidneys", time=100)
    np.testing.assert_allclose(late.sel(nuclide="Fr-221"), late.sel(nuclide="Ac-225"), rtol=2e-3)
    tia = r.time_integrated_activity.sel(region="kidneys")
    np.testing.assert_allclose(tia.sel(nuclide="Bi-213"), tia.sel(nuclide="Ac-225"), rtol=2e-3)
    assert any("Daughters" in note for note in r.notes)
    assert float(r.activity.sel(nuclide="Bi-213", time=0).sum()) == 0


def test_a_prior_draw_is_by_seed_and_runs():
    drawn = MODEL.prior(40, seed=3)
    assert all(np.array_equal(drawn[k], MODEL.prior(40, seed=3)[k]) for k in drawn)
    assert not np.array_equal(drawn["gfr_L_per_min"], MODEL.prior(40, seed=4)["gfr_L_per_min"])
    assert "volume_tumour_mL" not in drawn  # the user gave it
    dose = MODEL.simulate(**drawn).absorbed_dose_Gy_per_GBq
    assert np.isfinite(dose.values).all()
    assert (dose.values > 0).all()
    with pytest.raises(DomainError, match="n is 0"):
        MODEL.prior(0)


def test_every_parameter_has_unit_source_evidence_and_word():
    for name, q in MODEL.parameters.items():
        assert q.unit, name
        assert q.source in catalog.sources(), name
        assert not q.verified, f"{name}: nobody read these in their papers"


@pytest.mark.parametrize(
    "name",
    ["human", "mouse", "rat", "sstr2-a", "sstr2-b", "sstr2-c", "sstr2-mouse", "sstr2-rat", "psma", "mibg", "radium"],
)
def test_catalogue_entries_load_and_say_what_they_rest_on(name):
    entry = model_parameters(name)
    assert entry.gaps
    text = catalog.path("pbpk", f"{name}.yaml").read_text(encoding="utf-8")
    assert YAML(typ="safe").load(text)["id"] == name
    assert {q.evidence for q in entry.values.values()} <= {"abstract", "model", "recalled", "calibrated", "assumed"}


def test_a_calibrated_value_cannot_call_itself_verified():
    bad = {"value": 1, "unit": "1", "source": "mird20", "locator": "x", "verified": True, "evidence": "calibrated"}
    with pytest.raises(ValueError, match="verified must be false"):
        ModelParameter.model_validate(bad)
    with pytest.raises(CatalogError, match=r"verified must be false"):
        catalog.load_entry(
            {"id": "x", "name": "x", "species": "human", "role": "agent", "values": {"k": bad}}, ModelParameters, "here"
        )
    with pytest.raises(CatalogError, match="Did you mean sstr2-"):
        model_parameters("sstr2-d")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"gfr_L_per_min": 0.0}, "leaves the body by filtration alone"),
        ({"gfr_L_per_min": [0.1, 0.0]}, "leaves the body by filtration alone"),
        ({"gfr": 0.1}, "no parameter 'gfr'. Did you mean gfr_L_per_min"),
        ({"phi": 1.2}, "phi is 1.2; a share lies between 0 and 1"),
        ({"r0_liver_nM": -1.0}, "r0_liver_nM is -1 nmol/L; it must not be negative"),
        ({"kd_nM": "half"}, "kd_nM is 'half'"),
        ({"volume_tumour_mL": 90000.0}, "more than the body"),
        ({"volume_tumour_mL": 0.0}, "volume of tumour_v is 0 L"),
        ({"body_mass_kg": 10.0}, "more than the body"),
        ({"tubular_kidneys": 0.99}, "more than kidneys has"),
        ({"perfusion_tumour_per_min": 10.0}, "below zero"),
        ({"bsa_m2": 0.2}, "volume of rest_v"),
        ({"peptide_nmol": 5.0}, "more than the"),
        ({"activity_MBq": -1.0}, "activity_MBq must be above zero"),
        ({"activity_MBq": [1.0, 2.0], "phi": [0.5, 0.6, 0.7]}, "activity_MBq must be"),
        ({"duration_h": 0}, "duration_h is 0"),
        ({"duration_h": "3 d"}, "duration_h is '3 d'"),
        ({"times_h": [3, 2]}, "times_h must ascend"),
        ({"times_h": [3, 2000]}, "times_h must ascend"),
        ({"rtol": 0.5}, "rtol"),
    ],
)
def test_values_that_cannot_be_are_refused(overrides, told):
    with pytest.raises(DomainError, match=told):
        MODEL.simulate(**overrides)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"agent": "lu177-dotatat"}, "Did you mean lu177-dotatate"),
        ({"species": "dog"}, "No whole-body model of species 'dog'"),
        ({"parameters": "D"}, "No parameter set 'D'"),
        ({"lesions": {"liver": 3.0}}, "cannot be called 'liver'"),
        ({"lesions": {"a b": 3.0}}, "cannot be called 'a b'"),
        ({"lesions": {"a": 0.0}}, "volume_mL = 0.0"),
        ({"lesions": {"a": "3 mL"}}, "Lesion a is '3 mL'"),
    ],
)
def test_a_model_that_cannot_be_is_refused(arguments, told):
    with pytest.raises(AlphatwinError, match=told):
        pbpk(**{"agent": "lu177-dotatate", **arguments})


def test_effective_half_life_is_refused_outside_the_curve():
    r = MODEL.simulate(duration_h=100)
    assert 40 < r.effective_half_life_h("kidneys", (24, 96))[0] < 60
    with pytest.raises(DomainError, match="does not lie in it"):
        r.effective_half_life_h("kidneys")
    with pytest.raises(DomainError, match="Did you mean kidneys"):
        r.effective_half_life_h("kidney", (24, 96))


def test_a_lesion_with_a_negative_value_is_refused():
    with pytest.raises(DomainError, match="r0_nM = -1"):
        Lesion(10.0, r0_nM=-1.0)
