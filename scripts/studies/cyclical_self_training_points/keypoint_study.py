"""Rows, sweeps and timing of the keypoint bundle; each result is a row of its docs/results/keypoint_study.json.

python scripts/studies/cyclical_self_training_points/keypoint_study.py score --name ours --dataset_dir DIR
python scripts/studies/cyclical_self_training_points/keypoint_study.py sweep --name unary_scale --dataset_dir DIR
python scripts/studies/cyclical_self_training_points/keypoint_study.py timing --name timing --dataset_dir DIR
python scripts/studies/cyclical_self_training_points/keypoint_study.py table
"""

import time
from pathlib import Path

import torch
from forward_backward import forward_backward_error_mm
from monai.utils import optional_import

from common.memory import peak_memory_gib
from common.methods.cyclical_self_training_points import belief_propagation
from common.methods.cyclical_self_training_points.image import CloudsToImaged, PredToDisplacementsd
from common.methods.cyclical_self_training_points.inferer import KeypointPasses
from common.methods.cyclical_self_training_points.network import KeypointRegistration
from common.methods.cyclical_self_training_points.pairs import keypoint_pairs
from common.methods.cyclical_self_training_points.scores import ScoreKeypointsd
from common.methods.cyclical_self_training_points.spline import ThinPlateSpline
from common.tools.command_line import run_command
from common.tools.results.record import columns, means, read_rows, rows_of, write_row
from common.tools.results.tables import markdown_table
from common.weights import weights_sha256

BUNDLE = Path(__file__).resolve().parents[3] / "bundles" / "cyclical_self_training_points"
RESULTS = BUNDLE / "docs" / "results" / "keypoint_study.json"
FIGURES = BUNDLE / "docs" / "figures"


def network_of(weights: str, unary_scale: float, num_candidates: int, seed: int = 1) -> KeypointRegistration:
    """The network with weights of a file, or with random ones for an empty name."""
    torch.manual_seed(seed)
    network = KeypointRegistration(unary_scale=unary_scale, num_candidates=num_candidates).eval()
    if weights:
        network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return network


def register(network: KeypointRegistration, pair: dict, prealign: bool, num_passes: int) -> dict:
    """The pair with scores after one and after all passes, and the seconds of all."""
    item = CloudsToImaged(prealign)(pair)
    started = time.perf_counter()
    with torch.no_grad():
        results = KeypointPasses(num_passes).passes(item["image"][None], network)
    seconds = time.perf_counter() - started
    rows = []
    for result in results:
        done = PredToDisplacementsd()({**item, "pred": result[0]})
        rows.append(ScoreKeypointsd(grid_mm=8.0 if result is results[-1] else 0)(done)["scores"])
    return {"item": pair["name"], **rows[-1], "tre_first_pass_mm": rows[0]["tre_mm"], "seconds": seconds}


def score(
    name: str,
    dataset_dir: str,
    weights: str = str(BUNDLE / "models" / "model.pt"),
    unary_scale: float = 0.1,
    num_candidates: int = 128,
    prealign: bool = True,
    num_passes: int = 2,
    fold: int = -1,
) -> None:
    """TRE of every case with landmarks.

    Args:
        name: of the row; a fold adds its number.
        dataset_dir: folder of keypoint archives.
        weights: state dict; empty for random features.
        unary_scale: 0 for no features.
        num_candidates: nearest moving points.
        prealign: align by moments first.
        num_passes: registrations per pair.
        fold: score the two cases of this fold only; −1 for all.
    """
    pairs = keypoint_pairs(dataset_dir, ["copd"], True, fold, part="val")
    network = network_of(weights, unary_scale, num_candidates)
    rows = [register(network, pair, prealign, num_passes) for pair in pairs]
    settings = {"weights": weights_sha256(weights) if weights else "", "unary_scale": unary_scale}
    settings |= {"num_candidates": num_candidates, "prealign": prealign, "num_passes": num_passes, "fold": fold}
    save(name if fold < 0 else f"{name}-fold{fold}", settings, rows)


def sweep(
    name: str,
    dataset_dir: str,
    weights: str = str(BUNDLE / "models" / "model.pt"),
    scales: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0),
    num_candidates: int = 128,
    prefix: str = "copd",
) -> None:
    """Forward–backward error over the unary scale, and, to look at afterwards, the landmark error of one pass."""
    rows = []
    for scale in scales:
        network = network_of(weights, scale, num_candidates)
        errors, landmark_errors = [], []
        for pair in keypoint_pairs(dataset_dir, [prefix], prefix == "copd"):
            item = CloudsToImaged()(pair)
            points = item["aligned_points"], item["moving_points"], item["mm_per_unit"]
            errors.append(float(forward_backward_error_mm(network, *points).mean()))
            landmark_errors.append(register(network, pair, True, 1)["tre_mm"])
        mean = [sum(values) / len(values) for values in (errors, landmark_errors)]
        rows.append({"item": f"{scale:g}", "forward_backward_mm": mean[0], "tre_mm": mean[1]})
        print(rows[-1], flush=True)
    settings = {"weights": weights_sha256(weights) if weights else "", "num_candidates": num_candidates}
    save(name, settings, rows)


