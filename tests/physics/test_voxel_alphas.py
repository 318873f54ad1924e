"""Alphas in voxels below 0.5 mm, by convolution and Monte Carlo, and which estimator photons take."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import alphatwin as at
from alphatwin.errors import DomainError
from alphatwin.physics import RADIATIONS
from alphatwin.run.maps import _mean_error
from alphatwin.transport import _mc_histories as mc
from alphatwin.transport import voxel_dose as room

METHODS = ("convolution", "monte_carlo")
WATER = at.medium("water")


def dose_of(amount, density, edge, nuclide, method, media="water", **more):
    if method == "monte_carlo":
        more = {"batch_histories": 40_000, "max_batches": 2, "uncertainty": 0.0005} | more
    return at.voxel_dose(amount, density, edge, nuclide, method=method, media=media, **more)


def stay(energy, edge_mm):
    """Part of an alpha's energy that stays in the cube it starts in.

    A straight way x < a from an even source in a cube of edge a, in all directions alike, ends inside with the chance
    1 - (3/2) y + (2/pi) y^2 - y^3/(4 pi), y = x/a (the mean of prod(1 - |w_i| y), with <|w_i|> = 1/2,
    <|w_i w_j|> = 2/(3 pi), <|w_1 w_2 w_3|> = 1/(4 pi)); energy goes where the stopping power lays it down.
    """
    track = WATER.csda_range_um("alpha", energy)
    x = np.linspace(0, track, 4001)
    left = WATER.energy_after("alpha", np.clip(track - x, 0, None))
    y = 0.5 * (x[1:] + x[:-1]) / (1e3 * edge_mm)
    chance = 1 - 1.5 * y + 2 / math.pi * y**2 - y**3 / (4 * math.pi)
    return float((chance * -np.diff(left)).sum() / energy)


@pytest.mark.parametrize("method", METHODS)
def test_alphas_of_one_voxel_keep_their_energy_and_leave_as_the_cube_lets_them(method):
    edge, decays = 0.2, 1e6
    amount = np.zeros((3, 3, 3))
    amount[1, 1, 1] = decays
    dose = dose_of(amount, np.ones(amount.shape), edge, "Po-213", method).sel(radiation="alpha", nuclide="Po-213")
    per_gray = (edge / 10) ** 3 * 1e-3 / 1.602176634e-13 / decays  # MeV per decay
    lines = at.nuclide("Po-213").emissions("alpha")
    e, y = lines["energy_MeV"].to_numpy(), lines["yield_per_decay"].to_numpy()
    assert float(dose.sum()) * per_gray == pytest.approx(float(e @ y), rel=2e-4)  # range 85 um: all of it in the grid
    expected = sum(a * b * stay(a, edge) for a, b in zip(e, y, strict=True))
    # pairs of histories in strata do better than 1/sqrt(n) of the spread, some 0.3 of the energy
    assert float(dose[1, 1, 1]) * per_gray == pytest.approx(expected, abs=4 * 0.3 * e.max() / math.sqrt(80_000))
    assert dose.to_numpy()[1, 1, 1] < float(e @ y) / per_gray


@pytest.mark.parametrize("method", METHODS)
def test_even_activity_gives_the_local_dose_a_range_from_the_faces(method):
    """Charged-particle equilibrium: as much comes in as goes out."""
    amount, density = np.full((9, 9, 9), 1e5), np.ones((9, 9, 9))
    dose = dose_of(amount, density, 0.06, "At-211", method).sel(radiation="alpha", nuclide="At-211")
    per_decay = at.nuclide("At-211").energy_MeV("alpha") * 1.602176634e-13
    local = 1e5 * per_decay / (0.006**3 * 1e-3)
    inner = dose[2:-2, 2:-2, 2:-2]  # 0.12 mm; the range is 0.06 mm
    u = math.sqrt(float((inner["uncertainty"] ** 2).sum())) / inner.size
    assert float(inner.mean()) == pytest.approx(local, abs=4 * u + 2e-3 * local)
    assert float(dose[0, 0, 0]) < 0.7 * local


def test_fano_theorem_holds_for_alphas():
    """Decays per mass alike everywhere: the dose is even, whatever the densities of the voxels (Fano 1954)."""
    rng = np.random.default_rng(4)
    density = rng.choice([0.3, 1.0, 1.9], size=(12, 12, 12))
    dose = dose_of(density * 1e5, density, 0.1, "Po-212", "monte_carlo").sel(radiation="alpha", nuclide="Po-212")
    even = 1e5 * at.nuclide("Po-212").energy_MeV("alpha") * 1.602176634e-13 / (0.01**3 * 1e-3)
    inner = dose[4:-4, 4:-4, 4:-4]  # 0.4 mm; the range is 0.09 mm in water, 0.3 mm at 0.3 g/cm3
    z = (inner - even) / inner["uncertainty"]
    assert float((z**2).mean()) == pytest.approx(1.0, abs=4 * math.sqrt(2 / 64))
    assert float(z.mean()) == pytest.approx(0.0, abs=4 / 8)


@pytest.mark.slow
def test_convolution_is_the_sum_of_voxel_s_values_and_agrees_with_the_monte_carlo():
    edge, shape = 0.05, (5, 6, 7)
    rng = np.random.default_rng(1)
    amount = np.where(rng.random(shape) < 0.3, rng.random(shape), 0.0) * 1e6
    s = at.voxel_s_values("Bi-213", edge, 13, histories=400_000).sel(nuclide="Bi-213")
    fast = dose_of(amount, np.ones(shape), edge, "Bi-213", "convolution").sel(nuclide="Bi-213")
    true = dose_of(amount, np.ones(shape), edge, "Bi-213", "monte_carlo").sel(nuclide="Bi-213")
    slow, kernel = np.zeros(shape), s.sel(radiation="alpha").to_numpy()
    for place in np.argwhere(amount > 0):
        at_ = [6 + np.arange(n) - p for n, p in zip(shape, place, strict=True)]
        slow += amount[tuple(place)] * kernel[np.ix_(*at_)]
    ours = fast.sel(radiation="alpha")
    # two kernels of 400 000 histories each, 48 voxels to a value: under 1 % of the largest dose
    assert ours.to_numpy() == pytest.approx(slow, abs=0.01 * slow.max())
    spread = np.hypot(true.sel(radiation="alpha")["uncertainty"].to_numpy(), 0.005 * slow.max())
    z = (true.sel(radiation="alpha").to_numpy() - ours.to_numpy()) / spread
    assert float(np.abs(z).max()) < 4.5
    assert float(true.sel(radiation="recoil").sum()) == pytest.approx(float(fast.sel(radiation="recoil").sum()))


def test_large_voxels_keep_alphas_and_local_refuses_small_ones():
    amount, ones = np.zeros((3, 3, 3)), np.ones((3, 3, 3))
    amount[1, 1, 1] = 1e6
    for method in METHODS:
        dose = dose_of(amount, ones, 0.5, "At-211", method).sel(radiation="alpha")
        assert int((dose > 0).sum()) == 1
    with pytest.raises(DomainError, match=r"At-211 emits alphas, and voxel_mm is 0.4.*'convolution' or 'monte_carlo'"):
        at.voxel_dose(amount, ones, 0.4, "At-211", method="local")
    assert float(at.voxel_dose(amount, ones, 0.4, "Lu-177", method="local").sum()) > 0


@pytest.mark.parametrize("margin", [0, 6])
@pytest.mark.parametrize(("nuclide", "edge", "mode"), [("Lu-177", 3.0, mc.TRACKS), ("Y-86", 1.0, mc.ANALOGUE)])
def test_air_round_a_body_does_not_change_the_estimator_of_photons(margin, nuclide, edge, mode):
    """Compton electrons of 208 keV go 0.2 mm, those of 1 MeV and more several: short and long against the voxel."""
    body = np.pad(np.full((6, 6, 6), 1.03), margin, constant_values=0.0012)
    grid = room._checked({nuclide: (body > 0.5) * 1e6}, body, edge, None, None)
    materials = [at.medium(n) for n in grid.names]
    (made,) = [s for s in room._streams(grid, materials, 1e-3) if s.radiation == "photon"]
    assert np.median(body) < 0.01 or margin == 0
    assert made.electrons == mode
    if margin and mode == mc.TRACKS:  # the median of the whole grid would be that of air
        assert 0.25 * edge / 10 * np.median(body) < 1e-4


def test_error_of_a_regions_mean_allows_for_alphas_that_cross_voxels():
    """Means over repeated seeds spread by no more than the upper estimate (16 seeds know a spread to 18 %)."""
    edge, shape = 0.02, (8, 8, 8)
    amount, density, region = np.full(shape, 1e4), np.ones(shape), np.zeros(shape, dtype=bool)
    region[2:6, 2:6, 2:6] = True
    maps = SimpleNamespace(grid=SimpleNamespace(voxel_mm=(edge,) * 3), media_used=("water",), density=density)
    means, errors = [], []
    for seed in range(16):
        more = {"batch_histories": 1000, "max_batches": 3, "seed": seed}
        found = dose_of(amount, density, edge, "Po-213", "monte_carlo", **more).sel(radiation=["alpha"])
        whole = found.reindex(radiation=list(RADIATIONS), fill_value=0.0)
        spread = np.nan_to_num(whole["uncertainty"].to_numpy())
        means.append(float(found.to_numpy()[region].mean()))
        errors.append(_mean_error(maps, whole, spread[region], region))
    assert np.std(means, ddof=1) < 1.5 * np.mean(errors)
    assert np.std(means, ddof=1) > 0.1 * np.mean(errors)
