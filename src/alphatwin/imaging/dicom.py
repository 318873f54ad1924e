"""The door through which every DICOM file comes in: bounded, quiet about the patient, and never guessing.

`opened` reads one file and gives a `Header`, whose accessors turn every fault of the file into an `ImageError`. Sizes that
the file claims are compared with what it holds before memory is asked for; warnings and logs of the libraries below
are kept silent, since they print values.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import logging
import math
import pathlib
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from .values import with_offset

__all__ = [
    "Header",
    "Identity",
    "guarded",
    "is_dicom",
    "moment",
    "needed",
    "opened",
    "pixels",
    "plain_region",
    "quiet",
    "redacted",
    "shown",
    "zone_of",
]

MAX_FILE_BYTES = 2**31
MAX_VOXELS = 2**28  # 512 x 512 x 1024
MAX_RATIO = 1100  # deflate cannot exceed 1032 to 1, and no codec of grey images comes near it
PLAIN = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", BIG_ENDIAN, DEFLATED)
EXTRA = "Reading DICOM needs the optional part: pip install 'alphatwin[images]' (missing: {})."


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Name the extra where a library of it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImageError(EXTRA.format(error.name)) from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that the libraries warn or log: it holds values of the file."""
    logs = [logging.getLogger(name) for name in ("pydicom", "nibabel.global")]
    was = [log.disabled for log in logs]
    for log in logs:
        log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, before in zip(logs, was, strict=True):
            log.disabled = before


