"""Malformed and malicious files: all made here, by seed.

`write` writes what needs no model: films, images, film lists, folders of
frames, weights and requests for the page. `run_changes` and `export_changes`
tamper with a good run and a good export, for `write_tree` over copies of them.
"""

import csv
import io
import itertools
import json
import os
import pathlib
import random
import struct
import tempfile
import zipfile
import zlib

import av
import cv2
import h5py
import numpy as np

from keras_ssc.data import frame_folder
from tests.helpers import drawn_films

# Small: what is tried is the way in, not the pictures.
SIZE = (64, 36)  # width, height
CUT, NUM_FRAMES = 12, 24

# How each film is written that is then broken: encoder and its options.
FILMS = {
    "h264.mp4": ("libx264", {"preset": "veryfast", "g": "12", "bf": "2"}),
    "h264.mkv": ("libx264", {"preset": "veryfast", "g": "12", "bf": "2"}),
    "vp8.webm": ("libvpx", {"g": "12", "b": "300k", "cpu-used": "8"}),
    "mpeg4.avi": ("mpeg4", {"g": "12", "bf": "0", "b": "300k"}),
    "mpeg2.ts": ("mpeg2video", {"g": "12", "bf": "0", "b": "300k"}),
}

# Bits flipped in a copy: one of each number.
_NUM_FLIPS = (1, 2, 4, 8, 16, 32, 64, 256)

# What a number in a header is replaced by: none, and too many to be true,
# with a sign and without.
_LIES = (0, 0x7FFFFFFF, 0xFFFFFFFF)

# Numbers in headers: of a film, the mark before some of them (an MP4's or an
# AVI's box, a Matroska's element), and how many bytes behind it each lies.
_FIELDS = {
    "h264.mp4": {
        b"mvhd": (12,),
        b"tkhd": (76,),
        b"mdhd": (12, 16),
        b"avc1": (24,),
        b"stts": (4, 8, 12),
        b"ctts": (4,),
        b"stss": (4,),
        b"stsc": (4, 12),
        b"stsz": (4, 8, 12),
        b"stco": (4, 8),
    },
    "mpeg4.avi": {
        b"avih": (4, 20, 36),
        b"strh": (24, 28),
        b"strf": (8, 12),
    },
    # Before a number here stands its length, which may lie too. The marks:
    # the time scale, the duration, a frame's, the tracks, the information.
    "h264.mkv": {
        b"\x2a\xd7\xb1": (0, 1),
        b"\x44\x89": (0, 1),
        b"\x23\xe3\x83": (0, 1),
        b"\x16\x54\xae\x6b": (0, 1),
        b"\x15\x49\xa9\x66": (0, 1),
    },
}

_PNG_START = b"\x89PNG\r\n\x1a\n"


# What `write_tree` makes of a name, beside a file of bytes or of text, a link
# (a `pathlib.Path`), and nothing (None).
FOLDER, PIPE = object(), object()


