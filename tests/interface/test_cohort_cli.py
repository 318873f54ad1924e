"""`alphatwin cohort`: a file becomes a folder; stops of every kind go on to the same bytes; bad input is one message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import alphatwin as at
from alphatwin.cohort import answers
from alphatwin.report.cohort import cohort_figures
from alphatwin.validation import compare_cohort
from conftest import COHORT_EXAMPLES

SPEC = """\
cohort: quick
title: A quick cohort
agent: lu177-dotatate
size: 60
seed: 3
treatment: {activity: 7.4 GBq, cycles: 4, interval: 8 weeks}
"""
COMMAND = [sys.executable, "-m", "alphatwin", "cohort"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "quick.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def one_message(said):
    assert said.code == 2, said
    assert "Traceback" not in said.err
    assert said.out == ""
    return said.err


def test_a_file_becomes_a_folder(alphatwin, file, tmp_path):
    said = alphatwin("cohort", file, "--out", tmp_path, "--chunk", 40)
    assert said.code == 0, said.err
    assert max(len(line) for line in said.out.splitlines() if not line.startswith("Page: ")) <= 80
    assert "beside published populations" in said.out
    assert "agree within what the source allows" in said.out
    folder = tmp_path / "quick"
    assert set(contents(folder)) == {
        "cohort.html",
        "cohort.json",
        "summary.json",
        "patients/part-000000.parquet",
        "patients/part-000001.parquet",
    }
    page = (folder / "cohort.html").read_text(encoding="utf-8")
    assert "not a medical device" in page.lower()
    assert "A quick cohort" in page
    assert "svensson2015" in page
    for told in (" ".join(said.out.split()), page):
        assert "Set C of the whole-body model was fitted to 8 of these means" in told
        assert "tuned" not in told
    told = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert told["summary"]["patients"] == 60
    assert len(told["provenance"]["spec_sha256"]) == 64
    assert {r["verdict"] for r in told["published"]} <= {"ok", "MISS"}
    again = alphatwin("cohort", file, "--out", tmp_path, "--chunk", 40, "--json")
    assert json.loads(again.out) == told["summary"]


def test_a_set_that_was_not_fitted_says_so(alphatwin, file, tmp_path):
    file.write_text(SPEC + "parameters: B\n", encoding="utf-8")
    said = alphatwin("cohort", file, "--out", tmp_path, "--size", 16)
    assert said.code == 0, said.err
    assert "Set B of the whole-body model was not fitted to these means." in " ".join(said.out.split())


def test_published_doses_stand_in_the_picture():
    found = at.cohort({"cohort": "x", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}}, size=8)
    rows = [{"quantity": r.quantity, "published": r.published, "tolerance": r.tolerance} for r in compare_cohort(found.spec, answers(found))]  # fmt: skip
    marks = [trace for trace in cohort_figures(found, rows)[0]["data"] if trace["type"] == "scatter"]
    assert len(marks) == 1
    assert set(marks[0]["x"]) == {"kidneys", "liver", "spleen", "red_marrow", "target_1"}
    assert marks[0]["y"][marks[0]["x"].index("spleen")] == 1.17


def test_other_agents_have_no_published_population(alphatwin, file, tmp_path):
    file.write_text(SPEC.replace("lu177-dotatate", "ac225-dotatate").replace("7.4 GBq", "8 MBq"), encoding="utf-8")
    said = alphatwin("cohort", file, "--out", tmp_path, "--size", 16)
    assert said.code == 0, said.err
    assert "No published population" in said.out


def test_half_the_activity_is_compared_in_dose_per_activity_only(alphatwin, file, tmp_path):
    file.write_text(SPEC.replace("7.4 GBq", "3.7 GBq"), encoding="utf-8")
    said = alphatwin("cohort", file, "--out", tmp_path, "--size", 16)
    assert "kidneys, mean" in said.out
    assert "partial response" not in said.out


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (SPEC.replace("agent:", "agnt:"), (), "line 3, agnt: there is no key 'agnt' here. Did you mean agent?"),
        (
            SPEC + "covariates:\n  egfr_at_60: {value: 80}\n",
            (),
            "line 8, covariates.egfr_at_60: there is no covariate 'egfr_at_60'. Did you mean egfr_at_60_y",
        ),
        (SPEC + "covariates:\n  age: {cv: -1}\n", (), "line 8, covariates.age.cv: -1"),
        (SPEC.replace("7.4 GBq", "7.4 gbk"), (), "line 6, treatment.activity"),
        (SPEC.replace("size: 60", "size: 0"), (), "line 4, size: 0 is out of range; it must be at least 1"),
        ("", (), "is empty"),
        (SPEC, ("--size", "0"), "--size is 0"),
        (SPEC, ("--dask", "nowhere"), "No Dask scheduler answers at 'nowhere'"),
        (SPEC, ("--dask", "0"), "1 to 1024 worker processes"),
        (SPEC, ("--sise", "3"), "No such option"),
    ],
)
def test_bad_input_is_one_message(alphatwin, file, tmp_path, text, arguments, message):
    file.write_text(text, encoding="utf-8")
    assert message in " ".join(one_message(alphatwin("cohort", file, "--out", tmp_path / "out", *arguments)).split())
    assert not list((tmp_path / "out").glob("*/patients/*"))


def test_a_covariance_that_is_none_names_its_line_and_eigenvalue(alphatwin, file, tmp_path):
    file.write_text(
        SPEC + "covariance:\n  of: [r0_liver, r0_spleen]\n  matrix: [[0.04, 0.09], [0.09, 0.04]]\n", encoding="utf-8"
    )
    said = one_message(alphatwin("cohort", file, "--out", tmp_path))
    assert "line 9, covariance.matrix" in said
    assert "smallest eigenvalue is -0.05" in said


def test_a_missing_file_and_a_folder_of_another_cohort(alphatwin, file, tmp_path):
    assert "Did you mean quick.yaml" in one_message(alphatwin("cohort", tmp_path / "quik.yaml", "--out", tmp_path))
    assert alphatwin("cohort", file, "--out", tmp_path, "--size", 8, "-q").code == 0
    before = contents(tmp_path / "quick")
    assert "another spec, seed or catalogue" in one_message(
        alphatwin("cohort", file, "--out", tmp_path, "--size", 8, "--seed", 4)
    )
    assert contents(tmp_path / "quick") == before


def hears_ctrl_c():
    """A shell's background job is started deaf to SIGINT, and so would be the tests' own children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


