"""The field that a bundle of this collection predicts for one pair."""

from collections.abc import Callable
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose

from ..data.dataset_json import did_you_mean
from ..fields.world import Grid
from ..transforms.centered_region import ToCenteredRegiond
from ..transforms.field_output import SaveRegistrationd, WarpMovingd
from ..transforms.load import LoadVolumed
from ..transforms.network_grid import NATIVE_SUFFIX, on_grid

PARTS = ("network_def", "preprocessing", "inferer", "postprocessing")
BUNDLES = Path(__file__).parents[2] / "bundles"


def bundle_folder(name: str) -> Path:
    """Folder of a bundle, given as such or as the name of one in this repository.

    Raises:
        FileNotFoundError: where it holds no ``configs/inference.json``.

    Example:
        >>> bundle_folder("mcd_pemd").name
        'mcd_pemd'
    """
    for folder in (Path(name).expanduser(), BUNDLES / name):
        if (folder / "configs" / "inference.json").is_file():
            return folder
    known = sorted(path.parents[1].name for path in BUNDLES.glob("*/configs/inference.json"))
    raise FileNotFoundError(f"bundle: there is no bundle {name!r}, {did_you_mean(name, ['none', *known])}")


def weights_file(bundle_root: str | Path, ckpt_path: str = "") -> Path:
    """The given weights, or the bundle's own.

    Raises:
        FileNotFoundError: where there are none.
    """
    path = Path(ckpt_path or Path(bundle_root) / "models" / "model.pt").expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"ckpt_path: expected weights of the network, got {path}, which does not exist")
    return path


class Prediction:
    """Registers pairs as a bundle's ``inference.json`` does, but for reading and writing.

    Args:
        bundle_root: folder of the bundle.
        ckpt_path: weights of its ``network_def``; empty for ``models/model.pt``.
        device: where the network runs.
        **overrides: entries of ``inference.json``.

    Raises:
        FileNotFoundError: where there are no such weights.
        ValueError: for an unknown entry, or a bundle that registers something else than images.
    """

    def __init__(self, bundle_root: str | Path, ckpt_path: str = "", device: str = "cpu", **overrides) -> None:
        path = weights_file(bundle_root, ckpt_path)
        config = ConfigParser.load_config_file(Path(bundle_root) / "configs" / "inference.json")
        _check(Path(bundle_root).name, config, overrides)
        parser = ConfigParser(config)
        parser.update({"bundle_root": str(bundle_root), "device": torch.device(device), **overrides})
        self.device = torch.device(device)
        self.network = parser.get_parsed_content("network_def").eval()
        self.network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        self.network.to(self.device)
        self.inferer: Callable = parser.get_parsed_content("inferer")
        before, after = (parser.get_parsed_content(key).transforms for key in ("preprocessing", "postprocessing"))
        self.preprocessing = Compose([step for step in before if not isinstance(step, LoadVolumed)])
        self.postprocessing = Compose([step for step in after if not isinstance(step, WarpMovingd | SaveRegistrationd)])
        self.centers = any(isinstance(step, ToCenteredRegiond) for step in before)

    def __call__(self, fixed: MetaTensor, moving: MetaTensor, grid: Grid | None = None) -> MetaTensor:
        """Field from the fixed image's world to the moving image's.

        Args:
            fixed: (1, X, Y, Z).
            moving: (1, X', Y', Z').
            grid: of the result; None takes the fixed image's own.

        Returns:
            (3, X, Y, Z), RAS mm, with the affine of its grid.
        """
        item = self.preprocessing({"fixed": fixed, "moving": moving})
        with torch.inference_mode():
            image = torch.as_tensor(item["image"])[None].to(self.device)
            item["pred"] = self.inferer(image, self.network)[0].float().cpu()
        if grid is not None:
            # One value, seen in every voxel: only the grid of this image counts.
            item[f"fixed{NATIVE_SUFFIX}"] = on_grid(torch.zeros(()).expand(1, *grid.spatial_shape), grid, like=fixed)
        return self.postprocessing(item)["field_mm"]


def _check(name: str, config: dict, overrides: dict) -> None:
    missing = [key for key in PARTS if key not in config]
    if missing:
        raise ValueError(f"{name}: expected a bundle that registers images, its inference.json has no {missing[0]}")
    for key in overrides:
        if key not in config:
            raise ValueError(f"{name}: there is no entry {key!r} in inference.json, {did_you_mean(key, list(config))}")
