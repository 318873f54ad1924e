"""Everything a person can get wrong in a case file, through the real command line: one message, exit 2, nothing left."""

import errno
import os
import pathlib
import re

import pytest

from alphatwin.case import example_path
from conftest import EXAMPLES, REPOSITORY

GOOD = example_path().read_text(encoding="utf-8")
LEFT = "[98.561, 73.599, 25.396, 19.047]"
TIMES = "[3.7411, 27.7253, 103.0942, 123.9836]"
LIVER = "[2037, 2167, 2009, 2249]"
WHOLE = "[1328.78, 883.02, 426.22, 357.62]"
GIVEN = "  activity: 7210.43 MBq\n"
CASE = "case: snmmi-patient4"
KIDNEY = "kinetics.regions.kidney_left"
REGIONS = re.compile(r"  regions:\n(.|\n)*")
TREATMENT = re.compile(r"treatment:\n(?:  .*\n)+")
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)
LAUGHS_MERGED = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} {{<<: [{', '.join(['*' + chr(97 + i)] * 10)}]}}\n" for i in range(9)
)


def swap(old, new):
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


def points(n, model):
    """The example with n points a region."""
    cut = re.sub(
        r"((?:times_h|activity_MBq): \[)([^\]]*)\]", lambda m: m[1] + ",".join(m[2].split(",")[:n]) + "]", GOOD
    )
    return cut.replace("model: uptake_clearance", f"model: {model}").replace("model: auto", f"model: {model}")


