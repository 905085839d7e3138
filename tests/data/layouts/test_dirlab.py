"""Raw DIR-Lab cases, generated small: where a voxel lies, what its number means, and what is refused."""

import numpy as np
import pytest
import torch

from common.data.layouts.dirlab import COPD, Geometry, dirlab_cases, read_dirlab_landmarks, read_dirlab_volume
from common.world.grid import Grid

GEOMETRY = Geometry((4, 3, 2), (0.5, 0.5, 2.5))


@pytest.fixture
def folder(tmp_path):
    for name in ("copd10", "copd2"):
        place = tmp_path / name / name
        place.mkdir(parents=True)
        for phase in ("eBH", "iBH"):
            stored = np.arange(24, dtype="<i2")  # rows fastest
            stored.tofile(place / f"{name}_{phase}CT.img")
            (place / f"{name}_300_{phase}_xyz_r1.txt").write_text("1\t1\t1\n4\t3\t2\n")
    return tmp_path


def test_cases_come_by_number_with_exhaled_lungs_fixed(folder):
    cases = dirlab_cases(folder)
    assert [case["subject"] for case in cases] == ["copd_02", "copd_10"]
    assert cases[0]["fixed"].endswith("copd2_eBHCT.img")
    assert cases[0]["moving_landmarks"].endswith("copd2_300_iBH_xyz_r1.txt")


def test_voxels_run_left_posterior_inferior_and_count_from_air(folder):
    volume = read_dirlab_volume(dirlab_cases(folder)[0]["fixed"], GEOMETRY)
    assert volume.shape == (1, 4, 3, 2)
    assert volume[0, 1, 0, 0] == 1 - 1024
    assert volume[0, 0, 1, 0] == 4 - 1024
    assert volume[0, 0, 0, 1] == 12 - 1024
    last = Grid.from_image(volume).voxel_to_world(torch.tensor([3.0, 2.0, 1.0]))
    assert last.tolist() == [-1.5, -1.0, -2.5]


def test_landmarks_count_from_one(folder):
    landmarks = read_dirlab_landmarks(dirlab_cases(folder)[0]["fixed_landmarks"], GEOMETRY)
    assert landmarks.tolist() == [[0, 0, 0], [-1.5, -1.0, -2.5]]


def test_spacings_are_those_of_the_published_table():
    published = [0.625, 0.645, 0.652, 0.590, 0.647, 0.633, 0.625, 0.586, 0.664, 0.742]
    assert [geometry.spacing_mm[0] for geometry in COPD.values()] == pytest.approx(published, abs=6e-4)


def test_other_files_are_named(folder, tmp_path):
    place = folder / "copd2" / "copd2"
    (place / "copd2_eBHCT.img").write_bytes(bytes(46))
    with pytest.raises(ValueError, match=r"copd2_eBHCT\.img: expected 48 bytes, .* got 46"):
        read_dirlab_volume(place / "copd2_eBHCT.img", GEOMETRY)
    for text, message in (
        ("1 2\n", "got a table"),
        ("a b c\n", "voxel numbers in each line"),
        ("0 1 1\n", "from 1 to"),
    ):
        (place / "copd2_300_eBH_xyz_r1.txt").write_text(text)
        with pytest.raises(ValueError, match=rf"_eBH_xyz_r1\.txt: .*{message}"):
            read_dirlab_landmarks(place / "copd2_300_eBH_xyz_r1.txt", GEOMETRY)
    (place / "copd2_iBHCT.img").unlink()
    with pytest.raises(FileNotFoundError, match="iBH of copd2: expected the file"):
        dirlab_cases(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="expected folders copd1 to copd10"):
        dirlab_cases(tmp_path / "empty")
