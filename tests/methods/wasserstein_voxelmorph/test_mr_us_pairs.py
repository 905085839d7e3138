import pytest

from common.methods.wasserstein_voxelmorph.mr_us_pairs import mr_us_pairs

TAG = "MNI Tag Point File\nVolumes = 2;\nPoints =\n 1 2 3 4 5 6;\n"


@pytest.fixture
def folder(tmp_path):
    for number in range(1, 23):
        case = tmp_path / f"Case{number}"
        case.mkdir()
        for stem in ("T1", "FLAIR", "US-before"):
            (case / f"{case.name}-{stem}.nii.gz").touch()
        if number != 7:
            (case / f"{case.name}-MRI-beforeUS.tag").write_text(TAG)
    return str(tmp_path)


def names(folder, part, fold):
    return {pair["name"] for pair in mr_us_pairs(folder, part, fold=fold)}


def test_every_patient_is_held_out_once_and_never_trained_on_then(folder):
    held_out = []
    for fold in range(5):
        fit, tune, val = (names(folder, part, fold) for part in ("fit", "tune", "val"))
        assert not fit & tune
        assert not (fit | tune) & val
        assert len(fit | tune | val) == 22
        assert len(tune) == 3
        held_out += sorted(val)
    assert sorted(held_out) == sorted(f"Case{number}" for number in range(1, 23))


def test_ultrasound_is_fixed_and_its_points_too(folder):
    pair = mr_us_pairs(folder, contrast="FLAIR")[0]
    assert pair["fixed"].endswith("-US-before.nii.gz")
    assert pair["moving"].endswith("-FLAIR.nii.gz")
    assert pair["moving_points"].tolist() == [[1, 2, 3]]
    assert pair["fixed_points"].tolist() == [[4, 5, 6]]


def test_patient_without_landmarks_comes_without_points(folder):
    pairs = [pair for fold in range(5) for pair in mr_us_pairs(folder, "val", fold=fold)]
    assert [pair["name"] for pair in pairs if "fixed_points" not in pair] == ["Case7"]


@pytest.mark.parametrize(("fold", "message"), [(5, "got 5"), (-1, "got -1")])
def test_fold_out_of_range_is_refused(folder, fold, message):
    with pytest.raises(ValueError, match=f"fold: expected 0 to 4 for 5 folds, {message}"):
        mr_us_pairs(folder, fold=fold)


def test_more_folds_than_patients_are_refused(folder):
    with pytest.raises(ValueError, match=r"num_folds: expected 2 to 22 \(the number of subjects\), got 23"):
        mr_us_pairs(folder, num_folds=23)


def test_another_part_or_no_data_set_is_refused(folder):
    with pytest.raises(ValueError, match="expected a part of fit, tune, val, got 'test'"):
        mr_us_pairs(folder, "test")
    with pytest.raises(ValueError, match="dataset_dir: expected a folder in the RESECT layout"):
        mr_us_pairs("")
