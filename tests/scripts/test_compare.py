import json
from contextlib import nullcontext
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from common.tools.comparison import scoring
from common.tools.comparison.head_pair import warped_heads
from common.tools.comparison.own_process import ServedTool
from tests.tools.comparison.blobs import CENTERS, blob

ROOT = Path(__file__).parents[2]
BUNDLE = str(ROOT / "bundles" / "wasserstein_voxelmorph")


@pytest.fixture(scope="module")
def decathlon(tmp_path_factory):
    """A tiny folder in the Decathlon layout."""
    folder = tmp_path_factory.mktemp("data") / "Task99_Blob"
    entries = []
    for name in CENTERS:
        entry = {}
        for key, volume in zip(("image", "label"), blob(name), strict=True):
            entry[key] = f"./{key}sTr/{name}.nii.gz"
            (folder / f"{key}sTr").mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / entry[key])
        entries.append(entry)
    contents = {
        "dataset.json": {"training": entries},
        "splits.json": {"tune": ["a", "b", "c"], "val": ["d"]},
        "val_pairs.json": {"pairs": [["a", "b"], ["c", "d"], ["b", "c"]]},
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture
def compare(load_script, monkeypatch):
    """The script; tools run in this process, as a fresh one takes seconds to start."""
    monkeypatch.setattr(scoring, "own_process", lambda num_threads: nullcontext(ServedTool()))
    return load_script("compare")


def result(folder, tool, part="val"):
    return json.loads((folder / f"Task99_Blob-{part}.json").read_text(encoding="utf-8"))["rows"][tool]


def test_initial_scores_the_listed_pairs_from_a_process_of_its_own(load_script, decathlon, tmp_path):
    load_script("compare").compare(str(decathlon), results_dir=str(tmp_path))
    found = result(tmp_path, "initial")
    assert found["scores"]["item"] == ["a b", "c d", "b c"]
    assert 0.3 < sum(found["scores"]["dice"]) / 3 < 0.9
    assert found["scores"]["folding_fraction"] == [0, 0, 0]
    assert found["settings"]["num_threads"] == 1


def test_stopped_run_scores_only_what_is_missing(compare, decathlon, tmp_path, monkeypatch):
    compare.compare(str(decathlon), num_pairs=1, results_dir=str(tmp_path))
    read = []
    whole = compare.RegionPair.read
    monkeypatch.setattr(compare.RegionPair, "read", lambda files: read.append(files["fixed_subject"]) or whole(files))
    compare.compare(str(decathlon), results_dir=str(tmp_path))
    assert read == ["c", "b"]
    assert len(result(tmp_path, "initial")["scores"]["dice"]) == 3


def test_bundle_takes_overrides_and_keeps_them(compare, decathlon, tmp_path):
    small = {"spatial_shape": [16, 16, 16], "num_pairs": 1, "results_dir": str(tmp_path)}
    compare.compare(str(decathlon), "ours", BUNDLE, title="Ours", num_passes=2, **small)
    found = result(tmp_path, "ours")
    assert found["title"] == "Ours"
    assert found["settings"]["overrides"] == {"num_passes": 2, "spatial_shape": [16, 16, 16]}
    assert found["scores"]["processor_seconds"][0] > 0
    assert 0 < found["scores"]["inferer_seconds"][0] <= found["scores"]["seconds"][0]
    with pytest.raises(ValueError, match="expected a result of the same settings, got overrides"):
        compare.compare(str(decathlon), "ours", BUNDLE, title="Ours", num_passes=1, **small)


def test_tune_pairs_are_drawn_once_and_for_all_from_that_part(compare, decathlon, tmp_path):
    for folder, count in ((tmp_path / "few", 2), (tmp_path / "more", 4)):
        compare.compare(str(decathlon), part="tune", num_pairs=count, results_dir=str(folder))
    few, more = (result(tmp_path / name, "initial", "tune")["scores"] for name in ("few", "more"))
    assert few["dice"] == more["dice"][:2]
    assert set(" ".join(more["item"]).split()) <= {"a", "b", "c"}


def test_table_lands_in_the_marked_place(compare, decathlon, tmp_path):
    compare.compare(str(decathlon), results_dir=str(tmp_path), num_pairs=1)
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- comparison:Task99_Blob-val -->\n<!-- /comparison -->\nend\n")
    compare.compare(table=str(page), results_dir=str(tmp_path))
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[2].startswith("| 1 pairs | Dice | Dice 1 | Dice 2 | HD95 (mm) |")
    assert lines[4].startswith("| before | 0.")
    assert lines[-1] == "end"


def test_neither_data_nor_a_page_is_refused(compare):
    with pytest.raises(ValueError, match="expected dataset_dir, or --table PAGE, got neither"):
        compare.compare()


def test_heads_under_known_warps_have_errors_in_mm_and_repeats_are_items(compare, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "warped_heads", lambda folder, *which: warped_heads("", *which, num_warps=1))
    folder = tmp_path / "heads"
    few = {"contrasts": ("T1", "T2"), "results_dir": str(tmp_path)}
    compare.compare(str(folder), repeat=1, **few)
    compare.compare(str(folder), repeat=2, **few)
    found = json.loads((tmp_path / "heads-T1-T2-val.json").read_text(encoding="utf-8"))["rows"]["initial"]["scores"]
    assert found["item"] == ["sample04-0", "sample04-0 #2"]
    assert 3 < found["error_mm"][0] == found["error_mm"][1] < 5
    assert found["folding_fraction"] == [0, 0]
    with pytest.raises(ValueError, match=r"contrasts: expected those of fixed and moving image, .* got 'T1'"):
        compare.compare(str(folder), contrasts="T1")


def test_results_of_two_threads_have_a_file_of_their_own(compare, decathlon, tmp_path):
    compare.compare(str(decathlon), num_pairs=1, num_threads=2, results_dir=str(tmp_path))
    assert [path.name for path in tmp_path.glob("*.json")] == ["Task99_Blob-val-2_threads.json"]


def test_an_effort_is_a_tool_of_ours(compare, decathlon, tmp_path):
    compare.compare(str(decathlon), "fast", effort="fast", similarity="mind", num_pairs=1, results_dir=str(tmp_path))
    settings = result(tmp_path, "fast")["settings"]
    assert (settings["init"], settings["affine"]) == ("center", "affine")
    assert settings["refinement"]["similarity"] == "mind"


def test_where_ours_begins_may_be_told_and_means_nothing_to_other_tools(compare, decathlon, tmp_path):
    compare.compare(str(decathlon), "fast", effort="fast", init="moments", num_pairs=1, results_dir=str(tmp_path))
    assert result(tmp_path, "fast")["settings"]["init"] == "moments"
    with pytest.raises(ValueError, match="init: expected --effort, --refine or --search beside it, got 'center' alone"):
        compare.compare(str(decathlon), init="center", results_dir=str(tmp_path))


def test_two_tools_share_the_file_of_their_list(compare, decathlon, tmp_path):
    small = {"spatial_shape": [16, 16, 16], "num_pairs": 1, "results_dir": str(tmp_path)}
    compare.compare(str(decathlon), results_dir=str(tmp_path))
    compare.compare(str(decathlon), "ours", BUNDLE, **small)
    content = json.loads((tmp_path / "Task99_Blob-val.json").read_text(encoding="utf-8"))
    assert list(content["rows"]) == ["initial", "ours"]
    assert list(content["environments"]) == ["1"]


def test_unknown_tool_and_overrides_without_a_bundle_are_refused(compare, decathlon, tmp_path):
    with pytest.raises(ValueError, match=r"tool: expected one of initial, ants_syn, .* got 'ants'"):
        compare.compare(str(decathlon), "ants", results_dir=str(tmp_path))
    with pytest.raises(ValueError, match="with --bundle, got num_passes without"):
        compare.compare(str(decathlon), num_passes=2, results_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"tool": "ants_syn", "refine": 1}, {"effort": "fast"}, {"bundle": "bundles/mcd_pemd"}, {"search": 1}]
)
def test_results_of_one_tool_are_not_kept_under_the_name_of_another(compare, decathlon, tmp_path, options):
    with pytest.raises(
        ValueError, match="tool: expected a name for the results of --bundle, --effort, --refine or --search"
    ):
        compare.compare(str(decathlon), results_dir=str(tmp_path / "results"), **options)
    assert not (tmp_path / "results").exists()
