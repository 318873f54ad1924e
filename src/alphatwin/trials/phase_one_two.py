r"""Phase I-II designs, which look for the optimal biological dose (OBD) with toxicity and response: BOIN12 and BOIN-ET.

BOIN12 (Lin, Zhou, Yan, Li & Yuan, JCO Precis Oncol 2020, 4:1393, doi 10.1200/PO.20.00257) scores each patient's outcome with a
utility, 100 for a response without DLT to 0 for a DLT without response. The sum of the utilities divided by 100 counts as x
"responses" of n patients, and a level's desirability is :math:`\Pr(\mathrm{Beta}(1 + x, 1 + n - x) > u_b/100)`. The benchmark is
half way between the utility of a level that just meets both limits and 100. Published numbers of two programs for this design
differ; ours come with the rule's text (``protocol_text``).

BOIN-ET (Takeda, Taguri & Morita, Pharm Stat 2018, 17:383, doi 10.1002/pst.1864) compares the observed rates of DLT and response with
three boundaries that minimise the probability of a wrong move under six hypotheses, each equally likely.
"""

from __future__ import annotations

import abc
import functools
from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from ._checks import between, whole
from .designs import STOP, WAIT, Bools, Design, Floats, Ints, Records, States, open_below
from .interval import boin_boundaries, exceedance
from .isotonic import isotonic_rates, select_nearest
from .tables import RuleTable

__all__ = ["BOIN12", "BOINET", "boin12", "boin_et", "boin_et_boundaries"]


@dataclass(frozen=True, kw_only=True)
class TwoOutcomeDesign(Design):
    """What BOIN12 and BOIN-ET share: levels eliminated for toxicity, dropped for futility, isotonic DLT rates.

    Parameters
    ----------
    target : float
        Highest acceptable DLT rate.
    eliminate_above : float
        A level is eliminated, with those above, when Pr(DLT rate > target) exceeds this (Beta(1, 1) prior, 3 patients or more).
    futile_above : float
        A level alone is dropped when Pr(response rate < lowest of interest) exceeds this.
    enough : int, optional
        Stop when the level to be given next already has this many patients.
    """

    target: float
    eliminate_above: float = 0.95
    futile_above: float = 0.90
    enough: int | None = None

    outcomes = "toxicity and response"

    def __post_init__(self) -> None:
        super().__post_init__()
        between("target", self.target, why="It is the highest acceptable DLT rate.")
        between("eliminate_above", self.eliminate_above)
        between("futile_above", self.futile_above)
        if self.enough is not None:
            whole("enough", self.enough)

    @property
    @abc.abstractmethod
    def least_response(self) -> float:
        """Lowest response rate of interest."""

    def responses_of(self, states: States) -> Ints:
        """Responses by level, or a refusal."""
        if states.responses is None:
            raise DomainError(f"{self.name} decides on toxicity and response: give responses by level.")
        return states.responses

    def highest_open(self, n: Ints, y: Ints) -> Ints:
        """Highest level below the first that its own DLTs eliminate."""
        return open_below((n >= 3) & (exceedance(n, y, self.target) > self.eliminate_above))

    def highest(self, states: States) -> Ints:
        """Highest level not eliminated, after the current level's data."""
        n, y = states.at(states.n), states.at(states.y)
        out = (n >= 3) & (exceedance(n, y, self.target) > self.eliminate_above)
        return np.where(out, np.minimum(states.top, states.current - 1), states.top)

    def allowed(self, states: States, top: Ints) -> Bools:
        """Levels neither eliminated nor futile: bool[trial, level]."""
        r = self.responses_of(states)
        futile = (states.n > 0) & (1.0 - exceedance(states.n, r, self.least_response) > self.futile_above)
        return ~futile & (np.arange(1, states.levels + 1) <= top[:, None])

    def settle(self, states: States, level: Ints, top: Ints, allowed: Bools) -> Ints:
        """The wished level if allowed; else the nearest allowed one below it; else the nearest above not past current + 1."""
        number = np.arange(1, states.levels + 1)
        below = np.where(allowed & (number <= level[:, None]), number, 0).max(axis=1)
        reach = np.where(level < states.current, 0, states.current + 1)[:, None]  # never up when the rule says down
        above = np.where(allowed & (number > level[:, None]) & (number <= reach), number, states.levels + 1).min(axis=1)
        chosen = np.where(below > 0, below, np.where(above <= states.levels, above, STOP))
        if self.enough is not None:
            n = np.take_along_axis(states.n, np.maximum(chosen - 1, 0)[:, None], axis=1)[:, 0]
            chosen = np.where((chosen > 0) & (n >= self.enough), STOP, chosen)
        return np.where(top == 0, STOP, chosen).astype(np.int64)

    def candidates(self, states: States) -> tuple[Bools, Ints]:
        """Levels the OBD may be chosen from (given, allowed, not above the isotonic MTD), and the MTD."""
        mtd = select_nearest(isotonic_rates(states.n, states.y, states.top), self.target)
        number = np.arange(1, states.levels + 1)
        return self.allowed(states, states.top) & (states.n > 0) & (number <= mtd[:, None]), mtd

    def decide_records_batch(self, records: Records) -> tuple[Ints, Ints]:
        """In calendar time: WAIT until every DLT window has passed and every response has been assessed."""
        level, top = super().decide_records_batch(records)
        if records.response_known is None:
            return level, top
        open_cases = (records.level > 0) & ~records.response_known
        if records.gone is not None:
            open_cases = open_cases & ~records.gone
        waiting = open_cases.any(axis=1)
        return np.where(waiting, WAIT, level), np.where(waiting, records.top, top)

    def safety_text(self) -> str:
        """Elimination, futility and stopping in words."""
        more = (
            f" It also stops when the next cohort would go to a level that already has {self.enough} patients."
            if self.enough is not None
            else ""
        )
        return (
            f"A level with at least three patients is eliminated, together with those above, when the probability that its DLT rate "
            f"exceeds {self.target:g} is above {self.eliminate_above:g}; a level alone is dropped when the probability that its "
            f"response rate is below {self.least_response:g} is above {self.futile_above:g} (both given its data and a uniform prior). "
            "When the level asked for is closed, the nearest open level below it is given; if there is none, and the rule did not ask "
            "to go down, the nearest open level above it, at most one above the current. The trial stops when no level can be given."
            + more
        )


