"""A case of images: the transfer of activity by blur, recovery by own shape, and energy over mass."""

import itertools
import math

import numpy as np
import pytest

from alphatwin.imaging.quantify import sphere_recovery
from alphatwin.imaging.values import Grid, Image, Labels
from alphatwin.run._images_activity import REST, _through, _transfer
from alphatwin.run._images_body import body_of, rest_of

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
