"""A case of images: the transfer of activity by blur, recovery by own shape, and energy over mass."""

import itertools
import math

import numpy as np
import pytest

from alphatwin.draws import Draws
from alphatwin.imaging.quantify import sphere_recovery
from alphatwin.imaging.values import Grid, Image, Labels
from alphatwin.run._images_activity import REST, _through, _transfer
from alphatwin.run._images_body import body_name, body_of, covered_by, cut_regions, edge_of, rest_of

FWHM = 2 * math.sqrt(2 * math.log(2))


def two_boxes(n=14):
    shares = {"a": np.zeros((n, n, n), np.float32), "b": np.zeros((n, n, n), np.float32)}
    shares["a"][4:7, 4:8, 4:7] = 1
    shares["a"][7, 4:8, 4:7] = 0.5
    shares["b"][4:9, 4:9, 8:10] = 1
    body = np.zeros((n, n, n), np.float32)
    body[2:12, 2:12, 2:12] = 1
    shares[REST] = rest_of(body, [shares["a"], shares["b"]])
    return shares


def test_transfer_against_pairs_of_voxels():
    """T[r, s] by a sum over all pairs of voxels with the Gaussian of their distance, normalised as a sampled kernel is."""
    shares, mm, width = two_boxes(), (4.0, 5.0, 6.0), 12.0
    grid = Grid((14, 14, 14), np.diag([mm[2], mm[1], mm[0], 1.0]))
    found = _transfer(shares, grid, width)
    kernels = []
    for edge in mm:
        sigma = width / FWHM / edge
        reach = int(5.0 * sigma + 0.5)
        k = np.arange(-reach, reach + 1)
        weights = np.exp(-(k**2) / (2 * sigma**2))
        kernels.append(dict(zip(k.tolist(), (weights / weights.sum()).tolist(), strict=True)))
    for r, s in itertools.product(("a", "b"), shares):
        total = 0.0
        targets = np.argwhere(shares[r] > 0)
        for z, y, x in np.argwhere(shares[s] > 0):
            for i, j, k in targets:
                weight = kernels[0].get(i - z, 0.0) * kernels[1].get(j - y, 0.0) * kernels[2].get(k - x, 0.0)
                total += weight * float(shares[r][i, j, k]) * float(shares[s][z, y, x])
        assert found[list(shares).index(r), list(shares).index(s)] == pytest.approx(
            total / float(shares[s].sum()), rel=1e-5
        )


def test_transfer_gives_back_what_was_put_in():
    """Blurred activities, summed in the outlines, come back by the inverse; a plain sum does not."""
    from scipy.ndimage import gaussian_filter

    shares, width = two_boxes(), 10.0
    grid = Grid((14, 14, 14), np.diag([5.0, 5.0, 5.0, 1.0]))
    true = np.array([7.0, 2.0, 11.0])
    image = sum(a * s.astype(float) / s.sum(dtype=float) for a, s in zip(true, shares.values(), strict=True))
    blurred = gaussian_filter(image, width / FWHM / 5.0, mode="constant", truncate=5.0)
    inside = np.array([float((shares[n] * blurred).sum()) for n in ("a", "b")])
    measured = np.array([*inside, blurred.sum() - inside.sum()])
    transfer = _transfer(shares, grid, width)
    # float32 shares: 1e-6 each, and the inverse enlarges it by its condition, about 10
    assert np.linalg.solve(transfer, measured) == pytest.approx(true, rel=1e-4)
    assert abs(measured[0] / true[0] - 1) > 0.1


def test_sphere_has_the_recovery_of_the_closed_form():
    """A sphere on a fine grid: the diagonal is the closed form of a uniform sphere in a cold surrounding."""
    n, edge, radius, width = 56, 1.0, 15.0, 12.0
    z, y, x = (np.indices((n, n, n)) - (n - 1) / 2) * edge
    ball = ((x**2 + y**2 + z**2) <= radius**2).astype(np.float32)
    shares = {"ball": ball, REST: (1 - ball).astype(np.float32)}
    found = _transfer(shares, Grid((n, n, n), np.diag([edge, edge, edge, 1.0])), width)[0, 0]
    volume = float(ball.sum()) * edge**3 / 1000
    # voxels make the surface rough by a part of an edge: a shell of 0.1 mm of 15 holds 2 % of the volume
    assert found == pytest.approx(sphere_recovery(volume, width), rel=0.01)


