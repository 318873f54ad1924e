"""Phantoms of the user's own: refusals, masses, S values against closed forms and the spheres."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

import alphatwin as at
from alphatwin.errors import CatalogError, DomainError
from alphatwin.transport import _body_transport as transport
from alphatwin.transport import sphere_absorbed_fraction
from alphatwin.transport.voxel_phantoms import VoxelPhantom, read_voxel_phantom

REGIONS = {"body": 1, "liver": 20, "spleen": 7}
MEDIA = {"body": "soft-tissue", "liver": "liver", "spleen": "spleen"}


def labels():
    """A body of 24 x 20 x 28 cm with two organs [z, y, x]."""
    found = np.ones((28, 20, 24), dtype=np.int16)
    found[10:16, 6:12, 3:10] = 20
    found[12:16, 8:12, 17:20] = 7
    found[:, :, 0] = 0
    return found


def phantom(**changed):
    given = {
        "labels": labels(),
        "voxel_mm": (10.0, 10.0, 10.0),
        "regions": REGIONS,
        "media": MEDIA,
        "histories": 20_000,
    }
    return VoxelPhantom(**(given | changed))


@pytest.fixture(scope="module")
def mine():
    return phantom()


def test_masses_are_voxels_times_density(mine):
    assert mine.masses_g["spleen"] == pytest.approx(4 * 4 * 3 * at.medium("spleen").density_g_per_cm3)
    light = phantom(density_g_per_cm3={"spleen": 0.5})
    assert light.masses_g["spleen"] == pytest.approx(24.0)
    assert light.masses_g["liver"] == mine.masses_g["liver"]


def test_organ_s_values_of_a_phantom(mine):
    s = at.organ_s_values("Lu-177", mine)
    assert s.attrs["anatomy"] == "voxel phantom"
    assert list(s.target.values) == list(REGIONS)
    photon = s.sel(nuclide="Lu-177", radiation="photon")
    assert bool((photon > 0).all())
    assert bool((photon.uncertainty > 0).all())
    own = photon.sel(target="liver", source="liver")
    assert float(own.uncertainty / own) < 0.02
    # reciprocity: one kind of soft tissue
    a, b = (photon.sel(target=t, source=r) for t, r in (("liver", "spleen"), ("spleen", "liver")))
    assert abs(float(a - b)) < 4 * np.hypot(float(a.uncertainty), float(b.uncertainty)) + 0.03 * float(a)
    assert float(s.sel(target="liver", source="spleen", radiation="electron").sum()) == 0


def test_masses_and_remainder_of_a_phantom(mine):
    s = at.organ_s_values(["Lu-177"], mine, regions=["liver", "remainder"])[..., 0, 3]
    assert float(s.mass_g.sum()) == pytest.approx(sum(mine.masses_g.values()))
    half = at.organ_s_values(["Lu-177"], mine, regions=["liver", "spleen"], masses_g={"liver": 132.0})[..., 0, 3]
    full = at.organ_s_values(["Lu-177"], mine, regions=["liver", "spleen"], masses_g={"liver": 264.0})[..., 0, 3]
    assert float(half[0, 0] / full[0, 0]) == pytest.approx(2 ** (2 / 3))
    assert float(half[0, 1]) == float(full[0, 1])


@pytest.mark.slow
def test_a_ball_absorbs_what_a_sphere_does():
    """A ball of 5 cm in a large body against the sphere model in an infinite medium: 5 %, the sphere model's own limits."""
    axis = np.arange(60) - 29.5
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    grid = np.where(z**2 + y**2 + x**2 <= 100, 2, 1)  # voxels of 5 mm
    ball = VoxelPhantom(
        grid, (5, 5, 5), {"around": 1, "ball": 2}, {"around": "soft-tissue", "ball": "soft-tissue"}, histories=20_000
    )
    world = ball._world()
    for energy in (0.05, 0.2, 1.0):
        mean, error = transport.follow(world, "ball", energy, histories=40_000)
        assert mean[0] + mean[1] + mean[2] == pytest.approx(1, abs=0.02)
        expected = float(sphere_absorbed_fraction("photon", energy, ball.masses_g["ball"]))
        assert mean[2] == pytest.approx(expected, rel=0.05, abs=3 * error[2])


