"""Errors that carry their exit status; all others of a user's making are ValueError and kin, 1."""


class RestoreError(Exception):
    """A user's mistake, said in one line; `status` is the command's exit status."""

    status = 1


class UsageError(RestoreError):
    """The command or its options are wrong."""

    status = 2


class UnavailableError(RestoreError):
    """A plugin, an operator or a package that is needed is not there."""

    status = 4


class WeightsError(RestoreError):
    """Weights are missing, damaged, or not what their description says."""

    status = 5


class RestoreWarning(UserWarning):
    """What a user should know of a run that goes on; one line on the command line."""


class InputChanged(RestoreError):
    """An input is not what it was when its restoration began."""


class Terminated(KeyboardInterrupt):
    """The process was told to end (SIGTERM), as by a scheduler; treated as Ctrl-C."""
