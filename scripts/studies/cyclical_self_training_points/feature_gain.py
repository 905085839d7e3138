"""What the features add: each case with the trained ones and without any, under settings from easy to hard.

python scripts/studies/cyclical_self_training_points/feature_gain.py score --dataset_dir DIR
python scripts/studies/cyclical_self_training_points/feature_gain.py table

Landmarks score, nothing is chosen by them. Each setting is a row of docs/results/feature_gain.json.
"""

import torch
from keypoint_study import BUNDLE, network_of, register

from common.methods.cyclical_self_training_points.pairs import keypoint_pairs
from common.randomness import sample_generator
from common.tools.command_line import run_command
from common.tools.results.record import columns, means, read_rows, rows_of, write_row
from common.tools.results.tables import markdown_table

RESULTS = BUNDLE / "docs" / "results" / "feature_gain.json"
SHIPPED = {"prealign": True, "num_candidates": 128, "num_passes": 2, "share": 1.0}
SETTINGS = {
    "as shipped": {},
    "one pass": {"num_passes": 1},
    "64 candidates": {"num_candidates": 64},
    "32 candidates": {"num_candidates": 32},
    "256 candidates": {"num_candidates": 256},
    "no alignment": {"prealign": False},
    "no alignment, 256 candidates, one pass (the paper's)": {
        "prealign": False,
        "num_candidates": 256,
        "num_passes": 1,
    },
    "half of the points": {"share": 0.5},
    "a quarter of the points": {"share": 0.25},
}
UNARY_SCALES = {"features": 0.1, "none": 0.0}
GAIN_MM = 0.05  # smaller differences of a case count as equal


def thinned(pair: dict, share: float, seed: int) -> dict:
    """The pair with a share of the points of each cloud, drawn on their own."""
    generator, item = sample_generator(seed, 0, 0), dict(pair)
    for side in ("fixed", "moving"):
        points = item[f"{side}_points"]
        chosen = torch.randperm(len(points), generator=generator)[: round(share * len(points))]
        item[f"{side}_points"] = points[chosen]
    return item


def score(dataset_dir: str, weights: str = str(BUNDLE / "models" / "model.pt"), seed: int = 0) -> None:
    """TRE of every case with landmarks, with features and without, under all settings.

    Args:
        dataset_dir: folder of keypoint archives.
        weights: state dict.
        seed: of the points that are left out.
    """
    pairs = keypoint_pairs(dataset_dir, ["copd"], with_landmarks=True)
    for name, changes in SETTINGS.items():
        settings = SHIPPED | changes
        rows = [{"item": pair["name"]} for pair in pairs]
        for column, scale in UNARY_SCALES.items():
            network = network_of(weights, scale, settings["num_candidates"])
            for number, (row, pair) in enumerate(zip(rows, pairs, strict=True)):
                item = thinned(pair, settings["share"], seed + number)
                result = register(network, item, settings["prealign"], settings["num_passes"])
                row |= {column: result["tre_mm"], "before": result["initial_tre_mm"]}
        write_row(RESULTS, name, {"settings": settings | {"seed": seed}, "scores": columns(rows)})
        print(name, {key: round(value, 3) for key, value in means(rows).items()}, flush=True)


def table() -> None:
    """Mean errors of all settings as Markdown, and in how many cases the features help or harm."""
    lines, found = [], read_rows(RESULTS)
    for name in (name for name in SETTINGS if name in found):
        rows = rows_of(found[name]["scores"])
        gains = [row["none"] - row["features"] for row in rows]
        numbers = [f"{means(rows)[column]:.2f}" for column in ("before", "none", "features")]
        counts = [sum(gain > GAIN_MM for gain in gains), sum(gain < -GAIN_MM for gain in gains)]
        lines.append([name, *numbers, *counts])
    print(markdown_table(["setting", "before", "no features", "features", "better", "worse"], lines))


if __name__ == "__main__":
    run_command({"score": score, "table": table})
