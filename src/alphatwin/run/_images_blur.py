"""Blur between regions: the transfer matrix of a Gaussian, what moving an outline changes, recovery through a shape.

Blur moves activity between regions. With s_r the share of each voxel in region r and G the Gaussian of the scanner, a
uniform region s puts the share ``T_rs = sum(s_r (G s_s)) / sum(s_s)`` of its activity into the outline of r, so the
measured activities are ``M = T A`` (geometric transfer matrix: Rousset, Ma & Evans, J Nucl Med 39:904, 1998). The diagonal
is the recovery of the region's own shape; what the others put in is the surrounding B of `activity_samples`,
``B = sum_{s != r} T_rs A_s / ((1 - T_rr) V_r)``. With measured spheres the recovery is theirs, and B the mean of the image in
a shell of 1 to 1.5 widths outside the outline as it lies on that image.

When the outline of r moves by dV, the image stays and the sources are drawn anew: r gains a layer w on its surface (one of dV = 1),
its neighbours s lose their parts w_s of it. To first order, with c = A/V::

    dA_r/dV = c_r - sum_s (c_r - c_s) (T^-1 t_s)_r,        t_s,i = sum(s_i (G w_s))

For a region alone in the cold that is ``d lnA/d lnV = 1 - phi/(2 R)``, as Gear's equations give it with the slope of RC that a
blurred sphere has, ``d lnR/d lnV = phi/R - 1``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..imaging.quantify import RecoveryCurve, sphere_recovery
from ..imaging.values import Grid, box_of
from ._images_body import FWHM, REST

__all__ = ["FWHM", "taken", "through", "transfer_matrix", "width_on_voxels"]

Array = npt.NDArray[np.float64]
DIFFERENCES = 0.2  # voxel^2: mean spread of a surface by central differences
TAIL = 5.0  # standard deviations to which a Gaussian is followed


def taken(shares: Mapping[str, npt.NDArray[np.float32]], grid: Grid, fwhm_mm: float, transfer: Array) -> Array:
    """``(T^-1 t_s)_r`` for the surface of r and each of its neighbours s, [region, region + rest + outside]; see the module.

    The layer is the gradient of the shares, whose differences over two voxels spread it along its normal, with 1/5 voxel^2 on the mean
    over directions (1/3 sum_k n_k^4): the blur of the layer is less by that. Of overlapping outlines the smaller keeps the voxel, so a region moves no surface that
    it has with a smaller one.
    """
    from scipy.ndimage import gaussian_filter

    names = list(shares)
    made = np.zeros((len(names) - 1, len(names) + 1))
    widths = [width_on_voxels(fwhm_mm / FWHM / mm) for mm in grid.voxel_mm]
    reach = [math.ceil(TAIL * w) + 3 for w in widths]
    narrow = [math.sqrt(max(w * w - DIFFERENCES, 0.05)) for w in widths]
    size = {n: float(s.sum(dtype=float)) for n, s in shares.items()}
    inverse = np.linalg.inv(transfer)
    for i, name in enumerate(names[:-1]):
        box = tuple(
            slice(max(side.start - r, 0), min(side.stop + r, n))
            for side, r, n in zip(box_of(shares[name]), reach, grid.shape, strict=True)
        )
        near = {n: np.asarray(s[box], float) for n, s in shares.items()}
        layer = np.sqrt(sum(g**2 for g in (np.gradient(near[name], mm, axis=k) for k, mm in enumerate(grid.voxel_mm))))
        smooth = {n: gaussian_filter(s, 1.0, mode="constant") for n, s in near.items()}
        beside = {n: s for n, s in smooth.items() if n != name}
        empty = np.maximum(1 - sum(smooth.values()), 0.0)
        whole = sum(beside.values()) + empty
        parts = {n: np.where(whole > 1e-6, layer * s / np.maximum(whole, 1e-6), 0.0)
                 for n, s in [*beside.items(), ("", empty)] if n in (REST, "") or size[n] > size[name]}  # fmt: skip
        total = sum(float(p.sum()) for p in parts.values())
        for n, part in parts.items():
            if not part.any():
                continue
            blurred = gaussian_filter(part, narrow, mode="constant", truncate=TAIL)
            put = np.array([float(np.sum(near[m] * blurred)) for m in names[:-1]])
            put = np.append(put, float(part.sum()) - put.sum()) / total
            made[i, names.index(n) if n else -1] = float(inverse[i] @ put)
    return made


def through(volume_mL: float, recovery: float, change: float, fwhm_mm: float) -> RecoveryCurve:
    """A recovery curve through the region's own recovery, as steep in volume as that of a sphere under the same blur.

    Its covariance gives the coefficient the standard uncertainty `change`, that from the width.
    """
    step = 0.05
    ends = [sphere_recovery(volume_mL * (1 + s), fwhm_mm) for s in (-step, step)]
    logit = [math.log(r / (1 - r)) for r in ends]
    c = max((logit[1] - logit[0]) / math.log((1 + step) / (1 - step)), 0.05)
    inner = min(max(recovery, 1e-3), 1 - 1e-6)
    b = volume_mL * (1 / inner - 1) ** (1 / c)
    by_b = inner * (1 - inner) * c / b
    return RecoveryCurve(b, c, np.diag([(change / by_b) ** 2, 0.0]), source="the region's own shape under a Gaussian")


def transfer_matrix(
    shares: Mapping[str, npt.NDArray[np.float32]],
    grid: Grid,
    fwhm_mm: float,
    hidden: npt.NDArray[np.float32] | None = None,
) -> Array:
    """T[r, s]: share of the activity of uniform s that the image shows in the outline of r; the last row is all else.

    What is seen in `hidden`, shares of voxels, counts in none.
    """
    from scipy.ndimage import gaussian_filter

    names = list(shares)
    made = np.zeros((len(names), len(names)))
    widths = [width_on_voxels(fwhm_mm / FWHM / mm) for mm in grid.voxel_mm]
    reach = [math.ceil(TAIL * w) + 1 for w in widths]
    for j, source in enumerate(names):
        z, y, x = (
            slice(max(side.start - r, 0), min(side.stop + r, n))
            for side, r, n in zip(box_of(shares[source]), reach, grid.shape, strict=True)
        )  # beyond it the blurred region is zero
        blurred = gaussian_filter(shares[source][z, y, x], widths, mode="constant", truncate=TAIL)
        total = float(shares[source].sum(dtype=float))
        for i, name in enumerate(names[:-1]):
            made[i, j] = float(np.sum(shares[name][z, y, x] * blurred, dtype=float)) / total
        if hidden is not None:
            blurred *= 1 - hidden[z, y, x]
        made[-1, j] = float(blurred.sum(dtype=float)) / total - made[:-1, j].sum()
    return made


def width_on_voxels(sigma: float) -> float:
    """Standard deviation (voxels) of the sampled Gaussian that takes across a surface what a Gaussian of `sigma` takes.

    What a blur X takes out of a region through its surface goes with E|X|. On shares of voxels, whose edges are already
    spread over their own width by T (a triangle from -1 to 1), that is E|X + T|, and a sampled kernel w gives
    sum_n w_n E|n + T|. From a width of 0.8 voxels on both agree; at 0.42, a width at half maximum of one voxel,
    the sampled kernel would leave a sphere of four voxels 7 % too much.

    Examples
    --------
    >>> round(width_on_voxels(0.9), 3), round(width_on_voxels(0.425), 3)
    (0.9, 0.497)
    """
    if sigma >= 0.8:
        return sigma
    from scipy.optimize import brentq

    x = np.linspace(-8, 8, 4001) * sigma
    away = np.where(np.abs(x) < 1, 1 / 3 + x**2 - np.abs(x) ** 3 / 3, np.abs(x))
    weight = np.exp(-((x / sigma) ** 2) / 2)
    wanted = float((weight * away).sum() / weight.sum())
    n = np.arange(-8, 9)
    steps = np.where(n == 0, 1 / 3, np.abs(n))

    def off(width: float) -> float:
        w = np.exp(-((n / width) ** 2) / 2)
        return float((w * steps).sum() / w.sum()) - wanted

    return float(brentq(off, 0.1, 2.0)) if off(0.1) < 0 < off(2.0) else sigma
