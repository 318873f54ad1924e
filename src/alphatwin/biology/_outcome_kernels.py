"""Kernel of the outcome models: one adaptive Runge-Kutta integrator, three right-hand sides. Numbers and arrays only.

Time is in days, dose rates in Gy/d. Between events (a cycle, a dose of protector) the dose rate is a sum of
exponentials and the sublethal damage that is still open is known in closed form, so that no state of the integrator is
stiff. Dormand and Prince's pair of order 5(4) (dormand1980) with its own dense output; every event ends a step.
The slow twin is ``tests/oracle/outcome.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import njit, prange

__all__ = ["BLOOD", "KIDNEY", "LINEAGES", "TUMOUR", "integrate"]

TUMOUR, KIDNEY, BLOOD = 0, 1, 2
LINEAGES = 3  # platelets, neutrophils, haemoglobin: each a proliferating pool, three transits, the circulation

_RTOL = 1e-8
_ATOL = 1e-10
_FIRST_STEP_D = 1e-3
_MOST_STEPS = 1_000_000
_SMALL_COUNT = 1e-12  # of the baseline: below this the feedback no longer grows

_NODE = np.array([0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0])
_STAGE = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1 / 5, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3 / 40, 9 / 40, 0.0, 0.0, 0.0, 0.0],
        [44 / 45, -56 / 15, 32 / 9, 0.0, 0.0, 0.0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0.0, 0.0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0.0],
        [35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
_ERROR = np.array([71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])
_DENSE = np.array(
    [
        -12715105075 / 11282082432,
        0.0,
        87487479700 / 32700410799,
        -10690763975 / 1880347072,
        701980252875 / 199316789632,
        -1453857185 / 822651844,
        69997945 / 29380423,
    ]
)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _dose_rates(tau: Any, low: Any, high: Any, rate: Any, mu: Any, open_low: Any, open_high: Any) -> Any:
    """Low- and high-LET dose rate, and the open damage x' = R - mu x of each, at tau after the last event."""
    decayed = np.exp(-mu * tau)
    r_low, r_high = 0.0, 0.0
    x_low, x_high = open_low * decayed, open_high * decayed
    for k in range(rate.size):
        if low[k] == 0.0 and high[k] == 0.0:
            continue
        e = np.exp(-rate[k] * tau)
        d = (mu - rate[k]) * tau
        if abs(d) < 1e-4:  # noqa: SIM108 (kept apart: one side divides by nearly 0)
            between = tau * e * (1.0 - d / 2.0 + d * d / 6.0)
        else:
            between = (e - decayed) / (mu - rate[k])
        r_low += low[k] * e
        r_high += high[k] * e
        x_low += low[k] * between
        x_high += high[k] * between
    return r_low, r_high, x_low, x_high


@njit(cache=True)  # type: ignore[untyped-decorator]
def _tumour(y: Any, dy: Any, p: Any, r_low: Any, r_high: Any, x_low: Any, x_high: Any, level: Any) -> None:
    """y: ln viable cells that were reached, ln those that were not, dying cells (of V0), exponent of the reached."""
    spared = p[11] * level / (p[12] + level) if level > 0.0 else 0.0
    mean = r_high / (1.0 - p[9])
    open_all = x_low + p[1] * x_high / (1.0 - p[9])
    linear = (1.0 - spared) * p[2] * r_low
    reached = linear + (1.0 - p[13] * spared) * p[4] * mean + p[3] * (r_low + p[1] * mean) * open_all
    cold = linear + p[3] * r_low * x_low
    hot_cells, cold_cells = np.exp(y[0]), np.exp(y[1])
    growth = p[5]
    if p[7] > 0.0:
        growth = p[5] * (p[6] - np.log(max(hot_cells + cold_cells, 1e-300)))
    dy[0] = growth - reached
    dy[1] = growth - cold
    dy[2] = reached * hot_cells + cold * cold_cells - p[8] * y[2]
    dy[3] = reached


@njit(cache=True)  # type: ignore[untyped-decorator]
def _kidney(y: Any, dy: Any, p: Any, r_low: Any, r_high: Any, x_low: Any, x_high: Any, level: Any) -> None:
    """y: BED received, three delays of it, ln of the nephron fraction, BED without protection."""
    spared = p[11] * level / (p[12] + level) if level > 0.0 else 0.0
    quadratic = 2.0 * p[2] * (r_low + p[1] * r_high) * (x_low + p[1] * x_high)
    dy[0] = (1.0 - spared) * r_low + (1.0 - p[13] * spared) * p[3] * r_high + quadratic
    dy[1] = p[4] * (y[0] - y[1])
    dy[2] = p[4] * (y[1] - y[2])
    dy[3] = p[4] * (y[2] - y[3])
    damage = p[6] * (max(y[3], 0.0) / p[7]) ** p[8]
    overload = p[10] * p[9] * max(1.0 - np.exp(y[4]), 0.0)
    dy[4] = -p[5] - damage - overload
    dy[5] = r_low + p[3] * r_high + quadratic


