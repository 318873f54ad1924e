"""Decision rules: one trial and many, tables, elimination, selection, pending patients, words, refusals."""

import csv
import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import DomainError
from alphatwin.trials import (
    STOP,
    WAIT,
    Backfill,
    Keyboard,
    Records,
    States,
    boin,
    boin12,
    boin_boundaries,
    boin_et,
    boin_table,
    crm_design,
    i3plus3,
    keyboard,
    mtpi2,
    rolling_six,
    three_plus_three,
    tite_boin,
    tite_boin_rate,
    tite_crm,
)
from alphatwin.trials.isotonic import isotonic, isotonic_rates
from oracle import trial_designs as oracle

INTERVAL = [boin(0.25), keyboard(0.25), mtpi2(0.25), i3plus3(0.25), boin(0.3, stop_above=0.9, enough=9)]
TOXICITY = [*INTERVAL, three_plus_three(), three_plus_three(confirm=True), crm_design([0.05, 0.1, 0.2, 0.35], 0.25)]
BOTH = [boin12(0.35, 0.25), boin12(0.35, 0.25, utilities=(100, 50, 30, 0)), boin_et(0.3, 0.6)]


def states(n, y, current, top=None, last_n=3, last_y=None, responses=None, both=None):
    n, y = np.atleast_2d(n), np.atleast_2d(y)
    current = np.atleast_1d(current)
    top = np.full(len(n), n.shape[1]) if top is None else np.atleast_1d(top)
    at = y[np.arange(len(y)), current - 1] if last_y is None else np.atleast_1d(last_y)
    return States(n, y, current, top, np.full(len(n), last_n), np.minimum(at, last_n), responses, both)


def records(level, dlt, follow_up, levels, top=None, **more):
    level = np.array([level])
    more = {k: np.array([v], dtype=bool) for k, v in more.items()}
    dlt, follow = np.array([dlt], dtype=bool), np.array([follow_up], dtype=float)
    given = more.get("backfilled", np.zeros_like(level, dtype=bool))
    current = level[0][~given[0]][-1:]
    return Records(level, dlt, follow, current, np.array([top or levels]), levels, **more)


def simulated(design, truth, trials=60, seed=1, response=None):
    """Trials of a design on complete data; checks on the way what every design promises."""
    levels, stream = len(truth), np.random.Generator(np.random.Philox(key=seed))
    n, y = np.zeros((trials, levels), dtype=int), np.zeros((trials, levels), dtype=int)
    r, b = n.copy(), n.copy()
    current, top, running = np.full(trials, design.start), np.full(trials, levels), np.ones(trials, dtype=bool)
    row = np.arange(trials)
    for _ in range(design.cohort_limit(levels)):
        size = design.cohort_size * running
        events = stream.binomial(size, np.array(truth)[current - 1])
        n[row, current - 1] += size
        y[row, current - 1] += events
        if response is not None:
            p = np.array(response)[current - 1]
            with_dlt = stream.binomial(events, p)
            r[row, current - 1] += with_dlt + stream.binomial(size - events, p)
            b[row, current - 1] += with_dlt
        extra = {} if response is None else {"responses": r, "both": b}
        level, new_top = design.decide_batch(States(n, y, current, top, size, events, **extra))
        assert (new_top[running] <= top[running]).all()
        assert ((level >= STOP) & (level <= np.maximum(new_top, 0)))[running].all()
        assert (level[running & (new_top == 0)] == STOP).all()
        top = np.where(running, new_top, top)
        running &= level != STOP
        current = np.where(running, np.maximum(level, 1), current)
    extra = {} if response is None else {"responses": r, "both": b}
    return States(n, y, current, top, np.zeros(trials, dtype=int), np.zeros(trials, dtype=int), **extra)


# --- what every design promises ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", TOXICITY, ids=lambda d: f"{d.name} {d.cohort_size}")
@pytest.mark.parametrize("truth", [(0.02, 0.05, 0.1, 0.2), (0.1, 0.25, 0.4, 0.6), (0.6, 0.7, 0.8, 0.9)])
def test_the_recommended_level_was_given_and_not_eliminated(design, truth):
    end = simulated(design, truth)
    chosen = design.select_batch(end)
    assert (chosen <= end.top).all()
    treated = np.concatenate([np.ones((len(chosen), 1), dtype=int), end.n], axis=1)
    assert (treated[np.arange(len(chosen)), chosen] > 0).all()
    assert (chosen[end.top == 0] == 0).all()
    assert (end.n.sum(axis=1) <= design.max_patients(4)).all()
    assert (end.n.sum(axis=1) % design.cohort_size == 0).all()


