"""A PACS: a real Orthanc that is killed half-way, servers that lie, stall and send garbage, and nothing lost or told."""

import contextlib
import datetime
import json
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("pynetdicom")
pytest.importorskip("dicomweb_client")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from alphatwin.errors import DomainError, ImageError, OutputError  # noqa: E402
from alphatwin.imaging import _transfer, pacs  # noqa: E402
from alphatwin.imaging.pacs import DicomWeb, IncompleteTransfer, PacsError, PacsServer, Retry, server_from  # noqa: E402
from oracle import dicom_objects as d  # noqa: E402
from oracle import orthanc_server as o  # noqa: E402

ONCE, SOON = Retry(1), Retry(3, 0.05, 0.2)
STUDY = d.uid("study")
AFFINE = np.diag([4.0, 4.0, 5.0, 1.0])
NAMES = ("USER", "PASSWORD", "CA", "CERT", "KEY", "SERVER")
needs_orthanc = pytest.mark.skipif(bool(o.why_absent()), reason=o.why_absent() or "present")


@pytest.fixture(autouse=True)
def environment(monkeypatch, caplog):
    """Nothing of the machine's own settings; and no library logs, for their logs hold addresses and values."""
    for name in NAMES:
        monkeypatch.delenv(f"ALPHATWIN_PACS_{name}", raising=False)
    yield lambda **values: [monkeypatch.setenv(f"ALPHATWIN_PACS_{k}", str(v)) for k, v in values.items()]
    # the library's own thread may outlive the call and say this of garbage: a byte, and nothing else
    assert not [r for r in caplog.get_records("call") if not r.getMessage().startswith("Unknown PDU type received")]


def objects(folder, count=24, side=48):
    """A study in a folder: CT slices, a SPECT, contours; its files."""
    noise = np.random.Generator(np.random.Philox(key=3)).integers(-900, 900, (count, side, side))
    slices = d.ct_slices(noise, AFFINE)
    d.save_all(slices, folder)
    d.save(d.nm_tomo(np.ones((6, 8, 8)), AFFINE), folder / "nm.dcm")
    square = np.array([[0, 0, 0], [8, 0, 0], [8, 8, 0.0]])
    d.save(d.rtstruct({"kidney_left": [square]}, slices[0]), folder / "rs.dcm")
    return sorted(folder.glob("*.dcm"))


def held(folder):
    """SOP Instance UID -> dataset, of all DICOM files in a folder."""
    return {str(x.SOPInstanceUID): x for x in (pydicom.dcmread(p) for p in pathlib.Path(folder).rglob("*.dcm"))}


def same(folder, other):
    """Whether two folders hold the same objects, bit for bit."""
    a, b = held(folder), held(other)
    return set(a) == set(b) and all(a[k] == b[k] for k in a) and len(a) > 0


# --- addresses and secrets -------------------------------------------------------------------------------------------


def test_addresses():
    plain = server_from("dicom://ORTHANC@127.0.0.1:4242", calling_aet="ME", receive_port=4300)
    assert plain == PacsServer("127.0.0.1", 4242, "ORTHANC", "ME", tls=False, receive_port=4300)
    assert server_from("dicoms://A B@pacs.example:2762").tls
    assert PacsServer("pacs.example", 2762, "A").tls  # unless somebody says otherwise
    assert server_from("https://pacs.example:8443/dicom-web/").place == "pacs.example:8443"


@pytest.mark.parametrize(
    "address",
    ["", "pacs", "dicom://127.0.0.1:104", "dicom://A@h:0", "dicom://A@h:99999", "ftp://h/x", "http://", "https://h:99999/",
     "dicom://A\\B@h:104", "dicom://AAAAAAAAAAAAAAAAA@h:104", "https://h/x?y=1", "https://h/a b", "dicom://A@h/x:104"],
)  # fmt: skip
def test_addresses_that_are_none(address):
    with pytest.raises(PacsError):
        server_from(address)


@pytest.mark.parametrize("wrong", [{"timeout_s": 0}, {"timeout_s": float("nan")}, {"timeout_s": 1e9}])
def test_times_that_cannot_be(wrong):
    with pytest.raises(DomainError):
        PacsServer("h", 1, "A", **wrong)
    with pytest.raises(DomainError):
        Retry(attempts=0)