def test_voxels_need_not_be_cubes():
    thin = np.repeat(labels(), 2, axis=0)
    one = phantom()
    two = phantom(labels=thin, voxel_mm=(5.0, 10.0, 10.0))
    assert two.masses_g == pytest.approx(one.masses_g)
    a, ua = transport.follow(one._world(), "liver", 0.2, histories=40_000)
    b, ub = transport.follow(two._world(), "liver", 0.2, histories=40_000, seed=8)
    assert np.all(np.abs(a - b)[:4] < 4.5 * np.hypot(ua, ub)[:4])


def test_edges_stand_in_the_order_of_the_axes(tmp_path):
    """As in `voxel_dose`: z, y, x; the grid below takes x, y, z."""
    assert phantom(voxel_mm=(5.0, 10.0, 20.0))._grid.edges_cm == (2.0, 1.0, 0.5)
    image = nibabel.Nifti1Image(labels().transpose(2, 1, 0), np.diag([20.0, 10.0, 5.0, 1.0]))
    nibabel.save(image, tmp_path / "labels.nii.gz")
    read = read_voxel_phantom(tmp_path / "labels.nii.gz", REGIONS, MEDIA, histories=1000)
    assert read.voxel_mm == (5.0, 10.0, 20.0)


@pytest.mark.slow
def test_the_seed_and_nothing_else_decides(mine):
    again = phantom()
    np.testing.assert_array_equal(mine.fractions.saf, again.fractions.saf)
    assert not np.array_equal(
        phantom(seed=2, histories=1000).fractions.saf, phantom(seed=3, histories=1000).fractions.saf
    )


@pytest.mark.parametrize("name", ["red_marrow", "skeleton"])
def test_names_of_the_stylised_body_mean_nothing_special(name):
    given = {"body": 1, name: 20, "spleen": 7}
    media = {"body": "soft-tissue", name: "bone-cortical", "spleen": "spleen"}
    s = at.organ_s_values(["Lu-177"], phantom(regions=given, media=media, histories=500))[..., 0, 3]
    assert bool((s > 0).all())
    assert float(s.sel(target=name, source=name)) == float(s.sel(source=name).max())


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"labels": np.ones((3, 3))}, DomainError, r"shape \(3, 3\)"),
        ({"labels": labels() + 0.5}, DomainError, "not whole"),
        ({"labels": labels().astype(float) * np.nan}, DomainError, "not whole"),
        ({"labels": -labels()}, DomainError, "Labels go from -20"),
        ({"labels": labels().astype(str)}, DomainError, "give whole numbers"),
        ({"voxel_mm": (10.0, 10.0)}, DomainError, "three edges"),
        ({"voxel_mm": (10.0, 10.0, 0.0)}, DomainError, "three edges"),
        (
            {"regions": {**REGIONS, "kidneys": 5}},
            DomainError,
            "kidneys has number 5, which no voxel holds; there are 1, 7, 20",
        ),
        ({"regions": {"body": 1, "liver": 20}}, DomainError, "Labels 7 have no name"),
        ({"regions": {**REGIONS, "spleen": 20}}, DomainError, "same number"),
        ({"regions": {**REGIONS, "remainder": 7}}, DomainError, "same number"),
        ({"regions": {"body": 1, "liver": 20, "remainder": 7}}, DomainError, "'remainder' mean something else"),
        ({"regions": {}}, DomainError, "0 regions"),
        ({"media": {"body": "soft-tissue", "liver": "liver"}}, DomainError, "spleen has no medium"),
        ({"media": {**MEDIA, "livr": "liver"}}, DomainError, "Did you mean liver"),
        ({"media": {**MEDIA, "liver": "livr"}}, CatalogError, "Did you mean liver"),
        ({"density_g_per_cm3": {"liver": 0.0}}, DomainError, "density of liver is 0"),
        ({"density_g_per_cm3": {"liver": 1050.0}}, DomainError, "density of liver is 1050"),
        ({"histories": 5}, DomainError, "histories given as 5"),
        ({"histories": "many"}, DomainError, "histories given as 'many'"),
        ({"seed": 0.5}, DomainError, "seed given as 0.5"),
        ({"voxel_mm": 5}, DomainError, "voxel_mm given as 5; give three edges"),
        ({"density_g_per_cm3": {"liver": "x"}}, DomainError, "density of liver is 'x'"),
        ({"density_g_per_cm3": {"liver": float("nan")}}, DomainError, "density of liver is nan"),
        ({"regions": {**REGIONS, "liver": "20"}}, DomainError, "give whole numbers"),
    ],
)
def test_refusals(changed, error, message):
    with pytest.raises(error, match=message):
        phantom(**changed)


