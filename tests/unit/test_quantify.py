"""What quantification refuses, says, and leaves alone."""

import datetime
import math
from dataclasses import replace

import numpy as np
import pytest

from alphatwin.draws import Draws, OneAtATime
from alphatwin.errors import CatalogError, DomainError, FitError, ImageError
from alphatwin.imaging import Acquisition, Grid, Image, Labels, Study, TimePoint
from alphatwin.imaging import quantify as q
from alphatwin.imaging.activity import activity_series, region_activity
from alphatwin.kinetics.curves import Curve

ZONE = datetime.timezone(datetime.timedelta(hours=1))
GIVEN = datetime.datetime(2026, 3, 2, 9, tzinfo=ZONE)
GRID = Grid((4, 5, 6), np.diag([5.0, 5.0, 5.0, 1.0]))
KNOWN = Acquisition(started=GIVEN + datetime.timedelta(hours=24), duration_s=1800.0, nuclide="Lu-177",
                    decay_corrected_to="none")  # fmt: skip


def image(value=100.0, quantity="counts", **acquisition):
    return Image(np.full(GRID.shape, value), GRID, quantity, "NM", acquisition=replace(KNOWN, **acquisition))


def study(*images):
    return Study(tuple(TimePoint(i) for i in images), "Lu-177", 7400.0, GIVEN)


CALIBRATION = q.Calibration(9.0, 0.3, nuclide="Lu-177")


def test_counts_become_a_concentration_at_the_start():
    made = q.quantify(image(), CALIBRATION)
    decay = q.decay_factor("Lu-177", duration_s=1800)
    assert made.array == pytest.approx(np.full(GRID.shape, 100 / (9.0 * 1800 * 0.125) * decay), rel=1e-12)
    assert (made.quantity, made.acquisition.decay_corrected_to) == ("activity_concentration", "start")
    assert any("9 +- 0.3" in note for note in made.notes)


def test_moments_agree_with_each_other():
    """Start, middle and administration of one image differ by physical decay between them; a second pass changes nothing."""
    start, middle, given = (
        q.quantify(image(), CALIBRATION, to=to, administered_at=GIVEN) for to in ("start", "middle", "administration")
    )
    rate = math.log(2) / (6.647 * 24)
    assert middle.array[0, 0, 0] / start.array[0, 0, 0] == pytest.approx(math.exp(-rate * 0.25), rel=1e-6)
    assert given.array[0, 0, 0] / start.array[0, 0, 0] == pytest.approx(math.exp(rate * 24), rel=1e-3)
    assert middle.acquisition.started - start.acquisition.started == datetime.timedelta(minutes=15)
    again = q.quantify(start, to="start")
    assert np.array_equal(again.array, start.array)
    back = q.quantify(given, to="start", administered_at=GIVEN)
    assert back.array == pytest.approx(start.array, rel=1e-12)


def test_sigma_and_precision_go_along():
    given = replace(
        image().__class__(np.full(GRID.shape, 9.0, np.float32), GRID, "counts", acquisition=KNOWN),
        sigma=np.full(GRID.shape, 3.0, np.float32),
    )
    made = q.quantify(given, CALIBRATION)
    assert made.array.dtype == made.sigma.dtype == np.float32
    assert made.sigma / made.array == pytest.approx(np.full(GRID.shape, 1 / 3), rel=1e-6)


def test_a_calibration_of_a_daughter_gives_the_daughters_activity():
    given = image(nuclide="Ac-225")
    made = q.quantify(given, q.Calibration(9.0, 0.3, nuclide="213Bi"))
    plain = q.quantify(given, q.Calibration(9.0, 0.3))
    assert np.array_equal(made.array, plain.array)
    assert any("activity is that of Bi-213" in note for note in made.notes)
    with pytest.raises(ImageError, match="measured with Bi-212"):
        q.quantify(given, q.Calibration(9.0, 0.3, nuclide="Bi-212"))


