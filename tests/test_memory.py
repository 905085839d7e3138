import os
import subprocess
import sys
from pathlib import Path

import torch

from common.memory import peak_memory_gib


def test_memory_of_this_process_is_plausible():
    if torch.cuda.is_available():  # where only memory of the GPU counts
        torch.zeros(2**26, device="cuda")
    assert 0.05 < peak_memory_gib() < 1000


def test_a_tensor_that_is_gone_counts_and_a_child_begins_anew():
    torch.ones(2**28)  # 1 GiB
    assert peak_memory_gib("cpu") > 1
    words = [sys.executable, "-c", "from common.memory import peak_memory_gib; print(peak_memory_gib('cpu'))"]
    child = subprocess.run(
        words, capture_output=True, cwd=Path(__file__).parents[1], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert float(child.stdout) < 1
