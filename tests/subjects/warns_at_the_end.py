"""A pytest plugin that warns when a session ends; the suite's own configuration makes errors of warnings."""

import warnings


def pytest_sessionfinish() -> None:
    warnings.warn("a remark of another plugin", stacklevel=1)
