"""Batches of histories on a GPU: the card, the world on it, and what does not fit. The kernels are in `_mc_cuda_kernels`.

The same histories as on the CPU, with the same random numbers, one pair of histories per thread at a time. The result differs
from the CPU's by rounding alone: sums run in another order, and a GPU's log, exp, sin, cos and powers may differ in the last
digit (in some 1e-13 of the table look-ups and decisions that sends a history another way). On one kind of GPU the bits are the same for any number of
threads. Histories that need more room than a thread has (`STACK` particles at a time, `SLOTS`/2 places a pair) are
followed on the CPU instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import AlphatwinError, DomainError, suggestion
from . import _mc_histories as mc

__all__ = ["DEVICES", "Card", "check_device", "device_name"]

DEVICES = ("cpu", "cuda")
STACK = 64  # particles that wait; the last row is for what found no room
SLOTS = 1024  # of the largest table of a pair, at most half full
WAITS = 32  # deposits that wait before they go into the table
BLOCK = 128  # threads
THREADS_PER_MULTIPROCESSOR = 512
LAUNCH = 1 << 20  # pairs at most, so that a launch takes a second or less
_MC2 = 0.51099895069


def check_device(device: str, method: str = "monte_carlo", client: Any = None) -> None:
    """Whether a device can do what is asked, and for ``"cuda"`` whether there is one. Raises what a user should read."""
    if device not in DEVICES:
        hint = suggestion(str(device), DEVICES)
        raise DomainError(f"device given as {device!r}; there is {' and '.join(DEVICES)}. {hint}".rstrip())
    if device == "cuda":
        if method != "monte_carlo":
            raise DomainError(f"device 'cuda' goes with method 'monte_carlo'; the method is {method!r}.")
        if client is not None:
            raise DomainError("device 'cuda' and a client of Dask workers exclude each other; give one of them.")
        if importlib.util.find_spec("numba_cuda") is None:
            raise AlphatwinError("device 'cuda' needs numba-cuda: pip install 'alphatwin[cuda]'.")
        with _in_plain_words():
            from numba import cuda

            if not cuda.is_available():
                raise AlphatwinError(
                    "device 'cuda' needs an NVIDIA GPU with its driver, and none was found here (nvidia-smi tells). "
                    "Use device 'cpu'."
                )


@contextlib.contextmanager
def _in_plain_words() -> Iterator[None]:
    """Errors of the CUDA libraries as one line."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("numba.cuda", "cuda.")):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise AlphatwinError(
            f"CUDA failed: {type(error).__name__}: {lines[-1] if lines else 'no reason given'}. The compiler for GPUs "
            "(nvvm, nvrtc, nvjitlink) comes with pip install 'numba-cuda[cu12]' or [cu13], as the driver wants. Or use device 'cpu'."
        ) from error


