"""The solver's inner loops: RODAS4 on a model given as tables, many patients abreast.

Nothing is generated and nothing is compiled for a model: the model is arrays (a sparse linear part, a tape of products
and functions for the rest, the elimination of a sparse LU written out as index triples), and the one kernel walks
them. Each number is a row of patients (`lanes`, 8 to 64), so the cost of walking is shared and the arithmetic is vectorised.
A patient's step sizes are its own: neighbours in the lanes never change its bits.

RODAS: Hairer and Wanner, Solving Ordinary Differential Equations II, 2nd ed. (1996), section IV.7: six stages, order
4(3), L-stable, stiffly accurate, with a third-order interpolant between steps.
"""

from __future__ import annotations

import numpy as np

from ..._jit import njit, prange

ADD, MUL, INV, EXP, LOG, SQRT, POW = range(7)  # what a line of the tape does

_GAMMA = 0.25
_A = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [1.544, 0.0, 0.0, 0.0, 0.0],
        [0.9466785280815826, 0.2557011698983284, 0.0, 0.0, 0.0],
        [3.314825187068521, 2.896124015972201, 0.9986419139977817, 0.0, 0.0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 0.0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0],
    ]
)
_C = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [-5.6688, 0.0, 0.0, 0.0, 0.0],
        [-2.430093356833875, -0.2063599157091915, 0.0, 0.0, 0.0],
        [-0.1073529058151375, -9.594562251023355, -20.47028614809616, 0.0, 0.0],
        [7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160, 0.0],
        [8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054],
    ]
)
_D = np.array(
    [
        [10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662],
        [-0.6762803392806898, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872],
    ]
)
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 6.0


@njit(cache=True, error_model="numpy")
def _tape(reg, ops):  # type: ignore[no-untyped-def]
    lanes = reg.shape[1]
    for m in range(ops.shape[0]):
        code, d, a, b = ops[m, 0], ops[m, 1], ops[m, 2], ops[m, 3]
        if code == 1:
            for w in range(lanes):
                reg[d, w] = reg[a, w] * reg[b, w]
        elif code == 0:
            for w in range(lanes):
                reg[d, w] = reg[a, w] + reg[b, w]
        elif code == 2:
            for w in range(lanes):
                reg[d, w] = 1.0 / reg[a, w]
        elif code == 3:
            for w in range(lanes):
                reg[d, w] = np.exp(reg[a, w])
        elif code == 4:
            for w in range(lanes):
                reg[d, w] = np.log(reg[a, w])
        elif code == 5:
            for w in range(lanes):
                reg[d, w] = np.sqrt(reg[a, w])
        else:
            for w in range(lanes):
                reg[d, w] = reg[a, w] ** reg[b, w]


@njit(cache=True, error_model="numpy")
def _rate(reg, out, inflow, lin, row, col, ops, out_at, out_reg, out_sign):  # type: ignore[no-untyped-def]
    """Right-hand side at the states in reg[:n]: linear part, inflow and what the tape gives."""
    lanes = reg.shape[1]
    n = out.shape[0]
    for i in range(n):
        for w in range(lanes):
            out[i, w] = inflow[i, w]
        for q in range(row[i], row[i + 1]):
            j = col[q]
            for w in range(lanes):
                out[i, w] += lin[q, w] * reg[j, w]
    _tape(reg, ops)
    for m in range(out_at.shape[0]):
        i, r, s = out_at[m], out_reg[m], out_sign[m]
        for w in range(lanes):
            out[i, w] += s * reg[r, w]


@njit(cache=True, error_model="numpy")
def _factor(lu, inv, diag, elim, elim_start, upd):  # type: ignore[no-untyped-def]
    """LU without pivoting on the static pattern: elim rows (slot of l, pivot), upd triples (slot, slot of u)."""
    lanes = lu.shape[1]
    done = 0
    for e in range(elim.shape[0]):
        s, k = elim[e, 0], elim[e, 1]
        while done <= k:
            for w in range(lanes):
                inv[done, w] = 1.0 / lu[diag[done], w]
            done += 1
        for w in range(lanes):
            lu[s, w] *= inv[k, w]
        for q in range(elim_start[e], elim_start[e + 1]):
            d, u = upd[q, 0], upd[q, 1]
            for w in range(lanes):
                lu[d, w] -= lu[s, w] * lu[u, w]
    while done < inv.shape[0]:
        for w in range(lanes):
            inv[done, w] = 1.0 / lu[diag[done], w]
        done += 1


