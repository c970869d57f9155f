//! The SQL features that a server supports, learnt from its errors.

use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{Failure, number};
use crate::object_name::ContentId;

/// `ER_SUBQUERY_NO_1_ROW`: the error of a guard that failed.
const GUARD: u16 = 1242;
/// MySQL Router's error for several statements in one packet, when it shares connections.
const NO_PACKETS: u16 = 4501;
/// `ER_PARSE_ERROR`.
const SYNTAX_ERROR: u16 = 1064;

/// The SQL features that the server supports, and the owner's choice of how statements are sent.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Whether a row is written by one packet of several statements, or else by one packet per statement. True until a
    /// server refuses: MySQL Router refuses when it shares connections.
    in_one_packet: AtomicBool,
    /// Whether the server supports `NOWAIT` (MySQL from 8.0.1, MariaDB from 10.3). True until the server refuses.
    knows_nowait: AtomicBool,
}

impl Dialect {
    pub(super) const fn new(in_one_packet: bool) -> Self {
        Self { in_one_packet: AtomicBool::new(in_one_packet), knows_nowait: AtomicBool::new(true) }
    }

    pub(super) fn is_in_one_packet(&self) -> bool {
        self.in_one_packet.load(Ordering::Relaxed)
    }

    /// Returns whether the same work must be repeated statement by statement: a guard in the packet failed, or the
    /// server refuses packets with several statements.
    pub(super) fn leads_to_steps(&self, error: &sqlx::Error) -> bool {
        number(error) == Some(GUARD) || self.refuses_packets(error)
    }

    /// Returns whether the server refuses several statements in one packet. All later packets are then sent statement
    /// by statement.
    pub(super) fn refuses_packets(&self, error: &sqlx::Error) -> bool {
        let refused = number(error) == Some(NO_PACKETS);
        if refused {
            self.in_one_packet.store(false, Ordering::Relaxed);
        }
        refused
    }

    /// Returns the statement that locks the row of a content. The statement does not wait for another worker's lock,
    /// because the connection would wait too.
    pub(super) fn lock(&self, id: ContentId) -> String {
        let nowait = if self.knows_nowait.load(Ordering::Relaxed) { " NOWAIT" } else { "" };
        format!("SELECT id FROM contents WHERE id = {id} FOR UPDATE{nowait}")
    }

    /// Turns a server's refusal of `NOWAIT` into a failure that leads to another attempt; other failures are returned
    /// unchanged.
    pub(super) fn learn(&self, failure: Failure) -> Failure {
        let is_syntax = matches!(&failure, Failure::Sql(error) if number(error) == Some(SYNTAX_ERROR));
        match is_syntax && self.knows_nowait.swap(false, Ordering::Relaxed) {
            true => Failure::Again("the server does not support NOWAIT"),
            false => failure,
        }
    }
}
