"""What a phantom holds of every member of its chain, and of the therapy nuclide that its images stand for.

A region's curve is that of the carrier. Daughters decay where their parent does (`chain_kinetics`, in place) unless the phantom
gives one its own curve: then that curve is the daughter's activity in the region, and its progeny decays with it. Nothing is made
from nothing: over the whole body a daughter decays no more often than its parents feed it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import CaseError
from ..kinetics import InPlace, chain_kinetics
from ..physics.nuclides import chain_table
from ..physics.nuclides import nuclide as nuclide_of
from ._phantom_spec import PhantomSpec, Uptake

__all__ = ["Terms", "chain_terms", "check_conservation", "integral", "mean_activity", "therapy_terms"]

Array = npt.NDArray[np.float64]
Terms = tuple[Array, Array]  # MBq and effective rate (1/h) of each exponential


def chain_terms(spec: PhantomSpec, uptake: Uptake) -> dict[str, Terms]:
    """Activity of each member of the chain in a region, as a sum of exponentials."""
    own = spec.terms(uptake)
    carrier = (
        np.array([f for f, _ in own]) * spec.administered_activity_MBq,
        np.array([r for _, r in own]),
    )
    made = _in_place(spec.nuclide, carrier)
    for name, curve in uptake.daughters.items():
        amplitude = np.array([t.fraction for t in curve]) * spec.administered_activity_MBq
        made |= _in_place(name, (amplitude, np.array([math.log(2) / t.half_life_h for t in curve])))
    return made


def therapy_terms(spec: PhantomSpec, uptake: Uptake) -> dict[str, Terms]:
    """The same of the therapy nuclide: biology kept, ``r' = r - lambda_imaged + lambda_therapy``, activity exchanged."""
    assert spec.therapy is not None
    shift = nuclide_of(spec.therapy.nuclide).decay_constant_per_h - nuclide_of(spec.nuclide).decay_constant_per_h
    own = spec.terms(uptake)
    amplitude = np.array([f for f, _ in own]) * spec.therapy.administered_activity_MBq
    return _in_place(spec.therapy.nuclide, (amplitude, np.array([r + shift for _, r in own])))


def _in_place(nuclide: str, terms: Terms) -> dict[str, Terms]:
    made = chain_kinetics({"region": terms}, nuclide, InPlace())
    rates = np.asarray(made.rate.values[0])
    return {
        q: (np.asarray(made.amplitude.values[0, 0, i]), rates)
        for i, q in enumerate(made.nuclides)
    }  # fmt: skip


def mean_activity(terms: Terms, time_h: float, duration_h: float = 0.0) -> float:
    """Activity at a time, or its mean over a duration, MBq."""
    amplitude, rate = terms
    mean = -np.expm1(-rate * duration_h) / (rate * duration_h) if duration_h > 0 else 1.0
    return float(np.sum(amplitude * np.exp(-rate * time_h) * mean))


def integral(terms: Terms) -> float:
    """Time-integrated activity from the administration on, MBq h."""
    return float(np.sum(terms[0] / terms[1]))


def check_conservation(spec: PhantomSpec, regions: Mapping[str, Mapping[str, Terms]]) -> None:
    """Decays of each daughter over all regions against what its parents feed.

    Raises
    ------
    CaseError
        More decays of a daughter than there can be.
    """
    table = chain_table(spec.nuclide)
    total = {q: sum(integral(r[q]) for r in regions.values()) for q in table.names}
    for i, q in enumerate(table.names[1:], start=1):
        fed = sum(float(b) * total[p] for p, b in zip(table.names, table.branching[i], strict=True))
        if total[q] > fed * (1 + 1e-6):
            raise CaseError(
                f"regions: {q} would decay {total[q] / fed:.3f} times as often, over all regions, as its parents feed it. What "
                "collects in one region has left another: lower its curve there, or give 'background' less of it."
            )
