"""Compare lines of Python by what they say, without running them.

A line becomes a nested tuple in which notation no longer shows: method or function, keyword or
position, order of factors and terms, where a minus sign stands. Equal tuples, equal lines; lines
that are equal by deeper mathematics may differ.
"""

from __future__ import annotations

import ast
from typing import Any

MAX_LENGTH = 200
_MODULES = {"torch", "F", "np", "math", "functional"}
# Positions of arguments that are often given by keyword.
_POSITIONS: dict[str, tuple[str, ...]] = {
    "clamp": ("input", "min", "max"),
    "squeeze": ("input", "dim"),
    "unsqueeze": ("input", "dim"),
    "softmax": ("input", "dim"),
    "log_softmax": ("input", "dim"),
    "logsumexp": ("input", "dim", "keepdim"),
    "gather": ("input", "dim", "index"),
    "mean": ("input", "dim"),
    "sum": ("input", "dim"),
}
_ALIASES = {"clip": "clamp", "absolute": "abs", "true_divide": "div", "divide": "div"}
_TWO_ARGUMENTS = {"min": "minimum", "max": "maximum"}
_ARITHMETIC: dict[str, type[ast.operator]] = {
    "mul": ast.Mult,
    "multiply": ast.Mult,
    "add": ast.Add,
    "sub": ast.Sub,
    "subtract": ast.Sub,
    "div": ast.Div,
    "pow": ast.Pow,
}
_LINEAR = {"mean", "sum"}
_SYMMETRIC = {"minimum", "maximum"}
Form = tuple[Any, ...]


def parse(text: str, target: str) -> Form:
    """The normal form of an expression, or of an assignment to `target`.

    Raises:
        ValueError: one sentence for the person who typed it: empty, too long, not Python, more
            than one line, or an assignment to something else.
    """
    text = text.strip()
    if not text:
        raise ValueError("Write the line first.")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"That is {len(text)} characters; {MAX_LENGTH} are enough for this line.")
    if not text.isprintable():
        raise ValueError("Write exactly one line of Python, without tabs or control characters.")
    try:
        body = ast.parse(text).body
        if len(body) != 1:
            raise ValueError("Write exactly one line of Python.")
        (statement,) = body
        if isinstance(statement, ast.Assign):
            if [ast.unparse(each) for each in statement.targets] != [target]:
                raise ValueError(f"The line assigns to `{target}`, and to nothing else.")
            return _form(statement.value)
        if isinstance(statement, ast.Expr):
            return _form(statement.value)
    except SyntaxError as problem:
        where = f" (near character {problem.offset})" if problem.offset else ""
        raise ValueError(f"That is not a line of Python: {problem.msg}{where}.") from None
    except (RecursionError, MemoryError):
        raise ValueError("That line is nested too deeply to read.") from None
    raise ValueError(f"Write what `{target}` is set to: an expression.")


def names(text: str) -> set[str]:
    """The variables that a line uses; modules and functions are none."""
    nodes = list(ast.walk(ast.parse(text.strip())))
    called = {node.func for node in nodes if isinstance(node, ast.Call)}
    return {
        node.id
        for node in nodes
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and node not in called
        and node.id not in _MODULES
    }


def _form(node: ast.expr) -> Form:
    match node:
        case ast.Constant(value=bool()):
            return ("constant", node.value)
        case ast.Constant(value=int() | float() as value):
            return ("number", float(value))
        case ast.Name():
            return ("name", node.id)
        case ast.UnaryOp(op=ast.USub()):
            return _product([("number", -1.0), _form(node.operand)])
        case ast.UnaryOp(op=ast.UAdd()):
            return _form(node.operand)
        case ast.UnaryOp(op=ast.Invert() | ast.Not()):
            return (type(node.op).__name__, _form(node.operand))
        case ast.BinOp():
            return _arithmetic(type(node.op), _form(node.left), _form(node.right))
        case ast.Call():
            return _call(node)
        case ast.Attribute():
            return ("attribute", _form(node.value), node.attr)
        case ast.Subscript():
            return ("index", _form(node.value), ast.dump(node.slice))
    return ("other", ast.dump(node))


def _arithmetic(operator: type[ast.operator], left: Form, right: Form) -> Form:
    if operator is ast.Add:
        return _sum([left, right])
    if operator is ast.Sub:
        return _sum([left, _product([("number", -1.0), right])])
    if operator is ast.Mult:
        return _product([left, right])
    if operator is ast.Div:
        return _product([left, ("power", right, ("number", -1.0))])
    if operator is ast.Pow:
        return ("power", left, right)
    return (operator.__name__, left, right)


def _sum(terms: list[Form]) -> Form:
    flat: list[Form] = []
    for term in terms:
        flat += term[1] if term[0] == "sum" else [term]
    constant = sum(term[1] for term in flat if term[0] == "number")
    rest = sorted((term for term in flat if term[0] != "number"), key=repr)
    if constant or not rest:
        rest.append(("number", constant))
    return rest[0] if len(rest) == 1 else ("sum", tuple(rest))


def _product(factors: list[Form]) -> Form:
    flat: list[Form] = []
    for factor in factors:
        flat += factor[1] if factor[0] == "product" else [factor]
    constant = 1.0
    for factor in flat:
        if factor[0] == "number":
            constant *= factor[1]
    rest = sorted((factor for factor in flat if factor[0] != "number"), key=repr)
    if len(rest) == 1 and rest[0][0] == "sum" and constant != 1.0:
        # A sum knows its own sign: -(a - b) is b - a.
        return _sum([_product([("number", constant), term]) for term in rest[0][1]])
    if constant != 1.0 or not rest:
        rest.insert(0, ("number", constant))
    return rest[0] if len(rest) == 1 else ("product", tuple(rest))


def _call(node: ast.Call) -> Form:
    arguments = [_form(each) for each in node.args]
    keywords = {each.arg or "**": _form(each.value) for each in node.keywords}
    if isinstance(node.func, ast.Attribute):
        name = _ALIASES.get(node.func.attr, node.func.attr)
        owner = node.func.value
        is_module = (isinstance(owner, ast.Name) and owner.id in _MODULES) or (
            isinstance(owner, ast.Attribute) and owner.attr in _MODULES
        )
        if not is_module:  # x.exp() says the same as torch.exp(x)
            arguments.insert(0, _form(owner))
    else:
        # Python's own min is not torch.min: kept apart.
        return ("builtin", _form(node.func), tuple(arguments), tuple(sorted(keywords.items())))
    for position in _POSITIONS.get(name, ())[len(arguments) :]:
        if position not in keywords:
            break
        arguments.append(keywords.pop(position))
    if len(arguments) == 2 and not keywords:
        if name in _ARITHMETIC:
            return _arithmetic(_ARITHMETIC[name], *arguments)
        name = _TWO_ARGUMENTS.get(name, name)
    if name in ("square", "neg", "negative") and len(arguments) == 1:
        if name == "square":
            return ("power", arguments[0], ("number", 2.0))
        return _product([("number", -1.0), arguments[0]])
    if name in _LINEAR and len(arguments) == 1 and not keywords:
        return _pull_out(name, arguments[0])
    if name in _SYMMETRIC:
        arguments.sort(key=repr)
    return ("call", name, tuple(arguments), tuple(sorted(keywords.items())))


def _pull_out(name: str, argument: Form) -> Form:
    """mean(-x) is -mean(x): a constant factor stands outside."""
    if argument[0] == "product" and argument[1][0][0] == "number":
        constant, *rest = argument[1]
        return _product([constant, ("call", name, (_product(rest),), ())])
    return ("call", name, (argument,), ())
