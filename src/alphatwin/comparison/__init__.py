"""Alpha emitters beside beta emitters in numbers, every row traced to its sources."""

from __future__ import annotations

from .rows import compare
from .values import Comparison, Conditions, Row, Value

__all__ = ["Comparison", "Conditions", "Row", "Value", "compare"]