@pytest.mark.parametrize("design", BOTH, ids=lambda d: d.name)
@pytest.mark.parametrize("truth", [(0.05, 0.1, 0.2, 0.4), (0.6, 0.7, 0.8, 0.9)])
@pytest.mark.parametrize("response", [(0.1, 0.3, 0.5, 0.5), (0.02, 0.02, 0.02, 0.02)])
def test_the_optimal_dose_was_given_and_not_closed(design, truth, response):
    end = simulated(design, truth, response=response)
    chosen = design.select_batch(end)
    open_levels = design.allowed(end, end.top)
    for t, level in enumerate(chosen):
        if level:
            assert end.n[t, level - 1] > 0
            assert open_levels[t, level - 1]


@pytest.mark.parametrize("design", TOXICITY, ids=lambda d: f"{d.name} {d.cohort_size}")
def test_one_trial_and_many_get_the_same_answers(design):
    """Row order, neighbours in the batch and the scalar call make no difference."""
    stream = np.random.Generator(np.random.Philox(key=5))
    n = 3 * stream.integers(0, 3, (40, 4))
    current = stream.integers(1, 5, 40)
    n[np.arange(40), current - 1] = np.maximum(n[np.arange(40), current - 1], 3)
    y = stream.binomial(n, 0.3)
    last = np.minimum(y[np.arange(40), current - 1], 3)
    batch = states(n, y, current, last_y=last)
    level, top = design.decide_batch(batch)
    chosen = design.select_batch(batch)
    back = design.decide_batch(states(n[::-1], y[::-1], current[::-1], last_y=last[::-1]))[0][::-1]
    np.testing.assert_array_equal(level, back)
    for t in range(40):
        one = design.decide(n[t], y[t], int(current[t]), top=4, last=(3, int(last[t])))
        assert (one.level, one.top) == (level[t], top[t])
        assert design.select(n[t], y[t], top=4) == chosen[t]


@pytest.mark.parametrize("design", [*TOXICITY, *BOTH, rolling_six(), tite_boin(0.25, 6.0)], ids=lambda d: d.name)
def test_the_text_stands_alone_and_tells_selection_from_the_next_level(design):
    text = design.protocol_text(4)
    assert len(text) > 300
    assert "{" not in text
    assert "None" not in text
    assert any(word in text for word in ("not the level", "named when the trial is over", "highest level given"))


