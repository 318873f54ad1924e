"""Kinetics that are computed: what a case may give the whole-body model, what it refuses, and the whole run."""

import json
import math

import numpy as np
import pytest
from ruamel.yaml import YAML

import alphatwin as at
from alphatwin.case import Case, FiltrationRate, PbpkKinetics, load, schema
from alphatwin.catalog._pbpk import parameter_sets
from alphatwin.draws import Draws
from alphatwin.errors import AlphatwinError, CaseError
from alphatwin.kinetics import InPlace, chain_kinetics, integrate
from alphatwin.kinetics._pbpk_curves import ComputedCurve, exponentials_of, grid_of
from alphatwin.kinetics.pbpk import pbpk
from alphatwin.run._context import Context
from alphatwin.run._planned import computed_parents, planned_masses
from conftest import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "ac225-dotatate-planned.yaml"
TEXT = EXAMPLE.read_text(encoding="utf-8")


def data(**kinetics):
    found = YAML(typ="safe").load(TEXT)
    found["kinetics"] |= kinetics
    found["options"] = {"samples": 20}
    return found


def case(**kinetics):
    return Case.from_mapping(data(**kinetics))


@pytest.fixture(scope="module")
def report():
    return at.run(Case.from_mapping({**data(), "options": {"samples": 60}}))


# --- the case ----------------------------------------------------------------------------------------------------------


def test_the_example_is_read():
    given = load(EXAMPLE)
    assert isinstance(given.kinetics, PbpkKinetics)
    assert given.kinetics.regions == {}
    assert given.measured_agent == "ac225-dotatate"
    assert given.kinetics.peptide_nmol == 140
    assert given.kinetics.lesions["tumour_liver"].receptors_nM == 25
    assert given.patient.organ_masses_g == {"kidneys": 340, "liver": 1900}
    assert given.body_surface_m2 == pytest.approx(math.sqrt(176 * 78 / 3600))
    assert given.patient.egfr.L_per_min(1.73) == pytest.approx(0.085)


def test_filtration_absolute_and_indexed():
    absolute, indexed = (FiltrationRate.model_validate(t) for t in ("90 mL/min", "90 mL/min/1.73m2"))
    assert absolute.L_per_min(2.0) == pytest.approx(0.09)
    assert indexed.L_per_min(2.0) == pytest.approx(0.09 * 2.0 / 1.73)
    assert FiltrationRate.model_validate("90 mL/min/1.73 m²") == indexed


@pytest.mark.parametrize(("given", "hours"), [(True, 960), (False, 0), ("4 h", 4), ("none", 0), ("throughout", 960)])
def test_amino_acids_in_words(given, hours):
    assert case(amino_acids=given).kinetics.amino_acids_h == hours


