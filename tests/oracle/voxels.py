"""Slow and obvious: one voxel at a time, by loops and by scipy's general fit."""

from __future__ import annotations

import math

import numpy as np


def pulled(source, source_affine, target_shape, target_affine, matrix, outside=0.0):
    """Trilinear look-up of every voxel of the target by the eight neighbours, in plain loops."""
    back = np.linalg.inv(source_affine)
    out = np.empty(target_shape)
    nz, ny, nx = source.shape
    for z in range(target_shape[0]):
        for y in range(target_shape[1]):
            for x in range(target_shape[2]):
                i, j, k, _ = back @ matrix @ target_affine @ np.array([x, y, z, 1.0])
                if not (-0.5 <= i <= nx - 0.5 and -0.5 <= j <= ny - 0.5 and -0.5 <= k <= nz - 0.5):
                    out[z, y, x] = outside
                    continue
                total = 0.0
                for dk in (0, 1):
                    for dj in (0, 1):
                        for di in (0, 1):
                            a, b, c = math.floor(i) + di, math.floor(j) + dj, math.floor(k) + dk
                            weight = (1 - abs(i - a)) * (1 - abs(j - b)) * (1 - abs(k - c))
                            total += (
                                weight * source[min(max(c, 0), nz - 1), min(max(b, 0), ny - 1), min(max(a, 0), nx - 1)]
                            )
                out[z, y, x] = total
    return out


def carried(mask, source_affine, target_shape, target_affine, matrix, parts):
    """Share of every voxel of the target: the whole mask looked up at the middle of each of its parts (z, y, x), and the mean."""
    fine = target_affine @ np.diag([1 / parts[2], 1 / parts[1], 1 / parts[0], 1.0])
    corner = [(1 / n - 1) / 2 for n in parts[::-1]]
    fine[:, 3] = target_affine @ np.array([*corner, 1.0])
    shape = tuple(n * k for n, k in zip(target_shape, parts, strict=True))
    small = pulled(np.asarray(mask, float), source_affine, shape, fine, matrix)
    z, y, x = (v for pair in zip(target_shape, parts, strict=True) for v in [pair])
    return small.reshape(*z, *y, *x).mean(axis=(1, 3, 5))


def scaled(times_h, values, shape, weights):
    """Scale of a known shape by least squares, its normal equation solved by numpy's general solver."""
    root = np.sqrt(weights)
    return float(np.linalg.lstsq((root * shape)[:, None], root * values, rcond=None)[0][0])


def mono(times_h, values, sigma, rate_per_h, rate_sd, slowest, fastest):
    """Integral, its sd and rate of ``a exp(-r t)`` with ``r ~ Normal(rate, rate_sd)``: the prior as one more point."""
    from scipy.optimize import curve_fit

    def model(_, amplitude, rate):
        return np.append(amplitude * np.exp(-rate * times_h), rate)

    start = [values[0] * math.exp(rate_per_h * times_h[0]), rate_per_h]
    best, covariance = curve_fit(
        model,
        np.arange(len(times_h) + 1),
        np.append(values, rate_per_h),
        p0=start,
        sigma=np.append(sigma, rate_sd),
        absolute_sigma=True,
        bounds=([0, slowest], [np.inf, fastest]),
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
        x_scale=start,
    )
    amplitude, rate = best
    gradient = np.array([1 / rate, -amplitude / rate**2])
    return amplitude / rate, math.sqrt(gradient @ covariance @ gradient), rate
