"""What a file is: by its name, and an image by its first bytes.

Which films can be opened is in `container`.
"""

import pathlib

PNG = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"

# What files have at which place, from their beginning.
IMAGE_MARKS = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, PNG, "PNG"),
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP"),
    (0, b"BM", "a BMP"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (4, b"ftyp", "an AVIF, a HEIF or a video"),
)

_PICTURES = """
    .png .jpg .jpeg .jpe .jfif .webp .gif .bmp .tif .tiff .heic .heif .avif .jxl
    .jp2 .svg .ico .psd .tga .dng .cr2 .nef .arw
"""
# What else lies beside films: subtitles, sound and lists, texts, archives and
# their sums, downloads that are not finished.
_BESIDE = """
    .srt .sub .idx .ass .ssa .vtt .smi .sup .ttml
    .mp3 .flac .m4a .m4b .wav .oga .opus .aac .ac3 .wma .aif .aiff .mka
    .cue .m3u .m3u8 .pls .xspf
    .nfo .txt .csv .tsv .json .xml .yaml .yml .md .html .htm .url .pdf .doc
    .docx .xls .xlsx .ods .log .db .ini
    .zip .rar .7z .tar .gz .tgz .bz2 .xz .zst .par2 .sfv .md5 .sha256
    .torrent .part .partial .crdownload .download .aria2
"""
_PICTURES = frozenset(_PICTURES.split())
_NO_FILMS = _PICTURES.union(_BESIDE.split())


def is_picture(path):
    """Says whether a file's name is that of an image, of any format."""
    return pathlib.Path(path).suffix.lower() in _PICTURES


def is_no_film(path):
    """Says whether a file is obviously no whole film, by its name.

    Any other name may be a film's: what is in it says so when it is opened.
    """
    return pathlib.Path(path).suffix.lower() in _NO_FILMS


def image_kind(data):
    """Says what an image is, in the words of a served model.

    Args:
        data: Bytes of a file.

    Returns:
        String: `JPEG` or `PNG`; else what follows "it is", such as `a GIF`.
    """
    if not data:
        return "empty"
    kind = "an SVG" if b"<svg" in data[:256] else "neither JPEG nor PNG"
    for start, mark, name in IMAGE_MARKS:
        if data[start : start + len(mark)] == mark:
            kind = name
    return kind
