import os
import sys

import pytest
from monai.bundle import ConfigParser

from common.tools.packaging.configs import code_names, package_config, renamed


def test_components_of_ours_are_renamed_at_any_depth_and_others_kept():
    config = {"a": [{"_target_": "common.x.F", "inner": {"_target_": "Dataset"}}], "train#b": {"_target_": "torch.G"}}
    packaged = package_config(config, "mine")
    ours = {"_target_": "mine_common.x.F", "inner": {"_target_": "Dataset"}, "_requires_": "@code_path"}
    assert packaged == {"a": [ours], "train#b": {"_target_": "torch.G"}}


def test_requirements_of_a_component_are_kept():
    packaged = package_config({"a": {"_target_": "common.x.F", "_requires_": "$@seed"}}, "mine")
    assert packaged["a"]["_requires_"] == ["@code_path", "$@seed"]


def test_packaging_leaves_the_config_as_it_was():
    config = {"bundle_root": ".", "imports": ["$import os"], "a": {"_target_": "common.x.F"}}
    package_config(config, "mine")
    assert config == {"bundle_root": ".", "imports": ["$import os"], "a": {"_target_": "common.x.F"}}


@pytest.mark.parametrize("text", ["uncommon.thing", "the.common.thing", "a/common/b", "in common. Next", "commons.x"])
def test_other_words_are_kept(text):
    assert renamed(text, "mine") == text


def test_names_are_those_of_components_and_of_import_statements():
    config = {
        "imports": ["$import nibabel as n", "$from a.b import c"],
        "x": [{"_target_": "d.E"}],
        "y": "$import_it()",
    }
    assert set(code_names(config)) == {"nibabel", "a.b.c", "d.E"}


def test_bundle_root_is_the_folder_on_the_search_path_that_holds_the_code(tmp_path, monkeypatch):
    (tmp_path / "mine" / "mine_common").mkdir(parents=True)
    (tmp_path / "elsewhere" / "configs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "mine")])
    parser = ConfigParser(package_config({"bundle_root": "$0"}, "mine"))
    assert parser.get_parsed_content("bundle_root") == str(tmp_path / "mine")


def test_code_path_makes_a_given_bundle_root_importable(tmp_path, monkeypatch):
    (tmp_path / "mine_common").mkdir()
    (tmp_path / "mine_common" / "thing.py").write_text("def number():\n    return 7\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    parser = ConfigParser(package_config({"bundle_root": "$0", "x": {"_target_": "common.thing.number"}}, "mine"))
    parser["bundle_root"] = os.path.relpath(tmp_path)
    assert parser.get_parsed_content("x") == 7
    assert str(tmp_path) in sys.path


def test_code_path_stands_beside_bundle_root_only():
    assert "code_path" not in package_config({"run": []}, "mine")


@pytest.mark.parametrize("text", ["$import common.fields", "$common.fields.ddf.warp(@x)"])
def test_expression_that_names_common_is_refused(text):
    with pytest.raises(ValueError, match=r"expected common to be named by a _target_ only, got the expression"):
        package_config({"a": text}, "mine")
