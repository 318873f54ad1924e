"""Measurements of many patients in the table that NONMEM, nlmixr2 and Monolix read: checked, expanded, written back.

One row is one event of one patient, in hours: a dose, a measured activity, or a reset. A missing value is a full stop.

==========  =====================================================================================================
column      meaning
==========  =====================================================================================================
ID          patient, a number; the rows of a patient stand together
TIME        h; ascending in a patient (it may go back at EVID 3 and 4)
DV          measured activity of the region ``DVID``, MBq
AMT         amount given, nmol: labelled on CMT 1, unlabelled on CMT 2
AMT_MBQ     activity given, MBq, at the hour ``REFTIME`` (by default at ``TIME``)
RATE, TINF  nmol/h, or duration of the infusion in h; one of the two
EVID        0 observation, 1 dose, 2 other, 3 reset, 4 reset and dose
MDV         1: there is no measurement in this row
CENS, LLOQ  1: the activity was below LLOQ (or, without LLOQ, below DV); such rows stay and inform the likelihood
ADDL, II    ADDL further doses, every II hours
OCC         occasion, for example the cycle
DECAYCORR   1: DV (and LLOQ) are decay-corrected to the time of the last dose; 0: as measured
==========  =====================================================================================================

Every other column is a covariate. DECAYCORR must be there, or its value be given: whether the numbers are decay-corrected
cannot be seen from them, and a wrong guess changes a time-integrated activity of 177Lu by a factor. Column meanings
follow the users guides of these programs (Beal, Sheiner et al., NONMEM Users Guides; Fidler et al., CPT Pharmacometrics
Syst Pharmacol 2019;8:621); AMT_MBQ, REFTIME and DECAYCORR are ours.
"""

from __future__ import annotations

import csv
import io
import math
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FitError, suggestion

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Dataset", "read_nonmem"]

COLUMNS = ("ID", "TIME", "DV", "AMT", "AMT_MBQ", "REFTIME", "RATE", "TINF", "EVID", "MDV", "CMT", "DVID", "CENS", "LLOQ",
           "II", "ADDL", "OCC", "DECAYCORR")  # fmt: skip
