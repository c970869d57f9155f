//! Videos that are open in this process or in a cage, behind one type.

use std::io::{Read, Seek};
use std::path::Path;

use super::layers::Layers;
use super::picture::Picture;
use super::{Cage, CageOptions, CagedMedia};
use crate::media::StoryboardPlan;
use crate::pixels::{Framing, RgbPicture};
#[cfg(feature = "cli")]
use crate::source::Identity;
use crate::source::RangeSource;
use crate::{
    Candidate, CandidatesRequest, Encoding, Error, FrameRequest, Ledger, Limits, Media, MediaInfo,
    OpenOptions, Placeholder, PosterFrame, Storyboard, StoryboardRequest, Thumbnail,
};

/// Opens videos in this process or in a cage. The default is this process.
#[derive(Debug, Clone, Default)]
pub struct MediaOpener(Option<Cage>);

impl From<Cage> for MediaOpener {
    fn from(cage: Cage) -> Self {
        Self(Some(cage))
    }
}

impl MediaOpener {
    /// Creates an opener for this process or, with `isolated`, for a cage, whose first process this call starts.
    ///
    /// # Errors
    /// The errors of [`Cage::start`].
    pub fn new(isolated: bool) -> Result<Self, Error> {
        if isolated { Cage::start(CageOptions::default()).map(Self::from) } else { Ok(Self::default()) }
    }

    /// Returns the layers of the cage, or `None` without a cage.
    pub fn layers(&self) -> Option<Layers> {
        self.0.as_ref().map(Cage::layers)
    }

    /// Opens an object that is read by byte ranges.
    ///
    /// # Errors
    /// The errors of [`Media::open_source`] and [`Cage::open_source`].
    pub fn open_source(&self, source: impl RangeSource, options: &OpenOptions) -> Result<OpenMedia, Error> {
        match &self.0 {
            Some(cage) => cage.open_source(source, options).map(OpenMedia::caged),
            None => Media::open_source(source, options).map(OpenMedia::here),
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// The errors of [`Media::open_file`] and [`Cage::open_file`].
    pub fn open_file(&self, path: impl AsRef<Path>, options: &OpenOptions) -> Result<OpenMedia, Error> {
        match &self.0 {
            Some(cage) => cage.open_file(path, options).map(OpenMedia::caged),
            None => Media::open_file(path, options).map(OpenMedia::here),
        }
    }

    /// Opens the content of a reader.
    ///
    /// # Errors
    /// The errors of [`Media::open`] and [`Cage::open`].
    pub fn open<R: Read + Seek + Send + 'static>(
        &self,
        reader: R,
        options: &OpenOptions,
    ) -> Result<OpenMedia, Error> {
        match &self.0 {
            Some(cage) => cage.open(reader, options).map(OpenMedia::caged),
            None => Media::open(reader, options).map(OpenMedia::here),
        }
    }
}

/// An open video, returned by [`MediaOpener`].
#[derive(Debug)]
pub struct OpenMedia(Place);

#[derive(Debug)]
enum Place {
    /// The open file, and the frame of the last picture.
    Here(Box<Media<'static>>, Option<Box<PosterFrame>>),
    Caged(Box<CagedMedia>),
}

impl OpenMedia {
    fn here(media: Media<'static>) -> Self {
        Self(Place::Here(Box::new(media), None))
    }

    fn caged(media: CagedMedia) -> Self {
        Self(Place::Caged(Box::new(media)))
    }

    /// Returns the properties of the file.
    pub const fn info(&self) -> &MediaInfo {
        match &self.0 {
            Place::Here(media, _) => media.info(),
            Place::Caged(media) => media.info(),
        }
    }

    /// Returns the identity of the object, as [`Media::identity`].
    #[cfg(feature = "cli")]
    pub(crate) fn identity(&self) -> Option<Identity> {
        match &self.0 {
            Place::Here(media, _) => media.identity(),
            Place::Caged(media) => media.identity(),
        }
    }

