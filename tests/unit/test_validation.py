"""Validation: how rows judge, how tables are read and refused, how they are printed."""

from __future__ import annotations

import json
import math
import pathlib

import pytest

from alphatwin import catalog
from alphatwin.errors import CatalogError, DomainError
from alphatwin.validation import GROUPS, Row, _closed_forms, _published, _quantities, as_text, report_text, validate
from alphatwin.validation._text import WIDTH


def row(**changes) -> Row:
    plain = {
        "group": "physics", "quantity": "range", "published": 2.0, "unit": "um", "ours": 2.001, "tolerance": 1e-3,
        "tolerance_reason": "three printed digits", "source": "astar", "locator": "table",
    }  # fmt: skip
    return Row(**{**plain, **changes})


def comparison(**changes):
    plain = {
        "quantity": "S at {energy_MeV:g} MeV", "unit": "MeV cm2/g", "call": "stopping_power",
        "given": {"name": "water", "particle": "alpha"}, "columns": ["energy_MeV"], "values": [[5, "885.47"]],
        "tolerance": {"digits": True}, "source": "astar", "locator": "liquid water", "verified": True,
    }  # fmt: skip
    return {**plain, **changes}


def load(data) -> _published.Comparison:
    return catalog.load_entry(data, _published.Comparison, "validation/test.yaml")


# --- a row -----------------------------------------------------------------------------------------------------------


def test_a_row_judges_by_its_relative_difference():
    assert row().difference == pytest.approx(5e-4)
    assert row().passed
    assert not row(ours=2.0021).passed
    assert not row(ours=1.9979).passed
    assert row(published=-2.0, ours=-2.001).passed
    assert not row(ours=math.nan).passed


@pytest.mark.parametrize(
    "changes",
    [
        {"published": 0.0},
        {"published": math.nan},
        {"tolerance": 0.0},
        {"tolerance": math.inf},
        {"tolerance_reason": " "},
    ],
)
def test_a_row_that_could_not_judge_does_not_exist(changes):
    with pytest.raises(DomainError):
        row(**changes)


def test_a_documented_miss_counts_as_one_and_does_not_fail():
    known = row(ours=3.0, known_miss="the model leaves something out")
    assert (known.passed, known.verdict) == (False, "miss")
    text = as_text([row(), known])
    assert text.splitlines()[-1] == "1 passed, 0 failed, 1 missed and documented"
    assert "range: the model leaves something out" in text
    assert not any(line.startswith("MISS") for line in text.splitlines())
    assert "documented miss: the model leaves" in report_text([known])


def test_a_documented_miss_that_passes_is_a_fault_of_its_note():
    assert row(known_miss="the model leaves something out").verdict == "MISS"
    assert row(ours=math.nan, known_miss="the model leaves something out").verdict == "MISS"
    assert row(ours=3.0).verdict == "MISS"


def test_json_round_trip():
    rows = [row(), row(ours=3.0, note="a note", printed="2.0", verified=False)]
    read = json.loads(json.dumps([r.as_dict() for r in rows]))
    assert [Row.from_dict(r) for r in read] == rows
    assert [r["passed"] for r in read] == [True, False]
    read[1]["passed"] = True  # the verdict is computed, not read
    assert not Row.from_dict(read[1]).passed


# --- tables of published values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "half"), [("885.47", 0.005), ("0.1370", 5e-5), ("2.537e-4", 5e-8), ("72", 0.5), ("12.0", 0.05)]
)
def test_printed_digits_give_the_tolerance(printed, half):
    assert _published.Tolerance(digits=True).half_width(printed, 0.0) == pytest.approx(half, rel=1e-12)


def test_parts_of_a_tolerance_add_up():
    tolerance = _published.Tolerance(digits=True, relative=0.01, coverage=2.0, reason="one of each kind, for a test")
    assert tolerance.half_width("100.0", 0.3) == pytest.approx(0.05 + 1.0 + 0.6)
    assert tolerance.text == "half a unit of the last printed digit; one of each kind, for a test"


def test_a_planned_row_computes_what_its_table_says():
    entry = load(comparison(columns=["energy_MeV", "u"], values=[[5, 0.1, "885.47"]],
                            tolerance={"digits": False, "coverage": 1.0, "reason": "a standard uncertainty"}))  # fmt: skip
    made = _published.Planned("physics", entry, entry.values[0]).row()
    assert made.quantity == "S at 5 MeV"
    assert made.tolerance == pytest.approx(0.1 / 885.47)
    assert made.ours == pytest.approx(885.47, rel=1e-4)
    assert made.printed == "885.47"


