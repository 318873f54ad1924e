"""`alphatwin animals` as a user meets it: the page, the files, `run`, and input that cannot be."""

from __future__ import annotations

import csv
import json

import pytest

from alphatwin.cli import main
from oracle.animals import spec


def call(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["alphatwin", *map(str, words)])
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def file(tmp_path):
    case = spec(
        published=[
            {
                "quantity": "mean_survival",
                "arm": "control",
                "value": 14.6,
                "source": "miao2005melanoma",
                "locator": "abstract",
            }
        ]
    )
    found = tmp_path / "case.yaml"
    # JSON in block style: one key a line
    lines = ["animals: tiny", *(f"{k}: {json.dumps(v)}" for k, v in case.items() if k != "animals")]
    found.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return found


def test_it_prints_eighty_columns_and_writes_page_json_and_csv(file, tmp_path, monkeypatch, capsys):
    code, out, err = call(monkeypatch, capsys, "animals", file, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines()[:-1])) <= 80
    for word in ("tumour", "Schoenfeld", "Translated to man", "mean survival, control", "Research software"):
        assert word in out
    folder = tmp_path / "tiny"
    page = (folder / "animals.html").read_text(encoding="utf-8")
    assert "http://" not in page.split("<script>")[0]
    for word in ("Survival", "hazard ratio", "miao2005melanoma", "sha256"):
        assert word in page
    found = json.loads((folder / "animals.json").read_text(encoding="utf-8"))
    assert [a["arm"] for a in found["arms"]] == ["control", "treated"]
    assert found["provenance"]["seed"] == 1
    rows = list(csv.reader(line for line in (folder / "animals.csv").read_text().splitlines() if line[0] != "#"))
    assert len(rows) == 1 + 2 * 40
    assert sum(int(r[2]) for r in rows[1:]) == 20


def test_run_takes_a_case_of_animals_and_the_same_seed_gives_the_same_numbers(file, tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, capsys, "run", file, "--out", tmp_path / "a", "-q")[0] == 0
    assert call(monkeypatch, capsys, "animals", file, "--out", tmp_path / "b", "-q")[0] == 0
    one, two = ((tmp_path / k / "tiny" / "animals.csv").read_bytes() for k in "ab")
    assert one == two
    assert call(monkeypatch, capsys, "animals", file, "--out", tmp_path / "c", "-q", "--seed", "2")[0] == 0
    assert (tmp_path / "c" / "tiny" / "animals.csv").read_bytes() != one


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"50 mg"', '"30 g"', ["case.yaml, line 3, tumour.mass", "mouse of 25 g"]),
        ('"decay_corrected": true, ', "", ["uptake.decay_corrected is missing"]),
        ('"kidneys"', '"kidnys"', ["uptake.organs.kidnys", "Did you mean", "kidneys"]),
        ('"2000 mm^3"', '"20 mm^3"', ["endpoints.tumour_volume"]),
        ('"n": 4', '"n": 1', ["at least 2"]),
        ('"2 MBq"', '"2 MeV"', ["arms.treated.activity", "MeV"]),
        ('"Pb-212"', '"Pb-2120"', ["case.yaml, line 2, nuclide"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_message_with_its_line(old, new, words, file, tmp_path, monkeypatch, capsys):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    code, out, err = call(monkeypatch, capsys, "animals", file, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("text", ["", "animals: x\n", "- 1\n", "animals: [\n"])
def test_empty_and_broken_files(text, tmp_path, monkeypatch, capsys):
    bad = tmp_path / "bad.yaml"
    bad.write_text(text, encoding="utf-8")
    code, _, err = call(monkeypatch, capsys, "animals", bad, "--out", tmp_path)
    assert code == 2
    assert "bad.yaml" in err
    assert call(monkeypatch, capsys, "animals", tmp_path / "none.yaml")[0] == 2
