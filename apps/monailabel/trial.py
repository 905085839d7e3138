"""Try every task of a server on real images: time, agreement with SimpleITK, Dice; then what it must refuse.

python apps/monailabel/trial.py --data FOLDER
"""

import itertools
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from apps.monailabel.trial_server import call, infer, processor_seconds, running_server, write_studies  # noqa: E402
from common.tools.command_line import run_command  # noqa: E402

PAIRS = {  # fixed and moving image that a bundle's weights were trained for
    "cyclical_self_training": ("hippocampus_a", "hippocampus_b"),
    "cyclical_self_training_points": ("chest_exhale", "chest_inhale"),
    "mcd_pemd": ("ms07_T1", "ms19_T2"),
    "mine_voxelmorph": ("ms07_T1", "ms19_FLAIR"),
    "register": ("hippocampus_a", "hippocampus_b"),
    "wasserstein_voxelmorph": ("hippocampus_a", "hippocampus_b"),
}
EDGE_VOXELS = 2  # of the moving image, where ITK repeats its border and the warp fades


def trial(data: str, tables: str = "tasks,atlases,refusals,load") -> None:
    """Print the tables of the README.

    Args:
        data: folder that holds Task04_Hippocampus and MultiContrastBrain.
        tables: which, separated by commas.
    """
    asked = tables.split(",") if isinstance(tables, str) else list(tables)
    with tempfile.TemporaryDirectory() as folder:
        write_studies(Path(folder, "studies"), Path(data))
        with running_server(Path(folder, "studies")) as url:
            for name in asked:
                print(f"\n{name}\n", flush=True)
                for line in TABLES[name](url, Path(folder, "studies")):
                    print(f"| {' | '.join(map(str, line))} |", flush=True)


def task_table(url: str, studies: Path) -> Iterator[tuple]:
    """A row per task: what MONAI Label's client gets, and whether the field that it fetches gives the same image."""
    from monailabel.client import MONAILabelClient

    yield "task", "pair", "processor s", "field against image, % of the range", "NMI before, after", "folds, %", "Dice"
    yield ("---",) * 7
    for name, (fixed, moving) in PAIRS.items():
        for task in (name, f"{name}_labels"):
            with tempfile.TemporaryDirectory() as folder:
                client = MONAILabelClient(url, folder)
                started = processor_seconds()
                file, told = client.infer(task, fixed, {"moving": moving})
                seconds = processor_seconds() - started
                field = client.download_label(told["field"]["label"], told["field"]["tag"])
                is_label = task.endswith("_labels")
                error = "" if is_label else f"{100 * disagreement(studies, fixed, moving, field, file):.4f}"
            information = (told["similarity"][when]["normalized_mutual_information"] for when in ("before", "after"))
            folds = 100 * told["regularity"]["folding_fraction"]
            pair = f"{moving} → {fixed}"
            yield (
                task,
                pair,
                f"{seconds:.1f}",
                error,
                ", ".join(f"{x:.3f}" for x in information),
                f"{folds:.2f}",
                dice(told),
            )


def dice(told: dict) -> str:
    """Dice before and after, as far as there is one."""
    overlap = told["overlap"] or {}
    return ", ".join(f"{overlap[when]['dice']:.3f}" for when in ("before", "after") if when in overlap)


def disagreement(studies: Path, fixed: str, moving: str, field: str, warped: str) -> float:
    """Largest difference of an image and the moving image that SimpleITK warps by a field, per range of intensities.

    Args:
        studies: the folder of the images.
        fixed: id.
        moving: id.
        field: NIfTI file, ITK's form.
        warped: NIfTI file on the fixed image's grid.

    Returns:
        Share of the range, of voxels that come from two voxels or more inside the moving image.
    """
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.ReadImage(str(studies / f"{name}.nii.gz"), sitk.sitkFloat32) for name in (fixed, moving)]
    transform = sitk.DisplacementFieldTransform(sitk.ReadImage(field, sitk.sitkVectorFloat64))
    background = min(0.0, float(sitk.GetArrayFromImage(images[1]).min()))
    expected = sitk.Resample(images[1], images[0], transform, sitk.sitkLinear, background, sitk.sitkFloat32)
    inner = sitk.Image(images[1].GetSize(), sitk.sitkFloat32)
    inner.CopyInformation(images[1])
    size = [length - 2 * EDGE_VOXELS for length in inner.GetSize()]
    inner[tuple(slice(EDGE_VOXELS, EDGE_VOXELS + length) for length in size)] = 1.0
    inside = sitk.GetArrayFromImage(sitk.Resample(inner, images[0], transform, sitk.sitkLinear, 0.0)) > 0.999
    arrays = [
        sitk.GetArrayFromImage(image) for image in (expected, sitk.ReadImage(warped, sitk.sitkFloat32), images[1])
    ]
    return float(abs(arrays[0] - arrays[1])[inside].max() / (arrays[2].max() - arrays[2].min()))


