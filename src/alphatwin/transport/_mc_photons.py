"""Photons through voxels and shells, kernels only.

Two ways of going: `photon` flies by Woodcock's rejection (one majorant over all voxels, no face is ever computed) and
hands its electrons on or stops them where they are set free; `photon_tracks` goes face by face and scores the track-length
estimate of the collision kerma, E mu_tr rho length, in every voxel that it crosses.

Photoelectric absorption gives the energy above the shell's binding energy to the electron, and the vacancy is filled
(`_mc_relaxation`); Compton scattering is Klein-Nishina times S(x); Rayleigh scattering is Thomson times F(x)^2; a pair
shares its energy evenly over all splits. x = sin(theta/2)/lambda, 1/Angstrom. Left out: Doppler broadening (docs), lines
below 1 keV, polarisation.
"""

from __future__ import annotations

import math

from .._jit import njit
from ._mc_electrons import push
from ._mc_relaxation import TRANSITIONS
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
    S_POINTS,
    TRANSFER,
    log_x_grid,
)
from ._mc_voxels import (
    DX,
    DY,
    DZ,
    LEFT,
    MARGIN,
    NX,
    NY,
    NZ,
    OUT_DENSITY,
    OUT_MEDIUM,
    SHELLS,
    deposit,
    enter,
    inside,
    shell_of,
    turn,
)
from ._random import block

__all__ = ["collide_at_once", "compton", "photon", "photon_tracks", "place_of", "rayleigh"]

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
    x2 = energy * energy / (HC * HC)
    while True:
        r0, r1, r2, r3 = block(key)
        ratio = math.exp(-a1 * r1) if r0 * (a1 + a2) < a1 else math.sqrt(low * low + (1.0 - low * low) * r1)
        t = (1.0 - ratio) / (k * ratio)  # 1 - cos
        if r2 > 1.0 - ratio * t * (2.0 - t) / (1.0 + ratio * ratio):
            continue
        x = math.sqrt(max(0.0, 0.5 * t * x2))
        at = x / (1.0 + x) * S_POINTS
        j = min(S_POINTS - 1, int(at))
        if r3 <= s_table[j] + (at - j) * (s_table[j + 1] - s_table[j]):
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
        place = LEFT
    deposit(tally, place, history, energy)


@njit(**KERNEL)
def isotropic(p, r0, r1):  # type: ignore[no-untyped-def]
    """A new direction, all alike."""
    w = 2.0 * r0 - 1.0
    s = math.sqrt(max(0.0, 1.0 - w * w))
    p[3], p[4], p[5] = s * math.cos(_TWO_PI * r1), s * math.sin(_TWO_PI * r1), w


@njit(**KERNEL)
def fluoresce(state, cascade, p, cell, key, stack, top):  # type: ignore[no-untyped-def]
    """Fill a vacancy, step by step: the energy that photons carry off, and the stack's height."""
    carried = 0.0
    while state >= 0:
        r0, r1, r2, _ = block(key)
        k = 0
        while k < TRANSITIONS and r0 >= cascade[state, 1 + 3 * k]:
            k += 1
        if k == TRANSITIONS:  # Auger electrons
            return carried, top
        energy = cascade[state, 2 + 3 * k]
        if energy > 0.0:
            isotropic(p, r1, r2)
            top = push(stack, top, 0, energy, p, cell)
            carried += energy
        state = int(cascade[state, 3 + 3 * k])
    return carried, top


