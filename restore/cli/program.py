"""The program: commands imported when they are asked for, errors said in one line."""

import importlib
import os
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..errors import RestoreWarning, Terminated
from .wording import interrupted, line, mistake, status

COMMAND = "restore.command"  # in a context's meta: the words that the user typed


class Program(click.Group):
    """A group of commands ("module:attribute", summary), whose errors keep the house's statuses."""

    def __init__(self, *args: Any, commands_in: Mapping[str, tuple[str, str]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.commands_in = dict(commands_in)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_in)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.commands_in:
            return None
        target, _ = self.commands_in[name]
        module, _, attribute = target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in self.commands_in.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and args[0] not in self.commands_in and not args[0].startswith("-"):
            from ..plugins.registry import unknown

            raise click.UsageError(unknown("command", args[0], self.commands_in), ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[COMMAND] = shlex.join(["restore", *args])
        return super().parse_args(ctx, args)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any):
        """Run, and leave with the right status: one line for a user's mistake."""
        if not extra.pop("standalone_mode", True):
            return super().main(args, "restore", standalone_mode=False, **extra)
        try:
            with warnings.catch_warnings(), terminable():
                warnings.showwarning = show_warning
                result = super().main(args, "restore", standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            say(error.format_message())
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt) as error:
            say("interrupted")
            sys.exit(interrupted(error.__cause__ or error))
        except Exception as error:
            if raising() or not mistake(error):
                raise
            say(line(error))
            sys.exit(status(error))
        sys.exit(result if isinstance(result, int) else 0)


@contextmanager
def terminable() -> Iterator[None]:
    """Within, SIGTERM is as Ctrl-C: what is under way is saved. Of a main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Show a warning of ours in one line, and others as Python does."""
    if issubclass(category, RestoreWarning):
        say(str(message))
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), err=True)


def say(words: str) -> None:
    """One line for people, on stderr."""
    click.echo(f"restore: {' '.join(words.split())}", err=True)


def raising() -> bool:
    """Whether errors are to be shown with their traceback."""
    return os.environ.get("RESTORE_RAISE", "") not in ("", "0")
