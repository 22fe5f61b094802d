//! What is kept only to be looked at, packed into one value: a row with fewer values costs less to
//! write.
//!
//! ```text
//! attempt: version (1 byte) · signature · standard signature · detail · response
//! event:   version (1 byte) · id · type · project · published (8 bytes, little-endian) · body
//! ```
//!
//! Each text is its length (2 bytes, little-endian) and its bytes; the last part has no length.

use event::{Event, ProjectId};

use crate::log::entry::LoggedEvent;

/// The only layout so far.
const VERSION: u8 = 1;
/// Bytes kept of a response.
const RESPONSE_MAX: usize = 4 * 1024;
/// Bytes kept of each text.
const TEXT_MAX: usize = 2 * 1024;

/// What is kept of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) signature: String,
    pub(super) standard_signature: String,
    pub(super) detail: Option<String>,
    pub(super) response: Vec<u8>,
}

/// Packs an attempt behind what is there. Texts and response are cut off at their bounds.
pub(super) fn pack_trace(
    packed: &mut Vec<u8>,
    signature: &str,
    standard_signature: &str,
    detail: Option<&str>,
    response: &[u8],
) {
    let response = &response[..response.len().min(RESPONSE_MAX)];
    pack(packed, [signature, standard_signature, detail.unwrap_or_default()], &[response]);
}

/// What was packed; nothing where this version did not pack it.
pub(super) fn unpack_trace(packed: &[u8]) -> Trace {
    let Some(([signature, standard_signature, detail], response)) = unpack(packed) else {
        return Trace::default();
    };
    let detail = Some(detail).filter(|detail| !detail.is_empty());
    Trace { signature, standard_signature, detail, response: response.to_vec() }
}

/// Packs an event that was published at this time, behind what is there.
pub(super) fn pack_event(packed: &mut Vec<u8>, event: &Event, published_ms: i64) {
    let project = event.project().map(ProjectId::as_str).unwrap_or_default();
    let texts = [event.id().as_str(), event.kind().as_str(), project];
    pack(packed, texts, &[&published_ms.to_le_bytes(), event.body()]);
}

/// What was packed; `None` where this version did not pack it.
pub(super) fn unpack_event(packed: &[u8]) -> Option<LoggedEvent> {
    let ([id, kind, project], rest) = unpack(packed)?;
    let (published, body) = rest.split_first_chunk::<8>()?;
    let project = Some(project).filter(|project| !project.is_empty());
    let published_ms = i64::from_le_bytes(*published);
    Some(LoggedEvent { id, kind, project, published_ms, body: body.to_vec().into() })
}

/// The id of an event that was packed; `None` where this version did not pack it.
pub(super) fn unpack_event_id(packed: &[u8]) -> Option<String> {
    let (&VERSION, mut rest) = packed.split_first()? else { return None };
    text(&mut rest)
}

fn pack(packed: &mut Vec<u8>, texts: [&str; 3], rest: &[&[u8]]) {
    let texts = texts.map(|text| &text[..text.floor_char_boundary(TEXT_MAX)]);
    let length = texts.iter().map(|text| 2 + text.len()).sum::<usize>();
    let length = length + rest.iter().map(|part| part.len()).sum::<usize>();
    packed.reserve(1 + length);
    packed.push(VERSION);
    for text in texts {
        // Cut off far below what two bytes count.
        packed.extend_from_slice(&u16::try_from(text.len()).unwrap_or_default().to_le_bytes());
        packed.extend_from_slice(text.as_bytes());
    }
    rest.iter().for_each(|part| packed.extend_from_slice(part));
}

fn unpack(packed: &[u8]) -> Option<([String; 3], &[u8])> {
    let (&VERSION, mut rest) = packed.split_first()? else { return None };
    let texts = [text(&mut rest)?, text(&mut rest)?, text(&mut rest)?];
    Some((texts, rest))
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = after;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(pack: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        pack(&mut bytes);
        bytes
    }

    #[test]
    fn attempts() {
        for (detail, response) in [(None, &b""[..]), (Some("é".repeat(3)), &[0xff, 0, 1])] {
            let packed = packed(|bytes| {
                pack_trace(bytes, "sha256=ab", "v1,cd v1,ef", detail.as_deref(), response);
            });
            let trace = unpack_trace(&packed);
            assert_eq!(
                (&*trace.signature, &*trace.standard_signature),
                ("sha256=ab", "v1,cd v1,ef")
            );
            assert_eq!((trace.detail, &*trace.response), (detail, response));
        }
    }

    #[test]
    fn events() {
        let body = br#"{"type":"domain.added","createdAt":"2024-01-15T10:30:00Z","domain":{"name":"x"},"project":{"id":"prj_1"}}"#;
        let id = event::EventId::try_new("evt_é").unwrap();
        let event = Event::restore(body, id).unwrap();
        let packed = packed(|bytes| pack_event(bytes, &event, -5));
        let LoggedEvent { id, kind, project, published_ms, body } = unpack_event(&packed).unwrap();
        assert_eq!((&*id, &*kind, project.as_deref()), ("evt_é", "domain.added", Some("prj_1")));
        assert_eq!((published_ms, &body), (-5, event.body()));
        assert_eq!(unpack_event_id(&packed), Some(id));
    }

    #[test]
    fn bounds_hold_and_damage_is_nothing() {
        let detail = "é".repeat(TEXT_MAX);
        let packed = packed(|bytes| pack_trace(bytes, "", "", Some(&detail), &[7; 10_000]));
        let trace = unpack_trace(&packed);
        assert_eq!(trace.detail.unwrap().len(), TEXT_MAX);
        assert_eq!(trace.response.len(), RESPONSE_MAX);
        for cut in 0..7 {
            assert_eq!(unpack_trace(&packed[..cut]), Trace::default());
            assert!(unpack_event(&packed[..cut]).is_none());
        }
        assert_eq!(unpack_trace(&[9, 0, 0]), Trace::default());
        assert_eq!(unpack_event_id(&[1, 9, 0, b'a']), None);
    }
}
