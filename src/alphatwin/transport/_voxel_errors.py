"""Error bars of voxels that few histories reached.

A voxel's variance is estimated from what arrived there; it is that of the dose, which is smoother than the energy. Of n equal contributions the estimate itself is uncertain by the part
1/sqrt(2 n), and it is 0 where nothing arrived. With S1 the dose and S2 its variance, S1^2/S2 is the number
of equal contributions that would give the same relative error (Kish's effective number). Where it is below `FEW`, the
variance is replaced by its mean over the smallest box of 3, 5, 9, 17 ... voxels round the voxel whose few-hit voxels
together reach that number; voxels with more hits are left out, so a hot neighbour does not raise it. The mean over a box
is as unbiased as each of its parts, and no longer low where the dose came out low. Nothing is done to the dose.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FEW", "smoothed_variance"]

Array = npt.NDArray[np.float64]

FEW = 20


def smoothed_variance(first: Array, second: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Variance of each voxel's sum, better where few histories arrived, and where that was.

    Parameters
    ----------
    first, second : array[z, y, x]
        Dose, and its variance as estimated voxel by voxel.

    Returns
    -------
    variance : array[z, y, x]
        In the unit of `second`.
    few : array of bool
        Voxels with fewer than `FEW` effective histories.
    """
    from scipy.ndimage import uniform_filter

    few = first**2 < FEW * second
    few |= second <= 0
    few &= ~((second <= 0) & (first > 0))  # a dose without spread: every history gave the same
    variance = np.where(few, 0.0, second)
    open_ = few.copy()
    if not bool(few.any()) or not bool((second[few] > 0).any()):
        return variance, few
    number = few.astype(float)
    one, two = np.where(few, first, 0.0), np.where(few, second, 0.0)
    hit = (two > 0).astype(float)  # counted, because running sums leave residues where nothing arrived
    size = 3
    while bool(open_.any()):
        whole = size >= 2 * max(first.shape)
        if whole:  # all the few-hit voxels of the grid
            total = np.array([number.sum(), one.sum(), two.sum()])
            variance[open_] = total[2] / total[0]
            break
        part, hits, a, b = (uniform_filter(v, size, mode="constant") * size**3 for v in (number, hit, one, two))
        enough = open_ & (hits > 0.5) & (b > 0) & (a**2 >= FEW * b)
        variance[enough] = b[enough] / np.maximum(part[enough], 1.0)
        open_ &= ~enough
        size = 2 * size - 1
    return np.maximum(variance, 0.0), few
