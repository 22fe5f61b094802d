//! What surrounds every screen: head, navigation, who is signed in, and what has just been done.

use maud::{DOCTYPE, Markup, html};

use super::super::assets::{SCRIPT_URL, STYLE_URL};
use super::super::form::sentence;
use super::icon::{Icon, icon, mark};
use super::pieces::{Tone, count, notice};
use crate::desk::{Left, Rest};

/// What a screen must know about the request that asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Who is signed in.
    pub(crate) who: String,
    /// Whether there is a session that they can sign out of.
    pub(crate) session: bool,
    /// Whether they may change anything.
    pub(crate) admin: bool,
    /// What proves that a form was sent from this page.
    pub(crate) csrf: String,
    /// Why the webhooks cannot be read, where those that were read before go on.
    pub(crate) trouble: Option<String>,
    /// Why nothing can be changed here, where that is so.
    pub(crate) read_only: Option<String>,
    /// The time, ms since 1970.
    pub(crate) now_ms: i64,
    /// What has just been done, where something has.
    pub(crate) done: Option<Said>,
}

/// What has just been done: said once, on the screen that comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// A webhook was changed.
    Saved,
    /// A webhook was enabled.
    Enabled,
    /// A webhook was enabled, and nobody knows whether events were kept for it.
    EnabledUntold,
    /// A webhook was disabled.
    Disabled,
    /// A webhook was deleted.
    Deleted,
    /// The new secret signs alone.
    Promoted,
    /// A test event was handed over.
    Tested,
    /// A delivery is sent again.
    Redelivered,
    /// A delivery is looked for among many dead letters.
    Sought,
    /// What had failed is sent again.
    Recovered,
    /// Dead letters are sent again.
    Replayed,
    /// Dead letters were dropped.
    Dropped,
}

/// What has just been done, and to how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// What.
    pub(crate) done: Done,
    /// To how many, where that was counted.
    pub(crate) count: Option<usize>,
    /// How many could not be sent, because what was sent is not kept any more.
    pub(crate) forgotten: usize,
    /// How many were left alone, and why.
    pub(crate) left: Left,
    /// What becomes of the others.
    pub(crate) rest: Rest,
}

/// The parts of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Webhooks and all that belongs to one.
    Webhooks,
    /// Dead letters.
    Dead,
    /// Who changed what.
    Audit,
}

/// What a screen is.
pub(super) struct Screen<'a> {
    /// Its title.
    pub(super) title: &'a str,
    /// Where it belongs.
    pub(super) section: Section,
    /// The way to it below its section: names and addresses.
    pub(super) crumbs: &'a [(&'a str, &'a str)],
    /// Whether it is text or a form rather than a list.
    pub(super) narrow: bool,
}

impl Frame {
    /// Whether forms that change something are shown.
    pub(super) fn writes(&self) -> bool {
        self.admin && self.read_only.is_none()
    }

    /// Whether forms are shown that send something, or decide about dead letters: those are in the
    /// broker, whatever the store.
    pub(super) fn writes_letters(&self) -> bool {
        self.admin
    }

    /// The field that every form that is posted carries.
    pub(super) fn csrf_field(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }
}

impl Said {
    /// Something that is not counted.
    pub(crate) fn of(done: Done) -> Self {
        Self { done, count: None, forgotten: 0, left: Left::default(), rest: Rest::None }
    }

    fn text(self) -> String {
        let mut text = match (self.done.counted(), self.count) {
            (Some(_), Some(0)) => self.none().to_owned(),
            (Some((one, many)), Some(number)) => count(number, one, many),
            _ => self.done.sentence().to_owned(),
        };
        if self.forgotten > 0 {
            let lost = count(self.forgotten, "could not", "could not");
            text = format!("{text} {lost} be sent: the log has forgotten what was in them.");
        }
        let Left { deleted, disabled, unopened } = self.left;
        for (number, why) in
            [(deleted, "was deleted"), (disabled, "is disabled"), (unopened, "cannot be opened")]
        {
            if number > 0 {
                let left = count(number, "was", "were");
                text = format!("{text} {left} left alone: their webhook {why}.");
            }
        }
        text + match self.rest {
            Rest::None => "",
            Rest::Follows => " The rest follows by itself.",
            Rest::Unseen => " There may be more that could not be looked at: repeat it to go on.",
        }
    }

    /// Where it was done to none.
    fn none(self) -> &'static str {
        match self.rest {
            Rest::Follows => "None was met so far.",
            _ if self.left.all() > 0 => "None was sent again.",
            Rest::Unseen => "None was met.",
            Rest::None => "There was nothing to do.",
        }
    }
}

impl Done {
    const ALL: [Self; 12] = [
        Self::Saved,
        Self::Enabled,
        Self::EnabledUntold,
        Self::Disabled,
        Self::Deleted,
        Self::Promoted,
        Self::Tested,
        Self::Redelivered,
        Self::Sought,
        Self::Recovered,
        Self::Replayed,
        Self::Dropped,
    ];

