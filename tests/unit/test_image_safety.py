"""Hostile and broken files: only an `ImageError` comes out, quickly, within bounded memory, and nobody's name."""

import gzip
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest

from alphatwin.errors import AlphatwinError, ImageError
from alphatwin.imaging import (
    Grid,
    Image,
    find_series,
    read_ct,
    read_folder,
    read_nifti,
    read_nifti_labels,
    read_nm,
    read_pet,
    read_registration,
    read_rtstruct,
    read_seg,
    write_nifti,
)
from oracle import dicom_objects as d

AXIAL = np.array([[2.0, 0, 0, -40], [0, 2.5, 0, -30], [0, 0, 3.0, 10], [0, 0, 0, 1]])
GRID = Grid((4, 6, 8), AXIAL)
SECONDS, BYTES = 5.0, 80 * 2**20
LONG_TAGS = {  # group, element of what decides about sizes, places and meaning
    name: struct.pack("<HH", pydicom.datadict.tag_for_keyword(name) >> 16, pydicom.datadict.tag_for_keyword(name) & 0xFFFF)
    for name in ("Rows", "Columns", "NumberOfFrames", "BitsAllocated", "BitsStored", "PixelSpacing", "ImageType", "Modality", "SOPInstanceUID",
                 "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "PixelData", "Units", "SliceVector", "ContourData",
                 "DecayCorrection", "AcquisitionTime", "FrameOfReferenceUID", "RadiopharmaceuticalInformationSequence")
}  # fmt: skip


def labelled():
    """A small SEG with two overlapping segments, by hand."""
    data = d.blank("SEG")
    data.SegmentationType, data.ContentLabel = "BINARY", "X"
    data.SegmentSequence = d.Sequence([d.item(SegmentNumber=k, SegmentLabel=f"part {k}") for k in (1, 2)])
    measures = d.item(PixelSpacing=[2.5, 2.0], SpacingBetweenSlices=3.0, SliceThickness=3.0)
    data.SharedFunctionalGroupsSequence = d.Sequence([d.item(
        PixelMeasuresSequence=[measures],
        PlaneOrientationSequence=[d.item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )])  # fmt: skip
    data.PerFrameFunctionalGroupsSequence = d.Sequence([
        d.item(PlanePositionSequence=[d.item(ImagePositionPatient=[-40, -30, 10 + 3 * k])],
               SegmentIdentificationSequence=[d.item(ReferencedSegmentNumber=n)])
        for k in range(4) for n in (1, 2)
    ])  # fmt: skip
    data.NumberOfFrames, data.Rows, data.Columns = 8, 6, 8
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 1
    data.HighBit = 0
    data.PixelData = np.packbits(np.arange(384) % 5 < 2, bitorder="little").tobytes()
    data["PixelData"].VR = "OB"
    return data


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """kind -> folder with one whole object (or series) and the reader of it."""
    home = tmp_path_factory.mktemp("corpus")
    values = (np.arange(192) * 7 % 900).reshape(4, 6, 8)
    ct = d.ct_slices(values - 500.0, AXIAL)
    nm = d.nm_tomo(values, AXIAL, slope=2.0)
    square = np.array([[-38, -28, 13], [-30, -28, 13], [-30, -20, 13], [-38, -20, 13.0]])
    d.save_all(ct, home / "ct")
    d.save(nm, home / "nm" / "a.dcm")
    d.save_all(d.pet_slices(values, AXIAL), home / "pt")
    d.save(d.rtstruct({"kidney": [square, square + np.array([0, 0, 3])]}, ct[0]), home / "rs" / "a.dcm")
    d.save(labelled(), home / "seg" / "a.dcm")
    d.save(d.registration(np.eye(4), "moving", "fixed"), home / "reg" / "a.dcm")
    d.save(d.rwv([nm], 3.0), home / "rwv" / "m.dcm")
    d.save(d.nm_tomo(values, AXIAL), home / "rwv" / "a.dcm")
    nm.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    d.save(nm, home / "deflated" / "a.dcm")
    image = Image(values.astype(np.float32), GRID, "hu")
    for name in ("nii/a.nii", "niigz/a.nii.gz"):
        (home / name).parent.mkdir()
        write_nifti(image, home / name)
    readers = {
        "ct": read_ct, "nm": lambda f: read_nm(f / "a.dcm"), "pt": read_pet, "deflated": lambda f: read_nm(f / "a.dcm"),
        "rs": lambda f: read_rtstruct(f / "a.dcm", GRID), "seg": lambda f: (read_seg(f / "a.dcm", GRID), read_seg(f / "a.dcm")),
        "reg": lambda f: read_registration(f / "a.dcm"), "rwv": lambda f: read_nm(f / "a.dcm", mappings=[f / "m.dcm"]),
        "nii": lambda f: (read_nifti(f / "a.nii", "hu"), read_nifti_labels(f / "a.nii")),
        "niigz": lambda f: (read_nifti(f / "a.nii.gz", "hu"), read_nifti_labels(f / "a.nii.gz")),
    }  # fmt: skip
    return {kind: (home / kind, reader) for kind, reader in readers.items()}


KINDS = ("ct", "nm", "pt", "deflated", "rs", "seg", "reg", "rwv", "nii", "niigz")


def mutated(raw, draw):
    """One file after a few accidents or attacks."""
    data = bytearray(raw)
    for _ in range(int(draw.integers(1, 4))):
        kind, at = int(draw.integers(0, 9)), int(draw.integers(0, max(len(data), 1)))
        header = int(draw.integers(132, max(min(len(data), 2000), 133)))
        if kind == 0:
            for k in draw.integers(0, max(len(data), 1), 8):
                if k < len(data):
                    data[k] = int(draw.integers(0, 256))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + int(draw.integers(1, 64))]
        elif kind == 3:
            data[at:at] = data[header : header + int(draw.integers(1, 200))]
        elif kind == 4:  # a length that lies
            data[header : header + 4] = struct.pack("<I", int(draw.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000])))
        elif kind == 5:  # two tags change places
            one, two = (list(LONG_TAGS.values())[int(k)] for k in draw.integers(0, len(LONG_TAGS), 2))
            data = bytearray(bytes(data).replace(one, b"\1\2\3\4").replace(two, one).replace(b"\1\2\3\4", two))
        elif kind == 6:  # a number that lies
            tag = list(LONG_TAGS.values())[int(draw.integers(0, len(LONG_TAGS)))]
            place = bytes(data).find(tag)
            if place >= 0:
                data[place + 8 : place + 10] = draw.choice([b"\xff\xff", b"\0\0", b"-1", b"99", b"\x01\x80"])
        elif kind == 7:
            tag = list(LONG_TAGS.values())[int(draw.integers(0, len(LONG_TAGS)))]
            data = bytearray(bytes(data).replace(tag, struct.pack("<HH", 0x0009, int(draw.integers(0, 65536)))))
        else:
            data[header : header + 1] = (
                bytes([data[header] ^ (1 << int(draw.integers(0, 8)))]) if header < len(data) else b""
            )
    return bytes(data)


