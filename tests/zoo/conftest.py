"""Unit tests for the Model Zoo's ci/unit_tests; tests/bundles/test_zoo.py runs them where the Zoo would."""

collect_ignore_glob = ["test_*.py"]
