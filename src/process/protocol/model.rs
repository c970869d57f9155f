//! Runs the protocol on a world of a few bytes, and searches every state that workers, crashes and uploads can reach,
//! breadth first.
//!
//! A state contains the world (video, thumbnails, row, contents) and the workers, each with its [`Protocol`]. A step
//! performs one request of one worker, or an action from outside. Requests that a worker sends concurrently are
//! performed in every order. A write may also be followed by a crash, or be performed twice because its answer was
//! lost.
//!
//! Four rules keep the search small without losing any behaviour:
//!
//! - A worker crashes only right after a write. A crash between two reads has no visible effect: the next attempt is
//!   equivalent to one that begins later.
//! - People edit at any moment: every existing content counts as edited, and no upsert by a late attempt may reach such
//!   a content.
//! - A request that neither reads nor changes the world is performed at once.
//! - A worker that has ended keeps only its end, and workers with equal settings are interchangeable.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::*;

/// A part of the protocol to leave out, to verify that the search finds the resulting failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Leaves out the check before the first write.
    Check,
    /// Leaves out the condition of the put.
    Condition,
    /// Describes other thumbnails after the check has requested the video, not before.
    LateOther,
    /// Leaves out the chosen time in the check.
    CheckedChoice,
    /// Leaves out the look after the row.
    LastLook,
    /// Leaves out the source's ETag in the picture, so that equal frames are equal objects.
    Stamp,
}

/// An invariant that a state violates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Broken {
    Convergence,
    Edits,
    Order,
    Truth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Thumbnail {
    source: u8,
    pending: Pending,
    settings: u8,
    /// Whether the picture contains the source's ETag. Pictures from version 0.1 do not.
    is_stamped: bool,
    has_content_id: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct StoredRow {
    /// Duration of the video. Each version has a different duration.
    version: u8,
    /// Key of the thumbnail in the row.
    key: u8,
}

/// The state outside the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct World {
    video: Option<u8>,
    /// The thumbnails under the keys 0 and 1.
    thumbnails: [Option<Thumbnail>; 2],
    /// The second thumbnail of a video that has two.
    other: Option<Thumbnail>,
    row: Option<StoredRow>,
    contents: u8,
    /// The time that people chose.
    choice: u8,
}

/// How many actions from outside may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Budget {
    replacements: u8,
    copies: u8,
    deletions: u8,
    /// People choose another time for the frame, which changes nothing else about the video.
    choices: u8,
}

/// The constant settings of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Setup {
    settings: u8,
    key: u8,
    keeps_contents: bool,
    /// How many more times the worker may crash or lose an answer.
    faults: u8,
}

const PLAIN: Setup = Setup { settings: 0, key: 0, keeps_contents: false, faults: 1 };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Worker {
    setup: Setup,
    protocol: Protocol<u8>,
    /// Whether the worker died together with its event.
    is_dead: bool,
    /// The version whose thumbnail was stored before this attempt began, if its content existed.
    begun_after: Option<u8>,
    /// Whether the thumbnail was correct when this attempt wrote the row.
    was_right: bool,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Performed { worker: usize, request: Request<u8>, then: Then },
    Replaced,
    Copied,
    Deleted,
    Chosen,
}

/// The event that follows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Answered,
    /// The picture took a long time.
    AnsweredLate,
    /// The answer is lost, and the client repeats the request.
    Lost,
    /// The worker crashes, and its event is delivered again.
    Crashed,
    /// The worker dies together with its event.
    Died,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    world: World,
    budget: Budget,
    workers: Vec<Worker>,
}

/// The start of a search, and the actions that may happen.
#[derive(Debug, Clone)]
struct Scenario {
    name: String,
    world: World,
    budget: Budget,
    workers: Vec<Setup>,
    /// Whether the name of the video contains an id.
    is_named: bool,
    /// Whether the video has a second thumbnail.
    has_other: bool,
    /// Whether the first request reads the whole video, so that no later read shows that the video was replaced.
    is_small: bool,
    /// Whether workers may die together with their events.
    has_deaths: bool,
    /// Whether pictures may be finished long after the check.
    is_slow: bool,
    fault: Option<Fault>,
}

struct Search {
    states: usize,
    at_rest: usize,
    /// The shortest path to each violated invariant.
    broken: HashMap<Broken, Vec<Event>>,
}

