"""A case file: what is read, and what is refused, where, with which help."""

import copy
import itertools
import math
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from alphatwin.case import (
    Case,
    ExternalBeam,
    LimitChoice,
    MeasuredKinetics,
    Patient,
    PriorCourse,
    RegionData,
    Treatment,
    load,
    located,
    schema,
)
from alphatwin.errors import CaseError
from conftest import REPOSITORY

GOOD = """\
case: a-patient
patient:
  body_mass: 80 kg
treatment:
  agent: lu177-dotatate
  activity: 7.4 GBq
kinetics:
  administered_activity: 7.4 GBq
  times_h: [4, 24, 96, 168]
  regions:
    kidney_left:
      activity_MBq: [100, 75, 25, 9]
      volume_mL: [160]
    whole_body:
      activity_MBq: [5000, 2000, 500, 200]
      dose: false
"""


def written(tmp_path, text):
    file = tmp_path / "case.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(tmp_path, text):
    with pytest.raises(CaseError) as caught:
        load(written(tmp_path, text))
    return str(caught.value)


def test_good_case_reads_units_at_the_border(tmp_path):
    case = load(written(tmp_path, GOOD))
    assert case.cycle_activity_MBq == pytest.approx(7400)
    assert case.body_mass_kg == 80
    assert case.measured_agent == "lu177-dotatate"
    assert case.measured_mass_g("kidney_left") == pytest.approx(160 * 1.05, rel=0.01)
    with pytest.raises(Exception, match="frozen"):
        case.title = "another"


def test_hash_follows_the_numbers_not_the_spacing(tmp_path):
    first = load(written(tmp_path, GOOD)).sha256()
    assert (
        load(written(tmp_path, GOOD.replace("  body_mass: 80 kg", "  body_mass:    80 kg   # as weighed"))).sha256()
        == first
    )
    assert load(written(tmp_path, GOOD.replace("80 kg", "81 kg"))).sha256() != first


def test_per_kg_and_cap():
    data = YAML(typ="safe").load(GOOD)
    data["treatment"] = {
        "agent": "pb212-dotamtate",
        "activity": "2.5 MBq/kg",
        "cap": "190 MBq",
        "cycles": 4,
        "interval": "8 weeks",
    }
    data["kinetics"]["agent"] = "lu177-dotatate"
    case = Case.from_mapping(data)
    assert case.treatment.activity.for_body_mass(80) == pytest.approx(200)
    assert case.cycle_activity_MBq == pytest.approx(190)
    assert case.treatment.interval_h == pytest.approx(8 * 7 * 24)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("agent: lu177-dotatate", "agent: lu177-dotatat"), ["line 5", "treatment.agent", "lu177-dotatate"]),
        (("activity: 7.4 GBq\nkin", "activity: 7.4 mbq\nkin"), ["line 6", "treatment.activity", "MBq"]),
        (("activity: 7.4 GBq\nkin", "activity: 7.4 Sv\nkin"), ["treatment.activity", "'Sv'", "MBq"]),
        (("activity: 7.4 GBq\nkin", "activity: -7.4 GBq\nkin"), ["treatment.activity", "above zero"]),
        (("activity: 7.4 GBq\nkin", "activity: 7400\nkin"), ["treatment.activity", "no unit"]),
        (("  activity: 7.4 GBq\nkin", "kin"), ["treatment.activity", "missing"]),
        (("activity_MBq: [100, 75", "activity_MBq: [100, -75"), ["line 12", "kidney_left", "point 2", "negative"]),
        (("activity_MBq: [100, 75, 25, 9]", "activity_MBq: [100, 75, .nan, 9]"), ["kidney_left", "finite"]),
        (("activity_MBq: [100, 75, 25, 9]", "activity_MBq: [100, 75, .inf, 9]"), ["kidney_left", "finite"]),
        (("activity_MBq: [100, 75, 25, 9]", "activity_MBq: [100, 75, 25]"), ["kidney_left", "3 values for 4 times"]),
        (("activity_MBq: [100, 75, 25, 9]", "activity_MBq: [100, 75, many, 9]"), ["kidney_left", "not a number"]),
        (("activity_MBq: [100, 75, 25, 9]", "activity_MBq: [0, 0, 0, 0]"), ["kidney_left", "every activity is zero"]),
        (("      activity_MBq: [100, 75, 25, 9]\n", ""), ["line 11", "kidney_left", "give activity_MBq"]),
        (("      activity_MBq: [100, 75, 25, 9]", "      activity_mbq: [100, 75, 25, 9]"), ["activity_mbq", "Did you mean activity_MBq"]),
        (("times_h: [4, 24, 96, 168]", "times_h: [4, 96, 24, 168]"), ["line 9", "kinetics.times_h", "must increase", "point 3"]),
        (("times_h: [4, 24, 96, 168]", "times_h: [-4, 24, 96, 168]"), ["times_h", "before"]),
        (("volume_mL: [160]", "volume_mL: [160000]"), ["kidney_left", "more than the body"]),
        (("volume_mL: [160]", "volume_mL: [0]"), ["volume_mL", "above zero"]),
        (("volume_mL: [160]", "volume_mL: 160 mL"), ["volume_mL", "plain numbers"]),
        (("volume_mL: [160]", "volume: [160]"), ["'volume'", "Did you mean volume_mL"]),
        (("kidney_left:", "Kidney Left:"), ["Kidney Left", "lower case"]),
        (("case: a-patient", "case: ../a"), ["case", "folder"]),
        (("case: a-patient", "cse: a-patient"), ["cse", "Did you mean case"]),
        (("  body_mass: 80 kg", "  body_mass: 80 lb"), ["body_mass", "kg"]),
        (("  body_mass: 80 kg", "  body_mass: 0 kg"), ["body_mass", "above"]),
        (("  body_mass: 80 kg", "  anatomy: adult-mal"), ["anatomy", "adult-male"]),
        (("  times_h", "  model: byexp\n  times_h"), ["model", "byexp", "Allowed"]),
        (("case: a-patient", "case: a-patient\ncase: b"), ["line 2", "'case'", "second time"]),
        (("  regions:", " regions:"), ["line 10"]),
        (("case: a-patient", "case: a-patient\ndaughters: stay"), ["daughters", "free"]),
        (("case: a-patient", "case: a-patient\noptions: {samples: 0}"), ["options.samples"]),
        (("case: a-patient", "case: a-patient\noptions: {confidence: 20 %}"), ["options", "confidence"]),
        (("case: a-patient", "case: a-patient\nlimits: {kidneys: {bed: 40 Sv}}"), ["limits.kidneys.bed", "sievert", "Gy"]),
        (("case: a-patient", "case: a-patient\nlimits: {kidneys: {}}"), ["limits.kidneys", "one of bed"]),
        (
            ("case: a-patient", "case: a-patient\nprior_therapy: [{agent: lu177-dotatate, activity: 7.4 GBq, cycles: 4}]"),
            ["prior_therapy.0.ended", "missing"],
        ),
        (
            ("case: a-patient", "case: a-patient\nprior_therapy: [{agent: lu177-dotatate, activity: 7.4 GBq, ended: 9 months, dose: {kidneys: 3 Sv/GBq}}]"),
            ["prior_therapy.0.dose.kidneys", "sievert"],
        ),
        (("treatment:", "treatment:\n  cycles: 4"), ["treatment", "interval"]),
    ],
    ids=lambda value: value[1][:40] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_refusal_names_place_allowed_and_nearest(tmp_path, change, expected):
    old, new = change
    assert old in GOOD
    message = refusal(tmp_path, GOOD.replace(old, new, 1))
    for part in ["case.yaml", *expected]:
        assert part in message, message
    assert "Traceback" not in message
    assert "pydantic" not in message


