"""Run folders: what is in them, read back with what others would read it with."""

from __future__ import annotations

import csv
import json
import time
from functools import partial

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pgcore import checkpoints, runs
from pgcore.checkpoints import Checkpoint, CheckpointError
from pgcore.config import TrainConfig
from pgcore.runs import COLUMNS, RunFolder, RunFolderError, checkpoint_files, latest_checkpoint
from pgcore.train import Trainer

CONFIG = TrainConfig.fast("ppo", n_updates=7, n_envs=4, n_steps=24, checkpoint_every=3)


def record(path, config=CONFIG, stop_after=None):
    """A run in a folder; its stats."""
    stats = []
    with RunFolder(path, config) as folder:
        updates = folder.record(Trainer(config))
        for one in updates:
            stats.append(one)
            if one.update == stop_after:
                break
        updates.close()
    return stats


def go_on(path, **changes):
    """The newest checkpoint of a folder, continued into the same folder."""
    trainer = checkpoints.resume(latest_checkpoint(path), **changes)
    with RunFolder(path, trainer.config, resume_at=trainer.update_count) as folder:
        return list(folder.record(trainer))


def metrics(path) -> list[dict[str, str]]:
    with (path / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def scalars(path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(path))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "one"
    return path, record(path)


def test_what_is_in_the_folder(run):
    path, _ = run
    names = {one.name for one in path.iterdir()}
    (events,) = names - {"checkpoints", "config.json", "metrics.csv"}
    assert events.startswith("events.out.tfevents")
    assert TrainConfig.from_json((path / "config.json").read_text()) == CONFIG
    assert list(checkpoint_files(path)) == [0, 3, 6, 7]
    for update, file in checkpoint_files(path).items():
        loaded = Checkpoint.load(file)
        assert (loaded.update, loaded.config) == (update, CONFIG)
    assert latest_checkpoint(path).update == 7


def test_metrics_equal_the_stats(run):
    path, stats = run
    rows = metrics(path)
    assert list(rows[0]) == list(COLUMNS)
    assert [int(row["update"]) for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    for row, one in zip(rows, stats, strict=True):
        for name, value in one.row().items():
            # Python writes the shortest text that reads back as the same number.
            assert (float(row[name]) if row[name] else None) == value, name


def test_columns():
    assert ",".join(COLUMNS) == (
        "update,env_steps,seconds,reward_per_step,policy_loss,value_loss,entropy,approx_kl,"
        "clip_fraction,zero_gradient_fraction,ratio_spread,explained_variance,grad_norm,learning_rate,"
        "episodes,return_mean,return_min,return_max,length_mean"
    )


def test_a_quantity_that_does_not_exist_is_empty(tmp_path):
    config = TrainConfig.fast("reinforce", n_updates=2, n_envs=4, n_steps=8)
    record(tmp_path / "run", config)
    for row in metrics(tmp_path / "run"):
        for name in ("value_loss", "approx_kl", "clip_fraction", "explained_variance"):
            assert row[name] == ""
    tags = scalars(tmp_path / "run")
    assert "value_loss" not in tags and "policy_loss" in tags


def test_tensorboard_reads_the_events(run):
    path, stats = run
    read = scalars(path)
    assert [step for step, _ in read["Reward"]] == [one.update for one in stats]
    assert [value for _, value in read["Reward"]] == pytest.approx(
        [one.reward_per_step for one in stats]
    )
    assert set(read) == {"Reward", *COLUMNS} - {"update", "reward_per_step"}
    for name in set(read) - {"Reward"}:
        expected = [(one.update, value) for one in stats if (value := one.row()[name]) is not None]
        steps, values = zip(*read[name], strict=True)
        assert steps == tuple(step for step, _ in expected), name
        assert values == pytest.approx([value for _, value in expected], rel=1e-6), name


def test_to_csv_is_the_file(run):
    path, stats = run
    assert runs.to_csv(stats) == (path / "metrics.csv").read_text()
    assert runs.to_csv(()) == ",".join(COLUMNS) + "\n"
    assert runs.to_csv(stats[:1], header=False).startswith("1,96,")


# Continuing ---------------------------------------------------------------------------------------


def without_time(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: text for name, text in row.items() if name != "seconds"} for row in rows]


def test_resume_drops_the_rows_after_the_checkpoint(tmp_path, run):
    path = tmp_path / "run"
    record(path, stop_after=5)
    assert list(checkpoint_files(path)) == [0, 3, 5]
    # As after a crash: rows 4 and 5 were written, the newest checkpoint is of update 3.
    checkpoint_files(path)[5].unlink()
    assert len(metrics(path)) == 5
    # TensorBoard reads its files by the second in their names, and within one by a counter as text.
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.02)
    assert [one.update for one in go_on(path)] == [4, 5, 6, 7]
    assert without_time(metrics(path)) == without_time(metrics(run[0]))
    read = scalars(path)["Reward"]
    assert read == scalars(run[0])["Reward"]
    assert list(checkpoint_files(path)) == [0, 3, 6, 7]


