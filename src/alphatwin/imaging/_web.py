"""The DICOMweb side of a PACS, by dicomweb-client: QIDO, WADO, STOW; every wait and every size has a bound."""

from __future__ import annotations

import io
import logging
import pathlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ImageError
from ._transfer import MAX_OBJECT_BYTES, Inbox, Instance, Outgoing, PacsError, Passing, hushed
from .dicom import Header, guarded, needed

if TYPE_CHECKING:
    from .pacs import DicomWeb

MAX_ANSWER_BYTES = 2**26
MAX_ANSWERS = 100_000
PAGE = 1000
PATIENCE = 10  # times the timeout that one request may take in all
PASSING = (408, 425, 429, 500, 502, 503, 504)


THREAD = "alphatwin-pacs"


class _TooMuch(Exception):
    """An answer beyond the bound."""


class _Unheard(logging.Filter):
    """Drops what a thread that was left behind logs when its server hangs up at last: tracebacks with addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is another thread's."""
        return record.threadName != THREAD


UNHEARD = _Unheard()


def _bounded(limit: int, deadline: float) -> Callable[..., Any]:
    """What reads the body of an answer: up to a size, up to a moment, and to its end."""

    def read(response: Any, *_: Any, **__: Any) -> Any:
        body = bytearray()
        while part := response.raw.read1(2**18, decode_content=True):
            body += part
            if len(body) > limit:
                response.close()
                raise _TooMuch
            if time.monotonic() > deadline:
                response.close()
                raise Passing("The server sends its answer too slowly.")
        kind = response.headers.get("Content-Type", "").lower()
        if kind.startswith("multipart/") and not bytes(body[-64:]).rstrip().endswith(b"--"):
            raise Passing("The server's answer was cut short.")
        response._content, response._content_consumed = bytes(body), True
        return response

    return read


def _called(server: DicomWeb, action: Callable[[Any], Any], limit: int = MAX_ANSWER_BYTES) -> Any:
    """Call with a client, in a thread that is left behind when the server takes for ever; faults become our own words."""
    with needed(), hushed():
        from dicomweb_client.session_utils import create_session
        from dicomweb_client.web import DICOMwebClient

        secrets, patience_s = server.secrets(), PATIENCE * server.timeout_s
        session = create_session()
        session.trust_env = False  # neither proxies nor a .netrc nor another CA than the one named
        session.max_redirects = 0
        session.headers["Accept-Encoding"] = "identity"
        if secrets.user:
            session.auth = (secrets.user, secrets.password)
        if server.url.startswith("https:"):
            secrets.context()  # what is wrong with the files is said before the connection
            session.verify = secrets.ca or True
            if secrets.cert:
                session.cert = (secrets.cert, secrets.key) if secrets.key else secrets.cert
        session.hooks = {"response": [_bounded(limit, time.monotonic() + patience_s)]}
        client = DICOMwebClient(server.url, session=session, timeout=server.timeout_s)
        client.set_http_retry_params(retry=False)
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.append((action(client), None))
            except BaseException as error:
                outcome.append((None, error))

        logging.getLogger("retrying").addFilter(UNHEARD)  # the same one each time: added once
        worker = threading.Thread(target=work, daemon=True, name=THREAD)
        worker.start()
        worker.join(patience_s + 0.1)
        if not outcome:
            raise Passing(f"{server.place} does not answer within {patience_s:g} s.")
        session.close()
        value, error = outcome[0]
        if error is not None:
            raise _explained(server, error) from None
        return value


def _explained(server: DicomWeb, error: BaseException) -> BaseException:
    """A fault of the libraries as one of ours; their texts hold addresses and values, so that none is kept."""
    if isinstance(error, Passing | PacsError | ImageError | MemoryError | KeyboardInterrupt):
        return error
    if isinstance(error, _TooMuch):
        return PacsError(f"{server.place} sends more than is read of one answer.")
    names = {kind.__name__ for kind in type(error).__mro__}
    code = getattr(getattr(error, "response", None), "status_code", None)
    if "TooManyRedirects" in names:
        return PacsError(f"{server.place} points to another address, which is not followed: give that address.")
    if "SSLError" in names:
        told = str(error)
        why = "its certificate is not trusted" if "CERTIFICATE_VERIFY" in told.upper() else "TLS failed"
        return PacsError(f"{server.place}: {why}. Name its authority in ALPHATWIN_PACS_CA, or ask who runs it.")
    if code in (401, 403):
        return PacsError(
            f"{server.place} refuses these credentials (HTTP {code}): set ALPHATWIN_PACS_USER and ALPHATWIN_PACS_PASSWORD."
        )
    if code in PASSING:
        return Passing(f"{server.place} fails or is busy (HTTP {code}).")
    if code is not None:
        return PacsError(f"{server.place} answers HTTP {code}: is this the address of its DICOMweb service?")
    if names & {"InvalidURL", "InvalidSchema", "MissingSchema", "InvalidProxyURL"}:
        return PacsError(f"{server.place} is no address of a server.")
    if "InvalidJSONError" in names:  # a login page, or another service at that address
        return PacsError(
            f"{server.place} sent an answer that is no DICOMweb: is this the address of its DICOMweb service?"
        )
    if names & {"RequestException", "HTTPError", "OSError", "HTTPException"}:
        return Passing(f"{server.place} cannot be reached, or broke off.")
    return PacsError(f"{server.place} sent an answer that is no DICOMweb ({type(error).__name__}).")


