//! The cage on systems other than Linux: none.

use std::convert::Infallible;
use std::io::{Read, Seek};
use std::marker::PhantomData;
use std::path::Path;

use super::layers::Layers;
use super::options::CageOptions;
use super::picture::Picture;
use crate::pixels::{Framing, RgbPicture};
use crate::source::{Identity, RangeSource};
use crate::{Candidate, CandidatesRequest, Encoding, Error, FrameRequest, Ledger, MediaInfo, OpenOptions};

/// The hook for a host program. This system has no children, so the call does nothing.
pub const fn run_if_child() {}

/// A pool of decoding children. This system has none.
#[derive(Debug, Clone)]
pub struct Cage(Infallible);

impl Cage {
    /// Starts nothing.
    ///
    /// # Errors
    /// Always [`Error::NoCage`].
    pub fn start(_: CageOptions) -> Result<Self, Error> {
        Err(Error::NoCage { reason: "only Linux has one".to_owned() })
    }

    /// Returns the layers around each child.
    pub const fn layers(&self) -> Layers {
        match self.0 {}
    }

    /// Opens an object that is read by byte ranges.
    ///
    /// # Errors
    /// None: a `Cage` cannot exist on this system.
    pub fn open_source(&self, _: impl RangeSource, _: &OpenOptions) -> Result<CagedMedia, Error> {
        match self.0 {}
    }

    /// Opens a file.
    ///
    /// # Errors
    /// None: a `Cage` cannot exist on this system.
    pub fn open_file(&self, _: impl AsRef<Path>, _: &OpenOptions) -> Result<CagedMedia, Error> {
        match self.0 {}
    }

    /// Opens the content of a reader.
    ///
    /// # Errors
    /// None: a `Cage` cannot exist on this system.
    pub fn open<R: Read + Seek + Send + 'static>(&self, _: R, _: &OpenOptions) -> Result<CagedMedia, Error> {
        match self.0 {}
    }
}

/// A file that is open in a child. This system has no children.
#[derive(Debug)]
pub struct CagedMedia(Infallible);

impl CagedMedia {
    /// Returns the properties of the file.
    pub const fn info(&self) -> &MediaInfo {
        match self.0 {}
    }

    /// Returns the identity of the object.
    pub const fn identity(&self) -> Option<Identity> {
        match self.0 {}
    }

    /// Returns the cost of reading so far.
    pub const fn ledger(&self) -> Ledger {
        match self.0 {}
    }

    /// Returns the layers around the child.
    pub const fn layers(&self) -> Layers {
        match self.0 {}
    }

    /// Returns the requested frame as a picture.
    ///
    /// # Errors
    /// None: a `CagedMedia` cannot exist on this system.
    pub fn picture(&mut self, _: &FrameRequest) -> Result<Picture, Error> {
        match self.0 {}
    }

    /// Returns the requested frames as pictures.
    pub fn pictures<T: Into<FrameRequest>>(&mut self, _: impl IntoIterator<Item = T>) -> CagedPictures<'_> {
        match self.0 {}
    }

    /// Good frames from all parts of the video.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn candidates(&mut self, _: &CandidatesRequest) -> Result<Vec<Candidate>, Error> {
        match self.0 {}
    }

    /// Encodes the frame of the last picture as another picture.
    ///
    /// # Errors
    /// None: a `CagedMedia` cannot exist on this system.
    pub fn encode(&mut self, _: &Encoding) -> Result<Picture, Error> {
        match self.0 {}
    }

    /// Returns the frame of the last picture as packed RGB.
    ///
    /// # Errors
    /// None: a `CagedMedia` cannot exist on this system.
    pub fn to_rgb8(&mut self, _: impl Into<Framing>) -> Result<RgbPicture, Error> {
        match self.0 {}
    }
}

/// The pictures of a list of requests. This system has no children.
#[derive(Debug)]
#[must_use = "pictures are decoded when the iterator reaches them"]
pub struct CagedPictures<'m>(PhantomData<&'m mut CagedMedia>);

impl CagedPictures<'_> {
    pub(crate) fn rgb8(&mut self, _: impl Into<Framing>) -> Result<RgbPicture, Error> {
        Err(Error::NoCage { reason: "only Linux has one".to_owned() })
    }
}

impl Iterator for CagedPictures<'_> {
    type Item = Result<Picture, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl ExactSizeIterator for CagedPictures<'_> {}
