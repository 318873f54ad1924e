"""The Monte Carlo again: fluorescence, bremsstrahlung, alphas, sources, interfaces, error bars, other energies."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import alphatwin as at
from alphatwin.physics.matter import medium
from alphatwin.physics.nuclides import nuclide
from alphatwin.transport import _mc_histories as mc
from alphatwin.transport import _mc_tables as tables
from alphatwin.transport._mc_electrons import radiated_energy
from alphatwin.transport._mc_relaxation import relaxation, scaled_cross_section

WATER = medium("water")


def water_tables(**steps):
    return tables.stack_media([tables.medium_tables(WATER, **steps)])


# --- fluorescence and bremsstrahlung ---------------------------------------------------------------------------------


def exponential_integral(order, x):
    from scipy.special import expn

    return expn(order, x)


@pytest.mark.parametrize(("z", "energy"), [(20, 0.006), (53, 0.04)])
def test_fluorescence_escapes_from_a_slab_as_in_closed_form(z, energy):
    """A slab of calcium or iodine that only absorbs, isotropic photons born evenly in it.

    Absorbed at depth z: a(z) = 1 - (E2(mu z) + E2(mu (L - z)))/2; a K photon of attenuation m set free there escapes with the
    chance (E2(m z) + E2(m (L - z)))/2. L lines of iodine (4 keV) are absorbed at once but for a skin, in both pictures.
    Tolerance: four standard errors, and 2 % for lines met at the tables' resolution of 1 % in energy beside the edge.
    """
    grid = tables.energies_MeV()
    photo = tables._element(z).photoelectric(np.clip(grid, 1e-3, None)) * 0.602214 / {20: 40.08, 53: 126.9}[z]
    vacancy, cascade, fluorescence = relaxation(grid, {z: np.ones_like(grid)})
    rows = np.zeros((tables.POINTS, tables.PHOTON_COLUMNS))
    rows[:, tables.MU], rows[:, tables.PHOTO] = photo, 1.0
    rows[:, tables.TRANSFER] = photo * (1 - fluorescence / grid)
    made = dataclasses.replace(tables.medium_tables(WATER), photon=rows, vacancy=vacancy, cascade=cascade)

    def mu(e):
        at = np.log(e / grid[0]) / tables.LOG_STEP
        return float(np.interp(at, np.arange(tables.POINTS), photo))

    thick = 1.5 / mu(energy)
    world = mc.grid_world(
        np.ones((1, 1, 1)), np.zeros((1, 1, 1), dtype=np.int8), (thick, 1e4, 1e4), tables.stack_media([made])
    )
    sums = mc.run_batch(world, mc.source([0], [energy], [1.0]), histories=100_000, seed=4, stream=1, electrons=mc.KERMA)
    assert sums.mean().sum() == pytest.approx(energy, rel=1e-11)
    depth = (np.arange(4000) + 0.5) / 4000 * thick

    def leaves(m):
        return 0.5 * (exponential_integral(2, m * depth) + exponential_integral(2, m * (thick - depth)))

    i = int(np.log(energy / grid[0]) / tables.LOG_STEP)
    escaped = energy * float(leaves(mu(energy)).mean())
    absorbed = 1 - leaves(mu(energy))
    steps = cascade[0, 1:].reshape(-1, 3)
    for chance, line in zip(np.diff(steps[:, 0], prepend=0.0), steps[:, 1], strict=True):
        if line > 0:
            escaped += vacancy[i, 0] * chance * line * float((absorbed * leaves(mu(line))).mean())
    if z == 53:  # L photons of the vacancies that are left, straight from the surface layers: under 0.3 % of the energy
        assert sums.mean()[-2] == pytest.approx(escaped, rel=0.01)
    else:
        assert sums.mean()[-2] == pytest.approx(escaped, rel=0.005)
    assert vacancy[i, 0] * float(np.sum(np.diff(steps[:, 0], prepend=0.0) * steps[:, 1])) > 0.09 * energy * (z == 53)


def test_fluorescence_yields_are_those_of_the_tables_of_the_medium():
    """Bone: what photons carry off after absorption, against mu_en/mu's own K correction; and none in water above 1 keV."""
    bone = medium("bone-cortical")
    grid = tables.energies_MeV()
    made = tables.medium_tables(bone)
    for energy in (0.006, 0.02, 0.1):
        i = int(np.argmin(np.abs(grid - energy)))
        e = float(grid[i])
        kept = 1 - bone.radiation_yield(e)
        # bone.mass_energy_absorption takes off bremsstrahlung too, under 0.1 % here
        assert made.photon[i, tables.TRANSFER] * kept == pytest.approx(bone.mass_energy_absorption(e), rel=2e-3)
    assert tables.medium_tables(WATER).vacancy.max() == 0


