"""Absorbed dose becomes effect here: RBE once and last, repair during decay, one ledger, limits, the next activity."""

from __future__ import annotations

from .account import DoseLimit, Ledger, LedgerRow, external_beam, ledger, radionuclide_course
from .complication import Logistic, Lyman, ntcp
from .course import Effect, TissueParameters, effect
from .effectiveness import (
    HighLET,
    bed,
    course_bed,
    eqd2,
    fractionated_bed,
    rbe_2,
    rbe_at_dose,
    rbe_weighted_dose,
)
from .prescription import NextActivity, TissueActivity, TissueBudget, next_activity
from .protraction import Repair, lea_catcheside, lea_catcheside_curve

__all__ = [
    "DoseLimit",
    "Effect",
    "HighLET",
    "Ledger",
    "LedgerRow",
    "Logistic",
    "Lyman",
    "NextActivity",
    "Repair",
    "TissueActivity",
    "TissueBudget",
    "TissueParameters",
    "bed",
    "course_bed",
    "effect",
    "eqd2",
    "external_beam",
    "fractionated_bed",
    "lea_catcheside",
    "lea_catcheside_curve",
    "ledger",
    "next_activity",
    "ntcp",
    "radionuclide_course",
    "rbe_2",
    "rbe_at_dose",
    "rbe_weighted_dose",
]
