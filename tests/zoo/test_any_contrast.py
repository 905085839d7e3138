"""Unit test for ci/unit_tests of the MONAI Model Zoo; to be run in the folder of models/."""

import os
import shutil
import tempfile
import unittest

import nibabel as nib
import numpy as np
from monai.bundle import ConfigWorkflow
from parameterized import parameterized

BUNDLE_ROOT = "models/any_contrast"
SMALL = {"spatial_shape": [24, 24, 24], "val_shape": [24, 24, 24], "num_val_pairs": 1, "num_greedy_iterations": 2}
TRAIN_CASE = [{**SMALL, "max_epochs": 1, "num_pairs": 2, "val_interval": 1}]  # train, evaluate
INFER_CASE = [{}]


class TestAnyContrast(unittest.TestCase):
    def setUp(self):
        self.dataset_dir = tempfile.mkdtemp()
        self.images = [self.image(name, number) for number, name in enumerate(("fixed", "moving"))]

    def image(self, name, number):
        """File of a block of two tissues."""
        image = np.zeros((40, 48, 40), np.int16)
        image[8:32, 8:40, 8:32] = np.random.default_rng(number).integers(1, 3, (24, 32, 24))
        path = os.path.join(self.dataset_dir, f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(100 * image, np.eye(4)), path)
        return path

    def tearDown(self):
        shutil.rmtree(self.dataset_dir)
        shutil.rmtree(os.path.join(BUNDLE_ROOT, "runs"), ignore_errors=True)

    def workflow(self, workflow_type, config_file, override):
        configs = os.path.join(BUNDLE_ROOT, "configs")
        workflow = ConfigWorkflow(
            workflow_type=workflow_type,
            config_file=[os.path.join(configs, name) for name in config_file],
            logging_file=os.path.join(configs, "logging.conf"),
            meta_file=os.path.join(configs, "metadata.json"),
            bundle_root=BUNDLE_ROOT,
            **override,
        )
        workflow.initialize()
        return workflow

    def check_and_run(self, workflow):
        check_result = workflow.check_properties()
        if check_result is not None and len(check_result) > 0:
            raise ValueError(f"check properties for config failed: {check_result}")
        workflow.run()
        workflow.finalize()

    @parameterized.expand([TRAIN_CASE])
    def test_train_eval_config(self, override):
        self.check_and_run(self.workflow("train", ["train.json"], override))
        validator = self.workflow("evaluation", ["train.json", "evaluate.json"], override)
        validator.run()
        validator.finalize()

    @parameterized.expand([INFER_CASE])
    def test_infer_config(self, override):
        override = {**override, "fixed": self.images[0], "moving": self.images[1]}
        self.check_and_run(self.workflow("inference", ["inference.json"], override))


if __name__ == "__main__":
    unittest.main()
