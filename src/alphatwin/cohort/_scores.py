"""Standard-normal scores of virtual patients: Philox keyed by the seed and a name, counted by the patient.

A patient's scores depend on nothing but the seed, the name and the patient's number: not on the size of the cohort,
the chunk that the patient is in, threads or workers.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from .._jit import njit
from ..catalog.model import Quantity
from ..transport._random import uniforms

__all__ = ["Scores", "factor", "value_at"]

Array = npt.NDArray[np.float64]


@njit(cache=True)
def _fill(seed, stream, first, draw, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        a, b, _, _ = uniforms(seed, stream, first + i, draw)
        out[i] = a + (b - 0.5) * 2.0**-32


def _stream(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"cohort {name}".encode()).digest()[:4], "little")


class Scores:
    """Scores of patients `first` to `first + n - 1`.

    Parameters
    ----------
    seed : int
    first, n : int
        Number of the first patient, and how many.
    names, matrix
        Covariates that go together, and the correlation of their scores.
    """

    def __init__(self, seed: int, first: int, n: int, names: tuple[str, ...] = (), matrix: Array | None = None) -> None:
        self.seed, self.first, self.n = seed, first, n
        self._names = names
        self._factor = factor(np.eye(len(names)) if matrix is None else matrix)

    def uniform(self, name: str, draw: int = 0) -> Array:
        """Uniforms in (0, 1) [sample] of a name."""
        out = np.empty(self.n)
        _fill(self.seed & 0xFFFFFFFF, (_stream(name) ^ (self.seed >> 32)) & 0xFFFFFFFF, self.first, draw, out)
        return out

    def own(self, name: str, draw: int = 0) -> Array:
        """Scores z[sample] of a name by itself."""
        from scipy.special import ndtri

        return np.asarray(ndtri(self.uniform(name, draw)))

    def normal(self, name: str) -> Array:
        """Scores z[sample] of a covariate, correlated with the others."""
        if name not in self._names:
            return self.own(name)
        row = self._factor[self._names.index(name)]
        z = np.zeros(self.n)
        for j, part in enumerate(row):
            if part != 0.0:
                z += part * self.own(self._names[j])
        return z

    def lesion(self, name: str, lesion: int, rho: float) -> Array:
        """Scores of one lesion: two of a patient have the correlation `rho`."""
        return np.asarray(
            np.sqrt(rho) * self.normal(name) + np.sqrt(1.0 - rho) * self.own(f"{name} of a lesion", 1 + lesion)
        )


def factor(matrix: Array) -> Array:
    """Lower triangle L with L L' = matrix, for positive semi-definite matrices; the same bits on every machine.

    Written out, because a library's order of sums depends on the processor.
    """
    k = len(matrix)
    low = np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1):
            rest = float(matrix[i, j])
            for m in range(j):
                rest -= float(low[i, m]) * float(low[j, m])
            if i == j:
                low[i, i] = np.sqrt(rest) if rest > 1e-12 else 0.0
            else:
                low[i, j] = rest / low[j, j] if low[j, j] > 0.0 else 0.0
    return low


def value_at(q: Quantity, z: Array) -> Array:
    """A covariate at scores z[sample]: as `Quantity.at_score`, cut between low and high where both are given."""
    if q.distribution in ("uniform", "triangular") or not q.uncertain or q.low is None or q.high is None:
        return q.at_score(z)
    from scipy.special import ndtr, ndtri

    def score(x: float) -> Any:
        if q.distribution == "normal":
            return (x - q.value) / float(q.u or 0.0)
        return (
            (np.log(x) - np.log(q.value)) / np.sqrt(np.log1p((float(q.u or 0.0) / q.value) ** 2)) if x > 0 else -np.inf
        )

    a, b = (float(ndtr(score(x))) for x in (q.low, q.high))
    return np.asarray(np.clip(q.at_score(np.asarray(ndtri(a + (b - a) * ndtr(z)))), q.low, q.high))
