"""Film files: opened, and decoded packet by packet.

The only module that knows containers and codecs. Only films are opened, and
nothing that leads to other files or into the network.
"""

import contextlib
import itertools

import av

from keras_ssc.errors import VideoError

# Containers that hold their own pictures. Playlists, concat scripts and image
# sequences are left out: they open other files, also over the network.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,ogg,mpegts,mpeg,"
    "mpegvideo,m4v,h264,hevc,obu,ivf,mxf,nut,rm,dv,gxf,wtv,vc1"
)

# A demuxer may recover after damage. One that fails so often in a row does
# not.
_MAX_READ_ERRORS = 16

# Twice the pixels of 8K. A film of a few kilobytes may claim to have more than
# there is memory, and a header may claim less than is there.
_MAX_PIXELS = 2**26

# The second: no room for the stack of one of the decoder's threads.
_NO_MEMORY = (MemoryError, BlockingIOError)


@contextlib.contextmanager
def opened(path):
    """Opens a film; gives (container, stream); errors become VideoError."""
    _check_is_file(path)
    try:
        container = av.open(
            # Absolute: a name such as "concat:a" must stay a file's name.
            str(path.absolute()),
            container_options={
                "protocol_whitelist": "file",
                "format_whitelist": _FORMATS,
            },
            # Titles in old encodings do not make a film unreadable.
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path}: not a film that can be opened: {_reason(error)}. "
            "Expected a video file such as mp4, mkv, webm, mov or avi. "
            "Convert it, or fetch it again."
        ) from error
    with container:
        try:
            yield container, _film_stream(path, container)
        except _NO_MEMORY as error:
            raise out_of_memory(path) from error
        except (av.FFmpegError, OSError) as error:
            raise VideoError(
                f"{path}: reading failed ({_reason(error)}). Fetch or convert "
                "the file again."
            ) from error


def out_of_memory(path):
    """Returns the `VideoError` of a film that takes too much memory."""
    return VideoError(
        f"{path}: needs more memory than it may take. Convert it to smaller "
        "pictures, as with ffmpeg -i and -vf scale=1920:-2."
    )


def _check_is_file(path):
    try:
        if not path.exists():
            problem = "no such file. Correct the path, or fetch the film."
        elif not path.is_file():
            problem = "not a file. Expected the path of one film file."
        elif path.stat().st_size == 0:
            problem = "the file is empty. Fetch it again."
        else:
            return
    except (OSError, ValueError) as error:
        problem = f"cannot be looked at ({_reason(error)}). Correct the path."
    raise VideoError(f"{path}: {problem}")


def _reason(error):
    if isinstance(error, av.ArgumentError):
        # What the demuxer answers for a format that is not in _FORMATS.
        return "a playlist, a picture or another format that holds no film"
    if isinstance(error, (av.InvalidDataError, EOFError)):
        return "damaged, incomplete, or no video file at all"
    return getattr(error, "strerror", None) or str(error)


def _film_stream(path, container):
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise VideoError(
            f"{path}: no moving pictures in it: sound or a cover only, or "
            "the file is incomplete. Fetch the whole film."
        )
    stream = max(
        streams,
        key=lambda stream: bool(
            stream.disposition & av.stream.Disposition.default
        ),
    )
    if stream.codec_context is None:
        raise VideoError(
            f"{path}: its pictures are in a format that no decoder here "
            "knows. Convert it to H.264."
        )
    if stream.width * stream.height > _MAX_PIXELS:
        raise VideoError(
            f"{path}: expected pictures of {_MAX_PIXELS:,} pixels or fewer. "
            f"Received: {stream.width}x{stream.height}. Convert it to smaller "
            "ones, as with ffmpeg -i and -vf scale=1920:-2."
        )
    stream.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all  # sound is not even read
    stream.thread_type = "AUTO"
    return stream


def packets(container, stream):
    """Yields the stream's packets, also those after damage."""
    num_errors = 0
    while num_errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(stream):
                if packet.size:  # the last one is a mark, without data
                    num_errors = 0
                    yield packet
            return
        except av.FFmpegError:
            num_errors += 1


def decode(stream, packets, on_error):
    """Yields the frames of packets; continues after those that fail."""
    sent = None
    for packet in itertools.chain(packets, [None]):
        sent = packet or sent
        if packet is not None and packet.is_corrupt:
            on_error(packet)
        try:
            frames = stream.decode(packet)
        except _NO_MEMORY:
            raise  # no damage: the next frame would need as much
        except av.FFmpegError as error:
            if packet is None and isinstance(error, EOFError):
                return
            on_error(sent)
            frames = []
        yield from frames
