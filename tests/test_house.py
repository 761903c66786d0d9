"""The rules of the house: who may import whom, and how long a thing may be."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from restore.plugins.discovery import HOUSE

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "restore"
SAMPLERS = ENGINE / "samplers"
ROOMS = [ENGINE, *ROOT.glob("operators/restore_*"), *ROOT.glob("plugins/*/restore_*")]
SOURCES = [path for room in ROOMS for path in sorted(room.rglob("*.py"))]
EVERYTHING = [*SOURCES, *(p for d in ("tests", "benchmarks", "examples")
                          for p in sorted((ROOT / d).rglob("*.py")))]  # fmt: skip

# restore/*, from the ground: a room imports from those before it, neighbours not from each other
ORDER = (
    "errors atomic, untrusted measurement, priors plugins, networks samplers, sampling, files,"
    " testing, cli"
)
FLOORS = [floor.split() for floor in ORDER.split(", ")]
MOST = 12  # entries of a folder
UNCOUNTED = {"__init__.py", "py.typed", "weights", "__pycache__"}
# samplers/*: a family's are papers; what is not in a family's catalogue, they share
FAMILIES = [path.parent for path in sorted(SAMPLERS.glob("*/catalogue.py"))]
NAMED = {
    target
    for family in FAMILIES
    for target in re.findall(
        r'"restore\.samplers\.([\w.]+):\w+"', (family / "catalogue.py").read_text("utf-8")
    )
} - {"integrators.integrators"}
PAPERS = [SAMPLERS / f"{named.replace('.', '/')}.py" for named in sorted(NAMED)]
BELOW_SAMPLERS = {"priors.coloured", "priors.prior", "priors.schedules"} | {
    f"measurement.{name}"
    for name in ("codec", "measurement", "noise", "operator", "signal", "spectral", "whitening")
}
SHARED = (
    {"samplers.integrators.integrators"}
    | {f"samplers.{name}" for name in ("base", "guidance", "published")}
    | {f"samplers.parts.{path.stem}" for path in (SAMPLERS / "parts").glob("[!_]*.py")}
)
FORBIDDEN = {"torchvision", "torchaudio", "piq", "gradio"}
# imported inside a function that says what is missing
OPTIONAL = {
    "plain_yaml": {"yaml"},
    "networks": {"diffusers"},
    "prompting": {"transformers"},
    "cases": {"sklearn"},
    "matconvnet": {"h5py"},
    "dask_cluster": {"distributed"},
}
DOMAINS = {"image", "mri", "ct", "ultrasound", "speech", "dicom"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module(path: Path) -> str:
    """restore/samplers/guided/dps.py -> restore.samplers.guided.dps; a test goes by its stem."""
    packages = [*ROOMS, ROOT / "benchmarks"]
    top = next((package for package in packages if path.is_relative_to(package)), None)
    if top is None:
        return path.stem if path.stem != "conftest" else name(path)
    return ".".join(path.relative_to(top.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Every imported name with its module, absolute; typing-only ones not."""
    tree = ast.parse(path.read_text("utf-8"))
    package = module(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    for node in tree.body if top_only else _walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{whole}.{alias.name}" for alias in node.names)


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _walk(node)


def within_engine(path: Path) -> set[str]:
    """The modules of the engine that a file of it imports, by name: signal, samplers.base."""
    known = {module(p).removeprefix("restore.") for p in ENGINE.rglob("*.py")}
    found = set()
    for target in imports(path):
        if target.startswith("restore."):
            inner = target.removeprefix("restore.")
            found.add(inner if inner in known else inner.rpartition(".")[0])
    return found & known


def floor(room: str) -> int:
    return next((i for i, rooms in enumerate(FLOORS, 1) if room in rooms), 0)


@pytest.mark.parametrize("path", sorted(ENGINE.rglob("*.py")), ids=name)
def test_the_engine_imports_downhill(path):
    room = module(path).removeprefix("restore.").split(".")[0]
    if room == "restore":  # the lazy face: it imports on demand only
        assert not [m for m in imports(path, top_only=True) if m.startswith("restore")]
        return
    assert floor(room), f"{name(path)} stands in no room: add it to ORDER here"
    others = {met.split(".")[0] for met in within_engine(path)} - {room}
    above = {other for other in others if floor(other) >= floor(room)}
    assert not above, f"{name(path)} imports from {above}, which stand above or beside it"


def test_no_file_imports_itself_in_a_circle():
    """A circle is looked for in the engine, operators, plugins, tests and benchmarks."""
    known = {module(p): p for p in EVERYTHING if p != ENGINE / "__init__.py"}
    graph = {
        here: {m for target in imports(p) for m in (target, target.rpartition(".")[0])} & {*known}
        for here, p in known.items()
    }
    done: set[str] = set()
    while left := {m: targets - done - {m} for m, targets in graph.items() if m not in done}:
        free = {m for m, targets in left.items() if not targets & left.keys()}
        assert free, f"these import each other: {left}"
        done |= free


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_a_folder_is_seen_in_one_look(room):
    folders = [room, *(p for p in room.rglob("*") if p.is_dir() and p.name not in UNCOUNTED)]
    for folder in folders:
        if UNCOUNTED & set(folder.relative_to(room).parts):
            continue
        held = [p.name for p in folder.iterdir() if p.name not in UNCOUNTED and p.name[0] != "."]
        assert len(held) <= MOST, f"{name(folder)} holds {len(held)} entries: look for a room"


def test_every_path_that_contributing_names_exists():
    """A place in `<...>` stands for every fitting one: at least one must be there."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    tops = "restore|operators|plugins|tests|benchmarks|examples|docs"
    paths = {path.rstrip("/.") for path in re.findall(rf"(?<![\w./])(?:{tops})/[\w./<>-]*", text)}
    assert len(paths) > 10
    lost = [path for path in sorted(paths) if not any(ROOT.glob(re.sub("<[^>]*>", "*", path)))]
    assert not lost, f"CONTRIBUTING.md names {lost}, which are not there"


@pytest.mark.parametrize("path", sorted(ENGINE.rglob("*.py")), ids=name)
def test_the_engine_knows_no_operator_no_domain_and_no_file_library(path):
    allowed = {"restore", "torch", "numpy", "pluggy", "packaging", "click", "rich", "safetensors"}
    inside = {target.split(".")[0] for target in imports(path, top_only=True)}
    allowed |= OPTIONAL.get(path.stem, set()) - inside
    met = {target.split(".")[0] for target in imports(path)} - allowed
    foreign = {top for top in met if top not in sys.stdlib_module_names}
    assert not foreign, f"{name(path)} imports {foreign}"


@pytest.mark.parametrize("path", PAPERS, ids=name)
def test_a_sampler_is_one_paper_and_nothing_of_the_driver(path):
    met = within_engine(path) - BELOW_SAMPLERS - SHARED
    assert not met, f"{name(path)} imports {met}; another paper, or the driver"


@pytest.mark.parametrize("path", sorted(SAMPLERS.rglob("*.py")), ids=name)
def test_a_sampler_does_not_speak_seed_or_look_at_the_clock(path):
    tree = ast.parse(path.read_text("utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"print", "tqdm", "torch.manual_seed", "open", "time.time", "time.sleep"}
    assert not _global_draws(tree), f"{name(path)}: all randomness comes from randn_like"
    tops = {target.split(".")[0] for target in imports(path)}
    assert not tops & {"tqdm", "rich", "click", "logging", "random", "time"}


def _global_draws(tree: ast.AST) -> list[str]:
    """Calls that draw from torch's global generator; a probe with its own generator is none."""
    drawing = {"randn", "randn_like", "rand", "rand_like", "randint", "normal", "bernoulli"}
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {f"torch.{draw}" for draw in drawing}
        and all(keyword.arg != "generator" for keyword in node.keywords)
    ]


