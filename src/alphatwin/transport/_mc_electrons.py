"""Electrons and positrons through voxels and shells: a mixed condensed-history scheme, kernels only.

One step goes to the next hard event (large deflection, Moller or Bhabha collision, bremsstrahlung, annihilation in
flight), whose cross sections `_mc_tables` keeps; on the way the particle loses energy at the restricted stopping power
of the energy in the middle of the step, and at a random point of the step, the hinge, it takes all small deflections
at once (Fernandez-Varea et al. 1993). Cross sections that grow as energy falls are met with a majorant: an event is
real with the chance Sigma(E)/majorant. Every voxel with one medium is crossed without a stop; at a face to another medium
the step ends there and a new one begins.
"""

from __future__ import annotations

import math

from .._jit import njit
from ._mc_relaxation import BREMS_EVERY, BREMS_NODES
from ._mc_tables import (
    CUT,
    ELASTIC,
    HARD,
    INELASTIC,
    KERNEL,
    LOG_STEP,
    LOW_MEV,
    MAJORANT,
    MC2,
    MU_CUT,
    POINTS,
    QUANTILES,
    RADIATIVE,
    RANGE,
    SCREEN,
    SOFT_1,
    SOFT_2,
    SOFT_LOSS,
    STEP,
    YIELD,
)
from ._mc_voxels import LEFT, RADIATED, SHELLS, deposit, face_distance, move, shell_of, turn
from ._random import block

__all__ = ["THICK_LOW_MEV", "electron", "push", "row_of", "stays", "stop"]

THICK_LOW_MEV = 0.01  # electrons that stop radiate above this energy only
THICK_CUT = 0.02  # smallest photon of the thick-target law, as a part of E
THICK_MEAN = 0.5 * (1 - THICK_CUT) ** 2 / (-math.log(THICK_CUT) - (1 - THICK_CUT))  # its mean photon over E
_LOG_LOW = math.log(LOW_MEV)
_TWO_PI = 2.0 * math.pi


@njit(**KERNEL)
def row_of(energy):  # type: ignore[no-untyped-def]
    """The table row nearest to an energy."""
    return min(POINTS - 1, max(0, int((math.log(energy) - _LOG_LOW) / LOG_STEP + 0.5)))


@njit(**KERNEL)
def halves(r):  # type: ignore[no-untyped-def]
    """Two uniforms of 16 bits each from one of 32."""
    high = int(65536.0 * r)
    return (high + 0.5) / 65536.0, 65536.0 * r - high


@njit(**KERNEL)
def stays(e, reach, stop_cm, p, cell, geo, density):  # type: ignore[no-untyped-def]
    """Whether an electron of this CSDA range cannot leave its voxel, or is too slow to be followed."""
    if e <= LOW_MEV:
        return True
    if geo[SHELLS] > 0:
        return reach <= stop_cm
    return reach <= max(stop_cm, face_distance(p, cell, geo)) * density[cell[3]]


@njit(**KERNEL)
def push(stack, top, kind, energy, p, cell):  # type: ignore[no-untyped-def]
    """Put a particle (0 photon, 1 electron, 2 positron, 3 annihilation photon) on the stack; the new height.

    The last row takes the energy of what found no room; whoever empties the stack must find it 0.
    """
    if top >= stack.shape[0] - 1:
        stack[stack.shape[0] - 1, 1] += energy
        return top
    stack[top, 0], stack[top, 1] = kind, energy
    for k in range(6):
        stack[top, 2 + k] = p[k]
    for k in range(4):
        stack[top, 8 + k] = cell[k]
    return top + 1


@njit(**KERNEL)
def moller(energy, cut, key):  # type: ignore[no-untyped-def]
    """Transfer of a Moller collision between cut and energy/2."""
    a = 1.0 / (energy + MC2) ** 2
    c = MC2 * (2.0 * energy + MC2) * a
    while True:
        r0, r1, r2, r3 = block(key)
        w = cut / (1.0 - r0 * (1.0 - 2.0 * cut / energy))
        rest = energy - w
        if r1 * 2.25 <= 1.0 + w * w / (rest * rest) + w * w * a - c * w / rest:
            return w
        w = cut / (1.0 - r2 * (1.0 - 2.0 * cut / energy))
        rest = energy - w
        if r3 * 2.25 <= 1.0 + w * w / (rest * rest) + w * w * a - c * w / rest:
            return w


