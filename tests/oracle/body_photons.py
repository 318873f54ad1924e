"""Slow, obvious twin of `_body_transport.follow`: analogue photons, array by array, with cross sections of another library.

Every photon flies to real collisions only (Woodcock's rejection), is absorbed whole by the photoelectric effect, or is
scattered by Klein-Nishina on free electrons at rest (Kahn's rejection); Rayleigh scattering changes nothing. Energy counts
where it is left. Below 1.02 MeV.
"""

from __future__ import annotations

import numpy as np
import xraylib

from alphatwin.physics._stopping import ATOMIC_NUMBER

MC2 = 0.51099895
LOW_MEV = 0.004
GRID_MEV = np.geomspace(LOW_MEV, 1.001, 400)
_TOP_KEV = 799.0  # the library's tables end at 800 keV


def _tables(tissues):
    """Photoelectric and Compton coefficients, 1/cm [tissue, energy]."""
    mixes = [{ATOMIC_NUMBER[e]: w for e, w in t.composition.fractions.items()} for t in tissues]
    keV = GRID_MEV * 1e3

    def photo(z, e):
        return xraylib.CS_Photo(z, min(e, _TOP_KEV)) * (min(1.0, _TOP_KEV / e) ** 1.5)  # negligible there

    def incoherent(z, e):
        beyond = xraylib.CS_KN(e) / xraylib.CS_KN(_TOP_KEV) if e > _TOP_KEV else 1.0
        return xraylib.CS_Compt(z, min(e, _TOP_KEV)) * beyond

    rho = np.array([t.density.value for t in tissues])[:, None]
    return tuple(
        rho * np.array([[sum(w * f(z, float(e)) for z, w in m.items()) for e in keV] for m in mixes])
        for f in (photo, incoherent)
    )


def _at(table, tissue, energy):
    x = np.interp(np.log(energy), np.log(GRID_MEV), np.arange(len(GRID_MEV)))
    i = np.minimum(x.astype(int), len(GRID_MEV) - 2)
    return np.exp((1 - x + i) * np.log(table[tissue, i]) + (x - i) * np.log(table[tissue, i + 1]))


def _ratio(energy, rng):
    """E'/E of Klein-Nishina: uniform tries under the largest value of (r + 1/r - sin^2)."""
    k = energy / MC2
    found, todo = np.ones_like(energy), np.arange(len(energy))
    while len(todo):
        low = 1 / (1 + 2 * k[todo])
        r = low + (1 - low) * rng.random(len(todo))
        cos = 1 - (1 / r - 1) / k[todo]
        good = rng.random(len(todo)) * (low + 1 / low) < r + 1 / r - (1 - cos**2)
        found[todo[good]] = r[good]
        todo = todo[~good]
    return found


def _turned(u, cos, rng):
    sin, phi = np.sqrt(np.maximum(0, 1 - cos**2)), 2 * np.pi * rng.random(len(cos))
    other = np.where(np.abs(u[:, 2:]) < 0.9, [[0, 0, 1.0]], [[1.0, 0, 0]])
    v = np.cross(u, other)
    v /= np.linalg.norm(v, axis=1)[:, None]
    return u * cos[:, None] + (v * np.cos(phi)[:, None] + np.cross(u, v) * np.sin(phi)[:, None]) * sin[:, None]


def absorbed_fractions(grid, source, energy_MeV, histories, seed):
    """Fraction of the emitted energy left in every region of `grid.names`; the first is what escaped."""
    rng = np.random.Generator(np.random.Philox(seed))
    kinds = list(grid.body.tissues)
    photo, incoherent = _tables(list(grid.body.tissues.values()))
    tissue = np.array([0, *(kinds.index(grid.body.regions[n].tissue) for n in grid.names[1:])])
    low, shape = np.array(grid.origin_cm), np.array(grid.labels.shape[::-1])
    start = np.argwhere(grid.labels == grid.names.index(source))[:, ::-1]
    r = (start[rng.integers(len(start), size=histories)] + rng.random((histories, 3))) * grid.edge_cm + low
    cos, phi = 2 * rng.random(histories) - 1, 2 * np.pi * rng.random(histories)
    sin = np.sqrt(1 - cos**2)
    u = np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=1)
    e, left = np.full(histories, float(energy_MeV)), np.zeros(len(grid.names))
    while len(e):
        both = photo + incoherent
        top = np.max([_at(both, np.full(len(e), t), e) for t in range(len(kinds))], axis=0)
        r = r + u * (rng.exponential(size=len(e)) / top)[:, None]
        i = np.floor((r - low) / grid.edge_cm).astype(int)
        inside = np.all((i >= 0) & (i < shape), axis=1)
        left[0] += e[~inside].sum()
        r, u, e, i, top = r[inside], u[inside], e[inside], i[inside], top[inside]
        label = grid.labels[i[:, 2], i[:, 1], i[:, 0]]
        t = tissue[label]
        a, b = (np.where(label > 0, _at(table, t, e), 0.0) for table in (photo, incoherent))
        x = rng.random(len(e)) * top
        absorbed, scattered = x < a, (x >= a) & (x < a + b)
        ratio = np.ones(len(e))
        ratio[scattered] = _ratio(e[scattered], rng)
        np.add.at(left, label[absorbed], e[absorbed])
        np.add.at(left, label, e * (1 - ratio))
        u[scattered] = _turned(u[scattered], 1 - (1 / ratio[scattered] - 1) * MC2 / e[scattered], rng)
        e = e * ratio
        spent = ~absorbed & (e <= LOW_MEV)
        np.add.at(left, label[spent], e[spent])
        go = ~absorbed & ~spent
        r, u, e = r[go], u[go], e[go]
    return left / histories / energy_MeV
