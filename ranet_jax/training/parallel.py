"""Data parallelism: the only module that knows how many devices and processes there are."""

import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from ranet_jax.compilation import compile_ahead
from ranet_jax.errors import InputError

AXIS = "devices"


def start_processes(coordinator: str | None, process: int, processes: int) -> None:
    """Joins the processes of one run; to be called before anything else of jax.

    Args:
        coordinator: host:port of process 0; None where there is one process, or where the cluster
            tells jax by itself (Slurm, TPU pods) and `processes` is over 1.
        process: number of this process, from 0.
        processes: how many there are.

    Raises:
        InputError: the number is none of theirs, or nobody says where process 0 is.
    """
    if not 0 <= process < processes:
        raise InputError(
            f"--process is {process} and --processes {processes}; number the processes of a run "
            "from 0 on, below how many there are"
        )
    if processes == 1:
        return
    if coordinator is None:
        try:
            jax.distributed.initialize()
        except ValueError:
            raise InputError(
                f"--processes {processes} needs --coordinator host:port, that of process 0, where "
                "no cluster tells it"
            ) from None
    elif re.fullmatch(r".+:\d+", coordinator):
        jax.distributed.initialize(coordinator, processes, process)
    else:
        raise InputError(f"--coordinator {coordinator} is no host:port; give that of process 0")


def check_batch_size(batch_size: int, accumulate: int) -> None:
    """Refuses a global batch that cannot be cut evenly over devices and accumulation."""
    pieces = jax.device_count() * accumulate
    if batch_size % pieces:
        raise InputError(
            f"batch_size {batch_size} cannot be cut into {jax.device_count()} devices times "
            f"{accumulate} accumulated parts; choose a multiple of {pieces}"
        )


def parallelize(
    update: Callable[[Any, Any], tuple[Any, Any]], state: Any, batch: Any, precision: str
) -> Any:
    """Compiles an update for all devices.

    Args:
        update: `(state, batch) -> (state, metrics)`, which calls `mean_over_devices` on what must
            be equal everywhere. It sees the part of the batch that belongs to one device.
        state: on all devices, see `replicate`.
        batch: one as cut by `split_over_devices`.
        precision: in which it computes.

    Returns:
        The same function for the whole local batch, for a state and batches of these shapes. State
        and metrics come out once, not once a device. The state that goes in is given away. Of
        several processes, each compiles at the first call, and without oneDNN.
    """
    parallel = jax.pmap(update, AXIS, in_axes=(None, 0), out_axes=None, donate_argnums=0)
    if jax.process_count() > 1:  # ahead of time jax would take the batches of all processes
        return parallel
    return compile_ahead(parallel, state, batch, precision=precision, trains=True)


def replicate(tree: Any) -> Any:
    """Puts a copy of each leaf on every device, as a parallel update gives it back.

    Without this the update would be compiled twice: for the first state, and for its own results.
    """
    mesh = jax.sharding.Mesh(np.array(jax.devices()), (AXIS,))
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def fetch(tree: Any) -> Any:
    """Brings replicated leaves to the host as NumPy arrays."""
    return jax.tree.map(np.asarray, tree)


def mean_over_devices(tree: Any) -> Any:
    """The mean of each leaf over all devices of all processes, inside a parallel update."""
    return jax.lax.pmean(tree, AXIS)


def split_over_devices(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cuts the local batch [b, ...] into one part a local device, [devices, b / devices, ...]."""
    devices = jax.local_device_count()
    # Not -1, which says nothing of an array without later frames: it has no elements.
    return {
        name: array.reshape(devices, len(array) // devices, *array.shape[1:])
        for name, array in batch.items()
    }


def is_true_anywhere(flag: bool) -> bool:
    """Whether a flag is set in any process, so that all of them take the same turn."""
    if jax.process_count() == 1:
        return flag
    # `reached_preemption_sync_point` knows of SIGTERM alone, which it takes from our own handler.
    return bool(multihost_utils.process_allgather(np.array(flag)).any())


def process_index() -> int:
    """Number of this process; 0 writes what is written once."""
    return jax.process_index()


def process_count() -> int:
    """How many processes the run has; each loads its share of every batch."""
    return jax.process_count()
