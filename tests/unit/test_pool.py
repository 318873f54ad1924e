"""Pooling as a person meets it: refusals that name the row, spellings, fallbacks, what stands beside, plots."""

import dataclasses
import json
import math
import pathlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.errors import AlphatwinError, CatalogError, DomainError, FitError, OutputError
from alphatwin.evidence import bias, forest, regression, sensitivity
from alphatwin.evidence import survival_curves as sc
from alphatwin.evidence.pool import pool, pool_estimates
from alphatwin.report.forest import forest_page, write_forest

EVENTS, TOTALS, NAMES = [8, 24, 7, 8], [10, 24, 8, 9], ["A", "B", "C", "D"]
TEN = ([4, 8, 20, 5, 15, 4, 4, 8, 1, 10], [8, 10, 35, 26, 24, 8, 9, 12, 9, 23])


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "totals", "said"),
    [
        ([8, 25], [10, 24], r"row 2 \('B'\): 25 events in 24 patients"),
        ([8, 0], [10, 0], r"row 2 \('B'\): the total is 0"),
        ([8, -1], [10, 24], r"row 2 \('B'\): the number of events is -1"),
        ([8, 3], [10, -4], r"row 2 \('B'\): the total is -4"),
        ([8, 2.5], [10, 24], r"row 2 \('B'\): the number of events is 2.5; give a whole number"),
        ([8, math.nan], [10, 24], r"row 2 \('B'\): the number of events is nan"),
        ([8, 3], [10, math.inf], r"row 2 \('B'\): the total is inf"),
        ([8, None], [10, 24], r"row 2 \('B'\): the number of events is None"),
        ([8, "3"], [10, 24], r"row 2 \('B'\): the number of events is '3'"),
        ([8, True], [10, 24], r"row 2 \('B'\): the number of events is True"),
        ([8, 3, 1], [10, 24], "events has 3, totals has 2"),
        (8, [10, 24], "events is 8; give a list"),
    ],
)
def test_a_bad_row_is_named(events, totals, said):
    with pytest.raises(DomainError, match=said):
        pool(events, totals, labels=["A", "B"])


def test_nothing_one_study_and_a_study_twice():
    with pytest.raises(DomainError, match="no study to pool"):
        pool([], [])
    with pytest.raises(DomainError, match=r"row 1 \('A'\) is the only study.*method='exact'"):
        pool([3], [9], labels=["A"])
    with pytest.raises(DomainError, match="Rows 1 and 3 are both 'A': a study pooled twice"):
        pool([1, 2, 3], [4, 5, 6], labels=["A", "B", "A"])
    with pytest.raises(DomainError, match="Rows 1 and 2 are both 'r7'"):
        pool([1, 2], [4, 5], rows=["r7", "r7"])
    assert pool([3], [9], method="exact").ci == pytest.approx((0.0749, 0.7007), abs=5e-5)
    assert set(pool([3], [9], method="exact").beside) == {"bayes", "exact"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "glm"}, "no method 'glm'. Did you mean glmm"),
        ({"transform": "logits"}, "no transform 'logits'. Did you mean logit"),
        ({"estimator": "REMl2"}, "no estimator"),
        ({"method": "glmm", "transform": "log"}, "takes no transform"),
        ({"method": "glmm", "knha": True}, "Hartung-Knapp belongs to method='inverse'"),
        ({"method": "glmm", "estimator": "DL"}, "belongs to method='inverse'"),
        ({"method": "DL", "estimator": "PM"}, "give one of them"),
        ({"knha": True, "test": "z"}, "contradict"),
        ({"level": 95}, r"share above 0 and below 1.*0.95\?"),
        ({"level": 0}, "confidence level"),
        ({"nodes": 0}, "1 to 100 points"),
        ({"add": -1, "transform": "logit"}, "correction"),
        ({"to": "some"}, "rule for cells of zero"),
        ({"prior_tau": 0, "method": "bayes"}, "half-normal"),
        ({"prior_proportion": 1, "method": "bayes"}, "Beta prior"),
        ({"prediction": "q"}, "prediction interval"),
        ({"transform": "logit", "to": "none"}, "row 2: 24 of 24 has a cell of zero"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(DomainError, match=said):
        pool(EVENTS, TOTALS, **options)


def test_a_third_degree_of_freedom_is_not_invented():
    with pytest.raises(DomainError, match="'t k-2' does not exist here"):
        pool([1, 2], [5, 6], prediction="t k-2")


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [
        ({"method": "GLMM"}, {}),
        ({"method": "Inverse-Variance"}, {"method": "inverse"}),
        ({"method": "iv"}, {"method": "inverse"}),
        ({"method": "crude"}, {"method": "exact"}),
        ({"method": "REML"}, {"estimator": "REML"}),
        ({"method": "FE"}, {"estimator": "EE"}),
        ({"method": "dl", "transform": "PFT"}, {"transform": "freeman-tukey", "estimator": "DL"}),
        ({"transform": "plo", "estimator": "reml"}, {"method": "inverse", "transform": "logit"}),
        ({"transform": "Freeman_Tukey"}, {"transform": "ft"}),
        ({"transform": "PAS"}, {"transform": "arcsine"}),
        ({"knha": "hartung-knapp"}, {"knha": True}),
        ({"knha": "ad hoc"}, {"test": "adhoc"}),
    ],
)
def test_spellings_of_one_thing(spelled, plain):
    assert pool(EVENTS, TOTALS, **spelled) == pool(EVENTS, TOTALS, **plain)


