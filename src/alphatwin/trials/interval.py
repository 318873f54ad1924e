"""Interval designs: BOIN, keyboard, mTPI-2 and i3+3. One table on (patients, DLTs) at the current level decides.

All share what happens around the table: a level is eliminated, with those above it, when it has at least three patients and
the posterior probability under a Beta(1, 1) prior that its DLT rate exceeds the target is above 0.95; the trial stops when
level 1 is eliminated; there is no escalation into an eliminated level; at the end the isotonic rate nearest the target is
recommended (:mod:`alphatwin.trials.isotonic`).
"""

from __future__ import annotations

import abc
import functools
import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from ._checks import between, choice, whole
from .backfill import Backfill
from .designs import STOP, WAIT, Bools, Design, Floats, Ints, Records, States, open_below
from .isotonic import isotonic_rates, select_nearest
from .tables import DecisionTable, table_from_actions

__all__ = [
    "BOIN",
    "MTPI2",
    "I3Plus3",
    "IntervalBoundaries",
    "IntervalDesign",
    "Keyboard",
    "boin",
    "boin_boundaries",
    "boin_table",
    "i3plus3",
    "keyboard",
    "mtpi2",
]

SELECTIONS = {"boin": 0.05, "mtpi": 0.005}


@dataclass(frozen=True)
class IntervalBoundaries:
    """Observed DLT rates at which BOIN escalates (at most ``lambda_e``) and de-escalates (at least ``lambda_d``).

    It unpacks as the pair (lambda_e, lambda_d).
    """

    lambda_e: float
    lambda_d: float

    def __iter__(self) -> Iterator[float]:
        yield self.lambda_e
        yield self.lambda_d


def boin_boundaries(target: float, p_saf: float | None = None, p_tox: float | None = None) -> IntervalBoundaries:
    r"""Boundaries of the Bayesian optimal interval design (Liu & Yuan, J R Stat Soc C 2015, 64:507, doi 10.1111/rssc.12089).

    They minimise the probability of a wrong move when the true rate is the target :math:`\phi`, :math:`\phi_1` or
    :math:`\phi_2`, each equally likely beforehand:

    .. math:: \lambda_e = \frac{\ln\frac{1-\phi_1}{1-\phi}}{\ln\frac{\phi(1-\phi_1)}{\phi_1(1-\phi)}} \qquad
              \lambda_d = \frac{\ln\frac{1-\phi}{1-\phi_2}}{\ln\frac{\phi_2(1-\phi)}{\phi(1-\phi_2)}}

    Parameters
    ----------
    target : float
        Target DLT rate, between 0 and 1.
    p_saf, p_tox : float, optional
        The rates phi1 (underdosing) and phi2 (overdosing); 0.6 and 1.4 times the target when left out.

    Returns
    -------
    IntervalBoundaries
        ``.lambda_e``, ``.lambda_d``; unpacks as a pair.

    Raises
    ------
    DomainError
        Unless 0 < p_saf < target < p_tox < 1.

    Examples
    --------
    >>> lambda_e, lambda_d = boin_boundaries(0.25)
    >>> round(lambda_e, 10), round(lambda_d, 10)
    (0.1968008706, 0.2983921524)
    """
    phi = between("target", target, why="It is the target DLT rate.")
    low = between("p_saf", 0.6 * phi if p_saf is None else p_saf, 0.0, phi, "It lies below the target.")
    high = between("p_tox", 1.4 * phi if p_tox is None else p_tox, phi, 1.0, "It lies above the target.")
    return IntervalBoundaries(
        math.log((1 - low) / (1 - phi)) / math.log(phi * (1 - low) / (low * (1 - phi))),
        math.log((1 - phi) / (1 - high)) / math.log(high * (1 - phi) / (phi * (1 - high))),
    )


