"""Linear compartments solved exactly: what goes in, where it is at any time, and what it has decayed by then.

    dX/dt = K X + u(t),    I(t) = int_0^t exp(-c s) X(s) ds

K [1/min] has ``K[i, j]`` for the transfer from j to i and minus their sums on its diagonal, u is a bolus or a constant
infusion, c a decay constant. With K = V diag(m) V^-1 every mode is an exponential, so state and integral are closed
forms for all samples and times at once; a K whose eigenvectors do not separate (two equal rates in a row) is stepped by
the matrix exponential of the augmented system (Van Loan, IEEE Trans Autom Control 1978;23:395). Chains without return
paths have a form of their own in `daughters`, which gives exponentials rather than values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import DomainError

__all__ = ["solve_linear", "transfer_matrix"]

Array = npt.NDArray[np.float64]

_MOST_CONDITION = 1e6  # of the eigenvectors: 1e-10 of the result at most is lost to them
_BOLUS_MIN = 1e-9  # a shorter infusion is a bolus
_SMALL = 0.5  # of mode x time: below it a difference of two integrals is taken as a quadrature
_REACHES = (15.0, 40.0)  # of decay constant x time
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def transfer_matrix(
    names: Sequence[str], transfers: Mapping[tuple[str, str], npt.ArrayLike], samples: int = 1
) -> Array:
    """K [sample, to, from] from rates of transfer.

    Parameters
    ----------
    names : sequence of str
        Compartments, in order.
    transfers : mapping (from, to) -> rate
        1/min, each a number or ``[sample]``.
    samples : int

    Returns
    -------
    Array[sample, to, from]
        1/min; columns sum to zero: nothing is made or lost.

    Raises
    ------
    DomainError
        An end that is not among the names, or a rate below zero.

    Examples
    --------
    >>> transfer_matrix(["a", "b"], {("a", "b"): 0.5})[0].tolist()
    [[-0.5, 0.0], [0.5, 0.0]]
    """
    k = np.zeros((samples, len(names), len(names)))
    for (source, target), rate in transfers.items():
        for end in (source, target):
            if end not in names:
                raise DomainError(f"The transfer from {source} to {target}: no compartment {end!r}.")
        value = np.asarray(rate, dtype=float)
        if not (np.isfinite(value) & (value >= 0)).all():
            raise DomainError(f"The rate from {source} to {target} must be finite and not below zero.")
        i, j = names.index(target), names.index(source)
        k[:, i, j] += value
        k[:, j, j] -= value
    return k


def solve_linear(
    matrix_per_min: npt.ArrayLike,
    times_min: npt.ArrayLike,
    given: npt.ArrayLike,
    *,
    duration_min: npt.ArrayLike = 0.0,
    decay_per_min: float = 0.0,
) -> tuple[Array, Array]:
    """Amounts and their discounted time integrals, exactly, for all samples.

    Parameters
    ----------
    matrix_per_min : array[sample, to, from]
        K, as `transfer_matrix` makes it.
    times_min : array[time]
        From 0, ascending.
    given : array[compartment]
        Amount given into each.
    duration_min : float or array[sample]
        Of the infusion, from time 0; 0 for a bolus.
    decay_per_min : float
        c. The amounts do not decay; their integrals count exp(-c t) of them.

    Returns
    -------
    amounts, integrals : Array[sample, time, compartment]
        In the unit of `given`, and that times min.

    Raises
    ------
    DomainError
        Shapes that do not fit, times out of order, a negative duration.

    Examples
    --------
    >>> k = transfer_matrix(["a", "b"], {("a", "b"): 0.1})
    >>> x, integral = solve_linear(k, [0.0, 10.0], [1.0, 0.0])
    >>> round(float(x[0, 1, 0]), 6), round(float(integral[0, 1, 0]), 6)
    (0.367879, 6.321206)
    """
    k = np.asarray(matrix_per_min, dtype=float)
    t, into = np.atleast_1d(np.asarray(times_min, dtype=float)), np.asarray(given, dtype=float)
    if k.ndim != 3 or k.shape[1] != k.shape[2] or into.shape != (k.shape[1],):
        raise DomainError(f"K is {k.shape} and given {into.shape}; expected [sample, i, i] and [i].")
    if t.ndim != 1 or not np.isfinite(t).all() or (t < 0).any() or (np.diff(t) < 0).any():
        raise DomainError("times_min must be finite, from 0 on, ascending.")
    last = np.broadcast_to(np.asarray(duration_min, dtype=float), (len(k),))
    if not (np.isfinite(last) & (last >= 0)).all() or decay_per_min < 0:
        raise DomainError("duration_min and decay_per_min must be finite and not below zero.")
    last = np.where(last < _BOLUS_MIN, 0.0, last)
    modes, vectors = np.linalg.eig(k)
    with np.errstate(all="ignore"):
        separate = np.linalg.cond(vectors) < _MOST_CONDITION
    x, integral = np.empty((len(k), len(t), len(into))), np.empty((len(k), len(t), len(into)))
    if separate.any():
        v = vectors[separate]
        weights = np.linalg.solve(v, np.broadcast_to(into, v.shape[:2])[..., None].astype(complex))[..., 0]
        now, until = _modes(modes[separate], t, last[separate], decay_per_min)
        x[separate] = np.einsum("sij,sjt->sti", v, weights[:, :, None] * now).real
        integral[separate] = np.einsum("sij,sjt->sti", v, weights[:, :, None] * until).real
    for i in np.flatnonzero(~separate):
        x[i], integral[i] = _stepped(k[i], t, into, float(last[i]), decay_per_min)
    return x, integral


def _grown(m: npt.NDArray[np.complex128], t: Array) -> npt.NDArray[np.complex128]:
    """int_0^t exp(m s) ds."""
    z = m * t
    small = np.abs(z) < 1e-5
    safe = np.where(small, 1.0, m)
    # expm1 of a complex number loses nothing in numpy; below 1e-5 three terms are exact to 1e-16
    return np.where(small, t * (1 + z / 2 + z**2 / 6), np.expm1(np.where(small, 1.0, z)) / safe)


def _modes(
    m: npt.NDArray[np.complex128], t: Array, last: Array, c: float
) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    """Response [sample, mode, time] of each mode to one unit given, and its discounted integral."""
    mode, time = m[:, :, None], np.broadcast_to(t, (*m.shape, len(t)))
    whole = last[:, None, None]
    bolus = np.broadcast_to(whole == 0, time.shape)
    if bolus.all():
        return np.exp(mode * time), _grown(mode - c, time)
    length = np.where(whole > 0, whole, 1.0)
    after = np.maximum(time - length, 0.0)
    within = np.minimum(time, length)
    # x = (1/T) int over what was given so far; later it falls from where it was at the end
    x = np.exp(mode * after) * _grown(mode, within) / length
    late = _grown(mode, length) * np.exp(-c * length) * _grown(mode - c, after)
    first = int(np.count_nonzero(t < last.max()))  # all later times share what happened during the infusion
    part = np.minimum(np.append(t[:first], last.max()), length)
    during = _during(mode, np.broadcast_to(part, (*m.shape, first + 1)), c)
    integral = (during[..., np.minimum(np.arange(len(t)), first)] + late) / length
    return np.where(bolus, np.exp(mode * time), x), np.where(bolus, _grown(mode - c, time), integral)


def _during(m: npt.NDArray[np.complex128], t: Array, c: float) -> npt.NDArray[np.complex128]:
    """int_0^t exp(-c s) int_0^s exp(m r) dr ds."""
    near = np.abs(m) * t < _SMALL
    m = np.broadcast_to(m, t.shape)
    safe = np.where(near, 1.0, m).astype(np.complex128)
    none = np.zeros_like(safe)
    far = (_grown(safe - c, t) - _grown(none - c, t)) / safe
    smooth, begin = np.zeros_like(far), np.zeros_like(t)
    for reach in _REACHES:  # exp(-c s) is a polynomial to the nodes within each, and nothing after the last
        width = np.minimum(t, reach / max(c, 1e-300)) - begin
        s = begin[..., None] + 0.5 * width[..., None] * (_NODES + 1.0)
        smooth += 0.5 * width * ((np.exp(-c * s) * _grown(np.where(near, m, none)[..., None], s)) @ _WEIGHTS)
        begin = begin + width
    return np.where(near, smooth, far)


def _stepped(k: Array, t: Array, given: Array, last: float, c: float) -> tuple[Array, Array]:
    """One sample by matrix exponentials of [X, I, exp(-c t)], with Y = exp(-c t) X in the place of X."""
    from scipy.linalg import expm

    n = len(k)
    system = np.zeros((2 * n + 1, 2 * n + 1))
    system[:n, :n] = k - c * np.eye(n)
    system[n : 2 * n, :n] = np.eye(n)
    system[2 * n, 2 * n] = -c
    fed = system.copy()
    state = np.concatenate([given if last == 0 else np.zeros(n), np.zeros(n), [1.0]])
    if last > 0:
        fed[:n, 2 * n] = given / last
    x, integral, now = np.empty((len(t), n)), np.empty((len(t), n)), 0.0
    for i, end in enumerate(t):
        if now < last < end:
            state, now = expm(fed * (last - now)) @ state, last
        state, now = expm((fed if now < last else system) * (end - now)) @ state, float(end)
        x[i], integral[i] = state[:n] * np.exp(c * end), state[n : 2 * n]
    return x, integral
