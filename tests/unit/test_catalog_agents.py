"""The agent entries: complete, typed, cited; and the loader refuses each way of breaking one."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from alphatwin import catalog
from alphatwin.errors import CatalogError

REQUIRED = (
    "in111-pentetreotide", "y90-dotatoc", "lu177-dotatate", "lu177-dotatoc", "bi213-dotatoc", "bi213-dotatate",
    "pb212-dotamtate", "pb212-psc-peg2-toc", "pb203-psc-peg2-toc", "ac225-dotatate", "ac225-dotatoc", "at211-mabg",
    "ra223-chloride", "i131-mibg", "ac225-psma-617", "lu177-psma-617",
)  # fmt: skip
ALL = tuple(catalog.entries("agent").values())
DOSE_UNITS = {"Gy/GBq", "mGy/MBq", "Gy/MBq"}


def entry(**changes: Any) -> dict[str, Any]:
    """A small valid entry, as it comes out of a YAML file."""
    data: dict[str, Any] = {
        "id": "ac225-example",
        "name": "[225Ac]Ac-EXAMPLE",
        "nuclide": "Ac-225",
        "vector": "octreotate",
        "target": "SSTR2",
        "chelator": "DOTA",
        "activities": [
            {
                "basis": "per_kg",
                "value": 120,
                "unit": "kBq/kg",
                "cap": 10,
                "cap_unit": "MBq",
                "cycles": 4,
                "interval_weeks": 8,
                "source": "action1design2022",
                "locator": "abstract",
                "verified": True,
            }
        ],
        "doses": [
            {
                "region": "kidneys",
                "quantity": "rbe_weighted_dose",
                "rbe": 5,
                "value": 0.7,
                "unit": "Gy/MBq",
                "source": "kratochwil2017psma",
                "locator": "abstract",
                "verified": False,
            }
        ],
        "kinetics": [
            {
                "region": "blood",
                "nuclide": "Lu-177",
                "half_lives": "biological",
                "verified": False,
                "unit": "fraction of administered activity per L",
                "source": "lutathera2024uspi",
                "locator": "section 12.3",
                "terms": [{"fraction": 0.05, "half_life_h": 3.0}],
            }
        ],
        "sources": ["action1design2022"],
    }
    data.update(changes)
    return data


def changed(part: str, **fields: Any) -> dict[str, Any]:
    """The example with fields of its first activity, dose or curve replaced; ``...`` removes one."""
    data = copy.deepcopy(entry())
    for key, value in fields.items():
        if value is ...:
            del data[part][0][key]
        else:
            data[part][0][key] = value
    return data


@pytest.mark.parametrize("identity", REQUIRED)
def test_every_agent_the_field_uses_is_there(identity: str) -> None:
    agent = catalog.agent(identity)
    assert agent.id == identity
    assert agent.name
    assert agent.vector
    assert agent.target
    assert agent.chelator
    assert agent.gaps, "no agent is fully published; the entry must say what is missing"


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.id)
def test_nuclide_is_spelt_as_everywhere_and_agrees_with_the_id(agent: catalog.Agent) -> None:
    match = re.fullmatch(r"([A-Z][a-z]?)-(\d{1,3})(m?)", agent.nuclide)
    assert match
    assert agent.id.startswith(f"{match[1].lower()}{match[2]}{match[3]}-")


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.id)
def test_sources_named_are_known_and_cover_every_number(agent: catalog.Agent) -> None:
    cited = {number.source for _, number in catalog.cited_in(agent)}
    assert cited <= set(agent.sources)
    assert set(agent.sources) <= set(catalog.sources())
    assert not agent.chelator_source or agent.chelator_source in catalog.sources()
    spoken_of = {agent.chelator_source, *re.findall(r"\((\w+)\)", " ".join(agent.gaps))}
    if cited:  # an entry without a number names the report it describes
        assert set(agent.sources) - cited <= spoken_of, f"{agent.id} names a source that nothing in the entry uses"


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.id)
def test_every_number_has_unit_source_and_locator(agent: catalog.Agent) -> None:
    for place, number in catalog.cited_in(agent):
        assert number.source, place
        assert number.locator, place
        assert getattr(number, "unit", ""), place


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.id)
def test_an_unverified_number_says_why(agent: catalog.Agent) -> None:
    for place, number in catalog.cited_in(agent):
        assert number.verified or number.note, f"{agent.id} {place} is unverified and says nothing"


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.id)
def test_twins_are_entries_too(agent: catalog.Agent) -> None:
    assert not agent.twin or agent.twin in catalog.entries("agent")
    assert agent.twin != agent.id


def test_lead_twins_point_at_each_other() -> None:
    assert catalog.agent("pb212-psc-peg2-toc").twin == "pb203-psc-peg2-toc"
    assert catalog.agent("pb203-psc-peg2-toc").twin == "pb212-psc-peg2-toc"


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.id)
def test_activities_are_typed(agent: catalog.Agent) -> None:
    for activity in agent.activities:
        per = {"fixed": "", "per_kg": "/kg", "per_m2": "/m^2"}[activity.basis]
        assert re.fullmatch(rf"[kMG]Bq{re.escape(per)}", activity.unit)
        assert activity.value > 0
        assert activity.setting
        if activity.cap is not None:
            assert re.fullmatch(r"[kMG]Bq", activity.cap_unit or "")


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.id)
def test_doses_are_gray_per_activity_and_say_their_weighting(agent: catalog.Agent) -> None:
    for dose in agent.doses:
        assert dose.unit in DOSE_UNITS
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", dose.region)
        weighted = dose.quantity == "rbe_weighted_dose"
        assert weighted == ("printed as Sv (RBE" in dose.note)


def test_the_two_ryz101_activities_are_both_kept() -> None:
    """120 kBq/kg and 10.2 MBq agree only at 85 kg; neither replaces the other."""
    trial = [a for a in catalog.agent("ac225-dotatate").activities if a.setting.startswith("ACTION-1")]
    start_kBq_per_kg = max(a.value for a in trial if a.unit == "kBq/kg")
    (fixed_MBq,) = (a.value for a in trial if a.unit == "MBq")
    assert fixed_MBq * 1e3 / start_kBq_per_kg == pytest.approx(85)


def test_the_printed_25_mbq_per_kg_is_not_an_activity() -> None:
    for agent in ALL:
        if agent.nuclide == "Pb-212":
            assert all(a.value < 10 for a in agent.activities if a.basis == "per_kg")


def test_a_missed_name_is_answered_with_a_near_one() -> None:
    with pytest.raises(CatalogError, match="Did you mean ac225-dotatate"):
        catalog.agent("ac225dotatate")


def test_the_example_is_accepted() -> None:
    assert catalog.load_entry(entry(), catalog.Agent, "example").id == "ac225-example"


@pytest.mark.parametrize("part", ["activities", "doses"])
@pytest.mark.parametrize("field", ["unit", "source", "locator", "verified", "value"])
def test_a_number_without_one_of_its_parts_is_refused(part: str, field: str) -> None:
    with pytest.raises(CatalogError, match=rf"example.*{part}\.0\.{field}"):
        catalog.load_entry(changed(part, **{field: ...}), catalog.Agent, "example")


@pytest.mark.parametrize("field", ["unit", "source", "locator", "verified", "terms", "half_lives", "nuclide"])
def test_a_curve_without_one_of_its_parts_is_refused(field: str) -> None:
    with pytest.raises(CatalogError, match=rf"kinetics\.0\.{field}"):
        catalog.load_entry(changed("kinetics", **{field: ...}), catalog.Agent, "example")


@pytest.mark.parametrize("field", ["unit", "source", "locator"])
def test_an_empty_text_is_as_bad_as_none(field: str) -> None:
    with pytest.raises(CatalogError, match=rf"doses\.0\.{field}"):
        catalog.load_entry(changed("doses", **{field: "  "}), catalog.Agent, "example")


def test_an_unknown_source_is_refused_with_its_place() -> None:
    with pytest.raises(CatalogError, match=r"doses\.0: source 'nobody1999' is not in"):
        catalog.load_entry(changed("doses", source="nobody1999"), catalog.Agent, "example")


@pytest.mark.parametrize(
    ("part", "fields", "said"),
    [
        ("activities", {"unit": "MBq"}, "basis per_kg does not go with the unit MBq"),
        ("activities", {"basis": "fixed"}, "basis fixed does not go with the unit kBq/kg"),
        ("activities", {"basis": "per_m2"}, "basis per_m2 does not go with the unit kBq/kg"),
        ("activities", {"basis": "per_kilo"}, "activities.0.basis"),
        ("activities", {"cap_unit": None}, "cap and cap_unit go together"),
        ("activities", {"cycles": 0}, "activities.0.cycles"),
        ("activities", {"interval_weeks": -8}, "activities.0.interval_weeks"),
        ("activities", {"value": float("nan")}, "activities.0.value"),
        ("doses", {"rbe": None}, "rbe is given with rbe_weighted_dose"),
        ("doses", {"quantity": "absorbed_dose"}, "rbe is given with rbe_weighted_dose"),
        ("doses", {"quantity": "equivalent_dose"}, "doses.0.quantity"),
        ("doses", {"u": -0.1}, "doses.0.u"),
        ("doses", {"low": 1.0, "high": 2.0}, "lies outside low 1 to high 2"),
        ("doses", {"organ": "kidneys"}, "doses.0.organ"),
        ("kinetics", {"terms": []}, "kinetics.0.terms"),
        ("kinetics", {"half_lives": "physical"}, "kinetics.0.half_lives"),
        ("kinetics", {"unit": "%IA/g"}, "kinetics.0.unit"),
        ("kinetics", {"terms": [{"fraction": 0.1, "half_life_h": 0.0}]}, "half_life_h"),
    ],
)
def test_a_number_of_the_wrong_kind_is_refused(part: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(CatalogError, match=re.escape(said)):
        catalog.load_entry(changed(part, **fields), catalog.Agent, "example")


def test_an_entry_without_sources_is_refused() -> None:
    with pytest.raises(CatalogError, match="sources"):
        catalog.load_entry(entry(sources=[]), catalog.Agent, "example")


def test_an_entry_is_frozen() -> None:
    agent = catalog.agent("lu177-dotatate")
    with pytest.raises(ValueError, match="frozen"):
        agent.nuclide = "Ac-225"