const NO_VIDEO_DONE: World =
    World { video: Some(1), thumbnails: [None; 2], other: None, row: None, contents: 0, choice: 0 };

impl Scenario {
    fn new(name: &str, workers: &[Setup], world: World, budget: Budget) -> Self {
        Self {
            name: name.to_owned(),
            world,
            budget,
            workers: workers.to_vec(),
            is_named: true,
            has_other: false,
            is_small: false,
            has_deaths: false,
            is_slow: false,
            fault: None,
        }
    }

    fn small(self) -> Self {
        Self { name: format!("{}, one read", self.name), is_small: true, ..self }
    }

    fn without_id(self) -> Self {
        Self { name: format!("{}, no id", self.name), is_named: false, ..self }
    }

    fn with_other(self) -> Self {
        Self { name: format!("{}, two thumbnails", self.name), has_other: true, ..self }
    }

    fn with_deaths(self) -> Self {
        Self { name: format!("{}, deaths", self.name), has_deaths: true, ..self }
    }

    fn with(self, fault: Fault) -> Self {
        Self { name: format!("{}, {fault:?}", self.name), fault: Some(fault), ..self }
    }

    fn id(&self) -> ContentId {
        ContentId::new(1).unwrap()
    }

    fn protocol(&self, setup: Setup) -> Protocol<u8> {
        Protocol::new(Kind {
            named: self.is_named.then(|| self.id()),
            keeps_contents: setup.keeps_contents,
            others: u8::from(self.has_other),
            reads_at_once: !setup.keeps_contents,
        })
    }

    fn worker(&self, setup: Setup) -> Worker {
        let protocol = self.protocol(setup);
        Worker { setup, protocol, is_dead: false, begun_after: None, was_right: false }
    }

    fn etag(&self, thumbnail: Thumbnail) -> u8 {
        match thumbnail.is_stamped && self.fault != Some(Fault::Stamp) {
            true => 16 * (thumbnail.settings + 1) + thumbnail.source,
            false => 16 * (thumbnail.settings + 1),
        }
    }

    fn video(&self, world: &World, setup: Setup) -> Option<Video<u8>> {
        let settings = SettingsId(settings_of(setup, world.choice).into());
        world.video.map(|version| Video { version, settings })
    }

    fn seen(&self, thumbnail: Option<Thumbnail>) -> Option<Seen<u8>> {
        let thumbnail = thumbnail?;
        let mark = Mark {
            source: thumbnail.source,
            settings: SettingsId(thumbnail.settings.into()),
            pending: thumbnail.pending,
            duration: thumbnail.source.into(),
            content: thumbnail.has_content_id.then(|| self.id()),
            is_foreign: false,
        };
        Some(Seen { etag: self.etag(thumbnail), mark: Some(mark) })
    }

    fn row(&self, world: &World, setup: Setup) -> Option<Row> {
        world.row.map(|row| Row {
            content: self.id(),
            names_target: row.key == setup.key,
            names_other: row.key != setup.key,
            duration: row.version.into(),
        })
    }

    /// Returns the requests that a worker may perform next.
    fn wants(&self, worker: &Worker) -> Vec<Request<u8>> {
        let mut wanted = worker.protocol.wants();
        assert_step_fits(&worker.protocol, &wanted);
        if self.fault == Some(Fault::LateOther) {
            match worker.protocol.step {
                Step::Read => wanted.retain(|request| !matches!(request, Request::Other(_))),
                Step::Check if wanted.contains(&Request::Other(0)) => worker.protocol.want_again(&mut wanted),
                _ => {}
            }
        }
        wanted
    }

    /// Returns whether a request neither reads nor changes the world.
    fn is_local(&self, worker: &Worker, request: &Request<u8>) -> bool {
        match request {
            Request::Picture(_) => !self.is_slow,
            Request::Bytes(_) => self.is_small,
            Request::Look | Request::Version | Request::Thumbnail => self.is_left_out(worker),
            _ => false,
        }
    }

    fn is_left_out(&self, worker: &Worker) -> bool {
        match worker.protocol.step {
            Step::Check => self.fault == Some(Fault::Check),
            Step::Last => self.fault == Some(Fault::LastLook),
            _ => false,
        }
    }

