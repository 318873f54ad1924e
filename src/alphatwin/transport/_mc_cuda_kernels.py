"""The Monte Carlo's kernels for a GPU: the functions of the CPU, compiled a second time. Imported only when a GPU is asked for.

Every function that follows a particle is taken from its CPU version as it stands: `twin` gives the same Python code globals
in which each compiled function is its own twin. Only the last step of scoring is different. One thread follows one pair of
histories at a time, and its energy goes into a small table of its own (place, sum, difference), which grows as it fills; when
the pair is over, sum and squared difference are added to the places' words.

Words are whole numbers: a value is cut into a coarse and a fine part, each added as a 64-bit integer. Whole numbers have the
same sum in any order, so the result has the same bits for any number of threads and blocks; together the two parts hold more
digits than a float.
"""

from __future__ import annotations

import math
import types
from typing import Any

import numba
from numba import cuda

from ._mc_histories import one_history
from ._mc_voxels import settle

__all__ = ["COLUMNS", "SMALLEST", "close", "follow_pairs", "prepare", "twin"]

float64, int64 = numba.float64, numba.int64
SMALLEST = 16  # slots of a table at its beginning; `2 SMALLEST` to `2 size` rows of it are a table of `size` slots
COLUMNS = 4  # place + 3 (0: free), sum, difference, nothing: 32 bytes, one sector of memory
# 128 registers let 512 threads run on a multiprocessor at once where the 174 that the compiler would take let 256; the simulator
# knows no such thing
_LIMIT = {} if numba.config.ENABLE_CUDASIM else {"max_registers": 128}
_HEAD = 0  # row that tells: slots in use, size, whether some found no room


def twin(function: Any, made: dict[Any, Any]) -> Any:
    """The device function with the code of a compiled CPU function, and so for all that it calls.

    Parameters
    ----------
    function : numba dispatcher
    made : dict
        Twins that exist already, or that stand in for another function; gets the new ones.
    """
    if function not in made:
        made[function] = cuda.jit(device=True)(_rebound(function.py_func, made))
    return made[function]


def _rebound(plain: Any, made: dict[Any, Any]) -> Any:
    """A Python function of the same code whose globals are twins."""
    names = {name: plain.__globals__[name] for name in plain.__code__.co_names if name in plain.__globals__}
    compiled = type(settle)
    names = {name: twin(value, made) if isinstance(value, compiled) else value for name, value in names.items()}
    names["__name__"], names["__builtins__"] = plain.__module__, plain.__globals__["__builtins__"]
    new = types.FunctionType(plain.__code__, names, plain.__name__, plain.__defaults__, plain.__closure__)
    new.__qualname__, new.__module__ = plain.__qualname__, plain.__module__
    return new


@cuda.jit(device=True)
def slot_of(tag, size):  # type: ignore[no-untyped-def]
    """Where the search for a place begins: neighbours in x, y and z lie far apart."""
    return size + (((int(tag) * 0x9E3779B1) >> 15) & (size - 1))


@cuda.jit(device=True)
def grow(bins):  # type: ignore[no-untyped-def]
    """Move a table into one of twice as many slots, if there is room."""
    size = int(bins[_HEAD, 1])
    if 4 * size > bins.shape[0]:
        return False
    for row in range(size, 2 * size):
        tag = bins[row, 0]
        if tag != 0.0:
            at = slot_of(tag, 2 * size)
            while bins[at, 0] != 0.0:
                at = at + 1 if at + 1 < 4 * size else 2 * size
            bins[at, 0], bins[at, 1], bins[at, 2] = tag, bins[row, 1], bins[row, 2]
            bins[row, 0] = 0.0
    bins[_HEAD, 1] = 2 * size
    return True


@cuda.jit(device=True)
def put(bins, place, energy, difference):  # type: ignore[no-untyped-def]
    """Add to a place's slot."""
    tag = place + 3.0  # LEFT and RADIATED are -2 and -1
    size = int(bins[_HEAD, 1])
    at = slot_of(tag, size)
    while bins[at, 0] != tag:
        if bins[at, 0] == 0.0:
            if 2.0 * (bins[_HEAD, 0] + 1.0) > size:
                if not grow(bins):
                    bins[_HEAD, 2] = 1.0
                    return
                size *= 2
                at = slot_of(tag, size)
                continue
            bins[_HEAD, 0] += 1.0
            bins[at, 0], bins[at, 1], bins[at, 2] = tag, 0.0, 0.0
            break
        at = at + 1 if at + 1 < 2 * size else size
    bins[at, 1] += energy
    bins[at, 2] += difference


