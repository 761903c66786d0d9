"""A group with one command for each recipe, made from the recipe's own keywords when asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..plugins.described import described
from ..plugins.discovery import catalog
from ..plugins.options import Option
from .batch import RunFlags

WORDS = "restore.words"
UNREPEATED = {"out", "overwrite", "as_json", "quiet", *(f for f in RunFlags._fields[5:])}
TYPES = {Path: click.Path(path_type=Path), float: float, int: int, str: str}


class Recipes(click.Group):
    """restore run RECIPE ..., restore simulate RECIPE ...

    of: the recipe's functions; the keyword-only options of the first it has become flags. execute:
    called with the recipe's name, its options, the RunFlags, and the flags that `common` makes by
    keyword.
    """

    def __init__(
        self,
        name: str,
        *,
        of: Sequence[str],
        execute: Callable[..., int],
        common: Callable[[], list],
        help: str,
    ):
        usage = "RECIPE INPUT... -o OUT [OPTIONS]"
        super().__init__(name, help=help, subcommand_metavar=usage, options_metavar="")
        self.of, self.execute, self.common = of, execute, common

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in catalog().registry("recipes")]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The summaries that plugins registered: no recipe is imported for them."""
        with formatter.section("Recipes"):
            entries = catalog().registry("recipes")
            formatter.write_dl([(entry.name, entry.summary) for entry in entries])

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and not args[0].startswith("-"):
            catalog().entry("recipes", args[0])  # with "did you mean"
        return super().resolve_command(ctx, args)

    def _function(self, name: str) -> Callable[..., Any]:
        """The recipe's function of the first kind it has, whose options the command takes."""
        recipe = catalog().load("recipes", name)
        found = [getattr(recipe, of, None) for of in self.of]
        if not any(found):
            raise UsageError(f"{name} restores what was measured; it simulates nothing")
        return next(function for function in found if function is not None)

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        entry = catalog().entry("recipes", name)
        known = described(entry, self.of, lambda: self._function(name))
        options = known.options
        params = self.own_flags()
        clashing = sorted(self.reserved() & set(options))
        if clashing:
            raise ValueError(f"the recipe '{name}' must not have an option '{clashing[0]}'")

        def callback(**given: Any) -> int:
            own = {key: given.pop(key) for key in options}
            own = {key: value for key, value in own.items() if value is not None}
            flags = RunFlags(**{key: given.pop(key) for key in RunFlags._fields if key in given})
            return self.execute(name, own, flags, **given)

        flags = [self.flag(option) for option in options.values()]
        return Repeatable(name, callback=callback, params=params + flags, help=known.prose)

    def flag(self, option: Option) -> click.Option:
        """A recipe's keyword as a flag."""
        return flag(option)

    def reserved(self) -> set[str]:
        """The names that no option of a recipe may have, for the command has flags of them."""
        params = self.own_flags()
        words = {word for param in params for word in (*param.opts, *param.secondary_opts)}
        words |= {param.name for param in params} | {"help"}
        return {word.lstrip("-").replace("-", "_") for word in words}

    def own_flags(self) -> list[click.Parameter]:
        return [*run_flags(), *self.common()]


class Repeatable(click.Command):
    """A command that keeps the words it was given, but its inputs, in the context's meta: WORDS."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given, _, order = self.make_parser(ctx).parse_args(args=list(args))
        words = [ctx.info_name or ""]
        for param in dict.fromkeys(order):
            if isinstance(param, click.Option) and param.name not in UNREPEATED:
                words += _as_words(param, given[param.name])
        ctx.meta[WORDS] = [word for word in words if word]
        return super().parse_args(ctx, args)


def _as_words(option: click.Option, value: Any) -> list[str]:
    """An option as it is typed."""
    if option.is_flag:
        return [option.opts[0] if value else option.secondary_opts[0]]
    values = value if option.multiple else [value]
    return [word for one in values for word in (option.opts[0], str(one))]


def flag(option: Option) -> click.Option:
    """A recipe's keyword as a flag of the same name; None where it is not given."""
    words = option.name.replace("_", "-")
    names = [option.name, f"--{words}/--no-{words}" if option.type is bool else f"--{words}"]
    help = option.help
    if option.default is not None:
        help = f"{help}  [default: {option.default}]".strip()
    more: dict[str, Any] = {"required": True} if option.required else {"default": None}
    more["help"] = help
    if option.type is not bool:
        texts = [str(choice) for choice in option.choices]
        more["type"] = click.Choice(texts, case_sensitive=False) if texts else TYPES[option.type]
        if texts:
            more["callback"] = lambda ctx, param, text: text if text is None else option.parse(text)
    return click.Option(names, **more)


def run_flags() -> list[click.Parameter]:
    """The flags of RunFlags."""
    return [
        click.Argument(["inputs"], nargs=-1, required=True, metavar="INPUT..."),
        click.Option(
            ["out", "-o", "--output"],
            type=click.Path(path_type=Path),
            required=True,
            metavar="OUT",
            help="Folder to write to; a folder for each input will be made in it.",
        ),
        click.Option(
            ["overwrite", "--overwrite"], is_flag=True, help="Replace what lies in OUT already."
        ),
        click.Option(
            ["as_json", "--json"], is_flag=True, help="Print one JSON object for each input."
        ),
        click.Option(["quiet", "-q", "--quiet"], is_flag=True, help="Show no progress."),
        *_engine_flags(),
    ]


def _engine_flags() -> list[click.Parameter]:
    """Where the work is done."""
    return [
        click.Option(
            ["--jobs"], type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
            help="Processes that share the inputs, and the processor's threads.",
        ),
        click.Option(
            ["--shard"], type=Shard(), metavar="K/N",
            help="Do the K-th of N parts of the inputs, as one task of a cluster's array.",
        ),
        click.Option(
            ["--engine"], type=click.Choice(["auto", "dask"]), default="auto", metavar="NAME",
            help="dask: on a Dask cluster, of --jobs processes here where no --scheduler is named.",
        ),
        click.Option(
            ["--scheduler"], metavar="ADDRESS",
            help="Of Dask: tcp://host:port, or its scheduler file.",
        ),
    ]  # fmt: skip


class Shard(click.ParamType):
    """3/40: the third of forty parts."""

    name = "K/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        if isinstance(value, tuple):
            return value
        first, _, parts = str(value).partition("/")
        if not (first.isdecimal() and parts.isdecimal() and 1 <= int(first) <= int(parts)):
            self.fail(f"'{value}' is no part such as 3/40, of 1/40 to 40/40", param, ctx)
        return int(first), int(parts)


def assignments(ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> dict[str, str]:
    """("key=value", ...) -> {key: value}."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"'{text}' is not key=value", ctx, param)
        pairs[key.strip().replace("-", "_")] = value.strip()
    return pairs