def test_arrays_series_and_whole_floats_are_counts():
    import pandas as pd

    want = pool(EVENTS, TOTALS)
    assert pool(np.array(EVENTS), np.array(TOTALS)) == want
    assert pool(pd.Series(EVENTS), pd.Series(TOTALS)) == want
    assert pool([8.0, 24.0, 7.0, 8.0], tuple(TOTALS)) == want
    assert at.pool(EVENTS, TOTALS) == want


def test_default_changes_to_inverse_variance_when_a_transform_is_asked():
    assert "GLMM" in pool(EVENTS, TOTALS).method
    for options in ({"transform": "logit"}, {"estimator": "DL"}, {"knha": True}):
        assert "inverse variance" in pool(EVENTS, TOTALS, **options).method


# --- fallbacks and notes ---------------------------------------------------------------------------------------------


def test_all_or_none_never_fails():
    for method in ("glmm", "beta-binomial"):
        ones = pool([3, 5], [3, 5], method=method)
        assert ones.estimate == 1
        assert ones.ci[1] == 1
        assert "every patient" in ones.notes[0]
    mixed = pool([0, 10], [10, 10])
    assert "Bayesian" in mixed.method
    assert "stands in" in mixed.notes[0]
    assert mixed.estimate == pytest.approx(0.5)


def test_few_studies_bring_a_bayesian_row():
    p = pool(EVENTS, TOTALS)
    assert any("Bayesian" in n for n in p.notes)
    assert next(iter(p.beside)) == "bayes"
    assert p.beside["bayes"].ci[0] < p.ci[0]
    many = pool(*TEN)
    assert not any("Bayesian" in n for n in many.notes)
    assert next(iter(many.beside)) == "glmm"


def test_a_correction_and_a_hopeless_quadrature_are_said():
    assert "0.5 was added to both cells of B" in pool(EVENTS, TOTALS, labels=NAMES, method="inverse").notes[0]
    wild = pool([0, 60, 30, 2], [60, 60, 60, 60])
    assert any("quadrature" in n for n in wild.notes)


def test_a_result_is_frozen_and_reads_well():
    p = pool(EVENTS, TOTALS, labels=NAMES, rows=[{"id": f"r{i}", "url": "https://doi.org/10.1/x"} for i in range(4)])
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.estimate = 0.5
    assert p.labels == tuple(NAMES)
    assert p.rows[2].id == "r2"
    assert p.k == 4
    text = str(p)
    assert "92.3 % (95 % interval 77.9 to 97.6 %)" in text
    assert (p.low, p.high) == p.ci
    assert p.level == 0.95
    assert math.isnan(pool(EVENTS, TOTALS, method="exact").tau2_ci[0])
    low, high = pool(EVENTS, TOTALS, method="bayes").tau2_ci
    assert 0 < low < high


def test_a_higher_level_is_wider_and_prediction_is_wider_than_confidence():
    for method in ("glmm", "inverse", "beta-binomial", "bayes", "exact"):
        a, b = (pool(*TEN, method=method, level=v) for v in (0.8, 0.99))
        assert b.ci[0] < a.ci[0] < a.estimate < a.ci[1] < b.ci[1]
        assert a.prediction_interval[0] <= a.ci[0] + 1e-12
        assert a.prediction_interval[1] >= a.ci[1] - 1e-12


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=12)
)
def test_every_way_gives_shares_for_any_counts(studies):
    x, n = zip(*studies, strict=True)
    for p in (pool(x, n), *pool(x, n).beside.values()):
        ends = (*p.ci, *p.prediction_interval, p.estimate)
        assert all(0 <= v <= 1 for v in ends), p.method
        assert p.ci[0] <= p.estimate <= p.ci[1], p.method
        assert p.tau2 >= 0
        assert 0 <= p.i2 <= 100