# --- BOIN12 ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BOIN12(TwoOutcomeDesign):
    """BOIN12: BOIN's boundaries for safety, the desirability score for the choice among neighbours.

    Parameters
    ----------
    response : float
        Lowest response rate of interest.
    utilities : tuple of four float
        Of response without DLT, neither, both, DLT without response; the first is the highest, the last the lowest.
    explore_until : int
        With a DLT rate between the boundaries, the level above is a candidate while the current one has fewer patients.
    try_above_from : int, optional
        With this many patients and a DLT rate below the upper boundary, go up to a level nobody was treated at (the
        exploration rule of the paper's supplement); None: never.
    p_saf, p_tox : float, optional
        As for BOIN.
    """

    response: float
    utilities: tuple[float, float, float, float] = (100.0, 40.0, 60.0, 0.0)
    explore_until: int = 6
    try_above_from: int | None = 9
    p_saf: float | None = None
    p_tox: float | None = None

    name = "BOIN12"

    def __post_init__(self) -> None:
        super().__post_init__()
        between("response", self.response, why="It is the lowest response rate of interest.")
        given: tuple[float, ...] = tuple(float(u) for u in self.utilities)
        object.__setattr__(self, "utilities", given)
        whole("explore_until", self.explore_until)
        if self.try_above_from is not None:
            whole("try_above_from", self.try_above_from)
        if len(given) != 4 or not given[3] <= min(given[1:3]) <= max(given[1:3]) <= given[0]:
            raise DomainError(
                f"utilities are {given!r}; give four: response without DLT (highest), neither, both, DLT without response "
                "(lowest)."
            )
        if not self.utilities[0] > self.utilities[3]:
            raise DomainError("utilities: a response without DLT must be worth more than a DLT without response.")
        boin_boundaries(self.target, self.p_saf, self.p_tox)

    @property
    def needs_both(self) -> bool:  # type: ignore[override]
        """Whether patients with both a DLT and a response must be counted: only where the utilities do not add up."""
        best, neither, both, worst = self.utilities
        return abs(neither + both - best - worst) > 1e-9

    @property
    def least_response(self) -> float:
        """Lowest response rate of interest."""
        return self.response

    @property
    def benchmark(self) -> float:
        """Utility, scaled to 0..1, that a desirable level exceeds: half way from that of a level at both limits to the best."""
        best, neither, both, worst = self.utilities
        t, e = self.target, self.response
        at_limits = best * (1 - t) * e + neither * (1 - t) * (1 - e) + both * t * e + worst * t * (1 - e)
        return (0.5 * (at_limits + best) - worst) / (best - worst)

    def equivalent(self, n: Ints, y: Ints, r: Ints, both: Ints | None = None) -> Floats:
        """Quasi-responses x: the patients' utilities, scaled to 0..1, added up."""
        best, neither, joint, worst = self.utilities
        if both is None:
            if self.needs_both:
                raise DomainError(
                    "BOIN12 with these utilities needs `both`: patients with a DLT and a response, by level."
                )
            both = np.zeros_like(y)
        total = best * (r - both) + joint * both + worst * (y - both) + neither * (n - r - y + both)
        return np.asarray((total - worst * n) / (best - worst))

    def desirability(self, n: Ints, y: Ints, r: Ints, both: Ints | None = None) -> Floats:
        """Pr(utility > benchmark) by level; the same for every level nobody was treated at."""
        from scipy.special import betainc

        x = np.clip(self.equivalent(n, y, r, both), 0.0, n)
        return np.asarray(1.0 - betainc(1.0 + x, 1.0 + n - x, self.benchmark))

    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """De-escalate for toxicity; else the most desirable of the current level and its neighbours."""
        r = self.responses_of(states)
        low, high = boin_boundaries(self.target, self.p_saf, self.p_tox)
        n, y = states.at(states.n), states.at(states.y)
        top = self.highest(states)
        allowed = self.allowed(states, top)
        score = np.where(allowed, self.desirability(states.n, states.y, r, states.both), -1.0).round(12)
        toxic = y >= np.ceil(high * n)
        wide = ~toxic & ((y <= np.floor(low * n)) | (n < self.explore_until))
        number = np.arange(1, states.levels + 1)
        last = states.current + np.where(wide, 1, 0)
        near = (number >= states.current[:, None] - 1) & (number <= last[:, None])
        score = np.where(near, score, -2.0)
        best = states.levels - score[:, ::-1].argmax(axis=1)  # of equal scores the highest level
        wish = np.where(toxic, np.maximum(states.current - 1, 1), best)
        if self.try_above_from is not None:
            up = np.minimum(states.current + 1, states.levels)
            untried = np.take_along_axis(states.n, (up - 1)[:, None], axis=1)[:, 0] == 0
            wish = np.where(~toxic & untried & (n >= self.try_above_from), up, wish)
        return self.settle(states, wish, top, allowed), top

    def select_batch(self, states: States) -> Ints:
        """The OBD: of the levels given, allowed and not above the MTD, the one of highest mean utility; equals: the lowest."""
        open_levels, _ = self.candidates(states)
        x = self.equivalent(states.n, states.y, self.responses_of(states), states.both)
        mean = np.where(open_levels, (1.0 + x) / (2.0 + states.n), -1.0).round(12)
        return np.where(open_levels.any(axis=1), mean.argmax(axis=1) + 1, 0).astype(np.int64)

    def table(self, max_n: int = 9) -> RuleTable:
        """Rank-based desirability scores of every outcome at 0 to ``max_n`` patients, in steps of the cohort size.

        The desirability of every (patients, DLTs, responses) at which the level stays open is ranked from 1 up; equal ones
        share the mean rank. ``decision`` tells what the DLT rate asks for: D (go down), S (this level or the one below), E (those
        or the one above), DU (eliminated for toxicity, with those above), F (dropped for futility). The trial stops with DU at
        level 1.

        Examples
        --------
        >>> table = boin12(target=0.35, response=0.25).table(9)
        >>> [row["score"] for row in table if (row["n"], row["dlts"], row["responses"]) in {(0, 0, 0), (3, 0, 3), (6, 1, 5)}]
        [60.0, 91.0, 87.0]
        """
        from scipy.stats import rankdata

        if self.needs_both:
            raise DomainError(
                "These utilities do not add up: a score needs the patients with both outcomes; no table is made."
            )
        if whole("max_n", max_n) % self.cohort_size:
            raise DomainError(f"max_n is {max_n}, which cohorts of {self.cohort_size} do not fit.")
        sizes = range(0, max_n + 1, self.cohort_size)
        cells = np.array([(n, y, r) for n in sizes for y in range(n + 1) for r in range(n + 1)])
        n, y, r = cells.T
        value = self.desirability(n, y, r).round(12)
        toxic = (n >= 3) & (exceedance(n, y, self.target) > self.eliminate_above)
        futile = (n > 0) & (1.0 - exceedance(n, r, self.response) > self.futile_above)
        low, high = boin_boundaries(self.target, self.p_saf, self.p_tox)
        wide = (y <= np.floor(low * n)) | (n < self.explore_until)
        move = np.where(n == 0, "", np.where(y >= np.ceil(high * n), "D", np.where(wide, "E", "S")))
        move = np.where(toxic, "DU", np.where(futile, "F", move))
        rank = np.full(len(cells), np.nan)
        rank[~(toxic | futile)] = rankdata(value[~(toxic | futile)])
        rows = tuple(
            (int(a), int(b), int(c), str(m), float(v), None if np.isnan(k) else float(k))
            for (a, b, c), m, v, k in zip(cells, move, value, rank, strict=True)
        )
        headings = ("Patients", "DLTs", "Responses", "Decision on DLTs", "Pr(utility > benchmark)", "Score")
        columns = ("n", "dlts", "responses", "decision", "desirability", "score")
        title = f"BOIN12, DLT rate up to {self.target:g}, response rate from {self.response:g}"
        return RuleTable(title, columns, headings, rows, self.protocol_text())

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English with this design's numbers."""
        low, high = boin_boundaries(self.target, self.p_saf, self.p_tox)
        best, neither, both, worst = self.utilities
        among = f" of {levels} dose levels" if levels else ""
        return "\n\n".join(
            [
                f"Dose finding follows the BOIN12 design. DLT rates up to {self.target:g} are acceptable and response rates from "
                f"{self.response:g} are of interest. Patients are treated in cohorts of {self.cohort_size}, at most {self.cohorts} "
                f"cohorts ({self.cohort_size * self.cohorts} patients), starting at level {self.start}{among}.",
                f"A patient's outcome is worth {best:g} (response, no DLT), {neither:g} (neither), {both:g} (both) or {worst:g} (DLT, no "
                f"response). The desirability of a level is the probability that its mean utility exceeds "
                f"{worst + self.benchmark * (best - worst):g}, given a Beta(1 + x, 1 + n - x) distribution, with x the sum of its "
                f"patients' utilities, scaled so that the best outcome counts 1 and the worst 0.",
                f"After each cohort: when the DLT rate at the current level is at least {high:.4f}, go down one level. When it lies "
                f"between {low:.4f} and {high:.4f} and the level has at least {self.explore_until} patients, give the more desirable "
                "of this level and the one below. Otherwise give the most desirable of this level, the one below and the one above. "
                + (
                    f"With {self.try_above_from} or more patients at the level, a DLT rate below {high:.4f} and nobody yet treated one "
                    "level up, go up. "
                    if self.try_above_from is not None
                    else ""
                )
                + "Of equally desirable levels the highest is given; a level nobody was treated at counts with n = 0.",
                self.safety_text(),
                "The optimal biological dose is named when the trial is over. The MTD is the level given, and not eliminated, whose "
                f"isotonic DLT rate is nearest {self.target:g}; among the levels given, not closed and not above the MTD the one with the "
                "highest posterior mean utility is recommended, the lowest of equals.",
            ]
        )


