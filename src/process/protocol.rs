//! The order of the job's requests, as a state machine without I/O.
//!
//! [`Protocol::wants`] returns the requests whose answers the job waits for. Requests that are returned together may be
//! sent concurrently, and their answers may arrive in any order. [`Protocol::answer`] takes an answer. The driver in
//! `process` performs the requests on store, catalogue and video. The model in `protocol/model` performs them on a
//! world of a few bytes, in every possible order, with several workers. Both run this code.
//!
//! 1. *Look*: the video (its first bytes, or a `HEAD`), the thumbnail, and the rows, concurrently. If a thumbnail of
//!    this version with these settings exists and its row agrees, the job is done. If such a thumbnail exists and its
//!    row differs or is missing, the job continues with step 6 and decodes nothing.
//! 2. *Read*: the rest of the video, and concurrently the metadata of the other thumbnails if a video has several.
//! 3. *Check*, concurrently with decoding: video and thumbnail again, and the thumbnail in the row if that is another
//!    one. The job starts over when the video was replaced, when people chose another time for its frame, or when the
//!    thumbnail is neither that of step 1 nor of this version.
//! 4. *Upsert*, unless a thumbnail of this version was seen and the content exists. A video whose name contains no id
//!    is registered first.
//! 5. *Put* the other thumbnails concurrently, then the thumbnail, on the condition that it is still that of step 1. If
//!    the condition is false, look again: if the thumbnail is of this version with these settings, continue; otherwise
//!    start over.
//! 6. *Row*.
//! 7. *Last*: video and thumbnail concurrently. If the version differs, start over.
//!
//! A thumbnail is *of this version* when its metadata contain the video's ETag, and the content was written before it
//! or together with it: `pending` is absent or `row`. Version 0.1 writes `pending` = `true` before it writes the
//! content.
//!
//! The other thumbnails are described before the check requests the video, and stored on the condition that they are
//! still unchanged: thumbnails that a newer version stores meanwhile are kept. The thumbnail itself is stored last, so
//! it alone proves that all thumbnails exist.
//!
//! # Invariants
//! The model checks these invariants in every state that it reaches:
//!
//! - **Convergence**: when no attempt runs and every event is answered, the thumbnail shows the current version, one
//!   row has its URL, duration and thumbnail, and one content exists.
//! - **Edits**: an attempt that begins after the thumbnail of this version was stored never upserts an existing
//!   content. An attempt that was already running may, because the API supports no condition.
//! - **Order**: no put replaces the thumbnail of a newer version.
//! - **Truth**: an attempt reports `processed` only if thumbnail and row were correct at the same moment while the
//!   attempt ran, and `unchanged` only if each of them was correct at some moment while the attempt ran.

#[cfg(test)]
mod model;

use crate::object_name::ContentId;

/// Maximum number of starts for a video that is replaced meanwhile, or whose thumbnail is changed meanwhile.
pub(super) const MAX_STARTS: u8 = 3;

/// The part of the job that is not done, according to the thumbnail's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pending {
    Nothing,
    /// The row. The content is written and must not be written again, because people may have edited it since.
    Row,
    ContentAndRow,
}

/// A number for the settings of a thumbnail, including the chosen time. Equal settings have equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SettingsId(pub(super) u64);

/// A version of the video, and the settings of its thumbnail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Video<E> {
    pub(super) version: E,
    pub(super) settings: SettingsId,
}

/// The part of a thumbnail's metadata that determines the order of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mark<E> {
    /// ETag of the version in the thumbnail.
    pub(super) source: E,
    /// The settings with which the thumbnail was created.
    pub(super) settings: SettingsId,
    pub(super) pending: Pending,
    /// Duration of the video in whole seconds.
    pub(super) duration: u32,
    /// The content that the video belongs to.
    pub(super) content: Option<ContentId>,
    /// Whether the thumbnail belongs to a video with another key.
    pub(super) is_foreign: bool,
}

/// A thumbnail as described by the store. `mark` is `None` for a thumbnail from another program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seen<E> {
    pub(super) etag: E,
    pub(super) mark: Option<Mark<E>>,
}

