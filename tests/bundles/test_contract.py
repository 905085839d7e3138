"""What MONAI, the Model Zoo and this collection expect of every bundle in bundles/."""

import hashlib
import importlib
import json
import math
import os
import shutil
from pathlib import Path
from pydoc import locate

import ignite.distributed as idist
import nibabel
import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigParser, ConfigWorkflow, verify_net_in_out
from monai.bundle.config_item import ConfigComponent

from common.training.progress_bar import loss_terms

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parent.parent for path in ROOT.glob("bundles/*/configs/metadata.json"))
OVERRIDES = json.loads(Path(__file__).with_name("overrides.json").read_text(encoding="utf-8"))
FILES = {
    "train": ["train.json"],
    "evaluate": ["train.json", "evaluate.json"],
    "multi_gpu_train": ["train.json", "multi_gpu_train.json"],
    "multi_gpu_evaluate": ["train.json", "evaluate.json", "multi_gpu_evaluate.json"],
    "inference": ["inference.json"],
}
KIND = {
    "train": "train",
    "evaluate": "infer",
    "multi_gpu_train": "train",
    "multi_gpu_evaluate": "infer",
    "inference": "infer",
}
EXPECTED_FILES = [
    "LICENSE",
    "configs/metadata.json",
    "configs/train.json",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/multi_gpu_train.json",
    "configs/logging.conf",
    "docs/README.md",
    "docs/data_license.txt",
    "models/model.pt",
]
METADATA = [
    "schema",
    "version",
    "changelog",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
]
each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
each_workflow = pytest.mark.parametrize("workflow", list(FILES))


def configs(bundle):
    return sorted(path for path in (bundle / "configs").glob("*.json") if path.name != "metadata.json")


def entries(config, kind):
    """Every dictionary (kind "component") or string (kind "text") anywhere in a config."""
    if isinstance(config, dict):
        if kind == "component" and "_target_" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            yield from entries(item, kind)
    elif kind == "text" and isinstance(config, str):
        yield config


def files_hash(bundle):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (bundle / "models").iterdir()}


@pytest.fixture
def copy_of(tmp_path, monkeypatch):
    """Copies a bundle, without its runs, and makes it the working directory."""

    def copy(bundle):
        target = tmp_path / bundle.name
        shutil.copytree(bundle, target, ignore=shutil.ignore_patterns("runs"))
        monkeypatch.chdir(target)
        return target

    return copy


