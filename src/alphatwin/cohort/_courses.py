"""Tumour and kidney from cycle to cycle: the outcome models' own integrator, stopped and started again at each cycle.

`tumour_course` and `kidney_course` take a course that is known beforehand. Here the dose of a cycle depends on what the
cycles before it did, so the state is handed on. Between cycles what earlier ones left goes on beneath; only the open
sublethal damage of that rest, months after its cycle, begins at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..biology import kidney as _kidney
from ..biology import tumour as _tumour
from ..biology._outcome_kernels import KIDNEY, TUMOUR, integrate
from ..biology.kidney import KidneyParameters
from ..biology.tumour import TumourParameters
from ..errors import DomainError
from ..units import HOURS_PER_DAY

__all__ = ["KidneyState", "TumourState"]

RTOL = 1e-5  # of a step; volumes and eGFR are then within 1e-4 of those of the courses at 1e-8
_FORGOTTEN = 1e-4  # an earlier cycle whose label has decayed below this share is left out

Array = npt.NDArray[np.float64]


class _State:
    """Patients of one outcome model at the end of what has been integrated so far."""

    kind: int

    def __init__(self, p: Array, y: Array, half_life_h: float) -> None:
        self._p, self._y = np.ascontiguousarray(p), np.array(y)
        self._half_life_h = half_life_h  # of the nuclide
        self._left: list[tuple[Array, Array, Array]] = []  # low, high (Gy/d now) and rate (1/d) of earlier cycles

    def advance(
        self, low_Gy: Array, high_Gy: Array, half_life_h: Array, span_d: float, times_d: Sequence[float]
    ) -> Array:
        """One cycle of these doses [sample], followed for `span_d`; states [sample, time, state] at `times_d` after it.

        Raises
        ------
        DomainError
            A course that cannot be integrated.
        """
        rate = np.log(2.0) / half_life_h * HOURS_PER_DAY
        terms = [(low_Gy * rate, high_Gy * rate, rate), *self._left]
        low, high, rates = (np.ascontiguousarray(np.stack([t[i] for t in terms], axis=1)) for i in range(3))
        n, states = self._y.shape
        times = np.array([*times_d, span_d])
        out = np.full((n, len(times), states), np.nan)
        none = np.zeros((n, 0))
        integrate(
            self.kind, self._p, np.ascontiguousarray(self._y), low, high, rates, np.ones((n, 1)),
            np.array([0.0, span_d + 1e-9]), np.zeros(1, np.int64), np.zeros(1), none, none, times,
            np.arange(states, dtype=np.int64), out, RTOL,
        )  # fmt: skip
        if not np.isfinite(out).all():
            bad = int(np.argmax(~np.isfinite(out).all(axis=(1, 2))))
            raise DomainError(
                f"Patient {bad} of a chunk could not be followed: a dose or a parameter is far outside what patients have."
            )
        self._y = out[:, -1].copy()
        gone = 2.0 ** (-span_d * HOURS_PER_DAY / self._half_life_h)
        most = 0 if gone < _FORGOTTEN else int(np.log(_FORGOTTEN) / np.log(gone))
        terms = terms[:most]
        self._left = [(a * np.exp(-r * span_d), b * np.exp(-r * span_d), r) for a, b, r in terms]
        return out[:, :-1]


class TumourState(_State):
    """One lesion of each patient; volumes in mL."""

    kind = TUMOUR

    def __init__(self, parameters: TumourParameters, volume_mL: Array, half_life_h: float) -> None:
        n = len(volume_mL)
        p, y = _tumour._kernel_input(parameters, volume_mL, np.zeros(n), n, "same", (), None)
        super().__init__(p, y, half_life_h)
        self._first = volume_mL

    def volume_mL(self, y: Array | None = None) -> Array:
        """Viable and dying cells, now or of states [sample, time, state]."""
        y = self._y if y is None else y
        first = self._first if y.ndim == 2 else self._first[:, None]
        return np.asarray((np.exp(y[..., 0]) + np.exp(y[..., 1]) + y[..., 2]) * first)

    @property
    def viable_share(self) -> Array:
        """Share of the volume that lives [sample]."""
        alive = np.exp(self._y[:, 0]) + np.exp(self._y[:, 1])
        return np.asarray(alive / (alive + self._y[:, 2]))


class KidneyState(_State):
    """Kidneys of each patient."""

    kind = KIDNEY

    def __init__(self, parameters: KidneyParameters, egfr: Array, half_life_h: float) -> None:
        n = len(egfr)
        p, y = _kidney._kernel_input(parameters, egfr, np.ones(n), n, None)
        super().__init__(p, y, half_life_h)
        self._first, self._h = egfr, p[:, 9]

    def egfr(self, y: Array | None = None) -> Array:
        """mL/min/1.73 m2, now or of states [sample, time, state]."""
        y = self._y if y is None else y
        first, h = (a if y.ndim == 2 else a[:, None] for a in (self._first, self._h))
        left = np.exp(y[..., 4])
        return np.asarray(first * left * (1.0 + h * (1.0 - left)))

    @property
    def bed_Gy(self) -> Array:
        """BED received so far [sample]."""
        return np.asarray(self._y[:, 0])


def merged(parts: Sequence[Any]) -> Array:
    """Pieces [sample, time] of the segments of a course, one after the other."""
    return np.concatenate(list(parts), axis=1)
