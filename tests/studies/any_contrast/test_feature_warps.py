import pytest
import torch
from monai.data import MetaTensor

from common.tools.results.record import write_row


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("feature_warps")


def test_a_changed_contrast_keeps_the_background_and_the_order_or_its_reverse(study):
    image = MetaTensor(torch.tensor([0.0, 0.25, 0.5, 1.0]).view(1, 4, 1, 1), affine=torch.eye(4))
    assert study.gamma(image).flatten().tolist() == pytest.approx([0.0, 0.5, 0.5**0.5, 1.0])
    assert study.inverted(image).flatten().tolist() == [0.0, 0.75, 0.5, 0.0]


def test_the_table_has_a_line_per_pair_list_and_tool(study, tmp_path):
    scores = {"item": ["a", "b"], "error_mm": [1.0, 2.0], "folding_fraction": [0.0, 2e-4], "processor_seconds": [3, 5]}
    write_row(tmp_path / "feature_warps-T1-T2.json", "mind", {"title": "MIND-SSC", "scores": scores})
    study.feature_warps(table=True, results_dir=str(tmp_path))
    (*_, line) = study.table_of(tmp_path).splitlines()
    assert line == "| T1-T2 | MIND-SSC | 2 | 1.500 |  | 0.0100 | 4 |"


def test_an_unknown_tool_is_refused(study):
    with pytest.raises(ValueError, match="tool: expected one of features, mind, lncc, mi, "):
        study.feature_warps("data", tool="ants")
    with pytest.raises(ValueError, match="task: expected one of T1-T1, T1-T2, "):
        study.feature_warps("data", task="T1")
