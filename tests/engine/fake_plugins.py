"""Distributions made on the spot, as pip would leave them: a module and its metadata."""

from pathlib import Path


def install(
    site: Path, name: str, code: str | None, *, module: str | None = None, requires: str = ""
) -> None:
    """A distribution restore-NAME whose entry point NAME is `module` (else one with this code)."""
    if module is None:
        module = f"fake_{name}"
        (site / f"{module}.py").write_text(code)
    info = site / f"restore_{name}-1.0.dist-info"
    info.mkdir()
    line = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: restore-{name}\nVersion: 1.0\n{line}"
    )
    (info / "entry_points.txt").write_text(f"[restore]\n{name} = {module}\n")


def registering(kind: str, *names: str) -> str:
    """The code of a plugin that registers names of one kind."""
    lines = "".join(f"    register('{name}', 'math:pi', summary='{name}')\n" for name in names)
    return f"from restore.hookspecs import hook\n@hook\ndef register_{kind}(register):\n{lines}"
