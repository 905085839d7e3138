"""Files of weights: found, read, hashed, and the settings they were trained with."""

import hashlib
import pickle
import textwrap
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

_PREFIX = "trained_"


def is_setting(name: str) -> bool:
    """Whether an entry of a state dict is a number kept by :func:`keep_settings`, not a weight.

    Example:
        >>> is_setting("feature_extractor.trained_strides"), is_setting("feature_extractor.weight")
        (True, False)
    """
    return name.rpartition(".")[2].startswith(_PREFIX)


def keep_settings(network: nn.Module, **settings: float | Sequence[int]) -> None:
    """Keep numbers that no weight shows as buffers of a network, and refuse weights that were trained with others.

    The state dict gains one tensor per number, `trained_<name>`. Weights without them are loaded as they are.

    Args:
        network: the network.
        settings: name of an argument of the network → its value.

    Raises:
        RuntimeError: later, by `load_state_dict`, naming the argument and both values where they differ.

    Example:
        >>> network, other = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> keep_settings(network, num_integration_steps=7)
        >>> keep_settings(other, num_integration_steps=7)
        >>> other.load_state_dict(network.state_dict())
        <All keys matched successfully>
    """
    for name, value in settings.items():
        network.register_buffer(_PREFIX + name, torch.tensor(value))
    network.register_load_state_dict_pre_hook(_compare)


def _compare(network: nn.Module, state_dict: dict, prefix: str, *rest) -> None:
    error_messages = rest[-1]
    for key, own in network.named_buffers(recurse=False):
        if not key.startswith(_PREFIX):
            continue
        found = state_dict.setdefault(prefix + key, own)
        if found.shape != own.shape or not torch.equal(found.to(own), own):
            name = key.removeprefix(_PREFIX)
            error_messages.append(
                f"{name}: expected {found.tolist()}, with which these weights were trained, got {own.tolist()}; "
                f"set {name} to {found.tolist()} or load other weights"
            )
            state_dict[prefix + key] = own


# What torch.load and load_state_dict raise for other files and other networks.
BROKEN_WEIGHTS = (AttributeError, EOFError, KeyError, RuntimeError, TypeError, ValueError, pickle.UnpicklingError)


def weights_file(bundle_root: str | Path, ckpt_path: str = "") -> Path:
    """The given weights, or the bundle's own.

    Raises:
        FileNotFoundError: where there are none.
    """
    path = Path(ckpt_path or Path(bundle_root) / "models" / "model.pt").expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"ckpt_path: expected weights of the network, got {path}, which does not exist")
    return path


def weights_sha256(path: str | Path) -> str:
    """Hash of the numbers in a file of weights; not of the settings that they know they were trained with.

    Args:
        path: state dict, a file that ``torch.load`` reads with ``weights_only``.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, value in torch.load(path, weights_only=True, map_location="cpu").items():
        if not is_setting(name):
            digest.update(name.encode())
            digest.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _load_weights(network: torch.nn.Module, path: Path, bundle: str) -> None:
    try:
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except BROKEN_WEIGHTS as error:
        found = textwrap.shorten(str(error), 200, placeholder=" …")
        raise ValueError(f"ckpt_path: expected weights of {bundle}'s network, got {path} ({found})") from error