@contextlib.contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn whatever a library raises over a broken file into one sentence without the file's values; keep it quiet."""
    try:
        with quiet():
            yield
    except (ImageError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        raise ImageError(EXTRA.format(error.name)) from None
    except PermissionError:
        raise ImageError(f"{what} may not be read: its permissions forbid it.") from None
    except MemoryError:
        raise ImageError(f"{what} asks for more memory than there is.") from None
    except Exception as error:
        raise ImageError(
            f"{what} is damaged or not what it says it is ({type(error).__name__}). Export or copy it again."
        ) from None


# --- identity: compared, never shown ---------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Identity:
    """Salted digests of who a file belongs to, and the words that must not be printed.

    Two identities agree where no digest that both have differs; a de-identified file (blank) agrees with all.
    """

    digests: tuple[str, str, str]
    words: frozenset[str]

    def __repr__(self) -> str:
        return "Identity(...)"

    @staticmethod
    def of(header: Header, salt: bytes) -> Identity:
        """Digests of the ID, the name and the birth date under a salt that lives for one reading."""
        name = header.text("PatientName")
        values = (header.text("PatientID"), name, header.text("PatientBirthDate"))
        plain = [" ".join(re.split(r"[\s^=,._]+", v.casefold())).strip() for v in values]
        digests = [hashlib.blake2b(v.encode(), key=salt, digest_size=16).hexdigest() if v else "" for v in plain]
        words = {w for w in (*re.split(r"[\s^=,._]+", name), *values) if len(w) > 2}
        return Identity((digests[0], digests[1], digests[2]), frozenset(words))

    def disagrees(self, other: Identity) -> tuple[str, ...]:
        """Which of ID, name and birth date differ."""
        names = ("patient ID", "patient name", "birth date")
        return tuple(n for n, a, b in zip(names, self.digests, other.digests, strict=True) if a and b and a != b)


def redacted(text: str, words: Iterable[str]) -> str:
    """The text with every word of an identity blotted out.

    Examples
    --------
    >>> redacted("scan_Doe_1.dcm", ["DOE"])
    'scan_***_1.dcm'
    """
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(re.escape(word), "***", text, flags=re.IGNORECASE)
    return text


def plain_region(name: str, words: Iterable[str]) -> str:
    """The name of a region without its patient's: short words only where they stand alone, so that organs keep theirs.

    Examples
    --------
    >>> plain_region("lesion Quibble", ["QUIBBLE"]), plain_region("kidney_left", ["Ney"]), plain_region("Ney_1", ["Ney"])
    ('lesion ***', 'kidney_left', '***_1')
    """
    for word in sorted(words, key=len, reverse=True):
        alone = re.escape(word) if len(word) > 4 else rf"(?<![^\W_]){re.escape(word)}(?![^\W_])"
        name = re.sub(alone, "***", name, flags=re.IGNORECASE)
    return name


def shown(text: str) -> str:
    """A coded value as a message may show it: short, in capitals or a unit; anything else could be a person's.

    Examples
    --------
    >>> shown("RECON TOMO"), shown("g/ml{SUVbw}"), shown("Doe^Jane"), shown("19510203"), shown("")
    ('RECON TOMO', 'g/ml{SUVbw}', '(not shown)', '(not shown)', 'not stated')
    """
    if not text:
        return "not stated"
    coded = re.fullmatch(r"[A-Z0-9_ ]{1,16}", text) and re.search("[A-Z]", text)
    unit = re.fullmatch(r"[A-Za-z{}\[\]']{0,6}/[A-Za-z0-9{}\[\]']{1,12}", text)
    return text if coded or unit else "(not shown)"


# --- one file --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Header:
    """What one file says; every accessor gives a plain value, "absent", or an `ImageError`.

    Attributes
    ----------
    data : pydicom.Dataset
        The object (or the item of a sequence).
    name : str
        The file's name without its patient's identity, for messages.
    path : pathlib.Path
        Where it is.
    """

    data: Any
    name: str
    path: pathlib.Path

    def __repr__(self) -> str:  # a dataset prints the patient's name
        return f"Header({self.name!r})"

    def _value(self, keyword: str) -> Any:
        with guarded(f"{keyword} of {self.name}"):
            return self.data.get(keyword)

    def has(self, keyword: str) -> bool:
        """Whether the attribute is there with a value."""
        value = self._value(keyword)
        return value is not None and value != "" and not (hasattr(value, "__len__") and len(value) == 0)

    def text(self, keyword: str) -> str:
        """Text, stripped; "" when absent."""
        value = self._value(keyword)
        with guarded(f"{keyword} of {self.name}"):
            return "" if value is None else str(value).strip().strip("\0")

    def texts(self, keyword: str) -> tuple[str, ...]:
        """A multi-valued text."""
        value = self._value(keyword)
        if value is None:
            return ()
        with guarded(f"{keyword} of {self.name}"):
            return tuple(str(v).strip() for v in ([value] if isinstance(value, str) else value))

    def numbers(self, keyword: str, count: int | None = None) -> tuple[float, ...]:
        """Finite numbers; () when absent, an error when there are not ``count`` of them."""
        value = self._value(keyword)
        if value is None or value == "":
            return ()
        with guarded(f"{keyword} of {self.name}"):
            many = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
            found = tuple(float(v) for v in many)
        if not found:
            return ()
        if not all(math.isfinite(v) for v in found):
            raise ImageError(f"{keyword} of {self.name} is not finite.")
        if count is not None and len(found) != count:
            raise ImageError(f"{keyword} of {self.name} has {len(found)} values where the standard has {count}.")
        return found

    def floats(self, keyword: str) -> npt.NDArray[np.float64]:
        """Many finite numbers written as text, without an object for each of them."""
        with guarded(f"{keyword} of {self.name}"):
            from pydicom.dataelem import RawDataElement

            element = self.data.get_item(keyword) if keyword in self.data else None
            if isinstance(element, RawDataElement) and isinstance(element.value, bytes) and element.VR in (None, "DS"):
                found = np.array(element.value.rstrip(b" \0").split(b"\\") if element.value else [], dtype=np.float64)
            else:
                found = np.array(self.numbers(keyword), dtype=np.float64)
        if not np.isfinite(found).all():
            raise ImageError(f"{keyword} of {self.name} is not finite.")
        return found

    def number(self, keyword: str) -> float | None:
        """One finite number, or None when absent."""
        found = self.numbers(keyword)
        if len(found) > 1:
            raise ImageError(f"{keyword} of {self.name} has {len(found)} values where the standard has one.")
        return found[0] if found else None

    def whole(self, keyword: str) -> int | None:
        """One whole number, or None when absent."""
        value = self.number(keyword)
        if value is not None and value != int(value):
            raise ImageError(f"{keyword} of {self.name} is {value:g}, not a whole number.")
        return None if value is None else int(value)

    def items(self, keyword: str) -> tuple[Header, ...]:
        """The items of a sequence."""
        value = self._value(keyword)
        if value is None:
            return ()
        with guarded(f"{keyword} of {self.name}"):
            if not all(hasattr(item, "get") for item in value):
                raise ImageError(f"{keyword} of {self.name} is no sequence of items.")
            return tuple(Header(item, self.name, self.path) for item in value)

    def uid(self, keyword: str) -> str:
        """A unique identifier that is there and well formed."""
        value = self.text(keyword)
        if not value:
            raise ImageError(
                f"{self.name} has a blank {keyword}: what belongs together cannot be known. Export the study again with "
                "its UIDs, or have them made anew by the software that blanked them."
            )
        if len(value) > 64 or not re.fullmatch(r"\d+(\.\d+)*", value):
            raise ImageError(f"{keyword} of {self.name} is no UID (digits and dots, 64 characters at most).")
        return value

    @property
    def modality(self) -> str:
        """CT, NM, PT, RTSTRUCT ..."""
        return self.text("Modality").upper()


def is_dicom(path: pathlib.Path) -> bool:
    """Whether a file carries the mark of DICOM after its preamble of 128 bytes."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise ImageError(
            f"A file of the folder cannot be read: {(error.strerror or 'no reason given').lower()}."
        ) from None


def opened(path: str | pathlib.Path, *, pixel_data: bool = False, label: str | None = None) -> Header:
    """Read one DICOM file.

    Parameters
    ----------
    path : path
        The file.
    pixel_data : bool
        Whether the pixels are wanted too.
    label : str, optional
        How messages call the file.

    Raises
    ------
    ImageError
        The file is missing, too large, no DICOM file, damaged, or inflates beyond bounds.
    """
    path = pathlib.Path(path)
    name = label or path.name
    if path.is_dir():
        raise ImageError(f"{name} is a folder; one DICOM file is needed here.")
    if not path.is_file():
        raise ImageError(f"There is no file {name}.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ImageError(
            f"{name} has {path.stat().st_size / 2**30:.1f} GiB; at most {MAX_FILE_BYTES / 2**30:.0f} are read."
        )
    if not is_dicom(path):
        raise ImageError(f"{name} is no DICOM file: the mark DICM is missing after 128 bytes.")
    with guarded(name):
        import pydicom

        with path.open("rb") as file:
            bounded = _Bounded(file, path.stat().st_size)
            data = pydicom.dcmread(_inflated(bounded, name) or bounded, stop_before_pixels=not pixel_data)
        header = Header(data, name, path)
        return Header(data, redacted(name, Identity.of(header, b"name").words), path)


class _Bounded:
    """A file that is never asked for more bytes than it has left: a length that lies would be allocated before it fails."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self._size = file, size
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, count: int | None = None) -> bytes:
        if count is None or count < 0:  # what pydicom asks for before it inflates without a bound
            raise ImageError(
                "The file is deflated in a way that cannot be bounded: inflate it first (dcmconv of DCMTK)."
            )
        return self._file.read(min(count, self.left()))

    def left(self) -> int:
        return max(self._size - self._file.tell(), 0)