@pytest.mark.parametrize("path", [p for p in SOURCES if p.stem == "plugin"], ids=name)
def test_a_plugin_imports_only_the_hook_marker_at_the_top(path):
    assert set(imports(path, top_only=True)) <= {
        "restore.plugins.hookspecs.hook",
        "__future__.annotations",
    }


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if not p.is_relative_to(ENGINE)], ids=name
)  # fmt: skip
def test_operators_know_no_domain_and_domains_not_each_other(path):
    own = module(path).split(".")[0]
    domains = {f"restore_{domain}" for domain in DOMAINS} - {own}
    if own in ("restore_mri", "restore_ct", "restore_ultrasound"):
        domains.discard("restore_dicom")
    met = {target.split(".")[0] for target in imports(path)} & domains
    assert not met, f"{name(path)} imports {met}"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.stem != "__init__"], ids=name)
def test_inside_the_house_names_come_from_the_room_that_defines_them(path):
    faces = {f"restore.{n}" for n in _face()}
    met = set(imports(path)) & faces
    assert not met, f"{name(path)} imports {met} from the face, which is for users"


def _face() -> set[str]:
    tree = ast.parse((ENGINE / "__init__.py").read_text("utf-8"))
    table = next(
        n for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Dict)
    )
    return set(ast.literal_eval(table.value))


def test_no_module_is_called_after_nothing():
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [name(path) for path in EVERYTHING if path.stem in vague]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_has_one_subject(path):
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= 300, f"{name(path)} has {lines} lines: look for its second subject"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_says_what_it_is_for(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or not tree.body, f"{name(path)} opens without a sentence"


def test_no_tracked_file_names_a_path_of_some_machine():
    there = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if there.returncode:
        pytest.skip("this is no git checkout")
    path = re.compile(rb"(?<![\w.~$}])/(?:work|root|home|Users)/\w")
    met = []
    for tracked in filter(None, there.stdout.split("\0")):
        file = ROOT / tracked
        content = file.read_bytes() if file.is_file() else b""
        if b"\0" not in content[:4096] and path.search(content):
            met.append(tracked)
    assert not met, f"paths of a machine stand in {met}"


def test_the_plugin_finder_knows_the_distributions_of_the_house():
    """They register first, so that no other plugin takes a name of theirs."""
    files = [
        ROOT / "pyproject.toml",
        *ROOT.glob("operators/*.toml"),
        *ROOT.glob("plugins/*/*.toml"),
    ]
    named = {tomllib.loads(file.read_text("utf-8"))["project"]["name"] for file in files}
    assert named == set(HOUSE)


@pytest.mark.parametrize("path", sorted(ROOT.glob("**/pyproject.toml")), ids=name)
def test_no_package_depends_on_what_would_break_a_plain_install(path):
    if ".venv" in path.parts:
        pytest.skip("not ours")
    project = tomllib.loads(path.read_text("utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    wanted = [*project.get("dependencies", ()), *(line for extra in extras for line in extra)]
    named = {re.split(r"[\s<>=!~\[;]", line, maxsplit=1)[0].lower() for line in wanted}
    assert not named & FORBIDDEN
