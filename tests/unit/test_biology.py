"""Behaviour of the biology: shapes, names, ledgers, messages for bad input."""

from __future__ import annotations

import dataclasses
import inspect
import pathlib
import re

import numpy as np
import pytest
import xarray as xr

import alphatwin.biology as biology
from alphatwin.biology import (
    DoseLimit,
    Effect,
    HighLET,
    LedgerRow,
    Logistic,
    Lyman,
    Repair,
    TissueBudget,
    TissueParameters,
    bed,
    course_bed,
    effect,
    eqd2,
    external_beam,
    fractionated_bed,
    lea_catcheside,
    lea_catcheside_curve,
    ledger,
    next_activity,
    ntcp,
    radionuclide_course,
    rbe_at_dose,
    rbe_weighted_dose,
)
from alphatwin.catalog import NTCP, Limit, Quantity, Tissue, tissue_of
from alphatwin.errors import DomainError, UnitError

ALPHA = HighLET(5.0)


def quantity(value, unit, **more):
    return Quantity(value=value, unit=unit, source="x", locator="t", verified=False, **more)


# --- protraction ------------------------------------------------------------------------------------------------------


def test_shapes_broadcast_over_samples_and_regions():
    rng = np.random.default_rng(1)
    a, r = rng.uniform(0.1, 1.0, (4, 3, 2)), rng.uniform(0.01, 0.1, (4, 2))
    repair = rng.uniform(1.0, 3.0, (4, 1))
    g = lea_catcheside(a, r[:, None, :], repair)
    assert g.shape == (4, 3)
    assert g[2, 1] == pytest.approx(float(lea_catcheside(a[2, 1], r[2], repair[2, 0])))
    times, rate = np.linspace(0.0, 30.0, 9), rng.uniform(0.0, 1.0, (4, 3, 9))
    curve = lea_catcheside_curve(times, rate, repair, tail_rate_per_h=0.02)
    assert curve.shape == (4, 3)
    assert curve[2, 1] == float(lea_catcheside_curve(times, rate[2, 1], repair[2, 0], tail_rate_per_h=0.02))


def test_one_curve_with_many_repair_times():
    g = lea_catcheside([1.0], [0.02], np.array([1.0, 2.8, 5.0]))
    assert (np.diff(g) > 0).all()
    assert lea_catcheside_curve([0.0, 5.0], [1.0, 1.0], np.array([1.0, 2.8, 5.0])).shape == (3,)


def test_padding_terms_and_empty_curves_are_harmless():
    assert lea_catcheside([1.0, 0.0], [0.02, 0.0], 2.8) == lea_catcheside([1.0], [0.02], 2.8)
    assert lea_catcheside([[0.0], [1.0]], [0.02], 2.8)[0] == 1.0
    assert lea_catcheside_curve([0.0, 1.0], [0.0, 0.0], 2.8) == 1.0
    assert lea_catcheside([1e-200], [0.02], 2.8) == lea_catcheside([1e200], [0.02], 2.8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0], [0.02], 0.0), "above 0"),
        (([1.0], [0.02], float("nan")), "finite"),
        (([np.nan], [0.02], 1.0), "finite"),
        (([1.0], [-0.02], 1.0), "0 or more"),
        (([1.0], [0.0], 1.0), "no end"),
        (([1.0, 1.0], [0.02], 1.0), "last axis"),
        (([-1.0], [0.02], 1.0), "negative"),
        (([1.0, -1.0], [0.5, 0.02], 1.0), "negative"),
        (([1.0, -1.0], [0.02, 0.02], 1.0), "negative"),
        (([1.0, -1.0], [0.02, 0.02 * (1 + 1e-13)], 1.0), "merge"),
        (([[1.0]] * 4, [[0.02]], [1.0, 2.0, 3.0]), "rates\\[:, None, :\\]"),
        (([], [], 1.0), "empty"),
        ((["x"], [0.02], 1.0), "number"),
    ],
)
def test_bad_curves_are_refused(arguments, words):
    with pytest.raises(DomainError, match=words):
        lea_catcheside(*arguments)


def test_a_curve_that_dips_below_zero_is_refused():
    # D is small and positive, R swings: its G is above 1.
    with pytest.raises(DomainError, match="negative for part"):
        lea_catcheside([1.0, -0.5], [1.0, 0.55], np.log(2))


