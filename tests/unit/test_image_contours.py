"""Regions: the rasteriser against closed forms and a slow twin, contours on any grid, segmentations against highdicom."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import ImageError
from alphatwin.imaging import Grid, read_ct, read_rtstruct, read_seg
from alphatwin.imaging.contours import LINES, covered
from oracle import dicom_objects as d

AXIAL = np.array([[2.0, 0, 0, -40], [0, 2.5, 0, -30], [0, 0, 3.0, 10], [0, 0, 0, 1]])


def circle(centre, radius, n=720, z=None):
    angle = np.arange(n) * 2 * np.pi / n
    flat = np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], axis=1)
    return flat if z is None else np.column_stack([flat, np.full(n, z)])


def inside(point, polygons):
    """Even-odd rule, one point and one edge at a time: the obvious twin of `covered`."""
    x, y = point
    crossings = 0
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                crossings += 1
    return crossings % 2


def area(polygon):
    x, y = np.asarray(polygon).T
    return 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


# --- the rasteriser --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0.4, 1.7, 6.3, 18.2])
def test_area_of_a_circle(radius):
    polygon = circle((20.3, 19.6), radius)
    # midpoint rule across a chord that ends like a square root: error below radius * h^1.5
    assert covered([polygon], (40, 42)).sum() == pytest.approx(area(polygon), abs=1.5 * np.sqrt(radius) / LINES**1.5)


def test_holes_islands_and_keyholes_need_no_special_case():
    outer, hole, island = (circle((20, 20), r) for r in (15.0, 9.0, 4.0))
    want = area(outer) - area(hole) + area(island)
    for turned in ([outer, hole, island], [outer[::-1], hole, island[::-1]], [island, hole, outer]):
        assert covered(turned, (40, 40)).sum() == pytest.approx(want, abs=0.2)
    keyhole = np.concatenate([outer, outer[:1], hole[:1], hole[::-1]])
    np.testing.assert_allclose(covered([keyhole], (40, 40)), covered([outer, hole], (40, 40)), atol=1e-5)


def test_rectangles_are_exact_and_the_raster_cuts():
    got = covered([[(0.5, 0.5), (2.25, 0.5), (2.25, 2.5), (0.5, 2.5)]], (4, 5))
    np.testing.assert_allclose(got[1], [0, 1, 0.75, 0, 0], atol=1e-6)
    np.testing.assert_allclose(got[3], 0)
    assert covered([[(-100, -100), (100, -100), (100, 100), (-100, 100)]], (3, 4)).min() == 1
    assert covered([[(50, 50), (60, 50), (60, 60)]], (3, 4)).sum() == 0
    assert covered([], (3, 4)).sum() == 0


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.floats(-3, 12), st.floats(-3, 11)), min_size=3, max_size=9), min_size=1, max_size=3)
)
def test_any_polygons_agree_with_points_taken_one_by_one(polygons):
    polygons = [np.array(p) for p in polygons]
    got = covered(polygons, (8, 9))
    across = 40
    for row, column in ((0, 0), (3, 4), (7, 8), (5, 2)):
        x = column - 0.5 + (np.arange(across) + 0.5) / across
        y = row - 0.5 + (np.arange(LINES) + 0.5) / LINES
        share = np.mean([[inside((a, b), polygons) for a in x] for b in y])
        edges = sum(len(p) for p in polygons)
        assert got[row, column] == pytest.approx(share, abs=(edges + 1) / across)


# --- RTSTRUCT --------------------------------------------------------------------------------------------------------


def sphere_contours(centre, radius, heights):
    return [
        circle(centre[:2], np.sqrt(radius**2 - (z - centre[2]) ** 2), 180, z)
        for z in heights
        if abs(z - centre[2]) < radius - 0.1
    ]


@pytest.fixture
def ct(tmp_path):
    slices = d.ct_slices(np.zeros((30, 40, 48)), AXIAL)
    d.save_all(slices, tmp_path / "ct")
    return slices[0], read_ct(tmp_path / "ct")


def test_a_sphere_keeps_its_volume_on_grids_of_other_spacing(tmp_path, ct):
    first, image = ct
    contours = sphere_contours((0.0, 15.0, 52.0), 20.0, 10 + 3.0 * np.arange(30))
    path = d.save(d.rtstruct({"lesion": contours}, first), tmp_path / "rs.dcm")
    drawn = sum(area(c[:, :2]) for c in contours) * 3.0 / 1000  # mL: slabs of one slice each
    labels = read_rtstruct(path, image.grid, frame_of_reference=image.frame_of_reference)
    assert labels.volume_mL("lesion") == pytest.approx(drawn, rel=1e-3)
    assert drawn == pytest.approx(4 / 3 * np.pi * 8.0, rel=0.02)
    assert labels.masks["lesion"].dtype == np.float32
    for spacing, origin in ((1.0, 10.0), (4.7, 8.3), (13.0, 12.0)):
        affine = np.diag([3.1, 3.3, spacing, 1])
        affine[:3, 3] = -50, -40, origin
        other = Grid((int(90 / spacing), 40, 40), affine)
        assert read_rtstruct(path, other).volume_mL("lesion") == pytest.approx(drawn, rel=3e-3)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-1, 7), st.lists(st.tuples(st.floats(-4, 13), st.floats(-4, 12)), min_size=3, max_size=7)),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_a_region_drawn_in_its_box_is_the_one_drawn_in_the_whole_grid(drawn):
    """The twin adds each slab to each slice of the whole grid."""
    from alphatwin.imaging.contours import _drawn, _slabs

    shape, planes = (6, 9, 10), {}
    for height, polygon in drawn:
        planes.setdefault(height + 0.3, []).append(np.array(polygon))
    whole = np.zeros(shape)
    for height, (low, high) in zip(sorted(planes), _slabs(np.array(sorted(planes)), 1.0), strict=True):
        flat = covered(planes[height], shape[1:])
        for k in range(shape[0]):
            whole[k] += max(min(high, k + 0.5) - max(low, k - 0.5), 0.0) * flat
    found = _drawn(planes, shape, 1.0)
    got = np.zeros(shape)
    if found is not None:
        got[found[0]] = found[1]
    np.testing.assert_allclose(got, np.clip(whole, 0, 1), atol=1e-5)


def test_a_small_region_of_a_large_image_takes_little_memory(tmp_path, ct):
    """A lesion of 8 mL on 200 slices of 512 x 512 voxels, which take 210 MB a mask; nothing is drawn outside of its box."""
    import tracemalloc

    first, _ = ct
    affine = np.diag([0.8, 0.8, 1.0, 1.0])
    affine[:3, 3] = -200, -190, -50
    large = Grid((200, 512, 512), affine)
    contours = sphere_contours((0.0, 15.0, 52.0), 12.0, 10 + 3.0 * np.arange(30))
    path = d.save(d.rtstruct({"lesion": contours}, first), tmp_path / "rs.dcm")
    tracemalloc.start()
    try:
        labels = read_rtstruct(path, large)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 10e6
    assert labels.volume_mL("lesion") == pytest.approx(sum(area(c[:, :2]) for c in contours) * 3 / 1000, rel=3e-3)


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi])
def test_contours_on_an_oblique_or_flipped_ct(tmp_path, angle):
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    affine = AXIAL.copy()
    affine[:3, :3] = turn @ AXIAL[:3, :3]
    slices = d.ct_slices(np.zeros((8, 30, 32)), affine)
    d.save_all(slices, tmp_path / "ct")
    image = read_ct(tmp_path / "ct")
    index = np.column_stack([circle((14.0, 13.0), 6.0), np.full(720, 3.0), np.ones(720)])
    path = d.save(d.rtstruct({"kidney": [(index @ affine.T)[:, :3]]}, slices[0]), tmp_path / "rs.dcm")
    labels = read_rtstruct(path, image.grid)
    place = np.argwhere(labels.masks["kidney"] == 1)[:, ::-1].mean(axis=0)
    middle = (image.grid.affine @ [*place, 1])[:3]
    np.testing.assert_allclose(middle, (affine @ [14, 13, 3, 1])[:3], atol=0.5)
    assert labels.volume_mL("kidney") == pytest.approx(area(circle((0, 0), 6.0)) * 15 / 1000, rel=2e-3)


def test_two_pieces_far_apart_are_not_joined(tmp_path, ct):
    first, image = ct
    square = np.array([[-10, -10], [10, -10], [10, 10], [-10, 10.0]])
    contours = [np.column_stack([square, np.full(4, z)]) for z in (13.0, 16.0, 40.0, 43.0)]
    labels = read_rtstruct(d.save(d.rtstruct({"nodes": contours}, first), tmp_path / "rs.dcm"), image.grid)
    assert labels.volume_mL("nodes") == pytest.approx(4 * 3 * 0.4, rel=1e-3)
    assert labels.masks["nodes"][5:9].sum() == 0
    assert labels.notes == ("nodes: drawn with gaps of up to 24.0 mm, which are left empty",)


def test_names_choices_and_what_is_left_out(tmp_path, ct):
    first, image = ct
    square = np.array([[-10, -10, 13], [10, -10, 13], [10, 10, 13], [-10, 10, 13.0]])
    data = d.rtstruct({"kidney": [square], "liver": [square], "mark": [square]}, first)
    data.StructureSetROISequence[1].ROIName = "kidney"
    data.ROIContourSequence[2].ContourSequence[0].ContourGeometricType = "POINT"
    path = d.save(data, tmp_path / "rs.dcm")
    labels = read_rtstruct(path, image.grid)
    assert list(labels.masks) == ["kidney", "kidney (2)"]
    assert labels.notes[-2:] == ("mark: 1 points or open lines were left out", "mark: no closed contour")
    assert labels.notes[0] == "kidney: on one plane only, taken as one slice thick (3.00 mm)"
    assert list(read_rtstruct(path, image.grid, regions=["kidney (2)"]).masks) == ["kidney (2)"]
    with pytest.raises(ImageError, match="Did you mean kidney"):
        read_rtstruct(path, image.grid, regions=["kidnay"])
    data.StructureSetROISequence[1].ROIName = ["node", "left"]  # a backslash in a name makes two values of it
    assert list(read_rtstruct(d.save(data, tmp_path / "rs.dcm"), image.grid).masks) == ["kidney", "node left"]


def tilted(data):
    data.ROIContourSequence[0].ContourSequence[0].ContourData[2] += 5.0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (tilted, "not parallel"),
        (lambda s: setattr(s.ROIContourSequence[0].ContourSequence[0], "ContourData", [1.0] * 10), "10 numbers"),
        (lambda s: setattr(s.ROIContourSequence[0].ContourSequence[0], "ContourData", [1e9] * 9), "far outside"),
        (lambda s: setattr(s.ROIContourSequence[0].ContourSequence[0], "ContourData", [900.0, 0, 10, 950, 0, 10, 950, 9, 10]), "lie outside"),
        (lambda s: setattr(s.ROIContourSequence[0], "ReferencedROINumber", 9), "does not name"),
        (lambda s: setattr(s.StructureSetROISequence[0], "ROINumber", None), "without a number"),
        (lambda s: delattr(s, "ROIContourSequence"), "no closed contour"),
        (lambda s: setattr(s.StructureSetROISequence[0], "ReferencedFrameOfReferenceUID", "1.2.3"), "another frame"),
    ],
)  # fmt: skip
def test_contours_that_do_not_belong_are_refused(tmp_path, ct, change, told):
    first, image = ct
    data = d.rtstruct({"kidney": [circle((0, 0), 8, 12, 13.0)]}, first)
    change(data)
    with pytest.raises(ImageError, match=told):
        read_rtstruct(d.save(data, tmp_path / "rs.dcm"), image.grid, frame_of_reference=image.frame_of_reference)


# --- SEG -------------------------------------------------------------------------------------------------------------


def segmentation(slices, masks, kind, **more):
    """A SEG as highdicom writes it: ``masks[z, y, x, segment]`` over the given slices."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    described = [
        hd.seg.SegmentDescription(
            segment_number=k, segment_label=name, segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Kidney, algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for k, name in enumerate(("kidneys", "cortex")[: masks.shape[-1]], 1)
    ]  # fmt: skip
    for data in slices:
        for keyword in ("StudyID", "AccessionNumber", "PatientSex", "PositionReferenceIndicator"):
            setattr(data, keyword, "")
    return hd.seg.Segmentation(
        slices, masks, kind, described, series_instance_uid=d.uid("seg"), series_number=9, sop_instance_uid=d.uid("seg", 1),
        instance_number=1, manufacturer="test", manufacturer_model_name="test", software_versions="1",
        device_serial_number="1", **more,
    )  # fmt: skip


