import json
import multiprocessing
import os
import signal
import stat
import sys
import time
from importlib import import_module

import pytest

from common.tools.results.cells import all_cells, read_table
from common.tools.results.queue import exclusive

# Stands for "python -m monai.bundle run --args_file FILE": six steps with a checkpoint after each, then scores.
FAKE_RUNNER = """#!{python} -S
import json, os, sys, time
settings = json.load(open(sys.argv[-1]))
folder = settings["output_dir"]
checkpoint = os.path.join(folder, "training.pt")
if settings.get("crash"):
    sys.exit("ValueError: expected a discrepancy, got 'pmd16'")
if settings["config_file"][-1].endswith("evaluate.json"):
    steps = json.load(open(checkpoint)) if os.path.exists(checkpoint) else []
    scores = {{"accuracy": settings["base"] + settings["seed"] / 100, "steps": len(steps)}}
    json.dump({{"metrics": scores}}, open(os.path.join(folder, "metrics.json"), "w"))
    sys.exit()
steps = json.load(open(checkpoint)) if settings["resume"] else []
for step in range(len(steps), 6):
    time.sleep(settings["pause"])
    steps.append(os.getpid())
    json.dump(steps, open(checkpoint + "~", "w"))
    os.replace(checkpoint + "~", checkpoint)
    print("step", step, flush=True)
"""

TABLE = {
    "rows": {
        "none": {"title": "source only", "overrides": {"base": 0.25}},
        "pemd": {"title": "p-EMD", "overrides": {"base": 0.5}},
    },
    "seeds": [0, 1],
    "datasets": {"sample": {"overrides": {"pause": 0.0}}},
    "metrics": {"accuracy": {"title": "accuracy (%)", "scale": 100, "digits": 1}, "steps": {"digits": 0}},
    "headline": "accuracy",
}
CARD = "# Card\n<!-- a comment -->\n<!-- table:sample -->\n<!-- /table -->\nend\n"


@pytest.fixture
def script():
    return import_module("common.commands.reproduce")


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    runner = tmp_path / "runner"
    runner.write_text(FAKE_RUNNER.format(python=sys.executable))
    runner.chmod(runner.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(runner))
    monkeypatch.setattr("common.tools.results.queue._POLL_SECONDS", 0.01)
    root = tmp_path / "bundle"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "studies.md").write_text(CARD)
    (root / "configs").mkdir()
    for name in ("train.json", "evaluate.json"):
        configure(root, name)
    declare(root, TABLE)
    return root


def declare(root, table):
    (root / "docs" / "table.json").write_text(json.dumps(table))


def configure(root, name, **entries):
    (root / "configs" / name).write_text(json.dumps({"rate": 0.1, "_desc_rate": "Adam", "dataset_dir": ""} | entries))


def results(root):
    found = {}
    for path in (root / "docs" / "results").glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        for name, row in content["rows"].items():
            found[f"{path.stem}-{name}"] = row | {"versions": content["environments"][row["environment"]]}
    return found


def in_background(script, *arguments, **options):
    process = multiprocessing.get_context("fork").Process(target=interruptible, args=(script, arguments, options))
    process.start()
    return process


def interruptible(script, arguments, options):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
    script.reproduce(*arguments, **options)


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_free(folder):
    with exclusive(folder) as owned:
        return owned


def test_every_cell_leaves_one_result(script, bundle):
    script.reproduce(str(bundle))
    found = results(bundle)
    assert sorted(found) == [f"sample-{row}-seed{seed}" for row in ("none", "pemd") for seed in (0, 1)]
    assert found["sample-pemd-seed1"]["scores"] == {"accuracy": 0.51, "steps": 6}


def test_a_row_without_training_ends_after_no_epoch(script, bundle):
    declare(bundle, TABLE | {"rows": {"before": {"stages": ["evaluate"], "overrides": {"base": 0.1}}}, "seeds": [0]})
    script.reproduce(str(bundle))
    assert results(bundle)["sample-before-seed0"]["scores"] == {"accuracy": 0.1, "steps": 0, "end_epoch": 0}


def test_result_tells_settings_versions_seconds_and_date(script, bundle):
    script.reproduce(str(bundle), rows="pemd", seeds=1)
    ((name, result),) = results(bundle).items()
    assert name == "sample-pemd-seed1"
    assert result["settings"]["train"] == {"pause": 0.0, "base": 0.5, "seed": 1}
    assert {"python", "torch", "monai", "registration-bundles"} <= result["versions"].keys()
    assert result["seconds"]["train"] > 0
    assert result["seconds"]["evaluate"] > 0
    assert time.strptime(result["date"], "%Y-%m-%d")