@pytest.mark.parametrize("duration_h", [0.0, -1.0, float("nan")])
def test_bad_durations_are_refused(duration_h):
    with pytest.raises(DomainError, match="duration_h"):
        lea_catcheside([1.0], [0.1], 2.8, duration_h=duration_h)


@pytest.mark.parametrize(
    ("times", "rate", "more", "words"),
    [
        ([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], {}, "increase"),
        ([0.0, 1.0], [1.0, -1.0], {}, "0 or more"),
        ([0.0, 1.0], [1.0, np.nan], {}, "finite"),
        ([0.0], [1.0], {}, "two or more"),
        ([0.0, 1.0], [1.0, 1.0, 1.0], {}, "last axis"),
        ([0.0, 1.0], [1.0, 1.0], {"tail_rate_per_h": 0.0}, "above 0"),
        ([0.0, 1.0], [[1.0, 1.0]] * 2, {"tail_rate_per_h": [0.1, 0.2, 0.3]}, "fit together"),
    ],
)
def test_bad_measured_curves_are_refused(times, rate, more, words):
    with pytest.raises(DomainError, match=words):
        lea_catcheside_curve(times, rate, 2.8, **more)


@pytest.mark.parametrize(
    ("half_times", "weights"), [((1.0,), (0.5,)), ((1.0, 2.0), (1.0,)), ((0.0,), (1.0,)), ((1.0, 2.0), (1.5, -0.5))]
)
def test_bad_repair_is_refused(half_times, weights):
    with pytest.raises(DomainError):
        Repair(half_times, weights)


# --- effectiveness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: bed(1.0, 1.0, 0.1, 0.0, ALPHA),
        lambda: bed(1.0, 1.0, 0.1, -2.5, ALPHA),
        lambda: bed(-1.0, 1.0, 0.1, 2.5, ALPHA),
        lambda: bed(1.0, float("nan"), 0.1, 2.5, ALPHA),
        lambda: bed(1.0, 1.0, 0.0, 2.5, ALPHA),
        lambda: bed(1.0, 1.0, 1.1, 2.5, ALPHA),
        lambda: bed([1.0, 2.0], [1.0, 2.0, 3.0], 0.1, 2.5, ALPHA),
        lambda: course_bed(1.0, 1.0, 0.1, 2.5, ALPHA, [1.0, -1.0]),
        lambda: HighLET(-1.0),
        lambda: HighLET(5.0, -1.0),
        lambda: HighLET(float("inf")),
        lambda: HighLET(5.0, reference="acute"),
        lambda: eqd2(-1.0, 2.5),
        lambda: eqd2(1.0, 0.0),
        lambda: fractionated_bed(2.0, -5, 2.5),
        lambda: rbe_at_dose(0.0, 2.5, ALPHA),
        lambda: rbe_weighted_dose(1.0, -1.0, ALPHA),
        lambda: Lyman(0.0, 0.1),
        lambda: Logistic(40.0, 0.0),
        lambda: ntcp(Lyman(40.0, 0.1), -1.0),
        lambda: DoseLimit(0.0, "bed"),
        lambda: DoseLimit(40.0, "dose"),
        lambda: TissueParameters("kidneys", 0.0, 2.8, 5.0),
        lambda: TissueParameters("kidneys", 2.5, -1.0, 5.0),
        lambda: TissueParameters("kidneys", 2.5, 2.8, -5.0),
        lambda: TissueParameters("kidneys", [[2.5]], 2.8, 5.0),
    ],
)
def test_numbers_out_of_range_are_refused(call):
    with pytest.raises(DomainError):
        call()


def test_course_doses_scale_and_g_does_not():
    one, both = bed(4.0, 1.0, 0.1, 2.5, ALPHA), course_bed(4.0, 1.0, 0.1, 2.5, ALPHA, [1.0, 0.5])
    assert both == pytest.approx(float(one) + float(bed(2.0, 0.5, 0.1, 2.5, ALPHA)))


def test_option_says_what_was_sampled():
    text = repr(HighLET(np.linspace(2.0, 8.0, 101)))
    assert text == "HighLET(rbe=5 [2.3 to 7.7, 101 samples], r_beta=0, reference='low_dose')"


# --- ledger -----------------------------------------------------------------------------------------------------------