    /// Performs a request of a worker. Returns the invariant that this violates.
    fn perform(&self, state: &mut State, index: usize, request: &Request<u8>, then: Then) -> Option<Broken> {
        let State { world, workers, .. } = state;
        let worker = &mut workers[index];
        worker.begin(world);
        let setup = worker.setup;
        let key = usize::from(setup.key);
        let version = worker.protocol.version().copied();
        let mut broken = None;
        let answer = match request {
            Request::Look if self.is_left_out(worker) => Answer::Video(worker.protocol.known.video.clone()),
            Request::Version if self.is_left_out(worker) => Answer::Version(version),
            Request::Thumbnail if self.is_left_out(worker) => {
                let first = worker.protocol.known.thumbnail.clone().flatten();
                Answer::Thumbnail(first.filter(|_| worker.protocol.step == Step::Check))
            }
            Request::Look
                if self.fault == Some(Fault::CheckedChoice) && worker.protocol.step == Step::Check =>
            {
                let choice = worker.protocol.known.video.as_ref().map(|video| video.settings);
                Answer::Video(world.video.zip(choice).map(|(version, settings)| Video { version, settings }))
            }
            Request::Open | Request::Look => Answer::Video(self.video(world, setup)),
            Request::Version => Answer::Version(world.video),
            Request::Thumbnail => Answer::Thumbnail(self.seen(world.thumbnails[key])),
            Request::NamedThumbnail => {
                Answer::NamedThumbnail(self.seen(world.thumbnails[1 - key]).and_then(|seen| seen.mark))
            }
            Request::Other(number) => Answer::Other(*number, self.seen(world.other)),
            Request::Lookup(_) => {
                Answer::Lookup { content_exists: world.contents > 0, row: self.row(world, setup) }
            }
            Request::Search => Answer::Search(self.row(world, setup)),
            Request::Bytes(version) => Answer::Bytes(self.is_small || world.video == Some(*version)),
            Request::Picture(version) => {
                let is_late = then == Then::AnsweredLate;
                Answer::Picture { duration: Some((*version).into()), is_late }
            }
            Request::Register { duration } => {
                let is_new = world.row.is_none();
                world.contents += u8::from(is_new);
                world.row = Some(StoredRow { version: version_of(*duration), key: setup.key });
                Answer::Registered { content: self.id(), is_new }
            }
            Request::Upsert(_) => {
                if world.contents > 0 && worker.begun_after.is_some() && worker.begun_after == version {
                    broken = Some(Broken::Edits);
                }
                world.contents = world.contents.max(1);
                Answer::Upserted
            }
            Request::PutOther { number, since, .. } => {
                let (holds, order) = self.put(&mut world.other, since.as_ref(), version, worker);
                broken = order;
                Answer::PutOther(*number, holds)
            }
            Request::Put { since, .. } => {
                let (holds, order) = self.put(&mut world.thumbnails[key], since.as_ref(), version, worker);
                broken = order;
                Answer::Put(holds)
            }
            Request::WriteRow { duration, .. } => {
                world.row = Some(StoredRow { version: version_of(*duration), key: setup.key });
                worker.was_right = world.thumbnails[key].map(|there| there.source) == version;
                Answer::RowWritten
            }
        };
        let ended = self.follow(worker, answer, then);
        broken.or(ended)
    }

    /// Stores a thumbnail. Returns whether its condition is true, and the invariant that this violates.
    fn put(
        &self,
        place: &mut Option<Thumbnail>,
        since: Option<&u8>,
        version: Option<u8>,
        worker: &Worker,
    ) -> (bool, Option<Broken>) {
        let is_same = place.map(|there| self.etag(there)).as_ref() == since;
        let (holds, mut broken) = (is_same || self.fault == Some(Fault::Condition), None);
        if holds && let Some(source) = version {
            broken = place.is_some_and(|there| there.source > source).then_some(Broken::Order);
            *place = Some(Thumbnail {
                source,
                pending: Pending::Nothing,
                settings: worker.settings(),
                is_stamped: true,
                has_content_id: true,
            });
        }
        (holds, broken)
    }

