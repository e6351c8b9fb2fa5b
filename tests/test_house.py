"""The house rules of DESIGN.md, read off the source: who imports whom, and what nobody does."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

# From the ground up; an import points downward, or to a neighbour in the same room.
ROOMS = [
    {"shapes", "returns", "losses", "networks", "mdp", "worlds", "giving_way"},
    {"trajectory", "environments", "envstate", "config"},
    {"agents"},
    {"train", "stats", "estimates"},
    {
        "checkpoints",
        "evaluate",
        "forks",
        "playback",
        "recording",
        "runs",
        "ready",
        "studies",
        "bugs",
        "health",
        "workers",
        "symptoms",
        "collapse",
    },
    {
        "jobs",
        "sweep",
        "sweep_jobs",
        "plan",
        "comparison",
        "grader",
        "grading",
        "questions",
    },
    {"__main__", "sweep_command"},
]
UI, CHAPTER, APP = range(len(ROOMS), len(ROOMS) + 3)
AT_THE_ROOT = {"app.py", "pages", "pgcore", "tests", "requirements.txt", "README.md"} | {
    *("pyproject.toml", "runs", "__pycache__")
}

CORE = sorted((ROOT / "pgcore").rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))
CHAPTERS = sorted(path for path in (ROOT / "pages").glob("*.py") if path.name != "__init__.py")
EVERYTHING = [path for path in (ROOT / "app.py", *PAGES, *CORE) if path.stat().st_size]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=relative)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=relative(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in EVERYTHING}


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an import from a dot hides where it points"
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                yield member if member in MODULES else str(node.module)


def floor(module: str) -> int:
    """How far up in the house a module of ours is."""
    first, _, rest = module.partition(".")
    if first == "app":
        return APP
    if first == "pages":
        return UI if rest == "ui" or rest.startswith("ui.") else CHAPTER
    room = rest.partition(".")[0]
    floors = [i for i, names in enumerate(ROOMS) if room in names]
    assert floors, f"pgcore/{room} has no room: add it to ROOMS in this file, as low as it can be"
    return floors[0]


def ours(tree: ast.Module) -> set[str]:
    names = set(imports(tree)) - {"pgcore", "pages"}
    return {name for name in names if name.partition(".")[0] in {"app", "pages", "pgcore"}}


@each(EVERYTHING)
def test_imports_point_downward(path):
    here = module_name(path)
    for other in ours(parse(path)):
        assert floor(other) <= floor(here), f"{here} imports {other}, which is above it"


def test_importing_pgcore_alone_costs_nothing():
    assert not list(imports(parse(ROOT / "pgcore" / "__init__.py")))


def test_no_two_modules_import_each_other_in_a_circle():
    graph = {module_name(path): ours(parse(path)) for path in EVERYTHING}
    done: set[str] = set()

    def walk(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for other in sorted(graph.get(module, ())):
                walk(other, (*above, module))
            done.add(module)

    for module in graph:
        walk(module, ())


@each(CORE)
def test_pgcore_knows_no_page(path):
    outside = {name.partition(".")[0] for name in imports(parse(path))}
    assert not outside & {"streamlit", "altair", "pages", "app", "tests"}


@each(CHAPTERS)
def test_a_chapter_imports_streamlit_pgcore_and_pages_ui_only(path):
    for name in imports(parse(path)):
        first = name.partition(".")[0]
        allowed = first in sys.stdlib_module_names or first in {"streamlit", "pgcore"}
        assert allowed or f"{name}.".startswith("pages.ui."), f"{relative(path)} imports {name}"


def test_the_root_holds_what_design_says():
    entries = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert entries <= AT_THE_ROOT


@each(CORE)
def test_what_is_public_in_pgcore_says_what_it_is(path):
    tree = parse(path)
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert not tree.body or ast.get_docstring(tree), "the module does not say what it is"
    assert not [node.name for node in public if not ast.get_docstring(node)]


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=" ".join,
)
def test_the_tools_have_no_complaint(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
