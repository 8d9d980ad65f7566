from keras_ssc.metrics import tables


def test_a_day_is_written_as_people_do():
    assert tables.day("2026-03-07T20:00:00Z") == "7 March 2026"
