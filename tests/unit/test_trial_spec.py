"""Trial files: what is read, what is refused and where; spec -> simulate -> replay gives identical decisions."""

import json
import pathlib

import pytest

from alphatwin.errors import AlphatwinError, CaseError, DomainError
from alphatwin.trials import boin, three_plus_three, virtual_trials
from alphatwin.trials.calendar import Calendar
from alphatwin.trials.replay import read_rows, replay_rows, split_trials
from alphatwin.trials.running import patient_rows, run_trial
from alphatwin.trials.spec import KINDS, design_kinds, load_trial, make_design
from alphatwin.trials.truth import CourseTruth, LateHazard, Probabilities
from conftest import TRIAL_EXAMPLES

MINIMAL = """\
trial: t
designs:
  a: {kind: boin, target: 0.25, cohorts: 4}
truths:
  plain: {note: "[assumed]", dlt: [0.1, 0.25, 0.4]}
"""
ARGUMENTS = {
    "three_plus_three": {}, "rolling_six": {}, "i3plus3": {"target": 0.25}, "boin": {"target": 0.25}, "keyboard": {"target": 0.25},
    "mtpi2": {"target": 0.25}, "crm": {"target": 0.25, "skeleton": [0.1, 0.25, 0.4]},
    "blrm": {"target": 0.25, "doses": [1.0, 2.0, 4.0], "reference": 2.0},
    "tite_crm": {"target": 0.25, "skeleton": {"halfwidth": 0.05, "target": 0.25, "nu": 2, "nlevels": 3}}, "tite_boin": {"target": 0.25},
    "boin12": {"target": 0.35, "response": 0.25}, "boin_et": {"target": 0.30, "response": 0.60},
}  # fmt: skip
SMALL = {"cohorts": 5}