def atlas_table(url: str, studies: Path) -> Iterator[tuple]:
    """Labels from the nearest image, from three and from five of them."""
    yield "image", "atlases", "fusion", "atlases that were chosen", "processor s", "Dice"
    yield ("---",) * 6
    for image, (neighbors, fusion) in itertools.product(
        ("hippocampus_a", "hippocampus_c"), (("1", "majority"), ("3", "majority"), ("3", "local"))
    ):
        started = processor_seconds()
        told = infer(
            url, "wasserstein_voxelmorph_labels", image, moving="nearest", neighbors=neighbors, fusion=fusion
        ).json()
        chosen = ", ".join(entry["moving"].rpartition("_")[2] for entry in told.get("atlases", [told]))
        yield image, neighbors, fusion, chosen, f"{processor_seconds() - started:.1f}", dice(told).rpartition(" ")[2]


def refusal_table(url: str, studies: Path) -> Iterator[tuple]:
    """A row per bad request: status and message."""
    yield "request", "status", "message"
    yield ("---",) * 3
    crop = studies / "hippocampus_b.nii.gz"
    shutil.copy(crop, studies / "deleted.nii.gz")
    call("GET", url, "/info/")
    (studies / "deleted.nii.gz").unlink()
    a, b = {"image": "hippocampus_a"}, {"moving": "hippocampus_b"}
    task = "wasserstein_voxelmorph"
    rows = {
        "path as image": ("POST", f"/infer/{task}", {"image": str(crop)}, b),
        "`../` as image": ("POST", f"/infer/{task}", {"image": "../studies/hippocampus_a"}, b),
        "path as moving": ("POST", f"/infer/{task}", a, {"moving": str(crop)}),
        "unknown image": ("POST", f"/infer/{task}", {"image": "nobody"}, b),
        "unknown moving": ("POST", f"/infer/{task}", a, {"moving": "nobody"}),
        "deleted file": ("POST", f"/infer/{task}", a, {"moving": "deleted"}),
        "four axes": ("POST", f"/infer/{task}", a, {"moving": "four_axes"}),
        "fixed = moving": ("POST", f"/infer/{task}", a, {"moving": "hippocampus_a"}),
        "no moving": ("POST", f"/infer/{task}", a, {}),
        "no label of the tag": ("POST", f"/infer/{task}_labels", a, {**b, "tag": "draft"}),
        "nearest without labels": ("POST", f"/infer/{task}_labels", a, {"moving": "nearest", "tag": "draft"}),
        "tag that leaves the store": ("POST", f"/infer/{task}_labels", a, {**b, "tag": "../../x"}),
        "misspelt option": ("POST", f"/infer/{task}", a, {**b, "efort": "best"}),
        "unknown word": ("POST", f"/infer/{task}", a, {**b, "effort": "huge"}),
        "image in params": ("POST", f"/infer/{task}", a, {**b, "image": "/etc/passwd"}),
        "params that are no JSON": ("POST", f"/infer/{task}", a, "{"),
        "unknown model": ("POST", "/infer/nothing", a, b),
        "images without overlap": ("POST", "/infer/mcd_pemd", {"image": "ms07_T1"}, {"moving": "far_away"}),
        "images without lungs": ("POST", "/infer/cyclical_self_training_points", a, b),
        "NRRD asked for": ("POST", f"/infer/{task}", a, {**b, "result_extension": ".nrrd"}),
        "label with an escaping tag": ("PUT", "/datastore/label", {**a, "tag": "../../x"}, "file"),
        "label of an unknown image": ("PUT", "/datastore/label", {"image": "../x"}, "file"),
        "image as a label": ("PUT", "/datastore/label", a, "image"),
        "upload of an image": ("PUT", "/datastore/image", {"image": "x"}, "file"),
        "image file to infer": ("POST", f"/infer/{task}", a, "file"),
        "session": ("PUT", "/session/", {}, "file"),
        "weights to the server": ("PUT", f"/model/{task}", {}, "file"),
        "weights away": ("DELETE", f"/model/{task}", {}, {}),
        "batch": ("POST", f"/batch/infer/{task}", {}, {}),
        "page of another site": ("GET", "/info/", {}, "origin"),
        "other host name": ("GET", "/info/", {}, "host"),
    }
    for name, row in rows.items():
        response = _bad_call(url, studies, *row)
        text = response.text if response.status_code >= 400 else "answered"
        with suppress(ValueError, KeyError):
            text = response.json()["detail"]
        yield name, response.status_code, " ".join(str(text).split())[:200]


