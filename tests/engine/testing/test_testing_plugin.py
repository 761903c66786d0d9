"""check_plugin passes those that keep the contract, and says of the others what they break."""

import sys

import pytest

from restore.testing import check_plugin

HOOK = (
    "from restore.plugins.hookspecs import hook\n@hook\n"
    "def register_{kind}(register):\n    register("
)
BAD = {
    "heavy": ("import numpy\n", "imports numpy"),
    "empty": ("", "answers no hook"),
    "idle": (
        "from restore.plugins.hookspecs import hook\n@hook\ndef register_priors(register): pass",
        "registers nothing",
    ),
    "absent": ("import surely_not_there", "cannot be imported"),
    "silent": (HOOK.format(kind="metrics") + "'x', 'math:sqrt', summary=' ')", "no summary"),
    "value": (HOOK.format(kind="metrics") + "'x', 'math:pi', summary='x')", "cannot be called"),
    "recipe": (HOOK.format(kind="recipes") + "'x', 'math:sqrt', summary='x')", "is no restore"),
    "reader": (HOOK.format(kind="readers") + "'x', 'math:sqrt', summary='x')", "no extensions"),
    "upper": (
        HOOK.format(kind="readers") + "'x', 'math:sqrt', summary='x', extensions=('PNG',))",
        "must be like",
    ),
    "sampler": (HOOK.format(kind="samplers") + "'x', 'math:sqrt', summary='x')", "must begin"),
    "prior": (HOOK.format(kind="priors") + "'x', 'math:sqrt', summary='x')", "without"),
}


def test_the_names_of_the_command_line_s_own_flags_are_not_free(monkeypatch):
    import tiny_parts

    from restore.files.task import Recipe

    def recipe(name):
        namespace = {}
        exec(f"def solve(record, noise, *, {name}: int = 1): ...", namespace)
        return Recipe(namespace["solve"])

    for name in ("held_out", "baseline", "format", "output", "json", "sets", "seed", "no_held_out"):
        monkeypatch.setattr(tiny_parts, "calm", recipe(name))
        with pytest.raises(AssertionError, match="command line's own"):
            check_plugin("tiny_plugin")
    monkeypatch.setattr(tiny_parts, "calm", recipe("trust"))
    check_plugin("tiny_plugin")


@pytest.mark.parametrize("module", ["restore.samplers.plugin", "tiny_plugin"])
def test_plugins_that_keep_the_contract_pass(module):
    check_plugin(module)


@pytest.mark.parametrize(("name", "code", "said"), [(k, *v) for k, v in BAD.items()], ids=BAD)
def test_what_breaks_the_contract_is_said(tmp_path, monkeypatch, name, code, said):
    (tmp_path / f"checked_{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises((AssertionError, ValueError), match=said):
        check_plugin(f"checked_{name}")
    sys.modules.pop(f"checked_{name}", None)


SAMPLERS = {
    "undeclared": ("", "variance=None", r"without @sampler\(law=True\)"),
    "clouded": ("@sampler(particles='cloud')", "cloud: str = 'many'", "must be a whole number"),
    "asking": ("@sampler(asks=('latent',))", "trust: float = 1.0", "which its needs do not list"),
}


@pytest.mark.parametrize(
    ("name", "declared", "option", "said"), [(k, *v) for k, v in SAMPLERS.items()], ids=SAMPLERS
)
def test_a_sampler_that_does_not_keep_its_contract_is_named(
    tmp_path, monkeypatch, name, declared, option, said
):
    (tmp_path / f"parts_{name}.py").write_text(
        f"from restore.samplers.base import sampler\n{declared}\n"
        f"def x(denoise, measurement, x, sigmas, randn_like, *, {option}): ..."
    )
    (tmp_path / f"checked_{name}.py").write_text(
        HOOK.format(kind="samplers") + f"'x', 'parts_{name}:x', summary='x', needs=('adjoint',))"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AssertionError, match=said):
        check_plugin(f"checked_{name}")