@njit(**KERNEL)
def bhabha(energy, cut, key):  # type: ignore[no-untyped-def]
    """Transfer of a Bhabha collision between cut and energy."""
    g = 1.0 + energy / MC2
    r = ((g - 1.0) / g) ** 2
    b1 = r * (2.0 * (g + 1.0) ** 2 - 1.0) / (g * g - 1.0)
    b2 = r * (3.0 * (g + 1.0) ** 2 + 1.0) / (g + 1.0) ** 2
    b3 = r * 2.0 * g * (g - 1.0) / (g + 1.0) ** 2
    b4 = r * (g - 1.0) ** 2 / (g + 1.0) ** 2
    while True:
        r0, r1, _, _ = block(key)
        w = cut / (1.0 - r0 * (1.0 - cut / energy))
        x = w / energy
        if r1 <= 1.0 - x * (b1 - x * (b2 - x * (b3 - x * b4))):
            return w


@njit(**KERNEL)
def radiated_energy(energy, low, shape, key):  # type: ignore[no-untyped-def]
    """Photon energy between low and energy from chi(y)/y; chi straight between its nodes, 1 at most."""
    log_low = math.log(low / energy)
    while True:
        r0, r1, r2, r3 = block(key)
        for k in range(2):
            y = math.exp(log_low * (r0 if k == 0 else r2))
            j = min(BREMS_NODES - 1, int(y * BREMS_NODES))
            if (r1 if k == 0 else r3) <= shape[j] + (y * BREMS_NODES - j) * (shape[j + 1] - shape[j]):
                return min(y, 1.0) * energy


@njit(**KERNEL)
def annihilate_in_flight(energy, key):  # type: ignore[no-untyped-def]
    """Share zeta of one photon in E + 2 m c^2, and the cosines of both (Heitler 1954, section 27)."""
    g = 1.0 + energy / MC2
    root = math.sqrt(g * g - 1.0)
    low = 1.0 / (g + 1.0 + root)
    top = -((g + 1.0) ** 2) * low + (g * g + 4.0 * g + 1.0) - 1.0 / low
    while True:
        r0, r1, _, _ = block(key)
        zeta = low * ((1.0 - low) / low) ** r0
        if r1 * top <= -((g + 1.0) ** 2) * zeta + (g * g + 4.0 * g + 1.0) - 1.0 / zeta:
            break
    one = (g + 1.0 - 1.0 / zeta) / root
    two = (g + 1.0 - 1.0 / (1.0 - zeta)) / root
    return zeta, min(1.0, max(-1.0, one)), min(1.0, max(-1.0, two))


@njit(**KERNEL)
def annihilate_at_rest(p, cell, key, stack, top):  # type: ignore[no-untyped-def]
    """Two photons of 511 keV, back to back."""
    r0, r1, _, _ = block(key)
    w = 2.0 * r0 - 1.0
    s = math.sqrt(max(0.0, 1.0 - w * w))
    p[3], p[4], p[5] = s * math.cos(_TWO_PI * r1), s * math.sin(_TWO_PI * r1), w
    top = push(stack, top, 3, MC2, p, cell)
    p[3], p[4], p[5] = -p[3], -p[4], -p[5]
    return push(stack, top, 3, MC2, p, cell)


@njit(**KERNEL)
def soft_turn(p, one, two, r0, r1):  # type: ignore[no-untyped-def]
    """All small deflections of a step: two flat pieces of mu with the exact first two moments.

    one, two: the step over the soft transport mean free paths. Goudsmit and Saunderson's theorem gives
    <mu> = (1 - exp(-one))/2 and <mu^2> = <mu> - (1 - exp(-two))/6.
    """
    if one > 1e-7:
        m1 = 0.5 * (1.0 - math.exp(-one))
        m2 = m1 - (1.0 - math.exp(-two)) / 6.0
        b = (2.0 * m1 - 3.0 * m2) / (1.0 - 2.0 * m1)
        b = min(1.0, max(0.0, b))
        a = min(1.0, 1.0 + b - 2.0 * m1)
        mu = b * r0 / a if r0 < a else b + (1.0 - b) * (r0 - a) / max(1.0 - a, 1e-12)
        turn(p, min(mu, 1.0), _TWO_PI * r1)


