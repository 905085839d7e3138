import json
import logging

import pytest
from monai.bundle import ConfigWorkflow, run

from common.training.overrides import Pick, check_overrides, unknown_entries, values_of_another_kind

TRAIN = {
    "imports": ["$import os"],
    "bundle_root": ".",
    "max_epochs": 2,
    "_desc_max_epochs": "epochs",
    "weights": {"image": 1.0, "field": 0.5},
    "train": {
        "dataset": {"_target_": "Dataset", "data": [1]},
        "handlers": [{"_target_": "monai.handlers.GarbageCollector"}],
    },
    "initialize": [
        {
            "_target_": "common.training.overrides.check_overrides",
            "config_folder": "$os.path.join(@bundle_root, 'configs')",
        }
    ],
    "run": ["$@max_epochs"],
}
EVALUATE = {"checkpoint": "model.pt", "dataset": "@train#dataset", "train#handlers": [], "run": ["$@checkpoint"]}


@pytest.fixture
def configs(tmp_path):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "train.json").write_text(json.dumps(TRAIN | {"bundle_root": str(tmp_path)}))
    (folder / "evaluate.json").write_text(json.dumps(EVALUATE))
    (folder / "metadata.json").write_text('{"version": "0.1.0"}')
    return folder


def initialize(configs, *names, **overrides):
    files = [str(configs / name) for name in names or ("train.json",)]
    ConfigWorkflow(files, workflow_type=None, **overrides).initialize()


def refusal(function, *arguments, **overrides):
    """Message of the guard; MONAI wraps every error of a component and keeps ours as its cause."""
    with pytest.raises(RuntimeError, match="check_overrides") as caught:
        function(*arguments, **overrides)
    assert isinstance(caught.value.__cause__, ValueError)
    return str(caught.value.__cause__)


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"max_epochs": 3},
        {"train#dataset#data": [2]},
        {"train#dataset#transform": None},
        {"train#handlers#0#_disabled_": True},
        {"train": {"dataset": {"_target_": "Dataset", "data": [3]}}},
        {"weights": {"image": 1.0, "extra": 2.0}},
    ],
)
def test_declared_overrides_pass(configs, overrides):
    initialize(configs, **overrides)


def test_a_file_of_the_command_line_declares_its_entries_while_the_config_runs(configs, tmp_path):
    running = {"initialize": [], "run": TRAIN["initialize"], "bundle_root": str(tmp_path)}
    (configs / "train.json").write_text(json.dumps(TRAIN | running))
    (tmp_path / "own.json").write_text(json.dumps({"train#extra": {"_target_": "Dataset", "data": [1]}}))
    files = [str(configs / "train.json"), str(tmp_path / "own.json")]
    run(config_file=files, logging_file=False)
    with pytest.raises(RuntimeError, match="check_overrides"):
        run(config_file=files[:1], logging_file=False, **{"train#extra": {"_target_": "Dataset", "data": [1]}})


def test_misspelt_entry_is_refused_with_the_likely_one(configs):
    message = refusal(initialize, configs, max_epoch=3)
    assert message == f"expected overrides of entries in {configs}, got 'max_epoch' (did you mean 'max_epochs'?)"


def test_misspelt_nested_entry_is_refused(configs):
    assert "'train#datasets' (did you mean 'train#dataset'?)" in refusal(initialize, configs, **{"train#datasets": 1})


def test_every_unknown_entry_is_named(configs):
    assert refusal(initialize, configs, max_epoch=3, zzz=1).endswith("(did you mean 'max_epochs'?); 'zzz'")


def test_entries_of_a_file_that_was_not_merged_are_unknown(configs):
    initialize(configs, "train.json", "evaluate.json", checkpoint="best.pt")
    assert "'checkpoint'" in refusal(initialize, configs, checkpoint="best.pt")


def test_own_file_of_the_user_may_add_entries(configs, tmp_path):
    (tmp_path / "mine.json").write_text('{"my_rate": 0.1, "max_epochs": "@my_rate"}')
    run("run", config_file=[str(configs / "train.json"), str(tmp_path / "mine.json")], workflow_type=None)


def test_command_line_is_checked(configs):
    message = refusal(run, "run", config_file=str(configs / "train.json"), max_epoch=1)
    assert "did you mean 'max_epochs'" in message


def test_similar_entries_come_first():
    unknown = unknown_entries({"seed": 0, "sed": 1}, [{"seed": 0}])
    assert unknown == {"sed": ["seed"]}


def test_other_caller_is_refused(configs):
    with pytest.raises(RuntimeError, match="called from a config that is running"):
        check_overrides(str(configs))


def test_folder_without_configs_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="give --bundle_root"):
        check_overrides(str(tmp_path))


def test_a_text_in_place_of_a_number_is_refused(configs):
    assert "max_epochs: expected a number, got 'three'" in refusal(initialize, configs, max_epochs="three")


def test_a_text_in_place_of_a_switch_is_refused():
    messages = values_of_another_kind({"resume": "false", "amp": True}, [{"resume": False, "amp": False}])
    assert messages == ["resume: expected True or False, got 'false'"]


def test_an_expression_or_reference_may_stand_for_a_number(configs):
    initialize(configs, max_epochs="$1 + 1")


def test_a_text_in_place_of_a_number_of_two_values_is_refused():
    messages = values_of_another_kind({"max_epochs": "many", "ckpt_path": "x"}, [{"max_epochs": "$@pick(100, 4)"}])
    assert messages == ["max_epochs: expected a number, got 'many'"]


def test_a_text_in_place_of_a_switch_of_an_overlay_is_refused():
    declared = [{"validate#handlers": [], "load_weights": True}]
    messages = values_of_another_kind({"validate": {"handlers": []}, "load_weights": "false"}, declared)
    assert messages == ["load_weights: expected True or False, got 'false'"]


def test_what_the_weights_tell_may_be_given_as_text():
    assert values_of_another_kind({"input_kind": "ct"}, [{"input_kind": "$@trained['input_kind']"}]) == []


def test_a_dataset_dir_selects_the_paper_and_its_absence_the_sample():
    assert Pick("data")(1500, 2) == 1500
    assert Pick("")(1500, 2) == 2


def test_values_of_any_type_pass_unchanged():
    shape = [48, 48, 48]
    assert Pick("data")(shape, [32, 32, 32]) is shape


def test_the_choice_is_logged_once(caplog):
    with caplog.at_level(logging.INFO, logger="common.training.overrides"):
        pick = Pick("")
        for _ in range(3):
            pick(5, 2)
    expected = "settings of two values, where none is given: those for the sample population, as dataset_dir is empty"
    assert [record.getMessage() for record in caplog.records] == [expected]
