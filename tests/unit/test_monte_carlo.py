"""Voxel dose and kernels as a user meets them: shapes, names, refusals, the same bits whatever the threads, going on."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numba
import numpy as np
import pytest

import alphatwin as at
from alphatwin.errors import CatalogError, DomainError
from alphatwin.physics.matter import medium
from alphatwin.transport import _mc_histories as mc
from alphatwin.transport import _mc_tables as tables
from alphatwin.transport import _mc_voxels as voxels
from alphatwin.transport import monte_carlo, voxel_dose
from alphatwin.transport._mc_electrons import push
from oracle import monte_carlo as oracle

ONES = np.ones((6, 5, 4))


def one_hot(shape=(6, 5, 4), at_=(3, 2, 2), number=1e9):
    decays = np.zeros(shape)
    decays[at_] = number
    return decays


def total(dose):
    return dose.sum(["nuclide", "radiation"]).values


# --- same bits -------------------------------------------------------------------------------------------------------


def small_world():
    kinds = (np.indices((8, 8, 8)).sum(axis=0) % 2).astype(np.int8)
    stack = tables.stack_media([tables.medium_tables(medium(m)) for m in ("water", "bone-cortical")])
    return mc.grid_world(np.where(kinds == 1, 1.9, 1.0), kinds, (0.1, 0.1, 0.1), stack)


def test_threads_do_not_change_a_bit():
    world, emitted = small_world(), mc.source([1, 0, 2], [0.8, 0.4, 0.5], [1, 1, 1], [100, 300], [1, 2])
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            found.append(mc.run_batch(world, emitted, histories=1000, seed=5, stream=1))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(found[0].first, found[1].first)
    assert np.array_equal(found[0].second, found[1].second)
    assert found[0].first[:-2].sum() > 0


def test_space_is_left_clean():
    world, emitted = small_world(), mc.source([1], [0.8], [1], [100])
    space = mc.scratch(world)
    one = mc.run_batch(world, emitted, histories=500, seed=5, stream=1, space=space)
    two = mc.run_batch(world, emitted, histories=500, seed=5, stream=1, space=space)
    assert np.array_equal(one.first, two.first)
    assert not space.any()


CODE = """
import json, sys
import numpy as np
from alphatwin.physics.matter import medium
from alphatwin.transport import _mc_histories as mc, _mc_tables as tables
np.seterr(over="ignore")
kinds = (np.indices((4, 4, 4)).sum(axis=0) % 2).astype(np.int8)
stack = tables.stack_media([tables.medium_tables(medium(m)) for m in ("water", "bone-cortical")])
world = mc.grid_world(np.where(kinds == 1, 1.9, 1.0), kinds, (0.05, 0.05, 0.05), stack)
out = []
for mode in (mc.ANALOGUE, mc.KERMA, mc.TRACKS):
    sums = mc.run_batch(world, mc.source([1, 0, 2], [0.4, 0.3, 1.5], [1, 1, 1], [21, 42]), histories=16, seed=5, stream=1,
                        electrons=mode, stop_cm=1e-3)
    out.append([float(v) for v in sums.first])