def test_a_password_shows_nowhere_and_travels_only_under_tls(environment):
    environment(USER="somebody", PASSWORD="s3cret-word")
    servers = [PacsServer("pacs.example", 104, "A", tls=False), DicomWeb("http://pacs.example/dicom-web")]
    for server in servers:
        with pytest.raises(PacsError, match="in the open") as told:
            pacs.echo(server)
        assert "s3cret" not in str(told.value) + repr(server) + str(server)
    secrets = DicomWeb("http://127.0.0.1/x").secrets()  # this machine
    assert secrets.password == "s3cret-word"
    assert repr(secrets) == str(secrets) == "Secrets(...)"
    with pytest.raises(PacsError) as told:
        DicomWeb("https://somebody:s3cret-word@pacs.example/")
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"PASSWORD": "x"}, "PACS_USER"),
        ({"KEY": "x"}, "PACS_CERT"),
        ({"CA": "nowhere.pem"}, "PACS_CA"),
        ({"CERT": "nowhere.pem"}, "PACS_CERT"),
    ],
)
def test_settings_that_cannot_be_used_are_named(environment, values, word):
    environment(**values)
    for server in (PacsServer("127.0.0.1", 9, "A", retry=ONCE), DicomWeb("https://127.0.0.1:9/x", retry=ONCE)):
        with pytest.raises(PacsError, match=word):
            pacs.echo(server)


def test_questions_that_would_list_everybody_are_refused():
    server = PacsServer("127.0.0.1", 9, "A", tls=False, retry=ONCE)
    for question in ({}, {"patient_id": "*"}, {"patient_id": "A?"}, {"patient_id": "a\\b"}, {"study_uid": "1.2*"},
                     {"date": "2026-13-01"}, {"date": "20260302-20260301"}, {"date": "tomorrow"}, {"modality": "*"}):  # fmt: skip
        with pytest.raises(PacsError, match=r"ask|exact|digits|date|modality"):
            pacs.find(server, **question)
    assert pacs._span("2026-03-01-2026-03-02") == pacs._span("20260301-20260302") == ("20260301", "20260302")


# --- what is kept ----------------------------------------------------------------------------------------------------


@given(st.one_of(st.text(), st.from_regex(r"[0-9./\\]{1,80}", fullmatch=True)))
def test_only_uids_become_names_of_files(text):
    try:
        made = _transfer.Instance(text, "1.2", "1.3")
    except ImageError:
        return
    assert made.file == f"1.2/{text}.dcm"
    assert len(text) <= 64
    assert set(text) <= set("0123456789.")
    assert pathlib.PurePath(made.file).parts == ("1.2", f"{text}.dcm")
    assert ".." not in made.file


def raw(data):
    """A dataset as bytes."""
    import io

    with io.BytesIO() as file:
        data.save_as(file)
        return file.getvalue()


def test_an_inbox_takes_what_was_asked_for_and_nothing_else(tmp_path):
    mine = d.ct_slices(np.zeros((3, 8, 8)), AFFINE)
    for x in mine:
        x.file_meta.MediaStorageSOPInstanceUID = x.SOPInstanceUID
    wanted = [
        _transfer.Instance(str(x.SOPInstanceUID), str(x.SeriesInstanceUID), STUDY, str(x.SOPClassUID)) for x in mine
    ]
    box = _transfer.Inbox(tmp_path, wanted, d.PATIENT_ID, lambda n: None)
    first, second, third = (w.uid for w in wanted)
    assert box.take(first, raw(mine[0])) == 0
    assert box.take(second, raw(mine[2])) != 0  # another object under this name
    assert box.take("1.2.3", raw(mine[0])) != 0  # not asked for
    assert box.take("../../etc/passwd", raw(mine[0])) != 0
    stranger = d.ct_slices(np.zeros((3, 8, 8)), AFFINE)[1]
    stranger.PatientID = "somebody else"
    assert box.take(second, raw(stranger)) != 0
    stray = d.ct_slices(np.zeros((3, 8, 8)), AFFINE)[1]
    stray.StudyInstanceUID = "1.2.3"
    assert box.take(second, raw(stray)) != 0
    assert box.take(second, raw(mine[1])[:-3]) != 0  # cut short
    assert box.take(second, b"\0" * 500) != 0
    assert box.take(second, b"") != 0
    assert dict(box.refused) == {"another object than asked for": 1, "not asked for": 2, "of another patient": 1,
                                 "of another study": 1, "cut short": 1, "damaged": 2}  # fmt: skip
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / wanted[0].file]
    blank = d.ct_slices(np.zeros((3, 8, 8)), AFFINE)[1]
    blank.PatientID = ""
    assert box.take(second, raw(blank)) == 0  # de-identified, but of this study
    assert [w.uid for w in box.missing] == [third]