@pytest.mark.parametrize(
    ("design", "n", "y", "left"),
    [
        (boin(0.25), [3, 3, 0], [0, 3, 0], 1),
        (boin(0.25), [3, 15, 0], [0, 7, 0], 1),  # 7/15 is nearer the target than 0/3, and eliminated all the same
        (boin(0.20), [9, 3, 0], [6, 0, 0], 0),
        (boin(0.25, stop_above=0.9), [3, 3, 3], [2, 0, 0], 0),
        (three_plus_three(), [3, 6, 0], [0, 2, 0], 1),
        (rolling_six(), [3, 6, 0], [0, 2, 0], 1),
        (crm_design([0.1, 0.2, 0.3], 0.25), [3, 3, 0], [3, 3, 0], 3),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_counts_alone_close_levels(design, n, y, left):
    """Who asks by hand need not remember what was eliminated: no closed level is given or recommended."""
    assert design.highest_open(np.array([n]), np.array([y]))[0] == left
    assert design.select(n, y) == design.select(n, y, top=left) <= left
    assert design.decide(n, y, current=1).level <= max(left, 1)


def test_late_toxicities_close_a_level_the_trial_has_left():
    """TITE-BOIN: three DLTs at level 2 are known only when the trial is back at level 1, where it would escalate."""
    design = tite_boin(0.25, 6.0)
    data = records([1, 1, 1, 2, 2, 2, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0, 0], [6, 6, 6, 2, 3, 5, 6, 6, 6], 4)
    data = replace(data, current=np.array([1]))
    level, top = design.decide_records_batch(data)
    assert (level[0], top[0]) == (1, 1)
    assert design.select_records_batch(data)[0] == 1
    above = replace(data, current=np.array([3]))  # and a trial that has gone on comes down
    assert design.decide_records_batch(above)[0][0] == 1


def test_designs_without_late_awareness_wait_for_everybody():
    design = boin(0.25, window=6.0)
    assert design.decide_records_batch(records([1, 1, 1], [0, 0, 0], [6, 6, 3], 3))[0][0] == WAIT
    level, top = design.decide_records_batch(records([1, 1, 1], [0, 0, 1], [6, 6, 3], 3))
    assert (level[0], top[0]) == (1, 3)
    assert design.decide_records_batch(records([1, 1, 1], [0, 0, 0], [6, 6, 7], 3))[0][0] == 2
    gone = records([1, 1, 1], [0, 0, 0], [6, 6, 3], 3, gone=[0, 0, 1])
    assert design.decide_records_batch(gone)[0][0] == 2  # a lost patient is not waited for
    lost = records([1] * 6, [1, 0, 0, 0, 0, 0], [2, 6, 6, 1, 1, 1], 3, gone=[0, 0, 0, 1, 1, 1])
    assert lost.evaluable(6.0).states(3).n.tolist() == [[3, 0, 0]]
    assert design.decide_records_batch(lost)[0][0] == 1  # 1 of 3, not 1 of 6
    assert design.select_records_batch(lost)[0] == 1
    late_dlt = records([1] * 3, [0, 0, 1], [6, 6, 3], 3, gone=[0, 0, 1])
    assert late_dlt.evaluable(6.0).states(3).y.tolist() == [[1, 0, 0]]  # a DLT counts whatever happened next


# --- 3+3 -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "y", "current", "level", "top"),
    [
        ([3, 0, 0], [0, 0, 0], 1, 2, 3),
        ([3, 0, 0], [1, 0, 0], 1, 1, 3),
        ([3, 0, 0], [2, 0, 0], 1, STOP, 0),
        ([6, 0, 0], [1, 0, 0], 1, 2, 3),
        ([6, 0, 0], [2, 0, 0], 1, STOP, 0),
        ([3, 3, 0], [0, 2, 0], 2, STOP, 1),
        ([3, 3, 3], [0, 0, 0], 3, STOP, 3),
        ([3, 3, 6], [0, 0, 1], 3, STOP, 3),
        ([3, 3, 3], [0, 0, 1], 3, 3, 3),
    ],
)
def test_three_plus_three(n, y, current, level, top):
    decision = three_plus_three().decide(n, y, current)
    assert (decision.level, decision.top) == (level, top)


def test_three_plus_three_may_ask_for_six_at_the_mtd():
    rule = three_plus_three(confirm=True)
    down = rule.decide([3, 3, 0], [0, 2, 0], 2)
    assert (down.level, down.top) == (1, 1)
    assert rule.decide([6, 3, 0], [1, 2, 0], 1, top=1).stops
    assert rule.decide([3, 3, 3], [0, 0, 0], 3).level == 3
    assert rule.decide([6, 3, 0], [2, 2, 0], 1, top=1) == (STOP, 0, "stop the trial: every level is eliminated")
    assert rule.select([6, 3, 0], [1, 2, 0], top=1) == 1
    assert rule.select([3, 3, 0], [0, 2, 0], top=1) == 0
    assert three_plus_three().table().rows[1] == {
        "n": 6, "escalate_if": 1, "deescalate_if": 2, "eliminate_if": 2, "stop_if": 2
    }  # fmt: skip


# --- interval designs ------------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.floats(0.05, 0.6))
def test_boin_boundaries_lie_between_the_rates(target):
    low, high = boin_boundaries(target)
    assert 0.6 * target < low < target < high < 1.4 * target
    assert boin_boundaries(target, 0.6 * target, 1.4 * target).lambda_e == low
    # at lambda_e the two likelihoods per patient are equal
    likelihood = [low * np.log(p) + (1 - low) * np.log(1 - p) for p in (target, 0.6 * target)]
    assert likelihood[0] == pytest.approx(likelihood[1], abs=1e-12)


def test_keyboard_and_mtpi2_against_the_slow_twin():
    for target, n in itertools.product((0.2, 0.25, 0.3), (1, 3, 6, 10, 17)):
        expected = [oracle.strongest_key(n, y, target) for y in range(n + 1)]
        np.testing.assert_array_equal(keyboard(target).moves(n), expected)
        np.testing.assert_array_equal(mtpi2(target).moves(n), expected)  # the short end intervals never win here


def test_mtpi2_keeps_the_short_end_intervals():
    """A target interval of 0.20 to 0.45 leaves 0.20 below and 0.05 above: with many DLTs the short upper end wins."""
    wide = mtpi2(0.3, below=0.1, above=0.15)
    assert wide.moves(3).tolist() == [1, 0, -1, -1]
    assert wide.moves(12)[12] == -1


def test_i3plus3_by_hand():
    """n = 6, interval 0.20 to 0.30: 2/6 is above it but 1/6 below it, so stay; at n = 9, 3/9 is above and 2/9 within."""
    rule = i3plus3(0.25)
    assert rule.moves(6).tolist() == [1, 1, 0, -1, -1, -1, -1]
    assert rule.moves(9).tolist()[:5] == [1, 1, 0, -1, -1]
    assert rule.moves(5).tolist()[:3] == [1, 0, -1]  # 1/5 lies on the lower limit: within


@pytest.mark.parametrize("design", INTERVAL, ids=lambda d: d.name)
def test_more_dlts_never_escalate_more(design):
    for n in range(1, 40):
        assert (np.diff(design.moves(n)) <= 0).all()


def test_elimination_needs_three_patients_and_takes_the_levels_above():
    design = boin(0.25, cohort_size=1, cohorts=20)
    assert design.decide([2, 2, 0], [0, 2, 0], 2).top == 3  # 0.984 > 0.95, but two patients only
    gone = design.decide([3, 3, 3], [0, 3, 0], 2)
    assert (gone.level, gone.top) == (1, 1)
    assert gone.why == "de-escalate to level 1; level 2 and above are eliminated"
    assert design.decide([3, 3, 0], [3, 0, 0], 1).stops


def test_no_escalation_into_an_eliminated_level():
    decision = boin(0.25).decide([6, 3, 0], [0, 3, 0], 1, top=1)
    assert (decision.level, decision.top) == (1, 1)


def test_stricter_stopping_and_enough():
    assert not boin(0.25).decide([3, 0], [2, 0], 1).stops
    assert boin(0.25, stop_above=0.8).decide([3, 0], [2, 0], 1).stops
    assert not boin(0.25, stop_above=0.8).decide([3, 3], [0, 2], 2).stops
    staying = boin(0.25, enough=9)
    assert staying.decide([3, 9], [0, 2], 2).stops  # stay, with nine
    assert staying.decide([9, 0], [0, 0], 1).level == 2  # nine, but the rule escalates
    assert staying.decide([9], [0], 1).stops  # the highest level: escalation means to stay


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.floats(0, 1)), min_size=2, max_size=6), st.sampled_from([0.2, 0.25, 0.3])
)
def test_boin_mtd_against_the_slow_twin(levels, target):
    n = [size for size, _ in levels]
    y = [round(size * share) for size, share in levels]
    top = len(n)
    for d in range(len(n)):
        if n[d] >= 3 and boin(target).exceedance(np.array(n[d]), np.array(y[d])) > 0.95:
            top = d
            break
    design = boin(target)
    ours = design.select_batch(states([n], [y], 1, top=top))[0] if top else 0
    assert ours == oracle.boin_mtd(n, y, target)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 50)), min_size=1, max_size=7))
