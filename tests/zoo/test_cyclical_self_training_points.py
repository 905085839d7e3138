"""Unit test for ci/unit_tests of the MONAI Model Zoo; to be run in the folder of models/."""

import os
import shutil
import tempfile
import unittest

from monai.bundle import ConfigWorkflow
from parameterized import parameterized

BUNDLE_ROOT = "models/cyclical_self_training_points"
TRAIN_CASE = [  # train, evaluate
    {"num_sample_points": 60, "num_candidates": 16, "num_stages": 1, "epochs_per_stage": 2}
]
INFER_CASE = [{"num_candidates": 16, "keypoint_spacing_mm": 3.0, "field_stride_mm": 30.0}]


class TestCyclicalSelfTrainingPoints(unittest.TestCase):
    def setUp(self):
        self.dataset_dir = tempfile.mkdtemp()

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
        self.check_and_run(self.workflow("inference", ["inference.json"], override))


if __name__ == "__main__":
    unittest.main()
