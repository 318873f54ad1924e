"""Models as SBML and Antimony: what is written says the same, what is read is checked, the rest is refused by name."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from alphatwin.errors import CaseError, DomainError
from alphatwin.kinetics.compiler import Compartment, Event, Flux, Model, Rate, State, compiled
from alphatwin.kinetics.compiler.exchange import from_sbml, to_antimony, to_sbml
from alphatwin.kinetics.pbpk import pbpk

CORE = "{http://www.sbml.org/sbml/level3/version2/core}"
MATH = 'xmlns="http://www.w3.org/1998/Math/MathML"'


def sample(**changes):
    made = {
        "parameters": {"Q": 0.1, "V": 3.0, "km": 1e-4, "p": 1.5, "given": 4.0},
        "definitions": {"V_b": "2 * V", "bound": "A / (km + A)"},
        "compartments": (Compartment("a", "V"), Compartment("b", "V_b")),
        "states": (State("A", "a", "1"), State("B", "b"), State("gone"), State("s", initial="exp(-p)", kind="signal")),
        "fluxes": (
            Flux("out", "A", "B", flow="Q"),
            Flux("back", "B", "A", flow="Q"),
            Flux("lost", "B", "gone", "bound * s * B**p / sqrt(1 + A) - 0 * log(2 + B)"),
        ),
        "rates": (Rate("s", "-0.01 * s"),),
        "events": (Event("bolus", "A", "given", "5"), Event("infusion", "B", "given", "10", "20")),
    }
    return Model("two rooms", **{**made, **changes})


@pytest.mark.parametrize("make", [sample, lambda events: replace_events(pbpk("lu177-dotatate").compiled.model, events)])
def test_what_is_written_reads_back_to_the_same_numbers(make):
    model = make(events=())
    back = from_sbml(to_sbml(model))
    t = [1.0, 30.0, 1000.0]
    ours, theirs = compiled(model).solve(t), compiled(back).solve(t)
    for name in model.state_names:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=2e-4, atol=1e-7)
    assert set(back.state_names) == set(model.state_names)
    assert back.name == model.name


def replace_events(model, events):
    full = tuple(replace(s, initial="139") if s.name == "plasma" else s for s in model.states)
    return Model(
        model.name,
        parameters={**model.parameters, "lambda_per_min": 7.24e-5},
        definitions=model.definitions,
        compartments=model.compartments,
        states=full,
        fluxes=model.fluxes,
        rates=model.rates,
        events=events,
    )


def test_sbml_has_real_sizes_amounts_and_events():
    root = ET.fromstring(to_sbml(sample(), {"V": 4.5}))
    species = root.findall(f".//{CORE}species")
    assert {s.get("hasOnlySubstanceUnits") for s in species} == {"true"}
    sized = {a.get("symbol") for a in root.findall(f".//{CORE}initialAssignment")}
    assert {"space_a", "space_b"} <= sized
    assert [e.get("id") for e in root.findall(f".//{CORE}event")] == [
        "bolus_bolus",
        "infusion_infusion_on",
        "infusion_infusion_off",
    ]
    assert next(p for p in root.findall(f".//{CORE}parameter") if p.get("id") == "V").get("value") == "4.5"
    assert root.find(f"{CORE}model").get("timeUnits") == "minute"


def test_antimony_says_it_in_words():
    text = to_antimony(sample(), start_min=-2.0)
    for line in (
        "compartment space_b = V_b;",
        "substanceOnly species A in space_a;",
        "out: A -> B; (Q * (A / space_a));",
        "bound := (A / (km + A));",
        "s' = ((-0.01) * s);",
        "bolus_bolus: at (time >= (5.0 - (-2.0))), t0=false: A = (A + given);",
        "given_infusion: -> B; inflow_infusion;",
    ):
        assert line in text, text
    assert text.endswith("end\n")


def test_the_whole_body_model_is_written_for_one_patient():
    model = pbpk("lu177-dotatate")
    text = model.to_sbml(gfr_L_per_min=0.08)
    assert 'id="gfr_L_per_min" value="0.08"' in text
    assert "kidneys_t" in model.to_antimony()
    with pytest.raises(DomainError, match="holds one patient"):
        model.to_sbml(gfr_L_per_min=[0.08, 0.1])
    with pytest.raises(DomainError, match="filtration alone"):
        model.to_sbml(gfr_L_per_min=0.0)


def sbml(body):
    return f'<sbml xmlns="{CORE[1:-1]}" level="3" version="2"><model id="m">{body}</model></sbml>'


SPECIES = '<listOfCompartments><compartment id="c" size="2" constant="true"/></listOfCompartments><listOfSpecies><species id="A" compartment="c" initialConcentration="3" hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/><species id="B" compartment="c" initialAmount="0" hasOnlySubstanceUnits="true" boundaryCondition="false" constant="false"/></listOfSpecies><listOfParameters><parameter id="k" value="0.1" constant="true"/></listOfParameters>'  # fmt: skip


def reaction(formula="<apply><times/><ci>k</ci><ci>A</ci><ci>c</ci></apply>", extra="", product="B", stoichiometry="1"):
    return (
        f'<listOfReactions><reaction id="r"><listOfReactants><speciesReference species="A" stoichiometry="{stoichiometry}"/>'
        f'</listOfReactants><listOfProducts><speciesReference species="{product}"/></listOfProducts>'
        f"<kineticLaw><math {MATH}>{formula}</math>{extra}</kineticLaw></reaction></listOfReactions>"
    )


def test_a_species_by_concentration_is_read_as_an_amount():
    """SBML's A is a concentration here: 3 per litre in 2 L are 6; the rate k A c is first order in the amount."""
    found = compiled(from_sbml(sbml(SPECIES + reaction()))).solve([0.0, 10.0], rtol=1e-8)
    np.testing.assert_allclose(found["A"][0], [6, 6 * np.exp(-1)], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no xml", "This is not XML"),
        ("<a/>", "not SBML Level 3 core"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><a/>', "document type or entities"),
        (f'<sbml xmlns="{CORE[1:-1]}"/>', "holds no model"),
        (sbml("<listOfFunctionDefinitions/>"), "listOfFunctionDefinitions is not read"),
        (sbml('<listOfEvents><event id="dose"/></listOfEvents>'), "events are not read .*'dose'"),
        (sbml('<listOfCompartments><compartment id="c" size="1" constant="false"/></listOfCompartments>'), "compartment c: a size that changes"),
        (sbml('<listOfCompartments><compartment id="c" constant="true"/></listOfCompartments>'), "c has no size"),
        (sbml(SPECIES + "<listOfRules><algebraicRule/></listOfRules>"), "algebraic"),
        (sbml(SPECIES + reaction(product="Z")), "a name or number is missing .*'Z'"),
        (sbml(SPECIES + reaction("<cn>two</cn>")), "a name or number is missing .*'two'"),
        (sbml(SPECIES + reaction(stoichiometry="2")), "reaction r: one reactant"),
        (sbml(SPECIES + reaction("<piecewise/>")), "reaction r: 'piecewise' is not read"),
        (sbml(SPECIES + reaction("<apply><sin/><ci>A</ci></apply>")), "reaction r: 'sin' is not read"),
        (sbml(SPECIES + reaction(extra="<listOfLocalParameters/>")), "local parameters"),
        (sbml(SPECIES + reaction("<ci>k</ci>")), "still takes from A"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_name(text, told):
    with pytest.raises(CaseError, match=told):
        from_sbml(text)


def test_a_defect_in_a_file_is_caught_as_in_a_declaration():
    """The flux k B / V_a with B in another compartment: the volume of another's."""
    good = sample(events=())
    text = to_sbml(good)
    bad = text.replace("<ci>space_b</ci>", "<ci>space_a</ci>")
    assert bad != text
    with pytest.raises(CaseError, match="the amount B is divided by the volume of space_a"):
        from_sbml(bad)
