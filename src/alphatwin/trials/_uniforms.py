"""Uniform random numbers of virtual patients: Philox keyed by the seed, counted by trial and patient.

A patient's numbers do not depend on the design, the number of threads, or how the trials are cut into pieces. Two designs
that are run with one seed therefore treat the same patients.
"""

from __future__ import annotations

import numpy as np

from .._jit import njit, prange
from ..transport._random import uniforms
from .designs import Floats

__all__ = ["patient_uniforms"]

_STREAM = 0x7472  # keeps these draws apart from those of the transport kernels
_DRAWS = 3  # of four numbers each, per patient


@njit(cache=True, parallel=True)
def _fill(seed, stream, first_trial, draws, out):  # type: ignore[no-untyped-def]
    trials, patients = out.shape[0], out.shape[1]
    for t in prange(trials):
        for j in range(patients):
            for k in range(draws):
                a, b, c, d = uniforms(seed, stream, first_trial + t, j * 3 + k)
                out[t, j, 4 * k] = a
                out[t, j, 4 * k + 1] = b
                out[t, j, 4 * k + 2] = c
                out[t, j, 4 * k + 3] = d


def patient_uniforms(seed: int, first_trial: int, trials: int, patients: int, draws: int = _DRAWS) -> Floats:
    """Uniforms in (0, 1) of the patients of some trials.

    Parameters
    ----------
    seed : int
        Any whole number from 0; its upper half selects the stream.
    first_trial, trials : int
        Which trials: `first_trial` to `first_trial + trials - 1`.
    patients : int
        Per trial.
    draws : int
        1 to 3: how many groups of four numbers are needed; the first ones do not change with it.

    Returns
    -------
    array [trial, patient, 4 draws]
    """
    out = np.empty((trials, patients, 4 * draws))
    _fill(seed & 0xFFFFFFFF, (_STREAM ^ (seed >> 32)) & 0xFFFFFFFF, first_trial, draws, out)
    return out
