"""What the metrics.json of an evaluation tells of how its scores came about."""

from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from common.weights import settings_of

BUNDLES = Path(__file__).parents[2] / "bundles"
DECISIVE = {
    "mcd_pemd": {"margin_voxels", "affine_sd", "source_normalization", "target_normalization", "val_fraction"},
    "wasserstein_voxelmorph": {"alignment", "box_mm", "background"},
    "cyclical_self_training": {
        "feature_scale",
        "zero_border",
        "fixed_border",
        "strides",
        "adam_coarse_integration",
        "num_refinement_steps",
        "couplings",
        "sharpness",
        "background",
        "box_mm",
        "spacing_mm",
    },
}


def handlers(bundle, *overlays):
    """Parser of an evaluation, and the short names of its handlers."""
    names = ["train.json", "evaluate.json", *overlays]
    parser = ConfigParser()
    parser.read_config([str(BUNDLES / bundle / "configs" / name) for name in names])
    return parser, [handler["_target_"].rpartition(".")[2] for handler in parser["validate#handlers"]]


def settings(bundle, *overlays):
    parser, names = handlers(bundle, *overlays)
    parts = parser[f"validate#handlers#{names.index('MetricsJson')}#settings"]
    return {name: value for part in parts for name, value in parser[part[1:]].items()}


@pytest.mark.parametrize("bundle", DECISIVE)
def test_what_decides_the_scores_is_written_beside_them(bundle):
    found = settings(bundle)
    assert {"ckpt_path", "dataset_dir", "seed"} | DECISIVE[bundle] <= found.keys()
    assert all(value == f"@{name}" for name, value in found.items())


def test_a_search_has_a_similarity_and_no_weights():
    found = settings("mcd_pemd", "search.json")
    assert (found["similarity"], found["ckpt_path"]) == ("@similarity", None)


def test_scores_on_mr_and_ultrasound_tell_fold_and_contrast():
    assert {"fold", "num_folds", "contrast", "alignment"} <= settings("wasserstein_voxelmorph", "mr_us.json").keys()


@pytest.mark.parametrize("bundle", ["cyclical_self_training", "wasserstein_voxelmorph", "mine_voxelmorph"])
def test_scores_of_every_pair_are_written_before_the_metrics_that_hold_their_seconds(bundle):
    _, names = handlers(bundle)
    assert names.count("ScoresCsv") == 1
    assert names.index("ScoresCsv") < names.index("MetricsJson")


def test_a_training_with_another_alignment_is_not_resumed():
    parser, _ = handlers("wasserstein_voxelmorph")
    (checkpoint,) = [x for x in parser["train#handlers"] if x["_target_"].endswith("TrainingCheckpoint")]
    shared = {name: value for part in checkpoint["settings"] for name, value in parser[part[1:]].items()}
    assert shared["alignment"] == "@alignment"


def test_shipped_weights_carry_the_settings_of_their_training():
    folder = BUNDLES / "cyclical_self_training"
    files = [str(folder / "configs" / name) for name in ("hippocampus.json", "fine.json")]
    trained = ConfigParser.load_config_files(files)
    carried = settings_of(folder / "models" / "model.pt")
    compared = trained.keys() & carried.keys()
    assert {name: carried[name] for name in compared} == {name: trained[name] for name in compared}
    assert {"strides", "adam_rate", "projection_channels", "feature_scale", "box_mm", "input_kind"} <= compared


@pytest.mark.parametrize("name", ["inference.json", "evaluate.json"])
@pytest.mark.parametrize("bundle", sorted(path.name for path in BUNDLES.iterdir()))
def test_what_the_weights_carry_is_taken_from_them(bundle, name):
    configs = BUNDLES / bundle / "configs"
    content = ConfigParser.load_config_file(configs / name)
    asked = {value[11:-2] for value in content.values() if isinstance(value, str) and value.startswith("$@trained['")}
    carried = ConfigParser.load_config_file(configs / "train.json")["carried"].keys()
    assert asked
    assert asked <= carried
    assert name == "inference.json" or asked == carried
    assert carried == settings_of(BUNDLES / bundle / "models" / "model.pt").keys()