    /// Returns the cost of reading so far.
    pub fn ledger(&self) -> Ledger {
        match &self.0 {
            Place::Here(media, _) => media.ledger(),
            Place::Caged(media) => media.ledger(),
        }
    }

    /// Returns the layers of the cage, or `None` without a cage.
    pub fn layers(&self) -> Option<Layers> {
        match &self.0 {
            Place::Here(..) => None,
            Place::Caged(media) => Some(media.layers()),
        }
    }

    /// Finds the requested frame and encodes the requested picture.
    ///
    /// # Errors
    /// The errors of [`Media::frame`], [`PosterFrame::thumbnail`] and [`CagedMedia::picture`].
    pub fn picture(&mut self, request: &FrameRequest) -> Result<Picture, Error> {
        match &mut self.0 {
            Place::Here(media, last) => {
                let frame = media.frame(request)?;
                let picture = Picture::of(&frame)?;
                *last = Some(Box::new(frame));
                Ok(picture)
            }
            Place::Caged(media) => media.picture(request),
        }
    }

    /// Encodes the frame of the last picture as another picture.
    ///
    /// # Errors
    /// The errors of [`PosterFrame::encode`] and [`CagedMedia::encode`]; [`Error::Library`] when there was no picture.
    pub fn encode(&mut self, encoding: &Encoding) -> Result<Picture, Error> {
        match &mut self.0 {
            Place::Here(_, Some(frame)) => Picture::encoded(frame, encoding),
            Place::Here(_, None) => Err(no_frame()),
            Place::Caged(media) => media.encode(encoding),
        }
    }

    /// Returns good frames from all parts of the video, for people to choose one.
    ///
    /// # Errors
    /// As [`Media::candidates`] and [`CagedMedia::candidates`].
    pub fn candidates(&mut self, request: &CandidatesRequest) -> Result<Vec<Candidate>, Error> {
        match &mut self.0 {
            Place::Here(media, _) => media.candidates(request),
            Place::Caged(media) => media.candidates(request),
        }
    }

    /// Creates a storyboard of the video. With a cage, the sheets are laid out outside the cage.
    ///
    /// # Errors
    /// The errors of [`Media::storyboard`] and [`CagedMedia::picture`].
    pub fn storyboard(&mut self, request: &StoryboardRequest, limits: &Limits) -> Result<Storyboard, Error> {
        let media = match &mut self.0 {
            Place::Here(media, _) => return media.storyboard(request),
            Place::Caged(media) => media,
        };
        let plan = StoryboardPlan::new(request, media.info().duration_seconds, limits)?;
        let mut pictures = media.pictures(plan.requests());
        plan.compose(limits, |tile| {
            let picture = pictures.next().unwrap_or_else(|| Err(no_frame()))?;
            Ok((pictures.rgb8(tile)?, picture.pts_seconds, picture.reason))
        })
    }

    /// The ThumbHash and the average colour of a thumbnail of the last picture's frame, which was encoded with this framing.
    ///
    /// # Errors
    /// As [`to_rgb8`](Self::to_rgb8).
    pub fn placeholder(
        &mut self,
        framing: impl Into<Framing>,
        thumbnail: &Thumbnail,
    ) -> Result<Placeholder, Error> {
        let size = (thumbnail.width, thumbnail.height);
        let small = framing.into().within(Placeholder::BOUNDS, size);
        Ok(Placeholder::of(&self.to_rgb8(small)?))
    }

    /// Returns the frame of the last picture as packed RGB.
    ///
    /// # Errors
    /// The errors of [`PosterFrame::to_rgb8`] and [`CagedMedia::to_rgb8`]; [`Error::Library`] when there was no picture.
    pub fn to_rgb8(&mut self, framing: impl Into<Framing>) -> Result<RgbPicture, Error> {
        match &mut self.0 {
            Place::Here(_, Some(frame)) => frame.to_rgb8(framing),
            Place::Here(_, None) => Err(no_frame()),
            Place::Caged(media) => media.to_rgb8(framing),
        }
    }
}

fn no_frame() -> Error {
    Error::Library { step: "using the last frame".into(), reason: "no frame was requested before".to_owned() }
}