# k dsigma/dk beta^2/Z^2 in mb of oxygen at y = k/E: Seltzer and Berger (At Data Nucl Data Tables 35:345, 1986)
SELTZER_BERGER = {
    0.1: {0.1: 9.957, 0.3: 7.036, 0.5: 5.146, 0.7: 3.780, 0.9: 2.572},
    1.0: {0.1: 10.688, 0.3: 6.361, 0.5: 4.106, 0.7: 2.486, 0.9: 1.198},
    0.05: {0.1: 9.850, 0.3: 7.505, 0.5: 5.896, 0.7: 4.678, 0.9: 3.677},
}


@pytest.mark.parametrize("energy", SELTZER_BERGER)
def test_bremsstrahlung_shape_against_seltzer_and_berger(energy):
    """Shape alone, since ESTAR's stopping power sets the size: 10 %, the uncertainty that they state below 2 MeV."""
    y = np.array(list(SELTZER_BERGER[energy]))
    theirs = np.array(list(SELTZER_BERGER[energy].values()))
    ours = scaled_cross_section(8.0, energy, y)
    ratio = ours / theirs
    assert ratio / ratio.mean() == pytest.approx(np.ones(5), abs=0.10)


def test_radiated_energies_follow_their_shape():
    shape = tables.brems_shape(WATER)[75]
    key = np.array([1, 1, 1, 0])
    low, energy = 0.02, 1.0
    draws = np.array([radiated_energy(energy, low, shape, key) for _ in range(40_000)])
    y = np.linspace(low, 1, 20_001)
    chi = np.interp(y, np.linspace(0, 1, len(shape)), shape)
    mean = np.trapezoid(chi, y) / np.trapezoid(chi / y, y)
    assert draws.mean() == pytest.approx(mean, abs=4 * draws.std() / 200)
    assert draws.min() >= low * (1 - 1e-12)
    assert draws.max() <= energy


# --- alphas in small voxels ------------------------------------------------------------------------------------------


def test_alphas_in_small_voxels_keep_their_energy_and_geometry():
    """Self dose of a voxel of 40 um: straight tracks in a cube, by the cube's own isotropic covariance."""
    s = at.voxel_s_values("Po-213", 0.04, 7, histories=20_000).sel(radiation="alpha", nuclide="Po-213")
    to_mev = (0.04e-3) ** 3 * 1e3 / 1.602176634e-13
    assert float(s.sum()) * to_mev == pytest.approx(nuclide("Po-213").energy_MeV("alpha"), rel=1e-3)  # range 85 um
    lines = nuclide("Po-213").emissions("alpha")
    top = float(lines["energy_MeV"].max())
    track = WATER.csda_range_um("alpha", top)
    x = (np.arange(4000) + 0.5) * track / 4000
    stopping = np.diff(
        np.concatenate([[top], WATER.energy_after("alpha", np.maximum(track - np.arange(1, 4001) * track / 4000, 0))])
    )
    rng = np.random.default_rng(np.random.Philox(key=2))
    way = rng.normal(size=(4000, 3))
    way = np.abs(way / np.linalg.norm(way, axis=1, keepdims=True))
    stay = np.prod(np.maximum(1 - way[:, None, :] * x[None, :, None] / 40, 0), axis=2)
    expected = float((stay * -stopping).sum(axis=1).mean())
    spread = float((stay * -stopping).sum(axis=1).std()) / math.sqrt(4000)
    own = s.sel(x=0, y=0, z=0)
    u = float(own["uncertainty"]) * to_mev
    assert float(own) * to_mev == pytest.approx(expected, abs=4 * math.hypot(u, spread))
    assert float(s.max()) == float(own)


