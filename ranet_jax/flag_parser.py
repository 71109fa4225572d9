"""The reader of flags: a mistake ends a command with one line, which names the nearest flag."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from ranet_jax.errors import InputError

_KINDS = {"int": "whole number", "float": "number"}
"""What argparse calls by the name of a type."""


class FlagParser(argparse.ArgumentParser):
    """Argparse, but for how it speaks of mistakes, and that flags are written out."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """Takes what argparse takes."""
        super().__init__(*args, allow_abbrev=False, **settings)

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Iterable[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Names a misspelt flag before argparse asks for the one that is missing because of it."""
        words = sys.argv[1:] if args is None else list(args)
        if self._subparsers is None:
            flags = words[: words.index("--")] if "--" in words else words
            names = [word.partition("=")[0] for word in flags if word.startswith("--")]
            for name in names:
                if name not in self._option_string_actions:
                    self._refuse(name)
        namespace, left = super().parse_known_args(words, namespace)
        if left:
            self._refuse(left[0])
        return namespace, left

    def error(self, message: str) -> NoReturn:
        """Ends the command.

        Raises:
            InputError: the message, and where flags are explained.
        """
        if found := re.fullmatch(r"argument (\S+): invalid (\w+) value: (.*)", message):
            flag, kind, value = found.groups()
            if kind in _KINDS:
                message = f"{flag} {value} is no {_KINDS[kind]}"
        raise InputError(f"{message}; {self.prog} --help explains all flags")

    def _refuse(self, name: str) -> NoReturn:
        """Says what is wrong with a word that nothing takes."""
        if not name.startswith("-"):
            why = "give one, or put a pattern of names in quotes" if Path(name).exists() else ""
            self.error(f"there is no place for {name}" + (f": {why}" if why else ""))
        known = [one for one in self._option_string_actions if one.startswith("--")]
        near = " or ".join(difflib.get_close_matches(name, known, n=2, cutoff=0.75))
        self.error(f"there is no flag {name}" + (f"; did you mean {near}" if near else ""))