def test_a_full_disk_stops_a_fetch(tmp_path, monkeypatch):
    mine = d.ct_slices(np.zeros((1, 8, 8)), AFFINE)[0]
    wanted = _transfer.Instance(str(mine.SOPInstanceUID), str(mine.SeriesInstanceUID), STUDY)
    box = _transfer.Inbox(tmp_path, [wanted], "", lambda n: None)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_transfer._files.os, "replace", full)
    assert box.take(wanted.uid, raw(mine)) == 0xA700
    assert isinstance(box.failure, OutputError)
    assert "disk is full" in str(box.failure)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_journal_outlives_a_crash(tmp_path):
    d.save_all(d.ct_slices(np.zeros((2, 8, 8)), AFFINE), tmp_path / "in")
    a, b = (_transfer.outgoing(p, p.name) for p in sorted((tmp_path / "in").iterdir()))
    path = tmp_path / "j.jsonl"
    kept = _transfer.Journal(path, "here")
    kept.confirm(a)
    kept.confirm(b)
    text = path.read_text()
    assert not any(word in text for word in d.IDENTITY)
    path.write_text(text[:-20])  # a power cut while the last line was written
    kept = _transfer.Journal(path, "here")
    assert (kept.holds(a), kept.holds(b)) == (True, False)
    kept.confirm(b)
    again = _transfer.Journal(path, "here")
    assert again.holds(a)
    assert again.holds(b)
    assert not _transfer.Journal(path, "there").confirmed  # another server
    assert path.stat().st_mode & 0o077 == 0
    (tmp_path / "x").write_text("no journal\n")
    for wrong in (tmp_path / "x", tmp_path, tmp_path / "no" / "j"):
        with pytest.raises(OutputError, match="journal"):
            _transfer.Journal(wrong, "here")


def test_what_cannot_be_sent_is_said_before_anything_is(tmp_path):
    server = PacsServer("127.0.0.1", 9, "A", tls=False, retry=ONCE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="No DICOM file"):
        pacs.store(server, [tmp_path / "empty"], tmp_path / "j")
    with pytest.raises(ImageError, match="no file or folder"):
        pacs.store(server, [tmp_path / "gone"], tmp_path / "j")
    one, two = (d.ct_slices(np.full((1, 8, 8), v), AFFINE)[0] for v in (1, 2))
    d.save(one, tmp_path / "in" / "a.dcm")
    d.save(two, tmp_path / "in" / "b.dcm")
    with pytest.raises(ImageError, match="under one UID"):
        pacs.store(server, [tmp_path / "in"], tmp_path / "j")
    (tmp_path / "in" / "b.dcm").write_bytes((tmp_path / "in" / "a.dcm").read_bytes()[:-8])
    with pytest.raises(ImageError, match=r"b\.dcm is cut short"):
        pacs.store(server, [tmp_path / "in"], tmp_path / "j")
    assert not (tmp_path / "j").exists()


# --- servers that lie, stall, or send garbage ------------------------------------------------------------------------


