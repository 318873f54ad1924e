"""Masks kept as boxes: the same as whole ones, whatever is asked of them."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import ImageError
from alphatwin.imaging import Grid, Labels
from alphatwin.imaging.values import Acquisition, Boxes, Image, Study, TimePoint, box_of

WHERE = Grid((5, 6, 7), np.diag([2.0, 3.0, 4.0, 1.0]))


def masks(seed):
    rng = np.random.Generator(np.random.Philox(key=seed))
    made = {}
    for name in ("a", "b", "none"):
        mask = np.zeros(WHERE.shape, np.float32)
        low = rng.integers(0, (4, 5, 6))
        high = low + 1 + rng.integers(0, 4, 3)
        mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = rng.random() * (name != "none")
        made[name] = mask
    made["bits"] = made["a"] > 0
    return made


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_boxes_are_the_whole_masks(seed):
    whole = masks(seed)
    plain, boxed = Labels(whole, WHERE), Labels(Boxes.of(WHERE.shape, whole.items()), WHERE)
    assert list(boxed.masks) == list(whole)
    for name, mask in whole.items():
        assert boxed.masks[name].dtype == mask.dtype
        np.testing.assert_array_equal(boxed.masks[name], mask)
        assert boxed.volume_mL(name) == pytest.approx(float(mask.sum(dtype=float)) * 0.024, rel=1e-12)
        for margin in (0, 1, 9):
            one, other = plain.cropped(name, margin), boxed.cropped(name, margin)
            np.testing.assert_array_equal(one.masks[name], other.masks[name])
            assert one.grid.same_as(other.grid, 1e-12)
        for box in ((slice(0, 5), slice(0, 6), slice(0, 7)), (slice(1, 3), slice(2, 6), slice(0, 2))):
            np.testing.assert_array_equal(boxed.within(name, box), mask[box])
    for labels in (plain, boxed):
        both = labels.only(["b", "bits"]).joined(labels.only(["none"]))
        assert list(both.masks) == ["b", "bits", "none"]
        np.testing.assert_array_equal(both.masks["b"], whole["b"])


def test_a_box_is_as_small_as_can_be_and_lies_where_it_lay():
    mask = np.zeros(WHERE.shape, bool)
    mask[2, 1, 3] = mask[3, 4, 5] = True
    assert box_of(mask) == (slice(2, 4), slice(1, 5), slice(3, 6))
    there = Labels({"a": mask}, WHERE).cropped("a")
    np.testing.assert_allclose(there.grid.affine @ [0, 0, 0, 1], WHERE.affine @ [3, 1, 2, 1])


def test_boxes_are_checked_and_cannot_be_written_to():
    part = np.full((1, 1, 1), 0.5)
    box = slice(0, 1), slice(0, 1), slice(0, 1)
    labels = Labels(Boxes(WHERE.shape, {"a": (box, part)}), WHERE)
    with pytest.raises(ValueError, match="read-only"):
        labels.masks["a"][0, 0, 0] = 1
    with pytest.raises(ImageError, match="has shape"):
        Labels(Boxes((5, 6, 8), {"a": (box, part)}), WHERE)
    with pytest.raises(ImageError, match="shares between 0 and 1"):
        Labels(Boxes(WHERE.shape, {"a": (box, part * 3)}), WHERE)
    with pytest.raises(ImageError, match="There is no region 'b'; there are a"):
        labels.cropped("b")


def test_times_of_a_named_zone_count_over_a_change_of_the_clocks():
    """Berlin goes to summer time on 29 March 2026: three days there are 95 and not 96 hours."""
    import zoneinfo

    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    injected = datetime.datetime(2026, 3, 27, 9, tzinfo=berlin)
    points = []
    for month, day in ((3, 28), (3, 31), (4, 3)):
        started = datetime.datetime(2026, month, day, 9, tzinfo=berlin)
        got = Acquisition(started, 1800.0, "Lu-177", None, None, "start")
        points.append(
            TimePoint(Image(np.ones((2, 2, 2)), Grid((2, 2, 2), np.eye(4)), "activity_concentration", acquisition=got))
        )
    study = Study(tuple(points), "Lu-177", 100.0, injected)
    assert study.times_h.tolist() == [24.0, 95.0, 167.0]
    assert study.administered_at.utcoffset() == datetime.timedelta(hours=1)
    for hour, day in ((2, 29), (2, 25)):  # not there in March; twice in October
        twice = datetime.datetime(2026, 3 if day == 29 else 10, day, hour, 30, tzinfo=berlin)
        with pytest.raises(ImageError, match="clock change"):
            Acquisition(twice)
