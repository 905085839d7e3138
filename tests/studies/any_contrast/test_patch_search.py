import json

import pytest
import torch

from common.methods.mcd_pemd.domains import DIRECTIONS, DirectionPairs, Domains
from common.methods.mcd_pemd.patches import PatchPairDataset, Sampling

EASY = Sampling(affine_sd=0.0, margin=-40)


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("patch_search")


def subjects():
    noise = torch.rand(1, 20, 20, 6, generator=torch.Generator().manual_seed(0))
    volume = torch.nn.functional.interpolate(noise[None], (160, 160, 12), mode="trilinear")[0]
    return [{"subject": "a", "T1": volume, "T2": 1 - volume}]


def test_described_samples_are_those_of_the_image_where_nothing_is_described(study):
    (subject,) = subjects()
    as_it_is = study.DescribedVolumes([subject["T1"]], lambda image: image)
    described = PatchPairDataset(as_it_is, as_it_is, 4, sampling=EASY)[1]["image"]
    source = Domains(source_normalization="patch").patch_sources([subject])["source"]
    source.normalize = lambda _, patches: patches
    plain = PatchPairDataset(source, source, 4, sampling=EASY)[1]["image"]
    assert described.shape == (2, 1, 39, 39)
    torch.testing.assert_close(described[:, 0], plain, atol=1e-4, rtol=0)


@pytest.mark.parametrize("stride", [1, 2])
def test_what_does_not_depend_on_contrast_finds_every_displacement(study, stride):
    def edges(image):
        return (image - 0.5).abs()[:, :, ::stride, ::stride, ::stride]

    found = study.accuracies(DirectionPairs(subjects(), study.DescribedDomains(edges, stride), 8, sampling=EASY))
    assert found == dict.fromkeys(DIRECTIONS, 100.0)


def test_a_head_that_is_not_there_is_named(study, tmp_path):
    names = {contrast: f"{contrast}.nii.gz" for contrast in ("T1", "T2")}
    for name in names.values():
        (tmp_path / name).write_bytes(b"no image yet")
    (tmp_path / "dataset.json").write_text(json.dumps({"subjects": [{"subject": "a", **names}]}))
    with pytest.raises(ValueError, match="nobody"):
        study.patch_search(str(tmp_path), "nobody")