def test_a_closed_generator_leaves_a_checkpoint_to_go_on_from(tmp_path, run):
    path = tmp_path / "run"
    record(path, stop_after=2)
    assert latest_checkpoint(path).update == 2
    go_on(path)
    assert without_time(metrics(path)) == without_time(metrics(run[0]))


def test_a_finished_run_can_be_made_longer(tmp_path):
    path = tmp_path / "run"
    record(path, CONFIG.replace(n_updates=2))
    go_on(path, n_updates=4)
    assert [row["update"] for row in metrics(path)] == ["1", "2", "3", "4"]
    assert json.loads((path / "config.json").read_text())["n_updates"] == 4


def test_going_on_from_an_older_checkpoint_drops_the_newer_ones(tmp_path):
    path = tmp_path / "run"
    record(path)
    older = Checkpoint.load(checkpoint_files(path)[3])
    trainer = checkpoints.resume(older)
    with RunFolder(path, trainer.config, resume_at=3) as folder:
        updates = folder.record(trainer)
        next(updates)
        updates.close()
    assert [row["update"] for row in metrics(path)] == ["1", "2", "3", "4"]
    assert latest_checkpoint(path).update == 4


def test_going_on_before_the_first_update(tmp_path, run):
    """Stopped so early that only the untrained checkpoint is there."""
    path = tmp_path / "run"
    with RunFolder(path, CONFIG) as folder:
        folder.save(checkpoints.take(Trainer(CONFIG)))
    go_on(path)
    assert without_time(metrics(path)) == without_time(metrics(run[0]))


def test_another_run_is_not_continued_into_this_folder(tmp_path):
    path = tmp_path / "run"
    record(path)
    before = {one: one.read_bytes() for one in path.rglob("*") if one.is_file()}
    with pytest.raises(RunFolderError, match="already holds another run: choose another name"):
        RunFolder(path, CONFIG.replace(seed=1), resume_at=3)
    assert {one: one.read_bytes() for one in path.rglob("*") if one.is_file()} == before


def test_a_checkpoint_continued_into_a_new_folder(tmp_path):
    record(tmp_path / "old")
    trainer = checkpoints.resume(latest_checkpoint(tmp_path / "old"), n_updates=9)
    with RunFolder(tmp_path / "new", trainer.config, resume_at=7) as folder:
        list(folder.record(trainer))
    assert [row["update"] for row in metrics(tmp_path / "new")] == ["8", "9"]
    assert list(checkpoint_files(tmp_path / "new")) == [7, 9]


# Refused ------------------------------------------------------------------------------------------


