"""Pairs of subjects."""

import pytest

from common.data.pairs import pair_subjects, random_pairs

SUBJECTS = [{"subject": name, "image": f"{name}.nii", "label": f"{name}_seg.nii"} for name in "abcdef"]


def sides(pairs):
    return [(pair["fixed_subject"], pair["moving_subject"]) for pair in pairs]


def test_a_pair_holds_images_labels_and_names():
    assert pair_subjects(SUBJECTS[0], SUBJECTS[1]) == {
        "fixed": "a.nii",
        "fixed_subject": "a",
        "fixed_label": "a_seg.nii",
        "moving": "b.nii",
        "moving_subject": "b",
        "moving_label": "b_seg.nii",
    }


def test_all_ordered_pairs_are_drawn_once():
    drawn = sides(random_pairs(SUBJECTS, 30))
    assert len(set(drawn)) == 30
    assert all(fixed != moving for fixed, moving in drawn)


def test_the_seed_decides_and_the_order_of_the_subjects_does_not():
    drawn = sides(random_pairs(SUBJECTS, 8, seed=1))
    assert drawn == sides(random_pairs(SUBJECTS[::-1], 8, seed=1))
    assert drawn != sides(random_pairs(SUBJECTS, 8, seed=2))


@pytest.mark.parametrize("num_pairs", [0, 31])
def test_a_number_of_pairs_that_does_not_exist_is_refused(num_pairs):
    with pytest.raises(ValueError, match=f"expected 1 to 30 for 6 subjects, got {num_pairs}"):
        random_pairs(SUBJECTS, num_pairs)


def test_a_subject_without_the_image_is_named():
    with pytest.raises(ValueError, match="subject b has no T2, it has image, label"):
        pair_subjects(SUBJECTS[0], SUBJECTS[1], "image", "T2")
