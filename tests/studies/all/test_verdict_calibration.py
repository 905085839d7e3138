"""Cases of the verdict's study, their lines and the table; and that the file of results agrees with the bounds."""

import json
from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor

from common.registration.verdict import BOUNDS, verdict_of
from common.world.grid import Grid
from common.world.maps import WorldMap

STUDIES = "scripts/studies/all"
CONTRASTS = ("T1", "T2", "FLAIR")


@pytest.fixture
def study(load_script, monkeypatch, pytestconfig):
    monkeypatch.syspath_prepend(str(pytestconfig.rootpath / STUDIES))
    return load_script("verdict_calibration")


@pytest.fixture
def cases(load_script, study):
    return load_script("verdict_cases")


@pytest.fixture
def results(pytestconfig):
    return json.loads((pytestconfig.rootpath / "docs/results/verdict.json").read_text())["cases"]


def _case(unit, voxel_mm=1.0):
    return SimpleNamespace(unit=unit, fixed=MetaTensor(torch.zeros(1, 4, 4, 4), affine=torch.eye(4) * voxel_mm))


@pytest.mark.parametrize(
    ("unit", "before", "after", "word"),
    [
        ("mm", 6.0, 2.4, "right"),  # 1.2 voxels
        ("mm", 6.0, 3.0, "between"),  # 1.5 voxels
        ("mm", 6.0, 4.2, "wrong"),  # 2.1 voxels
        ("mm", 2.0, 1.7, "between"),  # 0.85 of that before
        ("mm", 2.0, 1.9, "wrong"),  # 0.95 of that before
        ("1 - Dice", 0.3, 0.2, "right"),
        ("1 - Dice", 0.6, 0.45, "between"),
        ("1 - Dice", 0.2, 0.25, "wrong"),
        ("1 - correlation", 0.4, 0.2, "right"),
        ("1 - correlation", 0.4, 0.38, "wrong"),
    ],
)
def test_the_error_tells_right_from_wrong(study, unit, before, after, word):
    assert study.judged(_case(unit, 2.0), before, after) == word


def test_the_table_counts_false_alarms_and_misses(study):
    rows = [
        {"kind": "intact", "name": "ms07 T1-T1", "is": "right", "grade": "doubtful", "reasons": ["folds"]},
        {"kind": "noise", "name": "ms07 T1-T1", "is": "wrong", "grade": "good", "reasons": []},
        {"kind": "noise", "name": "limb CT", "is": "wrong", "grade": "failed", "reasons": ["folds"]},
        {"kind": "noise", "name": "limb T1", "is": "between", "grade": "good", "reasons": []},
    ]
    lines = study.table(rows).splitlines()
    assert "| all | 1 | 1 | 2 | 1 | 1 |" in lines
    assert "| noise | 0 | 0 | 2 | 1 | 1 |" in lines
    assert "| of these, limb | 0 | 0 | 1 | 0 | 1 |" in lines
    assert lines[-2:] == ["false alarm: intact: ms07 T1-T1 ['folds']", "miss: noise: ms07 T1-T1 []"]


def test_all_that_the_bounds_look_at_is_kept(study):
    for bound in BOUNDS:
        bound.measure(dict.fromkeys(study.MEASURES, 1.0))  # a KeyError names what is missing


def test_the_file_of_results_holds_the_grades_that_its_measures_have(study, results):
    assert results == [study.graded(row) for row in results]


def test_no_subject_chose_bounds_and_scores_them(results):
    words = {"hippocampus", "T1", "T2", "FLAIR", *(f"{a}-{b}" for a in CONTRASTS for b in CONTRASTS)}
    choose, score = (_words(results, part) - words for part in ("choose", "score"))
    assert choose
    assert not choose & score


def _words(results, part):
    return {word for row in results if row["part"] == part for word in row["name"].split()}


@pytest.mark.parametrize("name", ["intact", "flipped", "shifted", "cut"])
def test_the_true_field_brings_the_spoilt_image_back(cases, name):
    torch.manual_seed(0)
    shape = (12, 10, 8)
    volume = torch.rand(1, *shape)
    affine = torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0], dtype=torch.float64))
    fixed, grid = MetaTensor(volume, affine=affine), Grid(shape, affine)
    spoil = getattr(cases, name)
    moving = spoil(fixed)
    truth = cases.spoilt_truth(spoil, torch.zeros(3, *shape), grid)
    eye = torch.eye(4, dtype=torch.float64)
    warped = WorldMap(fixed, moving, MetaTensor(truth, affine=affine), eye, eye).warp(moving).as_tensor()
    where = slice(0, round(8 * (1 - cases.CUT_SHARE)) - 1) if name == "cut" else slice(None)
    assert torch.allclose(warped[..., where], volume[..., where], atol=1e-4)


def test_a_pair_has_the_same_warp_in_every_run(cases):
    assert cases.seed_of("a") == 0xE8B7BE43  # CRC-32 of "a"


def test_a_file_of_another_environment_is_not_continued(load_script, study, tmp_path):
    lines = load_script("case_lines").CaseLines(tmp_path / "study.json", ["name"])
    lines.environment = {"python": "2.7"}
    with pytest.raises(ValueError, match=r"study.json: expected an environment of .*2\.7"):
        lines.add({"name": "a"})


def test_the_grade_follows_from_measures_and_doubts(study):
    row = study.graded({"measures": {"folding_fraction": 0.46}, "doubts": ["mcd_pemd"]})
    assert (row["grade"], row["reasons"]) == ("failed", ["folds", "mcd_pemd"])
    assert verdict_of(row["measures"]).grade == "failed"