def write_tree(root, files):
    """Writes files into a folder; None removes one."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.unlink(missing_ok=True)
        elif data is FOLDER:
            path.mkdir()
        elif data is PIPE:
            os.mkfifo(path)
        elif isinstance(data, pathlib.Path):
            path.symlink_to(data)
        else:
            path.write_bytes(data.encode() if isinstance(data, str) else data)


def frames():
    """Returns the frames of a small film: two shots of a moving camera."""
    return [
        cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA)
        for number in (1, 2)
        for frame in drawn_films.shot(number, CUT, speed=3)
    ]


def damaged(name, data, seed):
    """Yields (name, data): a file cut at every tenth, and with bits flipped.

    Args:
        name: String, the whole file's name.
        data: Bytes, the whole file.
        seed: Integer, of the bits.
    """
    stem, suffix = os.path.splitext(name)
    for tenth in range(1, 10):
        cut = data[: len(data) * tenth // 10]
        yield f"{stem} cut at {tenth} tenths{suffix}", cut
    for count in _NUM_FLIPS:
        generator = random.Random(f"{seed} {name} {count}")
        flipped = bytearray(data)
        for _ in range(count):
            place = generator.randrange(len(data))
            flipped[place] ^= 1 << generator.randrange(8)
        yield f"{stem} with {count} bits flipped{suffix}", bytes(flipped)


def _lies(name, data):
    """Yields (name, data) with one number of a header replaced."""
    stem, suffix = os.path.splitext(name)
    for mark, offsets in _FIELDS[name].items():
        found = data.find(mark) + len(mark)
        if found < len(mark):
            raise ValueError(f"{name} has no {mark}")
        for offset, lie in itertools.product(offsets, _LIES):
            start = found + offset
            number = struct.pack("<I" if suffix == ".avi" else ">I", lie)
            changed = data[:start] + number + data[start + 4 :]
            what = mark.decode("ascii", "backslashreplace").replace("\\", "")
            yield f"{stem} {what} {offset} {lie:#x}{suffix}", changed


def png(width, height, rows=None, bits=1, colour=0):
    """Returns a PNG of what may not be there: its sizes are the header's."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    if rows is None:
        samples = 3 if colour == 2 else 1
        row = bytes(1 + (width * bits * samples + 7) // 8)
        packer = zlib.compressobj(9)
        rows = b"".join(packer.compress(row) for _ in range(height))
        rows += packer.flush()
    return _PNG_START + b"".join(
        _chunk(kind, body)
        for kind, body in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )


def _chunk(kind, body):
    checksum = zlib.crc32(kind + body)
    return (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
    )


def bomb(side, num_frames):
    """Returns a film of PNGs far larger than its header says."""
    picture, file = png(side, side), io.BytesIO()
    options = {"fflags": "bitexact"}
    with av.open(file, "w", format="mov", options=options) as container:
        stream = container.add_stream("png", rate=24)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "rgb24"
        for place in range(num_frames):
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = stream, place, place
            packet.is_keyframe = True
            container.mux(packet)
    return file.getvalue()


PLAYLISTS = {
    "ffconcat.mp4": "ffconcat version 1.0\nfile good.mp4\nfile good.mp4\n",
    "ffconcat of a secret.ffconcat": "ffconcat version 1.0\nfile /etc/passwd\n",
    "playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
    "file:///etc/passwd\n#EXT-X-ENDLIST\n",
    "playlist of the network.mp4": "#EXTM3U\n#EXTINF:1,\n"
    "http://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "playlist of itself.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
    "playlist of itself.m3u8\n#EXT-X-ENDLIST\n",
    "dash.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:"
    "2011' type='static'><Period><BaseURL>file:///etc/passwd</BaseURL>"
    "</Period></MPD>",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\n"
    "c=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "entities.mp4": "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM "
    "'file:///etc/passwd'>]><a>&b;</a>",
    "bitmap font.ans": "\x1b[2J\x1b[999999999B" * 100,
    "subtitles.srt": "1\n00:00:00,000 --> 99:59:59,999\nx\n",
    "slides.txt": "file '/etc/passwd'\nduration 1e9\n",
}

# Good films, but what names they have.
FILM_NAMES = (
    "concat:good.mp4|good.mp4",
    "file:good.mp4",
    "http:127.0.0.1:9.mp4",
    "subfile,,start,0,end,9,,:good.mp4",
    "pipe:0",
    "data:text,x.mp4",
    "-i good.mp4",
    "--help",
    "%d %s %n.mp4",
    "frame%03d.mp4",
    "new\nline.mp4",
    "\x1b[31mred\x07.mp4",
    "'; rm -r $HOME `id` \".mp4",
    "\u202egpj.4pm",
    "\u2028 line \x1c and \x0b.mp4",
    "..\\..\\windows.mp4",
    " .mp4 ",
    '=1+1,"cell";\'.mp4',
    "봄날.mp4",
    "x" * 251 + ".mp4",
    os.fsdecode(b"\xff\xfe.mp4"),
)


def _films(seed, outside):
    good, found = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, options) in FILMS.items():
            path = pathlib.Path(folder, name)
            drawn_films.write_film(path, frames(), 24, codec, options)
            good[name] = path.read_bytes()
            found.update(damaged(name, good[name], seed))
    for name in _FIELDS:
        found.update(_lies(name, good[name]))
    mp4 = good["h264.mp4"]
    for code in ("mp4v", "hev1", "mjpa", "png ", "raw ", "tmcd", "\0\0\0\0"):
        changed = mp4.replace(b"avc1", code.encode("ascii"))
        found[f"h264 named {code.strip(chr(0))}.mp4"] = changed
    boxes = [
        struct.pack(">I4s", 8 * (4000 - depth), b"moov")
        for depth in range(4000)
    ]
    links = {f".chain {n}": f".chain {n + 1}" for n in range(45)}
    links |= {
        # Longer than the system follows.
        "chain.mp4": ".chain 0",
        ".chain 45": "good.mp4",
        "link.mp4": "good.mp4",
        "link to nothing.mp4": "nothing.mp4",
        "link to itself.mp4": "link to itself.mp4",
        "circle 1.mp4": "circle 2.mp4",
        "circle 2.mp4": "circle 1.mp4",
        "link to a folder.mp4": "folder.mp4",
        "link to zeros.mp4": "/dev/zero",
        "link to a memory.mp4": "/proc/self/mem",
        "link to a tty.mp4": "/dev/tty",
        "link to a secret.mp4": "/etc/passwd",
    }
    return {
        "good.mp4": mp4,
        **found,
        **PLAYLISTS,
        **dict.fromkeys(FILM_NAMES, mp4),
        **{name: pathlib.Path(target) for name, target in links.items()},
        "folder.mp4": FOLDER,
        "pipe.mp4": PIPE,
        "missing.mp4": None,
        "empty.mp4": b"",
        "one byte.mp4": b"\0",
        "one byte.mkv": b"\x1a",
        "a film.png": mp4,
        "no ending": good["vp8.webm"],
        "a matroska.mp4": good["h264.mkv"],
        "a transport stream.avi": good["mpeg2.ts"],
        "a png.mp4": png(64, 36),
        "zeros.mp4": bytes(100_000),
        "noise.mkv": random.Random(seed).randbytes(100_000),
        "twice.mp4": 2 * mp4,
        "twice.ts": 2 * good["mpeg2.ts"],
        "two formats.mp4": mp4 + good["h264.mkv"],
        "back to front.mp4": mp4[::-1],
        "boxes in boxes.mp4": mp4[:32] + b"".join(boxes),
        "box of no length.mp4": mp4[:32] + b"\0\0\0\0moov",
        "box of a terabyte.mp4": mp4[:32]
        + struct.pack(">I4sQ", 1, b"moov", 2**40),
        "bomb.mov": bomb(16_000, 24),
        "bomb of the largest.mov": bomb(8_000, 8),
    }