@njit(**KERNEL)
def hard_turn(p, row, quantiles, r0, r1):  # type: ignore[no-untyped-def]
    """One large deflection: a quantile of the cut screened law, times the tabulated correction for elements and spin."""
    above = 1.0 - r0
    j = min(QUANTILES - 1, int((1.0 - math.sqrt(above)) * QUANTILES))  # nodes at 1 - (1 - j/n)^2
    left, right = (1.0 - j / QUANTILES) ** 2, (1.0 - (j + 1) / QUANTILES) ** 2
    t = quantiles[j] + (left - above) / (left - right) * (quantiles[j + 1] - quantiles[j])
    a = row[SCREEN]
    low, high = 1.0 / (row[MU_CUT] + a), 1.0 / (1.0 + a)
    mu = 1.0 / (low - t * (low - high)) - a
    turn(p, min(1.0, max(0.0, mu)), _TWO_PI * r1)


@njit(**KERNEL)
def collide(sign, e, cut, p, cell, key, history, phi, stop_cm, rows, tally, geo, density, stack, top):  # type: ignore[no-untyped-def]
    """A hard inelastic collision (transfer above `cut`); the energy left and the stack's height. A slow secondary stays where it is born."""
    if sign == 0:
        if e <= 2.0 * cut:
            return e, top
        w = moller(e, cut, key)
    else:
        if e <= cut:
            return e, top
        w = bhabha(e, cut, key)
        w = min(w, e * (1.0 - 1e-9))
    local = stop_cm
    if geo[SHELLS] == 0:
        local = max(local, face_distance(p, cell, geo)) * density[cell[3]]
    if rows[row_of(w), RANGE] <= local:
        deposit(tally, shell_of(p, geo) if geo[SHELLS] > 0 else cell[3], history, w)
    else:
        u, v, z = p[3], p[4], p[5]
        cosine = math.sqrt(w * (e + 2.0 * MC2) / (e * (w + 2.0 * MC2)))
        turn(p, 0.5 * (1.0 - cosine), phi + math.pi)
        top = push(stack, top, 1, w, p, cell)
        p[3], p[4], p[5] = u, v, z
    cosine = math.sqrt((e - w) * (e + 2.0 * MC2) / (e * (e - w + 2.0 * MC2)))
    turn(p, 0.5 * (1.0 - cosine), phi)
    return e - w, top


@njit(**KERNEL)
def radiate(e, p, cell, key, history, low, shape, tally, follow, stack, top):  # type: ignore[no-untyped-def]
    """A bremsstrahlung photon above `low`, at an angle of the dipole law 1/(1 - beta cos)^2; its energy and the height."""
    k = radiated_energy(e, low, shape, key)
    if not follow:
        deposit(tally, RADIATED, history, k)
        return k, top
    r0, r1, _, _ = block(key)
    beta = math.sqrt(e * (e + 2.0 * MC2)) / (e + MC2)
    x = 2.0 * r0 - 1.0
    cosine = (beta + x) / (1.0 + beta * x)
    u, v, w = p[3], p[4], p[5]
    turn(p, 0.5 * (1.0 - cosine), _TWO_PI * r1)
    top = push(stack, top, 0, k, p, cell)
    p[3], p[4], p[5] = u, v, w
    return k, top


@njit(**KERNEL)
def stop(sign, e, radiated, p, cell, key, history, geo, tally, follow, stack, top):  # type: ignore[no-untyped-def]
    """Leave all energy here, less a photon that may still be radiated: thick-target law (E - k)/k, mean energy Y E."""
    r0, _, _, _ = block(key)
    if e > THICK_LOW_MEV and r0 * THICK_MEAN < radiated:
        while True:
            r0, r1, r2, r3 = block(key)
            y = THICK_CUT**r0
            if r1 <= 1.0 - y:
                break
        k = y * e
        e -= k
        if follow:
            w = 2.0 * r2 - 1.0
            s = math.sqrt(max(0.0, 1.0 - w * w))
            p[3], p[4], p[5] = s * math.cos(_TWO_PI * r3), s * math.sin(_TWO_PI * r3), w
            top = push(stack, top, 0, k, p, cell)
        else:
            deposit(tally, RADIATED, history, k)
    deposit(tally, shell_of(p, geo) if geo[SHELLS] > 0 else cell[3], history, e)
    if sign == 1:
        top = annihilate_at_rest(p, cell, key, stack, top)
    return top