@pytest.mark.parametrize("value", ["885.57", "885.4", "8.8547", "85.47"])
def test_a_planted_wrong_value_fails(value):
    entry = load(comparison(values=[[5, value]], tolerance={"relative": 1e-5, "reason": "rounding of the table"}))
    made = _published.Planned("physics", entry, entry.values[0]).row()
    assert not made.passed
    text = as_text([made])
    assert "MISS" in text
    assert text.endswith("0 passed, 1 failed")
    assert "MISS" in report_text([made])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "nobody1900"}, "not in sources.bib"),
        ({"locator": ""}, "locator"),
        ({"unit": ""}, "unit"),
        ({"values": [[5, 885.47]]}, "in quotes"),
        ({"values": [[5, "eight"]]}, "not a number"),
        ({"values": [[5, "0.0"]]}, "not 0"),
        ({"values": [[5, "NaN"]]}, "finite"),
        ({"values": [["885.47"]]}, "1 columns and a value"),
        ({"values": []}, "values"),
        ({"tolerance": {"digits": False}}, "tolerance is zero"),
        ({"tolerance": {"relative": 0.5}}, "needs a reason"),
        ({"tolerance": {"coverage": 1.0, "reason": "a standard uncertainty"}}, "column u"),
        ({"tolerance": {"relative": -0.5, "reason": "a standard uncertainty"}}, "relative"),
        ({"tolerances": 3}, "tolerances"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused(changes, message):
    with pytest.raises(CatalogError, match=message):
        load(comparison(**changes))


def test_a_label_that_cannot_be_filled_is_refused():
    entry = load(comparison(quantity="S of {nuclide}"))
    with pytest.raises(CatalogError, match="cannot be filled"):
        _published.Planned("physics", entry, entry.values[0])


def test_a_group_file_names_itself_and_known_calls(tmp_path, monkeypatch):
    (tmp_path / "validation").mkdir()
    monkeypatch.setattr(catalog, "path", tmp_path.joinpath)
    file = tmp_path / "validation" / "made-up.yaml"

    def write(identity, call="stopping_power", **changes):
        data = {"id": identity, "title": "t", "comparisons": [comparison(call=call, **changes)]}
        file.write_text(json.dumps(data), encoding="utf-8")  # JSON is YAML
        _published.load.cache_clear()
        return _published.load("made-up")

    assert len(write("made-up").comparisons) == 1
    with pytest.raises(CatalogError, match="must agree"):
        write("other")
    with pytest.raises(CatalogError, match="Did you mean stopping_power"):
        write("made-up", call="stopping_powers")
    with pytest.raises(CatalogError, match="nobody"):
        write("made-up", tolerance={"relative": 0.1, "reason": "said by nobody", "source": "nobody1900"})
    file.write_text("id: [", encoding="utf-8")
    _published.load.cache_clear()
    with pytest.raises(CatalogError, match="YAML"):
        _published.load("made-up")
    _published.load.cache_clear()


def test_every_group_has_a_file_and_every_file_is_a_group():
    files = {file.stem for file in catalog.path("validation").glob("*.yaml")}
    assert files == set(GROUPS)


def test_every_call_is_used_and_every_tolerance_has_a_reason():
    used = {c.call for group in GROUPS for c in _published.load(group).comparisons}
    assert used == set(_quantities.CALLS)
    for group in GROUPS:
        for entry in _published.load(group).comparisons:
            assert len(entry.tolerance.text) > 10, entry.quantity


def test_labels_are_unique():
    planned = [p.quantity for g in GROUPS for p in [*_published.planned(g), *_closed_forms.planned(g)]]
    assert len(planned) > 300
    assert len(set(planned)) == len(planned)


# --- choosing and printing -------------------------------------------------------------------------------------------


def test_select_by_group_and_by_part_of_a_quantity():
    assert {r.group for r in validate("Chains")} == {"chains"}
    chosen = validate("astar ALPHA 5 mev")
    assert [r.quantity for r in chosen] == ["ASTAR alpha 5 MeV: S", "ASTAR alpha 5 MeV: range"]


def test_a_missed_selection_is_a_suggestion():
    with pytest.raises(CatalogError, match="Did you mean biology"):
        validate("biologie")
    with pytest.raises(CatalogError, match="Groups: physics"):
        validate("zzz")


def test_text_fits_80_columns_and_ends_with_the_verdict():
    rows = [
        row(),
        row(quantity="a quantity with a name that is much longer than the column it stands in", unit="mGy/(MBq h)"),
        row(group="biology", ours=-3.7e12, printed="1.12256e-3"),
        row(group="biology", published=1.0, ours=1.0, tolerance=1e-13, verified=False, source="broschlenz2024"),
    ]
    lines = as_text(rows).splitlines()
    assert max(map(len, lines)) <= WIDTH == 80
    assert lines[-1] == "3 passed, 1 failed"
    assert sum(line.endswith("MISS") for line in lines) == 1
    assert any(line.startswith("physics: ") for line in lines)
    assert any(line.startswith("biology: ") for line in lines)
    assert any(line.startswith("[broschlenz2024] Brosch-Lenz") for line in lines)
    assert any(line.startswith("*range") for line in lines)
    assert max(map(len, report_text(rows).splitlines())) <= 80


def test_percentages_are_never_rounded_to_nothing():
    text = as_text([row(ours=2.0000001, tolerance=1e-12), row(ours=2.0, tolerance=0.5)])
    assert "1e-10" in text
    assert "50.0" in text


def test_the_page_shows_every_row():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    shown = " ".join(page.split())
    for group in GROUPS:
        for planned in [*_published.planned(group), *_closed_forms.planned(group)]:
            assert planned.quantity in shown, (
                f"{planned.quantity}: put the output of `alphatwin validate` into the page"
            )
