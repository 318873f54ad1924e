"""What a transfer with a PACS keeps: how often to try, what was expected, what arrived, what was confirmed.

Nothing here speaks to a network. Objects are written whole or not at all, under names made of checked UIDs; records hold UIDs,
sizes and hashes, never a patient.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import re
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import AlphatwinError, DomainError, ImageError, OutputError
from . import _files
from .dicom import Header, opened

__all__ = [
    "Inbox",
    "IncompleteTransfer",
    "Instance",
    "Journal",
    "Manifest",
    "PacsError",
    "Passing",
    "Retry",
    "Transfer",
]

T = TypeVar("T")
MAX_OBJECT_BYTES = 2**30
MAX_REFUSED = 1000  # unasked objects after which a server is hung up on
MAX_RECORD_BYTES = 2**28
LOGGERS = ("pynetdicom", "pydicom", "dicomweb_client", "urllib3", "requests", "retrying")
OUT_OF_RESOURCES, MISMATCH, OK = 0xA700, 0xA900, 0x0000


class PacsError(AlphatwinError, OSError):
    """A server of images could not be reached, refused, or answered what cannot be used."""


class IncompleteTransfer(PacsError):
    """Some objects did not make it; `transfer` says which, the message how to resume."""

    def __init__(self, message: str, transfer: Transfer) -> None:
        super().__init__(message)
        self.transfer = transfer


class Passing(Exception):
    """A failure that the next try may not meet."""


@dataclass(frozen=True)
class Retry:
    """How often and how fast to try again after a failure that may pass.

    Parameters
    ----------
    attempts : int
        Tries in a row without any progress; 1 never tries again.
    first_s, cap_s : float
        The first wait, doubled after each failure up to the cap, in s.

    Examples
    --------
    >>> [Retry(first_s=0.5, cap_s=4).wait_s(k) for k in (1, 2, 3, 4, 5)]
    [0.5, 1.0, 2.0, 4.0, 4.0]
    """

    attempts: int = 5
    first_s: float = 0.5
    cap_s: float = 16.0

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 100 or not 0 <= self.first_s <= self.cap_s <= 3600:
            raise DomainError(
                f"Retry needs 1 to 100 attempts and waits 0 <= first_s <= cap_s <= 3600 s, not {self.attempts}, "
                f"{self.first_s:g} s and {self.cap_s:g} s."
            )

    def wait_s(self, failed: int) -> float:
        """Seconds to wait after the ``failed``-th failure in a row."""
        return min(float(self.cap_s), self.first_s * 2.0 ** (failed - 1))


def patiently(action: Callable[[], T], retry: Retry) -> T:
    """Call until it succeeds, waiting longer after each passing failure.

    Raises
    ------
    PacsError
        All attempts failed.
    """
    failed = 0
    while True:
        try:
            return action()
        except Passing as error:
            failed += 1
            if failed >= retry.attempts:
                tries = f" Tried {failed} times." if failed > 1 else ""
                raise PacsError(f"{error}{tries} Check that it runs and that the way to it is open.") from None
        time.sleep(retry.wait_s(failed))


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep the libraries below quiet: their logs and warnings print values of patients."""
    logs = [logging.getLogger(name) for name in LOGGERS]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def is_uid(text: str) -> bool:
    """Whether a text is a UID: digits and dots, 64 characters at most; safe as the name of a file."""
    return len(text) <= 64 and re.fullmatch(r"[0-9]+(\.[0-9]+)*", text) is not None


@dataclass(frozen=True, order=True)
class Instance:
    """One object on a server or on disk, by its identifiers; ``sop_class`` is "" where a server does not tell it."""

    uid: str
    series_uid: str
    study_uid: str
    sop_class: str = ""

    def __post_init__(self) -> None:
        for value in (self.uid, self.series_uid, self.study_uid, self.sop_class or "1"):
            if not is_uid(value):
                raise ImageError("The server lists an object whose UID is none (digits and dots, 64 at most).")

    @property
    def file(self) -> str:
        """Where it lies inside the folder of its study."""
        return f"{self.series_uid}/{self.uid}.dcm"


@dataclass(frozen=True)
class Transfer:
    """What became of a transfer.

    Attributes
    ----------
    expected : tuple of str
        SOP Instance UIDs of all objects that belong to it.
    moved : tuple of str
        Those that this call moved.
    missing : tuple of str
        Those that are still not where they should be.
    reasons : mapping
        UID to a reason, where one is known.
    refused : mapping
        Why objects of the server were turned away, with their number.
    folder : path or None
        Where fetched objects are.
    """

    expected: tuple[str, ...]
    moved: tuple[str, ...]
    missing: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    folder: pathlib.Path | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