def boin12(
    target: float, response: float, cohort_size: int = 3, cohorts: int = 12, *,
    utilities: tuple[float, float, float, float] = (100.0, 40.0, 60.0, 0.0), explore_until: int = 6,
    try_above_from: int | None = 9, p_saf: float | None = None, p_tox: float | None = None, start: int = 1, eliminate_above: float = 0.95,
    futile_above: float = 0.90, enough: int | None = None,
) -> BOIN12:  # fmt: skip
    """The BOIN12 design; see the module and :class:`BOIN12`.

    Parameters
    ----------
    target : float
        Highest acceptable DLT rate.
    response : float
        Lowest response rate of interest.
    cohort_size, cohorts, start, p_saf, p_tox, utilities, explore_until, try_above_from, eliminate_above, futile_above, enough
        See :class:`BOIN12`.

    Examples
    --------
    >>> design = boin12(target=0.35, response=0.25)
    >>> design.decide(n=[3, 3, 0], y=[0, 1, 0], current=2, responses=[0, 1, 0]).level
    3
    """
    return BOIN12(
        target=target, response=response, cohort_size=cohort_size, cohorts=cohorts, utilities=utilities,
        explore_until=explore_until, try_above_from=try_above_from, p_saf=p_saf, p_tox=p_tox, start=start, eliminate_above=eliminate_above,
        futile_above=futile_above, enough=enough,
    )  # fmt: skip


