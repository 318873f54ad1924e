"""Transforms, resampling and regions carried along."""

from __future__ import annotations

import datetime
import pathlib
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(pathlib.Path(__file__).parents[1]))
from alphatwin.errors import ImageError
from alphatwin.imaging import (
    Acquisition,
    Grid,
    Image,
    Labels,
    Registered,
    Registration,
    Study,
    TimePoint,
    Transform,
    carry_labels,
    register,
    register_study,
    resample,
)
from alphatwin.imaging.values import Boxes
from oracle import voxels as oracle

ZONE = datetime.UTC
GIVEN = datetime.datetime(2026, 3, 2, 8, tzinfo=ZONE)


def grid(shape=(8, 9, 10), mm=(4.0, 4.0, 4.0), corner=(0.0, 0.0, 0.0)):
    affine = np.diag([*mm[::-1], 1.0])
    affine[:3, 3] = corner
    return Grid(shape, affine)


def pose(shift=(0.0, 0.0, 0.0), degrees=(0.0, 0.0, 0.0), about=(0.0, 0.0, 0.0)):
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = z @ y @ x
    matrix[:3, 3] = np.array(about) - matrix[:3, :3] @ about + shift
    return matrix


def blob(where, middle, width):
    """A Gaussian of 1 at `middle`, mm."""
    z, y, x = np.indices(where.shape, dtype=float)
    places = np.stack([x, y, z], -1) @ where.affine[:3, :3].T + where.affine[:3, 3]
    return np.exp(-0.5 * np.sum((places - middle) ** 2, axis=-1) / width**2)


# --- look-up ---------------------------------------------------------------------------------------------------------


def test_look_up_agrees_with_plain_loops_on_oblique_flipped_and_anisotropic_grids():
    rng = np.random.Generator(np.random.Philox(key=1))
    turned = pose((3, -2, 5), (20, -10, 35))
    source_affine = turned @ np.diag([3.0, -4.0, 5.0, 1.0])
    target_affine = np.diag([-4.9, 5.0, 4.0, 1.0])
    target_affine[:3, 3] = [12, -14, 3]
    source = Grid((6, 7, 8), source_affine)
    target = Grid((5, 6, 4), target_affine)
    matrix = pose((1, 2, -3), (5, 4, 3))
    values = rng.random(source.shape)
    image = Image(values, source, "hu")
    # the kernel cuts voxels that are larger than the source's; one part a voxel is what the loops do
    from alphatwin.imaging import _warp
    from alphatwin.imaging.registration import _maps

    got = _warp.pull(
        values, np.array(target.shape), np.ones(3, np.int64), *_maps(source, target, Transform(matrix)), -1000.0
    )
    np.testing.assert_allclose(
        got, oracle.pulled(values, source_affine, target.shape, target_affine, matrix, -1000.0), atol=1e-9
    )
    assert resample(image, target, Transform(matrix)).array.shape == target.shape


def test_look_up_agrees_with_simpleitk():
    import SimpleITK as sitk

    from alphatwin.imaging._align import to_sitk

    rng = np.random.Generator(np.random.Philox(key=2))
    source, target = grid((9, 10, 11), (4, 3, 3), (5, 6, 7)), grid((8, 9, 10), (3, 3, 3), (8, 8, 10))
    values = rng.random(source.shape)
    matrix = pose((2, 1, -1), (3, -4, 6), (15, 15, 15))
    peer = sitk.AffineTransform(3)
    peer.SetMatrix(matrix[:3, :3].ravel().tolist())
    peer.SetTranslation(matrix[:3, 3].tolist())
    like = to_sitk(np.zeros(target.shape), target)
    theirs = sitk.GetArrayFromImage(sitk.Resample(to_sitk(values, source), like, peer, sitk.sitkLinear, 0.0))
    ours = resample(Image(values, source, "density"), target, Transform(matrix)).array
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_same_bits_for_any_number_of_threads():
    import numba

    image = Image(np.random.Generator(np.random.Philox(key=3)).random((12, 13, 14)), grid((12, 13, 14)), "decays")
    bits = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        try:
            bits.append(
                resample(image, grid((20, 20, 20), (3, 3, 3)), Transform(pose((1, 2, 3), (4, 5, 6)))).array.tobytes()
            )
        finally:
            numba.set_num_threads(before)
    assert bits[0] == bits[1]


