"""The unit tests for the Model Zoo, run on the packages in the Zoo's folders."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from common.tools.packaging.build import build_package

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parents[1].name for path in ROOT.glob("bundles/*/configs/metadata.json"))


def test_every_bundle_has_its_unit_test():
    assert [path.stem.removeprefix("test_") for path in sorted((ROOT / "tests" / "zoo").glob("test_*.py"))] == BUNDLES


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLES)
def test_unit_test_passes_where_the_zoo_runs_it(name, tmp_path):
    pytest.importorskip("parameterized")
    with zipfile.ZipFile(build_package(ROOT / "bundles" / name, tmp_path)) as archive:
        archive.extractall(tmp_path / "models")
    test = shutil.copy(ROOT / "tests" / "zoo" / f"test_{name}.py", tmp_path)
    done = subprocess.run([sys.executable, "-E", test], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
