"""A bundle of this collection as a tool of the comparison."""

from collections.abc import Callable
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose

from ..transforms.field_output import SaveRegistrationd, WarpMovingd
from ..transforms.network_grid import NATIVE_SUFFIX, on_grid
from .region_pair import RegionPair


class BundleTool:
    """Registers pairs as the bundle's ``inference.json`` does, but for files: no reading, no writing.

    Args:
        bundle_root: folder of the bundle.
        ckpt_path: weights of its ``network_def``; empty for ``models/model.pt``.
        **overrides: entries of ``inference.json``.

    Raises:
        FileNotFoundError: where there are no such weights.
    """

    def __init__(self, bundle_root: str, ckpt_path: str = "", **overrides) -> None:
        path = Path(ckpt_path or Path(bundle_root) / "models" / "model.pt")
        if not path.is_file():
            raise FileNotFoundError(f"ckpt_path: expected weights of the network, got {path}, which does not exist")
        parser = ConfigParser(ConfigParser.load_config_file(Path(bundle_root) / "configs" / "inference.json"))
        parser.update({"bundle_root": str(bundle_root), "device": torch.device("cpu"), **overrides})
        self.network = parser.get_parsed_content("network_def").eval()
        self.network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        self.preprocessing = parser.get_parsed_content("preprocessing")
        self.inferer: Callable = parser.get_parsed_content("inferer")
        steps = parser.get_parsed_content("postprocessing").transforms
        self.postprocessing = Compose([step for step in steps if not isinstance(step, WarpMovingd | SaveRegistrationd)])

    def __call__(self, pair: RegionPair) -> MetaTensor:
        """Field on the fixed cube of a pair, (3, pad, pad, pad), RAS mm."""
        item = self.preprocessing({"fixed": pair.fixed, "moving": pair.moving})
        with torch.no_grad():
            image = torch.as_tensor(item["image"])[None]
            item["pred"] = self.inferer(image, self.network)[0]
        cube = on_grid(torch.zeros(1, *pair.grid.spatial_shape), pair.grid, like=pair.fixed)
        return self.postprocessing(item | {f"fixed{NATIVE_SUFFIX}": cube})["field_mm"]