@settings(max_examples=25, deadline=None)
@given(
    shift=st.tuples(*[st.floats(-6, 6)] * 3),
    degrees=st.tuples(*[st.floats(-15, 15)] * 3),
    mm=st.sampled_from([(3.0, 3.0, 3.0), (5.0, 4.0, 4.0), (8.0, 6.0, 6.0)]),
    quantity=st.sampled_from(["counts", "activity", "decays"]),
)
def test_amounts_are_conserved(shift, degrees, mm, quantity):
    source = grid((20, 20, 20))
    middle = np.array([38.0, 38.0, 38.0])
    image = Image(blob(source, middle, 6.0), source, quantity)
    sides = [int(110 / m) for m in mm]
    target = grid(tuple(sides), mm, (-12.0, -12.0, -12.0))
    moved = resample(image, target, Transform(pose(shift, degrees, middle)))
    assert moved.array.sum() == pytest.approx(image.array.sum(), rel=1e-6)  # what lies beyond 10 mm more than 5 sd
    assert any("taken out" in note for note in moved.notes)


def test_what_falls_outside_is_said_and_not_put_back():
    source = grid((20, 20, 20))
    image = Image(np.ones(source.shape), source, "counts")
    half = resample(image, grid((20, 20, 10)))
    assert half.array.sum() == pytest.approx(4000)
    assert any("50.00% lies outside" in note for note in half.notes)


def test_a_linear_map_of_amounts_takes_its_volume_into_account():
    """Stretched to double its width: the same decays in double the volume."""
    source = grid((16, 16, 16))
    image = Image(blob(source, (32, 32, 32), 6.0), source, "decays")
    matrix = np.diag([0.5, 1, 1, 1.0])
    wide = resample(image, grid((16, 16, 32)), Transform(matrix))
    assert wide.array.sum() == pytest.approx(image.array.sum(), rel=1e-6)
    assert wide.array.max() == pytest.approx(0.5, rel=0.02)
    concentration = resample(replace(image, quantity="activity_concentration"), grid((16, 16, 32)), Transform(matrix))
    assert concentration.array.max() == pytest.approx(1.0, rel=0.03)