@pytest.mark.parametrize(("given", "calibration", "options", "said"), [
    (image(), None, {}, r"no calibration.*cps_per_MBq"),
    (image(), q.Calibration(9.0, 0.3, nuclide="Tb-161"), {}, "measured with Tb-161"),
    (image(quantity="activity_concentration"), CALIBRATION, {}, "Leave it out"),
    (image(quantity="hu"), CALIBRATION, {}, "image of hu"),
    (image(duration_s=None), CALIBRATION, {}, "duration_s"),
    (image(nuclide=None), CALIBRATION, {}, "nuclide="),
    (image(), CALIBRATION, {"nuclide": "I-131"}, "One of them is wrong"),
    (image(decay_corrected_to=None), CALIBRATION, {}, "decay_corrected_to"),
    (image(), CALIBRATION, {"to": "injection"}, "Allowed: start, middle, administration"),
    (image(), CALIBRATION, {"to": "administration"}, "time of administration is not known"),
    (image(), CALIBRATION, {"to": "administration", "administered_at": datetime.datetime(2026, 3, 2, 9)}, "no zone"),
    (image(), CALIBRATION, {"to": "administration", "administered_at": GIVEN + datetime.timedelta(days=3)}, "before the administration"),
    (image(started=None), CALIBRATION, {"to": "administration", "administered_at": GIVEN}, "start of the acquisition"),
    (image(), q.Calibration(9.0, 0.3, dead_time=q.DeadTime("paralyzable", 0.5)), {}, "rate_cps"),
])  # fmt: skip
def test_what_is_missing_is_named(given, calibration, options, said):
    with pytest.raises(ImageError, match=said):
        q.quantify(given, calibration, **options)


def test_an_unknown_nuclide_is_the_catalogues_error():
    with pytest.raises(CatalogError, match="Lu-177"):
        q.quantify(image(nuclide="Lu-1777"), CALIBRATION)
    with pytest.raises(CatalogError):
        q.Calibration(9.0, 0.1, nuclide="Xx-9")


