"""The GPU's Monte Carlo against the CPU's, by the CUDA simulator; what is refused; the code that a real GPU would get.

The simulator must be chosen before Numba is loaded, so this file runs itself once in a process of its own and reads the
numbers from what it prints.
"""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import alphatwin as at
from alphatwin.errors import AlphatwinError, DomainError

# name: world, kind, MeV, what becomes of a photon's electrons, pairs
PROBLEMS = {
    "photons, their electrons followed": ("coarse", 0, 0.208, 1, 30),
    "photons, electrons stopped": ("coarse", 0, 0.208, 0, 50),
    "photons, track length": ("coarse", 0, 0.208, 2, 60),
    "photons with fluorescence": ("coarse", 0, 0.02, 1, 20),
    "photons that make pairs": ("padded", 0, 6.0, 1, 20),
    "electrons": ("fine", 1, 1.0, 1, 8),
    "positrons": ("fine", 2, 0.6, 1, 8),
    "alphas": ("finest", 4, 6.0, 1, 10),
    "electrons in shells": ("shells", 1, 0.5, 1, 8),
    "photons that collide in shells": ("shells", 5, 0.1, 1, 20),
}


def worlds():
    """Grids of 7^3 random densities and three media, and shells round a point."""
    from alphatwin.physics.matter import medium
    from alphatwin.transport import _mc_histories as mc
    from alphatwin.transport._mc_tables import medium_tables, stack_media

    tables = stack_media([medium_tables(medium(m)) for m in ("water", "lung", "bone-cortical")])
    draw = np.random.Generator(np.random.Philox(key=5))
    density, media = draw.uniform(0.001, 2.0, (7, 7, 7)), draw.integers(0, 3, (7, 7, 7)).astype(np.int8)
    return {
        "coarse": mc.grid_world(density, media, (0.8, 0.9, 1.0), tables),
        "padded": mc.grid_world(density, media, (0.8, 0.9, 1.0), tables, outside=(1.0, 0), margin_cm=3.0),
        "fine": mc.grid_world(density, media, (0.02, 0.03, 0.04), tables),
        "finest": mc.grid_world(density, media, (0.002, 0.001, 0.001), tables),
        "shells": mc.shell_world(tables, 12, 0.3, (0.02, 0.1)),
    }


def both(card, world, problem, **more):
    """Sums of one problem on the GPU and on the CPU."""
    from alphatwin.transport import _mc_histories as mc

    _, kind, energy, electrons, pairs = PROBLEMS[problem]
    voxels = np.arange(len(world.density))
    source = mc.source([kind], [energy], [1.0], voxels, np.ones(len(voxels)))
    ask = {"histories": 2 * pairs, "seed": 7, "stream": 3, "stop_cm": 1e-4, "electrons": electrons, **more}
    return card.run_batch(source, **ask), mc.run_batch(world, source, **ask)


def apart(one, other):
    """Largest difference of two arrays, of each value relative to itself and of what is small to a millionth of the largest."""
    scale = np.maximum(np.abs(other), 1e-6 * np.abs(other).max())
    return float((np.abs(np.asarray(one) - other) / scale).max())


def simulate():
    """Everything that needs the simulator."""
    from numba import cuda

    from alphatwin.transport import _mc_cuda
    from alphatwin.transport._mc_cuda import Card

    assert cuda.is_available()
    made, told = worlds(), {}
    cards = {name: Card(world, threads=4) for name, world in made.items()}
    for name, (world, *_) in PROBLEMS.items():
        gpu, cpu = both(cards[world], made[world], name)
        told[name] = {
            "first": apart(gpu.first, cpu.first), "second": apart(gpu.second, cpu.second), "redone": cards[world].redone,
            "MeV": float(cpu.first.sum()), "places": int(np.count_nonzero(cpu.first)),
        }  # fmt: skip
    # the same bits for any number of threads, in any order, in several launches, in a later batch
    name, world = "photons, track length", made["coarse"]
    gpu, _ = both(cards["coarse"], world, name, batch=3)
    _mc_cuda.LAUNCH = 7
    again, cpu = both(Card(world, threads=3), world, name, batch=3)
    told["bits"] = bool(np.array_equal(gpu.first, again.first) and np.array_equal(gpu.second, again.second))
    told["later batch"] = apart(again.first, cpu.first)
    # too little room
    tight = Card(world, threads=2, slots=16)
    gpu, cpu = both(tight, world, name)
    told["small tables"] = [apart(gpu.first, cpu.first), apart(gpu.second, cpu.second), tight.redone]
    tight = Card(made["fine"], threads=2, stack=2)
    gpu, cpu = both(tight, made["fine"], "positrons")
    told["short stacks"] = [apart(gpu.first, cpu.first), apart(gpu.second, cpu.second), tight.redone]
    told["doses"] = doses()
    context = cuda.current_context
    cuda.current_context = lambda: type("Small", (), {"get_memory_info": lambda self: (2.0**28, 2.0**30)})()
    try:
        Card(world)
    except DomainError as error:
        told["memory"] = str(error)
    cuda.current_context = context
    return told


