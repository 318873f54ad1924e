"""Thresholds, cortex, volumes and their uncertainty, TotalSegmentator from outside."""

from __future__ import annotations

import math
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import AlphatwinError, ImageError
from alphatwin.imaging import Grid, Image, Labels, cortex, segment_ct, threshold_region, volume_sd_mL, with_volume_sd
from alphatwin.imaging.regions import mean_densities


def cube(n=40, mm=2.0):
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = -mm * (n - 1) / 2
    return Grid((n, n, n), affine)


def radius(grid, middle=(0.0, 0.0, 0.0)):
    z, y, x = np.indices(grid.shape, dtype=float)
    places = np.stack([x, y, z], -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return np.sqrt(np.sum((places - middle) ** 2, axis=-1))


def hot_ball(r_mm, contrast=10.0, fwhm_mm=8.0, n=40):
    """A ball of `contrast` in a background of 1, blurred by a Gaussian."""
    from scipy.ndimage import gaussian_filter

    where = cube(n)
    sharp = np.where(radius(where) <= r_mm, contrast, 1.0)
    return Image(gaussian_filter(sharp, fwhm_mm / 2.3548 / 2.0), where, "activity_concentration")


@pytest.mark.parametrize("contrast", [3.0, 10.0, 100.0])
def test_half_way_between_background_and_peak_is_the_edge(contrast):
    """A plane edge blurred by a symmetric kernel stands at its half height. On a ball of radius r it stands nearer by about s^2/r
    (s the Gaussian's sd, 3.4 mm: 0.72 mm at 16 mm); with half a voxel (1 mm) of drawing, the radius is good to 1.72 mm."""
    ball = threshold_region(hot_ball(16.0, contrast), "ball", seed_mm=(4, -3, 2), method="adaptive")
    r = (3 * ball.volume_mL("ball") * 1000 / 4 / math.pi) ** (1 / 3)
    assert r == pytest.approx(16.0, abs=1.72)


def test_a_fixed_fraction_is_biased_by_the_background_and_the_adaptive_one_is_not():
    sizes = {}
    for method in ("fraction", "adaptive"):
        share = {"value": 0.5}
        sizes[method] = [
            threshold_region(hot_ball(16.0, c), "b", seed_mm=(0, 0, 0), method=method, **share).volume_mL("b")
            for c in (2.5, 100.0)
        ]
    assert abs(sizes["adaptive"][0] / sizes["adaptive"][1] - 1) < abs(sizes["fraction"][0] / sizes["fraction"][1] - 1)


@settings(max_examples=15, deadline=None)
@given(low=st.floats(0.15, 0.9), step=st.floats(0.0, 0.09))
def test_a_higher_threshold_never_gives_a_larger_region(low, step):
    image = hot_ball(10.0, n=24)
    small = threshold_region(image, "b", seed_mm=(0, 0, 0), value=low + step).masks["b"]
    large = threshold_region(image, "b", seed_mm=(0, 0, 0), value=low).masks["b"]
    assert not (small & ~large).any()


def test_only_the_piece_at_the_seed_and_only_inside_the_box():
    where = cube()
    two = np.where((radius(where, (-20, 0, 0)) < 8) | (radius(where, (20, 0, 0)) < 8), 5.0, 0.1)
    image = Image(two, where, "activity_concentration")
    left = threshold_region(image, "left", seed_mm=(-20, 0, 0)).masks["left"]
    assert (left == (radius(where, (-20, 0, 0)) < 8)).all()
    half = threshold_region(image, "half", box_mm=((20, -20, -20), (38, 20, 20)))
    assert half.volume_mL("half") < Labels({"m": left}, where).volume_mL("m")
    assert any("touches the side of its box" in note for note in half.notes)
    given = threshold_region(image, "left", seed_mm=(-20, 0, 0), method="absolute", value=1.0).masks["left"]
    assert (given == left).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either seed_mm or box_mm"),
        ({"seed_mm": (0, 0, 0), "box_mm": ((0, 0, 0), (1, 1, 1))}, "either seed_mm or box_mm"),
        ({"seed_mm": (0, 0)}, "three numbers"),
        ({"seed_mm": (500, 0, 0)}, "outside of the image"),
        ({"box_mm": ((500, 500, 500), (600, 600, 600))}, "No voxel"),
        ({"seed_mm": (0, 0, 0), "value": 1.5}, "between 0 and 1"),
        ({"seed_mm": (0, 0, 0), "method": "absolute"}, "absolute threshold"),
        ({"seed_mm": (0, 0, 0), "method": "otsu"}, "allowed are"),
        ({"seed_mm": (0, 0, 0), "value": 0.01}, "leaks"),
    ],
)
def test_thresholds_that_cannot_be(options, message):
    with pytest.raises(ImageError, match=message):
        threshold_region(hot_ball(12.0), "b", largest_mL=100, **options)


