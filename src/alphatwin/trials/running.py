"""A trial file from end to end: every design under every truth, durations, decision tables, texts; as one frozen value."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._operating import OperatingCharacteristics, operating_characteristics, virtual_trials
from .calendar import Calendar, VirtualTrials
from .designs import Design
from .late import TITEBOIN
from .protection_trial import ProtectionTrial
from .spec import TrialSpec
from .tables import DecisionTable, RuleTable
from .truth import Truth

__all__ = ["TrialResult", "patient_rows", "run_trial"]


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What `alphatwin trial` found.

    Parameters
    ----------
    spec : TrialSpec
    designs, truths : dict by name
    found : dict by (design, truth)
        Operating characteristics; exact ones carry the duration of a calendar simulation too, where a calendar was given.
    examples : dict by (design, truth)
        A few virtual trials, every patient in them.
    tables : dict by design
        Decision tables of the designs that have one; of TITE-BOIN the one with pending patients, up to four cohorts.
    protection : ProtectionTrial or None
    """

    spec: TrialSpec
    designs: dict[str, Design]
    truths: dict[str, Truth]
    found: dict[tuple[str, str], OperatingCharacteristics]
    examples: dict[tuple[str, str], VirtualTrials]
    tables: dict[str, DecisionTable | RuleTable]
    protection: ProtectionTrial | None
    protection_simulated: tuple[float, float] | None = None

    def texts(self) -> dict[str, str]:
        """The rule of each design in words, as a protocol needs it."""
        levels = max((t.doses for t in self.truths.values()), default=0)
        made = {
            name: f"{design.protocol_text(levels)}\n\n{_conduct(self.spec, design, self._windows(name))}"
            for name, design in self.designs.items()
        }
        if self.protection is not None and self.spec.protection is not None:
            made["protection"] = self.protection.protocol_text(self.spec.protection.power)
        return made

    def _windows(self, design: str) -> dict[str, float]:
        """Weeks within which a toxicity counted, by truth."""
        return {truth: oc.window_weeks for (name, truth), oc in self.found.items() if name == design}

    def estimands(self) -> list[dict[str, Any]]:
        """One row per truth, estimand and level: a tidy table."""
        return [
            {"truth": name, "estimand": e.name, "unit": e.unit, "level": d + 1, "label": label, "value": e.values[d],
             "definition": e.definition}
            for name, truth in self.truths.items() for e in truth.estimands() for d, label in enumerate(truth.labels)
        ]  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """One row per design, truth and level: a tidy table."""
        made = []
        for (design, truth), oc in self.found.items():
            how = "exact" if oc.exact else "simulated"
            head = {"design": design, "truth": truth, "how": how, "trials": oc.trials}
            made += [{**head, **row} for row in oc.rows()]
        return made

    def summary(self) -> list[dict[str, Any]]:
        """One row per design and truth: the numbers a reader compares."""
        made = []
        for (design, truth), oc in self.found.items():
            row: dict[str, Any] = {
                "design": design, "truth": truth, "how": "exact" if oc.exact else "simulated", "trials": oc.trials,
                "window_weeks": oc.window_weeks if math.isfinite(oc.window_weeks) else None, "target": oc.target,
                "true_mtd": oc.mtd, "correct": oc.correct, "overdose": oc.overdose, "none": float(oc.selection[0]),
                "mean_patients": oc.mean_total_patients, "mean_dlt": oc.mean_total_dlt,
                "overdosed_patients": oc.overdosed_patients, "mean_weeks": oc.mean_weeks, "mean_weeks_se": oc.mean_weeks_error,
            }  # fmt: skip
            for estimand in oc.truth.estimands():
                mean, error = oc.at_selected(estimand.name)
                row[f"{estimand.name}_at_selected"], row[f"{estimand.name}_at_selected_se"] = (
                    _known(mean),
                    _known(error),
                )
            made.append(row)
        return made


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _conduct(spec: TrialSpec, design: Design, windows: dict[str, float]) -> str:
    """Window, follow-up, losses and deaths in words: what the rule's own text leaves to the trial file."""
    lengths = {weeks for weeks in windows.values() if math.isfinite(weeks)}
    if design.window is None and len(lengths) != 1:
        window = "No DLT window was set; the design was judged with those of the truths: " + ", ".join(
            f"{weeks:g} weeks under {name}" for name, weeks in windows.items()
        )
        window += "."
    else:
        weeks = lengths.pop() if design.window is None else design.window
        window = (
            f"Times are in weeks. A toxicity is a DLT when it comes within {weeks:g} weeks of the first administration."
        )
    backfill = getattr(design, "backfill", None) is not None
    if design.follows_pending:
        waits = "Each cohort is decided when its first patient arrives."
        if design.name != "rolling six":
            waits += " A patient lost early stays in the data with the follow-up there was."
    else:
        waits = (
            "The next cohort is treated when every patient of the last one has been followed to the end of the window or has had "
            "a DLT. A patient lost before that without a DLT is not counted and is replaced."
            + (" Patients who arrive meanwhile are backfilled or turned away." if backfill else "")
        )
    if spec.calendar is None:
        return f"{window} {waits}"
    read = (
        f" What happens is known {spec.calendar.read_delay_weeks:g} week{'s' * (spec.calendar.read_delay_weeks != 1)} later."
        if spec.calendar.read_delay_weeks
        else ""
    )
    death = (
        " A patient who dies within the window without a DLT counts as followed to its end without one."
        if spec.calendar.death == "complete"
        else " A patient who dies within the window without a DLT counts as lost."
    )
    return f"{window} {waits}{read}{death}"