def test_isotonic_regression_against_pooling(points):
    values, weights = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    np.testing.assert_allclose(isotonic(values, weights), oracle.pool_adjacent_violators(values, weights), atol=1e-12)


def test_isotonic_rates_skip_levels_without_patients():
    rates = isotonic_rates(np.array([[6, 0, 6]]), np.array([[3, 0, 0]]), np.array([3]))
    assert np.isnan(rates[0, 1])
    assert rates[0, 0] == pytest.approx(rates[0, 2])


def test_ties_are_broken_upward_below_the_target_and_downward_above():
    assert boin(0.25).select([6, 6, 6], [0, 0, 0]) == 3
    assert boin(0.25).select([6, 6, 6], [3, 3, 3]) == 1


def test_same_data_two_selectors():
    """The prior of the isotonic estimate is named, and can change the answer: 1/4 and 1/6 pool to just above or below 0.20."""
    answers = [boin(0.20, selection=name).select([4, 6], [1, 1]) for name in ("boin", "mtpi")]
    assert answers == [1, 2]


def test_a_bounded_mtd_lies_below_the_boundary():
    n, y = [3, 3], [1, 2]
    assert boin(0.25).select(n, y) == 1
    assert boin(0.25, bound_mtd=True).select(n, y) == 0


# --- tables ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", INTERVAL, ids=lambda d: d.name)
def test_a_table_says_what_the_rule_does(design):
    table = design.table(18)
    for n, y in ((size, events) for size in table.n for events in range(size + 1)):
        decision = design.decide([3, n, 0], [0, y, 0], 2)
        if design.enough is not None and n >= design.enough and table.letter(n, y) == "S":
            assert decision.stops
            continue
        letter = {3: "E", 2: "S", 1: "D"}[decision.level] if decision.top == 3 else "DU"
        assert table.letter(n, y) == letter
    for row in table:
        if row["stop_if"] is not None:
            assert design.decide([row["n"], 0], [row["stop_if"], 0], 1).stops
            assert design.decide([row["n"], 0], [row["stop_if"] - 1, 0], 1).top > 0


