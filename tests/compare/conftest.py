"""The example project is run as a project of its own, by `test_plugin.py`."""

collect_ignore = ["example_project"]