@contextlib.contextmanager
def listening(serve):
    """A port on which `serve(connection)` answers each caller."""
    door = socket.create_server(("127.0.0.1", 0))
    open_ones = []

    def accept():
        while True:
            try:
                link, _ = door.accept()
            except OSError:
                return
            open_ones.append(link)

            def talk(link=link):
                with contextlib.suppress(OSError):
                    serve(link)

            threading.Thread(target=talk, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield door.getsockname()[1]
    finally:
        door.close()
        for link in open_ones:
            link.close()


def silent(link):
    time.sleep(30)


def garbage(link):
    noise = np.random.Generator(np.random.Philox(key=5)).bytes(4000)
    link.recv(10_000)
    for k in range(50):
        link.sendall(noise[k:])


def huge(link):
    link.recv(10_000)
    link.sendall(struct.pack(">BBL", 2, 0, 2**32 - 1))
    while True:
        link.sendall(b"\0" * 2**16)


def dripping(link):
    link.recv(10_000)
    link.sendall(struct.pack(">BBL", 2, 0, 5000))
    while True:
        link.sendall(b"\0")
        time.sleep(0.05)


def hanging_up(link):
    link.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the library's own thread
@pytest.mark.parametrize("serve", [silent, garbage, huge, dripping, hanging_up])
def test_no_server_makes_dicom_hang_or_crash(serve):
    with listening(serve) as port:
        server = PacsServer("127.0.0.1", port, "A", tls=False, timeout_s=0.5, retry=ONCE)
        began = time.monotonic()
        with pytest.raises(PacsError, match=r"127\.0\.0\.1"):
            pacs.find(server, patient_id="x")
        assert time.monotonic() - began < 20


def http(*answers):
    """A server that gives one answer after the other; the last one for ever."""
    left = list(answers)

    def serve(link):
        while link.recv(65536):
            what = left.pop(0) if len(left) > 1 else left[0]
            if callable(what):
                what(link)
            else:
                link.sendall(what)

    return serve


def answer(body, kind="application/dicom+json", status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def dripping_header(link):
    link.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        link.sendall(b"X: y\r\n")
        time.sleep(0.05)


def dripping_body(link):
    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        link.sendall(b"1\r\n[\r\n")
        time.sleep(0.02)


def endless_body(link):
    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n\r\n")
    while True:
        link.sendall(b" " * 2**20)


WEB_FAULTS = {
    "silent": silent,
    "garbage": garbage,
    "drip header": http(dripping_header),
    "drip body": http(dripping_body),
    "endless": http(endless_body),
    "no json": http(answer(b"{{{{")),
    "no list": http(answer(b'"hello"')),
    "no rows": http(answer(b"[1, 2]")),
    "bad uid": http(answer(b'[{"0020000D": {"vr": "UI", "Value": ["../../x"]}}]')),
    "html": http(answer(b"<html>", "text/html")),
    "redirect": http(answer(b"", status="302 Found", more="Location: http://127.0.0.2/\r\n")),
    "error": http(answer(b"", status="500 Oops")),
    "no such page": http(answer(b"", status="404 Not Found")),
    "credentials": http(answer(b"", status="401 Unauthorized")),
    "cut": http(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 999\r\n\r\n[", hanging_up),
    "closed": hanging_up,
}


@pytest.mark.parametrize("fault", WEB_FAULTS)
def test_no_server_makes_dicomweb_hang_or_crash(fault):
    with listening(WEB_FAULTS[fault]) as port:
        server = DicomWeb(f"http://127.0.0.1:{port}/dicom-web", timeout_s=0.15, retry=ONCE)
        began = time.monotonic()
        with pytest.raises((PacsError, ImageError)) as told:
            pacs.find(server, patient_id="MRN-secret")
        assert time.monotonic() - began < 20
        assert "MRN-secret" not in str(told.value)


@pytest.mark.parametrize("fault", ["no json", "html"])
def test_a_page_of_another_service_is_not_called_unreachable(fault):
    with listening(WEB_FAULTS[fault]) as port:
        server = DicomWeb(f"http://127.0.0.1:{port}/dicom-web", timeout_s=5, retry=SOON)
        with pytest.raises(PacsError, match="no DICOMweb: is this the address"):
            pacs.find(server, patient_id="P")


def test_a_busy_server_is_asked_again():
    row = json.dumps(
        [{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00100020": {"vr": "LO", "Value": ["P"]}}]
    ).encode()
    with listening(http(answer(b"", status="503 Busy"), answer(b"", status="429 Slow"), answer(row))) as port:
        server = DicomWeb(f"http://127.0.0.1:{port}/x", timeout_s=5, retry=SOON)
        assert [s.study_uid for s in pacs.find(server, patient_id="P")] == ["1.2.3"]
        assert pacs.find(server, patient_id="Q") == ()  # it sent somebody else's study: left out
    with pytest.raises(PacsError, match="Tried 3 times"):
        pacs.echo(DicomWeb("http://127.0.0.1:9/x", retry=SOON))
    with pytest.raises(PacsError, match="Tried 3 times"):
        pacs.echo(PacsServer("127.0.0.1", 9, "A", tls=False, retry=SOON))


@contextlib.contextmanager
def scp(**handlers):
    """A pynetdicom server with the given handlers, which knows all that it may be asked."""
    from pynetdicom import AE, AllStoragePresentationContexts, evt
    from pynetdicom.sop_class import (
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        Verification,
    )

    entity = AE("LIAR")
    for cx in (Verification, StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet):
        entity.add_supported_context(cx)
    for cx in AllStoragePresentationContexts:
        entity.add_supported_context(cx.abstract_syntax, scu_role=True, scp_role=True)
    bound = [(getattr(evt, f"EVT_C_{name.upper()}"), handler) for name, handler in handlers.items()]
    running = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=bound)
    try:
        port = running.socket.getsockname()[1]
        yield PacsServer("127.0.0.1", port, "LIAR", tls=False, timeout_s=2, retry=Retry(2, 0.05, 0.1))
    finally:
        running.shutdown()


def answering(files):
    """A C-FIND that lists datasets at every level."""

    def handle(event):
        level = event.identifier.QueryRetrieveLevel
        seen = set()
        for x in files:
            row = pydicom.Dataset()
            row.QueryRetrieveLevel = level
            for name in ("StudyInstanceUID", "PatientID", "StudyDate"):
                setattr(row, name, x.get(name))
            if level != "STUDY":
                row.SeriesInstanceUID = x.SeriesInstanceUID
            if level == "IMAGE":
                row.SOPInstanceUID, row.SOPClassUID = x.SOPInstanceUID, x.SOPClassUID
            key = str(
                row.get({"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}.get(level, "SOPInstanceUID"))
            )
            if key not in seen:
                seen.add(key)
                yield 0xFF00, row
        yield 0x0000, None

    return handle


def test_a_server_that_sends_what_nobody_asked_for(tmp_path):
    listed = d.ct_slices(np.zeros((4, 8, 8)), AFFINE)
    other = d.ct_slices(np.zeros((4, 8, 8)), AFFINE, study="of somebody")
    wrong = d.ct_slices(np.zeros((4, 8, 8)), AFFINE)[1]
    wrong.PatientID = "somebody"

    def send(event):
        sent = [listed[0], *other, wrong, listed[2]]
        yield len(sent)
        for x in sent:
            yield 0xFF00, x

    with scp(find=answering(listed), get=send) as server, pytest.raises(IncompleteTransfer) as told:
        pacs.fetch(server, STUDY, tmp_path)
    result = told.value.transfer
    assert set(result.missing) == {str(listed[1].SOPInstanceUID), str(listed[3].SOPInstanceUID)}
    assert result.refused["not asked for"] >= 4
    assert result.refused["of another patient"] >= 1
    assert set(held(tmp_path)) == {str(listed[k].SOPInstanceUID) for k in (0, 2)}
    manifest = json.loads((tmp_path / STUDY / "manifest.json").read_text())
    assert (manifest["expected"], manifest["arrived"], manifest["complete"]) == (4, 2, False)
    assert not any(word in (tmp_path / STUDY / "manifest.json").read_text() for word in d.IDENTITY)


def test_an_object_that_the_server_dropped_is_still_missed(tmp_path):
    listed = d.ct_slices(np.zeros((3, 8, 8)), AFFINE)
    with scp(find=answering(listed), get=lambda event: iter([0])) as server, pytest.raises(IncompleteTransfer):
        pacs.fetch(server, STUDY, tmp_path)

    def send(event):
        yield 2
        for x in listed[:2]:
            yield 0xFF00, x

    with scp(find=answering(listed[:2]), get=send) as server, pytest.raises(IncompleteTransfer) as told:
        pacs.fetch(server, STUDY, tmp_path)
    assert told.value.transfer.missing == (str(listed[2].SOPInstanceUID),)
    assert "no longer lists" in told.value.transfer.reasons[str(listed[2].SOPInstanceUID)]


def test_a_study_of_two_patients_and_one_that_is_not_there(tmp_path):
    one, two = d.ct_slices(np.zeros((2, 8, 8)), AFFINE)
    two.PatientID = "somebody"

    def both(event):
        for x in (one, two):
            row = pydicom.Dataset()
            row.QueryRetrieveLevel, row.StudyInstanceUID, row.PatientID = "STUDY", x.StudyInstanceUID, x.PatientID
            yield 0xFF00, row

    with scp(find=both) as server, pytest.raises(PacsError, match="2 patients"):
        pacs.fetch(server, STUDY, tmp_path)
    with scp(find=answering([])) as server, pytest.raises(PacsError, match="no study"):
        pacs.fetch(server, STUDY, tmp_path)
    with scp(find=lambda event: iter([(0xC001, None)])) as server, pytest.raises(PacsError, match="0xc001"):
        pacs.fetch(server, STUDY, tmp_path)
    with pytest.raises(PacsError, match="digits"):
        pacs.fetch(server, "../x", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_confirmed_but_not_kept(tmp_path):
    """The server says yes and forgets: the query after the store finds out."""
    d.save_all(d.ct_slices(np.zeros((3, 8, 8)), AFFINE), tmp_path / "in")
    with scp(find=answering([]), store=lambda event: 0x0000) as server, pytest.raises(IncompleteTransfer) as told:
        pacs.store(server, [tmp_path / "in"], tmp_path / "j.jsonl")
    assert len(told.value.transfer.missing) == 3
    assert "not list" in str(told.value)
    with scp(find=answering([]), store=lambda event: 0xC123) as server, pytest.raises(IncompleteTransfer) as told:
        pacs.store(server, [tmp_path / "in"], tmp_path / "j2.jsonl")
    assert set(told.value.transfer.reasons.values()) == {"the server refused it (status 0xc123)"}


# --- a real server ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orthanc_of_module(tmp_path_factory):
    server = o.Orthanc(tmp_path_factory.mktemp("orthanc")).start()
    yield server
    server.stop()


@pytest.fixture
def orthanc(orthanc_of_module):
    if orthanc_of_module.process is None:
        orthanc_of_module.start()
    orthanc_of_module.empty()
    return orthanc_of_module


def by(orthanc, way, **options):
    options = {"timeout_s": 20, "retry": SOON} | options
    if way == "web":
        return server_from(orthanc.url, **options)
    return server_from(orthanc.address, receive_port=orthanc.receive, **options)


def results(folder):
    """One of each object that alphatwin writes, and a CT that was compressed."""
    from alphatwin.imaging import (
        Administration,
        Grid,
        Image,
        Labels,
        OrganDose,
        write_dose_sr,
        write_measurement_sr,
        write_parametric_map,
        write_rtdose,
        write_seg,
    )

    slices = d.ct_slices(np.zeros((4, 16, 16)), AFFINE)
    d.save_all(slices, folder)
    packed = d.ct_slices(np.arange(256).reshape(1, 16, 16), AFFINE, series="packed")[0]
    packed.file_meta.MediaStorageSOPInstanceUID = packed.SOPInstanceUID
    packed.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    packed.save_as(folder / "packed.dcm")
    first, grid, frame = slices[0], Grid((4, 16, 16), AFFINE), str(slices[0].FrameOfReferenceUID)
    mask = np.zeros(grid.shape, bool)
    mask[1:3, 4:9, 4:9] = True
    keep = {"identity": "keep"}
    seg = write_seg(Labels({"kidney_left": mask}, grid, frame), first, folder / "seg.dcm", **keep)
    dose = Image(mask * 2.5, grid, "absorbed_dose", frame_of_reference=frame)
    write_rtdose(dose, first, folder / "dose.dcm", **keep)
    write_parametric_map(dose, first, folder / "map.dcm", **keep)
    write_measurement_sr({"kidney_left": {"mean_Gy": 2.5}}, seg, folder / "measured.dcm", **keep)
    given = Administration("DOTATATE", "Lu-177", 7400.0, datetime.datetime(2026, 3, 1, 9, tzinfo=datetime.UTC))
    organs = [OrganDose("kidney_left", 2.5, 150.0)]
    write_dose_sr(given, organs, first, folder / "sr.dcm")  # no patient: of this study all the same


@needs_orthanc
@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_every_object_comes_back_as_it_went(orthanc, tmp_path, monkeypatch, way):
    results(tmp_path / "in")
    server = by(orthanc, way)
    if way == "move":
        monkeypatch.setattr(pacs._dimse, "get", lambda *_: False)
    pacs.echo(server)
    done = pacs.store(server, [tmp_path / "in"], tmp_path / "j.jsonl")
    assert done.complete
    assert sorted(done.moved) == orthanc.objects() == sorted(held(tmp_path / "in"))
    calls = []
    got = pacs.fetch(server, STUDY, tmp_path / "out", progress=lambda n, of: calls.append((n, of)))
    assert got.complete
    assert not got.refused
    assert same(tmp_path / "in", tmp_path / "out")
    assert calls[0] == (0, 10)
    assert calls[-1] == (10, 10)
    packed = [x for x in held(tmp_path / "out").values() if x.file_meta.TransferSyntaxUID == pydicom.uid.RLELossless]
    assert len(packed) == 1  # it travelled as it was
    again = pacs.fetch(server, STUDY, tmp_path / "out"), pacs.store(server, [tmp_path / "in"], tmp_path / "j.jsonl")
    assert [(len(a.moved), a.complete) for a in again] == [(0, True), (0, True)]
    found = pacs.find(server, patient_id=d.PATIENT_ID, date="2026-03-01", modality="sr")
    assert [f.study_uid for f in found] == [STUDY]
    series = pacs.find(server, "series", study_uid=STUDY)
    assert {m for f in series for m in f.modalities} >= {"CT", "SEG", "RTDOSE", "SR"}
    assert pacs.find(server, patient_id="nobody") == ()
    assert pacs.find(server, patient_id=d.PATIENT_ID, date="20200101-20200131") == ()
    assert not any(word in repr(found) + repr(series) for word in d.IDENTITY)


@needs_orthanc
@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_a_fetch_outlives_the_death_of_the_server(orthanc, tmp_path, monkeypatch, way):
    objects(tmp_path / "in", count=20)
    server = by(orthanc, way, retry=Retry(2, 0.05, 0.1), timeout_s=2)
    pacs.store(by(orthanc, "web"), [tmp_path / "in"], tmp_path / "j.jsonl")
    if way == "move":
        monkeypatch.setattr(pacs._dimse, "get", lambda *_: False)

    def deadly(n, of):
        if n >= 6:
            orthanc.kill()

    with pytest.raises(IncompleteTransfer, match="same command") as told:
        pacs.fetch(server, STUDY, tmp_path / "out", progress=deadly)
    before = told.value.transfer
    assert 6 <= len(before.moved) < 22
    assert len(before.missing) == 22 - len(before.moved)
    place = tmp_path / "out" / STUDY
    manifest = json.loads((place / "manifest.json").read_text())
    assert (manifest["expected"], manifest["arrived"]) == (22, len(before.moved))
    assert not list(place.rglob(".*"))
    one = sorted(place.rglob("*.dcm"))[0]
    one.write_bytes(one.read_bytes()[:-4])  # and the disk lost a block of one
    orthanc.start()
    after = pacs.fetch(server, STUDY, tmp_path / "out")
    assert after.complete
    assert set(after.moved) == {*before.missing, one.stem}
    assert same(tmp_path / "in", tmp_path / "out")
    assert json.loads((place / "manifest.json").read_text())["complete"]


@needs_orthanc
@pytest.mark.parametrize("way", ["dimse", "web"])
def test_a_store_outlives_the_death_of_the_server(orthanc, tmp_path, way):
    objects(tmp_path / "in", count=20)
    server = by(orthanc, way, retry=Retry(2, 0.05, 0.1), timeout_s=2)

    def deadly(n, of):
        if n >= 6:
            orthanc.kill()

    with pytest.raises(IncompleteTransfer, match="same command") as told:
        pacs.store(server, [tmp_path / "in"], tmp_path / "j.jsonl", progress=deadly)
    assert told.value.transfer.missing
    confirmed = {json.loads(row)["uid"] for row in (tmp_path / "j.jsonl").read_text().splitlines()}
    assert 6 <= len(confirmed) < 22
    orthanc.start()
    kept = set(orthanc.objects())
    sent = []
    after = pacs.store(server, [tmp_path / "in"], tmp_path / "j.jsonl", progress=lambda n, of: sent.append(n))
    assert after.complete
    assert set(after.moved) == set(held(tmp_path / "in")) - (confirmed & kept)  # no more than that
    assert sent[0] == len(confirmed & kept)
    assert orthanc.objects() == sorted(held(tmp_path / "in"))
    pacs.fetch(by(orthanc, "web"), STUDY, tmp_path / "out")
    assert same(tmp_path / "in", tmp_path / "out")


@needs_orthanc
@pytest.mark.parametrize("way", ["get", "web"])
def test_one_call_outlives_a_restart(orthanc, tmp_path, way):
    """The server dies and comes back while the call waits between its tries."""
    objects(tmp_path / "in", count=15)
    server = by(orthanc, way, retry=Retry(30, 0.1, 0.5), timeout_s=2)
    pacs.store(by(orthanc, "web"), [tmp_path / "in"], tmp_path / "j.jsonl")
    deaths = []

    def deadly(n, of):
        if n >= 6 and not deaths:
            deaths.append(n)
            orthanc.kill()
            threading.Timer(0.7, orthanc.start).start()

    assert pacs.fetch(server, STUDY, tmp_path / "out", progress=deadly).complete
    assert deaths
    assert same(tmp_path / "in", tmp_path / "out")


@needs_orthanc
def test_an_object_deleted_after_it_was_confirmed_is_sent_again(orthanc, tmp_path):
    files = objects(tmp_path / "in", count=3)
    server = by(orthanc, "web")
    pacs.store(server, [tmp_path / "in"], tmp_path / "j.jsonl")
    orthanc.empty()
    assert len(pacs.store(server, [tmp_path / "in"], tmp_path / "j.jsonl").moved) == len(files)


@needs_orthanc
def test_a_title_that_the_server_does_not_know(orthanc):
    server = server_from(orthanc.address, calling_aet="STRANGER", timeout_s=5, retry=ONCE)
    with pytest.raises(PacsError):
        pacs.find(server, patient_id="x")
    wrong = PacsServer("127.0.0.1", orthanc.dicom, "OTHER", tls=False, timeout_s=5, retry=ONCE)
    with pytest.raises(PacsError, match="AE title"):
        pacs.echo(wrong)


@needs_orthanc
def test_tls_credentials_and_what_is_refused_without(tmp_path, environment):
    files = o.certificates(tmp_path / "tls")
    other = o.certificates(tmp_path / "other")
    objects(tmp_path / "in", count=4)
    orthanc = o.Orthanc(tmp_path / "server", tls=files).start()
    try:
        for way in ("get", "web"):
            server = by(orthanc, way)  # it may drop the connection after one that broke in the handshake
            with pytest.raises(PacsError, match="not trusted"):  # no authority named
                pacs.echo(server)
            environment(CA=other[0])
            with pytest.raises(PacsError, match="not trusted"):
                pacs.echo(server)
            environment(CA=files[0], USER=o.USER, PASSWORD="wrong-word")
            if way == "web":
                with pytest.raises(PacsError, match="credentials") as told:
                    pacs.echo(server)
                assert "wrong-word" not in str(told.value)
            environment(PASSWORD=o.PASSWORD)
            pacs.store(server, [tmp_path / "in"], tmp_path / f"{way}.jsonl")
            pacs.fetch(server, STUDY, tmp_path / way)
            assert same(tmp_path / "in", tmp_path / way)
            environment(CA="", USER="", PASSWORD="")
        environment(CA=files[0])
        with listening(garbage) as port, pytest.raises(PacsError, match="TLS"):  # TLS to a plain port
            pacs.echo(PacsServer("127.0.0.1", port, "A", timeout_s=2, retry=ONCE))
    finally:
        orthanc.stop()
    assert o.PASSWORD not in "".join(p.read_text() for p in tmp_path.glob("*.jsonl"))


# --- the command line ------------------------------------------------------------------------------------------------


def check(said):
    assert "Traceback" not in said.err
    table = [] if said.out.startswith("[") else said.out.splitlines()
    assert not [line for line in table if len(line) > 80 and "/" not in line]
    assert not any(word in said.out + said.err for word in d.IDENTITY)


@needs_orthanc
def test_the_commands(alphatwin, orthanc, tmp_path, monkeypatch):
    objects(tmp_path / "in", count=4)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALPHATWIN_PACS_SERVER", orthanc.address)
    said = alphatwin("pacs", "echo")
    assert (said.code, said.out) == (0, f"ORTHANC at 127.0.0.1:{orthanc.dicom} answers.\n")
    said = alphatwin("pacs", "store", "in")
    check(said)
    assert "has all 6 objects, 6 stored now" in said.out
    said = alphatwin("pacs", "find", "--patient-id", d.PATIENT_ID)
    check(said)
    assert STUDY in said.out
    assert "1 study." in said.out
    assert "6 objects" in said.out
    said = alphatwin("pacs", "find", "--server", orthanc.url, "--study", STUDY, "--json")
    check(said)
    assert {m for row in json.loads(said.out) for m in row["modalities"]} == {"CT", "NM", "RTSTRUCT"}
    said = alphatwin("pacs", "find", "--date", "2026-03-01", "--show-identity")
    assert d.PATIENT_ID in said.out
    said = alphatwin("pacs", "fetch", STUDY, "-o", "out")
    check(said)
    assert "Complete: 6 objects, 6 fetched now." in said.out
    assert same("in", "out")
    orthanc.kill()
    monkeypatch.setattr(time, "sleep", lambda s, really=time.sleep: really(min(s, 0.02)))
    said = alphatwin("pacs", "fetch", STUDY, "-o", "out", "--timeout", "0.2")
    check(said)
    assert said.code == 2
    assert "cannot be reached" in said.err


@needs_orthanc
def test_an_incomplete_fetch_exits_with_1_and_says_how_to_resume(alphatwin, orthanc, tmp_path, monkeypatch):
    objects(tmp_path / "in", count=6)
    pacs.store(by(orthanc, "web"), [tmp_path / "in"], tmp_path / "j.jsonl")
    real = pacs._web.get

    def deadly(server, study_uid, inbox):
        inbox._arrived = lambda n: orthanc.kill() if n == 3 else None
        real(server, study_uid, inbox)

    monkeypatch.setattr(pacs._web, "get", deadly)
    monkeypatch.setattr(time, "sleep", lambda s, really=time.sleep: really(min(s, 0.02)))
    said = alphatwin("pacs", "fetch", STUDY, "-s", orthanc.url, "-o", tmp_path / "out", "--timeout", "1")
    check(said)
    assert said.code == 1
    flat = " ".join(said.out.split())
    assert "5 of 8 objects did not arrive" in flat
    assert "same command fetches the rest" in flat
    assert all(uid in flat for uid in set(held(tmp_path / "in")) - set(held(tmp_path / "out")))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("echo",), "--server"),
        (("echo", "-s", "pacs"), "dicoms://AET@host:port"),
        (("echo", "-s", "https://me:hunter2@h/x"), "No credentials in an address"),
        (("find", "-s", "dicom://A@127.0.0.1:9"), "asks for every patient"),
        (("find", "-s", "dicom://A@127.0.0.1:9", "--date", "May"), "2026-03-02"),
        (("fetch", "-s", "dicom://A@127.0.0.1:9", "../x"), "digits and dots"),
        (("fetch",), "STUDY-UID"),
        (("store", "-s", "dicom://A@127.0.0.1:9", "nowhere"), "no file or folder nowhere"),
        (("fetsh",), "fetch"),
    ],
)
def test_a_slip_of_the_hand_is_one_message(alphatwin, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    said = alphatwin("pacs", *arguments)
    assert said.code == 2
    assert told in said.err
    assert "hunter2" not in said.err + said.out
    check(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["dicom://A@127.0.0.1:{}", "http://127.0.0.1:{}/x"])
def test_ctrl_c_ends_it_while_a_server_is_silent(scheme):
    called = threading.Event()

    def serve(link):
        link.recv(1)
        called.set()
        silent(link)

    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from alphatwin.cli import main; main()"
    with listening(serve) as port:
        command = [sys.executable, "-c", code, "pacs", "find", "-s", scheme.format(port), "--patient-id", "x"]
        done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert called.wait(60)
        time.sleep(0.2)
        done.send_signal(signal.SIGINT)
        out, err = done.communicate(timeout=120)
    assert (done.returncode, out) == (130, "")
    assert err == "Interrupted; nothing half-written was left behind.\n"
