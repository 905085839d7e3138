"""The sample population on disk."""

import pytest
import torch

from common.data.layouts.multi_contrast import multi_contrast_subjects
from common.data.sample.folder import write_sample_population
from common.data.sample.population import sample_subject
from common.data.volume import read_volume


def test_the_folder_reads_back_as_the_population(tmp_path):
    folder = write_sample_population(tmp_path / "data", 2, seed=3, region="hippocampus")
    subjects = multi_contrast_subjects(folder, ("T1", "T2", "FLAIR", "label"))
    expected = sample_subject(1, 3, ("T1", "T2", "FLAIR"), "hippocampus")
    assert [subject["subject"] for subject in subjects] == ["sample00", "sample01"]
    for key in ("T1", "T2", "FLAIR", "label"):
        volume = read_volume(subjects[1][key])
        assert torch.equal(volume.as_tensor(), expected[key].as_tensor())
        assert torch.allclose(volume.affine, expected[key].affine)


def test_an_existing_folder_is_kept_and_an_error_leaves_nothing(tmp_path):
    with pytest.raises(FileExistsError):
        write_sample_population(tmp_path, 1)
    with pytest.raises(ValueError, match="contrast"):
        write_sample_population(tmp_path / "data", 1, contrasts=("CT",), region="hippocampus")
    with pytest.raises(ValueError, match="num_subjects: expected at least 1, got 0"):
        write_sample_population(tmp_path / "data", 0)
    assert not list(tmp_path.iterdir())
