//! The samples on the page verify what the program really sends, and nothing else.

use testbed::browser::Browser;
use testbed::debian::is_there;
use testbed::node;
use testbed::receiver::Received;
use testbed::sample::{Sample, shell_takes};

/// The samples that the page shows now, by the words in their elements' ids.
pub(super) struct Samples {
    node: String,
    python: String,
    shell: String,
}

impl Samples {
    pub(super) async fn shown(browser: &Browser, secret: &str) -> Self {
        let read = async |language: &str| {
            let script = format!("return document.getElementById('code-{language}').textContent");
            let text = browser.run(&script, Vec::new()).await.unwrap();
            let text = text.as_str().unwrap().to_owned();
            assert!(text.contains(secret), "{language}: {text}");
            text
        };
        // The languages that are not run here are there all the same.
        read("go").await;
        read("rust").await;
        Self { node: read("node").await, python: read("python").await, shell: read("shell").await }
    }

    /// Runs each with a request that was really received.
    pub(super) async fn verify(&self, received: &Received) {
        let (body, right) = (&received.body[..], received.header("x-boottify-signature"));
        let digit = if right.ends_with('0') { '1' } else { '0' };
        let wrong = format!("{}{digit}", &right[..right.len() - 1]);
        for (signature, taken) in [(right, true), (wrong.as_str(), false), ("sha256=", false)] {
            let by_shell = shell_takes(&self.shell, body, signature).await.unwrap();
            assert_eq!(by_shell, taken, "shell, {signature}");
        }
        let mut servers = vec![("python", Sample::python(&self.python).await.unwrap())];
        if node::is_there() && is_there("npm") {
            servers.push(("node", Sample::node(&self.node).await.unwrap()));
        } else {
            eprintln!("skipped: there is no Node.js with npm for its sample");
        }
        for (language, server) in servers {
            assert!(server.takes(body, right).unwrap(), "{language} refuses the right signature");
            assert!(!server.takes(body, &wrong).unwrap(), "{language} takes a wrong signature");
            assert!(!server.takes(b"{\"x\":1}", right).unwrap(), "{language} takes another body");
        }
    }
}