@pytest.mark.parametrize(("edge", "width", "bound"), [(4, 8, 0.01), (5, 7, 0.02), (5, 5, 0.02), (8, 8, 0.02)])
def test_transfer_on_voxels_as_wide_as_the_blur(edge, width, bound):
    """A sphere blurred on parts of 1 mm and then averaged over voxels, summed with the shares of the voxels.

    Where it lies against the voxels moves the sum itself by 1.6 % at most: the bound is the next whole per cent. Gaussians
    sampled at the voxels' centres are 7 % off where the width is one voxel.
    """
    from scipy.ndimage import gaussian_filter

    radius = 2 * width if width == edge else 1.5 * width
    n = int(4 * radius / edge) + 4
    for place in ((0, 0, 0), (2, 1, 3)):
        at = np.indices((n * edge,) * 3) - (n * edge - 1) / 2 - np.reshape(place, (3, 1, 1, 1))
        ball = (np.sum(at**2, axis=0) <= radius**2).astype(np.float32)
        spread = gaussian_filter(ball, width / FWHM, mode="constant", truncate=6)
        share, seen = (a.reshape(n, edge, n, edge, n, edge).mean(axis=(1, 3, 5)) for a in (ball, spread))
        shares = {"ball": share, REST: (1 - share).astype(np.float32)}
        found = _transfer(shares, Grid((n, n, n), np.diag([edge, edge, edge, 1.0])), float(width))[0, 0]
        assert found == pytest.approx(float((share * seen).sum() / share.sum()), rel=bound)


def test_the_curve_goes_through_the_region():
    """Recovery, its uncertainty, and the steepness of a sphere of the same volume."""
    curve = _through(40.0, 0.62, -0.03, 12.0)
    assert curve.at(40.0) == pytest.approx(0.62, rel=1e-12)
    assert curve.sd(40.0) == pytest.approx(0.03, rel=1e-9)
    v, step = 40.0, 1e-3
    ends = [sphere_recovery(v * (1 + s), 12.0) for s in (-step, step)]
    slope = (math.log(ends[1] / (1 - ends[1])) - math.log(ends[0] / (1 - ends[0]))) / math.log((1 + step) / (1 - step))
    assert curve.c == pytest.approx(slope, rel=2e-3)  # second differences over 5 %


def test_body_from_the_ct_has_no_holes_and_no_couch():
    """The largest piece above -300 HU, filled; a thin couch beside it is not body."""
    hu = np.full((3, 20, 20), -1000.0)
    hu[:, 3:13, 4:16] = 40.0
    hu[:, 6:9, 7:10] = -800.0  # lung
    hu[:, 16, 2:18] = 100.0  # couch
    grid = Grid((3, 20, 20), np.eye(4))
    body = body_of(Image(hu, grid, "hu", "CT"), Labels({}, grid), grid)
    assert body.sum() == 3 * 10 * 12
    outlined = np.zeros((3, 20, 20), bool)
    outlined[:, 5:10, 5:10] = True
    assert body_of(Image(hu, grid, "hu", "CT"), Labels({"body": outlined}, grid), grid).sum() == 75