    /// Updates a worker after a request. Returns the invariant that the end of the worker violates.
    fn follow(&self, worker: &mut Worker, answer: Answer<u8>, then: Then) -> Option<Broken> {
        let setup = worker.setup;
        let again = Setup { faults: setup.faults.saturating_sub(1), ..setup };
        match then {
            Then::Answered | Then::AnsweredLate => worker.protocol.answer(answer),
            Then::Lost => worker.setup = again,
            Then::Crashed => *worker = self.worker(again),
            Then::Died => *worker = Worker { is_dead: true, ..self.worker(Setup { faults: 0, ..setup }) },
        }
        let end = worker.protocol.end()?;
        let is_untrue = matches!(end, End::Processed(_)) && !worker.was_right;
        *worker = match end {
            // The event is delivered again.
            End::Replaced | End::Unreadable | End::Foreign => self.worker(setup),
            _ => self.worker(Setup { faults: 0, ..setup }),
        };
        if matches!(end, End::Processed(_) | End::Unchanged(_) | End::Gone) {
            worker.protocol.step = Step::End(end);
        }
        is_untrue.then_some(Broken::Truth)
    }

    /// Returns the invariant that a state at rest violates.
    fn broken_at_rest(&self, state: &State) -> Option<Broken> {
        if state.workers.iter().any(|worker| worker.is_dead) {
            return None;
        }
        let World { video, thumbnails, other, row, contents, choice } = state.world;
        let version = video?;
        let is_right = row.is_some_and(|row| {
            row.version == version
                && thumbnails[usize::from(row.key)].is_some_and(|thumbnail| {
                    thumbnail.source == version
                        && (self.budget.choices == 0 || thumbnail.settings == settings_of(PLAIN, choice))
                })
        });
        let is_shown = |other: Thumbnail| {
            other.source == version
                && (self.budget.choices == 0 || other.settings == settings_of(PLAIN, choice))
        };
        let has_others = !self.has_other || other.is_some_and(is_shown);
        (!is_right || !has_others || contents != 1).then_some(Broken::Convergence)
    }

    /// Returns the next states, with the actions that lead to them.
    fn next(&self, state: &State, mut found: impl FnMut(State, Event, Option<Broken>)) {
        let running = || state.workers.iter().enumerate().filter(|(_, worker)| worker.is_running());
        let mut perform = |worker: usize, request: &Request<u8>, then| {
            let mut next = state.clone();
            let broken = self.perform(&mut next, worker, request, then);
            next.workers.sort_unstable_by_key(Worker::order);
            found(next, Event::Performed { worker, request: request.clone(), then }, broken);
        };
        for (index, worker) in running() {
            let local = worker.protocol.wants().into_iter().find(|request| self.is_local(worker, request));
            if let Some(request) = local {
                return perform(index, &request, Then::Answered);
            }
        }
        for (index, worker) in running() {
            for request in self.wants(worker) {
                perform(index, &request, Then::Answered);
                if matches!(request, Request::Picture(_)) {
                    perform(index, &request, Then::AnsweredLate);
                }
                if worker.protocol.writes() {
                    if worker.setup.faults > 0 {
                        perform(index, &request, Then::Lost);
                        perform(index, &request, Then::Crashed);
                    }
                    if self.has_deaths {
                        perform(index, &request, Then::Died);
                    }
                }
            }
        }
        let mut others = |event: Event, spends: fn(&mut Budget) -> &mut u8, video: Option<u8>| {
            let mut next = state.clone();
            *spends(&mut next.budget) -= 1;
            next.world.video = video;
            next.world.choice += u8::from(event == Event::Chosen);
            if video.is_some() {
                next.workers.push(self.worker(Setup { faults: 0, ..self.workers[0] }));
                next.workers.sort_unstable_by_key(Worker::order);
            }
            found(next, event, None);
        };
        let Budget { replacements, copies, deletions, choices } = state.budget;
        if replacements > 0 {
            let newest = self.budget.replacements - replacements + 1;
            others(Event::Replaced, |budget| &mut budget.replacements, Some(newest + 1));
        }
        if copies > 0 && state.world.video.is_some() {
            others(Event::Copied, |budget| &mut budget.copies, state.world.video);
        }
        if choices > 0 && state.world.video.is_some() {
            others(Event::Chosen, |budget| &mut budget.choices, state.world.video);
        }
        if deletions > 0 && state.world.video.is_some() {
            others(Event::Deleted, |budget| &mut budget.deletions, None);
        }
    }

