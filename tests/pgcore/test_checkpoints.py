"""Checkpoints: a run continued bit for bit, files damaged in many ways, and a bound on memory."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgcore import agents, checkpoints
from pgcore.checkpoints import MAX_KEPT, MAX_KEPT_BYTES, Checkpoint, CheckpointError, resume, take
from pgcore.config import ALGORITHMS, MAX_UPDATES, ConfigError, TrainConfig
from pgcore.train import Trainer
from tests.pgcore import toys

SMALL = {"n_updates": 6, "n_envs": 4, "n_steps": 24}


def trained(config: TrainConfig, updates: int) -> Trainer:
    trainer = Trainer(config)
    for _ in range(updates):
        trainer.rollout()
        trainer.update()
    return trainer


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return take(trained(TrainConfig.fast("ppo", **SMALL), 2))


def rewritten(checkpoint: Checkpoint, *, header=None, tensors=None) -> bytes:
    """A file made by somebody else: well formed, stamped, and with other content."""
    kept = safetensors.torch.load(checkpoint.data) | (tensors or {})
    kept = {name: tensor for name, tensor in kept.items() if tensor is not None}
    state = checkpoints._state(checkpoint.data) | {"sha256": "0" * 64} | (header or {})
    data = safetensors.torch.save(kept, metadata={"pgcore": json.dumps(state)})
    stamp = checkpoints._hash(data, "0" * 64)
    return data.replace(b"0" * 64, stamp.encode(), 1)


def refused(data: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.from_bytes(data)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence and len(sentence) < 300
    return sentence


# Continuing ---------------------------------------------------------------------------------------


def assert_same_trainer(ours: Trainer, theirs: Trainer) -> None:
    for (name, a), b in zip(
        ours.agent.state_dict().items(), theirs.agent.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    # Everything that a checkpoint holds, moments and random states and environments included.
    mine, given_ = (safetensors.torch.load(take(one).data) for one in (ours, theirs))
    assert mine.keys() == given_.keys()
    for name in mine:
        assert torch.equal(mine[name], given_[name]), name


@pytest.mark.parametrize("build", [TrainConfig.fast, TrainConfig.homework])
@pytest.mark.parametrize(
    ("env_id", "algorithm"),
    [
        *(("CartPole-v1", algorithm) for algorithm in ALGORITHMS),
        ("Acrobot-v1", "ppo"),
        ("MountainCar-v0", "vpg"),
        (toys.RANDOM_LENGTH, "ppo"),
    ],
)
def test_resume_is_bit_for_bit(tmp_path, build, algorithm, env_id):
    config = build(algorithm, env_id=env_id, seed=3, **SMALL | {"n_updates": 4})
    if config.minibatch_size:
        # So small that the order of the rows is drawn here too.
        config = config.replace(minibatch_size=32)
    straight = Trainer(config)
    taken, expected = [take(straight)], []
    for stats in straight.run():
        expected.append(stats)
        taken.append(take(straight))
    for update, checkpoint in enumerate(taken):
        path = tmp_path / f"{update}.safetensors"
        checkpoint.save(path)
        loaded = Checkpoint.load(path)
        assert loaded == checkpoint
        again = resume(loaded)
        assert list(again.run()) == expected[update:]
        assert_same_trainer(again, straight)


def test_the_episodes_under_way_are_carried_over():
    # Rollouts of 24 steps cut most episodes: without the counters their returns would be short.
    config = TrainConfig.fast("ppo", **SMALL)
    first = trained(config, 1)
    assert first.running_lengths.any()
    again = resume(take(first))
    np.testing.assert_array_equal(again.running_lengths, first.running_lengths)
    np.testing.assert_array_equal(again.obs, first.obs)


def test_an_annealed_learning_rate_goes_on_where_it_was():
    config = TrainConfig.fast("ppo", **SMALL, anneal_learning_rate=True)
    again = resume(take(trained(config, 3)))
    rates = [stats.learning_rate for stats in again.run()]
    np.testing.assert_allclose(rates, [0.025 * left / 6 for left in (3, 2, 1)])


def test_a_run_can_be_made_longer(checkpoint):
    longer = resume(checkpoint, n_updates=9)
    assert [stats.update for stats in longer.run()] == [3, 4, 5, 6, 7, 8, 9]
    assert longer.config == checkpoint.config.replace(n_updates=9)
    with pytest.raises(ConfigError, match="n_updates must be from 1"):
        resume(checkpoint, n_updates=0)


def test_taking_a_checkpoint_changes_nothing():
    config = TrainConfig.fast("ppo", **SMALL)
    plain, watched = Trainer(config), Trainer(config)
    for ours, theirs in zip(plain.run(), watched.run(), strict=True):
        take(watched)
        assert ours == theirs
    assert_same_trainer(plain, watched)


def test_a_checkpoint_does_not_change_later():
    trainer = trained(TrainConfig.fast("ppo", **SMALL), 1)
    kept = take(trainer)
    before = kept.agent().state_dict()
    data = bytes(kept.data)
    list(trainer.run())
    assert kept.data == data
    for name, weight in kept.agent().state_dict().items():
        assert torch.equal(weight, before[name])
    assert not torch.equal(trainer.agent.policy[0].weight, before["policy.0.weight"])


def test_the_file_is_plain_safetensors(checkpoint):
    tensors = safetensors.torch.load(checkpoint.data)
    agent = checkpoint.agent()
    assert torch.equal(tensors["policy.0.weight"], agent.policy[0].weight)
    assert torch.equal(tensors["value.2.bias"], agent.value[2].bias)


def test_an_environment_of_odd_state_can_be_watched_but_not_continued():
    config = TrainConfig.fast("ppo", env_id=toys.NOTEBOOK, **SMALL)
    kept = Checkpoint.from_bytes(take(Trainer(config)).data)
    assert kept.agent()
    with pytest.raises(CheckpointError, match=r"cannot be continued: Notebook\.notes is a set"):
        resume(kept)


# Damaged files ------------------------------------------------------------------------------------


def test_every_truncation_is_refused(checkpoint):
    data = checkpoint.data
    header_end = 8 + struct.unpack("<Q", data[:8])[0]
    near_the_seam = range(header_end - 20, header_end + 20)
    for length in {*range(0, len(data), 97), *range(12), *near_the_seam, len(data) - 1}:
        assert "damaged" in refused(data[:length]), length


def test_every_flipped_byte_is_refused(checkpoint):
    data = checkpoint.data
    header_end = 8 + struct.unpack("<Q", data[:8])[0]
    # Every byte of the length, every few of the header, some of the tensors.
    for at in {*range(8), *range(8, header_end, 7), *range(header_end, len(data), 211)}:
        for mask in (0x01, 0x20, 0x80):
            flipped = bytearray(data)
            flipped[at] ^= mask
            refused(bytes(flipped))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"not a checkpoint at all",
        b"\xff" * 8 + b"{}",  # a header of 16 exabytes
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 100_002) + b"[" * 100_000 + b"{}",  # nested beyond the parser's depth
        struct.pack("<Q", 4) + b"null",
        b"\x89PNG\r\n\x1a\n" + bytes(1000),
        b"PK\x03\x04" + bytes(1000),  # what torch.save writes
    ],
    ids=lambda data: repr(data[:12]),
)
def test_something_else_is_refused(data):
    assert "not a checkpoint" in refused(data)


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data):
    refused(data)


def test_another_safetensors_file_is_refused():
    for metadata in (None, {"format": "pt"}, {"pgcore": "{"}, {"pgcore": "[1, 2]"}):
        data = safetensors.torch.save({"policy.0.weight": torch.zeros(2, 2)}, metadata=metadata)
        assert "not a checkpoint" in refused(data)


def test_rewritten_is_accepted_as_it_is(checkpoint):
    """The helper of the tests below makes good files: what they refuse is what was changed."""
    assert Checkpoint.from_bytes(rewritten(checkpoint)).update == checkpoint.update


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"config": {"clip_eps": 2.0}}, "config is not valid: clip_eps must be above 0"),
        ({"config": {"colour": 1}}, "config is not valid: there is no setting named 'colour'"),
        ({"config": [1]}, "config is not valid"),
        ({"config": {"algorithm": "magic"}}, "config is not valid: algorithm must be one of"),
        ({"update": None}, "header is damaged"),
        ({"update": "seven"}, "header is damaged"),
        ({"update": float("inf")}, "header is damaged"),
        ({"update": float("nan")}, "header is damaged"),
        ({"update": -1}, "header is damaged"),
        ({"update": MAX_UPDATES + 1}, "header is damaged"),
        ({"config": {"env_id": "antigravity:Fly-v0"}}, "names a module: it is not imported"),
        ({"config": {"hidden": [32]}}, "weights do not fit"),
        ({"config": {"hidden": [64, 64]}}, "weights do not fit"),
    ],
)
def test_a_wrong_header_is_refused(checkpoint, header, says):
    assert says in refused(rewritten(checkpoint, header=header))


@pytest.mark.parametrize(
    "tensors",
    [
        {"policy.0.weight": torch.zeros(64, 9)},
        {"policy.0.weight": torch.zeros(5)},
        {"policy.0.weight": torch.zeros(64, 0)},
        {"policy.0.weight": torch.zeros(0, 10**12)},
        {"policy.0.weight": None},
        {"policy.0.bias": None},
        {"policy.2.bias": torch.zeros(10**12, 0)},
        {"policy.2.bias": torch.zeros(3)},
        {"policy.2.bias": torch.zeros(0)},
        {"value.2.weight": torch.zeros(1, 65)},
        {"value.4.weight": torch.zeros(1)},
    ],
    ids=lambda tensors: " ".join(
        f"{k} {None if v is None else [*v.shape]}" for k, v in tensors.items()
    ),
)
def test_weights_of_another_shape_are_refused(checkpoint, tensors):
    assert "weights do not fit" in refused(rewritten(checkpoint, tensors=tensors))


@pytest.mark.parametrize(
    ("header", "tensors"),
    [
        ({"noise": {}}, {}),
        ({"noise": 5}, {}),
        ({"environments": "{"}, {}),
        ({"seconds": "long"}, {}),
        ({}, {"random.agent": None}),
        ({}, {"random.shuffle": torch.zeros(3, dtype=torch.uint8)}),
        ({}, {"trainer.obs": None}),
        ({}, {"env.vector/state": None}),
        ({}, {"env.vector/state": torch.zeros(4, 5)}),
        ({}, {"adam.0.exp_avg": torch.zeros(3, 3)}),
    ],
)
def test_a_state_that_cannot_be_continued_says_so(checkpoint, header, tensors):
    loaded = Checkpoint.from_bytes(rewritten(checkpoint, header=header, tensors=tensors))
    with pytest.raises(CheckpointError, match=r"the checkpoint is damaged: .*\.$"):
        resume(loaded)


def test_a_checkpoint_of_another_environment_cannot_be_continued_as_this_one(checkpoint):
    config = json.loads(checkpoint.config.to_json()) | {"env_id": "Acrobot-v1"}
    loaded = Checkpoint.from_bytes(rewritten(checkpoint, header={"config": config}))
    with pytest.raises(CheckpointError, match="weights do not fit"):
        resume(loaded)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot be read: No such file or directory\.$"):
        Checkpoint.load(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match=r"cannot be read: Is a directory\.$"):
        Checkpoint.load(tmp_path)


# Writing ------------------------------------------------------------------------------------------


def test_a_failing_write_leaves_the_old_file(tmp_path, checkpoint):
    path = tmp_path / "kept.safetensors"
    checkpoint.save(path)
    # Fails in the middle: the file is open by then, and a text is no bytes.
    with pytest.raises(TypeError):
        checkpoints.write_atomically(path, "half")  # type: ignore[arg-type]
    assert Checkpoint.load(path) == checkpoint
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_target_that_cannot_be_replaced_leaves_no_litter(tmp_path, checkpoint):
    target = tmp_path / "folder"
    (target / "inside").mkdir(parents=True)
    with pytest.raises(OSError):
        checkpoint.save(target)
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_written_is_an_oserror(tmp_path, checkpoint):
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file" / "a.safetensors", tmp_path / "missing" / "a.safetensors"):
        with pytest.raises(OSError):
            checkpoint.save(path)


# The bound ----------------------------------------------------------------------------------------

SIZES = st.dictionaries(
    st.integers(0, MAX_UPDATES), st.integers(1_000, MAX_KEPT_BYTES // 2), max_size=300
)


@given(SIZES)
def test_thin_keeps_first_and_newest_within_the_bounds(sizes):
    kept = checkpoints.thin(sizes)
    assert kept <= set(sizes)
    if sizes:
        assert {min(sizes), max(sizes)} <= kept
    assert len(kept) <= MAX_KEPT
    assert sum(sizes[update] for update in kept) <= MAX_KEPT_BYTES
    assert checkpoints.thin({update: sizes[update] for update in kept}) == kept


@settings(max_examples=40)
@given(st.integers(1, 500), st.integers(1_000, 2_000_000))
def test_a_run_thinned_as_it_goes_stays_spread_out(count, size):
    kept: dict[int, int] = {}
    for update in range(count):
        kept[update] = size
        wanted = checkpoints.thin(kept)
        kept = dict.fromkeys(wanted, size)
        assert {0, update} <= wanted
        assert len(kept) <= MAX_KEPT and sum(kept.values()) <= MAX_KEPT_BYTES
    # No stretch of the run is lost: the widest gap is a few times the even one.
    gaps = np.diff(sorted(kept))
    allowed = min(MAX_KEPT, MAX_KEPT_BYTES // size)
    assert max(gaps, default=0) <= max(4 * count / allowed, 1)


def test_thin_small_cases():
    assert checkpoints.thin({}) == set()
    assert checkpoints.thin({5: 10**9}) == {5}
    half = MAX_KEPT_BYTES // 2
    assert checkpoints.thin({0: half, 5: half, 10: half}) == {0, 10}
    assert checkpoints.thin(dict.fromkeys(range(60), 1)) == set(range(60))
    assert checkpoints.thin(dict.fromkeys(range(61), 1)) == {0, *range(2, 61)}
    assert checkpoints.thin(dict.fromkeys(range(119), 1)) == {*range(0, 119, 2)}


def test_the_largest_networks_that_the_config_allows_fit_the_bound():
    """First and newest stay whatever they weigh, so two of the heaviest must fit."""
    config = TrainConfig.homework("ppo", hidden=(512, 512, 512))
    agent = agents.make(config, 6, 3)
    weights = sum(weight.numel() * 4 for weight in agent.parameters())
    assert 2 * 3 * weights < MAX_KEPT_BYTES  # each weight with Adam's two moments