def test_kidneys_cannot_count_twice():
    data = YAML(typ="safe").load(GOOD)
    data["kinetics"]["regions"]["kidneys"] = copy.deepcopy(data["kinetics"]["regions"]["kidney_left"])
    with pytest.raises(CaseError, match="count twice"):
        Case.from_mapping(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("- a\n- b\n", "mapping"),
        ("just text", "mapping"),
        ("a: [1,\n", "line"),
        ("\tcase: x", "line 1"),
    ],
)
def test_files_that_are_no_case(tmp_path, text, expected):
    assert expected in refusal(tmp_path, text)


def test_huge_file_is_refused_unread(tmp_path):
    file = tmp_path / "case.yaml"
    with file.open("wb") as handle:
        handle.truncate(100_000_000)
    with pytest.raises(CaseError, match="100 MB"):
        load(file)


def test_folder_missing_and_binary(tmp_path):
    with pytest.raises(CaseError, match="folder"):
        load(tmp_path)
    (tmp_path / "patient.yaml").write_text(GOOD)
    with pytest.raises(CaseError, match=r"Did you mean patient\.yaml"):
        load(tmp_path / "patiemt.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(CaseError, match="UTF-8"):
        load(tmp_path / "x.yaml")


def test_yaml_12_numbers(tmp_path):
    case = load(written(tmp_path, GOOD.replace("[100, 75, 25, 9]", "[1e2, 7.5E1, 25, 9]")))
    assert case.kinetics.regions["kidney_left"].activity_MBq == (100, 75, 25, 9)


def units_below(node):
    """Every unit in a piece of the schema, whatever nesting pydantic chose for an optional value."""
    if isinstance(node, dict):
        if "unit" in node:
            yield node["unit"]
        for below in node.values():
            yield from units_below(below)
    elif isinstance(node, list):
        for below in node:
            yield from units_below(below)


def test_schema_of_cells_describes_every_key_with_its_unit():
    made = schema("cells")
    parts = {"": made, **made["$defs"]}
    for name, part in parts.items():
        for key, value in part["properties"].items():
            assert value.get("description"), (name, key)
    assert set(units_below(made)) == {"um", "Gy", "h", "1"}
    keys = {*made["properties"], *(k for d in made["$defs"].values() for k in d["properties"])}
    assert {"modifiers", "dose_factor", "z0", "line", "characteristic_concentration_per_um"} <= keys
    page = (pathlib.Path(__file__).parents[2] / "docs" / "clusters.md").read_text(encoding="utf-8")
    for key in keys:
        assert key in page, f"docs/clusters.md does not tell of {key}"
    with pytest.raises(CaseError, match="Did you mean cells"):
        schema("cell")


def test_schema_lists_every_key_and_unit():
    made = schema()
    assert made["required"] == ["case", "treatment", "kinetics"]
    assert list(units_below(made["$defs"]["Patient"]["properties"]["body_mass"])) == ["kg"]
    assert set(made["properties"]) == {
        "case", "title", "patient", "treatment", "kinetics", "daughters", "prior_therapy", "limits", "cells",
        "structures", "options",
    }  # fmt: skip
    for part in made["$defs"].values():
        assert part.get("additionalProperties", False) is False


def test_defaults_in_the_schema_are_what_a_file_may_hold():
    """An editor fills defaults in: each must be text with a unit where the schema asks for one."""
    checked = 0
    for part in schema()["$defs"].values():
        for name, prop in part["properties"].items():
            if prop.get("type") == "string" and "default" in prop:
                assert isinstance(prop["default"], str), name
                checked += 1
    assert checked >= 5


def test_name_ends_in_the_unit_of_its_schema():
    suffix = {"MBq": "_MBq", "kg": "_kg", "g": "_g", "h": "_h", "Gy": "_Gy", "g/mL": "_g_per_mL"}
    parts = schema()["$defs"]
    checked = 0
    for model in (Patient, Treatment, MeasuredKinetics, RegionData, LimitChoice, ExternalBeam, PriorCourse):
        for name, field in model.model_fields.items():
            for unit in units_below(parts[model.__name__]["properties"][field.alias or name]):
                if unit in suffix and not name.endswith("dose"):
                    assert name.endswith(suffix[unit]), name
                    checked += 1
    assert checked >= 12


@pytest.mark.parametrize(
    "file",
    [
        f
        for f in sorted((REPOSITORY / "examples").glob("*.yaml"))
        if not any(
            key in f.read_text(encoding="utf-8")
            for key in ("\ncluster:", "\ntrial:", "\nimages:", "\nphantom:", "\nsources:")
        )
    ],
    ids=lambda f: f.stem,
)
def test_examples_load_and_are_named_after_their_case(file):
    case = load(file)
    assert case.case == file.stem
    assert Case.from_mapping(YAML(typ="safe").load(file.read_text())) == case
    assert case.sha256() == load(file).sha256()


def test_reprs_are_plain_and_options_are_frozen(tmp_path):
    case = load(written(tmp_path, GOOD))
    assert case.options.confidence == 0.95
    assert case.options.samples == 1000
    assert "confidence=0.95" in repr(case.options)
    for part in (case, case.patient, case.treatment, case.kinetics, case.options):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, next(iter(type(part).model_fields)), None)


