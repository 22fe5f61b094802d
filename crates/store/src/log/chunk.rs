//! Events side by side, compressed together: events resemble each other, and each byte of a row is
//! copied many times until it is in a file.
//!
//! ```text
//! chunk:  version (1 byte) · length of the events (4 bytes, little-endian) · LZ4 block
//! events: one after the other, each its length (4 bytes, little-endian) and its bytes
//! ```
//!
//! The number of an event is that of its chunk and its place there, so it is found without an index
//! of its own.

use std::fmt;
use std::ops::Range;

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress, get_maximum_output_size,
};

/// The only layout so far.
const VERSION: u8 = 1;
/// An event's number holds its place in so many bits; the statements of readers say the same.
pub(super) const PLACE_BITS: u32 = 6;
/// Events of one chunk at most.
const EVENTS: i64 = 1 << PLACE_BITS;
/// Bytes of events of one chunk at most; a larger event has a chunk of its own. Below 64 KiB the
/// compressor's table is half as large.
const BYTES: usize = 60 * 1024;
/// A chunk ends where so many numbers were taken since it began: else its deliveries would stand far
/// from it.
const SPAN: i64 = 512;
/// Bytes of events that are unpacked at most: the largest event that can be configured (16 MiB), and
/// what is kept beside its body.
const UNPACKED_MAX: usize = 17 * 1024 * 1024;
/// No LZ4 block holds more than so many times its own length.
const RATIO_MAX: usize = 256;
/// Bytes of room that are kept for the next chunk.
const KEPT: usize = 128 * 1024;

/// Gives new events their numbers.
#[derive(Debug, Default)]
pub(super) struct Places(Option<Open>);

/// The chunk to which the next event goes, if it fits.
#[derive(Debug)]
struct Open {
    chunk: i64,
    events: i64,
    bytes: usize,
}

/// Packs chunks, in room that is used again.
#[derive(Default)]
pub(super) struct Packer {
    table: CompressTable,
    events: Vec<u8>,
    block: Vec<u8>,
}

/// The events of a chunk.
#[derive(Debug, Default)]
pub(super) struct Chunk(Vec<u8>);

impl Places {
    /// The number of the next event, which takes so many bytes. `last` is the last number taken;
    /// where a chunk begins it is `new` that takes its own.
    pub(super) fn next(&mut self, bytes: usize, last: i64, new: impl FnOnce() -> i64) -> i64 {
        let fits = |open: &&mut Open| {
            open.events < EVENTS && open.bytes + bytes <= BYTES && last - open.chunk < SPAN
        };
        if let Some(open) = self.0.as_mut().filter(fits) {
            let number = (open.chunk << PLACE_BITS) | open.events;
            open.events += 1;
            open.bytes += bytes;
            return number;
        }
        let chunk = new();
        self.0 = Some(Open { chunk, events: 1, bytes });
        chunk << PLACE_BITS
    }
}

/// The number of the chunk of an event.
pub(super) fn chunk_of(event: i64) -> i64 {
    event >> PLACE_BITS
}

/// The numbers that the events of a chunk can have.
pub(super) fn numbers_of(chunk: i64) -> Range<i64> {
    (chunk << PLACE_BITS)..((chunk + 1) << PLACE_BITS)
}

