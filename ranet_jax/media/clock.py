"""The times of a video's frames, which go on where the clock of its file is set anew."""

from fractions import Fraction

from ranet_jax.remarks import remark

_REORDERED = 4  # frames by which a time may be behind in a file that is not sure of their order
_MOST_TICKS = 2**31 - 1  # from a frame to the next: an MP4 has no room for more


class Clock:
    """Gives the frames of a video their times, in seconds since the first one.

    Broadcasts can be joined byte by byte (`cat a.ts b.ts`): then the times begin again with each
    part. Its frames follow those of the part before.

    Attributes:
        moved: seconds by which times are later than the file has them, from the newest frame on.
    """

    def __init__(
        self, path: str, start: Fraction, rate: Fraction, time_base: Fraction, *, has_sound: bool
    ) -> None:
        """Starts with the first frame.

        Args:
            path: of the file.
            start: its time of the first frame.
            rate: frames per second.
            time_base: seconds of a tick of it.
            has_sound: whether there is sound, which ends where the times are set anew.
        """
        self.moved = Fraction(0)
        self._path = path
        self._start = start
        self._usual = 1 / rate
        self._longest = _MOST_TICKS * time_base
        self._has_sound = has_sound
        self._newest = self._next = Fraction(0)

    def read(self, index: int, at: Fraction | None, duration: Fraction | None) -> Fraction:
        """Gives a frame its time, and says where the file's times were set anew.

        Args:
            index: of the frame; each one is asked for, in order.
            at: its time in the file, in seconds; None where the file is silent.
            duration: seconds that it stands; None where the file is silent.

        Returns:
            The seconds.
        """
        seconds = self._next if at is None else at - self._start + self.moved
        behind = self._newest - seconds
        if behind > _REORDERED * self._usual or -behind > self._longest:
            if not self.moved:
                rest = ", and their sound is left out" if self._has_sound else ""
                remark(
                    f"the times of {self._path} are set anew at frame {index}, as in files that "
                    f"were joined; the frames from there on follow those before{rest}"
                )
            self.moved += self._next - seconds
            seconds = self._next
        self._newest = max(self._newest, seconds)
        self._next = self._newest + (duration or self._usual)
        return seconds