def test_the_schema_has_both_sources():
    text = json.dumps(schema())
    assert '"pbpk"' in text
    assert '"measured"' in text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("volume: 120 mL", "volume: 120 L", ["line 27", "kinetics.lesions.tumour_liver.volume", "more than the patient"]),
        ("85 mL/min/1.73m2", "0 mL/min", ["line 11", "patient.egfr", "filtration"]),
        ("85 mL/min/1.73m2", "85 ml", ["patient.egfr", "no filtration rate"]),
        ("peptide: 140 nmol", "peptide: -140 nmol", ["line 23", "kinetics.peptide", "above zero"]),
        ("peptide: 140 nmol", "peptide: 140", ["kinetics.peptide", "no unit"]),
        ("parameters: C", "parameters: D", ["kinetics.parameters", "There is A, B, C"]),
        ("parameters: C", "parameter: C", ["Did you mean parameters"]),
        ("agent: ac225-dotatate", "agent: ac225-dotatat", ["Did you mean ac225-dotatate"]),
        ("agent: ac225-dotatate", "agent: ra223-chloride", ["treatment.agent", "geometry of bone"]),
        ("source: pbpk", "source: pbkp", ["kinetics.source", "Did you mean pbpk"]),
        ("source: pbpk", "", ["kinetics.source", "write source: pbpk"]),
        ("source: pbpk", "source: pbpk\n  times_h: [1, 2]", ["kinetics.times_h", "one of the two"]),
        ("source: pbpk", "source: pbpk\n  regions: {liver: {activity_MBq: [1, 2]}}", ["kinetics.regions", "one of the two"]),
        ("kidneys: 340 g", "kidneys: 340 kg", ["patient.organ_masses.kidneys", "more than the body"]),
        ("kidneys: 340 g", "kidnys: 340 g", ["Did you mean kidneys"]),
        ("tumour_nodes:", "liver_met:", ["begin with tumour"]),
        ("amino_acids: true", "amino_acids: 4", ["kinetics.amino_acids", "'4 h'"]),
        ("amino_acids: true", "override: {phy: 0.3}", ["kinetics.override.phy", "Did you mean phi"]),
        ("amino_acids: true", "override: {phi: -1}", ["kinetics.override.phi", "zero or above"]),
        ("amino_acids: true", "override: {gfr_L_per_min: 0.1}", ["is given as patient.egfr"]),
        ("amino_acids: true", "override: {volume_liver_L: 1}", ["patient.organ_masses"]),
        ("receptors: 25 nmol/L", "receptors: 25", ["no unit"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place(tmp_path, old, new, told):
    assert TEXT.count(old) >= 1
    file = tmp_path / "case.yaml"
    file.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CaseError) as caught:
        load(file)
    for words in told:
        assert words in str(caught.value)


def test_lesions_and_organs_together_must_fit():
    with pytest.raises(CaseError, match="together weigh"):
        case(lesions={f"tumour_{i}": {"volume": "20 L"} for i in range(5)})


def test_organ_masses_are_for_computed_kinetics():
    found = YAML(typ="safe").load(at.example_path().read_text(encoding="utf-8"))
    found["patient"] = {"organ_masses": {"kidneys": "300 g"}}
    with pytest.raises(CaseError, match="for computed kinetics"):
        Case.from_mapping(found)


def test_too_little_peptide_is_told_where_it_was_given():
    with pytest.raises(AlphatwinError, match=r"^kinetics.peptide: 0.01 nmol is less than the 0.0192 nmol"):
        at.run(case(peptide="0.01 nmol"))


# --- curves as exponentials ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "agent", ["lu177-dotatate", "ac225-dotatate", "bi213-dotatate", "lu177-psma-617", "at211-mabg"]
)
def test_the_spine_gets_the_decays_of_the_model(agent):
    """Time-integrated activity through `Kinetics` against the integral that the solver carried: 1e-4 is asked."""
    model = pbpk(agent)
    drawn = model.prior(30, seed=2)
    amount = drawn.pop("peptide_nmol", 100.0)
    curves = model.exponentials(activity_MBq=10.0, peptide_nmol=amount, **drawn)
    found = integrate(chain_kinetics(curves, model.nuclide, InPlace())).time_integrated_activity_MBq_h
    exact = model.simulate(activity_MBq=10.0, peptide_nmol=amount, times_h=[0.0], **drawn).time_integrated_activity
    np.testing.assert_allclose(found.sel(nuclide=model.nuclide), exact.sel(nuclide=model.nuclide), rtol=1e-4)


def test_the_curve_follows_the_model():
    """After the infusion within 2 % of the peak in organs and tumour, the curve itself in the mean within 1 %."""
    model = pbpk("lu177-dotatate")
    curves = model.exponentials(activity_MBq=100.0)
    t = np.concatenate([[0.0], np.geomspace(0.02, 600, 300)])
    exact = model.simulate(duration_h=600, times_h=t, activity_MBq=100.0).activity.isel(nuclide=0, sample=0)
    for region in ("kidneys", "liver", "spleen", "tumour"):
        a, r = curves[region]
        ours = np.exp(-np.outer(t, r[0])) @ a[0]
        off = np.abs(ours - exact.sel(region=region).values)
        assert off[t > 2].max() < 0.02 * ours.max(), region
        assert np.trapezoid(off, t) < 0.01 * np.trapezoid(ours, t), region
        assert abs(ours[0]) < 1e-9 * ours.max()


