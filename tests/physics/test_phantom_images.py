"""What comes out of the phantom is what went in: activity, places, blur, noise, decay."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from alphatwin.imaging import Grid
from alphatwin.imaging import phantom as maker
from alphatwin.imaging._phantom_spec import load_phantom
from oracle.phantom import deposited

pytest.importorskip("nibabel")
ORGAN = {"curve": [{"fraction": "1.5 %", "half_life": "50 h"}, {"fraction": "-1.5 %", "half_life": "1 h"}]}
LESION = {"curve": [{"fraction": "0.5 %", "half_life": "80 h"}], "centre_mm": [-75, -190, 150], "diameter": "30 mm"}
POSES = [{}, {"shift_mm": [7.3, -4.1, 6.6], "rotation_deg": [3, -2, 5], "emission_shift_mm": [2, 0, -3]}]


def phantom(**changes):
    scanner = {"times": ["4 h", "96 h"], "voxel": "6 mm", "matrix": 80, "fwhm": "15 mm", **changes.pop("scanner", {})}
    asked = {
        "phantom": "test",
        "nuclide": "Lu-177",
        "administered_activity": "7.4 GBq",
        "administered_at": "2026-03-02T09:00:00+01:00",
        "regions": {"kidney_left": ORGAN, "liver": ORGAN, "background": ORGAN},
        "lesions": {"lesion": LESION},
        "poses": POSES,
        **changes,
    }
    return maker._Study.of(load_phantom({**asked, "scanner": scanner}))


@pytest.fixture(scope="module")
def study():
    return phantom()


def moments(image, grid):
    """Total, centroid (LPS mm) and variance along x, y, z of a map."""
    z, y, x = np.indices(grid.shape)
    places = np.einsum("ij,jzyx->izyx", grid.affine[:3], np.stack([x, y, z, np.ones_like(x)]).astype(float))
    total = image.sum()
    middle = (places * image).sum(axis=(1, 2, 3)) / total
    return total, middle, ((places - middle[:, None, None, None]) ** 2 * image).sum(axis=(1, 2, 3)) / total


@pytest.mark.parametrize("k", [0, 1])
def test_no_activity_is_lost_on_the_way_to_the_scanner(study, k):
    amounts = {"kidney_left": 3.0, "liver": 11.0, "background": 40.0, "lesion": 2.0}
    made = maker._deposited(study, amounts, study.emission_grid(), study.to_visit(k))
    assert made.min() >= 0
    assert made.sum() == pytest.approx(56.0, rel=1e-12)  # sums of a million floats


def test_expected_counts_are_sensitivity_times_the_integral_of_the_activity(study):
    s = study.spec.scanner
    for k, start in enumerate(s.times_h):
        hours = s.duration_s / 3600
        expected = 0.0
        for name in study.uptakes:
            terms = study.spec.terms(study.uptakes[name])
            expected += quad(lambda t, terms=terms: sum(f * math.exp(-r * t) for f, r in terms), start, start + hours)[
                0
            ]
        expected *= 7400.0 * 3600.0 * s.sensitivity_cps_per_MBq
        counts = maker._expected_counts(study, k, study.emission_grid())
        # two FWHM beyond the patient: of a flat end, less than a part in a thousand of the last voxels' counts is lost
        assert counts.sum() == pytest.approx(expected, rel=1e-4)


def test_the_scattered_share_of_the_counts_is_the_one_asked_for():
    plain, scattered = (phantom(scanner={"scatter_fraction": f, "scatter_fwhm": "40 mm"}) for f in ("0 %", "20 %"))
    grid = plain.emission_grid()
    wide = Grid((grid.shape[0] + 60, *grid.shape[1:]), grid.affine)  # nothing leaves it
    without, with_it = (maker._expected_counts(s, 0, wide).sum() for s in (plain, scattered))
    assert without / with_it == pytest.approx(0.8, rel=2e-3)


def test_the_image_of_a_lesion_lies_where_the_pose_puts_it(study):
    grid = study.emission_grid()
    for k in (0, 1):
        made = maker._blurred(maker._deposited(study, {"lesion": 1.0}, grid, study.to_visit(k)), 15.0, grid)
        # the parts fill a sphere: its own centroid is that of its parts, within a part of 1.5 mm over many of them
        assert moments(made, grid)[1] == pytest.approx((study.to_visit(k) @ [-75, -190, 150, 1])[:3], abs=0.15)


def test_the_pose_turns_about_the_middle_and_keeps_distances(study):
    move, middle = study.to_visit(1), maker._middle(study.anatomy.grid)
    assert (move @ [*middle, 1])[:3] == pytest.approx(middle + np.array([7.3, -4.1, 6.6]), abs=1e-9)
    assert move[:3, :3] @ move[:3, :3].T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(move) == pytest.approx(1.0)


def test_a_shift_of_the_emission_moves_it_against_its_ct():
    still = phantom(poses=[{}, {"shift_mm": [7, -4, 6]}])
    moved = phantom(poses=[{}, {"shift_mm": [7, -4, 6], "emission_shift_mm": [2, 0, -3]}])
    grid = moved.emission_grid()
    found = [moments(maker._expected_counts(s, 1, grid), grid)[1] for s in (still, moved)]
    # a part counts at the centre of the voxel that holds it: half a voxel of error each, but a million of them
    assert found[1] - found[0] == pytest.approx([2, 0, -3], abs=0.02)
    assert np.array_equal(still.to_visit(1), moved.to_visit(1))


def test_a_turn_about_z_takes_left_to_the_back():
    # right-handed about z (to the head) in LPS: x (left) goes to y (back)
    assert maker._rotation((0, 0, 90)) @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-12)
    assert maker._rotation((90, 0, 0)) @ [0, 1, 0] == pytest.approx([0, 0, 1], abs=1e-12)
    assert maker._rotation((90, 0, 90)) @ [0, 1, 0] == pytest.approx([0, 0, 1], abs=1e-12)  # x first, then z


@pytest.mark.parametrize("fwhm_mm", [10.0, 15.0, 22.0])
def test_variances_add_under_the_blur(study, fwhm_mm):
    grid = study.emission_grid()
    sharp = maker._deposited(study, {"lesion": 1.0}, grid, study.to_visit(0))
    before, after = moments(sharp, grid), moments(maker._blurred(sharp, fwhm_mm, grid), grid)
    sigma2 = (fwhm_mm / 2.3548200450309493) ** 2
    assert after[0] == pytest.approx(before[0], rel=1e-9)
    # sampling a Gaussian of 0.7 voxels or more changes its variance by less than exp(-2 pi^2 0.7^2) = 6e-5 of it
    assert after[2] - before[2] == pytest.approx([sigma2] * 3, rel=3e-3)


def test_a_sphere_has_the_variance_of_a_sphere(study):
    grid = study.emission_grid()
    sharp = maker._deposited(study, {"lesion": 1.0}, grid, study.to_visit(0))
    # r^2/5 of a uniform ball, and h^2/12 of the voxels that hold it (Sheppard)
    assert moments(sharp, grid)[2] == pytest.approx([15.0**2 / 5 + 6.0**2 / 12] * 3, rel=0.02)


def test_the_lesion_has_its_volume(study):
    # parts of 1.5 mm: the count of parts in a ball of radius 10 parts varies by about a percent
    assert study.volume_mL("lesion") == pytest.approx(math.pi / 6 * 2.7e4 / 1000, rel=0.01)


def test_counts_are_poisson():
    made = phantom(scanner={"voxel": "8 mm", "matrix": 60})
    grid = made.emission_grid()
    mean, drawn = maker._expected_counts(made, 0, grid), maker._counts(made, 0, grid)
    assert (drawn == np.rint(drawn)).all()
    seen = mean > 5
    n = int(seen.sum())
    assert n > 3000
    assert drawn.sum() == pytest.approx(mean.sum(), abs=4 * math.sqrt(mean.sum()))
    dispersion = ((drawn[seen] - mean[seen]) ** 2 / mean[seen]).mean()
    spread = math.sqrt((2 + 1 / mean[seen]).mean() / n)  # variance of the square of a Poisson residual is 2 + 1/mean
    assert dispersion == pytest.approx(1.0, abs=4 * spread)
    residual = (drawn - mean) / np.sqrt(np.maximum(mean, 1e-9))
    beside = (residual[:, :, 1:] * residual[:, :, :-1])[seen[:, :, 1:] & seen[:, :, :-1]]
    assert beside.mean() == pytest.approx(0.0, abs=4 / math.sqrt(beside.size))  # neighbours know nothing of each other


def test_visits_and_seeds_draw_anew_and_the_same_seed_draws_the_same():
    one, same, other = (phantom(seed=s, poses=[]) for s in (5, 5, 6))
    grid = one.emission_grid()
    first = maker._counts(one, 0, grid)
    assert np.array_equal(first, maker._counts(same, 0, grid))
    assert not np.array_equal(first, maker._counts(other, 0, grid))
    noise = [
        (maker._counts(one, k, grid) - (m := maker._expected_counts(one, k, grid))) / np.sqrt(m + 1e-9) for k in (0, 1)
    ]
    seen = maker._expected_counts(one, 1, grid) > 5
    n = int(seen.sum())
    assert (noise[0][seen] * noise[1][seen]).mean() == pytest.approx(0.0, abs=4 / math.sqrt(n))


def test_a_filter_after_the_noise_keeps_the_counts():
    made = phantom(scanner={"filter_fwhm": "10 mm"})
    plain = phantom()
    grid = made.emission_grid()
    smooth, rough = maker._counts(made, 0, grid), maker._counts(plain, 0, grid)
    assert smooth.sum() == pytest.approx(rough.sum(), rel=1e-3)
    assert np.array_equal(smooth, maker._blurred(rough, 10.0, grid))


def test_the_deposit_agrees_with_its_slow_twin():
    made = phantom(regions={"kidney_left": ORGAN}, lesions={}, poses=POSES)
    z, y, x = np.argwhere(made.shares["kidney_left"] > 0).mean(axis=0).round().astype(int)
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    affine[:3, 3] = (made.anatomy.grid.affine @ [x, y, z, 1])[:3] - 6.0 * np.array([2.5, 3.5, 3.0])
    grid = Grid((7, 8, 6), affine)
    per_part = np.array([0.0, 1.0 / made.shares["kidney_left"].sum(dtype=float) / len(made.parts), 0.0])
    cut = (slice(z - 4, z + 4), slice(y - 5, y + 5), slice(x - 5, x + 5))
    owners = [np.zeros_like(o) for _, o in made.parts]
    for kept, (_, owner) in zip(owners, made.parts, strict=True):
        kept[cut] = owner[cut]
    object.__setattr__(made, "parts", tuple((o, kept) for (o, _), kept in zip(made.parts, owners, strict=True)))
    for k in (0, 1):
        fast = maker._deposited(made, {"kidney_left": 1.0}, grid, made.to_visit(k))
        slow = deposited(per_part, owners, [o for o, _ in made.parts], made.anatomy.grid.affine, [1.5] * 3,
                         made.to_visit(k), grid.affine, grid.shape)  # fmt: skip
        assert fast.sum() > 0.02
        assert fast == pytest.approx(slow, abs=1e-13)


def test_the_truth_is_the_closed_form(study):
    made = study.truth(None)
    for name, uptake in study.uptakes.items():
        terms = [(f * 7400, r) for f, r in study.spec.terms(uptake)]
        assert made.activity_MBq[name] == pytest.approx([sum(a * math.exp(-r * t) for a, r in terms) for t in (4, 96)])
        whole = quad(lambda t, terms=terms: sum(a * math.exp(-r * t) for a, r in terms), 0, 3000, limit=400)[0]
        assert made.decays[name] == pytest.approx(whole * 3.6e9, rel=1e-6)
    # soft tissue of 30 to 70 HU has 1.04 to 1.09 g/cm3 (Schneider 2000)
    assert 1.04 < made.mass_g["liver"] / made.volume_mL["liver"] < 1.09
    assert sum(made.volume_mL.values()) == pytest.approx((study.anatomy.owner > 0).sum() * 0.027, rel=1e-6)


def test_biological_half_lives_decay_too():
    uptake = {"half_lives": "biological", "curve": [{"fraction": "1 %", "half_life": "100 h"}]}
    made = phantom(regions={"liver": uptake}, lesions={}, poses=[])
    ((_, rate),) = made.spec.terms(made.uptakes["liver"])
    half_life = 6.6443 * 24  # Lu-177, d (DDEP, 6.6443 d)
    assert rate == pytest.approx(math.log(2) * (1 / 100 + 1 / half_life), rel=2e-3)


def test_the_local_dose_is_energy_over_mass():
    """Of every region, a sphere whose edge cuts voxels and the liver it lies in among them."""
    made = phantom(regions={"liver": ORGAN, "background": ORGAN}, lesions={"lesion": LESION}, poses=[], dose="local")
    truth = made.truth(None)
    from alphatwin.physics import nuclide

    charged = sum(nuclide("Lu-177").energy_MeV(r) for r in ("alpha", "recoil", "electron"))
    for name in ("liver", "lesion", "background"):
        expected = truth.decays[name] * charged * 1.602176634e-13 / (truth.mass_g[name] / 1000)
        assert truth.dose_Gy[name] == pytest.approx(expected, rel=1e-6), name


def test_the_dose_of_a_sphere_is_that_of_its_s_value():
    """A hot sphere in a cold liver: decays times the S value of a sphere of its mass, found by another transport.

    Photons from elsewhere are none, those of the sphere itself in both. The sphere of parts is rough; its surface to volume
    changes the electrons that escape, 3 % of the energy, by a part of themselves: 1 %.
    """
    from alphatwin.transport.spheres import RegionMass, self_s_values

    cold = {"curve": [{"fraction": "0.0001 %", "half_life": "50 h"}]}
    made = phantom(regions={"liver": cold}, lesions={"lesion": LESION}, poses=[], dose="convolution")
    truth = made.truth(None)
    mass = truth.mass_g["lesion"]
    assert mass == pytest.approx(
        math.pi / 6 * 3.0**3 * 1.0615, rel=0.01
    )  # 50 HU: 1.003 + 1.169e-3 x 50 (Schneider 2000)
    s = self_s_values({"lesion": RegionMass(mass)}, ["Lu-177"]).s.sum("radiation")
    expected = float(s.values.ravel()[0]) * truth.decays["lesion"]
    assert truth.dose_Gy["lesion"] == pytest.approx(expected, rel=0.01)


def test_region_doses_agree_with_the_whole_grid_of_parts():
    """The twin: every voxel split, one transport, means over parts. Photons give some 2 % of the dose, on the coarse map to a
    few per cent of themselves; kernels of 400 000 histories are known to 1e-3: together 5e-3."""
    from alphatwin.imaging._phantom_dose import DoseProblem, region_doses
    from alphatwin.transport.voxel_dose import voxel_dose

    shape, edges = (14, 15, 16), (3.0, 3.0, 3.0)
    fine = np.indices([2 * n for n in shape]).transpose(1, 2, 3, 0) * 1.5 + 0.75
    owner = np.full(fine.shape[:3], 1, np.int16)
    owner[:, :, 20:] = 2
    owner[np.linalg.norm(fine - [20.0, 22.0, 29.0], axis=-1) < 9.0] = 3
    parts = [(np.array([a, b, c]) / 2 - 0.25, owner[c::2, b::2, a::2]) for c in (0, 1) for b in (0, 1) for a in (0, 1)]
    density = np.ones(shape)
    density[:, :, 10:] = 1.05
    decays = np.array([0.0, 1e12, 3e12, 2e12])
    doses, _ = region_doses(DoseProblem("convolution", edges, (2, 2, 2), parts, {"Lu-177": decays}, density, {3: 1.06}))
    rho = np.where(owner == 3, 1.06, np.repeat(np.repeat(np.repeat(density, 2, 0), 2, 1), 2, 2))
    each = decays / np.maximum(np.bincount(owner.ravel(), minlength=4), 1)
    whole = voxel_dose(each[owner], rho, 1.5, "Lu-177", media="soft-tissue").sum(("nuclide", "radiation")).values
    for k in (1, 2, 3):
        here = owner == k
        assert doses[k] == pytest.approx(float((whole * rho)[here].sum() / rho[here].sum()), rel=5e-3)


@pytest.mark.parametrize("anatomy", ["abdomen", {"body": "adult", "bottom": "30 cm", "top": "38 cm", "voxel": "8 mm"}])
def test_the_ct_says_the_density_that_the_truth_rests_on(tmp_path, anatomy):
    """Masses from the written CT by the conversion that a reader applies. Whole numbers of HU: half of one is 0.06 % of the density."""
    from alphatwin.imaging import make_phantom, read_folder
    from alphatwin.physics.hounsfield import density_from_hu

    asked = phantom(anatomy=anatomy, lesions={}, poses=[]).spec
    truth = make_phantom(asked.model_copy(update={"contours": "none"}), tmp_path / "study")
    ct = read_folder(tmp_path / "study" / "dicom").points[0].ct
    assert ct.grid.shape == truth.labels.grid.shape
    density = density_from_hu(np.clip(ct.array.astype(float), -1000, 3000))
    for name in ("kidney_left", "liver", "background"):
        mass = float((truth.labels.masks[name] * density).sum(dtype=float)) * ct.grid.voxel_mL
        assert truth.mass_g[name] == pytest.approx(mass, rel=1e-3), name
    if anatomy != "abdomen":
        from alphatwin.transport.bodies import voxel_body

        body = voxel_body("adult", 0.8).body
        tissue = body.tissues[body.regions["kidney_left"].tissue].density.value
        assert truth.mass_g["kidney_left"] / truth.volume_mL["kidney_left"] == pytest.approx(tissue, rel=1e-6)


# --- windows of a chain ----------------------------------------------------------------------------------------------

BISMUTH = {
    "curve": [{"fraction": "2 %", "half_life": "60 h"}],
    "daughters": {"Bi-213": [{"fraction": "3 %", "half_life": "50 h"}]},
}
PLAIN = {"curve": [{"fraction": "8 %", "half_life": "60 h"}]}
LOSS = {**PLAIN, "daughters": {"Bi-213": [{"fraction": "6 %", "half_life": "60 h"}]}}
WINDOWS = {
    "218keV": {"energy_keV": [196, 240], "cps_per_MBq": {"Fr-221": 3.0, "Bi-213": 0.9}},
    "440keV": {"energy_keV": [396, 484], "cps_per_MBq": {"Bi-213": 2.4}},
}


def actinium(**regions):
    return phantom(
        nuclide="Ac-225", administered_activity="8 MBq", lesions={}, poses=[],
        regions={"kidney_left": BISMUTH, "liver": PLAIN, "background": LOSS, **regions},
        scanner={"windows": WINDOWS, "noise": False},
    )  # fmt: skip


def test_each_window_counts_what_its_nuclides_decay():
    """Total counts of a window = sum over regions and nuclides of response x integral of activity over the scan (quadrature)."""
    made = actinium()
    grid = made.emission_grid()
    for window, of in WINDOWS.items():
        expected = 0.0
        for name in made.uptakes:
            terms = made.terms(name)
            for q, worth in of["cps_per_MBq"].items():
                a, r = terms[q]
                area = quad(lambda t, a=a, r=r: float(np.sum(a * np.exp(-r * t))), 4.0, 4.5)[0]
                expected += worth * 3600 * area
        found = float(maker._window_counts(made, 0, grid, window).sum())
        assert found == pytest.approx(expected, rel=2e-3)  # the tail of the blur beyond the top of the patient


def test_daughters_stay_where_nothing_else_is_said():
    """Bateman: 221Fr and 213Bi over 225Ac late in the liver; 213Bi has its own curve in the kidney, and its progeny with it."""
    from alphatwin.imaging._phantom_chain import integral, mean_activity
    from alphatwin.physics.nuclides import nuclide

    made = actinium()
    lam = {q: math.log(2) / nuclide(q).half_life_h for q in ("Fr-221", "Bi-213")}
    own = (
        math.log(2) / 60
    )  # effective: the carrier takes its daughters along when it leaves, they decay where they are born
    t = made.terms("liver")
    fr = lam["Fr-221"] / (lam["Fr-221"] - own)
    bi = fr * lam["Bi-213"] / (lam["Bi-213"] - own)  # 217At between them: 33 ms
    assert mean_activity(t["Fr-221"], 96) / mean_activity(t["Ac-225"], 96) == pytest.approx(fr, rel=1e-4)
    assert mean_activity(t["Bi-213"], 96) / mean_activity(t["Ac-225"], 96) == pytest.approx(
        bi, rel=1e-3
    )  # 0.01 % by 217Rn
    kidney = made.terms("kidney_left")
    assert mean_activity(kidney["Bi-213"], 96) == pytest.approx(8 * 0.03 * math.exp(-math.log(2) / 50 * 96), rel=1e-12)
    assert integral(kidney["Pb-209"]) == pytest.approx(integral(kidney["Bi-213"]), rel=1e-9)
    assert integral(kidney["Fr-221"]) == pytest.approx(integral(kidney["Ac-225"]), rel=1e-4)


def test_a_daughter_cannot_come_from_nothing(tmp_path):
    asked = actinium(background=PLAIN).spec
    from alphatwin.errors import CaseError

    with pytest.raises(CaseError, match="Bi-213 would decay"):
        maker.make_phantom(asked, tmp_path / "study")


def test_true_decays_of_the_therapy_nuclide():
    """r' = r - lambda(203Pb) + lambda(212Pb), and 212Bi in place: as many decays as of 212Pb."""
    from alphatwin.imaging._phantom_chain import integral, therapy_terms
    from alphatwin.physics.nuclides import nuclide

    made = phantom(
        nuclide="Pb-203", lesions={}, poses=[], therapy={"nuclide": "Pb-212", "administered_activity": "100 MBq"},
        regions={"liver": {"half_lives": "biological", "curve": [{"fraction": "10 %", "half_life": "100 h"}]}},
    )  # fmt: skip
    found = therapy_terms(made.spec, made.uptakes["liver"])
    rate = math.log(2) * (1 / 100 + 1 / nuclide("Pb-212").half_life_h)
    assert integral(found["Pb-212"]) == pytest.approx(100 * 0.1 / rate, rel=1e-9)
    assert integral(found["Bi-212"]) == pytest.approx(integral(found["Pb-212"]), rel=1e-9)