# --- estimates with standard errors ----------------------------------------------------------------------------------


def test_estimates_are_checked_too():
    with pytest.raises(DomainError, match=r"row 2 \('B'\): the standard error is 0"):
        pool_estimates([1, 2], [0.1, 0.0], labels=["A", "B"])
    with pytest.raises(DomainError, match="row 1: the estimate is nan"):
        pool_estimates([math.nan, 2], [0.1, 0.2])
    with pytest.raises(DomainError, match="one study"):
        pool_estimates([1], [0.1])
    with pytest.raises(DomainError, match="pooled twice"):
        pool_estimates([1, 2], [0.1, 0.2], labels=["A", "A"])
    with pytest.raises(DomainError, match="estimates has 2"):
        pool_estimates([1, 2], [0.1])


# --- sensitivity -----------------------------------------------------------------------------------------------------


def test_leave_one_out_is_pooling_the_rest():
    for options in ({}, {"method": "inverse", "knha": True}, {"method": "beta-binomial"}):
        p = pool(EVENTS, TOTALS, labels=NAMES, **options)
        made = sensitivity.leave_one_out(p)
        assert [v.label for v in made] == NAMES
        want = pool(EVENTS[1:], TOTALS[1:], labels=NAMES[1:], **options)
        assert made[0].estimate == want.estimate
        assert made[0].shift == pytest.approx(want.estimate - p.estimate)
    with pytest.raises(DomainError, match="three or more"):
        sensitivity.leave_one_out(pool([1, 2], [5, 6]))


def test_cumulative_ends_with_the_whole_and_keeps_the_order_asked():
    p = pool(EVENTS, TOTALS, labels=NAMES)
    made = sensitivity.cumulative(p, order=[2022, 2019, 2020, 2021])
    assert [v.label for v in made] == ["B", "C", "D", "A"]
    assert made[-1].estimate == pytest.approx(p.estimate, abs=1e-9)
    assert made[0].pooled.method.startswith("exact")
    with pytest.raises(DomainError, match="order has 2 values"):
        sensitivity.cumulative(p, order=[1, 2])


def test_influence_needs_effects():
    with pytest.raises(DomainError, match="leave_one_out"):
        sensitivity.influence(pool(EVENTS, TOTALS))
    rows = sensitivity.influence(pool(*TEN, method="inverse"))
    assert sum(r.hat for r in rows) == pytest.approx(1)
    assert all(r.cook >= 0 for r in rows)


def test_what_moves_sorts_methods_rows_and_subsets():
    moves = sensitivity.what_moves(
        EVENTS, TOTALS, labels=NAMES, alternatives={"investigator": ([9, 24, 7, 9], TOTALS, NAMES)},
        keep={"full text": ["A", "C", "D"], "first": [True, False, False, False], "none": [False] * 4},
    )  # fmt: skip
    shifts = [abs(v.shift) for v in moves.variations]
    assert shifts == sorted(shifts, reverse=True)
    assert {v.kind for v in moves.variations} == {"method", "rows", "left out"}
    names = [v.label for v in moves.of_kind("rows")]
    assert set(names) == {"investigator", "full text", "first"}
    assert "glmm" not in [v.label for v in moves.variations]  # that is the base
    assert all(len(line) <= 80 for line in str(moves).splitlines())
    same = next(v for v in moves.variations if v.label == "full text")
    assert same.estimate == next(v for v in moves.of_kind("left out") if v.label == "B").estimate
    with pytest.raises(CatalogError, match="There is no study 'E'"):
        sensitivity.what_moves(EVENTS, TOTALS, labels=NAMES, keep={"x": ["E"]})
    with pytest.raises(CatalogError, match="There is no method"):
        sensitivity.what_moves(EVENTS, TOTALS, methods=["glmmm"])
    with pytest.raises(DomainError, match="2 truth values"):
        sensitivity.what_moves(EVENTS, TOTALS, keep={"x": [True, False]})


# --- regression and bias ---------------------------------------------------------------------------------------------