def test_table_as_csv_html_and_frame():
    table = boin_table(0.25, 3, 12)
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [row["escalate_if"] for row in rows] == ["0", "1", "1", "2"]
    assert [int(row["stop_if"]) for row in rows] == [3, 4, 5, 6]
    page = table.to_html()
    assert page.count("<tr>") == 1 + 4 + 1 + 13
    assert "0.1968" in page
    assert "DU" in page
    frame = table.to_frame()
    assert frame["deescalate_if"].tolist() == [1, 2, 3, 4]
    assert table.deescalate_if == table["deescalate_if"]
    first = boin_table(0.25, 1, 3)
    assert first.eliminate_if == (None, None, 3)
    assert first.to_frame()["eliminate_if"].isna().tolist() == [True, True, False]
    assert first.to_csv().splitlines()[1] == "1,0,1,,"
    with pytest.raises(DomainError, match="Did you mean escalate_if"):
        table["escalate"]
    with pytest.raises(DomainError, match="not in the table"):
        table.letter(4, 1)


@pytest.mark.parametrize("estimator", ["imputed", "ess"])
def test_the_pending_table_says_what_the_rule_does(estimator):
    design = tite_boin(0.3, window=1.0, estimator=estimator)
    table = design.pending_table(9)
    assert len(table) == sum((n + 1) * (n + 2) // 2 for n in (3, 6, 9))
    kinds = set()
    for row in table:
        kinds.add(row["decision"])
        one = [np.array([row[k]]) for k in ("n", "dlts", "pending")]
        for share in (0.0, 0.25, 0.5, 0.75, 0.99):
            follow_up = share * row["pending"]
            if estimator == "ess" and row["n"] == row["pending"] and share == 0:
                continue
            level, top = design.decide_pending(*one, np.array([follow_up]), one[2], np.array([3]), np.array([5]))
            got = "DU" if top[0] == 2 else {4: "E", 3: "S", 2: "D", -1: "SUS"}[int(level[0])]
            parts = row["decision"].split("/")
            want = parts[0]
            if "E" in parts and len(parts) > 1 and follow_up < row["escalate_from"]:
                want = "S"
            if "D" in parts and len(parts) > 1 and follow_up > row["deescalate_to"]:
                want = parts[-2] if want == "D" else want
            elif "D" in parts and len(parts) > 1:
                want = "D"
            assert got == want, (row, follow_up)
    assert {"E", "S", "D", "DU", "SUS", "E/S", "S/D"} <= kinds
    assert table.to_csv().splitlines()[0] == "n,dlts,pending,decision,escalate_from,deescalate_to"
    assert "suspended" in table.to_html()


def test_boin12_table_has_its_stop_rows():
    design = boin12(0.35, 0.25)
    table = design.table(6)
    assert set(table["decision"]) == {"", "E", "S", "D", "DU"}
    assert "F" in set(design.table(9)["decision"])
    for row in table:
        if row["n"] == 0:
            continue
        at = ([3, row["n"], 0], [0, row["dlts"], 0], 2)
        decision = design.decide(*at, responses=[0, row["responses"], 0])
        assert (decision.top == 1) == (row["decision"] == "DU")
        assert (row["score"] is None) == (row["decision"] in {"DU", "F"})
        if row["decision"] == "D":
            assert decision.level == 1
        if row["decision"] == "S":
            assert decision.level <= 2
    assert next(csv.DictReader(io.StringIO(table.to_csv())))["score"] == str(table.rows[0]["score"])
    assert table.to_html().count("<tr") == 1 + len(table)
    assert table.to_frame().shape == (len(table), 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: boin_boundaries(0.0), "target is 0.0"),
        (lambda: boin_boundaries(1.0), "target is 1.0"),
        (lambda: boin_boundaries("0.25"), "target"),
        (lambda: boin_boundaries(0.25, 0.3), "p_saf"),
        (lambda: boin_boundaries(0.25, 0.2, 0.2), "p_tox"),
        (lambda: boin_boundaries(0.8), "p_tox"),
        (lambda: boin_table(0.25, 3, 10), "cohorts of 3 do not fit; take 9"),
        (lambda: boin_table(0.25, 3, 2), "do not fit"),
        (lambda: boin_table(0.25, 0, 3), "cohort_size"),
        (lambda: boin(0.25, cohort_size=True), "cohort_size"),
        (lambda: boin(0.25, start=0), "start"),
        (lambda: boin(0.25, selection="boi"), "Did you mean boin"),
        (lambda: boin(0.25, eliminate_above=1.0), "eliminate_above"),
        (lambda: keyboard(0.3, below=0.3), "below"),
        (lambda: mtpi2(0.3, above=0.7), "above"),
        (lambda: Keyboard(target=0.3, bound_mtd=True), "bound_mtd"),
        (lambda: boin(0.25).decide([3, 3], [0, 4], 2), "Level 2: 4 DLTs in 3 patients"),
        (lambda: boin(0.25).decide([3, 3], [0], 2), "one of each"),
        (lambda: boin(0.25).decide([3, "3"], [0, 0], 2), "Level 2: 0 DLTs in '3' patients"),
        (lambda: boin(0.25).decide([3, 3], [0, 0.5], 2), "Level 2: 0.5 DLTs"),
        (lambda: boin(0.25, window=float("nan")), "window"),
        (lambda: boin(0.25).decide([3, 3], [0, 0], 3), "current"),
        (lambda: boin(0.25).decide([3, 3], [0, 0], 2, top=5), "top"),
        (lambda: crm_design([0.1, 0.2], 0.2).decide([3, 3, 3], [0, 0, 0], 2), "3 levels; this CRM has 2"),
        (lambda: tite_boin(0.25, 0.0), "window"),
        (lambda: tite_boin(0.25, 6.0, estimator="es"), "estimator"),
        (lambda: tite_boin(0.25, 6.0, suspend_above=2.0), "suspend_above"),
        (lambda: tite_crm([0.1, 0.2], 0.2, 6.0, weights=[0.0, 0.0]), "not all 0"),
        (lambda: Backfill(rule="clear"), "clearance"),
        (lambda: boin12(0.35, 0.25, utilities=(100, 40, 60)), "give four"),
        (lambda: boin12(0.35, 0.25, utilities=(0, 40, 60, 100)), "give four"),
        (lambda: boin12(0.35, 0.25).decide([3], [0], 1), "give responses by level"),
        (lambda: boin12(0.35, 0.25, utilities=(100, 50, 30, 0)).decide([3], [0], 1, responses=[1]), "both"),
        (lambda: boin12(0.35, 0.25, utilities=(100, 50, 30, 0)).table(), "both outcomes"),
        (lambda: boin12(0.35, 0.25).table(10), "do not fit"),
        (lambda: tite_boin(0.25, 6.0).pending_table(10), "do not fit; take 9"),
        (lambda: tite_boin(0.25, 6.0).pending_table(6)["decisions"], "Did you mean decision"),
        (lambda: boin_et(0.3, 0.6, boundaries=(0.4, 0.3, 0.5)), "lambda1 < lambda2"),
        (lambda: boin_et(0.3, 0.6, low_response=0.7), "low_response"),
    ],
)
def test_bad_input_is_refused_with_what_is_allowed(call, words):
    with pytest.raises(DomainError, match=words):
        call()


