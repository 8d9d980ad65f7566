import sys

import pytest

from keras_ssc import errors
from tests.campaigns import growth
from tests.campaigns import process


def test_a_command_is_measured_with_all_its_processes():
    program = "import subprocess, sys\n" + (
        "subprocess.run([sys.executable, '-c', 'x = bytes([1]) * (80 << 20); "
        "[i for i in range(10**6)]'])"
    )
    cost = process.cost_of(sys.executable, "-c", program)
    assert cost.seconds > 0
    assert 80 < cost.megabytes < 200


def test_a_command_that_fails_is_told():
    program = "import sys; sys.stderr.write('no luck'); sys.exit(3)"
    with pytest.raises(errors.OutsideError, match="exit code 3: no luck"):
        process.cost_of(sys.executable, "-c", program)


def test_a_film_must_not_cost_more_among_many():
    few, many = process.Cost(1.0, 120.0), process.Cost(120.0, 120.0)
    assert growth.is_right({10: {"extract": few}, 1200: {"extract": many}})
    assert not growth.is_right({10: {"extract": few}, 100: {"extract": many}})
