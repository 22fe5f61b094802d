//! What the program is told: its configuration and its webhooks, written as an operator would.
//!
//! Values are given as JSON values: what of JSON is used here, strings, numbers, booleans and lists
//! of them, reads the same in TOML.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::space::Space;

/// A secret in the form that the product generates.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

type Table = BTreeMap<String, Value>;

/// A configuration with its webhooks.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    sections: BTreeMap<String, Table>,
    webhooks: Vec<Webhook>,
    sqlite: bool,
}

impl Setup {
    /// For the broker's space, with what every test on loopback needs: `http://` webhooks and
    /// requests to 127.0.0.0/8 are allowed.
    pub fn new(space: &Space) -> Self {
        let mut setup = Self::default()
            .set("broker.url", space.url())
            .set("webhooks.allow_http", true)
            .set("delivery.allow_addresses", vec!["127.0.0.0/8"]);
        for (key, value) in space.names().keys() {
            setup = setup.set(&format!("broker.names.{key}"), value);
        }
        setup
    }

    /// Sets a key, `section.key`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (section, key) = key.rsplit_once('.').unwrap_or(("", key));
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.into());
        self
    }

    /// Keeps the webhooks in a database of its own, `webhooks.db` in the program's folder.
    #[must_use]
    pub fn sqlite(mut self) -> Self {
        self.sqlite = true;
        self
    }

    /// Adds a webhook.
    #[must_use]
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.webhooks.push(webhook);
        self
    }

    /// Writes `config.toml` and `webhooks.toml` into a folder, whose `state` is the state folder. The
    /// file is the store unless another one was set.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let store = ["webhooks", "store"];
        let given = self.sections.get(store[0]).is_some_and(|table| table.contains_key(store[1]));
        let database = format!("sqlite://{}", folder.join("webhooks.db").display());
        let file = format!("file://{}", folder.join("webhooks.toml").display());
        let file = if self.sqlite { database } else { file };
        let whole = if given { self.clone() } else { self.clone().set(&store.join("."), file) };
        let whole = whole.set("webhooks.state_dir", folder.join("state").display().to_string());
        fs::create_dir_all(folder.join("state"))?;
        write_webhooks(folder, &self.webhooks)?;
        fs::write(folder.join("config.toml"), whole.text()).context("failed to write config.toml")
    }

    /// The configuration as TOML.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, table) in &self.sections {
            text += &format!("[{section}]\n{}\n", lines(table));
        }
        text
    }
}

/// Replaces a folder's `webhooks.toml` whole, as an editor or a ConfigMap does.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn write_webhooks(folder: &Path, webhooks: &[Webhook]) -> Result<()> {
    let text: String = webhooks.iter().map(Webhook::text).collect();
    let next = folder.join("webhooks.toml.next");
    fs::write(&next, text)?;
    fs::rename(&next, folder.join("webhooks.toml")).context("failed to write webhooks.toml")
}

/// One webhook of the file.
#[derive(Clone, Debug)]
pub struct Webhook {
    fields: Table,
    retry: Table,
    rate_limit: Table,
    headers: Table,
    conditions: Vec<Table>,
}

impl Webhook {
    /// For all events, with [`SECRET`].
    pub fn new(id: &str, url: &str) -> Self {
        let mut fields = Table::new();
        fields.insert("id".to_owned(), id.into());
        fields.insert("url".to_owned(), url.into());
        Self {
            fields,
            retry: Table::new(),
            rate_limit: Table::new(),
            headers: Table::new(),
            conditions: Vec::new(),
        }
        .set("events", vec!["*"])
        .set("secret", SECRET)
    }

    /// For these events alone: exact types, `deployment.*`, `domain.*` or `*`.
    #[must_use]
    pub fn events(self, events: &[&str]) -> Self {
        self.set("events", events)
    }

    /// For these projects alone.
    #[must_use]
    pub fn projects(self, projects: &[&str]) -> Self {
        self.set("projects", projects)
    }

    /// Sets a field.
    #[must_use]
    pub fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// Sets a key of its own retry policy.
    #[must_use]
    pub fn retry(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.retry.insert(key.to_owned(), value.into());
        self
    }

    /// So many attempts a second, after a burst of so many.
    #[must_use]
    pub fn rate_limit(mut self, per_second: u32, burst: u32) -> Self {
        self.rate_limit.insert("per_second".to_owned(), per_second.into());
        self.rate_limit.insert("burst".to_owned(), burst.into());
        self
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a clause to its condition: one of these values stands at the pointer.
    #[must_use]
    pub fn condition(mut self, pointer: &str, values: &[&str]) -> Self {
        let mut clause = Table::new();
        clause.insert("pointer".to_owned(), pointer.into());
        clause.insert("in".to_owned(), values.into());
        self.conditions.push(clause);
        self
    }

    fn text(&self) -> String {
        let mut text = format!("[[webhooks]]\n{}", lines(&self.fields));
        for (name, table) in
            [("retry", &self.retry), ("rate_limit", &self.rate_limit), ("headers", &self.headers)]
        {
            if !table.is_empty() {
                text += &format!("[webhooks.{name}]\n{}", lines(table));
            }
        }
        for clause in &self.conditions {
            text += &format!("[[webhooks.condition]]\n{}", lines(clause));
        }
        text + "\n"
    }
}

fn lines(table: &Table) -> String {
    table.iter().fold(String::new(), |mut text, (key, value)| {
        // Writing into a String cannot fail.
        writeln!(text, "{key} = {value}").unwrap_or_default();
        text
    })
}
