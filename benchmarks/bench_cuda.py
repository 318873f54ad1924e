"""The Monte Carlo on a GPU against one core of the processor beside it, and against itself.

Run alone on a machine with an NVIDIA GPU: ``python benchmarks/bench_cuda.py [out.json]``. It first checks that both devices
give the same sums (within rounding where the same decisions fall, else within their statistics), then prints histories a
second, and writes all numbers with the names of GPU and processor.
"""

from __future__ import annotations

import json
import pathlib
import platform
import sys
import time

import numba
import numpy as np

import alphatwin as at
from alphatwin.physics.matter import medium
from alphatwin.transport import _mc_histories as mc
from alphatwin.transport import _mc_tables as tables
from alphatwin.transport._mc_cuda import Card
from alphatwin.transport.monte_carlo import lines_of

SIZE, EDGE_CM = 128, 0.3


def processor() -> str:
    """Name of the processor, as Linux tells it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def cases() -> dict[str, tuple[mc.Source, int, int]]:
    """Source, what becomes of a photon's electrons, and histories for one core of a processor."""
    z, y, x = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    hot = np.flatnonzero(z**2 + y**2 + x**2 < 14**2)
    even = np.ones(len(hot))
    lines = {r: lines_of(at.nuclide("Lu-177"), r) for r in ("electron", "photon")}
    return {
        "electron 0.1 MeV": (mc.source([1], [0.1], [1], hot, even), mc.ANALOGUE, 400_000),
        "electron 1 MeV": (mc.source([1], [1.0], [1], hot, even), mc.ANALOGUE, 40_000),
        "photon 0.208 MeV, electrons stopped": (mc.source([0], [0.208], [1], hot, even), mc.KERMA, 200_000),
        "photon 0.208 MeV, track length": (mc.source([0], [0.208], [1], hot, even), mc.TRACKS, 60_000),
        "Lu-177 electrons": (mc.source(*lines["electron"], hot, even), mc.ANALOGUE, 400_000),
        "Lu-177 photons, track length": (mc.source(*lines["photon"], hot, even), mc.TRACKS, 60_000),
    }


def seconds(work, repeats: int = 3) -> float:
    """Shortest wall time of a call."""
    best = np.inf
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def compare(card: Card, world: mc.World, source: mc.Source, electrons: int) -> dict[str, float]:
    """One batch on both: energy per history, and how far apart the voxels are."""
    ask = {"histories": 20_000, "seed": 1, "stream": 1, "stop_cm": 3e-3, "electrons": electrons}
    gpu, cpu = card.run_batch(source, **ask), mc.run_batch(world, source, **ask)
    near = np.abs(gpu.first - cpu.first) <= 1e-9 * np.maximum(cpu.first, 1e-3)
    touched = cpu.first > 0
    repeat = card.run_batch(source, **ask)
    return {
        "energy_ratio": float(gpu.first.sum() / cpu.first.sum()),
        "share_of_voxels_equal_to_1e-9": float(near[touched].mean()),
        "same_bits_again": float(np.array_equal(gpu.first, repeat.first) and np.array_equal(gpu.second, repeat.second)),
    }


def main(out: str = "bench_cuda.json") -> None:
    """Print the table and write the file."""
    numba.set_num_threads(1)
    table = tables.stack_media([tables.medium_tables(medium("water"))])
    world = mc.grid_world(np.ones((SIZE,) * 3), np.zeros((SIZE,) * 3, dtype=np.int8), (EDGE_CM,) * 3, table)
    card = Card(world)
    space = mc.scratch(world)
    found: dict[str, object] = {
        "gpu": card.name,
        "processor": processor(),
        "grid": f"{SIZE}^3 of {10 * EDGE_CM:g} mm, water",
    }
    print(f"GPU: {card.name}\nprocessor: {processor()} (one core)\ngrid: {found['grid']}")
    print(f"{'case':38s} {'one core /s':>12s} {'GPU /s':>12s} {'ratio':>8s} {'equal voxels':>13s}")
    for name, (source, electrons, few) in cases().items():
        same = compare(card, world, source, electrons)  # compiles, too
        ask = {"seed": 1, "stream": 1, "stop_cm": 3e-3, "electrons": electrons}
        on_core = {"space": space, **ask}
        empty = seconds(lambda s=source, o=on_core: mc.run_batch(world, s, histories=2, **o))
        core = few / max(
            1e-9, seconds(lambda s=source, n=few, o=on_core: mc.run_batch(world, s, histories=n, **o)) - empty
        )
        many = 2 * max(1 << 18, 10 * few)
        gpu = many / seconds(lambda s=source, n=many, o=ask: card.run_batch(s, histories=n, **o))
        found[name] = {"core_per_s": core, "gpu_per_s": gpu, "ratio": gpu / core, "redone": card.redone, **same}
        print(f"{name:38s} {core:12.3g} {gpu:12.3g} {gpu / core:8.1f} {same['share_of_voxels_equal_to_1e-9']:13.6f}")
    decays = np.zeros(SIZE**3)
    decays[cases()["electron 1 MeV"][0].voxel] = 1e6
    decays = decays.reshape((SIZE,) * 3)
    took = {}
    for device in ("cuda", "cpu"):
        began = time.perf_counter()
        dose = at.voxel_dose(
            decays, np.ones(decays.shape), 10 * EDGE_CM, "Lu-177", method="monte_carlo", media="water", uncertainty=0.01,
            device=device,
        )  # fmt: skip
        took[device] = time.perf_counter() - began
        print(f"voxel_dose to {dose.attrs['relative_uncertainty']:.4f} on {device}: {took[device]:.1f} s")
    found["voxel_dose_s"] = took
    pathlib.Path(out).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written: {out}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
