"""Pairs of contrasts: drawn by (seed, epoch, index), moved by warps whose field is the truth."""

import json

import pytest
import torch
from monai.data import MetaTensor
from torch.nn import functional

from common.fields.ddf import warp
from common.methods.mine_voxelmorph.known_warp import KnownWarpPairs
from common.methods.mine_voxelmorph.pairs import ContrastPairs, atlas_of, scored_pairs

SHAPE = (32, 32, 32)


def subject(number):
    """A smooth ball-shaped head; FLAIR is T1 with another contrast."""
    generator = torch.Generator().manual_seed(number)
    noise = functional.interpolate(torch.rand(1, 1, 5, 5, 5, generator=generator), SHAPE, mode="trilinear")[0]
    grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 32)] * 3, indexing="ij"))
    image = noise * (grid.norm(dim=0) < 0.8) * 0.9
    label = (noise > 0.5).float()
    volumes = {"T1": image, "FLAIR": image * (1.1 - image), "label": label}
    affine = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))
    return {"subject": f"s{number}", **{key: MetaTensor(x.clone(), affine=affine) for key, x in volumes.items()}}


@pytest.fixture(scope="module")
def subjects():
    return [subject(number) for number in range(3)]


def test_same_epoch_and_index_give_the_same_pair(subjects):
    one, two = (ContrastPairs(subjects, pairing="intra", warp_mm=2.0, augment=True, spacing_mm=2.0) for _ in range(2))
    assert torch.equal(one[3]["image"], two[3]["image"])
    two.set_epoch(1)
    assert not torch.equal(one[3]["image"], two[3]["image"])
    assert two[3]["draw"].tolist() == [1, 3]


def test_subjects_of_an_inter_pair_differ_and_all_pairs_occur(subjects):
    pairs = ContrastPairs(subjects, "T1", "T1", "inter", num_pairs=60)
    found = {
        tuple(next(n for n, s in enumerate(subjects) if torch.equal(s["T1"][0], side)) for side in pairs[i]["image"])
        for i in range(60)
    }
    assert found == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_atlas_pairs_have_the_first_subject_as_fixed(subjects):
    pairs = ContrastPairs(subjects, "T1", "T1", "atlas")
    assert all(torch.equal(pairs[i]["image"][0], subjects[0]["T1"][0].as_tensor()) for i in range(5))
    assert not any(torch.equal(pairs[i]["image"][1], subjects[0]["T1"][0].as_tensor()) for i in range(5))


def test_intra_pair_without_warp_is_aligned(subjects):
    image = ContrastPairs(subjects, pairing="intra")[0]["image"]
    assert torch.allclose(image[1], image[0] * (1.1 - image[0]), atol=1e-6)


def test_augmented_pair_without_known_warp_is_still_aligned(subjects):
    image = ContrastPairs(subjects, "T1", "T1", "intra", augment=True, spacing_mm=2.0)[0]["image"]
    assert torch.allclose(image[1], image[0], atol=1e-5)


def test_true_field_brings_the_moving_image_back(subjects):
    item = KnownWarpPairs(subjects, num_warps=1, warp_mm=4.0, spacing_mm=2.0)[1]
    back = warp(torch.as_tensor(item["moving"])[None], item["true_ddf"][None])[0]
    original, moved = subjects[1]["FLAIR"].as_tensor(), torch.as_tensor(item["moving"])
    assert (back - original).abs().mean() < 0.5 * (moved - original).abs().mean()


def test_wrong_sign_of_the_field_is_caught(subjects):
    item = KnownWarpPairs(subjects, num_warps=1, warp_mm=4.0, spacing_mm=2.0)[1]
    away = warp(torch.as_tensor(item["moving"])[None], -item["true_ddf"][None])[0]
    original, moved = subjects[1]["FLAIR"].as_tensor(), torch.as_tensor(item["moving"])
    assert (away - original).abs().mean() > (moved - original).abs().mean()


