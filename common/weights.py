"""Files of weights: found, read, hashed, and the settings they were trained with."""

import hashlib
import json
import pickle
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .files import plain

_PREFIX = "trained_"
_SETTINGS = "settings"
OWN_WEIGHTS = "models/model.pt"


def is_setting(name: str) -> bool:
    """Whether an entry of a state dict was kept by :func:`keep_settings` or :func:`with_settings`, so is no weight.

    Example:
        >>> is_setting("feature_extractor.trained_strides"), is_setting("feature_extractor.weight")
        (True, False)
    """
    return name == _SETTINGS or name.rpartition(".")[2].startswith(_PREFIX)


def with_settings(state: Mapping[str, torch.Tensor], settings: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """A state dict that also tells how it was made: its entry ``settings`` holds JSON as bytes, (N,), uint8.

    A tensor, so that ``torch.load`` reads the file with ``weights_only``; a network that called :func:`keep_settings`
    passes over it.

    Args:
        state: weights.
        settings: name → number, text, list or None.

    Example:
        >>> state = with_settings({"weight": torch.ones(1)}, {"strides": [2, 1]})
        >>> bytes(state["settings"].tolist()).decode()
        '{"strides": [2, 1]}'
    """
    text = json.dumps(plain(dict(settings)))
    return {**state, _SETTINGS: torch.tensor(list(text.encode()), dtype=torch.uint8)}


class TrainedSettings(dict):
    """Settings that a file of weights carries; one that it lacks is asked for by its name.

    Args:
        settings: name → value.
        path: the file, for the message.

    Raises:
        ValueError: for a name that the file does not know.
    """

    def __init__(self, settings: Mapping[str, Any], path: str | Path) -> None:
        super().__init__(settings)
        self.path = path

    def __missing__(self, name: str) -> Any:
        raise ValueError(
            f"{self.path}: expected weights that know their {name}, got a file without it: of another bundle, or "
            f"of an older version, for which --{name} must be given as it was in the training"
        )


def settings_of(path: str | Path) -> TrainedSettings:
    """What :func:`with_settings` put into a file of weights; nothing for a file without.

    Args:
        path: state dict, a file that ``torch.load`` reads with ``weights_only``.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it holds no weights; names the file.
    """
    kept = read_weights(weights_file("", str(path))).get(_SETTINGS)
    return TrainedSettings({} if kept is None else json.loads(bytes(kept.tolist())), path)


def keep_settings(network: nn.Module, **settings: float | Sequence[int]) -> None:
    """Keep numbers that no weight shows as buffers of a network, and refuse weights that were trained with others.

    The state dict gains one tensor per number, `trained_<name>`. Weights without them are loaded as they are, and what
    :func:`with_settings` has added is left aside.

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
    state_dict.pop(prefix + _SETTINGS, None)
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
    path = Path(ckpt_path or Path(bundle_root, OWN_WEIGHTS)).expanduser()
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
    for name, value in read_weights(path).items():
        if not is_setting(name):
            digest.update(name.encode())
            digest.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_weights(path: str | Path, owner: str = "a network") -> dict[str, torch.Tensor]:
    """State dict in a file, on the CPU.

    Args:
        path: the file.
        owner: whose weights are expected, for the message.

    Raises:
        ValueError: where the file holds something else; names it.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except BROKEN_WEIGHTS as error:
        raise _not_weights(owner, path, error) from error
    if not isinstance(state, Mapping):
        raise _not_weights(owner, path, f"expected something dict-like, got a {type(state).__name__}")
    return dict(state)


def check_weights_of(path: Path, own: Path, owner: str) -> None:
    """Refuse a file whose weights have other names than those of a bundle's own file, where there is one.

    Raises:
        ValueError: names the file and the first weight that is missing.
    """
    state = read_weights(path, owner)
    known = read_weights(own) if own.is_file() else {}
    missing = sorted(name for name in known.keys() - state.keys() if not is_setting(name))
    if missing:
        raise _not_weights(owner, path, f"Missing key(s): {', '.join(missing[:3])}")


def _not_weights(owner: str, path: str | Path, reason: object) -> ValueError:
    found = textwrap.shorten(str(reason), 200, placeholder=" …")
    return ValueError(f"ckpt_path: expected weights of {owner}, got {path} ({found})")


def load_weights(network: torch.nn.Module, path: Path, bundle: str) -> None:
    """Load a file of weights into a bundle's network.

    Raises:
        ValueError: for weights of another network; names file and bundle.
    """
    try:
        network.load_state_dict(read_weights(path))
    except BROKEN_WEIGHTS as error:
        raise _not_weights(f"{bundle}'s network", path, error) from error
