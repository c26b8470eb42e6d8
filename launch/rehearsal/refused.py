"""What a service says no with."""


class Refused(Exception):
    """An error of the service, under AWS's code for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