def test_known_warps_leave_the_subjects_untouched(subjects):
    before = subjects[0]["FLAIR"].clone()
    assert len(KnownWarpPairs(subjects, num_warps=2, spacing_mm=2.0)) == 6
    KnownWarpPairs(subjects, num_warps=2, spacing_mm=2.0)[0]
    assert torch.equal(before, subjects[0]["FLAIR"])


def test_listed_pairs_are_scored_in_their_order(subjects, tmp_path):
    (tmp_path / "val_pairs.json").write_text(json.dumps({"pairs": [["s2", "s0"], ["s9", "s1"], ["s0", "s1"]]}))
    found = scored_pairs(subjects, str(tmp_path), ("T1", "T1"), "inter")
    assert [found[i]["name"] for i in range(len(found))] == ["s2-s0", "s0-s1"]


def test_drawn_pairs_have_labels(subjects):
    item = scored_pairs(subjects, "", ("T1", "T1"), "inter", num_pairs=3)[0]
    assert {"fixed_label", "moving_label", "image", "name"} <= item.keys()


def test_missing_contrast_is_named(subjects):
    with pytest.raises(ValueError, match="has no T2"):
        ContrastPairs(subjects, "T1", "T2", "intra")[0]


def test_unknown_pairing_is_refused(subjects):
    with pytest.raises(ValueError, match="pairing: expected one of inter, intra, atlas, got 'both'"):
        ContrastPairs(subjects, pairing="both")


def test_one_subject_makes_no_inter_pair(subjects):
    with pytest.raises(ValueError, match="expected enough subjects for pairing 'inter'"):
        ContrastPairs(subjects[:1], pairing="inter")


def test_an_atlas_stays_as_it_is_though_pairs_are_augmented(subjects):
    pairs = ContrastPairs(subjects, "T1", "T1", "atlas", warp_mm=4.0, augment=True, spacing_mm=2.0)
    for index in range(4):
        image = pairs[index]["image"]
        assert torch.equal(image[:1], torch.as_tensor(subjects[0]["T1"]))
        assert any(torch.equal(image[1:], torch.as_tensor(subject["T1"])) for subject in subjects[1:])


def test_a_known_warp_is_for_pairs_within_a_subject(subjects):
    plain, warped = (ContrastPairs(subjects, "T1", "T1", "inter", warp_mm=w, spacing_mm=2.0) for w in (0.0, 4.0))
    assert torch.equal(plain[0]["image"], warped[0]["image"])


def test_the_atlas_of_the_training_is_scored_against(subjects):
    atlas = atlas_of([{**subjects[0], "subject": "atlas"}, subjects[1]], dict, "atlas")
    pairs = scored_pairs(subjects[1:], contrasts=("T1", "T1"), pairing="atlas", atlas=atlas)
    assert len(pairs) == len(subjects) - 1
    assert all(torch.equal(torch.as_tensor(item["fixed"]), torch.as_tensor(subjects[0]["T1"])) for item in pairs)


@pytest.mark.parametrize("pairing", ["inter", "atlas"])
def test_a_part_with_a_single_subject_is_refused(subjects, pairing):
    with pytest.raises(ValueError, match=f"pairing {pairing}: expected at least two subjects in the part to be scored"):
        scored_pairs(subjects[:1], contrasts=("T1", "T1"), pairing=pairing)


def test_no_more_known_warps_are_scored_than_asked_for(subjects):
    assert len(scored_pairs(subjects, contrasts=("T1", "FLAIR"), pairing="intra", num_pairs=1, spacing_mm=2.0)) == 1


def test_no_more_subjects_are_read_for_an_atlas_than_are_scored(subjects):
    numbers = []

    class Reads(list):
        def __getitem__(self, number):
            numbers.append(number)
            return super().__getitem__(number)

    data, atlas = Reads(subjects * 3), {**subjects[0], "subject": "atlas"}
    assert len(scored_pairs(data, contrasts=("T1", "T1"), pairing="atlas", num_pairs=2, atlas=atlas)) == 2
    assert numbers == [0, 1]
