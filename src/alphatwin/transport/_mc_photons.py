"""Photons through voxels and shells, kernels only.

Two ways of going: `photon` flies by Woodcock's rejection (one majorant over all voxels, no face is ever computed) and
hands its electrons on or stops them where they are set free; `photon_tracks` goes face by face and scores the track-length
estimate of the collision kerma, E mu_tr rho length, in every voxel that it crosses.

Photoelectric absorption gives all energy to the electron; Compton scattering is Klein-Nishina times S(x); Rayleigh
scattering is Thomson times F(x)^2; a pair shares its energy evenly over all splits. x = sin(theta/2)/lambda, 1/Angstrom.
Left out: fluorescence (3.7 keV in calcium, 0.5 keV in oxygen), Doppler broadening, polarisation.
"""

from __future__ import annotations

import math

from .._jit import njit
from ._mc_electrons import push
from ._mc_tables import (
    COHERENT,
    HC,
    INCOHERENT,
    KERNEL,
    LOG_STEP,
    LOW_MEV,
    MC2,
    MU,
    PHOTO,
    POINTS,
    TRANSFER,
    log_x_grid,
)
from ._mc_voxels import (
    DX,
    DY,
    DZ,
    MARGIN,
    NX,
    NY,
    NZ,
    OUT_DENSITY,
    OUT_MEDIUM,
    SHELLS,
    cross,
    deposit,
    enter,
    inside,
    shell_of,
    turn,
    voxel_bounds,
)
from ._random import block

__all__ = ["compton", "photon", "photon_tracks", "rayleigh"]

_LOG_LOW = math.log(LOW_MEV)
_TWO_PI = 2.0 * math.pi
_X_LOW, _X_STEP = log_x_grid()


@njit(**KERNEL)
def place_of(energy):  # type: ignore[no-untyped-def]
    """Row below an energy and the part of the way to the next."""
    at = (math.log(energy) - _LOG_LOW) / LOG_STEP
    i = min(POINTS - 2, max(0, int(at)))
    return i, min(1.0, max(0.0, at - i))


@njit(**KERNEL)
def compton(energy, s_table, key):  # type: ignore[no-untyped-def]
    """E'/E and (1 - cos)/2 of a Compton deflection: two branches of Klein-Nishina, thinned by the rest and by S(x)."""
    k = energy / MC2
    low = 1.0 / (1.0 + 2.0 * k)
    a1, a2 = -math.log(low), 0.5 * (1.0 - low * low)
    top = s_table.shape[0] - 1
    while True:
        r0, r1, r2, r3 = block(key)
        ratio = low**r1 if r0 * (a1 + a2) < a1 else math.sqrt(low * low + (1.0 - low * low) * r1)
        t = (1.0 - ratio) / (k * ratio)  # 1 - cos
        if r2 > 1.0 - ratio * t * (2.0 - t) / (1.0 + ratio * ratio):
            continue
        at = (0.5 * math.log(max(0.5 * t, 1e-30)) + math.log(energy / HC) - _X_LOW) / _X_STEP
        if at >= top:
            return ratio, 0.5 * t
        j = max(0, int(at))
        s = (
            s_table[j] + max(0.0, at - j) * (s_table[j + 1] - s_table[j])
            if at > 0.0
            else s_table[0] * math.exp(2.0 * at * _X_STEP)
        )
        if r3 <= s:
            return ratio, min(1.0, 0.5 * t)


@njit(**KERNEL)
def rayleigh(energy, f_table, key):  # type: ignore[no-untyped-def]
    """(1 - cos)/2 of a Rayleigh deflection: x^2 from F^2, thinned by (1 + cos^2)/2."""
    x_max = energy / HC
    last = f_table.shape[0] - 1
    at = min(max((math.log(x_max) - _X_LOW) / _X_STEP, 0.0), last - 1e-9)
    j = int(at)
    top = f_table[j] + (at - j) * (f_table[j + 1] - f_table[j])
    while True:
        r0, r1, _, _ = block(key)
        want = r0 * top
        if want <= f_table[0]:
            x2 = want / f_table[0] * math.exp(2.0 * _X_LOW)
        else:
            lo, hi = 0, last
            while hi - lo > 1:
                mid = (lo + hi) // 2
                if f_table[mid] <= want:
                    lo = mid
                else:
                    hi = mid
            a, b = math.exp(2.0 * (_X_LOW + lo * _X_STEP)), math.exp(2.0 * (_X_LOW + hi * _X_STEP))
            x2 = a + (b - a) * (want - f_table[lo]) / (f_table[hi] - f_table[lo])
        mu = min(1.0, x2 / (x_max * x_max))
        cosine = 1.0 - 2.0 * mu
        if r1 <= 0.5 * (1.0 + cosine * cosine):
            return mu


