"""Every bundle, packaged and used by a stranger: another working directory and nothing of this repository."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.apps import download_url
from monai.bundle import ConfigParser
from monai.bundle.scripts import _get_fake_spatial_shape
from monai.transforms import ResizeWithPadOrCrop

from common.data.volume import read_volume
from common.tools.packaging.build import build_package
from common.tools.packaging.card import requirements
from common.tools.packaging.trial import importable_code
from common.tools.packaging.weights import record_weights

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parent.parent for path in ROOT.glob("bundles/*/configs/metadata.json"))
OVERRIDES = json.loads(Path(__file__).with_name("overrides.json").read_text(encoding="utf-8"))
STRANGER = Path(__file__).with_name("stranger.py")
TOLERANCE = 1e-4  # voxels or logits, scripted against eager
QUICK_STEPS = ["inference", "ckpt_export", "verify_net_in_out"]
each_bundle = pytest.mark.parametrize("name", [bundle.name for bundle in BUNDLES])


def read_metadata(folder):
    return json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))


def random_image(folder):
    image = read_metadata(folder)["network_data_format"]["inputs"]["image"]
    shape = (1, image["num_channels"], *_get_fake_spatial_shape(image["spatial_shape"]))
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def real_images(folder, data):
    """Fixed and moving images of a head as the network takes them: central slices at half resolution, or volumes."""
    image = read_metadata(folder)["network_data_format"]["inputs"]["image"]
    shape = _get_fake_spatial_shape(image["spatial_shape"], n=2)
    if image["num_channels"] != 2 or len(shape) not in (2, 3):
        pytest.skip(f"{folder.name} takes no pair of images")
    contrasts = [data / "MultiContrastBrain" / "ms07" / f"{name}.nii.gz" for name in ("T1", "T2")]
    head = torch.cat([read_volume(path).as_tensor() / 255 for path in contrasts])
    fits = ResizeWithPadOrCrop(shape)
    if len(shape) == 3:
        return torch.as_tensor(fits(head))[None]
    middle = head.shape[-1] // 2
    return torch.stack([torch.as_tensor(fits(head[:, ::2, ::2, z])) for z in range(middle - 16, middle + 16)])


def commands(folder, pair):
    """Step → words after ``python -m monai.bundle``; two iterations of training."""
    files = {name: f"{folder}/configs/{name}.json" for name in ("train", "evaluate", "inference", "metadata")}
    check = ["network_def", f"--bundle_root={folder}", f"--config_file={files['inference']}"]
    words = {
        "train": ["run", "training", f"--config_file={files['train']}"],
        "evaluate": ["run", "evaluating", f"--config_file=['{files['train']}','{files['evaluate']}']"],
        "inference": ["run", "registering", f"--config_file={files['inference']}"],
        "ckpt_export": ["ckpt_export", *check],
        "verify_net_in_out": ["verify_net_in_out", *check, f"--meta_file={files['metadata']}", "--device=cpu"],
    }
    return {step: words[step] + [f"--{k}={v}" for k, v in overrides(folder, step, pair).items()] for step in words}


def overrides(folder, step, pair):
    """What makes a step of a bundle small, from overrides.json."""
    own = OVERRIDES.get(folder.name.removesuffix("_again"), {}).get(step, {})
    return {name: value.format(**pair) if isinstance(value, str) else value for name, value in own.items()}


def prepared(bundle, folder):
    """Copy of a bundle with weights and their record, where a bundle in the making has none yet."""
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns("runs", "*.ts"))
    weights = folder / "models" / "model.pt"
    if not weights.is_file():
        weights.parent.mkdir(exist_ok=True)
        network = ConfigParser(ConfigParser.load_config_file(folder / "configs" / "inference.json"))
        torch.save(network.get_parsed_content("network_def").state_dict(), weights)
    record_weights(folder)
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A NIfTI pair of smooth noise, 40 × 36 × 32 voxels of 2 mm."""
    paths = {}
    for name, seed in (("fixed", 0), ("moving", 1)):
        noise = torch.rand(1, 1, 10, 9, 8, generator=torch.Generator().manual_seed(seed))
        image = torch.nn.functional.interpolate(noise, scale_factor=4, mode="trilinear")[0, 0]
        paths[name] = str(tmp_path_factory.mktemp("pair") / f"{name}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(image.numpy(), np.diag([2.0, 2.0, 2.0, 1.0])), paths[name])
    return paths


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Name → unpacked package of each bundle, and of a copy of the first one under another name."""
    sources, output, unpacked = (tmp_path_factory.mktemp(name) for name in ("sources", "dist", "unpacked"))
    names = {bundle.name: bundle for bundle in BUNDLES} | {f"{BUNDLES[0].name}_again": BUNDLES[0]}
    for name, bundle in names.items():
        with zipfile.ZipFile(build_package(prepared(bundle, sources / name), output)) as archive:
            archive.extractall(unpacked)
    return {name: unpacked / name for name in names}


@pytest.fixture(scope="module")
def results(packages, pair, tmp_path_factory):
    """Name → step → what became of it, all bundles in one process."""
    elsewhere, notes = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("notes")
    jobs = {"results": str(notes / "results.json"), "bundles": []}
    for name, folder in packages.items():
        torch.save(random_image(folder), notes / f"{name}.pt")
        steps = QUICK_STEPS if not name.endswith("_again") else ["ckpt_export"]
        steps = {step: commands(folder, pair)[step] for step in steps}
        small = overrides(folder, "inference", pair)
        job = {"folder": str(folder), "overrides": small, "commands": steps, "image": str(notes / f"{name}.pt")}
        jobs["bundles"].append(job)
    (notes / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, "-I", str(STRANGER), str(notes / "jobs.json")]
    subprocess.run(command, cwd=elsewhere, check=True, capture_output=True, timeout=600)
    assert list(elsewhere.iterdir()) == []
    found = json.loads((notes / "results.json").read_text(encoding="utf-8"))
    return {name: found[str(folder)] for name, folder in packages.items()}


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """The schema of the Model Zoo: the file that BUNDLE_META_SCHEMA names, or a download."""
    if os.environ.get("BUNDLE_META_SCHEMA"):
        return Path(os.environ["BUNDLE_META_SCHEMA"])
    path = tmp_path_factory.mktemp("schema") / "schema.json"
    try:
        download_url(read_metadata(BUNDLES[0])["schema"], path)
    except (OSError, RuntimeError, urllib.error.URLError) as error:
        pytest.skip(f"BUNDLE_META_SCHEMA is not set and the schema cannot be downloaded: {error}")
    return path


@each_bundle
@pytest.mark.parametrize("step", QUICK_STEPS)
def test_stranger_uses_the_package(results, name, step):
    assert results[name][step] is None, results[name][step]


@each_bundle
def test_properties_are_there_before_a_run(results, name):
    assert results[name]["properties"] == []


@each_bundle
def test_load_gives_the_shipped_network_from_any_folder(results, name):
    assert results[name]["loaded"] == {"train": 0.0, "inference": 0.0}


@each_bundle
def test_outputs_land_in_the_package_and_the_weights_stay(results, packages, name):
    assert list((packages[name] / "runs" / "inference").rglob("*.nii.gz"))
    record_weights(packages[name])


def test_packages_in_one_process_run_their_own_code(results, packages):
    for name, folder in packages.items():
        assert Path(results[name]["exported"][0]).is_relative_to(folder), results[name]["exported"]


@each_bundle
def test_exported_network_agrees_with_eager(results, name):
    assert results[name]["exported"][1] <= TOLERANCE


@each_bundle
@pytest.mark.data
def test_exported_network_agrees_with_eager_on_real_pairs(results, packages, name, registration_data):
    folder = packages[name]
    images = real_images(folder, registration_data)
    parser = ConfigParser(ConfigParser.load_config_file(folder / "configs" / "inference.json"))
    parser["bundle_root"] = str(folder)
    with importable_code(folder), torch.no_grad():
        network = parser.get_parsed_content("network_def").eval()
        network.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
        start = time.perf_counter()
        scripted = torch.jit.load(folder / "models" / "model.ts")
        seconds = time.perf_counter() - start
        difference = (scripted(images) - network(images)).abs().max()
    size = (folder / "models" / "model.ts").stat().st_size
    print(f"{name}: {len(images)} pairs, difference {difference:.1e}, {size} bytes load in {seconds:.3f} s")
    assert difference <= TOLERANCE


@each_bundle
def test_metadata_follows_the_schema(packages, name, schema):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(read_metadata(packages[name]), json.loads(schema.read_text(encoding="utf-8")))


@each_bundle
def test_commands_and_links_of_the_packaged_cards_exist(packages, name):
    spec = importlib.util.spec_from_file_location("readme_checks", ROOT / "tests" / "test_readme.py")
    checks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checks)
    folder = packages[name]
    for card in (folder / "README.md", folder / "docs" / "README.md"):
        found = [words for words in checks.commands(card.read_text(encoding="utf-8")) if words[0] != "pip"]
        assert [words for words in found if "monai.bundle" in words]
        assert [" ".join(words) for words in found if checks.problems(words, folder)] == []
        checks.test_every_linked_file_exists(card)


@each_bundle
def test_package_names_nothing_of_the_repository(packages, name):
    for path in (packages[name] / "configs").iterdir():
        assert "bundles/" not in path.read_text(encoding="utf-8")
        assert '"common.' not in path.read_text(encoding="utf-8")


@each_bundle
@pytest.mark.slow
def test_stranger_runs_the_package_with_nothing_but_the_packages_it_names(packages, pair, name, schema, tmp_path):
    metadata = read_metadata(packages[name])
    optional = [f"{package}=={version}" for package, version in metadata.get("optional_packages_version", {}).items()]
    python = tmp_path / "environment" / "bin" / "python"
    (tmp_path / "elsewhere").mkdir()
    subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *requirements(metadata), *optional], check=True)
    check = ["verify_metadata", f"--meta_file={packages[name]}/configs/metadata.json", f"--filepath={schema}"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    place = {"cwd": tmp_path / "elsewhere", "env": clean}
    for step, words in (commands(packages[name], pair) | {"verify_metadata": check}).items():
        done = subprocess.run([python, "-m", "monai.bundle", *words], **place, capture_output=True, text=True)
        assert done.returncode == 0, f"{step}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    assert torch.load(packages[name] / "runs" / "train" / "model.pt", weights_only=True)
    assert json.loads((packages[name] / "runs" / "evaluate" / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
    record_weights(packages[name])
