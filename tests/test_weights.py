"""Weights that were trained with other numbers are refused."""

import copy

import pytest
import torch
from torch import nn

from common.methods.cyclical_self_training.features import FeatureNetwork
from common.methods.mcd_pemd.classifier import DisplacementClassifier
from common.networks.voxelmorph import VoxelMorph
from common.weights import keep_settings, settings_of, weights_sha256, with_settings


class Outer(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        keep_settings(self.inner, **settings)


@pytest.mark.parametrize(
    ("name", "trained", "given"),
    [
        ("num_integration_steps", {"num_integration_steps": 0}, {"num_integration_steps": 7}),
        ("control_spacing", {"control_spacing": 4}, {}),
    ],
)
def test_voxelmorph_refuses_weights_of_other_settings(name, trained, given):
    weights = VoxelMorph(**trained).state_dict()
    with pytest.raises(RuntimeError, match=rf"{name}: expected {trained[name]}, with which these weights were trained"):
        VoxelMorph(**given).load_state_dict(weights)


def test_a_network_of_two_voting_heads_refuses_weights_of_which_one_was_trained():
    weights = DisplacementClassifier(num_test_heads=1).state_dict()
    with pytest.raises(RuntimeError, match="num_test_heads: expected 1, with which these weights were trained, got 2"):
        DisplacementClassifier().load_state_dict(weights)


def test_feature_network_refuses_weights_of_other_strides():
    weights = FeatureNetwork(strides=(1, 1, 2, 1, 1)).state_dict()
    with pytest.raises(RuntimeError, match=r"strides: expected \[1, 1, 2, 1, 1\].*got \[2, 1, 2, 1, 2\]"):
        FeatureNetwork().load_state_dict(weights)
    with pytest.raises(RuntimeError, match=r"strides: expected \[1, 1, 2, 1, 1\]"):
        FeatureNetwork(strides=(1, 1, 2), channels=(4, 4, 4)).load_state_dict(weights)


def test_weights_of_the_same_settings_are_loaded_from_file(tmp_path):
    torch.save(VoxelMorph(num_integration_steps=7).state_dict(), tmp_path / "model.pt")
    network = VoxelMorph(num_integration_steps=7)
    network.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert network.trained_num_integration_steps.item() == 7


def test_weights_without_settings_are_loaded_and_gain_them():
    weights = {key: value for key, value in VoxelMorph().state_dict().items() if not key.startswith("trained_")}
    network = VoxelMorph(num_integration_steps=7)
    assert str(network.load_state_dict(weights)) == "<All keys matched successfully>"
    assert network.state_dict()["trained_num_integration_steps"].item() == 7


def test_a_part_of_a_network_and_a_copy_are_guarded_too():
    network, other = Outer(radius=2), copy.deepcopy(Outer(radius=3))
    with pytest.raises(RuntimeError, match="radius: expected 2, with which these weights were trained, got 3"):
        other.load_state_dict(network.state_dict())
    assert other.inner.trained_radius.item() == 3


def test_a_scripted_network_runs_and_keeps_the_settings():
    scripted = torch.jit.script(VoxelMorph(num_integration_steps=2))
    assert scripted.state_dict()["trained_num_integration_steps"].item() == 2
    assert scripted(torch.rand(1, 2, 16, 16, 16)).shape == (1, 3, 16, 16, 16)


def test_settings_in_a_file_are_read_without_unpickling_and_leave_network_and_hash_alone(tmp_path):
    network, settings = VoxelMorph(), {"num_passes": 2, "background": None, "box_mm": [44, 60, 46], "rate": 0.1}
    torch.save(network.state_dict(), tmp_path / "bare.pt")
    torch.save(with_settings(network.state_dict(), settings), tmp_path / "model.pt")
    assert settings_of(tmp_path / "model.pt") == settings
    VoxelMorph().load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert weights_sha256(tmp_path / "model.pt") == weights_sha256(tmp_path / "bare.pt")


def test_weights_without_a_setting_ask_for_it(tmp_path):
    torch.save(VoxelMorph().state_dict(), tmp_path / "old.pt")
    with pytest.raises(ValueError, match=r"old.pt: expected weights that know their box_mm, .* --box_mm must be given"):
        settings_of(tmp_path / "old.pt")["box_mm"]


def test_a_file_of_something_else_is_named(tmp_path):
    (tmp_path / "model.pt").write_text("no weights")
    with pytest.raises(ValueError, match=r"ckpt_path: expected weights of a network, got .*model.pt"):
        settings_of(tmp_path / "model.pt")
