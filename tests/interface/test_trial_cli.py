"""`alphatwin trial`: a file becomes a folder; data are decided again; bad input is one message and exit 2."""

import csv
import json

import pytest

from conftest import TRIAL_EXAMPLES

FILE = """\
trial: quick
title: A quick trial
designs:
  boin: {kind: boin, target: 0.25, cohort_size: 3, cohorts: 4, window_weeks: 8}
  late: {kind: tite_boin, target: 0.25, cohort_size: 3, cohorts: 4, window_weeks: 8}
truths:
  plain: {note: "[assumed] invented", dlt: [0.02, 0.05, 0.10, 0.25, 0.45], window_weeks: 8}
calendar: {accrual_per_month: 3}
simulation: {trials: 100, seed: 1}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "quick.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def widest(text):
    """Columns of the widest line, but for the one that names the file."""
    return max(len(line) for line in text.splitlines() if not line.startswith("Page: "))


def test_a_file_becomes_a_folder(alphatwin, file, tmp_path):
    said = alphatwin("trial", file, "--out", tmp_path)
    assert said.code == 0, said.err
    assert widest(said.out) <= 80
    assert "exact" in said.out
    assert "±" in said.out
    folder = tmp_path / "quick"
    names = {p.name for p in folder.iterdir()}
    assert {"trial.html", "protocol.txt", "spec.json", "operating-characteristics.csv", "summary.json", "estimands.csv",
            "decisions-boin.csv", "decisions-late.csv", "virtual-trials-boin-plain.csv", "virtual-trials-late-plain.csv"} == names  # fmt: skip
    page = (folder / "trial.html").read_text(encoding="utf-8")
    assert "not a medical device" in page.lower()
    assert "[assumed] invented" in page
    assert "0.1968" in (folder / "protocol.txt").read_text(encoding="utf-8")  # lambda_e of BOIN at 0.25
    with (folder / "operating-characteristics.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2 * 6
    level4 = next(r for r in rows if r["design"] == "boin" and r["level"] == "4")
    assert float(level4["selection"]) == pytest.approx(0.496, abs=5e-4)
    assert float(level4["selection_se"]) == 0.0
    assert all(float(r["selection_se"]) > 0 for r in rows if r["how"] == "simulated")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["summary"][0]["mean_weeks_se"] > 0


def test_the_spec_runs_again_to_the_same_numbers(alphatwin, file, tmp_path):
    alphatwin("trial", "run", file, "-o", tmp_path / "a", "-q")
    said = alphatwin("trial", tmp_path / "a" / "quick" / "spec.json", "-o", tmp_path / "b", "-q")
    assert said.code == 0, said.err
    for name in (
        "operating-characteristics.csv",
        "summary.json",
        "virtual-trials-late-plain.csv",
        "spec.json",
        "trial.html",
    ):
        assert (tmp_path / "a/quick" / name).read_bytes() == (tmp_path / "b/quick" / name).read_bytes(), name


def test_virtual_trials_replay_from_the_command(alphatwin, file, tmp_path):
    alphatwin("trial", file, "-o", tmp_path, "-q")
    folder = tmp_path / "quick"
    for design in ("boin", "late"):
        data = folder / f"virtual-trials-{design}-plain.csv"
        said = alphatwin("trial", "replay", folder / "spec.json", data, "--design", design)
        assert said.code == 0, said.err
        assert "3 with every decision as the rule has it" in said.out
        told = json.loads(alphatwin("trial", "replay", folder / "spec.json", data, "-d", design, "--json").out)
        with data.open(encoding="utf-8") as handle:
            selected = {int(r["trial"]): int(r["selected"]) for r in csv.DictReader(handle)}
        assert {r["trial"]: r["recommended"] for r in told} == selected
        assert all(r["agrees"] for r in told)


def test_one_recorded_trial(alphatwin, file, tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("patient,level,dlt\n1,1,0\n2,1,0\n3,1,0\n4,2,0\n5,2,1\n6,2,0\n", encoding="utf-8")
    said = alphatwin("trial", "replay", file, data, "--design", "boin")
    assert said.code == 0, said.err
    assert "Decision: de-escalate to level 1." in said.out
    assert "if the trial ended now: level 2" in said.out  # 1/3 is nearer 0.25 than 0/3
    assert max(map(len, said.out.splitlines())) <= 80
    data.write_text("level,dlt\n1,0\n1,0\n1,0\n3,0\n3,0\n3,0\n", encoding="utf-8")
    assert "differs from the rule" in alphatwin("trial", "replay", file, data, "-d", "boin").out


def test_decision_tables(alphatwin):
    said = alphatwin("trial", "table", "boin", "--target", "0.25", "--patients", "12")
    assert said.code == 0
    rows = [line.split() for line in said.out.splitlines() if line.strip() and line.split()[0] in ("3", "6", "9", "12")]
    assert [r[1] for r in rows] == ["0", "1", "1", "2"]
    assert [r[2] for r in rows] == ["1", "2", "3", "4"]
    assert [r[3] for r in rows] == ["3", "4", "5", "6"]
    table = list(csv.DictReader(alphatwin("trial", "table", "boin", "--patients", "30", "--csv").out.splitlines()))
    assert [r["escalate_if"] for r in table] == ["0", "1", "1", "2", "2", "3", "4", "4", "5", "5"]
    assert [r["deescalate_if"] for r in table] == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "9"]
    assert [r["eliminate_if"] for r in table] == ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]
    assert json.loads(alphatwin("trial", "table", "keyboard", "--json").out)["rows"]
    assert alphatwin("trial", "table", "three_plus_three").code == 0
    assert "boin" in alphatwin("trial", "kinds").out
    assert json.loads(alphatwin("trial", "kinds", "--json").out)["boin"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trial", "nofile.yaml"], "There is no file nofile.yaml"),
        (["trial", "replya", "x", "y"], "replay"),
        (["trial", "replay", "nofile.json", "x.csv"], "There is no file nofile.json"),
        (["trial", "table", "boim"], "Did you mean boin"),
        (["trial", "table", "boin", "--target", "0"], "target is 0"),
        (["trial", "table", "boin", "--patients", "31"], "do not fit"),
        (["trial", "table", "crm"], "skeleton"),
        (["trial", "run"], "Missing argument"),
    ],
)
def test_bad_input_is_one_message(alphatwin, arguments, words):
    said = alphatwin(*arguments)
    assert said.code == 2
    assert words in said.err
    assert "Traceback" not in said.err


def test_a_bad_file_leaves_nothing_behind(alphatwin, file, tmp_path):
    file.write_text(FILE.replace("0.45]", "1.45]"), encoding="utf-8")
    said = alphatwin("trial", file, "-o", tmp_path / "out")
    assert said.code == 2
    assert "quick.yaml, line 7, truths.plain.dlt.4: 1.45 is out of range" in said.err
    assert not (tmp_path / "out").exists()
    file.write_text(FILE, encoding="utf-8")
    (tmp_path / "out").write_text("a file")
    assert alphatwin("trial", file, "-o", tmp_path / "out").code == 2


def test_examples_run(alphatwin, tmp_path):
    for name, path in sorted(TRIAL_EXAMPLES.items()):
        said = alphatwin("trial", path, "-o", tmp_path, "--trials", "60")
        assert said.code == 0, (name, said.err)
        assert widest(said.out) <= 80, name
        assert "[assumed]" in said.out + next(tmp_path.glob(f"{name.removeprefix('trial-')}/protocol.txt")).read_text(
            encoding="utf-8"
        )


def test_the_schema_knows_the_keys(alphatwin):
    schema = json.loads(alphatwin("trial", "schema").out)
    assert {"trial", "designs", "truths", "calendar", "simulation", "protection"} <= set(schema["properties"])


def test_help_names_the_file_first_form(alphatwin):
    assert "alphatwin trial DESIGN.yaml" in " ".join(alphatwin("trial", "--help").out.split())


def test_two_boin_with_different_windows_have_different_protocols(alphatwin, tmp_path):
    """The window, the waiting and the deaths are part of the protocol: without them the trial could not be repeated."""
    text = FILE.replace(
        "  late: {kind: tite_boin",
        "  long: {kind: boin, target: 0.25, cohort_size: 3, cohorts: 4, window_weeks: 104}\n  late: {kind: tite_boin",
    )
    (tmp_path / "two.yaml").write_text(text, encoding="utf-8")
    assert alphatwin("trial", tmp_path / "two.yaml", "--out", tmp_path, "--trials", 20).code == 0
    words = " ".join((tmp_path / "quick" / "protocol.txt").read_text(encoding="utf-8").split())
    assert "within 8 weeks of the first administration" in words
    assert "within 104 weeks of the first administration" in words
    assert "A patient lost before that without a DLT is not counted and is replaced" in words
    assert "A patient who dies within the window without a DLT counts as followed to its end" in words


def test_recorded_data_meet_the_window_of_the_truth(alphatwin, tmp_path):
    """A design without a window of its own is replayed with the truths': two weeks of eight are not complete."""
    (tmp_path / "t.yaml").write_text(
        FILE.replace("cohorts: 4, window_weeks: 8}\n  late", "cohorts: 4}\n  late"), encoding="utf-8"
    )
    (tmp_path / "d.csv").write_text("level,dlt,follow_up_weeks\n1,0,8\n1,0,8\n1,0,2\n", encoding="utf-8")
    said = alphatwin("trial", "replay", tmp_path / "t.yaml", tmp_path / "d.csv", "--design", "boin")
    assert said.code == 0, said.err
    assert "Decision: suspend accrual" in said.out


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("simon", "--p0", 0.05, "--p1", 0.25), ("0/9", "2/17", "0/12", "2/16")),
        (("simon", "--p0", 0.2, "--p1", 0.4), ("3/13", "12/43", "4/18", "10/33")),
        (("bop2", "--p0", 0.2, "--p1", 0.4, "--looks", "10,20,30,40"), ("  11\n", "0.8864")),
        (("bop2", "--p0", 0.2, "--p1", 0.4, "--looks", "10,20", "--toxicity0", 0.4, "--toxicity1", 0.2), ("or toxicities",)),
        (("predictive", "--p0", 0.2, "--p1", 0.4, "--looks", "10-36", "--stop", 0.001), ("10 or fewer responses in 36", "27.67")),
        (("two-doses", "--rate", 0.2, "--gain", 0.15, "--right", 0.9), ("patients to each dose",)),
        (("table", "rolling_six"), ("Rolling six",)),
        (("table", "boin", "--patients", 6, "--html"), ("<section", "de-escalate one level")),
    ],
)  # fmt: skip
def test_phase_two_and_tables_from_the_command_line(alphatwin, words, shown):
    said = alphatwin("trial", *words)
    assert said.code == 0, said.err
    assert "--html" in words or widest(said.out) <= 80
    for text in shown:
        assert text in said.out
    if words[0] != "table":
        assert isinstance(json.loads(alphatwin("trial", *words, "--json").out), dict)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("simon", "--p0", 0.3, "--p1", 0.1), "p1 is 0.1"),
        (("simon", "--p0", 5, "--p1", 25), "p0 is 5"),
        (("bop2", "--p0", 0.2, "--p1", 0.4, "--looks", "ten"), "--looks is 'ten'"),
        (("bop2", "--p0", 0.2, "--p1", 0.4, "--looks", "30,20"), "rise"),
        (("bop2", "--p0", 0.2, "--p1", 0.4, "--looks", "10", "--toxicity0", 0.4), "belong together"),
        (("two-doses", "--rate", 0.2, "--gain", 0.9), "gain is 0.9"),
        (("simn", "--p0", 0.2), "Did you mean 'simon'"),
    ],
)  # fmt: skip
def test_bad_phase_two_arguments_are_one_message(alphatwin, words, told):
    said = alphatwin("trial", *words)
    assert said.code == 2
    assert told in said.err
    assert "Traceback" not in said.err