def test_noise_below_zero_adds_no_dose():
    """A region of which a fifth of the voxels come out below zero: local dose times mass is the energy of its curve's decays."""
    from types import SimpleNamespace

    from alphatwin.imaging.activity import ActivitySeries
    from alphatwin.kinetics import Curve, InPlace, chain_kinetics
    from alphatwin.physics.nuclides import nuclide
    from alphatwin.run._images_dose import voxel_doses
    from alphatwin.run.images import _maps

    shape, times = (6, 8, 10), np.array([4.0, 24.0, 96.0])
    grid = Grid(shape, np.diag([4.0, 4.0, 4.0, 1.0]))
    rng = np.random.Generator(np.random.Philox(key=21))
    values = np.exp(-0.015 * times)[:, None, None, None] * (1 + 2 * rng.standard_normal((3, *shape)))
    series = ActivitySeries(tuple(Image(v, grid, "activity_concentration", "NM") for v in values), times, "Lu-177")
    shares = {"all": np.ones(shape, np.float32)}
    curve = Curve.from_terms([500.0], [0.015], nuclide="Lu-177")
    case = SimpleNamespace(
        fit=SimpleNamespace(voxels="shape"), method=SimpleNamespace(name="local"), options=SimpleNamespace(seed=1)
    )
    found = SimpleNamespace(curves={"all": SimpleNamespace(curve=curve)})
    chains = SimpleNamespace(nominal=chain_kinetics({"all": curve.exponentials()}, "Lu-177", InPlace()))
    maps = _maps(case, series, Labels(dict(shares), grid), found, chains)
    assert maps.below_zero["all"] > 0.1
    curves = {"all": SimpleNamespace(curve=curve, sd=0.0)}
    doses = voxel_doses(
        case, maps, np.ones(shape), {"water": np.ones(shape, bool)}, grid, shares, curves, lambda _: None, {"all": 0.0}
    )
    joule = float(doses.total.sum()) * grid.voxel_mL * 1e-3
    emitted = 500.0 / 0.015 * 3.6e9 * nuclide("Lu-177").energy_MeV("electron") * 1.602176634e-13
    assert joule == pytest.approx(emitted, rel=1e-6)


def test_a_voxel_that_came_out_below_zero_is_not_known_exactly():
    """Its dose comes from its neighbours; its own noise is at least as large, and is told as all of it."""
    from types import SimpleNamespace

    from alphatwin.run._images_dose import _sd

    decays, sigma, total = np.array([[[0.0, 4.0, 0.0]]]), np.array([[[1.0, 1.0, 0.0]]]), np.array([[[2.0, 2.0, 2.0]]])
    grid = Grid((1, 1, 3), np.eye(4))
    maps = {"Lu-177": Image(decays, grid, "decays", sigma=sigma)}
    found = {"uncertainty": SimpleNamespace(values=np.zeros((1, 1, 3, 1, 1)))}
    made = _sd(maps, found, total, {"all": np.ones((1, 1, 3), np.float32)}, {"all": 0.0})
    assert made == pytest.approx(np.array([[[2.0, 0.5, 0.0]]]))


# --- what lies outside, and what an edge cuts ------------------------------------------------------------------------


