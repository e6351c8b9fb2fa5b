"""What a run leaves on the Train page: episodes to watch, files to take along."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui import live, run_names, train_charts, train_fork, train_panels, train_policy
from pgcore import playback as play
from pgcore.checkpoints import SUFFIX, Checkpoint, CheckpointError
from pgcore.config import ConfigError
from pgcore.environments import OFFERED
from pgcore.runs import to_csv


def playback(runs: live.SessionRuns, options: dict) -> None:
    """The untrained agent beside a checkpoint of any run."""
    kept = _most_kept(runs)
    if not kept and runs.active is None:
        return
    # The first checkpoint alone is the untrained agent beside itself.
    waiting = kept < 2 and runs.active is not None
    st.subheader("Watch it play")
    poll = train_charts.POLL_SECONDS if waiting else None
    st.fragment(_playback, run_every=poll, key="playback")(runs, options, waiting)


def _most_kept(runs: live.SessionRuns) -> int:
    return max((len(run.job.snapshot().checkpoints) for run in runs.runs), default=0)


def _playback(runs: live.SessionRuns, options: dict, waiting: bool) -> None:
    if waiting:
        if _most_kept(runs) > 1 or runs.active is None:
            st.rerun()
        st.caption("As soon as the run has a checkpoint to compare with the untrained agent.")
        return
    by_label = {
        run_names.label(run.number, run.job.config, run.job.fork): run
        for run in runs.runs
        if run.job.snapshot().checkpoints
    }
    names = list(by_label)[::-1]
    if not names:
        return
    name = names[0]
    if len(names) > 1:
        name = st.selectbox("Run", names, key=f"playback_run_{names[0]}")
    run = by_label[name]
    newest = {checkpoint.update: checkpoint for checkpoint in run.job.snapshot().checkpoints}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("New random episode", icon=":material/casino:", key="new_episode"):
            st.session_state["playback_seed"] = st.session_state.get("playback_seed", 0) + 1
        st.button(
            "Newest checkpoint",
            icon=":material/refresh:",
            key="newest_checkpoint",
            on_click=train_policy.newest,
        )
    kept, update = train_policy.choose(run.job.number, newest)
    updates = list(kept)
    seed = st.session_state.get("playback_seed", 0)
    columns = st.columns(2)
    for column, title, one in (
        (columns[0], f"After update {updates[0]}" if updates[0] else "Untrained", kept[updates[0]]),
        (columns[1], f"After update {update}", kept[update]),
    ):
        with column, st.spinner("Playing an episode…"):
            episode, gif = live.episode(one, seed)
            st.image(
                gif,
                caption=f"{title}: return {episode.total_return:g}, {episode.length} steps",
                width="stretch",
                alt=f"{title}: an episode of {episode.length} steps.",
            )
            note = play.speed_note(episode)
            if note:
                st.caption(note)
    with st.spinner("Drawing what it thinks…"):
        train_policy.show(run.job.number, kept, update, episode, seed)
    with st.container(horizontal=True):
        _download("This episode as GIF", gif, f"episode-{update}.gif", "image/gif")
        _download(
            "This checkpoint",
            kept[update].data,
            f"checkpoint-{update}{SUFFIX}",
            "application/octet-stream",
        )
    train_fork.show(runs, run, kept[update], options)


def downloads(runs: live.SessionRuns, options: dict) -> None:
    """The metrics of each run as CSV, and going on from a checkpoint file."""
    st.subheader("Take it with you")
    with st.container(horizontal=True):
        for run in runs.runs:
            name = run_names.label(run.number, run.job.config, run.job.fork)
            _download(
                f"Metrics of {name} as CSV",
                # Made when it is asked for, from the run as it stands then.
                lambda job=run.job: to_csv(job.snapshot().stats),
                f"metrics-run-{run.number}.csv",
                "text/csv",
            )
    file = st.file_uploader(
        "Go on from a checkpoint file",
        type=[SUFFIX.removeprefix(".")],
        key="upload",
        help="It continues bit for bit as if it had never stopped. Nothing in it is executed.",
    )
    if file is None:
        return
    try:
        checkpoint = Checkpoint.from_bytes(file.getvalue())
        if checkpoint.config.env_id not in OFFERED:
            # An id can name a module, which making the environment would import.
            raise CheckpointError(f"{checkpoint.config.env_id} is not trained on this page.")
    except CheckpointError as problem:
        train_panels.say(problem)
        return
    more = st.number_input(
        "Train up to update",
        min_value=checkpoint.update + 1,
        value=max(checkpoint.config.n_updates, checkpoint.update + 20),
        key="upload_until",
    )
    st.caption(
        f"{run_names.ALGORITHM_NAMES.get(checkpoint.config.algorithm)} on "
        f"{checkpoint.config.env_id} after update {checkpoint.update:,}."
    )
    if st.button("Continue this run", icon=":material/resume:", disabled=runs.active is not None):
        try:
            train_panels.start(runs, checkpoint.config.replace(n_updates=more), options, checkpoint)
        except ConfigError as problem:
            train_panels.say(problem)


def _download(label: str, data: bytes | Callable[[], str], name: str, mime: str) -> None:
    # Streamlit would rerun the page after a download; nothing on it has changed.
    st.download_button(
        label, data, name, mime, icon=":material/download:", on_click="ignore", key=f"get_{name}"
    )
