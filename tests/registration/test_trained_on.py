"""What bundles were trained on, and pairs of another kind."""

import json
import logging

import pytest
import torch
from monai.data import MetaTensor

from common.registration.contrast import Contrast
from common.registration.judged_inference import VERDICT_FILE, JudgeRegistrationd, WarnUntrainedd
from common.registration.prediction import BUNDLES, gives_features
from common.registration.registrar import Registrar
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


def stretch(mean_mm, size=50):
    """A field whose lengths are uniform from 0 to twice their mean once the shift of 100 mm that all share is gone."""
    field_mm = torch.full((3, size, size, size), 100.0)
    field_mm[0] += torch.linspace(-2 * mean_mm, 2 * mean_mm, size)[:, None, None]
    return MetaTensor(field_mm, affine=torch.eye(4))


def test_displacements_beyond_those_of_the_training_are_told(bundle):
    trained_on = TrainedOn.read(bundle)
    assert trained_on.too_far(stretch(8.0)) == []
    assert "at most 6 mm on average, as in its training, got 20." in trained_on.too_far(stretch(20.0))[0]


@pytest.mark.parametrize(("shift_mm", "is_told"), [(8.0, False), (12.0, True)])
def test_objects_that_begin_farther_apart_than_those_of_the_training_are_told(bundle, shift_mm, is_told):
    fixed, moving = image(), image()
    moving.affine[1, 3] += shift_mm
    found = TrainedOn.read(bundle).differences(fixed, moving, ONE)
    assert [f"got {shift_mm:.3g} mm between their centers" in sentence for sentence in found] == [True] * is_told


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


def test_inference_doubts_displacements_beyond_those_of_the_training(bundle, tmp_path):
    item = WarnUntrainedd(bundle)({"fixed": image(), "moving": image(), "name": "left"})
    judge = JudgeRegistrationd(tmp_path)
    judge({**item, "fixed_native": image(), "moving_native": image(), "field_mm": stretch(20.0)})
    verdict = json.loads((tmp_path / "left" / VERDICT_FILE).read_text(encoding="utf-8"))
    assert any(reason.startswith("hands: expected displacements of at most 6 mm") for reason in verdict["reasons"])


def test_a_registrar_warns_of_the_start_and_of_what_was_found_and_doubts_both(bundle):
    class Prediction:
        trained_on, init = TrainedOn.read(bundle), "world"

        def __call__(self, fixed, moving, is_aligned):
            return stretch(20.0)

    moving, registrar = image(), Registrar(device="cpu")
    moving.affine[1, 3] += 12.0
    registrar.prediction = Prediction()
    with pytest.warns(UserWarning, match="hands: expected") as told:
        found = registrar(image(), moving)
    sentences = [str(warning.message) for warning in told if "hands: expected" in str(warning.message)]
    assert [" mm apart" in sentences[0], "displacements of at most" in sentences[1]] == [True, True]
    assert found.doubts == tuple(sentences)


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
