//! Texts below the options in `--help`: paragraphs for clap to wrap, then examples.

pub(super) const EXIT_CODES: &str = "\
Exit codes:
    0  success; `process` also returns 0 when nothing had to be done
    1  internal: an unexpected failure of this program
    2  config: an argument or a setting is wrong
    3  not_found: the input does not exist
    4  denied: the input cannot be read, or the output cannot be written
    5  unsupported: no video, a codec that is not compiled in, a server without byte ranges
    6  malformed: the file is damaged or is not a video; the name cannot be used
    7  limit_exceeded: the file costs more than the limits allow, or the name is too long
    8  timeout: the time limit has passed
    9  unavailable: a failure that may not happen again
   10  audit --exit-code: the audit has findings
  130  cancelled: interrupted

With --json, a failure prints {\"error\": {\"kind\", \"message\", \"subject\"}} on standard output.";

pub(super) const EXAMPLES: &str = "\
Examples:
  posterframe probe holiday.mp4
  posterframe probe holiday.mp4 --json | jq .format.duration
  posterframe grab holiday.mp4 -o poster.jpg
  posterframe grab s3://films/videos/1_x.mp4 -o small.webp --at 1:02.5 --width 640
  posterframe probe https://example.org/a.mp4
  posterframe storyboard holiday.mp4 -o previews
  posterframe process bucket/videos/1_test_video.mp4 --store bucket
  posterframe backfill s3://films --dry-run
  posterframe audit s3://films";

pub(super) const PROBE_HELP: &str = "\
A failing input does not stop the others. The exit code is the exit code of the first failure.

Examples:
  posterframe probe holiday.mp4
  posterframe probe s3://films/videos/1_x.mp4
  posterframe probe holiday.mp4 --json | jq .posterframe.moov
  posterframe probe *.mp4 --json | jq -r '[.format.filename, .format.duration] | @tsv'
  posterframe probe --deep broadcast.ts";

pub(super) const GRAB_HELP: &str = "\
The picture shows the first frame at or after TIME. A video that ends before TIME shows the frame at half its duration, or else its \
last frame.

A failing input does not stop the others. The exit code is the exit code of the first failure. Two inputs with the same output name are \
an error before any input is read.

Examples:
  posterframe grab holiday.mp4 -o poster.jpg
  posterframe grab holiday.mp4 --show
  posterframe grab holiday.mp4 -o small.webp --at 1:02.5 --width 640
  posterframe grab holiday.mp4 -o square.jpg --width 640 --height 640 --fit cover --focus 0.5,0.3
  posterframe grab holiday.mp4 -o middle.jpg --at middle
  posterframe grab holiday.mp4 -o good.jpg --pick auto
  posterframe grab s3://films/videos/1_x.mp4 -o poster.jpg --profile films
  curl -s https://example.org/clip.webm | posterframe grab - -o poster.jpg
  posterframe grab holiday.mp4 -o - --format png > poster.png
  posterframe grab *.mp4 -o posters/ --width 640
  posterframe grab holiday.mp4 -o choices.jpg --candidates 9";

pub(super) const STORYBOARD_HELP: &str = "\
DIR receives storyboard-1.jpg (storyboard-2.jpg, ...), storyboard.vtt and storyboard.json. The command writes all files or none. Files of \
an earlier storyboard with these names are replaced. Other files in DIR stay, such as further sheets of an earlier storyboard.

In S3, the name of each sheet contains a hash (storyboard-1-0123456789abcdef.jpg), and the sheets of earlier storyboards stay. The command \
writes storyboard.json last. If storyboard.json names the current version of the video and the same settings, the command writes nothing.

Tiles from keyframes read the fewest bytes, but several tiles show the same picture where the video has fewer keyframes than tiles. With \
--pick exact, each tile shows the frame in the middle of its interval.

Examples:
  posterframe storyboard holiday.mp4 -o previews
  posterframe storyboard s3://films/videos/1_x.mp4 -o previews --every 10s --width 240
  posterframe storyboard s3://films/videos/1_x.mp4 -o s3://films/storyboards/1_x/
  posterframe storyboard holiday.mp4 -o previews --count 25 --columns 5 --pick exact --format webp";

pub(super) const PROCESS_HELP: &str = "\
For a local video, the store is a folder that stands for the bucket, and the rows go to SQLite unless --catalog mysql is given. The key \
of a video inside the store is its path there. A video outside the store is read in place; its key is VIDEO_PREFIX and its file name. \
For s3://bucket/key, the store is the bucket, and the rows go to MySQL and the catalogue API unless --catalog sqlite is given.

The command first prints which thumbnail and which catalogue it writes. A second run changes nothing.

Settings (environment variables and their defaults):
  VIDEO_PREFIX=videos/          VIDEO_SUFFIXES=.mp4       THUMBNAIL_PREFIX=thumbnails/
  THUMBNAIL_AT=5                THUMBNAIL_PICK=exact      THUMBNAIL_WIDTH=
  THUMBNAIL_HEIGHT=             THUMBNAIL_FIT=contain     THUMBNAIL_FOCUS=
  THUMBNAIL_QUALITY=85          THUMBNAIL_FORMAT=jpeg     POSTER_AT_TAG=false
  THUMBNAIL_KEY={prefix}{dir}{name}.{ext}
  THUMBNAIL_CACHE_CONTROL='public, max-age=300'
  STORYBOARD_KEY=               STORYBOARD_COUNT=100      STORYBOARD_EVERY=
  STORYBOARD_PICK=keyframe      STORYBOARD_WIDTH=160      STORYBOARD_HEIGHT=
  STORYBOARD_COLUMNS=10         STORYBOARD_ROWS=10        STORYBOARD_FORMAT=jpeg
  STORYBOARD_QUALITY=85
  STORE_DIR=posterframe-data    CATALOG_SQLITE=STORE_DIR/catalog.sqlite3
  LOG_FORMAT=                   RUST_LOG=
With mysql also: DB_HOST, DB_USER, DB_PASSWORD, DB_NAME, CATALOG_API_BASE, INTERNAL_TOKEN, and the other settings of the function.

Examples:
  posterframe process bucket/videos/1_test_video.mp4 --store bucket
  posterframe process s3://films/videos/1_test_video.mp4
  posterframe process --event event.json
  THUMBNAIL_WIDTH=640 posterframe process ~/Videos/42_my-movie.mp4 --json";

pub(super) const BACKFILL_HELP: &str = "\
The command first prints which videos it processes and where it writes. It skips videos that are processed already, and keeps existing \
contents. After an interruption (Ctrl-C), the same command resumes, and retries failures that may not happen again.

The exit code is 0 when all videos are processed, and 130 after an interruption. Otherwise it is the exit code of the first failure that \
may not happen again, or else of the first failure.

For s3://, the command needs the permission s3:ListBucket besides the permissions of `process`. For millions of objects, use S3 Batch \
Operations with the Lambda function.

Examples:
  posterframe backfill my-bucket --report report.json --contact-sheet sheet.html
  posterframe backfill s3://films/videos/2026/ --dry-run
  posterframe backfill s3://films --only-missing --jobs 8 --rate 20";

pub(super) const AUDIT_HELP: &str = "\
The command writes nothing to store and catalogue. It compares each video with its rows and with the metadata of its thumbnail (one HEAD \
request per video). It reads rows by their ids, a few thousand at a time, without locks, and sorts them in temporary files in TMPDIR, \
about 400 bytes per row. Memory does not grow with the number of videos or rows.

With --journal FILE, the same command resumes an interrupted audit (Ctrl-C, SIGTERM, kill), at most 1,000 objects before the point of \
interruption. After a complete audit, the next one starts from the beginning.

The exit code is 0 whether or not the audit has findings; see --exit-code.

Examples:
  posterframe audit s3://films
  posterframe audit s3://films/videos/2026/ --json | jq .counts
  posterframe audit s3://films --journal audit.jsonl --json > audit.json
  posterframe audit s3://films --choices --only other-time
  posterframe audit s3://films --only no-thumbnail --only no-row --keys keys.txt
  posterframe backfill s3://films --keys-from keys.txt";

pub(super) const REDRIVE_HELP: &str = "\
Without --replay and --to, the command only reports what the queue contains. Messages that it reads stay hidden from other receivers until \
the command ends, or for 15 minutes if it is killed (longer with a --timeout over 30s). Each read counts as a receive.

The type of a failure comes from the message of the function's on-failure destination, or from the attributes that Lambda gives to \
messages of the function's own dead-letter queue. Messages that the redrive policy of a queue has moved contain no reason: their type is \
unknown.

The command needs sqs:ReceiveMessage, sqs:ChangeMessageVisibility and sqs:DeleteMessage, sqs:GetQueueUrl for a queue's name, and \
sqs:SendMessage on the queue of --to.

Examples:
  posterframe redrive films-dlq
  posterframe redrive films-dlq --type denied --replay
  posterframe redrive films-dlq --type unavailable --type timeout --to films-uploads";

pub(super) const DOCTOR_HELP: &str = "\
The command reads the function's environment variables, and tries with the current credentials what the function does. Each check has a \
name and a status: ok, warning, failed, or skipped because another check failed. Each failed check reports what to do. \
docs/troubleshooting.md maps error texts to checks. No secret is printed.

The checks change nothing: they send no content to the API, and ask the database for privileges without touching a row. Only --write puts \
one small object, THUMBNAIL_PREFIX followed by .posterframe-doctor, into the bucket, and another one at the beginning of STORYBOARD_KEY if \
that is another folder. The objects stay, because deleting them needs a permission (s3:DeleteObject) that the function does not need.

The exit code is 0 when no check failed, or else the exit code of the first failed check; see `posterframe --help`.

Examples:
  posterframe doctor
  posterframe doctor s3://films/videos/1_test_video.mp4
  posterframe doctor --bucket films --write
  STORE_DIR=my-bucket posterframe doctor --catalog sqlite
  posterframe doctor --json | jq '.checks[] | select(.status == \"failed\")'";

pub(super) const LIBAV_HELP: &str = "\
The command builds libavformat, libavcodec, libswscale and libavutil with dav1d and zlib, in the LGPL configuration of this program. \
cargo fetches the sources and verifies their checksums. The build takes four to nine minutes on two processors. When DIR contains this \
version already, the command builds nothing. Standard output receives one line, FFMPEG_DIR=DIR, the variable that your build needs.

The build needs cargo, gcc, make, nasm, meson, ninja, pkg-config, xz, patch and binutils; the exit code is 2 when a tool is missing. \
ffmpeg-sys-next, which reads FFmpeg's headers, needs libclang-dev. On Debian:
  apt-get install gcc make nasm meson ninja-build pkg-config xz-utils patch binutils libclang-dev

Examples:
  posterframe libav --prefix ~/libav
  FFMPEG_DIR=~/libav cargo build --features posterframe/static
  posterframe libav --prefix ~/libav-arm64 --target aarch64-linux-gnu";

pub(super) const SCHEMA_HELP: &str = "\
Examples:
  posterframe schema --dialect mysql | mysql catalogue
  posterframe schema --dialect mysql --optional index | mysql catalogue";
