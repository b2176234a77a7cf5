//! What does an entry of the ledger look like where power may fail at any byte?
//!
//! Frames of one size, each with its own checksum: what is torn is told from what is whole,
//! and the next whole frame is found without trusting a length. Little-endian.
//!
//! ```text
//!  0        8       12   13   14    16                              44     48
//!  | number | run   |kind| v1 | zero | body, by kind                 | CRC  |
//!
//!  1 run     boot id 16   started 8 (monotonic us)
//!  2 epoch   from 8   until 8   state 4   checks 4   failures 4
//!  3 fix     at 8 (monotonic us)   utc 8 (us)   error 8 (us)   source 1
//!  4 step    at 8   from 8   to 8 (what the wall clock claimed before and after, us)
//!  5 sent    through 8 (number of the newest epoch that the collector has)
//!  6 lost    through 8   epochs 4 (dropped for want of room before they could be sent)
//! ```
//!
//! CRC-32 (ISO-HDLC, as in RFC 1952 section 8) over the 44 octets before it. It finds
//! accidents, not forgery: whoever can write the file has the key beside it.

use super::{
    place::{Fix, Source},
    state::State,
};
use crate::time::{Duration, Instant, UnixTime};

/// Octets of a frame.
pub const FRAME: usize = 48;

/// Which boot of the machine: the kernel's identity of it, hashed, or a number drawn at the
/// start where there is none. Times of one boot are on one monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(pub [u8; 16]);

impl core::fmt::Display for BootId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
#[cfg(feature = "serde")]
impl serde::Serialize for BootId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for BootId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::id::BatchId::deserialize(d).map(|id| Self(id.0))
    }
}
impl<C> minicbor::Encode<C> for BootId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}
impl<'b, C> minicbor::Decode<'b, C> for BootId {
    fn decode(
        d: &mut minicbor::Decoder<'b>,
        _: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let octets = d.bytes()?.try_into();
        octets
            .map(Self)
            .map_err(|_| minicbor::decode::Error::message("a boot is named by 16 bytes"))
    }
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Grows from entry to entry and is never used again. All that is said of one epoch, while
    /// it lasts and when it ends, carries the same; the last counts.
    pub number: u64,
    /// Which start of the program wrote it, counted from 1.
    pub run: u32,
    /// What it says.
    pub body: Body,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The program started.
    Run {
        /// In this boot of the machine.
        boot: BootId,
        /// Then.
        started: Instant,
    },
    /// The state was the same from one walk to another.
    Epoch(Epoch),
    /// What time it was, by somebody who knows.
    Fix(Fix),
    /// The wall clock jumped.
    Step {
        /// When it was noticed.
        at: Instant,
        /// What it would have said without the jump.
        from: UnixTime,
        /// What it said.
        to: UnixTime,
    },
    /// The collector has everything up to an epoch.
    Sent {
        /// Its number.
        through: u64,
    },
    /// Epochs were dropped before they could be sent.
    Lost {
        /// The newest of them.
        through: u64,
        /// How many.
        epochs: u32,
    },
}

/// A time in which nothing changed. Between the end of one and the start of the next lies the
/// moment of the change: no more is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// The first walk that found the state.
    pub from: Instant,
    /// The last that did.
    pub until: Instant,
    /// What they found.
    pub state: State,
    /// Hosts tried.
    pub checks: u32,
    /// Of those, how many said nothing.
    pub failures: u32,
}

impl Epoch {
    /// How long it is known to have lasted.
    pub fn lasted(&self) -> Duration {
        self.until.since(self.from)
    }
}

impl Record {
    /// As a frame.
    pub fn encode(&self) -> [u8; FRAME] {
        let mut out = Out {
            frame: [0; FRAME],
            at: 0,
        };
        out.put(&self.number.to_le_bytes());
        out.put(&self.run.to_le_bytes());
        let kind = match self.body {
            Body::Run { .. } => 1,
            Body::Epoch(_) => 2,
            Body::Fix(_) => 3,
            Body::Step { .. } => 4,
            Body::Sent { .. } => 5,
            Body::Lost { .. } => 6,
        };
        out.put(&[kind, 1, 0, 0]);
        match self.body {
            Body::Run { boot, started } => {
                out.put(&boot.0);
                out.put(&started.0.to_le_bytes());
            }
            Body::Epoch(epoch) => {
                out.put(&epoch.from.0.to_le_bytes());
                out.put(&epoch.until.0.to_le_bytes());
                out.put(&epoch.state.0.to_le_bytes());
                out.put(&epoch.checks.to_le_bytes());
                out.put(&epoch.failures.to_le_bytes());
            }
            Body::Fix(fix) => {
                out.put(&fix.at.0.to_le_bytes());
                out.put(&fix.utc.0.to_le_bytes());
                out.put(&(fix.error.as_micros() as u64).to_le_bytes());
                out.put(&[fix.source as u8]);
            }
            Body::Step { at, from, to } => {
                out.put(&at.0.to_le_bytes());
                out.put(&from.0.to_le_bytes());
                out.put(&to.0.to_le_bytes());
            }
            Body::Sent { through } => out.put(&through.to_le_bytes()),
            Body::Lost { through, epochs } => {
                out.put(&through.to_le_bytes());
                out.put(&epochs.to_le_bytes());
            }
        }
        out.at = FRAME - 4;
        let sum = crc32(out.frame.get(..FRAME - 4).unwrap_or_default());
        out.put(&sum.to_le_bytes());
        out.frame
    }

    /// From a frame; `None` where it is torn, damaged or of a kind that is not known.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let (body, sum) = frame.split_last_chunk::<4>()?;
        if body.len() != FRAME - 4 || crc32(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let mut r = In(body);
        let (number, run) = (r.u64()?, r.u32()?);
        let [kind, 1, 0, 0] = r.take::<4>()? else {
            return None;
        };
        let body = match kind {
            1 => Body::Run {
                boot: BootId(r.take()?),
                started: Instant(r.u64()?),
            },
            2 => Body::Epoch(Epoch {
                from: Instant(r.u64()?),
                until: Instant(r.u64()?),
                state: State(r.u32()?),
                checks: r.u32()?,
                failures: r.u32()?,
            }),
            3 => Body::Fix(Fix {
                at: Instant(r.u64()?),
                utc: UnixTime(r.u64()?.cast_signed()),
                error: Duration::from_micros(r.u64()?),
                source: Source::of(r.take::<1>()?[0])?,
            }),
            4 => Body::Step {
                at: Instant(r.u64()?),
                from: UnixTime(r.u64()?.cast_signed()),
                to: UnixTime(r.u64()?.cast_signed()),
            },
            5 => Body::Sent { through: r.u64()? },
            6 => Body::Lost {
                through: r.u64()?,
                epochs: r.u32()?,
            },
            _ => return None,
        };
        Some(Self { number, run, body })
    }
}

struct Out {
    frame: [u8; FRAME],
    at: usize,
}

impl Out {
    fn put(&mut self, octets: &[u8]) {
        let room = self.frame.iter_mut().skip(self.at);
        room.zip(octets).for_each(|(to, from)| *to = *from);
        self.at += octets.len();
    }
}

struct In<'a>(&'a [u8]);

impl In<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*octets)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// Bit by bit: a few frames a minute need no table.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |sum: u32, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| {
            let odd = sum & 1 != 0;
            (sum >> 1) ^ if odd { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_rfc_1952() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