@dataclass(frozen=True, kw_only=True)
class IntervalDesign(Design):
    """A design whose next level depends on (patients, DLTs) at the current level alone.

    Parameters
    ----------
    target : float
        Target DLT rate.
    eliminate_above : float
        A level is eliminated when Pr(rate > target | data) exceeds this, under Beta(1, 1).
    eliminate_from : int
        Patients a level needs before it can be eliminated.
    stop_above : float, optional
        A stricter limit for level 1: the trial stops when Pr(rate of level 1 > target) exceeds it.
    enough : int, optional
        Stop when the level to be given next already has this many patients and the rule is to stay.
    selection : {"boin", "mtpi"}
        Which isotonic estimate names the MTD: (y + 0.05)/(n + 0.1) or (y + 0.005)/(n + 0.01).
    bound_mtd : bool
        Whether the MTD's isotonic rate must also lie below the design's own de-escalation boundary.
    """

    target: float
    eliminate_above: float = 0.95
    eliminate_from: int = 3
    stop_above: float | None = None
    enough: int | None = None
    selection: str = "boin"
    bound_mtd: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        between("target", self.target, why="It is the target DLT rate.")
        between("eliminate_above", self.eliminate_above)
        whole("eliminate_from", self.eliminate_from)
        if self.stop_above is not None:
            between("stop_above", self.stop_above)
        if self.enough is not None:
            whole("enough", self.enough)
        choice("selection", self.selection, tuple(SELECTIONS))
        if self.bound_mtd:
            between("bound_mtd's DLT rate", self.ceiling)

    @abstractmethod
    def moves(self, n: int) -> Ints:
        """+1, 0 or -1 for 0, 1, ..., n DLTs in n patients."""

    @property
    def ceiling(self) -> float:
        """DLT rate from which the rule de-escalates, for ``bound_mtd``."""
        raise DomainError(f"bound_mtd is not defined for {self.name}; it belongs to BOIN.")

    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """Move at the current level by the table, never into an eliminated level; stop when level 1 is eliminated."""
        n, y = states.at(states.n), states.at(states.y)
        move, eliminate, stop = _actions(self, _room(int(n.max(initial=0))))
        out = eliminate[n, y]
        top = np.where(out, np.minimum(states.top, states.current - 1), states.top)
        top = np.where((states.current == 1) & stop[n, y], 0, top)
        level = np.clip(states.current + np.where(out, -1, move[n, y]), 1, None)
        level = np.where(top == 0, STOP, np.minimum(level, top))
        if self.enough is not None:
            level = np.where((level == states.current) & (n >= self.enough), STOP, level)
        return level, top

    def highest_open(self, n: Ints, y: Ints) -> Ints:
        """Highest level below the first that its own counts eliminate."""
        _, eliminate, stop = _actions(self, _room(int(n.max(initial=0))))
        closed = eliminate[n, y]
        closed[:, 0] |= stop[n[:, 0], y[:, 0]]
        return open_below(closed)

    def select_batch(self, states: States) -> Ints:
        """The level given, not eliminated, whose isotonic DLT rate is nearest the target."""
        rates = isotonic_rates(states.n, states.y, states.top, SELECTIONS[self.selection])
        return select_nearest(rates, self.target, self.ceiling if self.bound_mtd else None)

    def exceedance(self, n: Ints, y: Ints) -> Floats:
        """Pr(DLT rate > target | y DLTs in n patients) under a Beta(1, 1) prior."""
        return exceedance(n, y, self.target)

    def table(self, max_n: int | None = None, every: int | None = None) -> DecisionTable:
        """The decision table up to ``max_n`` patients at a level, in steps of the cohort size (or ``every``)."""
        step = self.cohort_size if every is None else whole("every", every)
        most = self.cohort_size * self.cohorts if max_n is None else whole("max_n", max_n)
        if most < step or most % step:
            raise DomainError(
                f"max_n is {most}, which cohorts of {step} do not fit; take {max(most // step, 1) * step}."
            )
        move, eliminate, stop = _actions(self, _room(most))
        sizes = tuple(range(step, most + 1, step))
        title = f"{self.name}, target DLT rate {self.target:g}"
        return table_from_actions(title, sizes, move, eliminate, stop, self.protocol_text())

    @abc.abstractmethod
    def rule_text(self) -> str:
        """The sentence that says when to move, by design."""

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English with this design's numbers."""
        among = f" of {levels} dose levels" if levels else ""
        parts = [
            f"Dose finding follows the {self.name} design with a target DLT rate of {self.target:g}. Patients are treated in "
            f"cohorts of {self.cohort_size}, at most {self.cohorts} cohorts ({self.cohort_size * self.cohorts} patients), "
            f"starting at level {self.start}{among}.",
            self.rule_text(),
            f"A level with at least {self.eliminate_from} patients is eliminated, together with all levels above it, when the "
            f"probability that its DLT rate exceeds {self.target:g} is above {self.eliminate_above:g}, given its data and a "
            "uniform prior. Patients are never treated at an eliminated level; when the rule asks to escalate into one, the "
            "next cohort stays. At the lowest level a decision to de-escalate means to stay, at the highest a decision to "
            "escalate means to stay.",
            "The trial stops without a recommended level when level 1 is eliminated"
            + (f", or when that probability exceeds {self.stop_above:g} at level 1." if self.stop_above else "."),
        ]
        if self.enough is not None:
            parts.append(
                f"It also stops when the next cohort would stay at a level that already has {self.enough} patients."
            )
        a = SELECTIONS[self.selection]
        parts.append(
            "The recommended level (MTD) is chosen once, when the trial is over, and is not the level the rule would give "
            f"next: among the levels that were given and are not eliminated, the DLT rates (y + {a:g})/(n + {2 * a:g}) are made "
            "monotone by weighted isotonic regression (weights: inverse Beta variances) and the level nearest the target is "
            "taken; of equal rates below the target the highest level, above it the lowest."
            + (f" Its isotonic rate must not exceed {self.ceiling:.4f}." if self.bound_mtd else "")
        )
        return "\n\n".join(parts)