# --- pending patients --------------------------------------------------------------------------------------------------------------


def test_the_two_published_estimators_differ():
    n, y, c, s = (np.array([v]) for v in (6, 1, 2, 1.0))
    assert tite_boin_rate(n, y, c, s, 0.25, "ess")[0] == pytest.approx(1 / 5)
    prior = (1 + 0.125) / 5
    assert tite_boin_rate(n, y, c, s, 0.25)[0] == pytest.approx((1 + prior / (1 - prior)) / 6)
    assert tite_boin_rate(n, y, np.array([0]), np.array([0.0]), 0.25)[0] == pytest.approx(1 / 6)


@pytest.mark.parametrize("estimator", ["imputed", "ess"])
def test_tite_boin_without_pending_patients_is_boin(estimator):
    stream = np.random.Generator(np.random.Philox(key=11))
    late, plain = tite_boin(0.25, 6.0, estimator=estimator), boin(0.25)
    for _ in range(60):
        level = np.sort(stream.integers(1, 4, 9))
        dlt = stream.random(9) < 0.3
        data = records(level, dlt, np.full(9, 6.0), 4)
        counts = data.states(3)
        counts = replace(counts, top=plain.highest_open(counts.n, counts.y))
        a, b = late.decide_records_batch(data), plain.decide_batch(counts)
        assert (a[0][0], a[1][0]) == (b[0][0], b[1][0])


