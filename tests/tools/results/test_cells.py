import copy
import json
from pathlib import Path

import pytest

from common.tools.results.cells import all_cells, read_result, read_table

TABLE = {
    "rows": {"none": {"title": "source only", "overrides": {"base": 1}}},
    "seeds": [0],
    "datasets": {"sample": {"overrides": {"pause": 0}}},
    "metrics": {"accuracy": {}},
    "headline": "accuracy",
    "train": {"overrides": {}},
}


def written(folder, table):
    path = folder / "table.json"
    path.write_text(json.dumps(table))
    return path


def test_a_table_is_read_with_its_stages_filled_in(tmp_path):
    table = read_table(written(tmp_path, TABLE))
    assert table["train"] == {"config_files": ["train.json"], "overrides": {}}
    assert table["evaluate"]["config_files"] == ["train.json", "evaluate.json"]


@pytest.mark.parametrize(("where", "name"), [("rows", "none"), ("datasets", "sample"), (None, "train")])
def test_a_misspelt_entry_is_refused(tmp_path, where, name):
    table = copy.deepcopy(TABLE)
    (table[where] if where else table)[name]["override"] = {"base": 2}
    path = written(tmp_path, table)
    with pytest.raises(ValueError, match=rf"expected '{name}' in {path} to hold only .*, got \['override'\]"):
        read_table(path)


def test_a_file_that_is_no_json_is_named(tmp_path):
    path = tmp_path / "table.json"
    path.write_text("<<<<<<< ours")
    with pytest.raises(ValueError, match=f"expected JSON in {path}"):
        read_table(path)
    (cell,) = all_cells(
        {**TABLE, "train": {"config_files": [], "overrides": {}}, "evaluate": {"config_files": [], "overrides": {}}},
        tmp_path,
    )
    (tmp_path / "sample.json").write_text("<<<<<<< ours")
    with pytest.raises(ValueError, match=f"expected JSON in {tmp_path / 'sample.json'}"):
        read_result(tmp_path, cell)


@pytest.mark.parametrize("name", ["mcd_pemd", "wasserstein_voxelmorph"])
def test_rows_without_a_training_ask_for_no_weights_of_it(name):
    bundle = Path(__file__).parents[3] / "bundles" / name
    cells = all_cells(read_table(bundle / "docs" / "table.json"), bundle / "configs")
    bare = [cell for cell in cells if "train" not in cell.settings]
    assert bare
    assert all("{output_dir}" not in json.dumps(cell.settings) for cell in bare)