def exceedance(n: Ints, y: Ints, target: float) -> Floats:
    """Pr(rate > target | y events in n) under a Beta(1, 1) prior."""
    from scipy.special import betainc

    return np.asarray(1.0 - betainc(np.asarray(y) + 1.0, np.asarray(n) - np.asarray(y) + 1.0, target))


def _room(n: int) -> int:
    """A table size that grows in steps, so that few tables are made."""
    return max(36, 1 << (n - 1).bit_length()) if n > 0 else 36


@functools.lru_cache(maxsize=64)
def _actions(design: IntervalDesign, most: int) -> tuple[Ints, Bools, Bools]:
    """move, eliminate, stop over [patients, DLTs], up to ``most`` patients; entries with more DLTs than patients stay."""
    move = np.zeros((most + 1, most + 1), dtype=np.int64)
    for size in range(1, most + 1):
        move[size, : size + 1] = design.moves(size)
    n, y = np.meshgrid(np.arange(most + 1), np.arange(most + 1), indexing="ij")
    over = np.where(y <= n, design.exceedance(n, np.minimum(y, n)), 0.0)
    eliminate = (over > design.eliminate_above) & (n >= design.eliminate_from)
    stop = eliminate.copy()
    if design.stop_above is not None:
        stop |= (over > design.stop_above) & (n >= design.eliminate_from)
    for table in (move, eliminate, stop):
        table.flags.writeable = False
    return move, eliminate, stop