def test_tite_boin_waits_with_too_many_pending():
    design = tite_boin(0.25, 6.0)
    assert design.decide_records_batch(records([1] * 3, [0] * 3, [6, 5, 5], 3))[0][0] == WAIT
    assert design.decide_records_batch(records([1] * 3, [0] * 3, [6, 6, 5], 3))[0][0] == 2
    assert design.decide_records_batch(records([2] * 3, [1, 1, 0], [1, 1, 1], 3))[0][0] == 1  # 2/3 is enough to go down
    lost = records([1] * 3, [0] * 3, [6, 5, 5], 3, gone=[0, 1, 1])
    assert design.decide_records_batch(lost)[0][0] != WAIT  # nobody to wait for; they count by the time followed
    known = tite_boin(0.25, 6.0, known_from=3)
    assert known.decide_records_batch(records([1] * 3, [0] * 3, [6, 6, 5], 3))[0][0] == WAIT
    careful = tite_boin(0.25, 6.0, followed_from=0.25)
    assert careful.decide_records_batch(records([1] * 3, [0] * 3, [6, 6, 1.4], 3))[0][0] == WAIT
    assert careful.decide_records_batch(records([1] * 3, [0] * 3, [6, 6, 1.5], 3))[0][0] == 2


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 12), st.integers(0, 4), st.integers(0, 6), st.floats(0, 1), st.floats(0, 1))
def test_longer_follow_up_never_raises_the_estimate(n, y, c, a, b):
    y, c = min(y, n), min(c, n - min(y, n))
    short, long = sorted((a * c, b * c))
    for estimator in ("imputed", "ess"):
        if n - c + short == 0:
            continue
        args = (np.array(n), np.array(y), np.array(c))
        assert (
            tite_boin_rate(*args, np.array(long), 0.25, estimator)
            <= tite_boin_rate(*args, np.array(short), 0.25, estimator) + 1e-12
        )


def test_rolling_six_in_calendar_time():
    rule = rolling_six(window=28.0)

    def next_level(dlt, follow_up, levels=3, level=2, top=None, before=0):
        given = [1] * before + [level] * len(dlt)
        return int(
            rule.decide_records_batch(records(given, [0] * before + dlt, [28] * before + follow_up, levels, top))[0][0]
        )

    assert next_level([0, 0], [3, 1]) == 2
    assert next_level([0, 0, 0], [28, 28, 5]) == 2
    assert next_level([0, 0, 0], [28, 28, 28]) == 3
    assert next_level([0] * 6, [28, 28, 28, 28, 5, 1]) == WAIT
    assert next_level([0] * 6, [28, 28, 28, 28, 28, 1]) == 3
    assert next_level([1, 0, 0], [4, 28, 28]) == 2
    assert next_level([1, 0, 0, 0, 0, 0], [4, 28, 28, 28, 28, 27]) == WAIT
    assert next_level([1, 0, 0, 0, 0, 0], [4, 28, 28, 28, 28, 28]) == 3
    assert next_level([1, 1, 0], [4, 5, 3], before=3) == 1
    assert next_level([1, 1, 0], [4, 5, 3], before=6) == STOP
    assert next_level([0] * 3, [28] * 3, top=2) == 2  # fill the highest open level to six
    assert next_level([0] * 6, [28] * 6, top=2) == STOP
    assert rolling_six().select([6, 6, 2], [1, 1, 2], top=2) == 2


# --- backfilling ---------------------------------------------------------------------------------------------------------------------


def test_which_level_takes_backfill():
    design = boin(0.25, window=4.0, backfill=Backfill(cap=6))
    waiting = [1] * 3 + [2] * 3 + [3] * 3
    quiet = records(waiting, [0] * 9, [4] * 6 + [1] * 3, 4, response=[0] * 9)
    assert design.backfill_records_batch(quiet)[0] == 0  # no response anywhere
    active = records(waiting, [0] * 9, [4] * 6 + [1] * 3, 4, response=[0, 1, 0] + [0] * 6)
    assert design.backfill_records_batch(active)[0] == 2  # the highest cleared level
    assert boin(0.25, window=4.0, backfill=Backfill(to="lowest")).backfill_records_batch(active)[0] == 1
    assert boin(0.25, window=4.0, backfill=Backfill(rule="clearance")).backfill_records_batch(quiet)[0] == 2
    assert boin(0.25, window=4.0).backfill_records_batch(active)[0] == 0
    full = records([1] * 3 + [2] * 6 + [3] * 3, [0] * 12, [4] * 9 + [1] * 3, 4, response=[1] + [0] * 11)
    assert design.backfill_records_batch(full)[0] == 1  # six at level 2 is the cap
    toxic = records(waiting, [0] * 3 + [1, 1, 0] + [0] * 3, [4] * 6 + [1] * 3, 4, response=[1] + [0] * 8)
    assert (
        design.backfill_records_batch(toxic)[0] == 1
    )  # 2/3, and 2/3 pooled with a level without known patients: closed


def test_backfilled_patients_are_not_waited_for_but_count_when_known():
    design = boin(0.25, window=4.0, backfill=Backfill())
    level, dlt = [1] * 3 + [2] * 3 + [1] * 2, [0] * 8
    data = records(level, dlt, [4] * 6 + [2, 2], 3, backfilled=[0] * 6 + [1, 1])
    assert design.decide_records_batch(data)[0][0] == 3
    busy = records(level, dlt, [4] * 5 + [3] + [4, 4], 3, backfilled=[0] * 6 + [1, 1])
    assert design.decide_records_batch(busy)[0][0] == WAIT