def test_a_curve_of_exponentials_comes_back():
    grid = grid_of(2000.0)
    curve = (np.exp(-0.02 * grid) - np.exp(-0.9 * grid))[None, None]
    amplitude, rate = exponentials_of(grid, curve, np.array([[1 / 0.02 - 1 / 0.9]]), 0.0043)
    back = np.exp(-np.outer(grid, rate)) @ amplitude[0, 0]
    np.testing.assert_allclose(back, curve[0, 0], atol=1e-3)  # its two rates are not among the 24
    made = ComputedCurve.of(amplitude[0, 0], rate, "Lu-177", "a model")
    assert made.time_integrated_activity_MBq_h == pytest.approx(1 / 0.02 - 1 / 0.9, rel=1e-9)
    assert made.effective_half_life_h == pytest.approx(math.log(2) / 0.02, rel=0.02)


def test_an_empty_region_stays_empty():
    grid = grid_of(100.0)
    amplitude, _ = exponentials_of(grid, np.zeros((2, 1, len(grid))), np.zeros((2, 1)), 0.01)
    assert not amplitude.any()


# --- the run -------------------------------------------------------------------------------------------------------------


def test_one_set_of_masses_serves_kinetics_and_dose():
    c = Context(case(), Draws(50, 1))
    mass = planned_masses(c, ["kidneys", "liver", "spleen", "tumour_liver", "remainder"])
    assert "remainder" not in mass
    assert np.median(mass["kidneys"].mass_g) == pytest.approx(340, rel=0.02)
    assert np.std(np.log(mass["kidneys"].mass_g)) == pytest.approx(0.05, rel=0.02)
    assert np.std(np.log(mass["spleen"].mass_g)) == pytest.approx(0.2, rel=0.05)
    assert mass["tumour_liver"].basis == "given"
    assert "body surface" in mass["spleen"].basis


def test_what_the_case_gives_is_not_drawn():
    c = Context(case(override={"phi": 0.8}), Draws(20, 1))
    a, r = computed_parents(c, "ac225-dotatate", 9.36)["kidneys"]
    held = computed_parents(Context(case(override={"phi": 0.8}), Draws(20, 2)), "ac225-dotatate", 9.36)["kidneys"]
    assert a.shape == (20, 24)
    assert (r > 0).all()
    assert not np.array_equal(a, held[0])  # another seed, other draws
    lower = computed_parents(Context(case(override={"phi": 0.4}), Draws(20, 1)), "ac225-dotatate", 9.36)["kidneys"]
    assert ((lower[0] / lower[1]).sum(axis=1) > (a / r).sum(axis=1)).all()  # slower filtration, more in the kidneys


def test_the_report_says_computed_and_holds_the_spine(report, tmp_path):
    summary = report.summary()
    assert "COMPUTED by the whole-body model, not measured" in summary["asked"]
    assert "computed, not measured" in summary["scope"]
    for region in ("kidneys", "liver", "spleen", "red_marrow", "remainder", "tumour_liver", "tumour_nodes"):
        assert summary["regions"][region]["absorbed_dose_Gy"]["total"]["sd"] > 0
        assert summary["regions"][region]["bed_Gy"]["mean"] > 0
    assert set(summary["regions"]["kidneys"]["time_integrated_activity_MBq_h"]) == set(at.nuclide("Ac-225").chain)
    assert summary["ledger"]["kidneys"]["rows"][-1]["what"].startswith("this course")
    assert summary["planned_course"]["activity_MBq_at_confidence"] > 0
    assert any("between patients" in a and "for want of knowledge" in a for a in summary["assumptions"])
    names = [u["name"] for u in summary["unverified"]]
    assert "whole-body model: k_int_per_min" in names
    assert "whole-body model: gfr_L_per_min" not in names  # the patient's own was given
    choices = {w["choice"] for w in summary["sensitivity"]["other_choices"]}
    assert choices >= {"parameter set A", "no amino acids", "one site of decay in each organ"}
    assert any("Site of decay of the parent" in a and "internalised 9" in a for a in summary["assumptions"])
    assert any(
        "freed elsewhere and came with the blood" in a and "as free bismuth" in a for a in summary["assumptions"]
    )
    assert {w["choice"] for w in summary["sensitivity"]["other_choices"]} >= {"parameter set A", "no amino acids"}
    assert {w["choice"] for w in summary["sensitivity"]["other_choices"]} >= {"parameter set B"}
    assert "both sets" not in json.dumps(summary["sensitivity"])  # there are three
    assert {"kletting2016peptide", "alphatwinpbpk"} <= set(summary["provenance"]["sources"])
    page = (report.write(tmp_path) / "report.html").read_text(encoding="utf-8")
    assert "COMPUTED by the whole-body model, not measured" in page
    assert "Computed by the whole-body model, not measured: one cycle" in page
    curves = page[page.index('id="curves"') : page.index('id="dose"')]
    assert "AICc" not in curves
    assert "after the last point" not in curves
    assert '"name": "fit"' not in page
    assert '"name":"fit"' not in page


