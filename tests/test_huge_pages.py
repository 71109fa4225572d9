"""Starting anew with huge pages: once, with the same arguments, and never against the user."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from ranet_jax.huge_pages import use_huge_pages
print(os.getpid(), sys.argv[1:], os.environ.get("GLIBC_TUNABLES"), flush=True)
use_huge_pages()
print("done")
"""


def run(**variables):
    rest = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "a b", "--c"],
        env=rest | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split(" ", 1) for line in done.stdout.splitlines()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_starts_anew_once_as_the_same_process():
    (first, before), (second, after), done = run()
    assert first == second and done == ["done"]
    assert before == "['a b', '--c'] None"
    assert after == "['a b', '--c'] glibc.malloc.hugetlb=1"


def test_what_the_user_set_stays():
    (_, before), done = run(GLIBC_TUNABLES="glibc.malloc.check=0")
    assert before.endswith("glibc.malloc.check=0") and done == ["done"]
