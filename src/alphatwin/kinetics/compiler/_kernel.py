"""The solver's walk through time: RODAS4 on a model whose step `_native` has written out, many patients abreast.

Each number is a row of `LANES` patients, so a step is vector arithmetic. A patient's step sizes are its own:
neighbours in the lanes never change its bits.
"""

from __future__ import annotations

import numpy as np

from ..._jit import call_native, njit, prange
from ._native import LANES

_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 6.0


@njit(cache=True, error_model="numpy")
def _next_break(start, stop, t, t_end):  # type: ignore[no-untyped-def]
    found = t_end
    for e in range(start.shape[0]):
        if start[e] > t and start[e] < found:
            found = start[e]
        if stop[e] > t and stop[e] < found:
            found = stop[e]
    return found


@njit(cache=True, error_model="numpy")
def _enter(reg, inflow, w, t, start, stop, amount, target):  # type: ignore[no-untyped-def]
    """Apply what begins at t and set the inflow that runs from t on."""
    for i in range(inflow.shape[0]):
        inflow[i, w] = 0.0
    for e in range(start.shape[0]):
        if stop[e] <= start[e]:
            if start[e] == t:
                reg[target[e], w] += amount[e]
        elif start[e] <= t < stop[e]:
            inflow[target[e], w] += amount[e] / (stop[e] - start[e])


@njit(cache=True, error_model="numpy")
def _first_step(reg, f, atol, rtol, w, t, room):  # type: ignore[no-untyped-def]
    if room < 1e-12 * max(abs(t), 1.0):  # two events that rounding alone keeps apart: one step, however short
        return room
    size, speed = 0.0, 0.0
    for i in range(f.shape[0]):
        scale = atol[i] + rtol * abs(reg[i, w])
        size += (reg[i, w] / scale) ** 2
        speed += (f[i, w] / scale) ** 2
    h = 0.01 * np.sqrt(size / speed) if size > 1e-10 and speed > 1e-10 else 1e-3 * room
    return min(h, 0.1 * room)


@njit(cache=True, error_model="numpy")
def _write(out, base, new, bend2, bend3, w, t, h, times, first, before):  # type: ignore[no-untyped-def]
    """States at the output times before `before`, by the method's own interpolant; returns the next one not reached."""
    q = first
    while q < times.shape[0] and times[q] < before:
        s = (times[q] - t) / h
        for i in range(base.shape[0]):
            bend = bend2[i, w] + s * bend3[i, w]
            out[q, i] = base[i, w] * (1.0 - s) + s * (new[i, w] + (1.0 - s) * bend)
        q += 1
    return q


@njit(cache=True, error_model="numpy")
def _now(out, base, w, times, first, t):  # type: ignore[no-untyped-def]
    """The states of this moment, where it is an output time; returns the next one not reached."""
    while first < times.shape[0] and times[first] <= t:
        for i in range(base.shape[0]):
            out[first, i] = base[i, w]
        first += 1
    return first


@njit(cache=True, error_model="numpy")
def _seat(w, p, coef, base, inflow, lin, y0, values, coefs, t0, event, out, times):  # type: ignore[no-untyped-def]
    """Put patient p into lane w, with what begins at t0; returns the first output time not yet written."""
    n = base.shape[0]
    start, stop, amount, target = event
    for q in range(values.shape[1]):
        lin[q, w] = values[p, q]
    for q in range(coefs.shape[1]):
        coef[q, w] = coefs[p, q]
    for i in range(n):
        base[i, w] = y0[p, i]
    _enter(base, inflow, w, t0, start[p], stop[p], amount[p], target)
    return _now(out[p], base, w, times, 0, t0)


@njit(cache=True, error_model="numpy")
def _clear(w, base, inflow):  # type: ignore[no-untyped-def]
    for i in range(base.shape[0]):
        base[i, w], inflow[i, w] = 0.0, 0.0


@njit(cache=True, error_model="numpy")
def _end(out, first, values, w, missing):  # type: ignore[no-untyped-def]
    """The output times that are left: the last states, or nothing."""
    for q in range(first, out.shape[0]):
        for i in range(values.shape[0]):
            out[q, i] = np.nan if missing else values[i, w]


@njit(cache=True, error_model="numpy")
def _lengths(h, edge, t, who, per_h):  # type: ignore[no-untyped-def]
    """Step lengths that land on the next event or the end, never just before it."""
    for w in range(h.shape[0]):
        if who[w] >= 0:
            left = edge[w] - t[w]
            if h[w] >= left * 0.999999:
                h[w] = left
            elif h[w] > 0.5 * left:
                h[w] = 0.5 * left
            per_h[w] = 1.0 / h[w]


@njit(cache=True, error_model="numpy")
def _judge(err, h, t, edge, who, retry, good, landed, to):  # type: ignore[no-untyped-def]
    """Take or refuse the step of every lane, and the length of its next one; a refused one is tried again, shorter."""
    for w in range(LANES):
        good[w], landed[w] = False, False
        if who[w] < 0:
            continue
        if not np.isfinite(err[w]):
            h[w], retry[w] = 0.1 * h[w], True
            continue
        factor = min(_GROW, max(_SHRINK, _SAFETY / np.sqrt(np.sqrt(max(err[w], 1e-10)))))
        if err[w] > 1.0:
            h[w], retry[w] = h[w] * min(factor, 0.9), True
            continue
        good[w], landed[w] = True, h[w] == edge[w] - t[w]
        to[w] = edge[w] if landed[w] else t[w] + h[w]
        h[w] *= min(factor, 1.0) if retry[w] else factor
        retry[w] = False


