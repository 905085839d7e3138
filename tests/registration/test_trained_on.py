"""What bundles were trained on, and pairs of another kind."""

import json
import logging

import pytest
import torch
from monai.data import MetaTensor

from common.registration.contrast import Contrast
from common.registration.judged_inference import VERDICT_FILE, JudgeRegistrationd, WarnUntrainedd
from common.registration.prediction import BUNDLES, gives_features
from common.registration.small_pair import SmallPair
from common.registration.trained_on import TrainedOn, extent_mm

ENTRY = {
    "modality": "MR T1",
    "body_part": "hand",
    "extent_mm": [40, 60],
    "spacing_mm": [1.0, 1.0],
    "displacement_mm": 6,
    "num_contrasts": 1,
}
ONE, TWO = (Contrast("mind", "auto", "", agreement) for agreement in (1.0, -0.5))


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "hands"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text(json.dumps({"trained_on": ENTRY}))
    return folder


def image(size=50, spacing=1.0):
    volume = torch.zeros(1, size, size, size)
    x = torch.linspace(0, 6, size)
    volume[0] = 5 + torch.sin(x)[:, None, None] + torch.sin(2 * x)[:, None] + torch.cos(2 * x)
    return MetaTensor(volume, affine=torch.diag(torch.tensor([spacing, spacing, spacing, 1.0])))


def test_the_extent_is_the_longest_edge_of_what_is_no_background():
    volume = torch.zeros(1, 40, 20, 20)
    volume[0, 5:35, 5:10, 5:10] = 1.0
    block = MetaTensor(volume, affine=torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))
    assert extent_mm(SmallPair.read(block, block)) == 60.0


@pytest.mark.parametrize(
    ("size", "spacing", "contrast", "expected"),
    [
        (50, 1.0, ONE, []),
        (48, 4.0, ONE, ["expected a body of 40 to 60 mm", "expected voxels of 1 to 1 mm"]),
        (50, 1.0, TWO, ["expected images of one contrast, got images of two contrasts"]),
    ],
)
def test_a_pair_of_another_kind_is_described(bundle, size, spacing, contrast, expected):
    fixed = image(size, spacing)
    found = TrainedOn.read(bundle).differences(fixed, fixed, contrast)
    assert len(found) == len(expected)
    assert all(
        text in sentence and sentence.startswith("hands: ") for text, sentence in zip(expected, found, strict=True)
    )


def test_displacements_beyond_those_of_the_training_are_told(bundle):
    trained_on = TrainedOn.read(bundle)
    assert trained_on.too_far(6.0) == []
    assert "got 20 mm" in trained_on.too_far(20.0)[0]


def test_an_unknown_key_is_refused_and_no_entry_is_none(bundle):
    path = bundle / "configs" / "metadata.json"
    path.write_text(json.dumps({"trained_on": ENTRY | {"organ": "hand"}}))
    with pytest.raises(ValueError, match=r"metadata.json: trained_on: .*organ"):
        TrainedOn.read(bundle)
    path.write_text("{}")
    assert TrainedOn.read(bundle) is None


@pytest.mark.parametrize("folder", sorted(BUNDLES.glob("*/configs")), ids=lambda path: path.parent.name)
def test_every_bundle_declares_what_it_was_trained_on_but_those_for_any_pair(folder):
    trained_on = TrainedOn.read(folder.parent)
    if gives_features(folder.parent.name):
        assert trained_on is None
        return
    assert trained_on.num_contrasts in (1, 2)
    for low, high in (trained_on.extent_mm, trained_on.spacing_mm):
        assert 0 < low <= high


def test_inference_warns_before_and_keeps_a_verdict_after(bundle, tmp_path, caplog):
    fixed = image(48, 4.0)
    with caplog.at_level(logging.INFO):
        item = WarnUntrainedd(bundle)({"fixed": fixed, "moving": fixed, "name": "left"})
        assert "expected a body of 40 to 60 mm" in caplog.text
        field = MetaTensor(torch.zeros(3, 48, 48, 48), affine=fixed.affine)
        JudgeRegistrationd(tmp_path)({**item, "fixed_native": fixed, "moving_native": fixed, "field_mm": field})
    verdict = json.loads((tmp_path / "left" / VERDICT_FILE).read_text(encoding="utf-8"))
    assert verdict["grade"] == "doubtful"
    assert len(verdict["reasons"]) == 2
    assert "left: verdict: doubtful (hands: expected a body" in caplog.text
