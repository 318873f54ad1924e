"""`alphatwin phantom` as a new user meets it."""

import json

import pytest

from alphatwin.cli import main

pytest.importorskip("highdicom")

SPEC = """
phantom: tiny
nuclide: Lu-177
administered_activity: 7.4 GBq
administered_at: '2026-03-02T09:00:00+01:00'
regions:
  spleen:
    curve: [{fraction: 1 %, half_life: 60 h}]
scanner: {times: [24 h], voxel: 16 mm, matrix: 32, fwhm: 16 mm}
"""


@pytest.fixture
def alphatwin(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr("sys.argv", ["alphatwin", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "tiny.yaml"
    made.write_text(SPEC)
    return made


def test_it_makes_a_study_and_says_what_is_in_it(alphatwin, file, tmp_path):
    code, out, err = alphatwin("phantom", file, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "spleen" in out
    assert max(map(len, [line for line in out.splitlines() if not line.startswith(("Study", "Truth"))])) <= 80
    assert (tmp_path / "out" / "dicom" / "visit-1" / "NM" / "0001.dcm").is_file()


def test_json_is_json(alphatwin, file, tmp_path):
    code, out, _ = alphatwin("phantom", file, "-o", tmp_path / "out", "--json", "--seed", 7)
    told = json.loads(out)
    assert code == 0
    assert told["seed"] == 7
    assert told["regions"]["spleen"]["volume_mL"] > 200


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("spleen", "splen", "Did you mean spleen"),
        ("7.4 GBq", "7.4", "has no unit"),
        ("times: [24 h]", "time: [24 h]", "Did you mean times"),
        ("16 mm, matrix", "0 mm, matrix", "out of range"),
        (SPEC, "", "is empty"),
        (SPEC, "phantom: [", "line"),
    ],
)
def test_mistakes_get_one_message_and_code_2(alphatwin, file, tmp_path, old, new, words):
    file.write_text(SPEC.replace(old, new))
    code, out, err = alphatwin("phantom", file, "-o", tmp_path / "out")
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert out == ""
    assert not (tmp_path / "out").exists()


def test_missing_file_and_taken_folder(alphatwin, file, tmp_path):
    code, _, err = alphatwin("phantom", tmp_path / "tinny.yaml")
    assert code == 2
    assert "Did you mean tiny.yaml" in err
    code, _, err = alphatwin("phantom", file, "-o", tmp_path)
    assert code == 2
    assert "there already" in err
