"""What a benchmark prints first: times without their machine say nothing."""

import os

from ranet_jax.machine import describe_machine


def print_machine(**others: str) -> None:
    """Prints processor, load, device and versions.

    Args:
        others: versions of other libraries, by name.
    """
    machine = describe_machine()
    versions = machine["versions"] | others
    print(f"machine: {machine['processor']}; load {os.getloadavg()[0]:.1f} before the start")
    print(f"device: {machine['device']}")
    print("versions:", ", ".join(f"{name} {number}" for name, number in versions.items()))