def _inflated(file: _Bounded, name: str) -> io.BytesIO | None:
    """A deflated file unpacked within bounds, as a plain one; None where the file is not deflated."""
    head = file.read(132)
    while True:  # the file meta group: explicit VR, little endian, always
        place = file.tell()
        element = file.read(8)
        if len(element) < 8 or element[:2] != b"\x02\0" or len(head) > 2**20:
            break
        length = int.from_bytes(element[6:8], "little")
        if element[4:6] in (b"OB", b"OW", b"UN", b"UT", b"SQ"):
            element += file.read(4)
            length = int.from_bytes(element[8:12], "little")
        head += element + file.read(length)
    file.seek(place)
    if DEFLATED.encode() not in head:
        file.seek(0)
        return None
    packed = file.read(file.left())
    bound = min(MAX_FILE_BYTES // 4, MAX_RATIO * len(packed))
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = unpacker.decompress(packed, bound)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ImageError(
            f"{name} is deflated and either cut short or larger than {bound / 2**20:.0f} MiB when unpacked."
        )
    return io.BytesIO(head.replace(DEFLATED.encode(), PLAIN.encode().ljust(len(DEFLATED), b"\0")) + plain)


# --- pixels ----------------------------------------------------------------------------------------------------------


def pixels(header: Header) -> npt.NDArray[np.generic]:
    """Stored values of a grey image, ``[frame, row, column]``, before any slope.

    The length of the pixel data is compared with what rows, columns, frames and bits claim before memory is asked for.

    Raises
    ------
    ImageError
        Sizes that contradict each other or the bounds; colour; a compression without a decoder.
    """
    rows, columns, frames = shape_of(header)
    bits, stored = header.whole("BitsAllocated"), header.whole("BitsStored")
    if bits not in (1, 8, 16, 32) or (header.whole("SamplesPerPixel") or 1) != 1:
        raise ImageError(
            f"{header.name} has {bits} bits per value or colour; grey images of 1, 8, 16 or 32 bits are read."
        )
    stored = bits if stored is None else stored
    high = header.whole("HighBit")
    if not 1 <= stored <= bits or (high is not None and high != stored - 1):
        raise ImageError(
            f"{header.name} stores {stored} of {bits} bits with the highest at {high}: not a layout in use."
        )
    with guarded(header.name):
        raw = header.data.get("PixelData")
        syntax = str(header.data.file_meta.get("TransferSyntaxUID", ""))
    if not isinstance(raw, bytes) or not raw:
        raise ImageError(f"{header.name} has no pixel data.")
    count = rows * columns * frames
    if syntax not in NATIVE:
        if count * bits // 8 > MAX_RATIO * len(raw):
            raise ImageError(f"{header.name} claims {count} voxels in {len(raw)} bytes: no compression does that.")
        return _decoded(header, (frames, rows, columns))
    length = (count * bits + 7) // 8
    if len(raw) not in (length, length + length % 2):
        raise ImageError(
            f"{header.name} holds {len(raw)} bytes of pixels where {frames} frames of {rows} x {columns} at {bits} bits "
            f"need {length}: it is cut short or its sizes are wrong."
        )
    if bits == 1:
        return np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little", count=count).reshape(
            frames, rows, columns
        )
    if syntax == BIG_ENDIAN and bits == 8:
        raise ImageError(f"{header.name} has 8-bit pixels in big-endian order: convert it to little endian first.")
    signed = header.whole("PixelRepresentation") == 1
    order = ">" if syntax == BIG_ENDIAN else "<"
    values = np.frombuffer(raw, np.dtype(f"{order}{'i' if signed else 'u'}{bits // 8}"), count=count)
    if stored < bits:  # the bits above may carry overlays: they are cut, the sign is drawn down
        shift = bits - stored
        values = (values << shift) >> shift
    return values.reshape(frames, rows, columns)


