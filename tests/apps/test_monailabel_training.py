"""Trainings that MONAI Label starts, on a datastore of a few images."""

import json

import nibabel
import numpy as np
import pytest
import torch

from apps.monailabel import training
from apps.monailabel.studies import trained_weights
from apps.monailabel.training import BUNDLES, RECIPES, BundleTraining, split_of, trainers
from common.registration.registrar import Registrar

SMALL = {"max_epochs": 1, "num_pairs": 4}


class Folder:
    """As much of MONAI Label's datastore as a training asks for."""

    def __init__(self, folder, names, labeled=()):
        self.folder, self.names, self.labeled = folder, names, labeled

    def list_images(self):
        return self.names

    def get_image_uri(self, name):
        return str(self.folder / f"{name}.nii.gz")

    def get_label_uri(self, name, tag):
        return str(self.folder / "labels" / tag / f"{name}.nii.gz") if name in self.labeled else ""


def write(path, seed):
    noise = torch.rand(1, 1, 10, 12, 10, generator=torch.Generator().manual_seed(seed))
    image = 100 * torch.nn.functional.interpolate(noise, scale_factor=4, mode="trilinear")[0, 0]
    nibabel.save(nibabel.Nifti1Image(image.numpy(), np.eye(4)), path)


@pytest.fixture
def store(tmp_path):
    """Five images of 40 × 48 × 40 voxels."""
    names = [f"image{number}" for number in range(5)]
    for seed, name in enumerate(names):
        write(tmp_path / f"{name}.nii.gz", seed)
    return Folder(tmp_path, names)


@pytest.mark.parametrize("bundle", RECIPES)
def test_a_recipe_names_what_the_bundle_has(bundle):
    folder, recipe = BUNDLES / bundle / "configs", RECIPES[bundle]
    config = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    assert recipe.settings.keys() <= config.keys()
    assert [name for name in recipe.overlays + recipe.continued if not (folder / name).is_file()] == []


def test_every_bundle_is_trained_or_refused():
    names = {path.parents[1].name for path in BUNDLES.glob("*/configs/train.json")}
    assert names == RECIPES.keys() | training.REFUSED.keys()


def test_images_come_with_their_final_labels(store, tmp_path):
    store.labeled = store.names
    config = BundleTraining("wasserstein_voxelmorph", tmp_path).check({}, store)
    parts = config["train#dataset#data"] + config["validate#dataset#data"]
    assert sorted(entry["image"] for entry in parts) == [store.get_image_uri(name) for name in store.names]
    assert all(entry["label"] == store.get_label_uri(entry["subject"], "final") for entry in parts)


def test_a_label_of_some_images_alone_is_left_aside(store, tmp_path):
    store.labeled = store.names[:2]
    config = BundleTraining("wasserstein_voxelmorph", tmp_path).check({}, store)
    assert not any("label" in entry for entry in config["train#dataset#data"] + config["validate#dataset#data"])


def test_settings_are_those_that_the_weights_carry(store, tmp_path):
    config = BundleTraining("cyclical_self_training", tmp_path).check({"max_epochs": 3}, store)
    assert config["strides"] == [1, 1, 2, 1, 1]
    assert config["init_path"] == str(BUNDLES / "cyclical_self_training" / "models" / "model.pt")
    assert (config["num_iterations"], config["epochs_per_stage"], config["num_pairs"]) == (480, 3, 6)


def test_a_training_goes_on_from_the_newest_weights(store, tmp_path):
    place = tmp_path / "weights" / "mcd_pemd.pt"
    place.parent.mkdir()
    place.write_bytes((BUNDLES / "mcd_pemd" / "models" / "model.pt").read_bytes())
    store.names = ["a_T1", "a_T2", "b_T1", "b_T2", "c_T1"]
    config = BundleTraining("mcd_pemd", tmp_path).check({}, store)
    assert config["init_path"] == str(trained_weights(tmp_path, "mcd_pemd")) == str(place)
    assert [entry["subject"] for entry in config["train#dataset#data"]] == ["a", "b"]
    assert BundleTraining("mcd_pemd", tmp_path).check({"pretrained": False}, store)["init_path"] == ""