@pytest.mark.parametrize(("made", "said"), [
    (lambda: q.Calibration(9.0, -0.1), "sd is -0.1"),
    (lambda: q.Calibration(0.0, 0.1), "above zero"),
    (lambda: q.Calibration(math.nan, 0.1), "above zero"),
    (lambda: q.DeadTime("paralysable", 1.0), "Did you mean paralyzable"),
    (lambda: q.DeadTime("paralyzable", -1.0), "above zero"),
    (lambda: q.DeadTime("paralyzable", 1.0, largest_loss=1.5), "between 0 and 1"),
    (lambda: q.DeadTime("paralyzable", 1.0).true_rate_cps(368e3), "whatever the activity"),
    (lambda: q.DeadTime("nonparalyzable", 1.0).true_rate_cps(1.0e6), "whatever the activity"),
    (lambda: q.DeadTime("nonparalyzable", 1.0).true_rate_cps(6.0e5), "60% of the counts"),
    (lambda: q.DeadTime("nonparalyzable", 1.0).true_rate_cps(-1.0), "not negative"),
    (lambda: q.Calibration.from_phantom(0.0, 60.0, 100.0, 1.0), "counts is 0.0"),
    (lambda: q.decay_factor("Lu-177", duration_s=-1.0), "duration_s"),
    (lambda: q.decay_factor("Lu-177", duration_s=1.0, to="administration"), "start_h"),
    (lambda: q.decay_factor("Lu-177", duration_s=1.0, effective_half_life_h=0.0), "effective_half_life_h"),
    (lambda: q.RecoveryCurve(-1.0, 1.0, np.zeros((2, 2))), "b_mL"),
    (lambda: q.RecoveryCurve(1.0, 1.0, np.zeros((3, 3))), "2 x 2"),
    (lambda: q.RecoveryCurve(1.0, 1.0, np.array([[-0.1, 0.0], [0.0, 0.1]])), "negative variance"),
    (lambda: q.RecoveryCurve(1.0, 1.0, np.zeros((2, 2)), smallest_mL=2.0).at(1.0), "nothing is extrapolated"),
    (lambda: q.RegionCounts("k", [1, 2], [1, 2], [0.1, -0.1], 5.0), "noise_sd_MBq is negative at time 2"),
    (lambda: q.RegionCounts("k", [2, 1], [1, 2], [0.1, 0.1], 5.0), "increasing"),
    (lambda: q.RegionCounts("k", [1, 2], [1, math.nan], [0.1, 0.1], 5.0), "finite number"),
    (lambda: q.RegionCounts("k", [1, 2], [1, 2], [0.1, 0.1], 5.0, volume_sd_mL=-1.0), "volume_sd_mL"),
    (lambda: q.detection_limits(-1.0), "background"),
    (lambda: q.detection_limits(1.0, 0.0), "background_ratio"),
    (lambda: q.LowCounts(-1.0), "gross"),
    (lambda: q.LowCounts(1e9), "no low-count method"),
    (lambda: q.LowCounts(3.0, noise_factor=0.0), "noise_factor"),
    (lambda: q.LowCounts(3.0).posterior("cauchy"), "Allowed: flat, jeffreys"),
    (lambda: q.LowCounts(3.0, 1.0, censored=True).posterior(), "low_count_curve"),
    (lambda: q.LowCounts(3.0).posterior().interval(95), "between 0 and 1"),
    (lambda: q.photon_yield("Lu-177", (240, 200)), "lower to a higher"),
    (lambda: q.Surrogate("Pb-203", "Pb-212", -1.0, 1.0), "imaged_MBq"),
    (lambda: q.Surrogate("Pb-203", "Pb-212", 1.0, 1.0, largest_extrapolated=0.0), "share"),
])  # fmt: skip
def test_bad_numbers_are_refused_with_what_is_allowed(made, said):
    with pytest.raises(ImageError, match=said):
        made()


@pytest.mark.parametrize(("volumes", "recovery", "sd", "said"), [
    ([1, 2], [0.3, 0.5], None, "at least 3"),
    ([1], [0.3], 0.1, "at least 2"),
    ([1, 2, -3], [0.3, 0.5, 0.7], 0.1, "Sphere 3"),
    ([1, 2, 3], [30, 50, 70], 0.1, "not percent"),
    ([2, 2, 2], [0.3, 0.5, 0.7], 0.1, "one volume"),
    ([1, 2, 3], [0.3, 0.5, 0.7], 0.0, "sd must be above zero"),
    ([1, 10, 100], [0.9, 0.5, 0.1], 0.01, "must rise"),
])  # fmt: skip
def test_spheres_that_make_no_curve(volumes, recovery, sd, said):
    with pytest.raises(FitError, match=said):
        q.fit_recovery(volumes, recovery, sd)


def test_scatter_gives_the_covariance_where_no_sd_is_given():
    volumes, found = [0.5, 1.2, 2.6, 5.6, 11.5, 26.5], [0.14, 0.24, 0.37, 0.53, 0.67, 0.80]
    free, stated = q.fit_recovery(volumes, found), q.fit_recovery(volumes, found, sd=0.02)
    assert (free.b_mL, free.c) == (pytest.approx(stated.b_mL, rel=1e-5), pytest.approx(stated.c, rel=1e-5))
    left = np.asarray(found) - free(volumes)
    assert free.covariance == pytest.approx(stated.covariance * float(left @ left) / 4 / 0.02**2, rel=1e-5)


