"""Uses unpacked bundles as somebody does who has nothing else: ``python -I stranger.py JOBS.json``.

All bundles share this one process, in which ``common`` cannot be imported. Every job is the folder of a bundle with
command lines for ``python -m monai.bundle``; what each of them did goes into the file that JOBS.json names.
"""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.modules["common"] = None

import fire  # noqa: E402
import monai.bundle.__main__ as bundle_commands  # noqa: E402
import torch  # noqa: E402
from monai.bundle import ConfigWorkflow, load  # noqa: E402


def workflow(folder: str, **overrides: str) -> ConfigWorkflow:
    """The initialized inference workflow of a bundle."""
    config_file = f"{folder}/configs/inference.json"
    instance = ConfigWorkflow(config_file, workflow_type="infer", logging_file=False, **overrides, bundle_root=folder)
    instance.initialize()
    return instance


def missing_properties(folder: str, overrides: dict) -> list[str]:
    """Properties that MONAI requires of an inference workflow and that it lacks before it has run."""
    return workflow(folder, **overrides).check_properties()


def exported_difference(folder: str, image_file: str) -> list:
    """File that the network's class comes from, and largest difference between its exported and its eager output."""
    network = workflow(folder).parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(f"{folder}/models/model.pt", weights_only=True))
    image = torch.load(image_file, weights_only=True)
    with torch.no_grad():
        difference = (torch.jit.load(f"{folder}/models/model.ts")(image) - network(image)).abs().max()
    return [sys.modules[type(network).__module__].__file__, float(difference)]


def loaded_difference(folder: str, image_file: str, workflow_type: str) -> float:
    """Largest difference of the network that ``monai.bundle.load`` makes to that of the inference workflow."""
    parent, name = Path(folder).parent, Path(folder).name
    loaded = load(name, bundle_dir=str(parent), workflow_type=workflow_type, device="cpu").eval()
    network = workflow(folder).parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(f"{folder}/models/model.pt", weights_only=True))
    image = torch.load(image_file, weights_only=True)
    with torch.no_grad():
        return float((loaded(image) - network(image)).abs().max())


def outcome(function: Callable, *arguments: Any, **options: Any) -> Any:
    """What a function returns, or the traceback of its failure."""
    try:
        return function(*arguments, **options)
    except BaseException:
        return traceback.format_exc()


def main(jobs: dict) -> None:
    """Runs all jobs; a failure does not stop the next step."""
    results = {}
    for job in jobs["bundles"]:
        folder = job["folder"]
        loaded = {kind: outcome(loaded_difference, folder, job["image"], kind) for kind in ("train", "inference")}
        results[folder] = {"loaded": loaded}
        results[folder] |= {"properties": outcome(missing_properties, folder, job["overrides"])}
        for name, command in job["commands"].items():
            results[folder][name] = outcome(fire.Fire, bundle_commands, command=command)
    for job in jobs["bundles"]:
        results[job["folder"]]["exported"] = outcome(exported_difference, job["folder"], job["image"])
    Path(jobs["results"]).write_text(json.dumps(results))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