def doses():
    """`voxel_dose` on both devices, and going on from the sums of a run."""
    decays = np.zeros((7, 7, 7))
    decays[3, 3, 2:5] = 1e9, 2e9, 3e9
    tallies = {"cpu": [], "cuda": []}

    def ask(device, batches, **more):
        return at.voxel_dose(
            decays, np.linspace(0.3, 1.9, 343).reshape(7, 7, 7), 3.0, "Lu-177", method="monte_carlo", uncertainty=0.001, seed=4,
            batch_histories=1000, max_batches=batches, device=device,
            progress=lambda now: tallies[device].append(now.tally), **more,
        )  # fmt: skip

    gpu, cpu = ask("cuda", 2), ask("cpu", 2)
    on = ask("cuda", 2, resume=tallies["cuda"][0])
    try:
        ask("cuda", 2, resume=tallies["cpu"][0])
        refused = ""
    except DomainError as error:
        refused = str(error)
    return {
        "dose": apart(gpu.values, cpu.values), "uncertainty": apart(gpu.uncertainty.values, cpu.uncertainty.values),
        "resumed": bool(np.array_equal(on.values, gpu.values)), "refused": refused, "device": gpu.attrs["device"],
        "cpu": "device" in cpu.attrs, "batches": gpu.attrs["batches"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def told():
    surroundings = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", PROBLEMS)
def test_histories_are_those_of_the_cpu(told, name):
    """Sums of at most some hundred numbers in two orders: 1e2 x 2^-53, and squares of differences that lost two digits."""
    found = told[name]
    assert found["places"] > 5
    assert found["redone"] == 0
    _, kind, energy, electrons, pairs = PROBLEMS[name]
    emitted = 2 * pairs * (energy + (1.022 if kind == 2 else 0.0))
    assert found["MeV"] == pytest.approx(emitted, rel=0.2 if electrons == 2 else 1e-5)  # track length: on the average
    assert found["first"] < 1e-13
    assert found["second"] < 1e-12


def test_any_number_of_threads_and_launches_gives_the_same_bits(told):
    assert told["bits"]
    assert told["later batch"] < 1e-13


@pytest.mark.parametrize("name", ["small tables", "short stacks"])
def test_what_finds_no_room_is_followed_on_the_cpu(told, name):
    first, second, redone = told[name]
    assert redone > 0
    assert first < 1e-13
    assert second < 1e-12


def test_voxel_dose_is_the_same_on_both_devices(told):
    found = told["doses"]
    assert found["dose"] < 1e-13
    assert found["uncertainty"] < 1e-9  # sums over boxes of voxels keep the rounding of their largest
    assert found["batches"] == 2
    assert found["device"] == "simulator"
    assert not found["cpu"]


def test_a_run_goes_on_to_the_same_bits_on_its_device_alone(told):
    assert told["doses"]["resumed"]
    assert "device must be the same" in told["doses"]["refused"]


def test_a_grid_beyond_the_memory_of_the_gpu_is_refused(told):
    assert "on the GPU" in told["memory"]
    assert "Use larger voxels" in told["memory"]


@pytest.mark.parametrize("pairs", [1, 1000, 5 * 10**11])
@pytest.mark.parametrize("energy", [1e-3, 0.2, 10.0])
def test_words_hold_every_sum_and_more_digits_than_floats(pairs, energy):
    from alphatwin.transport._mc_cuda import scales_of

    coarse, fine, coarse2, fine2 = scales_of(pairs, energy)
    assert all(np.log2(s) == int(np.log2(s)) for s in (coarse, fine, coarse2, fine2))
    most = 2 * (energy + 1.022)
    assert 8 * pairs * most * coarse < 2.0**62.01
    assert 64 * pairs * most**2 * coarse2 < 2.0**62.01
    assert pairs * fine <= 2.0**62
    # an eV in a single pair, and its square, keep 1e-12 and 1e-6 of themselves in the largest ordinary batch
    if pairs <= 10**6:
        assert 1 / (coarse * fine) < 1e-12 * 1e-6
        assert 1 / (coarse2 * fine2) < 1e-6 * 1e-12


def refusal(**more):
    with pytest.raises(AlphatwinError) as caught:
        at.voxel_dose(np.ones((3, 3, 3)), np.ones((3, 3, 3)), 3.0, "Lu-177", **{"method": "monte_carlo", **more})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_devices_and_wrong_company_are_refused():
    assert "Did you mean cuda" in refusal(device="cudda")
    assert "goes with method 'monte_carlo'" in refusal(device="cuda", method="convolution")
    assert "exclude each other" in refusal(device="cuda", client=object())


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'alphatwin[cuda]'" in refusal(device="cuda")


def test_a_missing_gpu_is_told_in_one_line(monkeypatch):
    from numba import cuda

    monkeypatch.setattr(cuda, "is_available", lambda: False)
    assert "NVIDIA GPU with its driver" in refusal(device="cuda")


def test_the_command_says_what_is_wrong_with_a_device(alphatwin):
    from conftest import MAP_EXAMPLES  # not where this file runs itself

    case = MAP_EXAMPLES["maps-177lu"]
    said = alphatwin("dose", case, "--device", "cudda")
    assert (said.code, said.out) == (2, "")
    assert "Did you mean cuda" in said.err
    said = alphatwin("dose", case, "--device", "cuda", "--method", "local")
    assert said.code == 2
    assert "goes with method 'monte_carlo'" in said.err


def test_errors_of_cuda_are_told_in_one_line():
    from numba.cuda.cudadrv.error import CudaSupportError

    from alphatwin.transport._mc_cuda import _in_plain_words

    with (
        pytest.raises(AlphatwinError, match=r"CUDA failed: CudaSupportError: no driver\.") as caught,
        _in_plain_words(),
    ):
        raise CudaSupportError("Error at driver init:\n\n no driver\n")
    assert "\n" not in str(caught.value)
    with pytest.raises(ZeroDivisionError), _in_plain_words():
        raise ZeroDivisionError


COMPILE = """
import types
import numba.cuda.cuda_paths, numba.cuda.dispatcher, numba.cuda.cudadrv.nvrtc
from numba.cuda.cudadrv import nvvm
if not nvvm.is_available():
    raise SystemExit(77)
# what a device and the run-time compiler would tell
numba.cuda.dispatcher.get_current_device = lambda: types.SimpleNamespace(compute_capability=(9, 0))
numba.cuda.cudadrv.nvrtc.get_arch_option = lambda *cc: "compute_90"
numba.cuda.cuda_paths._get_nvrtc_path = lambda: None
from numba import cuda, float64, float32, int8, int64, uint8
from numba.cuda.types import Array, Tuple, UniTuple
from alphatwin.transport import _mc_cuda_kernels as kernels
def array(kind, dims): return Array(kind, dims, "C")
geo = Tuple([float64] * 3 + [int64] * 4 + [float64, float64, int64, float64])
world = Tuple([geo, array(float32, 1), array(int8, 1), array(float64, 4), array(float64, 4), array(float64, 3), array(float64, 2),
               array(float64, 2), array(float64, 1)] + [array(float64, 3)] * 4)
emitted = Tuple([array(int64, 1), array(float64, 1), array(float64, 1), array(int64, 1), array(float64, 1)])
space = UniTuple(array(float64, 3), 3)
words, sums, scales = array(int64, 2), array(float64, 1), UniTuple(float64, 4)
for kernel, signature in (
    (kernels.follow_pairs, (int64,) * 6 + (emitted, world, float64, int64, int64, scales, space, words, array(uint8, 1))),
    (kernels.close, (words, scales, sums, sums)),
    (kernels.prepare, tuple(space)),
):
    print(cuda.compile_ptx(kernel.py_func, signature, cc=(9, 0))[0])
"""


@pytest.mark.slow
def test_the_kernels_compile_for_a_real_gpu():
    """To PTX for compute capability 9.0, by NVIDIA's compiler where it is installed; no GPU is needed."""
    clean = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=clean, check=False)
    if done.returncode == 77:
        pytest.skip("libnvvm is not installed")
    assert done.returncode == 0, done.stderr
    ptx = done.stdout
    assert ptx.count(".visible .entry") == 3
    assert ".target sm_90" in ptx
    assert "atom.global.add.u64" in ptx  # whole numbers are added, in any order
    assert "atom.global.add.f64" not in ptx
    assert ".extern .func" not in ptx  # nothing is missing, nothing allocates


if __name__ == "__main__":
    print(json.dumps(simulate()))
