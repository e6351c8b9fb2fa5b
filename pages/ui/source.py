"""The source of the function in play, read from the running code."""

from __future__ import annotations

import ast
import html
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

_ROOT = Path(__file__).resolve().parents[2]


def parts(function: Callable[..., Any]) -> tuple[str, str, str]:
    """(where, code without its docstring, docstring): "pgcore/losses.py, line 68", ..."""
    function = inspect.unwrap(function)
    lines, first = inspect.getsourcelines(function)
    where = Path(inspect.getsourcefile(function) or "").resolve()
    code = textwrap.dedent("".join(lines))
    definition = ast.parse(code).body[0]
    docstring = inspect.getdoc(function) or ""
    body = getattr(definition, "body", [])
    if body and ast.get_docstring(definition) is not None:
        kept = code.splitlines(keepends=True)
        del kept[body[0].lineno - 1 : body[0].end_lineno]
        code = "".join(kept)
    name = where.relative_to(_ROOT) if where.is_relative_to(_ROOT) else where.name
    return f"{name}, line {first}", code.strip("\n"), docstring


def show(function: Callable[..., Any], focus: str = "", docstring: bool = True) -> None:
    """Show a function as it runs, with its file and line; the docstring folded away.

    Args:
        function: any Python function or class.
        focus: text in the line that the chapter is about; that line is repeated above.
        docstring: offer the docstring in an expander.
    Raises:
        ValueError: if no line holds `focus`: the page and the code have drifted apart.
    """
    where, code, described = parts(function)
    role = "draws this figure" if "/studies/" in where else "trains the agents"
    st.markdown(f"`{where}` · the code that {role}, read from this running app")
    if focus:
        matching = [line.strip() for line in code.splitlines() if focus in line]
        if not matching:
            raise ValueError(f"no line of {where} holds {focus!r}.")
        st.markdown(f"The line that matters: `{matching[0]}`")
    st.code(code, language="python", wrap_lines=True)
    if docstring and described:
        with st.expander("Its docstring: equation, shapes, source", icon=":material/description:"):
            st.code(described, language=None, wrap_lines=True)


def linked(function: Callable[..., Any], terms: Mapping[str, str]) -> str:
    """The source as HTML for a figure's body, where lines light up with a control's value.

    Args:
        function: any Python function.
        terms: text in a line -> what hovering it sets, as "control=value". One line may match
            several; the first in `terms` wins.
    Returns:
        Trusted HTML for figure.build(body=...): everything from the source is escaped.
    Raises:
        ValueError: if a text is in no line.
    """
    where, code, _ = parts(function)
    rows, unused = [], dict(terms)
    for line in code.splitlines():
        text = html.escape(line) or " "
        setting = next((value for key, value in terms.items() if key in line), None)
        for key in [key for key in unused if key in line]:
            del unused[key]
        link = f' data-set="{html.escape(setting)}"' if setting else ""
        rows.append(f"<div class='code-line'{link}>{text}</div>")
    if unused:
        raise ValueError(f"no line of {where} holds {next(iter(unused))!r}.")
    return _block(where, "".join(rows))


def linked_words(function: Callable[..., Any], words: Mapping[str, str]) -> str:
    """The source as HTML for a figure's body, where words light up and their lines with them.

    Args:
        function: any Python function.
        words: a name in the code -> what hovering it sets, as "control=value".
    Returns:
        Trusted HTML for figure.build(body=...): everything from the source is escaped. The words
        take no Tab key: the control itself does.
    Raises:
        ValueError: if a word is not in the code.
    """
    where, code, _ = parts(function)
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b")
    if missing := set(words) - set(pattern.findall(code)):
        raise ValueError(f"{where} has no {', '.join(sorted(missing))}.")

    def link(match: re.Match[str]) -> str:
        setting = html.escape(words[match[0]])
        return f'<span data-set="{setting}" tabindex="-1">{match[0]}</span>'

    rows = (pattern.sub(link, html.escape(line, quote=False)) or " " for line in code.splitlines())
    lines = "".join(f"<div class='code-line'>{row}</div>" for row in rows)
    return _block(where, lines)


def _block(where: str, lines: str) -> str:
    # A long line scrolls sideways, by keyboard too.
    return f"<p class='where'>{html.escape(where)}</p><div class='code' tabindex='0'>{lines}</div>"