WAITING = """
import sys, time
from alphatwin.cli import main
from alphatwin.report.cohort_store import CohortFolder
really = CohortFolder.put
def put(self, index, arrays):
    really(self, index, arrays)
    if len(self.done) == 2:
        print("two files", flush=True)
        time.sleep(600)
CohortFolder.put = put
main()
"""
SOME = ("--chunk", "40", "--size", "240")


def stopped(file, out, how):
    """Run the command until two of six files are there, then stop it; exit code and standard error."""
    command = [sys.executable, "-c", WAITING, "cohort", str(file), "--out", str(out), *SOME]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=hears_ctrl_c) as process:
        said = process.stdout.readline()
        process.send_signal(how)
        _, err = process.communicate()
    assert said == "two files\n", err
    assert len(list(out.glob("quick/patients/part-*"))) == 2, err
    return process.returncode, err


@pytest.mark.slow  # test_cohort.py does the same within one process
def test_killed_and_resumed_gives_the_same_bytes(alphatwin, file, tmp_path):
    code, _ = stopped(file, tmp_path / "killed", signal.SIGKILL)
    assert code == -signal.SIGKILL
    for out in ("killed", "whole"):
        said = alphatwin("cohort", file, "--out", tmp_path / out, *SOME, "-q")
        assert said.code == 0, said.err
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_whole_and_exits_130(alphatwin, file, tmp_path):
    code, err = stopped(file, tmp_path, signal.SIGINT)
    assert code == 130, err
    assert "Traceback" not in err
    assert "the same command goes on from there" in err
    assert not list((tmp_path / "quick" / "patients").glob(".part*"))
    said = alphatwin("cohort", file, "--out", tmp_path, *SOME, "-q")
    assert said.code == 0, said.err


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_ctrl_c_at_any_moment(file, tmp_path, delay):
    """Mostly inside a compiled kernel; there are more patients than it could ever do before."""
    command = [*COMMAND, str(file), "--out", str(tmp_path), "--chunk", "40", "--size", "1000000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=hears_ctrl_c) as process:
        while not list(tmp_path.glob("quick/patients/part-*")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "the same command goes on from there" in err


def test_the_example_runs(alphatwin, tmp_path):
    (file,) = COHORT_EXAMPLES.values()
    assert alphatwin("cohort", file, "--out", tmp_path, "--size", 32, "-q").code == 0


def on_workers(file, out, workers):
    command = [*COMMAND, str(file), "--out", str(out), "--chunk", "20", "-q", "--dask", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return contents(out / "quick")


@pytest.mark.slow
def test_two_worker_processes_give_the_bytes_of_this_one(alphatwin, file, tmp_path):
    assert alphatwin("cohort", file, "--out", tmp_path / "here", "--chunk", 20, "-q").code == 0
    assert on_workers(file, tmp_path / "there", 2) == contents(tmp_path / "here" / "quick")


@pytest.mark.slow
def test_ctrl_c_with_workers_is_one_message(file, tmp_path):
    command = [*COMMAND, str(file), "--out", str(tmp_path), "--chunk", "40", "--size", "4000", "--dask", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=hears_ctrl_c, start_new_session=True) as process:
        until = time.monotonic() + 300.0
        while (
            len(list(tmp_path.glob("quick/patients/part-*"))) < 2
            and process.poll() is None
            and time.monotonic() < until
        ):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers too
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "the same command goes on from there" in err


@pytest.mark.slow
def test_one_and_four_worker_processes_give_the_same_bytes(file, tmp_path):
    assert on_workers(file, tmp_path / "one", 1) == on_workers(file, tmp_path / "four", 4)
