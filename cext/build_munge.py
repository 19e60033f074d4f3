"""Writes `runtime/_munge_abi.py`: what we call of libmunge, parsed once here instead of at every start.

cffi's ABI mode needs no compiler and no munge headers, and a node without MUNGE can still import the result. Parsing
the declarations at run time would load pycparser into the node daemon: 2.4 MiB and 20 ms. Run after a change here:
`python cext/build_munge.py daemon/slurmlens/runtime/_munge_abi.py`; a test compares.
"""

import sys

import cffi

# After munge.h. time_t is long, uid_t and gid_t are unsigned int on every Linux that Slurm runs on.
DECLARATIONS = """
struct munge_ctx;
struct munge_ctx *munge_ctx_create(void);
void munge_ctx_destroy(struct munge_ctx *context);
const char *munge_ctx_strerror(struct munge_ctx *context);
int munge_ctx_get(struct munge_ctx *context, int option, ...);
int munge_ctx_set(struct munge_ctx *context, int option, ...);
int munge_encode(char **credential, struct munge_ctx *context, const void *payload, int length);
int munge_decode(const char *credential, struct munge_ctx *context,
                 void **payload, int *length, unsigned int *uid, unsigned int *gid);
const char *munge_strerror(int error);
void free(void *pointer);
"""
HEAD = '''# ruff: noqa
# fmt: off
"""What `munge` calls of libmunge, parsed already. Made by cext/build_munge.py: change that, not this."""
'''


def write(path: str) -> None:
    """Generate the module at `path`."""
    builder = cffi.FFI()
    builder.set_source("slurmlens.runtime._munge_abi", None)
    builder.cdef(DECLARATIONS)
    builder.emit_python_code(path)
    with open(path, encoding="ascii") as made:
        text = made.read()
    with open(path, "w", encoding="ascii") as made:
        made.write(HEAD + text)


if __name__ == "__main__":
    write(sys.argv[1])