def echo(server: DicomWeb) -> None:
    """The smallest query."""
    _called(server, lambda client: client.search_for_studies(limit=1))


def find(
    server: DicomWeb, level: str, filters: dict[str, str], fields: Sequence[str], study_uid: str = ""
) -> list[Header]:
    """QIDO of studies, series or instances, page by page."""
    found: list[Header] = []
    seen: set[str] = set()
    key = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
    while True:
        page = _page(server, level, filters, fields, study_uid, len(seen))
        fresh = [h for h in page if h.uid(key) not in seen]
        found += fresh
        seen |= {h.uid(key) for h in fresh}
        if len(found) > MAX_ANSWERS:
            raise PacsError(f"{server.place} answers without end; ask for less.")
        if len(page) < PAGE or not fresh:
            return found


def _page(
    server: DicomWeb, level: str, filters: dict[str, str], fields: Sequence[str], study_uid: str, offset: int
) -> list[Header]:
    from pydicom.dataset import Dataset

    def ask(client: Any) -> Any:
        more = {"limit": PAGE, "offset": offset, "fields": list(fields), "search_filters": filters}
        if level == "STUDY":
            return client.search_for_studies(**more)
        name = "search_for_series" if level == "SERIES" else "search_for_instances"
        return getattr(client, name)(study_instance_uid=study_uid or None, **more)

    rows = _called(server, ask)
    if not isinstance(rows, list) or len(rows) > MAX_ANSWERS:
        raise PacsError(f"{server.place} sent an answer that is no DICOMweb.")
    with guarded("An answer of the server"):
        return [Header(Dataset.from_json(row), "an answer of the server", pathlib.Path()) for row in rows]


def listed(server: DicomWeb, study_uid: str, retried: Callable[[Callable[[], Any]], Any]) -> list[Instance]:
    """All objects of a study."""
    fields = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    found = []
    for row in retried(lambda: find(server, "IMAGE", {}, fields, study_uid)):
        if (row.text("StudyInstanceUID") or study_uid) != study_uid:
            raise ImageError(f"{server.place} lists objects of another study than asked for.")
        found.append(
            Instance(row.uid("SOPInstanceUID"), row.uid("SeriesInstanceUID"), study_uid, row.text("SOPClassUID"))
        )
    return found


def get(server: DicomWeb, study_uid: str, inbox: Inbox) -> None:
    """WADO of each object that is missing, in the transfer syntax in which the server keeps it."""
    for wanted in inbox.missing:

        def ask(client: Any, wanted: Instance = wanted) -> Any:
            return client.retrieve_instance(study_uid, wanted.series_uid, wanted.uid)

        try:
            data = _called(server, ask, MAX_OBJECT_BYTES)
        except PacsError as error:
            if "HTTP 404" not in str(error):
                raise
            inbox.reasons[wanted.uid] = "the server lists it but has it not"
            continue
        with guarded("An object of the server"), io.BytesIO() as held:
            import pydicom

            pydicom.dcmwrite(held, data)
            content = held.getvalue()
        inbox.take(wanted.uid, content)
        if inbox.failure is not None:
            raise inbox.failure


def store(
    server: DicomWeb, files: Sequence[Outgoing], stored: Callable[[Outgoing], None], failed: dict[str, str]
) -> None:
    """STOW, object by object; `stored` is called for each that the server names as stored."""
    import pydicom

    for file in files:
        with guarded(file.path.name):
            data = pydicom.dcmread(file.path)
        try:
            answer = _called(server, lambda client, data=data: client.store_instances([data]))  # type: ignore[misc]
        except PacsError as error:
            if not any(f"HTTP {code}" in str(error) for code in (400, 409, 413, 415)):
                raise
            failed[file.instance.uid] = "the server refused it (" + str(error).split("answers ")[-1].split(":")[0] + ")"
            continue
        row = Header(answer, "the answer of the server", pathlib.Path())
        taken = {item.text("ReferencedSOPInstanceUID") for item in row.items("ReferencedSOPSequence")}
        if file.instance.uid in taken:
            stored(file)
        else:
            reasons = [item.whole("FailureReason") or 0 for item in row.items("FailedSOPSequence")]
            told = f"status {reasons[0]:#06x}" if reasons else "no reason given"
            failed[file.instance.uid] = f"the server refused it ({told})"
