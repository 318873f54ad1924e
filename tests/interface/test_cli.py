"""The command line as a new user meets it: what it prints, where it writes, how it fails."""

import dataclasses
import errno
import importlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import traceback

import pytest

from alphatwin import __version__, catalog
from alphatwin.case import schema
from alphatwin.cli import main
from alphatwin.physics import nuclide_names

CASE = """\
case: a-patient
title: Jane Doe, born 1950
patient: {body_mass: 80 kg}
treatment: {agent: lu177-dotatate, activity: 7.4 GBq}
kinetics:
  administered_activity: 7.4 GBq
  times_h: [4, 24, 96, 168]
  regions:
    kidneys: {activity_MBq: [100, 75, 25, 9], volume_mL: 300}
options: {samples: 20}
"""
KINDS = ["agent", "nuclide", "medium", "anatomy", "tissue", "element", "fate", "structure", "cell-line", "parameters", "modifier", "outcome", "protector", "source"]  # fmt: skip
NAMES = [name for kind in catalog.KINDS for name in catalog.entries(kind)]
SOURCES = sorted(catalog.sources())
NUCLIDES = ["Ac-225", "Bi-213", "Pb-212", "Lu-177", "At-211", "Ra-223", "I-131", "Cf-252", *nuclide_names()[::60]]
NOTICE = catalog.path("notices", "ICRP-07.txt").read_text(encoding="utf-8")
COMMAND = [sys.executable, "-m", "alphatwin"]


@pytest.fixture
def case(tmp_path):
    file = tmp_path / "case.yaml"
    file.write_text(CASE, encoding="utf-8")
    return file


def spoken(*arguments, **options):
    """The command as a process of its own."""
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, **options)


def fits(text, but=""):
    """Every line in 80 columns, but for texts that are repeated letter by letter."""
    return [line for line in text.splitlines() if len(line) > 80 and line.strip() not in but]


def one_message(said):
    """A refusal: exit 2, nothing on standard output, one line on standard error, no traceback."""
    assert said.code == 2, said
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert "Traceback" not in said.err
    return said.err


# --- run -------------------------------------------------------------------------------------------------------------


def test_run_writes_three_files_in_a_folder_named_after_the_case(alphatwin, case, tmp_path):
    said = alphatwin("run", case, "-o", tmp_path / "out")
    assert said.code == 0
    assert said.err == ""
    assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == [
        "a-patient",
        "report.html",
        "result.nc",
        "summary.json",
    ]
    assert said.out.splitlines()[-1] == f"Report: {tmp_path / 'out' / 'a-patient' / 'report.html'}"
    assert fits(said.out, but=said.out.splitlines()[-1]) == []
    for word in ("kidneys", "BED", "Gy", "Not a medical device"):
        assert word in said.out