def _encode(frame, suffix, *options):
    _, data = cv2.imencode(suffix, frame, options)
    return data.tobytes()


def _png_header(data, **fields):
    """Returns a PNG with fields of its header changed, its checksum right."""
    names = ("width", "height", "bits", "colour", "packing", "filter", "laced")
    header = struct.unpack(">IIBBBBB", data[16:29])
    values = {**dict(zip(names, header, strict=True)), **fields}
    header = struct.pack(">IIBBBBB", *values.values())
    return data[:8] + _chunk(b"IHDR", header) + data[33:]


def _images(seed, outside):
    frame = np.ascontiguousarray(frames()[0])
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    clear = cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA)
    good, jpeg = _encode(frame, ".png"), _encode(frame, ".jpg")
    progressive = _encode(frame, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    found = {"good.png": good, "good.jpg": jpeg}
    for name, data in (
        ("rgb.png", good),
        ("deep.png", _encode(frame.astype(np.uint16) * 257, ".png")),
        ("baseline.jpg", jpeg),
        ("progressive.jpg", progressive),
    ):
        found.update(damaged(name, data, seed))
    for fields in (
        *({side: n} for side in ("width", "height") for n in (1, *_LIES)),
        {"width": 4096, "height": 4096},
        {"width": 60_000, "height": 60_000},
        *({"bits": bits} for bits in (0, 1, 3, 16, 255)),
        *({"colour": colour} for colour in (0, 1, 3, 4, 6, 255)),
        {"packing": 1},
        {"filter": 1},
        {"laced": 1},
        {"laced": 2},
    ):
        said = " ".join(f"{name} {value:#x}" for name, value in fields.items())
        found[f"rgb {said}.png"] = _png_header(good, **fields)
    place = jpeg.find(b"\xff\xc0") + 5
    for width, height in ((0, 0), (1, 1), (65_500, 65_500), (65_535, 1)):
        size = struct.pack(">HH", height, width)
        name = f"baseline {width}x{height}.jpg"
        found[name] = jpeg[:place] + size + jpeg[place + 4 :]
    place = good.find(b"IDAT") - 4
    start, rest = good[:place], good[place:]
    zeros = zlib.compress(bytes(2**26), 9)
    return found | {
        "empty.png": b"",
        "one byte.png": b"\x89",
        "one byte.jpg": b"\xff",
        "signature alone.png": _PNG_START,
        "start alone.jpg": b"\xff\xd8\xff",
        "a jpeg.png": jpeg,
        "a png.jpg": good,
        "a gif.png": b"GIF89a\1\0\1\0\0\0\0;",
        "a webp.png": _encode(frame, ".webp"),
        "a bitmap.png": _encode(frame, ".bmp"),
        "a tiff.png": _encode(frame, ".tiff"),
        "an svg.png": "<svg xmlns='http://www.w3.org/2000/svg'>"
        "<image href='file:///etc/passwd'/></svg>",
        "text.png": "no image at all\n",
        "zeros.png": bytes(10_000),
        "grey.png": _encode(grey, ".png"),
        "transparent.png": _encode(clear, ".png"),
        "one pixel.png": _encode(frame[:1, :1], ".png"),
        "one row.png": _encode(frame[:1], ".png"),
        "checksum wrong.png": good[:29] + b"\0\0\0\0" + good[33:],
        "no header.png": good[:8] + good[33:],
        "header twice.png": good[:33] + good[8:],
        "no end.png": good[:-12],
        "chunk of a gigabyte.png": start + struct.pack(">I", 2**30) + rest[4:],
        "text bomb.png": start + _chunk(b"zTXt", b"x\0\0" + zeros) + rest,
        "profile bomb.png": start + _chunk(b"iCCP", b"x\0\0" + zeros) + rest,
        "behind its end.png": good + bytes(1000),
        "polyglot.png": good[:-12] + b"PK\5\6" + bytes(18) + good[-12:],
        "bomb of a gigapixel.png": png(30_000, 30_000),
        "bomb of the largest that is served.png": png(4096, 4096),
        "bomb in a row.png": png(2**24, 1),
        "palette without one.png": png(64, 36, bits=8, colour=3),
        "data of another size.png": png(64, 36, zlib.compress(b"x")),
        "data of zeros without end.png": png(64, 36, zeros),
        "comments.jpg": jpeg[:2] + b"\xff\xfe\xff\xff" * 5000 + jpeg[2:],
        "a thousand scans.jpg": progressive[:-2]
        + 1000 * progressive[progressive.rfind(b"\xff\xda") : -2]
        + b"\xff\xd9",
        "link to itself.png": pathlib.Path("link to itself.png"),
        "link to zeros.png": pathlib.Path("/dev/zero"),
        "folder.png": FOLDER,
        "pipe.png": PIPE,
        "missing.png": None,
    }


_HEADER = "film,genre,split,path,start,end\n"
_ROW = "A film,action,train,good.mp4,,\n"


def _row(**cells):
    row = {"film": "A film", "genre": "action", "split": "train"}
    row |= {"path": "good.mp4", "start": "", "end": "", **cells}
    # Python 3.10 writes no zero byte.
    values = [cell.replace("\0", "\ue000") for cell in row.values()]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return _HEADER + text.getvalue().replace("\ue000", "\0")


FILM_LISTS = {
    "good": _HEADER + _ROW,
    "empty": "",
    "one byte": "f",
    "header alone": _HEADER,
    "no header": _ROW,
    "header twice": _HEADER + _HEADER + _ROW,
    "column twice": "film,film,genre,split,path,start,end\n" + "A," + _ROW,
    "column missing": "film,genre,split,path\nA,action,train,good.mp4\n",
    "column without a name": "film,genre,split,path,start,end,\n" + _ROW,
    "cells missing": _HEADER + "A film,action\n",
    "cells too many": _HEADER + "A film,action,train,good.mp4,,,,,,,\n",
    "quote left open": _HEADER + '"A film,action,train,good.mp4,,\n',
    "quotes of all kinds": _HEADER + '"A ""film"" \'x",' + _ROW[7:],
    "semicolons": (_HEADER + _ROW).replace(",", ";"),
    "tabs": (_HEADER + _ROW).replace(",", "\t"),
    "mixed": _HEADER.replace(",", ";") + _ROW,
    "lines of a Macintosh": (_HEADER + _ROW).replace("\n", "\r"),
    "lines of Windows": (_HEADER + _ROW).replace("\n", "\r\n"),
    "mark of byte order": "\ufeff" + _HEADER + _ROW,
    "cell of a megabyte": _row(film="x" * 2**20),
    "path of a megabyte": _row(path="x" * 100_000),
    "name too long": _row(path="x" * 300),
    "zero byte in the path": _row(path="good\0.mp4"),
    "zero byte in the film": _row(film="A\0film"),
    "newline in the path": _row(path="go\nod.mp4"),
    "line separator in the film": _row(film="A\u2028film"),
    "escape in the film": _row(film="\x1b[31mA film"),
    "formula in the film": _row(film="=cmd|'/c calc'!A1"),
    "film in a folder above": _row(film="../../../film"),
    "path above all": _row(path="../" * 200 + "etc/passwd"),
    "path of a device": _row(path="/dev/zero"),
    "path of a folder": _row(path="."),
    "path of the list": _row(path="path of the list.csv"),
    "path of a circle": _row(path="circle.mp4"),
    "path on the network": _row(path="http://127.0.0.1:9/good.mp4"),
    "path of a protocol": _row(path="concat:good.mp4|good.mp4"),
    "genre of nowhere": _row(genre="../action"),
    "genre empty": _row(genre=""),
    "split of nowhere": _row(split="production"),
    "time of letters": _row(start="a:b:c"),
    "time below zero": _row(start="-1:00:00"),
    "time in other digits": _row(start="٠٠:٠٠:٠٠", end="٠٠:٠٠:٠١"),
    "time without end": _row(start="9" * 5000 + ":00:00"),
    "time in exponents": _row(end="1e9"),
    "time that is none": _row(end="nan"),
    "end before start": _row(start="00:00:02", end="00:00:01"),
    "start behind the film": _row(start="99:00:00"),
    "end behind the film": _row(end="999:59:59.999"),
    "scene of no frame": _row(start="00:00:00.001", end="00:00:00.002"),
    "scenes that overlap": _HEADER + _ROW + _ROW,
    "film in two splits": _HEADER + _ROW + _ROW.replace("train", "test"),
    "film of two genres": _HEADER + _ROW + _ROW.replace("action", "horror"),
    "file of two films": _HEADER + _ROW + _ROW.replace("A film", "B"),
    "a thousand films": _HEADER
    + "".join(f"{n},action,train,{n}.mp4,,\n" for n in range(1000)),
    "one bad among good": _HEADER
    + _ROW
    + "B,horror,test,circle.mp4,,\nC,horror,test,go\0od.mp4,,\n"
    + f"D,horror,test,{'x' * 300},,\n",
    "binary": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "Latin 1": (_HEADER + _ROW).encode() + b"\xe9,\xff\n",
    "UTF-16": (_HEADER + _ROW).encode("utf-16"),
    "surrogates": _HEADER.encode() + b"\xed\xa0\x80" + _ROW.encode(),
    "zeros": bytes(1000),
}


def _film_lists(seed, outside):
    whole = (_HEADER + 20 * _ROW).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "good.mp4")
        film = drawn_films.write_film(path, frames()).read_bytes()
    return {
        # Beside them, for their rows; and as lists they are malformed.
        "good.mp4": film,
        "circle.mp4": pathlib.Path("circle.mp4"),
        **{f"{name}.csv": text for name, text in FILM_LISTS.items()},
        **dict(damaged("whole.csv", whole, seed)),
        "a folder.csv": FOLDER,
        "a link to itself.csv": pathlib.Path("a link to itself.csv"),
        "a link to zeros.csv": pathlib.Path("/dev/zero"),
        "a pipe.csv": PIPE,
        "missing.csv": None,
    }