@njit(cache=True)  # type: ignore[untyped-decorator]
def _blood(y: Any, dy: Any, p: Any, r_low: Any, r_high: Any) -> None:
    """y: per lineage five pools, all over their steady state; then the stem pool and the lymphocytes."""
    dose_rate = r_low + p[2] * r_high
    stem = y[5 * LINEAGES]
    for i in range(LINEAGES):
        ktr, gamma, alpha, leaves = p[3 + 5 * i], p[4 + 5 * i], p[5 + 5 * i], p[6 + 5 * i]
        b = 5 * i
        sensed = y[b] if p[7 + 5 * i] > 0.0 else y[b + 4]
        feedback = (stem / max(sensed, _SMALL_COUNT)) ** gamma
        dy[b] = ktr * y[b] * (feedback - 1.0) - alpha * dose_rate * y[b]
        dy[b + 1] = ktr * (y[b] - y[b + 1])
        dy[b + 2] = ktr * (y[b + 1] - y[b + 2])
        dy[b + 3] = ktr * (y[b + 2] - y[b + 3])
        dy[b + 4] = leaves * (y[b + 3] - y[b + 4])
    q = 3 + 5 * LINEAGES
    dy[5 * LINEAGES] = p[q + 1] * (1.0 - stem) - p[q] * dose_rate * stem
    lymphocytes = y[5 * LINEAGES + 1]
    dy[5 * LINEAGES + 1] = p[q + 3] * (1.0 - lymphocytes) - p[q + 2] * dose_rate * lymphocytes


@njit(cache=True)  # type: ignore[untyped-decorator]
def _slope(
    kind: Any, tau: Any, y: Any, dy: Any, p: Any, low: Any, high: Any, rate: Any, opened: Any, drug: Any
) -> None:
    """dy/dt of the model; drug is [2, term]: amplitude and rate of the protector's level."""
    r_low, r_high, x_low, x_high = _dose_rates(tau, low, high, rate, p[0], opened[0], opened[1])
    level = 0.0
    for k in range(drug.shape[1]):
        level += drug[0, k] * np.exp(-drug[1, k] * tau)
    if kind == 0:
        _tumour(y, dy, p, r_low, r_high, x_low, x_high, level)
    elif kind == 1:
        _kidney(y, dy, p, r_low, r_high, x_low, x_high, level)
    else:
        _blood(y, dy, p, r_low, r_high)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _stages(kind: Any, tau: Any, h: Any, y: Any, k: Any, w: Any, p: Any, low: Any, high: Any, rate: Any, opened: Any,
            drug: Any) -> None:  # fmt: skip
    """Stages 2 to 7 into k[7, state]; k[0] is given, w holds the new state at the end (the last stage is taken there)."""
    for s in range(1, 7):
        for i in range(y.size):
            w[i] = 0.0
        for j in range(s):
            for i in range(y.size):
                w[i] += _STAGE[s, j] * k[j, i]
        for i in range(y.size):
            w[i] = y[i] + h * w[i]
        _slope(kind, tau + _NODE[s] * h, w, k[s], p, low, high, rate, opened, drug)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _error(h: Any, y: Any, k: Any, w: Any, rtol: Any) -> Any:
    """Largest error of the step over its tolerance."""
    worst = 0.0
    for i in range(y.size):
        e = 0.0
        for j in range(7):
            e += _ERROR[j] * k[j, i]
        worst = max(worst, abs(h * e) / (_ATOL + rtol * max(abs(y[i]), abs(w[i]))))
    return worst