/// The row of the video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) content: ContentId,
    /// Whether the row contains the URL of the thumbnail that this job writes.
    pub(super) names_target: bool,
    /// Whether the row contains the URL of another thumbnail in the store.
    pub(super) names_other: bool,
    /// Duration in whole seconds.
    pub(super) duration: i64,
}

/// The properties of a job that determine the order of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// The content id in the name of the video.
    pub(super) named: Option<ContentId>,
    /// Whether existing contents stay unchanged.
    pub(super) keeps_contents: bool,
    /// Number of thumbnails besides the first one, which alone decides whether the job is done.
    pub(super) others: u8,
    /// Whether the first request for the video reads it. Back-fills send a `HEAD`, because most of their videos are done.
    pub(super) reads_at_once: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Request<E> {
    /// The first bytes of the video, together with its version and the chosen time.
    Open,
    /// The version of the video and the chosen time.
    Look,
    /// The version of the video.
    Version,
    /// Metadata of the thumbnail.
    Thumbnail,
    /// Metadata of the thumbnail in the row, if the row contains the URL of another thumbnail.
    NamedThumbnail,
    /// Metadata of another thumbnail.
    Other(u8),
    /// Whether the content exists, and the video's row with this content id.
    Lookup(ContentId),
    /// The video's row with any content id.
    Search,
    /// The rest of the video's bytes.
    Bytes(E),
    /// The picture.
    Picture(E),
    /// Inserts a content for a video whose name contains no id, together with the video's row.
    Register {
        duration: u32,
    },
    Upsert(ContentId),
    /// Stores another thumbnail; `since` is the ETag of the thumbnail to replace.
    PutOther {
        number: u8,
        content: ContentId,
        since: Option<E>,
    },
    /// Stores the thumbnail; `since` is the ETag of the thumbnail to replace.
    Put {
        content: ContentId,
        since: Option<E>,
    },
    WriteRow {
        content: ContentId,
        duration: u32,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Answer<E> {
    /// The answer to [`Request::Open`] and [`Request::Look`]; `None` when the video does not exist.
    Video(Option<Video<E>>),
    Version(Option<E>),
    Thumbnail(Option<Seen<E>>),
    NamedThumbnail(Option<Mark<E>>),
    Other(u8, Option<Seen<E>>),
    Lookup {
        content_exists: bool,
        row: Option<Row>,
    },
    Search(Option<Row>),
    /// Whether the video's bytes have arrived. `false` if the video was replaced.
    Bytes(bool),
    /// The picture is finished. `duration` is `None` if the video was replaced. `is_late` is true if the picture took so
    /// long that the answers of the check are outdated.
    Picture {
        duration: Option<u32>,
        is_late: bool,
    },
    /// `is_new` is true if this request created the content.
    Registered {
        content: ContentId,
        is_new: bool,
    },
    Upserted,
    /// Whether another thumbnail was stored. `false` if the thumbnail to replace had changed meanwhile.
    PutOther(u8, bool),
    /// Whether the thumbnail was stored. `false` if the thumbnail to replace had changed meanwhile.
    Put(bool),
    RowWritten,
}

/// The end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// The job was already done.
    Unchanged(ContentId),
    Processed(ContentId),
    /// The video does not exist.
    Gone,
    /// The thumbnail belongs to a video with another key.
    Foreign,
    /// A thumbnail exists, but the caller is not allowed to read it.
    Unreadable,
    /// The video, its chosen time or its thumbnail was changed [`MAX_STARTS`] times.
    Replaced,
}

/// The parts of the job whose times are reported separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Look,
    Picture,
    Content,
    Thumbnail,
    Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Look,
    Read,
    Check,
    Register,
    Upsert,
    PutOthers,
    Put,
    Conflict,
    Row,
    Last,
    End(End),
}

/// The known state of another thumbnail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Other<E> {
    Unknown,
    /// As seen before the check.
    Seen(Option<Seen<E>>),
    /// Another worker has stored a thumbnail since.
    Conflict,
    Put,
}

