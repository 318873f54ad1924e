"""Linear compartments: closed forms against the matrix exponential, a stiff solver, and RODAS4 on radium."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from alphatwin.errors import DomainError
from alphatwin.kinetics.linear import _stepped, solve_linear, transfer_matrix
from alphatwin.kinetics.pbpk import pbpk
from alphatwin.physics import nuclide

LOOP = {("a", "b"): 0.3, ("b", "a"): 0.05, ("b", "c"): 0.02, ("c", "a"): 1e-4, ("a", "out"): 0.01}
NAMES = ["a", "b", "c", "out"]
TIMES = np.array([0.0, 0.5, 7.0, 30.0, 300.0, 5000.0])


@pytest.mark.parametrize("duration", [0.0, 7.0, 10.0])
def test_amounts_and_integrals_against_an_ode_solver(duration):
    k, c = transfer_matrix(NAMES, LOOP), 3e-4
    x, integral = solve_linear(k, TIMES, [2.0, 0, 0, 0], duration_min=duration, decay_per_min=c)

    def slope(t, y, fed):
        into = np.array([2.0 / duration, 0, 0, 0]) if fed else 0.0
        return np.concatenate([k[0] @ y[:4] + into, np.exp(-c * t) * y[:4]])

    y, spans = np.concatenate([[0.0 if duration else 2.0, 0, 0, 0], np.zeros(4)]), [(duration, TIMES[-1], False)]
    found = {}
    for begin, end, fed in ([(0.0, duration, True)] if duration else []) + spans:
        at = np.unique([*TIMES[(begin <= TIMES) & (end >= TIMES)], end])
        run = solve_ivp(slope, (begin, end), y, "LSODA", at, rtol=1e-11, atol=1e-13, args=(fed,))
        found |= dict(zip(run.t, run.y.T, strict=True))
        y = run.y[:, -1]
    exact = np.array([found[t] for t in TIMES])
    np.testing.assert_allclose(x[0], exact[:, :4], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(integral[0], exact[:, 4:], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("duration", [0.0, 12.0])
def test_two_equal_rates_in_a_row_are_stepped(duration):
    """a -> b -> out with one rate: K has no second eigenvector; b(t) = k t exp(-k t) after a bolus."""
    k, c = transfer_matrix(["a", "b", "out"], {("a", "b"): 0.1, ("b", "out"): 0.1}), 2e-3
    x, integral = solve_linear(k, TIMES, [1.0, 0, 0], duration_min=duration, decay_per_min=c)
    if duration == 0:
        np.testing.assert_allclose(x[0, :, 1], 0.1 * TIMES * np.exp(-0.1 * TIMES), rtol=1e-9, atol=1e-12)
        assert integral[0, -1, 1] == pytest.approx(0.1 / (0.1 + c) ** 2, rel=1e-10)
    near = transfer_matrix(["a", "b", "out"], {("a", "b"): 0.1, ("b", "out"): 0.1001})
    both = solve_linear(near, TIMES, [1.0, 0, 0], duration_min=duration, decay_per_min=c)
    for ours, other in zip(both, _stepped(near[0], TIMES, np.array([1.0, 0, 0]), duration, c), strict=True):
        np.testing.assert_allclose(ours[0], other, rtol=1e-8, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(1e-6, 10.0), min_size=5, max_size=5), st.just(0.0) | st.floats(1e-3, 100.0), st.floats(1e-6, 0.1)
)
def test_nothing_is_made_or_lost(rates, duration, c):
    """Amounts sum to what was given; integrals to that of the given amount, discounted."""
    k = transfer_matrix(NAMES, dict(zip(LOOP, rates, strict=True)))
    x, integral = solve_linear(k, TIMES, [1.0, 0, 0, 0], duration_min=duration, decay_per_min=c)
    there = np.minimum(TIMES / duration, 1.0) if duration else np.ones_like(TIMES)
    np.testing.assert_allclose(x[0].sum(axis=1), there, rtol=1e-8, atol=1e-9)
    assert (x > -1e-9).all()
    s = np.linspace(0.0, 1.0, 20001)
    grid = 5000.0 * s**3
    given_by = np.minimum(grid / duration, 1.0) if duration else np.ones_like(grid)
    assert integral[0, -1].sum() == pytest.approx(np.trapezoid(np.exp(-c * grid) * given_by, grid), rel=1e-4)


def test_radium_is_what_rodas_makes_of_it():
    """The same declaration through the compiler at rtol 1e-10: states and decays within 1e-6 of what is given."""
    model = pbpk("ra223-chloride")
    times = np.array([0.0, 5.0, 240.0, 1440.0, 14400.0, 300000.0])
    c = nuclide("Ra-223").decay_constant_per_h / 60.0
    drawn = model.prior(3, seed=5)
    numeric = model.compiled.solve(times, {**drawn, "lambda_per_min": c}, rtol=1e-10)
    values = model.compiled.model.check_values({**drawn, "lambda_per_min": c})
    exact = model._linear(times, values, 3)
    assert exact.states == numeric.states
    for state in exact.states:
        scale = 1.0 if not state.startswith("int_") else float(exact[state].max())
        np.testing.assert_allclose(exact[state], numeric[state], rtol=1e-6, atol=1e-6 * scale, err_msg=state)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"times_min": [2.0, 1.0]}, "ascending"),
        ({"given": [1.0]}, "expected"),
        ({"duration_min": -1.0}, "not below zero"),
    ],
)
def test_what_cannot_be_is_refused(change, told):
    wanted = {"matrix_per_min": transfer_matrix(NAMES, LOOP), "times_min": TIMES, "given": [1.0, 0, 0, 0]} | change
    with pytest.raises(DomainError, match=told):
        solve_linear(wanted.pop("matrix_per_min"), wanted.pop("times_min"), wanted.pop("given"), **wanted)
    with pytest.raises(DomainError, match="no compartment 'x'"):
        transfer_matrix(NAMES, {("a", "x"): 1.0})
    with pytest.raises(DomainError, match="not below zero"):
        transfer_matrix(NAMES, {("a", "b"): -1.0})
