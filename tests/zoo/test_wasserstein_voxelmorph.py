"""Unit test for ci/unit_tests of the MONAI Model Zoo; to be run in the folder of models/."""

import os
import shutil
import tempfile
import unittest

import nibabel as nib
import numpy as np
from monai.bundle import ConfigWorkflow
from parameterized import parameterized

BUNDLE_ROOT = "models/wasserstein_voxelmorph"
TRAIN_CASE = [  # train, evaluate
    {"max_epochs": 1, "num_pairs": 2, "batch_size": 1, "num_tune_pairs": 1, "num_projections": 4}
]
INFER_CASE = [{}]


class TestWassersteinVoxelMorph(unittest.TestCase):
    def setUp(self):
        self.dataset_dir = tempfile.mkdtemp()
        self.subjects = [self.subject(number) for number in range(6)]

    def subject(self, number):
        """Files of one fake subject, by their keys in the bundle's configs."""
        subject = {"subject": f"subject{number}"}
        for key in ("image", "label"):
            image = np.zeros((40, 48, 40), np.int16)
            image[8:32, 8:40, 8:32] = np.random.default_rng(number).integers(1, 3, (24, 32, 24))
            subject[key] = os.path.join(self.dataset_dir, f"{key}_{number}.nii.gz")
            nib.save(nib.Nifti1Image(image if key == "label" else 100 * image, np.eye(4)), subject[key])
        return subject

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
        override = {**override, "train#dataset#data": self.subjects[:4], "validate#dataset#data": self.subjects[4:]}
        self.check_and_run(self.workflow("train", ["train.json"], override))
        validator = self.workflow("evaluation", ["train.json", "evaluate.json"], override)
        validator.run()
        validator.finalize()

    @parameterized.expand([INFER_CASE])
    def test_infer_config(self, override):
        override = {**override, "fixed": self.subjects[0]["image"], "moving": self.subjects[1]["image"]}
        self.check_and_run(self.workflow("inference", ["inference.json"], override))


if __name__ == "__main__":
    unittest.main()
