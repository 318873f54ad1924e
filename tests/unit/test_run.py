"""What `run` must never do: drop an earlier dose, pass an unmeasured organ as measured, move a point estimate."""

import copy

import numpy as np
import pytest
from ruamel.yaml import YAML

import alphatwin as at
from alphatwin.case import Case
from alphatwin.draws import Draws
from alphatwin.errors import CaseError
from alphatwin.run._account import evaluate
from alphatwin.run._context import Context
from alphatwin.run._stages import fit_curves

TIMES = [3.7411, 27.7253, 103.0942, 123.9836]
REGIONS = {
    "kidney_left": {"activity_MBq": [98.561, 73.599, 25.396, 19.047], "volume_mL": [241]},
    "kidney_right": {"activity_MBq": [92.891, 66.860, 23.209, 15.667], "volume_mL": [237]},
    "liver": {"activity_MBq": [378.474, 347.404, 192.664, 173.225], "volume_mL": [2115]},
    "whole_body": {"activity_MBq": [1328.78, 883.02, 426.22, 357.62], "dose": False},
}


def case(agent="ac225-dotatate", activity="8 MBq", regions=REGIONS, samples=1, measured="lu177-dotatate", **more):
    data = {
        "case": "a",
        "treatment": {"agent": agent, "activity": activity, **more.pop("treatment", {})},
        "kinetics": {
            "agent": measured,
            "administered_activity": "7.21 GBq",
            "times_h": TIMES,
            "model": "mono",
            "regions": copy.deepcopy(dict(regions)),
        },
        "options": {"samples": samples},
        **more,
    }
    return Case.from_mapping(data)


def evaluation(made, draws=None):
    context = Context(made, draws or Draws(made.options.samples, made.options.seed))
    return evaluate(context, fit_curves(made)), context.book


def value(array, **where):
    """The one number at a place of an array with one sample."""
    return array.sel(where).values.item()


def only(*names):
    return {name: REGIONS[name] for name in names}


def beam(dose, fractions=15):
    return {"prior_therapy": [{"type": "external_beam", "dose": dose, "fractions": fractions, "ended": "2 years"}]}


# --- earlier therapy -------------------------------------------------------------------------------------------------


def test_beam_to_one_kidney_is_counted_in_that_kidney():
    made, _ = evaluation(case(**beam({"kidney_left": "30 Gy"})))
    without, _ = evaluation(case())
    expected = 30 * (1 + 2 / 2.6)  # 15 fractions of 2 Gy, alpha/beta 2.6 Gy
    alone = value(without.course.effect.bed, region="kidney_left")
    assert float(made.ledgers["kidney_left"].total_Gy()[0]) == pytest.approx(alone + expected, rel=1e-9)
    assert made.next_cycle.limiting_tissue == "kidney_left"
    assert made.next_cycle.activity_MBq_at_confidence == 0


def test_beam_to_both_kidneys_counts_for_both_and_their_mean():
    made, _ = evaluation(case(**beam({"kidneys": "10 Gy"}, 5)))
    without, _ = evaluation(case())
    gain = float(made.ledgers["kidneys"].total_Gy()[0] - without.ledgers["kidneys"].total_Gy()[0])
    assert gain == pytest.approx(10 * (1 + 2 / 2.6), rel=1e-9)


def test_beam_to_the_liver_opens_its_ledger():
    made, _ = evaluation(case(**beam({"liver": "30 Gy"})))
    assert made.ledgers["liver"].rows[0].what.startswith("external beam")


def test_earlier_dose_to_a_region_without_dose_is_refused_with_its_place():
    with pytest.raises(CaseError, match=r"prior_therapy\.0\.dose\.lungs.*no dose to lungs"):
        evaluation(case(**beam({"lungs": "10 Gy"})))