# --- BOIN-ET ---------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def boin_et_boundaries(
    target: float, response: float, p_saf: float, p_tox: float, least_response: float, patients: int = 100
) -> tuple[float, float, float]:
    """Boundaries (lambda1, lambda2, eta1) that minimise the probability of a wrong move, on a grid of 0.01.

    Six hypotheses, each with probability 1/6: the DLT rate is p_saf, target or p_tox, the response rate least_response or
    response. The right move is: up (low, low), stay (low or on target, high), down (too toxic); on target with few responses no move
    is wrong. Choosing among the level and its neighbours counts as wrong in two of three. For the example below the R package
    boinet answers 0.48 for eta1: its fourth term takes the probability of a rate below lambda1 at p_saf where the hypothesis has
    the target; with the target in both places it answers 0.47 as well.

    Parameters
    ----------
    target, response : float
        Target DLT rate and target response rate.
    p_saf, p_tox : float
        DLT rates that are too low and too high.
    least_response : float
        Response rate that is too low.
    patients : int
        Number of patients the probabilities are computed for.

    Returns
    -------
    tuple of float
        lambda1, lambda2 for DLT, eta1 for response.

    Examples
    --------
    >>> [round(float(b), 2) for b in boin_et_boundaries(0.30, 0.60, 0.03, 0.42, 0.36)]
    [0.14, 0.35, 0.47]
    """
    from scipy.stats import binom

    def steps(low: float, high: float) -> Floats:
        return np.round(low + 0.01 * np.arange(int((high - low) / 0.01 + 1e-9) + 1), 10)

    l1, l2, e1 = np.meshgrid(steps(p_saf, target), steps(target, p_tox), steps(least_response, response), indexing="ij")
    n = patients

    def at_most(x: Floats, p: float) -> Floats:
        return np.asarray(binom.cdf(np.floor(n * x + 1e-9), n, p))

    def below(x: Floats, p: float) -> Floats:
        return np.asarray(binom.cdf(np.ceil(n * x - 1e-9) - 1, n, p))

    wrong = np.zeros_like(l1)
    for tox, eff, right in (
        (p_saf, least_response, "up"), (p_saf, response, "stay"), (target, response, "stay"),
        (p_tox, least_response, "down"), (p_tox, response, "down"),
    ):  # fmt: skip
        low, not_high, few = at_most(l1, tox), below(l2, tox), at_most(e1, eff)
        probability = {"up": low * few, "stay": not_high * (1 - few), "down": 1 - not_high}[right]
        wrong += 1 - probability - (not_high - low) * few / 3
    best = np.unravel_index(int(wrong.argmin()), wrong.shape)
    return float(l1[best]), float(l2[best]), float(e1[best])


