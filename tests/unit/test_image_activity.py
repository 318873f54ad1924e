"""Regions and voxels against time: conservation, closed forms, an independent fit, refusals."""

from __future__ import annotations

import datetime
import math
import pathlib
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(pathlib.Path(__file__).parents[1]))
from alphatwin.errors import AlphatwinError, FitError, ImageError
from alphatwin.imaging import (
    Acquisition,
    ActivitySeries,
    Grid,
    Image,
    Labels,
    Registered,
    Study,
    TimePoint,
    Transform,
    activity_series,
    decay_maps,
    fit_regions,
    region_activity,
    region_kinetics,
    region_shares,
)
from alphatwin.kinetics import Curve, FreeDaughters, InPlace, fit_curve, integrate
from alphatwin.physics.nuclides import chain_table, nuclide
from oracle import voxels as oracle

T = np.array([4.0, 24.0, 72.0, 120.0])
DECAY = nuclide("Lu-177").decay_constant_per_h
WHERE = Grid((6, 8, 10), np.diag([4.0, 4.0, 4.0, 1.0]))
PER_MBQ_H = 3.6e9


def series_of(values, sigma=None, times=T, name="Lu-177"):
    images = tuple(
        Image(v, WHERE, "activity_concentration", "NM", sigma=None if sigma is None else s)
        for v, s in zip(values, values if sigma is None else sigma, strict=True)
    )
    return ActivitySeries(images, times, name)


def halves():
    """Two regions that share the voxels of one slice, and a corner for the rest."""
    a = np.zeros(WHERE.shape, np.float32)
    a[:, :, :5], a[:, :, 5] = 1, 0.3
    b = np.zeros(WHERE.shape, np.float32)
    b[:, :, 6:], b[:, :, 5] = 1, 0.7
    a[:, :2], b[:, :2] = 0, 0
    return Labels({"a": a, "b": b}, WHERE)


def noisy(seed=1, times=T, sd=0.04):
    rng = np.random.Generator(np.random.Philox(key=seed))
    rates = np.where(np.arange(10) < 5, 0.012, 0.02)[None, None] * rng.uniform(0.9, 1.2, WHERE.shape)
    clean = rng.uniform(0.5, 2, WHERE.shape) * np.exp(-np.multiply.outer(times, rates))
    return np.maximum(clean * (1 + sd * rng.standard_normal(clean.shape)), 0)


# --- regions ---------------------------------------------------------------------------------------------------------


def test_regions_and_remainder_add_up_to_the_image():
    values = noisy()
    activity = region_activity(series_of(values), halves())
    np.testing.assert_allclose(
        activity.activity_MBq.sum(axis=0), values.sum(axis=(1, 2, 3)) * WHERE.voxel_mL, rtol=1e-6
    )
    np.testing.assert_allclose(activity.volume_mL.sum(axis=0), np.prod(WHERE.shape) * WHERE.voxel_mL, rtol=1e-6)
    assert activity.regions == ("a", "b", "remainder")
    row = activity.regions.index("a")
    assert activity.concentration_MBq_per_mL[row, 0] == pytest.approx(
        float(activity.activity_MBq[row, 0]) / float(activity.volume_mL[row, 0])
    )


def test_a_lesion_is_taken_out_of_its_organ():
    organ, lesion = np.zeros(WHERE.shape, bool), np.zeros(WHERE.shape, bool)
    organ[1:5, 1:7, 1:9], lesion[2:4, 2:4, 2:4] = True, True
    shares = region_shares(Labels({"organ": organ, "lesion": lesion, "body": np.ones(WHERE.shape, bool)}, WHERE))
    assert list(shares) == ["organ", "lesion", "remainder"]
    assert shares["lesion"].sum() == 8
    assert shares["organ"].sum() == organ.sum() - 8
    np.testing.assert_array_equal(sum(shares.values()), 1)


def test_noise_of_a_region_is_that_of_independent_voxels():
    values = np.ones((4, *WHERE.shape))
    activity = region_activity(series_of(values, 0.1 * values), Labels({"all": np.ones(WHERE.shape, bool)}, WHERE))
    n = np.prod(WHERE.shape)
    assert activity.noise_sd_MBq[0] == pytest.approx(0.1 * math.sqrt(n) * WHERE.voxel_mL)