SETTINGS = {
    "reading": frame_folder.READING,
    "num_pairs": 4,
    "interval": 1 / 24,
    "stride": None,
    "width": 64,
    "height": 36,
    "seed": 0,
    "crop_bars": True,
    "drop_blank": True,
    "drop_cuts": True,
    "drop_transitions": True,
    "drop_repeated": False,
    "deinterlace": "auto",
}
_FRAME_FILES = [f"action_train/action_movie1_00{n}.png" for n in (1, 2)]
PAIR_ROW = {
    "status": "kept",
    "reason": "",
    "scene": 1,
    "path": "good.mp4",
    "frame_number": 1,
    "next_frame_number": 2,
    "seconds": 0.04,
    "frame_file": _FRAME_FILES[0],
    "next_frame_file": _FRAME_FILES[1],
}
RECORD = {
    "film": "A film",
    "genre": "action",
    "split": "train",
    "movie": 1,
    "num_candidates": 11,
    "bars": {},
    "source": {"genre": "action", "split": "train", "scenes": []},
    "pairs": [PAIR_ROW],
}

_DEEP = "[" * 100_000

# What a value of JSON may be instead of what it should be.
_ODD_VALUES = (None, True, -1, 1e400, "", "../../../canary", [], {}, [[]])


def _changed(value, **fields):
    return json.dumps({**value, **fields})


