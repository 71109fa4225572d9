"""Settings of all tests, made before jax is imported.

Most of the tests' time is XLA compiling small programs that run once. The processes of pytest-xdist
and the programs that tests start inherit these.
"""

import os
import shutil
import tempfile

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

COMPILED = None
"""Where this process keeps what is compiled, so that no other test compiles it again; None where a
process that started this one, or the user, has said where."""

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    COMPILED = tempfile.mkdtemp(prefix="ranet-jax-compiled-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.5"


def delete_compiled() -> None:
    """Deletes what was compiled, in the process that made the folder."""
    if COMPILED:
        shutil.rmtree(COMPILED, ignore_errors=True)