@pytest.mark.parametrize("boxed", [False, True])
def test_activity_before_is_activity_after_with_outlines_of_a_finer_grid(boxed):
    """Outlines on a CT of 1 mm, kept whole or as boxes: regions and remainder hold what the image holds, the regions what they cover."""
    from alphatwin.imaging.values import Boxes

    fine = Grid((24, 32, 40), np.diag([1.0, 1.0, 1.0, 1.0]) + np.array([[0, 0, 0, -1.5]] * 3 + [[0] * 4]))
    masks = {name: np.zeros(fine.shape, bool) for name in ("a", "b")}
    masks["a"][3:14, 5:21, 8:30], masks["b"][10:20, 15:30, 2:17] = True, True
    labels = Labels(Boxes.of(fine.shape, masks.items()) if boxed else masks, fine)
    values = np.random.Generator(np.random.Philox(key=9)).random((4, *WHERE.shape))
    found = region_activity(series_of(values), labels)
    assert found.activity_MBq.sum(axis=0) == pytest.approx(values.sum(axis=(1, 2, 3)) * 0.064, rel=1e-6)
    ones = region_activity(series_of(np.ones_like(values)), labels)
    either = float((masks["a"] | masks["b"]).sum()) / 1000  # mL; shared voxels count once, by their shares
    assert ones.activity_MBq[:2, 0].sum() == pytest.approx(either, rel=0.02)
    assert ones.volume_mL.sum(axis=0) == pytest.approx(np.full(4, values[0].size * 0.064), rel=1e-6)


def test_recovery_keeps_the_total():
    activity = region_activity(series_of(noisy()), halves())
    better = activity.corrected({"a": 0.8, "b": [0.9] * 4})
    np.testing.assert_allclose(better.activity_MBq.sum(axis=0), activity.activity_MBq.sum(axis=0))
    np.testing.assert_allclose(better.activity_MBq[0], activity.activity_MBq[0] / 0.8)
    with pytest.raises(ImageError, match="more activity than the image holds"):
        activity.corrected({"a": 0.01})
    with pytest.raises(ImageError, match="Did you mean a"):
        activity.corrected({"aa": 0.5})


def test_an_image_of_a_scan_is_taken_to_its_middle():
    """The mean over 2 h of 213Bi (45.6 min) is above the activity at the middle: sinh(x/2)/(x/2), x = lambda d."""
    given = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.UTC)
    points = []
    for hours in (0.5, 1.0):
        acquisition = Acquisition(given + datetime.timedelta(hours=hours), 7200.0, "Bi-213", None, None, "none")
        points.append(
            TimePoint(Image(np.ones(WHERE.shape), WHERE, "activity_concentration", "NM", acquisition=acquisition))
        )
    study = Study(tuple(points), "Bi-213", 100.0, given)
    x = nuclide("Bi-213").decay_constant_per_h * 2
    series = activity_series(study)
    np.testing.assert_allclose(series.images[0].array, (x / 2) / math.sinh(x / 2))
    assert not series.registered
    np.testing.assert_allclose(series.times_h, [1.5, 2.0])
    both = activity_series(Registered(study, 0, (Transform.identity(),) * 2))
    np.testing.assert_allclose(both.images[1].array, series.images[1].array)
    with pytest.raises(ImageError, match="registered images"):
        region_activity(series, halves())
    region_activity(series, [halves(), halves()])