    fn search(&self) -> Search {
        let workers = self.workers.iter().map(|setup| self.worker(*setup)).collect();
        let first = State { world: self.world, budget: self.budget, workers };
        let mut numbers: HashMap<State, u32, BuildHasherDefault<Fast>> = HashMap::default();
        let mut ways: Vec<(u32, Event)> = vec![(0, Event::Replaced)];
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut rest: Vec<u32> = Vec::new();
        let mut broken = HashMap::new();
        let mut level = vec![(first.clone(), 0_u32)];
        numbers.insert(first, 0);
        while !level.is_empty() {
            let mut following = Vec::new();
            for (state, number) in level {
                if !state.workers.iter().any(Worker::is_running) {
                    rest.push(number);
                    if let Some(promise) = self.broken_at_rest(&state) {
                        broken.entry(promise).or_insert_with(|| way(&ways, number));
                    }
                }
                self.next(&state, |next, event, promise| {
                    if let Some(promise) = promise {
                        broken.entry(promise).or_insert_with(|| {
                            let mut events = way(&ways, number);
                            events.push(event.clone());
                            events
                        });
                    }
                    let new = u32::try_from(numbers.len()).unwrap();
                    let there = *numbers.entry(next.clone()).or_insert(new);
                    edges.push((there, number));
                    if there == new {
                        ways.push((number, event));
                        following.push((next, new));
                    }
                });
            }
            level = following;
        }
        assert_eq!(leading_to(&rest, &mut edges, numbers.len()), numbers.len(), "{}: a dead end", self.name);
        Search { states: numbers.len(), at_rest: rest.len(), broken }
    }
}

/// Returns the events that lead to a state.
fn way(ways: &[(u32, Event)], mut at: u32) -> Vec<Event> {
    let mut events = Vec::new();
    while at > 0 {
        let (before, event) = &ways[at as usize];
        events.push(event.clone());
        at = *before;
    }
    events.reverse();
    events
}

/// Returns the number of states with a path to one of `rest`.
fn leading_to(rest: &[u32], edges: &mut [(u32, u32)], states: usize) -> usize {
    edges.sort_unstable();
    let mut reached = vec![false; states];
    let mut open = rest.to_vec();
    let mut count = 0;
    while let Some(state) = open.pop() {
        if std::mem::replace(&mut reached[state as usize], true) {
            continue;
        }
        count += 1;
        let from = edges.partition_point(|(to, _)| *to < state);
        open.extend(edges[from..].iter().take_while(|(to, _)| *to == state).map(|(_, before)| before));
    }
    count
}

impl Worker {
    fn is_running(&self) -> bool {
        !self.is_dead && self.protocol.end().is_none()
    }

