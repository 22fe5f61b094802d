//! What a page did wrong without anybody seeing it: errors on the console, violations of its
//! policy, parts that did not load, requests to other hosts.

use std::collections::HashSet;

use serde_json::Value;
use thirtyfour::BrowserLogEntry;
use url::Url;

/// What of the console's lines is a complaint. What a request was answered is judged by
/// [`of_requests`]: a form that is refused on purpose is answered 422, and the console tells that
/// as an error.
pub(super) fn of_console(lines: &[BrowserLogEntry]) -> Vec<String> {
    let graver = |line: &&BrowserLogEntry| matches!(line.level.as_str(), "WARNING" | "SEVERE");
    let answered = |line: &&BrowserLogEntry| {
        line.source.as_deref() == Some("network")
            && line.message.contains("responded with a status")
    };
    lines
        .iter()
        .filter(graver)
        .filter(|line| !answered(line))
        .map(|line| format!("console: {}", line.message))
        .collect()
}

/// What of the requests is a complaint: one to another host than `home`, or a part of a page that
/// was refused.
pub(super) fn of_requests(lines: &[BrowserLogEntry], home: &Url) -> Vec<String> {
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.message).ok());
    let lines: Vec<Value> = lines.map(|mut line| line["message"].take()).collect();
    // The browser's own pages have parts too, and none of them is ours to judge.
    let ours = |line: &&Value| {
        let page = line["params"]["documentURL"].as_str();
        page.is_some_and(|url| Url::parse(url).is_ok_and(|url| url.origin() == home.origin()))
    };
    let ours: HashSet<&str> =
        lines.iter().filter(ours).filter_map(|line| line["params"]["requestId"].as_str()).collect();
    lines
        .iter()
        .filter(|line| {
            line["params"]["requestId"].as_str().is_some_and(|request| ours.contains(request))
        })
        .filter_map(|line| complaint(line, home))
        .collect()
}

fn complaint(happened: &Value, home: &Url) -> Option<String> {
    let parameters = &happened["params"];
    match happened["method"].as_str()? {
        "Network.requestWillBeSent" => {
            let url = parameters["request"]["url"].as_str()?;
            (!is_at_home(url, home)).then(|| format!("request to another host: {url}"))
        }
        "Network.responseReceived" => {
            let (url, status) = (
                parameters["response"]["url"].as_str()?,
                parameters["response"]["status"].as_u64()?,
            );
            let part = parameters["type"].as_str() != Some("Document");
            (part && status >= 400).then(|| format!("{url} was answered {status}"))
        }
        "Network.loadingFailed" => {
            // One that the browser took back itself, as when a page is left, failed nobody.
            let failed = parameters["canceled"].as_bool() != Some(true);
            failed.then(|| format!("did not load: {}", parameters["errorText"]))
        }
        _ => None,
    }
}

/// Whether a request goes where it should, or nowhere: to the browser's own pages, or into the URL
/// itself.
fn is_at_home(url: &str, home: &Url) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    matches!(url.scheme(), "about" | "blob" | "chrome" | "data") || url.origin() == home.origin()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use url::Url;

    use super::complaint;

    #[test]
    fn requests_to_other_hosts_and_parts_that_do_not_load_are_told() {
        let home = Url::parse("http://127.0.0.1:8080/admin/webhooks").unwrap();
        let sent = |url: &str| {
            json!({"method": "Network.requestWillBeSent",
            "params": {"request": {"url": url}}})
        };
        let received = |kind: &str, status: u64| {
            json!({"method": "Network.responseReceived",
            "params": {"type": kind, "response": {"url": "http://127.0.0.1:8080/x", "status": status}}})
        };
        for (happened, told) in [
            (sent("http://127.0.0.1:8080/style.css"), false),
            (
                sent("data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="),
                false,
            ),
            (sent("http://127.0.0.1:8081/style.css"), true),
            (sent("https://fonts.example/a.woff2"), true),
            (received("Document", 422), false),
            (received("Stylesheet", 404), true),
            (received("Script", 200), false),
            (json!({"method": "Network.loadingFailed", "params": {"canceled": true}}), false),
            (json!({"method": "Network.loadingFailed", "params": {"errorText": "x"}}), true),
            (json!({"method": "Network.dataReceived", "params": {}}), false),
        ] {
            assert_eq!(complaint(&happened, &home).is_some(), told, "{happened}");
        }
    }
}