def json_changes(value, *names):
    """Yields (what, text): JSON that is none, or with odd values."""
    texts = ("", "{", "null", "[]", "0", '"x"', "NaN", _DEEP, "\0", "\ud7ff")
    for place, text in enumerate(texts):
        yield f"text {place}", text
    whole = json.dumps(value)
    yield "cut", whole[: len(whole) // 2]
    for name in names:
        less = {key: value[key] for key in value if key != name}
        yield f"without {name}", json.dumps(less)
        for place, odd in enumerate(_ODD_VALUES):
            yield f"{name} odd {place}", _changed(value, **{name: odd})


def _frames_changes():
    """Returns a dict from a name to what is written into a folder of frames."""
    record = "index/action_movie1.json"
    made = {"good": {}}
    for kind, file, value, names in (
        ("record", record, RECORD, ("film", "genre", "movie", "pairs")),
        ("settings", "extract.json", SETTINGS, ("num_pairs",)),
    ):
        for what, text in json_changes(value, *names):
            made[f"{kind} {what}"] = {file: text}
    for name in ("status", "seconds", "frame_file"):
        for place, odd in enumerate(_ODD_VALUES):
            text = _changed(RECORD, pairs=[{**PAIR_ROW, name: odd}])
            made[f"record row {name} odd {place}"] = {record: text}
    for name in ("action_movie1_003.jpg", "action_movie" + "9" * 200, "..x"):
        made[f"name {name[:30]}"] = {f"action_train/{name}": b"x"}
    image, movie = png(64, 36), f"action_train/action_movie{'9' * 100}"
    return made | {
        "record outside": {
            record: _changed(RECORD, movie="1/../../../../canary")
        },
        "frame of another size": {_FRAME_FILES[1]: png(20, 20)},
        "frame of one pixel": {f: png(1, 1) for f in _FRAME_FILES},
        "frames of a gigapixel": {f: png(30_000, 30_000) for f in _FRAME_FILES},
        "next frame missing": {_FRAME_FILES[1]: None},
        "frames missing": dict.fromkeys(_FRAME_FILES),
        "numbers too large": {f"{movie}_00{n}.png": image for n in (1, 2)},
        "numbers in other digits": {
            "action_train/action_movie١_٠٠١.png": image
        },
        "genre of nowhere": {"opera_train/opera_movie1_001.png": image},
        "in two splits": {
            f.replace("_train", "_test"): b"" for f in _FRAME_FILES
        },
    }


def _frames(seed, outside):
    """Returns a dict from a folder of frames to its files, by their names."""
    pictures = [_encode(np.ascontiguousarray(f), ".png") for f in frames()[1:3]]
    settings = {"extract.json": json.dumps(SETTINGS)}
    whole = {
        **dict(zip(_FRAME_FILES, pictures, strict=True)),
        **settings,
        "index/action_movie1.json": json.dumps(RECORD),
    }
    zeros = pathlib.Path("/dev/zero")
    return {
        **{n: {**whole, **files} for n, files in _frames_changes().items()},
        "circle": {
            **settings,
            "action_train": pathlib.Path("action_train"),
            "index": pathlib.Path("index"),
        },
        "links through which is written": {
            **settings,
            "index": FOLDER,
            ".index.csv.tmp": outside / "canary",
            "action_train": outside,
        },
        "index through a link": {**settings, "index.csv": outside},
        "records of zeros": {
            **settings,
            "index/action_movie1.json": zeros,
            "index/action_movie2.json": PIPE,
        },
        "link to what is outside": {
            **settings,
            _FRAME_FILES[0]: pathlib.Path("/etc/passwd"),
            _FRAME_FILES[1]: zeros,
        },
    }


def _request(path, body, head=(), method="POST", length=None):
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *head,
    ]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