    /// The word in the address of the screen that says it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Enabled => "enabled",
            Self::EnabledUntold => "enabled-untold",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Promoted => "promoted",
            Self::Tested => "tested",
            Self::Redelivered => "redelivered",
            Self::Sought => "sought",
            Self::Recovered => "recovered",
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }

    /// What is meant by a word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    /// Something that happens to any number of deliveries: its verb phrases for one and for many.
    fn counted(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Recovered | Self::Replayed => Some((
                "delivery is being sent again, with the same ids.",
                "deliveries are being sent again, with the same ids.",
            )),
            Self::Dropped => Some(("dead letter was dropped.", "dead letters were dropped.")),
            _ => None,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Saved => "Saved. The change is live within a second.",
            Self::Enabled => "Enabled. New events are sent from now on.",
            Self::EnabledUntold => {
                "Enabled. New events are sent from now on. Whether events were kept for it meanwhile \
                 could not be found out at this moment: look among the dead letters."
            }
            Self::Disabled => "Disabled. Nothing is sent until you enable it again.",
            Self::Deleted => "The webhook was deleted.",
            Self::Promoted => "The new secret signs alone now.",
            Self::Tested => {
                "The test event is on its way. What came of it is listed below as soon as the log has it."
            }
            Self::Redelivered => "The delivery is sent again, with the same ids.",
            Self::Sought => {
                "The delivery is looked for among the dead letters, and sent again when it is met."
            }
            Self::Recovered => "Everything that had failed is being sent again.",
            Self::Replayed => "They are being sent again, with the same ids.",
            Self::Dropped => "They were dropped.",
        }
    }
}

/// A whole screen of somebody who is signed in.
pub(super) fn screen(frame: &Frame, screen: &Screen<'_>, body: &Markup) -> Markup {
    document(
        screen.title,
        frame.now_ms,
        &html! {
            a.skip href="#content" { "Skip to content" }
            div.frame {
                header.side {
                    a.brand href="/admin/webhooks" {
                        (mark())
                        span { "Boottify" small { "Control Center" } }
                    }
                    (navigation(screen.section))
                    (account(frame))
                }
                main.main id="content" tabindex="-1" {
                    div.content.narrow[screen.narrow] {
                        (crumbs(screen))
                        (banners(frame))
                        (body)
                    }
                }
            }
            div.vh id="status" role="status" aria-live="polite" {}
        },
    )
}

/// A document; the frame of what is shown before anybody is signed in, too.
pub(super) fn document(title: &str, now_ms: i64, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-now=(now_ms) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Boottify Control Center" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(*STYLE_URL);
                script src=(*SCRIPT_URL) defer {}
            }
            body { (body) }
        }
    }
}

fn navigation(current: Section) -> Markup {
    let links = [
        (Section::Webhooks, Icon::Webhook, "/admin/webhooks", "Webhooks"),
        (Section::Dead, Icon::Dead, "/admin/dead", "Dead letters"),
        (Section::Audit, Icon::Audit, "/admin/audit", "Audit"),
    ];
    html! {
        nav.nav aria-label="Admin" {
            p.nav-title aria-hidden="true" { "Admin" }
            ul.plain {
                @for (section, picture, address, name) in links {
                    li {
                        a href=(address) aria-current=[(section == current).then_some("page")] {
                            (icon(picture)) (name)
                        }
                    }
                }
            }
        }
    }
}

fn account(frame: &Frame) -> Markup {
    html! {
        div.account {
            div.who { (frame.who) }
            div.row {
                span.tag { (if frame.admin { "admin" } else { "read" }) }
                @if frame.session {
                    form method="post" action="/admin/sign-out" {
                        (frame.csrf_field())
                        button.link-button id="sign-out" type="submit" { "Sign out" }
                    }
                }
            }
        }
    }
}

fn crumbs(screen: &Screen<'_>) -> Markup {
    let (name, address) = match screen.section {
        Section::Webhooks => ("Webhooks", "/admin/webhooks"),
        Section::Dead => ("Dead letters", "/admin/dead"),
        Section::Audit => ("Audit", "/admin/audit"),
    };
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            ol {
                li { "Admin" }
                @if screen.crumbs.is_empty() {
                    li aria-current="page" { (name) }
                } @else {
                    li { a href=(address) { (name) } }
                }
                @for (at, (name, address)) in screen.crumbs.iter().enumerate() {
                    @if at + 1 == screen.crumbs.len() {
                        li aria-current="page" { (name) }
                    } @else {
                        li { a href=(address) { (name) } }
                    }
                }
            }
        }
    }
}

fn banners(frame: &Frame) -> Markup {
    html! {
        @if let Some(done) = frame.done {
            div role="status" { (notice(Tone::Ok, &html! { p id="done" { (done.text()) } })) }
        }
        @if let Some(why) = &frame.trouble {
            (notice(Tone::Warn, &html! {
                p id="store-trouble" { strong { "Changes have no effect now. " }
                    "The webhooks go on as they were read last, for they cannot be read: " (why) }
            }))
        }
        @if let Some(why) = &frame.read_only {
            (notice(Tone::Info, &html! {
                p id="read-only" { strong { "Read-only. " } (sentence(why)) }
            }))
        } @else if !frame.admin {
            (notice(Tone::Info, &html! {
                p id="read-role" { strong { "You may look at everything. " }
                    "Changing something needs a token with the role " code { "admin" } "." }
            }))
        }
    }
}