@njit(cache=True, error_model="numpy")
def _arrive(w, p, base, inflow, t, at, edge, fresh, event, out, times, t_end):  # type: ignore[no-untyped-def]
    """Lane w stands on an event or on the end; True when its patient is done."""
    start, stop, amount, target = event
    if t[w] >= t_end:
        _end(out[p], at[w], base, w, False)
        return True
    _enter(base, inflow, w, t[w], start[p], stop[p], amount[p], target)
    edge[w], fresh[w] = _next_break(start[p], stop[p], t[w], t_end), True
    at[w] = _now(out[p], base, w, times, at[w], t[w])
    return False


@njit(cache=True, error_model="numpy")
def _block(work, first, rows):  # type: ignore[no-untyped-def]
    return work[first * LANES : (first + rows) * LANES].reshape((rows, LANES))


@njit(cache=True, error_model="numpy")
def _chunk(lo, hi, y0, values, coefs, event, t0, times, rtol, atol, max_steps, sizes, native, out, steps):  # type: ignore[no-untyped-def]
    """Patients lo..hi: a lane whose patient is done takes the next one; lanes without a patient work on zeros."""
    n, total, base_at, new_at, bend2_at, bend3_at, speed_at, inflow_at, atol_at, rtol_at, per_h_at, error_at, linear_at, coefs_at = sizes  # fmt: skip
    room = np.zeros(total * LANES + 8)
    skip = (64 - room.ctypes.data % 64) % 64 // 8  # rows on the borders of cache lines
    work = room[skip : skip + total * LANES]
    base, new, f = _block(work, base_at, n), _block(work, new_at, n), _block(work, speed_at, n)
    bend2, bend3, inflow = _block(work, bend2_at, n), _block(work, bend3_at, n), _block(work, inflow_at, n)
    lin, coef = _block(work, linear_at, values.shape[1]), _block(work, coefs_at, coefs.shape[1])
    per_h, err = work[per_h_at * LANES : (per_h_at + 1) * LANES], work[error_at * LANES : (error_at + 1) * LANES]
    tolerance = _block(work, atol_at, n)
    for i in range(n):
        tolerance[i, :] = atol[i]
    work[rtol_at * LANES : (rtol_at + 1) * LANES] = rtol
    per_h[:] = 1.0
    who, t, h = np.full(LANES, -1), np.zeros(LANES), np.ones(LANES)
    at, edge = np.zeros(LANES, np.int64), np.zeros(LANES)
    fresh, retry = np.zeros(LANES, np.bool_), np.zeros(LANES, np.bool_)
    good, landed = np.zeros(LANES, np.bool_), np.zeros(LANES, np.bool_)
    to, before = np.zeros(LANES), np.zeros(LANES)
    t_end, queue, running = times[-1], lo, 0
    while True:
        for w in range(LANES):
            while who[w] < 0 and queue < hi:
                p = queue
                queue += 1
                at[w] = _seat(w, p, coef, base, inflow, lin, y0, values, coefs, t0, event, out, times)
                if t_end > t0:
                    who[w], t[w], fresh[w], running = p, t0, True, running + 1
                    edge[w] = _next_break(event[0][p], event[1][p], t0, t_end)
        if running == 0:
            return
        if fresh.any():
            call_native(native[1], work)
            for w in range(LANES):
                if fresh[w]:
                    h[w], fresh[w], retry[w] = _first_step(base, f, atol, rtol, w, t[w], edge[w] - t[w]), False, False
        _lengths(h, edge, t, who, per_h)
        call_native(native[0], work)
        before[:] = h
        _judge(err, h, t, edge, who, retry, good, landed, to)
        for w in range(LANES):
            if good[w] and at[w] < times.shape[0] and times[at[w]] < to[w]:
                at[w] = _write(out[who[w]], base, new, bend2, bend3, w, t[w], before[w], times, at[w], to[w])
        for i in range(n):
            for w in range(LANES):
                base[i, w] = new[i, w] if good[w] else base[i, w]
        for w in range(LANES):
            p = who[w]
            if p < 0:
                continue
            steps[p] += 1
            if good[w]:
                t[w] = to[w]
            done = landed[w] and _arrive(w, p, base, inflow, t, at, edge, fresh, event, out, times, t_end)
            if not done and (steps[p] >= max_steps or not (fresh[w] or h[w] > 1e-15 * max(abs(t[w]), 1.0))):
                steps[p], done = -1, True
                _end(out[p], at[w], base, w, True)
                _clear(w, base, inflow)
            if done:
                who[w], running = -1, running - 1


@njit(cache=True, parallel=True, error_model="numpy")
def integrate_batch(y0, values, coefs, event, t0, times, rtol, atol, max_steps, sizes, native, chunk):  # type: ignore[no-untyped-def]
    """States [patient, time, state] at `times` and accepted and rejected steps [patient] (-1: gave up)."""
    patients = y0.shape[0]
    out = np.empty((patients, times.shape[0], y0.shape[1]))
    steps = np.zeros(patients, np.int64)
    for c in prange((patients + chunk - 1) // chunk):
        lo = c * chunk
        hi = min(lo + chunk, patients)
        _chunk(lo, hi, y0, values, coefs, event, t0, times, rtol, atol, max_steps, sizes, native, out, steps)
    return out, steps
