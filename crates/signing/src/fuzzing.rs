//! What must hold of signatures, whatever headers and bodies come in: for the fuzzer and for its
//! seeds.

use std::str;

use crate::{Secret, boottify, standard};

const TIME: i64 = 1_700_000_000;
const ID: &str = "msg_1";

/// Texts shorter than this may stand in a `Debug` by chance.
const TELLING: usize = 24;

/// Verifies a request: the header's value, a line end, the body.
pub fn signatures(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, body) = data.split_at(end);
    let Ok(header) = str::from_utf8(header) else { return };
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "another secret of a receiver"];
    let [Ok(secret), Ok(other)] = secrets.map(Secret::try_new) else { return };
    of_the_page(&secret, &other, header, body);
    of_the_standard(&secret, &other, header, body);
    if let Ok(odd) = Secret::try_new(header) {
        of_an_odd_secret(&odd, header, body);
    }
}

fn of_the_page(secret: &Secret, other: &Secret, header: &str, body: &[u8]) {
    let signed = boottify::sign(secret, body);
    let ours = str::from_utf8(&signed).unwrap_or_default();
    assert!(boottify::verify(secret, body, ours));
    assert!(!boottify::verify(other, body, ours));
    assert_eq!(boottify::verify(secret, body, header), header == ours);
    assert!(!boottify::verify(secret, &[body, b"x"].concat(), ours));
}

fn of_the_standard(secret: &Secret, other: &Secret, header: &str, body: &[u8]) {
    let ours = standard::sign([secret], ID, TIME, body);
    let verify = |id: &str, time, signatures: &str| {
        standard::verify(secret, id, time, body, signatures, TIME).is_ok()
    };
    assert_eq!(verify(ID, TIME, header), header.split(' ').any(|one| one == ours));
    // Whatever stands beside it, ours is found; a comma or a tab makes another text of it.
    assert!(verify(ID, TIME, &format!("{header} {ours}")));
    assert!(verify(ID, TIME, &format!("{ours} {header}")));
    assert!(verify(ID, TIME, &standard::sign([other, secret], ID, TIME, body)));
    assert!(!verify(ID, TIME + 1, &ours), "the time is signed");
    if header != ID {
        assert!(!verify(header, TIME, &ours), "the id is signed");
    }
}

/// Whatever a customer chose: both schemes sign with it, and it is not told.
fn of_an_odd_secret(odd: &Secret, text: &str, body: &[u8]) {
    let signed = boottify::sign(odd, body);
    assert!(boottify::verify(odd, body, str::from_utf8(&signed).unwrap_or_default()));
    let signed = standard::sign([odd], ID, TIME, body);
    assert_eq!(standard::verify(odd, ID, TIME, body, &signed, TIME), Ok(()));
    let told = format!("{odd:?} {:?}", odd.weakness());
    assert!(text.len() < TELLING || !told.contains(text), "{told}");
}

#[cfg(test)]
#[path = "../../../tests/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_all_seeds() {
        super::seeds::each("signatures", super::signatures);
    }
}