@pytest.mark.parametrize("corrected", ["none", "start"])
def test_quick_clearance_during_the_scan_hardly_moves_the_integral(corrected):
    """An effective half-life of 1 h and scans of half an hour of 177Lu: the mean over a scan, corrected for physical decay alone, stands at
    its middle, high by (k d)^2/24 = 0.5 % at every time. At the start, the integral would be 15 % too low."""
    given, k, d = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.UTC), math.log(2), 0.5
    decay = nuclide("Lu-177").decay_constant_per_h
    points = []
    for hours in (0.25, 1.0, 2.0, 4.0):
        mean = 100 * math.exp(-k * hours) * -math.expm1(-k * d) / (k * d)
        if corrected == "start":
            mean *= decay * d / -math.expm1(-decay * d)
        got = Acquisition(given + datetime.timedelta(hours=hours), 3600 * d, "Lu-177", None, None, corrected)
        made = np.full(WHERE.shape, mean / WHERE.voxel_mL / WHERE.shape[0] ** 3)
        points.append(TimePoint(Image(made, WHERE, "activity_concentration", "NM", acquisition=got)))
    series = activity_series(Study(tuple(points), "Lu-177", 200.0, given))
    total = np.array([float(i.array.sum()) * WHERE.voxel_mL for i in series.images])
    curve = fit_curve(series.times_h, total / total[0] * 100 * math.exp(-k * 0.5), nuclide="Lu-177", model="mono")
    assert curve.time_integrated_activity_MBq_h == pytest.approx(100 / k, rel=1e-6)
    value = series.images[0].array.mean() * WHERE.voxel_mL * WHERE.shape[0] ** 3
    assert value / (100 * math.exp(-k * 0.5)) - 1 == pytest.approx((k * d) ** 2 / 24, rel=0.05)


# --- curves ----------------------------------------------------------------------------------------------------------


def test_curves_are_those_of_the_kinetics_room():
    activity = region_activity(series_of(noisy()), halves())
    curves = fit_regions(activity, {"*": "mono", "b": "bi"}, relative_sd=0.05)
    same = fit_curve(T, activity.activity_MBq[0], nuclide="Lu-177", model="mono", relative_sd=0.05)
    assert curves["a"].time_integrated_activity_MBq_h == pytest.approx(same.time_integrated_activity_MBq_h, rel=1e-9)
    assert curves["b"].model == "bi"


def test_one_time_point_needs_an_assumption_and_says_so():
    activity = region_activity(series_of(noisy()[1:2], times=T[1:2]), halves())
    with pytest.raises(ImageError, match=r"a: one time point cannot show how activity clears"):
        fit_regions(activity)
    curves = fit_regions(
        activity, effective_half_life_h={"a": 50.0, "*": 60.0}, relative_sd=0.05, half_life_relative_sd=0.2
    )
    k = math.log(2) / 50
    assert curves["a"].time_integrated_activity_MBq_h == pytest.approx(
        activity.activity_MBq[0, 0] * math.exp(24 * k) / k
    )
    assert "Single time point" in curves["a"].notes[0]
    maps = decay_maps(series_of(noisy()[1:2], times=T[1:2]), halves(), curves)
    assert maps["Lu-177"].array.sum() == pytest.approx(
        PER_MBQ_H * sum(c.time_integrated_activity_MBq_h for c in curves.values()), rel=1e-6
    )


def test_an_error_of_a_fit_names_its_region():
    rising = np.stack([np.full(WHERE.shape, v) for v in (1.0, 2.0, 3.0, 4.0)])
    with pytest.raises(FitError, match=r"a: the curve rises"):
        fit_regions(region_activity(series_of(rising), halves()), "mono")


def test_samples_have_the_uncertainty_of_the_fit_and_a_common_calibration():
    curves = fit_regions(region_activity(series_of(noisy()), halves()), "mono", relative_sd=0.05)
    decays = integrate(
        region_kinetics(curves, n=4000, seed=3, calibration_relative_sd=0.1)
    ).time_integrated_activity_MBq_h
    for name, curve in curves.items():
        got = decays.sel(region=name, nuclide="Lu-177").values
        want = math.hypot(curve.sd / curve.time_integrated_activity_MBq_h, 0.1)
        # of 4000 samples the sd is known to 1/sqrt(8000) = 1.1 %
        assert got.std() / got.mean() == pytest.approx(want, rel=0.05)
    a, b = (decays.sel(region=r, nuclide="Lu-177").values for r in "ab")
    assert np.corrcoef(a, b)[0, 1] > 0.5  # the calibration is shared
    point = integrate(region_kinetics(curves)).time_integrated_activity_MBq_h
    assert float(point.sel(region="a").item()) == pytest.approx(curves["a"].time_integrated_activity_MBq_h)