@njit(**KERNEL)
def photoelectric(e, i, medium, phi, p, cell, key, history, world, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """Absorption of a photon: the electron, what the vacancy sends out, and the rest, which stays; the stack's height."""
    vacancy, cascade = world[10][medium, i], world[11][medium]
    state, local, energy = -1, 0.0, e
    if vacancy[vacancy.shape[0] - 1] > 0.0:
        r0, _, _, _ = block(key)
        if r0 < vacancy[vacancy.shape[0] - 1]:
            state = 0
            while r0 >= vacancy[state]:
                state += 1
            if e <= cascade[state, 0]:
                state = -1
            else:
                energy, local = e - cascade[state, 0], cascade[state, 0]
    if electrons != 1 or cell[3] < 0 or energy <= LOW_MEV:
        local += energy
    else:  # Sauter's distribution, its leading factor: (1 - cos^2)/(1 - beta cos)^4
        beta = math.sqrt(energy * (energy + 2.0 * MC2)) / (energy + MC2)
        while True:
            q0, q1, _, _ = block(key)
            x = 2.0 * q0 - 1.0
            cosine = (x + beta) / (1.0 + beta * x)
            if q1 <= (1.0 - cosine * cosine) * ((1.0 - beta * beta) / (1.0 - beta * cosine) ** 2):
                break
        top = send(1, energy, 0.5 * (1.0 - cosine), phi, p, cell, stack, top)
    if state >= 0:
        carried, top = fluoresce(state, cascade, p, cell, key, stack, top)
        local -= carried
    if electrons < 2:
        local_loss(local, p, cell, world[0], tally, history)
    return top


@njit(**KERNEL)
def interact(e, i, part, medium, pick, turn_by, p, cell, key, history, world, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """One collision. Returns the photon's energy afterwards (0: gone) and the stack's height.

    `pick` and `turn_by` are uniforms. With `electrons` 1 charged particles go on the stack, with 0 their energy stays
    here, with 2 it is dropped because the track-length estimate has scored it.
    """
    geo, photon, scattering, form = world[0], world[5], world[6], world[7]
    inc = photon[medium, i, INCOHERENT] + part * (photon[medium, i + 1, INCOHERENT] - photon[medium, i, INCOHERENT])
    phi = _TWO_PI * turn_by
    push_electrons = electrons == 1 and cell[3] >= 0
    if pick < inc:
        ratio, mu = compton(e, scattering[medium], key)
        t = e * (1.0 - ratio)
        if push_electrons and t > LOW_MEV:
            cosine = (e - e * ratio * (1.0 - 2.0 * mu)) / math.sqrt(t * (t + 2.0 * MC2))
            top = send(1, t, 0.5 * (1.0 - min(1.0, max(-1.0, cosine))), phi + math.pi, p, cell, stack, top)
        elif electrons < 2:
            local_loss(t, p, cell, geo, tally, history)
        turn(p, mu, phi)
        return e * ratio, top
    coh = photon[medium, i, COHERENT] + part * (photon[medium, i + 1, COHERENT] - photon[medium, i, COHERENT])
    if pick < coh:
        turn(p, rayleigh(e, form[medium], key), phi)
        return e, top
    phe = photon[medium, i, PHOTO] + part * (photon[medium, i + 1, PHOTO] - photon[medium, i, PHOTO])
    if pick < phe or e <= 2.0 * MC2:
        return 0.0, photoelectric(e, i, medium, phi, p, cell, key, history, world, tally, electrons, stack, top)
    return 0.0, pair(e, p, cell, key, history, geo, tally, electrons, stack, top)


@njit(**KERNEL)
def pair(e, p, cell, key, history, geo, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """An electron and a positron, every split alike, each at the mean polar angle m c^2/E; the stack's height."""
    r0, r1, r2, _ = block(key)
    free = e - 2.0 * MC2
    one = r0 * free
    if electrons == 1 and cell[3] >= 0:
        mu = min(1.0, 0.5 * (MC2 / e) ** 2)
        top = send(1, one, mu, _TWO_PI * r1, p, cell, stack, top)
        return send(2, free - one, mu, _TWO_PI * r1 + math.pi, p, cell, stack, top)
    if electrons < 2:
        local_loss(free, p, cell, geo, tally, history)
    isotropic(p, r1, r2)
    top = push(stack, top, 0, MC2, p, cell)
    p[3], p[4], p[5] = -p[3], -p[4], -p[5]
    return push(stack, top, 0, MC2, p, cell)


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
            r0, r1, pick, turn_by = block(key)
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
                        deposit(tally, LEFT, history, e)
                        return top
            mu = rho * (table[medium, i, MU] + part * (table[medium, i + 1, MU] - table[medium, i, MU]))
            if r1 * top_mu < mu:
                break
        e, top = interact(e, i, part, medium, pick, turn_by, p, cell, key, history, world, tally, electrons, stack, top)
    if e > 0.0:
        local_loss(e, p, cell, geo, tally, history)
    return top


@njit(**KERNEL)
def collide_at_once(e, p, cell, key, history, world, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """In shells: a photon from the centre whose first collision lies between two distances (by its exponential law);
    the stack's height. What is left of the photon flies on as an ordinary one."""
    geo, table = world[0], world[5]
    i, part = place_of(e)
    r0, pick, turn_by, _ = block(key)
    mu = table[0, i, MU] + part * (table[0, i + 1, MU] - table[0, i, MU])
    fly = geo[DX] - math.log(1.0 - r0 * (1.0 - math.exp(-mu * (geo[DY] - geo[DX])))) / mu
    for k in range(3):
        p[k] += p[3 + k] * fly
    e, top = interact(e, i, part, 0, pick, turn_by, p, cell, key, history, world, tally, electrons, stack, top)
    if e > 0.0:
        top = push(stack, top, 0, e, p, cell)
    return top


@njit(**KERNEL)
def first_face(way, at, index, edge):  # type: ignore[no-untyped-def]
    """Distance to the first face along one axis, distance between faces, and the step of the voxel's index."""
    if way > 1e-14:
        return max(0.0, ((index + 1) * edge - at) / way), edge / way, 1
    if way < -1e-14:
        return max(0.0, (index * edge - at) / way), -edge / way, -1
    return 1e30, 1e30, 0


@njit(**KERNEL)
def track(e, i, part, optical, p, cell, history, world, tally):  # type: ignore[no-untyped-def]
    """Fly over an optical path from face to face, scoring collision kerma; whether it ends inside the grid."""
    geo, density, media, table = world[0], world[1], world[2], world[5]
    tx, step_x, sx = first_face(p[3], p[0], cell[0], geo[DX])
    ty, step_y, sy = first_face(p[4], p[1], cell[1], geo[DY])
    tz, step_z, sz = first_face(p[5], p[2], cell[2], geo[DZ])
    nx, ny, nz = geo[NX], geo[NY], geo[NZ]
    ix, iy, iz, at = cell[0], cell[1], cell[2], cell[3]
    gone, medium, mu, tr, inside_grid = 0.0, -1, 0.0, 0.0, True
    while True:
        if media[at] != medium:
            medium = int(media[at])
            mu = table[medium, i, MU] + part * (table[medium, i + 1, MU] - table[medium, i, MU])
            tr = table[medium, i, TRANSFER] + part * (table[medium, i + 1, TRANSFER] - table[medium, i, TRANSFER])
        rho = density[at]
        face = min(tx, min(ty, tz))
        way = max(0.0, face - gone)
        if optical <= rho * mu * way:
            way = optical / (rho * mu)
            deposit(tally, at, history, e * tr * rho * way)
            gone += way
            break
        deposit(tally, at, history, e * tr * rho * way)
        optical -= rho * mu * way
        gone = face
        if face == tx:
            ix += sx
            at += sx
            tx += step_x
            if ix < 0 or ix >= nx:
                inside_grid = False
                break
        elif face == ty:
            iy += sy
            at += sy * nx
            ty += step_y
            if iy < 0 or iy >= ny:
                inside_grid = False
                break
        else:
            iz += sz
            at += sz * nx * ny
            tz += step_z
            if iz < 0 or iz >= nz:
                inside_grid = False
                break
    cell[0], cell[1], cell[2], cell[3] = ix, iy, iz, at
    for k in range(3):
        p[k] += p[3 + k] * gone
    return inside_grid


@njit(**KERNEL)
def photon_tracks(e, p, cell, key, history, world, tally, electrons, stack, top):  # type: ignore[no-untyped-def]
    """Follow one photon face by face with the track-length estimate of collision kerma; the stack's new height.

    For grids in vacuum: the photon is gone once it leaves.
    """
    while e > LOW_MEV:
        i, part = place_of(e)
        r0, pick, turn_by, _ = block(key)
        if not track(e, i, part, -math.log(r0), p, cell, history, world, tally):
            deposit(tally, LEFT, history, e)
            return top
        medium = int(world[2][cell[3]])
        e, top = interact(e, i, part, medium, pick, turn_by, p, cell, key, history, world, tally, electrons, stack, top)
    if e > 0.0:
        deposit(tally, cell[3], history, e)
    return top