# --- cortex ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thickness", [4.0, 8.0, 12.0])
def test_shell_of_a_ball(thickness):
    """4/3 pi (R^3 - (R - t)^3) with R = 30 mm. The depth of a surface drawn on 2 mm voxels is known to a rectangular +-1 mm,
    on the mean over the surface to far less; a quarter voxel (0.5 mm) of the thickness is allowed."""
    where = cube()
    labels = Labels({"kidney": radius(where) <= 30}, where)
    shell = cortex(labels, "kidney", thickness)
    exact = [4 / 3 * math.pi * (30**3 - (30 - t) ** 3) / 1000 for t in (thickness - 0.5, thickness, thickness + 0.5)]
    assert exact[0] < shell.volume_mL("kidney_cortex") < exact[2]
    assert (shell.masks["kidney_cortex"] <= labels.masks["kidney"]).all()
    assert "a shell, not anatomy" in shell.notes[0]


@settings(max_examples=10, deadline=None)
@given(thin=st.floats(1, 20), more=st.floats(0, 15))
def test_a_thicker_cortex_is_never_smaller(thin, more):
    where = cube(24)
    labels = Labels({"k": radius(where) <= 18}, where)
    assert (
        cortex(labels, "k", thin).masks["k_cortex"] <= cortex(labels, "k", thin + more).masks["k_cortex"] + 1e-6
    ).all()


def test_cortex_refusals():
    where = cube(10)
    labels = Labels({"kidney": radius(where) <= 6, "kidney_cortex": radius(where) <= 1}, where)
    with pytest.raises(AlphatwinError, match="Did you mean kidney"):
        cortex(labels, "kidny", 5)
    with pytest.raises(ImageError, match="above zero"):
        cortex(labels, "kidney", 0)
    with pytest.raises(ImageError, match="already"):
        cortex(labels, "kidney", 5)
    assert any("all of kidney" in n for n in cortex(labels, "kidney", 30, "whole").notes)


# --- volumes ---------------------------------------------------------------------------------------------------------


def test_volume_uncertainty_by_hand():
    """Ball of 20 mm radius, voxels of 2 mm, FWHM 8 mm: u(d)^2 = 4/6 + 64/(4 ln 2) = 23.75, u(V)/V = 3 x 4.873/40 = 36.6 %."""
    where = cube(28)
    labels = Labels({"ball": radius(where) <= 20}, where)
    d = (6 * labels.volume_mL("ball") * 1000 / math.pi) ** (1 / 3)
    assert volume_sd_mL(labels, "ball", fwhm_mm=8) / labels.volume_mL("ball") == pytest.approx(3 * 4.8734 / d, rel=1e-4)
    assert d == pytest.approx(40, rel=0.01)


def test_a_contour_error_goes_with_the_surface():
    """4 pi R^2 x 0.5 mm; the area of a drawn ball by the coarea formula after a blur of one voxel is good to some percent."""
    where = cube(28)
    labels = Labels({"ball": radius(where) <= 20}, where)
    both = volume_sd_mL(labels, "ball", contour_sd_mm=0.5)
    drawn = volume_sd_mL(labels, "ball")
    assert math.sqrt(both**2 - drawn**2) == pytest.approx(4 * math.pi * 400 * 0.5 / 1000, rel=0.05)


@settings(max_examples=10, deadline=None)
@given(fwhm=st.floats(0, 20), more=st.floats(0.01, 10))
def test_worse_resolution_never_makes_a_volume_surer(fwhm, more):
    labels = Labels({"b": radius(cube(12)) <= 8}, cube(12))
    assert volume_sd_mL(labels, "b", fwhm_mm=fwhm + more) > volume_sd_mL(labels, "b", fwhm_mm=fwhm)


@pytest.mark.parametrize("slices", [1, 22, 23, 32, 55, 64])
def test_a_surface_taken_in_slabs_is_that_of_the_whole(slices):
    from scipy.ndimage import gaussian_filter

    from alphatwin.imaging.regions import _surface_mm2

    share = np.random.Generator(np.random.Philox(key=slices)).random((slices, 7, 9))
    where = Grid(share.shape, np.diag([0.8, 0.9, 1.7, 1.0]))
    slopes = np.gradient(gaussian_filter(np.pad(share, 5), 1.0), *where.voxel_mm)
    whole = float(np.sqrt(sum(s**2 for s in slopes)).sum()) * where.voxel_mL * 1000
    assert _surface_mm2(share, where) == pytest.approx(whole, rel=1e-12)