# --- BOIN -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BOIN(IntervalDesign):
    """Bayesian optimal interval design: move when the observed DLT rate leaves (lambda_e, lambda_d).

    Parameters
    ----------
    p_saf, p_tox : float, optional
        DLT rates that are underdosing and overdosing.
    stay_at_one_of_three : bool
        Whether one DLT in three patients means to stay, as in 3+3, where the boundary would go down (targets below 0.28).
    backfill : Backfill, optional
        Rules for patients who arrive while the escalation waits; they count only in calendar time (records).
    """

    p_saf: float | None = None
    p_tox: float | None = None
    stay_at_one_of_three: bool = False
    backfill: Backfill | None = None

    name = "BOIN"

    def __post_init__(self) -> None:
        super().__post_init__()
        boin_boundaries(self.target, self.p_saf, self.p_tox)

    @property
    def boundaries(self) -> IntervalBoundaries:
        """The design's lambda_e and lambda_d."""
        return boin_boundaries(self.target, self.p_saf, self.p_tox)

    @property
    def ceiling(self) -> float:
        """DLT rate from which the rule de-escalates."""
        return self.boundaries.lambda_d

    def decide_records_batch(self, records: Records) -> tuple[Ints, Ints]:
        """In calendar time: WAIT for the cohort; backfilled patients with a known outcome count, pending ones are left out."""
        if self.backfill is None:
            return super().decide_records_batch(records)
        n, y, filled = self._known(records)
        move, _, _ = _actions(self, _room(int(n.sum(axis=1).max(initial=0))))
        top = np.minimum(records.top, self.highest_open(n, y))
        wish = self.backfill.wish(n, y, filled, records.current, lambda a, b: move[a, b], self.ceiling)
        level = np.where(top == 0, STOP, np.minimum(wish, top))
        if self.enough is not None:
            here = np.take_along_axis(n, (records.current - 1)[:, None], axis=1)[:, 0]
            level = np.where((level == records.current) & (here >= self.enough), STOP, level)
        pending = records.pending(self.span)
        if records.backfilled is not None:
            pending = pending & ~records.backfilled
        waiting = pending.any(axis=1)
        return np.where(waiting, WAIT, level), np.where(waiting, records.top, top)

    def backfill_records_batch(self, records: Records) -> Ints:
        """Level for a patient who arrives while the escalation waits, 0 = none; see :class:`Backfill`."""
        if self.backfill is None:
            return super().backfill_records_batch(records)
        n, y, _ = self._known(records)
        enrolled = records.level > 0
        seen = None if records.response is None else records.count(enrolled & records.response)
        allowed = self.backfill.open_levels(
            records.count(enrolled), n, y, seen, records.current, records.top, self.ceiling
        )  # fmt: skip
        return self.backfill.level(allowed)

    def _known(self, records: Records) -> tuple[Ints, Ints, Bools]:
        """Patients with a known outcome and DLTs by level, and the levels that were backfilled."""
        enrolled = records.level > 0
        known = enrolled & (records.dlt | (records.follow_up >= self.span))
        filled = np.zeros((len(records.level), records.levels), dtype=np.int64)
        if records.backfilled is not None:
            filled = records.count(enrolled & records.backfilled)
        return records.count(known), records.count(known & records.dlt), filled > 0

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English with this design's numbers."""
        text = super().protocol_text(levels)
        return text if self.backfill is None else text + "\n\n" + self.backfill.protocol_text()

    def moves(self, n: int) -> Ints:
        """+1 up to floor(n lambda_e) DLTs, -1 from ceil(n lambda_d)."""
        low, high = self.boundaries
        y = np.arange(n + 1)
        move = np.where(y <= math.floor(low * n), 1, np.where(y >= math.ceil(high * n), -1, 0))
        if self.stay_at_one_of_three and n == 3:
            move[1] = max(move[1], 0)
        return move

    def rule_text(self) -> str:
        """When to move."""
        low, high = self.boundaries
        return (
            f"After each cohort the observed DLT rate at the current level (patients with a DLT divided by patients treated at "
            f"that level, all cohorts together) is compared with two boundaries: escalate one level when it is at most "
            f"{low:.4f}, de-escalate one level when it is at least {high:.4f}, otherwise stay."
            + (" One DLT in three patients means to stay." if self.stay_at_one_of_three else "")
        )


