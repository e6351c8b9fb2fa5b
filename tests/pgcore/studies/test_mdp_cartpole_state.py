import base64

import imageio.v3 as iio
import numpy as np
import pytest

from pgcore.studies import cartpole_state as study


def test_one_push_from_rest():
    """A push of 10 N: the cart gains 0.195 m/s, and the pole tips the other way."""
    after, held = study.what_next((0.0,), (0.0,), (0.0,), (0.0,), hold=10)
    (row,) = after.to_dict("records")
    assert row["left_velocity"] == pytest.approx(-0.1951, abs=1e-4)
    assert row["left_angular_velocity"] == pytest.approx(0.2927, abs=1e-4)
    assert row["right_velocity"] == -row["left_velocity"]
    # The position has not moved yet: it follows the velocity from before the push.
    assert row["left_position"] == 0
    left, right = held.to_dict("records")
    assert (left["push"], right["push"]) == ("push left", "push right")
    assert left["x"] < 0 < left["x2"] - left["x"]
    assert right["x"] == pytest.approx(-left["x"])


def test_every_combination_has_its_rows():
    after, held = study.what_next((-1.0, 1.0), (0.0, 2.0), (-12.0, 0.0, 12.0), (0.0,), hold=3)
    assert len(after) == 12
    assert len(held) == 24
    assert after.angle.max() == pytest.approx(0.2094, abs=1e-4)


def test_the_end_is_named():
    after, _ = study.what_next((2.4,), (2.0,), (0.0,), (0.0,), hold=1)
    assert (after.right_end.item(), after.left_end.item()) == ("off the track", "off the track")
    after, _ = study.what_next((0.0,), (0.0,), (12.0,), (1.0,), hold=1)
    assert after.left_end.item() == "pole fell"
    after, _ = study.what_next((0.0,), (0.0,), (0.0,), (0.0,), hold=1)
    assert after.left_end.item() == ""


def test_the_pole_is_a_metre_long_and_leans_with_its_angle():
    line = study.pole(np.array([[1.0, 0, 0.0, 0], [1.0, 0, 0.2, 0]]))
    assert line["x2"].tolist() == pytest.approx([1.0, 1.0 + np.sin(0.2)])
    assert line["y2"].tolist() == pytest.approx([1.0, np.cos(0.2)])


def test_pictures_are_the_environments_frames():
    rows, (left, right, bottom, top) = study.picture()
    frames = study.render([(0, 0, 0, 0), (1.0, 0, 0, 0)])
    assert frames[0].shape == (400, 600, 3)
    for uri, frame in zip(study.pictures([(0, 0, 0, 0), (1.0, 0, 0, 0)]), frames, strict=True):
        decoded = iio.imread(base64.b64decode(uri.partition(",")[2]))
        np.testing.assert_array_equal(decoded, frame[rows])
    assert (left, right) == (-2.4, 2.4)
    # As many pixels a metre down as across, the whole pole in the picture, the cart as well.
    assert (rows.stop - rows.start) / (top - bottom) == pytest.approx(600 / 4.8)
    assert top > 1
    assert (frames[0][rows.stop :] == 255).all()


def test_a_line_lies_on_the_drawn_pole():
    rows, (left, _, _, top) = study.picture()
    (frame,) = study.render([(0.5, 0.0, 0.2, 0.0)])
    line = study.pole(np.array([[0.5, 0.0, 0.2, 0.0]]))
    for share in (0.2, 0.5, 0.9):
        x = line["x"][0] + share * (line["x2"][0] - line["x"][0])
        y = share * line["y2"][0]
        pixel = frame[rows][round((top - y) * 125), round((x - left) * 125)]
        assert pixel.tolist() == [202, 152, 101]