def test_a_total_that_cannot_be_is_remarked_on_and_not_scaled():
    volume = GRID.voxel_mL * 120
    plausible = 0.5 * 7400 / volume
    said = {}
    for value in (plausible, 3 * plausible, 1e-3 * plausible):
        given = image(
            value, "activity_concentration", decay_corrected_to="start", administered_MBq=7400.0, administered_at=GIVEN
        )
        made = q.quantify(given)
        assert np.array_equal(made.array, given.array)
        said[value] = [note for note in made.notes if "Nothing was scaled" in note]
    assert [len(s) for s in said.values()] == [0, 1, 1]
    assert "1.66 times" in said[3 * plausible][0]
    with pytest.raises(ImageError, match="activity concentration"):
        q.check_total(image(), 7400.0, GIVEN)


def test_a_study_names_the_time_point_and_keeps_what_has_no_calibration():
    second = image(started=GIVEN + datetime.timedelta(hours=48))
    given = study(image(), second)
    given = replace(given, points=(replace(given.points[0], windows={"113keV": image()}), given.points[1]))
    made = q.quantify_study(given, CALIBRATION)
    assert made.points[0].windows["113keV"].quantity == "counts"
    both = q.quantify_study(given, {"main": CALIBRATION, "113keV": q.Calibration(4.5, 0.1)})
    assert both.points[0].windows["113keV"].array == pytest.approx(2 * both.points[0].emission.array)
    with pytest.raises(ImageError, match=r"Time point 1: .*no calibration"):
        q.quantify_study(given)
    with pytest.raises(ImageError, match="Did you mean 113keV"):
        q.quantify_study(given, {"113kev": CALIBRATION})
    with pytest.raises(ImageError, match="1 rates"):
        q.quantify_study(given, CALIBRATION, rates_cps=(1e4,))
    camera = q.Calibration(9.0, 0.3, dead_time=q.DeadTime("nonparalyzable", 1.0, sd_us=0.1))
    slow = q.quantify_study(given, camera, rates_cps=(1e5, 0.0))
    assert slow.points[0].emission.array == pytest.approx(made.points[0].emission.array / 0.9, rel=1e-12)
    assert slow.points[1].emission.array == pytest.approx(made.points[1].emission.array)


def test_counts_among_images_in_MBq_per_mL_get_the_calibration_and_the_others_keep_theirs():
    """The same activity twice: once as counts, once as the concentration that they are worth."""
    worth = CALIBRATION.MBq_per_mL_per_count(1800.0, GRID.voxel_mL)
    later = {"started": GIVEN + datetime.timedelta(hours=48)}
    given = study(image(), image(100.0 * worth, "activity_concentration", **later))
    made = q.quantify_study(given, CALIBRATION)
    first, second = (p.emission for p in made.points)
    assert second.array == pytest.approx(first.array, rel=1e-12)
    assert second.sigma is None
    assert any("keeps its own calibration" in n for n in second.notes)
    assert not any("keeps its own calibration" in n for n in first.notes)
    with pytest.raises(ImageError, match=r"Time point 1: .*no calibration"):
        q.quantify_study(given)
    with pytest.raises(ImageError, match=r"Time point 1: .*already"):  # of use for no image: a slip
        q.quantify_study(study(second, replace(second, acquisition=replace(second.acquisition, **later))), CALIBRATION)


def test_a_case_with_counts_and_MBq_per_mL_knows_the_noise_of_both():
    from types import SimpleNamespace

    from alphatwin.run._images_activity import calibrated

    worth = CALIBRATION.MBq_per_mL_per_count(1800.0, GRID.voxel_mL)
    given = study(image(), image(100.0 * worth, "activity_concentration", started=GIVEN + datetime.timedelta(hours=48)))
    case = SimpleNamespace(calibration=SimpleNamespace(cps_per_MBq=9.0, sd=0.03, nuclide="Lu-177", source=""))
    first, second = (p.emission for p in calibrated(case, given).points)
    # Poisson: 10 of 100 counts; decay of half an hour within the scan is 0.1 %
    assert first.sigma / first.array == pytest.approx(np.full(GRID.shape, 0.1), rel=2e-3)
    assert second.sigma / second.array == pytest.approx(np.full(GRID.shape, 0.1), rel=2e-3)