BAD = {  # the file, and what its message must say
    # names
    "unknown agent": (swap("lu177-dotatate ", "lu177-dotatat "), ["treatment.agent", "Did you mean lu177-dotatate", "list agent"]),
    "nuclide for agent": (swap("lu177-dotatate ", "Lu-177 "), ["treatment.agent", "Did you mean lu177-"]),
    "unknown nuclide": (swap("lu177-dotatate ", "lu176-dotatate "), ["treatment.agent", "Did you mean lu177-dotatate"]),
    "unknown anatomy": (swap("adult-male ", "adult-man "), ["patient.anatomy", "adult-male", "list anatomy"]),
    "unknown medium": (swap("      dose: false", "      medium: watr"), ["medium", "Did you mean water"]),
    "unknown model": (swap("uptake_clearance", "uptake_clearence"), ["kinetics.model", "Did you mean uptake_clearance", "hanscheid"]),
    "unknown option": (GOOD + "options: {mass_basis: with_bood}\n", ["options.mass_basis", "Did you mean with_blood", "parenchyma"]),
    "unknown region in a limit": (GOOD + "limits: {kidnays: {bed: 40 Gy}}\n", ["limits.kidnays", "Did you mean kidneys"]),
    "unknown region in prior beam": (
        GOOD + "prior_therapy: [{type: external_beam, dose: {kidnay: 9 Gy}, fractions: 5, ended: 9 months}]\n",
        ["prior_therapy.0.dose.kidnay", "Did you mean kidneys"],
    ),
    "unknown kind of prior therapy": (
        GOOD + "prior_therapy: [{type: beam, dose: {kidneys: 9 Gy}, fractions: 5, ended: 9 months}]\n",
        ["prior_therapy.0", "'beam'", "external_beam"],
    ),
    "daughters stay": (GOOD + "daughters: stay\n", ["daughters.model", "'stay'", "free, in_place"]),
    # units
    "unknown unit": (swap(GIVEN, "  activity: 7.2 GBqs\n"), ["treatment.activity", "'GBqs'", "Did you mean GBq", "mCi"]),
    "unit in lower case": (swap(GIVEN, "  activity: 7.2 gbq\n"), ["treatment.activity", "Did you mean GBq"]),
    "mass for activity": (swap(GIVEN, "  activity: 7 kg\n"), ["treatment.activity", "'kg'", "an activity is given in"]),
    "no unit": (swap(GIVEN, "  activity: 7210.43\n"), ["treatment.activity", "no unit", "e.g. '7210.43 MBq'"]),
    "unit without number": (swap(GIVEN, "  activity: GBq\n"), ["treatment.activity", "cannot be read"]),
    "pounds": (swap("73 kg", "160 lb"), ["patient.body_mass", "'lb'", "kg"]),
    "Sv for Gy": (GOOD + "limits: {kidneys: {bed: 40 Sv}}\n", ["limits.kidneys.bed", "sievert", "mGy, cGy or Gy", "RBE"]),
    "Sv in prior beam": (
        GOOD + "prior_therapy: [{type: external_beam, dose: {kidneys: 9 Sv}, fractions: 5, ended: 9 months}]\n",
        ["prior_therapy.0.dose.kidneys", "sievert", "Gy"],
    ),
    "Sv per activity": (
        GOOD + "prior_therapy: [{agent: lu177-dotatate, activity: 7 GBq, ended: 9 months, dose: {kidneys: 0.6 mSv/MBq}}]\n",
        ["prior_therapy.0.dose.kidneys", "sievert", "mGy/MBq"],
    ),
    "fraction without unit": (swap("relative_sd: 10 %", "relative_sd: 0.1"), ["kinetics.relative_sd", "'10 %'"]),
    "more than all": (swap("relative_sd: 10 %", "relative_sd: 120 %"), ["kinetics.relative_sd", "at most 100 %"]),
    "exact measurement": (swap("relative_sd: 10 %", "relative_sd: 0 %"), ["kinetics.relative_sd", "never exact"]),
    "text for numbers": (swap(TIMES, "4 h, 27 h"), ["kinetics.times_h", "plain numbers"]),
    "quoted number": (swap("[98.561", '["98.561"'), [f"{KIDNEY}.activity_MBq", "point 1", "'98.561'"]),
    "true for a number": (swap("[98.561", "[true"), [f"{KIDNEY}.activity_MBq", "point 1", "not a number"]),
    # activity
    "negative activity": (swap(GIVEN, "  activity: -7.2 GBq\n"), ["treatment.activity", "above zero"]),
    "zero activity": (swap(GIVEN, "  activity: 0 GBq\n"), ["treatment.activity", "above zero"]),
    "missing activity": (swap(GIVEN, ""), ["treatment.activity", "missing", "7.4 GBq"]),
    "endless activity": (swap(GIVEN, "  activity: 1e400 GBq\n"), ["treatment.activity", "not a finite"]),
    "absurd activity": (swap(GIVEN, "  activity: 1e300 GBq\n"), ["treatment.activity", "at most"]),
    "negative point": (swap("[98.561", "[-98.561"), [f"{KIDNEY}.activity_MBq", "point 1", "negative"]),
    "missing points": (swap(f"      activity_MBq: {LEFT}\n", ""), [KIDNEY, "line 22", "give activity_MBq", "curve"]),
    "no points": (swap(LEFT, "[]"), [f"{KIDNEY}.activity_MBq", "empty"]),
    "nothing": (swap(LEFT, "~"), [KIDNEY, "give activity_MBq", "curve"]),
    "no times": (swap(f"  times_h: {TIMES}\n", ""), ["kinetics.times_h", "is missing", "hours after the injection"]),
    "no times at all": (swap(TIMES, "[]"), ["kinetics.times_h", "missing"]),
    "points and a curve": (
        swap("    liver:\n", "    liver:\n      curve: [{fraction: 2 %, half_life: 50 h}]\n"), ["kinetics.regions.liver", "one of the two"]
    ),
    "one nothing": (swap("[98.561", "[null"), [f"{KIDNEY}.activity_MBq", "point 1", "empty"]),
    "NaN": (swap("[98.561", "[.nan"), [f"{KIDNEY}.activity_MBq", "point 1", "not a finite number"]),
    "infinity": (swap("98.561, 73.599", "98.561, .inf"), [f"{KIDNEY}.activity_MBq", "point 2", "not a finite number"]),
    "nan as text": (swap("[98.561", "[nan"), [f"{KIDNEY}.activity_MBq", "point 1", "'nan'"]),
    "NaN volume": (swap("[233.6", "[.nan"), [f"{KIDNEY}.volume_mL", "point 1", "not a finite number"]),
    "all zero": (swap(LEFT, "[0, 0, 0, 0]"), [f"{KIDNEY}.activity_MBq", "every activity is zero"]),
    "below anything": (swap(LEFT, "[1e-300, 1e-301, 1e-302, 1e-303]"), [f"{KIDNEY}.activity_MBq", "less than can be measured"]),
    "kBq for MBq": (swap(LEFT, "[98561, 73599, 25396, 19047]"), [f"{KIDNEY}.activity_MBq", "more than was administered (7210.43 MBq)"]),
    # times and curves
    "times not increasing": (swap("27.7253, 103.0942", "103.0942, 27.7253"), ["kinetics.times_h", "must increase", "point 3"]),
    "time twice": (swap("27.7253, 103.0942", "27.7253, 27.7253"), ["kinetics.times_h", "must increase", "point 3"]),
    "before the injection": (swap("[3.7411", "[-3.7411"), ["kinetics.times_h", "before"]),
    "seconds": (swap(TIMES, "[13468, 99811, 371139, 446341]"), ["kinetics.times_h", "in hours"]),
    "own times not increasing": (
        swap("    liver:\n", "    liver:\n      times_h: [4, 3, 2, 1]\n"), ["kinetics.regions.liver.times_h", "must increase"],
    ),
    "points without times": (swap(LEFT, "[98.561, 73.599, 25.396]"), [f"{KIDNEY}.activity_MBq", "3 values for 4 times"]),
    "fewer points than parameters": (points(2, "tri"), [KIDNEY, "6 parameters", "2 points", "Choose mono"]),
    "one point": (points(1, "mono"), [KIDNEY, "one point", "hanscheid"]),
    "madsen without half-life": (points(1, "madsen"), [KIDNEY, "population_half_life", "'50 h'"]),
    "many points for one": (points(4, "hanscheid"), [KIDNEY, "takes one point", "4 were given"]),
    "rising at the end": (swap(LEFT, "[98.561, 73.599, 25.396, 35]"), [KIDNEY, "rises", "35 MBq", "trapezoid"]),
    "organs above whole body": (swap(WHOLE, "[13.28, 8.83, 4.26, 3.57]"), ["kinetics.regions.whole_body", "more than the whole body"]),
    # masses
    "organ heavier than body": (swap(LIVER, "[203700, 216700, 200900, 224900]"), ["liver.volume_mL", "224 kg", "more than the body (73 kg)"]),
    "one volume in another unit": (swap(LIVER, "[20370, 2167, 2009, 2249]"), ["liver.volume_mL", "volume 1", "five times"]),
    "organ of 250 kg": (swap("      volume_mL: [233.6", "      mass: 250 kg\n      volume_mL: [233.6"), [f"{KIDNEY}.mass", "more than the body"]),
    "organs together": (swap(LIVER, "[64000]").replace("[268.9, 273.8, 234.0, 235.1]", "[9000]"), ["kinetics.regions", "together", "more than the body"]),
    "zero volume": (swap(LIVER, "[0]"), ["liver.volume_mL", "above zero"]),
    "body in g": (swap("73 kg", "73 g"), ["patient.body_mass", "0.073 kg", "adult-male"]),
    "body of tonnes": (swap("73 kg", "7300 kg"), ["patient.body_mass", "at most 1000 kg"]),
    "kidneys twice": (swap("    liver:", f"    kidneys:\n      activity_MBq: {LEFT}\n    liver:"), ["kinetics.regions", "count twice"]),
    # keys and shapes
    "typo in a key": (swap("\npatient:", "\npatinet:"), ["patinet", "Did you mean patient", "Allowed:"]),
    "typo in a needed key": (swap("  agent:", "  agnet:"), ["treatment.agnet", "Did you mean agent"]),
    "unit of a key in lower case": (swap("      activity_MBq", "      activity_mbq"), [f"{KIDNEY}.activity_mbq", "Did you mean activity_MBq"]),
    "key in the wrong place": (GOOD + "samples: 5\n", ["samples", "belongs under options"]),
    "typo in prior beam": (
        GOOD + "prior_therapy: [{type: external_beam, dose: {kidneys: 9 Gy}, fractoins: 5, ended: 9 months}]\n",
        ["prior_therapy.0.fractoins", "Did you mean fractions"],
    ),
    "region name": (swap("    liver:", "    Liver Left:"), ["kinetics.regions.Liver Left", "lower case"]),
    "no treatment": (TREATMENT.sub("", GOOD), ["treatment is missing", "agent, activity"]),
    "empty treatment": (TREATMENT.sub("treatment:\n", GOOD), ["treatment: is empty", "agent, activity"]),
    "treatment is a word": (TREATMENT.sub("treatment: lu177\n", GOOD), ["treatment", "'lu177'", "agent, activity"]),
    "no regions": (REGIONS.sub("  regions: {}\n", GOOD), ["kinetics.regions", "empty", "kidney_left"]),
    "regions as a list": (REGIONS.sub("  regions: [liver]\n", GOOD), ["kinetics.regions", "names are expected"]),
    "prior therapy is no list": (GOOD + "prior_therapy: {agent: lu177-dotatate}\n", ["prior_therapy", "list is expected"]),
    "number for a name": (GOOD + "1: 2\n", ["line", "put it in quotes"]),
    "list for a name": (GOOD + "? [1]\n: 2\n", ["put it in quotes"]),
    "date for a name": (swap(CASE, "case: 2024-01-01"), ["case", "2024-01-01 is not text", "quotes"]),
    "neither true nor false": (swap("dose: false", "dose: maybe"), ["whole_body.dose", "neither true nor false"]),
    "half a sample": (GOOD + "options: {samples: 2.5}\n", ["options.samples", "2.5 is not a whole number"]),
    "no sample": (GOOD + "options: {samples: 0}\n", ["options.samples", "at least 1"]),
    "too many samples": (GOOD + "options: {samples: 10000000}\n", ["options.samples", "at most 100000"]),
    "cycles without interval": (swap(GIVEN, GIVEN + "  cycles: 4\n"), ["treatment.interval", "'interval: 8 weeks'"]),
    "confidence of a coin": (GOOD + "options: {confidence: 20 %}\n", ["options.confidence", "between 50 % and 99.9 %"]),
    "retains more than all": (GOOD + "daughters: {retained: {Bi-213: 120 %}}\n", ["daughters.retained.Bi-213", "100 %"]),
    "escape codes": (GOOD + '"\\e[31mred": 1\n', ["\\x1b[31mred", "Allowed"]),
    "an endless key": (GOOD + f"? {'k' * 5000}\n: 1\n", ["kkk...", "Allowed"]),
    # YAML
    "duplicate key": (GOOD + "case: two\n", [f"line {len(GOOD.splitlines()) + 1}", "'case'", "second time"]),
    "duplicate key inside": (swap("  times_h", "  times_h: [1, 2, 3, 4]\n  times_h"), ["'times_h'", "second time"]),
    "tab": (swap("  agent", "\tagent"), ["line 13", "tab", "spaces"]),
    "colon in a title": (swap("title: 177Lu", "title: a: b"), ["line 6", "colon", "quotes"]),
    "quote left open": (swap("title: 177Lu", 'title: "177Lu'), ["line", "end of stream"]),
    "two documents": (GOOD + "---\n" + GOOD, ["second document"]),
    "python object": (swap(CASE, "case: !!python/object/apply:os.system [id]"), ["line 5", "!!python/object/apply:os.system", "not allowed"]),
    "python object on top": ("!!python/object:os.system {}\n", ["!!python/object:os.system", "not allowed"]),
    "python name": (swap(CASE, "case: !!python/name:os.system"), ["!!python/name:os.system", "not allowed"]),
    "billion laughs": (LAUGHS + GOOD, ["line 6", "aliases"]),
    "billion laughs, merged": (LAUGHS_MERGED + GOOD, ["line 6", "aliases"]),
    "laughs as a value": (
        swap(LEFT, "[&a [9, 9, 9, 9, 9, 9, 9], &b [*a, *a, *a, *a], &c [*b, *b, *b, *b], [*c, *c, *c]]"), [KIDNEY, "not a number"]
    ),
    "refers to itself": ("a: &a [*a]\n" + GOOD, ["line 1", "itself"]),
    "merges itself": ("a: &a {<<: *a}\n" + GOOD, ["line 1", "itself"]),
    "deep": ("a: " + "[" * 20000 + "]" * 20000 + "\n", ["nested too deeply"]),
    "empty": ("", ["empty", "show example"]),
    "only a comment": ("# nothing here\n", ["empty", "show example"]),
    "a list": ("- a\n- b\n", ["a list", "mapping"]),
    "a number": ("42\n", ["single value", "mapping"]),
    "a zero byte": (GOOD + "\0", ["not valid YAML", "#x0000"]),
    "binary": (bytes(range(256)) * 10, ["not text in UTF-8"]),
    "UTF-16": (GOOD.encode("utf-16"), ["not text in UTF-8"]),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), ["not text in UTF-8"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_message_and_leaves_nothing(alphatwin, tmp_path, name):
    content, expected = BAD[name]
    file = tmp_path / "bad.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = alphatwin("run", file, "-o", tmp_path / "out" / "deep", "--samples", "3")
    assert said.code == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("bad.yaml")
    assert len(said.err) < 800, said.err
    assert said.err.strip().isprintable()
    for part in expected:
        assert part in said.err, said.err
    for inner in ("Traceback", "pydantic", "ValidationError", "value_error", "Input should", "tag:yaml", "dict_type"):
        assert inner not in said.err
    assert [p.name for p in tmp_path.iterdir()] == ["bad.yaml"]


def test_several_faults_are_told_at_once(alphatwin, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(swap("73 kg", "73 lb").replace("MBq\n\nkin", "Sv\n\nkin").replace("[98.561", "[-98.561"))
    lines = alphatwin("run", file).err.splitlines()
    assert len(lines) == 3
    assert [re.search(r"line (\d+)", line)[1] for line in lines] == ["10", "14", "23"]


def test_a_flood_of_faults_is_cut(alphatwin, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD + "".join(f"wrong{i}: 1\n" for i in range(30)))
    lines = alphatwin("run", file).err.splitlines()
    assert len(lines) == 9
    assert lines[-1] == "... and 22 more."


def test_a_file_of_100_MB_is_refused_unread(alphatwin, tmp_path, monkeypatch):
    file = tmp_path / "huge.yaml"
    with file.open("wb") as handle:
        handle.truncate(100_000_000)  # a hole: no space is taken
    read = []
    real = pathlib.Path.open

    class Counted:
        def __init__(self, handle):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            self.handle.close()

        def read(self, size=-1):
            read.append(size)
            return self.handle.read(size)

    monkeypatch.setattr(pathlib.Path, "open", lambda self, *a, **k: Counted(real(self, *a, **k)))
    said = alphatwin("run", file)
    assert said.code == 2
    assert said.err == "huge.yaml has 100 MB; a case file has at most 1 MB. Is it the right file?\n"
    assert 0 < max(read) < 2_000_000
    assert min(read) > 0


def test_an_endless_file_is_refused(alphatwin):
    assert "at most 1 MB" in alphatwin("run", "/dev/zero").err


def test_a_folder_and_a_missing_file(alphatwin, tmp_path):
    said = alphatwin("run", tmp_path)
    assert said.code == 2
    assert "is a folder" in said.err
    (tmp_path / "patient.yaml").write_text(GOOD)
    assert "Did you mean patient.yaml?" in alphatwin("run", tmp_path / "patiemt.yaml").err


def test_a_file_that_may_not_be_read(alphatwin, tmp_path, monkeypatch):
    file = tmp_path / "secret.yaml"
    file.write_text(GOOD)

    def refused(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(pathlib.Path, "open", refused)
    said = alphatwin("run", file)
    assert (said.code, said.err) == (2, "secret.yaml cannot be read: permission denied.\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD.replace("\n", "\r\n").encode(), "lines as Windows ends them"),
        (GOOD.encode("utf-8-sig"), "a byte order mark"),
        (GOOD.replace("title: 177Lu", "title: Žižková ± µ 177Lu").encode(), "letters beyond ASCII"),
        (("t: &t " + TIMES + "\n").encode() + b"", "anchors"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_harmless_oddities_are_read(alphatwin, tmp_path, text, why):
    if why == "anchors":
        text = (
            GOOD.replace(f"times_h: {TIMES}", f"times_h: &t {TIMES}")
            .replace("    liver:\n", "    liver:\n      times_h: *t\n")
            .encode()
        )
    file = tmp_path / "good.yaml"
    file.write_bytes(text)
    said = alphatwin("run", file, "-o", tmp_path, "--samples", "1", "-q")
    assert (said.code, said.err) == (0, ""), said.err


@pytest.mark.parametrize(
    "example_name", [n for n, f in EXAMPLES.items() if "25.396, 19.047" in f.read_text(encoding="utf-8")]
)
def test_a_fault_of_a_later_stage_names_file_and_line(alphatwin, tmp_path, example_name):
    file = tmp_path / "bad.yaml"
    text = EXAMPLES[example_name].read_text(encoding="utf-8").replace("25.396, 19.047", "25.396, 30")
    file.write_text(text)
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "kidney_left:" in row)
    assert alphatwin("run", file, "-o", tmp_path).err.startswith(f"bad.yaml, line {line}, {KIDNEY}: the curve rises")


@pytest.mark.parametrize("name", ["Bi-999", "Ac-225", "Bi213", "Pb-212"])
def test_retained_names_daughters_of_the_nuclide(alphatwin, tmp_path, name):
    file = tmp_path / "bad.yaml"
    text = EXAMPLES["ac225-dotatate-course"].read_text(encoding="utf-8")
    text = re.sub(r"^daughters:.*$", f"daughters: {{retained: {{{name}: 50 %}}}}", text, flags=re.MULTILINE)
    file.write_text(text)
    said = alphatwin("run", file, "-o", tmp_path, "--samples", "1")
    assert said.code == 2
    assert f"daughters.retained.{name}" in said.err
    assert "Bi-213" in said.err


# --- which example is told -------------------------------------------------------------------------------------------

KINDS = {
    "animals": "mouse-212pb", "cells": "spheroid-225ac", "cohort": "cohort-177lu", "dose": "maps-177lu", "fit": "fit-177lu-population",
    "optimal": "optimal-225ac", "phantom": "phantom-177lu", "protect": "protect-225ac", "trial": "trial-boin-225ac",
}  # fmt: skip


@pytest.mark.parametrize("command", KINDS)
@pytest.mark.parametrize(("text", "says"), [("", "is empty"), ("- a\n", "holds a list")])
def test_a_file_that_holds_nothing_is_told_of_an_example_of_its_kind(alphatwin, tmp_path, command, text, says):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    said = alphatwin(command, file)
    assert said.code == 2, said
    assert says in said.err
    assert f"examples/{KINDS[command]}.yaml is one" in said.err
    assert "show example" not in said.err
    example = REPOSITORY / "examples" / f"{KINDS[command]}.yaml"
    if text:  # the keys that are named stand in the example
        named = said.err.partition("such as ")[2].partition(".")[0].split(", ")
        assert re.search(rf"^{named[0]}:", example.read_text(encoding="utf-8"), re.MULTILINE), said.err
