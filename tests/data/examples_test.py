import pathlib
import subprocess
import sys

import tensorflow_datasets as tfds

from tests.helpers import make_dummy_data
from tests.helpers import scene_genre


def test_films_are_built_in_another_process(tmp_path):
    # It has the package and not the builder's folder, as the machines of
    # Dataflow or Flink do.
    tfds_command = pathlib.Path(sys.executable).with_name("tfds")
    subprocess.run(
        [
            *(tfds_command, "build", scene_genre.BUILDER),
            *("--config", "films", "--data_dir", tmp_path),
            *("--manual_dir", make_dummy_data.FOLDER / "films"),
            "--beam_pipeline_options",
            "direct_running_mode=multi_processing,direct_num_workers=1",
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    builder = tfds.builder("scene_genre/films", data_dir=tmp_path)
    films = {
        film
        for split in ("train", "test")
        for film in tfds.as_dataframe(builder.as_dataset(split=split))["film"]
    }
    assert films == {b"Harbour", b"Orbit", b"Fog"}