@njit(**KERNEL)
def send(kind, energy, mu, phi, p, cell, stack, top):  # type: ignore[no-untyped-def]
    """Put a charged particle on the stack that leaves at (1 - cos)/2 = mu from the photon's way."""
    u, v, w = p[3], p[4], p[5]
    turn(p, mu, phi)
    top = push(stack, top, kind, energy, p, cell)
    p[3], p[4], p[5] = u, v, w
    return top


@njit(**KERNEL)
def local_loss(energy, p, cell, geo, tally, history):  # type: ignore[no-untyped-def]
    """Energy that stays at a collision; outside the grid it has left."""
    place = shell_of(p, geo) if geo[SHELLS] > 0 else cell[3]
    if place < 0:
        place = tally.shape[0] - 2
    deposit(tally, place, history, energy)


@njit(**KERNEL)
def interact(e, i, part, medium, p, cell, key, history, world, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """One collision. Returns the photon's energy afterwards (0: gone) and the stack's height.

    With `electrons` 1 charged particles go on the stack, with 0 their energy stays here, with 2 it is dropped because
    the track-length estimate has scored it.
    """
    geo, photon, scattering, form = world[0], world[5], world[6], world[7]
    r0, r1, r2, r3 = block(key)
    inc = photon[medium, i, INCOHERENT] + part * (photon[medium, i + 1, INCOHERENT] - photon[medium, i, INCOHERENT])
    coh = photon[medium, i, COHERENT] + part * (photon[medium, i + 1, COHERENT] - photon[medium, i, COHERENT])
    phe = photon[medium, i, PHOTO] + part * (photon[medium, i + 1, PHOTO] - photon[medium, i, PHOTO])
    push_electrons = electrons == 1 and cell[3] >= 0
    if r0 < inc:
        ratio, mu = compton(e, scattering[medium], key)
        t = e * (1.0 - ratio)
        phi = _TWO_PI * r1
        if push_electrons and t > LOW_MEV:
            cosine = (e - e * ratio * (1.0 - 2.0 * mu)) / math.sqrt(t * (t + 2.0 * MC2))
            top = send(1, t, 0.5 * (1.0 - min(1.0, max(-1.0, cosine))), phi + math.pi, p, cell, stack, top)
        elif electrons < 2:
            local_loss(t, p, cell, geo, tally, history)
        turn(p, mu, phi)
        return e * ratio, top
    if r0 < coh:
        turn(p, rayleigh(e, form[medium], key), _TWO_PI * r1)
        return e, top
    if r0 < phe or e <= 2.0 * MC2:
        if push_electrons and e > LOW_MEV:  # Sauter's distribution, its leading factor: (1 - cos^2)/(1 - beta cos)^4
            beta = math.sqrt(e * (e + 2.0 * MC2)) / (e + MC2)
            while True:
                q0, q1, _, _ = block(key)
                x = 2.0 * q0 - 1.0
                cosine = (x + beta) / (1.0 + beta * x)
                if q1 <= (1.0 - cosine * cosine) * ((1.0 - beta * beta) / (1.0 - beta * cosine) ** 2):
                    break
            top = send(1, e, 0.5 * (1.0 - cosine), _TWO_PI * r1, p, cell, stack, top)
        elif electrons < 2:
            local_loss(e, p, cell, geo, tally, history)
        return 0.0, top
    free = e - 2.0 * MC2
    one = r1 * free
    mu = min(1.0, 0.5 * (MC2 / e) ** 2)  # polar angle m c^2/E, the mean
    if push_electrons:
        top = send(1, one, mu, _TWO_PI * r2, p, cell, stack, top)
        return 0.0, send(2, free - one, mu, _TWO_PI * r2 + math.pi, p, cell, stack, top)
    if electrons < 2:
        local_loss(free, p, cell, geo, tally, history)
    w = 2.0 * r2 - 1.0
    s = math.sqrt(max(0.0, 1.0 - w * w))
    p[3], p[4], p[5] = s * math.cos(_TWO_PI * r3), s * math.sin(_TWO_PI * r3), w
    top = push(stack, top, 0, MC2, p, cell)
    p[3], p[4], p[5] = -p[3], -p[4], -p[5]
    return 0.0, push(stack, top, 0, MC2, p, cell)


@njit(**KERNEL)
def beyond(p, geo):  # type: ignore[no-untyped-def]
    """Whether a point outside the grid is farther than the margin from it."""
    m = geo[MARGIN]
    return (
        p[0] < -m
        or p[1] < -m
        or p[2] < -m
        or p[0] > geo[DX] * geo[NX] + m
        or p[1] > geo[DY] * geo[NY] + m
        or p[2] > geo[DZ] * geo[NZ] + m
    )


@njit(**KERNEL)
def photon(e, p, cell, key, history, world, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """Follow one photon by Woodcock's rejection; the stack's new height."""
    geo, density, media, table, majorant = world[0], world[1], world[2], world[5], world[8]
    shells = geo[SHELLS] > 0
    while e > LOW_MEV:
        i, part = place_of(e)
        top_mu = majorant[i]
        medium = 0
        while True:
            r0, r1, _, _ = block(key)
            fly = -math.log(r0) / top_mu
            for k in range(3):
                p[k] += p[3 + k] * fly
            rho = 1.0
            if not shells:
                if inside(p, geo):
                    enter(p, cell, geo)
                    medium, rho = int(media[cell[3]]), density[cell[3]]
                else:
                    cell[3] = -1
                    medium, rho = int(geo[OUT_MEDIUM]), geo[OUT_DENSITY]
                    if rho <= 0.0 or beyond(p, geo):
                        deposit(tally, tally.shape[0] - 2, history, e)
                        return top
            mu = rho * (table[medium, i, MU] + part * (table[medium, i + 1, MU] - table[medium, i, MU]))
            if r1 * top_mu < mu:
                break
        e, top = interact(e, i, part, medium, p, cell, key, history, world, tally, electrons, stack, top)
    if e > 0.0:
        local_loss(e, p, cell, geo, tally, history)
    return top


@njit(**KERNEL)
def photon_tracks(e, p, cell, key, history, world, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """Follow one photon face by face with the track-length estimate of collision kerma; the stack's new height.

    For grids in vacuum: the photon is gone once it leaves.
    """
    geo, density, media, table = world[0], world[1], world[2], world[5]
    while e > LOW_MEV:
        i, part = place_of(e)
        r0, _, _, _ = block(key)
        optical = -math.log(r0)
        medium = int(media[cell[3]])
        while True:
            medium = int(media[cell[3]])
            rho = density[cell[3]]
            mu = rho * (table[medium, i, MU] + part * (table[medium, i + 1, MU] - table[medium, i, MU]))
            tr = rho * (
                table[medium, i, TRANSFER] + part * (table[medium, i + 1, TRANSFER] - table[medium, i, TRANSFER])
            )
            t, axis = voxel_bounds(p, cell, geo)
            if optical <= mu * t:
                t = optical / mu
                deposit(tally, cell[3], history, e * tr * t)
                for k in range(3):
                    p[k] += p[3 + k] * t
                break
            deposit(tally, cell[3], history, e * tr * t)
            optical -= mu * t
            for k in range(3):
                p[k] += p[3 + k] * t
            if not cross(p, cell, geo, axis):
                deposit(tally, tally.shape[0] - 2, history, e)
                return top
        e, top = interact(e, i, part, medium, p, cell, key, history, world, tally, electrons, stack, top)
    if e > 0.0:
        deposit(tally, cell[3], history, e)
    return top