# --- fetching --------------------------------------------------------------------------------------------------------


def checked(path: pathlib.Path, wanted: Instance, patient_id: str) -> None:
    """Compare a file with the object it should be.

    Raises
    ------
    ImageError
        It is another object, another patient's, or cut short. The message holds no value of the file.
    """
    header = opened(path, pixel_data=True, label="an object")
    if header.uid("SOPInstanceUID") != wanted.uid or header.uid("SeriesInstanceUID") != wanted.series_uid:
        raise ImageError("another object than asked for")
    if header.uid("StudyInstanceUID") != wanted.study_uid:
        raise ImageError("of another study")
    if wanted.sop_class and header.uid("SOPClassUID") != wanted.sop_class:
        raise ImageError("of another kind than listed")
    if patient_id and header.text("PatientID") not in ("", patient_id):  # a de-identified object has none
        raise ImageError("of another patient")
    if not _whole(header):
        raise ImageError("cut short")


def _whole(header: Header) -> bool:
    """Whether each element holds as many bytes as it claims; the library below reads a shorter one without a word."""
    for tag in list(header.data.keys()):  # its items would be decoded
        element = header.data.get_item(tag)
        length = getattr(element, "length", None)
        if length is not None and length != 0xFFFFFFFF and len(getattr(element, "value", None) or b"") != length:
            return False
    return True


