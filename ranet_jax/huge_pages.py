"""Huge pages for large arrays, which training takes and gives back all the time.

XLA asks the system for the memory of each run of a program and returns it afterwards. A training
step so has gigabytes mapped anew, and a page of 4 KiB at a time that costs more than any layer of
the network. glibc asks for pages of 2 MiB if it is told so before a program starts.
"""

import os
import platform
import sys

_VARIABLE, _SETTING = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def use_huge_pages() -> None:
    """Starts this program anew with huge pages, unless it was, or the user has set glibc up.

    The process stays the same one, with its arguments. Where there is no glibc, or the system has
    no huge pages to give, nothing changes.
    """
    if _VARIABLE in os.environ or platform.libc_ver()[0] != "glibc":
        return
    os.environ[_VARIABLE] = _SETTING
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
