"""Who computes now: what a training run asks before it goes on."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from pages.ui import live


def page():
    import streamlit as st

    from pages.ui import live

    st.text(live.somebody_waits())
    st.fragment(lambda: st.text(live.somebody_waits()))()


def test_somebody_waits_while_an_answer_is_computed_and_not_after():
    assert not live.somebody_waits()
    at = AppTest.from_function(page).run()
    assert [text.value for text in at.text] == ["True", "True"]
    assert not live.somebody_waits()


def test_the_servers_slots_ask_it():
    assert live.slots().somebody_waits is live.somebody_waits
