"""Score the weights of a bundle on a data set, as its ``evaluate.json`` does."""

from pathlib import Path

from monai.bundle import run as bundle_run

from ..registration.prediction import bundle_folder


def evaluate(bundle: str, dataset_dir: str = "", ckpt_path: str = "", overlays: str = "", output_dir: str = "") -> None:
    """Score weights on the validation part of a data set; writes metrics.json and a table of all cases.

    Args:
        bundle: name or folder of a bundle.
        dataset_dir: data set in the layout that the bundle reads; empty for its sample population.
        ckpt_path: weights; empty for those of the bundle.
        overlays: further configs of the bundle that choose the data, by name, separated by commas, such as mr_us.
        output_dir: folder of the scores; empty for the bundle's runs.
    """
    configs = bundle_folder(bundle) / "configs"
    names = ["train", "evaluate", *(name.strip() for name in overlays.split(",") if name.strip())]
    files = [configs / f"{name.removesuffix('.json')}.json" for name in names]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        known = ", ".join(sorted(path.stem for path in configs.glob("*.json")))
        raise FileNotFoundError(f"{missing[0]}: expected a config of the bundle, one of {known}")
    given = {"dataset_dir": dataset_dir, "ckpt_path": ckpt_path, "output_dir": output_dir}
    absolute = {name: str(Path(value).expanduser().absolute()) for name, value in given.items() if value}
    bundle_run("evaluating", config_file=[str(file) for file in files], **absolute)