def test_run_again_replaces_the_result(alphatwin, case, tmp_path):
    for samples in (3, 4):
        assert alphatwin("run", case, "-o", tmp_path, "--samples", samples, "--seed", 7, "--quiet").code == 0
    summary = json.loads((tmp_path / "a-patient" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["provenance"]["samples"], summary["provenance"]["seed"]) == (4, 7)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-patient", "case.yaml"]
    assert len(list((tmp_path / "a-patient").iterdir())) == 3


def test_quiet_prints_only_where_the_report_is(alphatwin, case, tmp_path):
    said = alphatwin("run", case, "-o", tmp_path, "-q")
    assert len(said.out.splitlines()) == 1
    assert pathlib.Path(said.out.removeprefix("Report: ").strip()).is_file()


def test_samples_of_one_is_the_point_estimate(alphatwin, case, tmp_path):
    assert alphatwin("run", case, "-o", tmp_path, "--samples", 1).code == 0
    kidneys = json.loads((tmp_path / "a-patient" / "summary.json").read_text())["regions"]["kidneys"]
    assert kidneys["bed_Gy"]["sd"] == 0


def test_a_whole_run_as_a_process_of_its_own(case, tmp_path):
    done = spoken("run", case.name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a-patient" / "report.html").is_file()


def test_the_example_that_is_shown_runs(alphatwin, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(alphatwin("show", "example").out, encoding="utf-8")
    assert alphatwin("run", file, "-o", tmp_path, "--samples", 2, "-q").code == 0
    assert (tmp_path / "snmmi-patient4").is_dir()


# --- list, show, cite, schema ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [(), ("--json",)], ids=["text", "json"])
def test_list_counts_every_kind(alphatwin, flag):
    said = alphatwin("list", *flag)
    assert said.code == 0
    assert fits(said.out) == []
    for kind in KINDS:
        assert kind in said.out
    if flag:
        assert json.loads(said.out)["nuclide"] == len(nuclide_names())


@pytest.mark.parametrize("kind", [*KINDS, "agents", "media", "Anatomies", "NUCLIDES"])
def test_list_shows_every_name_in_80_columns(alphatwin, kind):
    said = alphatwin("list", kind)
    rows = json.loads(alphatwin("list", kind, "--json").out)
    assert said.code == 0
    assert fits(said.out) == []
    assert len(rows) >= 3
    words = said.out.split()
    assert all(name in words for name in rows)


@pytest.mark.parametrize("name", [*NAMES, *NUCLIDES])
def test_show_fits_and_cites(alphatwin, name):
    said, plain = alphatwin("show", name), json.loads(alphatwin("show", name, "--json").out)
    assert said.code == 0
    assert fits(said.out) == [], name
    assert plain["kind"] in KINDS
    assert plain["id"] == name
    assert name in said.out
    assert "{'" not in said.out, "a dictionary is no text for a person"
    used = {v for k, v in flat(plain) if k == "source"}
    assert all(key in "".join(said.out.split()) for key in used)
    if any(k == "verified" and v is False for k, v in flat(plain)):
        assert "NOT VERIFIED" in " ".join(said.out.split()) or "verified: no" in said.out


def flat(value, key=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from flat(v, k)
    elif isinstance(value, list):
        for v in value:
            yield from flat(v, key)
    else:
        yield key, value


@pytest.mark.parametrize("key", SOURCES)
def test_show_a_source(alphatwin, key):
    said = alphatwin("show", key)
    assert said.code == 0
    assert [line for line in fits(said.out) if "://" not in line] == []
    assert json.loads(alphatwin("show", key, "--json").out)["kind"] == "source"


@pytest.mark.parametrize("name", ["ac-225", "AC-225", "Lu177-DOTATATE", "Adult-Male"])
def test_show_forgives_capitals(alphatwin, name):
    assert json.loads(alphatwin("show", name, "--json").out)["id"].casefold() == name.casefold()


@pytest.mark.parametrize("name", ["Ac225", "225ac", "Ac 225"])
def test_show_takes_other_spellings_of_a_nuclide(alphatwin, name):
    assert alphatwin("show", name, "--json").out == alphatwin("show", "Ac-225", "--json").out


def test_cite_repeats_the_notice_and_the_sources_of_a_result(alphatwin, case, tmp_path):
    assert NOTICE.strip() in alphatwin("cite").out
    assert alphatwin("run", case, "-o", tmp_path, "--samples", 2, "-q").code == 0
    keys = json.loads((tmp_path / "a-patient" / "summary.json").read_text())["provenance"]["sources"]
    for where in (tmp_path / "a-patient", tmp_path / "a-patient" / "summary.json"):
        said = alphatwin("cite", where)
        assert fits(said.out, but=NOTICE) == []
        assert all(f"[{key}]" in said.out for key in keys)
    plain = json.loads(alphatwin("cite", tmp_path / "a-patient", "--json").out)
    assert list(plain["sources"]) == keys
    assert plain["notice"] == NOTICE


def test_schema_of_a_case_of_cells(alphatwin):
    said = alphatwin("schema", "cells")
    assert (said.code, said.err) == (0, "")
    made = json.loads(said.out)
    assert made == schema("cells")
    assert made["required"] == ["case", "cluster", "source", "response"]
    assert json.loads(alphatwin("schema", "maps").out) == schema("maps")
    images = json.loads(alphatwin("schema", "images").out)
    assert images == schema("images")
    assert {"images", "calibration", "outlines", "recovery", "registration", "fit", "earlier"} <= set(
        images["properties"]
    )
    assert images["$defs"]["Recovery"]["properties"]["fwhm"]["anyOf"][0]["type"] == "string"  # with its unit
    phantom = json.loads(alphatwin("schema", "phantom").out)
    assert phantom["$defs"]["Scanner"]["properties"]["voxel"]["type"] == "string"
    assert {"phantom", "nuclide", "scanner"} <= set(phantom["required"])
    wrong = alphatwin("schema", "cell")
    assert wrong.code == 2
    assert "Did you mean cells" in wrong.err


def test_schema_is_json_and_names_every_key(alphatwin):
    made = json.loads(alphatwin("schema").out)
    assert made == json.loads(alphatwin("schema", "--json").out) == schema()
    assert set(made["required"]) == {"case", "treatment", "kinetics"}


def test_help_fits_and_names_every_command(alphatwin):
    commands = ("run", "list", "show", "cite", "schema", "validate")
    said = alphatwin("--help")
    assert said.code == 0
    assert fits(said.out) == []
    for command in commands:
        assert command in said.out
        below = alphatwin(command, "--help")
        assert below.code == 0
        assert fits(below.out) == []
    nothing = alphatwin()
    assert nothing.code == 2
    assert nothing.out.strip() == said.out.strip()


def test_version_is_quick_because_it_loads_nothing(alphatwin):
    assert alphatwin("--version").out == alphatwin("-V").out == f"alphatwin {__version__}\n"
    code = "import sys; from alphatwin.cli import main; sys.argv[1:] = ['--version']; main(); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    heavy = {
        "typer",
        "click",
        "rich",
        "numpy",
        "scipy",
        "numba",
        "xarray",
        "pandas",
        "pint",
        "plotly",
        "pydantic",
        "jinja2",
    }
    assert not heavy & loaded
    assert alphatwin("--version", "list").out == f"alphatwin {__version__}\n"


# --- everything typed wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["rnu"], ["rnu", "Did you mean 'run'"]),
        (["listt", "agent"], ["Did you mean 'list'"]),
        (["run"], ["CASE.yaml", "--help"]),
        (["run", "x.yaml", "--smaples", "3"], ["--smaples", "Did you mean --samples"]),
        (["run", "x.yaml", "--samples", "0"], ["--samples", "1"]),
        (["run", "x.yaml", "--samples", "1000001"], ["--samples", "100000"]),
        (["run", "x.yaml", "--samples", "many"], ["--samples", "integer"]),
        (["run", "x.yaml", "--seed", "-1"], ["--seed"]),
        (["run", "x.yaml", "y.yaml"], ["y.yaml"]),
        (["run", "nowhere.yaml"], ["no file nowhere.yaml"]),
        (["run", "."], ["folder", "YAML"]),
        (["run", ""], ["folder"]),
        (["run", "a" * 300 + ".yaml"], ["cannot be read", "too long"]),
        (["list", "agnet"], ["agnet", "Did you mean agent", "Kinds:", "source"]),
        (["list", "--jsn"], ["Did you mean --json"]),
        (["list", "agent", "more"], ["more"]),
        (["show"], ["name"]),
        (["show", "ac225-dotatat"], ["Did you mean ac225-dotatate"]),
        (["show", "Ac2255"], ["Did you mean Ac-225"]),
        (["show", "kratochwil2018"], ["Did you mean kratochwil"]),
        (["show", "zzzzzzzz"], ["zzzzzzzz", "alphatwin list"]),
        (["cite", "nowhere"], ["nowhere", "alphatwin run"]),
        (["--verison"], ["Did you mean --version"]),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else None,
)
def test_a_typo_gets_one_message_with_help(alphatwin, tmp_path, monkeypatch, typed, expected):
    monkeypatch.chdir(tmp_path)
    message = one_message(alphatwin(*typed))
    for part in expected:
        assert part in message, message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", '{"provenance": 3}', '{"provenance": {}}', "\0"])
def test_cite_of_something_else(alphatwin, tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    assert "not a summary.json" in one_message(alphatwin("cite", tmp_path))


# --- places that cannot be written -----------------------------------------------------------------------------------


def test_out_is_a_file(alphatwin, case, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert "taken" in one_message(alphatwin("run", case, "-o", tmp_path / "taken"))
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_folder_of_the_case_is_a_file(alphatwin, case, tmp_path):
    (tmp_path / "a-patient").write_text("mine")
    assert "a-patient" in one_message(alphatwin("run", case, "-o", tmp_path))
    assert (tmp_path / "a-patient").read_text() == "mine"


def test_out_cannot_be_made(alphatwin, case):
    assert "--out" in one_message(alphatwin("run", case, "-o", "/proc/no/such"))


def test_a_read_only_place_is_refused_before_the_work(alphatwin, case, tmp_path, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)
    monkeypatch.setattr(
        importlib.import_module("alphatwin.run"), "run", lambda *a, **k: pytest.fail("worked for nothing")
    )
    assert "permission denied" in one_message(alphatwin("run", case, "-o", tmp_path))


@pytest.mark.parametrize("step", ["html", "netcdf", "hdf5", "rename"])
def test_a_full_disk_leaves_nothing(alphatwin, case, tmp_path, monkeypatch, step):
    import xarray as xr

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_as_hdf5_says_it(*args, **kwargs):
        raise RuntimeError("Unable to flush file's cached information (no space left)")

    patches = {
        "html": (pathlib.Path, "write_text", full),
        "netcdf": (xr.Dataset, "to_netcdf", full),
        "hdf5": (xr.Dataset, "to_netcdf", full_as_hdf5_says_it),
        "rename": (os, "replace", full),
    }
    monkeypatch.setattr(*patches[step])
    message = one_message(alphatwin("run", case, "-o", tmp_path / "out" / "deep", "-q"))
    assert "could not be written" in message
    assert "full" in message or "no space" in message
    assert [p.name for p in tmp_path.iterdir()] == ["case.yaml"]


def test_a_rename_that_fails_half_way_leaves_nothing_new(alphatwin, case, tmp_path, monkeypatch):
    real, count = os.replace, iter(range(100))

    def second_fails(source, target):
        if next(count) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    one_message(alphatwin("run", case, "-o", tmp_path, "-q"))
    assert [p.name for p in tmp_path.iterdir()] == ["case.yaml"]


def test_a_disk_that_really_runs_full(case, tmp_path):
    """The kernel refuses to let any file grow beyond 1 MB; the page has more."""

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = spoken("run", case, "-o", tmp_path / "out", "-q", preexec_fn=small_files)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["case.yaml"]


def test_a_failing_run_leaves_an_older_result_alone(alphatwin, case, tmp_path, monkeypatch):
    assert alphatwin("run", case, "-o", tmp_path, "--samples", 2, "-q").code == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "a-patient").iterdir()}
    case.write_text(CASE.replace("[100, 75, 25, 9]", "[9, 25, 75, 100]"))
    assert "rises" in one_message(alphatwin("run", case, "-o", tmp_path, "-q"))
    assert {p.name: p.read_bytes() for p in (tmp_path / "a-patient").iterdir()} == before


# --- interrupts, pipes, terminals ------------------------------------------------------------------------------------


def hears_ctrl_c():
    """A shell's background job is started deaf to SIGINT, and so would be the tests' own children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("stage", [2, 3, "writing"])
def test_ctrl_c_at_any_stage(case, tmp_path, stage):
    """A real SIGINT, sent by the process to itself when a stage begins."""
    code = (
        "import contextlib, os, signal, sys\nimport alphatwin.cli as cli\nat, count = sys.argv.pop(), 0\n"
        "def stage(name):\n    global count\n    count += 1\n"
        "    if at in (name, str(count)):\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "@contextlib.contextmanager\ndef progress(quiet):\n    yield stage\n"
        "cli._progress = progress\ncli.main()\n"
    )
    command = [sys.executable, "-c", code, "run", case, "-o", tmp_path / "out" / "deep", str(stage)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=hears_ctrl_c)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert done.stderr == "Interrupted; nothing half-written was left behind.\n"
    assert [p.name for p in tmp_path.iterdir()] == ["case.yaml"]


@pytest.mark.parametrize("by_hand", [True, False])
def test_ctrl_c_inside_a_compiled_kernel(case, tmp_path, by_hand):
    """It comes out as a SystemError; a SystemError of another cause is still a fault of the program."""
    code = (
        "import sys\nimport alphatwin.run as run\nimport alphatwin.cli as cli\n"
        f"cause = {'KeyboardInterrupt' if by_hand else 'ValueError'}()\n"
        "def stopped(*_, **__):\n    raise SystemError('returned a result with an exception set') from cause\n"
        "run.run = stopped\ncli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "run", case, "-o", tmp_path], capture_output=True, text=True)
    assert done.returncode == (130 if by_hand else 1), done.stderr
    assert ("Traceback" in done.stderr) is not by_hand


def test_ctrl_c_from_outside_in_the_middle(case, tmp_path):
    case.write_text(CASE.replace("samples: 20", "samples: 100000"))
    code = (
        "import contextlib, sys\nimport alphatwin.cli as cli\n"
        "@contextlib.contextmanager\ndef progress(quiet):\n    yield lambda name: print(name, file=sys.stderr, flush=True)\n"
        "cli._progress = progress\ncli.main()\n"
    )
    command = [sys.executable, "-c", code, "run", case, "-o", tmp_path]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=hears_ctrl_c) as process:
        for line in process.stderr:
            if line.startswith("fitting"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate()
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1].startswith("Interrupted")
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["case.yaml"]


@pytest.mark.parametrize("typed", [["list", "nuclide"], ["show", "example"], ["schema"], ["cite"], ["list"]])
def test_a_reader_that_has_enough(typed):
    """``alphatwin list nuclide | head -1``: the pipe is closed before, while and after everything is written."""
    with subprocess.Popen([*COMMAND, *typed], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "The output could not be written: no space left on device.\n"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_standard_streams(case, tmp_path, closed):
    def close():
        for number in closed:
            os.close(number)

    run = len(closed) == 3
    typed = ["run", case, "-o", tmp_path, "--samples", "2"] if run else ["list"]
    done = subprocess.run([*COMMAND, *map(str, typed)], capture_output=True, preexec_fn=close)
    assert done.returncode == 0
    assert done.stderr == b""
    assert (tmp_path / "a-patient" / "report.html").is_file() == run


@pytest.mark.parametrize("typed", [["show", "lu177-dotatate"], ["show", "kidneys"], ["list", "source"], ["run"]])
def test_a_terminal_without_unicode(case, tmp_path, typed):
    """µ, ± and names with accents are written with plain letters instead of a crash."""
    if typed == ["run"]:
        case.write_text(CASE.replace("Jane Doe", "Zoë Žižková ± µ β"), encoding="utf-8")
        typed = ["run", case, "-o", tmp_path]
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    done = spoken(*typed, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\\x" not in done.stdout
    if "run" in typed:
        assert "Zoe Zizkova +/- u beta" in done.stdout
        assert "Zoë Žižková ± µ β" in (tmp_path / "a-patient" / "report.html").read_text(encoding="utf-8")


# --- privacy ---------------------------------------------------------------------------------------------------------


def test_a_defect_of_ours_does_not_tell_who_the_patient_is(case, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a defect")

    monkeypatch.setattr(importlib.import_module("alphatwin.run"), "run", broken)
    monkeypatch.setattr(sys, "argv", ["alphatwin", "run", str(case), "-o", str(tmp_path)])
    with pytest.raises(RuntimeError) as caught:
        main()
    told = "".join(traceback.format_exception(caught.value))
    assert "Jane" not in told
    assert "1950" not in told
    assert sorted(p.name for p in tmp_path.iterdir()) == ["case.yaml"]


@pytest.mark.parametrize(
    "name", ["..", "../up", "/etc/x", "a/b", "a\\b", ".hidden", "", "a b", "a\n", "a" * 65, "-x", "ä", "a\u2044b", "~"]
)
def test_a_case_cannot_name_another_place(alphatwin, case, tmp_path, name):
    case.write_text(CASE.replace("case: a-patient", f"case: {json.dumps(name)}"), encoding="utf-8")
    message = one_message(alphatwin("run", case, "-o", tmp_path / "out"))
    assert "line 1, case" in message
    assert "folder" in message
    assert [p.name for p in tmp_path.iterdir()] == ["case.yaml"]


def test_a_link_in_place_of_the_folder_is_followed_or_refused_but_never_replaced(alphatwin, case, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a-patient").symlink_to(tmp_path / "elsewhere")
    said = alphatwin("run", case, "-o", tmp_path, "--samples", 2, "-q")
    assert said.code in (0, 2)
    assert (tmp_path / "a-patient").is_symlink()


def test_validate_exits_1_when_a_published_value_is_missed(alphatwin, monkeypatch):
    from alphatwin import validation

    rows = validation.validate("left kidney")
    assert rows
    monkeypatch.setattr(validation, "validate", lambda *a: rows)
    said = alphatwin("validate")
    assert said.code == 0
    assert fits(said.out) == []
    assert len(json.loads(alphatwin("validate", "--json").out)) == len(rows)
    missed = dataclasses.replace(rows[0], ours=2 * rows[0].published)
    monkeypatch.setattr(validation, "validate", lambda *a: (missed,))
    assert alphatwin("validate").code == 1
