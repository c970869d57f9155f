//! The results of the getters for the fixtures.

use std::any::Any;
use std::fs;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::AvError;
use super::codec::{Decoder, DecoderOptions, Received};
use super::format::{Container, OpenError, SeekFlags};
use super::frame::{Frame, PictureType};
use super::io::{Source, Stopped};
use super::packet::Packet;
use super::parser::{Parser, PictureStructure};
use super::stream::{CodecProperties, DispositionFlags, MediaType};

/// A file in memory whose reads can fail.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    position: u64,
    /// Reads from this byte fail.
    fails_at: Option<u64>,
    /// Reads from this byte panic.
    panics_at: Option<u64>,
    is_stopped: bool,
    /// Reads return all available bytes.
    ignores_length: bool,
    /// Number of calls from libavformat after the panic.
    calls_after_panic: u32,
    panic: Option<String>,
}

impl Source for Memory {
    fn read(&mut self, length: usize) -> Result<&[u8], Stopped> {
        self.calls_after_panic += u32::from(self.panic.is_some());
        assert!(self.panics_at.is_none_or(|at| self.position < at), "on purpose");
        if self.fails_at.is_some_and(|at| self.position >= at) {
            return Err(Stopped);
        }
        let start = usize::try_from(self.position).unwrap().min(self.bytes.len());
        let end = (start + length).min(self.bytes.len());
        self.position += (end - start) as u64;
        Ok(if self.ignores_length { &self.bytes[start..] } else { &self.bytes[start..end] })
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn seek(&mut self, position: u64) {
        self.calls_after_panic += u32::from(self.panic.is_some());
        self.position = position;
    }

    fn end(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn is_stopped(&mut self) -> bool {
        self.calls_after_panic += u32::from(self.panic.is_some());
        self.is_stopped
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        self.panic = Some((*payload.downcast::<&str>().unwrap()).to_owned());
    }
}

fn memory(name: &str) -> Memory {
    super::log::redirect(|_| ());
    let bytes = fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    Memory { bytes, ..Memory::default() }
}

fn open(name: &str) -> Container<Memory> {
    let mut container = Container::open(memory(name), 100, &[]).ok().unwrap();
    container.find_stream_info().unwrap();
    container
}

/// Returns the packets of one stream, in the order of the file.
fn packets(container: &mut Container<Memory>, stream: usize) -> Vec<Packet> {
    let mut packets = Vec::new();
    loop {
        let mut packet = Packet::new().unwrap();
        if !container.read_packet(&mut packet).unwrap() {
            return packets;
        }
        if packet.stream_index() == Some(stream) {
            packets.push(packet);
        }
    }
}

fn parser(container: &Container<Memory>) -> Parser {
    Parser::open(container.stream(0).unwrap()).unwrap().unwrap()
}

#[test]
fn parsers_distinguish_frames_from_fields() {
    for name in ["h264.ts", "h264_front.mp4", "interlaced.mp4"] {
        let mut container = open(name);
        let mut parser = parser(&container);
        let packets = packets(&mut container, 0);
        let parsed: Vec<_> = packets.iter().map(|packet| parser.parse(packet)).collect();
        assert!(parsed.iter().all(|parsed| parsed.structure == PictureStructure::Frame), "{name}");
        for (packet, parsed) in packets.iter().zip(&parsed) {
            assert_eq!(parsed.is_key, Some(packet.is_key()), "{name}");
            assert!(!packet.is_key() || parsed.picture_type == PictureType::I, "{name}");
        }
        for wanted in [PictureType::P, PictureType::B] {
            assert!(parsed.iter().any(|parsed| parsed.picture_type == wanted), "{name}");
        }
        assert_eq!(parser.parse(&Packet::new().unwrap()).structure, PictureStructure::Unknown);
    }
}

#[test]
fn parsers_report_each_field() {
    /// The picture coding extension (ISO/IEC 13818-2, 6.2.3.1): its start code, and the first half of its first byte.
    const EXTENSION: [u8; 5] = [0, 0, 1, 0xb5, 0x80];
    let mut container = open("interlaced_mpeg2.mpg");
    let mut parser = parser(&container);
    let mut packet = packets(&mut container, 0).swap_remove(0);
    let matches = |window: &[u8]| window[..4] == EXTENSION[..4] && window[4] & 0xf0 == EXTENSION[4];
    let at = packet.bytes().windows(5).position(matches).unwrap();
    for (code, structure) in
        [(1, PictureStructure::TopField), (2, PictureStructure::BottomField), (3, PictureStructure::Frame)]
    {
        let byte = &mut packet.bytes_mut()[at + 6];
        *byte = *byte & !3 | code;
        assert_eq!(parser.parse(&packet).structure, structure);
    }
    // A packet without a picture does not repeat the previous result.
    packet.bytes_mut().fill(0xff);
    assert_eq!(parser.parse(&packet).structure, PictureStructure::Unknown);
}

#[test]
fn codecs_without_a_parser_have_none() {
    let container = open("wmv2.asf");
    let stream = container.streams().find(|stream| stream.codec_name() == Some("wmv2"));
    assert!(Parser::open(stream.unwrap()).unwrap().is_none());
}

#[test]
fn an_attached_picture_can_be_read_repeatedly() {
    let mut container = open("cover_art.mp4");
    let of = |container: &Container<Memory>, cover: bool| {
        let mut streams = container.streams();
        streams
            .position(|stream| stream.disposition().contains(DispositionFlags::ATTACHED_PIC) == cover)
            .unwrap()
    };
    let (cover, video) = (of(&container, true), of(&container, false));
    let first = container.attached_picture(cover).unwrap().unwrap();
    assert_eq!((first.stream_index(), first.is_key()), (Some(cover), true));
    while container.read_packet(&mut Packet::new().unwrap()).unwrap() {}
    let again = container.attached_picture(cover).unwrap().unwrap();
    assert!(first.bytes().len() > 100 && first.bytes() == again.bytes());
    drop(container);
    // The packets have separate references.
    assert_eq!(first.bytes(), again.bytes());
    let container = open("cover_art.mp4");
    assert!(container.attached_picture(video).unwrap().is_none());
    assert!(container.attached_picture(99).unwrap().is_none());
}

#[test]
fn packets_contain_bytes_times_and_keyframe_marks() {
    let mut container = open("edit_list.mp4");
    let packets = packets(&mut container, 0);
    assert!(packets.iter().all(|packet| packet.bytes().len() as u64 == packet.size()));
    assert!(packets.iter().all(|packet| packet.duration().is_some_and(|ticks| ticks > 0)));
    assert!(packets.iter().all(|packet| !packet.is_corrupt() && packet.encryption_parameters().is_none()));
    // Frames before the edit are decoded, but not presented.
    let blank = Packet::new().unwrap();
    assert_eq!((blank.bytes(), blank.duration()), (&[][..], None));
}

#[test]
fn frames_report_their_coding_type_and_packet() {
    for name in ["h264_front.mp4", "hevc.mp4", "vp9.webm", "av1.mkv", "mpeg4.avi"] {
        let mut container = open(name);
        let mut decoder =
            Decoder::open(container.stream(0).unwrap(), DecoderOptions::single_threaded(1 << 20))
                .unwrap()
                .unwrap();
        let packets = packets(&mut container, 0);
        let keys = packets.iter().filter(|packet| packet.is_key()).count();
        let mut packets = packets.into_iter();
        let (mut frame, mut count, mut key_frames) = (Frame::new().unwrap(), 0, 0);
        let mut ended = false;
        while !ended {
            decoder.send(packets.next().as_ref()).unwrap();
            loop {
                match decoder.receive(&mut frame).unwrap() {
                    Received::Frame => {}
                    Received::NeedsInput => break,
                    Received::Ended => {
                        ended = true;
                        break;
                    }
                }
                count += 1;
                key_frames += usize::from(frame.is_key());
                assert!(!frame.is_key() || frame.picture_type() == PictureType::I, "{name}");
            }
        }
        assert_eq!(key_frames, keys, "{name}");
        assert!(count > 20, "{name}");
    }
    assert_eq!(PictureType::from_code(200), PictureType::Unknown);
}

#[test]
fn the_index_is_read_entry_by_entry() {
    let container = open("h264_front.mp4");
    let count = container.index_entry_count(0);
    let entries: Vec<_> = (0..=count).map_while(|number| container.index_entry_at(0, number)).collect();
    assert_eq!((entries.len(), container.index_entry_count(99)), (count, 0));
    let keys: Vec<_> = (0..count).filter(|&number| entries[number].is_key).collect();
    assert_eq!((count, keys.len()), (70, 3));
    let second = entries[keys[1]].timestamp.unwrap();
    let search = |ticks, backward, any| container.index_search(0, ticks, SeekFlags { backward, any });
    assert_eq!(search(second, true, false), Some(keys[1]));
    assert_eq!(search(second - 1, true, false), Some(keys[0]));
    assert_eq!(search(second - 1, false, false), Some(keys[1]));
    assert_eq!(search(second - 1, true, true), Some(keys[1] - 1));
    assert_eq!(search(i64::MAX / 2, false, true), None);
    assert!(container.index_entry_at(0, usize::MAX).is_none());
    assert!(container.index_entry_at(99, 0).is_none());
}

#[test]
fn a_seek_to_any_packet_may_land_on_any_packet() {
    let mut container = open("h264_front.mp4");
    let wanted = container.index_entry_at(0, 50).unwrap();
    assert!(!wanted.is_key);
    let mut packet = Packet::new().unwrap();
    let mut position = |flags| {
        container.seek(0, wanted.timestamp.unwrap(), flags).unwrap();
        while container.read_packet(&mut packet).unwrap() && packet.stream_index() != Some(0) {}
        packet.position()
    };
    // The mov demuxer goes back a few packets further, for frames that are presented before their decoding time.
    let key = position(SeekFlags { backward: true, any: false });
    let any = position(SeekFlags { backward: true, any: true });
    assert!(key < any && any <= wanted.position, "{key:?} {any:?} {:?}", wanted.position);
    assert!(container.seek(99, 0, SeekFlags::default()).is_err());
}

#[test]
fn streams_report_the_properties_of_their_codec() {
    let properties = |name| open(name).stream(0).unwrap().codec_properties();
    assert_eq!(properties("h264_front.mp4"), CodecProperties { intra_only: false, reorder: true });
    assert_eq!(properties("prores.mov"), CodecProperties { intra_only: true, reorder: false });
    let container = open("audio_only.m4a");
    let audio = container.stream(0).unwrap();
    assert_eq!(audio.kind(), MediaType::Audio);
    assert_eq!(audio.audio_frame_size(), Some(1024));
    assert!(!container.has_tile_grid(0) && !container.has_tile_grid(99));
}

#[test]
fn owners_may_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Container<Memory>>();
    is_send::<(Packet, Frame, Decoder, Parser)>();
    let mut container = open("h264_front.mp4");
    let count = std::thread::spawn(move || packets(&mut container, 0).len()).join().unwrap();
    assert_eq!(count, 70);
}

/// Reads packets until an error occurs.
fn next_error(container: &mut Container<Memory>) -> AvError {
    let mut packet = Packet::new().unwrap();
    loop {
        match container.read_packet(&mut packet) {
            Ok(is_packet) => assert!(is_packet, "an end instead of an error"),
            Err(error) => return error,
        }
    }
}

#[test]
fn a_panic_of_the_source_becomes_an_error() {
    let mut container = open("h264.ts");
    container.seek_to_byte(0).unwrap();
    container.input_mut().panics_at = Some(40_000);
    assert_eq!(next_error(&mut container), AvError::EXIT);
    assert_eq!(next_error(&mut container), AvError::EXIT);
    let source = container.input();
    assert_eq!((source.panic.as_deref(), source.calls_after_panic), (Some("on purpose"), 0));
}

#[test]
fn a_source_that_returns_more_bytes_than_requested_is_safe() {
    let source = Memory { ignores_length: true, ..memory("h264.ts") };
    let Ok(mut container) = Container::open(source, 100, &[]) else { return };
    while let Ok(true) = container.read_packet(&mut Packet::new().unwrap()) {}
}

#[test]
fn a_failed_source_is_not_an_end_of_file() {
    let mut container = open("h264.ts");
    container.seek_to_byte(0).unwrap();
    container.input_mut().fails_at = Some(40_000);
    assert_eq!(next_error(&mut container), AvError::EXIT);
    container.input_mut().fails_at = None;
    container.input_mut().is_stopped = true;
    assert_eq!(next_error(&mut container), AvError::EXIT);
}

#[test]
fn a_failed_open_returns_the_source() {
    let Err(OpenError { error, source }) = Container::open(memory("x_text.mp4"), 100, &[]) else {
        panic!("text is no container")
    };
    assert_eq!((error, source.bytes.is_empty()), (AvError::INVALID_DATA, false));
    let source = Memory { panics_at: Some(0), ..source };
    let Err(OpenError { error, source }) = Container::open(source, 100, &[]) else { panic!("it panics") };
    assert_eq!((error, source.panic.as_deref()), (AvError::EXIT, Some("on purpose")));
}

#[test]
fn a_failed_reopen_leaves_the_container_unchanged() {
    let mut container = open("h264_front.mp4");
    assert!(container.read_packet(&mut Packet::new().unwrap()).unwrap());
    container.input_mut().fails_at = Some(0);
    assert_eq!(container.reopen(100, &[]), Err(AvError::EXIT));
    container.input_mut().fails_at = None;
    assert_eq!(packets(&mut container, 0).len() + 1, 70);
    container.reopen(100, &[]).unwrap();
    assert_eq!(packets(&mut container, 0).len(), 70);
}

#[test]
fn the_error_contains_the_last_message_of_libav() {
    let bytes = b"\0\0\0\x18ftypisom\0\0\0\0isommp42\0\0\0\x08free".to_vec();
    super::log::redirect(|_| ());
    let refused = Container::open(Memory { bytes, ..Memory::default() }, 100, &[]).err().unwrap();
    assert_eq!(refused.error, AvError::INVALID_DATA);
    assert_eq!(super::log::last().as_deref(), Some("moov atom not found"));
    // A successful call leaves no error.
    open("h264_front.mp4");
    assert_eq!(super::log::last(), None);
}

#[test]
fn cpu_time_of_decoder_threads_is_reported() {
    for (threads, works) in [(1, false), (2, true)] {
        let mut container = open("h264_1080p.mp4");
        let packets = packets(&mut container, 0);
        let threads = NonZeroUsize::new(threads).unwrap();
        let options = DecoderOptions { threads, ..DecoderOptions::single_threaded(u64::MAX) };
        let mut decoder = Decoder::open(container.stream(0).unwrap(), options).unwrap().unwrap();
        let mut frame = Frame::new().unwrap();
        for packet in packets.iter().take(8) {
            decoder.send(Some(packet)).unwrap();
            decoder.receive(&mut frame).unwrap();
        }
        let worked = decoder.cpu_time_of_threads();
        assert_eq!(worked > Duration::from_millis(1), works, "{worked:?}");
        assert_eq!(decoder.pixels(), 1920 * 1080);
    }
}