@pytest.mark.parametrize(
    ("bundle", "request_", "message"),
    [
        ("wasserstein_voxelmorph", {"images": "image0"}, "at least two images or subjects to train on, got 1"),
        ("wasserstein_voxelmorph", {"images": "../image0,image1"}, r"ids of the datastore, got '\.\./image0'"),
        ("wasserstein_voxelmorph", {"max_epochs": 0}, "max_epochs: expected a whole number from 1"),
        ("wasserstein_voxelmorph", {"max_epochs": "$exit()"}, "max_epochs: expected a whole number"),
        ("wasserstein_voxelmorph", {"pretrained": "yes"}, "pretrained: expected true or false, got 'yes'"),
        ("mine_voxelmorph", {}, "learns from two contrasts: .* ids SUBJECT_T1 and SUBJECT_FLAIR, got image0"),
        ("mcd_pemd", {}, "learns from two contrasts: .* ids SUBJECT_T1 and SUBJECT_T2, got image0"),
    ],
)
def test_what_cannot_be_trained_is_refused(bundle, request_, message, store, tmp_path):
    with pytest.raises(ValueError, match=message):
        BundleTraining(bundle, tmp_path)(request_, store)
    assert trained_weights(tmp_path, bundle) is None


def test_few_images_are_trained_and_validated_on_alike():
    assert split_of([{"subject": "a"}, {"subject": "b"}]) == ([{"subject": "a"}, {"subject": "b"}],) * 2


def test_a_failed_run_leaves_the_weights_and_tells_why(store, tmp_path):
    (tmp_path / "image0.nii.gz").write_bytes(b"no image")
    place = tmp_path / "weights" / "wasserstein_voxelmorph.pt"
    place.parent.mkdir()
    place.write_bytes((BUNDLES / "wasserstein_voxelmorph" / "models" / "model.pt").read_bytes())
    before = place.read_bytes()
    with pytest.raises(RuntimeError, match=r"the training failed: .*image0") as caught:
        BundleTraining("wasserstein_voxelmorph", tmp_path)(SMALL, store)
    assert str(tmp_path) not in str(caught.value)
    assert place.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("bundle", RECIPES)
def test_a_training_of_each_bundle_leaves_weights(bundle, store, tmp_path, monkeypatch):
    if bundle == "cyclical_self_training":
        short = {"num_stages": 1, "epochs_per_stage": 1, "num_iterations": 2, "num_pairs": 2}
        monkeypatch.setattr(BundleTraining, "_lengths", lambda *_: short)
    contrasts = RECIPES[bundle].contrasts
    if contrasts:
        store.names = [f"{subject}_{contrast}" for subject in "abcd" for contrast in contrasts]
        for seed, name in enumerate(store.names):
            write(tmp_path / f"{name}.nii.gz", seed)
    small = SMALL | ({"num_pairs": 64} if bundle == "mcd_pemd" else {})
    BundleTraining(bundle, tmp_path)(small, store)
    shipped = torch.load(BUNDLES / bundle / "models" / "model.pt", weights_only=True)
    found = torch.load(trained_weights(tmp_path, bundle), weights_only=True)
    assert found.keys() == shipped.keys()
    assert any(not torch.equal(found[name], shipped[name]) for name in found)
    Registrar(bundle, ckpt_path=trained_weights(tmp_path, bundle))


@pytest.mark.slow
def test_a_training_of_monai_label_changes_what_a_registration_computes(store, tmp_path):
    pytest.importorskip("monailabel")
    from monailabel.datastore.local import LocalDatastore
    from monailabel.interfaces.tasks.train import TrainTask

    class App:
        studies = str(tmp_path)

    datastore = LocalDatastore(str(tmp_path), extensions=["*.nii.gz"], auto_reload=False)
    task = trainers(App())["wasserstein_voxelmorph"]
    assert isinstance(task, TrainTask)
    fixed, moving = (datastore.get_image_uri(name) for name in store.names[:2])
    before = Registrar("wasserstein_voxelmorph", init="center")(fixed, moving).field
    assert trained_weights(tmp_path, "wasserstein_voxelmorph") is None
    task({"model": "wasserstein_voxelmorph", **SMALL}, datastore)
    weights = trained_weights(tmp_path, "wasserstein_voxelmorph")
    after = Registrar("wasserstein_voxelmorph", init="center", ckpt_path=weights)(fixed, moving).field
    assert float((after - before).abs().max()) > 0.01  # mm