class Inbox:
    """Where objects from a server arrive: what was asked for is written whole, all else is turned away and counted."""

    def __init__(
        self,
        folder: pathlib.Path,
        wanted: Iterable[Instance],
        patient_id: str,
        arrived: Callable[[int], None],
    ) -> None:
        self.folder = folder
        self.wanted = {w.uid: w for w in wanted}
        self.came: dict[str, tuple[int, str]] = {}
        self.refused: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self.failure: BaseException | None = None
        self._patient_id, self._arrived, self._lock = patient_id, arrived, threading.Lock()

    @property
    def missing(self) -> list[Instance]:
        """What has not come yet, by series."""
        return sorted((w for w in self.wanted.values() if w.uid not in self.came), key=lambda w: (w.series_uid, w.uid))

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken: the disk refused, or the server sent too much that nobody asked for."""
        return self.failure is not None or self.refused.total() > MAX_REFUSED

    def take(self, uid: str, content: bytes) -> int:
        """One object under the UID that it is said to have; the status for the server."""
        with self._lock:
            wanted = self.wanted.get(uid)
            if wanted is None or self.closed:
                self.refused["not asked for"] += 1
                return MISMATCH
            if uid in self.came:
                return OK
            try:
                return self._written(wanted, content)
            except (OutputError, KeyboardInterrupt) as error:
                self.failure = error
                return OUT_OF_RESOURCES

    def _written(self, wanted: Instance, content: bytes) -> int:
        def write(path: pathlib.Path) -> None:
            with path.open("wb") as file:
                file.write(content)
            checked(path, wanted, self._patient_id)

        try:
            target = self.folder / wanted.file
            _files.folder_for(target.parent)
            _files.whole_file(target, write)
        except ImageError as error:
            reason = str(error) if len(str(error)) < 40 else "damaged"
            self.refused[reason] += 1
            self.reasons[wanted.uid] = f"what came was {reason}"
            return MISMATCH
        except OSError as error:
            raise error if isinstance(error, OutputError) else OutputError(_files.reason(error)) from None
        self.came[wanted.uid] = (len(content), hashlib.sha256(content).hexdigest())
        self.reasons.pop(wanted.uid, None)
        try:
            self._arrived(len(self.came))
        except BaseException as error:  # the caller's own code, perhaps in a thread of the library
            self.failure = error
        return OK


class Manifest:
    """``manifest.json`` of a fetched study: what was expected, what arrived with size and hash."""

    def __init__(self, folder: pathlib.Path, study_uid: str) -> None:
        self.path, self.study_uid = folder / "manifest.json", study_uid
        self.before: dict[str, Instance] = {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        told = f"{self.path} is no manifest of this study. Move the folder away, or fetch into another one."
        try:
            if self.path.stat().st_size > MAX_RECORD_BYTES:
                raise PacsError(told)
            held = json.loads(self.path.read_text(encoding="utf-8"))
            if held["study"] != self.study_uid:
                raise PacsError(told)
            listed = [Instance(o["uid"], o["series"], held["study"], o["class"]) for o in held["objects"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise PacsError(told) from None
        self.before = {i.uid: i for i in listed}

    def on_disk(self, wanted: Iterable[Instance], patient_id: str) -> dict[str, tuple[int, str]]:
        """Objects that an earlier fetch left, each read again and compared with what it should be."""
        found = {}
        for instance in wanted:
            path = self.path.parent / instance.file
            if path.is_file():
                with contextlib.suppress(ImageError):  # a broken one is fetched again, in its place
                    checked(path, instance, patient_id)
                    found[instance.uid] = (path.stat().st_size, _sha256(path))
        return found

    def write(
        self, wanted: Iterable[Instance], came: Mapping[str, tuple[int, str]], absent: Iterable[str] = ()
    ) -> None:
        """Put the present state on disk, whole."""
        gone, rows = set(absent), []
        for i in sorted(wanted):
            row: dict[str, Any] = {"uid": i.uid, "series": i.series_uid, "class": i.sop_class, "file": i.file}
            if i.uid in came:
                row |= {"state": "arrived", "bytes": came[i.uid][0], "sha256": came[i.uid][1]}
            else:
                row |= {"state": "no longer listed by the server" if i.uid in gone else "missing"}
            rows.append(row)
        arrived = sum(r["state"] == "arrived" for r in rows)
        whole = {"study": self.study_uid, "expected": len(rows), "arrived": arrived, "complete": arrived == len(rows)}
        text = json.dumps(whole | {"objects": rows}, indent=1)
        _files.whole_file(self.path, lambda path: _files.text_file(path, text))


# --- storing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outgoing:
    """A file to send and the object in it."""

    path: pathlib.Path
    instance: Instance
    syntax: str
    sha256: str


def _sha256(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def outgoing(path: pathlib.Path, label: str) -> Outgoing:
    """Read what a file holds, for sending.

    Raises
    ------
    ImageError
        No DICOM file, damaged, cut short, or without its UIDs.
    """
    header = opened(path, pixel_data=True, label=label)
    if not _whole(header):
        raise ImageError(f"{header.name} is cut short: copy or export it again.")
    made = Instance(
        header.uid("SOPInstanceUID"),
        header.uid("SeriesInstanceUID"),
        header.uid("StudyInstanceUID"),
        header.uid("SOPClassUID"),
    )
    syntax = str(header.data.file_meta.get("TransferSyntaxUID", ""))
    if not is_uid(syntax):
        raise ImageError(f"{header.name} does not say its transfer syntax.")
    return Outgoing(path, made, syntax, _sha256(path))


class Journal:
    """JSON lines of what a server confirmed; appended and flushed to disk one by one, so that a crash loses none.

    A line holds the server (hashed), the SOP Instance UID and the SHA-256 of the file. A last line that was cut by a crash is
    ignored.
    """

    def __init__(self, path: pathlib.Path, server: str) -> None:
        self.path = path
        self._server = hashlib.sha256(server.encode()).hexdigest()[:16]
        self.confirmed: dict[str, str] = {}
        self._torn = False
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise OutputError(f"The journal {path.name} needs a folder that is there, and a name of its own.")
        try:
            if path.exists():
                self._read()
            self._append("")  # before the work: a place that cannot be written to
        except OSError as error:
            if isinstance(error, AlphatwinError):
                raise
            raise OutputError(f"The journal {path.name} cannot be used: {_files.reason(error)}.") from None

    def _read(self) -> None:
        if self.path.stat().st_size > MAX_RECORD_BYTES:
            raise OutputError(f"{self.path.name} is too large for a journal.")
        text = self.path.read_text(encoding="utf-8", errors="replace")
        lines = text.split("\n")
        self._torn = bool(lines[-1])
        for number, line in enumerate(lines[:-1], 1):
            if not line:
                continue
            try:
                row = json.loads(line)
                server, uid, sha256 = row["server"], row["uid"], row["sha256"]
            except (ValueError, KeyError, TypeError):
                if number > 1:
                    continue  # torn by a crash, then continued
                raise OutputError(f"{self.path.name} is no journal of a store: its line 1 is not one.") from None
            if server == self._server:
                self.confirmed[uid] = sha256

    def _append(self, line: str) -> None:
        text = ("\n" if self._torn else "") + (line + "\n" if line else "")
        number = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if text:
                os.write(number, text.encode())
                os.fsync(number)
                self._torn = False
        finally:
            os.close(number)

    def confirm(self, sent: Outgoing) -> None:
        """The server has it: write that down."""
        row = {"server": self._server, "uid": sent.instance.uid, "sha256": sent.sha256}
        try:
            self._append(json.dumps(row))
        except OSError as error:
            raise OutputError(f"The journal {self.path.name} cannot be written: {_files.reason(error)}.") from None
        self.confirmed[sent.instance.uid] = sent.sha256

    def holds(self, file: Outgoing) -> bool:
        """Whether the server confirmed this very content."""
        return self.confirmed.get(file.instance.uid) == file.sha256