def _requests(seed, outside):
    """Returns requests, as sent over a socket; the first is good."""
    call = "/gradio_api/call/"
    file = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    url = {"url": "http://127.0.0.1:9/x.png", **file}
    texts = [text for _, text in json_changes({"data": [20, True]}, "data")] + [
        json.dumps({"data": data})
        for data in (
            [1] * 1000,
            ["/etc/passwd", "../../x"],
            [file, file],
            [url, url],
            [{**file, "path": "../../x"}] * 2,
            [{**file, "path": "\0"}] * 2,
            [{**file, "path": 7}] * 2,
            [float("nan"), float("inf")],
            [10**400, -1],
            ["\ud800", "\ud800"],
            ["x" * 2**20, "y"],
        )
    ]
    made = [_request("/", b"", method="GET")]
    made += [
        _request(call + where, text.encode("utf-8", "replace"))
        for text in (*texts, '{"data": [20], "session_hash": [1]}')
        for where in ("judge_pair", "judge_film", "take_film")
    ]
    pair = call + "judge_pair"
    made += [
        _request(call + "nothing", b'{"data": []}'),
        _request(pair, bytes(range(256))),
        *(_request(pair, b"{", length=length) for length in (9999, -1)),
        _request(pair, b"", length=2**40),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(99),  # no HTTP
        _request("/", b"", ("X: " + "x" * 2**20,)),
        _request("/", b"", [f"X-{number}: x" for number in range(5000)]),
        _request("/", b"", method="BREW"),
        _request("/", b"", ("Cookie: " + "=;" * 1000,), "GET"),
    ]
    for path in (
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:9/x",
        "/gradio_api/proxy=http://127.0.0.1:9/x",
        "/static/../../../../etc/passwd",
        "/" + "x" * 2**20,
        "/%00",
    ):
        made.append(_request(path, b"", method="GET"))
    uploads = [("--x\r\n" * 1000, "; boundary=x"), ("x", "")]  # without end
    for name in ("../../../x", "/etc/x", "x" * 5000, "a\0b", "", "..", "."):
        part = "--x\r\nContent-Disposition: form-data; name=files; "
        part += f'filename="{name}"\r\n\r\nx\r\n--x--\r\n'
        uploads.append((part, "; boundary=x"))
    for body, boundary in uploads:
        kind = f"multipart/form-data{boundary}".encode()
        sent = _request("/gradio_api/upload", body.encode())
        made.append(sent.replace(b"application/json", kind))
    return {f"{n:03d}.http": request for n, request in enumerate(made)}


def _weights(seed, outside):
    """Returns what is no weights of a network, or a part of one."""
    file = io.BytesIO()
    with h5py.File(file, "w") as good:
        good.attrs["layer_names"] = [b"block1_conv1"]
        group = good.create_group("block1_conv1")
        group.attrs["weight_names"] = [b"kernel", b"bias"]
        group["kernel"] = np.zeros((3, 3, 3, 64), np.float32)
        group["bias"] = np.zeros(64, np.float32)
    good = file.getvalue()
    return {
        "good.h5": good,
        **dict(damaged("some.h5", good, seed)),
        "empty.h5": b"",
        "one byte.h5": b"\x89",
        "a png.h5": png(64, 36),
        "pipe.h5": PIPE,
        **{
            f"{name}.h5": _with_weights(good, make)
            for name, make in _external_weights(outside).items()
        },
    }


KINDS = {
    "films": _films,
    "images": _images,
    "film lists": _film_lists,
    "frames": _frames,
    "requests": _requests,
    "weights": _weights,
}


def write(folder, outside, seed=0):
    """Writes the corpus that needs no model.

    Args:
        folder: `pathlib.Path` of a new folder.
        outside: See `keras_changes`.
        seed: Integer.

    Returns:
        A dict from each of `KINDS` to a dict from a name to its path. What
        has a name with a dot before it is there for others alone.
    """
    found = {}
    for kind, make in KINDS.items():
        made = make(seed, outside)
        for name, data in made.items():
            is_tree = isinstance(data, dict)
            root = folder / kind / (name if is_tree else "")
            write_tree(root, data if is_tree else {name: data})
        found[kind] = {
            name: folder / kind / name
            for name in made
            if not name.startswith(".")
        }
    return found


