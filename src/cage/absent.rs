//! No cage: other systems than Linux.

use std::convert::Infallible;
use std::io::{Read, Seek};
use std::marker::PhantomData;
use std::path::Path;

use super::layers::Layers;
use super::options::CageOptions;
use super::picture::Picture;
use crate::pixels::{Framing, RgbPicture};
use crate::source::{Identity, RangeSource};
use crate::{Encoding, Error, FrameRequest, Ledger, MediaInfo, OpenOptions};

/// The hook of a host program. There are no children here.
pub const fn run_if_child() {}

/// Children that decode. There are none here.
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

    /// The layers around each child.
    pub const fn layers(&self) -> Layers {
        match self.0 {}
    }

    /// Opens an object that is read by byte ranges.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn open_source(&self, _: impl RangeSource, _: &OpenOptions) -> Result<CagedMedia, Error> {
        match self.0 {}
    }

    /// Opens a file.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn open_file(&self, _: impl AsRef<Path>, _: &OpenOptions) -> Result<CagedMedia, Error> {
        match self.0 {}
    }

    /// Opens what a reader gives.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn open<R: Read + Seek + Send + 'static>(&self, _: R, _: &OpenOptions) -> Result<CagedMedia, Error> {
        match self.0 {}
    }
}

/// A file that is open in a child. There are none here.
#[derive(Debug)]
pub struct CagedMedia(Infallible);

impl CagedMedia {
    /// What the file says.
    pub const fn info(&self) -> &MediaInfo {
        match self.0 {}
    }

    /// Which object it is.
    pub const fn identity(&self) -> Option<Identity> {
        match self.0 {}
    }

    /// What reading has cost so far.
    pub const fn ledger(&self) -> Ledger {
        match self.0 {}
    }

    /// The layers around the child.
    pub const fn layers(&self) -> Layers {
        match self.0 {}
    }

    /// The requested frame as a picture.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn picture(&mut self, _: &FrameRequest) -> Result<Picture, Error> {
        match self.0 {}
    }

    /// The requested frames as pictures.
    pub fn pictures<T: Into<FrameRequest>>(&mut self, _: impl IntoIterator<Item = T>) -> CagedPictures<'_> {
        match self.0 {}
    }

    /// The frame of the last picture as another picture.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn encode(&mut self, _: &Encoding) -> Result<Picture, Error> {
        match self.0 {}
    }

    /// The frame of the last picture as packed RGB.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn to_rgb8(&mut self, _: impl Into<Framing>) -> Result<RgbPicture, Error> {
        match self.0 {}
    }
}

/// The pictures of a list of requests. There are none here.
#[derive(Debug)]
pub struct CagedPictures<'m>(PhantomData<&'m mut CagedMedia>);

impl Iterator for CagedPictures<'_> {
    type Item = Result<Picture, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl ExactSizeIterator for CagedPictures<'_> {}
