"""From a made-up study with known truth back to its poses, activities and decays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from alphatwin.imaging import (
    Labels,
    activity_series,
    decay_maps,
    fit_regions,
    make_phantom,
    read_folder,
    region_activity,
    register_study,
)
from alphatwin.imaging._calibration import quantify_study

SPEC = {
    "phantom": "poses",
    "anatomy": "abdomen",
    "nuclide": "Lu-177",
    "administered_activity": "7.4 GBq",
    "administered_at": "2026-03-02T09:00:00+01:00",
    "regions": {
        "liver": {"curve": [{"fraction": "10 %", "half_life": "80 h"}]},
        "spleen": {"curve": [{"fraction": "4 %", "half_life": "60 h"}]},
        "background": {"curve": [{"fraction": "5 %", "half_life": "50 h"}]},
    },
    "scanner": {
        "times": ["4 h", "96 h"],
        "voxel": "6 mm",
        "matrix": 64,
        "fwhm": "10 mm",
        "sensitivity_cps_per_MBq": 9.0,
        "noise": True,
    },
    "poses": [{}, {"shift_mm": [7, -4, 5], "rotation_deg": [1, 0, 2.5]}],
    "contours": "seg",
    "seed": 4,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("poses") / "study"
    make_phantom(SPEC, folder)
    study = quantify_study(read_folder(folder / "dicom", timezone="Europe/Berlin"))
    return study, json.loads((folder / "truth" / "truth.json").read_text())


@pytest.fixture(scope="module")
def registered(made):
    return register_study(made[0], check_inverse=False)


def places_in(labels: Labels):
    index = np.argwhere(np.asarray(labels.masks["liver"]) > 0.5)[::40]
    affine = labels.grid.affine
    return index[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]


@pytest.mark.parametrize(("on", "limit_mm"), [("ct", 0.75), ("spect", 3.0)])
def test_the_pose_of_a_visit_is_found(made, registered, on, limit_mm):
    """CT: voxels of 3 mm; artefacts of interpolation are of the order of a tenth of a voxel, a quarter is allowed. SPECT: the same
    for its 6 mm, and the edges that guide it are 10 mm wide with some thousand counts: half a voxel."""
    study, truth = made
    poses = np.array(truth["to_visit_LPS_mm"])
    true = poses[1] @ np.linalg.inv(poses[0])
    found = (registered if on == "ct" else register_study(study, on=on, check_inverse=False)).transforms[1]
    places = places_in(study.points[0].labels)
    away = np.linalg.norm(found.points(places) - (places @ true[:3, :3].T + true[:3, 3]), axis=1)
    assert away.mean() < limit_mm
    assert found.quality.dice_after["liver"] > 0.93 > found.quality.dice_before["liver"]


def test_activity_survives_registration_and_decays_come_back(made, registered):
    """The body holds everything, blur and all: its decays are the truth's. Counting noise of the whole is below 0.1 %; the CT piece
    is cut where blur carries activity out of the image only at its ends. 2 % covers the mean over the scan against its start
    and the resampling. Maps sum to the fits exactly."""
    study, truth = made
    series = activity_series(registered)
    labels = study.points[0].labels
    activity = region_activity(series, labels, ["liver", "spleen"])
    whole = activity.activity_MBq.sum(axis=0)
    true = sum(np.array(r["activity_MBq"]) for r in truth["regions"].values())
    np.testing.assert_allclose(whole, true, rtol=0.02)
    curves = fit_regions(activity, "mono", relative_sd=0.05)
    maps = decay_maps(series, labels, curves, "mono")
    total = sum(c.time_integrated_activity_MBq_h for c in curves.values())
    assert maps["Lu-177"].array.sum() / 3.6e9 == pytest.approx(total, rel=1e-6)
    assert total == pytest.approx(sum(r["time_integrated_activity_MBq_h"] for r in truth["regions"].values()), rel=0.04)
    # a liver of a litre, 10 mm blur: what leaves through its surface comes back by a third from spleen and background
    liver = truth["regions"]["liver"]["time_integrated_activity_MBq_h"]
    assert 0.8 < curves["liver"].time_integrated_activity_MBq_h / liver < 1.0
