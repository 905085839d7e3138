import hashlib
import json
import os
import sys
import zipfile

import pytest
import torch

from common.tools.packaging.build import build_package, write_zip
from common.tools.packaging.contents import PackageError
from common.tools.packaging.weights import record_weights


def build(tiny):
    record_weights(tiny.bundle)
    return build_package(tiny.bundle, tiny.output, tiny.source)


def failure(tiny):
    with pytest.raises(PackageError) as caught:
        build(tiny)
    assert not tiny.output.exists()
    assert not [name for name in sys.modules if name.startswith("tiny_common")]
    return str(caught.value)


def test_zip_is_named_by_version_and_has_one_top_folder(tiny):
    path = build(tiny)
    names = zipfile.ZipFile(path).namelist()
    assert path.name == "tiny_v1.2.0.zip"
    assert {name.split("/")[0] for name in names} == {"tiny"}


def test_zip_holds_the_code_that_is_used_and_no_runs_exports_or_hidden_files(tiny):
    (tiny.bundle / "models" / "model.ts").write_text("export")
    names = {name.removeprefix("tiny/") for name in zipfile.ZipFile(build(tiny)).namelist()}
    assert {"tiny_common/networks/tiny.py", "tiny_common/fields/sampling.py", "LICENSE", "models/model.pt"} <= names
    assert not [name for name in names if "unused" in name or "runs" in name or "hidden" in name or "model.ts" in name]


def test_pages_beside_the_card_and_results_stay_in_the_repository(tiny):
    tiny.write(
        tiny.bundle, {"docs/studies.md": "x", "docs/results/table.json": "{}", "docs/figures/plot.svg": "<svg/>"}
    )
    names = {name.removeprefix("tiny/") for name in zipfile.ZipFile(build(tiny)).namelist() if "docs/" in name}
    assert names == {"docs/README.md", "docs/data_license.txt", "docs/figures/plot.svg"}


def test_two_builds_have_the_same_bytes(tiny):
    first = build(tiny).read_bytes()
    for path in [*tiny.bundle.rglob("*"), *tiny.source.rglob("*")]:
        os.utime(path, (1, 1))
        path.chmod(0o700)
    (tiny.source / "__pycache__").mkdir()
    (tiny.source / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert build(tiny).read_bytes() == first


def test_rebuild_leaves_the_bundle_untouched(tiny):
    build(tiny)
    before = {path: path.read_bytes() for path in tiny.bundle.rglob("*") if path.is_file()}
    build(tiny)
    assert {path: path.read_bytes() for path in tiny.bundle.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["LICENSE", "models/model.pt", "configs/inference.json", "docs/README.md"])
def test_missing_file_is_named(tiny, name):
    record_weights(tiny.bundle)
    (tiny.bundle / name).unlink()
    with pytest.raises(PackageError, match=f"^tiny: expected the file {name}, found none$"):
        build_package(tiny.bundle, tiny.output, tiny.source)


def test_broken_import_is_named(tiny):
    tiny.write(tiny.source, {"fields/sampling.py": "import torch.no_such_module\n"})
    place = "tiny/configs/inference.json: tiny_common.networks.tiny.TinyNetwork does not import: ModuleNotFoundError"
    assert failure(tiny) == f"{place}: No module named 'torch.no_such_module'"


def test_missing_name_is_named(tiny):
    tiny.write(tiny.source, {"networks/tiny.py": "x = 1\n"})
    assert "tiny_common.networks.tiny.TinyNetwork: expected a class or function" in failure(tiny)


def test_module_that_is_not_there_is_named(tiny):
    tiny.write(tiny.bundle, {"configs/evaluate.json": {"metric": {"_target_": "common.metrics.dice.Dice"}}})
    assert failure(tiny).startswith("tiny/configs/evaluate.json: tiny_common.metrics.dice.Dice: expected a class")


def test_misspelt_monai_component_is_named(tiny):
    tiny.write(tiny.bundle, {"configs/evaluate.json": {"metric": {"_target_": "MeanDise"}}})
    assert failure(tiny).startswith("tiny/configs/evaluate.json: MeanDise: expected a class or function")


def test_config_that_is_no_json_is_named(tiny):
    tiny.write(tiny.bundle, {"configs/evaluate.json": "{,}"})
    assert "configs/evaluate.json: expected JSON" in failure(tiny)


def test_expression_that_needs_common_is_named(tiny):
    tiny.write(tiny.bundle, {"configs/evaluate.json": {"x": "$common.x.y()"}})
    assert failure(tiny).startswith("tiny/configs/evaluate.json: expected common to be named by a _target_ only")


def test_version_absent_from_the_changelog_is_named(tiny, metadata):
    metadata(version="9.9.9")
    assert failure(tiny).endswith("expected version 9.9.9 in changelog, which has 1.2.0, 1.1.0")


def test_local_version_is_named(tiny, metadata):
    metadata(pytorch_version="2.13.0+cpu")
    assert "pytorch_version: expected a version that PyPI has, such as 1.2.3, got '2.13.0+cpu'" in failure(tiny)


def test_missing_entry_is_named(tiny, metadata):
    metadata(authors="")
    assert failure(tiny).endswith("metadata.json: expected the entry authors, found none")


def test_undeclared_package_is_named(tiny):
    tiny.write(tiny.source, {"fields/sampling.py": "import nibabel\n\n\ndef half(x):\n    return x\n"})
    assert "tiny: common.fields.sampling imports nibabel; expected it in required_packages_version" in failure(tiny)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("inputs#image#num_channels", 3, r"takes an image \[1, 3, 4, 4\] of torch.float32, it fails"),
        ("inputs#image#dtype", "float64", r"takes an image \[1, 2, 4, 4\] of torch.float64, it fails"),
        ("outputs#pred#num_channels", 2, r"pred, num_channels: expected 2, network_def returns 3"),
        (
            "outputs#pred#spatial_shape",
            ["*", 5],
            r"pred, spatial_shape: expected \[5\], network_def returns \[4\]",
        ),
        ("outputs#pred#spatial_shape", [], "pred, number of spatial axes: expected 0, network_def returns 2"),
        (
            "outputs#pred#dtype",
            "float64",
            "pred, dtype: expected torch.float64, network_def returns torch.float32",
        ),
    ],
)
def test_metadata_untrue_to_the_network_is_named(tiny, metadata, entry, value, message):
    metadata(**{f"network_data_format#{entry}": value})
    record_weights(tiny.bundle)
    with pytest.raises(PackageError, match=f"^tiny: metadata.json.*{message}"):
        build_package(tiny.bundle, tiny.output, tiny.source)