def test_alphas_are_local_in_large_voxels_either_way():
    found = []
    for edge in (0.499, 0.501):
        s = at.voxel_s_values("At-211", edge, 3, histories=4000).sel(radiation="alpha")
        found.append(float(s[1, 1, 1, 0]) * edge**3)
    # mean path 50 um: 3/2 of a quarter of it over the edge leave, 7 % or less
    assert 0.9 * found[1] < found[0] < found[1]


# --- sources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [(0.0, 1.0), (1.0, 1.0), (0.6, 1.0)])
def test_spheres_and_shells_of_activity(source):
    """Energy inside 1 mm, from a sphere, a surface and a shell, against the point kernel and sampled geometry."""
    kernel = at.dose_point_kernel("electron", 0.5, radius_mm=2.2, shells=200, histories=20_000)
    direct = at.dose_point_kernel("electron", 0.5, radius_mm=1.0, shells=10, source_mm=source, histories=40_000, seed=2)
    rng = np.random.default_rng(np.random.Philox(key=8))
    n = 200_000
    inner, outer = source
    start = np.cbrt(inner**3 + rng.uniform(size=n) * (outer**3 - inner**3))
    within = np.concatenate([[0.0], kernel["energy_within"].values])
    edges = np.concatenate([[0.0], kernel["outer_mm"].values])
    step = np.interp(rng.uniform(size=n), within, edges)  # beyond 2.2 mm: the last edge, outside either way
    end = np.sqrt(start**2 + step**2 + 2 * start * step * rng.uniform(-1, 1, size=n))
    expected = float(np.mean((end <= 1.0) & (step < 2.2)))
    assert float(direct["energy_within"][-1]) == pytest.approx(expected, abs=0.004)
    assert direct.attrs["source_mm"] == source


# --- interfaces ------------------------------------------------------------------------------------------------------


def slabs(energy, mode, histories=200_000):
    """Dose per layer of 3 mm: soft tissue, lung, soft tissue, bone, soft tissue; photons from the first layers."""
    names = ["soft-tissue", "lung", "bone-cortical"]
    layer = np.repeat([0, 1, 0, 2, 0], 5)
    rho = np.array([1.03, 0.26, 1.85])[layer]
    kinds = np.broadcast_to(layer[:, None, None], (25, 1, 1)).astype(np.int8)
    density = np.broadcast_to(rho[:, None, None], (25, 1, 1)).copy()
    world = mc.grid_world(
        density, kinds, (0.3, 60.0, 60.0), tables.stack_media([tables.medium_tables(medium(n)) for n in names])
    )
    sums = mc.run_batch(
        world, mc.source([0], [energy], [1.0], np.arange(25), np.ones(25)), histories=histories, seed=5, stream=mode,
        electrons=mode, stop_cm=1e-3,
    )  # fmt: skip
    return sums.mean()[:-2] / rho, sums.error()[:-2] / rho


@pytest.mark.parametrize(("energy", "bound"), [(0.208, 0.02), (0.364, 0.05)])
def test_kerma_and_dose_across_interfaces(energy, bound):
    """Track-length kerma and followed electrons beside lung and bone: the choice between them moves no layer by more.

    Bound: the fastest Compton electron goes 0.5 mm (208 keV) or 2.3 mm (364 keV) in lung, a mean one a third of that; a layer
    of 3 mm trades at most this part of its energy with its neighbours, whose kerma per mass is within 10 % of its own.
    """
    kerma, u = slabs(energy, mc.TRACKS)
    dose, v = slabs(energy, mc.ANALOGUE)
    assert np.all(np.abs(kerma / dose - 1)[1:-1] < bound + 4 * (np.hypot(u, v) / dose)[1:-1])
    assert np.median(v / dose) < 0.02


