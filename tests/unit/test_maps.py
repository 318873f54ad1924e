"""A case of maps: reading, refusing, time courses, histograms, error bars, workers and resumption."""

import gzip
import importlib
import math
import types

import nibabel
import numpy as np
import pytest

import alphatwin as at
from alphatwin.case.maps import load_maps
from alphatwin.dose.volume import dose_to_volume, dvh
from alphatwin.errors import AlphatwinError, CaseError, DomainError, OutputError
from alphatwin.imaging._map_files import MapGrid, check_same_grid, grid_of, read_header, read_map, save_map
from alphatwin.kinetics.images import VoxelCourse, activity_of_progeny, decays_of_progeny
from alphatwin.physics.hounsfield import density_from_hu, media_from_hu
from alphatwin.report.maps import TallyFile
from alphatwin.run.maps import run_maps
from alphatwin.transport._voxel_errors import FEW, smoothed_variance
from conftest import MAP_EXAMPLES

SHAPE = (5, 6, 7)  # i, j, k
CASE = """\
case: small
density: {map: density.nii.gz}
sources:
  Lu-177: {decays: decays.nii.gz, effective_half_life: 100 h}
regions: {map: labels.nii.gz, names: {1: kidney, 2: tumour}}
method: local
"""


def save(folder, name, values, affine=None, kind=np.float32):
    affine = np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine
    image = nibabel.Nifti1Image(np.asarray(values).astype(kind), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / name)


@pytest.fixture
def folder(tmp_path):
    save(tmp_path, "density.nii.gz", np.ones(SHAPE))
    decays = np.zeros(SHAPE)
    decays[1, 2, 3], decays[3, 3, 3] = 1e9, 2e9
    save(tmp_path, "decays.nii.gz", decays)
    labels = np.zeros(SHAPE)
    labels[1, 2, 3], labels[3, 3, 3:5] = 1, 2
    save(tmp_path, "labels.nii.gz", labels, kind=np.uint8)
    return tmp_path


def run(folder, text=CASE, **more):
    (folder / "case.yaml").write_text(text, encoding="utf-8")
    return run_maps(load_maps(folder / "case.yaml"), folder / "case.yaml", **more)


def refused(folder, text=CASE):
    with pytest.raises(AlphatwinError) as caught:
        run(folder, text)
    return " ".join(str(caught.value).split())


# --- what comes out --------------------------------------------------------------------------------------------------


def test_local_dose_is_energy_over_mass_at_the_place_of_the_decay(folder):
    report = run(folder)
    assert report.grid.voxel_mm == (4.0, 3.0, 2.0)
    energy_J = at.nuclide("Lu-177").energy_MeV("electron") * 1.602176634e-13
    expected = energy_J * 1e9 / (0.024e-3)  # 24 mm3 of water are 0.024 g
    assert report.total[3, 2, 1] == pytest.approx(expected, rel=1e-6)  # [z, y, x] of [i, j, k]
    kidney, tumour = report.regions
    assert (kidney.name, kidney.voxels, kidney.volume_mL) == ("kidney", 1, pytest.approx(0.024))
    assert tumour.mean_Gy == pytest.approx(expected, rel=1e-6)  # two voxels, one of them with twice the decays
    assert tumour.mass_g == pytest.approx(0.048)


def test_dose_rate_integrates_to_the_dose(folder):
    times = [f"{t:.6f} h" for t in np.linspace(0, 1200, 20)]
    report = run(folder, CASE + f"dose_rate_at: {times}\n")
    t = np.array(list(report.rates))
    rate = np.array([r[3, 2, 1] for r in report.rates.values()])
    law = math.log(2) / 100 * report.total[3, 2, 1] * np.exp(-math.log(2) / 100 * t)
    assert rate == pytest.approx(law, rel=1e-6)


def test_written_maps_keep_the_grid_and_the_same_bytes(folder, tmp_path):
    report = run(folder)
    first, second = report.write(tmp_path / "a"), report.write(tmp_path / "b")
    image = nibabel.load(first / "dose.nii.gz")
    assert np.allclose(image.affine, np.diag([2.0, 3.0, 4.0, 1.0]))
    assert np.asarray(image.dataobj)[1, 2, 3] == pytest.approx(report.total[3, 2, 1], rel=1e-6)
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name


