"""Programs that were traced, kept beside the compiled ones for the next start.

jax keeps what was compiled, but traces a program anew to find that. With a network of two hundred
layers this takes longer than reading the compiled one, so its StableHLO is kept as well.
"""

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import flax
import jax
import jax.export

import ranet_jax
from ranet_jax.bank import State
from ranet_jax.remarks import remark


class Traced(NamedTuple):
    """A program to compile.

    Attributes:
        function: jitted.
        outputs: shapes and dtypes of what it gives, as a tree of `jax.ShapeDtypeStruct`.
    """

    function: Callable[..., Any]
    outputs: Any


def trace(
    function: Callable[..., Any], *arguments: Any, name: str | None, donated: tuple[int, ...] = ()
) -> Traced:
    """Traces a jitted function, or takes what an earlier start has traced.

    It is kept in the folder of jax's compilation cache, where there is one. XLA takes the sums of
    what went through StableHLO in another order, so that all named programs do, kept or not, and
    masks are the same, bit for bit, at every start.

    Args:
        function: jitted.
        arguments: of it, as arrays or as their shapes.
        name: all that tells the function from others; None for one that is not to be kept.
        donated: which arguments it may overwrite.

    Returns:
        The program, for arguments of these shapes.
    """
    if name is None:
        return Traced(function, jax.eval_shape(function, *arguments))
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
    folder = _find_folder()
    path = folder and folder / f"ranet_jax-{_digest(name, shapes)}-traced"
    exported = _read(path) if path else None
    if exported is None:
        exported = jax.export.export(cast(jax.stages.Wrapped, function))(*shapes)
        if path:
            _write(path, exported)
    outputs = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in exported.out_avals]
    return Traced(
        jax.jit(exported.call, donate_argnums=donated, keep_unused=True),
        jax.tree.unflatten(exported.out_tree, outputs),
    )


def _read_setting(name: str) -> Any:
    """Reads one of jax's settings that its `config.read` refuses."""
    return getattr(jax.config, name)


def _find_folder() -> Path | None:
    """Finds the folder of jax's compilation cache; None where it is not in use."""
    folder = _read_setting("jax_compilation_cache_dir")
    return Path(folder) if folder and _read_setting("jax_enable_compilation_cache") else None


def _digest(name: str, shapes: Any) -> str:
    """A name for all that a traced program depends on."""
    settings = jax.config.read("jax_enable_x64"), _read_setting("jax_default_matmul_precision")
    versions = jax.__version__, flax.__version__
    parts = name, str(shapes), jax.default_backend(), settings, versions, _digest_source()
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@functools.cache
def _digest_source() -> str:
    """A name for the source of this package, which changes with any file of it."""
    digest = hashlib.sha256()
    for path in sorted(Path(ranet_jax.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> jax.export.Exported | None:
    """Reads a program; None where there is none."""
    _register_state()
    try:
        return jax.export.deserialize(bytearray(path.read_bytes()))
    except OSError:
        return None
    except Exception as error:  # the reader has no error of its own, and any means the same
        remark(f"{path} is damaged ({type(error).__name__}); it is written anew")
        return None


def _write(path: Path, exported: jax.export.Exported) -> None:
    """Writes a program in one step, beside others who may do the same."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(exported.serialize())
        os.replace(file.name, path)
    except OSError as error:
        remark(f"{path} cannot be written ({error.strerror}); works without")


@functools.cache
def _register_state() -> None:
    """Tells jax how to write the structure of `State`, which is all in its name."""
    jax.export.register_pytree_node_serialization(
        State,
        serialized_name="ranet_jax.State",
        serialize_auxdata=lambda auxiliary: b"",
        deserialize_auxdata=lambda data: (),
    )