def test_given_dose_of_an_earlier_course_replaces_the_own_curve():
    prior = {"agent": "lu177-dotatate", "activity": "7.4 GBq", "cycles": 4, "ended": "9 months"}
    own, _ = evaluation(case(prior_therapy=[prior]))
    given, _ = evaluation(case(prior_therapy=[{**prior, "dose": {"kidneys": "0.65 Gy/GBq"}}]))
    row = given.ledgers["kidneys"].rows[0]
    assert float(row.low_let_dose_Gy[0]) == pytest.approx(4 * 7.4 * 0.65)
    assert float(own.ledgers["kidneys"].rows[0].low_let_dose_Gy[0]) != pytest.approx(4 * 7.4 * 0.65)


def test_earlier_agent_of_another_target_never_takes_this_patients_curves():
    prior = {"agent": "i131-mibg", "activity": "7.4 GBq", "cycles": 1, "ended": "2 years"}
    made, book = evaluation(case(prior_therapy=[prior]))
    assert "from the curves measured" not in " ".join(book.sentences)
    assert any("i131-mibg" in s and ("published mean" in s or "NO DOSE" in s) for s in book.sentences)
    assert made.ledgers["kidneys"].rows[-1].what.startswith("this course")


def test_earlier_courses_stand_oldest_first():
    rows = [
        {"agent": "lu177-dotatate", "activity": "7.4 GBq", "ended": "3 months"},
        {"agent": "y90-dotatoc", "activity": "3 GBq", "ended": "5 years"},
    ]
    made, _ = evaluation(case(prior_therapy=rows))
    assert [r.what.split()[-1] for r in made.ledgers["kidneys"].rows] == [
        "y90-dotatoc",
        "lu177-dotatate",
        "ac225-dotatate",
    ]


# --- what was not measured -------------------------------------------------------------------------------------------


def test_an_organ_that_only_freed_daughters_reach_has_no_dose_and_no_limit():
    made, book = evaluation(case(regions=only("liver", "whole_body")))
    assert not any(r.startswith("kidney") for r in made.course.regions)
    assert made.next_cycle is None
    assert made.planned_limit is None
    assert any("KIDNEYS WERE NOT MEASURED" in s for s in book.sentences)


def test_without_a_whole_body_the_loss_is_said():
    _, book = evaluation(case(regions=only("kidney_left", "kidney_right", "liver")))
    assert any("whole body was not measured" in s for s in book.sentences)


def test_one_kidney_does_not_get_the_daughters_of_both():
    both, _ = evaluation(case())
    one, _ = evaluation(case(regions=only("kidney_left", "liver", "whole_body")))
    left_of_both = value(both.course.decays.decays, region="kidney_left", nuclide="Bi-213")
    left_alone = value(one.course.decays.decays, region="kidney_left", nuclide="Bi-213")
    assert left_alone == pytest.approx(left_of_both, rel=0.1)  # what was not measured moved into the remainder
    assert "kidney_right" in one.course.kinetics.regions
    assert "kidney_right" not in one.course.regions


@pytest.mark.parametrize("agent", ["ra223-chloride", "i131-mibg", "ac225-psma-617"])
def test_curves_of_another_target_are_refused(agent):
    with pytest.raises(CaseError, match=r"kinetics\.agent.*binds to SSTR2"):
        at.run(case(agent))


def test_mouse_gets_no_limits_of_patients():
    small = {
        name: {**{k: v for k, v in r.items() if k != "volume_mL"}, **({"mass": "0.15 g"} if "kidney" in name else {})}
        for name, r in only("kidney_left", "kidney_right").items()
    }
    made, book = evaluation(case(regions=small, patient={"anatomy": "mouse"}))
    assert made.ledgers == {}
    assert made.ntcp == {}
    assert made.next_cycle is None
    assert any("another species" in s for s in book.sentences)


def test_mass_given_for_the_remainder_is_used():
    regions = {**REGIONS, "remainder": {"activity_MBq": [672, 317, 150, 122], "mass": "40 kg"}}
    made, _ = evaluation(case(regions=regions))
    assert value(made.course.s_values.mass_g, region="remainder") == pytest.approx(40_000)