impl Packer {
    /// Packs the events of a chunk, in the order of their places.
    pub(super) fn pack<'a>(&mut self, events: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        self.events.clear();
        for event in events {
            // An event is far smaller than what four bytes count.
            let length = u32::try_from(event.len()).unwrap_or_default();
            self.events.extend_from_slice(&length.to_le_bytes());
            self.events.extend_from_slice(event);
        }
        self.block.resize(get_maximum_output_size(self.events.len()), 0);
        // There is room for whatever comes out.
        let length = compress_into_with_table(&self.events, &mut self.block, &mut self.table)
            .unwrap_or_default();
        let mut packed = Vec::with_capacity(1 + 4 + length);
        packed.push(VERSION);
        let unpacked = u32::try_from(self.events.len()).unwrap_or_default();
        packed.extend_from_slice(&unpacked.to_le_bytes());
        packed.extend_from_slice(&self.block[..length]);
        if self.events.capacity() > KEPT {
            *self = Self::default();
        }
        packed
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Chunk {
    /// What was packed; no events where this version did not pack them.
    pub(super) fn unpack(packed: &[u8]) -> Self {
        let read = || {
            let (&VERSION, rest) = packed.split_first()? else { return None };
            let (length, block) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            if length > UNPACKED_MAX || length > block.len().saturating_mul(RATIO_MAX) {
                return None;
            }
            decompress(block, length).ok().filter(|events| events.len() == length)
        };
        Self(read().unwrap_or_default())
    }

    /// The events in the order of their places, as far as they are whole.
    pub(super) fn events(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (event, after) = after.split_at_checked(length)?;
            rest = after;
            Some(event)
        })
    }

    /// The event that has this number, where its chunk is this one.
    pub(super) fn event(&self, number: i64) -> Option<&[u8]> {
        let place = usize::try_from(number & (EVENTS - 1)).ok()?;
        self.events().nth(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(events: &[&[u8]]) -> Vec<u8> {
        Packer::default().pack(events.iter().copied())
    }

    #[test]
    fn numbers_and_their_chunks() {
        let (mut places, mut last) = (Places::default(), 0);
        let mut next = |bytes, passed| {
            last += passed;
            let before = last;
            let number = places.next(bytes, before, || {
                last += 1;
                last
            });
            (chunk_of(number), number & (EVENTS - 1))
        };
        for place in 0..EVENTS {
            assert_eq!(next(10, 0), (1, place));
        }
        assert_eq!(next(10, 0), (2, 0), "no more places");
        assert_eq!(next(BYTES - 10, 0), (2, 1));
        assert_eq!(next(1, 0), (3, 0), "no more bytes");
        assert_eq!(next(2 * BYTES, 0), (4, 0), "larger than a chunk");
        assert_eq!(next(1, 0), (5, 0));
        assert_eq!(next(1, SPAN), (6 + SPAN, 0), "too far");
    }

    #[test]
    fn events_come_back() {
        let large = vec![7; 3 * BYTES];
        let mut packer = Packer::default();
        for events in [&[&b"one"[..], b"", b"three"][..], &[&large], &[], &[b"again"]] {
            let packed = packer.pack(events.iter().copied());
            let chunk = Chunk::unpack(&packed);
            assert_eq!(chunk.events().collect::<Vec<_>>(), events);
            for (place, event) in (0..).zip(events) {
                assert_eq!(chunk.event((9 << PLACE_BITS) | place), Some(*event));
            }
            assert_eq!(chunk.event((9 << PLACE_BITS) | 5), None);
            assert!(numbers_of(9).contains(&((9 << PLACE_BITS) | 5)));
        }
        assert!(pack(&[&large]).len() < large.len() / 50);
    }

    #[test]
    fn damage_is_nothing() {
        let packed = pack(&[&[b'a'; 1_000], b"b"]);
        for cut in 0..packed.len() {
            assert_eq!(Chunk::unpack(&packed[..cut]).events().count(), 0, "cut at {cut}");
        }
        for (at, value) in [(0, 2), (1, 0), (1, 255), (2, 0), (3, 1), (4, 255)] {
            let mut damaged = packed.clone();
            damaged[at] = value;
            assert_eq!(Chunk::unpack(&damaged).events().count(), 0, "{value} at {at}");
        }
        for at in 5..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            // Whatever comes out: no panic.
            assert!(Chunk::unpack(&damaged).events().count() <= 1_002, "at {at}");
        }
        // Said to hold far more than it can.
        let claim = u32::try_from(UNPACKED_MAX + 1).unwrap().to_le_bytes();
        let bomb = [&[VERSION][..], &claim, &vec![0; UNPACKED_MAX / 8]].concat();
        assert_eq!(Chunk::unpack(&bomb).0.capacity(), 0);
        let claim = u32::try_from(UNPACKED_MAX).unwrap().to_le_bytes();
        let bomb = [&[VERSION][..], &claim, &[0; 64]].concat();
        assert_eq!(Chunk::unpack(&bomb).0.capacity(), 0);
    }
}
