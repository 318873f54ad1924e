"""Where uncertainty enters: standard-normal scores by name, keyed by seed, the same bits on every machine and thread.

Every uncertain input asks for its scores by a name of its own (``"mass kidney_left"``). A score of zero is the point
estimate. Scores are stratified (one draw in each of n equally likely strata, in a random order) and the stream is
Philox, keyed by the seed and a hash of the name: adding an input never changes the draws of another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

__all__ = ["Draws", "OneAtATime"]


@dataclass(frozen=True)
class Draws:
    """Scores z[sample] for named inputs; n = 1 is the point estimate (all zero).

    Examples
    --------
    >>> z = Draws(1000, seed=1).normal("mass liver")
    >>> bool(abs(z.mean()) < 1e-12 and abs(z.std() - 1) < 1e-12)
    True
    >>> Draws(1, seed=1).normal("mass liver")
    array([0.])
    """

    n: int
    seed: int = 1

    @property
    def sampled(self) -> bool:
        """Whether the scores are a sample of a distribution (not a point estimate, not one input at a time)."""
        return self.n > 1

    def normal(self, name: str) -> np.ndarray:
        """Standard-normal scores z[sample] of one input; mean 0 and variance 1 hold exactly."""
        if self.n == 1:
            return np.zeros(1)
        from scipy.special import ndtri

        key = int.from_bytes(hashlib.sha256(f"{self.seed}|{name}".encode()).digest()[:16], "little")
        stream = np.random.Generator(np.random.Philox(key=key))
        strata = stream.permutation(self.n)
        z = ndtri((strata + stream.random(self.n)) / self.n)
        z -= z.mean()
        return np.asarray(z / z.std())


@dataclass(frozen=True)
class OneAtATime(Draws):
    """Each named input alone at -1 and +1 standard scores: sample 0 is the point estimate, 2i+1 low, 2i+2 high."""

    names: tuple[str, ...] = ()
    score: float = 1.0

    @classmethod
    def of(cls, names: tuple[str, ...], score: float = 1.0) -> OneAtATime:
        """Draws for these inputs, in this order."""
        return cls(2 * len(names) + 1, 0, names, score)

    @property
    def sampled(self) -> bool:
        """Never: each input moves alone."""
        return False

    def normal(self, name: str) -> np.ndarray:
        """Scores z[sample]: zero but for the two samples that move this input."""
        z = np.zeros(self.n)
        if name in self.names:
            i = self.names.index(name)
            z[2 * i + 1], z[2 * i + 2] = -self.score, self.score
        return z