def test_a_bent_map_keeps_amounts_and_turns_linear_when_its_field_is():
    source = grid((20, 20, 20))
    image = Image(blob(source, (38, 38, 38), 6.0), source, "decays")
    lattice = grid((11, 11, 11), (8, 8, 8))
    places = np.stack(np.meshgrid(*[np.arange(11) * 8.0] * 3, indexing="ij")[::-1], -1)
    field = np.zeros((11, 11, 11, 3))
    field[..., 0] = 0.1 * (places[..., 0] - 38)
    bent = Transform(np.eye(4), "bspline", field, lattice)
    straight = Transform(np.array([[1.1, 0, 0, -3.8], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    np.testing.assert_allclose(
        bent.points([[10.0, 20, 30], [50, 40, 30]]), straight.points([[10.0, 20, 30], [50, 40, 30]]), atol=1e-9
    )
    np.testing.assert_allclose(bent.jacobian(source), 1.1, rtol=1e-9)
    np.testing.assert_allclose(
        resample(image, source, bent).array, resample(image, source, straight).array, rtol=1e-9, atol=1e-12
    )
    waves = 3.0 * np.sin(places / 12.0)
    wavy = Transform(np.eye(4), "bspline", waves, lattice)
    assert resample(image, source, wavy).array.sum() == pytest.approx(image.array.sum(), rel=1e-6)
    rng = np.random.default_rng(1)
    there = rng.uniform(10, 65, (200, 3))
    away = wavy.inverse().points(wavy.points(there)) - there
    # linear between points h = 8 mm apart: h^2/8 times the curvature, f''/(1 - f')^3 with f'' = 3/144 per mm, f' = 1/4
    assert np.abs(away).max() < 8.0**2 / 8 * (3 / 144) / 0.75**3
    with pytest.raises(ImageError, match="folds"):
        replace(wavy, field_mm=8 * waves).inverse()


@settings(max_examples=15, deadline=None)
@given(shift=st.tuples(*[st.floats(-5, 5)] * 3), degrees=st.tuples(*[st.floats(-10, 10)] * 3))
def test_there_and_back(shift, degrees):
    """Two linear look-ups of a Gaussian of sd s on voxels of side h: each adds at most h^2/4 to the variance (at half a
    voxel), so the peak falls by no more than (1 + 2 h^2/(4 s^2))^(-3/2), and the middle does not move."""
    where, width, h = grid((24, 24, 24)), 12.0, 4.0
    middle = np.array([46.0, 46, 46])
    image = Image(blob(where, middle, width), where, "density")
    there = Transform(pose(shift, degrees, middle))
    back = resample(resample(image, where, there), where, there.inverse())
    lost = 1 - (1 + 2 * h**2 / (4 * width**2)) ** -1.5
    assert np.abs(back.array - image.array).max() <= lost + 1e-9
    inside = np.indices(where.shape).reshape(3, -1) @ back.array.ravel() / back.array.sum() * h
    np.testing.assert_allclose(inside, middle, atol=0.05)


def test_sigma_is_carried_and_scaled():
    where = grid()
    image = Image(np.full(where.shape, 8.0), where, "decays", sigma=np.full(where.shape, 2.0))
    fine = resample(image, grid((16, 18, 20), (2, 2, 2), (-1, -1, -1)))
    np.testing.assert_allclose(fine.sigma, 0.25 * fine.array)


def test_regions_keep_their_volume_on_coarse_and_fine_grids():
    fine = grid((40, 40, 40), (2, 2, 2))
    ball = blob(fine, (40, 40, 40), 1.0) > np.exp(-0.5 * 20**2)
    labels = Labels({"ball": ball}, fine)
    for mm in (1.5, 3.0, 5.0, 7.0):
        n = int(90 / mm)
        there = carry_labels(
            labels, grid((n, n, n), (mm, mm, mm), (-3, -3, -3)), Transform(pose((1, 2, 3), (10, 5, 2), (40, 40, 40)))
        )
        assert there.volume_mL("ball") == pytest.approx(
            labels.volume_mL("ball"), rel=0.01
        )  # 0.4 % is what cutting gives
        assert 0 <= there.masks["ball"].min() <= there.masks["ball"].max() <= 1


@pytest.mark.parametrize("kept", ["whole", "boxes"])
@pytest.mark.parametrize("turned", [False, True])
def test_regions_carried_from_their_boxes_are_those_carried_from_the_whole_grid(kept, turned):
    """The twin looks the whole mask up, voxel after voxel; regions at the edge of the grid and overlapping ones too."""
    rng = np.random.Generator(np.random.Philox(key=5))
    fine = grid((14, 16, 18), (1.5, 2.0, 2.0), (-3, -2, 1))
    masks = {name: np.zeros(fine.shape, np.float32) for name in ("inner", "edge", "dot")}
    masks["inner"][4:9, 5:11, 6:13] = rng.random((5, 6, 7))
    masks["edge"][10:, 12:, :5] = rng.random((4, 4, 5))
    masks["dot"][7, 8, 9] = 1
    labels = Labels(masks if kept == "whole" else Boxes.of(fine.shape, masks.items()), fine)
    coarse, parts = grid((6, 7, 8), (4.0, 5.0, 5.0), (-4, -3, -2)), (3, 3, 3)
    how = Transform(pose((1.0, -1.5, 0.5), (4.0, -3.0, 6.0) if turned else (0, 0, 0), (15, 15, 10)))
    there = carry_labels(labels, coarse, how)
    for name, mask in masks.items():
        want = oracle.carried(mask, fine.affine, coarse.shape, coarse.affine, how.matrix, parts)
        np.testing.assert_allclose(there.masks[name], want, atol=1e-6)
        assert there.volume_mL(name) == pytest.approx(float(want.sum()) * coarse.voxel_mL, rel=1e-6)


def test_a_bent_map_carries_boxes_as_it_carries_the_whole():
    fine, coarse = grid((20, 20, 20), (2, 2, 2)), grid((9, 9, 9), (5, 5, 5), (-2, -2, -2))
    ball = (blob(fine, (18, 20, 22), 5.0) > 0.4).astype(np.float32)
    lattice = grid((5, 5, 5), (10, 10, 10))
    bend = 3 * np.random.Generator(np.random.Philox(key=6)).standard_normal((5, 5, 5, 3))
    how = Transform(pose((2, 1, -1)), "bspline", bend, lattice)
    there = carry_labels(Labels({"ball": ball}, fine), coarse, how)
    # a density of the same numbers is pulled from the whole array
    whole = resample(Image(ball, fine, "density"), coarse, how).array
    np.testing.assert_allclose(there.masks["ball"], np.clip(whole, 0, 1), atol=1e-6)


def test_a_region_that_ends_up_elsewhere_leaves_nothing():
    labels = Labels(Boxes.of((8, 8, 8), [("all", np.ones((8, 8, 8), bool))]), grid((8, 8, 8)))
    gone = carry_labels(labels, grid((8, 8, 8)), Transform(pose((500, 0, 0))))
    assert not gone.masks["all"].any()
    assert any("became 0.0 mL" in note for note in gone.notes)


def test_a_region_cut_off_by_the_grid_is_said():
    labels = Labels({"all": np.ones((8, 8, 8), bool)}, grid((8, 8, 8)))
    assert "all: 32.8 mL became 16.4 mL on the new grid (-50.0%)." in carry_labels(labels, grid((4, 8, 8))).notes


# --- the search ------------------------------------------------------------------------------------------------------


def ct_like(where, to_body):
    """A body with organs, at places `to_body` takes a voxel to; edges a voxel wide."""
    z, y, x = np.indices(where.shape, dtype=float)
    places = np.stack([x, y, z], -1) @ where.affine[:3, :3].T + where.affine[:3, 3]
    p = to_body(places)

    def ellipsoid(middle, radii):
        depth = (1 - np.sqrt(np.sum(((p - middle) / radii) ** 2, -1))) * min(radii)
        return 1 / (1 + np.exp(-depth / 1.5))

    hu = -1000 + 1000 * ellipsoid((0, 0, 0), (100, 70, 150))
    hu += 60 * ellipsoid((-45, -10, 10), (35, 40, 35)) + 500 * ellipsoid((0, 45, 0), (14, 14, 150))
    return hu + 250 * ellipsoid((35, 10, -15), (18, 14, 28)) - 400 * ellipsoid((25, -35, 20), (20, 15, 18))


WHERE = grid((26, 40, 56), (4, 4, 4), (-110, -80, -50))


def noisy(values, seed, sd=15.0):
    return values + sd * np.random.Generator(np.random.Philox(key=seed)).standard_normal(values.shape)


@pytest.fixture(scope="module")
def pair():
    fixed = Image(noisy(ct_like(WHERE, lambda p: p), 1), WHERE, "hu", "CT")
    truth = pose((6.0, -4.0, 5.0), (2.0, -1.5, 3.0))
    back = np.linalg.inv(truth)
    moving = Image(noisy(ct_like(WHERE, lambda p: p @ back[:3, :3].T + back[:3, 3]), 2), WHERE, "hu", "CT")
    return moving, fixed, truth


@pytest.fixture(scope="module")
def found(pair):
    return register(pair[0], pair[1], seed=5)


def in_body():
    return np.random.Generator(np.random.Philox(key=9)).uniform([-70, -45, -45], [70, 45, 45], (300, 3))


def test_a_known_pose_is_found(pair, found):
    """Mutual information has artefacts of interpolation of about a tenth of a voxel (here 0.4 mm); noise of 15 HU at an edge of
    1000 HU over some 6 mm moves one voxel's edge by 0.1 mm and thousands of them by nothing. A quarter of a voxel is 1 mm."""
    places = in_body()
    away = np.linalg.norm(found.points(places) - (places @ pair[2][:3, :3].T + pair[2][:3, 3]), axis=1)
    assert away.max() < 1.0
    q = found.quality
    assert q.metric_after > q.metric_before
    assert q.correlation_after > 0.98 > q.correlation_before
    assert q.inverse_consistency_mm < 1.0  # two searches, each a quarter of a voxel off at most
    assert q.rotation_deg == pytest.approx(Transform(pair[2]).rotation_deg, abs=0.6)  # 1 mm at 100 mm
    assert not found.flags


def test_same_seed_same_bits(pair, found):
    again = register(pair[0], pair[1], seed=5, check_inverse=False)
    assert again.matrix.tobytes() == found.matrix.tobytes()


def test_an_affine_map_is_found():
    """A body 4 % wider: rigid motion cannot say so, an affine map can, within a quarter voxel at the skin (1 mm in 100)."""
    fixed = Image(noisy(ct_like(WHERE, lambda p: p), 1), WHERE, "hu", "CT")
    moving = Image(noisy(ct_like(WHERE, lambda p: p / [1.04, 1.0, 1.0]), 2), WHERE, "hu", "CT")
    affine = register(moving, fixed, "affine", check_inverse=False)
    assert affine.matrix[0, 0] == pytest.approx(1.04, abs=0.01)
    assert affine.quality.metric_after > register(moving, fixed, check_inverse=False).quality.metric_after


def test_a_bent_body_is_found():
    """A smooth shift along z (breathing, 8 mm at one side, none at the other): the B-spline finds most of it inside."""
    where = grid((18, 27, 37), (6, 6, 6), (-108, -78, -51))
    fixed = Image(noisy(ct_like(where, lambda p: p), 1), where, "hu", "CT")

    def bent(p):
        return p - np.stack([0 * p[..., 0], 0 * p[..., 0], 8 / (1 + np.exp(p[..., 0] / 40))], -1)

    moving = Image(noisy(ct_like(where, bent), 2), where, "hu", "CT")
    rigid = register(moving, fixed, check_inverse=False)
    spline = register(moving, fixed, "bspline", check_inverse=False, iterations=60)
    organs = np.array([[-45.0, -10, 10], [35, 10, -15], [25, -35, 20]])
    true = 8 / (1 + np.exp(organs[:, 0] / 40))
    miss = [np.abs(t.points(organs)[:, 2] - organs[:, 2] - true).max() for t in (rigid, spline)]
    assert miss[1] < miss[0]
    assert miss[1] < 2.0  # a third of a voxel; a rigid map leaves half of the 3.7 mm between the organs at best
    assert spline.quality.metric_after > rigid.quality.metric_after
    assert 0 < spline.quality.volume_change < 0.5


def test_limits_refuse_or_flag(pair):
    moving, fixed, _ = pair
    with pytest.raises(ImageError, match=r"refused\. The body moved 9 mm, above the limit of 2 mm"):
        register(moving, fixed, largest_shift_mm=2.0, check_inverse=False)
    flagged = register(moving, fixed, largest_rotation_deg=1.0, check_inverse=False, on_failure="flag")
    assert flagged.flags == ("The body turned 4 degrees, above the limit of 1.",)


def test_less_agreement_than_before_is_a_fault():
    from alphatwin.imaging._quality import Quality, faults

    assert "agree less" in faults(Quality(metric_before=1.0, metric_after=0.9), 100, 20, 5)[0]
    assert not faults(Quality(metric_before=1.0, metric_after=0.995), 100, 20, 5)


def test_the_patient_is_followed_and_not_the_table():
    """The patient lies elsewhere on a table that stays; looking at the whole image, the search is 3 mm off."""
    where = grid((50, 45, 50), (6, 6, 6), (-147, -120, -147))
    z, y, x = np.indices(where.shape, dtype=float)
    places = np.stack([x, y, z], -1) @ where.affine[:3, :3].T + where.affine[:3, 3]
    table = (np.abs(places[..., 1] - 118) < 8) & (np.abs(places[..., 0]) < 160)
    moved = np.array([15.0, -3.0, 20.0])
    images = [
        Image(noisy(np.where(table, 120.0, ct_like(where, lambda p, m=m: p - m)), 3 + k), where, "hu", "CT")
        for k, m in enumerate((np.zeros(3), moved))
    ]
    how = register(images[1], images[0], check_inverse=False)
    corners = np.array([[0.0, 0, 0], [60, 0, 0], [0, 40, 0], [0, 0, 90], [-60, -40, -90]])
    assert np.linalg.norm(how.points(corners) - corners - moved, axis=1).max() < 1.2  # a fifth of a voxel


def test_searches_side_by_side_have_the_bits_of_one_after_the_other(pair):
    """A study searches for all its time points at once; each is what `register` finds for the two images alone."""
    moving, fixed, _ = pair
    two = study_of(point(0, fixed), point(1, moving), point(2, moving))
    together = register_study(two)
    alone = register(moving, fixed)
    for k in (1, 2):
        assert np.array_equal(together.transforms[k].matrix, alone.matrix)
        assert together.transforms[k].quality.inverse_consistency_mm == alone.quality.inverse_consistency_mm


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "rigd"}, "Did you mean rigid"),
        ({"on_failure": "ignore"}, "refuse and flag"),
    ],
)
def test_wrong_words(pair, change, message):
    with pytest.raises(ImageError, match=message):
        register(pair[0], pair[1], **change)


