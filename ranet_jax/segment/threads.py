"""Reading ahead and writing behind while the device works, a few things at a time.

The threads have the context of whoever starts them, so that he hears their remarks.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")

_AHEAD = 3  # items that are read before the one in use
_BEHIND = 6  # things that wait to be written


def read_ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """Reads items in a thread of its own while others are worked on.

    Args:
        items: none of which is None. Use it no more until this iterator is closed.

    Returns:
        The same items in the same order; what goes wrong in reading one is raised in its place.
    """
    context = copy_context()
    with ThreadPoolExecutor(1) as reader:
        pending = deque(reader.submit(context.run, next, items, None) for _ in range(_AHEAD))
        while (item := pending.popleft().result()) is not None:
            pending.append(reader.submit(context.run, next, items, None))
            yield item


class Writing:
    """What is still to be written: one thing after another, in a thread of its own.

    The end of the `with` block waits until everything is written, after an exception too. When
    something cannot be written nothing after it is, and the error is raised there or by `add`.
    """

    def __init__(self) -> None:
        """Starts with nothing to write."""
        self._executor = ThreadPoolExecutor(1)
        self._context = copy_context()
        self._pending: deque[Future] = deque()
        self._error: Exception | None = None

    def add(self, write: Callable[..., None], *args: object) -> None:
        """Has something written soon; waits when much is pending already.

        Args:
            write: does it.
            args: that it is called with.

        Raises:
            Exception: what went wrong with something before.
        """
        call = self._context.run, self._call, write, *args
        self._pending.append(self._executor.submit(*call))
        if len(self._pending) > _BEHIND:
            self._pending.popleft().result()
        self._raise_error()

    def _call(self, write: Callable[..., None], *args: object) -> None:
        """Writes, unless something before could not be written."""
        if self._error is None:
            try:
                write(*args)
            except Exception as error:
                self._error = error

    def _raise_error(self) -> None:
        """Raises what went wrong in the thread."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> "Writing":
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._raise_error()
