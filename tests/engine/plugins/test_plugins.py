"""A broken plugin is listed with its reason, and harms nobody else."""

import importlib.metadata
import signal
import sys

import pytest
from broken_plugins import BROKEN, hooked
from fake_plugins import install, registering

from restore.errors import UnavailableError
from restore.plugins.discovery import Catalog
from restore.plugins.requirement import unmet

GOOD = registering("samplers", "good")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("fake_")]:
        del sys.modules[name]


def found(site, **environment):
    points = [
        point
        for distribution in importlib.metadata.distributions(path=[str(site)])
        for point in distribution.entry_points.select(group="restore")
    ]
    return Catalog(points, environment)


def states(catalog):
    return {plugin.name: plugin.state for plugin in catalog.plugins()}


def error_of(catalog, name):
    return next(plugin.error for plugin in catalog.plugins() if plugin.name == name)


def named(catalog, kind="samplers"):
    return sorted(entry.name for entry in catalog.registry(kind))


@pytest.mark.parametrize(("code", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_listed_and_the_others_work(site, code, reason):
    install(site, "able", GOOD)
    install(site, "bad", code)
    install(site, "zealous", registering("samplers", "zealous"))
    catalog = found(site)
    assert named(catalog) == ["good", "zealous"]
    assert states(catalog) == {"able": "ok", "bad": "broken", "zealous": "ok"}
    assert reason in error_of(catalog, "bad")
    assert error_of(catalog, "bad").isprintable() and len(error_of(catalog, "bad")) < 400


def test_a_plugin_that_breaks_late_is_taken_back_whole(site):
    code = registering("samplers", "early") + registering("metrics", "x", "x")
    install(site, "bad", code)
    catalog = found(site)
    assert named(catalog) == ["early"]
    assert named(catalog, "metrics") == []
    assert named(catalog) == []
    assert states(catalog) == {"bad": "broken"}


def test_strict_raises_where_it_happens(site):
    install(site, "bad", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        found(site, RESTORE_STRICT_PLUGINS="1").registry("samplers")


CTRL_C = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(10**6): pass"


@pytest.mark.parametrize("code", [CTRL_C, hooked(CTRL_C)], ids=["import", "hook"])
def test_ctrl_c_of_the_user_is_no_broken_plugin(site, code):
    install(site, "slow", code)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            found(site).registry("samplers")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_a_plugin_raises_is_its_own_when_loaded(site):
    (site / "fake_torn.py").write_text("raise KeyboardInterrupt")
    install(site, "able", hooked("register('x', 'fake_torn:x', summary='')"))
    with pytest.raises(UnavailableError, match=r"'x' of plugin 'able'.*KeyboardInterrupt"):
        found(site).load("samplers", "x")


def test_in_the_background_of_a_shell_no_interrupt_is_the_users(site):
    (site / "fake_torn.py").write_text("raise KeyboardInterrupt")
    install(site, "able", hooked("register('x', 'fake_torn:x', summary='')"))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(UnavailableError, match="KeyboardInterrupt"):
            found(site).load("samplers", "x")
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_plugin_prints_goes_to_stderr(site, capsys):
    (site / "fake_late.py").write_text("print('loaded')\nx = 1")
    body = "print('asked')\nregister('x', 'fake_late:x', summary='')"
    install(site, "loud", "print('imported')\n" + hooked(body))
    found(site).load("samplers", "x")
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.split() == ["imported", "asked", "loaded"]


def test_a_hook_registers_while_it_is_asked_and_no_later(site):
    code = hooked("global kept\nkept = register\nregister('x', 'a:b', summary='')")
    install(site, "late", code)
    catalog = found(site)
    assert named(catalog) == ["x"]
    with pytest.raises(RuntimeError, match="when its hook is done"):
        sys.modules["fake_late"].kept("y", "a:b", summary="")


@pytest.mark.parametrize("name", ["aaa", "image", "restore"])
def test_nobody_takes_a_name_of_the_house(site, name):
    """The house registers first, whatever others are called, and a plugin's name is one's own."""
    install(site, "stranger", registering("recipes", "denoise"))
    entry_points = site / "restore_stranger-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text(f"[restore]\n{name} = fake_stranger\n")
    catalog = Catalog(environment={})  # as of all that is installed
    assert catalog.entry("recipes", "denoise").target.startswith("restore_image.")
    broken = [p.distribution for p in catalog.plugins() if p.state == "broken"]
    assert broken == ["restore-stranger"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[restore]\nno equals sign\n", "malformed"),
        (b"[restore]\nbad = fake_bad\n\xff\xfe = \xe4\n", "malformed"),
        (b"[console_scripts]\nno equals sign\n", None),
        (b"\x00\x01\x02\xff", None),
        (b"[restore]\nbad = what is this?\n", "is no 'package.module'"),
        (b"[restore]\nbad = \n", "is no 'package.module'"),
        (b"[restore]\nbad = fake_bad:nothing\n", "nothing"),
    ],
)
def test_a_strangers_entry_points_break_nothing(site, content, said):
    install(site, "able", GOOD)
    install(site, "bad", GOOD)
    (site / "restore_bad-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    catalog = Catalog(environment={})  # as of all that is installed
    assert "good" in catalog.registry("samplers") and "dps" in catalog.registry("samplers")
    met = [plugin for plugin in catalog.plugins() if "bad" in plugin.name]
    assert [(p.state, said in p.error) for p in met] == ([] if said is None else [("broken", True)])


@pytest.mark.parametrize("metadata", [b"", b"\xff\xfe\x00", b"Version: 1\n", None])
def test_a_distribution_without_metadata_breaks_nothing(site, metadata):
    install(site, "able", GOOD)
    install(site, "bare", registering("samplers", "bare"))
    file = site / "restore_bare-1.0.dist-info" / "METADATA"
    file.unlink()
    if metadata is not None:
        file.write_bytes(metadata)
    catalog = Catalog(environment={})
    assert "good" in catalog.registry("samplers")
    assert all(isinstance(plugin.row()["version"], str) for plugin in catalog.plugins())


@pytest.mark.parametrize(
    "requires",
    [
        "restore-toolbox>=99",
        "restore_toolbox (<0.0.1)",
        "Restore.Toolbox==0.0.*",
        "restore-toolbox~=99.1",
    ],
)
def test_a_plugin_for_another_restore_is_not_imported(site, requires):
    install(site, "alien", "raise RuntimeError('imported')", requires=requires)
    catalog = found(site)
    assert states(catalog) == {"alien": "incompatible"}
    assert "it needs" in error_of(catalog, "alien")
    assert "fake_alien" not in sys.modules


def test_allowing_and_denying(site):
    for name in ("one", "two", "restore"):
        install(site, name, registering("samplers", f"s_{name}"))
    assert states(found(site, RESTORE_PLUGINS="two")) == {
        "restore": "ok", "one": "blocked", "two": "ok",
    }  # fmt: skip
    assert named(found(site, RESTORE_PLUGINS="")) == ["s_restore"]
    denied = found(site, RESTORE_DISABLE_PLUGINS="one, restore")
    assert named(denied) == ["s_two"]
    assert "RESTORE_DISABLE_PLUGINS" in error_of(denied, "one")


def test_a_blocked_plugin_is_not_imported(site):
    install(site, "bad", "raise RuntimeError('imported')")
    assert states(found(site, RESTORE_DISABLE_PLUGINS="bad")) == {"bad": "blocked"}
    assert "fake_bad" not in sys.modules


def test_two_plugins_cannot_share_a_name(site):
    install(site, "one", GOOD)
    other = site / "restore_other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: restore-other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[restore]\none = fake_one\n")
    catalog = found(site)
    assert sorted(plugin.state for plugin in catalog.plugins()) == ["broken", "ok"]
    assert named(catalog) == ["good"]


def test_each_kind_is_gathered_when_first_asked_for(site):
    code = registering("samplers", "good") + (
        "@hook\ndef register_priors(register):\n    raise ValueError('asked for priors')\n"
    )
    install(site, "lazy", code)
    catalog = found(site)
    assert named(catalog) == ["good"]
    assert [plugin.state for plugin in catalog.found()] == ["ok"]
    assert states(catalog) == {"lazy": "broken"}


def test_an_unknown_name_says_what_was_meant_or_which_plugin_is_missing(site):
    install(site, "able", GOOD)
    with pytest.raises(KeyError, match="did you mean 'good'"):
        found(site).entry("samplers", "goood")
    install(site, "bad", "import surely_not_there")
    with pytest.raises(KeyError, match="did you mean 'good'"):
        found(site).entry("sampler", "goood")
    with pytest.raises(UnavailableError, match="plugin 'bad' is broken"):
        found(site).entry("samplers", "xyz")
    with pytest.raises(KeyError, match="did you mean 'samplers'"):
        found(site).registry("sampplers")


@pytest.mark.parametrize("target", ["surely_not_there:x", "math:surely_not_there", "fake_exit:x"])
def test_a_thing_that_cannot_be_imported_is_unavailable(site, target):
    (site / "fake_exit.py").write_text("raise SystemExit")
    code = "from restore.plugins.hookspecs import hook\n@hook\ndef register_samplers(register):\n"
    install(site, "able", code + f"    register('x', '{target}', summary='')\n")
    with pytest.raises(UnavailableError, match="'x' of plugin 'able' cannot be loaded"):
        found(site).load("samplers", "x")


def test_loading_gives_the_object_itself(site):
    import math

    install(site, "able", GOOD)
    assert found(site).load("sampler", "good") is math.pi


def test_restore_registers_its_own_samplers_like_anyone():
    catalog = Catalog(environment={"RESTORE_PLUGINS": ""})
    assert "dps" in catalog.registry("samplers")
    assert {p.name for p in catalog.plugins() if p.state == "ok"} == {"restore"}


MET = ["restore-toolbox", "restore-toolbox>=0.1,<0.2", "restore-toolbox~=0.1.0",
       "restore_toolbox==0.1.*",
       "restore-toolbox!=0.1.1", "restore-toolbox>=9; extra == 'new'", "numpy>=99",
       "restore-toolbox[more] (>0.0.9, <=0.1)", "restore-toolbox>=0.1.0rc1"]  # fmt: skip
UNMET = ["restore-toolbox>=0.1.1", "restore-toolbox<0.1", "restore-toolbox==0.2.*",
         "restore-toolbox~=0.2",
         "restore-toolbox!=0.1", "restore-toolbox===0.1", "restore-toolbox>0.1.0",
         "restore-toolbox!=0.1.*"]  # fmt: skip


def test_requirements_are_read_as_pip_reads_them():
    assert [unmet([line], "restore-toolbox", "0.1.0") for line in MET] == [""] * len(MET)
    assert all(unmet([line], "restore-toolbox", "0.1.0") for line in UNMET)
    assert unmet(["restore-toolbox>=0.1"], "restore-toolbox", "0.1.dev3")
    assert not unmet(["restore-toolbox>=0.1"], "restore-toolbox", "0.10")
    with pytest.raises(ValueError, match="cannot be read"):
        unmet(["restore-toolbox >= "], "restore-toolbox", "0.1.0")


def test_requirements_agree_with_packaging():
    from packaging.requirements import Requirement

    versions = ["0.1", "0.1.0", "0.1.1", "0.2.0", "0.10.3", "1.0", "1.2.3", "1.0rc1"]
    lines = [
        f"restore-toolbox{op}{v}" for op in ("==", "!=", "<=", ">=", "<", ">") for v in versions
    ]
    lines += [f"restore-toolbox~={v}" for v in versions] + ["restore-toolbox==0.1.*"]
    lines += [f"restore-toolbox<{high},>={low}" for low in versions for high in versions]
    for line in lines:
        wanted = Requirement(line).specifier
        for version in versions:
            met = wanted.contains(version, prereleases=True)
            assert (not unmet([line], "restore-toolbox", version)) == met, (line, version)