def _zipped(members):
    """Returns a .keras archive of members; those that are None are left out."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            if body is not None:
                # Of no date, so that the bytes are the same in a year.
                archive.writestr(zipfile.ZipInfo(name), body)
    return written.getvalue()


def _with_weights(data, make):
    """Returns an HDF5 file whose largest array is made anew."""
    stored, found = io.BytesIO(data), {}
    with h5py.File(stored, "r+") as file:
        file.visititems(
            lambda name, item: found.update(
                {name: item.shape} if isinstance(item, h5py.Dataset) else {}
            )
        )
        place = max(found, key=lambda name: np.prod(found[name]))
        del file[place]
        make(file, place, found[place])
    return stored.getvalue()


def _external_weights(outside):
    """Returns a dict from names to what makes weights that lie elsewhere."""
    return {
        "external link": lambda file, place, shape: file.__setitem__(
            place, h5py.ExternalLink(str(outside / "secret.h5"), "/secret")
        ),
        "external storage": lambda file, place, shape: file.create_dataset(
            *(place, shape, "float32"),
            external=[("/etc/passwd", 0, int(np.prod(shape)) * 4)],
        ),
        # Chunks that are not there: a terabyte in a kilobyte.
        "absurd shape": lambda file, place, shape: file.create_dataset(
            *(place, (2**19, 2**19), "float32"),
            chunks=(1024, 1024),
            fillvalue=1.0,
        ),
    }


def keras_changes(data, outside, seed):
    """Yields (name, data) of .keras files tampered with.

    Args:
        data: Bytes of a good one.
        outside: `pathlib.Path` of a folder that no model may touch. It has a
            `secret.h5` with a data set `secret`.
        seed: Integer.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    yield from damaged("model.keras", data, seed)
    yield "empty.keras", b""
    yield "one byte.keras", b"P"
    yield "a png.keras", png(64, 36)
    yield "zip of nothing.keras", _zipped({})
    for name, changes in _changes_of_members(members, outside):
        yield f"{name}.keras", _zipped({**members, **changes})


def _changes_of_members(members, outside):
    """Yields (name, members that are changed)."""
    yield "zip bomb", {"assets/bomb": bytes(2**28)}
    for name in ("../escaped", "../" * 20 + "escaped", f"{outside}/escaped"):
        extra = {name: b"x", f"assets/{name}": b"x"}
        yield f"zip with {len(name)} letters", extra
    for name in members:
        yield f"without {name}", {name: None}
        yield f"empty {name}", {name: b""}
    for place, text in enumerate(("null", "[]", "{}", '"x"', "{", "\0")):
        yield f"config {place}", {"config.json": text}
    yield "config bomb", {"config.json": _DEEP}
    config = json.loads(members["config.json"])
    for name in ("module", "class_name", "config", "registered_name"):
        for place, odd in enumerate((None, 1, "x", [], {})):
            text = _changed(config, **{name: odd})
            yield f"config {name} odd {place}", {"config.json": text}
    for name, fields in _odd_layers(outside / "escaped"):
        config = json.loads(members["config.json"])
        layer = next(
            layer
            for layer in config["config"]["layers"]
            if layer["class_name"] == "Dense"
        )
        fields["config"] = {
            **(layer["config"] if len(fields) == 1 else {}),
            "name": layer["config"]["name"],
            **fields["config"],
        }
        layer.update(fields)
        yield name, {"config.json": json.dumps(config)}
    weights = "model.weights.h5"
    for text in (b"\x89HDF\r\n\x1a\n", bytes(1000)):
        yield f"weights of {len(text)} bytes", {weights: text}
    for name, make in {
        **_external_weights(outside),
        "text": lambda file, place, shape: file.__setitem__(place, "x"),
        "no number": lambda file, place, shape: file.__setitem__(
            place, np.full(shape, np.nan, np.float32)
        ),
        "group": lambda file, place, shape: file.create_group(place),
        "missing": lambda file, place, shape: None,
        "other shape": lambda file, place, shape: file.__setitem__(
            place, np.zeros((3, 3), np.float32)
        ),
    }.items():
        changed = _with_weights(members[weights], make)
        yield f"weights {name}", {weights: changed}


def _odd_layers(escaped):
    """Yields (name, fields of a layer's config), in place of a dense one's."""
    for units in (0, -1, 5, 10**9, 10**30, "x", None, [1]):
        yield f"units {units}", {"config": {"units": units}}
    code = {"code": "4wA=", "defaults": None, "closure": None}
    bytecode = {"class_name": "__lambda__", "config": code}
    function = {
        "module": "builtins",
        "class_name": "function",
        "config": f"open({str(escaped)!r}, 'w').close()",
        "registered_name": "function",
    }
    touch = {"name": f"touch {escaped}", "trainable": True}
    secret = {"vocabulary": "/etc/passwd"}
    unsafe = ("keras.config", "enable_unsafe_deserialization")
    for name, module, class_name, config in (
        ("lambda", "keras.layers", "Lambda", {"function": bytecode}),
        ("function", "keras.layers", "Activation", {"activation": function}),
        ("vocabulary", "keras.layers", "StringLookup", secret),
        ("class of exec", "builtins", "exec", touch),
        ("class of system", "os", "system", touch),
        ("class of Popen", "subprocess", "Popen", touch),
        ("class of safety", *unsafe, touch),
        ("class of get_file", "keras.utils", "get_file", touch),
        ("class of nowhere", "nowhere", "Layer", touch),
    ):
        yield (
            name,
            {
                "module": module,
                "class_name": class_name,
                "registered_name": None,
                "config": config,
            },
        )