# --- voxels: closed forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["shape", "tilt", "mono"])
@pytest.mark.parametrize("with_sigma", [False, True])
def test_decays_of_voxels_are_those_of_the_regions(method, with_sigma):
    values = noisy()
    series = series_of(values, 0.05 * values + 0.01 if with_sigma else None)
    curves = fit_regions(region_activity(series, halves()), "mono", relative_sd=0.05)
    maps = decay_maps(series, halves(), curves, method)
    for name, curve in curves.items():
        want = curve.time_integrated_activity_MBq_h * PER_MBQ_H
        assert maps.region_decays[name]["Lu-177"] == pytest.approx(want, rel=1e-6)
        assert maps.scale[name] == pytest.approx(1, abs=0.1)
    total = sum(c.time_integrated_activity_MBq_h for c in curves.values()) * PER_MBQ_H
    assert maps["Lu-177"].array.sum() == pytest.approx(total, rel=1e-6)
    assert (maps["Lu-177"].array >= 0).all()
    assert (maps["Lu-177"].sigma > 0).all()


def test_noise_free_mono_exponentials_are_exact():
    """a/r of every voxel, whatever the region's rate, where nothing draws it there; 44 golden sections leave 1e-9 of the bracket, and
    a minimum is known to the root of the rounding (1e-8), so 1e-6."""
    rng = np.random.Generator(np.random.Philox(key=4))
    amplitude, rate = rng.uniform(0.1, 10, WHERE.shape), rng.uniform(1.05 * DECAY, 0.05, WHERE.shape)
    series = series_of(amplitude * np.exp(-np.multiply.outer(T, rate)))
    labels = Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    curves = {"all": fit_regions(region_activity(series, labels), "mono")["all"]}
    maps = decay_maps(series, labels, curves, "mono", rate_relative_sd=None, conserve=False)
    exact = amplitude / rate * WHERE.voxel_mL * PER_MBQ_H
    np.testing.assert_allclose(maps["Lu-177"].array, exact, rtol=1e-6)
    np.testing.assert_allclose(maps.effective_half_life_h.array, math.log(2) / rate, rtol=1e-6)


def test_a_voxel_with_its_regions_shape_is_exact_by_every_method():
    truth = Curve.from_terms([5.0, -4.0], [0.015, 0.3], nuclide="Lu-177")
    scale = np.random.Generator(np.random.Philox(key=5)).uniform(0.1, 3, WHERE.shape)
    volume = WHERE.voxel_mL * scale.sum()
    curve = Curve.from_terms([5.0 * volume, -4.0 * volume], [0.015, 0.3], nuclide="Lu-177")
    series = series_of(np.multiply.outer(truth.activity_MBq(T), scale))
    labels = Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    want = scale * truth.time_integrated_activity_MBq_h * WHERE.voxel_mL * PER_MBQ_H
    for method in ("shape", "tilt"):
        maps = decay_maps(series, labels, {"all": curve}, method, conserve=False)
        np.testing.assert_allclose(maps["Lu-177"].array, want, rtol=1e-6)


def test_nothing_clears_slower_than_it_decays():
    """A voxel that stays constant is held at physical decay; its integral is the least-squares scale over lambda."""
    series = series_of(np.ones((4, *WHERE.shape)))
    curve = Curve.from_terms([100.0], [0.01], nuclide="Lu-177")
    maps = decay_maps(
        series,
        Labels({"all": np.ones(WHERE.shape, bool)}, WHERE),
        {"all": curve},
        "mono",
        rate_relative_sd=None,
        conserve=False,
    )
    np.testing.assert_allclose(maps.effective_half_life_h.array, math.log(2) / DECAY, rtol=1e-9)


# --- voxels: the slow twin -------------------------------------------------------------------------------------------


