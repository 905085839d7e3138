"""A bundle of features in search and refinement, with random weights: equal places have equal features all the same."""

import json
import math
import shutil

import pytest
import torch

from common.commands.register import register as command
from common.losses.mind import mind_ssc
from common.methods.any_contrast.intensity import normalized_intensity
from common.methods.any_contrast.network import AnyContrastFeatures
from common.methods.cyclical_self_training.network import ConvexRegistration
from common.registration import duration
from common.registration.duration import expected_parts
from common.registration.feature_registration import FeatureRegistration
from common.registration.features import Features
from common.registration.greedy import GreedyRefinement, refinement_of
from common.registration.levels import MAX_VOXELS, level_grids
from common.registration.prediction import BUNDLES, gives_features
from common.registration.registrar import Registrar, register
from common.registration.request import own_effort
from common.registration.steps import DiscreteSearch, Refinement, search
from common.weights import with_settings
from common.world.grid import Grid
from tests.registration.test_steps import middle, moved, texture

CHANNELS = [4, 8]
SCALE = 50.0  # random features differ little


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The bundle's folder in a package, with random weights."""
    folder = tmp_path_factory.mktemp("package") / "any_contrast"
    (folder / "models").mkdir(parents=True)
    shutil.copytree(BUNDLES / "any_contrast" / "configs", folder / "configs")
    settings = {"channels": CHANNELS, "scale": 0.3, "radius": 2, "feature_scale": SCALE}
    torch.save(with_settings(network().state_dict(), settings), folder / "models" / "model.pt")
    return folder


def network():
    torch.manual_seed(0)
    extractor = AnyContrastFeatures(CHANNELS)
    return ConvexRegistration(extractor, feature_scale=SCALE, zero_border=False).eval()


def test_the_bundle_gives_features_and_is_no_prediction(bundle):
    assert gives_features(str(bundle))
    assert own_effort(str(bundle), False, 0) == "normal"
    assert own_effort(str(bundle), False, 2) == "none"


@pytest.mark.parametrize("shift", [(8.0, 0.0, 0.0), (0.0, -4.0, 8.0)])
def test_a_search_by_features_finds_a_shift_of_whole_cells(shift):
    with torch.no_grad():
        field_mm = search(texture(), moved(texture(), shift), None, DiscreteSearch(1), features=Features(network()))
    assert middle(field_mm) == pytest.approx(shift, abs=0.6)


def test_a_refinement_by_features_finds_a_shift(bundle):
    shift = (3.0, 0.0, -2.0)
    found = register(texture(), moved(texture(), shift), str(bundle), refine=60)
    assert middle(found.field.as_tensor()) == pytest.approx(shift, abs=0.4)
    assert found.settings["refinement"]["similarity"] == found.contrast.similarity == "features"
    assert found.contrast.chosen_by == "bundle"
    assert len(found.settings["weights_sha256"]) == 64


def test_an_effort_starts_with_an_affine_map_and_a_field_can_take_its_place(bundle, tmp_path):
    fixed, moving = texture(), moved(texture(), (6.0, 0.0, 0.0))
    found = register(fixed, moving, str(bundle), effort="fast")
    assert found.affine[0, 3].item() == pytest.approx(6.0, abs=0.5)
    found.save(tmp_path)
    again = register(fixed, moving, str(bundle), init=str(tmp_path / "field.nii.gz"), effort="fast")
    assert middle(again.field.as_tensor())[0] == pytest.approx(6.0, abs=0.3)


@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_what_a_mask_hides_makes_no_features(bundle, side):
    images = {"fixed": texture(), "moving": moved(texture(), (2.0, 0.0, 0.0))}
    mask, spoilt = torch.ones_like(images[side]), images[side].clone()
    mask[:, 12:20, 12:20, 12:20] = 0
    spoilt[:, 13:19, 13:19, 13:19] = 1.0
    options = {"bundle": str(bundle), "refine": 20, "search": 1}
    clean, hidden, seen = (
        register(**{**images, side: image}, **options, **given).field.as_tensor()
        for image, given in ((images[side], {f"{side}_mask": mask}), (spoilt, {f"{side}_mask": mask}), (spoilt, {}))
    )
    assert torch.equal(clean, hidden)
    assert not torch.equal(hidden, seen)


def test_untrained_features_are_descriptors_of_the_size_of_mind():
    image = texture().as_tensor()[None]
    with torch.no_grad():
        found = Features(network()).full(image)
    # A gate that has learned nothing lets σ(2) pass.
    torch.testing.assert_close(found, mind_ssc(normalized_intensity(image)) / (1 + math.exp(-2)), atol=1e-4, rtol=0)


def test_levels_of_features_have_no_more_voxels_than_memory_asks_for(bundle):
    for effort, expected in (("fast", 1_000_000), ("best", MAX_VOXELS)):
        registrar = Registrar(str(bundle), refinement=refinement_of(effort, "auto"))
        assert registrar.refinement.max_voxels == expected


def test_the_time_that_a_network_takes_is_expected(monkeypatch):
    monkeypatch.setattr(duration, "voxel_seconds", lambda *similarity: 1e-6)
    monkeypatch.setattr(duration, "describing_seconds", lambda features: 0.5)
    grid, refinement = Grid.from_image(texture()), GreedyRefinement(60, "features")
    seconds = [
        sum(part.seconds for part in expected_parts(grid, "", None, refinement, "cpu", features))
        for features in (None, Features(network()))
    ]
    levels = level_grids(grid, refinement.num_levels, max_voxels=refinement.max_voxels)
    num_voxels = sum(math.prod(level.spatial_shape) for level in levels)
    both = 1 + 1.25**3  # the moving image with its margin
    assert seconds[1] - seconds[0] == pytest.approx(both * 0.5 * num_voxels)


def test_the_command_writes_a_field(bundle, pair, tmp_path):
    fixed, moving = pair
    command(fixed, moving, str(tmp_path / "out"), bundle=str(bundle), effort="fast", search=1, report=False)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "field.nii.gz" in metrics["files"]
    assert metrics["contrast"]["similarity"] == "features"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"refine": Refinement(5)},
            "expected auto and the greedy solver beside .* got lncc of Refinement",
        ),
        ({"effort": "fast", "similarity": "mind"}, "expected auto and the greedy solver .* got mind of Greedy"),
        ({"effort": "fast", "bundle": "none", "similarity": "features"}, "expected a bundle of features beside"),
        ({"affine": True}, "expected a step that compares its features, such as a search or an effort, got none"),
        ({"effort": "fast", "bundle_options": {"effort": "best"}}, "bundle_options: expected none beside .*got effort"),
    ],
)
def test_what_does_not_go_with_features_is_refused(bundle, options, message):
    with pytest.raises(ValueError, match=message):
        register(texture(), texture(), **{"bundle": str(bundle), **options})


def test_the_inferer_finds_the_field_of_the_solver():
    fixed, moving = (image.as_tensor()[None] for image in (texture(), moved(texture(), (2.0, 0.0, 0.0))))
    pair = torch.cat([fixed, moving], dim=1)
    found = FeatureRegistration("fast", 0)(pair, network())
    assert found.shape == (1, 3, *fixed.shape[2:])
    assert middle(found[0])[0] == pytest.approx(-1.0, abs=0.2)  # a voxel of 2 mm; the first axis runs to the left
    with pytest.raises(ValueError, match="expected effort or num_search_passes, got none and 0"):
        FeatureRegistration("none", 0)
