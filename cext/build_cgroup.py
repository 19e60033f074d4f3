"""Builds `slurmlens._cgroup` (cffi API mode, one binary for every CPython from 3.11 on).

Owns the list of C sources and how they are compiled. Named in setup.py; `make -C cext` builds the same sources for
the C tests. To add C to the package: name its file in SOURCES, its header in HEADERS, and put its declarations into
`cdef/`.
"""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
"""Where the C is; setuptools wants source paths relative to setup.py, so everything below is named from `cext/`."""

HEADERS = ("slurmlens_cgroup.h", "slurmlens_tick.h")
SOURCES = (
    "number_parse.c",
    "files.c",
    "v1.c",
    "v2.c",
    "pressure.c",
    "group.c",
    "child_events.c",
    "reader.c",
    "account.c",
    "profile_bins.c",
    "tick.c",
)
COMPILE_FLAGS = (
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O3",  # measured: 1 % of a sample
    "-flto",  # the parsers are small and lie in files of their own
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",  # the generated wrappers have some
    "-fstack-protector-strong",
    "-D_FORTIFY_SOURCE=2",
    "-fvisibility=hidden",
)
LINK_FLAGS = ("-O3", "-flto", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack")
ABI = 0x030B0000
"""The limited API of CPython 3.11."""


def _builder() -> FFI:
    ffi = FFI()
    for path in sorted((HERE / "cdef").glob("*.h")):
        ffi.cdef(path.read_text())
    ffi.set_source(
        "slurmlens._cgroup",
        "".join(f'#include "{header}"\n' for header in HEADERS),
        sources=[f"cext/{source}" for source in SOURCES],
        depends=[f"cext/{path.name}" for path in sorted(HERE.glob("*.h"))],
        include_dirs=["cext"],
        libraries=["m"],
        extra_compile_args=list(COMPILE_FLAGS),
        extra_link_args=list(LINK_FLAGS),
        define_macros=[("Py_LIMITED_API", hex(ABI))],
        py_limited_api=True,
    )
    return ffi


ffibuilder = _builder()

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
