#!/usr/bin/env python3
"""Compares frames of videos of random kinds with a full decode by FFmpeg 9.0.2: `make any-kind [SEED=n] [COUNT=n]`.

Each video is a small test pattern. Its codec, options, container, timing, sound, start and cuts are drawn anew in each run, so that
combinations appear which no fixture has. FFmpeg 9.0.2 writes the files, and refuses some combinations. Fragments of some files are then
removed, repeated or exchanged. `any_time.py` compares frames at random times. The files with faults stay in `target/any-kind/`, each beside
the commands that wrote it.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg
from any_time import examine, parse, print_efficiency, print_result, print_summary
from full_decode import ROOT
from recipes import boxes

FOLDER = ROOT / "target" / "any-kind"
# For each run of ffmpeg, in seconds.
LIMIT = 120

X264 = "libx264 -preset veryfast -pix_fmt yuv420p"
X264_SETS = [
    "bframes=0", "bframes=2:b-pyramid=none", "bframes=3:b-pyramid=normal", "bframes=3:b-pyramid=strict", "open-gop=1:bframes=3",
    "bframes=8:b-adapt=0", "intra-refresh=1", "intra-refresh=1:bframes=2", "tff=1", "bff=1:bframes=0", "pulldown=32", "pulldown=triple",
    "slices=4", "aud=1:nal-hrd=vbr:vbv-maxrate=300:vbv-bufsize=300", "ref=1:bframes=1", "force-cfr=1", "sliced-threads=1:bframes=0",
    "bframes=2:stitchable=1", "fake-interlaced=1", "keyint=1", "keyint=infinite", "cabac=0:bframes=1",
]  # fmt: skip
X265_SETS = [
    "bframes=0", "bframes=3", "open-gop=0:bframes=4", "bframes=4:b-pyramid=0", "open-gop=1:radl=2",
    "hrd=1:vbv-maxrate=300:vbv-bufsize=300", "intra-refresh=1:bframes=0", "repeat-headers=1", "temporal-layers=3", "keyint=1",
]  # fmt: skip
# Encoders with their options; each list holds what a container may take.
MPEG = [
    "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "flv", "h263", "h263p", "rv10", "rv20", "libxvid",
    "svq1",
]  # fmt: skip
INTRA = [
    "mjpeg", "ljpeg", "jpeg2000", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "prores_ks", "cfhd", "png", "rawvideo", "dvvideo",
    "dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p", "speedhq", "v210", "r210", "ffv1", "hap",
]  # fmt: skip
PALETTE = ["gif", "apng", "cinepak", "msvideo1", "qtrle", "msrle", "zmbv", "flashsv", "flashsv2", "rpza", "roqvideo", "8bps"]
MODERN = [
    "libvpx", "libvpx-vp9", "libaom-av1 -cpu-used 8", "libsvtav1 -preset 12", "librav1e -speed 10", "libvvenc -preset faster",
    "libtheora", "libopenh264", "libwebp_anim",
]  # fmt: skip
VPX_SETS = [
    "-auto-alt-ref 1 -lag-in-frames 16", "-auto-alt-ref 0", "-lag-in-frames 0 -error-resilient 1", "-auto-alt-ref 6 -lag-in-frames 25",
]  # fmt: skip
SOUNDS = [
    "aac", "aac -strict experimental", "libmp3lame", "pcm_s16le", "pcm_s16be", "libopus", "ac3", "mp2", "libvorbis", "flac", "wmav2",
    "alac",
]  # fmt: skip
MP4 = [
    "", "+faststart", "+frag_keyframe+empty_moov+default_base_moof", "+frag_keyframe", "+frag_every_frame+empty_moov",
    "+dash+frag_every_frame+empty_moov+default_base_moof", "+dash+frag_keyframe", "+cmaf+frag_keyframe+empty_moov",
    "+cmaf+frag_every_frame", "+delay_moov+frag_keyframe", "+delay_moov+frag_keyframe+negative_cts_offsets", "+negative_cts_offsets",
    "+frag_keyframe+global_sidx", "+frag_keyframe+skip_trailer+empty_moov", "+frag_keyframe+separate_moof", "+isml+frag_keyframe",
    "+omit_tfhd_offset+frag_keyframe+empty_moov", "+hybrid_fragmented+frag_keyframe", "+frag_keyframe+empty_moov+skip_sidx",
]  # fmt: skip
CONTAINERS = {
    "mp4": [
        *(f"-movflags {flags}" if flags else "" for flags in MP4),
        "-use_editlist 0", "-write_tmcd 1", "-moov_size 200000", "-frag_duration 700000",
        "-min_frag_duration 900000 -movflags +frag_keyframe", "-video_track_timescale 90000", "-video_track_timescale 25",
        "-movie_timescale 25",
    ],
    "mov": ["", "-movflags +faststart", "-movflags +frag_keyframe+empty_moov", "-movflags +prefer_icc", "-use_editlist 0"],
    "mkv": [
        "", "-cluster_time_limit 500", "-cluster_size_limit 4000", "-live 1", "-reserve_index_space 100000", "-cues_to_front 1",
        "-default_mode passthrough",
    ],
    "webm": ["", "-live 1", "-dash 1", "-cluster_time_limit 500"],
    "ts": [
        "", "-mpegts_flags +resend_headers", "-mpegts_m2ts_mode 1", "-pes_payload_size 0", "-muxrate 2000k", "-pcr_period 60",
        "-copyts", "-mpegts_flags +initial_discontinuity", "-omit_video_pes_length 0", "-mpegts_flags +pat_pmt_at_frames",
        "-muxpreload 0 -muxdelay 0",
    ],
    "m2ts": [""],
    "mpg": ["", "-packetsize 2048"],
    "vob": [""],
    "avi": ["", "-reserve_index_space 2000", "-write_channel_mask 0", "-flipped_raw_rgb 1"],
    "flv": ["", "-flvflags +no_duration_filesize", "-flvflags +add_keyframe_index", "-flvflags +no_sequence_end"],
    "nut": ["", "-syncpoints none", "-syncpoints timestamped", "-write_index 0"],
    "ogg": ["", "-page_duration 100000"],
    "asf": ["", "-packet_size 500"],
    "wmv": [""],
    "mxf": ["", "-f mxf_opatom"],
    "gxf": [""],
    "rm": [""],
    "3gp": [""],
    "wtv": [""],
    "ismv": [""],
    "f4v": [""],
    "dv": [""],
    "h264": [""],
    "hevc": [""],
    "vvc": [""],
    "m1v": [""],
    "m2v": [""],
    "m4v": [""],
    "ivf": [""],
    "obu": [""],
    "mjpeg": [""],
    "gif": [""],
    "apng": [""],
    "y4m": [""],
    "h263": [""],
}  # fmt: skip
RAW = {
    "h264": ["libx264"],
    "hevc": ["libx265"],
    "vvc": ["libvvenc -preset faster"],
    "m1v": ["mpeg1video"],
    "m2v": ["mpeg2video"],
    "m4v": ["mpeg4"],
    "ivf": ["libvpx", "libvpx-vp9", "libaom-av1 -cpu-used 8"],
    "obu": ["libaom-av1 -cpu-used 8", "libsvtav1 -preset 12"],
    "mjpeg": ["mjpeg"],
    "gif": ["gif"],
    "apng": ["apng"],
    "y4m": ["wrapped_avframe"],
    "h263": ["h263"],
    "rm": ["rv10", "rv20"],
    "dv": ["dvvideo"],
    "webm": ["libvpx", "libvpx-vp9", "libaom-av1 -cpu-used 8", "libsvtav1 -preset 12"],
    "mpg": ["mpeg1video", "mpeg2video", "libx264"],
    "vob": ["mpeg2video", "mpeg1video"],
    "gxf": ["mpeg2video", "mpeg1video", "mjpeg"],
    "flv": ["flv", "libx264", "libx265", "flashsv", "libaom-av1 -cpu-used 8", "libvpx-vp9"],
    "f4v": ["libx264"],
    "3gp": ["h263", "mpeg4", "libx264"],
    "ogg": ["libtheora"],
    "ismv": ["libx264"],
    "ts": ["libx264", "libx264", "libx265", "mpeg2video", "mpeg1video", "mpeg4", "libvvenc -preset faster", "jpeg2000"],
    "m2ts": ["libx264", "libx265", "mpeg2video"],
    "mxf": [
        "mpeg2video", "libx264", "dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p", "jpeg2000", "prores_ks", "dvvideo", "ffv1", "mjpeg",
        "rawvideo",
    ],
    "wtv": ["mpeg2video", "libx264"],
}  # fmt: skip
RATES = ["10", "25", "30000/1001", "24000/1001", "50", "15", "12.5", "60", "7", "100"]
# Changes of the pattern's times, before the encoder; the last ones make gaps, pauses, and pairs that are close together.
TIMINGS = [
    [], [], [], [], [], ["-vf", "select='not(mod(n,3))'", "-fps_mode", "vfr"], ["-vf", "select='gt(random(1),0.4)'", "-fps_mode", "vfr"],
    ["-vf", "setpts='PTS+gt(T,2)*1.3/TB'", "-fps_mode", "vfr"], ["-vf", "setpts='PTS*(1+0.3*sin(N))'", "-fps_mode", "vfr"],
    ["-vf", "setpts='N*N*0.004/TB'", "-fps_mode", "vfr"], ["-vf", "mpdecimate=hi=99999:lo=50000:frac=1:max=5", "-fps_mode", "vfr"],
    ["-fps_mode", "cfr", "-r", "24"], ["-vf", "tinterlace=interleave_top", "-flags", "+ildct+ilme"],
]  # fmt: skip
# Changes of the fragments of an MP4: a recording joined late, a lost part, a repeated part, an earlier part behind a later one, and a copy
# that stopped.
CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "late": lambda parts: parts[len(parts) // 3 :],
    "gap": lambda parts: parts[: len(parts) // 2] + parts[len(parts) // 2 + 2 :],
    "repeated": lambda parts: parts[: len(parts) // 2 + 1] + parts[len(parts) // 2 :],
    "late part first": lambda parts: parts[len(parts) // 2 :] + parts[: len(parts) // 2],
    "stopped": lambda parts: [*parts[:-1], parts[-1][: len(parts[-1]) // 2]],
}
# Encoders of subtitles, by extension.
TEXTS = {"mp4": "mov_text", "mov": "mov_text", "mkv": "srt", "webm": "webvtt", "nut": "ass"}
SIZES = ["96x64", "96x64", "128x96", "160x120", "176x144", "98x66"]


@dataclass
class Kind:
    """A video of a random kind: its name, and the commands that write it."""

    path: Path
    commands: list[list[str]] = field(default_factory=list)
    # The share of the file that remains, from and to.
    cut: tuple[float, float] = (0, 1)
    # A change of the order of the fragments of an MP4.
    change: str = ""


def encoder(chance: random.Random, extension: str) -> list[str]:
    """Draws an encoder that the container may take, with its options."""
    everything = ["libx264"] * 12 + ["libx265"] * 5 + MPEG + INTRA + PALETTE + MODERN
    chosen = chance.choice(RAW.get(extension, everything))
    keyframes = ["-g", str(chance.choice([1, 5, 12, 25, 30, 48, 250]))]
    if chosen == "libx264":
        bitstream = chance.choice([*X264_SETS, "bframes=3", "bframes=2"])
        return ["-c:v", *X264.split(), *keyframes, "-x264-params", bitstream]
    if chosen == "libx265":
        parameters = f"log-level=none:pools=none:frame-threads=1:{chance.choice(X265_SETS)}"
        return ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *keyframes, "-x265-params", parameters]
    options = ["-c:v", *chosen.split(), *keyframes]
    if chosen.startswith("libvpx"):
        options += [*chance.choice(VPX_SETS).split(), "-deadline", "realtime", "-cpu-used", "8", "-b:v", "100k"]
    if chosen in ("mpeg1video", "mpeg2video", "mpeg4"):
        options += ["-bf", str(chance.choice([0, 0, 1, 2, 3])), "-q:v", "6"]
        options += chance.choice([[], [], ["-flags", "+cgop"], ["-flags", "+ildct+ilme"], ["-sc_threshold", "10"]])
    if chosen == "h261" or chosen == "h263":
        options += ["-s", "176x144"]
    if chosen == "dvvideo":
        options += ["-s", "720x576", "-pix_fmt", "yuv420p", "-r", "25", "-t", "1.5"]
    if chosen.startswith("dnxhd"):
        options += ["-s", "256x120", "-t", "2"]
    return options


def draw(chance: random.Random, place: int) -> Kind:
    """Draws a kind of video."""
    extension = chance.choice([*CONTAINERS, *["mp4"] * 12, *["mkv"] * 4, *["ts"] * 5, *["mov"] * 3, *["avi"] * 3, "flv", "mxf", "nut"])
    video = encoder(chance, extension)
    name = f"{place:04}_{video[1].split('-')[0]}.{extension}"
    kind = Kind(FOLDER / name)
    # Only in a long video does a careful pass begin inside as well.
    seconds = chance.choice(["4", "5", "6", "7.3", "2", "40"])
    source = ["-f", "lavfi", "-i", f"testsrc2=size={chance.choice(SIZES)}:rate={chance.choice(RATES)}:duration={seconds}"]
    if chance.random() < 0.2:
        source = ["-itsoffset", chance.choice(["0.5", "1", "0.04", "2.2"]), *source]
    has_sound = extension not in {"h264", "hevc", "vvc", "m1v", "m2v", "m4v", "ivf", "obu", "mjpeg", "gif", "apng", "y4m", "drc", "h263",
           "h261"}
    sound = []
    if has_sound and chance.random() < 0.55:
        length = chance.choice([seconds, seconds, "1", "9"])
        offset = ["-itsoffset", chance.choice(["0.7", "1.5", "0.021"])] if chance.random() < 0.2 else []
        source += [*offset, "-f", "lavfi", "-i", f"sine=sample_rate=48000:duration={length}"]
        default = {"3gp": "aac -ar 44100", "rm": "ac3", "ogg": "libvorbis", "flv": "aac", "webm": "libopus", "mxf": "pcm_s16le",
                   "gxf": "pcm_s16le", "asf": "wmav2", "wmv": "wmav2", "m2ts": "ac3", "mpg": "mp2",
                   "vob": "ac3"}.get(extension)  # fmt: skip
        sound = ["-c:a", *(default or chance.choice(["aac", *SOUNDS])).split(), "-ac", "2"]
        if chance.random() < 0.3:
            sound += ["-map", "1:a", "-map", "0:v"]
    timing = chance.choice(TIMINGS)
    if "libvvenc" in video:
        # With a variable rate, the encoder writes presentation times before decoding times.
        timing = []
    container = chance.choice(CONTAINERS[extension]).split()
    start = ["-output_ts_offset", chance.choice(["3", "100", "0.3", "95443", "-0.2", "26.5"])] if chance.random() < 0.2 else []
    way = chance.random()
    fixed = ["-threads", "1", "-strict", "-2"]
    if way < 0.75:
        text = []
        if extension in TEXTS and chance.random() < 0.2:
            maps = [] if "-map" in sound else ["-map", "0:v", *(["-map", "1:a"] if sound else [])]
            text = ["-c:s", TEXTS[extension], *maps, "-map", "2" if sound else "1"]
            source += subtitles(chance)
        if extension == "mov" and chance.random() < 0.3:
            text += ["-timecode", "01:00:00:00"]
        kind.commands.append([*source, *timing, *video, *sound, *text, *fixed, *start, *container, str(kind.path)])
    else:
        # Remuxed from another container, perhaps from the middle of it.
        between = kind.path.with_suffix(chance.choice([".nut", ".mkv", ".ts", ".mp4", ".avi", ".flv"]) + ".between")
        form = {"mkv": "matroska", "ts": "mpegts"}.get(extension_of(between), extension_of(between))
        kind.commands.append([*source, *timing, *video, *sound, *fixed, "-f", form, str(between)])
        middle = ["-ss", chance.choice(["1", "0.77", "2.5"])] if chance.random() < 0.6 else []
        length = ["-t", chance.choice(["2", "3.1"])] if chance.random() < 0.3 else []
        flags = chance.choice([[], [], ["-copyts"], ["-avoid_negative_ts", "disabled"], ["-copyinkf"], ["-start_at_zero", "-copyts"]])
        kind.commands.append([*middle, "-i", str(between), *length, "-c", "copy", "-map", "0", *flags, *start, *container, str(kind.path)])
    if chance.random() < 0.15:
        kind.cut = chance.choice([(0, 0.6), (0, 0.9), (0, 0.997), (0.3, 1), (0.1, 0.8), (0.02, 1)])
        if kind.cut[0] and extension not in {"ts", "m2ts", "mpg", "vob", "h264", "hevc", "m1v", "m2v", "m4v", "mjpeg", "obu", "vvc", "dv"}:
            kind.cut = (0, kind.cut[1] if kind.cut[1] < 1 else 0.5)
    if "frag" in " ".join(container) and chance.random() < 0.3:
        kind.change = chance.choice(list(CHANGES))
    return kind


def subtitles(chance: random.Random) -> list[str]:
    """Draws an input with two subtitles. The first one may begin before the video."""
    first, last = chance.choice(["00", "00", "00", "01"]), chance.choice(["04,500", "07,300", "08,900"])
    shown = f"1\n00:00:{first},{chance.choice(['000', '040', '500'])} --> 00:00:02,000\none\n\n2\n00:00:03,000 --> 00:00:{last}\ntwo\n"
    return ["-f", "srt", "-i", f"data:application/x-subrip;base64,{base64.b64encode(shown.encode()).decode()}"]


def extension_of(between: Path) -> str:
    return between.name.split(".")[-2]


def write(kind: Kind) -> bool:
    """Writes a video. Returns whether ffmpeg takes the combination."""
    written = all(ffmpeg(command) for command in kind.commands)
    for between in kind.path.parent.glob(f"{kind.path.stem}.*.between"):
        between.unlink()
    if not written or not kind.path.exists() or kind.path.stat().st_size < 500:
        kind.path.unlink(missing_ok=True)
        return False
    data = kind.path.read_bytes()
    if kind.change:
        data = changed(data, CHANGES[kind.change])
    kind.path.write_bytes(data[int(len(data) * kind.cut[0]) : int(len(data) * kind.cut[1])])
    return True


def changed(data: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Changes the list of the fragments of an MP4, each with the boxes before it."""
    try:
        children = [(child.kind, child.bytes()) for child in boxes.parse(data).children]
    except ValueError:
        return data
    places = [place for place, (kind, _) in enumerate(children) if kind == b"moof"]
    if not places:
        return data
    begin = next(place for place, (kind, _) in enumerate(children) if kind in {b"sidx", b"moof"})
    starts = [begin, *(place + 1 for place in range(places[0], places[-1]) if children[place][0] == b"mdat")]
    end = next((place for place in range(places[-1], len(children)) if children[place][0] == b"mfra"), len(children))
    parts = [b"".join(body for _, body in children[one:two]) for one, two in itertools.pairwise([*starts, end])]
    head, tail = (b"".join(body for _, body in part) for part in (children[:begin], children[end:]))
    return head + b"".join(change(parts)) + tail


def ffmpeg(arguments: list[str]) -> bool:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=LIMIT, stdin=subprocess.DEVNULL).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def described(kind: Kind) -> str:
    lines = [" ".join(["ffmpeg", *command]).replace(f"{kind.path.parent}/", "") for command in kind.commands]
    return "\n".join([*lines, f"fragments: {kind.change}" if kind.change else "", f"cut {kind.cut}" if kind.cut != (0, 1) else "", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="kinds of videos to draw")
    options = parse(parser, times=7, limit=300)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    kinds = [draw(random.Random(f"{options.seed} {place}"), place) for place in range(options.count)]
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        taken = pool.map(lambda kind: examine(kind.path, kind.path.name, options) if write(kind) else None, kinds)
        for kind, result in zip(kinds, taken, strict=True):
            if not result:
                continue
            results.append(result)
            print_result(result, options.show)
            if result.faults:
                kind.path.with_suffix(".txt").write_text(described(kind), encoding="utf-8")
                print(described(kind))
            else:
                kind.path.unlink()
    print(f"FFmpeg does not write {len(kinds) - len(results)} of {len(kinds)} combinations")
    print_efficiency(results)
    return 0 if print_summary(results, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
