"""Dose-finding designs that see late and cumulative toxicity, and their operating characteristics.

A design is a frozen rule (:mod:`alphatwin.trials.designs`): ``three_plus_three``, ``rolling_six``, ``boin``, ``keyboard``, ``mtpi2``,
``i3plus3``, ``crm_design``, ``blrm_design``, ``tite_crm``, ``tite_boin``. Every one says what it does in words
(``protocol_text``), decides for one trial (``decide``) or for many (``decide_batch``), and names the MTD (``select``).
``operating_characteristics`` says what it does when the truth is known.
"""

from ._operating import OperatingCharacteristics, operating_characteristics, true_mtd, virtual_trials
from .backfill import Backfill
from .continual import CRM, CRMDesign, crm, crm_design, crm_skeleton, follow_up_weights
from .designs import STOP, WAIT, Decision, Design, Records, States
from .interval import (
    BOIN,
    MTPI2,
    I3Plus3,
    Keyboard,
    boin,
    boin_boundaries,
    boin_table,
    i3plus3,
    keyboard,
    mtpi2,
)
from .late import TITEBOIN, RollingSix, rolling_six, tite_boin, tite_boin_rate, tite_crm
from .monitoring import BOP2, Futility, JointBOP2, bop2, bop2_joint, predictive_design, predictive_probability
from .overdose import BLRM, BLRMDesign, blrm, blrm_design
from .phase_one_two import BOIN12, BOINET, boin12, boin_et, boin_et_boundaries
from .phase_two import Simon, TwoStage, simon
from .rules import ThreePlusThree, three_plus_three
from .tables import DecisionTable, RuleTable
from .two_doses import TwoDoses, choose_between_doses, two_doses

__all__ = [
    "BLRM",
    "BOIN",
    "BOIN12",
    "BOINET",
    "BOP2",
    "CRM",
    "MTPI2",
    "STOP",
    "TITEBOIN",
    "WAIT",
    "BLRMDesign",
    "Backfill",
    "CRMDesign",
    "Decision",
    "DecisionTable",
    "Design",
    "Futility",
    "I3Plus3",
    "JointBOP2",
    "Keyboard",
    "OperatingCharacteristics",
    "Records",
    "RollingSix",
    "RuleTable",
    "Simon",
    "States",
    "ThreePlusThree",
    "TwoDoses",
    "TwoStage",
    "blrm",
    "blrm_design",
    "boin",
    "boin12",
    "boin_boundaries",
    "boin_et",
    "boin_et_boundaries",
    "boin_table",
    "bop2",
    "bop2_joint",
    "choose_between_doses",
    "crm",
    "crm_design",
    "crm_skeleton",
    "follow_up_weights",
    "i3plus3",
    "keyboard",
    "mtpi2",
    "operating_characteristics",
    "predictive_design",
    "predictive_probability",
    "rolling_six",
    "simon",
    "three_plus_three",
    "tite_boin",
    "tite_boin_rate",
    "tite_crm",
    "true_mtd",
    "two_doses",
    "virtual_trials",
]
