"""A real PACS for the tests: Debian's Orthanc with its DICOMweb plugin, on loopback, in a folder that goes away.

Orthanc 1.10 listens on all addresses and cannot be told otherwise: it refuses HTTP from elsewhere, and its DICOM side answers
only to the titles given here.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

PLUGINS = [
    pathlib.Path(folder) / name
    for folder in ("/usr/share/orthanc/plugins", "/usr/lib/orthanc")
    for name in ("libOrthancDicomWeb.so",)
]
USER, PASSWORD = "twin", "correct horse battery"
AET, CALLER = "ORTHANC", "ALPHATWIN"


def program():
    """Where Orthanc is, or None."""
    found = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    return found and pathlib.Path(found)


def why_absent():
    """What is missing for the tests with a real server, or ""."""
    if program() is None:
        return "no Orthanc here (Debian: apt-get install orthanc orthanc-dicomweb)"
    if not any(p.exists() for p in PLUGINS):
        return "Orthanc has no DICOMweb plugin here (Debian: apt-get install orthanc-dicomweb)"
    if shutil.which("openssl") is None:
        return "no openssl here, for the certificates of the tests"
    return ""


def free_ports(count):
    """Ports that nobody listens on now."""
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def certificates(folder):
    """An authority, and a certificate by it for 127.0.0.1: (ca.pem, cert.pem, key.pem)."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", 2, "-subj", "/CN=Test authority",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    openssl("req", *new, "-keyout", "key.pem", "-out", "cert.csr", "-subj", "/CN=Test PACS")
    (folder / "san.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    openssl("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 2,
            "-out", "cert.pem", "-extfile", "san.cnf")  # fmt: skip
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"


def tls_front(cert, key, port):
    """A port that speaks TLS and passes all on to a plain port, as the web server before a hospital's PACS does.

    Debian's Orthanc 1.10.1 ends itself at the first HTTPS request, so that it is not asked to speak TLS there.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    door = socket.create_server(("127.0.0.1", 0))

    def copy(source, target):
        with contextlib.suppress(OSError, ValueError):
            while part := source.recv(2**16):
                target.sendall(part)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(link):
        with contextlib.suppress(OSError), context.wrap_socket(link, server_side=True) as outer, \
                socket.create_connection(("127.0.0.1", port), 10) as inner:  # fmt: skip
            back = threading.Thread(target=copy, args=(inner, outer), daemon=True)
            back.start()
            copy(outer, inner)
            back.join(10)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return door


class Orthanc:
    """One server: `start`, `kill` (as a power cut would), `stop`; its storage outlives each of them."""

    def __init__(self, folder, *, tls=None, get=True):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.http, self.dicom, self.receive = free_ports(3)
        self.tls, self.process, self.front = tls, None, None
        config = {
            "Name": AET,
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "Plugins": [str(next(p for p in PLUGINS if p.exists()))],
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(tls),
            "RegisteredUsers": {USER: PASSWORD},
            "DicomAet": AET,
            "DicomPort": self.dicom,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": {
                CALLER: {
                    "AET": CALLER, "Host": "127.0.0.1", "Port": self.receive, "AllowEcho": True, "AllowFind": True,
                    "AllowGet": get, "AllowMove": True, "AllowStore": True, "UseDicomTls": bool(tls),
                }
            },
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "OverwriteInstances": True,
            "HttpThreadsCount": 8,
        }  # fmt: skip
        if tls:
            ca, cert, key = map(str, tls)
            config |= {
                "DicomTlsEnabled": True, "DicomTlsCertificate": cert, "DicomTlsPrivateKey": key,
                "DicomTlsTrustedCertificates": ca, "DicomTlsRemoteCertificateRequired": False,
            }  # fmt: skip
        (self.folder / "orthanc.json").write_text(json.dumps(config))

    @property
    def url(self):
        port = self.front.getsockname()[1] if self.front else self.http
        return f"{'https' if self.front else 'http'}://127.0.0.1:{port}/dicom-web"

    @property
    def address(self):
        return f"{'dicoms' if self.tls else 'dicom'}://{AET}@127.0.0.1:{self.dicom}"

    def start(self):
        with (self.folder / "log").open("ab") as log:
            command = [str(program()), str(self.folder / "orthanc.json")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.dicom), 1), \
                    socket.create_connection(("127.0.0.1", self.http), 1):  # fmt: skip
                if self.tls and self.front is None:
                    self.front = tls_front(*self.tls[1:], self.http)
                return self
            time.sleep(0.05)
        raise AssertionError("Orthanc did not start: " + (self.folder / "log").read_text()[-2000:])

    def kill(self):
        """As a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self):
        if self.front is not None:
            self.front.close()
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def rest(self, path, method="GET"):
        """What Orthanc itself says, by its own interface (plain servers only): the independent witness."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def objects(self):
        """SOP Instance UIDs of all that it holds."""
        return sorted(i["MainDicomTags"]["SOPInstanceUID"] for i in self.rest("/instances?expand"))

    def empty(self):
        for study in self.rest("/studies"):
            self.rest(f"/studies/{study}", "DELETE")