def run_trial(
    spec: TrialSpec, folder: str | pathlib.Path = ".", progress: Callable[[str], None] = lambda stage: None
) -> TrialResult:
    """Compute what a trial file asks for.

    Parameters
    ----------
    spec : TrialSpec
        From `load_trial`.
    folder : str or Path
        Where the file lies: tables of virtual patients are looked for there.
    progress : callable
        Told the name of each stage.

    Returns
    -------
    TrialResult
    """
    truths = {name: t.build(pathlib.Path(folder)) for name, t in spec.truths.items()}
    designs = {name: spec.design(name)[1] for name in spec.designs}
    calendar = None if spec.calendar is None else spec.calendar.build()
    s = spec.simulation
    found: dict[tuple[str, str], OperatingCharacteristics] = {}
    examples: dict[tuple[str, str], VirtualTrials] = {}
    for design_name, design in designs.items():
        for truth_name, truth in truths.items():
            progress(f"{design_name}, {truth_name}")
            key = (design_name, truth_name)
            found[key] = _found(design, truth, calendar, s.exact, s.trials, s.seed)
            if s.examples:
                examples[key] = virtual_trials(design, truth, s.examples, seed=s.seed, calendar=calendar or Calendar())
    tables: dict[str, DecisionTable | RuleTable] = {}
    for name, design in designs.items():
        if hasattr(design, "table") and not design.follows_pending:
            tables[name] = design.table(design.max_patients(max(t.doses for t in truths.values())))
        elif isinstance(
            design, TITEBOIN
        ):  # a row for every number of patients, DLTs and pending: four cohorts are enough to read
            tables[name] = design.pending_table(design.cohort_size * min(design.cohorts, 4))
    protection, simulated = None, None
    if spec.protection is not None:
        progress("protection trial")
        protection = spec.protection.build()
        n = protection.patients_per_arm(spec.protection.power)
        if n <= 2000:
            simulated = protection.simulated_power(n, min(s.trials, 4000), s.seed)
    return TrialResult(spec, designs, truths, found, examples, tables, protection, simulated)


def _found(
    design: Design, truth: Truth, calendar: Calendar | None, exact: bool, trials: int, seed: int
) -> OperatingCharacteristics:
    if exact and not design.follows_pending and getattr(design, "backfill", None) is None:
        first = operating_characteristics(design, truth, trials=trials, seed=seed)
        if calendar is None or not first.exact:
            return first
        timed = operating_characteristics(design, truth, False, trials=min(trials, 4000), seed=seed, calendar=calendar)
        return replace(first, mean_weeks=timed.mean_weeks, mean_weeks_error=timed.mean_weeks_error,
                       mean_weeks_suspended=timed.mean_weeks_suspended)  # fmt: skip
    return operating_characteristics(design, truth, exact, trials=trials, seed=seed, calendar=calendar)


def patient_rows(trials: VirtualTrials) -> list[dict[str, Any]]:
    """Virtual trials as tidy rows, one per patient, in the columns that `replay_rows` reads.

    `follow_up_weeks` is the time from enrolment to the DLT or to the end of what was seen within the window. PARAMCD, AVAL and CNSR repeat it
    as an analysis data set for time to event has it (ADTTE of CDISC ADaM: AVAL in weeks, CNSR 0 for an event).
    """
    made = []
    for t in range(len(trials.level)):
        for number, j in enumerate(np.flatnonzero(trials.level[t] > 0), start=1):
            dlt = bool(trials.dlt[t, j])
            row: dict[str, Any] = {
                "trial": trials.first_trial + t + 1, "patient": number, "level": int(trials.level[t, j]), "dlt": int(dlt),
                "follow_up_weeks": repr(float(trials.event_weeks[t, j])), "evaluable": int(trials.evaluable[t, j]),
            }  # fmt: skip
            if trials.enrolled_weeks is not None:
                row["enrolled_week"] = repr(float(trials.enrolled_weeks[t, j]))
            if trials.died is not None:
                row["died"] = int(trials.died[t, j])
            if trials.backfilled is not None:
                row["backfilled"] = int(trials.backfilled[t, j])
            if trials.stopped_weeks is not None:
                ended = float(trials.stopped_weeks[t])
                row["stopped_week"] = repr(ended) if math.isfinite(ended) else ""
            if trials.response is not None:
                row["response"] = int(trials.response[t, j])
            row["selected"] = int(trials.selected[t])
            row |= {"PARAMCD": "TTDLT", "AVAL": row["follow_up_weeks"], "CNSR": int(not dlt)}
            made.append(row)
    return made