def attack(corpus, kind, folder, seed):
    """Mutate one file of a folder and read it every way; what came out, and how many errors."""
    source, reader = corpus[kind]
    draw = np.random.Generator(np.random.Philox(key=(seed, KINDS.index(kind))))
    files = sorted(source.iterdir())
    victim = files[int(draw.integers(0, len(files)))]
    for file in files:
        (folder / file.name).write_bytes(mutated(file.read_bytes(), draw) if file == victim else file.read_bytes())
    refused = 0
    ways = [reader] + ([] if kind.startswith("nii") else [find_series, lambda f: read_folder(f, timezone="UTC")])
    for way in ways:
        began, said = time.perf_counter(), ""
        try:
            way(folder)
        except AlphatwinError as error:
            said = str(error)
        refused += said != ""
        assert not any(word in said for word in d.IDENTITY), said
        assert len(said) < 1000
        assert time.perf_counter() - began < SECONDS
    for file in folder.iterdir():
        file.unlink()
    return refused


def fuzz(corpus, kind, tmp_path, seeds):
    """All mutations timed, every fourth with its memory traced (tracing is slow)."""
    refused = sum(attack(corpus, kind, tmp_path, seed) for seed in seeds if seed % 4)
    tracemalloc.start()
    try:
        refused += sum(attack(corpus, kind, tmp_path, seed) for seed in seeds if seed % 4 == 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused > 0
    assert peak < BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_objects_end_in_one_error(corpus, kind, tmp_path):
    source, reader = corpus[kind]
    reader(source)  # whole, it is read
    fuzz(corpus, kind, tmp_path, range(28))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_mutated_objects_end_in_one_error(corpus, kind, tmp_path):
    fuzz(corpus, kind, tmp_path, range(1000, 1600))


@pytest.mark.parametrize("kind", KINDS)
def test_files_cut_anywhere(corpus, kind, tmp_path):
    source, reader = corpus[kind]
    files = sorted(source.iterdir())
    raw = files[-1].read_bytes()
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for share in np.linspace(0, 0.999, 12):
        (tmp_path / files[-1].name).write_bytes(raw[: int(len(raw) * share)])
        said = ""
        try:
            reader(tmp_path)
        except ImageError as error:
            said = str(error)
        assert not any(word in said for word in d.IDENTITY)


# --- sizes that lie --------------------------------------------------------------------------------------------------


def peak_of(call):
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as caught:
            call()
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"Rows": 65535, "Columns": 65535}, "at most"),
        ({"Rows": 8000, "Columns": 8000}, "bytes of pixels"),
        ({"NumberOfFrames": 2**31 - 1}, "SliceVector|at most|claims"),
        ({"NumberOfFrames": -4}, "no usable Rows"),
        ({"Rows": 0}, "no usable Rows"),
        ({"BitsAllocated": 64}, "64 bits"),
        ({"BitsAllocated": 32}, "bytes of pixels|not a layout"),
    ],
)  # fmt: skip
def test_sizes_are_compared_with_the_bytes_before_memory_is_asked_for(tmp_path, values, told):
    data = d.nm_tomo(np.ones((4, 6, 8)), AXIAL)
    if "Rows" in values or "BitsAllocated" in values:
        del data.SliceVector
    for keyword, value in values.items():
        setattr(data, keyword, value)
    path = d.save(data, tmp_path / "a.dcm")
    message, peak = peak_of(lambda: read_nm(path))
    assert any(word in message for word in told.split("|")), message
    assert peak < 20 * 2**20