@njit(cache=True, error_model="numpy")
def _solve(lu, inv, x, perm, low, low_start, up, up_start):  # type: ignore[no-untyped-def]
    """Solve in place; rows in elimination order `perm`, low and up hold (slot, state)."""
    lanes = lu.shape[1]
    n = perm.shape[0]
    for r in range(n):
        i = perm[r]
        for q in range(low_start[r], low_start[r + 1]):
            s, j = low[q, 0], low[q, 1]
            for w in range(lanes):
                x[i, w] -= lu[s, w] * x[j, w]
    for back in range(n):
        r = n - 1 - back
        i = perm[r]
        for q in range(up_start[r], up_start[r + 1]):
            s, j = up[q, 0], up[q, 1]
            for w in range(lanes):
                x[i, w] -= lu[s, w] * x[j, w]
        for w in range(lanes):
            x[i, w] *= inv[r, w]


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
def _first_step(reg, f, atol, rtol, w, room):  # type: ignore[no-untyped-def]
    size, speed = 0.0, 0.0
    for i in range(f.shape[0]):
        scale = atol[i] + rtol * abs(reg[i, w])
        size += (reg[i, w] / scale) ** 2
        speed += (f[i, w] / scale) ** 2
    h = 0.01 * np.sqrt(size / speed) if size > 1e-10 and speed > 1e-10 else 1e-3 * room
    return min(h, 0.1 * room)


@njit(cache=True, error_model="numpy")
def _step(reg, base, f, new, k, lu, inv, inflow, lin, coef_h, sums, model):  # type: ignore[no-untyped-def]
    """One RODAS4 step of all lanes from `base`; coef_h[w] = 1/h. Leaves the new states in `new`, the error in k[5]."""
    lanes = base.shape[1]
    row, col, ops, out_at, out_reg, out_sign, jac_ops, jac_at, jac_reg, jac_sign, lin_slot, diag, elim, elim_start, upd, perm, low, low_start, up, up_start = model  # fmt: skip
    n = base.shape[0]
    size = n * lanes
    flat, start = reg.reshape(-1)[:size], base.reshape(-1)
    flat[:] = start
    _rate(reg, f, inflow, lin, row, col, ops, out_at, out_reg, out_sign)
    _tape(reg, jac_ops)
    lu[:, :] = 0.0
    for q in range(lin_slot.shape[0]):
        s = lin_slot[q]
        for w in range(lanes):
            lu[s, w] = -lin[q, w]
    for m in range(jac_at.shape[0]):
        s, r, sign = jac_at[m], jac_reg[m], jac_sign[m]
        for w in range(lanes):
            lu[s, w] -= sign * reg[r, w]
    for i in range(n):
        s = diag[i]
        for w in range(lanes):
            lu[s, w] += coef_h[w] / _GAMMA
    _factor(lu, inv, diag, elim, elim_start, upd)
    k[0, :, :] = f
    _solve(lu, inv, k[0], perm, low, low_start, up, up_start)
    k0, k1, k2, k3, k4 = k[0].reshape(-1), k[1].reshape(-1), k[2].reshape(-1), k[3].reshape(-1), k[4].reshape(-1)
    for stage in range(1, 6):
        kk = k[stage]
        a0, a1, a2, a3, a4 = _A[stage, 0], _A[stage, 1], _A[stage, 2], _A[stage, 3], _A[stage, 4]
        c0, c1, c2, c3, c4 = _C[stage, 0], _C[stage, 1], _C[stage, 2], _C[stage, 3], _C[stage, 4]
        if stage == 1:
            for q in range(size):
                flat[q] = start[q] + a0 * k0[q]
                sums[q] = c0 * k0[q]
        elif stage == 2:
            for q in range(size):
                flat[q] = start[q] + (a0 * k0[q] + a1 * k1[q])
                sums[q] = c0 * k0[q] + c1 * k1[q]
        elif stage == 3:
            for q in range(size):
                flat[q] = start[q] + (a0 * k0[q] + a1 * k1[q] + a2 * k2[q])
                sums[q] = c0 * k0[q] + c1 * k1[q] + c2 * k2[q]
        elif stage == 4:
            for q in range(size):
                flat[q] = start[q] + (a0 * k0[q] + a1 * k1[q] + a2 * k2[q] + a3 * k3[q])
                sums[q] = c0 * k0[q] + c1 * k1[q] + c2 * k2[q] + c3 * k3[q]
        else:
            for q in range(size):
                flat[q] += a4 * k4[q]
                sums[q] = c0 * k0[q] + c1 * k1[q] + c2 * k2[q] + c3 * k3[q] + c4 * k4[q]
        _rate(reg, kk, inflow, lin, row, col, ops, out_at, out_reg, out_sign)
        for i in range(n):
            for w in range(lanes):
                kk[i, w] += coef_h[w] * sums[i * lanes + w]
        _solve(lu, inv, kk, perm, low, low_start, up, up_start)
    new.reshape(-1)[:] = flat + k[5].reshape(-1)