def test_sums_inside_an_outline_and_their_noise():
    done = q.quantify_study(study(image(100.0)), CALIBRATION)
    share = np.zeros(GRID.shape, np.float32)
    share[1:3, 1:3, 1:3], share[0, 1, 1] = 1.0, 0.5
    per_count = q.decay_factor("Lu-177", duration_s=1800, to="middle") / (9.0 * 1800)
    activity = region_activity(activity_series(done), [Labels({"k": share}, GRID)])
    region = q.region_counts(activity, "k", volume_sd_mL=0.1)
    assert region.measured_MBq == pytest.approx([850 * per_count])
    assert region.noise_sd_MBq == pytest.approx([math.sqrt(825) * per_count])
    assert (region.volume_mL, region.times_h[0]) == (pytest.approx(8.5 * 0.125), 24.25)
    assert q.region_counts(activity, "k", noise_factor=4.0).noise_sd_MBq == pytest.approx(2 * region.noise_sd_MBq)
    assert q.region_counts(activity, "k", relative_noise=0.1).noise_sd_MBq == pytest.approx([85 * per_count])
    with pytest.raises(CatalogError, match="kidney"):
        q.region_counts(activity, "kidney")
    silent = replace(activity, noise_sd_MBq=activity.noise_sd_MBq * math.nan)
    with pytest.raises(ImageError, match="relative_noise"):
        q.region_counts(silent, "k")


def test_scores_of_zero_give_the_point_estimate_and_the_same_seed_the_same_bits():
    region = q.RegionCounts("k", [4, 24, 96], [50, 40, 15], [1, 1, 1], 14.0, 2.0, 12.0)
    curve = q.RecoveryCurve(6.0, 0.9, np.diag([0.09, 0.001]))
    one = q.activity_samples(region, CALIBRATION, curve, draws=Draws(1))
    assert one.activity_MBq[0] == pytest.approx(one.nominal_MBq, rel=1e-12)
    first, second = (
        q.activity_samples(region, CALIBRATION, curve, draws=Draws(50, seed=9)).activity_MBq for _ in range(2)
    )
    assert np.array_equal(first, second)
    names = ("calibration", "volume k")
    alone = q.activity_samples(region, CALIBRATION, curve, draws=OneAtATime.of(names))
    assert alone.activity_MBq[1] / alone.nominal_MBq == pytest.approx(np.full(3, 1 + 0.3 / 9), rel=2e-3)
    assert np.ptp(alone.activity_MBq[3] / alone.nominal_MBq) < 1e-12


def test_a_region_beyond_the_spheres_is_told_of():
    curve = q.RecoveryCurve(6.0, 0.9, np.zeros((2, 2)), 0.5, 26.5)
    notes = [
        q.activity_samples(q.RegionCounts("k", [4], [50], [1], v, 0.0, 12.0), 0.05, curve, draws=Draws(1)).notes
        for v in (20.0, 240.0)
    ]
    assert (len(notes[0]), len(notes[1])) == (1, 2)
    assert f"{q.sphere_recovery(240.0, 12.0):.3f}" in notes[1][1]
    assert "flat, long or hollow" in notes[0][0]


def test_regions_share_the_calibration_and_not_their_volumes():
    draws = Draws(2000, seed=3)
    a, b = (
        q.activity_samples(q.RegionCounts(n, [24], [50], [0], 14.0, 2.0), 0.05, draws=draws).activity_MBq[:, 0]
        for n in "ab"
    )
    no_volume = [
        q.activity_samples(q.RegionCounts(n, [24], [50], [0], 14.0), 0.05, draws=draws).activity_MBq[:, 0] for n in "ab"
    ]
    assert np.array_equal(*no_volume)
    share = 0.05**2 / (0.05**2 + (0.5 * 2 / 14) ** 2)
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(share, abs=0.08)  # 1/sqrt(2000) = 0.022


