import os
import shutil
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "mcd_pemd"


@pytest.fixture(scope="module")
def script():
    return import_module("common.commands.package")


@pytest.fixture
def bundles(script, tmp_path, monkeypatch):
    """A folder with a copy of one bundle, which the script takes for the project's."""
    shutil.copytree(ROOT / "bundles" / NAME, tmp_path / "bundles" / NAME, ignore=shutil.ignore_patterns("runs"))
    monkeypatch.setattr(script, "BUNDLES", tmp_path / "bundles")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "bundles"


def test_two_builds_on_different_days_with_different_umasks_have_the_same_bytes(script, bundles, tmp_path):
    script.package_bundle(NAME, record=True)
    script.package_bundle(NAME, output_dir=str(tmp_path / "one"))
    for path in bundles.rglob("*"):
        os.utime(path, (1, 1))
    old = os.umask(0o077)
    try:
        script.package_bundle(str(bundles / NAME), output_dir=str(tmp_path / "two"))
    finally:
        os.umask(old)
    (first,), (second,) = (list((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_all_builds_what_it_can_and_names_the_rest(script, bundles, capsys):
    script.package_bundle(NAME, record=True)
    shutil.copytree(bundles / NAME, bundles / "broken")
    (bundles / "broken" / "LICENSE").unlink()
    with pytest.raises(SystemExit, match=r"^package_bundle: broken: expected the file LICENSE, found none$"):
        script.package_bundle(all=True)
    (path,) = Path("dist").iterdir()
    assert f"{path}\n" in capsys.readouterr().out
    assert f"{NAME}/models/model.pt" in zipfile.ZipFile(path).namelist()


def test_missing_weights_leave_no_zip(script, bundles):
    shutil.rmtree(bundles / NAME / "models", ignore_errors=True)
    with pytest.raises(SystemExit, match=f"{NAME}: expected the file models/model.pt, found none"):
        script.package_bundle(NAME)
    assert not Path("dist").exists()


def test_unknown_name_lists_the_bundles(script, bundles):
    with pytest.raises(SystemExit, match=f"expected one of {NAME} or the folder of a bundle, got 'mcd'"):
        script.package_bundle("mcd")


@pytest.mark.parametrize("arguments", [{}, {"name": NAME, "all": True}])
def test_name_and_all_exclude_each_other(script, arguments):
    with pytest.raises(SystemExit, match="expected the name of a bundle or --all"):
        script.package_bundle(**arguments)
