"""Serve the registration bundles to clients of MONAI Label, such as 3D Slicer.

python apps/monailabel/server.py --studies FOLDER
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from apps.monailabel.options import FINAL  # noqa: E402
from apps.monailabel.studies import Datastore, labeled_images  # noqa: E402
from common.registration.device import usable_device  # noqa: E402
from common.tools.command_line import run_command  # noqa: E402

SHUTDOWN_SECONDS = 3  # for answers that are on their way
SETTINGS = {  # of MONAI Label; what is not needed is off
    "MONAI_LABEL_SESSIONS": "false",
    "MONAI_LABEL_TASKS_SCORING": "false",
    "MONAI_LABEL_TASKS_BATCH_INFER": "false",
    "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
    "MONAI_LABEL_DATASTORE_AUTO_RELOAD": "false",
    "MONAI_LABEL_DATASTORE_FILE_EXT": '["*.nii.gz", "*.nii"]',
}


def serve(
    studies: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "",
    max_waiting: int = 8,
    names: str = "",
) -> None:
    """Serve the images of a folder until the process is ended.

    Args:
        studies: folder of NIfTI images, with labels in labels/final; fields and figures are put into labels too.
        host: address to listen at; another than 127.0.0.1 needs a proxy that asks who is there, see the README.
        port: number of the port.
        device: cpu or cuda:0; empty takes a GPU where there is one.
        max_waiting: registrations that wait while one runs; further ones get the status 503.
        names: further host names of the server, separated by commas, as a proxy passes them on.
    """
    if type(port) is not int or type(max_waiting) is not int or max_waiting < 0:
        raise ValueError(f"port, max_waiting: expected whole numbers from 0, got {port!r}, {max_waiting!r}")
    web = make_app(studies, [host, "127.0.0.1", "localhost", *filter(None, str(names).split(","))], device, max_waiting)
    import uvicorn

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # else nothing would remove the folder
    with tempfile.TemporaryDirectory(prefix="registration-server-") as tempfile.tempdir:
        uvicorn.run(web, host=host, port=port, timeout_graceful_shutdown=SHUTDOWN_SECONDS)


def make_app(studies: str, hosts: list[str], device: str = "", max_waiting: int = 8):
    """The web application, see :func:`serve`.

    Raises:
        FileNotFoundError: where there is no such folder.
        ValueError: for a device that cannot be used.
        ImportError: where MONAI Label or a package that it needs is missing.
    """
    usable_device(device)
    folder = Path(str(studies)).expanduser().absolute()
    if not folder.is_dir():
        raise FileNotFoundError(f"studies: expected a folder of NIfTI images, got {folder}")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    places = {"MONAI_LABEL_APP_DIR": str(Path(__file__).parent), "MONAI_LABEL_STUDIES": str(folder), "PYTHONPATH": path}
    os.environ.update(SETTINGS | places)  # read when MONAI Label is imported, and by the processes of trainings
    from monailabel.interfaces.utils.app import app_instance

    from apps.monailabel.waiting import WaitingLine
    from apps.monailabel.web import server_app

    app = app_instance(places["MONAI_LABEL_APP_DIR"], str(folder), {"device": device})
    app.server_mode(True)
    print(inventory(folder, app.datastore()), file=sys.stderr)
    return server_app(app, WaitingLine(max_waiting), hosts)


def inventory(folder: Path, store: Datastore) -> str:
    """What is found in the folder of the studies, and which files in it are passed over for their names."""
    images = store.list_images()
    found = f"{len(images)} images, {len(labeled_images(store, FINAL))} with a final label"
    files = sorted(path.name for path in folder.iterdir() if path.name.lower().endswith((".nii", ".nii.gz")))
    others = [name for name in files if name.removesuffix(".gz").removesuffix(".nii") not in images]
    return found + (f"; passed over for their names: {', '.join(others)}" if others else "")


def main() -> None:
    """Run the command line; what is wrong with its words or the machine ends it with one line and the exit code 1."""
    try:
        run_command(serve)
    except ImportError as error:
        sys.exit(f"error: {error}; apps/monailabel/README.md tells what to install")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
