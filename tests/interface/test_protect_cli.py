"""`alphatwin protect` and `alphatwin optimal` as a new user meets them."""

from __future__ import annotations

import json
import pathlib

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
CASE = """\
case: tiny
patient: {anatomy: adult-male, body_mass: 73 kg, egfr: 90 mL/min/1.73m2}
treatment: {agent: ac225-dotatate, activity: 8 MBq, cycles: 2, interval: 8 weeks}
kinetics:
  source: pbpk
  peptide: 140 nmol
  lesions: {tumour: {volume: 50 mL}}
strategies:
  none: {}
  AA 4 h: {amino_acids: {duration: 4 h}}
options: {samples: 8, seed: 1}
"""
LIMITS = """\
constraints:
  - {kidneys_bed: 40 Gy, probability: 90 %}
search: {cycles: [1, 2], intervals: [8 weeks]}
"""


@pytest.fixture
def run(alphatwin, monkeypatch, tmp_path):
    """run("protect", "tiny.yaml") -> what the command said, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    return alphatwin


def test_protect_writes_page_json_and_csv(run, tmp_path):
    (tmp_path / "tiny.yaml").write_text(CASE)
    done = run("protect", "tiny.yaml")
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    found = json.loads((tmp_path / "tiny" / "protect.json").read_text())
    assert [s["name"] for s in found["strategies"]] == ["none", "AA 4 h"]
    assert found["strategies"][1]["minus_reference"]["bed_Gy"]["p50"] < 0
    assert (tmp_path / "tiny" / "protect.csv").read_text().startswith("strategy,quantity,unit")
    page = (tmp_path / "tiny" / "protect.html").read_text()
    assert "Not a medical device" in page
    assert "http" not in page.split("Plotly.newPlot")[1].split("</script>")[0]


def test_optimal_writes_page_json_and_csv(run, tmp_path):
    (tmp_path / "tiny.yaml").write_text(CASE + LIMITS)
    done = run("optimal", "tiny.yaml")
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    found = json.loads((tmp_path / "tiny" / "optimal.json").read_text())
    assert found["feasible"]
    assert found["best"]["protection"] == "AA 4 h"
    assert found["kept"]["BED of kidneys at most 40 Gy"] >= 0.9


def test_limits_that_nothing_keeps_are_an_answer(run, tmp_path):
    given = CASE + LIMITS.replace("40 Gy", "0.01 Gy").replace("intervals", "activity: {least: 5 MBq}, intervals")
    (tmp_path / "tiny.yaml").write_text(given)
    done = run("optimal", "tiny.yaml")
    assert done.code == 0, done.err
    assert "No course keeps the limits" in " ".join(done.out.split())
    assert not json.loads((tmp_path / "tiny" / "optimal.json").read_text())["feasible"]


@pytest.mark.parametrize(
    ("command", "change", "says"),
    [
        ("protect", ("amino_acids", "amino_acid"), "Did you mean amino_acids"),
        ("protect", ("duration: 4 h", "duration: 4"), "unit"),
        ("protect", ("source: pbpk", "source: pbk"), "pbpk"),
        ("protect", ("ac225-dotatate", "ac225-dotatat"), "ac225-dotatate"),
        ("optimal", ("probability: 90 %", "probability: 100 %"), "does not lie between"),
        ("optimal", ("kidneys_bed: 40 Gy", "kidneys_bed: 40 Gy, marrow_dose: 2 Gy"), "has 2 limits"),
        ("optimal", ("intervals: [8 weeks]", "intervals: [2 h]"), "shorter than what"),
        ("optimal", ("kidneys_bed", "kidney_bed"), "Did you mean kidneys_bed"),
    ],
)
def test_slips_are_named_with_their_place(run, tmp_path, command, change, says):
    (tmp_path / "tiny.yaml").write_text((CASE + LIMITS if command == "optimal" else CASE).replace(*change))
    done = run(command, "tiny.yaml")
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "tiny").exists()


def test_a_missing_and_an_empty_file(run, tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    for command in ("protect", "optimal"):
        for file, says in (("none.yaml", "There is no file"), ("empty.yaml", "is empty")):
            done = run(command, file)
            assert done.code == 2
            assert says in done.err


def test_the_examples_are_read():
    from alphatwin.case.optimal import load_optimal
    from alphatwin.case.protect import load_protect

    assert len(load_protect(EXAMPLES / "protect-225ac.yaml").strategies) == 8
    assert len(load_optimal(EXAMPLES / "optimal-225ac.yaml").constraints) == 3
