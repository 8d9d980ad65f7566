"""Runs the command: python -m keras_ssc.sample_films --out DIR."""

from keras_ssc import command
from keras_ssc.sample_films import main

if __name__ == "__main__":
    command.run(main)
