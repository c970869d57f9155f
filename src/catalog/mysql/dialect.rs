//! What a server understands, and how that is learnt.

use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{Failure, number};
use crate::object_name::ContentId;

/// `ER_SUBQUERY_NO_1_ROW`: a guard.
const GUARD: u16 = 1242;
/// What MySQL Router answers to several statements in one packet where it shares connections.
const NO_PACKETS: u16 = 4501;
/// `ER_PARSE_ERROR`.
const SYNTAX_ERROR: u16 = 1064;

/// What the server understands, and what its owner wants it to be sent.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Whether a row is written by one packet of statements; else by one packet each. Until something on the way refuses: MySQL Router
    /// does where it shares connections.
    in_one_packet: AtomicBool,
    /// Whether the server knows `NOWAIT`: MySQL from 8.0.1, MariaDB from 10.3. Until it refuses.
    knows_nowait: AtomicBool,
}

impl Dialect {
    pub(super) const fn new(in_one_packet: bool) -> Self {
        Self { in_one_packet: AtomicBool::new(in_one_packet), knows_nowait: AtomicBool::new(true) }
    }

    pub(super) fn is_in_one_packet(&self) -> bool {
        self.in_one_packet.load(Ordering::Relaxed)
    }

    /// Whether a packet failed because of what it is, and the same work is to be done step by step: a guard of it failed, or it is
    /// refused, as all that follow will be.
    pub(super) fn leads_to_steps(&self, error: &sqlx::Error) -> bool {
        number(error) == Some(GUARD) || self.refuses_packets(error)
    }

    /// Whether several statements in one packet are refused, as all that follow will be.
    pub(super) fn refuses_packets(&self, error: &sqlx::Error) -> bool {
        let refused = number(error) == Some(NO_PACKETS);
        if refused {
            self.in_one_packet.store(false, Ordering::Relaxed);
        }
        refused
    }

    /// Locks the row of a content. Another worker that has it is not waited for here, where the connection would wait with it.
    pub(super) fn lock(&self, id: ContentId) -> String {
        let nowait = if self.knows_nowait.load(Ordering::Relaxed) { " NOWAIT" } else { "" };
        format!("SELECT id FROM contents WHERE id = {id} FOR UPDATE{nowait}")
    }

    /// Takes a server's refusal of `NOWAIT` as another attempt; everything else stays.
    pub(super) fn learn(&self, failure: Failure) -> Failure {
        let is_syntax = matches!(&failure, Failure::Sql(error) if number(error) == Some(SYNTAX_ERROR));
        match is_syntax && self.knows_nowait.swap(false, Ordering::Relaxed) {
            true => Failure::Again("the server does not know NOWAIT"),
            false => failure,
        }
    }
}