def other_models():
    """Yields (name, data) of Keras models that are none of this project's."""
    import keras

    keras.utils.set_random_seed(0)
    frame = keras.Input((18, 32, 3), dtype="uint8", name="frame")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(frame))
    six = keras.layers.Dense(6)
    made = {
        "sequence": keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(6)]
        ),
        "three genres": keras.Model(
            {"frame": frame}, keras.layers.Dense(3)(flat)
        ),
        "two outputs": keras.Model({"frame": frame}, [six(flat), flat]),
        "other names": keras.Model(
            {"picture": frame}, keras.layers.Dense(6)(flat)
        ),
        "input alone": keras.Model(frame, keras.layers.Dense(6)(flat)),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, model in made.items():
            path = pathlib.Path(folder, f"{name}.keras")
            model.save(path)
            yield path.name, path.read_bytes()


def config_changes(config):
    """Yields (name, text) of a run's config tampered with."""
    names = ("model", "dataset", "image_size", "batch_size", "data_dir")
    yield from json_changes(config, *names, "epochs", "dense_units", "seed")
    for place, odd in enumerate(
        ([0, 0], [-1, 5], [10**6, 10**6], [18], [18, 32, 3], ["a", "b"], "18")
    ):
        yield f"image_size {place}", _changed(config, image_size=odd)
    yield "dataset above", _changed(config, dataset="../../../etc")
    yield "dataset of the network", _changed(config, dataset="http://x/y")
    yield "another data set", _changed(config, dataset="mnist")


def metrics_changes(metrics):
    """Yields (name, text) of a run's metrics tampered with."""
    yield from json_changes(metrics, "calibration", "data", "films", "pair")
    for place, odd in enumerate(
        (0, -1, "x", None, True, 1e400, [1], float("nan"), 1e-300)
    ):
        calibration = {**metrics["calibration"], "temperature": odd}
        yield f"temperature {place}", _changed(metrics, calibration=calibration)


def run_changes(run_dir, outside, seed):
    """Returns changes of a run, for `write_tree`.

    Args:
        run_dir: `pathlib.Path` of a good one.
        outside: See `keras_changes`.
        seed: Integer.

    Returns:
        A dict from what is changed (`models`, `metrics`, `configs` or
        `checkpoints`) to a dict from a name to the files that are written.
    """

    def value(path):
        return json.loads(path.read_text("utf-8"))

    (path,) = (run_dir / "checkpoints").glob("epoch_*.json")
    state = f"checkpoints/{path.name}"
    weights = state.replace(".json", ".keras")
    model = (run_dir / "model.keras").read_bytes()
    others = dict(other_models())
    models = {
        "good.keras": model,
        **dict(keras_changes(model, outside, seed)),
        **others,
    }
    some = dict(list(models.items())[:: len(models) // 12])
    metrics = metrics_changes(value(run_dir / "metrics.json"))
    configs = config_changes(value(run_dir / "config.json"))
    values = value(path)
    states = [
        *json_changes(values, "epoch", "step", "metrics", "seeds"),
        ("epoch of the end of time", _changed(values, epoch=10**18)),
        ("unknown field", _changed(values, __class__="os.system")),
    ]
    # With its model, a run is not resumed.
    gone = {"model.keras": None}
    return {
        "models": {n: {"model.keras": data} for n, data in models.items()},
        "metrics": {n: {"metrics.json": text} for n, text in metrics},
        "configs": {n: {"config.json": text} for n, text in configs},
        "checkpoints": {
            **{n: {**gone, state: text} for n, text in states},
            **{n: {**gone, weights: d} for n, d in (some | others).items()},
        },
    }


def export_changes(folder, seed):
    """Yields (name, files) of an export tampered with, for `write_tree`.

    Args:
        folder: `pathlib.Path` of a good version.
        seed: Integer.
    """
    for name in ("saved_model.pb", "variables/variables.index"):
        data = (folder / name).read_bytes()
        for what, changed in damaged(name.replace("/", " "), data, seed):
            yield what, {name: changed}
        yield f"empty {name}", {name: b""}
        yield f"without {name}", {name: None}
    weights = "variables/variables.data-00000-of-00001"
    yield "without weights", {weights: None}
    yield "weights cut", {weights: (folder / weights).read_bytes()[:1000]}
    card = json.loads((folder / "model_card.json").read_text("utf-8"))
    for what, text in json_changes(card, "format", "image_size"):
        yield f"card {what}", {"model_card.json": text}
    for place, text in enumerate(("", "x", "0" * 64 + "  ../../../etc/passwd")):
        yield f"checksums {place}", {"SHA256SUMS": text}
