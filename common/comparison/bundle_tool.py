"""A bundle of this collection as a tool of the comparison."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose

from ..handlers.override_guard import unknown_entries, values_of_another_kind
from ..transforms.field_output import SaveRegistrationd, WarpMovingd
from ..transforms.network_grid import NATIVE_SUFFIX, on_grid
from .region_pair import RegionPair


class BundleTool:
    """Registers pairs as the bundle's ``inference.json`` does, but for files: no reading, no writing.

    Args:
        bundle_root: folder of the bundle.
        ckpt_path: weights of its ``network_def``; empty for ``models/model.pt``.
        **overrides: entries of ``inference.json``, such as ``num_passes``.

    Raises:
        FileNotFoundError: where there are no such weights.
        ValueError: for an override that inference.json does not declare, or of another kind than it declares.
    """

    def __init__(self, bundle_root: str, ckpt_path: str = "", **overrides: Any) -> None:
        path = Path(ckpt_path or Path(bundle_root) / "models" / "model.pt")
        if not path.is_file():
            raise FileNotFoundError(f"ckpt_path: expected weights of the network, got {path}, which does not exist")
        config_file = Path(bundle_root) / "configs" / "inference.json"
        parser = ConfigParser(ConfigParser.load_config_file(config_file))
        parser.update({"bundle_root": str(bundle_root), "device": torch.device("cpu"), **overrides})
        _check(parser, config_file)
        self.network = parser.get_parsed_content("network_def").eval()
        self.network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        self.preprocessing = parser.get_parsed_content("preprocessing")
        self.inferer: Callable = parser.get_parsed_content("inferer")
        steps = parser.get_parsed_content("postprocessing").transforms
        self.postprocessing = Compose([step for step in steps if not isinstance(step, WarpMovingd | SaveRegistrationd)])
        self.inferer_seconds = 0.0
        self.settings = {
            "bundle": Path(bundle_root).resolve().name,
            "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "overrides": overrides,
        }

    def __call__(self, pair: RegionPair) -> MetaTensor:
        """Field on the fixed cube of a pair, (3, pad, pad, pad), RAS mm; sets ``inferer_seconds``."""
        item = self.preprocessing({"fixed": pair.fixed, "moving": pair.moving})
        with torch.no_grad():
            image = torch.as_tensor(item["image"])[None]
            started = time.perf_counter()
            item["pred"] = self.inferer(image, self.network)[0]
            self.inferer_seconds = time.perf_counter() - started
        cube = on_grid(torch.zeros(1, *pair.grid.spatial_shape), pair.grid, like=pair.fixed)
        return self.postprocessing(item | {f"fixed{NATIVE_SUFFIX}": cube})["field_mm"]


def _check(parser: ConfigParser, config_file: Path) -> None:
    declared = [ConfigParser.load_config_file(config_file)]
    unknown = unknown_entries(parser.get(), declared)
    if unknown:
        names = "; ".join(
            f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else "") for name, near in unknown.items()
        )
        raise ValueError(f"expected overrides of entries in {config_file}, got {names}")
    wrong = values_of_another_kind(parser.get(), declared)
    if wrong:
        raise ValueError("; ".join(wrong))
