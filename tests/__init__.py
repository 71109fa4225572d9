"""Settings of all tests, made before jax is imported.

Most of the tests' time is XLA compiling small programs that run once. The processes of pytest-xdist
and the programs that tests start inherit these.
"""

import atexit
import gc
import importlib.metadata
import os
import shutil
import tempfile

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# Up to jaxlib 0.10 the emitter that users have takes more than twice as long to compile as the one
# before it. `test_xla_optimized.py` needs the users'; `make test-all` runs it with no flags.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    # Nor does it help one process to compile in two threads where another has the second core.
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
    )

# What jax traces stays for long, and Python looks for garbage in it again and again: 6 % of a
# test's time, with its own thresholds.
gc.set_threshold(20_000, 20, 50)

# OpenCV's threads spin while they wait, which costs the other worker of pytest-xdist its core.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

# Where the first process keeps what is compiled, so that no other test compiles it again; the user
# may have said where.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    compiled = tempfile.mkdtemp(prefix="ranet-jax-compiled-")
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = compiled
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.5"
