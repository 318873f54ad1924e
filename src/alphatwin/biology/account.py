"""One ledger for every dose a tissue has had: external beam, earlier radionuclides, this course; against one limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError
from ._checks import Floats, checked, read_only
from .effectiveness import HighLET, course_bed, eqd2, fractionated_bed, rbe_weighted_dose

if TYPE_CHECKING:
    import pandas as pd

    from ..catalog import Limit

__all__ = ["DoseLimit", "Ledger", "LedgerRow", "external_beam", "ledger", "radionuclide_course"]

LimitQuantity = Literal["absorbed_dose", "bed", "eqd2"]
_ARRAYS = ("low_let_dose_Gy", "high_let_dose_Gy", "rbe_weighted_dose_Gy", "bed_Gy", "eqd2_Gy")


@dataclass(frozen=True)
class DoseLimit:
    """A limit, with the quantity that it bounds.

    A limit in absorbed dose was set for photons and electrons; high-LET dose counts against it RBE-weighted, and the
    ledger then says "RBE-weighted dose".

    Examples
    --------
    >>> DoseLimit(23.0, "absorbed_dose", "kidneys").quantity
    'absorbed_dose'
    """

    value_Gy: float
    quantity: LimitQuantity
    label: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        checked("value_Gy of a limit", self.value_Gy, above=0.0)
        if self.quantity not in ("absorbed_dose", "bed", "eqd2"):
            raise DomainError(f"A limit is in absorbed_dose, bed or eqd2, not in {self.quantity!r}.")

    @classmethod
    def from_catalog(cls, limit: Limit) -> DoseLimit:
        """The limit of a catalogue entry, which must be in Gy."""
        if limit.unit != "Gy":
            raise DomainError(f"The limit {limit.label!r} is in {limit.unit!r}; a limit is stated in Gy.")
        return cls(limit.value, limit.quantity, limit.label, limit.source)


@dataclass(frozen=True, eq=False)
class LedgerRow:
    """One treatment of one tissue; arrays [sample], made read-only and of one length at birth."""

    what: str
    tissue: str
    when: str
    low_let_dose_Gy: Floats
    high_let_dose_Gy: Floats
    rbe_weighted_dose_Gy: Floats
    bed_Gy: Floats
    eqd2_Gy: Floats
    options: str = ""

    def __post_init__(self) -> None:
        arrays = [np.atleast_1d(checked(name, getattr(self, name), at_least=0.0)) for name in _ARRAYS]
        if any(a.ndim != 1 for a in arrays) or len({a.size for a in arrays} - {1}) > 1:
            raise DomainError(
                f"Ledger row {self.what!r} has arrays of shapes {[a.shape for a in arrays]}; all are [sample]."
            )
        n = max(a.size for a in arrays)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            object.__setattr__(self, name, read_only(np.broadcast_to(array, (n,))))

    def counted_Gy(self, quantity: LimitQuantity) -> Floats:
        """What this row counts against a limit in `quantity`: BED, EQD2, or the RBE-weighted dose."""
        return {"bed": self.bed_Gy, "eqd2": self.eqd2_Gy, "absorbed_dose": self.rbe_weighted_dose_Gy}[quantity]


def external_beam(
    tissue: str,
    dose_per_fraction_Gy: ArrayLike,
    fractions: ArrayLike,
    alpha_beta_Gy: ArrayLike,
    *,
    when: str = "",
    what: str = "external beam",
) -> LedgerRow:
    """The row of photon external-beam fractions that reached the whole tissue.

    Examples
    --------
    >>> row = external_beam("kidneys", 1.8, 5, 2.5, when="2019")
    >>> float(row.low_let_dose_Gy[0]), round(float(row.bed_Gy[0]), 2), round(float(row.eqd2_Gy[0]), 2)
    (9.0, 15.48, 8.6)
    """
    value = fractionated_bed(dose_per_fraction_Gy, fractions, alpha_beta_Gy)
    dose = np.asarray(dose_per_fraction_Gy, dtype=float) * np.asarray(fractions, dtype=float)
    return LedgerRow(what, tissue, when, dose, np.zeros(1), dose, value, eqd2(value, alpha_beta_Gy))


def radionuclide_course(
    what: str,
    tissue: str,
    low_let_dose_Gy: ArrayLike,
    high_let_dose_Gy: ArrayLike,
    g: ArrayLike,
    alpha_beta_Gy: ArrayLike,
    high_let: HighLET,
    *,
    relative_activities: ArrayLike = (1.0,),
    when: str = "",
) -> LedgerRow:
    """The row of a radionuclide course; doses are those of a cycle with relative activity 1, see `course_bed`.

    Examples
    --------
    Four cycles of 4 Gy of electrons each:

    >>> row = radionuclide_course("Lu-177", "kidneys", 4.0, 0.0, 0.054, 2.5, HighLET(5.0), relative_activities=[1] * 4)
    >>> float(row.low_let_dose_Gy[0]), round(float(row.bed_Gy[0]), 3)
    (16.0, 17.382)
    """
    value = course_bed(low_let_dose_Gy, high_let_dose_Gy, g, alpha_beta_Gy, high_let, relative_activities)
    total = float(np.sum(np.asarray(relative_activities, dtype=float)))
    low = np.asarray(low_let_dose_Gy, dtype=float) * total
    high = np.asarray(high_let_dose_Gy, dtype=float) * total
    weighted = rbe_weighted_dose(low, high, high_let)
    return LedgerRow(what, tissue, when, low, high, weighted, value, eqd2(value, alpha_beta_Gy), repr(high_let))


@dataclass(frozen=True, eq=False)
class Ledger:
    """What a tissue has received, in order, against a limit; made by `ledger`."""

    tissue: str
    rows: tuple[LedgerRow, ...]
    limit: DoseLimit

    @property
    def quantity_label(self) -> str:
        """The counted quantity in words; with a limit in absorbed dose, high-LET dose makes it RBE-weighted."""
        if self.limit.quantity != "absorbed_dose":
            return {"bed": "BED", "eqd2": "EQD2"}[self.limit.quantity]
        mixed = any(row.high_let_dose_Gy.any() for row in self.rows)
        return "RBE-weighted dose" if mixed else "absorbed dose"

    @property
    def cumulative_Gy(self) -> Floats:
        """Running total [row, sample] of the counted quantity, in Gy."""
        return self._cumulative(self.limit.quantity)

    def _cumulative(self, quantity: LimitQuantity) -> Floats:
        n = max((row.bed_Gy.size for row in self.rows), default=1)
        counted = [np.broadcast_to(row.counted_Gy(quantity), (n,)) for row in self.rows]
        return np.cumsum(counted, axis=0) if counted else np.zeros((0, n))

    def total_Gy(self, quantity: LimitQuantity | None = None) -> Floats:
        """Total [sample] in Gy of the limit's quantity, or of another one."""
        running = self._cumulative(quantity or self.limit.quantity)
        return np.asarray(running[-1]) if len(running) else np.zeros(running.shape[1])

    @property
    def share_of_limit(self) -> Floats:
        """Running total over the limit, [row, sample]."""
        return np.asarray(self.cumulative_Gy / self.limit.value_Gy)

    @property
    def probability_above_limit(self) -> float:
        """Share of samples whose total lies above the limit."""
        return float(np.mean(self.total_Gy() > self.limit.value_Gy))

    def table(self) -> pd.DataFrame:
        """The rows as medians, with the 5th and 95th percentile of the running total and of its share of the limit."""
        import pandas as pd

        running = self.cumulative_Gy
        low, mid, high = np.quantile(running, (0.05, 0.5, 0.95), axis=1) if len(running) else np.zeros((3, 0))
        medians = {name: [float(np.median(getattr(row, name))) for row in self.rows] for name in _ARRAYS}
        head = {name: [getattr(row, name) for row in self.rows] for name in ("what", "tissue", "when")}
        tail = {"cumulative_Gy": mid, "cumulative_p05_Gy": low, "cumulative_p95_Gy": high}
        return pd.DataFrame({**head, **medians, **tail, "share_of_limit": mid / self.limit.value_Gy})