def test_the_point_estimate_is_the_model_of_the_patient(report):
    """Kidney decays of the report's point estimate against `pbpk` called by hand with the same patient."""
    model = pbpk("ac225-dotatate", parameters="C", lesions={"tumour_liver": at.kinetics.pbpk.Lesion(120.0, r0_nM=25.0), "tumour_nodes": 45.0})  # fmt: skip
    surface = math.sqrt(176 * 78 / 3600)
    factor = surface / 1.9
    given = {"peptide_nmol", "body_mass_kg", "bsa_m2", "gfr_L_per_min"}
    others = {k: v for k, v in model.prior(1).items() if k not in given and not k.startswith("volume_")}
    found = model.simulate(
        activity_MBq=9.36, peptide_nmol=140, times_h=[0.0], body_mass_kg=78, bsa_m2=surface, amino_acid_duration_min=57600,
        gfr_L_per_min=0.085 * surface / 1.73, volume_kidneys_L=0.340 / 1.05, volume_liver_L=1.9 / at.catalog.medium("liver").density.value,
        volume_spleen_L=0.183 * factor, volume_red_marrow_L=1.1 * factor, volume_lungs_L=factor, **others,
    ).time_integrated_activity.sel(region="kidneys", nuclide="Ac-225")  # fmt: skip
    tia = report.point.decays.time_integrated_activity_MBq_h.sel(region="kidneys", nuclide="Ac-225")
    assert float(tia[0]) == pytest.approx(float(found[0]), rel=1e-3)


@pytest.mark.parametrize(
    ("changed", "moves"),
    [
        ({"lesions": {}}, "kidneys get more without a sink"),
        ({"amino_acids": False}, "kidneys get more without amino acids"),
    ],
)
def test_what_the_patient_is_given_moves_the_kidneys(changed, moves):
    def kidneys(kinetics):
        c = Context(case(**kinetics), Draws(1))
        a, r = computed_parents(c, "ac225-dotatate", 9.36)["kidneys"]
        return float((a / r).sum())

    assert kidneys(changed) > 1.05 * kidneys({}), moves


@pytest.mark.slow
def test_every_target_of_the_catalogue_that_has_a_model_runs():
    for agent in ("ac225-psma-617", "at211-mabg"):
        told = {"case": "x", "treatment": {"agent": agent, "activity": "8 MBq"}, "options": {"samples": 1}, "kinetics": {"source": "pbpk"}}  # fmt: skip
        regions = at.run(Case.from_mapping(told)).course.regions
        assert "salivary_glands" in regions
    assert parameter_sets("SSTR2", "mouse") == {"A": "sstr2-mouse"}


def test_a_mouse_is_planned_in_its_own_body():
    told = {
        "case": "m", "patient": {"anatomy": "mouse", "body_mass": "20 g"}, "options": {"samples": 1},
        "treatment": {"agent": "pb212-dotamtate", "activity": "0.5 MBq"},
        "kinetics": {"source": "pbpk", "lesions": {"tumour": {"volume": "0.2 mL"}}},
    }  # fmt: skip
    made = at.run(Case.from_mapping(told))
    mass = made.course.s_values.mass_g
    assert float(mass.sel(region="kidneys").item()) == pytest.approx(0.42 * 0.8 * 1.05, rel=1e-6)
    assert not made.ledgers  # limits of patients do not hold