def test_points_at_background_go_to_the_low_count_curve():
    draws = Draws(1)
    region = q.RegionCounts("k", [4, 24, 96], [50, 4, -1], [3, 3, 3], 14.0)
    made = q.activity_samples(region, 0.05, draws=draws)
    assert made.nominal_MBq[2] == -1.0
    with pytest.raises(ImageError, match="low_count_curve"):
        q.fit_samples(made, nuclide="Lu-177", draws=draws)


def test_low_counts_say_whether_something_was_seen():
    seen = q.LowCounts(30, 40, 4)
    assert (seen.detected, seen.net, seen.net_sd) == (True, 20.0, pytest.approx(math.sqrt(32.5)))
    assert not q.LowCounts(12, 40, 4).detected
    assert q.LowCounts(6, 40, 4).net == -4.0
    low, high = q.LowCounts(6, 40, 4).posterior().interval(0.9)
    assert 0 < low < high < 8
    rough = q.LowCounts(60, 80, 4, noise_factor=2.0)
    assert rough.posterior().mean == pytest.approx(2 * seen.posterior().mean)
    assert rough.posterior().sd == pytest.approx(2 * seen.posterior().sd)
    assert q.LowCounts(0).net_sd == 1.0
    assert q.LowCounts(0, 0.0, math.inf).posterior().mean == 1.0


def test_low_count_curves_are_refused_without_their_parts_and_repeat():
    counts = [q.LowCounts(9, 20, 4), q.LowCounts(5, 20, 4, censored=True)]
    shape = Curve.from_terms([1.0], [0.01], nuclide="Ac-225")
    made = [
        q.low_count_curve([24, 96], counts, [10, 10], nuclide="Ac-225", draws=Draws(50), shape=shape, factor=0.5)
        for _ in range(2)
    ]
    assert np.array_equal(made[0].amplitudes_MBq, made[1].amplitudes_MBq)
    whole = q.low_count_curve([24, 96], counts, [10, 10], nuclide="Ac-225", draws=Draws(50), shape=shape)
    assert made[0].amplitudes_MBq == pytest.approx(0.5 * whole.amplitudes_MBq)
    assert (whole.amplitudes_MBq > 0).all()
    with pytest.raises(ImageError, match="each time needs one"):
        q.low_count_curve([24], counts, [10, 10], nuclide="Ac-225", draws=Draws(1))
    with pytest.raises(ImageError, match="counts_per_MBq above zero"):
        q.low_count_curve([24, 96], counts, [10, 0], nuclide="Ac-225", draws=Draws(1))
    with pytest.raises(ImageError, match="translate it to Ac-225"):
        q.low_count_curve(
            [24, 96],
            counts,
            [10, 10],
            nuclide="Ac-225",
            draws=Draws(1),
            shape=Curve.from_terms([1.0], [0.01], nuclide="Lu-177"),
        )


def two(**changes):
    asked = {
        "windows": ("a", "b"),
        "nuclides": ("Fr-221", "Bi-213"),
        "cps_per_MBq": [[5.0, 1.0], [0.0, 7.0]],
        "sd": 0.05,
    }
    return q.WindowResponse(**{**asked, **changes})


@pytest.mark.parametrize(("changes", "said"), [
    ({"cps_per_MBq": [[5.0, 1.0]]}, "shape"),
    ({"cps_per_MBq": [[5.0, -1.0], [0.0, 7.0]]}, "from 0"),
    ({"nuclides": ("Fr-221", "221Fr")}, "named twice"),
    ({"windows": ("a",), "cps_per_MBq": [[5.0, 1.0]]}, "cannot tell 2 nuclides"),
    ({"cps_per_MBq": [[5.0, 10.0], [1.0, 2.0]]}, "same proportion"),
    ({"cps_per_MBq": [[0.0, 10.0], [0.0, 2.0]]}, "anything of Fr-221"),
    ({"sd": -0.1}, "not negative"),
    ({"sd": np.ones((3, 2))}, "each entry"),
])  # fmt: skip
def test_windows_that_cannot_tell_are_refused(changes, said):
    with pytest.raises(ImageError, match=said):
        two(**changes)