def test_regression_on_groups_is_the_difference_of_two_syntheses():
    """With equal effects and two groups the slope is the difference of the two pooled logits."""
    x, n = TEN
    group = ["a"] * 5 + ["b"] * 5
    m = regression.meta_regression(x, n, {"group": group}, estimator="EE")
    a, b = (pool(x[s], n[s], method="EE") for s in (slice(0, 5), slice(5, 10)))
    assert m["group: b"].estimate == pytest.approx(b.effect - a.effect)
    assert m["group: b"].se == pytest.approx(math.hypot(a.se, b.se))
    value, (low, high) = m.predict(**{"group: b": 1})
    assert value == pytest.approx(b.estimate)
    assert (low, high) == pytest.approx(b.ci)
    assert any("fewer than ten" not in note for note in m.notes) or m.notes == ()


def test_regression_refuses_what_it_cannot_do():
    x, n = TEN
    z = list(range(10))
    with pytest.raises(DomainError, match=r"row 3.*moderator 'z' is nan"):
        regression.meta_regression(x, n, {"z": [0, 1, math.nan, *range(7)]})
    with pytest.raises(DomainError, match="moderator z has 3"):
        regression.meta_regression(x, n, {"z": [1, 2, 3]})
    with pytest.raises(DomainError, match="is 'a' in every study"):
        regression.meta_regression(x, n, {"g": ["a"] * 10})
    with pytest.raises(FitError, match="not independent"):
        regression.meta_regression(x, n, {"z": z, "twice": [2 * v for v in z]})
    with pytest.raises(FitError, match="not independent"):
        regression.meta_regression(x, n, {"z": z, "twice": [2 * v for v in z]}, method="glmm")
    with pytest.raises(FitError, match="leave nothing"):
        regression.meta_regression([1, 2], [5, 6], {"z": [1, 2]})
    with pytest.raises(DomainError, match="double arcsine"):
        regression.meta_regression(x, n, {"z": z}, transform="PFT")
    with pytest.raises(DomainError, match="no coefficient"):
        regression.meta_regression(x, n, {"z": z}).predict(y=1)
    with pytest.raises(FitError, match="no regression exists"):
        regression.meta_regression([0] * 4, [5] * 4, [1, 2, 3, 4], method="glmm")
    with pytest.raises(FitError, match="separates"):
        regression.meta_regression([0, 0, 0, 9, 9, 9], [9] * 6, [0, 0, 0, 1, 1, 1], method="glmm")
    with pytest.raises(DomainError, match="takes method='inverse' or 'glmm'"):
        regression.meta_regression(x, n, z, method="exact")


def test_peters_is_a_weighted_regression_on_the_inverse_of_size():
    x, n = np.array(TEN[0], float), np.array(TEN[1], float)
    y, w, z = np.log(x / (n - x)), x * (n - x) / n, 1 / n
    design = np.column_stack([np.ones(10), z])
    beta = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * y))
    rest = y - design @ beta
    s2 = float(np.sum(w * rest**2)) / 8
    se = math.sqrt(s2 * np.linalg.inv(design.T @ (w[:, None] * design))[1, 1])
    found = bias.peters(pool(*TEN))
    assert (found.slope, found.slope_se, found.df) == pytest.approx((beta[1], se, 8))


def test_bias_tests_say_what_they_cannot():
    p = pool(EVENTS, TOTALS)
    assert [t.name for t in bias.bias_tests(p)] == ["Egger", "Begg", "Peters"]
    assert any("little power" in n for n in bias.begg(p).notes)
    assert any("Peters" in n for n in bias.egger(p).notes)
    with pytest.raises(DomainError, match="three studies"):
        bias.egger(pool([1, 2], [5, 6]))
    with pytest.raises(DomainError, match="events and totals"):
        bias.peters(pool_estimates([1, 2, 3], [1, 2, 3]))
    with pytest.raises(FitError, match="same size"):
        bias.peters(pool([1, 2, 3], [9, 9, 9]))
    with pytest.raises(DomainError, match="'lm'"):
        bias.egger(p, model="glm")
    with pytest.raises(DomainError, match="inverse"):
        bias.trim_and_fill(p)
    with pytest.raises(DomainError, match="'left' or on the 'right'"):
        bias.trim_and_fill(pool(*TEN, method="inverse"), side="up")


def test_trim_and_fill_mirrors_a_one_sided_funnel():
    y = [0.0, 0.05, 0.1, 0.5, 0.8, 1.2, 1.5]
    s = [0.05, 0.1, 0.1, 0.4, 0.5, 0.7, 0.8]
    p = pool_estimates(y, s, estimator="EE")
    filled = bias.trim_and_fill(p)
    assert filled.missing > 0
    assert filled.side == "left"
    assert filled.estimate < p.estimate