def test_finished_cells_are_skipped(script, bundle):
    script.reproduce(str(bundle), max_cells=1)
    ((name, first),) = results(bundle).items()
    script.reproduce(str(bundle), max_cells=2)
    assert len(results(bundle)) == 3
    assert results(bundle)[name] == first


def test_changed_settings_make_a_result_outdated(script, bundle, capsys):
    script.reproduce(str(bundle), rows="none", seeds=0)
    rows = TABLE["rows"] | {"none": {"overrides": {"base": 0.75}}}
    declare(bundle, TABLE | {"rows": rows})
    script.reproduce(str(bundle), rows="none", seeds=0, list=True)
    assert "outdated: made with other settings or configs" in capsys.readouterr().out
    script.reproduce(str(bundle), rows="none", seeds=0)
    assert results(bundle)["sample-none-seed0"]["scores"]["accuracy"] == 0.75


@pytest.mark.parametrize("name", ["train.json", "evaluate.json"])
def test_changed_configs_make_a_result_outdated_and_its_run_is_not_resumed(script, bundle, capsys, name):
    script.reproduce(str(bundle), rows="none", seeds=0)
    configure(bundle, name, rate=0.2)
    script.reproduce(str(bundle), rows="none", seeds=0, list=True)
    assert "outdated: made with other settings or configs" in capsys.readouterr().out
    script.reproduce(str(bundle), rows="none", seeds=0)
    assert len(list(bundle.rglob("training.pt"))) == 2
    script.reproduce(str(bundle), rows="none", seeds=0, list=True)
    assert "accuracy = 0.25" in capsys.readouterr().out


def test_outdated_results_are_not_in_the_tables(script, bundle):
    script.reproduce(str(bundle), seeds=0)
    configure(bundle, "train.json", rate=0.2)
    script.reproduce(str(bundle), tables=True)
    assert "| ---: |\n\nNot run: source only; p-EMD.\n" in (bundle / "docs" / "studies.md").read_text(encoding="utf-8")


def test_descriptions_and_folders_leave_a_result_as_it_is(script, bundle, capsys):
    script.reproduce(str(bundle), rows="none", seeds=0)
    configure(bundle, "train.json", _desc_rate="Adam's learning rate", dataset_dir="/data")
    script.reproduce(str(bundle), rows="none", seeds=0, list=True)
    assert "accuracy = 0.25" in capsys.readouterr().out


def test_result_without_a_hash_is_outdated(script, bundle, capsys):
    script.reproduce(str(bundle), rows="none", seeds=0)
    path = bundle / "docs" / "results" / "sample.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert len(content["rows"]["none-seed0"].pop("config_hash")) == 8
    path.write_text(json.dumps(content))
    for checkpoint in bundle.rglob("training.pt"):
        checkpoint.unlink()
    script.reproduce(str(bundle), rows="none", seeds=0, list=True)
    assert "outdated: made with other settings or configs" in capsys.readouterr().out


def test_restamped_results_are_current_and_keep_the_former_hash(script, bundle, capsys):
    script.reproduce(str(bundle), seeds=0)
    before = results(bundle)
    configure(bundle, "train.json", rate=0.2)
    declare(bundle, TABLE | {"rows": TABLE["rows"] | {"none": {"overrides": {"base": 0.25, "new_name": 1}}}})
    script.reproduce(str(bundle), restamp="sample-none-seed0")
    script.reproduce(str(bundle), list=True, seeds=0)
    lines = capsys.readouterr().out.splitlines()
    assert "sample-none-seed0: restamped" in lines
    assert [line.split(maxsplit=1)[1][:8] for line in lines[-2:]] == ["accuracy", "outdated"]
    after = results(bundle)
    assert after["sample-none-seed0"]["restamped"] == [before["sample-none-seed0"]["config_hash"]]
    assert after["sample-none-seed0"]["settings"]["train"]["new_name"] == 1
    for name in ("scores", "seconds", "date", "versions"):
        assert after["sample-none-seed0"][name] == before["sample-none-seed0"][name]
    assert after["sample-pemd-seed0"] == before["sample-pemd-seed0"]


def test_a_current_result_is_not_restamped(script, bundle, capsys):
    script.reproduce(str(bundle), rows="none", seeds=0)
    before = results(bundle)
    script.reproduce(str(bundle), restamp=("sample-none-seed0",))
    assert "sample-none-seed0: left as it is, its result is current" in capsys.readouterr().out
    assert results(bundle) == before