@dataclass(frozen=True, kw_only=True)
class BOINET(TwoOutcomeDesign):
    """BOIN-ET: observed DLT and response rates at the current level against three boundaries.

    Parameters
    ----------
    response : float
        Target response rate.
    low_response : float, optional
        Response rate that is too low; 0.6 times the target when left out.
    p_saf, p_tox : float, optional
        DLT rates that are too low and too high; 0.1 and 1.4 times the target when left out.
    fixed_boundaries : tuple of float, optional
        lambda1, lambda2, eta1 to be used as they are, such as those of a published trial.
    """

    response: float
    low_response: float | None = None
    p_saf: float | None = None
    p_tox: float | None = None
    fixed_boundaries: tuple[float, float, float] | None = None
    futile_above: float = 0.99

    name = "BOIN-ET"

    def __post_init__(self) -> None:
        super().__post_init__()
        between("response", self.response, why="It is the target response rate.")
        between("low_response", self.least_response, 0.0, self.response, "It lies below the target response rate.")
        low, high = self._rates
        between("p_saf", low, 0.0, self.target, "It lies below the target.")
        between("p_tox", high, self.target, 1.0, "It lies above the target.")
        if self.fixed_boundaries is not None:
            given: tuple[float, ...] = tuple(self.fixed_boundaries)
            if len(given) != 3 or not 0 <= given[0] < given[1] <= 1 or not 0 <= given[2] < 1:
                raise DomainError(
                    f"fixed_boundaries are {given!r}; give lambda1 < lambda2 for DLT and eta1 for response."
                )
            object.__setattr__(self, "fixed_boundaries", given)

    @property
    def least_response(self) -> float:
        """Response rate that is too low."""
        return 0.6 * self.response if self.low_response is None else self.low_response

    @property
    def _rates(self) -> tuple[float, float]:
        low = 0.1 * self.target if self.p_saf is None else self.p_saf
        return low, 1.4 * self.target if self.p_tox is None else self.p_tox

    @property
    def boundaries(self) -> tuple[float, float, float]:
        """lambda1, lambda2 for DLT, eta1 for response."""
        if self.fixed_boundaries is not None:
            return self.fixed_boundaries
        return boin_et_boundaries(self.target, self.response, *self._rates, self.least_response)

    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """Up, stay or down by the boundaries; between them with few responses, to where responses are most frequent."""
        responses = self.responses_of(states)
        lambda1, lambda2, eta1 = self.boundaries
        at, levels = states.current, states.levels
        n, y, r = states.at(states.n), states.at(states.y), states.at(responses)
        few = r <= eta1 * n + 1e-9
        low, toxic = y <= lambda1 * n + 1e-9, y >= lambda2 * n - 1e-9
        top = self.highest(states)
        rate = np.where(states.n > 0, responses / np.maximum(states.n, 1), 0.0).round(12)
        number = np.arange(1, levels + 1)
        near = np.abs(number - at[:, None]) <= 1
        best = np.where(near, rate, -1.0).argmax(axis=1) + 1  # of equal rates the lowest level
        up = np.minimum(at + 1, levels)
        untried = np.take_along_axis(states.n, (up - 1)[:, None], axis=1)[:, 0] == 0
        explore = np.where((at < levels) & untried, up, best)
        wish = np.where(toxic, np.maximum(at - 1, 1), np.where(~few, at, np.where(low, up, explore)))
        return self.settle(states, wish, top, self.allowed(states, top)), top

    def select_batch(self, states: States) -> Ints:
        """The OBD: of the levels given, open and not above the MTD, the one with the highest response rate; equals: the lowest."""
        open_levels, _ = self.candidates(states)
        rate = np.where(open_levels, self.responses_of(states) / np.maximum(states.n, 1), -1.0).round(12)
        return np.where(open_levels.any(axis=1), rate.argmax(axis=1) + 1, 0).astype(np.int64)

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English with this design's numbers."""
        lambda1, lambda2, eta1 = self.boundaries
        among = f" of {levels} dose levels" if levels else ""
        return "\n\n".join(
            [
                f"Dose finding follows the BOIN-ET design with a target DLT rate of {self.target:g} and a target response rate of "
                f"{self.response:g}. Patients are treated in cohorts of {self.cohort_size}, at most {self.cohorts} cohorts "
                f"({self.cohort_size * self.cohorts} patients), starting at level {self.start}{among}.",
                f"After each cohort the DLT rate and the response rate at the current level are compared with boundaries. DLT rate at "
                f"least {lambda2:.2f}: go down one level. Otherwise, response rate above {eta1:.2f}: stay. Otherwise, DLT rate at most "
                f"{lambda1:.2f}: go up one level. Otherwise: go up if nobody was treated one level up; else give the level with the "
                "highest response rate of this one and its neighbours, the lowest of equals.",
                self.safety_text(),
                "The optimal biological dose is named when the trial is over: among the levels given, not closed and not above the MTD "
                f"(isotonic DLT rate nearest {self.target:g}) the one with the highest response rate, the lowest of equals.",
            ]
        )


def boin_et(
    target: float, response: float, cohort_size: int = 3, cohorts: int = 12, *, low_response: float | None = None,
    p_saf: float | None = None, p_tox: float | None = None, boundaries: tuple[float, float, float] | None = None,
    start: int = 1, eliminate_above: float = 0.95, futile_above: float = 0.99, enough: int | None = None,
) -> BOINET:  # fmt: skip
    """The BOIN-ET design; see the module and :class:`BOINET`.

    Parameters
    ----------
    target, response : float
        Target DLT rate and target response rate.
    cohort_size, cohorts, start, low_response, p_saf, p_tox, eliminate_above, futile_above, enough
        See :class:`BOINET`.
    boundaries : tuple of float, optional
        lambda1, lambda2, eta1 to be used as they are.

    Examples
    --------
    >>> boin_et(target=0.3, response=0.6).boundaries
    (0.14, 0.35, 0.47)
    """
    return BOINET(
        target=target, response=response, cohort_size=cohort_size, cohorts=cohorts, low_response=low_response, p_saf=p_saf,
        p_tox=p_tox, fixed_boundaries=boundaries, start=start, eliminate_above=eliminate_above, futile_above=futile_above,
        enough=enough,
    )  # fmt: skip