_NEEDED = ("ID", "TIME", "DV", "EVID")
_WHOLE = ("ID", "EVID", "MDV", "CMT", "DVID", "CENS", "ADDL", "OCC", "DECAYCORR")
_DEFAULTS = {"CMT": 1.0, "DVID": 1.0, "CENS": 0.0, "ADDL": 0.0, "OCC": 1.0}
_DOSES = (1, 4)
_RESETS = (3, 4)
MAX_BYTES = 200_000_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Events of many patients; checked at birth, every fault with its line.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per event, the columns of the module's table that were given, then covariates; missing values are NaN.
        A copy: it cannot be changed through the frame that was handed in.
    decay_corrected : bool, optional
        Said once for all rows; needed where there is no column DECAYCORR, refused where it contradicts one.
    name : str
        Stands in messages.

    Raises
    ------
    FitError
        A missing column, a time that goes back, an unknown EVID, an event that stands there twice, a dose without an
        amount, an observation without a value, a censored row without a limit, or no word on decay correction.

    Examples
    --------
    >>> text = '''ID,TIME,DV,AMT_MBQ,EVID,DVID,DECAYCORR
    ... 1,0,.,7400,1,.,0
    ... 1,24,150,.,0,1,0
    ... '''
    >>> data = read_nonmem(text)
    >>> data.patients, len(data)
    ((1,), 2)
    >>> data.csv() == text
    True
    """

    table: pd.DataFrame
    decay_corrected: bool | None = None
    name: str = "data"

    def __post_init__(self) -> None:
        table = self.table.copy().astype(float).reset_index(drop=True)
        object.__setattr__(self, "table", table)
        _check_columns(self.name, [str(c) for c in table.columns], self.decay_corrected)
        _check_events(self.name, _Rows(table, self.decay_corrected), self.decay_corrected)

    def __len__(self) -> int:
        return len(self.table)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return self.table.equals(other.table) and self.decay_corrected == other.decay_corrected

    @property
    def patients(self) -> tuple[int, ...]:
        """Identifiers, in the order of the table."""
        return tuple(dict.fromkeys(int(i) for i in self.table["ID"]))

    @property
    def regions(self) -> tuple[int, ...]:
        """DVID of every measurement there is."""
        rows = _Rows(self.table)
        return tuple(sorted({int(rows["DVID"][i]) for i in range(len(self)) if rows.measured(i)}))

    @property
    def covariates(self) -> tuple[str, ...]:
        """Columns that are no event columns."""
        return tuple(str(c) for c in self.table.columns if c not in COLUMNS)

    def column(self, name: str) -> np.ndarray:
        """One column [row], defaults filled in: CMT, DVID, OCC 1; CENS, ADDL 0; MDV by EVID; REFTIME the row's TIME."""
        return _Rows(self.table, self.decay_corrected)[name].copy()

    def expanded(self) -> Dataset:
        """Every dose on a row of its own: ADDL further doses, II hours apart, in the order of time.

        A stated REFTIME moves along with its dose (each dose has the same activity at its own reference time).

        Raises
        ------
        FitError
            An added dose would stand after a later reset of the patient, where its meaning is not defined.
        """
        import pandas as pd

        rows = _Rows(self.table)
        if not (rows["ADDL"] > 0).any():
            return self
        made: list[dict[str, float]] = []
        for _, group in self.table.groupby(_segments(rows), sort=False):
            own: list[dict[str, float]] = []
            for record in group.to_dict("records"):
                first = {str(k): float(v) for k, v in record.items()} | {"ADDL": 0.0, "II": math.nan}
                further = int(record["ADDL"]) if record["ADDL"] > 0 else 0
                own += [first, *(_later(first, k * record["II"]) for k in range(1, further + 1))]
            self._refuse_past_reset(own, int(group.index[-1]))
            made += sorted(own, key=lambda r: (r["TIME"], r["EVID"] not in _RESETS))  # stable; a reset comes first
        return Dataset(pd.DataFrame(made, columns=list(self.table.columns)), self.decay_corrected, self.name)

    def _refuse_past_reset(self, own: list[dict[str, float]], last: int) -> None:
        """No further dose later than a reset of the same patient on the same clock."""
        t, patient = self.table["TIME"], self.table["ID"]
        if last + 1 == len(t) or patient[last + 1] != patient[last] or t[last + 1] < t[last]:
            return
        if max(r["TIME"] for r in own) > t[last + 1]:
            raise FitError(
                f"{self.name}, line {last + 3}: a reset of patient {patient[last]:g} stands before a further dose (ADDL) of an "
                "earlier line; write out the doses that were given."
            )

    def csv(self) -> str:
        """The table as text: reading it back gives an equal dataset, to the last bit.

        Returns
        -------
        str
            Comma-separated, a full stop for what is missing; DECAYCORR is written where it was said once for all.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        said = self.decay_corrected is not None and "DECAYCORR" not in self.table
        writer.writerow([*self.table.columns, *(["DECAYCORR"] if said else [])])
        tail = [str(int(bool(self.decay_corrected)))] if said else []
        for row in self.table.to_numpy():
            writer.writerow([*(_text(v) for v in row), *tail])
        return out.getvalue()


def read_nonmem(source: str | pathlib.Path, *, decay_corrected: bool | None = None) -> Dataset:
    """Read a table of events.

    Parameters
    ----------
    source : str or Path
        A file, or the text of one (a string with a line break).
    decay_corrected : bool, optional
        Whether DV is decay-corrected to the last dose; needed where the file has no column DECAYCORR.

    Returns
    -------
    Dataset

    Raises
    ------
    FitError
        No such file, no table, a value that is no number (with its line and column), and all that `Dataset` refuses.

    Examples
    --------
    >>> read_nonmem("ID,TIME,DV,EVID,AMT_MBQ\\n1,0,.,1,7400\\n1,24,150,0,.\\n")
    Traceback (most recent call last):
    ...
    alphatwin.errors.FitError: data: nothing says whether DV is decay-corrected. Add a column DECAYCORR (0: as measured, \
1: corrected to the time of the last dose), or say decay_corrected: true or false.
    """
    import pandas as pd

    name, text = _text_of(source)
    lines = [r for r in csv.reader(io.StringIO(text)) if r and any(c.strip() for c in r) and not r[0].startswith("#")]
    if len(lines) < 2:
        raise FitError(
            f"{name}: {'an empty table' if not lines else 'a header and no rows'}; the first line names the columns, then one event a line."
        )
    header = [c.strip().upper().lstrip("\ufeff") for c in lines[0]]
    twice = [c for i, c in enumerate(header) if c in header[:i]]
    if twice or "" in header:
        raise FitError(
            f"{name}: {'the column ' + twice[0] + ' stands there twice' if twice else 'a column has no name'}."
        )
    values = np.full((len(lines) - 1, len(header)), math.nan)
    for i, cells in enumerate(lines[1:]):
        if len(cells) != len(header):
            raise FitError(f"{name}, line {i + 2}: {len(cells)} values for {len(header)} columns.")
        for j, cell in enumerate(cells):
            values[i, j] = _number(cell.strip(), f"{name}, line {i + 2}, {header[j]}")
    return Dataset(pd.DataFrame(values, columns=header), decay_corrected, name)


def _text_of(source: str | pathlib.Path) -> tuple[str, str]:
    if isinstance(source, str) and "\n" in source:
        return "data", source
    file = pathlib.Path(source)
    try:
        if not file.is_file():
            near = [p.name for p in file.parent.glob("*.csv")] if file.parent.is_dir() else []
            raise FitError(f"There is no file {file.name}. {suggestion(file.name, near)}".rstrip())
        if file.stat().st_size > MAX_BYTES:
            raise FitError(f"{file.name} has more than {MAX_BYTES / 1e6:g} MB. Is it the right file?")
        return file.name, file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FitError(f"{file.name} is not text in UTF-8 (byte {error.start}); a CSV file is wanted.") from None
    except OSError as error:
        if isinstance(error, FitError):
            raise
        raise FitError(f"{file.name} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def _later(dose: dict[str, float], hours: float) -> dict[str, float]:
    """The same dose later; its reference time moves along, and it resets nothing."""
    moved = {**dose, "TIME": dose["TIME"] + hours, "EVID": 1.0}
    if "REFTIME" in dose:
        moved["REFTIME"] = dose["REFTIME"] + hours
    return moved


def _number(cell: str, where: str) -> float:
    if cell in (".", ""):
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        hint = (
            " A missing value is written as a full stop."
            if cell.upper() in ("NA", "N/A", "NULL", "NONE", "-", "BLQ", "<LLOQ")
            else ""
        )
        raise FitError(f"{where}: {cell[:40]!r} is not a number.{hint}") from None
    if not math.isfinite(value):
        raise FitError(f"{where}: {cell!r} is not a finite number. A missing value is written as a full stop.")
    return value


def _text(value: float) -> str:
    if math.isnan(value):
        return "."
    return (
        str(int(value))
        if value == int(value) and abs(value) < 1e15 and not (value == 0 and math.copysign(1, value) < 0)
        else repr(float(value))
    )


class _Rows:
    """Columns with their defaults, and what a row is."""

    def __init__(self, table: pd.DataFrame, decay_corrected: bool | None = None) -> None:
        self._given = {str(c): table[c].to_numpy(dtype=float) for c in table.columns}
        self._n, self._corrected = len(table), decay_corrected
        self._made: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._made:
            self._made[name] = self._column(name)
        return self._made[name]

    def _column(self, name: str) -> np.ndarray:
        given = self._given.get(name, np.full(self._n, math.nan))
        if name in _DEFAULTS:
            return np.where(np.isnan(given), _DEFAULTS[name], given)
        if name == "MDV":
            return np.where(np.isnan(given), (self["EVID"] != 0).astype(float), given)
        if name == "REFTIME":
            return np.where(np.isnan(given), self["TIME"], given)
        if name == "DECAYCORR" and "DECAYCORR" not in self._given and self._corrected is not None:
            return np.full(self._n, float(self._corrected))
        if name not in self._given and name not in COLUMNS:
            raise FitError(f"There is no column {name!r}. {suggestion(name, self._given)}".rstrip())
        return given

    def measured(self, i: int) -> bool:
        return bool(self["EVID"][i] == 0 and self["MDV"][i] == 0)

    def dose(self, i: int) -> bool:
        return self["EVID"][i] in _DOSES

    def __len__(self) -> int:
        return self._n


def _segments(rows: _Rows) -> np.ndarray:
    """A number for each stretch of a patient between resets."""
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows["ID"][1:] != rows["ID"][:-1]) | np.isin(rows["EVID"][1:], _RESETS)
    return np.cumsum(new)


def _check_columns(name: str, columns: list[str], said: bool | None) -> None:
    for need in _NEEDED:
        if need not in columns:
            raise FitError(
                f"{name}: there is no column {need}. {suggestion(need, columns)}The table needs {', '.join(_NEEDED)}, and AMT or AMT_MBQ."
            )
    if not {"AMT", "AMT_MBQ"} & set(columns):
        raise FitError(
            f"{name}: there is no column AMT_MBQ (activity given, MBq) and none AMT (nmol). {suggestion('AMT_MBQ', columns)}".rstrip()
        )
    if {"RATE", "TINF"} <= set(columns):
        raise FitError(f"{name}: RATE and TINF say the same thing twice; keep one of them.")
    if "DECAYCORR" not in columns and said is None:
        hint = suggestion("DECAYCORR", columns)
        raise FitError(
            f"{name}: nothing says whether DV is decay-corrected. {hint}Add a column DECAYCORR (0: as measured, 1: corrected "
            "to the time of the last dose), or say decay_corrected: true or false."
        )


def _check_events(name: str, rows: _Rows, said: bool | None) -> None:
    finished: set[float] = set()
    for i, fault in enumerate(_faults(rows, said)):
        if fault:
            raise FitError(f"{name}, line {i + 2}: {fault}")
        if i and rows["ID"][i] != rows["ID"][i - 1]:
            finished.add(rows["ID"][i - 1])
        if rows["ID"][i] in finished:
            raise FitError(
                f"{name}, line {i + 2}: patient {rows['ID'][i]:g} has rows further up; the rows of a patient stand together."
            )
    _check_twice(name, rows)


def _faults(rows: _Rows, said: bool | None) -> Iterator[str]:
    for i in range(len(rows)):
        found = _fault_of_numbers(rows, i, said) or _fault_of_time(rows, i)
        if not found:
            found = _fault_of_dose(rows, i) if rows.dose(i) else _fault_of_observation(rows, i)
        yield found


def _fault_of_numbers(rows: _Rows, i: int, said: bool | None) -> str:
    for column in _WHOLE:
        value = rows[column][i]
        if column in ("ID", "EVID") and math.isnan(value):
            return f"{column} is missing."
        if not math.isnan(value) and (value != int(value) or value < 0):
            return f"{column} is {value:g}; it is a whole number, not below zero."
    evid = rows["EVID"][i]
    if evid not in (0, 1, 2, 3, 4):
        return f"EVID is {evid:g}; there is 0 (observation), 1 (dose), 2 (other), 3 (reset) and 4 (reset and dose)."
    for column in ("MDV", "CENS", "DECAYCORR"):
        if not math.isnan(rows[column][i]) and rows[column][i] not in (0, 1):
            return f"{column} is {rows[column][i]:g}; it is 0 or 1."
    flag = rows["DECAYCORR"][i]
    if said is not None and not math.isnan(flag) and flag != float(said):
        return f"DECAYCORR is {flag:g}, and decay_corrected={said} was said; leave one of the two out."
    return ""


def _fault_of_time(rows: _Rows, i: int) -> str:
    t = rows["TIME"]
    if math.isnan(t[i]) or (t[i] < 0):
        return f"TIME is {_text(t[i])}; hours, not below zero, are needed."
    same = i > 0 and rows["ID"][i] == rows["ID"][i - 1]
    if same and t[i] < t[i - 1] and rows["EVID"][i] not in _RESETS:
        return f"TIME goes back from {t[i - 1]:g} to {t[i]:g} h in patient {rows['ID'][i]:g}. Sort the rows of a patient by time, or mark a reset (EVID 3 or 4)."
    return ""


def _fault_of_dose(rows: _Rows, i: int) -> str:
    nmol, mbq = rows["AMT"][i], rows["AMT_MBQ"][i]
    given = {"AMT": nmol, "AMT_MBQ": mbq}
    if not any(v > 0 for v in given.values()):
        return "a dose without an amount: give AMT_MBQ (activity, MBq) or AMT (nmol), above zero."
    for column, value in given.items():
        if value < 0:
            return f"{column} is {value:g}; an amount is not negative."
    if rows["MDV"][i] == 0:
        return "MDV is 0 in a dose row; a dose holds no measurement."
    for column in ("RATE", "TINF"):
        value = rows[column][i]
        if value < 0:
            return f"{column} is {value:g}; a rate or duration that a model would estimate is not read here. Give a number above zero, or 0 for a bolus."
    if rows["RATE"][i] > 0 and not nmol > 0:
        return "RATE is in nmol/h and needs AMT in nmol; give TINF (h) instead."
    if rows["ADDL"][i] > 0 and not rows["II"][i] > 0:
        return f"ADDL is {rows['ADDL'][i]:g} and II is {_text(rows['II'][i])}; further doses need their interval II in hours."
    return ""


def _fault_of_observation(rows: _Rows, i: int) -> str:
    for column in ("AMT", "AMT_MBQ", "ADDL"):
        if rows[column][i] > 0:
            return f"{column} is {rows[column][i]:g} in a row with EVID {rows['EVID'][i]:g}; a dose has EVID 1 or 4."
    if not rows.measured(i):
        if rows["EVID"][i] != 0 and rows["MDV"][i] == 0:
            return f"MDV is 0 and EVID is {rows['EVID'][i]:g}; only an observation (EVID 0) has a measurement."
        return ""
    dv, limit = rows["DV"][i], rows["LLOQ"][i]
    if math.isnan(rows["DECAYCORR"][i]):
        return "DECAYCORR is missing; 0: as measured, 1: corrected to the time of the last dose."
    if rows["CENS"][i] == 1:
        at = limit if not math.isnan(limit) else dv
        if not at > 0:
            return "CENS is 1 without a limit: give LLOQ (or the limit as DV), above zero."
        if dv > at:
            return f"CENS is 1 and DV = {dv:g} lies above LLOQ = {limit:g}."
        return ""
    if math.isnan(dv):
        return "an observation without DV; give it, or mark the row MDV 1, or CENS 1 with LLOQ."
    if dv < 0:
        return f"DV is {dv:g} MBq; an activity is not negative. Below what can be measured, write CENS 1 with LLOQ."
    return ""


def _check_twice(name: str, rows: _Rows) -> None:
    seen: dict[tuple[float, ...], int] = {}
    segment = _segments(rows)
    for i in range(len(rows)):
        if not (rows.measured(i) or rows.dose(i)):
            continue
        key = (float(segment[i]), rows["TIME"][i], rows["CMT"][i], rows["DVID"][i] if rows.measured(i) else -1.0)
        if key in seen:
            what = (
                f"a measurement of region {rows['DVID'][i]:g}"
                if rows.measured(i)
                else f"a dose into compartment {rows['CMT'][i]:g}"
            )
            raise FitError(
                f"{name}, line {i + 2}: {what} of patient {rows['ID'][i]:g} at {rows['TIME'][i]:g} h stands in line {seen[key] + 2} already."
            )
        seen[key] = i


def dataset_of(columns: Mapping[str, Any], decay_corrected: bool | None = None, name: str = "data") -> Dataset:
    """A dataset from columns of equal length; None and NaN are missing."""
    import pandas as pd

    return Dataset(pd.DataFrame({k: np.asarray(v, dtype=float) for k, v in columns.items()}), decay_corrected, name)