class Card:
    """A GPU that holds a world and follows histories in it.

    Parameters
    ----------
    world : World
    threads, stack, slots : int, optional
        Threads in all, and the room of each one; for tests.
    """

    def __init__(self, world: mc.World, *, threads: int | None = None, stack: int = STACK, slots: int = SLOTS) -> None:
        check_device("cuda")
        with _in_plain_words():
            from numba import config, cuda

            from . import _mc_cuda_kernels

            self._cuda, self._kernels, self.world = cuda, _mc_cuda_kernels, world
            simulated = bool(config.ENABLE_CUDASIM)
            self.name = device_name()
            per_thread = 8 * (12 * stack + 2 * (WAITS + 1) + 2 * slots * _mc_cuda_kernels.COLUMNS)
            free = float(cuda.current_context().get_memory_info()[0])
            fixed = world.places * (mc.BYTES_PER_VOXEL + 24) + sum(a.nbytes for a in _arrays(world.packed)) + 2 * LAUNCH
            room = 0.9 * free - fixed
            if room < per_thread * 32 * BLOCK:
                raise DomainError(
                    f"{world.places} voxels need {(fixed + per_thread * 32 * BLOCK) / 2**30:.1f} GiB on the GPU ({self.name}), "
                    f"of which {free / 2**30:.1f} GiB are free. Use larger voxels, crop the grid or use device 'cpu'."
                )
            if threads is None:
                processors = 1 if simulated else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)
                threads = int(min(processors * THREADS_PER_MULTIPROCESSOR, room / per_thread))
            self._block = min(BLOCK, threads)
            self._blocks = max(1, threads // self._block)
            threads = self._block * self._blocks
            # the simulator computes with NumPy's numbers, where float64 times float32 is float32
            self._packed = _there(cuda, world.packed, wide=simulated)
            self._space = (
                cuda.device_array((threads, stack, 12)),
                cuda.device_array((threads, WAITS + 1, 2)),
                cuda.device_array((threads, 2 * slots, _mc_cuda_kernels.COLUMNS)),
            )
            _mc_cuda_kernels.prepare[self._blocks, self._block](*self._space)
            self._words = cuda.to_device(np.zeros((world.places + 2, 4), dtype=np.int64))
            self._sums = (cuda.device_array(world.places + 2), cuda.device_array(world.places + 2))
            self._redo = cuda.device_array(LAUNCH, dtype=np.uint8)
            self._sources: dict[int, tuple[mc.Source, Any]] = {}
        self.redone = 0  # pairs that were followed on the CPU

    def run_batch(
        self, source: mc.Source, *, histories: int, seed: int, stream: int, batch: int = 0, stop_cm: float = 0.0,
        electrons: int = mc.ANALOGUE, follow: int = mc.BREMSSTRAHLUNG | mc.ANNIHILATION,
    ) -> mc.Sums:  # fmt: skip
        """As `_mc_histories.run_batch`, on this GPU."""
        mc.check_pairs(histories)
        start, pairs = batch * histories, histories // 2
        scales = scales_of(pairs, float(source.energy.max()))
        again: list[npt.NDArray[np.int64]] = []
        with _in_plain_words():
            if id(source) not in self._sources:
                self._sources[id(source)] = source, _there(self._cuda, source.packed)
            emitted = self._sources[id(source)][1]
            for first in range(0, pairs, LAUNCH):
                some = min(LAUNCH, pairs - first)
                self._kernels.follow_pairs[self._blocks, self._block](
                    seed, stream, first, some, start, histories, emitted, self._packed, float(stop_cm), electrons, follow,
                    scales, self._space, self._words, self._redo,
                )  # fmt: skip
                again.append(first + np.flatnonzero(self._redo.copy_to_host()[:some]))
            self._kernels.close[self._blocks, self._block](self._words, scales, *self._sums)
            one, two = (a.copy_to_host() for a in self._sums)
        few = np.concatenate(again)
        if len(few):
            self.redone += len(few)
            more = mc.run_pairs(
                self.world, source, few, histories=histories, seed=seed, stream=stream, batch=batch, stop_cm=stop_cm,
                electrons=electrons, follow=follow,
            )  # fmt: skip
            one, two = one + more.first, two + more.second
        return mc.Sums(one, two, histories)


def scales_of(pairs: int, energy_MeV: float) -> tuple[float, float, float, float]:
    """Coarse and fine unit of sums and of squares, as powers of two: so that no sum of a batch can leave 62 bits.

    A pair lays down 2 (E + 2 m c^2) on the average at most; the track-length estimate of one history has an exponential
    tail, so a place may get 8 times that from every pair, and in squares 64 times.
    """
    most = 2.0 * (energy_MeV + 2.0 * _MC2)
    fine = 2.0 ** math.floor(62 - math.log2(pairs + 1))
    coarse = [2.0 ** math.floor(62 - math.log2(pairs * slack)) for slack in (8 * most, 64 * most * most)]
    return coarse[0], fine, coarse[1], fine


def device_name() -> str:
    """What the GPU calls itself."""
    from numba import cuda

    name = getattr(cuda.get_current_device(), "name", "simulator")
    return name.decode() if isinstance(name, bytes) else str(name)


def _arrays(packed: tuple[Any, ...]) -> Iterator[Any]:
    return (a for a in packed if isinstance(a, np.ndarray))


def _there(cuda: Any, packed: tuple[Any, ...], *, wide: bool = False) -> tuple[Any, ...]:
    """The arrays of a tuple on the GPU; whole numbers and floats stay as they are."""

    def put(a: Any) -> Any:
        if not isinstance(a, np.ndarray):
            return a
        return cuda.to_device(np.ascontiguousarray(a, dtype=np.float64 if wide and a.dtype == np.float32 else a.dtype))

    return tuple(put(a) for a in packed)