# --- time to event ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sc.survival_curve([12, 6], [0.7, 0.5], 40), "point 3: time 6 comes after 12"),
        (lambda: sc.survival_curve([6, 12], [0.5, 0.7], 40), "point 3: survival rises"),
        (lambda: sc.survival_curve([6, 12], [70, 50], 40), "52 % is 0.52"),
        (lambda: sc.survival_curve([6, 12], [0.7], 40), "times has 2, survival has 1"),
        (lambda: sc.survival_curve([], [], 40), "at least one point"),
        (lambda: sc.survival_curve([6], [0.7], [40, 50], [0, 6]), "numbers at risk fall"),
        (lambda: sc.survival_curve([6], [0.7], [40, 30]), "risk_times has 0"),
        (lambda: sc.survival_curve([6], [0.7], 40.5), "not a number of patients"),
        (lambda: sc.survival_curve([6], [math.nan], 40), "survival, row 1"),
        (lambda: sc.survival_curve([6, 12], [0.7, 0.5], 40).at(20), "Nothing is extrapolated"),
        (lambda: sc.reconstruct(sc.survival_curve([6, 12], [0.7, 0.5], 40)), "Landmarks hold too little"),
        (lambda: sc.reconstruct(sc.survival_curve([6], [0.7], 40, drawn=True), 41), "41 events in 40 patients"),
        (lambda: sc.rmst(sc.survival_curve([6], [0.7], 40), 0), "horizon is 0"),
        (lambda: sc.pool_hazards([sc.survival_curve([6], [0.7], 40)]), "one curve"),
        (lambda: sc.pool_medians([14.1, 22.8]), "median not reached"),
    ],
)
def test_curves_that_cannot_be_are_refused(call, said):
    with pytest.raises(DomainError, match=said):
        call()


def test_curves_in_two_units_or_without_a_common_landmark():
    a = sc.survival_curve([6, 12], [0.7, 0.5], 40, label="A")
    with pytest.raises(DomainError, match="days and months"):
        sc.pool_rmst([a, sc.survival_curve([180], [0.6], 30, label="B", unit="days")], 6)
    with pytest.raises(DomainError, match="no landmark"):
        sc.pool_hazards([a, sc.survival_curve([5, 9], [0.7, 0.5], 40, label="B")])
    with pytest.raises(DomainError, match="rising times"):
        sc.pool_hazards([a, a.__class__(**{**a.__dict__, "label": "B"})], [12, 6])
    with pytest.raises(DomainError, match="No curve reaches"):
        sc.pool_hazards([a, a.__class__(**{**a.__dict__, "label": "B"})], [6, 24])


def test_an_interval_without_events_counts_half_a_one_and_says_so():
    a = sc.survival_curve([6, 12], [1.0, 0.5], 40, label="A")
    b = sc.survival_curve([6, 12], [0.9, 0.5], 40, label="B")
    h = sc.pool_hazards([a, b])
    assert any("A, 0 to 6: no events" in note for note in h.notes)
    c = sc.survival_curve([6], [0.8], 40, label="C")
    assert sc.pool_hazards([a, b, c], [6, 12]).studies == (3, 2)


# --- forest plots ----------------------------------------------------------------------------------------------------


def rows(k):
    return [{"id": f"study{i}/ORR central", "url": f"https://doi.org/10.1000/{i}" if i % 2 else ""} for i in range(k)]


@pytest.mark.parametrize("k", [1, 2, 7, 40])
def test_a_forest_of_any_size(k):
    rng = np.random.Generator(np.random.Philox(key=[1, k]))
    n = rng.integers(8, 90, k)
    x = rng.binomial(n, 0.4)
    p = pool(x, n, method="exact" if k == 1 else None, labels=[f"Study {i} <i>&" for i in range(k)], rows=rows(k))
    figure = forest.forest_figure(p, title="<b>T")
    json.dumps(figure, allow_nan=False)
    text = " ".join(a["text"] for a in figure["layout"]["annotations"])
    assert text.count("<a href=") == k
    assert "<i>&" not in text  # names are text, not markup
    assert "&lt;b&gt;" in figure["layout"]["title"]["text"]
    heights = [a["y"] for a in figure["layout"]["annotations"]]
    assert len(set(heights)) >= k + 2
    assert figure["layout"]["yaxis"]["range"][0] < min(heights)