def boin(
    target: float,
    cohort_size: int = 3,
    cohorts: int = 10,
    *,
    p_saf: float | None = None,
    p_tox: float | None = None,
    start: int = 1,
    eliminate_above: float = 0.95,
    stop_above: float | None = None,
    enough: int | None = None,
    selection: str = "boin",
    bound_mtd: bool = False,
    stay_at_one_of_three: bool = False,
    backfill: Backfill | None = None,
    window: float | None = None,
) -> BOIN:
    """The BOIN design (Liu & Yuan 2015; Yuan et al., Clin Cancer Res 2016, 22:4291, doi 10.1158/1078-0432.CCR-16-0592).

    Parameters
    ----------
    target : float
        Target DLT rate.
    cohort_size, cohorts : int
        Patients in a cohort, cohorts at most.
    p_saf, p_tox : float, optional
        DLT rates that are underdosing and overdosing; 0.6 and 1.4 times the target.
    start, eliminate_above, stop_above, enough, selection, bound_mtd
        See :class:`IntervalDesign`.
    stay_at_one_of_three : bool
        Whether one DLT in three patients means to stay.
    backfill : Backfill, optional
        Rules for patients who arrive while the escalation waits.
    window : float, optional
        DLT window, in the unit of the follow-up times; looked at in calendar time only.

    Returns
    -------
    BOIN

    Examples
    --------
    >>> design = boin(target=0.25, cohort_size=3, cohorts=8)
    >>> design.decide(n=[3, 3, 0, 0], y=[0, 1, 0, 0], current=2).level     # 1/3 lies above lambda_d = 0.298
    1
    >>> design.select(n=[6, 9, 3, 0], y=[0, 2, 2, 0])
    2
    """
    return BOIN(
        target=target, cohort_size=cohort_size, cohorts=cohorts, p_saf=p_saf, p_tox=p_tox, start=start,
        eliminate_above=eliminate_above, stop_above=stop_above, enough=enough, selection=selection, bound_mtd=bound_mtd,
        stay_at_one_of_three=stay_at_one_of_three,
        backfill=backfill, window=window,
    )  # fmt: skip