/// The answers since the last start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Known<E> {
    video: Option<Video<E>>,
    thumbnail: Option<Option<Seen<E>>>,
    row: Option<Row>,
    content_exists: bool,
    looked_up: bool,
    searched: bool,
    duration: Option<u32>,
    /// The answers of a step that requests the video and the thumbnail again.
    same_version: bool,
    thumbnail_again: Option<Option<Seen<E>>>,
    /// Whether the thumbnail in the row is of this version.
    named_thumbnail: Option<bool>,
    others: Vec<Other<E>>,
    content: Option<ContentId>,
    is_new_content: bool,
}

impl<E> Known<E> {
    fn of(kind: Kind) -> Self {
        Self { others: (0..kind.others).map(|_| Other::Unknown).collect(), ..Self::default() }
    }

    /// Returns the other thumbnails, each with its number.
    fn others(&self) -> impl Iterator<Item = (u8, &Other<E>)> {
        (0..).zip(&self.others)
    }

    fn version(&self) -> Option<&E> {
        self.video.as_ref().map(|video| &video.version)
    }
}

impl<E> Default for Known<E> {
    fn default() -> Self {
        Self {
            video: None,
            thumbnail: None,
            row: None,
            content_exists: false,
            looked_up: false,
            searched: false,
            duration: None,
            same_version: false,
            thumbnail_again: None,
            named_thumbnail: None,
            others: Vec::new(),
            content: None,
            is_new_content: false,
        }
    }
}

/// One attempt at the job for one video.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Protocol<E> {
    kind: Kind,
    step: Step,
    starts: u8,
    /// Whether a thumbnail existed for a put but was absent in the look after the put.
    has_vanished: bool,
    known: Known<E>,
}

impl<E: Clone + PartialEq> Mark<E> {
    /// Returns whether the thumbnail is of this version, and the content was written.
    fn is_of(&self, version: &E) -> bool {
        self.source == *version && self.pending != Pending::ContentAndRow && !self.is_foreign
    }
}

