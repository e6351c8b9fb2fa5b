"""What no line of the source does: run code from a file, or draw from a shared generator."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.test_house import EVERYTHING, each, imports, parse, relative

UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
UNSAFE_CALLS = {
    *("eval", "exec", "compile", "__import__"),
    *("torch.load", "joblib.load", "pd.read_pickle", "pandas.read_pickle"),
}
OWN_GENERATORS = {"default_rng", "Generator", "SeedSequence", "PCG64", "BitGenerator"}
TORCH_DRAWS = {
    *("rand", "randn", "randint", "randperm", "normal", "multinomial", "poisson"),
    *("rand_like", "randn_like", "randint_like"),
}
METHODS_THAT_DRAW = {
    *("bernoulli", "sample", "rsample", "uniform_", "normal_", "bernoulli_", "exponential_"),
    *("random_", "log_normal_", "geometric_", "cauchy_", "trunc_normal_", "sparse_"),
    *("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_"),
}
# A learner's code draws from the global generator, in a process of its own that nobody shares.
SEEDS_ITS_OWN_PROCESS = {"pgcore/grading/child.py", "pgcore/grading/loop.py"}
DRAWS_WHEN_MADE = {"Linear", "Conv1d", "Conv2d", "Embedding", "GRU", "LSTM", "Dropout"}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def unsafe(tree: ast.Module) -> Iterator[str]:
    """What runs code from a file or a text."""
    for name in imports(tree):
        if name.partition(".")[0] in UNSAFE_MODULES:
            yield f"import {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from sorted(members & UNSAFE_CALLS)
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            pickles = any(
                keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
                for keyword in node.keywords
            )
            if name in UNSAFE_CALLS or pickles:
                yield f"line {node.lineno}: {name}"


def global_draws(tree: ast.Module) -> Iterator[str]:
    """What draws from, or seeds, a generator that all sessions of a server share."""
    for name in imports(tree):
        if name.partition(".")[0] == "random":
            yield "import random"
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = {id(node.value) for node in attributes if node.attr in OWN_GENERATORS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            head, _, last = name.rpartition(".")
            if name in {"np.random", "numpy.random"} and id(node) not in own:
                yield f"line {node.lineno}: {name}"
            if head in {"torch", "torch.random", "torch.cuda"} and last in {"manual_seed", "seed"}:
                yield f"line {node.lineno}: {name}"
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            last = getattr(node.func, "attr", name)
            given = {"generator", "rng"} & {keyword.arg for keyword in node.keywords}
            draws = last in METHODS_THAT_DRAW or name in {f"torch.{draw}" for draw in TORCH_DRAWS}
            if draws and not given:
                yield f"line {node.lineno}: {last}() without a generator"
            if last in DRAWS_WHEN_MADE and name.partition(".")[0] in {"nn", "torch", last}:
                yield f"line {node.lineno}: {name}() draws its weights from the global generator"


@each(EVERYTHING)
def test_nothing_runs_code_from_a_file_or_a_text(path):
    assert not list(unsafe(parse(path)))


@each(EVERYTHING)
def test_nothing_draws_from_a_global_generator(path):
    own = relative(path) in SEEDS_ITS_OWN_PROCESS
    found = global_draws(parse(path))
    assert not [line for line in found if not own or not line.endswith("torch.manual_seed")]


@pytest.mark.parametrize(
    "line",
    [
        *("import pickle", "from pickle import loads", "eval('1')", "exec(text)"),
        *(
            "from torch import load",
            "joblib.load(path)",
            "torch.load(path)",
            "np.load(path, allow_pickle=True)",
            "__import__(name)",
        ),
    ],
)
def test_unsafe_lines_are_found(line):
    assert list(unsafe(ast.parse(line)))
    assert not list(unsafe(ast.parse("agent.eval(); json.loads(text); safetensors.torch.load(b)")))


@pytest.mark.parametrize(
    "line",
    [
        *("import random", "from random import choice", "np.random.rand(3)", "np.random.seed(0)"),
        *("torch.manual_seed(0)", "torch.randn(3)", "weight.normal_()", "dist.sample()"),
        *("Categorical(probs).sample((3,))", "torch.multinomial(probs, 1)", "nn.Linear(2, 3)"),
        *(
            "nn.init.orthogonal_(weight, 1.0)",
            "f = np.random.normal",
            "rng = np.random",
            "torch.nn.Linear(2, 3)",
        ),
    ],
)
def test_global_draws_are_found(line):
    assert list(global_draws(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        *("np.random.default_rng(0)", "rng.normal(size=3)", "self.noise.gumbel(size=3)"),
        *("torch.randn(3, generator=g)", "torch.Generator().manual_seed(0)"),
        *("np.random.default_rng(0).normal(size=3)", "generator.multinomial(3, probs)"),
        *("weight.normal_(generator=g)", "nn.utils.skip_init(nn.Linear, 2, 3)"),
    ],
)
def test_own_generators_are_let_through(line):
    assert not list(global_draws(ast.parse(line)))
