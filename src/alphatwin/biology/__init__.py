"""Absorbed dose becomes effect here: RBE once and last, repair during decay, one ledger, limits, the next activity;

and, in a cell, breaks in DNA, their repair, oxygen, and survival."""

from __future__ import annotations

from .account import DoseLimit, Ledger, LedgerRow, external_beam, ledger, radionuclide_course
from .bystander import BystanderSignal
from .complication import Logistic, Lyman, ntcp
from .course import Effect, TissueParameters, effect
from .damage import Misrepair, complex_share, dsb_yield, mean_yield, ssb_yield
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
from .fitting import SurvivalFit, fit_survival
from .models import MKM, RMF, SMK, LinearQuadratic, SingleHit, hit_survival, tumour_control
from .modifiers import ResponseModifier, modifier_of
from .oxygen import OsmkOER, ScifoniOER, SpheroidOxygen, WenzlWilkensOER, oer, oxygen_pressure_mmHg
from .prescription import NextActivity, TissueActivity, TissueBudget, next_activity
from .protraction import Repair, lea_catcheside, lea_catcheside_curve

__all__ = [
    "MKM",
    "RMF",
    "SMK",
    "BystanderSignal",
    "DoseLimit",
    "Effect",
    "HighLET",
    "Ledger",
    "LedgerRow",
    "LinearQuadratic",
    "Logistic",
    "Lyman",
    "Misrepair",
    "NextActivity",
    "OsmkOER",
    "Repair",
    "ResponseModifier",
    "ScifoniOER",
    "SingleHit",
    "SpheroidOxygen",
    "SurvivalFit",
    "TissueActivity",
    "TissueBudget",
    "TissueParameters",
    "WenzlWilkensOER",
    "bed",
    "complex_share",
    "course_bed",
    "dsb_yield",
    "effect",
    "eqd2",
    "external_beam",
    "fit_survival",
    "fractionated_bed",
    "hit_survival",
    "lea_catcheside",
    "lea_catcheside_curve",
    "ledger",
    "mean_yield",
    "modifier_of",
    "next_activity",
    "ntcp",
    "oer",
    "oxygen_pressure_mmHg",
    "radionuclide_course",
    "rbe_2",
    "rbe_at_dose",
    "rbe_weighted_dose",
    "ssb_yield",
    "tumour_control",
]
