"""Makes the builder's dummy_data: python -m tests.helpers.make_dummy_data."""

import pathlib
import shutil

from keras_ssc.data import pair_files
from keras_ssc.films import image_files
from tests.helpers import drawn_films

FOLDER = pathlib.Path(__file__).parents[1] / "data" / "dummy_data"


def main():
    """Writes dummy_data/frames and dummy_data/films."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    _make_frames(FOLDER / "frames")
    _make_films(FOLDER / "films")


def _make_frames(root):
    """Old data as people have it: no index, any numbers."""
    for place, (genre, split, movie) in enumerate(
        [
            ("animation_2d", "train", 7),
            ("science_fiction", "train", 1),
            ("action", "test", 9),
        ]
    ):
        folder = root / pair_files.folder_name(genre, split)
        folder.mkdir(parents=True)
        for key in (1, 139):
            for step, frame in enumerate(drawn_films.shot(place + key, 2)):
                name = pair_files.frame_name(genre, movie, key + step)
                data = image_files.encode_frame(frame[::2, ::2])
                (folder / name).write_bytes(data)


def _make_films(root):
    rows = []
    for place, (film, genre, split) in enumerate(
        [
            ("Harbour", "romance", "train"),
            ("Orbit", "sf", "train"),
            ("Fog", "horror", "test"),
        ]
    ):
        frames = drawn_films.shot(50 + place, 9, speed=1 + place)
        drawn_films.write_film(root / f"{film}.mp4", frames)
        rows.append(f"{film},{genre},{split},{film}.mp4,,")
    drawn_films.write_list(root / "films.csv", *rows)


if __name__ == "__main__":
    main()
