"""A bundle of a few lines, with a package ``common`` of its own, so that a build takes a fraction of a second."""

import json
from types import SimpleNamespace

import pytest
import torch

BUNDLE_ROOT = "$next((p for p in ('bundles/tiny', '.') if os.path.isdir(os.path.join(p, 'configs'))), '.')"
NETWORK = """import torch

from ..fields.sampling import half


class TinyNetwork(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(2, 3, 1)

    def forward(self, image):
        return self.layer(half(image))
"""
SOURCE = {
    "common/__init__.py": "",
    "common/fields/__init__.py": "",
    "common/fields/sampling.py": "def half(image):\n    return 0.5 * image\n",
    "common/networks/__init__.py": "",
    "common/networks/tiny.py": NETWORK,
    "common/losses/__init__.py": "",
    "common/losses/unused.py": "raise RuntimeError\n",
}
NETWORK_DEF = {"_target_": "common.networks.tiny.TinyNetwork"}
CONFIG = {"imports": ["$import os"], "bundle_root": BUNDLE_ROOT, "network_def": NETWORK_DEF, "run": []}
CARD = """# tiny

```bash
pip install -e . && pytest
python -m monai.bundle run --config_file bundles/tiny/configs/train.json
python scripts/reproduce.py tiny
```

[network](../../../common/networks/tiny.py), [license](../LICENSE#terms), [home](../../../README.md), `common.fields`
"""
METADATA = {
    "schema": "https://example.org/schema.json",
    "version": "1.2.0",
    "changelog": {"1.2.0": "second version", "1.1.0": "first version"},
    "monai_version": "1.6.1",
    "pytorch_version": "2.13.0",
    "numpy_version": "2.4.6",
    "required_packages_version": {"fire": "0.7.1"},
    "task": "registration",
    "description": "half a layer",
    "authors": "A. Author",
    "copyright": "A. Author",
    "network_data_format": {
        "inputs": {"image": {"num_channels": 2, "spatial_shape": ["4*n", 4], "dtype": "float32"}},
        "outputs": {"pred": {"num_channels": 3, "spatial_shape": ["*", 4], "dtype": "float32"}},
    },
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))


@pytest.fixture
def tiny(tmp_path):
    """Folders of a bundle without a fault (``bundle``), of its ``common`` (``source``) and for the zip (``output``)."""
    write(tmp_path, SOURCE)
    bundle = tmp_path / "bundles" / "tiny"
    files = {"configs/metadata.json": METADATA, "configs/train.json": CONFIG, "configs/inference.json": CONFIG}
    overlays = {"configs/evaluate.json": {}, "configs/multi_gpu_train.json": {}}
    texts = {"LICENSE": "Apache", "configs/logging.conf": "", "docs/README.md": CARD, "docs/data_license.txt": "CC-BY"}
    write(bundle, files | overlays | texts | {"runs/train/model.pt": "", "docs/.hidden": ""})
    (bundle / "models").mkdir()
    layer = torch.nn.Conv2d(2, 3, 1)
    state = {f"layer.{name}": value for name, value in layer.state_dict().items()}
    torch.save(state, bundle / "models" / "model.pt")
    return SimpleNamespace(bundle=bundle, source=tmp_path / "common", output=tmp_path / "dist", write=write)


@pytest.fixture
def metadata(tiny):
    """Changes entries of the tiny bundle's metadata; ``a#b`` stands for an entry b of a."""
    path = tiny.bundle / "configs" / "metadata.json"

    def change(**entries):
        content = json.loads(path.read_text(encoding="utf-8"))
        for name, value in entries.items():
            *parents, last = name.split("#")
            section = content
            for parent in parents:
                section = section[parent]
            section[last] = value
        path.write_text(json.dumps(content))

    return change