def test_example_kidneys_agree_with_the_energy_of_their_own_decays():
    """Own decays of the measured curve times the electron energy over the mass; the rest of the body adds below 6 %."""
    case = load_maps(MAP_EXAMPLES["maps-177lu"])
    case = case.model_copy(update={"method": case.method.__class__(name="local"), "dose_rate_at": ()})
    report = run_maps(case, MAP_EXAMPLES["maps-177lu"])
    t, a = np.array([3.7411, 27.7253, 103.0942]), np.array([98.561, 73.599, 25.396])
    hours = a[0] * t[0] + np.trapezoid(a, t) + a[2] * 52 / math.log(2)
    left = report.regions[0]
    own = hours * 3.6e9 * at.nuclide("Lu-177").energy_MeV("electron") * 1.602176634e-13 / (left.mass_g * 1e-3)
    assert left.mass_mean_Gy == pytest.approx(own, rel=1e-4)


def test_chain_must_be_decided_and_follows(folder):
    text = CASE.replace("Lu-177", "Pb-212").replace(", effective_half_life: 100 h", "")
    told = refused(folder, text)
    assert "chain: follow" in told
    assert "Bi-212" in told
    report = run(folder, text + "chain: follow\n")
    chain = at.nuclide("Pb-212")
    energy = chain.energy_MeV("alpha", chain=True) * 1.602176634e-13
    assert report.by_radiation["alpha"][3, 2, 1] == pytest.approx(energy * 1e9 / 0.024e-3, rel=1e-6)
    alone = run(folder, text + "chain: left_out\n")
    assert "alpha" not in alone.by_radiation
    assert any("LEFT OUT" in note for note in alone.notes)


def test_a_daughter_with_its_own_empty_map_is_accepted(folder):
    save(folder, "none.nii.gz", np.zeros(SHAPE))
    text = CASE.replace("Lu-177", "Pb-212").replace(", effective_half_life: 100 h", "")
    text = text.replace("regions:", "  Bi-212: {decays: none.nii.gz}\nchain: follow\nregions:")
    report = run(folder, text)
    assert set(report.decays) == {"Pb-212", "Bi-212", "Po-212", "Tl-208"}
    assert report.decays["Po-212"] == 0
    assert "alpha" not in report.by_radiation


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 20.0, -1.0, np.nan, np.inf])
def test_impossible_densities(folder, value):
    density = np.ones(SHAPE)
    density[1, 1, 1] = value
    save(folder, "density.nii.gz", density)
    assert "[x=1, y=1, z=1]" in refused(folder)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_impossible_decays(folder, value):
    decays = np.ones(SHAPE)
    decays[4, 5, 6] = value
    save(folder, "decays.nii.gz", decays)
    assert "[x=4, y=5, z=6]" in refused(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (5, 6, 8)}, "5 x 6 x 8 voxels, density.nii.gz has 5 x 6 x 7"),
        ({"affine": np.diag([2.0, 3.0, 4.5, 1.0])}, "voxels of 2 x 3 x 4.5 mm"),
        ({"affine": np.diag([-2.0, 3.0, 4.0, 1.0])}, "rotated or mirrored"),
        ({"affine": np.array([[2, 0, 0, 9], [0, 3, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1.0]])}, "shifted by 9 x 0 x 0 mm"),
    ],
)
def test_mismatched_grids_name_the_difference(folder, change, words):
    save(folder, "labels.nii.gz", np.ones(change.get("shape", SHAPE)), change.get("affine"), np.uint8)
    assert words in refused(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Lu-177:", "Lu-1777:", "Did you mean Lu-177"),
        ("decays: decays.nii.gz", "decays: decay.nii.gz", "Did you mean decays.nii.gz"),
        ("decays: decays.nii.gz", "decays: ../decays.nii.gz", "beside the case file"),
        ("method: local", "method: locals", "Did you mean local"),
        ("method: local", "method: {name: monte_carlo, region: kidnay}", "Did you mean kidney"),
        ("method: local", "method: {name: local, uncertainty: 1 %}", "no statistical uncertainty"),
        ("2: tumour", "7: tumour", "no voxel of labels.nii.gz has label 7"),
        ("case: small\n", "case: small\nmedium: watr\n", "Did you mean water"),
        ("100 h}", "1000 h}", "longer than the half-life"),
        ("density: {map: density.nii.gz}", "ct: {map: density.nii.gz, calibration: x}", "Allowed: schneider2000"),
        ("decays: decays.nii.gz", "activity: [{map: decays.nii.gz, time: 4 h}]", "unit"),
    ],
)  # fmt: skip
def test_slips_in_the_case(folder, old, new, words):
    assert old in CASE
    assert words in refused(folder, CASE.replace(old, new))


