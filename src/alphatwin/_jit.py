"""Numba, entered by one door.

Numba's disk cache does not notice an edited callee in another file and then returns the old numbers silently. The
cache folder is therefore keyed by a hash of alphatwin's own sources, and this is set before Numba is imported.
Kernel modules write ``from .._jit import njit, prange``.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import tempfile
import types
from collections.abc import Callable
from typing import Any

__all__ = ["call_native", "keep_code", "kept_code", "njit", "prange", "source_sha256", "two_ways"]


@functools.cache
def source_sha256() -> str:
    """SHA-256 of every Python file of the package, in the order of their paths."""
    root = pathlib.Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _cache_dir() -> str:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if not os.access(os.path.dirname(home) or "/", os.W_OK):
        home = tempfile.gettempdir()
    return os.path.join(home, "alphatwin", "numba", source_sha256()[:16])


os.environ.setdefault("NUMBA_CACHE_DIR", _cache_dir())
os.environ.setdefault("NUMBA_THREADING_LAYER", "omp")

import numba  # noqa: E402  (the two lines above must come first)

if "alphatwin" not in str(numba.config.CACHE_DIR) and not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _cache_dir()  # somebody imported Numba before us

njit = numba.njit
prange = numba.prange


def kept_code(key: str) -> bytes | None:
    """Machine code kept on disk under this key beside Numba's own, if it is there."""
    try:
        return (pathlib.Path(numba.config.CACHE_DIR) / "models" / f"{key}.o").read_bytes()
    except OSError:
        return None


def keep_code(key: str, code: bytes) -> None:
    """Keep machine code for the next process; where the disk refuses, it is compiled again."""
    folder = pathlib.Path(numba.config.CACHE_DIR) / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as out:
            out.write(code)
        pathlib.Path(out.name).replace(folder / f"{key}.o")
    except OSError:
        return


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def call_native(typingctx: Any, address: Any, work: Any) -> Any:
    """Inside a kernel: call the machine code at `address` with the first number of the array `work`."""
    from llvmlite import ir
    from numba.core import types as nt
    from numba.np.arrayobj import make_array

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = make_array(signature.args[1])(context, builder, value=args[1])
        kind = ir.FunctionType(ir.VoidType(), [ir.DoubleType().as_pointer()])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [array.data])
        return context.get_dummy_value()

    return nt.void(nt.int64, work), codegen


def two_ways(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel with ``prange``, compiled with threads and without; its first argument says whether threads are worth it.

    Waking a team of threads and waiting for its last member costs 10 ms and more where other programs keep the cores
    busy: work of a millisecond is done sooner by one thread. The numbers are the same.
    """
    code, name = kernel.__code__, f"{kernel.__name__}_in_turn"
    alone = types.FunctionType(code, kernel.__globals__, name, kernel.__defaults__, kernel.__closure__)
    alone.__qualname__, alone.__module__ = name, kernel.__module__  # the name keeps the two apart in Numba's disk cache
    in_turn, side_by_side = njit(cache=True)(alone), njit(cache=True, parallel=True)(kernel)

    @functools.wraps(kernel)
    def run(threads: bool, *arguments: Any) -> Any:
        return (side_by_side if threads else in_turn)(*arguments)

    return run
