"""A registration of noise with labels and landmarks, and how a page is read."""

import base64
import io
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from common.metrics.regularity import determinant_of_field_mm
from common.registration.landmarks import Landmarks
from common.registration.report.preview import preview
from common.registration.result import Registration

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID_TAGS = ("meta", "link", "input", "img", "br")


@pytest.fixture
def warped_noise():
    """A registration of noise whose field bends and folds, on a grid that is not in RAS order."""
    generator = torch.Generator().manual_seed(0)
    affine = torch.tensor([[0.0, -2.0, 0, 30], [2.0, 0, 0, -40], [0, 0, 2.0, 10], [0, 0, 0, 1]])
    fixed, moving = (MetaTensor(torch.rand(1, 40, 32, 36, generator=generator), affine=affine) for _ in range(2))
    field = torch.nn.functional.interpolate(
        8 * torch.randn(1, 3, 6, 6, 6, generator=generator), size=fixed.shape[1:], mode="trilinear"
    )[0]
    return Registration(fixed, moving, MetaTensor(field, affine=affine))


@pytest.fixture
def annotations(warped_noise):
    """Blocks of label 3 and 700, and two landmarks each, in both images."""
    labels = {}
    for name, start in (("fixed_label", 8), ("moving_label", 12)):
        volume = torch.zeros(1, 40, 32, 36)
        volume[0, start : start + 14, 6:20, 5:25] = 3
        volume[0, start + 5 : start + 14, 10:20, 12:25] = 700
        labels[name] = MetaTensor(volume, affine=warped_noise.fixed.affine)
    points_mm = warped_noise.grid.voxel_to_world(torch.tensor([[20.0, 16, 18], [12, 8, 30]]))
    landmarks = Landmarks(points_mm, ("tip", "root"))
    return {**labels, "fixed_points": landmarks, "moving_points": landmarks}


@pytest.fixture
def view_of():
    """The preview of a registration."""

    def make(registration, edge_voxels=192):
        determinant = determinant_of_field_mm(registration.field.as_tensor(), registration.grid)
        return preview(registration, registration.warp(registration.moving), determinant, edge_voxels)

    return make


@pytest.fixture
def picture():
    """The pixels of a data URL."""

    def decode(url):
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))

    return decode


class Page(HTMLParser):
    """Elements of a page in their order, each (tag, attributes); fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page():
    """The elements of an HTML file, see :class:`Page`."""
    return lambda path: Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def probe(tmp_path):
    """Runs a script after those of a page in a real browser and returns what it left in data-result of the body."""
    if CHROMIUM is None:
        pytest.skip("no chromium")

    def run(path, script):
        probed = path.with_name("probed.html")
        probed.write_text(path.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>"))
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
        command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom"]
        found = subprocess.run([*command, f"file://{probed}"], capture_output=True, text=True, timeout=120)
        assert "CONSOLE" not in found.stderr
        return found.stdout

    return run