def test_files_that_are_no_maps(folder):
    for content, words in (
        (b"", "not a NIfTI"),
        (b"hello" * 100, "not a NIfTI"),
        (gzip.compress(b"x" * 1000), "not a NIfTI"),
    ):
        (folder / "decays.nii.gz").write_bytes(content)
        assert words in refused(folder)
    save(folder, "decays.nii", np.random.default_rng(1).random(SHAPE))
    whole = (folder / "decays.nii").read_bytes()
    for kept in (300, 400, len(whole) - 8):
        (folder / "decays.nii").write_bytes(whole[:kept])
        told = refused(folder, CASE.replace("decays.nii.gz", "decays.nii"))
        assert "truncated" in told or "not a NIfTI" in told
    noise = gzip.compress(whole)
    (folder / "decays.nii.gz").write_bytes(noise[: len(noise) // 2])
    told = refused(folder)
    assert "truncated" in told or "not a NIfTI" in told
    save(folder, "decays.nii.gz", np.ones((*SHAPE, 2)))
    assert "three axes" in refused(folder)


def test_headers_and_streams_that_the_library_breaks_on(folder, capfd):
    """A type that is none, voxels inside the header, a damaged gzip stream: one message, and the library prints nothing."""
    save(folder, "decays.nii", np.random.default_rng(1).random(SHAPE))
    whole = (folder / "decays.nii").read_bytes()
    kind, offset = bytearray(whole), bytearray(whole)
    kind[70:72] = (4096).to_bytes(2, "little")
    offset[108:112] = np.float32(184.0).tobytes()
    packed = bytearray(gzip.compress(whole))
    packed[20:60] = bytes(40)
    for content in (gzip.compress(bytes(kind)), gzip.compress(bytes(offset)), bytes(packed)):
        (folder / "decays.nii.gz").write_bytes(content)
        told = refused(folder)
        assert "not a NIfTI" in told or "truncated or damaged" in told
        assert str(folder) not in told
    assert capfd.readouterr() == ("", "")


def test_a_header_that_announces_more_than_the_file_can_hold(folder):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((3000, 3000, 3000))
    (folder / "decays.nii.gz").write_bytes(gzip.compress(header.binaryblock + b"\0" * 4))
    assert "announces 1.08e+05 MB but has only" in refused(folder)
    save(folder, "decays.nii", np.ones(SHAPE))
    whole = (folder / "decays.nii").read_bytes()
    (folder / "decays.nii").write_bytes(whole[:-8])
    told = refused(folder, CASE.replace("decays.nii.gz", "decays.nii"))
    assert float(told.split("announces ")[1].split()[0]) > float(told.split("only ")[1].split()[0])


def test_more_decays_than_atoms(folder):
    """Else 32-bit maps of dose overflow to infinity."""
    save(folder, "decays.nii.gz", np.full(SHAPE, 1e37))
    told = refused(folder)
    assert "than there are atoms" in told
    assert "1e+37 in voxel [x=0, y=0, z=0]" in told


def test_one_wrong_time_is_one_message(folder):
    """A list whose only image is wrong is not told to be empty as well."""
    images = "activity: [{map: decays.nii.gz, time: -3 h}], unit: Bq"
    told = refused(folder, CASE.replace("decays: decays.nii.gz", images))
    assert "above zero" in told
    assert "is empty" not in told


def test_the_left_kidney_of_the_example_lies_on_the_left():
    """The first axis of NIfTI's world goes to the right, the second to the front, the third to the head."""
    image = nibabel.load(MAP_EXAMPLES["maps-177lu"].parent / "maps-177lu" / "regions.nii.gz")
    labels = np.asarray(image.dataobj)

    def middle(label):
        return image.affine[:3] @ [*np.argwhere(labels == label).mean(axis=0), 1.0]

    left, right, spine = middle(1), middle(2), middle(5)
    assert left[0] < spine[0] < right[0]
    assert spine[1] < middle(3)[1]  # the spine lies behind


def test_more_memory_than_there_is_is_refused_from_headers_alone(folder):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((4000, 4000, 4000))
    (folder / "density.nii").write_bytes(header.binaryblock + b"\0" * 4)
    with (folder / "density.nii").open("r+b") as file:
        file.truncate(352 + 4000**3)  # sparse: no byte of it is stored
    for name in ("decays.nii", "labels.nii"):
        (folder / name).hardlink_to(folder / "density.nii")
    assert "GiB of memory" in refused(folder, CASE.replace(".nii.gz", ".nii"))


@pytest.mark.parametrize(
    ("ct", "words"),
    [
        (lambda hu: hu + 1024, "intercept"),
        (lambda hu: hu / 1000 + 0.0005, "slope"),
        (lambda hu: 0.2 * (hu / 1000 + 1), "attenuation"),  # 1/cm, 0 in air
        (lambda hu: hu * 10, "slope and intercept"),
        (lambda hu: np.where(hu < -900, -3024, hu), "padding"),
    ],
)
def test_ct_with_a_wrong_slope(folder, ct, words):
    hu = np.full(SHAPE, 40.0)
    hu[:, :, 0] = -1000
    save(folder, "ct.nii.gz", ct(hu))
    assert words in refused(folder, CASE.replace("density: {map: density.nii.gz}", "ct: {map: ct.nii.gz}"))


def test_a_ct_gives_densities_and_media(folder):
    hu = np.full(SHAPE, 40.0)
    hu[:, :, 0], hu[:, :, 1] = -2000, 1200
    save(folder, "ct.nii.gz", hu)
    report = run(folder, CASE.replace("density: {map: density.nii.gz}", "ct: {map: ct.nii.gz, padding: air}"))
    assert report.density[0, 0, 0] == pytest.approx(0.00121)
    assert report.density[1, 0, 0] == pytest.approx(1.017 + 0.592e-3 * 1200, rel=1e-3)
    assert any("air, soft-tissue, bone-cortical" in n for n in report.notes)
    assert "schneider2000" in report.provenance.sources


def test_oblique_and_sheared_grids(folder):
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turned = turn @ np.diag([2.0, 3.0, 4.0, 1.0])
    save(folder, "m.nii.gz", np.ones(SHAPE), turned)
    grid = grid_of(read_header(folder / "m.nii.gz", "m"))
    assert grid.oblique
    assert grid.voxel_mm == pytest.approx((4.0, 3.0, 2.0))
    sheared = turned.copy()
    sheared[0, 1] += 1.0
    save(folder, "s.nii.gz", np.ones(SHAPE), sheared)
    with pytest.raises(CaseError, match="sheared"):
        grid_of(read_header(folder / "s.nii.gz", "s"))
    with pytest.raises(CaseError):
        check_same_grid(read_header(folder / "m.nii.gz", "m"), read_header(folder / "s.nii.gz", "s"))


def test_a_map_read_back_is_the_map_written(folder):
    values = np.random.default_rng(2).random((7, 6, 5))
    save_map(
        values, MapGrid((7, 6, 5), (4.0, 3.0, 2.0), np.diag([2.0, 3.0, 4.0, 1.0]), False), folder / "w.nii.gz", "x"
    )
    assert read_map(read_header(folder / "w.nii.gz", "w")).values == pytest.approx(values, rel=1e-6)


# --- pieces ----------------------------------------------------------------------------------------------------------


def test_schneider_calibration_at_its_points_and_equations():
    assert density_from_hu([-1000, -98, 23, 1600, 3000]) == pytest.approx([0.00121, 0.93, 1.031, 1.9642, 2.8])
    hu = np.linspace(-97, 14, 50)
    assert density_from_hu(hu) == pytest.approx(1.018 + 0.893e-3 * hu, abs=1e-3)  # one HU: the points stand one off
    assert density_from_hu(np.arange(101.0, 1600)) == pytest.approx(1.017 + 0.592e-3 * np.arange(101.0, 1600), abs=1e-3)
    with pytest.raises(DomainError, match="slope and intercept"):
        density_from_hu([-3024.0])
    assert media_from_hu([-120.0, -119.0])[1] == ("lung", "adipose")


def test_ct_numbers_of_densities_give_them_back():
    """Over the whole range, also past 100 HU, where the calibration falls from soft tissue to bone."""
    from alphatwin.errors import DomainError
    from alphatwin.physics.hounsfield import density_from_hu, hu_from_density

    density = np.concatenate([np.linspace(0.00121, 2.8, 3001), [1.0762, 1.1, 1.1199, 1.12]])
    assert density_from_hu(hu_from_density(density)) == pytest.approx(density, rel=1e-12)
    assert (hu_from_density([1.0762, 1.1, 1.1199]) <= 100).all()  # both branches have these: soft tissue is meant
    assert hu_from_density(1.12) > 170
    with pytest.raises(DomainError, match=r"2\.9 g/cm3"):
        hu_from_density([1.0, 2.9])


def test_voxel_course_weights_are_the_integral_of_their_activity():
    for course in (
        VoxelCourse((4.0, 24.0, 96.0), 0.01, "rise"), VoxelCourse((4.0, 24.0, 96.0), 0.01, "constant"),
        VoxelCourse((24.0,), 0.01, "extrapolate"), VoxelCourse((24.0,), 0.01, "rise"),
    ):  # fmt: skip
        t = np.unique(np.concatenate([np.linspace(0, 3000, 400_001), course.times_h]))
        numeric = np.trapezoid(course._on(t), t, axis=1) * 3600
        assert course.decays() == pytest.approx(numeric, rel=1e-6)


def test_activity_of_progeny_that_stay_is_batemans():
    """A parent in place, with physical decay alone: its progeny follow Bateman's equations."""
    parent = at.nuclide("Pb-212")
    course = VoxelCourse((), parent.decay_constant_per_h)
    exact = at.activities({"Pb-212": 1.0}, [0.5, 3.0, 30.0])
    for t in (0.5, 3.0, 30.0):
        fed = activity_of_progeny(("Pb-212",), {"Pb-212": course}, t)["Pb-212"]
        own = course.activity(0.0)[0]
        for name in ("Bi-212", "Po-212", "Tl-208"):
            assert fed[name][0] / own == pytest.approx(float(exact.sel(nuclide=name, time=t)), rel=1e-4), (name, t)


def test_decays_of_progeny_are_branching_and_stop_at_maps_of_their_own():
    shares, slow = decays_of_progeny(("Ac-225",))
    assert slow == ()
    assert shares["Ac-225"]["Bi-213"] == pytest.approx(at.nuclide("Ac-225").branching_to("Bi-213"))
    own, _ = decays_of_progeny(("Ac-225", "Bi-213"))
    assert "Po-213" not in own["Ac-225"]
    assert own["Bi-213"]["Tl-209"] == pytest.approx(at.nuclide("Bi-213").branching_to("Tl-209"))


def test_histogram_has_the_mean_dose_as_its_area():
    dose = np.random.default_rng(3).gamma(3.0, 2.0, 5000)
    h = dvh(dose, points=20_000, voxel_mL=0.1)
    assert np.trapezoid(h.values, h["dose"].values) == pytest.approx(dose.mean(), rel=1e-3)
    assert bool((np.diff(h.values) <= 0).all())
    assert float(h["volume_mL"][0]) == pytest.approx(500.0)
    d98, d50, d2 = dose_to_volume(dose, [0.98, 0.5, 0.02])
    assert d98 < d50 < d2
    assert float(h.interp(dose=d50)) == pytest.approx(0.5, abs=0.002)
    for bad in (
        {"dose": []},
        {"dose": [np.nan]},
        {"dose": [-1.0]},
        {"dose": [1.0], "points": 1},
        {"dose": [1.0], "voxel_mL": 0},
    ):
        with pytest.raises(DomainError):
            dvh(**bad)


def test_error_bars_of_few_hits_hold_on_average():
    """Poisson counts of equal energies: the smoothed variance is the true one where the plain estimate is 0 or wild."""
    rng = np.random.default_rng(4)
    truth = 0.8
    counts = rng.poisson(truth, (20, 20, 20)).astype(float)
    variance, few = smoothed_variance(counts, counts)
    assert few.all()
    assert (counts == 0).mean() > 0.3
    assert variance.min() > 0
    assert variance.mean() == pytest.approx(truth, rel=0.05)
    assert np.mean((counts - truth) ** 2 / variance) == pytest.approx(1.0, abs=0.1)
    hot = counts.copy()
    hot[10, 10, 10] = 1e6
    near, flags = smoothed_variance(hot, hot)
    assert not flags[10, 10, 10]
    assert near[10, 10, 11] < 3 * FEW  # a hot neighbour does not raise it


def test_sums_survive_a_file_and_a_damaged_file_is_told(tmp_path):
    store = TallyFile(tmp_path / "sums.npz")
    tally = at_tally()
    store.put("dose", tally, now=True)
    back = TallyFile(tmp_path / "sums.npz").get("dose")
    assert (back.key, back.streams, back.batches, back.code) == (tally.key, tally.streams, tally.batches, tally.code)
    assert np.array_equal(back.first, tally.first)
    whole = (tmp_path / "sums.npz").read_bytes()
    (tmp_path / "sums.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OutputError, match="no sums to resume from"):
        TallyFile(tmp_path / "sums.npz")


def at_tally():
    from alphatwin.transport.voxel_dose import VoxelTally

    return VoxelTally("k", (("Lu-177", "electron"),), (3,), np.arange(12.0)[None], np.ones((1, 12)), "of a version")


# --- Monte Carlo: resumption and workers -----------------------------------------------------------------------------

MONTE_CARLO = CASE.replace("method: local", "method: {name: monte_carlo, uncertainty: 0.5 %, batch_histories: 1000}")


class Stopped(Exception):
    """As if the process was killed."""


def test_a_run_that_was_killed_goes_on_to_the_same_bits(folder):
    whole = run(folder, MONTE_CARLO)
    seen = []

    def stop(stage):
        seen.append(stage)
        if sum("histories" in s for s in seen) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run(folder, MONTE_CARLO, store=TallyFile(folder / "sums.npz"), progress=stop)
    assert any("left" in s for s in seen)
    kept = TallyFile(folder / "sums.npz")
    assert sum(kept.get("dose").batches) == 3
    again = run(folder, MONTE_CARLO, store=kept)
    assert np.array_equal(whole.total, again.total)
    assert np.array_equal(whole.uncertainty, again.uncertainty)
    with pytest.raises(DomainError, match="another request"):
        run(folder, MONTE_CARLO + "options: {seed: 2}\n", store=TallyFile(folder / "sums.npz"))


def test_sums_of_another_version_are_not_gone_on_with(folder, monkeypatch):
    store = TallyFile(folder / "sums.npz")
    run(folder, MONTE_CARLO, store=store)
    monkeypatch.setattr("alphatwin.transport.voxel_dose.source_sha256", lambda: "another" + 57 * "0")
    with pytest.raises(DomainError, match=r"made by another version of alphatwin \(code \w{12}, here another00000\)"):
        run(folder, MONTE_CARLO, store=TallyFile(folder / "sums.npz"))


def test_the_time_left_counts_no_compilation(folder, monkeypatch):
    """The first batch takes 100 s, since kernels are compiled in it; the others take 2 s each."""
    module, now, left = importlib.import_module("alphatwin.run.maps"), [0.0], []
    monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def slowly(*given, progress, really=module.voxel_dose, **more):
        def told(batch):
            now[0] += 2.0 if left else 100.0
            left.append(batch.batches_left)
            progress(batch)

        return really(*given, progress=told, **more)

    monkeypatch.setattr(module, "voxel_dose", slowly)
    said = []
    run(folder, MONTE_CARLO, progress=said.append)
    said = [s for s in said if "histories" in s]
    assert len(said) == len(left) > 3
    assert "left" not in said[0]
    for text, batches in zip(said[1:], left[1:], strict=True):
        assert text.endswith(f"about {module._span(2.0 * batches)} left"), text


def test_zero_is_a_time_and_nothing_is_before_it(folder):
    with pytest.raises(CaseError, match=r"'-1 h' must be zero or above zero"):
        run(folder, CASE + "dose_rate_at: [-1 h]\n")
    assert list(run(folder, CASE + "dose_rate_at: [0 h]\n").rates) == [0.0]


@pytest.mark.slow
def test_workers_of_a_cluster_give_the_same_bits(folder):
    distributed = pytest.importorskip("distributed")
    here = run(folder, MONTE_CARLO)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        there = run(folder, MONTE_CARLO, client=client)
    assert np.array_equal(here.total, there.total)
    assert np.array_equal(here.uncertainty, there.uncertainty)


def test_a_client_that_is_none_is_told():
    with pytest.raises(DomainError, match="Client"):
        at.voxel_dose(np.ones((2, 2, 2)), np.ones((2, 2, 2)), 3.0, "Lu-177", method="monte_carlo", client="tcp://x")
