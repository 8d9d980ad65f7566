"""Draws the small sample films that ship as the default data.

    python -m keras_ssc.sample_films --out films

The films put the report's question: does the motion between two frames tell
a genre that one frame cannot? So they come as twins. Film 3 of action and
film 3 of romance show the same world, the same people and the same shots of
the same length; only how much moves differs. Horror and science fiction are
twins in the same way, by night. The two animations differ by their shading,
which one frame shows, and move alike.

How twins stay alike in one frame: everything a shot shows is a function of
one clock, and repeats itself as the clock goes on (a street has no end, a
star that leaves comes back). A twin's shot starts at any time of that clock,
so that each picture is as likely in the slow film as in the fast one. Only
the clock's speed is the genre.

What lives where, from the outside in:

    films      which films there are, their lists, the command
    styles     what makes a film one of its genre; titles
    filming    one film: its shots, camera and file
    worlds     what the shots of a film share: palette, cast, textures
    day, night, cartoon, stage    the worlds' sets: what a shot shows
    people     who walks through them by day and by night
    draw       the tools all of them draw with
"""

from keras_ssc.genres import REPORT_GENRES as GENRES
from keras_ssc.sample_films.filming import draw_film
from keras_ssc.sample_films.filming import film_frames
from keras_ssc.sample_films.films import VERSION
from keras_ssc.sample_films.films import Film
from keras_ssc.sample_films.films import draw_sample_films
from keras_ssc.sample_films.films import main
from keras_ssc.sample_films.films import make_parser
from keras_ssc.sample_films.styles import STYLES
from keras_ssc.sample_films.styles import TITLES

__all__ = [
    "GENRES",
    "STYLES",
    "TITLES",
    "VERSION",
    "Film",
    "draw_film",
    "draw_sample_films",
    "film_frames",
    "main",
    "make_parser",
]