shells = mc.shell_world(tables.stack_media([tables.medium_tables(medium("water"))]), 8, 0.2)
sums = mc.run_batch(shells, mc.source([1, 0], [0.4, 2.5], [1, 1]), histories=8, seed=5, stream=1, stop_cm=1e-3)
out.append([float(v) for v in sums.first])
print(json.dumps(out))
"""


def test_interpreted_python_follows_the_same_histories():
    """One source, read by the interpreter and by the compiler: the same histories to rounding."""
    found = []
    for disabled in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled}
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout.splitlines()[-1]))
    for compiled, interpreted in zip(*found, strict=True):
        assert np.sum(compiled) > 0.1
        assert compiled == pytest.approx(interpreted, rel=1e-6, abs=1e-9)


# --- the pieces ------------------------------------------------------------------------------------------------------


def test_a_path_is_split_among_voxels_as_by_tiny_steps():
    rng = np.random.default_rng(np.random.Philox(key=3))
    geo = (0.1, 0.1, 0.1, 6, 6, 6, 0, 1.0, 0.0, 0, 0.0)
    density, kinds = np.ones(216), np.zeros(216, dtype=np.int8)
    for _ in range(5):
        start, way = rng.uniform(0.2, 0.4, 3), rng.normal(size=3)
        way /= np.linalg.norm(way)
        p, cell = np.concatenate([start, way]), np.zeros(4, dtype=np.int64)
        rows = np.zeros((218, 4))
        tally = (rows, np.zeros((voxels.WAITING + 1, 2)))
        voxels.enter(p, cell, geo)
        left, state = voxels.move(p, cell, 0.5, 2.0, 0.5, geo, density, kinds, tally, 0)
        voxels.settle(tally, 0)
        expected = oracle.path_through(tuple(start), tuple(way), 0.5 - left, 0.1, 6)
        for (x, y, z), length in expected.items():
            assert rows[(z * 6 + y) * 6 + x, 0] == pytest.approx(2 * length, abs=2e-4)
        assert rows[:, 0].sum() == pytest.approx(2 * (0.5 - left))
        assert state == (2 if left > 0 else 0)


def test_strata_visit_every_line_and_voxel_in_proportion():
    """10 000 photons that interact nowhere: every voxel and line gets its share to one history."""
    made = mc.source([1, 1, 1], [1e-3, 1e-3, 1e-3], [1, 2, 5], [0, 7, 63], [1, 3, 6])
    stack = tables.stack_media([tables.medium_tables(medium("water"))])
    world = mc.grid_world(np.ones((4, 4, 4)), np.zeros((4, 4, 4), dtype=np.int8), (1, 1, 1), stack)
    sums = mc.run_batch(world, made, histories=10_000, seed=1, stream=1)
    born = sums.first[:64] / 1e-3
    assert born[[0, 7, 63]] == pytest.approx([1000, 3000, 6000], abs=2)
    assert born.sum() == pytest.approx(10_000)


@pytest.mark.parametrize(("count", "message"), [(0, "pairs"), (7, "even")])
def test_histories_come_in_pairs(count, message):
    with pytest.raises(DomainError, match=message):
        mc.run_batch(small_world(), mc.source([1], [0.5], [1], [0]), histories=count, seed=1, stream=1)


# --- kernels and S values --------------------------------------------------------------------------------------------


def test_energy_may_be_the_second_argument():
    one = at.dose_point_kernel("electron", 0.05, histories=1000)
    two = at.dose_point_kernel("electron", energy_MeV=0.05, histories=1000)
    assert np.array_equal(one.values, two.values)


@pytest.mark.parametrize("source", [-1, (2, 1), "ring", (1, 2, 3), float("nan")])
def test_a_source_is_a_radius_or_two(source):
    with pytest.raises(DomainError, match="source_mm"):
        at.dose_point_kernel("electron", 0.05, source_mm=source, histories=1000)


def test_a_full_stack_loses_nothing_unsaid():
    """What finds no room is summed in the last row."""
    stack, p, cell = np.zeros((3, 12)), np.zeros(6), np.zeros(4, dtype=np.int64)
    top = 0
    for _ in range(4):
        top = push(stack, top, 1, 0.25, p, cell)
    assert top == 2
    assert stack[2, 1] == 0.5


def test_deposits_wait_until_their_history_is_over():
    """More deposits than the list holds: the same rows as one by one."""
    rng = np.random.default_rng(np.random.Philox(key=4))
    rows = np.zeros((5, 4))
    tally = (rows, np.zeros((voxels.WAITING + 1, 2)))
    expected = np.zeros((4, 5))
    for history in range(4):
        for _ in range(700):
            place, energy = int(rng.integers(-2, 3)), float(rng.uniform())
            voxels.deposit(tally, place, history, energy)
            expected[history, place] += energy
        voxels.settle(tally, history)
    assert rows[:, 0] == pytest.approx(expected.sum(axis=0))
    differences = expected[0::2] - expected[1::2]
    assert rows[:, 1] + rows[:, 2] ** 2 == pytest.approx((differences**2).sum(axis=0))


def test_a_point_kernel_has_names_units_and_all_energy():
    kernel = at.dose_point_kernel("Lu-177", histories=4000, radius_mm=3.0, shells=30)
    assert kernel.dims == ("radius", "radiation")
    assert list(kernel["radiation"].values) == ["electron", "photon"]
    assert kernel.attrs["units"] == "Gy"
    volume = (
        4 / 3 * math.pi * np.diff(np.concatenate([[0], kernel["outer_mm"].values ** 3])) * 1e-9
    )  # m3 -> kg at 1 g/cm3
    energy = float((kernel.sum("radiation") * volume * 1e3).sum()) / 1.602176634e-13
    emitted = sum(at.nuclide("Lu-177").energy_MeV(r) for r in ("electron", "photon"))
    assert energy / emitted == pytest.approx(float(kernel["energy_within"][-1]), rel=1e-9)
    assert float(kernel["energy_within"][-1]) > 0.8
    assert bool((kernel["uncertainty"] >= 0).all())


def test_kernels_of_the_same_seed_are_equal():
    one, two = (at.dose_point_kernel("photon", energy_MeV=0.1, histories=2000, seed=4) for _ in range(2))
    assert one.equals(two)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"what": "electron"}, DomainError, "energy_MeV"),
        ({"what": "electron", "energy_MeV": 20.0}, DomainError, "10 MeV"),
        ({"what": "electron", "energy_MeV": 0.0005}, DomainError, "0.001"),
        ({"what": "electron", "energy_MeV": "fast"}, DomainError, "number"),
        ({"what": "electron", "energy_MeV": float("nan")}, DomainError, "nan"),
        ({"what": "elektron", "energy_MeV": 1.0}, DomainError, "Did you mean electron"),
        ({"what": "Lu-177", "energy_MeV": 1.0}, DomainError, "brings its own"),
        ({"what": "Lu-17"}, CatalogError, "Lu-177"),
        ({"what": "electron", "energy_MeV": 1.0, "medium": "watr"}, CatalogError, "water"),
        ({"what": "electron", "energy_MeV": 1.0, "shells": 1}, DomainError, "shells"),
        ({"what": "electron", "energy_MeV": 1.0, "shells": 2.5}, DomainError, "whole"),
        ({"what": "electron", "energy_MeV": 1.0, "histories": 10}, DomainError, "histories"),
        ({"what": "electron", "energy_MeV": 1.0, "radius_mm": -1.0}, DomainError, "radius"),
        ({"what": "electron", "energy_MeV": 1.0, "radius_mm": "far"}, DomainError, "radius_mm"),
        ({"what": "electron", "energy_MeV": 1.0, "seed": -1}, DomainError, "seed"),
        ({"what": "electron", "energy_MeV": 1.0, "seed": True}, DomainError, "seed"),
    ],
)
def test_a_point_kernel_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        at.dose_point_kernel(**arguments)


def test_voxel_s_values_are_symmetric_and_named():
    s = at.voxel_s_values("Lu-177", 3.0, 5, histories=4000)
    assert s.dims == ("z", "y", "x", "nuclide", "radiation")
    assert list(s["x"].values) == [-6, -3, 0, 3, 6]
    for axis in ("x", "y", "z"):
        assert np.allclose(s.values, s.isel({axis: slice(None, None, -1)}).values, rtol=1e-12, atol=0)
    assert np.allclose(s.values, s.transpose("x", "z", "y", "nuclide", "radiation").values, rtol=1e-12)
    assert float(s["uncertainty"].sel(radiation="electron")[2, 2, 2, 0]) > 0
    assert float(s.sel(radiation="alpha").max()) == 0
    assert s["uncertainty"].shape == s.shape


def test_flat_voxels_keep_their_axes():
    s = at.voxel_s_values("Y-90", (4.0, 2.0, 1.0), (3, 3, 5), histories=4000).sel(radiation="electron", nuclide="Y-90")
    assert s.shape == (3, 3, 5)
    assert float(s.sel(z=0, y=0, x=1.0)) > float(s.sel(z=0, y=2.0, x=0)) > float(s.sel(z=4.0, y=0, x=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"voxel_mm": 0}, "voxel_mm"),
        ({"voxel_mm": (1, 2)}, "three"),
        ({"voxel_mm": "3 mm"}, "voxel_mm"),
        ({"size": 4}, "odd"),
        ({"size": (3, 3)}, "odd"),
        ({"size": 1.5}, "odd"),
        ({"size": 1001}, "101"),
        ({"density_g_per_cm3": 0}, "density"),
        ({"density_g_per_cm3": 20}, "density"),
        ({"histories": 1.5}, "histories"),
    ],
)
def test_voxel_s_values_refuse(arguments, message):
    with pytest.raises(DomainError, match=message):
        at.voxel_s_values(**{"nuclide": "Lu-177", "voxel_mm": 3.0, "size": 3, **arguments})


def test_alphas_need_voxels_that_hold_them():
    with pytest.raises(DomainError, match=r"alphas"):
        at.voxel_dose(one_hot(), ONES, 0.2, "Ac-225", method="local")


def test_more_memory_than_there_is_is_refused_at_once():
    with pytest.raises(DomainError, match="GiB"):
        at.voxel_s_values("Y-90", 0.01, 11)
    huge = np.broadcast_to(np.float64(1.0), (4000, 4000, 4000))  # 512 GB if it were written out
    with pytest.raises(DomainError, match="GiB"):
        at.voxel_dose(huge, huge, 3.0, "Lu-177", method="local")


# --- voxel dose ------------------------------------------------------------------------------------------------------


def test_local_deposition_is_energy_over_mass():
    decays = {"Ac-225": one_hot(), "Bi-213": one_hot(number=5e8)}
    dose = at.voxel_dose(decays, 1.06 * ONES, (3.0, 2.0, 2.0), method="local")
    assert dose.dims == ("z", "y", "x", "nuclide", "radiation")
    mass_kg = 1.06 * 12e-3 * 1e-3
    for name, number in (("Ac-225", 1e9), ("Bi-213", 5e8)):
        for radiation in ("alpha", "recoil", "electron"):
            expected = number * at.nuclide(name).energy_MeV(radiation) * 1.602176634e-13 / mass_kg
            assert float(dose.sel(nuclide=name, radiation=radiation)[3, 2, 2]) == pytest.approx(expected)
    assert float(dose.sel(radiation="photon").max()) == 0
    assert np.count_nonzero(total(dose)) == 1
    assert list(dose["z"].values[:2]) == [1.5, 4.5]


def test_the_three_methods_agree_inside_a_large_source():
    decays = np.zeros((13, 13, 13))
    decays[3:10, 3:10, 3:10] = 1e7
    density = np.ones(decays.shape)
    found = {
        m: at.voxel_dose(decays, density, 3.0, "Lu-177", method=m, media="water", uncertainty=0.02)
        for m in voxel_dose.METHODS
    }
    inside = np.s_[5:8, 5:8, 5:8]
    electrons = {
        m: float(d.sel(radiation="electron", nuclide="Lu-177").values[inside].mean()) for m, d in found.items()
    }
    assert electrons["convolution"] == pytest.approx(electrons["local"], rel=0.01)
    assert electrons["monte_carlo"] == pytest.approx(electrons["local"], rel=0.015)
    photons = {m: float(d.sel(radiation="photon", nuclide="Lu-177").values[inside].mean()) for m, d in found.items()}
    # in vacuum fewer photons come back: 4 cm of water scatter 10-25 % less than an endless one
    assert 0.7 * photons["convolution"] < photons["monte_carlo"] < 1.02 * photons["convolution"]
    told = found["monte_carlo"].attrs
    assert told["uncertainty_reached"] == 1
    assert told["relative_uncertainty"] <= 0.02
    assert float(found["monte_carlo"]["uncertainty"].max()) > 0
    assert float(found["convolution"]["uncertainty"].max()) == 0


def test_convolution_is_linear_and_puts_the_kernel_where_the_source_is():
    a, b = one_hot((7, 7, 7), (1, 3, 5)), one_hot((7, 7, 7), (5, 5, 1), 3e8)
    density = np.ones(a.shape)
    doses = [total(at.voxel_dose(d, density, 4.0, "I-131", media="water")) for d in (a, b, a + b, 3 * a)]
    assert np.allclose(doses[3], 3 * doses[0], rtol=1e-6)
    assert np.allclose(doses[2], doses[0] + doses[1], rtol=0.04)  # the surface factor is of the sum: within its bound
    s = at.voxel_s_values("I-131", 4.0, 3, histories=400_000)
    assert doses[0].argmax() == (1 * 7 + 3) * 7 + 5
    assert doses[0][1, 3, 5] == pytest.approx(1e9 * float(s[1, 1, 1].sum()), rel=0.02)
    assert doses[0][1, 4, 5] == pytest.approx(1e9 * float(s[1, 2, 1].sum()), rel=0.03)


def test_convolution_carries_bremsstrahlung_beyond_the_range():
    """Y-90, range 11 mm: past it the dose is bremsstrahlung's alone, and both methods hold it.

    The Monte Carlo grid lies in vacuum, so the outermost 2 cm are left out; 6 % is three standard errors of the shells.
    """
    decays = one_hot((25, 25, 25), (12, 12, 12))
    density = np.ones(decays.shape)
    convolved = total(at.voxel_dose(decays, density, 5.0, "Y-90", media="water"))
    followed = total(
        at.voxel_dose(
            decays, density, 5.0, "Y-90", method="monte_carlo", media="water", uncertainty=0.0005,
            batch_histories=300_000, max_batches=2,
        )
    )  # fmt: skip
    z, y, x = np.indices(decays.shape) - 12
    far = np.sqrt(x * x + y * y + z * z)
    shell = (far > 4) & (far < 8)
    assert convolved[shell].sum() == pytest.approx(followed[shell].sum(), rel=0.06)
    assert convolved[12, 12, 12] == pytest.approx(followed[12, 12, 12], rel=0.01)


@pytest.mark.parametrize(("name", "medium_id"), [("Y-90", "bone-cortical"), ("I-125", "bone-cortical")])
def test_convolution_of_photons_that_hardly_leave_their_voxel(name, medium_id):
    """Shells without counts neither break the kernel nor feed it: the dose falls to the border of the grid."""
    dose = total(
        at.voxel_dose(one_hot((15, 15, 15), (0, 7, 7)), np.full((15, 15, 15), 1.92), 8.0, name, media=medium_id)
    )
    along = dose[:, 7, 7]
    assert np.all(np.isfinite(dose))
    assert np.all(dose >= 0)
    assert along[-1] < 1e-4 * along[1]


def test_named_axes_may_come_in_any_order_and_missing_progeny_are_told():
    import xarray as xr

    decays = one_hot((5, 5, 5), (0, 1, 2))
    plain = at.voxel_dose(decays, np.ones(decays.shape), 3.0, "Ac-225", method="local")
    turned = xr.DataArray(decays.transpose(2, 1, 0), dims=("x", "y", "z"))
    named = at.voxel_dose(turned, np.ones(decays.shape), 3.0, "Ac-225", method="local")
    assert np.array_equal(plain.values, named.values)
    assert plain.attrs["progeny_left_out"].startswith("At-217, Bi-213, Fr-221")
    both = at.voxel_dose({"Pb-212": decays, "Bi-212": decays}, np.ones(decays.shape), 3.0, method="local")
    assert both.attrs["progeny_left_out"] == "Po-212, Tl-208"


def test_density_scales_electron_dose_and_leaves_photon_dose():
    density = np.ones((5, 5, 5))
    density[2, 2, 3] = 0.5
    decays = np.full(density.shape, 1e6)
    plain = at.voxel_dose(decays, np.ones(density.shape), 3.0, "Lu-177", media="water")
    scaled = at.voxel_dose(decays, density, 3.0, "Lu-177", media="water")
    ratio = (scaled / plain).sel(nuclide="Lu-177")
    assert float(ratio.sel(radiation="electron")[2, 2, 3]) == pytest.approx(2.0)
    assert float(ratio.sel(radiation="electron")[2, 2, 2]) == pytest.approx(1.0)
    assert float(ratio.sel(radiation="photon")[2, 2, 3]) == pytest.approx(1.0)


def test_monte_carlo_goes_on_to_the_same_bits():
    decays = np.zeros((7, 7, 7))
    decays[2:5, 2:5, 2:5] = 1e6
    density = np.where(np.indices(decays.shape)[2] > 3, 1.9, 0.3)
    heard = []
    asked = {"method": "monte_carlo", "seed": 3, "batch_histories": 4000}
    whole = at.voxel_dose(decays, density, 3.0, "Lu-177", uncertainty=0.02, progress=heard.append, **asked)
    assert len(heard) > 3
    assert heard[-1].batches == whole.attrs["batches"]
    assert heard[-1].histories == 4000 * heard[-1].batches
    assert heard[-1].batches_left == 0
    assert heard[2].batches_left > 0
    resumed = at.voxel_dose(decays, density, 3.0, "Lu-177", uncertainty=0.02, resume=heard[2].tally, **asked)
    assert whole.identical(resumed)
    assert whole.attrs["media"] == "lung, bone-cortical"
    with pytest.raises(DomainError, match="another request"):
        at.voxel_dose(2 * decays, density, 3.0, "Lu-177", resume=heard[2].tally, **asked)


def test_monte_carlo_stops_at_the_last_batch_and_says_so():
    dose = at.voxel_dose(
        one_hot(), ONES, 3.0, "Lu-177", method="monte_carlo", uncertainty=0.0005, batch_histories=1000, max_batches=3
    )
    assert dose.attrs["uncertainty_reached"] == 0
    assert dose.attrs["batches"] == 3
    assert dose.attrs["relative_uncertainty"] > 0.0005


def test_an_alpha_emitter_by_monte_carlo():
    decays = np.full((5, 5, 5), 1e6)
    dose = at.voxel_dose(
        {"Ac-225": decays, "Fr-221": decays}, np.full((5, 5, 5), 1.04), 2.0, method="monte_carlo", batch_histories=2000
    )
    local = at.voxel_dose({"Ac-225": decays, "Fr-221": decays}, np.full((5, 5, 5), 1.04), 2.0, method="local")
    for radiation in ("alpha", "recoil"):
        assert np.array_equal(dose.sel(radiation=radiation).values, local.sel(radiation=radiation).values)
    assert dose.attrs["uncertainty_reached"] == 1  # alphas carry the dose and have no counting error
    assert float(dose.sel(radiation="electron").max()) > 0


def test_media_by_mask_and_by_density():
    left = np.zeros(ONES.shape, dtype=bool)
    left[:, :, :2] = True
    dose = at.voxel_dose(one_hot(), ONES, 3.0, "Lu-177", method="local", media={"kidney": left, "liver": ~left})
    assert dose.attrs["media"] == "kidney, liver"
    density = ONES.copy()
    density[0, 0, :] = [0.0012, 0.3, 1.0, 1.6]
    dose = at.voxel_dose(one_hot(), density, 3.0, "Lu-177", method="local")
    assert dose.attrs["media"] == "air, lung, soft-tissue, bone-cortical"


NAN = one_hot()
NAN[1, 2, 3] = np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decays": NAN}, r"nan in voxel \[z=1, y=2, x=3\]"),
        ({"decays": -one_hot()}, "from 0"),
        ({"decays": np.zeros(ONES.shape)}, "0 in every voxel"),
        ({"decays": one_hot()[0]}, r"\[z, y, x\]"),
        ({"decays": one_hot((4, 5, 6), (0, 0, 0))}, "Resample"),
        ({"decays": "map.nii"}, "array of numbers"),
        ({"decays": {}, "nuclide": None}, "no nuclide"),
        ({"decays": {"Lu-177": one_hot()}}, "leave the argument"),
        ({"decays": {"Lu-177": one_hot(), "lu-177": one_hot()}, "nuclide": None}, "twice"),
        ({"nuclide": None}, "Name the nuclide"),
        ({"density": 0 * ONES}, r"0 g/cm3 in voxel \[z=0, y=0, x=0\]"),
        ({"density": 20 * ONES}, "Hounsfield"),
        ({"density": 1000 * ONES}, "kg/m3"),
        ({"density": np.nan * ONES}, "nan"),
        ({"voxel_mm": -3}, "voxel_mm"),
        ({"method": "montecarlo"}, "Did you mean monte_carlo"),
        ({"media": {"water": ONES > 2}}, "must cover"),
        ({"media": {"water": ONES > 0, "liver": ONES > 0}}, "overlaps"),
        ({"media": {"water": ONES}}, "expected bool"),
        ({"media": 3}, "mapping"),
        ({"uncertainty": 0.0}, "uncertainty"),
        ({"uncertainty": 2.0}, "uncertainty"),
        ({"uncertainty": "two percent"}, "number"),
        ({"region": ONES > 5}, "not all False"),
        ({"region": ONES}, "bool"),
        ({"max_batches": 0}, "max_batches"),
        ({"batch_histories": 3}, "histories"),
        ({"seed": 1.5}, "seed"),
        ({"decays": one_hot() + 0j}, "complex"),
        ({"density": [[[1.0, 2.0], [3.0]]]}, "array of numbers"),
        ({"resume": 3}, "VoxelTally"),
    ],
)
def test_voxel_dose_refuses(change, message):
    asked = {"decays": one_hot(), "density": ONES, "voxel_mm": 3.0, "nuclide": "Lu-177", "method": "monte_carlo"}
    with pytest.raises(DomainError, match=message):
        at.voxel_dose(**{**asked, **change})


@pytest.mark.parametrize("change", [{"nuclide": "Lu-17"}, {"media": "watr"}, {"media": {"watr": ONES > 0}}])
def test_voxel_dose_suggests_names(change):
    with pytest.raises(CatalogError, match="Did you mean"):
        at.voxel_dose(**{"decays": one_hot(), "density": ONES, "voxel_mm": 3.0, "nuclide": "Lu-177", **change})


def test_positron_share():
    assert monte_carlo.positron_share(at.nuclide("Ga-68")) == pytest.approx(1.0, abs=0.01)
    assert monte_carlo.positron_share(at.nuclide("Lu-177")) == 0
    assert 0.3 < monte_carlo.positron_share(at.nuclide("Cu-64")) < 0.4
    kind, energy, yields = monte_carlo.charged_lines(at.nuclide("Cu-64"))
    assert float((energy * yields).sum()) == pytest.approx(at.nuclide("Cu-64").energy_MeV("electron"), rel=1e-6)
    assert set(kind) == {1, 2}