def test_own_retained_fraction_does_not_disturb_an_earlier_course_of_another_chain():
    prior = {"agent": "pb212-dotamtate", "activity": "100 MBq", "ended": "1 year"}
    made, _ = evaluation(case(prior_therapy=[prior], daughters={"retained": {"Bi-213": "80 %"}}))
    assert len(made.ledgers["kidneys"].rows) == 2


def test_retained_of_a_stranger_is_refused():
    with pytest.raises(CaseError, match=r"daughters.retained.Bi-212: not a daughter of Ac-225.*Bi-213"):
        at.run(case(daughters={"retained": {"Bi-212": "80 %"}}))


# --- numbers that must hold ------------------------------------------------------------------------------------------


def test_blood_borne_daughters_are_shared_out_and_none_is_lost():
    made, _ = evaluation(case())
    chain = made.course.kinetics
    assert "blood" not in chain.regions
    decays = made.course.decays.decays.isel(sample=0).sum("region")
    excreted = chain.excreted.isel(sample=0) * 3.6e9
    parent = float(decays.sel(nuclide="Ac-225"))
    for name in ("Fr-221", "Bi-213", "Pb-209"):
        got = float(decays.sel(nuclide=name) + excreted.sel(nuclide=name))
        assert got == pytest.approx(parent * at.nuclide("Ac-225").branching_to(name), rel=1e-9)


def test_sample_mean_is_the_point_estimate_of_the_nuclide_that_is_given():
    for agent in ("lu177-dotatate", "pb212-dotamtate", "bi213-dotatate"):
        point, _ = evaluation(case(agent, "100 MBq"))
        sampled, _ = evaluation(case(agent, "100 MBq", samples=200))
        parent = at.nuclide(at.agent(agent).nuclide).name
        for region in ("kidney_left", "liver", "remainder"):
            where = {"region": region, "nuclide": parent}
            mean = float(sampled.course.decays.decays.sel(where).mean())
            # the calibration factor has mean one, and is nearly uncorrelated with the curve's own scores
            assert mean == pytest.approx(value(point.course.decays.decays, **where), rel=3e-3)


def test_first_row_of_one_at_a_time_is_the_point_estimate():
    made = case(samples=50)
    report = at.run(made)
    point, _ = evaluation(made.model_copy(update={"options": made.options.model_copy(update={"samples": 1})}))
    assert report.sensitivity_centre == pytest.approx(float(point.answer(report.answer_tissue)[0]), rel=1e-12)


def test_more_mass_is_less_dose_and_more_rbe_more_bed():
    rows = {s.name: s for s in at.run(case(samples=20)).sensitivity}
    assert rows["mass kidney_left"].low > rows["mass kidney_left"].high
    assert rows["RBE of alphas, kidneys"].low < rows["RBE of alphas, kidneys"].high
    assert "alpha" not in rows


def test_stated_mass_is_the_median():
    made, _ = evaluation(case(samples=400))
    masses = made.course.s_values.mass_g.sel(region="kidney_left").values
    assert np.median(masses) == pytest.approx(241 * 1.05, rel=2e-3)


def test_published_curve_in_place_of_points():
    """mono curve given as a term: A0/lambda, with the physical decay of another nuclide put in its place."""
    regions = {"kidneys": {"curve": [{"fraction": "2 %", "half_life": "50 h"}], "mass": "310 g"}}
    made, book = evaluation(case("lu177-dotatate", "7.21 GBq", regions))
    expected = 0.02 * 7210 / (np.log(2) / 50)
    got = value(made.course.decays.time_integrated_activity_MBq_h, region="kidneys", nuclide="Lu-177")
    assert got == pytest.approx(expected, rel=1e-9)
    assert any("a curve given in the case" in s for s in book.sentences)
    ac, _ = evaluation(case("ac225-dotatate", "10 MBq", regions))
    shift = at.nuclide("Ac-225").decay_constant_per_h - at.nuclide("Lu-177").decay_constant_per_h
    got = value(ac.course.decays.time_integrated_activity_MBq_h, region="kidneys", nuclide="Ac-225")
    assert got == pytest.approx(0.02 * 10 / (np.log(2) / 50 + shift), rel=1e-9)


