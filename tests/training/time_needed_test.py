import pytest

from keras_ssc.training import time_needed


@pytest.mark.parametrize(
    "step, told",
    [
        (0.5, None),
        (1.0, "about 17 minutes: 1,000 steps of 1.0 s. Freeze it."),
        (30.0, "about 8 hours: 1,000 steps of 30.0 s."),
        (400.0, "about 5 days: 1,000 steps of 400.0 s."),
    ],
)
def test_a_long_training_is_told_once(monkeypatch, capsys, step, told):
    # The first step, which compiles, is not counted.
    clock = iter([0.0, *(100.0 + step * place for place in range(9))])
    monkeypatch.setattr(time_needed.time, "monotonic", lambda: next(clock))
    callback = time_needed.TimeNeeded(1000, "Freeze it.")
    for batch in range(9):
        callback.on_train_batch_end(batch)
    text = capsys.readouterr().err
    assert text.count("note:") == (told is not None)
    assert (told or "") in text