def _bad_call(url: str, studies: Path, method: str, path: str, query: dict, params: object) -> Any:
    headers = {"origin": {"Origin": "http://example.org"}, "host": {"Host": "example.org"}}
    if params in ("origin", "host"):
        return call(method, url, path, headers=headers[params])
    if params in ("file", "image"):
        key = "label" if path == "/datastore/label" else "file"
        place = studies / ("hippocampus_a.nii.gz" if params == "image" else "labels/final/hippocampus_a.nii.gz")
        with place.open("rb") as stream:
            return call(method, url, path, params=query, files={key: ("x.nii.gz", stream)})
    text = params if isinstance(params, str) else json.dumps(params)
    return call(method, url, path, params=query, data={"params": text} if params else None)


def load_table(url: str, studies: Path) -> Iterator[tuple]:
    """30 requests at once, clients that go away, a full disk; and how long /info takes meanwhile."""
    yield "what", "found"
    yield "---", "---"
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(infer(url, "wasserstein_voxelmorph", "hippocampus_a", moving="hippocampus_b").status_code)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    waits = _info_seconds(url, lambda: any(thread.is_alive() for thread in threads))
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    yield "statuses of 30 requests at once", counts
    yield "/info meanwhile, median and longest, s", f"{sorted(waits)[len(waits) // 2]:.2f}, {max(waits):.2f}"
    before = leftovers(studies)
    gone = [_client_that_goes(url) for _ in range(3)]
    waits = _info_seconds(url, itertools.chain([True] * 20, [False]).__next__)
    yield "/info after three clients went half-way, longest, s", f"{max(waits):.2f}"
    started = processor_seconds()
    status = infer(url, "wasserstein_voxelmorph", "hippocampus_a", moving="hippocampus_b").status_code
    yield "request after them: status, processor s", f"{status}, {processor_seconds() - started:.1f}"
    yield "their temporary files that stay", len(leftovers(studies) - before)
    assert all(gone)


def _client_that_goes(url: str) -> bool:
    import requests

    try:
        requests.post(
            f"{url}/infer/register",
            params={"image": "hippocampus_a"},
            data={"params": json.dumps({"moving": "hippocampus_b", "effort": "best"})},
            timeout=2,
        )
    except requests.exceptions.Timeout:
        return True
    return False


def _info_seconds(url: str, goes_on) -> list[float]:
    waits = []
    while goes_on():
        started = time.perf_counter()
        call("GET", url, "/info/")
        waits.append(time.perf_counter() - started)
        time.sleep(0.2)
    return waits


def leftovers(studies: Path) -> set[Path]:
    """Temporary files of the registrations of a server."""
    return set(studies.parent.glob("registration-server-*/registration-*"))


TABLES = {"tasks": task_table, "atlases": atlas_table, "refusals": refusal_table, "load": load_table}

if __name__ == "__main__":
    run_command(trial)