def cdist_minimum(costs, source, target, coupling, with_index):
    """The plain version of ``message_minimum``: all differences, then their minimum."""
    parts = []
    for start in range(0, len(costs), 16):
        part = slice(start, start + 16)
        distances = torch.cdist(source[part], target[part], compute_mode="donot_use_mm_for_euclid_dist").square()
        parts.append((costs[part].unsqueeze(2) + coupling * distances).amin(1))
    return torch.cat(parts), torch.zeros(0)


def timing(name: str, dataset_dir: str, repeats: int = 3, num_threads: int = 2, case: str = "copd_01") -> None:
    """Seconds of one case at 256 candidates and 5 rounds, ours and a cdist-based version run alternately; memory."""
    torch.set_num_threads(num_threads)
    item = CloudsToImaged(False)(keypoint_pairs(dataset_dir, [case])[0])
    network, ours = network_of("", 1.0, 256), belief_propagation.message_minimum
    rows = []
    for _ in range(repeats):
        for version, function in (("ours", ours), ("cdist", cdist_minimum)):
            belief_propagation.message_minimum = function
            started, cpu = time.perf_counter(), time.process_time()
            with torch.no_grad():
                network(item["image"][None])
            rows.append({"item": version, "seconds": time.perf_counter() - started})
            rows[-1] |= {"cpu_seconds": time.process_time() - cpu, "peak_memory_gib": peak_memory_gib()}
            print(rows[-1], flush=True)
    belief_propagation.message_minimum = ours
    counts = {"fixed": len(item["fixed_points"]), "moving": len(item["moving_points"]), "num_threads": num_threads}
    save(name, {"case": case, "num_candidates": 256, **counts}, rows)


def picture(dataset_dir: str, case: str = "copd_04", weights: str = str(BUNDLE / "models" / "model.pt")) -> None:
    """Clouds before and after the registration, from the front, and the dense field in the middle of the lungs."""
    pyplot, _ = optional_import("matplotlib.pyplot")
    item = CloudsToImaged()(keypoint_pairs(dataset_dir, [case])[0])
    with torch.no_grad():
        pred = KeypointPasses(2)(item["image"][None], network_of(weights, 0.1, 128))[0]
    done = PredToDisplacementsd()({**item, "pred": pred})
    fixed, moving, scale = done["fixed_points"], done["moving_points"], done["mm_per_unit"]
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4), sharey=True)
    for axis, points, title in zip(axes, (fixed, fixed + done["displacements"]), ("before", "after"), strict=False):
        axis.scatter(*(moving * scale)[:, [2, 0]].T, s=1, label="inhaled")
        axis.scatter(*(points * scale)[:, [2, 0]].T, s=1, label="exhaled")
        axis.set(title=f"{case}, {title}", xlabel="left (mm)")
    axes[0].set_ylabel("superior (mm)")
    axes[0].legend(loc="lower left", markerscale=5)
    grid = torch.cartesian_prod(torch.linspace(-0.8, 0.8, 25), torch.linspace(-0.8, 0.8, 25))
    plane = torch.stack([grid[:, 0], fixed[:, 1].median().expand(len(grid)), grid[:, 1]], 1)
    near = torch.cdist(plane, fixed).amin(1) < 0.12
    field = ThinPlateSpline(fixed, done["displacements"])(plane)[near] * scale
    arrows = (plane[near] * scale)[:, [2, 0]].T
    drawn = axes[2].quiver(*arrows, *field[:, [2, 0]].T, field.norm(dim=1), angles="xy", scale_units="xy", scale=1)
    figure.colorbar(drawn, ax=axes[2], label="mm")
    axes[2].set(title="field in one coronal plane", xlabel="left (mm)")
    figure.tight_layout()
    FIGURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURES / f"{case}.png", dpi=70)


def save(name: str, settings: dict, rows: list[dict]) -> None:
    """Writes one row and prints its means."""
    write_row(RESULTS, name, {"settings": settings, "scores": columns(rows)})
    print(name, {key: round(value, 3) for key, value in means(rows).items()}, flush=True)


def table() -> None:
    """All scored results as Markdown; folds of one name make one line."""
    parts: dict[str, list[dict]] = {}
    for name, row in read_rows(RESULTS).items():
        if "tre_first_pass_mm" in row["scores"]:
            parts.setdefault(name.partition("-fold")[0], []).extend(rows_of(row["scores"]))
    lines = []
    for name, rows in parts.items():
        mean = means(rows)
        texts = [f"{mean['tre_first_pass_mm']:.2f}", f"{mean['tre_mm']:.2f}", f"{mean['sdlogj']:.3f}"]
        lines.append([name, *(f"{row['tre_mm']:.2f}" for row in rows), *texts])
    cases = [f"{number:02d}" for number in range(1, max(len(line) for line in lines) - 3)]
    print(markdown_table(["row", *cases, "one pass", "mean", "SDlogJ"], lines))


if __name__ == "__main__":
    run_command({"score": score, "sweep": sweep, "timing": timing, "picture": picture, "table": table})
