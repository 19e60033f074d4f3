"""Settings of the walk over jobs' own processes; the only place where their defaults stand. Used by `config.node`."""

from slurmlens.config.setting import Settings, setting


class ProgramsConfig(Settings):
    """Which programs a step runs: by their names and numbers of threads, never by their command lines."""

    enabled: bool = setting(True, "whether the hub is told by name which programs a step runs")
    interval_s: float = setting(
        15.0,
        "a new step is looked at within this time, then ever more rarely, in the end once an hour; of very many at once"
        " some wait their turn",
        minimum=1,
        maximum=3600,
    )