def ledger(rows: Sequence[LedgerRow], limit: DoseLimit | Limit, *, tissue: str | None = None) -> Ledger:
    """Book treatments of one tissue, in order, against a limit.

    A row for a paired organ counts for each side: ``kidneys`` goes into the ledger of ``kidney_left``; ``kidney_left``
    and ``kidney_right`` never share one, and one side never stands for both.

    Parameters
    ----------
    rows : sequence of LedgerRow
        Each with one sample or with the same number of them.
    limit : DoseLimit or catalogue Limit
        In BED, EQD2 or absorbed dose.
    tissue : str, optional
        Whose ledger it is; left out, the most particular name among the rows.

    Returns
    -------
    Ledger

    Raises
    ------
    DomainError
        Rows of different tissues or numbers of samples; neither rows nor a tissue.

    Examples
    --------
    >>> rows = [external_beam("kidneys", 1.8, 5, 2.5), external_beam("kidney_left", 2.0, 5, 2.5, what="boost")]
    >>> book = ledger(rows, DoseLimit(40.0, "bed"))
    >>> book.tissue, book.quantity_label, [round(float(x), 3) for x in book.share_of_limit[:, 0]]
    ('kidney_left', 'BED', [0.387, 0.837])
    """
    bound = limit if isinstance(limit, DoseLimit) else DoseLimit.from_catalog(limit)
    if tissue is None and not rows:
        raise DomainError("An empty ledger needs the name of its tissue: ledger([], limit, tissue='kidneys').")
    name = (
        tissue if tissue is not None else max((row.tissue for row in rows), key=lambda t: (_side_of(t) is not None, t))
    )
    for row in rows:
        if row.tissue not in (name, _side_of(name)):
            allowed = " or ".join(t for t in (name, _side_of(name)) if t)
            raise DomainError(
                f"Ledger of {name}: the row {row.what!r} is for {row.tissue}; only {allowed} counts here."
            )
    sizes = {row.bed_Gy.size for row in rows} - {1}
    if len(sizes) > 1:
        raise DomainError(f"Ledger of {name}: rows have {sorted(sizes)} samples; all need the same number, or one.")
    return Ledger(name, tuple(rows), bound)


def _side_of(region: str) -> str | None:
    """The pair that a one-sided name belongs to: kidney_left -> kidneys."""
    for side in ("_left", "_right"):
        if region.endswith(side):
            return region.removesuffix(side) + "s"
    return None
