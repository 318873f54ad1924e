"""Slow, obvious twins of the matter room: one energy at a time, other integrators, the libraries' own element calls."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import xraylib
from scipy.integrate import quad
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

MC2 = 0.51099895  # MeV


def alpha_range(energy_MeV: float, table_energy, table_stopping, first_range: float) -> float:
    """CSDA range by adaptive quadrature of 1/S from the first table energy, piece by piece."""
    spline = CubicSpline(np.log(table_energy), np.log(table_stopping))
    stops = [e for e in table_energy if e < energy_MeV] + [energy_MeV]
    total = first_range
    for low, high in pairwise(stops):
        total += quad(lambda e: math.exp(-spline(math.log(e))), low, high, epsrel=1e-10)[0]
    return total


def density_effect(fractions, weights, shells, density, excitation_eV, energy_MeV):
    """Sternheimer's delta with scalar root finding; `shells[z]` is a list of (electrons, binding energy in eV)."""
    z_over_a = sum(w * z / weights[z] for z, w in fractions)
    plasma = 28.816 * math.sqrt(density * z_over_a)
    oscillators = []
    for z, w in fractions:
        count = sum(n for n, _ in shells[z])
        oscillators += [(w * z / weights[z] / z_over_a * n / count, b / plasma) for n, b in shells[z]]

    def excitation(rho):
        return sum(f * 0.5 * math.log((rho * e) ** 2 + 2 * f / 3) for f, e in oscillators)

    rho = brentq(lambda r: excitation(r) - math.log(excitation_eV / plasma), 1e-3, 1e3)
    tau = energy_MeV / MC2
    y = tau * (tau + 2)
    if sum(f / (rho * e) ** 2 for f, e in oscillators) < 1 / y:
        return 0.0
    q = brentq(lambda v: sum(f / ((rho * e) ** 2 + v) for f, e in oscillators) - 1 / y, 0.0, 10 * y)
    return sum(f * math.log(1 + q / ((rho * e) ** 2 + 2 * f / 3)) for f, e in oscillators) - q / (1 + y)


def compton_fraction(z: int, energy_MeV: float) -> float:
    """<T>/E over angle, Klein-Nishina times S(x, Z), by adaptive quadrature over theta."""

    def sigma(theta):
        k = 1 / (1 + energy_MeV / MC2 * (1 - math.cos(theta)))
        x = energy_MeV * 1e3 / 12.39842 * math.sin(theta / 2)
        kn = k * k * (k + 1 / k - math.sin(theta) ** 2) * math.sin(theta)
        return k, kn * (xraylib.SF_Compt(z, x) if x > 1e-3 else 0.0)  # xraylib's table begins there; S is 1e-4 or less

    def moved(theta):
        k, s = sigma(theta)
        return (1 - k) * s

    start = 1e-4
    return (
        quad(moved, start, math.pi, epsrel=1e-6, limit=400)[0]
        / quad(lambda t: sigma(t)[1], start, math.pi, epsrel=1e-6, limit=400)[0]
    )
