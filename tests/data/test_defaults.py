"""The choice between the values of the paper and of the sample population."""

import logging

from common.data.defaults import paper_or_sample


def test_a_dataset_dir_selects_the_paper_and_its_absence_the_sample():
    assert paper_or_sample("x", 1500, 2, dataset_dir="data") == 1500
    assert paper_or_sample("x", 1500, 2, dataset_dir="") == 2


def test_values_of_any_type_pass_unchanged():
    shape = [48, 48, 48]
    assert paper_or_sample("spatial_shape", shape, [32, 32, 32], dataset_dir="data") is shape


def test_the_choice_is_logged_once_per_name(caplog):
    with caplog.at_level(logging.INFO, logger="common.data.defaults"):
        for _ in range(3):
            paper_or_sample("logged_once", 5, 2, dataset_dir="")
    assert [record.getMessage() for record in caplog.records] == ["logged_once = 2 (sample population)"]