def test_a_label_image(tmp_path):
    affine = np.diag([-10.0, 10.0, 10.0, 1.0])
    image = nibabel.Nifti1Image(labels().transpose(2, 1, 0), affine)
    nibabel.save(image, tmp_path / "labels.nii.gz")
    read = read_voxel_phantom(tmp_path / "labels.nii.gz", REGIONS, MEDIA, histories=1000)
    assert read.name == "labels"
    np.testing.assert_array_equal(read.labels, phantom().labels)
    assert read.voxel_mm == (10.0, 10.0, 10.0)
    density = np.where(labels() == 7, 1.2, 1.0).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(density, affine), tmp_path / "density.nii.gz")
    dense = read_voxel_phantom(tmp_path / "labels.nii.gz", REGIONS, MEDIA, tmp_path / "density.nii.gz", histories=1000)
    assert dense.masses_g["spleen"] == pytest.approx(57.6)
    assert float(at.organ_s_values(["Lu-177"], dense)[0, 0, 0, 3]) > 0
    given = read_voxel_phantom(tmp_path / "labels.nii.gz", REGIONS, MEDIA, {"liver": 1.1}, histories=1000)
    assert given.density_g_per_cm3["liver"] == 1.1


def test_images_that_do_not_serve(tmp_path):
    affine = np.diag([10.0, 10.0, 10.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(labels().transpose(2, 1, 0), affine), tmp_path / "labels.nii")
    with pytest.raises(DomainError, match="There is no image"):
        read_voxel_phantom(tmp_path / "none.nii", REGIONS, MEDIA)
    (tmp_path / "text.nii").write_text("no image")
    with pytest.raises(DomainError, match="is no NIfTI image"):
        read_voxel_phantom(tmp_path / "text.nii", REGIONS, MEDIA)
    nibabel.save(nibabel.Nifti1Image(np.ones((3, 3, 3), dtype=np.int16), affine), tmp_path / "small.nii")
    with pytest.raises(DomainError, match="resample one to the other"):
        read_voxel_phantom(tmp_path / "labels.nii", REGIONS, MEDIA, tmp_path / "small.nii")
    nibabel.save(nibabel.Nifti1Image(np.ones((3, 3, 3, 2), dtype=np.int16), affine), tmp_path / "four.nii")
    with pytest.raises(DomainError, match="has 4 axes"):
        read_voxel_phantom(tmp_path / "four.nii", REGIONS, MEDIA)
    sheared = affine.copy()
    sheared[0, 1] = 5.0
    nibabel.save(nibabel.Nifti1Image(labels().transpose(2, 1, 0), sheared), tmp_path / "sheared.nii")
    with pytest.raises(DomainError, match="is sheared"):
        read_voxel_phantom(tmp_path / "sheared.nii", REGIONS, MEDIA)
    bad = np.full(labels().T.shape, np.nan)
    nibabel.save(nibabel.Nifti1Image(bad, affine), tmp_path / "nan.nii")
    with pytest.raises(DomainError, match="no numbers inside"):
        read_voxel_phantom(tmp_path / "labels.nii", REGIONS, MEDIA, tmp_path / "nan.nii")
