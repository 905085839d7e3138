"""Score every stage of a self-training, and features that were never trained, on one list of pairs."""

import statistics
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import asdict, replace
from pathlib import Path

import torch
from monai.bundle import ConfigParser

from common.fields.ddf import warp
from common.fields.jacobian import inner_folding_fraction
from common.methods.cyclical_self_training.features import MindFeatures
from common.methods.cyclical_self_training.inferer import RefinedInferer
from common.methods.cyclical_self_training.network import ConvexRegistration
from common.methods.cyclical_self_training.pairs import scored_pairs
from common.methods.self_training.stages import fingerprint
from common.metrics.overlap import label_of, one_hot_label, overlap_scores
from common.solvers.image_refinement import ImageRefinement
from common.tools.command_line import run_command
from common.tools.results.record import read_rows, write_row
from common.transforms.load import LoadVolumed

BUNDLE = Path(__file__).parents[3] / "bundles" / "cyclical_self_training"
KEYS = ("fixed", "moving", "fixed_label", "moving_label")
SETTINGS = ("one_solve", "one_warp_adam", "two_warps", "two_warps_adam", "two_warps_adam_refined")
REFINEMENT = (
    "num_refinement_steps",
    "refinement_similarity",
    "refinement_weight",
    "refinement_rate",
    "refinement_spacing",
)
RANDOM, MIND = "stage 0, random features", "MIND-SSC features, not trained"
MIND_WEIGHT = 6.0  # regularization of Adam with 12 descriptors that are not projected; best of 1, 3 and 6 on tune pairs


def stage_curve(
    dataset_dir: str,
    run_dir: str = "",
    results: str = "",
    part: str = "val",
    num_pairs: int = 50,
    num_threads: int = 1,
    reference: str = "",
    settings: dict | None = None,
    beside: str = "",
    **others: str,
) -> None:
    """Dice on the network's grid of 1 mm after each stage: one solve, one warp and Adam, two warps, Adam, images.

    Rows that the file holds for the same weights and settings stay, so a stopped call continues.

    Args:
        dataset_dir: folder in the Decathlon layout.
        run_dir: folder of a training, with model_epoch=*.pt; empty for none.
        results: JSON to write; empty for docs/results/stage_curve_<part>.json of the bundle.
        part: of splits.json.
        num_pairs: only the first ones.
        num_threads: of torch.
        reference: row of this call that the others are compared with, such as "stage 4"; empty for the last stage.
        settings: scalars of inference.json, such as "{'num_warps': 1}", beside those that the last weights carry.
        beside: JSON of another call on the same pairs, such as one with other settings; its rows, where this call has
            none of that name, are compared too.
        **others: files of weights of the same network, by the names of their rows, such as --trained_by_ncc FILE.

    Raises:
        ValueError: for a reference that is no row of this call, a setting that inference.json does not have, or a file
            beside of other pairs.
    """
    trained = _trained(run_dir, others)
    reference = (reference or [RANDOM, *(name for name in trained if name.startswith("stage "))][-1]).replace("_", " ")
    if reference not in (RANDOM, *trained, MIND):
        raise ValueError(f"reference: expected one of {', '.join((RANDOM, *trained, MIND))}, got {reference}")
    torch.set_num_threads(num_threads)
    weights = list(trained.values())[-1:] or [BUNDLE / "models" / "model.pt"]
    parser = _parser({"bundle_root": str(BUNDLE), "ckpt_path": str(weights[0])} | (settings or {}))
    inferer = parser.get_parsed_content("inferer")
    refinement, inferer.refinement = inferer.refinement, None
    pairs = _load(parser, scored_pairs(dataset_dir, part, num_pairs))
    path = Path(results or BUNDLE / "docs" / "results" / f"stage_curve_{part}.json")
    head = {"part": part, "num_pairs": len(pairs)}
    before = [_dice(torch.zeros(1, 3, *image.shape[2:]), *labels) for image, labels in pairs]
    write_row(path, "before", head | {"dice": _mean(before)})
    others_scored, scored = _beside(beside, head), {}
    for name, network, own in _networks(parser, trained, inferer):
        origin = head | {"weights": fingerprint(network), "num_warps": own.num_warps, "adam": asdict(own.adam)}
        origin["refinement"] = {key: parser.get_parsed_content(key) for key in REFINEMENT}
        origin |= {"settings": settings} if settings else {}
        row = read_rows(path).get(name, {})
        if not row.items() >= origin.items():
            row = origin | _row(network, own, refinement, pairs)
            write_row(path, name, row)
            print(name, {setting: round(row[f"{setting}_dice"], 4) for setting in SETTINGS}, flush=True)
        scored[name] = row["pairs"]
    print("\n".join(comparison(scored | {k: v for k, v in others_scored.items() if k not in scored}, reference)))
    print(path)


def _parser(settings: Mapping[str, object]) -> ConfigParser:
    """inference.json of the bundle with other values of some scalars."""
    config = ConfigParser.load_config_file(BUNDLE / "configs" / "inference.json")
    unknown = sorted(settings.keys() - config.keys())
    if unknown:
        raise ValueError(f"settings: expected scalars of inference.json, got {', '.join(unknown)}")
    return ConfigParser(config | dict(settings))