def test_biological_half_lives_get_the_physical_decay():
    regions = {
        "kidneys": {"curve": [{"fraction": "2 %", "half_life": "80 h"}], "half_lives": "biological", "mass": "310 g"}
    }
    made, _ = evaluation(case("lu177-dotatate", "1 GBq", regions))
    rate = np.log(2) / 80 + at.nuclide("Lu-177").decay_constant_per_h
    got = value(made.course.decays.time_integrated_activity_MBq_h, region="kidneys", nuclide="Lu-177")
    assert got == pytest.approx(0.02 * 1000 / rate, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"curve": []}, "1 to 10"),
        ({"curve": [{"fraction": "2 %", "half_life": "50 h"}], "activity_MBq": [1, 2, 3, 4]}, "one of the two"),
        ({}, "one of the two"),
        ({"curve": [{"fraction": "2 MBq", "half_life": "50 h"}]}, "fraction"),
        ({"curve": [{"fraction": "2 %", "half_life": "0 h"}]}, "half_life"),
    ],
)
def test_bad_published_curves_are_refused(change, expected):
    with pytest.raises(CaseError, match=expected):
        case(regions={"kidneys": {"mass": "310 g", **change}})


def test_slower_than_decay_is_refused_for_a_published_curve():
    regions = {"kidneys": {"curve": [{"fraction": "2 %", "half_life": "500 h"}], "mass": "310 g"}}
    with pytest.raises(at.AlphatwinError, match="kidneys"):
        evaluation(case("lu177-dotatate", "1 GBq", regions))


def test_measured_blood_serves_the_marrow():
    blood = {"curve": [{"fraction": "20 %", "half_life": "3 h"}], "mass": "5.6 kg", "dose": False}
    made, book = evaluation(case("lu177-dotatate", "1 GBq", {**only("kidney_left", "kidney_right"), "blood": blood}))
    assert any("measured blood" in s for s in book.sentences)
    tia = made.course.decays.time_integrated_activity_MBq_h.sel(nuclide="Lu-177").isel(sample=0)
    volumes = (1394 / at.medium("red-marrow").density_g_per_cm3) / (5600 / at.medium("blood").density_g_per_cm3)
    assert float(tia.sel(region="red_marrow") / tia.sel(region="blood")) == pytest.approx(volumes, rel=1e-6)


def test_example_runs_as_shown():
    YAML(typ="safe").load(at.example_path().read_text(encoding="utf-8"))
    assert at.load(at.example_path()).case == "snmmi-patient4"


# --- what the report says --------------------------------------------------------------------------------------------


def test_headline_never_exceeds_what_is_in_use():
    """Limits alone may allow seven times the product's activity; the headline is then the product's."""
    from alphatwin.report import tables

    report = at.run(case("lu177-dotatate", "7.21 GBq", samples=20))
    title, plan, practice = tables.plans(report)[0]
    assert title.startswith("Next cycle")
    assert practice == pytest.approx(7400)
    assert plan.activity_MBq_at_confidence > practice
    assert "7.40 GBq, the most in use" in " ".join(report.text().split())
    assert "7.40 GBq" in report.html()


def test_highest_in_use_counts_body_mass_and_cap():
    from alphatwin.report import tables

    agent = at.agent("pb212-dotamtate")
    assert tables.highest_in_use_MBq(agent, 60.0) == pytest.approx(150.0)
    # an uncapped entry (phase 1) and one capped at 203.5 MBq are both in use
    assert tables.highest_in_use_MBq(agent, 100.0) == pytest.approx(250.0)


def test_long_titles_wrap():
    report = at.run(case(samples=2, title="A title " * 30))
    assert max(map(len, report.text().splitlines())) <= 80