def test_images_that_do_not_meet(pair):
    empty = Image(np.zeros(WHERE.shape), WHERE, "activity_concentration")
    with pytest.raises(ImageError, match="without activity"):
        register(empty, empty)


# --- a study ---------------------------------------------------------------------------------------------------------


def point(k, ct=None, labels=None, emission=None, frame=None):
    started = GIVEN + datetime.timedelta(hours=4 + 20 * k)
    acquisition = Acquisition(started=started, duration_s=1800, nuclide="Lu-177", decay_corrected_to="start")
    image = emission if emission is not None else np.ones(WHERE.shape, np.float32)
    return TimePoint(
        Image(image, WHERE, "activity_concentration", "NM", frame, acquisition),
        ct,
        labels,
    )


def study_of(*points):
    return Study(points, "Lu-177", 7400.0, GIVEN)


def test_a_study_is_registered_with_numbers_and_pictures(pair):
    moving, fixed, truth = pair
    back = np.linalg.inv(truth)
    organ = Labels({"organ": ct_like(WHERE, lambda p: p) > 100}, WHERE)
    moved = Labels({"organ": ct_like(WHERE, lambda p: p @ back[:3, :3].T + back[:3, 3]) > 100}, WHERE)
    study = study_of(point(0, fixed, organ), point(1, moving, moved))
    registered = register_study(study, check_inverse=False)
    q = registered.transforms[1].quality
    assert 1 - q.dice_after["organ"] < 0.5 * (1 - q.dice_before["organ"])  # what is left is the drawing on 4 mm voxels
    assert q.dice_after["body (CT)"] > q.dice_before["body (CT)"]
    assert registered.flags == ()
    drawn = registered.pictures(1)
    shapes = {drawn[name].shape for name in ("fixed", "before", "after", "emission", "checkerboard_after")}
    assert shapes == {(40, 56)}
    off = [np.abs(drawn["fixed"] - drawn[name]).mean() for name in ("before", "after")]
    assert off[1] < 0.5 * off[0]
    board = drawn["checkerboard_after"]
    assert ((board == drawn["fixed"]) | (board == drawn["after"])).all()
    assert len(registered.emissions()) == 2
    assert registered.labels().volume_mL("organ") == organ.volume_mL("organ")
    with pytest.raises(ImageError, match="no time point 7"):
        registered.pictures(7)