@pytest.fixture
def regions():
    masks = np.zeros((6, 14, 18, 2), np.uint8)
    masks[1:4, 2:9, 3:11, 0] = 1
    masks[2:4, 2:5, 3:11, 1] = 1  # overlaps, and leaves slices empty
    return masks


@pytest.mark.filterwarnings("ignore")  # highdicom's writer warns about its own defaults
@pytest.mark.parametrize("turn", [1, -1])
def test_binary_segments_that_overlap_lie_where_they_were_put(tmp_path, regions, turn):
    affine = AXIAL @ np.diag([1.0, turn, turn, 1.0])
    slices = d.ct_slices(np.zeros((6, 14, 18)), affine)
    seg = segmentation(slices, regions.astype(bool), "BINARY")
    seg.save_as(tmp_path / "seg.dcm")
    d.save_all(slices, tmp_path / "ct")
    image = read_ct(tmp_path / "ct")
    labels = read_seg(tmp_path / "seg.dcm", image.grid, frame_of_reference=image.frame_of_reference)
    assert [m.dtype for m in labels.masks.values()] == [bool, bool]
    for k, name in enumerate(("kidneys", "cortex")):
        np.testing.assert_array_equal(labels.masks[name], regions[..., k].astype(bool))
        assert labels.volume_mL(name) == pytest.approx(regions[..., k].sum() * 15 / 1000)
    own = read_seg(tmp_path / "seg.dcm")
    assert own.volume_mL("cortex") == pytest.approx(labels.volume_mL("cortex"))
    for z, y, x in np.argwhere(own.masks["cortex"])[::7]:
        there = np.rint(np.linalg.inv(image.grid.affine) @ own.grid.affine @ [x, y, z, 1]).astype(int)
        assert labels.masks["cortex"][there[2], there[1], there[0]]
    assert list(read_seg(tmp_path / "seg.dcm", regions=["cortex"]).masks) == ["cortex"]


