import torch

from common.memory import peak_memory_gib


def test_memory_of_this_process_is_plausible():
    if torch.cuda.is_available():  # where only memory of the GPU counts
        torch.zeros(2**26, device="cuda")
    assert 0.05 < peak_memory_gib() < 1000