def three_rows(n=5):
    return [
        external_beam("kidneys", 1.8, 5, 2.5, when="2019"),
        radionuclide_course(
            "Lu-177", "kidneys", np.linspace(3.0, 5.0, n), 0.0, 0.054, 2.5, ALPHA, relative_activities=[1] * 4
        ),
        radionuclide_course("Ac-225", "kidneys", 0.1, np.linspace(1.0, 3.0, n), 0.05, 2.5, ALPHA, when="planned"),
    ]


def test_ledger_books_in_order():
    book = ledger(three_rows(), DoseLimit(40.0, "bed", "kidneys"))
    assert book.cumulative_Gy.shape == (3, 5)
    assert book.cumulative_Gy[2] == pytest.approx(sum(row.bed_Gy for row in book.rows))
    assert book.share_of_limit == pytest.approx(book.cumulative_Gy / 40.0)
    assert book.probability_above_limit == np.mean(book.total_Gy() > 40.0)
    assert 0.0 < book.probability_above_limit < 1.0
    table = book.table()
    assert list(table["what"]) == ["external beam", "Lu-177", "Ac-225"]
    assert table["cumulative_Gy"].is_monotonic_increasing


def test_absorbed_dose_limit_names_what_it_counts():
    limit = DoseLimit(23.0, "absorbed_dose")
    rows = three_rows()
    assert ledger(rows[:2], limit).quantity_label == "absorbed dose"
    book = ledger(rows, limit)
    assert book.quantity_label == "RBE-weighted dose"
    assert book.total_Gy() == pytest.approx(sum(r.low_let_dose_Gy + 5.0 * r.high_let_dose_Gy for r in rows))
    assert ledger(rows, DoseLimit(23.0, "eqd2")).total_Gy() == pytest.approx(sum(r.eqd2_Gy for r in rows))


def test_catalogue_limit_is_accepted_in_gray_only():
    made = {"value": 40.0, "quantity": "bed", "label": "kidneys", "source": "x", "locator": "t", "verified": False}
    book = ledger(three_rows(), Limit(unit="Gy", **made))
    assert (book.limit.value_Gy, book.limit.quantity, book.limit.source) == (40.0, "bed", "x")
    with pytest.raises(DomainError, match="Gy"):
        ledger(three_rows(), Limit(unit="cGy", **made))


def test_a_pair_counts_for_each_side_and_sides_never_mix():
    pair, left, right = (external_beam(t, 2.0, 5, 2.5) for t in ("kidneys", "kidney_left", "kidney_right"))
    assert ledger([pair, left], DoseLimit(40.0, "bed")).tissue == "kidney_left"
    assert ledger([pair], DoseLimit(40.0, "bed"), tissue="kidney_right").total_Gy()[0] == pytest.approx(18.0)
    for rows in ([left, right], [pair, external_beam("liver", 2.0, 5, 2.5)]):
        with pytest.raises(DomainError, match="counts here"):
            ledger(rows, DoseLimit(40.0, "bed"))
    with pytest.raises(DomainError, match="counts here"):
        ledger([left], DoseLimit(40.0, "bed"), tissue="kidneys")


def test_empty_ledger():
    book = ledger([], DoseLimit(40.0, "bed"), tissue="kidneys")
    assert book.total_Gy().tolist() == [0.0]
    assert book.probability_above_limit == 0.0
    assert len(book.table()) == 0
    with pytest.raises(DomainError, match="tissue"):
        ledger([], DoseLimit(40.0, "bed"))


