"""Compiling ahead of time, with what a precision needs, and keeping that for the next start."""

import functools
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import jax
import jax.numpy as jnp
import platformdirs

from ranet_jax.machine import lacks_bfloat16
from ranet_jax.models.convolution_forms import convolve_plainly
from ranet_jax.protocol import VideoFunctions
from ranet_jax.remarks import remark
from ranet_jax.trace_cache import trace

_ONEDNN: dict[str, str | bool] = {"xla_cpu_experimental_onednn_custom_call": True}
"""Has XLA for CPUs leave convolutions and products to oneDNN, as PyTorch does."""


@functools.cache
def has_fast_bfloat16() -> bool:
    """Whether frames are fast in bfloat16 on this CPU, with this jax.

    By itself XLA computes convolutions of bfloat16 in float32, and is no faster for it. Whether
    oneDNN is at hand is asked of XLA, with a small convolution: older releases of jax do not have
    it.
    """
    if jax.default_backend() != "cpu" or lacks_bfloat16():
        return False
    image, kernel = jnp.zeros((1, 8, 8, 32), jnp.bfloat16), jnp.zeros((3, 3, 32, 32), jnp.bfloat16)
    convolve = jax.jit(functools.partial(convolve_plainly, stride=1, dilation=1))
    try:
        program = convolve.lower(image, kernel).compile(compiler_options=_ONEDNN)
    except jax.errors.JaxRuntimeError:  # XLA may forget an option that it calls experimental
        return False
    return "__onednn$" in (program.as_text() or "")


def explain_slow_bfloat16() -> str:
    """Says why bfloat16 is no faster than float32 on this device; empty where that is not so."""
    if jax.default_backend() != "cpu" or has_fast_bfloat16():
        return ""
    if lacks_bfloat16():
        return "this processor has no instructions for bfloat16"
    return f"jax {jax.__version__} computes bfloat16 in float32 on this CPU"


def find_options(precision: str, *, trains: bool = False) -> dict[str, str | bool]:
    """Finds what XLA must be told to be fast.

    In float32 oneDNN makes a training's step faster (measured where the processor has bfloat16,
    and used there alone); what it has a part in is compiled at each start, which only a
    training is long enough for.

    Args:
        precision: of the computation, see `protocol.PRECISIONS`.
        trains: whether it is a step of a training.

    Returns:
        Options of the compiler; none on another device than a CPU. Where a CPU gains nothing by
        bfloat16, that is said.
    """
    if precision == "bfloat16" and (reason := explain_slow_bfloat16()):
        remark(f"{reason}; float32 may be as fast, and is more exact")
    suits = precision == "bfloat16" or (precision == "float32" and trains)
    return _ONEDNN if suits and has_fast_bfloat16() else {}


def describe_frame(
    canvas: tuple[int, int], clips: int | None = None
) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Describes a frame and its labels, as `init` and `step` take them.

    Args:
        canvas: height and width of the frames.
        clips: how many go together, for functions under `vmap`; None for one without an axis.

    Returns:
        Shapes and dtypes: uint8 [h, w, 3] and [h, w], after an axis of clips where there is one.
    """
    lead = () if clips is None else (clips,)
    frame = jax.ShapeDtypeStruct((*lead, *canvas, 3), jnp.uint8)
    return frame, jax.ShapeDtypeStruct((*lead, *canvas), jnp.uint8)


def compile_ahead(
    function: Callable[..., Any], *arguments: Any, precision: str, trains: bool = False
) -> Any:
    """Compiles a jitted function for arguments of these shapes, so that no call waits for that.

    Args:
        function: jitted.
        arguments: of these shapes and dtypes it will be called.
        precision: as for `find_options`.
        trains: likewise.

    Returns:
        The compiled function.
    """
    lowered = cast(jax.stages.Wrapped, function).lower(*arguments)
    options = find_options(precision, trains=trains)
    with _keep_nothing() if options else nullcontext():
        return lowered.compile(compiler_options=options)


@contextmanager
def _keep_nothing() -> Iterator[None]:
    """Keeps what is compiled inside out of the user's cache folder.

    XLA cannot write down a program that oneDNN has a part in, and jax would warn of that.
    """
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, math.inf)
    try:
        yield
    finally:
        jax.config.update(name, before)


def compile_functions(
    functions: VideoFunctions,
    params: Any,
    canvas: tuple[int, int],
    clips: int | None = None,
    *,
    precision: str,
    name: str | None = None,
    init: Callable[..., Any] | None = None,
) -> VideoFunctions:
    """Compiles `init` and `step`.

    Args:
        functions: jitted, of `protocol.build`, or both under `vmap`.
        params: that they will be called with.
        canvas: height and width of the frames.
        clips: as for `describe_frame`.
        precision: that they were built with.
        name: of the functions, see `trace_cache.trace`.
        init: compiled, where that was done before.

    Returns:
        The compiled functions, which take inputs of exactly these shapes.
    """
    frame, labels = describe_frame(canvas, clips)
    begin = trace(functions.init, params, frame, labels, name=name and f"init of {name}")
    step = trace(
        functions.step,
        params,
        begin.outputs,
        frame,
        name=name and f"step of {name}",
        donated=(1,),
    )
    return VideoFunctions(
        init or compile_ahead(begin.function, params, frame, labels, precision=precision),
        compile_ahead(step.function, params, begin.outputs, frame, precision=precision),
    )


def keep_compiled() -> None:
    """Keeps compiled programs in the user's cache folder, from which the next start takes them.

    A step compiles for many seconds in front of the user, and from the folder is there in few. jax
    tells programs of other processors and versions apart, so machines may share a home. Where the
    user chose a folder already, by `JAX_COMPILATION_CACHE_DIR`, it stays; where none can be
    written, the work goes on without.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = platformdirs.user_cache_path("ranet_jax") / "compiled"
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # the folder may be another user's
    except OSError as error:
        remark(f"compiled programs cannot be kept in {folder} ({error.strerror}); works without")
        return
    if is_new:
        remark(f"compiled programs are kept in {folder} for the next start; delete it at any time")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    _silence_loader()


def _silence_loader() -> None:
    """Keeps XLA from warning of every program that it reads from the cache.

    On Intel's processors with AVX-512 it takes two habits of its own compiler for instructions that
    are missing, and speaks of crashes on the very machine that compiled (jax-ml/jax#38445). What
    jax itself has to say, such as that a GPU is not used, is still said.
    """
    level = jax.config.jax_logging_level  # pyright: ignore[reportAttributeAccessIssue]
    if level in (None, "", "NOTSET"):  # else the user has chosen one
        jax.config.update("jax_logging_level", "CRITICAL")
        jax.config.update("jax_logging_level", level)
