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

__all__ = ["njit", "prange", "source_sha256"]


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