def column(n=60, edge=4.0):
    """A column along z with a hot region in its middle, and a CT that ends at `n` / 2 of it; the image shows all."""
    body = np.zeros((n, 16, 16), np.float32)
    body[:, 4:12, 4:12] = 1
    hot = np.zeros_like(body)
    hot[n // 2 - 5 : n // 2 + 5, 6:10, 6:10] = 1
    return body, hot, Grid(body.shape, np.diag([edge, edge, edge, 1.0]))


@pytest.mark.parametrize("below", [1.0, 0.0])
def test_a_ct_that_ends_in_the_body_leaves_the_rest_what_is_its_own(below):
    """A column cut through its hot region: activity of both parts within the CT comes back, whether the patient goes on beyond or not."""
    from types import SimpleNamespace

    from scipy.ndimage import gaussian_filter

    from alphatwin.imaging.activity import ActivitySeries
    from alphatwin.run._images_activity import Outlined, corrected

    body, hot, grid = column()
    goes_on = np.where(np.arange(60)[:, None, None] >= 30, 1.0, below)
    true = (1.0 * (body - hot) + 9.0 * hot) * goes_on
    width, voxel = 12.0, grid.voxel_mL
    seen = gaussian_filter(true, width / FWHM / 4.0, mode="constant", truncate=5.0)
    covered = (np.arange(60)[:, None, None] >= 30) * np.ones_like(body)
    known = {"hot": hot * covered}
    edge = edge_of(body * covered, covered, known, REST, grid, width)
    assert set(edge.zones) == {"hot beyond the CT", f"{REST} beyond the CT"}
    shares = {**known, REST: rest_of(body * covered, list(known.values()))}
    labels = Labels({"hot": known["hot"], **edge.masks}, grid)
    image = Image(seen, grid, "activity_concentration", "NM")
    series = ActivitySeries((image,), np.array([24.0]), "Lu-177")
    case = SimpleNamespace(
        recovery=SimpleNamespace(fwhm_mm=width, fwhm_sd=0.0, spheres=None), registration=SimpleNamespace(sd=0.0),
        calibration=SimpleNamespace(sd=0.0), low_counts=SimpleNamespace(noise_factor=1.0),
    )  # fmt: skip
    found = Outlined(("hot",), [labels], shares, grid, {"hot": 0.0}, False, edge)
    made = corrected(case, found, series, Draws(1, 1))
    hot_MBq, rest_MBq = 9.0 * 5 * 16 * voxel, (30 * 64 - 5 * 16) * voxel
    # uniform beyond the edge for one width, where the body in truth goes on: what that leaves out is a sixth of the exchange
    # through one face, 0.4 of a standard deviation of 5.1 mm, of a part 20 mm long: 2 %; and one of the body, 120 mm long
    assert made.samples[0].nominal_MBq[0] == pytest.approx(hot_MBq, rel=0.03)
    assert made.samples[1].nominal_MBq[0] == pytest.approx(rest_MBq, rel=0.03)
    outside = [n for n in made.notes if "outside" in n]
    assert len(outside) == (1 if below else 0)
    if below:
        assert outside[0].startswith("Much of the activity lies outside")


def test_nothing_lies_outside_where_the_ct_shows_all():
    """No body known, a body that fills the image, and a CT larger than the image."""
    body, hot, grid = column()
    ones = np.ones_like(body)
    assert edge_of(ones, ones, {"hot": hot}, REST, grid, 12.0) is None
    assert edge_of(0 * ones, ones, {"hot": hot}, REST, grid, 12.0) is None
    far = edge_of(body, ones, {"hot": hot}, REST, grid, 2.0)
    assert far.zones == {}
    assert float((far.far * (body + hot)).sum()) == 0
    larger = Grid((70, 20, 20), np.array([[4.0, 0, 0, -8], [0, 4.0, 0, -8], [0, 0, 4.0, -20], [0, 0, 0, 1]]))
    assert covered_by(larger, grid).min() == 1
    assert covered_by(None, grid).min() == 1
    half = Grid((15, 32, 32), np.array([[4.0, 0, 0, -8], [0, 4.0, 0, -8], [0, 0, 4.0, 2.0], [0, 0, 0, 1]]))
    assert covered_by(half, grid)[:, 5, 5].tolist() == [0.5, *[1.0] * 14, 0.5, *[0.0] * 44]


def test_regions_that_an_edge_cuts_are_named():
    body, hot, grid = column()
    top = np.zeros_like(hot)
    top[50:] = hot[25:35]
    image = Labels({"hot": hot, "top": top}, grid)
    whole = np.zeros((80, 16, 16), np.float32)
    whole[50:70] = top[55]  # 20 slices, of which the image holds 10
    drawn = Labels({"hot": np.pad(hot, ((0, 20), (0, 0), (0, 0))), "top": whole}, Grid(whole.shape, grid.affine))
    ones = np.ones_like(body)
    shares = {"hot": hot, "top": top}
    found = cut_regions(drawn, [image, image], [4.0, 24.0], ones, shares)
    assert found == {"top": "cut by the edge of the image, which holds 50 % of it"}
    moved = Labels({"hot": hot, "top": hot}, grid)
    found = cut_regions(drawn, [image, moved], [4.0, 24.0], ones, shares)
    assert found == {"top": "cut by the edge of the image at 4 h, which holds 50 % of it"}
    covered = (np.arange(60)[:, None, None] < 30) * ones
    assert cut_regions(image, [image], [4.0], covered, {"hot": hot}) == {"hot": "cut by the edge of the CT"}


@pytest.mark.parametrize("name", ["BODY", "External", "body ", "EXTERNAL"])
def test_the_outline_of_the_patient_is_known_in_any_spelling(name):
    from alphatwin.imaging.activity import region_shares

    outlined = np.zeros((3, 20, 20), bool)
    outlined[:, 5:10, 5:10] = True
    labels = Labels({name: outlined, "liver": outlined}, Grid((3, 20, 20), np.eye(4)))
    assert body_of(None, labels, labels.grid).sum() == 75
    assert list(region_shares(labels)) == ["liver", "remainder"]
    assert body_name(["x", "external", name]).strip().casefold() == ("body" if "b" in name.casefold() else "external")


def test_the_maps_have_no_dose_in_air_and_say_what_was_there():
    from types import SimpleNamespace

    from alphatwin.run._images_dose import Effects, VoxelDoses, within_body

    grid = Grid((1, 1, 4), np.diag([10.0, 10.0, 10.0, 1.0]))
    share = np.array([[[1.0, 0.6, 0.4, 0.0]]], np.float32)
    density, dose = np.array([[[1.0, 0.7, 0.4, 0.001]]]), np.array([[[2.0, 2.0, 2.0, 7.0]]])
    doses = VoxelDoses(SimpleNamespace(), dose, dose, dose, dose, False)
    made, effects, told = within_body(doses, Effects(dose, dose, {}), density, grid, {"a": 0 * share, REST: share})
    for values in (made.total, made.low_let, made.high_let, made.sd, effects.bed, effects.eqd2):
        assert values.tolist() == [[[2.0, 2.0, 0.0, 0.0]]]
    # 2 Gy x 0.4 g + 7 Gy x 0.001 g of 2 (1 + 0.7 + 0.4) + 0.007 mJ
    assert "0.00081 J, 19 % of all energy" in told[0]
    assert "up to 7 Gy" in told[0]
    assert within_body(doses, None, density, grid, {REST: np.ones_like(share)})[2] == ()


def test_truth_of_nothing_is_no_traceback():
    """A region without activity, found or true: bounds are numbers, and a deviation from nothing is not told."""
    from types import SimpleNamespace

    from alphatwin.run._images_truth import _activities, _share

    found = SimpleNamespace(
        regions=("a",), times_h=np.array([4.0, 24.0]), activity_MBq=np.array([[0.0, 0.0]]), sd_MBq=np.array([[0.0, 0.1]]),
        limit_MBq=np.array([[np.nan, 0.3]]), below=np.array([[False, True]]),
    )  # fmt: skip
    rows = _activities("a", found, [2.0, 0.0], "activity", 0.03)
    assert all(math.isfinite(r.bound) for r in rows)
    assert _share(0.0, 0.0) == 1.0


def test_lesions_are_tumours_by_their_name():
    from alphatwin.run._images_daughters import organs_of

    names = ("Lesion_liver", "TUMOUR", "tumor left", "metastasis-3", "tumour_2", "node", "kidney_left", "melanoma")
    found = organs_of(names, {"melanoma": "other"}, {"node"})
    assert list(found.values()) == ["tumour"] * 4 + ["tumour_2", "tumour", "kidney_left", "other"]


def test_a_total_in_MBq_per_mL_is_compared_with_what_was_given():
    """Four times what was given is told, as it is for counts; and an image that holds it is not."""
    import datetime

    from alphatwin.imaging.values import Acquisition, Study, TimePoint
    from alphatwin.run.images import _plausible

    began = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)
    grid = Grid((10, 10, 10), np.diag([10.0, 10.0, 10.0, 1.0]))
    made = Acquisition(began, 600.0, None, decay_corrected_to="start")
    points = tuple(
        TimePoint(Image(np.full(grid.shape, v), grid, "activity_concentration", "NM", acquisition=made))
        for v in (0.4, 0.1)
    )
    told = _plausible(Study(points, "Lu-177", 100.0, began))
    assert len(told) == 1
    assert told[0].startswith("Time point 1: The image holds 400 MBq, 4.00 times what was given")
