"""Slow, obvious twins of quantification: integrals by quadrature, derivatives by differences, draws one by one."""

import math

import numpy as np
from scipy.integrate import quad
from scipy.special import gammaln


def mean_over_acquisition(rate_per_h, duration_h):
    """Mean of exp(-k s) over an acquisition."""
    return quad(lambda s: math.exp(-rate_per_h * s), 0, duration_h)[0] / duration_h


def observed_rate_nonparalyzable(true_rate, tau, seconds, seed):
    """Counts of a counter that is blind for tau after each count, event by event."""
    stream = np.random.Generator(np.random.Philox(key=seed))
    arrivals = np.cumsum(stream.exponential(1 / true_rate, int(true_rate * seconds)))
    counted, free_at = 0, 0.0
    for t in arrivals:
        if t >= free_at:
            counted += 1
            free_at = t + tau
    return counted / arrivals[-1]


def observed_rate_paralyzable(true_rate, tau, seconds, seed):
    """Counts of a counter that every event, counted or not, keeps blind for tau."""
    stream = np.random.Generator(np.random.Philox(key=seed))
    gaps = stream.exponential(1 / true_rate, int(true_rate * seconds))
    return 1 + float((gaps > tau).sum()) if len(gaps) == 0 else float((gaps > tau).sum()) / gaps.sum()


def blurred_sphere(x, r, s):
    """Concentration at the distance x from the centre of a unit sphere under a Gaussian blur, by quadrature over shells.

    A point at x sees the shell of radius q with the weight of the Gaussian averaged over the shell.
    """

    def shell(q):
        near, far = math.exp(-((x - q) ** 2) / (2 * s * s)), math.exp(-((x + q) ** 2) / (2 * s * s))
        return q / x * (near - far)

    return quad(shell, 0, r, epsabs=1e-12)[0] / (s * math.sqrt(2 * math.pi))


def sphere_recovery(r, s):
    """Mean of the blurred sphere inside the sphere."""
    return quad(lambda x: 3 * x * x / r**3 * blurred_sphere(x, r, s), 1e-9, r, epsabs=1e-10)[0]


def corrected(m, v, q, b, c, background, edge, v0):
    """Activity of a region from what is inside its outline, as one formula; M follows the outline by the edge."""
    r = 1.0 if b is None else 1 / (1 + (b / v) ** c)
    return ((m + edge * (v - v0)) - (1 - r) * background * v) / r / q


def numerical_covariance(values, uncertain, evaluate):
    """GUM by central differences: J V J' with `uncertain` a list of (index or indices, covariance)."""
    values = np.asarray(values, dtype=float)
    columns = []
    for i, x in enumerate(values):
        h = 1e-5 * abs(x)
        up, down = values.copy(), values.copy()
        up[i] += h
        down[i] -= h
        columns.append((evaluate(up) - evaluate(down)) / (2 * h))
    jacobian = np.stack(columns, axis=1)
    return jacobian @ uncertain @ jacobian.T


def signal_posterior(n, nb, m, a, signal):
    """Posterior density of the signal on a grid: the joint posterior of signal and background, summed over background."""
    b = np.linspace(1e-6, (nb + 10 * math.sqrt(nb + 1) + 12) / m, 6000)[None, :]
    s = np.asarray(signal)[:, None]
    logs = (
        n * np.log(s + b)
        - (s + b)
        + nb * np.log(m * b)
        - m * b
        - 0.5 * np.log(b)
        + (a - 1) * np.log(s)
        - gammaln(n + 1)
    )
    mass = np.exp(logs - logs.max()).sum(axis=1)
    return mass / np.trapezoid(mass, signal)


def chain_in_equilibrium(half_lives_h, fractions, hours):
    """Activities of a simple chain by small steps, from a pure parent."""
    rates = np.log(2) / np.asarray(half_lives_h)
    atoms = np.zeros(len(rates))
    atoms[0] = 1.0
    step = min(half_lives_h) / 400
    for _ in range(int(hours / step)):
        decayed = atoms * rates * step
        atoms -= decayed
        atoms[1:] += decayed[:-1] * fractions
    return atoms * rates