def written(tmp_path, text, name="trial.yaml"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def design_of(kind):
    given = {"kind": kind, "window_weeks": 8, **ARGUMENTS[kind]}
    if kind not in ("three_plus_three", "rolling_six"):
        given |= SMALL
    if kind == "blrm":
        import inspect

        from alphatwin.trials import blrm_design

        given = {
            k: v for k, v in given.items() if k in ("kind", "window_weeks", *inspect.signature(blrm_design).parameters)
        }
    return given


@pytest.mark.parametrize("name", sorted(TRIAL_EXAMPLES))
def test_examples_are_read_and_written_back_equal(name, tmp_path):
    spec = load_trial(TRIAL_EXAMPLES[name])
    again = load_trial(written(tmp_path, spec.to_json(), "spec.json"), check_truths=False)
    assert again.sha256() == spec.sha256()
    for design in spec.designs:
        assert again.design(design) == spec.design(design)  # frozen values: equal in every field
    assert "[assumed]" in spec.to_json()  # nothing invented goes unlabelled


def test_there_are_examples():
    assert len(TRIAL_EXAMPLES) >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_written_down(kind, tmp_path):
    spec = load_trial(written(tmp_path, json.dumps(
        {"trial": "t", "designs": {"d": design_of(kind)}, "truths": {"p": {"note": "[assumed]", "dlt": [0.1, 0.2, 0.4], "response": [0.2, 0.4, 0.5]}}}
    )))  # fmt: skip
    name, design = spec.design()
    assert name == "d"
    assert design.window == 8.0
    assert design.protocol_text(3)
    assert design_kinds()[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timed", [False, True], ids=["complete", "calendar"])
def test_spec_simulate_replay_gives_identical_decisions(kind, timed):
    """Virtual trials, written as rows of text and decided again from those rows: every decision and the recommendation."""
    design = make_design(design_of(kind))
    truth = Probabilities((0.12, 0.25, 0.45), (0.2, 0.4, 0.5), window_weeks=8.0)
    calendar = Calendar(3.0, 1.0, 0.05) if timed or design.follows_pending else None
    simulated = virtual_trials(design, truth, 60, seed=5, calendar=calendar)
    rows = [{k: str(v) for k, v in row.items()} for row in patient_rows(simulated)]
    groups = split_trials(rows)
    assert len(groups) == 60
    compared = 0
    for group in groups.values():
        found = replay_rows(design, group, levels=3, calendar=calendar)
        assert found.agrees, (group, found)
        assert found.recommended == int(group[0]["selected"])
        assert found.over
        compared += sum(step.done is not None for step in found.steps)
    assert compared > 60  # there was something to compare


@pytest.mark.parametrize("kind", ["tite_crm", "tite_boin", "boin"])
def test_deaths_and_late_events_replay_too(kind):
    design = make_design({**design_of(kind), "window_weeks": 52})
    truth = CourseTruth(
        (4.0, 8.0, 12.0), 4, 8.0, (0.03, 0.06, 0.12), LateHazard(0.4, 32.0, 2.0), death_median_months=15.0
    )
    calendar = Calendar(2.0, 1.0, 0.02)
    simulated = virtual_trials(design, truth, 60, seed=3, calendar=calendar)
    assert simulated.died.any()
    for group in split_trials(patient_rows(simulated)).values():
        found = replay_rows(design, group, levels=3, calendar=calendar)
        assert found.agrees
        assert found.recommended == group[0]["selected"]


@pytest.mark.parametrize("rule", ["clearance", "response"])
def test_backfilled_trials_are_simulated_and_replayed(rule):
    design = make_design(
        {"kind": "boin", "target": 0.25, "cohorts": 6, "window_weeks": 8, "backfill": {"rule": rule, "cap": 9}}
    )
    truth = Probabilities((0.05, 0.12, 0.25, 0.40), (0.2, 0.3, 0.4, 0.5), window_weeks=8.0)
    calendar = Calendar(4.0, 1.0, 0.02)
    simulated = virtual_trials(design, truth, 60, seed=3, calendar=calendar)
    plain = virtual_trials(boin(target=0.25, cohorts=6, window=8.0), truth, 60, seed=3, calendar=calendar)
    assert simulated.backfilled.any()
    escalated = ((simulated.level > 0) & ~simulated.backfilled).sum(axis=1)
    assert (escalated <= 18).all()
    assert (simulated.level > 0).sum() > (plain.level > 0).sum()
    n, _ = simulated.counts(4)
    assert n[:, :3].max() <= 9 + 18  # the cap holds for backfill; the escalation may come back
    for group in split_trials(patient_rows(simulated)).values():
        found = replay_rows(design, group, levels=4, calendar=calendar)
        assert found.agrees
        assert found.recommended == group[0]["selected"]


def test_a_deviation_is_seen():
    rows = [{"level": 1, "dlt": 0}] * 3 + [{"level": 3, "dlt": 0}] * 3
    found = replay_rows(boin(target=0.25, cohort_size=3, cohorts=8), rows, levels=4)
    assert not found.agrees
    assert [s.agrees for s in found.steps] == [False, None]


def test_an_unfinished_cohort_and_pending_patients():
    design = make_design({"kind": "boin", "target": 0.25, "window_weeks": 6})
    one = replay_rows(design, [{"level": 1, "dlt": 0}] * 2, levels=4)
    assert "treat 1 more at level 1" in one.decision.why
    waiting = replay_rows(design, [{"level": 1, "dlt": 0, "follow_up_weeks": w} for w in (6, 6, 2)], levels=4)
    assert waiting.decision.decision == -1
    assert not waiting.over
    replaced = replay_rows(design, [{"level": 1, "dlt": 0, "evaluable": e} for e in (1, 0, 1, 1)], levels=4)
    assert replaced.n == (3, 0, 0, 0)
    assert replaced.decision.decision == 2


def test_three_plus_three_by_hand():
    def said(*cohorts, **options):
        rows = [{"level": level, "dlt": d} for level, dlts in cohorts for d in dlts]
        return replay_rows(three_plus_three(**options), rows, levels=3)

    assert said((1, [0, 0, 0])).decision.decision == 2
    assert said((1, [0, 1, 0])).decision.decision == 1
    assert said((1, [0, 1, 0]), (1, [0, 0, 0])).decision.decision == 2
    assert said((1, [1, 1, 0])).recommended == 0
    assert said((1, [0, 0, 0]), (2, [1, 1, 0])).recommended == 1
    assert said((1, [0, 0, 0]), (2, [1, 1, 0]), confirm=True).decision.decision == 1  # three more one level down


def test_a_result_carries_everything(tmp_path):
    result = run_trial(
        load_trial(written(tmp_path, MINIMAL + "calendar: {accrual_per_month: 3}\nsimulation: {trials: 200}\n"))
    )
    oc = result.found["a", "plain"]
    assert oc.exact
    assert oc.mean_weeks > 0  # the duration is simulated beside the exact numbers
    assert result.summary()[0]["correct"] == oc.correct
    assert len(result.rows()) == 4
    assert "BOIN" in result.texts()["a"]
    assert result.tables["a"].n == (3, 6, 9, 12)
    assert len(result.estimands()) == 3


def test_backfill_is_an_option_with_keys():
    design = make_design(
        {"kind": "boin", "target": 0.25, "window_weeks": 8, "backfill": {"rule": "clearance", "cap": 9}}
    )
    assert (design.backfill.rule, design.backfill.cap) == ("clearance", 9)
    with pytest.raises(DomainError, match="backfill has the keys rule, cap, to, anchor"):
        make_design({"kind": "boin", "target": 0.25, "backfill": {"ruel": "clearance"}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("target: 0.25", "target: 0.0"), r"line 3, designs.a: target is 0.0; it must be a number above 0"),
        (("target: 0.25", "tarqet: 0.25"), r"line 3, designs.a.tarqet: boin has no key 'tarqet'. Did you mean target"),
        (("kind: boin", "kind: boim"), r"line 3, designs.a.kind: there is no kind of design 'boim'. Did you mean boin"),
        (("kind: boin, ", ""), r"designs.a: kind is missing"),
        (("target: 0.25, ", ""), r"designs.a: boin needs target"),
        (("kind: boin", "kind: tite_boin"), "needs window_weeks"),
        (("cohorts: 4", "cohorts: 4, window_weeks: -1"), "-1 is no window"),
        (("cohorts: 4", "cohorts: 0"), "cohorts is 0"),
        (("kind: boin, target: 0.25", "kind: crm, target: 0.25, skeleton: [0.3, 0.2, 0.4]"), "skeleton must rise"),
        (("kind: boin, target: 0.25", "kind: crm, target: 0.25, skeleton: [0.1, 0.2]"), "line 3, designs.a: made for 2 levels; truth plain has 3"),
        (("kind: boin, target: 0.25", "kind: crm, target: 0.25, skeleton: {halfwidht: 0.05}"), "skeleton"),
        (("dlt: [0.1, 0.25, 0.4]", "dlt: [0.1, 1.25, 0.4]"), r"line 5, truths.plain.dlt.1: 1.25 is out of range"),
        (("dlt: [0.1, 0.25, 0.4]", "dtl: [0.1]"), r"there is no key 'dtl' here. Did you mean dlt"),
        (("dlt: [0.1, 0.25, 0.4]", "second_half: 0.5"), "give one of dlt, course and patients"),
        (('note: "[assumed]", ', ""), r"truths.plain.note is missing"),
        (("trial: t", "trial: ../t"), "cannot name a folder"),
        (("  a: {", "  a/b: {"), "cannot name a file"),
        (("truths:", "trutsh:"), "there is no key 'trutsh' here. Did you mean truths"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_the_line(change, words, tmp_path):
    with pytest.raises(CaseError, match=words):
        load_trial(written(tmp_path, MINIMAL.replace(*change)))


COURSE = """\
trial: t
designs: {a: {kind: boin, target: 0.25}}
truths:
  c:
    note: "[assumed]"
    course: {activity: [4 MBq, 8 MBq], cycles: 4, interval_weeks: 8, acute: [0.1, 0.2], late: {probability: 0.1, at: 32 MBq}}
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("4 MBq, 8 MBq", "4 MBq, 8"), "line 6"),
        (("4 MBq, 8 MBq", "4 MBq, 8 Gy"), "Gy"),
        (("acute: [0.1, 0.2]", "acute: [0.1]"), "1 acute probabilities stand beside 2 activities"),
        (("late: {probability: 0.1, at: 32 MBq}", "cycles_done: 3"), "no key 'cycles_done'"),
        ((", late: {probability: 0.1, at: 32 MBq}", ""), "give late .a hazard. or egfr"),
        (("probability: 0.1", "probability: 1.1"), "out of range"),
        (("cycles: 4", "cycles: four"), "not a whole number"),
    ],
)  # fmt: skip
def test_bad_courses_are_refused(change, words, tmp_path):
    with pytest.raises(CaseError, match=words):
        load_trial(written(tmp_path, COURSE.replace(*change)))


def test_files_that_are_none(tmp_path):
    for text in ("", "- 1\n", "trial: [\n", "trial: t\n", "trial: t\ntruths: {}\n", "!!python/object:os.system {}\n"):
        with pytest.raises(CaseError):
            load_trial(written(tmp_path, text))
    with pytest.raises(CaseError, match=r"There is no file none\.yaml"):
        load_trial(tmp_path / "none.yaml")
    with pytest.raises(CaseError, match="no table of patients"):
        load_trial(written(tmp_path, "trial: t\ntruths: {p: {note: x, patients: {file: none.csv, kidney: {d50_Gy: 40, slope: 1},"
                                     " arms: [{label: a, basis: fixed, activity: 4 MBq}]}}}\n"))  # fmt: skip


def test_one_of_several_designs_is_named(tmp_path):
    spec = load_trial(written(tmp_path, MINIMAL.replace("  a:", "  b: {kind: three_plus_three}\n  a:")))
    with pytest.raises(CaseError, match="choose one with --design: b, a"):
        spec.design()
    with pytest.raises(CaseError, match=r"no design 'c'. .*Designs: b, a"):
        spec.design("c")
    assert spec.design("b")[1].name == "3+3"


def test_make_design_refuses_what_is_no_design():
    with pytest.raises(DomainError, match="kind is missing"):
        make_design({})
    with pytest.raises(DomainError, match="'window'"):
        make_design({"kind": "tite_boin", "target": 0.25, "window": 3})  # in weeks, by its name


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no patient"),
        ([{"level": "2", "dlt": "0"}], "Row 2: the first patient got level 2"),
        ([{"level": "1", "dlt": "2"}], "Row 2: dlt is 2"),
        ([{"level": "1", "dlt": ""}], "Row 2: dlt is empty"),
        ([{"level": "one", "dlt": "0"}], "Row 2: level is 'one'"),
        ([{"level": "1", "dlt": "0"}, {"level": "9", "dlt": "0"}], "Row 3: level is 9"),
        ([{"level": "1", "dlt": "0"}, {"level": "1.5", "dlt": "0"}], "Row 3: level is 1.5"),
        ([{"level": "1", "dlt": "0"}, {"level": "2", "dlt": "0"}], "Row 3: level 2 within a cohort at level 1"),
        ([{"level": "1", "dlt": "0", "follow_up_weeks": "-1"}], "Row 2: follow_up_weeks is -1"),
        ([{"level": "1", "dlt": "nan"}], "Row 2: dlt is 'nan'"),
        ([{"level": "1", "dlt": "0", "enrolled_week": "3"}, {"level": "1", "dlt": "0", "enrolled_week": "2"}], "Row 3: enrolled_week is 2"),
    ],
)  # fmt: skip
def test_bad_rows_are_named(rows, words):
    with pytest.raises(AlphatwinError, match=words):
        replay_rows(boin(target=0.25, cohort_size=3, cohorts=4), rows, levels=4)


def test_files_of_rows(tmp_path):
    with pytest.raises(CaseError, match="no column level"):
        read_rows(written(tmp_path, "lev,dlt\n1,0\n", "d.csv"))
    with pytest.raises(CaseError, match="no patient"):
        read_rows(written(tmp_path, "level,dlt\n", "d.csv"))
    with pytest.raises(CaseError, match=r"no file e.csv"):
        read_rows(tmp_path / "e.csv")
    (tmp_path / "f.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaseError, match="UTF-8"):
        read_rows(tmp_path / "f.csv")
    assert read_rows(written(tmp_path, "level, dlt\n1, 0\n", "d.csv")) == [{"level": "1", "dlt": "0"}]
    with pytest.raises(DomainError, match="Row 2: trial is 'x'"):
        split_trials([{"trial": "x"}])


def test_the_table_of_the_example_is_made_by_its_script():
    """The virtual patients of the example come from a committed script, bit for bit."""
    import runpy

    root = pathlib.Path(__file__).parents[2]
    made = runpy.run_path(str(root / "docs" / "make_trial_figures.py"))["patients_csv"]()
    assert made == (root / "examples" / "trial-arms-patients.csv").read_text(encoding="utf-8")