def test_no_alias_grows_without_end(tmp_path):
    """Refused by counting, not by running: a kilobyte of YAML that stands for 10^9 values."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{n}: &{n} [{', '.join([f'*{p}'] * 10)}]" for p, n in itertools.pairwise("abcdefghi")]
    assert "aliases" in refusal(tmp_path, "\n".join(lines))


def test_message_of_a_later_stage_gets_its_line(tmp_path):
    file = written(tmp_path, GOOD)
    assert (
        located(file, "kinetics.regions.kidney_left: wrong.")
        == "case.yaml, line 11, kinetics.regions.kidney_left: wrong."
    )
    assert located(file, "kinetics.regions.nothing: wrong.").startswith("case.yaml, line 10, ")
    assert located(file, "Something else.") == "case.yaml: Something else."


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats() | st.text(max_size=8) | st.sampled_from(["8 weeks", "7 GBq", "1 %"]),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), below, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(
        [("case",), ("title",), ("patient",), ("patient", "body_mass"), ("treatment",), ("treatment", "activity"), ("treatment", "cycles"),
         ("kinetics",), ("kinetics", "times_h"), ("kinetics", "regions"), ("kinetics", "regions", "kidney_left"),
         ("kinetics", "regions", "kidney_left", "activity_MBq"), ("kinetics", "regions", "kidney_left", "volume_mL"),
         ("daughters",), ("prior_therapy",), ("limits",), ("options",), ("options", "seed"), ("surprise",)]
    ),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_anything_anywhere_is_a_case_or_a_case_error(value, place):
    data = YAML(typ="safe").load(GOOD)
    here = data
    for step in place[:-1]:
        here = here.setdefault(step, {})
    here[place[-1]] = value
    try:
        case = Case.from_mapping(data)
    except CaseError as error:
        message = str(error)
    else:
        message = "fine"
        assert case.cycle_activity_MBq > 0
        assert math.isfinite(case.body_mass_kg)
    assert message
    assert len(message) < 8000
    assert "Input should" not in message