@pytest.fixture
def single_process_group(monkeypatch):
    """What torchrun tells one process; the multi-GPU overlay then connects it to itself."""
    for name, value in {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29533",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    if torch.distributed.is_initialized():
        idist.sync()
        idist.finalize()  # destroys the group, and ignite forgets it


@pytest.fixture
def pair(tmp_path):
    """A NIfTI pair of smooth noise, 40 × 36 × 32 voxels of 2 mm."""
    paths = {}
    for name, seed in (("fixed", 0), ("moving", 1)):
        noise = torch.rand(1, 1, 10, 9, 8, generator=torch.Generator().manual_seed(seed))
        image = torch.nn.functional.interpolate(noise, scale_factor=4, mode="trilinear")[0, 0]
        paths[name] = tmp_path / f"{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(image.numpy(), np.diag([2.0, 2.0, 2.0, 1.0])), paths[name])
    return {name: str(path) for name, path in paths.items()}


def start(bundle, workflow, pair):
    """The initialized workflow of a copied bundle, made small by overrides.json."""
    files = [bundle / "configs" / name for name in FILES[workflow]]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        pytest.fail(f"expected {missing} in {bundle.name}/configs")
    step = "evaluate" if workflow == "multi_gpu_evaluate" else workflow
    overrides = json.loads(json.dumps(OVERRIDES.get(bundle.name, {}).get(step, {})))
    for name, value in overrides.items():
        if value in ("{fixed}", "{moving}"):
            overrides[name] = pair[value[1:-1]]
    instance = ConfigWorkflow([str(path) for path in files], workflow_type=KIND[workflow], **overrides)
    instance.initialize()
    return instance


def initialize_and_run(workflow):
    workflow.initialize()
    workflow.run()


@each_bundle
def test_every_process_takes_its_own_gpu_before_the_first_exchange(bundle):
    steps = json.loads((bundle / "configs" / "multi_gpu_train.json").read_text(encoding="utf-8"))["initialize"]
    assert steps[0] == "$torch.cuda.set_device(@device) if torch.cuda.is_available() else None"
    assert "init_process_group" in steps[1]


@each_bundle
def test_expected_files_are_there(bundle):
    assert [name for name in EXPECTED_FILES if not (bundle / name).is_file()] == []


@each_bundle
def test_every_target_imports(bundle):
    for path in configs(bundle):
        parser = ConfigParser(ConfigParser.load_config_file(path))
        for component in entries(parser.get(), "component"):
            name = ConfigComponent(component, locator=parser.locator).resolve_module_name()
            if locate(name) is None:
                importlib.import_module(name.rpartition(".")[0])
                pytest.fail(f"{path.name}: nothing is called {name}")


@each_bundle
def test_every_imported_module_imports(bundle):
    for path in configs(bundle):
        statements = [text[1:] for text in entries(ConfigParser.load_config_file(path), "text")]
        for statement in statements:
            if statement.startswith(("import ", "from ")):
                exec(statement, {})


@each_bundle
def test_metadata_is_complete(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert [name for name in METADATA if not metadata.get(name)] == []
    assert metadata["version"] in metadata["changelog"]
    assert {"image"} <= metadata["network_data_format"]["inputs"].keys()
    assert {"pred"} <= metadata["network_data_format"]["outputs"].keys()
    assert isinstance(metadata.get("supported_apps", {}), dict)


@each_bundle
def test_versions_can_be_installed(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    versions = [metadata[name] for name in ("monai_version", "pytorch_version", "numpy_version")]
    for version in [*versions, *metadata["required_packages_version"].values()]:
        assert version.replace(".", "").isdigit(), version


@each_bundle
def test_run_and_its_readable_name_are_the_same(bundle):
    for name, alias in (("train.json", "training"), ("evaluate.json", "evaluating"), ("inference.json", "registering")):
        config = ConfigParser.load_config_file(bundle / "configs" / name)
        assert config["run"] == config[alias]


@each_bundle
@pytest.mark.parametrize("place", ["repository", "bundle"])
def test_bundle_root_is_the_bundle(bundle, place, monkeypatch):
    monkeypatch.chdir(ROOT if place == "repository" else bundle)
    for name in ("train.json", "inference.json"):
        parser = ConfigParser(ConfigParser.load_config_file(bundle / "configs" / name))
        assert os.path.samefile(parser.get_parsed_content("bundle_root"), bundle)


@each_bundle
def test_evaluation_and_inference_build_the_same_network(bundle):
    files = {name: [str(bundle / "configs" / file) for file in FILES[name]] for name in ("evaluate", "inference")}
    parsers = {name: ConfigParser(ConfigParser.load_config_files(paths)) for name, paths in files.items()}
    definition = parsers["inference"].get("network_def")
    assert parsers["evaluate"].get("network_def") == definition
    for text in entries(definition, "text"):
        if text.startswith("@"):
            evaluated, inferred = (parser.get_parsed_content(text[1:]) for parser in parsers.values())
            assert evaluated == inferred, text


@each_bundle
@pytest.mark.parametrize("name", ["train.json", "inference.json"])
def test_unrelated_working_directory_asks_for_bundle_root(bundle, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow = ConfigWorkflow(str(bundle / "configs" / name), workflow_type=None, logging_file=False)
    with pytest.raises(RuntimeError) as caught:
        initialize_and_run(workflow)
    assert "give --bundle_root" in str(caught.value.__cause__)
    assert list(tmp_path.iterdir()) == []


@each_bundle
@pytest.mark.parametrize("workflow", ["train", "evaluate", "inference"])
def test_misspelt_override_is_refused(bundle, workflow, copy_of):
    copy = copy_of(bundle)
    files = [str(copy / "configs" / name) for name in FILES[workflow]]
    instance = ConfigWorkflow(files, workflow_type=None, logging_file=False, dataset_dri="somewhere")
    with pytest.raises(RuntimeError) as caught:
        initialize_and_run(instance)
    assert "'dataset_dri' (did you mean 'dataset_dir'?)" in str(caught.value.__cause__)


@each_bundle
@each_workflow
def test_workflow_has_its_properties_runs_and_leaves_files_that_load(
    bundle, workflow, copy_of, pair, single_process_group
):
    copy = copy_of(bundle)
    weights = files_hash(copy)
    instance = start(copy, workflow, pair)
    assert instance.check_properties() == []
    losses = []
    if KIND[workflow] == "train":
        instance.trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda engine: losses.extend(map(float, loss_terms(engine.state.output).values())),
        )
    instance.run()
    assert bool(losses) == (KIND[workflow] == "train")
    assert all(map(math.isfinite, losses))
    assert check_files(copy / "runs") > 0
    assert files_hash(copy) == weights


def check_files(folder):
    """Number of files read; each must load and hold finite numbers."""
    checkpoints, images, texts = (sorted(folder.rglob(end)) for end in ("*.pt", "*.nii.gz", "*.json"))
    for path in checkpoints:
        assert torch.load(path, weights_only=True, map_location="cpu")
    for path in images:
        assert math.isfinite(float(abs(nibabel.load(path).get_fdata()).max()))
    for path in texts:
        json.loads(path.read_text(encoding="utf-8"))
    return len(checkpoints) + len(images) + len(texts)


@each_bundle
def test_network_takes_one_tensor_and_returns_one(bundle):
    folder = bundle / "configs"
    verify_net_in_out(
        "network_def", str(folder / "metadata.json"), str(folder / "inference.json"), device="cpu", p=1, n=1, any=1
    )


@each_bundle
def test_network_is_scriptable_and_fits_the_shipped_weights(bundle):
    parser = ConfigParser(ConfigParser.load_config_file(bundle / "configs" / "inference.json"))
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True, map_location="cpu"))
    inputs = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))["network_data_format"][
        "inputs"
    ]
    shape = [1, inputs["image"]["num_channels"], *inputs["image"]["spatial_shape"]]
    if any(isinstance(size, str) for size in shape):
        shape = shape[:2] + [32] * (len(shape) - 2)
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(torch.jit.script(network)(image), network(image), atol=1e-6)


def test_there_is_a_bundle():
    assert BUNDLES
    assert set(OVERRIDES) <= {bundle.name for bundle in BUNDLES}
