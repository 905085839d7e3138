"""Which rows the study of the stages has, and how it compares them."""

import json

import pytest


@pytest.fixture
def script(load_script):
    return load_script("stage_curve")


def test_a_row_is_compared_pair_by_pair(script):
    rows = {"ours": {"adam": [0.8, 0.9, 0.7]}, "theirs": {"adam": [0.7, 0.9, 0.8]}}
    assert script.comparison(rows, "ours")[1] == "theirs: adam 0.8000, ours ahead by +0.0000 ± 0.0577"


def test_stages_come_in_their_order_and_others_after_them(script, tmp_path):
    for epoch in (100, 20, 10):
        (tmp_path / f"model_epoch={epoch}.pt").touch()
    found = script._trained(str(tmp_path), {"trained_by_ncc": "ncc.pt"})
    assert list(found) == ["stage 1", "stage 2", "stage 3", "trained by ncc"]
    assert found["stage 3"].name == "model_epoch=100.pt"


def test_an_unknown_reference_is_refused_before_any_work(script, tmp_path):
    with pytest.raises(ValueError, match=r"reference: expected one of stage 0, random features, MIND.* got stage 3"):
        script.stage_curve("nowhere", str(tmp_path), reference="stage_3")


def test_settings_replace_scalars_of_the_inference(script):
    parser = script._parser({"strides": [2, 1, 1, 1, 1], "test_weight": 2.5})
    assert parser.get_parsed_content("network_def").fine_stride == 2
    assert parser.get_parsed_content("inferer").adam.regularization_weight == 2.5


def test_an_unknown_setting_is_refused(script, tmp_path):
    with pytest.raises(ValueError, match=r"settings: expected scalars of inference.json, got stride"):
        script.stage_curve("nowhere", str(tmp_path), settings={"stride": 1}, reference="stage 0, random features")


def test_without_a_run_there_are_only_other_rows(script):
    assert list(script._trained("", {"stage_7": "seven.pt"})) == ["stage 7"]


def test_rows_of_another_call_are_for_the_same_pairs(script, tmp_path):
    file, head = tmp_path / "coarse.json", {"part": "val", "num_pairs": 2}
    rows = {"before": head | {"dice": 0.5}, "stage 5": head | {"pairs": {"adam": [0.7, 0.8]}}}
    file.write_text(json.dumps({"rows": rows}))
    assert script._beside(str(file), head) == {"stage 5": {"adam": [0.7, 0.8]}}
    assert script._beside("", head) == {}
    with pytest.raises(ValueError, match=r"beside .*coarse.json: expected results of 50 pairs of val, got others"):
        script._beside(str(file), {"part": "val", "num_pairs": 50})