def test_every_line_of_the_page_leads_to_its_row():
    p = pool(EVENTS, TOTALS, labels=NAMES, rows=rows(4))
    page = forest_page(p, title="Disease control")
    for i in range(4):
        assert f'id="row-study{i}-ORR-central"' in page
    for target in re.findall(r'href=\\"#([\w-]+)', page):
        assert f'id="{target}"' in page
    assert "https://doi.org/10.1000/3" in page
    assert not re.search(r'(?:src|href)="https?://(?!doi\.org)', page.split("<main>")[1])
    assert "Bayesian" in page
    assert page == forest_page(p, title="Disease control")


def test_rows_may_come_with_the_plot():
    p = pool(EVENTS, TOTALS)
    lines = forest.forest_lines(p, rows(4), beside=["exact"])
    assert lines[1].url.endswith("/1")
    assert [line.kind for line in lines[4:]] == ["pooled", "prediction", "beside"]
    with pytest.raises(DomainError, match="studies pooled has 4, rows has 3"):
        forest.forest_lines(p, rows(3))
    with pytest.raises(DomainError, match="no synthesis 'x'"):
        forest.forest_lines(p, beside=["x"])
    other = forest.forest_lines(p, beside={"2019": pool([8, 24], [10, 24])})
    assert other[-1].label == "2019"


def test_rare_events_get_an_axis_that_shows_them():
    p = pool([1, 0, 0, 2, 1, 0, 0], [390, 80, 200, 350, 260, 240, 100])
    assert forest.forest_figure(p)["layout"]["xaxis"]["range"][1] < 10
    assert forest.forest_figure(pool(EVENTS, TOTALS))["layout"]["xaxis"]["range"] == [0.0, 100.0]


def test_a_pdf_is_the_same_bytes_and_links(monkeypatch):
    p = pool(EVENTS, TOTALS, labels=NAMES, rows=rows(4))
    made = forest.forest_pdf(p, title="T")
    assert made.startswith(b"%PDF-")
    assert made == forest.forest_pdf(p, title="T")
    assert b"doi.org/10.1000/1" in made
    assert forest.forest_pdf(p, kind="png")[1:4] == b"PNG"
    assert b"<svg" in forest.forest_pdf(p, kind="svg")
    with pytest.raises(DomainError, match="pdf, png or svg"):
        forest.forest_pdf(p, kind="gif")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(AlphatwinError, match=r"alphatwin\[evidence\]"):
        forest.forest_pdf(p)


def test_writing_a_forest(tmp_path):
    p = pool(EVENTS, TOTALS, labels=NAMES)
    out = write_forest(p, tmp_path / "dcr", title="Disease control", as_of="2026-11-01", release="r1")
    assert sorted(f.name for f in out.iterdir()) == ["forest.html", "forest.pdf"]
    assert "2026-11-01" in (out / "forest.html").read_text(encoding="utf-8")
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError):
        write_forest(p, tmp_path / "taken", pdf=False)


def test_a_forest_of_restricted_means():
    a = sc.survival_curve([6, 12], [0.8, 0.6], 40, label="A")
    b = sc.survival_curve([6, 12], [0.7, 0.5], 30, label="B")
    p = sc.pool_rmst([a, b], 12.0)
    assert "restricted mean" in p.method
    assert "restricted mean (months)" in json.dumps(forest.forest_figure(p, x_label="restricted mean (months)"))
    assert "restricted mean" in forest_page(p)
    assert p.beside == {}


def test_the_code_of_the_page_runs():
    page = pathlib.Path(__file__).parents[2] / "docs" / "synthesis.md"
    blocks = re.findall(r"(?:^    .*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        code = compile(re.sub(r"^    ", "", block, flags=re.MULTILINE), str(page), "exec")
        exec(code, names)
    assert names["patients"].total == 50


def test_a_forest_page_has_no_link_that_runs_and_no_markup_of_a_label():
    labels = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", 'a"b']
    rows = [{"id": '"><b>r', "url": "javascript:alert(3)"}, {"id": "r2", "url": "https://example.org/2"}, "r3"]
    page = forest_page(
        pool([1, 2, 3], [10, 10, 10], labels=labels, rows=rows), title="</title><script>alert(4)</script>"
    )
    body = page[page.index("<body") :]
    assert 'href="https://example.org/2"' in body
    for bad in ("<script>alert", "<img src=x", 'href="javascript', '"><b>r'):
        assert bad not in body
    assert "<script>alert" not in page[: page.index("<style>")]
