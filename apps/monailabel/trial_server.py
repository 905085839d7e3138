"""A server on real images, to be tried."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import requests

from common.data.sample.chest import write_sample_chest

HIPPOCAMPI = 5
HEADS = (("ms07", "T1"), ("ms19", "T2"), ("ms19", "FLAIR"))
FAR_MM = 1000.0
TIMEOUT_SECONDS = 600


def write_studies(folder: Path, data: Path) -> None:
    """Crops of the hippocampus with labels, heads in three contrasts with brain masks, a sample chest."""
    labels = folder / "labels" / "final"
    labels.mkdir(parents=True)
    crops = sorted((data / "Task04_Hippocampus" / "labelsTr").glob("*.nii.gz"))[:HIPPOCAMPI]
    for letter, crop in zip("abcde", crops, strict=True):
        shutil.copy(crop.parents[1] / "imagesTr" / crop.name, folder / f"hippocampus_{letter}.nii.gz")
        shutil.copy(crop, labels / f"hippocampus_{letter}.nii.gz")
    for subject, contrast in HEADS:
        name = f"{subject}_{contrast}.nii.gz"
        shutil.copy(data / "MultiContrastBrain" / subject / f"{contrast}.nii.gz", folder / name)
        head = nib.load(folder / name)
        nib.save(nib.Nifti1Image((head.get_fdata() > 0).astype("uint8"), head.affine), labels / name)
    for side, path in write_sample_chest(folder.parent / "chest").items():
        name = "chest_exhale.nii.gz" if side.startswith("fixed") else "chest_inhale.nii.gz"
        shutil.copy(path, labels / name if side.endswith("mask") else folder / name)
    crop = nib.load(folder / "hippocampus_a.nii.gz")
    shifted = crop.affine.copy()
    shifted[0, 3] += FAR_MM
    for name, volume, affine in (
        ("four_axes", crop.get_fdata()[..., None].repeat(2, 3), crop.affine),
        ("far_away", crop.get_fdata(), shifted),
    ):
        nib.save(nib.Nifti1Image(volume, affine), folder / f"{name}.nii.gz")


@contextmanager
def running_server(studies: Path, *options: str) -> Iterator[str]:
    """A server in a process of its own, which ends with the block; gives its address.

    Args:
        studies: folder of the images; the server's temporary files lie beside it.
        options: further ones of ``server.py``.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("server.py")), "--studies", str(studies)]
    with subprocess.Popen(
        [*command, "--port", str(port), *options],
        env={**os.environ, "TMPDIR": str(studies.parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(TIMEOUT_SECONDS):
                if process.poll() is not None:
                    raise RuntimeError(f"the server has ended with the code {process.returncode}")
                try:
                    call("GET", url, "/info/")
                    break
                except OSError:
                    time.sleep(1)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def processor_seconds() -> float:
    """Processor time of the processes that this one has started, of which the server is the only one, s."""
    import psutil  # of MONAI Label's own requirements

    times = [child.cpu_times() for child in psutil.Process().children()]
    return sum(spent.user + spent.system for spent in times)


def call(method: str, url: str, path: str, **options) -> requests.Response:
    """One HTTP request; its response."""
    return requests.request(method, url + path, timeout=TIMEOUT_SECONDS, **options)


def infer(url: str, task: str, image: str, output: str = "json", **params) -> requests.Response:
    """One request to a task; its response."""
    return call(
        "POST", url, f"/infer/{task}", params={"image": image, "output": output}, data={"params": json.dumps(params)}
    )