def test_rate_fits_agree_with_a_general_fit_voxel_by_voxel():
    rng = np.random.Generator(np.random.Philox(key=6))
    values = noisy(7, sd=0.08)
    sigma = 0.08 * values + 0.01
    series, labels = series_of(values, sigma), Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    curve = fit_regions(region_activity(series, labels), "mono")["all"]
    rate = math.log(2) / curve.effective_half_life_h
    maps = decay_maps(series, labels, {"all": curve}, "mono", rate_relative_sd=0.3, conserve=False)
    got, sd = (x / WHERE.voxel_mL / PER_MBQ_H for x in (maps["Lu-177"].array, maps["Lu-177"].sigma))
    half_life = maps.effective_half_life_h.array
    for z, y, x in rng.integers([0, 0, 0], WHERE.shape, (200, 3)):
        best, spread, fitted = oracle.mono(T, values[:, z, y, x], sigma[:, z, y, x], rate, 0.3 * rate, DECAY, 8 * rate)
        assert got[z, y, x] == pytest.approx(best, rel=2e-5)
        assert half_life[z, y, x] == pytest.approx(math.log(2) / fitted, rel=2e-5)
        if fitted > 1.001 * DECAY:
            # curve_fit's curvature is by finite differences
            assert sd[z, y, x] == pytest.approx(spread, rel=1e-3)


def test_shape_fits_agree_with_a_general_solver():
    values = noisy(8)
    series, labels = series_of(values), Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    curve = fit_regions(region_activity(series, labels), "mono", relative_sd=0.05)["all"]
    maps = decay_maps(series, labels, {"all": curve}, conserve=False)
    shape = curve.activity_MBq(T)
    for z, y, x in [(0, 0, 0), (2, 3, 4), (5, 7, 9)]:
        scale = oracle.scaled(T, values[:, z, y, x], shape, curve.weights)
        want = scale * curve.time_integrated_activity_MBq_h * WHERE.voxel_mL * PER_MBQ_H
        assert maps["Lu-177"].array[z, y, x] == pytest.approx(want, rel=1e-9)


