"""Compiling `init` and `step` ahead of time, and keeping what was compiled for the next start."""

import os
import tempfile
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import platformdirs

from ranet_jax.protocol import VideoFunctions
from ranet_jax.remarks import remark
from ranet_jax.trace_cache import trace


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


def compile_ahead(function: Callable[..., Any], *arguments: Any) -> Any:
    """Compiles a jitted function for arguments of these shapes, so that no call waits for that."""
    return cast(jax.stages.Wrapped, function).lower(*arguments).compile()


def compile_functions(
    functions: VideoFunctions,
    params: Any,
    canvas: tuple[int, int],
    clips: int | None = None,
    *,
    name: str | None = None,
    init: Callable[..., Any] | None = None,
) -> VideoFunctions:
    """Compiles `init` and `step`.

    Args:
        functions: jitted, of `protocol.build`, or both under `vmap`.
        params: that they will be called with.
        canvas: height and width of the frames.
        clips: as for `describe_frame`.
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
        init or compile_ahead(begin.function, params, frame, labels),
        compile_ahead(step.function, params, begin.outputs, frame),
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