def test_rows_are_frozen_and_of_one_length():
    row = three_rows()[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.what = "y"
    with pytest.raises(ValueError, match="read-only"):
        row.bed_Gy[0] = 1.0
    with pytest.raises(DomainError, match="sample"):
        LedgerRow("x", "kidneys", "", np.ones(2), np.ones(3), np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(DomainError, match="samples"):
        ledger([three_rows(5)[1], three_rows(7)[1]], DoseLimit(40.0, "bed"))


# --- next activity ----------------------------------------------------------------------------------------------------


def budget(scale=1.0, used=10.0, limit=40.0, quantity="bed"):
    return TissueBudget(0.2 * scale, 0.5 * scale, 0.05, 2.5, ALPHA, DoseLimit(limit, quantity), used)


def test_smallest_tissue_limits_and_is_named():
    plan = next_activity({"kidneys": budget(), "red_marrow": budget(2.0), "liver": budget(0.0)})
    assert plan.limiting_tissue == "red_marrow"
    assert plan.activity_MBq_at_confidence == plan.per_tissue["red_marrow"].at_confidence_MBq
    assert plan.per_tissue["liver"].median_MBq == np.inf
    assert plan.capped_by == ""
    assert "red_marrow" in plan.statement


def test_the_cap_of_the_product_holds():
    plan = next_activity({"kidneys": budget()}, cap_MBq=4.0, cap_label="label maximum")
    assert plan.activity_MBq_at_confidence == plan.activity_MBq_median == plan.activity_MBq_all_limits == 4.0
    assert plan.capped_by == "label maximum"
    assert "label maximum" in plan.statement
    assert next_activity({"kidneys": budget()}, cap_MBq=1e6).capped_by == ""
    assert next_activity({"liver": budget(0.0)}, cap_MBq=12.0).activity_MBq_median == 12.0


def test_a_spent_limit_gives_zero_and_says_so():
    used = np.concatenate([np.full(90, 10.0), np.full(10, 45.0)])
    plan = next_activity({"kidneys": budget(used=used)}, confidence=0.95)
    assert plan.activity_MBq_at_confidence == 0.0
    assert plan.activity_MBq_median > 0.0
    assert plan.statement.startswith("No further activity: kidneys")
    assert "10 % of samples" in plan.statement
    assert next_activity({"kidneys": budget(used=used)}, confidence=0.85).activity_MBq_at_confidence > 0.0


def test_all_limits_together_are_never_looser():
    rng = np.random.default_rng(3)
    tissues = {name: budget(rng.lognormal(0.0, 0.4, 400)) for name in ("kidneys", "red_marrow")}
    plan = next_activity(tissues, confidence=0.9)
    assert plan.activity_MBq_all_limits < plan.activity_MBq_at_confidence
    joint = np.min([t.samples_MBq for t in plan.per_tissue.values()], axis=0)
    assert np.mean(joint >= plan.activity_MBq_all_limits) >= 0.9


def test_one_sample_is_its_own_quantile():
    plan = next_activity({"kidneys": budget()}, confidence=0.99)
    assert plan.activity_MBq_at_confidence == plan.activity_MBq_median


@pytest.mark.parametrize(
    "call",
    [
        lambda: next_activity({}),
        lambda: next_activity({"k": budget()}, confidence=1.0),
        lambda: next_activity({"k": budget()}, remaining_cycles=0),
        lambda: next_activity({"k": budget()}, remaining_cycles=1.5),
        lambda: next_activity({"k": budget()}, cap_MBq=0.0),
        lambda: next_activity({"k": budget(0.0)}),
        lambda: next_activity({"k": budget(np.ones(3)), "m": budget(np.ones(4))}),
        lambda: next_activity({"k": budget(np.ones(3), used=np.ones(4))}),
        lambda: budget(-1.0),
        lambda: budget(used=-1.0),
    ],
)
def test_bad_plans_are_refused(call):
    with pytest.raises(DomainError):
        call()


# --- effect -----------------------------------------------------------------------------------------------------------

REGIONS = ["kidney_left", "liver"]
RADIATIONS = ["alpha", "recoil", "electron", "photon"]


def inputs(n=3):
    rate = xr.DataArray(np.full((n, 2), [0.014, 0.85]), dims=("sample", "term"), attrs={"units": "1/h"})
    amplitude = xr.DataArray(
        np.linspace(0.9, 1.1, n)[:, None, None] * np.array([[0.05, -0.05], [0.02, 0.0]]),
        dims=("sample", "region", "term"), coords={"region": REGIONS}, attrs={"units": "Gy/h"},
    )  # fmt: skip
    low = (amplitude.values / rate.values[:, None, :]).sum(-1)
    values = np.stack([np.full_like(low, 1.5), np.full_like(low, 0.03), 0.9 * low, 0.1 * low], axis=-1)
    dose = xr.DataArray(
        values, dims=("sample", "region", "radiation"),
        coords={"region": REGIONS, "radiation": RADIATIONS}, attrs={"units": "Gy"},
    )  # fmt: skip
    return dose, amplitude, rate


def parameters(**more):
    return {r: TissueParameters("kidneys", 2.5, 2.8, np.array([4.0, 5.0, 6.0]), **more) for r in REGIONS}


def test_effect_joins_the_pieces():
    dose, amplitude, rate = inputs()
    out = effect(dose, amplitude, rate, [8.0, 4.0], parameters())
    assert out.bed.dims == ("sample", "region")
    assert out.bed.attrs["units"] == "Gy"
    low, high = float(dose[1, 0, 2:].sum()), float(dose[1, 0, :2].sum())
    g = lea_catcheside([0.05, -0.05], [0.014, 0.85], 2.8)
    expected = course_bed(low, high, g, 2.5, HighLET(5.0), [1.0, 0.5])
    assert float(out.bed[1, 0]) == pytest.approx(float(expected), rel=1e-12)
    assert float(out.eqd2[1, 0]) == pytest.approx(float(expected) / 1.8, rel=1e-12)
    assert float(out.rbe_weighted_dose[1, 0]) == pytest.approx(1.5 * (low + 5.0 * high), rel=1e-12)
    assert float(out.g[1, 0]) == pytest.approx(float(g), rel=1e-12)
    assert (out.bed.values >= out.rbe_weighted_dose.values).all()
    assert out.options[0].startswith("kidney_left: HighLET(rbe=5 [")
    row = out.ledger_row("kidney_left", "Ac-225", "2025")
    assert row.bed_Gy == pytest.approx(out.bed.values[:, 0])
    assert ledger([external_beam("kidneys", 1.8, 5, 2.5), row], DoseLimit(40.0, "bed")).tissue == "kidney_left"


def test_next_cycle_from_an_effect_costs_what_the_course_cost():
    dose, amplitude, rate = inputs()
    out = effect(dose, amplitude, rate, [8.0], parameters())
    limit = DoseLimit(float(out.bed[1, 0]), "bed")
    plan = next_activity({"kidney_left": out.budget("kidney_left", limit)})
    assert plan.per_tissue["kidney_left"].samples_MBq[1] == pytest.approx(8.0, rel=1e-12)


def test_complication_counts_what_was_before():
    entry = NTCP(
        model="lyman", quantity="bed", endpoint="x", d50=quantity(44.0, "Gy", u=4.0), slope=quantity(0.15, "1")
    )
    dose, amplitude, rate = inputs()
    prior = {
        "kidney_left": ledger([external_beam("kidneys", 2.0, 5, 2.5)], DoseLimit(40.0, "bed"), tissue="kidney_left")
    }
    alone = effect(dose, amplitude, rate, [8.0], parameters(complication=entry))
    after = effect(dose, amplitude, rate, [8.0], parameters(complication=entry), prior=prior)
    assert after.ntcp["kidney_left"] == pytest.approx(ntcp(entry, alone.bed.values[:, 0] + 18.0))
    assert after.ntcp["liver"] == pytest.approx(alone.ntcp["liver"])
    assert any("NTCP" in note for note in after.notes)
    assert ntcp(entry, 44.0, d50_score=1.0) < 0.5
    with pytest.raises(TypeError):
        after.ntcp["liver"] = np.zeros(3)
    other = external_beam("kidney_left", np.full(4, 2.0), 5, 2.5)
    prior = {"kidney_left": ledger([other], DoseLimit(40.0, "bed"))}
    with pytest.raises(DomainError, match="4 samples"):
        effect(dose, amplitude, rate, [8.0], parameters(complication=entry), prior=prior)


def test_parameters_come_from_the_catalogue_at_scores():
    tissue = Tissue(
        id="kidneys", name="kidneys", regions=("kidneys",), alpha_beta=quantity(2.5, "Gy"),
        repair_half_time=quantity(2.8, "h"), rbe_alpha=quantity(5.0, "1", u=1.5),
        ntcp=(
            NTCP(model="logistic", quantity="bed", endpoint="a", d50=quantity(40.0, "Gy"), slope=quantity(2.0, "1")),
            NTCP(
                model="lyman", quantity="bed", endpoint="b", d50=quantity(44.0, "Gy"), slope=quantity(0.1, "1"),
                default=True,
            ),
        ),
    )  # fmt: skip
    point = TissueParameters.from_catalog(tissue)
    assert (point.alpha_beta_Gy[0], point.repair_half_time_h[0], point.rbe[0]) == (2.5, 2.8, 5.0)
    assert point.complication.endpoint == "b"
    asked = []

    def scores(name):
        asked.append(name)
        return np.array([-1.0, 0.0, 1.0])

    sampled = TissueParameters.from_catalog(tissue, scores)
    assert sampled.rbe[1] == 5.0
    assert sampled.rbe[0] < 5.0 < sampled.rbe[2]
    assert "kidneys.rbe_alpha" in asked
    wrong = tissue.model_copy(update={"repair_half_time": quantity(168.0, "min")})
    with pytest.raises(DomainError, match="'min'"):
        TissueParameters.from_catalog(wrong)


@pytest.mark.parametrize("region", ["kidneys", "kidney_left", "red_marrow", "liver", "tumour_1", "remainder"])
def test_every_region_of_a_case_finds_parameters_that_work(region):
    entry = tissue_of(region)
    own = TissueParameters.from_catalog(entry, lambda _name: np.linspace(-2.0, 2.0, 9))
    value = bed(4.0, 1.0, lea_catcheside([1.0], [0.02], own.repair_half_time_h), own.alpha_beta_Gy, own.high_let)
    assert value.shape == (9,)
    assert (np.diff(own.rbe) > 0).all()
    for limit in entry.limits:
        assert ledger([external_beam(region, 2.0, 2, own.alpha_beta_Gy)], limit).share_of_limit.shape == (1, 9)


def change(array, **attrs):
    return array.assign_attrs(**attrs)


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda d, a, r: (change(d, units="Sv"), a, r, [8.0], parameters()), UnitError, "Gy"),
        (lambda d, a, r: (change(d, units="mGy"), a, r, [8.0], parameters()), UnitError, "Gy"),
        (lambda d, a, r: (d, change(a, units="mGy/h"), r, [8.0], parameters()), UnitError, "Gy/h"),
        (lambda d, a, r: (d, a, change(r, units="1/s"), [8.0], parameters()), UnitError, "1/h"),
        (lambda d, a, r: (d.transpose("region", "sample", "radiation"), a, r, [8.0], parameters()), UnitError, "dims"),
        (lambda d, a, r: (d * np.nan, a, r, [8.0], parameters()), UnitError, "units|finite"),
        (lambda d, a, r: (change(d * 1000.0, units="Gy"), a, r, [8.0], parameters()), DomainError, "integrates"),
        (lambda d, a, r: (d, a, r, [0.0, 8.0], parameters()), DomainError, "first cycle"),
        (lambda d, a, r: (d, a, r, [8.0], {}), DomainError, "kidney_left, liver"),
        (lambda d, a, r: (d, a.isel(region=[0]), r, [8.0], parameters()), DomainError, "liver"),
        (
            lambda d, a, r: (d.assign_coords(radiation=[*RADIATIONS[:3], "x"]), a, r, [8.0], parameters()),
            DomainError,
            "x",
        ),
        (lambda d, a, r: (*(v.isel(sample=[0, 1]) for v in (d, a, r)), [8.0], parameters()), DomainError, "fit"),
    ],
)
def test_bad_effects_are_refused(spoil, error, words):
    with pytest.raises(error, match=words):
        effect(*spoil(*inputs()))


def test_an_effect_is_valid_from_birth():
    dose, amplitude, rate = inputs()
    good = effect(dose, amplitude, rate, [8.0], parameters())
    with pytest.raises(UnitError, match="Gy"):
        dataclasses.replace(good, bed=good.bed.assign_attrs(units="Sv"))
    with pytest.raises(DomainError, match="g holds"):
        dataclasses.replace(good, g=(good.g + 1.0).assign_attrs(units="1"))
    with pytest.raises(DomainError, match="Did you mean kidney_left"):
        good.ledger_row("kidney_lft")
    assert isinstance(good, Effect)


# --- the house --------------------------------------------------------------------------------------------------------


def test_no_sievert_in_the_room():
    for file in pathlib.Path(inspect.getfile(biology)).parent.glob("*.py"):
        assert not re.search(r"\b[mu]?Sv\b|sievert", file.read_text(encoding="utf-8")), file.name


def test_public_names_are_documented():
    for name in biology.__all__:
        assert inspect.getdoc(getattr(biology, name)), name