def test_a_deflated_bomb_is_not_unpacked(tmp_path, monkeypatch):
    from alphatwin.imaging import dicom

    data = d.nm_tomo(np.ones((4, 6, 8)), AXIAL)
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    raw = d.save(data, tmp_path / "plain.dcm").read_bytes()
    meta = raw[: raw.find(b"1.2.840.10008.1.2.1.99") + 22]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(zlib.decompress(raw[len(meta) :], -zlib.MAX_WBITS) + b"\0" * (64 * 2**20)) + packer.flush()
    monkeypatch.setattr(dicom, "MAX_FILE_BYTES", 16 * 2**20)
    (tmp_path / "bomb.dcm").write_bytes(meta + bomb)
    message, peak = peak_of(lambda: read_nm(tmp_path / "bomb.dcm"))
    assert "larger than 4 MiB when unpacked" in message
    assert peak < 12 * 2**20


def test_nifti_that_claims_more_than_it_holds(tmp_path):
    write_nifti(Image(np.ones((4, 6, 8), np.float32), GRID, "hu"), tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[42:48] = struct.pack("<hhh", 640, 640, 640)
    (tmp_path / "b.nii").write_bytes(raw)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    raw[42:48] = struct.pack("<hhh", 30000, 30000, 30000)
    (tmp_path / "c.nii").write_bytes(raw)
    for name in ("b.nii", "b.nii.gz", "c.nii"):
        message, peak = peak_of(lambda name=name: read_nifti(tmp_path / name, "hu"))
        assert "claims" in message
        assert peak < 20 * 2**20


def test_compression_without_a_decoder_says_how_to_go_on(tmp_path):
    data = d.nm_tomo(np.ones((4, 6, 8)), AXIAL)
    data.PixelData = pydicom.encaps.encapsulate([b"\0\1" * 20] * 4)
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"  # HTJ2K
    with pytest.raises(ImageError, match="no decoder for it is installed: decompress"):
        read_nm(d.save(data, tmp_path / "a.dcm"))
    data.NumberOfFrames, data.Rows, data.Columns = 4, 8000, 8000
    with pytest.raises(ImageError, match="no compression does that"):
        read_nm(d.save(data, tmp_path / "b.dcm"))


def test_run_length_encoding_is_read(tmp_path):
    values = (np.arange(192) * 7 % 900).reshape(4, 6, 8)
    data = d.nm_tomo(values, AXIAL)
    data.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    assert (read_nm(d.save(data, tmp_path / "a.dcm")).array == values).all()


def test_files_that_are_no_images(tmp_path):
    for name, raw in (("empty", b""), ("text", b"hello"), ("zeros", b"\0" * 5000), ("mark", b"\0" * 128 + b"DICM")):
        path = tmp_path / name
        path.write_bytes(raw)
        for reader in (
            read_nm,
            read_ct,
            read_pet,
            read_seg,
            read_registration,
            lambda p: read_rtstruct(p, GRID),
            lambda p: read_nifti(p, "hu"),
        ):
            with pytest.raises(ImageError):
                reader(path)
    for reader in (read_nm, read_seg, lambda p: read_nifti(p, "hu")):
        with pytest.raises(ImageError, match=r"There is no file|is a folder"):
            reader(tmp_path / "nowhere")
        with pytest.raises(ImageError, match=r"There is no file|is a folder|holds no|of modality"):
            reader(tmp_path)
