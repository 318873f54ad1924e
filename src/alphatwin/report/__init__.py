"""The result as a value, and its three forms: a page, a summary, an array file."""

from __future__ import annotations

from .cohort_store import CohortFolder
from .compare import compare_page, compare_text, write_comparison
from .evidence import AgentEvidence, agent_evidence, write_parquet, write_tables
from .files import check_writable, open_result
from .model import (
    DISCLAIMER,
    Course,
    Input,
    NucleusHits,
    Provenance,
    Report,
    Sensitivity,
    StructureCells,
    StructureResult,
    WhatIf,
    stats,
)

__all__ = [
    "DISCLAIMER",
    "AgentEvidence",
    "CohortFolder",
    "Course",
    "Input",
    "NucleusHits",
    "Provenance",
    "Report",
    "Sensitivity",
    "StructureCells",
    "StructureResult",
    "WhatIf",
    "agent_evidence",
    "check_writable",
    "compare_page",
    "compare_text",
    "open_result",
    "stats",
    "write_comparison",
    "write_parquet",
    "write_tables",
]
