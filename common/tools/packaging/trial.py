"""Tries an unpacked bundle: its code imports, and its network is what the metadata says."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.bundle.config_item import ComponentLocator, ConfigComponent
from monai.bundle.scripts import _get_fake_spatial_shape
from monai.utils import get_equivalent_dtype

from .configs import code_name
from .contents import PackageError, configs, read_config

SCRIPT_TOLERANCE = 1e-4


def try_package(folder: str | Path) -> None:
    """Import every component of an unpacked bundle and run its network, eager and scripted.

    Args:
        folder: the unpacked top folder.

    Raises:
        PackageError: naming the component, or the entry of the metadata that is untrue.
    """
    folder = Path(folder)
    with importable_code(folder):
        _import_components(folder)
        network = _network(folder)
        image, pred = _call(folder, network)
        _compare_with_metadata(folder, pred)
        _compare_with_script(folder, network, image, pred)


@contextmanager
def importable_code(folder: str | Path) -> Iterator[None]:
    """Makes the code of an unpacked bundle importable within the block; afterwards nothing of it is left in memory.

    Args:
        folder: the unpacked top folder.
    """
    code, search_path = code_name(Path(folder).name), list(sys.path)
    sys.path.insert(0, str(folder))
    _forget(code)
    try:
        yield
    finally:
        sys.path[:] = search_path
        _forget(code)


def components(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every dictionary with ``_target_`` anywhere in a config."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            yield from components(item)


def _forget(code: str) -> None:
    for name in [name for name in sys.modules if name == code or name.startswith(f"{code}.")]:
        del sys.modules[name]


def _import_components(folder: Path) -> None:
    locator = ComponentLocator()
    for name, config in configs(folder):
        for target in dict.fromkeys(_targets(config, locator)):
            place = f"{folder.name}/{name}: {target}"
            try:
                found = locate(target)
            except ErrorDuringImport as error:
                raise PackageError(f"{place} does not import: {error.exc.__name__}: {error.value}") from error
            if found is None:
                raise PackageError(f"{place}: expected a class or function, there is none of that name")


def _targets(config: Any, locator: ComponentLocator) -> Iterator[str]:
    for component in components(config):
        name = component["_target_"]
        yield name if "." in name else ConfigComponent({"_target_": name}, locator=locator).resolve_module_name()


def _network(folder: Path) -> torch.nn.Module:
    parser = ConfigParser(read_config(folder / "configs" / "inference.json"))
    parser["bundle_root"] = str(folder)
    try:
        network = parser.get_parsed_content("network_def").eval()
        weights = torch.load(folder / "models" / "model.pt", map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
    except Exception as error:
        raise PackageError(
            f"{folder.name}: expected models/model.pt to hold the weights of network_def of inference.json, got {error}"
        ) from error
    return network


def _call(folder: Path, network: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    image = _formats(folder)["inputs"]["image"]
    shape = [1, image["num_channels"], *_get_fake_spatial_shape(image["spatial_shape"])]
    dtype = get_equivalent_dtype(image["dtype"], torch.Tensor)
    tensor = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    try:
        with torch.no_grad():
            return tensor, network(tensor)
    except Exception as error:
        raise PackageError(
            f"{folder.name}: metadata.json says that network_def takes an image {shape} of {dtype}, it fails: {error}"
        ) from error


def _compare_with_metadata(folder: Path, pred: torch.Tensor) -> None:
    said = _formats(folder)["outputs"]["pred"]
    sizes = _get_fake_spatial_shape(said["spatial_shape"])
    found = [n for n, size in zip(pred.shape[2:], said["spatial_shape"], strict=False) if size != "*"]
    expected = [n for n, size in zip(sizes, said["spatial_shape"], strict=True) if size != "*"]
    for entry, one, other in (
        ("num_channels", said["num_channels"], pred.shape[1]),
        ("number of spatial axes", len(sizes), pred.ndim - 2),
        ("spatial_shape", expected, found),
        ("dtype", get_equivalent_dtype(said["dtype"], torch.Tensor), pred.dtype),
    ):
        if one != other:
            raise PackageError(
                f"{folder.name}: metadata.json, output pred, {entry}: expected {one}, network_def returns {other}"
            )


def _compare_with_script(folder: Path, network: torch.nn.Module, image: torch.Tensor, pred: torch.Tensor) -> None:
    try:
        with torch.no_grad():
            scripted = torch.jit.script(network)(image)
    except Exception as error:
        raise PackageError(f"{folder.name}: expected network_def to pass torch.jit.script, got {error}") from error
    difference = float((scripted - pred).abs().max())
    if difference > SCRIPT_TOLERANCE:
        raise PackageError(f"{folder.name}: the scripted network_def differs from the eager one by {difference:.2g}")


def _formats(folder: Path) -> dict[str, Any]:
    return read_config(folder / "configs" / "metadata.json")["network_data_format"]
