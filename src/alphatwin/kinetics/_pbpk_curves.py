"""Curves of the whole-body model as sums of exponentials, the form in which the rest of alphatwin holds activity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._curve import Curve, frozen
from ._decay import decay_constant_per_h

__all__ = ["FIRST_H", "ComputedCurve", "exponentials_of", "grid_of"]

Array = npt.NDArray[np.float64]

FIRST_H = 0.02  # of the times at which the curves are read
_POINTS = 240
_TERMS = 24
_SLOWEST = 0.3  # biological rate over the decay constant; slower ones are told by the decay alone
_FASTEST_PER_H = 60.0
_BEFORE_PEAK = 0.1  # of the peak: errors on the way up count against this, later ones against the curve itself
_LEAST = 1e-5  # of the peak
_RIDGE = 1e-11


def grid_of(last_h: float) -> Array:
    """Times in h at which a curve is read, closer together at the start."""
    return np.concatenate([[0.0], np.geomspace(FIRST_H, last_h, _POINTS)])


def exponentials_of(times_h: Array, curves: Array, integrals: Array, constant_per_h: float) -> tuple[Array, Array]:
    """Amplitudes of fixed exponentials that follow each curve, keep its start and keep its integral exactly.

    Least squares over the times, with weights that ask for relative accuracy after the peak; the value at time 0 and
    ``sum_j a_j / r_j`` are constraints. Rates are the decay constant and 23 above it, the same for all samples. What
    no exponential can follow, the kink where an infusion ends, is rounded.

    Parameters
    ----------
    times_h : Array[time]
        From 0.
    curves : Array[sample, region, time]
    integrals : Array[sample, region]
        From 0 to infinity, curve's unit x h.
    constant_per_h : float
        Decay constant.

    Returns
    -------
    amplitude : Array[sample, region, term]
    rate_per_h : Array[term]
    """
    steps = np.geomspace(_SLOWEST * constant_per_h, _FASTEST_PER_H, _TERMS - 1)
    rate = constant_per_h + np.concatenate([[0.0], steps])
    basis = np.exp(-np.outer(times_h, rate))
    held = np.stack([np.ones(_TERMS), 1.0 / rate])
    amplitude = np.zeros((*curves.shape[:2], _TERMS))
    for q in range(curves.shape[1]):
        y = curves[:, q]
        peak = y.max(axis=-1, keepdims=True)
        if not peak.any():
            continue
        weight = _weights(np.median(y / np.maximum(peak, 1e-300), axis=0))
        normal = basis.T @ (weight[:, None] * basis)
        normal += _RIDGE * np.trace(normal) / _TERMS * np.eye(_TERMS)
        system = np.block([[normal, held.T], [held, np.zeros((2, 2))]])
        right = np.concatenate([(y * weight) @ basis, y[:, :1], integrals[:, q, None]], axis=-1)
        amplitude[:, q] = np.linalg.solve(system, right.T).T[:, :_TERMS]
    return amplitude, rate


def _weights(shape: Array) -> Array:
    """Weight of each time from the typical curve over its peak; time 0 is held, not fitted."""
    top = int(shape.argmax())
    scale = np.maximum(shape, _LEAST)
    scale[:top] = np.maximum(scale[:top], _BEFORE_PEAK)
    weight = 1.0 / scale**2
    weight[0] = 0.0
    return np.asarray(weight / weight.max())


@dataclass(frozen=True, eq=False)
class ComputedCurve(Curve):
    """A curve that a model computed: no points, no fit, and terms that are a basis and not phases of the body."""

    @classmethod
    def of(cls, amplitudes_MBq: Array, rates_per_h: Array, nuclide: str, model: str) -> ComputedCurve:
        """From its terms."""
        return cls(model, nuclide, decay_constant_per_h(nuclide), frozen(amplitudes_MBq), frozen(rates_per_h))

    @property
    def effective_half_life_h(self) -> float:
        """Half-life of the fall between the times by which half and nine tenths of the decays have happened, h."""
        a, r = self.amplitudes_MBq, self.rates_per_h
        t = np.geomspace(1e-3 / r.max(), 40.0 / r.min(), 2000)
        share = (1.0 - np.exp(-np.outer(t, r))) @ (a / r) / self.time_integrated_activity_MBq_h
        low, high = (float(np.interp(x, share, t)) for x in (0.5, 0.9))
        ends = self.activity_MBq(np.array([low, high]))
        return float(np.log(2.0) * (high - low) / np.log(ends[0] / ends[1]))
