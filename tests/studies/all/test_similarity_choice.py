"""The table of the choice of similarity."""

import pytest


@pytest.fixture
def study(load_script, monkeypatch, pytestconfig):
    monkeypatch.syspath_prepend(str(pytestconfig.rootpath / "scripts/studies/all"))
    return load_script("similarity_choice")


def test_the_choice_is_set_against_the_better_of_each_pair(study):
    rows = [
        {"kind": "one head, T1-T1", "name": "a", "agreement": 1.0, "before": 6.0, "lncc": 1.0, "mind": 2.0},
        {"kind": "one head, T1-T1", "name": "b", "agreement": 0.9, "before": 6.0, "lncc": 2.0, "mind": 3.0},
    ]
    (line,) = study.table(rows).splitlines()[2:]
    # LNCC for a, MIND-SSC for b: (1 + 3) / 2; the better ones: (1 + 2) / 2
    assert line == "| one head, T1-T1 | 0.90 to 1.00 | 1 of 2 | 6 | 1.5 | 2.5 | 2 | 1.5 |"


def test_a_pair_without_agreement_is_taken_for_two_contrasts(study):
    row = {"kind": "one limb, CT-T1", "name": "a", "before": 4.0, "lncc": 5.0, "mind": 3.0}
    assert "| 0 of 1 | 4 | 5 | 3 | 3 | 3 |" in study.table([row])


def test_pairs_with_a_head_of_the_choice_are_rows_of_their_own(study):
    assert study._seen("ms26", "lgg6692") == ""
    assert study._seen("ms26", "ms07") == " seen"
