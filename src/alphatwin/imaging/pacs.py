"""Fetch from a PACS and store into it, by DIMSE (C-FIND, C-GET, C-MOVE, C-STORE) or DICOMweb (QIDO, WADO, STOW).

What must not be lost is written down first: a fetch keeps a manifest of what was expected and what arrived, a store keeps a
journal of what was confirmed, and the same call again does only what is left. Credentials, keys and authorities come from the
environment (ALPHATWIN_PACS_USER, _PASSWORD, _CA, _CERT, _KEY); certificates are always verified.
"""

from __future__ import annotations

import os
import pathlib
import re
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import DomainError, ImageError, OutputError
from . import _dimse, _files, _web
from ._transfer import (
    Inbox,
    IncompleteTransfer,
    Instance,
    Journal,
    Manifest,
    Outgoing,
    PacsError,
    Passing,
    Retry,
    Transfer,
    is_uid,
    outgoing,
    patiently,
)
from .dicom import Header, is_dicom

__all__ = [
    "DicomWeb",
    "Found",
    "IncompleteTransfer",
    "PacsError",
    "PacsServer",
    "Retry",
    "Transfer",
    "echo",
    "fetch",
    "find",
    "server_from",
    "store",
]

HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?"
MAX_FILES = 100_000


# --- servers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Secrets:
    """What the environment holds for the connection; it prints as nothing."""

    user: str
    password: str
    ca: str
    cert: str
    key: str

    def __repr__(self) -> str:
        return "Secrets(...)"

    @staticmethod
    def read() -> _Secrets:
        names = ("USER", "PASSWORD", "CA", "CERT", "KEY")
        found = _Secrets(*(os.environ.get(f"ALPHATWIN_PACS_{name}", "") for name in names))
        if found.password and not found.user:
            raise PacsError("ALPHATWIN_PACS_PASSWORD is set without ALPHATWIN_PACS_USER.")
        if found.key and not found.cert:
            raise PacsError("ALPHATWIN_PACS_KEY is set without its certificate, ALPHATWIN_PACS_CERT.")
        return found

    def context(self) -> ssl.SSLContext:
        """TLS towards a server: its certificate and its name are verified."""
        return self._loaded(ssl.Purpose.SERVER_AUTH)

    def receiving(self) -> ssl.SSLContext:
        """TLS of our own receiver of C-MOVE, which shows our certificate and asks for the server's."""
        if not self.cert:
            raise PacsError("C-MOVE over TLS needs a certificate of this machine: ALPHATWIN_PACS_CERT and _KEY.")
        made = self._loaded(ssl.Purpose.CLIENT_AUTH)
        made.verify_mode = ssl.CERT_REQUIRED
        return made

    def _loaded(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        try:
            made = ssl.create_default_context(purpose, cafile=self.ca or None)
        except (OSError, ValueError):
            raise PacsError("ALPHATWIN_PACS_CA names no file of certificates (PEM) that can be read.") from None
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert:
            try:
                made.load_cert_chain(self.cert, self.key or None, password=_no_passphrase)
            except (OSError, ValueError):
                raise PacsError(
                    "ALPHATWIN_PACS_CERT and ALPHATWIN_PACS_KEY name no matching certificate and key (PEM, key without a "
                    "passphrase) that can be read."
                ) from None
        return made


def _no_passphrase() -> str:
    """A key with a passphrase would stop at a prompt that nobody sees."""
    raise ValueError


def _limits(timeout_s: float) -> None:
    if not 0.1 <= timeout_s <= 3600:
        raise DomainError(f"timeout_s is {timeout_s:g}; allowed are 0.1 to 3600 s.")


def _title(text: str, what: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.:+/-](?:[A-Za-z0-9_.:+/ -]{0,14}[A-Za-z0-9_.:+/-])?", text):
        raise PacsError(f"{what} must have 1 to 16 letters, digits or _ - . : + /.")


@dataclass(frozen=True)
class PacsServer:
    """A PACS that speaks DIMSE.

    Parameters
    ----------
    host, port : str, int
        Where it listens.
    aet : str
        Its AE title.
    calling_aet : str
        Ours; most servers know their callers by it.
    tls : bool
        TLS, with the server's certificate verified (ALPHATWIN_PACS_CA, else the system's authorities). False is the
        plain protocol of most hospital networks: readable and changeable by whoever is on the way.
    receive_port : int, optional
        Port of this machine to which a server without C-GET sends (C-MOVE); it must know our title with this address.
    timeout_s : float
        For a connection, and for each answer, in s. A retrieval may be silent for ten times as long.
    retry : Retry
        How often and how fast to try again.

    Raises
    ------
    PacsError, DomainError
        An address, a title or a time that cannot be.

    Examples
    --------
    >>> PacsServer("127.0.0.1", 4242, "ORTHANC", tls=False).place
    'ORTHANC at 127.0.0.1:4242'
    """

    host: str
    port: int
    aet: str
    calling_aet: str = "ALPHATWIN"
    tls: bool = True
    receive_port: int | None = None
    timeout_s: float = 30.0
    retry: Retry = field(default_factory=Retry)

    def __post_init__(self) -> None:
        if not re.fullmatch(HOST, self.host):
            raise PacsError("The host of a PACS is a name or an IPv4 address, without user, password or path.")
        for port in (self.port, self.receive_port if self.receive_port is not None else self.port):
            if not 1 <= port <= 65535:
                raise PacsError(f"{port} is no port: 1 to 65535.")
        _title(self.aet, "The AE title of the server")
        _title(self.calling_aet, "Our AE title (calling)")
        _limits(self.timeout_s)

    @property
    def place(self) -> str:
        """How messages call it."""
        return f"{self.aet} at {self.host}:{self.port}"

    def secrets(self) -> _Secrets:
        """What the environment holds; credentials are refused where they would travel in the open."""
        found = _Secrets.read()
        if found.user and not self.tls and not _dimse.is_loopback(self.host):
            raise PacsError(
                f"{self.place} is spoken to without TLS, and ALPHATWIN_PACS_USER is set: a password would travel in the "
                "open. Use TLS (dicoms://), or unset it."
            )
        return found


@dataclass(frozen=True)
class DicomWeb:
    """A PACS that speaks DICOMweb.

    Parameters
    ----------
    url : str
        Root of the service, ``https://pacs.example/dicom-web``. Plain http with credentials is refused but for this machine.
    timeout_s : float
        For a connection and each read, in s; one request may take ten times as long.
    retry : Retry
        How often and how fast to try again.

    Raises
    ------
    PacsError, DomainError
        An address or a time that cannot be.

    Examples
    --------
    >>> DicomWeb("https://pacs.example/dicom-web").place
    'pacs.example'
    """

    url: str
    timeout_s: float = 30.0
    retry: Retry = field(default_factory=Retry)

    def __post_init__(self) -> None:
        if "@" in self.url:
            raise PacsError(
                "No credentials in an address: set ALPHATWIN_PACS_USER and ALPHATWIN_PACS_PASSWORD (and change the password, "
                "if it was just typed here)."
            )
        if not (match := re.fullmatch(rf"https?://({HOST})(?::(\d{{1,5}}))?(?:/[A-Za-z0-9_./~%-]*)?", self.url)):
            raise PacsError("The address of a DICOMweb service looks like https://pacs.example:8443/dicom-web.")
        if match[2] and not 1 <= int(match[2]) <= 65535:
            raise PacsError(f"{match[2]} is no port: 1 to 65535.")
        _limits(self.timeout_s)

    @property
    def place(self) -> str:
        """How messages call it."""
        return self.url.split("/")[2]

    def secrets(self) -> _Secrets:
        """What the environment holds; credentials are refused where they would travel in the open."""
        found = _Secrets.read()
        if found.user and self.url.startswith("http:") and not _dimse.is_loopback(self.place.split(":")[0]):
            raise PacsError(
                f"{self.place} is spoken to by plain http, and ALPHATWIN_PACS_USER is set: a password would travel in the "
                "open. Use https, or unset it."
            )
        return found


def server_from(
    address: str,
    *,
    calling_aet: str = "ALPHATWIN",
    receive_port: int | None = None,
    timeout_s: float = 30.0,
    retry: Retry | None = None,
) -> PacsServer | DicomWeb:
    """A server from one line: ``dicoms://AET@host:port`` (TLS), ``dicom://...`` (plain), ``https://host/dicom-web``.

    Raises
    ------
    PacsError
        The address is none of these.

    Examples
    --------
    >>> server_from("dicom://ORTHANC@127.0.0.1:4242").aet
    'ORTHANC'
    """
    retry = retry or Retry()
    if re.match("https?://", address):
        return DicomWeb(address, timeout_s, retry)
    if match := re.fullmatch(rf"(dicoms?)://([^@:/]{{1,16}})@({HOST}):(\d{{1,5}})/?", address):
        tls = match[1] == "dicoms"
        return PacsServer(match[3], int(match[4]), match[2], calling_aet, tls, receive_port, timeout_s, retry)
    raise PacsError(
        "The address of a server is dicoms://AET@host:port (DICOM with TLS), dicom://AET@host:port (plain) or "
        "https://host/path (DICOMweb)."
    )


# --- find ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """A study or a series on a server. Who the patient is stays out of its repr.

    Attributes
    ----------
    study_uid, series_uid : str
        ``series_uid`` is "" for a study.
    date : str
        YYYYMMDD, of the study.
    modalities : tuple of str
        What the server says.
    series, objects : int or None
        Their numbers, where the server tells them.
    patient_id, patient_name : str
        As the server sent them.
    """

    study_uid: str
    series_uid: str
    date: str
    modalities: tuple[str, ...]
    series: int | None
    objects: int | None
    patient_id: str = field(repr=False)
    patient_name: str = field(repr=False)


STUDY_KEYS = ("StudyInstanceUID", "StudyDate", "ModalitiesInStudy", "NumberOfStudyRelatedSeries",
              "NumberOfStudyRelatedInstances", "PatientID", "PatientName")  # fmt: skip
SERIES_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")


def echo(server: PacsServer | DicomWeb) -> None:
    """Whether the server answers us: C-ECHO, or the smallest query.

    Raises
    ------
    PacsError
        It does not, and why.
    """
    patiently(lambda: (_dimse if isinstance(server, PacsServer) else _web).echo(server), server.retry)


def find(
    server: PacsServer | DicomWeb,
    level: str = "study",
    *,
    patient_id: str | None = None,
    study_uid: str | None = None,
    date: str | None = None,
    modality: str | None = None,
) -> tuple[Found, ...]:
    """Studies of a patient or a time, or the series of one study.

    Parameters
    ----------
    server : PacsServer or DicomWeb
        Where.
    level : {"study", "series"}
        Series need ``study_uid``.
    patient_id : str, optional
        Exact; wildcards are refused.
    study_uid : str, optional
        One study.
    date : str, optional
        Of the study: ``2026-03-02``, ``20260302``, or a span ``20260301-20260310``.
    modality : str, optional
        CT, NM, PT ...

    Returns
    -------
    tuple of Found
        By date. What the server returns beside the question is left out.

    Raises
    ------
    PacsError
        The server cannot be reached or refuses; or the question is for everything.
    """
    if level not in ("study", "series"):
        raise PacsError(f"The level {level!r} is not known: study or series.")
    if level == "series" and not study_uid:
        raise PacsError("Series are listed for one study: give its Study Instance UID.")
    if not (patient_id or study_uid or date or modality):
        raise PacsError("A question without patient ID, study UID, date or modality asks for every patient: give one.")
    if study_uid and not is_uid(study_uid):
        raise PacsError("The Study Instance UID has digits and dots only, 64 characters at most.")
    if patient_id and (re.search(r"[*?\\]", patient_id) or len(patient_id) > 64):
        raise PacsError("The patient ID must be exact: no *, ? or backslash, 64 characters at most.")
    if modality and not re.fullmatch(r"[A-Z]{2,16}", modality := modality.upper()):
        raise PacsError("A modality is two or more letters: CT, NM, PT ...")
    first, last = _span(date)
    studies = _studies(server, patient_id, study_uid, (first, last), modality if level == "study" else None)
    if level == "study":
        return tuple(sorted(studies, key=lambda s: (s.date, s.study_uid)))
    found = [s for study in studies for s in _series(server, study) if not modality or modality in s.modalities]
    return tuple(sorted(found, key=lambda s: s.series_uid))


def _span(date: str | None) -> tuple[str, str]:
    if not date:
        return "", ""
    ends = [re.sub("-", "", part) for part in re.split(r"(?<=\d{8})-|(?<=-\d\d-\d\d)-", date, maxsplit=1)]
    for end in ends:
        try:
            time.strptime(end if len(end) == 8 else "", "%Y%m%d")
        except ValueError:
            raise PacsError("A date is 2026-03-02 or 20260302, a span 20260301-20260310.") from None
    if ends[0] > ends[-1]:
        raise PacsError("The span of dates ends before it begins.")
    return ends[0], ends[-1]


def _studies(
    server: PacsServer | DicomWeb,
    patient_id: str | None,
    study_uid: str | None,
    span: tuple[str, str],
    modality: str | None,
) -> list[Found]:
    when = "" if not span[0] else (span[0] if span[0] == span[1] else f"{span[0]}-{span[1]}")
    asked = {"PatientID": patient_id, "StudyInstanceUID": study_uid, "StudyDate": when, "ModalitiesInStudy": modality}
    found = [_study(row) for row in _rows(server, "STUDY", {k: v for k, v in asked.items() if v}, STUDY_KEYS)]
    return [
        s
        for s in found
        if (not patient_id or s.patient_id == patient_id)
        and (not study_uid or s.study_uid == study_uid)
        and (not when or span[0] <= s.date <= span[1])
        and (not modality or not s.modalities or modality in s.modalities)
    ]


def _rows(
    server: PacsServer | DicomWeb, level: str, asked: dict[str, str], keys: Sequence[str], study_uid: str = ""
) -> list[Header]:
    if isinstance(server, PacsServer):
        query: dict[str, Any] = dict.fromkeys(keys, "") | asked | ({"StudyInstanceUID": study_uid} if study_uid else {})
        query = {k: (None if k.startswith("Number") else v) for k, v in query.items()}
        return patiently(lambda: _dimse.find(server, level, query), server.retry)
    return patiently(lambda: _web.find(server, level, asked, keys, study_uid), server.retry)


def _study(row: Header) -> Found:
    date = row.text("StudyDate")
    return Found(
        row.uid("StudyInstanceUID"),
        "",
        date if re.fullmatch("[0-9]{8}", date) else "",
        row.texts("ModalitiesInStudy"),
        row.whole("NumberOfStudyRelatedSeries"),
        row.whole("NumberOfStudyRelatedInstances"),
        row.text("PatientID"),
        row.text("PatientName"),
    )


def _series(server: PacsServer | DicomWeb, study: Found) -> list[Found]:
    found = []
    for row in _rows(server, "SERIES", {}, SERIES_KEYS, study.study_uid):
        if (row.text("StudyInstanceUID") or study.study_uid) != study.study_uid:
            continue
        number = row.whole("NumberOfSeriesRelatedInstances")
        kinds = row.texts("Modality")
        who = study.patient_id, study.patient_name
        found.append(Found(study.study_uid, row.uid("SeriesInstanceUID"), study.date, kinds, None, number, *who))
    return found


# --- fetch -----------------------------------------------------------------------------------------------------------


def _nothing(done: int, total: int) -> None:
    """Where nobody follows the progress."""


def _listed(server: PacsServer | DicomWeb, study_uid: str) -> list[Instance]:
    def retried(action: Callable[[], Any]) -> Any:
        return patiently(action, server.retry)

    if isinstance(server, PacsServer):
        found = _dimse.listed(server, study_uid, retried)
    else:
        found = _web.listed(server, study_uid, retried)
    return sorted({i.uid: i for i in found}.values())


def fetch(
    server: PacsServer | DicomWeb,
    study_uid: str,
    folder: str | pathlib.Path,
    *,
    progress: Callable[[int, int], None] = _nothing,
) -> Transfer:
    """Fetch a study into ``folder/<study UID>/<series UID>/<SOP UID>.dcm``, with a manifest of what was expected and came.

    The server lists the study first; each object is compared with that list, with its study and with its patient, written
    whole under a name made of UIDs, or turned away. Called again, only what is missing is asked for.

    Parameters
    ----------
    server : PacsServer or DicomWeb
        By DIMSE C-GET is used, and C-MOVE where the server has no C-GET.
    study_uid : str
        Study Instance UID.
    folder : path
        Made if it is not there.
    progress : callable
        Called with the number of objects here and expected.

    Returns
    -------
    Transfer
        Complete.

    Raises
    ------
    IncompleteTransfer
        Some objects did not arrive; what did is kept, and the same call resumes.
    PacsError, OutputError
        The server has no such study, cannot be reached or refuses; the disk refuses.
    """
    if not is_uid(study_uid):
        raise PacsError("The Study Instance UID has digits and dots only, 64 characters at most.")
    place = pathlib.Path(folder) / study_uid
    manifest = Manifest(place, study_uid)
    studies = find(server, study_uid=study_uid)
    if not studies and not manifest.before:
        raise PacsError(f"{server.place} has no study of this UID. `alphatwin pacs find` lists what it has.")
    people = sorted({s.patient_id for s in studies if s.patient_id})
    if len(people) > 1:
        raise PacsError(
            f"{server.place} has this study UID for {len(people)} patients: have that put right there first."
        )
    wanted = _listed(server, study_uid) if studies else []
    gone = sorted(set(manifest.before) - {w.uid for w in wanted})
    everything = [*wanted, *(manifest.before[uid] for uid in gone)]
    who = people[0] if people else ""
    try:
        _files.folder_for(place)
    except OSError as error:
        raise OutputError(f"{place} could not be made: {_files.reason(error)}.") from None
    had = manifest.on_disk(everything, who)
    manifest.write(everything, had, gone)
    inbox = Inbox(
        place, [w for w in wanted if w.uid not in had], who, lambda n: progress(len(had) + n, len(everything))
    )
    progress(len(had), len(everything))
    try:
        why = _retrieved(server, study_uid, inbox, {w.series_uid for w in wanted if w.uid in had})
    finally:
        came = had | inbox.came
        manifest.write(everything, came, gone)
    missing = tuple(w.uid for w in everything if w.uid not in came)
    reasons = inbox.reasons | {uid: "the server no longer lists it" for uid in gone if uid not in came}
    done = Transfer(tuple(w.uid for w in everything), tuple(inbox.came), missing, reasons, dict(inbox.refused), place)
    told = sum(s.objects or 0 for s in studies)
    if missing:
        raise IncompleteTransfer(
            f"{len(missing)} of {len(everything)} objects did not arrive. {why}What came is kept, {place / 'manifest.json'} "
            "says what is missing, and the same command fetches the rest.",
            done,
        )
    if told > len(wanted):
        raise IncompleteTransfer(
            f"All {len(wanted)} objects that {server.place} lists are here, but it speaks of {told}: some may be still on "
            "their way to it. Fetch again later.",
            done,
        )
    return done


def _retrieved(server: PacsServer | DicomWeb, study_uid: str, inbox: Inbox, begun: set[str]) -> str:
    """Ask until all is here, or no try brings anything more; why it ended."""
    failed, why, gets = 0, "", True
    while inbox.missing:
        before = len(inbox.came)
        whole = {w.series_uid for w in inbox.missing} - begun - {inbox.wanted[uid].series_uid for uid in inbox.came}
        try:
            if isinstance(server, DicomWeb):
                _web.get(server, study_uid, inbox)
            elif gets:
                gets = _dimse.get(server, study_uid, inbox, whole)
            if isinstance(server, PacsServer) and not gets:
                _dimse.move(server, study_uid, inbox, whole)
            why = ""
        except Passing as error:
            why = f"{error} "
        except PacsError as error:
            if inbox.failure is not None:
                raise inbox.failure from None
            return f"{error} "
        if inbox.failure is not None:
            raise inbox.failure
        if not inbox.missing:
            return ""
        failed = 1 if len(inbox.came) > before else failed + 1
        if failed >= server.retry.attempts or (not why and set(inbox.reasons) >= {w.uid for w in inbox.missing}):
            return why
        time.sleep(server.retry.wait_s(failed))
    return ""


# --- store -----------------------------------------------------------------------------------------------------------


def _found_files(paths: Iterable[str | pathlib.Path]) -> list[pathlib.Path]:
    """The DICOM files among paths and inside folders, in order."""
    found: list[pathlib.Path] = []
    for given in map(pathlib.Path, paths):
        if given.is_dir():
            inside = sorted(p for p in given.rglob("*") if p.is_file() and not p.name.startswith("."))
            found += [p for p in inside if p.name != "DICOMDIR" and is_dicom(p)]
        elif given.is_file():
            found.append(given)
        else:
            raise ImageError(f"There is no file or folder {given.name}.")
        if len(found) > MAX_FILES:
            raise ImageError(f"More than {MAX_FILES} files: store them in parts.")
    if not found:
        raise ImageError("No DICOM file to store was found there.")
    return found


def _read_all(paths: Iterable[str | pathlib.Path]) -> list[Outgoing]:
    """What the files hold; the same object twice is sent once, two contents under one UID are an error."""
    held: dict[str, Outgoing] = {}
    for path in _found_files(paths):
        made = outgoing(path, path.name)
        other = held.setdefault(made.instance.uid, made)
        if other.sha256 != made.sha256:
            raise ImageError(
                f"Two files hold different objects under one UID ({made.instance.uid}): a server would keep one of them. "
                "Store the one that is right."
            )
    return sorted(held.values(), key=lambda f: (f.instance.study_uid, f.instance.series_uid, f.instance.uid))


def _there(server: PacsServer | DicomWeb, files: Sequence[Outgoing]) -> set[str]:
    """Which of the objects the server lists now."""
    found: set[str] = set()
    for study in sorted({f.instance.study_uid for f in files}):
        found |= {i.uid for i in _listed(server, study)}
    return found


def store(
    server: PacsServer | DicomWeb,
    paths: Iterable[str | pathlib.Path],
    journal: str | pathlib.Path,
    *,
    progress: Callable[[int, int], None] = _nothing,
) -> Transfer:
    """Store files, or all DICOM files of folders, and verify by a query that the server has them.

    An object counts as stored when the server confirmed it, which goes into the journal at once, *and* lists it afterwards.
    Called again with the same journal, only objects are sent that it does not hold with this content, or that are not listed.

    Parameters
    ----------
    server : PacsServer or DicomWeb
        C-STORE or STOW.
    paths : iterable of path
        Files and folders; each is checked before the first is sent.
    journal : path
        JSON lines; UIDs and hashes only.
    progress : callable
        Called with the number of objects confirmed and in all.

    Returns
    -------
    Transfer
        Complete.

    Raises
    ------
    IncompleteTransfer
        Some objects are not there; the same call resumes.
    ImageError, PacsError, OutputError
        A file that cannot be sent; a server that cannot be reached or refuses; a journal that cannot be kept.
    """
    files = _read_all(paths)
    kept = Journal(pathlib.Path(journal), server.url if isinstance(server, DicomWeb) else server.place)
    listed_now = _there(server, files)
    done = {f.instance.uid for f in files if kept.holds(f) and f.instance.uid in listed_now}
    begun = set(done)
    sent: dict[str, Outgoing] = {}
    failed: dict[str, str] = {}
    progress(len(done), len(files))

    def stored(file: Outgoing) -> None:
        kept.confirm(file)
        sent[file.instance.uid] = file
        progress(len(done) + len(sent), len(files))

    tries, why, final = 0, "", False
    while len(done) + len(failed) < len(files) and not final:
        before = len(done)
        left = [f for f in files if f.instance.uid not in done and f.instance.uid not in failed]
        why, final = _pushed(server, left, stored, failed)
        try:
            done |= _there(server, list(sent.values())) & set(sent)
            why = why or ("" if set(sent) <= done else "It does not list what it confirmed. ")
        except PacsError as error:
            why = f"{error} "
        sent.clear()  # what it does not list is sent again
        tries = 1 if len(done) > before else tries + 1
        if tries >= server.retry.attempts:
            break
        if len(done) + len(failed) < len(files) and not final:
            time.sleep(server.retry.wait_s(tries))
    missing = tuple(f.instance.uid for f in files if f.instance.uid not in done)
    result = Transfer(tuple(f.instance.uid for f in files), tuple(sorted(done - begun)), missing, failed)
    if missing:
        raise IncompleteTransfer(
            f"{len(missing)} of {len(files)} objects are not confirmed by {server.place}. {why}The journal "
            f"{pathlib.Path(journal).name} holds what is; the same command sends the rest.",
            result,
        )
    return result


def _pushed(
    server: PacsServer | DicomWeb, files: Sequence[Outgoing], stored: Callable[[Outgoing], None], failed: dict[str, str]
) -> tuple[str, bool]:
    """Send; why it ended early, or nothing, and whether another try is of no use."""
    try:
        if isinstance(server, DicomWeb):
            _web.store(server, files, stored, failed)
        else:
            _dimse.store(server, files, stored, failed)
    except Passing as error:
        return f"{error} ", False
    except PacsError as error:
        return f"{error} ", True
    return "", False