def test_a_cell_without_a_result_is_not_restamped(script, bundle):
    script.reproduce(str(bundle), rows="none", seeds=0)
    configure(bundle, "train.json", rate=0.2)
    before = results(bundle)
    with pytest.raises(ValueError, match="expected cells that have a result, got sample-pemd-seed0"):
        script.reproduce(str(bundle), restamp="sample-none-seed0,sample-pemd-seed0")
    assert results(bundle) == before


@pytest.mark.parametrize("names", [True, "all", "sample-none-seed7"])
def test_only_cells_that_are_named_are_restamped(script, bundle, names):
    script.reproduce(str(bundle), rows="none", seeds=0)
    configure(bundle, "train.json", rate=0.2)
    with pytest.raises(ValueError, match=r"expected names of cells, got .*; outdated are sample-none-seed0$"):
        script.reproduce(str(bundle), restamp=names)


def test_configs_edited_during_a_queue_end_it(script, bundle):
    table = json.loads((bundle / "docs" / "table.json").read_text(encoding="utf-8"))
    cells = all_cells(read_table(bundle / "docs" / "table.json"), bundle / "configs")
    configure(bundle, "train.json", rate=0.2)
    with pytest.raises(SystemExit, match=r"configs: expected the configs as they were .* \(hash \w{8}\), got others"):
        script.run_queue(bundle, table, cells[:1], "", 0)
    assert not results(bundle)


def test_bundle_without_a_table_is_refused_with_those_that_have_one(script):
    with pytest.raises(SystemExit, match=r"docs/table.json \(.*mcd_pemd.*\), got 'mine_voxelmorph'"):
        script.reproduce("mine_voxelmorph", list=True)


def test_killed_queue_continues_its_cell_from_the_checkpoint(script, bundle):
    declare(bundle, TABLE | {"datasets": {"sample": {"overrides": {"pause": 0.2}}}})
    queue = in_background(script, str(bundle), max_cells=1)
    wait_until(lambda: any(len(json.loads(p.read_text(encoding="utf-8"))) > 1 for p in bundle.rglob("training.pt")))
    (checkpoint,) = bundle.rglob("training.pt")
    queue.kill()
    queue.join()
    trainer = json.loads(checkpoint.read_text(encoding="utf-8"))[0]
    os.kill(trainer, signal.SIGKILL)
    wait_until(lambda: is_free(checkpoint.parent))
    script.reproduce(str(bundle), max_cells=1)
    steps = json.loads(checkpoint.read_text(encoding="utf-8"))
    assert steps[:2] == [trainer, trainer]
    assert len(steps) == 6
    assert len(set(steps)) == 2
    assert len(results(bundle)) == 1


def test_training_that_outlives_its_queue_keeps_its_cell(script, bundle, capsys):
    declare(bundle, TABLE | {"datasets": {"sample": {"overrides": {"pause": 0.2}}}})
    queue = in_background(script, str(bundle), max_cells=1)
    wait_until(lambda: any(bundle.rglob("training.pt")))
    queue.kill()
    queue.join()
    script.reproduce(str(bundle), rows="none", seeds=0, list=True)
    assert "running" in capsys.readouterr().out
    wait_until(lambda: any(len(json.loads(p.read_text(encoding="utf-8"))) == 6 for p in bundle.rglob("training.pt")))


def test_stopped_queue_stops_its_training(script, bundle):
    declare(bundle, TABLE | {"datasets": {"sample": {"overrides": {"pause": 0.3}}}})
    queue = in_background(script, str(bundle), max_cells=1)
    wait_until(lambda: any(bundle.rglob("training.pt")))
    os.kill(queue.pid, signal.SIGINT)
    queue.join()
    (checkpoint,) = bundle.rglob("training.pt")
    trainer = json.loads(checkpoint.read_text(encoding="utf-8"))[0]
    with pytest.raises(ProcessLookupError):
        os.kill(trainer, 0)
    assert queue.exitcode != 0


def test_two_queues_share_the_cells(script, bundle):
    declare(bundle, TABLE | {"seeds": [0, 1, 2], "datasets": {"sample": {"overrides": {"pause": 0.05}}}})
    queues = [in_background(script, str(bundle)) for _ in range(2)]
    for queue in queues:
        queue.join()
    trainers = [set(json.loads(path.read_text(encoding="utf-8"))) for path in bundle.rglob("training.pt")]
    assert [queue.exitcode for queue in queues] == [0, 0]
    assert len(results(bundle)) == 6
    assert [len(trainer) for trainer in trainers] == [1] * 6


