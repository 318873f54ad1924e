"""From a count to a number with a sampling variance, and back to a proportion.

==============  ==========================================================  ==================  =====================
transform       y                                                           v                   names
==============  ==========================================================  ==================  =====================
logit           ln(x / (n - x))                                             1/x + 1/(n - x)     PLO
log             ln(x / n)                                                   1/x - 1/n           PLN
raw             x / n                                                       x (n - x) / n^3     PR
arcsine         asin sqrt(x / n)                                            1 / (4 n)           PAS
freeman-tukey   [asin sqrt(x / (n+1)) + asin sqrt((x+1) / (n+1))] / 2       1 / (4 n + 2)       PFT
==============  ==========================================================  ==================  =====================

Sources: Freeman and Tukey 1950 (double arcsine), Miller 1978 (its inverse), Viechtbauer 2010 (names and the rule for
cells of zero). Everything is dimensionless.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DomainError, suggestion

__all__ = ["CORRECTIONS", "TRANSFORMS", "back", "effect", "named", "transform_name", "typical_total"]

TRANSFORMS = ("logit", "log", "raw", "arcsine", "freeman-tukey")
_ALIASES = {
    "logit": "logit", "plo": "logit", "log-odds": "logit", "logodds": "logit",
    "log": "log", "pln": "log",
    "raw": "raw", "pr": "raw", "identity": "raw", "none": "raw", "untransformed": "raw", "praw": "raw",
    "arcsine": "arcsine", "pas": "arcsine", "arcsin": "arcsine", "asin": "arcsine",
    "freeman-tukey": "freeman-tukey", "pft": "freeman-tukey", "ft": "freeman-tukey", "freemantukey": "freeman-tukey",
    "double-arcsine": "freeman-tukey", "double arcsine": "freeman-tukey", "freeman tukey": "freeman-tukey",
}  # fmt: skip
CORRECTIONS = ("only0", "all", "if0all", "none")


def named(asked: Any, aliases: dict[str, str], what: str) -> str:
    """The one name behind a spelling; capitals, underscores and blanks do not matter.

    Raises
    ------
    DomainError
        No such name; near ones are suggested and all are listed.
    """
    text = str(asked).strip().casefold().replace("_", "-")
    for spelled in (text, text.replace(" ", "-"), text.replace("-", "")):
        if spelled in aliases:
            return aliases[spelled]
    known = sorted(set(aliases.values()))
    raise DomainError(f"There is no {what} {asked!r}. {suggestion(str(asked), aliases)}Known: {', '.join(known)}.")


def transform_name(asked: Any) -> str:
    """The transform behind a spelling.

    Examples
    --------
    >>> transform_name("PFT"), transform_name("Freeman-Tukey")
    ('freeman-tukey', 'freeman-tukey')
    """
    return named(asked, _ALIASES, "transform")


def effect(
    x: np.ndarray, n: np.ndarray, transform: str, *, add: float = 0.5, to: str = "only0"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transformed proportions, their sampling variances, and which rows had a correction added.

    Parameters
    ----------
    x, n : ndarray, shape (k,)
        Events and totals.
    transform : str
        One of `TRANSFORMS`.
    add : float
        Added to both cells (events, non-events) where `to` says so; the two arcsines need none and get none.
    to : {"only0", "all", "if0all", "none"}
        Only to studies with a cell of zero (default), to all, to all as soon as one study has a cell of zero, to none.

    Returns
    -------
    y, v : ndarray, shape (k,)
    corrected : ndarray of bool, shape (k,)
    """
    if transform == "arcsine":
        return np.arcsin(np.sqrt(x / n)), 1 / (4 * n), np.zeros(len(x), dtype=bool)
    if transform == "freeman-tukey":
        y = 0.5 * (np.arcsin(np.sqrt(x / (n + 1))) + np.arcsin(np.sqrt((x + 1) / (n + 1))))
        return y, 1 / (4 * n + 2), np.zeros(len(x), dtype=bool)
    zero = (x == 0) | (x == n)
    where = {"only0": zero, "all": np.ones_like(zero), "if0all": np.full_like(zero, zero.any()), "none": zero & False}[
        to
    ]
    if not add:
        where = where & False
    if (zero & ~where).any():
        i = int(np.flatnonzero(zero & ~where)[0])
        raise DomainError(
            f"row {i + 1}: {x[i]:g} of {n[i]:g} has a cell of zero, and its {transform} variance does not exist without a "
            "correction. Use to='only0', the transforms arcsine or freeman-tukey, or method='glmm', which needs none."
        )
    a, b = x + add * where, n - x + add * where
    total = a + b
    if transform == "logit":
        return np.log(a / b), 1 / a + 1 / b, where
    if transform == "log":
        return np.log(a / total), 1 / a - 1 / total, where
    return a / total, a * b / total**3, where


def typical_total(n: np.ndarray, v_pooled: float | None = None) -> float:
    """The number of patients at which a pooled double arcsine is turned back.

    The harmonic mean of the totals (Miller 1978), or, where the pooled variance is given, 1 / (4 v) (Barendregt et al.
    2013), which answers to the precision of the pooled value.
    """
    return float(len(n) / np.sum(1 / n)) if v_pooled is None else 1 / (4 * v_pooled)


def back(y: Any, transform: str, n: float = float("nan")) -> np.ndarray:
    """The proportion behind a transformed value; values beyond the end of a scale are put at its end.

    The double arcsine is inverted by Miller's closed form at `n` patients: with s = sin 2y,
    p = [1 - sgn(cos 2y) sqrt(1 - (s + (s - 1/s) / n)^2)] / 2.
    """
    y = np.asarray(y, dtype=float)
    if transform == "logit":
        from scipy.special import expit

        return np.asarray(expit(y))
    if transform == "log":
        return np.asarray(np.minimum(np.exp(y), 1.0))
    if transform == "raw":
        return np.asarray(np.clip(y, 0.0, 1.0))
    if transform == "arcsine":
        return np.asarray(np.sin(np.clip(y, 0, np.pi / 2)) ** 2)
    low = 0.5 * np.arcsin(np.sqrt(1 / (n + 1)))
    inside = np.clip(y, low, np.pi / 2 - low)
    s = np.sin(2 * inside)
    root = np.sqrt(np.maximum(1 - (s + (s - 1 / s) / n) ** 2, 0.0))
    p = 0.5 * (1 - np.sign(np.cos(2 * inside)) * root)
    return np.asarray(np.where(y <= low, 0.0, np.where(y >= np.pi / 2 - low, 1.0, p)))
