"""Subjects that are one blob with two structures, each displaced differently."""

import numpy as np

SHAPE = (20, 24, 22)
CENTERS = {"a": (9.0, 11.0, 10.0), "b": (11.0, 11.0, 10.0), "c": (9.0, 13.0, 10.0), "d": (10.0, 11.0, 12.0)}


def blob(name):
    """Image and label of a subject: a Gaussian and its two halves."""
    center = CENTERS[name]
    voxels = np.stack(np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij"))
    distance = sum((voxels[k] - center[k]) ** 2 / (2 * width**2) for k, width in enumerate((4.0, 5.0, 4.0)))
    image = 100 * np.exp(-distance)
    return image.astype(np.float32), ((distance < 1) * np.where(voxels[0] < center[0], 1, 2)).astype(np.uint8)
