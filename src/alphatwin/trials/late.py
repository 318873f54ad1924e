r"""Designs that go on while patients are still followed: TITE-BOIN, TITE-CRM and rolling six.

TITE-BOIN compares an estimate of the DLT rate at the current level with BOIN's boundaries. Of n patients there, y had a DLT, c
are pending with the total follow-up S (in windows). Two estimators are published, and they differ:

- ``"imputed"`` (Yuan, Lin, Li, Nie & Warren, Clin Cancer Res 2018, 24:4921, doi 10.1158/1078-0432.CCR-18-0246): each pending
  outcome is replaced by its expected value, with DLT times uniform in the window,

  .. math:: \hat p = \frac{1}{n}\Bigl[y + \frac{p_0}{1-p_0}(c - S)\Bigr], \qquad p_0 = \frac{y + \phi/2}{n - c + 1}

  where :math:`p_0` is the posterior mean from the patients whose outcome is known, under Beta(phi/2, 1 - phi/2). Imputed
  patients alone move nobody past the target: escalation needs y/n below it, de-escalation y/n at it or above.
- ``"ess"`` (Lin & Yuan, Biostatistics 2020, 21:807, doi 10.1093/biostatistics/kxz007): :math:`\hat p = y/\mathrm{ESS}` with the
  effective sample size :math:`\mathrm{ESS} = n - c + S`.

With nobody pending both are y/n and the design is BOIN. A level is eliminated as in BOIN, pending patients counted as without a
DLT.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DomainError
from ._checks import choice, whole
from .continual import PRIOR_SD, CRMDesign
from .designs import STOP, WAIT, Design, Floats, Ints, Records, States, open_below
from .interval import BOIN
from .tables import DecisionTable, RuleTable, table_from_actions

__all__ = ["TITEBOIN", "RollingSix", "rolling_six", "tite_boin", "tite_boin_rate", "tite_crm"]

ESTIMATORS = ("imputed", "ess")
SNAP = 1e-9  # rates this near a boundary are on it


def tite_boin_rate(
    n: Ints, y: Ints, pending: Ints, follow_up: Floats, target: float, estimator: str = "imputed"
) -> Floats:
    """DLT rate at a level with pending patients, by one of the two published estimators.

    Parameters
    ----------
    n, y, pending : int[...]
        Patients at the level, those with a DLT, those without one who are still followed.
    follow_up : float[...]
        Total follow-up of the pending patients in units of the window.
    target : float
        Target DLT rate (it sets the weak prior of the imputation).
    estimator : {"imputed", "ess"}
        See the module.

    Returns
    -------
    float[...]

    Examples
    --------
    >>> tite_boin_rate(np.array(6), np.array(1), np.array(2), np.array([1.0, 1.5]), 0.25, "ess").round(4).tolist()
    [0.2, 0.1818]
    """
    if choice("estimator", estimator, ESTIMATORS) == "ess":
        return np.asarray(y / np.maximum(n - pending + follow_up, 1e-12))
    known = (y + target / 2) / (n - pending + 1)
    return np.asarray((y + known / (1 - known) * (pending - follow_up)) / np.maximum(n, 1))


@dataclass(frozen=True, kw_only=True)
class TITEBOIN(BOIN):
    """BOIN in calendar time: decides with pending patients, suspends accrual when too many are pending.

    Parameters
    ----------
    estimator : {"imputed", "ess"}
        Which published estimate of the DLT rate.
    suspend_above : float
        Accrual waits when more than this share of the patients at the current level is pending, unless y/n already asks to
        de-escalate.
    known_from : int
        Escalation waits, while patients are pending, until this many at the level have a known outcome (Lin & Yuan ask for 2).
    followed_from : float
        Escalation waits until every pending patient at the level has been followed for this share of the window (Chen, Chen,
        Zhang, Lin & Yuan, Clin Cancer Res 2025, 31:2573, doi 10.1158/1078-0432.CCR-24-3669, advise 0.25).
    """

    estimator: str = "imputed"
    suspend_above: float = 0.5
    known_from: int = 0
    followed_from: float = 0.0

    name = "TITE-BOIN"
    follows_pending = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("estimator", self.estimator, ESTIMATORS)
        if self.backfill is not None:
            raise DomainError(
                "TITE-BOIN does not wait for cohorts, so nobody is backfilled: leave backfill out, or take BOIN."
            )
        if self.stay_at_one_of_three:
            raise DomainError(
                "TITE-BOIN has no rule for one DLT in three: leave stay_at_one_of_three out, or take BOIN."
            )
        whole("known_from", self.known_from, 0)
        for name, share in (("suspend_above", self.suspend_above), ("followed_from", self.followed_from)):
            if not 0 <= share <= 1:
                raise DomainError(f"{name} is {share!r}; it is a share, from 0 to 1.")

    def decide_records_batch(self, records: Records) -> tuple[Ints, Ints]:
        """Move by the estimated rate; de-escalate at once where y/n asks for it; else wait while too many are pending."""
        enrolled = records.level > 0
        here = enrolled & (records.level == records.current[:, None])
        waiting = here & records.pending(self.span)
        part = here & ~records.dlt & (records.follow_up < self.span)  # pending, or gone before the end
        n, y, c = here.sum(axis=1), (here & records.dlt).sum(axis=1), part.sum(axis=1)
        share = np.clip(records.follow_up / self.span, 0.0, 1.0)
        shortest = np.where(waiting, share, 1.0).min(axis=1, initial=1.0)
        total = np.where(part, share, 0.0).sum(axis=1)
        top = self._still_open(records)
        return self.decide_pending(n, y, c, total, waiting.sum(axis=1), records.current, top, shortest)

    def select_records_batch(self, records: Records) -> Ints:
        """The recommended level; a level that late DLTs have closed is none."""
        return super().select_records_batch(replace(records, top=self._still_open(records)))

    def _still_open(self, records: Records) -> Ints:
        """Highest level not eliminated by what is known of any level: a DLT may come after the trial has moved on."""
        enrolled = records.level > 0
        n, y = records.count(enrolled), records.count(enrolled & records.dlt)
        return np.minimum(records.top, self.highest_open(n, y))

    def decide_pending(
        self, n: Ints, y: Ints, partial: Ints, follow_up: Floats, pending: Ints, current: Ints, top: Ints,
        shortest: Floats | float = 1.0,
    ) -> tuple[Ints, Ints]:  # fmt: skip
        """The rule on counts at the current level: float or int [trial].

        Parameters
        ----------
        n, y : int[trial]
            Patients at the level, and those with a DLT.
        partial, pending : int[trial]
            Patients without a DLT and not followed for the whole window; those of them who still are.
        follow_up : float[trial]
            Total follow-up of the partial patients, in windows.
        current, top : int[trial]
            The level, and the highest not eliminated.
        shortest : float[trial]
            Shortest follow-up of a pending patient, in windows.
        """
        low, high = self.boundaries
        rate = tite_boin_rate(n, y, partial, follow_up, self.target, self.estimator)
        up, down = rate <= low + SNAP, rate >= high - SNAP
        if self.estimator == "imputed":
            up, down = up & (y < self.target * n - SNAP), down & (y >= self.target * n - SNAP)
        surely = y >= np.ceil(high * n)
        move = np.where(down | surely, -1, np.where(up, 1, 0))
        over = np.where(n > 0, self.exceedance(n, y), 0.0)
        enough = n >= self.eliminate_from
        out = enough & (over > self.eliminate_above)
        highest = np.where(out, np.minimum(top, current - 1), top)
        if self.stop_above is not None:
            highest = np.where((current == 1) & enough & (over > self.stop_above), 0, highest)
        level = np.minimum(np.clip(current + np.where(out, -1, move), 1, None), highest)
        if self.enough is not None:
            level = np.where((level == current) & (n >= self.enough), STOP, level)
        early = (pending > 0) & ((n - partial < self.known_from) | (np.asarray(shortest) < self.followed_from))
        wait = (
            ~surely & ~out & (current <= highest) & ((pending > self.suspend_above * n) | ((level > current) & early))
        )
        return np.where(highest == 0, STOP, np.where(wait, WAIT, level)), highest

    def pending_table(self, max_n: int | None = None) -> RuleTable:
        """What to do for every number of patients, DLTs and pending patients at a level, and the follow-up it depends on.

        ``decision`` is E, S, D, DU (eliminated), SUS (accrual waits), or E/S, S/D, E/S/D where it depends on the total follow-up of
        the pending patients in windows: escalate from ``escalate_from`` on, de-escalate up to ``deescalate_to``.

        Parameters
        ----------
        max_n : int, optional
            Largest number of patients, in steps of the cohort size.

        Examples
        --------
        >>> rows = tite_boin(0.20, window=6.0).pending_table(9).rows
        >>> [(r["decision"], round(r["escalate_from"], 2)) for r in rows if (r["n"], r["dlts"], r["pending"]) == (9, 1, 4)]
        [('E/S', 2.15)]
        """
        size = self.cohort_size
        most = size * self.cohorts if max_n is None else whole("max_n", max_n)
        if most < size or most % size:
            raise DomainError(
                f"max_n is {most}, which cohorts of {size} do not fit; take {max(most // size, 1) * size}."
            )
        rows: list[tuple[int | float | str | None, ...]] = []
        for n in range(size, most + 1, size):
            for y in range(n + 1):
                for c in range(n - y + 1):
                    rows.append((n, y, c, *self._at_follow_up(n, y, c)))
        columns = ("n", "dlts", "pending", "decision", "escalate_from", "deescalate_to")
        headings = ("Patients", "DLTs", "Pending", "Decision", "Escalate from follow-up / windows",
                    "De-escalate up to follow-up / windows")  # fmt: skip
        title = f"{self.name}, target DLT rate {self.target:g}, estimator: {self.estimator}"
        return RuleTable(title, columns, headings, tuple(rows), self.protocol_text())

    def _at_follow_up(self, n: int, y: int, c: int) -> tuple[str, float | None, float | None]:
        """Decision and the two follow-ups (in windows) at which it changes."""
        low, high = self.boundaries
        if self.estimator == "ess":
            up, down = (y / rate - n + c for rate in (low, high))
        else:
            p = (y + self.target / 2) / (n - c + 1)
            up, down = (c - (rate * n - y) * (1 - p) / p for rate in (low, high))
        inside = [s for s in (down, up) if 1e-9 < s < c - 1e-9]
        edges = [0.0, *sorted(inside), float(c)]
        middles = [0.5 * (a + b) for a, b in itertools.pairwise(edges)]
        three, five = np.array([3]), np.array([5])
        treated, events, pending = (np.array([v]) for v in (n, y, c))
        letters: list[str] = []
        for follow_up in middles:
            level, top = self.decide_pending(treated, events, pending, np.array([follow_up]), pending, three, five)
            letter = "DU" if top[0] == 2 else {4: "E", 3: "S", 2: "D", WAIT: "SUS", STOP: "S"}[int(level[0])]
            if not letters or letters[-1] != letter:
                letters.append(letter)
        decision = "/".join(reversed(letters))
        return decision, up if decision.startswith("E/") else None, down if decision.endswith("/D") else None

    def rule_text(self) -> str:
        """When to move."""
        low, high = self.boundaries
        how = (
            "each pending outcome is replaced by its expected value: (y + p/(1 - p) x (c - S))/n with "
            f"p = (y + {self.target / 2:g})/(n - c + 1); escalation also needs y/n below {self.target:g}, de-escalation y/n of at "
            f"least {self.target:g}"
            if self.estimator == "imputed"
            else "y divided by the effective sample size n - c + S"
        )
        return (
            "Accrual does not wait for complete follow-up; for elimination pending patients count as without a DLT, and a level is "
            "eliminated too when its DLTs come after the trial has moved on. When a cohort is to be treated, the current level "
            f"has n patients, y with a DLT, c without one and not yet followed for the whole window{_of(self.window)}; S is the sum of the times those c "
            f"patients have been followed, each divided by the window. The DLT rate is estimated as follows: {how}. "
            f"Escalate one level when it is at most {low:.4f}, de-escalate one level when it is at least {high:.4f}, otherwise "
            f"stay. When y/n alone is at least {high:.4f}, de-escalate whatever is pending. Otherwise accrual is suspended "
            f"while more than {100 * self.suspend_above:g} % of the patients at the level are pending"
            + (
                f"; escalation also waits until {self.known_from} of them have a known outcome"
                if self.known_from
                else ""
            )
            + (
                f"; escalation also waits until each pending patient has been followed for {100 * self.followed_from:g} % of the window"
                if self.followed_from
                else ""
            )
            + "."
        )


def tite_boin(
    target: float, window: float, cohort_size: int = 3, cohorts: int = 10, *, estimator: str = "imputed",
    suspend_above: float = 0.5, known_from: int | None = None, followed_from: float = 0.0, p_saf: float | None = None, p_tox: float | None = None, start: int = 1,
    eliminate_above: float = 0.95, stop_above: float | None = None, enough: int | None = None,
) -> TITEBOIN:  # fmt: skip
    """TITE-BOIN, with either published estimator; see the module.

    Parameters
    ----------
    target : float
        Target DLT rate.
    window : float
        DLT window, in the unit of the follow-up times.
    cohort_size, cohorts : int
        Patients in a cohort, cohorts at most.
    estimator : {"imputed", "ess"}
        Yuan et al. 2018 (default) or Lin & Yuan 2020.
    suspend_above : float
        Share of pending patients at the level above which accrual waits.
    known_from : int, optional
        Known outcomes at the level that escalation needs while patients are pending; 0 for "imputed", 2 for "ess".
    followed_from : float
        Share of the window every pending patient must have been followed for before escalation.
    p_saf, p_tox, start, eliminate_above, stop_above, enough
        As for :func:`alphatwin.trials.boin`.

    Examples
    --------
    >>> design = tite_boin(0.25, window=6.0, estimator="ess")
    >>> six, one, two = (np.array([k]) for k in (6, 1, 2))
    >>> [int(design.decide_pending(six, one, two, np.array([s]), two, two, np.array([4]))[0][0]) for s in (1.0, 1.5)]
    [2, 3]
    """
    return TITEBOIN(
        target=target, window=window, cohort_size=cohort_size, cohorts=cohorts, estimator=estimator,
        suspend_above=suspend_above, known_from=(2 if estimator == "ess" else 0) if known_from is None else known_from,
        followed_from=followed_from, p_saf=p_saf, p_tox=p_tox, start=start, eliminate_above=eliminate_above,
        stop_above=stop_above, enough=enough,
    )  # fmt: skip


def tite_crm(
    skeleton: Sequence[float], target: float, window: float, cohort_size: int = 1, cohorts: int = 36, *,
    weights: str | Sequence[float] = "linear", prior_sd: float = PRIOR_SD, model: str = "empiric", intercept: float = 3.0,
    rates: str = "plug-in", coherence: str = "any", skip: bool = False, start: int = 1,
    stop_above: float | None = None, enough: int | None = None, selection: str = "tried",
) -> CRMDesign:  # fmt: skip
    """TITE-CRM (Cheung & Chappell 2000): the CRM with patients weighted by follow-up.

    Parameters
    ----------
    skeleton, target, prior_sd, model, intercept, rates
        See :func:`alphatwin.trials.crm`.
    window : float
        DLT window, in the unit of the follow-up times.
    cohort_size, cohorts : int
        Patients treated between fits, and how often.
    weights : {"linear", "adaptive"} or sequence of float
        Weight of a patient not yet fully followed; a sequence gives the share of the hazard in each cycle.
    coherence, skip, start, stop_above, enough, selection
        See :class:`alphatwin.trials.CRMDesign`.

    Examples
    --------
    >>> design = tite_crm([0.05, 0.12, 0.25, 0.40], 0.25, window=24.0, weights=[0.5, 0.2, 0.2, 0.1])
    >>> design.name, design.follows_pending, design.max_patients(4)
    ('TITE-CRM', True, 36)
    """
    return CRMDesign(
        skeleton=tuple(skeleton), target=target, window=window, cohort_size=cohort_size, cohorts=cohorts, late=True,
        weights=weights if isinstance(weights, str) else tuple(weights), prior_sd=prior_sd, model=model,
        intercept=intercept, rates=rates, coherence=coherence, skip=skip, start=start, stop_above=stop_above,
        enough=enough, selection=selection,
    )  # fmt: skip


# --- rolling six -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RollingSix(Design):
    """Rolling six: up to six patients at a level at once; the counts of treated, known and DLT decide for each new patient."""

    name = "rolling six"
    follows_pending = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cohort_size != 1:
            raise DomainError(f"cohort_size is {self.cohort_size}; rolling six decides for each patient.")

    def cohort_limit(self, levels: int) -> int:
        """Six patients at each level at most."""
        return 6 * levels

    def decide_counts(self, n: Ints, y: Ints, known: Ints, current: Ints, top: Ints, below: Ints) -> tuple[Ints, Ints]:
        """The rule on patients, DLTs and known outcomes at the current level, and patients at the level below ``top``.

        Parameters
        ----------
        n, y, known : int[trial]
            Patients at the current level, with a DLT, and with a known outcome.
        current, top : int[trial]
            Level given last; highest level still open.
        below : int[trial]
            Patients at the level just below the current one.
        """
        closed = y >= 2
        highest = np.where(closed, np.minimum(top, current - 1), top)
        clear = ((y == 0) & (((known == n) & (n >= 3)) | ((n >= 6) & (known >= 5)))) | (
            (y == 1) & (n >= 6) & (known >= 6)
        )
        full = n >= 6
        level = np.where(full, WAIT, current)
        at_top = current >= highest
        level = np.where(clear & ~at_top, current + 1, level)
        level = np.where(clear & at_top, np.where(full, STOP, current), level)
        down = np.where((highest == 0) | (below >= 6), STOP, highest)
        return np.where(closed, down, level), highest

    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """The rule with every outcome known."""
        n = states.at(states.n)
        return self.decide_counts(
            n, states.at(states.y), n, states.current, states.top, _below(states.n, states.current)
        )

    def decide_records_batch(self, records: Records) -> tuple[Ints, Ints]:
        """The rule in calendar time; patients lost without a DLT are not counted and are replaced."""
        lost = np.zeros_like(records.dlt) if records.gone is None else records.gone & ~records.dlt
        counted = (records.level > 0) & ~(lost & (records.follow_up < self.span))
        here = counted & (records.level == records.current[:, None])
        known = here & (records.dlt | (records.follow_up >= self.span))
        return self.decide_counts(
            here.sum(axis=1), (here & records.dlt).sum(axis=1), known.sum(axis=1), records.current, records.top,
            _below(records.count(counted), records.current),
        )  # fmt: skip

    def highest_open(self, n: Ints, y: Ints) -> Ints:
        """Highest level below the first with two DLTs."""
        return open_below(y >= 2)

    def select_batch(self, states: States) -> Ints:
        """The highest open level with at most one DLT."""
        number = np.arange(1, states.levels + 1)
        usable = (states.n > 0) & (states.y <= 1) & (number <= states.top[:, None])
        return np.asarray((usable * number).max(axis=1))

    def table(self) -> DecisionTable:
        """The rule with every outcome known, for three to six patients."""
        move, eliminate = np.zeros((7, 7), dtype=np.int64), np.zeros((7, 7), dtype=bool)
        move[3:, 0] = move[6, 1] = 1
        for n in range(2, 7):
            eliminate[n, 2 : n + 1] = True
        move[eliminate] = -1
        return table_from_actions("Rolling six", (2, 3, 4, 5, 6), move, eliminate, eliminate, self.protocol_text())

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English."""
        at_most = f" At most {6 * levels} patients are treated on {levels} levels." if levels else ""
        return (
            f"Dose finding follows the rolling six rule, starting at level {self.start}. Each new patient is treated at the "
            "current level while it has fewer than six, unless one of these holds. With two DLTs the level and those above are "
            "closed, and the next patients go to the level below until it has six; when it already has six the trial ends. With no "
            "DLT among at least three patients who all have a known outcome, or among five known of six, the next patient goes one "
            "level up. With one DLT the level is filled to six, and escalation needs all six known. When six are treated and none "
            "of this is reached, accrual waits. At the highest open level six patients are treated before the trial ends. "
            f"A patient lost before the end of the window{_of(self.window)} without a DLT is replaced.{at_most}\n\n"
            "The MTD is the highest level given that was not closed; there is none when level 1 is closed."
        )


def _of(window: float | None) -> str:
    """The length of a window in words, where one was set."""
    return "" if window is None else f" of {window:g}"


def _below(n: Ints, current: Ints) -> Ints:
    """Patients at the level below the current one; none below level 1."""
    padded = np.concatenate([np.zeros((n.shape[0], 1), dtype=n.dtype), n], axis=1)
    return np.asarray(np.take_along_axis(padded, (current - 1)[:, None], axis=1)[:, 0])


def rolling_six(window: float | None = None, *, start: int = 1) -> RollingSix:
    """The rolling six design (Skolnik, Barrett, Jayaraman, Patel & Adamson, J Clin Oncol 2008, 26:190).

    Parameters
    ----------
    window : float, optional
        DLT window, in the unit of the follow-up times; without it they are in windows.
    start : int
        Level of the first patient.

    Examples
    --------
    >>> rule = rolling_six(window=28.0)
    >>> rule.decide(n=[4, 0], y=[0, 0], current=1).level
    2
    """
    return RollingSix(cohort_size=1, cohorts=6, window=window, start=start)