def shape_of(header: Header) -> tuple[int, int, int]:
    """Rows, columns and frames as claimed, within bounds."""
    rows, columns, frames = header.whole("Rows"), header.whole("Columns"), header.whole("NumberOfFrames")
    frames = 1 if frames is None else frames
    if not rows or not columns or min(rows, columns, frames) < 1:
        raise ImageError(f"{header.name} has no usable Rows, Columns and NumberOfFrames: {rows}, {columns}, {frames}.")
    if rows * columns * frames > MAX_VOXELS:
        raise ImageError(f"{header.name} claims {rows * columns * frames} voxels; at most {MAX_VOXELS} are read.")
    return rows, columns, frames


def _decoded(header: Header, shape: tuple[int, int, int]) -> npt.NDArray[np.generic]:
    """Compressed pixels, by the decoders that pydicom finds."""
    with guarded(header.name):
        from pydicom.pixels import get_decoder
        from pydicom.uid import UID

        syntax = UID(str(header.data.file_meta.TransferSyntaxUID))
        try:
            usable = get_decoder(syntax).is_available
        except NotImplementedError:
            usable = False
        if not usable:
            raise ImageError(
                f"{header.name} is compressed ({syntax.name}) and no decoder for it is installed: decompress the series "
                "first (dcmdjpeg or dcmconv of DCMTK, gdcmconv --raw), or export it uncompressed."
            )
        values = np.asarray(get_decoder(syntax).as_array(header.data, raw=True)[0]).reshape(shape)
    if not np.issubdtype(values.dtype, np.integer):
        raise ImageError(f"{header.name} does not hold whole numbers after decompression.")
    return values