def test_unmixing_keeps_what_is_negative_and_says_so():
    draws = Draws(1)
    seen = q.unmix([10.0, 700.0], two(sd=0.0), duration_s=10.0, draws=draws, where="kidney")
    assert seen.of("221Fr")[0] < 0
    assert any("not clipped" in note for note in seen.notes)
    with pytest.raises(ImageError, match="is not seen"):
        seen.ratio("Bi-213", "Fr-221")
    with pytest.raises(CatalogError, match="Tl-209"):
        seen.of("Tl-209")
    for counts, options, said in (
        ([1.0], {}, "a, b"),
        ([1.0, math.nan], {}, "finite"),
        ([1.0, 2.0], {"counts_sd": [1.0, 0.0]}, "above zero"),
    ):
        with pytest.raises(ImageError, match=said):
            q.unmix(counts, two(), duration_s=10.0, draws=draws, **options)
    with pytest.raises(ImageError, match="duration_s"):
        q.unmix([1.0, 2.0], two(), duration_s=0.0, draws=draws)


def test_a_third_window_is_used_and_a_response_needs_its_lines():
    three = q.WindowResponse(("a", "b", "c"), ("Fr-221", "Bi-213"), [[5.0, 1.0], [0.0, 7.0], [0.0, 7.0]], 0.0)
    draws = Draws(1)
    twice = q.unmix([60.0, 70.0, 70.0], three, duration_s=10.0, draws=draws)
    once = q.unmix([60.0, 70.0], two(sd=0.0), duration_s=10.0, draws=draws)
    assert twice.activity_MBq == pytest.approx(once.activity_MBq)
    assert twice.of("Bi-213")[1] == pytest.approx(once.of("Bi-213")[1] / math.sqrt(2), rel=1e-6)
    windows = {"218keV": (196, 240), "440keV": (396, 484)}
    with pytest.raises(ImageError, match="No efficiency"):
        q.WindowResponse.from_yields(windows, ["Fr-221"], {"218keV": 1.0}, relative_sd=0.1)
    with pytest.raises(ImageError, match="Ac-225 emits fewer"):
        q.WindowResponse.from_yields({"440keV": (430, 450)}, ["Ac-225"], {"440keV": 1.0}, relative_sd=0.1)
    with pytest.raises(CatalogError, match="440keV"):
        q.WindowResponse.from_yields(
            windows, ["Bi-213"], dict.fromkeys(windows, 1.0), relative_sd=0.1, scatter={("440kev", "Bi-213"): 0.1}
        )
    assert two().cross_talk("a", "213Bi") == pytest.approx(1 / 7)


def test_there_is_no_equilibrium_with_what_lives_longer():
    with pytest.raises(DomainError, match="no equilibrium"):
        q.equilibrium_ratio("Ac-225", "Ra-225", "Ra-225") if False else q.equilibrium_ratio(
            "Pb-210", "Ra-222", "Ra-222"
        )
    with pytest.raises(CatalogError, match="chain of Ac-225"):
        q.equilibrium_ratio("Pb-212", "Ac-225", "Ac-225")


def test_a_surrogate_that_was_imaged_too_briefly_is_refused():
    curve = Curve.from_terms([20.0], [0.7], nuclide="Ga-68")
    way = q.Surrogate("68Ga", "177Lu", 150.0, 7400.0)
    with pytest.raises(ImageError, match="allow_extrapolation"):
        way.transfer(curve, last_image_h=1.0, region="kidneys")
    with pytest.raises(ImageError, match="last_image_h"):
        way.transfer(curve)
    with pytest.raises(ImageError, match="translates Ga-68"):
        way.transfer(Curve.from_terms([20.0], [0.06], nuclide="Cu-64"), last_image_h=1.0)
    allowed = replace(way, allow_extrapolation=True).transfer(curve, last_image_h=1.0, region="kidneys")
    assert any("lies after the last image of Ga-68 (1 h), more than is taken unasked" in note for note in allowed.notes)
    assert any("same uptake" in note for note in allowed.notes)