@njit(cache=True, error_model="numpy")
def _write(out, base, new, k, w, t, h, times, first, before):  # type: ignore[no-untyped-def]
    """States at the output times before `before`, by the method's own interpolant; returns the next one not reached."""
    q = first
    while q < times.shape[0] and times[q] < before:
        s = (times[q] - t) / h
        for i in range(base.shape[0]):
            d2, d3 = 0.0, 0.0
            for m in range(5):
                d2 += _D[0, m] * k[m, i, w]
                d3 += _D[1, m] * k[m, i, w]
            out[q, i] = base[i, w] * (1.0 - s) + s * (new[i, w] + (1.0 - s) * (d2 + s * d3))
        q += 1
    return q


@njit(cache=True, error_model="numpy")
def _errors(err, base, new, last, atol, rtol):  # type: ignore[no-untyped-def]
    """Root mean square of error over tolerance, of every lane."""
    n, lanes = base.shape
    err[:] = 0.0
    for i in range(n):
        for w in range(lanes):
            part = last[i, w] / (atol[i] + rtol * max(abs(base[i, w]), abs(new[i, w])))
            err[w] += part * part
    for w in range(lanes):
        err[w] = np.sqrt(err[w] / n)


@njit(cache=True, error_model="numpy")
def _now(out, base, w, times, first, t):  # type: ignore[no-untyped-def]
    """The states of this moment, where it is an output time; returns the next one not reached."""
    while first < times.shape[0] and times[first] <= t:
        for i in range(base.shape[0]):
            out[first, i] = base[i, w]
        first += 1
    return first


@njit(cache=True, error_model="numpy")
def _seat(w, p, reg, base, inflow, lin, y0, values, coefs, t0, event, out, times):  # type: ignore[no-untyped-def]
    """Put patient p into lane w, with what begins at t0; returns the first output time not yet written."""
    n = base.shape[0]
    start, stop, amount, target = event
    for q in range(values.shape[1]):
        lin[q, w] = values[p, q]
    for q in range(coefs.shape[1]):
        reg[n + q, w] = coefs[p, q]
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
def _after(err, w, p, base, new, k, inflow, t, h, at, edge, fresh, retry, event, out, times, rtol, atol, t_end):  # type: ignore[no-untyped-def]
    """Take or refuse the step of lane w; True when its patient is done."""
    start, stop, amount, target = event
    n = base.shape[0]
    if not np.isfinite(err):
        h[w], retry[w] = 0.1 * h[w], True
        return False
    factor = min(_GROW, max(_SHRINK, _SAFETY * max(err, 1e-10) ** -0.25))
    if err > 1.0:
        h[w], retry[w] = h[w] * min(factor, 0.9), True
        return False
    taken = h[w]
    landed = taken == edge[w] - t[w]
    to = edge[w] if landed else t[w] + taken
    at[w] = _write(out[p], base, new, k, w, t[w], taken, times, at[w], to)
    t[w] = to
    for i in range(n):
        base[i, w] = new[i, w]
    h[w] = taken * (min(factor, 1.0) if retry[w] else factor)
    retry[w] = False
    if not landed:
        return False
    if t[w] >= t_end:
        _end(out[p], at[w], base, w, False)
        return True
    _enter(base, inflow, w, t[w], start[p], stop[p], amount[p], target)
    edge[w], fresh[w] = _next_break(start[p], stop[p], t[w], t_end), True
    at[w] = _now(out[p], base, w, times, at[w], t[w])
    return False