@njit(**KERNEL)
def hard_event(sign, e, p, cell, key, history, pick, r0, r1, stop_cm, world, tally, follow, stack, top):  # type: ignore[no-untyped-def]
    """The event at the end of a step, if `pick` (0 to the majorant) falls on one; energy left (negative: gone), height."""
    geo, density, media, charged, quantiles = world[0], world[1], world[2], world[3], world[4]
    medium = 0 if geo[SHELLS] > 0 else media[cell[3]]
    rows = charged[sign, medium]
    i = row_of(e)
    row = rows[i]
    if pick < row[ELASTIC]:
        hard_turn(p, row, quantiles[sign, medium, i], r0, r1)
    elif pick < row[INELASTIC]:
        e, top = collide(
            sign, e, row[CUT], p, cell, key, history, _TWO_PI * r1, stop_cm, charged[0, medium], tally, geo, density,
            stack, top,
        )  # fmt: skip
    elif pick < row[RADIATIVE]:
        low = row[CUT]
        if e > low:
            shape = world[9][medium, (i + BREMS_EVERY // 2) // BREMS_EVERY]
            k, top = radiate(e, p, cell, key, history, low, shape, tally, follow, stack, top)
            e -= k
    elif pick < row[HARD]:
        zeta, one, two = annihilate_in_flight(e, key)
        total = e + 2.0 * MC2
        u, v, w = p[3], p[4], p[5]
        turn(p, 0.5 * (1.0 - one), _TWO_PI * r0)
        top = push(stack, top, 3, zeta * total, p, cell)
        p[3], p[4], p[5] = u, v, w
        turn(p, 0.5 * (1.0 - two), _TWO_PI * r0 + math.pi)
        top = push(stack, top, 3, (1.0 - zeta) * total, p, cell)
        e = -1.0
    return e, top


@njit(**KERNEL)
def electron(sign, e, p, cell, key, history, stop_cm, world, tally, follow, stack, top):  # type: ignore[no-untyped-def]
    """Follow one electron (sign 0) or positron (sign 1) until it stops or leaves; the stack's new height.

    An electron stops where it is once its CSDA range is below `stop_cm` or cannot reach a face of its voxel.
    """
    geo, density, media, charged = world[0], world[1], world[2], world[3]
    shells = geo[SHELLS] > 0
    medium = 0 if shells else media[cell[3]]
    while e > 0.0:
        row = charged[sign, medium, row_of(e)]
        reach = row[RANGE]
        if stays(e, reach, stop_cm, p, cell, geo, density):
            return stop(sign, e, row[YIELD], p, cell, key, history, geo, tally, follow, stack, top)
        r0, r1, r2, r3 = block(key)
        hinge, phi = halves(r1)
        where, where_next = halves(r3)
        path = -math.log(r0) / row[MAJORANT]
        event = path < row[STEP]
        if not event:
            path = row[STEP]
        middle = e - 0.5 * path * row[SOFT_LOSS]
        mid = charged[sign, medium, row_of(max(middle, LOW_MEV))]
        rate = mid[SOFT_LOSS]
        if rate * path > e:
            path, event = e / rate, False
        majorant = row[MAJORANT]
        first = hinge * path
        left, state = move(p, cell, first, rate, where, geo, density, media, tally, history)
        e -= rate * (first - left)
        if state == 0:
            soft_turn(p, path * mid[SOFT_1], path * mid[SOFT_2], r2, phi)
            second = path - first
            left, state = move(p, cell, second, rate, where_next, geo, density, media, tally, history)
            e -= rate * (second - left)
        if state == 2:
            deposit(tally, LEFT, history, e + (2.0 * MC2 if sign == 1 else 0.0))
            return top
        if state == 1:
            medium = media[cell[3]]
        elif event and e > LOW_MEV:
            r0, r1, r2, _ = block(key)
            e, top = hard_event(
                sign, e, p, cell, key, history, r0 * majorant, r1, r2, stop_cm, world, tally, follow, stack, top
            )
    if sign == 1 and e > -0.5:  # ran out of energy exactly
        top = annihilate_at_rest(p, cell, key, stack, top)
    return top