def test_conflicting_backfill_data_are_pooled():
    """0/3 at level 2 asks to escalate, 3/9 at the backfilled level 1 to go down: 3/12 pooled says stay."""
    design = boin(0.25, window=1.0, backfill=Backfill())
    level = [1] * 9 + [2] * 3
    dlt = [1, 1, 1] + [0] * 9
    filled = [0] * 3 + [1] * 6 + [0] * 3
    assert design.decide_records_batch(records(level, dlt, [1] * 12, 3, backfilled=filled))[0][0] == 2
    no_conflict = records(level, [1, 0, 0] + [0] * 9, [1] * 12, 3, backfilled=filled)
    assert design.decide_records_batch(no_conflict)[0][0] == 3
    # 4/9 and 1/3: pooled 5/12 is too much; no level from 1 on is calm, so the level below 1: stay at the lowest
    worse = records(level, [1, 1, 1, 1] + [0] * 5 + [1, 0, 0], [1] * 12, 3, backfilled=filled)
    assert design.decide_records_batch(worse)[0][0] == 1


def test_tite_designs_refuse_backfill():
    from alphatwin.trials import TITEBOIN

    with pytest.raises(DomainError, match="leave backfill out"):
        TITEBOIN(target=0.25, window=6.0, backfill=Backfill())
    with pytest.raises(DomainError, match="leave stay_at_one_of_three out"):
        TITEBOIN(target=0.25, window=6.0, stay_at_one_of_three=True)


def test_one_of_three_may_mean_to_stay():
    assert boin(0.25).decide([3, 3], [0, 1], 2).level == 1
    kind = boin(0.25, stay_at_one_of_three=True)
    assert kind.decide([3, 3], [0, 1], 2).level == 2
    assert kind.table(6)["deescalate_if"] == (2, 2)
    assert "One DLT in three patients means to stay" in kind.protocol_text()


# --- toxicity and response -------------------------------------------------------------------------------------------------------------


def test_boin12_sums_utilities():
    design = boin12(0.35, 0.25, utilities=(100, 50, 30, 0))
    n, y, r, both = (np.array([v]) for v in (10, 4, 5, 2))
    # 3 responses without DLT, 2 both, 2 DLT alone, 3 neither
    assert design.equivalent(n, y, r, both)[0] == pytest.approx((3 * 100 + 2 * 30 + 3 * 50) / 100)
    assert not boin12(0.35, 0.25).needs_both
    assert design.needs_both
    additive = boin12(0.35, 0.25)
    assert additive.equivalent(n, y, r)[0] == pytest.approx(additive.equivalent(n, y, r, both)[0])


def test_boin_et_moves():
    design = boin_et(0.3, 0.6, boundaries=(0.14, 0.35, 0.48))

    def move(n, y, r, current):
        return design.decide(n, y, current, responses=r).level

    assert move([3, 0, 0], [0, 0, 0], [1, 0, 0], 1) == 2  # safe, few responses
    assert move([3, 0, 0], [0, 0, 0], [2, 0, 0], 1) == 1  # responses: stay
    assert move([3, 3, 0], [0, 2, 0], [1, 2, 0], 2) == 1  # toxic
    assert move([3, 6, 0], [0, 1, 0], [0, 2, 0], 2) == 3  # 1/6 between, few responses, next level untried
    assert move([3, 6, 3], [0, 1, 1], [0, 2, 2], 2) == 3  # most responses there
    assert move([3, 6, 3], [0, 1, 1], [2, 2, 0], 2) == 1
    assert move([3, 6, 3], [0, 1, 1], [1, 2, 1], 2) == 1  # equal rates: the lowest


def test_futile_levels_are_passed_over():
    design = boin12(0.35, 0.25)
    n, y, r = [9, 0, 0], [0, 0, 0], [0, 0, 0]  # 0/9 is futile: 1 - 0.75^10 = 0.944
    assert design.decide(n, y, 1, responses=r).level == 2
    assert design.select(n, y, responses=r) == 0
    toxic_above = design.decide([9, 3, 0], [0, 3, 0], 2, responses=[0, 0, 0])
    assert toxic_above.stops  # level 2 eliminated, level 1 futile


def test_response_designs_wait_for_the_assessment():
    design = boin12(0.35, 0.25)
    waiting = records([1] * 3, [0] * 3, [1] * 3, 2, response=[1, 0, 0], response_known=[1, 1, 0])
    assert design.decide_records_batch(waiting)[0][0] == WAIT
    ready = records([1] * 3, [0] * 3, [1] * 3, 2, response=[1, 1, 1], response_known=[1, 1, 1])
    assert design.decide_records_batch(ready)[0][0] == 1