def test_electron_dose_across_interfaces():
    """Electrons of 1 MeV in tissue beside lung and bone: finer steps give the same dose in each layer of 0.5 mm."""
    names = ["soft-tissue", "lung", "bone-cortical"]
    layer = np.repeat([0, 1, 0, 2, 0], 4)
    rho = np.array([1.03, 0.26, 1.85])[layer]
    kinds = np.broadcast_to(layer[:, None, None], (20, 1, 1)).astype(np.int8)
    density = np.broadcast_to(rho[:, None, None], (20, 1, 1)).copy()
    found = []
    for steps in ({}, {"c1": 0.05, "c2": 0.03}):
        stack = tables.stack_media([tables.medium_tables(medium(n), **steps) for n in names])
        world = mc.grid_world(density, kinds, (0.05, 30.0, 30.0), stack)
        sums = mc.run_batch(
            world, mc.source([1], [1.0], [1.0], np.arange(4), np.ones(4)), histories=30_000, seed=3, stream=len(steps),
            stop_cm=5e-4,
        )  # fmt: skip
        found.append((sums.mean()[:-2], sums.error()[:-2]))
    (one, u), (two, v) = found
    assert np.all(np.abs(one - two) < 0.01 * two + 4.5 * np.hypot(u, v))
    assert one[:-2].min() > 0


# --- error bars ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "energy", "mode"), [(0, 0.208, mc.TRACKS), (0, 0.208, mc.ANALOGUE), (1, 0.8, mc.ANALOGUE)]
)
def test_chi_square_over_seeds(kind, energy, mode):
    """Sixty seeds: of each busy voxel the scatter over its stated error is chi-square with 59 degrees of freedom."""
    from scipy.stats import chi2

    density = np.ones((7, 7, 7))
    edge, histories = (1.0, 20_000) if kind == 0 else (0.3, 4000)
    world = mc.grid_world(density, np.zeros(density.shape, dtype=np.int8), (edge,) * 3, water_tables())
    emitted = mc.source([kind], [energy], [1.0], [171, 172], [1, 2])
    runs = [
        mc.run_batch(world, emitted, histories=histories, seed=s, stream=1, electrons=mode, stop_cm=3e-3)
        for s in range(60)
    ]
    means, errors = np.array([r.mean()[:-2] for r in runs]), np.array([r.error()[:-2] for r in runs])
    busy = errors.mean(axis=0) < 0.1 * means.mean(axis=0)
    assert busy.sum() >= 6
    values = 59 * means[:, busy].var(axis=0, ddof=1) / (errors[:, busy] ** 2).mean(axis=0)
    low, high = chi2.ppf([1e-5, 1 - 1e-5], 59)
    assert np.all((values > low) & (values < high))
    # their mean over voxels: at least 6 independent ones, 4 standard errors
    assert abs(values.mean() / 59 - 1) < 4 * math.sqrt(2 / 59 / 6)


# --- other energies and sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("particle", "energy", "radius_mm"),
    [
        ("electron", 0.02, 0.5), ("electron", 0.3, 0.5), ("electron", 2.0, 5.0), ("electron", 0.6, 100.0),
        ("photon", 0.02, 2.0), ("photon", 0.08, 20.0), ("photon", 0.7, 50.0), ("photon", 2.0, 100.0), ("photon", 1.0, 5.0),
        ("positron", 0.6, 2.0),
    ],
)  # fmt: skip
def test_absorbed_fractions_at_other_energies_and_radii(particle, energy, radius_mm):
    """The shipped tables, interpolated, against a sphere of activity followed directly (its own error bar, and 1.5 %)."""
    stop = 2e-3 * radius_mm / 10
    world = mc.shell_world(water_tables(), 4, radius_mm / 10, (0.0, radius_mm / 10))
    kind = {"photon": 0, "electron": 1, "positron": 2}[particle]
    runs = np.array(
        [
            mc.run_batch(
                world, mc.source([kind], [energy], [1.0]), histories=4000, seed=9, stream=2, batch=b, stop_cm=stop,
                follow=mc.BREMSSTRAHLUNG,
            ).mean()[:4].sum()
            for b in range(10)
        ]
    )  # fmt: skip
    u = runs.std(ddof=1) / math.sqrt(10)
    ours = at.absorbed_fraction(particle, energy, sphere_mass_g=4 / 3 * math.pi * (radius_mm / 10) ** 3, medium="water")
    assert ours * energy == pytest.approx(runs.mean(), abs=4.8 * u + 0.015 * runs.mean())  # t with 9 degrees of freedom
    assert u < 0.03 * runs.mean()
