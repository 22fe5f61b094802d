//! Small pictures, drawn here so that none comes from elsewhere. They say nothing to screen readers.

use maud::{Markup, html};

/// What there are pictures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    /// Webhooks.
    Webhook,
    /// Dead letters.
    Dead,
    /// The audit list.
    Audit,
    /// To copy something.
    Copy,
    /// Something is well.
    Check,
    /// Something needs to be known.
    Info,
    /// Something is wrong.
    Alert,
    /// Add.
    Plus,
    /// Search.
    Search,
}

/// The picture.
pub(super) fn icon(icon: Icon) -> Markup {
    html! {
        svg.icon viewBox="0 0 16 16" aria-hidden="true" focusable="false" { path d=(path(icon)) {} }
    }
}

/// The sign of the product.
pub(super) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 26 26" aria-hidden="true" focusable="false" {
            rect.tile width="26" height="26" rx="7" {}
            path.wire d="M9 17.5 13 10l4 7.5H9" {}
            circle.dot cx="13" cy="9" r="2.4" {}
            circle.dot cx="8.5" cy="17.5" r="2.4" {}
            circle.dot cx="17.5" cy="17.5" r="2.4" {}
        }
    }
}

fn path(icon: Icon) -> &'static str {
    match icon {
        Icon::Webhook => {
            "M5.2 11.5h5.6M8 4.6 5 10M8 4.6l3 5.4M8 2.5a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6ZM4 \
             9.7a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6ZM12 9.7a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 \
             0-3.6Z"
        }
        Icon::Dead => "M2.5 4.5h11v7.5h-11zM2.5 5l5.5 4.2L13.5 5M10.8 13.8l2.4-2.4",
        Icon::Audit => "M4 2.5h8v11H4zM6.2 5.5h3.6M6.2 8h3.6M6.2 10.5h2",
        Icon::Copy => "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
        Icon::Check => "M3 8.5 6.5 12 13 4.5",
        Icon::Info => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.5v3.2M8 5.2v.1",
        Icon::Alert => "M8 2.2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1",
        Icon::Plus => "M8 3v10M3 8h10",
        Icon::Search => "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5 13.5 13.5",
    }
}