# --- times -----------------------------------------------------------------------------------------------------------


def zone_of(timezone: str | datetime.tzinfo | None) -> datetime.tzinfo | None:
    """A zone from what a caller typed: ``"+01:00"``, ``"Europe/Berlin"``, a tzinfo, or None.

    Examples
    --------
    >>> zone_of("+0130")
    datetime.timezone(datetime.timedelta(seconds=5400))
    """
    if timezone is None or isinstance(timezone, datetime.tzinfo):
        return timezone
    told = timezone.strip()
    if told.upper() in ("UTC", "Z"):
        return datetime.UTC
    if match := re.fullmatch(r"([+-])(\d\d):?(\d\d)", told):
        minutes = int(match[2]) * 60 + int(match[3])
        if minutes <= 14 * 60 and int(match[3]) < 60:
            return datetime.timezone(datetime.timedelta(minutes=minutes if match[1] == "+" else -minutes))
        raise ImageError(f"The zone {timezone!r} is no offset from UTC: at most 14 hours.")
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(told)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ImageError(f"The zone {timezone!r} is not known: write +01:00, UTC or Europe/Berlin.") from None


def _parsed(date: str, time: str) -> datetime.datetime | None:
    day = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", date)
    clock = re.fullmatch(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?", time)
    if day is None or clock is None:
        return None
    micro = int((clock[4] or "0").ljust(6, "0"))
    try:
        return datetime.datetime(
            int(day[1]), int(day[2]), int(day[3]), int(clock[1]), int(clock[2] or 0), min(int(clock[3] or 0), 59), micro
        )
    except ValueError:
        return None


def moment(
    header: Header, stem: str, zone: datetime.tzinfo | None, *, root: Header | None = None
) -> datetime.datetime | None:
    """A time of an object: ``<stem>DateTime``, else ``<stem>Date`` with ``<stem>Time``; None when absent.

    The zone is the one written in the value, else TimezoneOffsetFromUTC of the object, else ``zone``; without any of them
    the time comes back without a zone, which the caller must not use as an instant.
    """
    keyword = f"{stem}DateTime"
    stated = header.text(keyword)
    offset: datetime.tzinfo | None = None
    if stated:
        match = re.fullmatch(r"(\d{8})(\d{2,6}(?:\.\d{1,6})?)([+-]\d{4})?", stated)
        found = _parsed(match[1], match[2]) if match else None
        offset = zone_of(match[3]) if match and match[3] else None
    else:
        keyword = f"{stem}Date and {stem}Time"
        date, time = header.text(f"{stem}Date"), header.text(f"{stem}Time")
        if not date or not time:
            return None
        found = _parsed(date, time)
    if found is None:
        raise ImageError(f"{keyword} of {header.name} is no complete date and time.")
    if offset is None and (written := (root or header).text("TimezoneOffsetFromUTC")):
        offset = zone_of(written)
    where = offset or zone
    if where is None:
        return found
    try:
        return with_offset(found.replace(tzinfo=where))
    except ImageError:
        raise ImageError(
            f"{keyword} of {header.name} falls into the hour of a clock change: give the zone as an offset (+01:00)."
        ) from None


def earliest(times: Sequence[datetime.datetime | None], name: str) -> datetime.datetime | None:
    """The first of the times of a series; None where one of them is absent.

    Raises
    ------
    ImageError
        Some have a zone and others have none: they cannot be compared.
    """
    known = [t for t in times if t is not None]
    if len({t.tzinfo is None for t in known}) > 1:
        raise ImageError(f"Some slices of {name}'s series state a zone and others do not: supply timezone=.")
    return min(known) if known and len(known) == len(times) else None


def same(values: Sequence[Any], what: str, names: Sequence[str]) -> Any:
    """The one value that all files share.

    Raises
    ------
    ImageError
        They differ.
    """
    for value, name in zip(values, names, strict=True):
        if value != values[0]:
            raise ImageError(f"{what} differs between {names[0]} and {name}: they are no single series.")
    return values[0]
