"""The activity that the next cycle may have, and which tissue limits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError
from ._checks import Floats, checked, read_only
from .account import DoseLimit
from .effectiveness import HighLET

__all__ = ["NextActivity", "TissueActivity", "TissueBudget", "next_activity"]


@dataclass(frozen=True, eq=False)
class TissueBudget:
    """What a tissue gets per MBq of a cycle, what it has had, and what it may have; arrays [sample].

    `used_Gy` is in the quantity of the limit (``Ledger.total_Gy()``): BED, EQD2, or RBE-weighted dose for a limit in
    absorbed dose.
    """

    low_let_dose_Gy_per_MBq: ArrayLike
    high_let_dose_Gy_per_MBq: ArrayLike
    g: ArrayLike
    alpha_beta_Gy: ArrayLike
    high_let: HighLET
    limit: DoseLimit
    used_Gy: ArrayLike = 0.0

    def __post_init__(self) -> None:
        for name in ("low_let_dose_Gy_per_MBq", "high_let_dose_Gy_per_MBq", "used_Gy"):
            checked(name, getattr(self, name), at_least=0.0)
        checked("alpha_beta_Gy", self.alpha_beta_Gy, above=0.0)
        if float(checked("g", self.g, above=0.0).max()) > 1.0 + 1e-9:
            raise DomainError(f"g holds {np.max(self.g):g}; a Lea-Catcheside factor is above 0 and at most 1.")

    def activities_MBq(self, cycles: int) -> Floats:
        """The activity per cycle, per sample, at which `cycles` equal cycles just reach the limit; inf without dose.

        With what is left of the limit, as BED and per cycle, c: q A^2 + p A = c, p = D_L + RBE_M D_H and
        q = G (D_L + R_beta D_H)^2 / (alpha/beta) per MBq and MBq^2. The positive root is taken as
        2c / (p + sqrt(p^2 + 4qc)), which does not cancel. A limit in absorbed dose is linear (q = 0) in the
        RBE-weighted dose.
        """
        low, high = np.asarray(self.low_let_dose_Gy_per_MBq, float), np.asarray(self.high_let_dose_Gy_per_MBq, float)
        ratio = np.asarray(self.alpha_beta_Gy, float)
        left = np.maximum(self.limit.value_Gy - np.asarray(self.used_Gy, float), 0.0) / cycles
        try:
            if self.limit.quantity == "absorbed_dose":
                p, q, c = low + np.asarray(self.high_let.rbe, float) * high, np.zeros(()), left
            else:
                p = low + self.high_let.rbe_m(ratio) * high
                q = np.asarray(self.g, float) * (low + np.asarray(self.high_let.r_beta, float) * high) ** 2 / ratio
                c = left * (1.0 + 2.0 / ratio) if self.limit.quantity == "eqd2" else left
            p, q, c = (np.atleast_1d(x) for x in np.broadcast_arrays(p, q, c))
        except ValueError as error:
            raise DomainError(
                "The arrays of a tissue budget do not fit together: each is [sample] or a number."
            ) from error
        whole = p + np.sqrt(p**2 + 4.0 * q * c)
        endless = np.where(c > 0.0, np.inf, 0.0)
        return np.asarray(np.divide(2.0 * c, whole, out=endless, where=whole > 0.0))


@dataclass(frozen=True, eq=False)
class TissueActivity:
    """The activity one tissue allows, in MBq per cycle: median, at the confidence asked, and every sample.

    `probability_already_above` is the share of samples with nothing left of the limit before any further cycle.
    """

    median_MBq: float
    at_confidence_MBq: float
    samples_MBq: Floats
    probability_already_above: float


@dataclass(frozen=True, eq=False)
class NextActivity:
    """The activity that the next cycle may have; made by `next_activity`.

    `activity_MBq_at_confidence` is the smallest over the tissues, each kept below its limit with the confidence asked;
    `activity_MBq_all_limits` keeps all limits at once with that confidence, so it is never larger. All after the cap.
    `limiting_tissue` is the tissue with the smallest activity, also where the cap lies below it.
    """

    activity_MBq_median: float
    activity_MBq_at_confidence: float
    activity_MBq_all_limits: float
    limiting_tissue: str
    per_tissue: Mapping[str, TissueActivity]
    capped_by: str
    confidence: float
    remaining_cycles: int
    statement: str


def next_activity(
    tissues: Mapping[str, TissueBudget],
    *,
    confidence: float = 0.95,
    remaining_cycles: int = 1,
    cap_MBq: float | None = None,
    cap_label: str = "the product's own limit",
) -> NextActivity:
    """The activity per cycle that keeps every tissue below its limit.

    Parameters
    ----------
    tissues : mapping of tissue to TissueBudget
        At least one; all with one sample or the same number.
    confidence : float
        Probability, between 0 and 1, that a tissue stays at or below its limit; 0.5 gives the median.
    remaining_cycles : int
        Cycles still to come, all with this activity.
    cap_MBq : float, optional
        The most that may be given whatever the doses say.
    cap_label : str
        What sets the cap.

    Returns
    -------
    NextActivity
        With activity 0, and a statement, where the limit is passed already in more samples than the confidence allows.

    Raises
    ------
    DomainError
        No tissue, a confidence or number of cycles out of range, or no tissue with dose and no cap.

    Examples
    --------
    0.5 Gy electrons and 1 Gy alpha per MBq to kidneys that have 18 of 40 Gy BED:

    >>> kidneys = TissueBudget(0.5, 1.0, 0.05, 2.5, HighLET(5.0), DoseLimit(40.0, "bed"), used_Gy=18.0)
    >>> plan = next_activity({"kidneys": kidneys}, remaining_cycles=2)
    >>> round(plan.activity_MBq_median, 4), plan.limiting_tissue
    (1.9964, 'kidneys')
    """
    if not tissues:
        raise DomainError("next_activity needs at least one tissue with a limit.")
    if not 0.0 < confidence < 1.0:
        raise DomainError(f"confidence is {confidence:g}; it must lie between 0 and 1, e.g. 0.95.")
    if int(remaining_cycles) != remaining_cycles or remaining_cycles < 1:
        raise DomainError(f"remaining_cycles is {remaining_cycles!r}; it must be a whole number, 1 or more.")
    cap = np.inf if cap_MBq is None else float(checked("cap_MBq", cap_MBq, above=0.0))
    per_tissue = {name: _allowed(budget, confidence, int(remaining_cycles)) for name, budget in tissues.items()}
    sizes = {t.samples_MBq.size for t in per_tissue.values()} - {1}
    if len(sizes) > 1:
        raise DomainError(f"Tissues have {sorted(sizes)} samples; all need the same number, or one.")
    limiting = min(per_tissue, key=lambda name: (per_tissue[name].at_confidence_MBq, per_tissue[name].median_MBq))
    smallest = per_tissue[limiting].at_confidence_MBq
    if not np.isfinite(min(smallest, cap)):
        raise DomainError(
            f"None of {', '.join(per_tissue)} receives a dose, so nothing limits the activity: give a cap."
        )
    n = max(sizes, default=1)
    joint = np.min([np.broadcast_to(t.samples_MBq, (n,)) for t in per_tissue.values()], axis=0)
    capped_by = cap_label if cap < smallest else ""
    median = min(min(t.median_MBq for t in per_tissue.values()), cap)
    return NextActivity(
        activity_MBq_median=median,
        activity_MBq_at_confidence=min(smallest, cap),
        activity_MBq_all_limits=min(_lower_quantile(joint, 1.0 - confidence), cap),
        limiting_tissue=limiting,
        per_tissue=MappingProxyType(per_tissue),
        capped_by=capped_by,
        confidence=confidence,
        remaining_cycles=int(remaining_cycles),
        statement=_statement(tissues[limiting], per_tissue[limiting], limiting, confidence, cap, capped_by, median),
    )


def _lower_quantile(values: Floats, p: float) -> float:
    """The largest sample with at least a share 1 - p of samples at or above it: no interpolation towards more."""
    rank = int(np.floor(p * values.size + 1e-9))  # so many samples may lie below
    return float(np.sort(values)[min(rank, values.size - 1)])


def _allowed(budget: TissueBudget, confidence: float, cycles: int) -> TissueActivity:
    samples = read_only(budget.activities_MBq(cycles))
    above = float(np.mean(np.asarray(budget.used_Gy, float) >= budget.limit.value_Gy))
    at_confidence = _lower_quantile(samples, 1.0 - confidence)
    ordered = np.sort(samples)  # np.median would make nan of inf - inf
    middle = 0.5 * (ordered[(samples.size - 1) // 2] + ordered[samples.size // 2])
    return TissueActivity(float(middle), at_confidence, samples, above)


def _statement(
    budget: TissueBudget,
    allowed: TissueActivity,
    tissue: str,
    confidence: float,
    cap: float,
    capped_by: str,
    median_MBq: float,
) -> str:
    """One sentence for the report."""
    mixed = bool(np.any(np.asarray(budget.high_let_dose_Gy_per_MBq) > 0.0))
    name = {"bed": "BED", "eqd2": "EQD2"}.get(budget.limit.quantity, "RBE-weighted dose" if mixed else "absorbed dose")
    limit = f"the {budget.limit.value_Gy:g} Gy {name} limit"
    if allowed.at_confidence_MBq == 0.0:
        return (
            f"No further activity: {tissue} has nothing left of {limit} in "
            f"{100.0 * allowed.probability_already_above:.3g} % of samples; "
            f"{100.0 * (1.0 - confidence):.3g} % is allowed."
        )
    if capped_by:
        return f"{_activity(cap)} per cycle, set by {capped_by}; {tissue} would allow {_activity(allowed.at_confidence_MBq)}."
    return (
        f"{_activity(allowed.at_confidence_MBq)} per cycle keeps {tissue} at or below {limit} with "
        f"{100.0 * confidence:.4g} % confidence (median over samples, all limits: {_activity(median_MBq)})."
    )


def _activity(value_MBq: float) -> str:
    """In the unit a person would use."""
    return f"{value_MBq / 1000:.4g} GBq" if value_MBq >= 1000 else f"{value_MBq:.4g} MBq"