def boin_table(
    target: float, cohort_size: int = 3, max_n: int = 30, *, p_saf: float | None = None, p_tox: float | None = None
) -> DecisionTable:
    """BOIN's decision table: for each number of patients at a level, the DLTs that escalate, de-escalate, eliminate, stop.

    Parameters
    ----------
    target : float
        Target DLT rate.
    cohort_size : int
        Step of the rows.
    max_n : int
        Largest number of patients; a multiple of the cohort size.
    p_saf, p_tox : float, optional
        DLT rates that are underdosing and overdosing; 0.6 and 1.4 times the target.

    Returns
    -------
    DecisionTable
        Rows and columns by name, ``.to_frame()``, ``.to_csv()``, ``.to_html()``.

    Raises
    ------
    DomainError
        When cohorts do not fit max_n, or a rate is out of range.

    Examples
    --------
    >>> table = boin_table(0.25, 3, 12)
    >>> table["escalate_if"], table["deescalate_if"], table["eliminate_if"]
    ((0, 1, 1, 2), (1, 2, 3, 4), (3, 4, 5, 6))
    """
    size, most = whole("cohort_size", cohort_size), whole("max_n", max_n)
    return BOIN(
        target=target, cohort_size=size, cohorts=max(most // size, 1), p_saf=p_saf, p_tox=p_tox
    ).table(most)  # fmt: skip


# --- keyboard, mTPI-2, i3+3 ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EquivalenceDesign(IntervalDesign):
    """A design with an interval (target - below, target + above) in which the DLT rate counts as on target."""

    below: float = 0.05
    above: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        between("below", self.below, 0.0, self.target, "The interval's lower end lies above 0.")
        between("above", self.above, 0.0, 1.0 - self.target, "The interval's upper end lies below 1.")

    @property
    def interval(self) -> tuple[float, float]:
        """DLT rates that count as on target."""
        return self.target - self.below, self.target + self.above


def _strongest(n: int, edges: Floats, per_length: bool) -> Ints:
    """Which of the intervals between the edges has the largest posterior mass (or mass per length), for y = 0..n."""
    from scipy.special import betainc

    y = np.arange(n + 1)[:, None]
    mass = np.diff(betainc(y + 1.0, n - y + 1.0, edges[None, :]), axis=1)
    return np.asarray(np.argmax(mass / np.diff(edges) if per_length else mass, axis=1))


@dataclass(frozen=True, kw_only=True)
class Keyboard(EquivalenceDesign):
    """Keyboard design: move toward the strongest of equally wide keys laid out from the target key."""

    name = "keyboard"

    def keys(self) -> tuple[Floats, int]:
        """Edges of the keys and the index of the target key; the ends of [0, 1] too short for a key are left out."""
        low, high = self.interval
        width = high - low
        left, right = math.floor(low / width + 1e-9), math.floor((1 - high) / width + 1e-9)
        return np.clip(low + width * np.arange(-left, right + 2), 0.0, 1.0), left

    def moves(self, n: int) -> Ints:
        """+1 when the strongest key lies below the target key, -1 above."""
        edges, on_target = self.keys()
        return np.sign(on_target - _strongest(n, edges, per_length=False))

    def rule_text(self) -> str:
        """When to move."""
        (low, high), (edges, _) = self.interval, self.keys()
        return (
            f"The target key is the interval of DLT rates from {low:g} to {high:g}; keys of the same width are laid out on both "
            f"sides of it, {len(edges) - 1} in all. After each cohort the key that holds the largest posterior probability of "
            "the current level's DLT rate (uniform prior, all patients of that level) is found: escalate one level when it lies "
            "below the target key, de-escalate one level when it lies above, stay when it is the target key."
        )


@dataclass(frozen=True, kw_only=True)
class MTPI2(EquivalenceDesign):
    """mTPI-2: as keyboard, by posterior mass per length, with the shorter intervals at both ends of [0, 1] kept."""

    name = "mTPI-2"

    def moves(self, n: int) -> Ints:
        """+1 when the interval of largest unit probability mass lies below the equivalence interval, -1 above."""
        low, high = self.interval
        width = high - low
        left = np.arange(low, 1e-12, -width)[::-1]
        right = np.arange(high, 1 - 1e-12, width)
        edges = np.concatenate([[0.0], left, right, [1.0]])
        return np.sign(len(left) - _strongest(n, edges, per_length=True))

    def rule_text(self) -> str:
        """When to move."""
        low, high = self.interval
        return (
            f"DLT rates from {low:g} to {high:g} count as equivalent to the target; the rest of [0, 1] is cut into intervals of "
            "the same width, with shorter ones left over at 0 and 1. After each cohort the interval with the largest posterior "
            "probability per unit of length (uniform prior, all patients of the current level) is found: escalate one level when "
            "it lies below the equivalence interval, de-escalate one level when it lies above, stay when it is that interval."
        )


@dataclass(frozen=True, kw_only=True)
class I3Plus3(EquivalenceDesign):
    """i3+3: compare y/n, and (y - 1)/n where y/n is too high, with the equivalence interval."""

    name = "i3+3"

    def moves(self, n: int) -> Ints:
        """+1 below the interval; above it -1, but 0 when one DLT fewer would have been below."""
        low, high = self.interval
        y = np.arange(n + 1)
        rate, one_less = y / n, (y - 1) / n
        tiny = 1e-12
        over = np.where(one_less < low - tiny, 0, -1)
        return np.where(rate < low - tiny, 1, np.where(rate > high + tiny, over, 0))

    def rule_text(self) -> str:
        """When to move."""
        low, high = self.interval
        return (
            f"DLT rates from {low:g} to {high:g} count as equivalent to the target. After each cohort the observed rate y/n of "
            f"the current level is compared with them: escalate one level when y/n is below {low:g}, stay when it lies within. "
            f"When y/n is above {high:g}, look at (y - 1)/n: stay when that is below {low:g}, otherwise de-escalate one level."
        )


def keyboard(
    target: float, cohort_size: int = 3, cohorts: int = 10, *, below: float = 0.05, above: float = 0.05, start: int = 1,
    eliminate_above: float = 0.95, enough: int | None = None, selection: str = "boin",
) -> Keyboard:  # fmt: skip
    """The keyboard design (Yan, Mandrekar & Yuan, Clin Cancer Res 2017, 23:3994, doi 10.1158/1078-0432.CCR-17-0220).

    Parameters
    ----------
    target : float
        Target DLT rate.
    cohort_size, cohorts : int
        Patients in a cohort, cohorts at most.
    below, above : float
        The target key reaches from target - below to target + above.
    start, eliminate_above, enough, selection
        See :class:`IntervalDesign`.

    Examples
    --------
    >>> keyboard(0.3).table(9)["deescalate_if"]
    (2, 3, 4)
    """
    return Keyboard(
        target=target, cohort_size=cohort_size, cohorts=cohorts, below=below, above=above, start=start,
        eliminate_above=eliminate_above, enough=enough, selection=selection,
    )  # fmt: skip


def mtpi2(
    target: float, cohort_size: int = 3, cohorts: int = 10, *, below: float = 0.05, above: float = 0.05, start: int = 1,
    eliminate_above: float = 0.95, enough: int | None = None, selection: str = "mtpi",
) -> MTPI2:  # fmt: skip
    """The mTPI-2 design (Guo, Wang, Yang, Lynn & Ji, Contemp Clin Trials 2017, 58:23, doi 10.1016/j.cct.2017.04.006).

    Parameters
    ----------
    target : float
        Target DLT rate.
    cohort_size, cohorts : int
        Patients in a cohort, cohorts at most.
    below, above : float
        Rates from target - below to target + above count as equivalent to the target.
    start, eliminate_above, enough, selection
        See :class:`IntervalDesign`.

    Examples
    --------
    >>> mtpi2(0.3).decide(n=[3, 0], y=[0, 0], current=1).level
    2
    """
    return MTPI2(
        target=target, cohort_size=cohort_size, cohorts=cohorts, below=below, above=above, start=start,
        eliminate_above=eliminate_above, enough=enough, selection=selection,
    )  # fmt: skip


def i3plus3(
    target: float, cohort_size: int = 3, cohorts: int = 10, *, below: float = 0.05, above: float = 0.05, start: int = 1,
    eliminate_above: float = 0.95, enough: int | None = None, selection: str = "mtpi",
) -> I3Plus3:  # fmt: skip
    """The i3+3 design (Liu, Wang & Ji, J Biopharm Stat 2020, 30:294, doi 10.1080/10543406.2019.1636811).

    Parameters
    ----------
    target : float
        Target DLT rate.
    cohort_size, cohorts : int
        Patients in a cohort, cohorts at most.
    below, above : float
        Rates from target - below to target + above count as equivalent to the target.
    start, eliminate_above, enough, selection
        See :class:`IntervalDesign`.

    Examples
    --------
    >>> i3plus3(0.3).decide(n=[3, 3], y=[0, 1], current=2).level      # 1/3 lies within (0.25, 0.35)
    2
    """
    return I3Plus3(
        target=target, cohort_size=cohort_size, cohorts=cohorts, below=below, above=above, start=start,
        eliminate_above=eliminate_above, enough=enough, selection=selection,
    )  # fmt: skip
