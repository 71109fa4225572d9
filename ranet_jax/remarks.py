"""What a user should know although the work goes on: one line each, never twice."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Timer

_said: set[str] = set()
_gathered: ContextVar[list[str] | None] = ContextVar("gathered", default=None)


def remark(text: str) -> None:
    """Prints what was guessed, passed over or left out, on one line of stderr, and once only.

    A guess that is right costs the user a glance; one that is wrong and silent costs the result.

    Args:
        text: names the file, what was made of it and, where there is one, the remedy.
    """
    gathered = _gathered.get()
    if gathered is not None and text not in gathered:
        gathered.append(text)
    if text not in _said:
        _said.add(text)
        print("remark:", " ".join(text.splitlines()), file=sys.stderr)


@contextmanager
def gather_remarks() -> Iterator[list[str]]:
    """Gathers what is remarked inside, for somebody who does not see the terminal.

    Also what was said before, to somebody else; and in a thread that is given the context.

    Yields:
        The remarks, which come to it one by one.
    """
    remarks: list[str] = []
    token = _gathered.set(remarks)
    try:
        yield remarks
    finally:
        _gathered.reset(token)


@contextmanager
def remark_if_slow(text: str, seconds: float = 5.0) -> Iterator[None]:
    """Says why nothing is to be seen, when what is done inside takes longer than some seconds.

    Args:
        text: as for `remark`.
        seconds: to wait before it is said.
    """
    timer = Timer(seconds, remark, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
