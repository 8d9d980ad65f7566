"""Dockerfile and compose.yaml, as far as they can be checked without Docker."""

import json
import pathlib
import re

import pytest
import yaml

from keras_ssc import app

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def dockerfile():
    return (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", "")


def test_what_is_copied_is_there_and_not_ignored(dockerfile):
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.M)
        for name in line.split()
    ]
    assert "setup.cfg" in copied
    for name in copied:
        assert (ROOT / name).exists() and f"!{name}" in ignored


def test_no_process_is_root(dockerfile):
    command = dockerfile.partition(" AS command")[2]
    assert re.search(r"^USER 1000$", command, re.M)
    assert "USER root" not in dockerfile


def test_the_page_is_called_as_it_can_be(dockerfile):
    entry = re.findall(r"^ENTRYPOINT (.*)$", dockerfile, re.M)[-1]
    name, job, *flags = json.loads(entry)
    assert (name, job) == ("keras-ssc", "app")
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    page = compose["services"]["page"]
    told = app.make_parser().parse_args([*flags, *page["command"]])
    assert told.host == "0.0.0.0" and told.model == "http://serving:8501"
    # It has no login: nobody else may reach it.
    assert [port.partition(":")[0] for port in page["ports"]] == ["127.0.0.1"]
    assert f" AS {page['build']['target']}" in dockerfile
