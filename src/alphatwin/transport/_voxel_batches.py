"""Batches of histories, here or on the workers of a Dask cluster, with the same bits; or on a GPU, equal up to rounding.

Which batch comes next depends on the results so far, so the order is kept: results are taken one by one in the order in
which one process would make them. Workers are kept busy by a guess of the batches that will be wanted (it is nearly always
right, because variances fall as 1/n); a batch that was guessed and is not wanted is thrown away. A batch has its own random
numbers and its own fixed lanes, so it has the same bits wherever it was made.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _jit
from ..errors import DomainError
from . import _mc_histories as mc
from ._mc_cuda import Card

__all__ = ["batches"]

Array = npt.NDArray[np.float64]
Wanted = Callable[[int, int, Iterable[tuple[int, int]]], tuple[Array, Array]]

_AHEAD = 2  # batches per worker that are asked for in advance


@contextlib.contextmanager
def batches(
    client: Any, world: mc.World, streams: Sequence[Any], stop_cm: float, histories: int, seed: int, device: str = "cpu"
) -> Iterator[Wanted]:
    """A function of stream, number of the batch and the batches foreseen, which gives sums of MeV and of its variance.

    Parameters
    ----------
    client : dask.distributed.Client or None
    world : World
    streams : sequence
        Each with ``source`` and ``electrons``.
    stop_cm, histories, seed
        As of `run_batch`.
    device : str
        ``"cpu"`` or ``"cuda"``, for batches made here.
    """
    if device == "cuda":
        card = Card(world)

        def on_card(i: int, number: int, foreseen: Iterable[tuple[int, int]]) -> tuple[Array, Array]:
            return _batch(
                world, streams[i].source, streams[i].electrons, i, number, stop_cm, histories, seed, run=card.run_batch
            )

        yield on_card
        return
    if client is None:
        space: list[Any] = []

        def here(i: int, number: int, foreseen: Iterable[tuple[int, int]]) -> tuple[Array, Array]:
            if not space:
                space.append(mc.scratch(world))
            return _batch(
                world, streams[i].source, streams[i].electrons, i, number, stop_cm, histories, seed,
                run=functools.partial(mc.run_batch, world, space=space[0]),
            )  # fmt: skip

        yield here
        return
    workers = _checked(client)
    spread = client.scatter([world, *(s.source for s in streams)], broadcast=True, hash=False)
    asked: dict[tuple[int, int], Any] = {}

    def there(i: int, number: int, foreseen: Iterable[tuple[int, int]]) -> tuple[Array, Array]:
        for stream, batch in itertools.islice(itertools.chain([(i, number)], foreseen), _AHEAD * workers + 1):
            if (stream, batch) not in asked:
                asked[stream, batch] = client.submit(
                    _batch, spread[0], spread[1 + stream], streams[stream].electrons, stream, batch, stop_cm, histories, seed,
                    pure=False, priority=-batch,
                )  # fmt: skip
        found: tuple[Array, Array] = asked.pop((i, number)).result()
        return found

    try:
        yield there
    finally:
        with contextlib.suppress(Exception):  # a scheduler that is gone has nothing left to cancel
            client.cancel([*asked.values(), *spread])


def _checked(client: Any) -> int:
    """Number of workers, all of the same code; else their bits could differ."""
    if not all(hasattr(client, name) for name in ("submit", "scatter", "run")):
        raise DomainError(f"client given as {type(client).__name__}; give a dask.distributed.Client.")
    mine, told = _jit.source_sha256(), client.run(_jit.source_sha256)
    if not told:
        raise DomainError("The Dask scheduler has no workers; start some with `dask worker`.")
    other = [name for name, digest in told.items() if digest != mine]
    if other:
        raise DomainError(f"The worker {other[0]} runs another version of alphatwin; install the same on all machines.")
    return len(told)


def _batch(
    world: mc.World, source: mc.Source, electrons: int, stream: int, number: int, stop_cm: float, histories: int, seed: int,
    run: Callable[..., mc.Sums] | None = None,
) -> tuple[Array, Array]:  # fmt: skip
    sums = (run or functools.partial(mc.run_batch, world))(
        source, histories=histories, seed=seed, stream=stream, batch=number, stop_cm=stop_cm, electrons=electrons,
        follow=mc.BREMSSTRAHLUNG,
    )  # fmt: skip
    return sums.first[:-2], sums.second[:-2]