impl<E: Clone + PartialEq> Protocol<E> {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, step: Step::Look, starts: 0, has_vanished: false, known: Known::of(kind) }
    }

    /// Returns the end of the attempt once it is reached. No request is wanted afterwards.
    pub(super) const fn end(&self) -> Option<End> {
        match self.step {
            Step::End(end) => Some(end),
            _ => None,
        }
    }

    /// Returns the number of starts. Answers to requests that were sent before a start must not be passed on.
    pub(super) const fn starts(&self) -> u8 {
        self.starts
    }

    /// Returns whether the rest of the video is needed. While this is `false`, reading may wait: the video may already
    /// be done.
    pub(super) const fn needs_bytes(&self) -> bool {
        matches!(self.step, Step::Read | Step::Check)
    }

    /// Returns the version that is being processed.
    pub(super) fn version(&self) -> Option<&E> {
        self.known.version()
    }

    /// Returns whether this step writes a thumbnail, content or row. A cancelled job ends before its next such step.
    pub(super) const fn writes(&self) -> bool {
        matches!(self.step, Step::Register | Step::Upsert | Step::PutOthers | Step::Put | Step::Row)
    }

    /// Returns the part of the job that the attempt waits for.
    pub(super) const fn phase(&self) -> Phase {
        match self.step {
            Step::Look | Step::Last | Step::End(_) => Phase::Look,
            Step::Check if self.known.duration.is_some() => Phase::Look,
            Step::Read | Step::Check => Phase::Picture,
            Step::Register | Step::Upsert => Phase::Content,
            Step::PutOthers | Step::Put | Step::Conflict => Phase::Thumbnail,
            Step::Row => Phase::Row,
        }
    }

    /// Returns the requests whose answers the job waits for.
    pub(super) fn wants(&self) -> Vec<Request<E>> {
        let known = &self.known;
        let mut wanted = Vec::new();
        match self.step {
            Step::Look => {
                if known.video.is_none() {
                    let reads = self.kind.reads_at_once && self.starts == 0;
                    wanted.push(if reads { Request::Open } else { Request::Look });
                }
                if known.thumbnail.is_none() {
                    wanted.push(Request::Thumbnail);
                }
                wanted.extend(self.wanted_row());
            }
            Step::Read => {
                wanted.extend(known.version().cloned().map(Request::Bytes));
                wanted.extend(self.wanted_others());
                wanted.extend(self.wanted_row());
            }
            Step::Check => {
                if known.duration.is_none() {
                    wanted.extend(known.version().cloned().map(Request::Picture));
                }
                let others = self.wanted_others();
                if others.is_empty() {
                    self.want_again(&mut wanted);
                }
                wanted.extend(others);
                match self.wanted_row() {
                    Some(request) => wanted.push(request),
                    None if self.needs_named_thumbnail() => wanted.push(Request::NamedThumbnail),
                    None => {}
                }
            }
            Step::Register => wanted.extend(known.duration.map(|duration| Request::Register { duration })),
            Step::Upsert => wanted.extend(known.content.map(Request::Upsert)),
            Step::PutOthers => wanted.extend(self.wanted_puts()),
            Step::Put => {
                let put = |content| Request::Put { content, since: self.put_since() };
                wanted.extend(known.content.map(put));
            }
            Step::Conflict => wanted.push(Request::Thumbnail),
            Step::Row => {
                let row = known.content.zip(known.duration);
                wanted.extend(row.map(|(content, duration)| Request::WriteRow { content, duration }));
            }
            Step::Last => self.want_again(&mut wanted),
            Step::End(_) => {}
        }
        wanted
    }

    /// Returns requests for the other thumbnails that are not described yet.
    fn wanted_others(&self) -> Vec<Request<E>> {
        let unknown = self.known.others().filter(|(_, other)| matches!(other, Other::Unknown));
        unknown.map(|(number, _)| Request::Other(number)).collect()
    }

    /// Returns requests for the other thumbnails that are not stored yet, or must be described because another worker
    /// has stored one.
    fn wanted_puts(&self) -> Vec<Request<E>> {
        let Some(content) = self.known.content else { return Vec::new() };
        let wanted = self.known.others().filter_map(|(number, other)| match other {
            Other::Unknown | Other::Conflict => Some(Request::Other(number)),
            Other::Seen(seen) => {
                let since = seen.as_ref().map(|seen| seen.etag.clone());
                Some(Request::PutOther { number, content, since })
            }
            Other::Put => None,
        });
        wanted.collect()
    }

    fn want_again(&self, wanted: &mut Vec<Request<E>>) {
        if !self.known.same_version {
            wanted.push(if self.step == Step::Check { Request::Look } else { Request::Version });
        }
        if self.known.thumbnail_again.is_none() {
            wanted.push(Request::Thumbnail);
        }
    }

    /// Returns the next request for the video's row. With a known content id the row is cheap to find; a row with
    /// another content id is searched only if this content has none.
    fn wanted_row(&self) -> Option<Request<E>> {
        let known = &self.known;
        if known.searched || known.row.is_some() {
            return None;
        }
        let content = match (self.kind.named, &known.thumbnail) {
            (Some(id), _) => Some(id),
            // If the thumbnail's metadata contain the content id, the row is found without a search by URL.
            (None, Some(thumbnail)) => mark(thumbnail).and_then(|mark| mark.content),
            (None, None) => return None,
        };
        Some(match content {
            Some(id) if !known.looked_up => Request::Lookup(id),
            _ => Request::Search,
        })
    }

    /// Returns whether a thumbnail with another key may be of this version: one created with other settings.
    fn needs_named_thumbnail(&self) -> bool {
        self.known.named_thumbnail.is_none() && self.known.row.is_some_and(|row| row.names_other)
    }

    fn put_since(&self) -> Option<E> {
        let seen = self.known.thumbnail.as_ref().and_then(Option::as_ref);
        seen.map(|seen| seen.etag.clone())
    }

    /// Processes the answer to one of the requests that are wanted.
    pub(super) fn answer(&mut self, answer: Answer<E>) {
        let known = &mut self.known;
        match answer {
            Answer::Video(None) if self.step == Step::Look => return self.step = Step::End(End::Gone),
            Answer::Video(video) if self.step == Step::Look => known.video = video,
            Answer::Video(video) if video == known.video => known.same_version = true,
            Answer::Version(version) if version.as_ref() == known.version() => known.same_version = true,
            Answer::Video(_) | Answer::Version(_) => return self.start_over(),
            Answer::Thumbnail(seen) => {
                if mark(&seen).is_some_and(|mark| mark.is_foreign) {
                    return self.step = Step::End(End::Foreign);
                }
                match self.step {
                    Step::Look => known.thumbnail = Some(seen),
                    Step::Conflict => return self.after_conflict(&seen),
                    _ => known.thumbnail_again = Some(seen),
                }
            }
            Answer::NamedThumbnail(mark) => {
                let is_of = |version: &E| mark.as_ref().is_some_and(|mark| mark.is_of(version));
                known.named_thumbnail = Some(known.version().is_some_and(is_of));
            }
            Answer::Other(number, seen) => {
                if mark(&seen).is_some_and(|mark| mark.is_foreign) {
                    return self.step = Step::End(End::Foreign);
                }
                let is_done = known.video.as_ref().is_some_and(|video| reusable(video, &seen).is_some());
                let has_lost = self.step == Step::PutOthers && !is_done;
                if let Some(other) = known.others.get_mut(usize::from(number)) {
                    *other = if is_done { Other::Put } else { Other::Seen(seen) };
                }
                if has_lost {
                    return self.start_over();
                }
            }
            Answer::Lookup { content_exists, row } => {
                known.looked_up = true;
                known.content_exists = content_exists;
                known.row = row;
            }
            Answer::Search(row) => {
                known.searched = true;
                known.row = row;
                // Rows with a content id other than the one in the name are moved; their contents are irrelevant for
                // this content.
                if self.kind.named.is_none() {
                    known.content_exists = row.is_some();
                }
            }
            Answer::Bytes(true) => self.step = Step::Check,
            Answer::Bytes(false) | Answer::Picture { duration: None, .. } => return self.start_over(),
            Answer::Picture { duration, is_late } => {
                known.duration = duration;
                if is_late {
                    known.same_version = false;
                    known.thumbnail_again = None;
                }
            }
            Answer::Registered { content, is_new } => {
                known.content = Some(content);
                known.content_exists = true;
                known.is_new_content = is_new;
                return self.write_content();
            }
            Answer::Upserted => return self.put_or_write_row(),
            Answer::PutOther(number, is_put) => {
                if let Some(other) = known.others.get_mut(usize::from(number)) {
                    *other = if is_put { Other::Put } else { Other::Conflict };
                }
            }
            Answer::Put(true) => return self.step = Step::Row,
            Answer::Put(false) => return self.step = Step::Conflict,
            Answer::RowWritten => {
                known.same_version = false;
                known.thumbnail_again = None;
                return self.step = Step::Last;
            }
        }
        self.settle();
    }

    /// Moves to the next step when this step has its answers.
    fn settle(&mut self) {
        match self.step {
            Step::Look => self.settle_look(),
            Step::Check => self.settle_check(),
            Step::PutOthers if self.wanted_puts().is_empty() => self.step = Step::Put,
            Step::Last => self.settle_last(),
            _ => {}
        }
    }

    fn settle_look(&mut self) {
        let known = &self.known;
        let (Some(video), Some(thumbnail)) = (&known.video, &known.thumbnail) else { return };
        let Some(done) = reusable(video, thumbnail) else { return self.step = Step::Read };
        let duration = done.duration;
        let row = known.row.filter(|row| self.is_of_content(row));
        if let Some(row) = row
            && row.names_target
            && row.duration == i64::from(duration)
            && known.content_exists
        {
            return self.step = Step::End(End::Unchanged(row.content));
        }
        if self.wanted_row().is_none() {
            self.known.duration = Some(duration);
            self.known.thumbnail_again = self.known.thumbnail.clone();
            self.find_content();
        }
    }

    fn settle_check(&mut self) {
        let known = &self.known;
        let (Some(version), Some(first), Some(again)) =
            (known.version(), &known.thumbnail, &known.thumbnail_again)
        else {
            return;
        };
        let is_first = again == first;
        if !is_first && !mark(again).is_some_and(|mark| mark.is_of(version)) {
            return self.start_over();
        }
        let is_complete = known.same_version && known.duration.is_some() && self.wanted_row().is_none();
        if is_complete && !self.needs_named_thumbnail() {
            self.find_content();
        }
    }

    fn settle_last(&mut self) {
        let known = &self.known;
        let (Some(version), Some(again)) = (known.version(), &known.thumbnail_again) else { return };
        // An absent thumbnail may be one that the caller is not allowed to read.
        if mark(again).is_some_and(|mark| mark.source != *version) {
            return self.start_over();
        }
        if let (true, Some(content)) = (known.same_version, known.content) {
            self.step = Step::End(End::Processed(content));
        }
    }

    /// Returns whether the row belongs to the content in the name of the video.
    fn is_of_content(&self, row: &Row) -> bool {
        self.kind.named.is_none_or(|id| id == row.content)
    }

    fn find_content(&mut self) {
        self.known.content = self.kind.named.or(self.known.row.map(|row| row.content));
        match self.known.content {
            Some(_) => self.write_content(),
            None => self.step = Step::Register,
        }
    }

    fn write_content(&mut self) {
        let known = &self.known;
        let is_of = |version: &E| {
            known.thumbnail_again.as_ref().and_then(mark).is_some_and(|mark| mark.is_of(version))
        };
        let is_seen = known.version().is_some_and(is_of) || known.named_thumbnail == Some(true);
        let stays = known.content_exists && !known.is_new_content;
        if stays && (is_seen || self.kind.keeps_contents) {
            self.put_or_write_row();
        } else {
            self.step = Step::Upsert;
        }
    }

    fn put_or_write_row(&mut self) {
        let known = &self.known;
        let is_there = match (&known.video, &known.thumbnail_again) {
            (Some(video), Some(again)) => reusable(video, again).is_some(),
            _ => false,
        };
        self.step = match is_there {
            true => Step::Row,
            false if self.wanted_puts().is_empty() => Step::Put,
            false => Step::PutOthers,
        };
    }

    fn after_conflict(&mut self, seen: &Option<Seen<E>>) {
        let known = &self.known;
        if known.video.as_ref().is_some_and(|video| reusable(video, seen).is_some()) {
            return self.step = Step::Row;
        }
        // The thumbnail existed for the put and is absent in the look: it was deleted in between, or the caller is not
        // allowed to read it. Another attempt shows which.
        if seen.is_none() && self.put_since().is_none() {
            if self.has_vanished {
                return self.step = Step::End(End::Unreadable);
            }
            self.has_vanished = true;
        }
        self.start_over();
    }

    fn start_over(&mut self) {
        self.starts += 1;
        self.known = Known::of(self.kind);
        self.step = if self.starts >= MAX_STARTS { Step::End(End::Replaced) } else { Step::Look };
    }
}