def test_changed_weights_with_the_old_version_are_named(tiny):
    record_weights(tiny.bundle)
    torch.save(
        {"layer.weight": torch.ones(3, 2, 1, 1), "layer.bias": torch.ones(3)}, tiny.bundle / "models" / "model.pt"
    )
    with pytest.raises(PackageError, match=r"^tiny: models/model.pt differs from the weights of version 1.2.0"):
        build_package(tiny.bundle, tiny.output, tiny.source)


def test_weights_of_another_network_are_named(tiny):
    torch.save({"other": torch.ones(1)}, tiny.bundle / "models" / "model.pt")
    assert "expected models/model.pt to hold the weights of network_def" in failure(tiny)


def test_network_that_does_not_script_is_named(tiny):
    text = (
        (tiny.source / "networks" / "tiny.py")
        .read_text(encoding="utf-8")
        .replace("half(image)", "(lambda x: x)(image)")
    )
    tiny.write(tiny.source, {"networks/tiny.py": text})
    assert failure(tiny).startswith("tiny: expected network_def to pass torch.jit.script")


def test_large_file_that_is_not_listed_is_named(tiny):
    with (tiny.bundle / "docs" / "film.mp4").open("wb") as stream:
        stream.truncate(26_000_000)
    assert failure(tiny).startswith(
        "tiny: docs/film.mp4 has 26.0 MB; expected files above 25 MB to be listed in large_f"
    )


def test_listed_large_file_is_packaged_when_its_hash_is_right(tiny):
    film = tiny.bundle / "docs" / "film.mp4"
    with film.open("wb") as stream:
        stream.truncate(26_000_000)
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    entry = {"path": "docs/film.mp4", "url": "https://example.org/film", "hash_type": "sha256", "hash_val": digest}
    tiny.write(tiny.bundle, {"large_files.json": {"large_files": [entry]}})
    assert "tiny/docs/film.mp4" in zipfile.ZipFile(build(tiny)).namelist()
    film.write_bytes(b"other")
    with pytest.raises(PackageError, match=r"docs/film.mp4 is not the file that large_files.yml lists"):
        build(tiny)


def test_missing_large_file_is_named_with_the_command_that_fetches_it(tiny):
    record_weights(tiny.bundle)
    (tiny.bundle / "models" / "model.pt").unlink()
    tiny.write(tiny.bundle, {"large_files.yml": "large_files: []"})
    with pytest.raises(PackageError, match=r"models/model.pt, found none; large_files.yml may name it: python"):
        build_package(tiny.bundle, tiny.output, tiny.source)


def test_folder_that_is_no_bundle_is_named(tmp_path):
    with pytest.raises(PackageError, match=r"expected the folder of a bundle, with configs/metadata.json in it, got"):
        build_package(tmp_path, tmp_path)


def test_overlay_is_rewritten_without_a_code_path_of_its_own(tiny):
    tiny.write(tiny.bundle, {"configs/evaluate.json": {"x": {"_target_": "common.fields.sampling.half", "image": 2}}})
    text = zipfile.ZipFile(build(tiny)).read("tiny/configs/evaluate.json")
    half = {"_target_": "tiny_common.fields.sampling.half", "image": 2, "_requires_": "@code_path"}
    assert json.loads(text) == {"x": half}


def test_entries_are_sorted_with_fixed_time_and_permissions(tmp_path):
    write_zip(tmp_path / "a.zip", {"x/b": b"1", "x/a": b"22"})
    entries = zipfile.ZipFile(tmp_path / "a.zip").infolist()
    assert [(entry.filename, entry.file_size) for entry in entries] == [("x/a", 2), ("x/b", 1)]
    assert {(entry.date_time, entry.external_attr) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644 << 16)}


def test_bytes_do_not_depend_on_umask_or_order(tmp_path):
    write_zip(tmp_path / "a.zip", {"x": b"1", "y": b"2"})
    old = os.umask(0o077)
    try:
        write_zip(tmp_path / "b.zip", {"y": b"2", "x": b"1"})
    finally:
        os.umask(old)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
