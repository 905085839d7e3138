"""Networks exported to ONNX, run by ONNX Runtime on an input of real size."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, onnx_export

from common.weights import settings_of

BUNDLES = Path(__file__).parents[2] / "bundles"
TOLERANCE = 1e-4  # voxels or logits


def real_shape(name):
    """(1, 2, *spatial) of the weights' own grid; patches of mcd_pemd are 39 voxels wide."""
    shape = settings_of(BUNDLES / name / "models" / "model.pt").get("spatial_shape", (39, 39))
    return [1, 2, *shape]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclical_self_training", "mcd_pemd", "mine_voxelmorph", "wasserstein_voxelmorph"])
def test_onnx_runtime_agrees_with_eager(name, tmp_path):
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    bundle, file = BUNDLES / name, tmp_path / "model.onnx"
    weights, config = bundle / "models" / "model.pt", str(bundle / "configs" / "inference.json")
    files = {"ckpt_file": str(weights), "config_file": config, "meta_file": str(bundle / "configs" / "metadata.json")}
    onnx_export("network_def", str(file), **files, bundle_root=str(bundle), input_shape=real_shape(name))
    parser = ConfigParser(ConfigParser.load_config_file(config) | {"bundle_root": str(bundle)})
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    image = torch.rand(real_shape(name), generator=torch.Generator().manual_seed(0))
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.no_grad():
        expected = network(image)
    assert float((torch.as_tensor(found) - expected).abs().max()) <= TOLERANCE