@pytest.mark.filterwarnings("ignore")
def test_a_segmentation_is_turned_to_an_image_stored_the_other_way_round(tmp_path, regions):
    slices = d.ct_slices(np.zeros((6, 14, 18)), AXIAL)
    segmentation(slices, regions.astype(bool), "BINARY").save_as(tmp_path / "seg.dcm")
    flip = np.diag([-1.0, -1.0, -1.0, 1.0])
    flip[:3, 3] = 17, 13, 5
    turned = Grid((6, 14, 18), AXIAL @ flip)
    np.testing.assert_array_equal(
        read_seg(tmp_path / "seg.dcm", turned).masks["cortex"], regions[::-1, ::-1, ::-1, 1] == 1
    )


@pytest.mark.filterwarnings("ignore")
def test_fractional_segments_are_shares(tmp_path, regions):
    slices = d.ct_slices(np.zeros((6, 14, 18)), AXIAL)
    shares = regions[..., :1] * 0.6
    seg = segmentation(slices, shares, "FRACTIONAL", fractional_type="OCCUPANCY", max_fractional_value=200)
    seg.save_as(tmp_path / "seg.dcm")
    labels = read_seg(tmp_path / "seg.dcm", Grid((6, 14, 18), AXIAL))
    np.testing.assert_allclose(labels.masks["kidneys"], shares[..., 0], atol=0.5 / 200)
    assert labels.notes == ()
    seg.SegmentationFractionalType = "PROBABILITY"
    seg.save_as(tmp_path / "p.dcm")
    assert "probabilities" in read_seg(tmp_path / "p.dcm").notes[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: setattr(s, "SegmentationType", "WISH"), "type WISH"),
        (lambda s: s.PerFrameFunctionalGroupsSequence.pop(), "describes"),
        (lambda s: delattr(s, "SegmentSequence"), "describes no segment"),
        (lambda s: setattr(s.SegmentSequence[0], "SegmentNumber", 7), "not described"),
        (lambda s: setattr(s, "FrameOfReferenceUID", "1.2.3"), "another frame"),
        (lambda s: setattr(s.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0], "ImagePositionPatient", [0, 0, 900]), "outside of the image|another grid"),
        (lambda s: setattr(s, "Rows", 30000), "bytes of pixels|claims"),
    ],
)  # fmt: skip
def test_segmentations_that_contradict_themselves_are_refused(tmp_path, regions, change, told):
    slices = d.ct_slices(np.zeros((6, 14, 18)), AXIAL)
    seg = segmentation(slices, regions.astype(bool), "BINARY")
    change(seg)
    seg.save_as(tmp_path / "seg.dcm")
    with pytest.raises(ImageError, match=told):
        read_seg(tmp_path / "seg.dcm", Grid((6, 14, 18), AXIAL), frame_of_reference=slices[0].FrameOfReferenceUID)


@pytest.mark.filterwarnings("ignore")
def test_a_segmentation_of_another_grid_says_so(tmp_path, regions):
    slices = d.ct_slices(np.zeros((6, 14, 18)), AXIAL)
    segmentation(slices, regions.astype(bool), "BINARY").save_as(tmp_path / "seg.dcm")
    coarse = AXIAL @ np.diag([2.0, 2.0, 1.0, 1.0])
    with pytest.raises(ImageError, match="another grid"):
        read_seg(tmp_path / "seg.dcm", Grid((6, 14, 18), coarse))
