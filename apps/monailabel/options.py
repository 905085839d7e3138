"""What a request may ask for, and the registrar that does it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from common.registration.greedy import EFFORTS, FEATURES, refinement_of
from common.registration.prediction import gives_features
from common.registration.registrar import Registrar
from common.registration.request import own_effort
from common.solvers.greedy_settings import SIMILARITIES
from common.words import did_you_mean, one_of
from common.world.alignment import INITS

AUTO = "auto"
AFFINES = (AUTO, "affine", "rigid")
FUSIONS = ("majority", "local")
NEIGHBORS = ("1", "3", "5")
NEAREST = "nearest"
FINAL = "final"
PASSED_OVER = {"client_id", "device", "result_dtype", "result_compress", "restore_label_idx"}  # what clients add
NUM_WARM = 8


@dataclass(frozen=True)
class Options:
    """One request; every choice is one of the words that :func:`choices` lists.

    Args:
        moving: id of the moving image, or "nearest" for the most similar of those with a label.
        affine: what is optimized before the bundle; "auto" for an affine map where there is an effort.
        effort: see :func:`~common.registration.greedy.refinement_of`.
        similarity: of the refinement.
        init: see :func:`~common.world.alignment.initial_alignment`.
        tag: of the labels that are carried over, and that make an image an atlas.
        neighbors: number of atlases for "nearest".
        fusion: of their labels.
    """

    moving: str
    affine: str
    effort: str
    similarity: str
    init: str
    tag: str = FINAL
    neighbors: str = NEIGHBORS[0]
    fusion: str = FUSIONS[0]


def choices(bundle: str, is_labels: bool) -> dict[str, Any]:
    """The options of a task: lists are what a client offers as a dropdown, the default first.

    Args:
        bundle: "none" registers by affine map and refinement alone.
        is_labels: whether the task carries labels over.

    Example:
        >>> choices("mcd_pemd", False)["effort"]
        ['none', 'fast', 'normal', 'best']
    """
    efforts = _first(own_effort(bundle), ("none", *EFFORTS))
    known: dict[str, Any] = {"moving": NEAREST if is_labels else "", "affine": list(AFFINES), "effort": efforts}
    others = [name for name in SIMILARITIES if name != FEATURES]
    similarities = [FEATURES] if bundle != "none" and gives_features(bundle) else _first("mind", others)
    known |= {"similarity": similarities, "init": list(INITS), "tag": FINAL}
    return known | ({"neighbors": list(NEIGHBORS), "fusion": list(FUSIONS)} if is_labels else {})


def read_options(params: Mapping[str, Any], known: Mapping[str, Any]) -> Options:
    """The options of a request, checked.

    Args:
        params: what the client has sent.
        known: from :func:`choices`.

    Raises:
        ValueError: for an unknown option or word; without a moving image.

    Example:
        >>> read_options({"moving": "b"}, choices("mcd_pemd", False)).effort
        'none'
        >>> read_options({"moving": "b", "efort": "best"}, choices("mcd_pemd", False))
        Traceback (most recent call last):
        ValueError: there is no option 'efort', did you mean 'effort'?
    """
    if params.get("result_extension", ".nii.gz") != ".nii.gz":
        raise ValueError(f"result_extension: expected .nii.gz, got {params['result_extension']!r}")
    unknown = params.keys() - known.keys() - PASSED_OVER - {"result_extension"}
    if unknown:
        name = min(unknown)
        raise ValueError(f"there is no option {name[:80]!r}, {did_you_mean(name, list(known))}")
    if not params.get("moving"):
        raise ValueError("moving: expected the id of the moving image, or nearest, got none")
    found = {name: str(params.get(name) or default_of(words)) for name, words in known.items()}
    for name, words in known.items():
        if isinstance(words, list):
            one_of(name, found[name], words)
    return Options(**found)


def _first(default: str, words: Iterable[str]) -> list[str]:
    return [default, *(word for word in words if word != default)]


def default_of(words: Any) -> str:
    """The default of an option: the first of its words, or the only one."""
    return words[0] if isinstance(words, list) else words


def warm_registrar(bundle: str, options: Options, ckpt_path: Path | None = None, device: str = "") -> Registrar:
    """The registrar of a setting, made once as long as it is among the last eight and its weights stay the same.

    Args:
        bundle: name of a bundle, or "none".
        options: of the request.
        ckpt_path: trained weights, where there are any.
        device: "" takes a GPU where there is one.

    Raises:
        ValueError: where nothing would be done.
    """
    if (bundle, options.affine, options.effort, options.init) == ("none", AUTO, "none", INITS[0]):
        raise ValueError("effort: expected fast, normal, best, an affine map or another init than world, got none")
    changed = ckpt_path.stat().st_mtime_ns if ckpt_path else 0
    setting = replace(options, moving="", tag="", neighbors="", fusion="")
    return _registrar(bundle, setting, str(ckpt_path or ""), changed, device)


@lru_cache(maxsize=NUM_WARM)
def _registrar(bundle: str, setting: Options, ckpt_path: str, changed: int, device: str) -> Registrar:
    refinement = refinement_of(setting.effort, setting.similarity)
    affine = setting.affine if setting.affine != AUTO else refinement is not None
    return Registrar(bundle, setting.init, affine, refinement=refinement, device=device, ckpt_path=ckpt_path)