def test_a_given_registration_is_used_also_by_way_of_a_third_frame():
    a, b = pose((5, 0, 0)), pose((0, 7, 0), (0, 0, 10))
    study = study_of(point(0, frame="1.1"), point(1, frame="1.3"))
    given = (Registration(a, "1.1", "1.2", "rigid"), Registration(b, "1.3", "1.2", "rigid"))
    found = register_study(study, given=given).transforms[1]
    np.testing.assert_allclose(found.matrix, np.linalg.inv(b) @ a, atol=1e-12)
    assert found.kind == "given"
    assert found.quality.rotation_deg == pytest.approx(10)


def test_refusals_of_a_study_say_which_time_point(pair):
    study = study_of(point(0, pair[1]), point(1))
    with pytest.raises(ImageError, match=r"Time point 2 onto time point 1: The moving time point has no CT"):
        register_study(study)
    with pytest.raises(ImageError, match="no time point 4"):
        register_study(study, reference=4)
    with pytest.raises(ImageError, match="has no regions"):
        Registered(study, 0, (Transform.identity(),) * 2).labels()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Transform(np.diag([1, 1, -1, 1.0])), "keep the hand"),
        (lambda: Transform(np.ones((3, 3))), "4 x 4"),
        (lambda: Transform(np.eye(4), field_mm=np.zeros((2, 2, 2, 3))), "needs its lattice"),
        (lambda: Transform(np.eye(4), field_mm=np.zeros((2, 2, 2, 3)), lattice=grid((3, 2, 2))), "shape"),
    ],
)
def test_transforms_are_valid_from_birth(make, message):
    with pytest.raises(ImageError, match=message):
        make()
