import pytest

from common.tools.results.record import write_row


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("signed_ranks")


@pytest.fixture
def results(study, tmp_path):
    path = tmp_path / "stages.json"
    for name, gain in (("ours", 0.1), ("theirs", 0.0)):
        pairs = {setting: [0.5 + gain, 0.6 + gain, 0.7 + gain] for setting in study.SETTINGS}
        write_row(path, name, {"pairs": pairs | {"one_solve": [0.1, 0.2, 0.4]}})
    return str(path)


def test_configurations_and_rows_are_tested_pair_by_pair(study, results):
    first, second = study.signed_ranks("ours", results).split("\n\n")
    # three pairs, all on one side: 2 of the 2³ signs are as far from the middle
    assert "| one solve | 0.233 | 0.25 |" in first
    assert "| two warps | 0.700 | 1 |" in first
    assert second.splitlines()[-1] == "| theirs | 1 | 0.25 | 0.25 | 0.25 | 0.25 |"


def test_an_unknown_row_is_named(study, results):
    with pytest.raises(ValueError, match="reference: expected one of ours, theirs, got 'stage 7'"):
        study.signed_ranks("stage 7", results)
