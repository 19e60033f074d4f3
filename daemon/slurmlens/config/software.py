"""Settings of the node's software: which sources are read, where they are looked for, how often.

Part of `config.node`; used by `node.software` alone.
"""

from slurmlens.config.setting import Settings, setting

_SHOWN = '["/opt/envs/*/lib/python3*/site-packages"]'


class SoftwareConfig(Settings):
    """Packages of dpkg and rpm, Python environments, environment modules, Spack, drivers and firmware."""

    enabled: bool = setting(True, "whether what is installed is told to the hub, once a day and after a change")
    without: tuple[str, ...] = setting(
        (), "sources that are left out: dpkg, rpm, python, modules, spack, machine", example='["python"]'
    )
    check_interval_s: float = setting(
        900.0, "how often it is looked whether anything was installed", minimum=1, maximum=86_400
    )
    tell_interval_s: float = setting(
        86_400.0, "what did not change is told again after this time", minimum=60, maximum=30 * 86_400
    )
    timeout_s: float = setting(60.0, "a source that has not answered after this time hangs", minimum=0.1, maximum=600)
    python_folders: tuple[str, ...] = setting(
        (
            "/usr/lib/python3*/dist-packages",
            "/usr/lib/python3*/site-packages",
            "/usr/lib64/python3*/site-packages",
            "/usr/local/lib/python3*/dist-packages",
            "/usr/local/lib/python3*/site-packages",
        ),
        "folders of Python packages (globs); add the environments that jobs use",
        example=_SHOWN,
    )
    module_folders: tuple[str, ...] = setting(
        (
            "/usr/share/modules/modulefiles",
            "/usr/share/Modules/modulefiles",
            "/usr/share/lmod/lmod/modulefiles",
            "/etc/modulefiles",
            "/opt/modulefiles",
        ),
        "trees of environment modules (globs), as in MODULEPATH",
    )
    spack_folders: tuple[str, ...] = setting(
        ("/opt/spack", "/opt/spack/opt/spack"), "roots that have a .spack-db (globs)"
    )

    def folders_of(self, source: str) -> tuple[str, ...]:
        """Where a source is looked for; nothing of one that has its own places."""
        by_source = {"python": self.python_folders, "modules": self.module_folders, "spack": self.spack_folders}
        return by_source.get(source, ())
