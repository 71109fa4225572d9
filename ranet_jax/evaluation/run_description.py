"""Where the masks of a run come from, as the head of its summary says."""

from pathlib import Path

from ranet_jax.machine import describe_machine
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.network import describe_network


def describe_network_run(segmenter: Segmenter, checkpoint: str) -> dict[str, object]:
    """Begins the summary of a run in which a network makes the masks.

    Args:
        segmenter: the network.
        checkpoint: what to call its weights.

    Returns:
        The machine, the network and what is done around it, its weights and its precision.
    """
    head = {"checkpoint": checkpoint, "precision": segmenter.precision}
    return describe_machine() | describe_network(segmenter.network) | head


def describe_results_run(results: Path) -> dict[str, object]:
    """Begins the summary of a run that takes masks which exist.

    Args:
        results: their folder.

    Returns:
        The machine and the folder.
    """
    return describe_machine() | {"results": str(results)}
