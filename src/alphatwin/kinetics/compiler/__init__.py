"""A kinetic model, declared once, checked, and solved for thousands of patients at a time.

A `Model` is compartments, states, fluxes, parameters and events. `compiled` turns it into tables and machine
code; `Compiled.solve` runs RODAS4 for every sample at once. See docs/pbpk.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DomainError
from . import _expressions, _native
from ._program import Program
from .model import Compartment, Event, Flux, Model, Rate, State, Whole

__all__ = ["Compartment", "Compiled", "Event", "Flux", "Model", "Rate", "Solution", "State", "Whole", "compiled"]

_CHUNK = 256  # samples per task: a sample's bits do not depend on it
_BLOCKS = ("base", "new", "bend2", "bend3", "speed", "inflow", "atol", "rtol", "per_h", "error", "linear", "coefs")
_MOST_NUMBERS = 2_000_000_000 // 8


@dataclass(frozen=True, eq=False)
class Solution:
    """States of every sample at the output times.

    Attributes
    ----------
    states : tuple of str
    times_min : Array[time]
    values : Array[sample, time, state]
        At the time of a bolus: just after it (an event at the last output time does not happen).
    steps : Array[sample]
        Steps taken, rejected ones among them.
    """

    states: tuple[str, ...]
    times_min: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    steps: npt.NDArray[np.int64]

    def __getitem__(self, state: str) -> npt.NDArray[np.float64]:
        """Array[sample, time] of one state."""
        if state not in self.states:
            raise DomainError(f"No state {state!r}; there is {', '.join(self.states)}.")
        return np.asarray(self.values[:, :, self.states.index(state)])


@dataclass(frozen=True, eq=False)
class Compiled:
    """A model and its tables."""

    model: Model
    program: Program

    def solve(
        self,
        times_min: npt.ArrayLike,
        parameters: Mapping[str, npt.ArrayLike] | None = None,
        *,
        start_min: float = 0.0,
        rtol: float = 1e-5,
        max_steps: int = 20_000,
        samples: int | None = None,
    ) -> Solution:
        """Integrate from `start_min` to the last of the output times, all samples at once.

        Parameters
        ----------
        times_min : array[time]
            Output times, minutes, ascending, from `start_min` on.
        parameters : mapping of str to float or array[sample], optional
            Overrides of the model's defaults.
        rtol : float
            Relative tolerance of a step, 1e-12 to 1e-2; the absolute one belongs to each state.
        max_steps : int
            A sample that needs more is refused.
        samples : int, optional
            Number of samples where no override is an array.

        Returns
        -------
        Solution

        Raises
        ------
        CaseError, DomainError
            An unknown parameter, times out of order, a balance that does not hold, or a sample that cannot be solved.

        Notes
        -----
        RODAS4 with an exact Jacobian and step sizes of each sample's own; between steps the method's third-order
        interpolant; events are landed on. The same sample gives the same bits alone, in any batch, on any threads.
        """
        times = np.atleast_1d(np.asarray(times_min, dtype=float))
        if (
            times.ndim != 1
            or times.size == 0
            or not np.isfinite(times).all()
            or not np.isfinite(start_min)
            or (np.diff(times) < 0).any()
            or times[0] < start_min
        ):
            raise DomainError(f"Output times must be finite and ascending, minutes from {start_min:g} on.")
        if not 1e-12 <= rtol <= 1e-2:
            raise DomainError(f"rtol is {rtol:g}; it lies between 1e-12 and 1e-2.")
        values = self.model.check_values(parameters or {})
        given = max([1, *(len(v) for v in values.values() if isinstance(v, np.ndarray) and v.ndim)])
        n = given if samples is None else samples
        if n < 1 or given not in (1, n):
            raise DomainError(f"samples is {n}, where parameters are given for {given}; leave it out.")
        if n * len(times) * self.program.n > _MOST_NUMBERS:
            raise DomainError(
                f"{n} samples x {len(times)} times x {self.program.n} states do not fit into memory; solve in parts."
            )
        lin, coefs = self.program.fill(values, n)
        y0, events = self._starts(values, n)
        for what, table in (
            ("a rate", lin),
            ("a coefficient", coefs),
            ("an initial amount", y0),
            *(("an event", a) for a in events[:3]),
        ):
            if not np.isfinite(table).all():
                raise DomainError(
                    f"Model {self.model.name}: {what} is not finite in sample {int(np.argmax(~np.isfinite(table).all(axis=1)))}."
                )
        from ._kernel import integrate_batch

        atol = np.array([s.atol for s in self.model.states])
        rows = _native.layout(self.program)
        sizes = (self.program.n, rows["rows"], *(rows[name] for name in _BLOCKS))
        native = _native.addresses(self.program.text)
        out, steps = integrate_batch(
            y0, lin, coefs, events, float(start_min), times, rtol, atol, max_steps, sizes, native, _CHUNK
        )
        if (steps < 0).any():
            raise DomainError(
                f"Model {self.model.name}: sample {int(np.argmax(steps < 0))} could not be solved in {max_steps} steps at rtol {rtol:g}. "
                "Look for a rate or volume far out of range."
            )
        return Solution(self.model.state_names, times, out, steps)

    def _starts(self, values: Mapping[str, Any], n: int) -> tuple[npt.NDArray[np.float64], tuple[Any, ...]]:
        """Initial states [sample, state]; start, stop and amount [sample, event] and target [event]."""
        parts, names = self.model.parts, self.model.state_names
        y0 = np.empty((n, len(names)))
        for i, name in enumerate(names):
            y0[:, i] = _expressions.evaluate(parts.initial[name], values)
        m = len(parts.events)
        start, stop, amount = np.zeros((n, m)), np.zeros((n, m)), np.zeros((n, m))
        for q, (given, begin, lasting) in enumerate(parts.events):
            amount[:, q] = _expressions.evaluate(given, values)
            start[:, q] = _expressions.evaluate(begin, values)
            length = np.broadcast_to(np.asarray(_expressions.evaluate(lasting, values), dtype=float), (n,))
            if (length < 0).any() or (amount[:, q] < 0).any():
                raise DomainError(
                    f"Model {self.model.name}: event {self.model.events[q].name} has a negative duration or amount."
                )
            stop[:, q] = start[:, q] + length
        target = np.array([names.index(e.state) for e in self.model.events], dtype=np.int64)
        for i, constant in enumerate(self.program.constant):
            if constant:  # a constant rate is an infusion without end
                rate = sum(
                    sign * np.broadcast_to(np.asarray(_expressions.evaluate(e, values), dtype=float), (n,))
                    for sign, e in constant
                )
                start = np.column_stack([start, np.full(n, -1e12)])
                stop = np.column_stack([stop, np.full(n, 1e12)])
                amount = np.column_stack([amount, rate * 2e12])
                target = np.append(target, i)
        return y0, (start, stop, amount, target)


def compiled(model: Model) -> Compiled:
    """A model, ready to be solved; its machine code is made (about a second, then kept on disk) at the first `solve`.

    Examples
    --------
    >>> decay = Model("decay", parameters={"k": 0.1}, compartments=(), states=(State("A", initial="1"), State("B")),
    ...               fluxes=(Flux("loss", "A", "B", "k * A"),))
    >>> round(float(compiled(decay).solve([10.0], rtol=1e-8)["A"][0, 0]), 6)
    0.367879
    """
    return Compiled(model, Program(model))
