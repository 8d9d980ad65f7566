"""What makes a film one of its genre, and what the films are called."""

from typing import NamedTuple


class Style(NamedTuple):
    """What makes a film one of its genre.

    Attributes:
        world: Which scenery it plays in. Genres of one world are twins.
        slowest: How far a shot's foreground moves at least, pixels a frame.
        fastest: How far it moves at most.
        on_twos: Whether each drawing is held for two frames.
    """

    world: str
    slowest: float
    fastest: float
    on_twos: bool = False


STYLES = {
    "action": Style("day", 7.0, 11.0),
    "romance": Style("day", 0.3, 0.8),
    "science_fiction": Style("night", 7.0, 11.0),
    "horror": Style("night", 0.3, 0.8),
    "animation_2d": Style("cartoon", 2.5, 4.5, on_twos=True),
    "animation_3d": Style("stage", 2.5, 4.5),
}

TITLES = {
    "action": (
        "the_last_tram",
        "harbour_run",
        "nine_bridges",
        "faster_than_rain",
        "the_orange_getaway",
        "no_brakes",
    ),
    "horror": (
        "the_ninth_door",
        "what_the_lantern_saw",
        "nobody_left_the_tower",
        "a_knock_at_low_tide",
        "the_long_cellar",
        "hush",
    ),
    "romance": (
        "letters_from_the_pier",
        "two_cups_of_tea",
        "slow_train_home",
        "the_summer_we_stayed",
        "a_bench_for_two",
        "until_the_lindens_bloom",
    ),
    "animation_2d": (
        "mister_fig_goes_to_town",
        "the_cloud_baker",
        "pip_and_the_paper_boat",
        "three_hats_for_a_hare",
        "the_moon_is_a_biscuit",
        "olga_the_brave_snail",
    ),
    "animation_3d": (
        "marble_run",
        "the_clockwork_orchard",
        "bobo_rolls_away",
        "castle_of_cubes",
        "the_polite_robot",
        "button_mountain",
    ),
    "science_fiction": (
        "beyond_the_ninth_moon",
        "the_quiet_engine",
        "colony_of_glass",
        "signal_from_vesper",
        "the_orbit_keepers",
        "last_light_station",
    ),
}
