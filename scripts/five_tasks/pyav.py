"""Five tasks with PyAV: `pyav.py TASK INPUT OUTPUT`. `run.py` runs them and checks what they write."""

import json
import sys

import av
import PIL.Image


def frame_at(container, seconds):
    stream = container.streams.video[0]
    wanted = (stream.start_time or 0) + int(seconds / stream.time_base)
    container.seek(wanted, stream=stream)
    return next(frame for frame in container.decode(stream) if frame.pts >= wanted)


def first_frame(input, output):
    with av.open(input) as container:
        next(container.decode(video=0)).to_image().save(output)


def frame_of_url(input, output):
    with av.open(input) as container:
        frame_at(container, 5).to_image().save(output)


def ten_frames(input, output):
    with av.open(input) as container:
        length = container.duration / av.time_base
        seconds = [frame_at(container, length * number / 10).time for number in range(10)]
    with open(output, "w") as file:
        json.dump(seconds, file)


def storyboard(input, output):
    sheet = PIL.Image.new("RGB", (10 * 160, 10 * 90))
    with av.open(input) as container:
        length = container.duration / av.time_base
        for number in range(100):
            tile = frame_at(container, length * number / 100).to_image(width=160, height=90)
            sheet.paste(tile, (number % 10 * 160, number // 10 * 90))
    sheet.save(output)


def information(input, output):
    with av.open(input) as container:
        streams = []
        for stream in container.streams:
            told = {"kind": stream.type, "codec_name": stream.codec_context.name}
            if stream.type == "video":
                told |= {"width": stream.width, "height": stream.height, "fps": float(stream.average_rate)}
            elif stream.type == "audio":
                told |= {"sample_rate": stream.sample_rate}
            streams.append(told)
        told = {
            "format_name": container.format.name,
            "duration_seconds": container.duration / av.time_base,
            "streams": streams,
        }
    with open(output, "w") as file:
        json.dump(told, file)


if __name__ == "__main__":
    task, input, output = sys.argv[1:]
    globals()[task](input, output)
