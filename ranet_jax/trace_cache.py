"""Programs that were traced, kept beside the compiled ones for the next start.

jax keeps what was compiled, but traces a program anew to find that. With a network of two hundred
layers this takes longer than reading the compiled one, so its StableHLO is kept as well.
"""

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import flax
import jax
import jax.export

import ranet_jax
from ranet_jax.remarks import remark
from ranet_jax.template_bank import State

jax.export.register_pytree_node_serialization(
    State,
    serialized_name="ranet_jax.State",
    serialize_auxdata=lambda auxiliary: b"",
    deserialize_auxdata=lambda data: (),
)


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
        function: jitted; all that it calls is jax's, flax's or this package's.
        arguments: of it, as arrays or as their shapes, for jax's default platform.
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
            _write(path, bytes(exported.serialize()))
    outputs = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in exported.out_avals]
    return Traced(
        jax.jit(exported.call, donate_argnums=donated, keep_unused=True),
        jax.tree.unflatten(exported.out_tree, outputs),
    )


def _read_setting(name: str) -> Any:
    """Reads one of jax's settings that its `config.read` refuses."""
    return getattr(jax.config, name)


def _find_folder() -> Path | None:
    """Finds the folder of jax's compilation cache; None where it is not in use, or is no folder."""
    folder = _read_setting("jax_compilation_cache_dir")
    if not folder or "://" in folder or not _read_setting("jax_enable_compilation_cache"):
        return None
    return Path(folder)


def _digest_source() -> str:
    """A name for the source of this package, which changes with any file of it."""
    digest = hashlib.sha256()
    for path in sorted(Path(ranet_jax.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


# As it is imported, because the files may change while a program runs.
_SOURCE = _digest_source()


def _digest(name: str, shapes: Any) -> str:
    """A name for all that a traced program depends on."""
    settings = jax.config.read("jax_enable_x64"), _read_setting("jax_default_matmul_precision")
    versions = jax.__version__, flax.__version__, _SOURCE
    parts = name, str(shapes), jax.export.default_export_platform(), settings, versions
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _read(path: Path) -> jax.export.Exported | None:
    """Reads a program; None where there is none."""
    try:
        return jax.export.deserialize(bytearray(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        remark(f"{path} cannot be read ({error.strerror}); works without")
        return None
    except Exception as error:  # the reader has no error of its own, and any means the same
        remark(f"{path} is damaged ({type(error).__name__}); it is written anew")
        return None


def _write(path: Path, content: bytes) -> None:
    """Writes a program in one step, beside others who may do the same."""
    unfinished = path.with_name(f".{uuid.uuid4().hex}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        remark(f"{path} cannot be written ({error.strerror}); works without")
    finally:
        unfinished.unlink(missing_ok=True)