@njit(cache=True, error_model="numpy")
def _chunk(lo, hi, y0, values, coefs, event, t0, times, rtol, atol, max_steps, sizes, model, out, steps):  # type: ignore[no-untyped-def]
    """Patients lo..hi: a lane whose patient is done takes the next one; lanes without a patient work on zeros."""
    n, registers, slots, lanes = sizes
    reg, base, new = np.zeros((registers, lanes)), np.zeros((n, lanes)), np.zeros((n, lanes))
    f, inflow, k = np.zeros((n, lanes)), np.zeros((n, lanes)), np.zeros((6, n, lanes))
    lu, inv, lin = np.zeros((slots, lanes)), np.zeros((n, lanes)), np.zeros((values.shape[1], lanes))
    sums, err = np.zeros(n * lanes), np.zeros(lanes)
    who, t, h, per_h = np.full(lanes, -1), np.zeros(lanes), np.ones(lanes), np.ones(lanes)
    at, edge, fresh, retry = (
        np.zeros(lanes, np.int64),
        np.zeros(lanes),
        np.zeros(lanes, np.bool_),
        np.zeros(lanes, np.bool_),
    )
    t_end, queue, running = times[-1], lo, 0
    while True:
        for w in range(lanes):
            while who[w] < 0 and queue < hi:
                p = queue
                queue += 1
                at[w] = _seat(w, p, reg, base, inflow, lin, y0, values, coefs, t0, event, out, times)
                if t_end > t0:
                    who[w], t[w], fresh[w], running = p, t0, True, running + 1
                    edge[w] = _next_break(event[0][p], event[1][p], t0, t_end)
        if running == 0:
            return
        if fresh.any():
            reg[:n] = base
            _rate(reg, f, inflow, lin, model[0], model[1], model[2], model[3], model[4], model[5])
            for w in range(lanes):
                if fresh[w]:
                    h[w], fresh[w], retry[w] = _first_step(base, f, atol, rtol, w, edge[w] - t[w]), False, False
        _lengths(h, edge, t, who, per_h)
        _step(reg, base, f, new, k, lu, inv, inflow, lin, per_h, sums, model)
        _errors(err, base, new, k[5], atol, rtol)
        for w in range(lanes):
            p = who[w]
            if p < 0:
                continue
            steps[p] += 1
            done = _after(
                err[w], w, p, base, new, k, inflow, t, h, at, edge, fresh, retry, event, out, times, rtol, atol, t_end
            )
            if not done and (steps[p] >= max_steps or not h[w] > 1e-15 * max(abs(t[w]), 1.0)):
                steps[p], done = -1, True
                _end(out[p], at[w], base, w, True)
                _clear(w, base, inflow)
            if done:
                who[w], running = -1, running - 1


@njit(cache=True, parallel=True, error_model="numpy")
def integrate_batch(y0, values, coefs, event, t0, times, rtol, atol, max_steps, sizes, model, chunk):  # type: ignore[no-untyped-def]
    """States [patient, time, state] at `times` and accepted and rejected steps [patient] (-1: gave up)."""
    patients = y0.shape[0]
    out = np.empty((patients, times.shape[0], y0.shape[1]))
    steps = np.zeros(patients, np.int64)
    for c in prange((patients + chunk - 1) // chunk):
        lo = c * chunk
        hi = min(lo + chunk, patients)
        _chunk(lo, hi, y0, values, coefs, event, t0, times, rtol, atol, max_steps, sizes, model, out, steps)
    return out, steps