def test_uncertainty_maps_hold_the_scatter_of_repeated_images():
    """The same voxels under 400 draws of noise: their scatter is the map's sigma within 5 / sqrt(2 x 400) of it (5 sd: 18 %)."""
    n, sd = 480, 0.05
    clean = np.exp(-0.015 * T)[:, None, None, None] * np.ones(WHERE.shape)
    rng = np.random.Generator(np.random.Philox(key=11))
    labels = Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    curve = Curve.from_terms([float(n * WHERE.voxel_mL)], [0.015], nuclide="Lu-177")
    sigma = np.full(clean.shape, sd)
    for method in ("shape", "mono"):
        options = {} if method == "shape" else {"rate_relative_sd": 0.2}
        drawn = [
            decay_maps(series_of(clean + sd * rng.standard_normal(clean.shape), sigma), labels, {"all": curve}, method,
                       conserve=False, **options)["Lu-177"]
            for _ in range(2)
        ]  # fmt: skip
        scatter = np.concatenate([d.array.ravel() for d in drawn]).std()
        told = np.sqrt(np.mean(np.concatenate([d.sigma.ravel() for d in drawn]) ** 2))
        if method == "shape":
            assert scatter == pytest.approx(told, rel=5 / math.sqrt(2 * 2 * n))
        else:
            # sigma also holds the voxel's own rate, which here does not vary: it may only be too large
            assert scatter < told * (1 + 5 / math.sqrt(2 * 2 * n))


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(0.01, 100), method=st.sampled_from(["shape", "tilt", "mono"]))
def test_decays_go_with_activity(factor, method):
    values = noisy(3)
    labels = Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    found = []
    for f in (1.0, factor):
        series = series_of(f * values, 0.1 * f * values + 1e-3 * f)
        curve = Curve.from_terms([100.0 * f], [0.015], nuclide="Lu-177")
        found.append(decay_maps(series, labels, {"all": curve}, method, conserve=False)["Lu-177"].array)
    np.testing.assert_allclose(found[1], factor * found[0], rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(j=st.integers(0, 3), more=st.floats(0.01, 1.0))
def test_more_activity_at_any_time_never_means_fewer_decays(j, more):
    values = noisy(4)
    labels = Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    curve = Curve.from_terms([100.0], [0.015], nuclide="Lu-177")
    raised = values.copy()
    raised[j] += more
    low, high = (
        decay_maps(series_of(v), labels, {"all": curve}, conserve=False)["Lu-177"].array for v in (values, raised)
    )
    assert (high >= low).all()


def below_zero(seed=9, sd=0.5):
    """Two regions of unequal uptake whose voxels scatter about it so widely that many are negative."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    level = np.where(np.arange(10) < 5, 1.0, 0.3)[None, None] * np.ones(WHERE.shape)
    clean = level * np.exp(-0.015 * T)[:, None, None, None]
    return clean + sd * np.exp(-0.015 * T)[:, None, None, None] * rng.standard_normal(clean.shape)


def test_negative_voxels_stay_where_sums_are_wanted():
    """Sums over any part of a region are those of the linear fit, voxel by voxel, also where single voxels are below zero."""
    values = below_zero()
    series, labels = series_of(values), Labels({"all": np.ones(WHERE.shape, bool)}, WHERE)
    curve = Curve.from_terms([float(values[0].sum() * WHERE.voxel_mL)], [0.015], nuclide="Lu-177")
    maps = decay_maps(series, labels, {"all": curve}, conserve=False)
    found, shape = maps["Lu-177"].array, curve.activity_MBq(T)
    assert (found < 0).mean() > 0.02
    part = values[:, :, :, 6:].sum(axis=(1, 2, 3))  # summed first, then scaled: what a fit of the whole part gives
    want = oracle.scaled(T, part, shape, np.ones(4)) * curve.time_integrated_activity_MBq_h * WHERE.voxel_mL * PER_MBQ_H
    assert found[:, :, 6:].sum() == pytest.approx(want, rel=1e-9)
    held = -found[found < 0].sum() / found.sum()
    assert maps.below_zero["all"] == pytest.approx(held, rel=1e-9)
    assert any("below zero" in note and "stay" in note for note in maps.notes)


def test_a_map_without_negative_voxels_keeps_the_decays_of_every_region():
    values = below_zero(sd=1.0)
    sigma = np.exp(-0.015 * T)[:, None, None, None] * np.ones(values.shape)
    series, labels = series_of(values, sigma), halves()
    curves = fit_regions(region_activity(series, labels), "mono", relative_sd=0.05)
    kept, moved = (decay_maps(series, labels, curves, below_zero=how) for how in ("keep", "move"))
    assert (kept["Lu-177"].array < 0).any()
    assert (moved["Lu-177"].array >= 0).all()
    for name, curve in curves.items():
        assert moved.region_decays[name] == pytest.approx(kept.region_decays[name], rel=1e-12)
        want = curve.time_integrated_activity_MBq_h * PER_MBQ_H
        assert moved.region_decays[name]["Lu-177"] == pytest.approx(want, rel=1e-6)
        assert 0 < moved.below_zero[name] < 1
        assert any(note.startswith(f"{name}: voxels below zero") and "scaled" in note for note in moved.notes)
    a = halves().masks["a"] == 1  # held by one region alone: a sum over the map itself
    assert moved["Lu-177"].array.sum() == pytest.approx(kept["Lu-177"].array.sum(), rel=1e-12)
    ratio = moved["Lu-177"].array[a & (kept["Lu-177"].array > 0)] / kept["Lu-177"].array[a & (kept["Lu-177"].array > 0)]
    np.testing.assert_allclose(ratio, 1 / (1 + moved.below_zero["a"]), rtol=1e-9)
    cut = np.maximum(kept["Lu-177"].array, 0).sum() / kept["Lu-177"].array.sum()
    assert cut > 1.01  # what cutting them off would add
    assert (moved["Lu-177"].sigma > 0).all()


def test_a_misspelt_way_with_negative_voxels_is_refused():
    with pytest.raises(ImageError, match="Did you mean move"):
        decay_maps(
            series_of(noisy()), halves(), {"a": Curve.from_terms([1.0], [0.02], nuclide="Lu-177")}, below_zero="mov"
        )


# --- daughters -------------------------------------------------------------------------------------------------------


def lead():
    times = np.array([1.0, 4.0, 20.0])
    values = np.exp(-0.08 * times)[:, None, None, None] * np.random.Generator(np.random.Philox(key=2)).uniform(
        0.5, 2, WHERE.shape
    )
    series = series_of(values, times=times, name="Pb-212")
    return series, fit_regions(region_activity(series, halves()), "mono", relative_sd=0.05)


def test_daughters_in_place_follow_their_branching():
    series, curves = lead()
    maps = decay_maps(series, halves(), curves, daughters=InPlace())
    names, _, branching = chain_table("Pb-212")
    assert list(maps) == list(names)
    row = list(names).index
    parent = maps["Pb-212"].array
    np.testing.assert_allclose(maps["Bi-212"].array, parent * branching[row("Bi-212"), 0], rtol=1e-9)
    share = branching[row("Tl-208"), row("Bi-212")]
    np.testing.assert_allclose(maps["Tl-208"].array, share * maps["Bi-212"].array, rtol=1e-9)
    assert share == pytest.approx(0.3594, abs=0.001)
    np.testing.assert_allclose(maps["Tl-208"].array + maps["Po-212"].array, maps["Bi-212"].array, rtol=1e-6)


def test_free_daughters_move_and_none_is_lost():
    series, curves = lead()
    free = FreeDaughters(
        retained={("Pb-212", "Bi-212", "*"): 0.6},
        plasma_half_time_h={"Bi": 0.2, "Tl": 0.2, "Po": 0.2},
        uptake={e: {"a": 0.5} for e in ("Bi", "Tl", "Po")},
    )
    free = FreeDaughters(
        {**free.retained, ("Bi-212", "Tl-208", "*"): 1.0, ("Bi-212", "Po-212", "*"): 1.0},
        free.plasma_half_time_h,
        free.uptake,
    )
    still, moved = (decay_maps(series, halves(), curves, daughters=d) for d in (InPlace(), free))
    np.testing.assert_allclose(moved["Pb-212"].array, still["Pb-212"].array)
    inside = moved["Bi-212"].array.sum()
    outside = sum(of["Bi-212"] for of in moved.elsewhere.values())
    assert outside > 0
    assert inside + outside == pytest.approx(still["Bi-212"].array.sum(), rel=1e-6)
    assert moved.region_decays["a"]["Bi-212"] > moved.region_decays["a"]["Pb-212"] * 0.6
    assert moved.region_decays["b"]["Bi-212"] == pytest.approx(0.6 * moved.region_decays["b"]["Pb-212"], rel=1e-6)
    assert any("spread as the carrier is" in note for note in moved.notes)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "monoexp"}, "Did you mean mono"),
        ({"method": "mono", "rate_relative_sd": 0.0}, "above zero"),
        ({"curves": {}}, "fit the regions first"),
        ({"curves": {"c": Curve.from_terms([1.0], [0.01], nuclide="Lu-177")}}, "no region 'c'"),
        ({"curves": {"a": Curve.from_terms([1.0], [0.02], nuclide="Y-90")}}, "curves are of Y-90"),
        ({"labels": Labels({"a": np.zeros(WHERE.shape, bool)}, WHERE)}, "no voxel"),
    ],
)
def test_maps_that_cannot_be(change, message):
    good = {"labels": halves(), "curves": {"a": Curve.from_terms([1.0], [0.01], nuclide="Lu-177")}}
    with pytest.raises(AlphatwinError, match=message):
        decay_maps(series_of(noisy()), **{**good, **change})


def test_series_that_cannot_be():
    image = Image(np.ones(WHERE.shape), WHERE, "activity_concentration")
    with pytest.raises(ImageError, match="increase"):
        ActivitySeries((image, image), np.array([4.0, 4.0]), "Lu-177")
    with pytest.raises(ImageError, match="in pairs"):
        ActivitySeries((image,), np.array([4.0, 5.0]), "Lu-177")
    with pytest.raises(ImageError, match="Calibrate it first"):
        ActivitySeries((Image(np.ones(WHERE.shape), WHERE, "counts"),), np.array([4.0]), "Lu-177")
    other = Image(np.ones((2, 2, 2)), Grid((2, 2, 2), np.eye(4)), "activity_concentration")
    with pytest.raises(ImageError, match="another grid"):
        ActivitySeries((image, other), np.array([4.0, 5.0]), "Lu-177")
