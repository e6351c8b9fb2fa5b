"""Chapter 6's formula, table and source, in which one term lights up everywhere at once."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui import controls, source
from pages.ui.figure import text
from pgcore import returns


@dataclass(frozen=True)
class Term:
    """One piece of the formula.

    Args:
        name: in words; the value of the control that highlights it.
        symbol: HTML.
        column: of the table "here", its value at the chosen step.
        format: of that value.
        meaning: one line.
        words: its names in the source of returns.td_errors and returns.gae.
    """

    name: str
    symbol: str
    column: str
    format: str
    meaning: str
    words: tuple[str, ...]


TERMS = (
    Term("reward", "r<sub>t</sub>", "reward", ".0f", "paid for this step", ("rewards",)),
    Term(
        "alive",
        "(1 − terminated<sub>t</sub>)",
        "alive",
        ".0f",
        "0 where the environment ended the episode: nothing follows",
        ("alive", "terminated"),
    ),
    Term(
        "next value",
        "V(s<sub>t+1</sub>)",
        "next_value",
        ".2f",
        "what the network expects from the next state on",
        ("next_values",),
    ),
    Term(
        "value",
        "V(s<sub>t</sub>)",
        "value",
        ".2f",
        "what it expected from this state on: the baseline",
        ("values",),
    ),
    Term(
        "TD error",
        "δ<sub>t</sub>",
        "delta",
        "+.2f",
        "temporal difference: how much better this step went than expected",
        ("deltas", "td_errors"),
    ),
    Term(
        "decay",
        "γλ (1 − ended<sub>t</sub>)",
        "decay",
        ".3f",
        "how much of the next advantage counts; 0 at any end, terminated or truncated",
        ("decay", "lam", "going_on", "truncated"),
    ),
    Term(
        "next advantage",
        "A<sub>t+1</sub>",
        "following",
        "+.2f",
        "the same sum, one step later",
        ("following",),
    ),
)
TERM = controls.choice("term", "Highlight", [term.name for term in TERMS], default="TD error")


def formula() -> str:
    """A and delta as HTML; each symbol sets and shows the highlighted term."""
    by_name = {term.name: _link(term.symbol, term) for term in TERMS}
    advantage = "{TD error} + {decay} {next advantage}"
    error = "{reward} + γ {alive} {next value} − {value}"
    delta = by_name["TD error"]
    return (
        f'<p class="formula">A<sub>t</sub> = {advantage.format_map(by_name)}</p>'
        f'<p class="formula">{delta} = {error.format_map(by_name)}</p>'
    )


def table() -> str:
    """The terms with their values at the chosen step, as HTML."""
    rows = "".join(
        f'<tr data-set="term={term.name}"><td>{term.symbol}</td>'
        f'<td class="number">{text(f"here.{term.column}", term.format)}</td>'
        f'<td class="wrap"><b>{term.name}</b> {term.meaning}</td></tr>'
        for term in TERMS
    )
    total = (
        f'<tr><td>A<sub>t</sub></td><td class="number">{text("here.advantage", "+.2f")}</td>'
        '<td class="wrap"><b>advantage</b> what the policy is trained with</td></tr>'
    )
    head = f'<th>Term</th><th class="number">Row {text("here.t", ".0f")}</th><th></th>'
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}{total}</tbody>"
    return f'<div class="scroll"><table class="terms">{body}</table></div>'


def code() -> str:
    """The source of both functions, linked word by word."""
    words = {word: f"term={term.name}" for term in TERMS for word in term.words}
    return "".join(
        source.linked_words(function, {word: words[word] for word in words if word in names})
        for function, names in ((returns.td_errors, _TD_ERRORS), (returns.gae, _GAE))
    )


_TD_ERRORS = {"rewards", "values", "next_values", "terminated", "alive"}
_GAE = {"deltas", "td_errors", "decay", "lam", "going_on", "truncated", "following"}
STYLE = """<style>
.formula { font-size: 1.15rem; font-style: italic; margin: 0.25rem 0; overflow-wrap: anywhere; }
.formula [data-set] { padding: 0.1rem 0.2rem; border-radius: 4px; }
.terms td { white-space: nowrap; }
.terms td.wrap { white-space: normal; }
</style>"""


def _link(symbol: str, term: Term) -> str:
    return f'<span data-set="term={term.name}" tabindex="-1">{symbol}</span>'
