"""A plugin that has the progress told every tenth of a second where it is told every half minute."""


def pytest_sessionstart() -> None:
    from bench.plugin.terminal import live

    live._LOG_SECONDS = 0.1
