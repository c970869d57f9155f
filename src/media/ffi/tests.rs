//! What the getters answer for the fixtures.

use std::collections::HashSet;
use std::fs::File;
use std::num::NonZeroUsize;

use super::codec::{Decoder, Received};
use super::format::{Container, SeekFlags};
use super::frame::{Frame, PictureType};
use super::packet::Packet;
use super::parser::{Parser, PictureStructure};
use super::stream::CodecProperties;
use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::media::input::Input;

fn open(name: &str) -> Container<'static> {
    super::initialise(usize::MAX >> 1);
    let file = File::open(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let limits = Limits::default();
    let input = Input::new(Box::new(file), &limits, Deadline::new(limits.max_time, None)).ok().unwrap();
    let mut container = Container::open(input, 100, &[]).ok().unwrap();
    container.find_stream_info().unwrap();
    container
}

/// The packets of one stream, in the order of the file.
fn packets(container: &mut Container<'_>, stream: usize) -> Vec<Packet> {
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

fn parser(container: &Container<'_>) -> Parser {
    Parser::open(container.stream(0).unwrap()).unwrap().unwrap()
}

#[test]
fn parsers_tell_frames_from_fields() {
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
        assert_eq!(parser.picture_structure(&Packet::new().unwrap()), PictureStructure::Unknown);
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
        assert_eq!(parser.picture_structure(&packet), structure);
    }
    // A packet in which there is nothing to find does not repeat what was found before.
    packet.bytes_mut().fill(0xff);
    assert_eq!(parser.picture_structure(&packet), PictureStructure::Unknown);
}

#[test]
fn codecs_without_a_parser_have_none() {
    let container = open("wmv2.asf");
    let stream = container.streams().find(|stream| stream.codec_name() == Some("wmv2"));
    assert!(Parser::open(stream.unwrap()).unwrap().is_none());
}

#[test]
fn an_attached_picture_can_be_had_more_than_once() {
    let mut container = open("cover_art.mp4");
    let of = |container: &Container<'_>, cover: bool| {
        let mut streams = container.streams();
        streams.position(|stream| stream.disposition().attached_pic == cover).unwrap()
    };
    let (cover, video) = (of(&container, true), of(&container, false));
    let first = container.attached_picture(cover).unwrap().unwrap();
    assert_eq!((first.stream_index(), first.is_key()), (Some(cover), true));
    while container.read_packet(&mut Packet::new().unwrap()).unwrap() {}
    let again = container.attached_picture(cover).unwrap().unwrap();
    assert!(first.bytes().len() > 100 && first.bytes() == again.bytes());
    drop(container);
    // The packets hold references of their own.
    assert_eq!(first.bytes(), again.bytes());
    let container = open("cover_art.mp4");
    assert!(container.attached_picture(video).unwrap().is_none());
    assert!(container.attached_picture(99).unwrap().is_none());
}

#[test]
fn packets_carry_bytes_times_and_marks() {
    let mut container = open("edit_list.mp4");
    let packets = packets(&mut container, 0);
    assert!(packets.iter().all(|packet| packet.bytes().len() as u64 == packet.size()));
    assert!(packets.iter().all(|packet| packet.duration().is_some_and(|ticks| ticks > 0)));
    assert!(packets.iter().all(|packet| !packet.is_corrupt() && !packet.is_encrypted()));
    // What lies before the edit is decoded, and not presented.
    let discardable = packets.iter().take_while(|packet| packet.is_discardable()).count();
    assert!(packets[discardable..].iter().all(|packet| !packet.is_discardable()));
    let blank = Packet::new().unwrap();
    assert_eq!((blank.bytes(), blank.duration()), (&[][..], None));
}

#[test]
fn frames_tell_how_they_were_coded_and_from_which_packet() {
    for name in ["h264_front.mp4", "hevc.mp4", "vp9.webm", "av1.mkv", "mpeg4.avi"] {
        let mut container = open(name);
        let one = NonZeroUsize::MIN;
        let mut decoder = Decoder::open(container.stream(0).unwrap(), one, 1 << 20, 0).unwrap().unwrap();
        let mut keys = HashSet::new();
        let mut packets = packets(&mut container, 0).into_iter().enumerate();
        let (mut frame, mut count, mut marks) = (Frame::new().unwrap(), 0, HashSet::new());
        let mut ended = false;
        while !ended {
            let packet = packets.next().map(|(index, mut packet)| {
                let mark = NonZeroUsize::new(index + 1).unwrap();
                packet.set_mark(mark);
                keys.extend(packet.is_key().then_some(mark));
                packet
            });
            decoder.send(packet.as_ref()).unwrap();
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
                let Some(mark) = frame.mark() else {
                    assert_eq!((marks.len(), cfg!(ffmpeg_6_1)), (0, false), "{name}");
                    continue;
                };
                assert!(marks.insert(mark), "{name}: two frames of one packet");
                assert_eq!(frame.is_key(), keys.contains(&mark), "{name}");
                assert!(!frame.is_key() || frame.picture_type() == PictureType::I, "{name}");
            }
        }
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
fn a_seek_lands_on_any_packet_where_it_may() {
    let mut container = open("h264_front.mp4");
    let wanted = container.index_entry_at(0, 50).unwrap();
    assert!(!wanted.is_key);
    let mut packet = Packet::new().unwrap();
    let mut position = |flags| {
        container.seek(0, wanted.timestamp.unwrap(), flags).unwrap();
        while container.read_packet(&mut packet).unwrap() && packet.stream_index() != Some(0) {}
        packet.position()
    };
    // The mov demuxer goes a few packets further back, for frames that are presented earlier than they are decoded.
    let key = position(SeekFlags { backward: true, any: false });
    let any = position(SeekFlags { backward: true, any: true });
    assert!(key < any && any <= wanted.position, "{key:?} {any:?} {:?}", wanted.position);
    assert!(container.seek(99, 0, SeekFlags::default()).is_err());
}

#[test]
fn streams_tell_what_holds_for_their_codec() {
    let properties = |name| open(name).stream(0).unwrap().codec_properties();
    assert_eq!(properties("h264_front.mp4"), CodecProperties { intra_only: false, reorder: true });
    assert_eq!(properties("prores.mov"), CodecProperties { intra_only: true, reorder: false });
    let container = open("audio_only.m4a");
    let audio = container.stream(0).unwrap();
    assert_eq!(audio.sample_rate(), audio.audio().sample_rate);
    assert_eq!(audio.audio_frame_size(), Some(1024));
    assert!(!container.has_tile_grid(0) && !container.has_tile_grid(99));
}