@njit(cache=True)  # type: ignore[untyped-decorator]
def _between(theta: Any, h: Any, y: Any, k: Any, w: Any, keep: Any, out: Any) -> None:
    """The kept states at tau + theta h, from the dense output of the step (order 4)."""
    for c in range(keep.size):
        i = keep[c]
        change = w[i] - y[i]
        bend = h * k[0, i] - change
        r4 = change - h * k[6, i] - bend
        r5 = 0.0
        for j in range(7):
            r5 += _DENSE[j] * k[j, i]
        out[c] = y[i] + theta * (change + (1.0 - theta) * (bend + theta * (r4 + (1.0 - theta) * h * r5)))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _to_next_event(kind: Any, span: Any, y: Any, k: Any, w: Any, p: Any, low: Any, high: Any, rate: Any, opened: Any, drug: Any,
                   start: Any, times: Any, first: Any, keep: Any, out: Any, rtol: Any) -> Any:  # fmt: skip
    """Advance y over span days from an event; fill out[time] from index first; the next index, or -1 when stuck."""
    tau, h, j = 0.0, min(_FIRST_STEP_D, span), first
    _slope(kind, 0.0, y, k[0], p, low, high, rate, opened, drug)
    for _ in range(_MOST_STEPS):
        last = tau + h >= span * (1.0 - 1e-14)
        if last:
            h = span - tau
        _stages(kind, tau, h, y, k, w, p, low, high, rate, opened, drug)
        error = _error(h, y, k, w, rtol)
        if error <= 1.0:
            while j < times.size and times[j] <= start + tau + h:
                theta = min(max((times[j] - start - tau) / h, 0.0), 1.0)
                _between(theta, h, y, k, w, keep, out[j])
                j += 1
            tau += h
            for i in range(y.size):
                y[i] = w[i]
                k[0, i] = k[6, i]
            if last:
                return j
        if not error < 1e300:
            h *= 0.1
        else:
            h *= min(5.0, max(0.2, 0.9 * max(error, 1e-12) ** -0.2))
        if h < 1e-14:
            return -1
    return -1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _redraw(y: Any, cold_share: Any) -> None:
    """Share the viable cells out again between reached and not reached."""
    total = np.log(np.exp(y[0]) + np.exp(y[1]))
    y[0] = total + np.log(1.0 - cold_share)
    y[1] = total + np.log(cold_share)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _course(kind: Any, p: Any, y: Any, low: Any, high: Any, rate: Any, relative: Any, event_d: Any, event_cycle: Any,
            event_drug: Any, drug_amplitude: Any, drug_rate: Any, times: Any, keep: Any, out: Any, rtol: Any) -> Any:  # fmt: skip
    """One sample from event to event into out[time, kept state]; y is used up. False when the integrator got stuck."""
    w, k = np.empty(y.size), np.empty((7, y.size))
    now_low, now_high, opened = np.zeros(rate.size), np.zeros(rate.size), np.zeros(2)
    drug = np.zeros((2, drug_rate.size))
    for i in range(drug_rate.size):
        drug[1, i] = drug_rate[i]
    j = 0
    for e in range(event_d.size - 1):
        cycle = event_cycle[e]
        if cycle >= 0:
            for i in range(rate.size):
                now_low[i] += relative[cycle] * low[i]
                now_high[i] += relative[cycle] * high[i]
            if kind == 0 and p[10] > 0.0 and p[9] > 0.0 and relative[cycle] > 0.0:
                _redraw(y, p[9])
        for i in range(drug_rate.size):
            drug[0, i] += event_drug[e] * drug_amplitude[i]
        span = event_d[e + 1] - event_d[e]
        if span <= 0.0:
            continue
        j = _to_next_event(kind, span, y, k, w, p, now_low, now_high, rate, opened, drug,
                           event_d[e], times, j, keep, out, rtol)  # fmt: skip
        if j < 0:
            return False
        _, _, opened[0], opened[1] = _dose_rates(span, now_low, now_high, rate, p[0], opened[0], opened[1])
        for i in range(rate.size):
            fall = np.exp(-rate[i] * span)
            now_low[i] *= fall
            now_high[i] *= fall
        for i in range(drug_rate.size):
            drug[0, i] *= np.exp(-drug[1, i] * span)
    return True


@njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def integrate(kind: Any, p: Any, y0: Any, low: Any, high: Any, rate: Any, relative: Any, event_d: Any, event_cycle: Any,
              event_drug: Any, drug_amplitude: Any, drug_rate: Any, times: Any, keep: Any, out: Any, rtol: Any = _RTOL) -> None:  # fmt: skip
    """Every sample by itself into out[sample, time, kept state]; NaN where the integrator got stuck.

    p[sample, parameter], y0[sample, state]; low, high, rate[sample, term] of a cycle with relative activity 1;
    relative[sample, cycle]. Events at event_d[event], increasing, each with the cycle that starts (-1: none) and the
    dose of protector (0: none), whose level is drug_amplitude, drug_rate[sample, term] per unit. times[time] increase
    and none lies before the first event; the last event only ends the course. keep lists the states to put out; rtol is the
    relative tolerance of a step.
    """
    for s in prange(p.shape[0]):
        done = _course(kind, p[s], y0[s].copy(), low[s], high[s], rate[s], relative[s], event_d, event_cycle, event_drug,
                       drug_amplitude[s], drug_rate[s], times, keep, out[s], rtol)  # fmt: skip
        if not done:
            for j in range(out.shape[1]):
                for c in range(out.shape[2]):
                    out[s, j, c] = np.nan
