"""Arithmetic that a printed number must survive: counts behind a percentage, intervals, sums.

Percentages, response rates and intervals are computed from counts and never typed. Where a source prints only a
percentage, the counts that could have led to it are listed; one count is a reconstruction, several are none.
"""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass
from typing import Any

from ..errors import DomainError

__all__ = ["Printed", "clopper_pearson", "counts_behind", "fraction_fits", "printed", "wilson"]

_NUMBER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*%")
_FRACTION = re.compile(r"(?<![\w.])(\d+)\s*/\s*(\d+)(?![\d.])")
MAX_TOTAL = 10_000_000


@dataclass(frozen=True, slots=True)
class Printed:
    """What a cell as printed says: a percentage with its digits, a fraction, or neither."""

    percent: str = ""
    events: int | None = None
    total: int | None = None


def printed(text: str) -> Printed:
    """Read the first percentage and the first fraction of a cell as printed.

    Examples
    --------
    >>> printed("44.4% (4/9)")
    Printed(percent='44.4', events=4, total=9)
    >>> printed("CR + PR")
    Printed(percent='', events=None, total=None)
    """
    percent, fraction = _NUMBER.search(text), _FRACTION.search(text)
    k, n = (int(fraction[1]), int(fraction[2])) if fraction else (None, None)
    return Printed(percent[1] if percent else "", k, n)


def counts_behind(percent: str | float, total: int) -> tuple[int, ...]:
    r"""Every count k that a printed percentage of n can stand for.

    .. math:: \{k : |100 k / n - p| \le 10^{-d}/2\}

    with d the number of decimals printed, so that a half may have been rounded either way. The empty set means that
    the percentage and the denominator contradict each other (the GRIM test of Brown and Heathers, Soc Psychol Personal
    Sci 8 (2017) 363).

    Parameters
    ----------
    percent : str or float
        As printed, with its digits: ``"57"`` and ``"57.0"`` are different statements.
    total : int
        Denominator n.

    Returns
    -------
    tuple of int
        Ascending.

    Raises
    ------
    DomainError
        The percentage is not within 0 to 100, or the total is not a positive whole number.

    Examples
    --------
    >>> counts_behind("57", 35), counts_behind("54.3", 35), counts_behind("57", 10)
    ((20,), (19,), ())
    """
    text = str(percent).strip().rstrip("%").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise DomainError(f"{percent!r} is not a percentage between 0 and 100.")
    _check_total(total)
    decimals = len(text.partition(".")[2]) if "e" not in text.lower() else 0
    half = 0.5 * 10.0**-decimals
    slack = 1e-9
    low = math.ceil((value - half) * total / 100 - slack)
    high = math.floor((value + half) * total / 100 + slack)
    return tuple(range(max(low, 0), min(high, total) + 1))


def fraction_fits(events: int, total: int, size: int) -> bool:
    """Whether k/n can be a fraction of a cohort of this size: k <= n <= size.

    Examples
    --------
    >>> fraction_fits(24, 34, 32), fraction_fits(24, 32, 32)
    (False, True)
    """
    return 0 <= events <= total <= size


def wilson(events: int, total: int, level: float = 0.95) -> tuple[float, float]:
    r"""Wilson's score interval of a proportion.

    .. math:: \frac{\hat p + z^2/2n \pm z\sqrt{\hat p(1-\hat p)/n + z^2/4n^2}}{1 + z^2/n}

    Source: Wilson, J Am Stat Assoc 22 (1927) 209.

    Parameters
    ----------
    events, total : int
        k of n.
    level : float
        Confidence.

    Returns
    -------
    tuple of float
        Lower and upper limit, as fractions.

    Examples
    --------
    >>> [round(v, 4) for v in wilson(15, 24)]
    [0.4271, 0.7884]
    """
    from scipy.special import ndtri

    _check_counts(events, total, level)
    z, p = float(ndtri(0.5 + level / 2)), events / total
    centre = p + z * z / (2 * total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    low, high = (centre - half) / (1 + z * z / total), (centre + half) / (1 + z * z / total)
    return (0.0 if events == 0 else low), (1.0 if events == total else high)


def clopper_pearson(events: int, total: int, level: float = 0.95) -> tuple[float, float]:
    r"""Exact interval of a proportion: both tails of the binomial hold at most (1 - level)/2.

    .. math:: B^{-1}(\alpha/2; k, n-k+1), \qquad B^{-1}(1-\alpha/2; k+1, n-k)

    Source: Clopper and Pearson, Biometrika 26 (1934) 404.

    Parameters
    ----------
    events, total : int
        k of n.
    level : float
        Confidence.

    Returns
    -------
    tuple of float
        Lower and upper limit, as fractions.

    Examples
    --------
    >>> [round(v, 5) for v in clopper_pearson(0, 54)]
    [0.0, 0.06603]
    """
    from scipy.special import betaincinv

    _check_counts(events, total, level)
    tail = (1 - level) / 2
    low = 0.0 if events == 0 else float(betaincinv(events, total - events + 1, tail))
    high = 1.0 if events == total else float(betaincinv(events + 1, total - events, 1 - tail))
    return low, high


def _whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _check_total(total: Any) -> None:
    if not _whole(total) or not 0 < total <= MAX_TOTAL:
        raise DomainError(f"A denominator is a whole number from 1 to {MAX_TOTAL}, not {total!r}.")


def _check_counts(events: Any, total: Any, level: float) -> None:
    _check_total(total)
    if not _whole(events) or not 0 <= events <= total:
        raise DomainError(f"{events!r} events of {total} is not possible; give a whole number from 0 to {total}.")
    if not 0 < level < 1:
        raise DomainError(f"A confidence level lies between 0 and 1, not {level!r}.")
