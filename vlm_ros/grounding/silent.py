"""Work on a request whose output the caller does not see."""

from vlm_ros.tasks import Ticket


class Silent(Ticket):
    """The same hold on the work, without partial output: for work the caller does not see."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__()
        self._ticket = ticket

    def cancel(self, reason: str = 'the caller cancelled the request') -> None:
        """Take the work back."""
        self._ticket.cancel(reason)

    @property
    def deadline_s(self) -> float | None:
        """When the work is no longer wanted."""
        return self._ticket.deadline_s

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller took the work back."""
        return self._ticket.is_cancelled

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline."""
        return self._ticket.remaining_s

    def check(self) -> None:
        """Go on, or end the work."""
        self._ticket.check()

    def sleep(self, duration_s: float) -> None:
        """Wait, ending early as `check()` does."""
        self._ticket.sleep(duration_s)