def _beside(path: str, head: dict) -> dict[str, dict]:
    """Dice of every pair of the rows of another call for the same pairs."""
    found = {name: row for name, row in read_rows(path).items() if row.items() >= head.items()} if path else {}
    if path and not found:
        raise ValueError(f"beside {path}: expected results of {head['num_pairs']} pairs of {head['part']}, got others")
    return {name: row["pairs"] for name, row in found.items() if "pairs" in row}


def _trained(run_dir: str, others: Mapping[str, str]) -> dict[str, Path]:
    """Name of a row → weights: the stages of a run, then the others."""
    found = Path(run_dir).glob("model_epoch=*.pt") if run_dir else []
    files = sorted(found, key=lambda path: int(path.stem.partition("=")[2]))
    stages = {f"stage {number}": path for number, path in enumerate(files, start=1)}
    return stages | {name.replace("_", " "): Path(path) for name, path in others.items()}


def _networks(parser: ConfigParser, trained: Mapping[str, Path], inferer: RefinedInferer) -> Iterator[tuple]:
    """Name, network and inferer of every row; one network serves all trained ones."""
    torch.manual_seed(parser.get_parsed_content("seed"))
    network = parser.get_parsed_content("network_def").eval()
    yield RANDOM, network, inferer
    for name, path in trained.items():
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        yield name, network, inferer
    adam = replace(inferer.adam, projection_channels=0, regularization_weight=MIND_WEIGHT)
    features = MindFeatures(network.stride, network.fine_stride)
    mind = ConvexRegistration(features, zero_border=network.zero_border).eval()
    yield MIND, mind, RefinedInferer(adam=adam)


def _load(parser: ConfigParser, files: list[dict]) -> list[tuple]:
    preprocessing = parser.get_parsed_content("preprocessing").transforms[1:]
    pairs = []
    for pair in files:
        item = LoadVolumed(KEYS)(pair)
        for step in preprocessing:
            item = step(item)
        labels = [torch.as_tensor(item[key]).float() for key in KEYS[2:]]
        pairs.append((torch.as_tensor(item["image"])[None].float(), labels))
    return pairs


def _row(network: ConvexRegistration, inferer: RefinedInferer, refinement: ImageRefinement, pairs: list[tuple]) -> dict:
    scores: dict[str, list[float]] = {f"{name}_{what}": [] for name in SETTINGS for what in ("dice", "folds")}
    once = copy(inferer)
    once.num_warps = 1
    for image, labels in pairs:
        with torch.no_grad():
            _, one_warp = once.solve(image, network, torch.Generator().manual_seed(inferer.seed))
            before, after = inferer.solve(image, network, torch.Generator().manual_seed(inferer.seed))
            fields = (network(image), one_warp, before, after, refinement(after, image))
            for name, ddf in zip(SETTINGS, fields, strict=True):
                scores[f"{name}_dice"].append(_dice(ddf, *labels))
                scores[f"{name}_folds"].append(inner_folding_fraction(ddf).item())
    return {name: _mean(values) for name, values in scores.items()} | {
        "pairs": {name: [round(value, 4) for value in scores[f"{name}_dice"]] for name in SETTINGS}
    }


def comparison(scored: Mapping[str, Mapping[str, list[float]]], reference: str) -> list[str]:
    """How far one row is ahead of each other: mean over the pairs ± its standard error.

    Args:
        scored: name of a row → setting → Dice of every pair.
        reference: name of the row that the others are compared with.

    Returns:
        Lines of text.

    Example:
        >>> rows = {"ours": {"adam": [0.8, 0.9]}, "theirs": {"adam": [0.7, 0.7]}}
        >>> comparison(rows, "ours")
        ['ours: adam 0.8500', 'theirs: adam 0.7000, ours ahead by +0.1500 ± 0.0500']
    """
    lines = []
    for name, row in scored.items():
        words = []
        for setting, values in row.items():
            ahead = [own - other for own, other in zip(scored[reference][setting], values, strict=True)]
            error = statistics.stdev(ahead) / len(ahead) ** 0.5 if len(ahead) > 1 else 0.0
            behind = "" if name == reference else f", {reference} ahead by {_mean(ahead):+.4f} ± {error:.4f}"
            words.append(f"{setting} {_mean(values):.4f}{behind}")
        lines.append(f"{name}: " + "; ".join(words))
    return lines


def _dice(ddf: torch.Tensor, fixed_label: torch.Tensor, moving_label: torch.Tensor, num_structures: int = 2) -> float:
    channels = one_hot_label(moving_label, num_structures)[None].to(ddf)
    warped = label_of(warp(channels, ddf, padding_mode="zeros")[0])
    return overlap_scores(warped, fixed_label, (1.0, 1.0, 1.0), num_structures)["dice"]


def _mean(values: list[float]) -> float:
    return statistics.fmean(values)


if __name__ == "__main__":
    run_command(stage_curve)