def test_samples_of_a_surrogate_that_would_grow_are_refused():
    curve = Curve.from_terms([20.0], [0.7], nuclide="Ga-68")
    samples = q.CurveSamples(
        "k", curve, np.full((2, 1), 20.0), np.array([[0.7], [0.6]]), 1.0, {}, 0.0, np.ones(2), 1.0, 0.0
    )
    with pytest.raises(ImageError, match="in 1 samples"):
        q.Surrogate("Ga-68", "Lu-177", 150.0, 7400.0, allow_extrapolation=True).transfer_samples(
            samples, draws=Draws(2), last_image_h=1.0
        )


def test_uptake_ratios_are_cited_and_misses_are_suggestions():
    ratio = q.uptake_ratio("ga68-ha-dotatate", "lu177-ha-dotatate", "tumour")
    assert (ratio.value, ratio.source) == (1.43, "siebinga2023predicting")
    assert not ratio.verified  # which ligand is over which was not read
    curve = Curve.from_terms([10.0], [0.7], nuclide="Ga-68")
    way = q.Surrogate("Ga-68", "Lu-177", 100.0, 7400.0, allow_extrapolation=True)
    assert any("not verified" in n for n in way.transfer(curve, last_image_h=1.0, ratio=ratio).notes)
    with pytest.raises(CatalogError, match="kidneys"):
        q.uptake_ratio("ga68-ha-dotatate", "lu177-ha-dotatate", "kidney")


# --- points at zero ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_a_point_at_zero_does_not_rule_the_fit(known):
    """A blank late image of a region that held 2000 counts: with counts known it weighs as what the curve expects there, at least one
    count; without, by the share that a fitted value is uncertain by. Taken as exact it would pull the integral down by a third."""
    t = np.array([4.0, 24.0, 96.0, 168.0])
    true = 20 * np.exp(-0.03 * t)
    count = 0.01 if known else math.nan
    measured = np.where(t > 100, 0.0, true)
    region = q.RegionCounts("liver", t, measured, np.sqrt(0.01 * measured) * known, 1000.0, count_MBq=np.full(4, count))
    assert (region.noise_sd_MBq[-1] == 0.01) if known else (region.noise_sd_MBq == 0).all()
    drawn = q.activity_samples(region, 0.03, draws=Draws(1))
    made = q.fit_samples(drawn, nuclide="Lu-177", draws=Draws(1), model="mono", extra_relative_sd=0.1)
    assert made.curve.time_integrated_activity_MBq_h == pytest.approx(20 / 0.03, rel=0.12)
    weight = made.curve.weights
    assert weight[-1] < 1 / (0.1 * made.curve.activity_MBq(t)[-1]) ** 2 * (1 + 1e-6)
    assert any("No activity at 168 h" in n for n in made.notes)


def test_weights_are_those_of_the_fitted_values():
    """Two points from the curve by the same share up and down: equally uncertain, so that neither wins."""
    t = np.array([4.0, 24.0, 96.0])
    region = q.RegionCounts("r", t, 100 * np.exp(-0.02 * t) * [1.0, 0.7, 1.3], np.zeros(3), 10.0)
    made = q.fit_samples(
        q.activity_samples(region, 0.0, draws=Draws(1)),
        nuclide="Lu-177",
        draws=Draws(1),
        model="mono",
        extra_relative_sd=0.1,
    )
    fitted = made.curve.activity_MBq(t)
    assert made.curve.weights * fitted**2 == pytest.approx(np.full(3, 100.0), rel=0.05)  # what two repetitions leave
