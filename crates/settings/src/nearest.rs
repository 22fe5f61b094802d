//! "Did you mean …?": which known name somebody probably had in mind.

/// The candidate that looks most like `written`, where one does at all.
///
/// Similar means that about a third of the letters may differ; swapped neighbours count once.
#[must_use]
pub fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|known| (distance(written, known), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// Edits between the two, where spelling in capitals or with `-` is no edit.
fn distance(written: &str, known: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    strsim::damerau_levenshtein(&plain(written), &plain(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_found_and_others_are_not() {
        let known = ["timeout", "connect_timeout", "max_in_flight", "url"];
        for (written, expected) in [
            ("timout", Some("timeout")),
            ("itmeout", Some("timeout")),
            ("Connect-Timeout", Some("connect_timeout")),
            ("max_inflight", Some("max_in_flight")),
            ("ulr", Some("url")),
            ("id", None),
            ("grace", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
    }
}
