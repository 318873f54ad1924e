"""A mechanistic truth: virtual patients, activities and schedules -> organ doses -> toxicity and response, arm by arm.

The patients are a plain table, one row each: body mass and absorbed-dose coefficients of kidney, tumour and marrow. An arm is an
activity (fixed, per kilogram, or what the patient's own kidney dosimetry allows) with a cap, a number of cycles and an
interval. The arms take the place of dose levels, so a design may climb them or compare them.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..biology.complication import Logistic, Lyman, ntcp
from ..errors import CaseError, DomainError, suggestion
from .designs import Floats, Ints
from .truth import WEEKS_PER_MONTH, Estimand, Outcomes, Role

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Arm", "MechanisticTruth", "PatientTable"]

COLUMNS = ("weight_kg", "kidney_Gy_per_MBq", "tumour_Gy_per_MBq", "marrow_Gy_per_MBq")
_NEEDED = ("weight_kg", "kidney_Gy_per_MBq")
MAX_PATIENTS = 200_000


@dataclass(frozen=True, eq=False)
class PatientTable:
    """Virtual patients, one entry each.

    Parameters
    ----------
    weight_kg : array [patient]
        Body mass.
    kidney_Gy_per_MBq : array [patient]
        Absorbed dose to the kidneys per administered activity, in the quantity the toxicity model is stated in (say, in the
        note, whether it is RBE-weighted).
    tumour_Gy_per_MBq, marrow_Gy_per_MBq : array [patient], optional
        The same for tumour and red marrow.

    Examples
    --------
    >>> table = PatientTable.of({"weight_kg": [70.0, 90.0], "kidney_Gy_per_MBq": [0.5, 0.7]})
    >>> len(table)
    2
    """

    weight_kg: Floats
    kidney_Gy_per_MBq: Floats
    tumour_Gy_per_MBq: Floats | None = None
    marrow_Gy_per_MBq: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.weight_kg)
        if not 1 <= n <= MAX_PATIENTS:
            raise DomainError(f"The table has {n} patients; 1 to {MAX_PATIENTS} are read.")
        for name in COLUMNS:
            column = getattr(self, name)
            if column is None:
                continue
            values = np.asarray(column, dtype=float)
            if values.shape != (n,):
                raise DomainError(f"{name} has {values.shape} values; one per patient ({n}) is expected.")
            bad = np.flatnonzero(~(np.isfinite(values) & (values > 0.0)))
            if len(bad):
                raise DomainError(f"Patient {bad[0] + 1}: {name} is {values[bad[0]]}; it must be above zero.")
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.weight_kg)

    @classmethod
    def of(cls, table: Mapping[str, Any] | pd.DataFrame) -> PatientTable:
        """From a data frame, or a mapping of columns; other columns are left aside.

        Raises
        ------
        CaseError
            A column is missing.
        """
        names = [str(c) for c in table]
        for need in _NEEDED:
            if need not in names:
                told = f"The table of patients has no column {need}. {suggestion(need, names)}"
                raise CaseError(f"{told}It needs {', '.join(_NEEDED)}; it may have {', '.join(COLUMNS[2:])}.")
        try:
            columns = {c: np.array(table[c], dtype=float) for c in COLUMNS if c in names}
        except (TypeError, ValueError) as error:
            raise CaseError(f"The table of patients holds a value that is no number: {error}.") from None
        return cls(**columns)

    @classmethod
    def read(cls, path: str | pathlib.Path) -> PatientTable:
        """From a CSV file with a header.

        Raises
        ------
        CaseError
            No such file, no CSV, or a column is missing.
        """
        import pandas as pd

        file = pathlib.Path(path)
        try:
            frame = pd.read_csv(file, nrows=MAX_PATIENTS + 1)
        except FileNotFoundError:
            raise CaseError(f"There is no table of patients {file.name}.") from None
        except (OSError, ValueError) as error:
            raise CaseError(f"{file.name} cannot be read as CSV: {str(error).splitlines()[0]}") from None
        return cls.of(frame)


@dataclass(frozen=True)
class Arm:
    """How much is given, how often: one arm or dose level.

    Parameters
    ----------
    label : str
    basis : {"fixed", "per_kg", "dosimetry"}
        `fixed`: the same MBq for all. `per_kg`: MBq/kg of body mass. `dosimetry`: the course may bring the kidneys to
        `kidney_limit_Gy`, see below; what the patient may have is divided evenly over the cycles.
    activity : float
        MBq or MBq/kg per cycle; the most per cycle with `dosimetry` (infinite: no other limit).
    cycles : int
    interval_weeks : float
    cap_MBq : float
        Per cycle, whatever the basis says.
    kidney_limit_Gy, exceed, coefficient_cv : float
        The patient's true kidney coefficient is lognormal about the estimate c with this coefficient of variation; the
        activity is the largest with P(kidney dose > limit | dosimetry) <= exceed: A = limit / (c n) exp(-z s),
        s^2 = ln(1 + cv^2), z = Phi^-1(1 - exceed). With another basis a finite limit stops the cycles that would break it.

    Examples
    --------
    >>> Arm("120 kBq/kg", "per_kg", 0.12, cycles=4).course(PatientTable.of({"weight_kg": [85.0], "kidney_Gy_per_MBq": [0.5]}))
    (array([10.2]), array([4]))
    """

    label: str
    basis: Literal["fixed", "per_kg", "dosimetry"]
    activity: float
    cycles: int = 4
    interval_weeks: float = 8.0
    cap_MBq: float = float("inf")
    kidney_limit_Gy: float = float("inf")
    exceed: float = 0.1
    coefficient_cv: float = 0.0

    def __post_init__(self) -> None:
        if self.basis not in ("fixed", "per_kg", "dosimetry"):
            raise DomainError(f"basis is {self.basis!r}; it may be fixed, per_kg or dosimetry.")
        for name in ("activity", "cap_MBq", "kidney_limit_Gy", "interval_weeks"):
            if not getattr(self, name) > 0.0:
                raise DomainError(f"{self.label}: {name} is {getattr(self, name)!r}; it must be above zero.")
        if self.basis != "dosimetry" and not np.isfinite(self.activity):
            raise DomainError(f"{self.label}: activity must be finite.")
        if self.basis == "dosimetry" and not np.isfinite(self.kidney_limit_Gy):
            raise DomainError(f"{self.label}: basis dosimetry needs kidney_limit_Gy, the dose the kidneys may have.")
        if int(self.cycles) != self.cycles or not 1 <= self.cycles <= 50:
            raise DomainError(f"{self.label}: cycles is {self.cycles!r}; a whole number from 1 to 50 is expected.")
        if not 0.0 < self.exceed < 1.0 or not 0.0 <= self.coefficient_cv < 10.0:
            raise DomainError(f"{self.label}: exceed must lie between 0 and 1, and coefficient_cv must be 0 or more.")

    def allowed_MBq(self, table: PatientTable) -> Floats:
        """Largest cumulative activity [patient] with P(kidney dose > limit | dosimetry) <= exceed."""
        from scipy.special import ndtri

        spread = np.sqrt(np.log1p(self.coefficient_cv**2))
        return np.asarray(self.kidney_limit_Gy / table.kidney_Gy_per_MBq * np.exp(-ndtri(1.0 - self.exceed) * spread))

    def course(self, table: PatientTable) -> tuple[Floats, Ints]:
        """Activity per cycle in MBq and number of planned cycles, [patient]."""
        n = np.full(len(table), self.cycles, dtype=np.int64)
        allowed = self.allowed_MBq(table)
        if self.basis == "dosimetry":
            return np.minimum(np.minimum(allowed / self.cycles, self.activity), self.cap_MBq), n
        per_cycle = self.activity * (table.weight_kg if self.basis == "per_kg" else np.ones(len(table)))
        per_cycle = np.minimum(per_cycle, self.cap_MBq)
        if np.isfinite(self.kidney_limit_Gy):  # the first cycle is always given
            n = np.clip(np.floor(allowed / per_cycle + 1e-9), 1, self.cycles).astype(np.int64)
        return per_cycle, n


@dataclass(frozen=True, eq=False)
class MechanisticTruth:
    """Toxicity and response of virtual patients in each arm.

    *Acute*: P(DLT in a cycle) = NTCP(marrow dose of the cycle), or `acute_per_cycle` where the table has no marrow. *Late*: renal
    toxicity of grade 3 or more by 24 months after the last administration with the probability NTCP(kidney dose of the cycles
    received), Weibull in time. *Response*: a dose-response of the cumulative tumour dose. A DLT ends treatment. A trial draws its patients from
    the table with equal chance, so P at an arm is the mean over the table. No competing events.

    Parameters
    ----------
    patients : PatientTable
    arms : tuple of Arm
    kidney : Lyman or Logistic
        Of the cumulative kidney dose, in the quantity of the table.
    marrow : Lyman or Logistic, optional
        Of the marrow dose of one cycle.
    tumour : Lyman or Logistic, optional
        P(response) of the cumulative tumour dose.
    acute_per_cycle : float
        Where there is no marrow model.
    late_shape : float
        Weibull shape of the late part.
    window_weeks : float
        DLT window; default 6.
    note : str
        Where the models come from.

    Examples
    --------
    >>> table = PatientTable.of({"weight_kg": [60.0, 100.0], "kidney_Gy_per_MBq": [0.5, 0.5]})
    >>> arms = (Arm("fixed", "fixed", 10.0), Arm("per kg", "per_kg", 0.125))
    >>> truth = MechanisticTruth(table, arms, Logistic(40.0, 1.5), acute_per_cycle=0.03)
    >>> [round(p, 3) for p in truth.estimands()[1].values]
    [0.008, 0.016]
    """

    patients: PatientTable
    arms: tuple[Arm, ...]
    kidney: Lyman | Logistic
    marrow: Lyman | Logistic | None = None
    tumour: Lyman | Logistic | None = None
    acute_per_cycle: float = 0.0
    late_shape: float = 2.0
    window_weeks: float = 6.0
    note: str = "[assumed] dose-response models of the virtual patients"

    def __post_init__(self) -> None:
        object.__setattr__(self, "arms", tuple(self.arms))
        if not self.arms:
            raise DomainError("A mechanistic truth needs at least one arm.")
        if self.marrow is not None and self.patients.marrow_Gy_per_MBq is None:
            raise DomainError("A marrow model was given, but the table has no column marrow_Gy_per_MBq.")
        if self.tumour is not None and self.patients.tumour_Gy_per_MBq is None:
            raise DomainError("A tumour model was given, but the table has no column tumour_Gy_per_MBq.")
        if not 0.0 <= self.acute_per_cycle < 1.0 or not self.late_shape > 0.0 or not self.window_weeks > 0.0:
            raise DomainError("acute_per_cycle lies from 0 to below 1; late_shape and window_weeks lie above 0.")

    @property
    def doses(self) -> int:
        """Number of arms."""
        return len(self.arms)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the arms."""
        return tuple(a.label for a in self.arms)

    @property
    def response(self) -> tuple[float, ...] | None:
        """Mean P(response) per arm, at the planned course."""
        if self.tumour is None:
            return None
        return tuple(float(self._responses(d).mean()) for d in range(self.doses))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is assumed."""
        return (
            self.note,
            f"{len(self.patients)} virtual patients; kidney {self.kidney}; marrow {self.marrow}; tumour {self.tumour}; "
            f"acute {self.acute_per_cycle:g} per cycle",
            "late toxicity counts from the last administration; a DLT ends treatment; no competing events",
        )

    def _responses(self, d: int) -> Floats:
        activity, n = self.arms[d].course(self.patients)
        assert self.tumour is not None
        return ntcp(self.tumour, activity * n * np.asarray(self.patients.tumour_Gy_per_MBq))

    def _acute(self, d: int) -> Floats:
        if self.marrow is None:
            return np.full(len(self.patients), self.acute_per_cycle)
        activity, _ = self.arms[d].course(self.patients)
        return ntcp(self.marrow, activity * np.asarray(self.patients.marrow_Gy_per_MBq))

    def _late(self, d: int, cycles: Any) -> Floats:
        """P(late by 24 months) [patient] after this many cycles."""
        activity, _ = self.arms[d].course(self.patients)
        return ntcp(self.kidney, activity * cycles * self.patients.kidney_Gy_per_MBq)

    def _late_by(self, weeks: float, chance: Floats) -> Floats:
        share = (max(weeks, 0.0) / (24.0 * WEEKS_PER_MONTH)) ** self.late_shape
        return np.asarray(-np.expm1(np.log1p(-np.minimum(chance, 1.0 - 1e-15)) * share))

    def _by(self, weeks: float, d: int, *, late_only: bool) -> float:
        arm = self.arms[d]
        _, planned = arm.course(self.patients)
        acute = self._acute(d)
        reached, total = np.ones(len(self.patients)), np.zeros(len(self.patients))
        for k in range(arm.cycles):
            left = weeks - k * arm.interval_weeks
            if left <= 0.0:
                break
            late = self._late_by(left, self._late(d, k + 1))
            last = planned == k + 1
            seen = acute * min(left / arm.interval_weeks, 1.0)
            if late_only:
                part = np.where(last, late, acute * late)
            else:
                share = min(left / arm.interval_weeks, 1.0)
                part = np.where(last, 1.0 - (1.0 - seen) * (1.0 - late), acute * (1.0 - (1.0 - share) * (1.0 - late)))
            total += np.where(k < planned, reached * part, 0.0)
            reached *= 1.0 - acute
        return float(total.mean())

    def toxicity_by(self, weeks: float) -> Floats:
        """Mean P(toxicity by `weeks`) [arm]; the window at infinity."""
        horizon = weeks if np.isfinite(weeks) else self.window_weeks
        return np.array([self._by(horizon, d, late_only=False) for d in range(self.doses)])

    def drawn(self, uniforms: Floats) -> Outcomes:
        """Potential outcomes: each patient is one row of the table, the same in every arm."""
        who = np.minimum((uniforms[..., Role.PATIENT] * len(self.patients)).astype(np.int64), len(self.patients) - 1)
        shape = (*uniforms.shape[:-1], self.doses)
        toxicity, late, cycles = np.empty(shape), np.empty(shape), np.empty(shape, dtype=np.int64)
        response = np.empty(shape, dtype=bool) if self.tumour is not None else None
        for d, arm in enumerate(self.arms):
            planned = arm.course(self.patients)[1][who]
            chance = self._acute(d)[who]
            with np.errstate(divide="ignore", invalid="ignore"):  # P(no DLT in k cycles) = (1 - a)^k, linear within one
                survived = np.log1p(-uniforms[..., Role.TOXICITY]) / np.log1p(-chance)
                whole = np.where(chance > 0.0, np.floor(survived), np.inf)
                begun = 1.0 - (1.0 - chance) ** whole
                inside = (uniforms[..., Role.TOXICITY] - begun) / (chance * (1.0 - begun))
                dlt = np.where(whole < planned, (whole + inside) * arm.interval_weeks, np.inf)
            given = np.where(whole < planned, np.minimum(whole, planned) + 1, planned).astype(np.int64)
            activity = arm.course(self.patients)[0][who]
            p = ntcp(self.kidney, activity * given * self.patients.kidney_Gy_per_MBq[who])
            with np.errstate(divide="ignore"):
                ratio = np.log(uniforms[..., Role.LATE]) / np.log1p(-np.minimum(p, 1.0 - 1e-15))
            after = ratio ** (1.0 / self.late_shape) * 24.0 * WEEKS_PER_MONTH
            late[..., d] = (given - 1) * arm.interval_weeks + after
            toxicity[..., d], cycles[..., d] = np.minimum(dlt, late[..., d]), given
            if response is not None:
                response[..., d] = uniforms[..., Role.RESPONSE] < self._responses(d)[who]
        never = np.full(uniforms.shape[:-1], np.inf)
        return Outcomes(toxicity, response, never, never, late, cycles)

    def estimands(self) -> tuple[Estimand, ...]:
        """DLT in the window, renal toxicity by 24 months, mean kidney dose, mean activity, response."""
        two_years = 24.0 * WEEKS_PER_MONTH
        courses = [a.course(self.patients) for a in self.arms]
        planned = [activity * n for activity, n in courses]

        def each(values: Sequence[float] | Floats) -> tuple[float, ...]:
            return tuple(float(v) for v in values)

        made = [
            Estimand("dlt_in_window", f"P(toxicity within {self.window_weeks:g} weeks)", "1", each(self.toxicity_by(self.window_weeks))),
            Estimand("renal_grade3_24_months", "P(renal toxicity of grade 3 or more by 24 months)", "1",
                     each([self._by(two_years, d, late_only=True) for d in range(self.doses)])),
            Estimand("toxicity_24_months", "P(acute or late toxicity by 24 months)", "1", each(self.toxicity_by(two_years))),
            Estimand("kidney_dose", "mean kidney dose of the planned course, as the table states it", "Gy",
                     each([(p * self.patients.kidney_Gy_per_MBq).mean() for p in planned])),
            Estimand("cumulative_activity", "mean activity of the planned course", "MBq", each([p.mean() for p in planned])),
        ]  # fmt: skip
        if self.tumour is not None:
            made.append(Estimand("response", "mean P(response)", "1", self.response or ()))
        return tuple(made)