def test_all_regions_at_once():
    where = cube(16)
    labels = Labels({"a": radius(where) <= 10, "b": radius(where) <= 6, "none": np.zeros(where.shape, bool)}, where)
    made = with_volume_sd(labels, fwhm_mm={"a": 6.0}, contour_sd_mm=0.2)
    assert set(made.volume_sd_mL) == {"a", "b"}
    assert made.volume_sd_mL["a"] == volume_sd_mL(labels, "a", fwhm_mm=6, contour_sd_mm=0.2)
    with pytest.raises(ImageError, match="no voxel"):
        volume_sd_mL(labels, "none")
    with pytest.raises(ImageError, match="negative"):
        volume_sd_mL(labels, "a", fwhm_mm=-1)


# --- TotalSegmentator: a program with its manners ----------------------------------------------------------------------

PROGRAM = """#!{python}
import pathlib, sys
import nibabel, numpy as np
words = sys.argv[1:]
ct = nibabel.load(words[words.index("-i") + 1])
out = pathlib.Path(words[words.index("-o") + 1])
out.mkdir()
if "gallbladder" in words:
    sys.exit("no such luck")
for name in words[words.index("--roi_subset") + 1:]:
    low = {{"liver": 0, "duodenum": 40, "small_bowel": 80}}.get(name, 5000)
    mask = (np.asarray(ct.dataobj) > low).astype(np.uint8)
    if name != "spleen":
        nibabel.save(nibabel.Nifti1Image(mask, ct.affine), out / (name + ".nii.gz"))
"""


@pytest.fixture
def program(tmp_path):
    import sys

    file = tmp_path / "TotalSegmentator"
    file.write_text(PROGRAM.format(python=sys.executable))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


@pytest.fixture(scope="module")
def ct():
    where = Grid((4, 5, 6), np.diag([2.0, -2.0, 3.0, 1.0]))
    return Image(np.linspace(-100, 100, 120).reshape(4, 5, 6), where, "hu", "CT")


def test_their_masks_become_our_regions(program, ct):
    found = segment_ct(ct, ["liver", "small_intestine", "pancreas"], command=program)
    assert (found.masks["liver"] == (ct.array > 0)).all()
    assert (found.masks["small_intestine"] == (ct.array > 40)).all()
    assert any(note.startswith("pancreas: TotalSegmentator found none") for note in found.notes)


@pytest.mark.parametrize(
    ("regions", "options", "message"),
    [
        (["liver"], {"command": "no-such-program-here"}, "not installed: pip install TotalSegmentator"),
        (["gallbladder"], {}, r"failed \(exit 1\): no such luck"),
        (["spleen"], {}, "no region 'spleen'"),
        ([], {}, "a list of names"),
        ("liver", {}, "a list of names"),
        (["liver; rm"], {}, "no region"),
        (["liver"], {"timeout_s": 0.01}, "longer than 0.01 s"),
    ],
)
def test_segmentation_refusals(program, ct, regions, options, message):
    with pytest.raises(AlphatwinError, match=message):
        segment_ct(ct, regions, **{"command": program, **options})


def test_the_density_of_a_region_is_that_inside_its_outline():
    """A ball of 40 HU with a core of 60 HU, in fat: 1.003 + 1.169e-3 H (Schneider 2000, whose point at 23 HU is rounded by 1.1e-3);
    the core has its voxels for itself."""
    where = cube()
    ball, core = radius(where) <= 20, radius(where) <= 8
    hu = np.where(core, 60.0, np.where(ball, 40.0, -100.0))
    ct = Image(hu, where, "hu", "CT")
    found = mean_densities(
        Labels({"ball": ball, "core": core, "body": np.ones_like(ball)}, where), ct, ["ball", "core"]
    )
    assert list(found) == ["ball", "core"]
    assert found == pytest.approx({"ball": 1.003 + 1.169e-3 * 40, "core": 1.003 + 1.169e-3 * 60}, rel=1.1e-3)
    shares = np.where(core, np.float32(0.5), np.float32(0.0))
    mixed = mean_densities(Labels({"ball": ball, "core": shares}, where), ct, ["ball", "core"])
    n, m = (ball & ~core).sum(), core.sum()
    assert mixed["ball"] == pytest.approx((n * found["ball"] + 0.5 * m * found["core"]) / (n + 0.5 * m), rel=1e-9)
    with pytest.raises(AlphatwinError, match="Did you mean core"):
        mean_densities(Labels({"core": core}, where), ct, ["cor"])
    with pytest.raises(ImageError, match="no voxel of its own"):
        mean_densities(Labels({"core": core, "same": core}, where), ct, ["core", "same"])
    with pytest.raises(ImageError, match="grids differ"):
        mean_densities(Labels({"core": core}, where), Image(hu, Grid(where.shape, np.eye(4)), "hu", "CT"), ["core"])
