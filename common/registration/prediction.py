"""The field that a bundle of this collection predicts for one pair."""

import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose

from ..training.overrides import unknown_entries, values_of_another_kind
from ..transforms.centered_region import ALIGNMENT_KEY
from ..transforms.load import LoadVolumed
from ..transforms.network_grid import NATIVE_SUFFIX
from ..transforms.output import SaveRegistrationd, WarpMovingd
from ..weights import OWN_WEIGHTS, check_weights_of, load_weights, settings_of, weights_file, weights_sha256
from ..words import did_you_mean
from ..world.alignment import check_overlap
from ..world.grid import Grid, on_grid
from ..world.resample import resample
from .feature_registration import FeatureRegistration
from .features import Features
from .judged_inference import JudgeRegistrationd, WarnUntrainedd
from .trained_on import TrainedOn

BUNDLES = Path(__file__).parents[2] / "bundles"
LEFT_OUT = (LoadVolumed, WarnUntrainedd, WarpMovingd, JudgeRegistrationd, SaveRegistrationd)  # what a registrar does


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


def gives_features(name: str) -> bool:
    """Whether a bundle's network gives features for search and refinement in place of a field.

    Example:
        >>> gives_features("mcd_pemd")
        False
    """
    config = ConfigParser.load_config_file(bundle_folder(name) / "configs" / "inference.json")
    return config["inferer"]["_target_"].endswith(f".{FeatureRegistration.__name__}")


class Prediction:
    """Registers pairs as a bundle's ``inference.json`` does, but for reading and writing.

    Args:
        bundle_root: folder of the bundle.
        ckpt_path: weights of its ``network_def``; empty for ``models/model.pt``.
        device: where the network runs.
        **overrides: entries of ``inference.json``, such as ``num_passes``.

    Attributes:
        features: of a bundle whose inferer is a :class:`~.feature_registration.FeatureRegistration`; else None.
        trained_on: what the bundle declares; None where it declares nothing.
        init: "center" where the bundle lays the centers of the images on each other, else "world".

    Raises:
        FileNotFoundError: where there are no such weights.
        ValueError: for weights of another network; for an override that inference.json does not declare, or of
            another kind than it declares.
    """

    def __init__(self, bundle_root: str | Path, ckpt_path: str = "", device: str = "cpu", **overrides: Any) -> None:
        path = weights_file(bundle_root, ckpt_path)
        bundle = Path(bundle_root).resolve().name
        check_weights_of(path, Path(bundle_root, OWN_WEIGHTS), f"{bundle}'s network")
        config_file = Path(bundle_root) / "configs" / "inference.json"
        parser = ConfigParser(ConfigParser.load_config_file(config_file))
        places = {"bundle_root": str(bundle_root), "ckpt_path": str(path), "device": torch.device(device)}
        parser.update(places | overrides)
        _check(parser, config_file, settings_of(path))
        parser.update({"output_dir": ""})  # nothing is written, so no folder of a run is made
        self.device = torch.device(device)
        # ``network`` is ``network_def`` in the memory format of ``registering``, without which sums round otherwise
        self.network = _plainly(parser.get_parsed_content, "network").eval()
        load_weights(self.network, path, bundle)
        self.inferer: Callable = _plainly(parser.get_parsed_content, "inferer")
        self.features = Features(self.network).eval() if isinstance(self.inferer, FeatureRegistration) else None
        parts = (_plainly(parser.get_parsed_content, key) for key in ("preprocessing", "postprocessing"))
        before, after = (part.transforms for part in parts)
        self.preprocessing = Compose([step for step in before if not isinstance(step, LEFT_OUT)])
        self.postprocessing = Compose([step for step in after if not isinstance(step, LEFT_OUT)])
        self.inferer_seconds = 0.0
        self.trained_on = TrainedOn.read(bundle_root)
        self.init = next((step.init for step in before if isinstance(step, WarnUntrainedd)), "world")
        self.settings = {
            "bundle": bundle,
            "weights_sha256": weights_sha256(path),
            "overrides": overrides,
        }

    def __call__(
        self, fixed: MetaTensor, moving: MetaTensor, grid: Grid | None = None, is_aligned: bool = False
    ) -> MetaTensor:
        """Field from the fixed image's world to the moving image's; sets ``inferer_seconds``.

        Args:
            fixed: (1, X, Y, Z).
            moving: (1, X', Y', Z').
            grid: of the result; None takes the fixed image's own.
            is_aligned: whether the world positions of the two images come from an alignment. A bundle that would lay
                the centers of its images on each other then gets the moving image on the fixed one's grid.

        Returns:
            (3, X, Y, Z), RAS mm, with the affine of its grid.

        Raises:
            ValueError: for images that the bundle refuses; where it trusts world positions, and they do not overlap.
        """
        item = _plainly(self.preprocessing, {"fixed": fixed, "moving": moving})
        if not _moves(item):
            check_overlap(fixed, moving, torch.eye(4, dtype=torch.float64))
        elif is_aligned:
            target = Grid.from_image(fixed)
            moving = on_grid(resample(moving, Grid.from_image(moving), target, background=None), target, like=moving)
            item = _plainly(self.preprocessing, {"fixed": fixed, "moving": moving})
        with torch.no_grad():
            image = torch.as_tensor(item["image"])[None].to(self.device)
            started = time.perf_counter()
            item["pred"] = self.inferer(image, self.network)[0].cpu()
            self.inferer_seconds = time.perf_counter() - started
        if grid is not None:
            item[f"fixed{NATIVE_SUFFIX}"] = on_grid(torch.zeros(1, *grid.spatial_shape), grid, like=fixed)
        return _plainly(self.postprocessing, item)["field_mm"]


def _plainly(function: Callable, argument: Any) -> Any:
    """What a function of MONAI's returns; what our parts refuse is raised as such, and not as its report about it."""
    try:
        return function(argument)
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ValueError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise cause from None


def _moves(item: Mapping[Hashable, Any]) -> bool:
    """Whether a bundle's preprocessing has laid the images on each other in its own way."""
    alignment = item.get(ALIGNMENT_KEY)
    return alignment is not None and not torch.allclose(torch.as_tensor(alignment).double(), torch.eye(4).double())


def _check(parser: ConfigParser, config_file: Path, trained: Mapping[str, Any]) -> None:
    declared = [ConfigParser.load_config_file(config_file)]
    unknown = unknown_entries(parser.get(), declared)
    if unknown:
        names = "; ".join(
            f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else "") for name, near in unknown.items()
        )
        raise ValueError(f"expected overrides of entries in {config_file}, got {names}")
    wrong = values_of_another_kind(parser.get(), declared, trained)
    if wrong:
        raise ValueError("; ".join(wrong))