@cuda.jit(device=True)
def gather(tally, history):  # type: ignore[no-untyped-def]
    """What `settle` is on the CPU: energy that waits goes into the table of this pair."""
    bins, waiting = tally
    even = int(history) & 1 == 0
    for k in range(1, int(waiting[0, 0]) + 1):
        energy = waiting[k, 1]
        put(bins, waiting[k, 0], energy, energy if even else -energy)
    waiting[0, 0] = 0.0


@cuda.jit(device=True)
def add(words, place, column, value, coarse, fine):  # type: ignore[no-untyped-def]
    """Add a value to two words: whole multiples of 1/coarse, and the rest in multiples of 1/(coarse fine)."""
    scaled = value * coarse
    whole = math.floor(scaled)
    cuda.atomic.add(words, (place, column), int(whole))
    cuda.atomic.add(words, (place, column + 1), int((scaled - whole) * fine))


@cuda.jit(device=True)
def flush(bins, good, words, scales):  # type: ignore[no-untyped-def]
    """Empty the table of a pair, into the words if it is good."""
    size = int(bins[_HEAD, 1])
    for row in range(size, 2 * size):
        tag = bins[row, 0]
        if tag != 0.0:
            bins[row, 0] = 0.0
            if good:
                place = int(tag) - 3
                if place < 0:
                    place += words.shape[0]
                add(words, place, 0, bins[row, 1], scales[0], scales[1])
                add(words, place, 2, bins[row, 2] * bins[row, 2], scales[2], scales[3])
    bins[_HEAD, 0], bins[_HEAD, 1], bins[_HEAD, 2] = 0.0, SMALLEST, 0.0


_history = twin(one_history, {settle: gather})


@cuda.jit
def prepare(stacks, waits, tables):  # type: ignore[no-untyped-def]
    """Empty what each thread has to itself; `follow_pairs` leaves it empty."""
    thread = cuda.grid(1)
    stacks[thread, stacks.shape[1] - 1, 1] = 0.0
    waits[thread, 0, 0] = 0.0
    for row in range(tables.shape[1]):
        tables[thread, row, 0] = 0.0
    tables[thread, _HEAD, 1], tables[thread, _HEAD, 2] = SMALLEST, 0.0


@cuda.jit(**_LIMIT)
def follow_pairs(  # type: ignore[no-untyped-def]
    seed, stream, first, pairs, start, count, emitted, world, stop_cm, electrons, follow, scales, space, words, redo
):
    """Pairs `first` to `first + pairs` - 1 of a batch; thread t takes the pairs t, t + threads, ...

    `redo[pair]` becomes 1 where stack or table were too small: nothing of such a pair is in the words.
    """
    thread, step = cuda.grid(1), cuda.gridsize(1)
    stack, waiting, bins = space[0][thread], space[1][thread], space[2][thread]
    last = stack.shape[0] - 1
    p, cell, key = cuda.local.array(6, float64), cuda.local.array(4, int64), cuda.local.array(4, int64)
    key[0], key[1] = seed, stream
    for k in range(thread, pairs, step):
        pair = first + k
        for number in range(start + 2 * pair, start + 2 * pair + 2):
            _history(
                number, start, count, emitted, world, stop_cm, electrons, follow, key, stack, p, cell, (bins, waiting)
            )
        good = stack[last, 1] == 0.0 and bins[_HEAD, 2] == 0.0
        stack[last, 1] = 0.0
        flush(bins, good, words, scales)
        redo[k] = 0 if good else 1


@cuda.jit
def close(words, scales, first, second):  # type: ignore[no-untyped-def]
    """Words to sums, and back to 0."""
    for place in range(cuda.grid(1), words.shape[0], cuda.gridsize(1)):
        first[place] = (words[place, 0] + words[place, 1] / scales[1]) / scales[0]
        second[place] = (words[place, 2] + words[place, 3] / scales[3]) / scales[2]
        for k in range(4):
            words[place, k] = 0