def refused(build) -> str:
    with pytest.raises(RunFolderError) as caught:
        build()
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def test_a_run_that_exists_is_refused_and_stays_as_it_was(tmp_path):
    path = tmp_path / "run"
    record(path)
    before = {one: one.read_bytes() for one in path.rglob("*") if one.is_file()}
    assert "already holds a run" in refused(lambda: RunFolder(path, CONFIG))
    assert {one: one.read_bytes() for one in path.rglob("*") if one.is_file()} == before


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for path in (
        tmp_path / "file" / "run",
        "/proc/no/run",
        tmp_path / "file",
        tmp_path / ("x" * 300),
    ):
        for at in (None, 0, 3):
            refusal = refused(partial(RunFolder, path, CONFIG, resume_at=at))
            assert "cannot be written" in refusal
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_disk_that_refuses_in_the_middle(tmp_path):
    path = tmp_path / "run"
    with RunFolder(path, CONFIG) as folder:
        updates = folder.record(Trainer(CONFIG))
        next(updates)
        (path / "metrics.csv").unlink()
        (path / "metrics.csv").mkdir()
        assert "metrics.csv cannot be written" in refused(lambda: next(updates))
    with RunFolder(tmp_path / "other", CONFIG) as folder:
        for file in folder.checkpoints.iterdir():
            file.unlink()
        folder.checkpoints.rmdir()
        folder.checkpoints.write_text("in the way")
        assert "checkpoints cannot be written" in refused(
            lambda: next(folder.record(Trainer(CONFIG)))
        )


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"update\nabc,1\n", b"\xff\xfe\x00", b"update,env_steps\n1,2\n\n3\n"]
)
def test_damaged_metrics_are_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "run"
    record(path)
    (path / "metrics.csv").write_bytes(content)
    assert "metrics.csv is damaged" in refused(lambda: RunFolder(path, CONFIG, resume_at=3))
    assert (path / "metrics.csv").read_bytes() == content


def test_metrics_with_the_columns_of_another_version(tmp_path):
    """What the refusal advises also works."""
    path = tmp_path / "run"
    record(path, stop_after=3)
    table = path / "metrics.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    gone = rows[0].index("ratio_spread")
    old = "".join(",".join(row[:gone] + row[gone + 1 :]) + "\n" for row in rows)
    table.write_text(old)
    assert "has other columns than this version" in refused(
        lambda: RunFolder(path, CONFIG, resume_at=3)
    )
    assert table.read_text() == old
    table.unlink()
    go_on(path)
    assert [row["update"] for row in metrics(path)] == ["4", "5", "6", "7"]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/tmp/x", "a\\b", "-rf", ".hidden", "a b", "é", "x\n", "x" * 81],
)
def test_bad_names_are_refused(tmp_path, name):
    assert "a run's name is made of" in refused(lambda: runs.folder_for(tmp_path, name))


@pytest.mark.parametrize("name", ["x", "ppo-fast-seed0", "2024_01.b", "x" * 80])
def test_good_names(tmp_path, name):
    assert runs.folder_for(tmp_path, name) == tmp_path / name


def test_a_folder_without_a_usable_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no checkpoint\.$"):
        latest_checkpoint(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"cannot be read: File name too long\.$"):
        latest_checkpoint(tmp_path / ("x" * 300))
    path = tmp_path / "run"
    record(path)
    # Not ours: neither a number in the name.
    for name in ("best.safetensors", "².safetensors", ".000009.safetensors.x7"):
        (path / "checkpoints" / name).write_bytes(b"")
    assert list(checkpoint_files(path)) == [0, 3, 6, 7]
    checkpoint_files(path)[7].write_bytes(b"half")
    with pytest.raises(CheckpointError, match="damaged"):
        latest_checkpoint(path)


def test_checkpoints_on_disk_stay_within_the_bound(tmp_path):
    config = CONFIG.replace(n_updates=70, checkpoint_every=1, n_steps=4)
    record(tmp_path / "run", config)
    kept = checkpoint_files(tmp_path / "run")
    assert len(kept) == checkpoints.MAX_KEPT
    assert {0, 70} <= set(kept)