/// Returns the thumbnail if it is the one that the job would create.
fn reusable<'s, E: Clone + PartialEq>(video: &Video<E>, seen: &'s Option<Seen<E>>) -> Option<&'s Mark<E>> {
    mark(seen).filter(|mark| mark.is_of(&video.version) && mark.settings == video.settings)
}

fn mark<E>(seen: &Option<Seen<E>>) -> Option<&Mark<E>> {
    seen.as_ref().and_then(|seen| seen.mark.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: SettingsId = SettingsId(0);

    fn video(version: u8) -> Option<Video<u8>> {
        Some(Video { version, settings: SETTINGS })
    }

    fn seen(etag: u8, source: u8, is_foreign: bool) -> Seen<u8> {
        let mark = Mark {
            source,
            settings: SETTINGS,
            pending: Pending::Nothing,
            duration: 7,
            content: ContentId::new(1),
            is_foreign,
        };
        Seen { etag, mark: Some(mark) }
    }

    /// Runs a new video up to its put, with the thumbnail absent in every look.
    fn at_put() -> Protocol<u8> {
        let kind = Kind { named: ContentId::new(1), keeps_contents: false, others: 0, reads_at_once: true };
        let mut protocol = Protocol::new(kind);
        continue_to_put(&mut protocol);
        protocol
    }

    fn continue_to_put(protocol: &mut Protocol<u8>) {
        for _ in 0..20 {
            let Some(request) = protocol.wants().into_iter().next() else { break };
            protocol.answer(match request {
                Request::Open | Request::Look => Answer::Video(video(1)),
                Request::Thumbnail => Answer::Thumbnail(None),
                Request::Lookup(_) => Answer::Lookup { content_exists: false, row: None },
                Request::Search => Answer::Search(None),
                Request::Bytes(_) => Answer::Bytes(true),
                Request::Picture(_) => Answer::Picture { duration: Some(7), is_late: false },
                Request::Upsert(_) => Answer::Upserted,
                Request::Put { .. } => return,
                other => panic!("{other:?}"),
            });
        }
        panic!("no put: {protocol:?}");
    }

    #[test]
    fn a_thumbnail_that_only_the_put_sees_is_unreadable_the_second_time() {
        let mut protocol = at_put();
        protocol.answer(Answer::Put(false));
        protocol.answer(Answer::Thumbnail(None));
        assert_eq!((protocol.end(), protocol.starts()), (None, 1));
        continue_to_put(&mut protocol);
        let mut deleted = protocol.clone();
        protocol.answer(Answer::Put(false));
        protocol.answer(Answer::Thumbnail(None));
        assert_eq!(protocol.end(), Some(End::Unreadable));
        // The thumbnail was deleted in between.
        deleted.answer(Answer::Put(true));
        assert!(matches!(deleted.wants()[..], [Request::WriteRow { .. }]));
    }

    #[test]
    fn a_thumbnail_of_another_key_ends_the_job() {
        let mut protocol = at_put();
        protocol.answer(Answer::Put(false));
        protocol.answer(Answer::Thumbnail(Some(seen(1, 2, true))));
        assert_eq!(protocol.end(), Some(End::Foreign));
        assert!(protocol.wants().is_empty());
    }

    #[test]
    fn a_conflict_with_the_same_version_continues_and_with_another_starts_over() {
        for (source, starts) in [(1, 0), (2, 1)] {
            let mut protocol = at_put();
            protocol.answer(Answer::Put(false));
            protocol.answer(Answer::Thumbnail(Some(seen(9, source, false))));
            assert_eq!(protocol.starts(), starts, "{source}");
        }
    }

    #[test]
    fn a_late_picture_repeats_the_check() {
        let kind = Kind { named: ContentId::new(1), keeps_contents: false, others: 0, reads_at_once: true };
        let mut protocol = Protocol::new(kind);
        protocol.answer(Answer::Video(video(1)));
        protocol.answer(Answer::Thumbnail(None));
        protocol.answer(Answer::Lookup { content_exists: false, row: None });
        protocol.answer(Answer::Search(None));
        protocol.answer(Answer::Bytes(true));
        protocol.answer(Answer::Video(video(1)));
        protocol.answer(Answer::Thumbnail(None));
        protocol.answer(Answer::Picture { duration: Some(7), is_late: true });
        assert_eq!(protocol.wants(), [Request::Look, Request::Thumbnail]);
    }

    #[test]
    fn a_video_replaced_or_deleted_before_the_last_look_is_done_anew() {
        for version in [None, Some(2)] {
            for (is_thumbnail_first, thumbnail) in
                [(false, None), (true, None), (true, Some(seen(9, 1, false)))]
            {
                let mut protocol = at_put();
                protocol.answer(Answer::Put(true));
                protocol.answer(Answer::RowWritten);
                assert_eq!(protocol.wants(), [Request::Version, Request::Thumbnail]);
                if is_thumbnail_first {
                    protocol.answer(Answer::Thumbnail(thumbnail));
                }
                protocol.answer(Answer::Version(version));
                assert_eq!(
                    (protocol.end(), protocol.starts()),
                    (None, 1),
                    "{version:?} {is_thumbnail_first}"
                );
            }
        }
    }
}