def test_crashed_cell_leaves_no_result_and_is_reported_last(script, bundle):
    rows = {"none": {"overrides": {"base": 0.25, "crash": True}}, "pemd": TABLE["rows"]["pemd"]}
    declare(bundle, TABLE | {"rows": rows, "seeds": [0]})
    with pytest.raises(
        SystemExit, match=r"failed: sample-none-seed0: train ended with status 1: ValueError: .*'pmd16'"
    ):
        script.reproduce(str(bundle))
    assert list(results(bundle)) == ["sample-pemd-seed0"]


def test_missing_score_is_reported(script, bundle):
    declare(bundle, TABLE | {"metrics": {"dice": {}}, "headline": "dice"})
    with pytest.raises(
        SystemExit, match=r"expected the scores \['dice'\], the evaluation wrote \['accuracy', 'steps'\]"
    ):
        script.reproduce(str(bundle), max_cells=1)


def test_cell_on_real_data_waits_for_its_folder(script, bundle, tmp_path, capsys):
    overrides = {"pause": 0.0, "dataset_dir": "{dataset_dir}"}
    declare(bundle, TABLE | {"datasets": {"brain": {"overrides": overrides}}, "seeds": [0]})
    script.reproduce(str(bundle), rows="none")
    assert "brain-none-seed0: left out, needs --dataset_dir" in capsys.readouterr().out
    script.reproduce(str(bundle), rows="none", dataset_dir=str(tmp_path))
    (result,) = results(bundle).values()
    (arguments,) = bundle.rglob("train_arguments.json")
    assert result["settings"]["train"]["dataset_dir"] == "{dataset_dir}"
    assert json.loads(arguments.read_text(encoding="utf-8"))["dataset_dir"] == str(tmp_path)


def test_tables_show_mean_deviation_and_what_is_missing(script, bundle):
    declare(bundle, TABLE | {"seeds": [0, 1, 2]})
    script.reproduce(str(bundle), rows="pemd", seeds=(0, 2))
    script.reproduce(str(bundle), tables=True)
    # accuracies 0.50 and 0.52: mean 51.0 %, sample standard deviation √2 %
    assert (bundle / "docs" / "studies.md").read_text(encoding="utf-8").splitlines() == [
        "# Card",
        "<!-- a comment -->",
        "<!-- table:sample -->",
        "|  | accuracy (%) | steps |",
        "| --- | ---: | ---: |",
        "| p-EMD | 51.0 ± 1.4 (2 of 3) | 6 ± 0 (2 of 3) |",
        "",
        "Not run: source only.",
        "<!-- /table -->",
        "end",
    ]


def test_tables_built_twice_are_the_same(script, bundle):
    script.reproduce(str(bundle), seeds=0)
    script.reproduce(str(bundle), tables=True)
    once = (bundle / "docs" / "studies.md").read_text(encoding="utf-8")
    script.reproduce(str(bundle), tables=True)
    assert (bundle / "docs" / "studies.md").read_text(encoding="utf-8") == once


def test_rows_may_be_listed_with_commas(script, bundle, capsys):
    script.reproduce(str(bundle), rows="none,pemd", seeds=0, list=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[0] for line in lines] == ["sample-none-seed0", "sample-pemd-seed0"]


def test_list_runs_nothing(script, bundle, capsys):
    script.reproduce(str(bundle), list=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines[:1]] == [["sample-none-seed0", "not run"]]
    assert len(lines) == 4
    assert not (bundle / "runs").exists()


def test_unknown_row_is_refused(script, bundle):
    with pytest.raises(ValueError, match=r"expected --rows among \['none', 'pemd'\], got \['pmd'\]"):
        script.reproduce(str(bundle), rows="pmd")


def test_unknown_marker_is_refused(script, bundle):
    (bundle / "docs" / "studies.md").write_text("<!-- table:brain -->\n<!-- /table -->\n")
    with pytest.raises(ValueError, match=r"markers of \['sample'\] .* unknown \['brain'\]"):
        script.reproduce(str(bundle), tables=True)


def test_unfinished_declaration_is_refused(script, bundle):
    declare(bundle, {"rows": {"a": {}}, "seed": [0]})
    with pytest.raises(ValueError, match=r"table.json .* missing \['seeds', .*\], unknown \['seed'\]"):
        script.reproduce(str(bundle))
