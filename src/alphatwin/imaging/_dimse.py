"""The DIMSE side of a PACS, by pynetdicom: echo, find, get, move, store; every wait and every size has a bound."""

from __future__ import annotations

import contextlib
import ipaddress
import pathlib
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ImageError
from ._transfer import MAX_OBJECT_BYTES, MISMATCH, Inbox, Instance, Outgoing, PacsError, Passing, hushed
from .dicom import Header, guarded, needed

if TYPE_CHECKING:
    from .pacs import PacsServer

MAX_PDU_BYTES = 2**17  # what we announce; a longer one breaks the negotiation
MAX_ANSWERS = 100_000
NO_DELAY = (6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY, on
QUICK_RECEIPT = (6, 12, 1)  # TCP_QUICKACK, on until the system turns it off again; Linux only
MAX_CONTEXTS = 128
BATCH = 100  # objects named in one request
PATIENCE = 10  # times the timeout, without an object, before a retrieval is given up
NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
COMPRESSED = tuple(
    "1.2.840.10008.1.2." + end
    for end in ("4.90", "4.70", "4.80", "5", "4.91", "4.57", "4.81", "4.50", "4.51", "4.201", "4.202", "4.203")
)
USUAL = tuple(  # of a study of nuclear medicine and radiotherapy, where a server does not tell the classes
    "1.2.840.10008.5.1.4.1.1." + end
    for end in ("2", "2.1", "4", "4.1", "7", "11.1", "20", "30", "66", "66.1", "66.2", "66.4", "67", "88.11", "88.22",
                "88.33", "88.34", "88.67", "88.68", "88.59", "104.1", "128", "130", "481.1", "481.2", "481.3", "481.5")
)  # fmt: skip
SUCCESS, PENDING, BUSY = 0x0000, (0xFF00, 0xFF01), range(0xA700, 0xA800)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


class _Ends:
    """How connections ended, for a message in words, and the bounds put on each of them."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s, self.tls, self.opened, self.notes = timeout_s, "", False, ""

    def bound(self, event: Any) -> None:
        """Give a new connection a timeout on every read and write, and a limit to each message.

        pynetdicom reads a message of any announced length, and waits for its end for ever.
        """
        self.opened = True
        transport = event.assoc.dul.socket
        connection, timeout_s = transport.socket, self.timeout_s
        connection.settimeout(timeout_s)
        connection.setsockopt(*NO_DELAY)  # else each small message waits 40 ms for the last one's receipt
        held = [0]

        def recv(count: int) -> bytearray:
            if count > MAX_PDU_BYTES + 1024:
                self.notes = f"announced a message of {count} bytes where at most {MAX_PDU_BYTES} were agreed on"
                raise ConnectionError(self.notes)
            held[0] += count
            if held[0] > MAX_OBJECT_BYTES:
                self.notes = f"sent an object of more than {MAX_OBJECT_BYTES // 2**20} MiB"
                raise ConnectionError(self.notes)
            got, until = bytearray(), time.monotonic() + timeout_s
            while len(got) < count:
                if sys.platform == "linux":  # a server that waits for our receipt would wait 40 ms for each object
                    connection.setsockopt(*QUICK_RECEIPT)
                part = connection.recv(min(count - len(got), 2**16))
                if not part:
                    break
                got += part
                if time.monotonic() > until:
                    self.notes = "sent its answer more slowly than the timeout allows"
                    raise ConnectionError(self.notes)
            return got

        transport.recv = recv
        event.assoc._alphatwin_held = held

    def received(self, event: Any) -> None:
        """A whole message came: the count of its bytes starts again."""
        event.assoc._alphatwin_held[0] = 0

    def context(self, made: ssl.SSLContext) -> ssl.SSLContext:
        """A TLS context whose handshakes end in time, and say why they failed."""
        ends = self

        class Noting(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                self.settimeout(ends.timeout_s)
                try:
                    super().do_handshake(block)
                except ssl.SSLCertVerificationError as error:
                    ends.tls = f"its certificate is not trusted ({error.verify_message})"
                    raise
                except (ssl.SSLError, TimeoutError) as error:
                    ends.tls = f"TLS failed ({getattr(error, 'reason', None) or 'no answer'})"
                    raise

        made.sslsocket_class = Noting
        return made


def _entity(server: PacsServer) -> Any:
    from pynetdicom import AE

    entity = AE(ae_title=server.calling_aet)
    entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = server.timeout_s
    entity.network_timeout = server.timeout_s
    entity.maximum_pdu_size = MAX_PDU_BYTES
    return entity


@contextlib.contextmanager
def _associated(
    server: PacsServer,
    contexts: Sequence[Any],
    *,
    roles: Sequence[Any] = (),
    handlers: Sequence[Any] = (),
    patience_s: float | None = None,
) -> Iterator[Any]:
    """An association that ends in every case: released, or aborted after a fault."""
    with needed(), hushed():
        from pynetdicom import evt
        from pynetdicom.pdu_primitives import UserIdentityNegotiation

        entity, ends, secrets = _entity(server), _Ends(server.timeout_s), server.secrets()
        if patience_s is not None:
            entity.dimse_timeout = entity.network_timeout = patience_s
        extra = list(roles)
        if secrets.user:
            who = UserIdentityNegotiation()
            who.user_identity_type, who.primary_field = 2, secrets.user.encode()
            who.secondary_field, who.positive_response_requested = secrets.password.encode(), False
            extra.append(who)
        bound = [(evt.EVT_CONN_OPEN, ends.bound), (evt.EVT_DIMSE_RECV, ends.received), *handlers]
        link = None
        try:
            link = entity.associate(
                server.host,
                server.port,
                list(contexts),
                ae_title=server.aet,
                max_pdu=MAX_PDU_BYTES,
                ext_neg=extra,
                tls_args=(ends.context(secrets.context()), server.host) if server.tls else None,
                evt_handlers=bound,
            )
            if not link.is_established:
                raise _refusal(server, link, ends)
            try:
                yield link
            except Passing:
                if ends.notes:
                    raise PacsError(f"{server.place} {ends.notes}: it was hung up on.") from None
                raise
            if link.is_established:
                link.release()
        except KeyboardInterrupt:
            _hung_up(entity)
            raise
        finally:
            if link is not None and not (link.is_released or link.is_aborted):
                with contextlib.suppress(Exception):
                    link.abort(block=False)


def _hung_up(entity: Any) -> None:
    """End the threads of an association that was interrupted: the program could not end while one of them waits."""
    from pynetdicom.dul import DULServiceProvider

    for thread in threading.enumerate():
        if isinstance(thread, DULServiceProvider) and thread.assoc.ae is entity:
            thread.kill_dul()
            with contextlib.suppress(Exception):
                thread.socket.socket.close()


def _refusal(server: PacsServer, link: Any, ends: _Ends) -> Exception:
    """Why there is no association."""
    if link.is_rejected:
        answer = link.acceptor.primitive
        if getattr(answer, "result", 1) == 2:
            return Passing(f"{server.place} is busy.")
        return PacsError(
            f"{server.place} refuses the connection: it may not know the calling AE title {server.calling_aet}, or not "
            f"answer to {server.aet}. Have the title entered there with this machine's address."
        )
    if ends.tls:
        if "handshake" in ends.tls.lower() or "no answer" in ends.tls:
            return PacsError(f"{server.place}: {ends.tls}. Is it a TLS port (dicoms://)?")
        return PacsError(f"{server.place}: {ends.tls}. Name its authority in ALPHATWIN_PACS_CA, or ask who runs it.")
    if ends.notes:
        return PacsError(f"{server.place} {ends.notes}: it was hung up on.")
    if not ends.opened:
        return Passing(f"{server.place} cannot be reached.")
    if link.rejected_contexts and not link.accepted_contexts:
        return PacsError(f"{server.place} does not offer the service that was asked for.")
    return Passing(f"{server.place} takes the connection and does not answer as a DICOM server should.")


def _status(answer: Any) -> int:
    """The status of an answer; a connection that broke has none."""
    with guarded("The status of an answer"):
        value = answer.get("Status") if answer is not None else None
    if value is None:
        raise Passing("The server stopped answering.")
    return int(value)


def echo(server: PacsServer) -> None:
    """C-ECHO."""
    with _associated(server, [_context("1.2.840.10008.1.1", NATIVE)]) as link:
        status = _status(link.send_c_echo())
    if status != SUCCESS:
        raise PacsError(f"{server.place} answers the echo with status {status:#06x}.")


def _context(abstract: str, syntaxes: Sequence[str]) -> Any:
    from pynetdicom import build_context

    return build_context(abstract, list(syntaxes))


def find(server: PacsServer, level: str, keys: dict[str, Any]) -> list[Header]:
    """C-FIND, study root."""
    with needed(), hushed():
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Model

        asked, found = _identifier(level, keys), []
        with _associated(server, [_context(Model, NATIVE)]) as link:
            for answer, row in link.send_c_find(asked, Model):
                status = _status(answer)
                if status in PENDING:
                    if row is None:
                        raise PacsError(f"{server.place} sent an answer that is no DICOM.")
                    found.append(Header(row, "an answer of the server", pathlib.Path()))
                    if len(found) > MAX_ANSWERS:
                        raise PacsError(f"{server.place} answers without end; ask for less.")
                elif status in BUSY:
                    raise Passing(f"{server.place} is out of resources.")
                elif status != SUCCESS:
                    raise PacsError(f"{server.place} refuses the query (status {status:#06x}).")
    return found


def _identifier(level: str, keys: dict[str, Any]) -> Any:
    from pydicom.dataset import Dataset

    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


def _requests(study_uid: str, wanted: Sequence[Instance], whole: set[str]) -> Iterator[Any]:
    """What to ask for: whole series, or the objects of a series that are missing, some at a time."""
    for series in sorted({w.series_uid for w in wanted}):
        keys: dict[str, Any] = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series}
        if series in whole:
            yield _identifier("SERIES", keys)
            continue
        uids = sorted(w.uid for w in wanted if w.series_uid == series)
        for start in range(0, len(uids), BATCH):
            yield _identifier("IMAGE", keys | {"SOPInstanceUID": uids[start : start + BATCH]})


def _classes(wanted: Sequence[Instance]) -> list[str]:
    known = {w.sop_class for w in wanted if w.sop_class}
    if any(not w.sop_class for w in wanted):
        known |= set(USUAL)
    return sorted(known)[: MAX_CONTEXTS - 2]


def _store_contexts(classes: Sequence[str], room: int) -> list[Any]:
    """For each class the plain transfer syntaxes, and as many compressed ones as there is room for."""
    each = max(room // len(classes) - 1, 0)
    made = []
    for sop_class in classes:
        made.append(_context(sop_class, (*NATIVE, BIG_ENDIAN)))
        made += [_context(sop_class, (syntax,)) for syntax in COMPRESSED[:each]]
    return made


def _into(inbox: Inbox) -> Callable[[Any], int]:
    """The handler of objects that a server sends."""

    def handle(event: Any) -> int:
        if inbox.closed:
            event.assoc.abort(block=False)
            return MISMATCH
        return inbox.take(str(event.request.AffectedSOPInstanceUID), event.encoded_dataset())

    return handle


def _watched(server: PacsServer, answers: Any, inbox: Inbox) -> None:
    """Follow the answers of a retrieval to their end; a server that only says "pending" is left."""
    seen, since = -1, time.monotonic()
    for answer, _ in answers:
        if inbox.failure is not None:
            raise inbox.failure
        status = _status(answer)
        if inbox.closed:
            raise PacsError(f"{server.place} keeps sending objects that nobody asked for: it was hung up on.")
        if status not in PENDING:
            if status in BUSY or status == SUCCESS or status == 0xB000:
                return
            raise PacsError(f"{server.place} refuses to send (status {status:#06x}).")
        if len(inbox.came) > seen:
            seen, since = len(inbox.came), time.monotonic()
        elif time.monotonic() - since > PATIENCE * server.timeout_s:
            raise Passing(f"{server.place} says that it is sending, but sends nothing.")


def get(server: PacsServer, study_uid: str, inbox: Inbox, whole: set[str]) -> bool:
    """C-GET what is missing; False where the server does not offer it."""
    with needed(), hushed():
        from pynetdicom import build_role, evt
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Model

        wanted = inbox.missing
        classes = _classes(wanted)
        contexts = [_context(Model, NATIVE), *_store_contexts(classes, MAX_CONTEXTS - 1)]
        roles = [build_role(sop_class, scp_role=True, scu_role=False) for sop_class in classes]
        handlers = [(evt.EVT_C_STORE, _into(inbox))]
        with _associated(server, contexts, roles=roles, handlers=handlers) as link:
            if Model not in [c.abstract_syntax for c in link.accepted_contexts]:
                return False
            for number, asked in enumerate(_requests(study_uid, wanted, whole)):
                _watched(server, link.send_c_get(asked, Model, msg_id=1 + number % 65535), inbox)
    return True


def move(server: PacsServer, study_uid: str, inbox: Inbox, whole: set[str]) -> None:
    """C-MOVE what is missing to a receiver of our own, which lives only for this call."""
    if server.receive_port is None:
        raise PacsError(
            f"{server.place} does not offer C-GET, and C-MOVE needs a port of this machine to send to: give receive_port "
            f"(--receive-port), and have {server.calling_aet} entered there with this machine's address and that port."
        )
    with needed(), hushed():
        from pynetdicom import evt
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as Model

        wanted, ends = inbox.missing, _Ends(server.timeout_s)
        entity = _entity(server)
        entity.require_called_aet = True
        entity.maximum_associations = 4
        for sop_class in _classes(wanted):
            entity.add_supported_context(sop_class, [*NATIVE, BIG_ENDIAN, *COMPRESSED])
        bound = [(evt.EVT_CONN_OPEN, ends.bound), (evt.EVT_DIMSE_RECV, ends.received), (evt.EVT_C_STORE, _into(inbox))]
        where = "127.0.0.1" if is_loopback(server.host) else ""
        try:
            receiver = entity.start_server(
                (where, server.receive_port),
                block=False,
                ssl_context=ends.context(server.secrets().receiving()) if server.tls else None,
                evt_handlers=bound,
            )
        except OSError as error:
            told = f"Port {server.receive_port} of this machine cannot be listened on: "
            raise PacsError(told + f"{(error.strerror or 'no reason given').lower()}.") from None
        try:
            patience_s = PATIENCE * server.timeout_s
            with _associated(server, [_context(Model, NATIVE)], patience_s=patience_s) as link:
                for number, asked in enumerate(_requests(study_uid, wanted, whole)):
                    answers = link.send_c_move(asked, server.calling_aet, Model, msg_id=1 + number % 65535)
                    _watched(server, answers, inbox)
        finally:
            receiver.shutdown()
            entity.shutdown()


# --- store -----------------------------------------------------------------------------------------------------------


def _groups(files: Sequence[Outgoing]) -> Iterator[tuple[list[Any], list[Outgoing]]]:
    """Files in groups whose kinds fit into the 128 contexts of one association, with these contexts."""
    kinds = sorted({(f.instance.sop_class, "" if _plain(f.syntax) else f.syntax) for f in files})
    for start in range(0, len(kinds), MAX_CONTEXTS):
        part = kinds[start : start + MAX_CONTEXTS]
        contexts = [_context(sop_class, (syntax,) if syntax else NATIVE) for sop_class, syntax in part]
        yield (
            contexts,
            [f for f in files if (f.instance.sop_class, "" if _plain(f.syntax) else f.syntax) in part],
        )


def _plain(syntax: str) -> bool:
    """Transfer syntaxes that turn into each other without a decoder."""
    return syntax in (*NATIVE, DEFLATED)


def store(
    server: PacsServer, files: Sequence[Outgoing], stored: Callable[[Outgoing], None], failed: dict[str, str]
) -> None:
    """C-STORE; `stored` is called for each object the server took, the others' reasons go into `failed`."""
    for contexts, group in _groups(files):
        with _associated(server, contexts) as link:
            for number, file in enumerate(group):
                reason = _sent(link, file, 1 + number % 65535)
                if reason:
                    failed[file.instance.uid] = reason
                else:
                    stored(file)


def _sent(link: Any, file: Outgoing, number: int) -> str:
    """Send one object; the reason why the server did not take it, or nothing."""
    import pydicom

    with guarded(file.path.name):
        data = pydicom.dcmread(file.path)
        if file.syntax == DEFLATED:  # it goes inflated; its values stay what they are
            data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    if not link.is_established:
        raise Passing("The server hung up.")
    try:
        answer = link.send_c_store(data, msg_id=number)
    except ValueError:
        return "the server takes no objects of this kind, or not in this transfer syntax"
    except (AttributeError, RuntimeError, OSError):
        if not link.is_established:
            raise Passing("The server hung up.") from None
        return "it cannot be encoded for sending"
    status = _status(answer)
    if status in BUSY:
        raise Passing("The server is out of resources.")
    if status == SUCCESS or 0xB000 <= status <= 0xBFFF:
        return ""
    return f"the server refused it (status {status:#06x})"


def listed(server: PacsServer, study_uid: str, retried: Callable[[Callable[[], Any]], Any]) -> list[Instance]:
    """All objects of a study, series by series."""
    keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": ""}
    series = sorted({h.uid("SeriesInstanceUID") for h in retried(lambda: find(server, "SERIES", keys))})
    found = []
    for uid in series:
        more = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": uid, "SOPInstanceUID": "", "SOPClassUID": ""}
        for row in retried(lambda more=more: find(server, "IMAGE", more)):  # type: ignore[misc]
            claimed = row.text("StudyInstanceUID") or study_uid, row.text("SeriesInstanceUID") or uid
            if claimed != (study_uid, uid):
                raise ImageError(f"{server.place} lists objects of another study or series than asked for.")
            found.append(Instance(row.uid("SOPInstanceUID"), uid, study_uid, row.text("SOPClassUID")))
    return found