    /// Sorts the workers, so that states that differ only in the order of workers are equal.
    fn order(&self) -> u64 {
        let mut hasher = Fast::default();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// Returns the settings of the video's thumbnail.
    fn settings(&self) -> u8 {
        self.protocol.known.video.as_ref().map_or(0, |video| u8::try_from(video.settings.0).unwrap())
    }

    /// Records the state of the world when an attempt starts or starts over.
    fn begin(&mut self, world: &World) {
        if self.protocol.step != Step::Look || self.protocol.known != Known::of(self.protocol.kind) {
            return;
        }
        let keys = [Some(self.setup.key), world.row.map(|row| row.key)];
        let shown = keys.into_iter().flatten().find_map(|key| {
            let thumbnail = world.thumbnails[usize::from(key)]?;
            let is_current = Some(thumbnail.source) == world.video;
            (is_current && thumbnail.pending != Pending::ContentAndRow).then_some(thumbnail.source)
        });
        self.begun_after = shown.filter(|_| world.contents > 0);
    }
}

/// FxHash: fast, and good enough for states.
#[derive(Default)]
struct Fast(u64);

impl Hasher for Fast {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

/// Verifies what the protocol reports about its step against the requests of this step.
fn assert_step_fits(protocol: &Protocol<u8>, wanted: &[Request<u8>]) {
    let work = wanted.iter().find_map(|request| match request {
        Request::Bytes(_) | Request::Picture(_) => Some(Phase::Picture),
        Request::Register { .. } | Request::Upsert(_) => Some(Phase::Content),
        Request::PutOther { .. } | Request::Put { .. } => Some(Phase::Thumbnail),
        Request::WriteRow { .. } => Some(Phase::Row),
        _ => None,
    });
    let is_between_puts = matches!(protocol.step, Step::PutOthers | Step::Conflict);
    let phase = work.unwrap_or(if is_between_puts { Phase::Thumbnail } else { Phase::Look });
    assert_eq!(protocol.phase(), phase, "{protocol:?}");
    let writes = !matches!(phase, Phase::Look | Phase::Picture) && protocol.step != Step::Conflict;
    assert_eq!(protocol.writes(), writes, "{protocol:?}");
    let needs_bytes = phase == Phase::Picture || protocol.step == Step::Check;
    assert_eq!(protocol.needs_bytes(), needs_bytes, "{protocol:?}");
}

/// Returns the settings with which a worker creates the thumbnail.
fn settings_of(setup: Setup, choice: u8) -> u8 {
    setup.settings + 2 * choice
}

/// Each version has its own duration: its number.
fn version_of(duration: u32) -> u8 {
    u8::try_from(duration).unwrap()
}

fn thumbnail(source: u8, pending: Pending) -> Thumbnail {
    Thumbnail { source, pending, settings: 0, is_stamped: false, has_content_id: pending == Pending::Nothing }
}

/// The world after version 0.1 has processed the video.
fn done(source: u8) -> World {
    World {
        thumbnails: [Some(thumbnail(source, Pending::Nothing)), None],
        row: Some(StoredRow { version: source, key: 0 }),
        contents: 1,
        ..NO_VIDEO_DONE
    }
}

/// The same world with a second thumbnail.
fn done_with_other(source: u8) -> World {
    World { other: Some(thumbnail(source, Pending::Nothing)), ..done(source) }
}

fn scenarios() -> Vec<Scenario> {
    let quiet = Budget::default();
    let replaced = Budget { replacements: 1, ..quiet };
    let chosen = Budget { choices: 1, ..quiet };
    let two = |world, budget| Scenario::new("two workers", &[PLAIN, PLAIN], world, budget);
    let one = |world, budget| Scenario::new("a worker and a replacement", &[PLAIN], world, budget);
    let named = |name: &str, scenario: Scenario| Scenario { name: name.to_owned(), ..scenario };
    let pending = |pending| World {
        thumbnails: [Some(thumbnail(1, pending)), None],
        contents: u8::from(pending == Pending::Row),
        ..NO_VIDEO_DONE
    };
    let restored = World { row: None, contents: 0, ..done(1) };
    let other = Setup { settings: 1, ..PLAIN };
    let other_key = Setup { settings: 1, key: 1, ..PLAIN };
    let keep = Setup { keeps_contents: true, ..PLAIN };
    let changed = |name: &str, setup: Setup| Scenario::new(name, &[setup, PLAIN], done(1), quiet);
    let mut all = vec![
        two(NO_VIDEO_DONE, quiet),
        two(NO_VIDEO_DONE, quiet).small(),
        two(NO_VIDEO_DONE, quiet).without_id(),
        two(NO_VIDEO_DONE, quiet).with_deaths(),
        one(NO_VIDEO_DONE, replaced),
        one(NO_VIDEO_DONE, replaced).small(),
        one(NO_VIDEO_DONE, replaced).without_id(),
        one(NO_VIDEO_DONE, replaced).with_deaths(),
        named("an older thumbnail", one(done(0), replaced)),
        named("an older thumbnail", one(done(0), replaced)).small(),
        named("an older thumbnail", one(done(0), replaced)).without_id(),
        named("a copy", one(NO_VIDEO_DONE, Budget { copies: 1, ..quiet })),
        named("a copy of what is done", two(done(1), Budget { copies: 1, ..quiet })),
        named("a choice", one(NO_VIDEO_DONE, chosen)),
        named("a choice for what is done", two(done(1), chosen)),
        named("a choice for what is done", two(done(1), chosen)).without_id(),
        two(NO_VIDEO_DONE, quiet).with_other(),
        one(NO_VIDEO_DONE, replaced).small().with_other(),
        named("an older thumbnail", one(done_with_other(0), replaced)).small().with_other(),
        named("a choice for what is done", one(done_with_other(1), chosen)).with_other(),
        named("a deletion", one(NO_VIDEO_DONE, Budget { deletions: 1, ..quiet })),
        named("pending=true", two(pending(Pending::ContentAndRow), quiet)),
        named("pending=row", two(pending(Pending::Row), quiet)),
        named("a database restored empty", two(restored, quiet)),
        named("a database restored empty", two(restored, quiet)).without_id(),
        changed("changed settings", other),
        changed("changed settings, another key", other_key),
        Scenario::new("a back-fill and an upload", &[keep, PLAIN], NO_VIDEO_DONE, quiet),
        Scenario::new("a back-fill", &[keep], World { contents: 1, ..NO_VIDEO_DONE }, replaced),
    ];
    all.push(Scenario { is_slow: true, ..named("slow pictures", one(NO_VIDEO_DONE, replaced)) });
    all
}

/// Larger scenarios.
fn long_scenarios() -> Vec<Scenario> {
    let budget = Budget { replacements: 1, deletions: 1, ..Budget::default() };
    let one = Scenario::new("a deletion and a replacement", &[PLAIN], NO_VIDEO_DONE, budget);
    let older = Scenario::new("a deletion and an older thumbnail", &[PLAIN], done(0), budget);
    let slow = Scenario { is_slow: true, ..older.clone() };
    vec![one.clone().small(), one.clone().without_id(), one.with_deaths(), older, slow]
}

/// Searches all scenarios, and returns the number of their states.
fn search_all(scenarios: Vec<Scenario>) -> usize {
    let searched = scenarios.into_iter().map(|scenario| {
        let Search { states, at_rest, broken } = scenario.search();
        assert!(broken.is_empty(), "{}: {broken:#?}", scenario.name);
        assert!(at_rest > 0, "{}", scenario.name);
        states
    });
    searched.sum()
}

#[test]
fn the_protocol_keeps_its_promises_in_every_state() {
    let states = search_all(scenarios());
    assert!(states > 400_000, "{states} states: the search has become smaller");
}

#[test]
fn the_protocol_keeps_its_promises_in_larger_scenarios() {
    let states = search_all(long_scenarios());
    assert!(states > 400_000, "{states} states: the search has become smaller");
}

/// Returns the invariants that are violated when a part of the protocol is left out, with the shortest path to each.
fn broken_by(fault: Fault, scenario: Scenario) -> HashMap<Broken, Vec<Event>> {
    scenario.with(fault).search().broken
}

fn replaced() -> Budget {
    Budget { replacements: 1, ..Budget::default() }
}

#[test]
fn without_the_check_edits_and_newer_thumbnails_are_lost() {
    let scenario = Scenario::new("a replacement", &[PLAIN], NO_VIDEO_DONE, replaced()).small();
    let broken = broken_by(Fault::Check, scenario);
    assert!(broken.contains_key(&Broken::Edits), "{broken:#?}");
    let scenario = Scenario::new("an older thumbnail", &[PLAIN], done(0), replaced()).small();
    let broken = broken_by(Fault::Check, scenario);
    assert!(broken.contains_key(&Broken::Edits), "{broken:#?}");
}

#[test]
fn without_the_condition_of_the_put_newer_thumbnails_are_lost() {
    let scenario = Scenario::new("a replacement", &[PLAIN], NO_VIDEO_DONE, replaced());
    let broken = broken_by(Fault::Condition, scenario);
    assert!(broken.contains_key(&Broken::Order), "{broken:#?}");
}

#[test]
fn without_the_choice_in_the_check_an_older_choice_wins() {
    let chosen = Budget { choices: 1, ..Budget::default() };
    let scenario = Scenario::new("a choice", &[PLAIN], done(1), chosen);
    let broken = broken_by(Fault::CheckedChoice, scenario);
    assert!(broken.contains_key(&Broken::Convergence), "{broken:#?}");
}

#[test]
fn without_the_order_of_the_check_another_thumbnail_is_older() {
    let scenario = Scenario::new("a replacement", &[PLAIN], NO_VIDEO_DONE, replaced()).small().with_other();
    let broken = broken_by(Fault::LateOther, scenario);
    assert!(broken.contains_key(&Broken::Order), "{broken:#?}");
}

#[test]
fn without_the_last_look_a_row_stays_wrong() {
    let scenario = Scenario::new("a replacement", &[PLAIN], NO_VIDEO_DONE, replaced());
    let broken = broken_by(Fault::LastLook, scenario);
    assert!(broken.contains_key(&Broken::Convergence), "{broken:#?}");
}

#[test]
fn without_the_sources_etag_in_the_picture_newer_thumbnails_are_lost() {
    let scenario = Scenario::new("an older thumbnail", &[PLAIN], done(0), replaced());
    let broken = broken_by(Fault::Stamp, scenario);
    assert!(broken.contains_key(&Broken::Order), "{broken:#?}");
}
