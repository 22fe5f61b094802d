//! The page as a browser without scripts uses it, on a real store and log. The broker is away: what
//! needs it says so. What needs it is seen on the running program.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use broker::Client;
use event::{Catalog, DeliveryId, Event, EventId};
use futures_util::{FutureExt, StreamExt};
use http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use metering::Registry;
use store::{
    DeliveryLog, LogBounds, LoggedAttempt, LoggedNext, Options, Recorder, Rules as StoreRules,
    Store,
};
use subscriptions::{RetryPolicy, UrlRules, WebhookId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::view::sample::{self, EVIL};
use crate::auth::Auth;
use crate::clock::now_ms;
use crate::desk::{Desk, Parts, Reach, Rules};
use crate::metrics::Metrics;

const ADMIN: &str = "tok_admin_0123456789";
const READ: &str = "tok_read_01234567890";

/// The page with all behind it but the broker.
struct Bench {
    page: Router,
    cookie: String,
    recorder: Recorder,
    registry: Registry,
    stop: CancellationToken,
    /// What runs behind it ends with it.
    _tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::beside(None).await
    }

    /// The page where this file of the store is no database, from its first use on.
    async fn beside(damaged: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let damage = |name| {
            if damaged == Some(name) {
                std::fs::write(folder.path().join(name), "no database".repeat(100)).unwrap();
            }
        };
        let url = format!("sqlite://{}", folder.path().join("webhooks.db").display());
        let (catalog, retry) = (Catalog::try_new::<&str>(&[]).unwrap(), RetryPolicy::default());
        let rules = StoreRules { url: UrlRules::default(), retry, catalog: catalog.clone() };
        let options = Options { state_dir: folder.path().to_owned(), rules, keys: None };
        let (store, _) = Store::open(&url, options.clone()).unwrap();
        damage("webhooks.db");
        let first = store.clone();
        tokio::task::spawn_blocking(move || first.load()).await.unwrap();
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let (running, end) = (store.clone(), stop.clone());
        tasks.spawn(async move { running.run(end.cancelled(), |_| {}).await });
        let log = DeliveryLog::open(&url, &options).unwrap();
        damage("deliveries.db");
        let bounds = LogBounds {
            max_waiting_bytes: 1 << 20,
            max_age: Duration::from_secs(86_400),
            max_rows: 1_000,
        };
        let end = stop.clone().cancelled_owned();
        let end = end.map(|()| tokio::time::Instant::now() + Duration::from_secs(3));
        let (recorder, write) = log.writer(bounds, end);
        tasks.spawn(write);
        let registry = Registry::new();
        let broker = broker::Config::try_new("amqp://127.0.0.1:1", Duration::from_secs(5)).unwrap();
        let rules = Rules { catalog, url: UrlRules::default(), retry, max_in_flight: 32 };
        let desk = Desk::new(Parts {
            store,
            log: Some(log),
            broker: Client::new(broker, broker::Metrics::register(&registry).unwrap()),
            rules: Box::new(move || rules.clone()),
            check: Arc::new(|_| Box::pin(async { Reach::Allowed })),
            overlap: Duration::from_secs(86_400),
            patience: Duration::from_secs(6),
            standing: Box::new(|_| None),
        });
        let tokens = format!("alice admin {ADMIN}\nbob read {READ}").parse().unwrap();
        let metrics = Metrics::register(&registry).unwrap();
        let session = Duration::from_secs(3_600);
        let auth = Auth::new(tokens, session, None, Vec::new(), metrics.clone()).unwrap();
        let page = crate::router(desk, auth, metrics, Duration::from_secs(30), stop.clone());
        let mut bench = Self {
            page,
            cookie: String::new(),
            recorder,
            registry,
            stop,
            _tasks: tasks,
            _folder: folder,
        };
        bench.sign_in(ADMIN).await;
        bench
    }

    async fn sign_in(&mut self, token: &str) {
        let response = self.post("/admin/sign-in", &[("token", token)]).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
    }

    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        let response = self.page.clone().call(request).await.unwrap();
        // Whatever is answered keeps others out.
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        response
    }

    async fn get(&self, address: &str) -> Response<Body> {
        let request = Request::get(address).header(COOKIE, &self.cookie);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, address: &str, fields: &[(&str, &str)]) -> Response<Body> {
        let form = super::fields::query(fields);
        let request = Request::post(address).header(COOKIE, &self.cookie);
        self.ask(request.body(Body::from(form)).unwrap()).await
    }

    /// A screen that is there.
    async fn screen(&self, address: &str) -> String {
        let response = self.get(address).await;
        assert_eq!(response.status(), StatusCode::OK, "{address}");
        text(response).await
    }

    /// Posts with the proof and the hidden fields of the form on this screen.
    async fn submit(&self, screen: &str, action: &str, fields: &[(&str, &str)]) -> Response<Body> {
        let form = screen.split(&format!("action=\"{action}\"")).nth(1).unwrap_or_else(|| {
            panic!("no form for {action} in {screen}");
        });
        let form = form.split("</form>").next().unwrap();
        let mut all: Vec<(&str, &str)> = Vec::new();
        for hidden in form.split("<input type=\"hidden\" name=\"").skip(1) {
            let (name, rest) = hidden.split_once("\" value=\"").unwrap();
            all.push((name, rest.split('"').next().unwrap()));
        }
        all.extend(fields);
        self.post(action, &all).await
    }

    async fn create(&self, fields: &[(&str, &str)]) -> String {
        let form = self.screen("/admin/webhooks/new").await;
        let response = self.submit(&form, "/admin/webhooks/new", fields).await;
        assert_eq!(response.status(), StatusCode::OK);
        let shown = text(response).await;
        let id = shown.split("data-settle=\"/admin/webhooks/").nth(1).unwrap();
        id.split('"').next().unwrap().to_owned()
    }
}

impl Bench {
    /// Live views that are open, as the metric says.
    fn streams(&self) -> f64 {
        let families = self.registry.gather();
        let found = families.iter().find(|one| one.name() == "boottify_webhooks_control_streams");
        found.unwrap().get_metric()[0].get_gauge().get_value()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The address of a webhook and its secret, as the screen after its creation shows them.
fn secret_of(screen: &str) -> (&str, &str) {
    let after = |text| screen.split_once(text).unwrap().1;
    let end = |text: &'static str, end| after(text).split_once(end).unwrap().0;
    (end("data-settle=\"", '"'), end("<code id=\"secret\">", '<'))
}

fn place(response: &Response<Body>) -> &str {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()[LOCATION].to_str().unwrap()
}

const GOOD: [(&str, &str); 4] = [
    ("url", "https://hooks.example.com/in?token=hush"),
    ("events", "deployment.*"),
    ("enabled", "on"),
    ("keep_while_disabled", "on"),
];

#[tokio::test]
async fn a_webhook_lives_through_forms_alone() {
    let bench = Bench::new().await;
    assert!(bench.screen("/admin/webhooks").await.contains("Automate with webhooks"));
    let form = bench.screen("/admin/webhooks/new").await;
    let response = bench.submit(&form, "/admin/webhooks/new", &GOOD).await;
    assert_eq!(response.status(), StatusCode::OK);
    let shown = text(response).await;
    assert!(shown.contains("whsec_") && shown.contains("crypto.timingSafeEqual"), "{shown}");
    // The same form sent again is the same webhook.
    let again = text(bench.submit(&form, "/admin/webhooks/new", &GOOD).await).await;
    assert_eq!(secret_of(&again), secret_of(&shown));

    let list = bench.screen("/admin/webhooks").await;
    let id = list.split("href=\"/admin/webhooks/whk_").nth(1).unwrap();
    let base = format!("/admin/webhooks/whk_{}", id.split('"').next().unwrap());
    assert!(!list.contains("hush") && !list.contains("whsec_"), "{list}");

    let edit = format!("{base}/edit");
    let form = bench.screen(&edit).await;
    assert!(form.contains("token=hush"), "{form}");
    let mut fields = GOOD.to_vec();
    fields.push(("description", EVIL));
    let saved = bench.submit(&form, &edit, &fields).await;
    assert_eq!(place(&saved), format!("{base}?done=saved"));
    let screen = bench.screen(&format!("{base}?done=saved")).await;
    assert!(screen.contains("&lt;script&gt;") && screen.contains("live within a second"));

    // Somebody who still has the old form is told what changed, and keeps what was typed.
    let stale =
        bench.submit(&form, &edit, &[("url", "https://mine.example.com/"), ("events", "*")]);
    let stale = stale.await;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    let stale = text(stale).await;
    assert!(stale.contains("https://mine.example.com/") && stale.contains("The description"));

    let off = bench.submit(&screen, &format!("{base}/disable"), &[]).await;
    assert_eq!(place(&off), format!("{base}?done=disabled"));
    // No broker is there to ask, and that is not taken for "nothing was kept".
    let screen = bench.screen(&base).await;
    let on = bench.submit(&screen, &format!("{base}/enable"), &[]).await;
    assert_eq!(place(&on), format!("{base}?done=enabled-untold"));
    assert!(bench.screen(place(&on)).await.contains("could not be found out"));
    let settings = bench.screen(&format!("{base}/settings")).await;
    let revealed = bench.submit(&settings, &format!("{base}/reveal-secret"), &[]).await;
    assert!(text(revealed).await.contains("whsec_"));
    let ask = bench.screen(&format!("{base}/rotate-secret")).await;
    let rotated = text(bench.submit(&ask, &format!("{base}/rotate-secret"), &[]).await).await;
    assert!(rotated.contains("goes on signing"), "{rotated}");
    // A reload sends the form again; that changes nothing.
    let again = bench.submit(&ask, &format!("{base}/rotate-secret"), &[]).await;
    assert_eq!(again.status(), StatusCode::PRECONDITION_FAILED);
    let settings = bench.screen(&format!("{base}/settings")).await;
    let revealed = bench.submit(&settings, &format!("{base}/reveal-secret"), &[]).await;
    assert!(text(revealed).await.contains(secret_of(&rotated).1));
    promote(&bench, &base).await;

    let ask = bench.screen(&format!("{base}/delete")).await;
    let gone = bench.submit(&ask, &format!("{base}/delete"), &[]).await;
    assert_eq!(place(&gone), "/admin/webhooks?done=deleted");
    assert_eq!(bench.get(&base).await.status(), StatusCode::NOT_FOUND);
    let audit = bench.screen("/admin/audit").await;
    let listed = |audit: &str, action: &str| audit.contains(&format!("<strong>{action}</strong>"));
    for action in ["Created", "Updated", "Deleted"] {
        assert!(listed(&audit, action), "{action}: {audit}");
    }
    let id = base.rsplit('/').next().unwrap();
    let some = format!("/admin/audit?action=updated&actor=alice&webhook={id}");
    let some = bench.screen(&some).await;
    assert!(listed(&some, "Updated") && !listed(&some, "Created"), "{some}");
    assert!(some.contains("<option value=\"updated\" selected>"), "{some}");
    for none in ["actor=bob", "webhook=whk_other", "webhook=nonsense", "action=disabled"] {
        let none = bench.screen(&format!("/admin/audit?{none}")).await;
        assert!(none.contains("No change fits"), "{none}");
    }
}

/// Rotates the secret of the webhook of this address once more, and promotes the new one.
async fn promote(bench: &Bench, base: &str) {
    // Who looked before somebody rotated again would promote a secret that they never saw.
    let seen = bench.screen(base).await;
    let ask = bench.screen(&format!("{base}/rotate-secret")).await;
    assert!(ask.contains("<option value=\"86400s\" selected>1 day</option>"), "{ask}");
    for (wrong, status) in [("31d", 422), ("-1s", 400), ("<b>", 400)] {
        let wrong = [("overlap", wrong)];
        let wrong = bench.submit(&ask, &format!("{base}/rotate-secret"), &wrong).await;
        assert_eq!(wrong.status().as_u16(), status);
        assert!(!text(wrong).await.contains("<b>"));
    }
    let long = [("overlap", "259200s")];
    let rotated = bench.submit(&ask, &format!("{base}/rotate-secret"), &long).await;
    assert_eq!(rotated.status(), StatusCode::OK);
    let screen = bench.screen(base).await;
    assert!(screen.contains(">in 2 d<"), "{screen}");
    let stale = bench.submit(&seen, &format!("{base}/promote"), &[]).await;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    let screen = bench.screen(base).await;
    let promoted = bench.submit(&screen, &format!("{base}/promote"), &[]).await;
    assert_eq!(place(&promoted), format!("{base}?done=promoted"));
}

#[tokio::test]
async fn mistakes_stand_beside_their_fields_and_nothing_is_lost() {
    let bench = Bench::new().await;
    let form = bench.screen("/admin/webhooks/new").await;
    let long = format!("prj_<b>{}", "x".repeat(300));
    let typed = [
        ("url", "http://user:pw@example.com/<x>"),
        ("events", "nothing.known"),
        ("projects", &long),
        ("pointer", "branch"),
        ("values", "main"),
        ("max_in_flight", "many"),
        ("header_name", "host"),
        ("header_value", "v<1>"),
        ("description", EVIL),
    ];
    let refused = bench.submit(&form, "/admin/webhooks/new", &typed).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let screen = text(refused).await;
    for field in ["url", "events", "projects", "clauses", "max-in-flight", "headers"] {
        assert!(screen.contains(&format!("id=\"{field}-error\"")), "{field}: {screen}");
        assert!(screen.contains(&format!("href=\"#{field}\"")), "{field}: {screen}");
    }
    let escaped = maud::html! { @for (_, value) in typed { input value=(value); } }.into_string();
    for value in escaped.split("<input ").skip(1) {
        assert!(screen.contains(value.trim_end_matches('>')), "{value}: {screen}");
    }
    assert!(!screen.contains("<script>"), "{screen}");
    assert!(bench.screen("/admin/webhooks").await.contains("Automate with webhooks"));
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let mut bench = Bench::new().await;
    let id = bench.create(&GOOD).await;
    let base = format!("/admin/webhooks/{id}");
    let screen = bench.screen(&base).await;
    let actions =
        ["disable", "delete", "rotate-secret", "reveal-secret", "recover", "test", "edit"];
    for action in actions {
        let address = format!("{base}/{action}");
        for csrf in [&[][..], &[("csrf", "guess")]] {
            assert_eq!(
                bench.post(&address, csrf).await.status(),
                StatusCode::FORBIDDEN,
                "{action}"
            );
        }
        let foreign = Request::post(&address)
            .header(COOKIE, &bench.cookie)
            .header("sec-fetch-site", "cross-site")
            .body(Body::empty())
            .unwrap();
        assert_eq!(bench.ask(foreign).await.status(), StatusCode::FORBIDDEN, "{action}");
    }
    let wrong = bench.post("/admin/sign-in", &[("token", "tok_wrong_0123456789")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);

    bench.sign_in(READ).await;
    let read = bench.screen(&base).await;
    assert!(!read.contains("/disable") && screen.contains("/disable"));
    for action in ["edit", "delete", "rotate-secret", "test"] {
        let asked = bench.get(&format!("{base}/{action}")).await;
        assert_eq!(asked.status(), StatusCode::FORBIDDEN, "{action}");
    }
    let csrf = read.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    for action in actions {
        let posted = bench.post(&format!("{base}/{action}"), &[("csrf", csrf)]).await;
        assert_eq!(posted.status(), StatusCode::FORBIDDEN, "{action}");
    }
    for (method, address) in
        [("GET", "/admin/sign-out"), ("PUT", "/admin"), ("POST", "/admin/no/such")]
    {
        let request = Request::builder().method(method).uri(address).header(COOKIE, &bench.cookie);
        let refused = bench.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {address}");
        assert!(refused.headers().contains_key("allow"), "{method} {address}");
        assert!(text(refused).await.contains("id=\"fault\""), "{method} {address}");
    }
    let out = bench.post("/admin/sign-out", &[("csrf", csrf)]).await;
    assert_eq!(place(&out), "/admin/sign-in");
    let wrong = bench.get("/admin/sign-out").await;
    assert_eq!(place(&wrong), "/admin/sign-in?next=%2Fadmin%2Fsign-out");
    // Whoever kept the cookie has nothing of it.
    assert_eq!(place(&bench.get("/admin/audit").await), "/admin/sign-in?next=%2Fadmin%2Faudit");

    bench.cookie.clear();
    let asked = bench.get(&format!("{base}?state=dead")).await;
    let next = format!("/admin/sign-in?next=%2Fadmin%2Fwebhooks%2F{id}%3Fstate%3Ddead");
    assert_eq!(place(&asked), next);
    assert_eq!(place(&bench.post(&format!("{base}/disable"), &[]).await), "/admin/sign-in");
    for next in ["https://evil.example/", "//evil.example/", "/admin//evil", "/admin/\\x"] {
        let inside = bench.post("/admin/sign-in", &[("token", ADMIN), ("next", next)]).await;
        assert_eq!(place(&inside), "/admin/webhooks", "{next}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let bench = Bench::new().await;
    for (address, status) in [
        ("/admin/webhooks?q=%FF", 400),
        ("/admin/webhooks?cursor=tampered", 400),
        ("/admin/webhooks/whk_unknown1", 404),
        ("/admin/webhooks/%3Cscript%3E", 404),
        ("/admin/deliveries/dlv_x", 404),
        ("/admin/nowhere", 404),
        ("/admin/dead?cursor=tampered", 400),
        ("/admin/dead/drop", 503),
    ] {
        let response = bench.get(address).await;
        assert_eq!(response.status().as_u16(), status, "{address}");
        let screen = text(response).await;
        assert!(screen.contains("id=\"fault\"") && !screen.contains("<script>"), "{address}");
    }
    // Without the broker the list says so, and the rest of the page goes on.
    assert!(bench.screen("/admin/dead").await.contains("id=\"dead-away\""));
    let large = "x".repeat(300_000);
    let response = bench.post("/admin/webhooks/new", &[("url", &large)]).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_damaged_database_is_not_shown_as_an_empty_one() {
    let bench = Bench::beside(Some("webhooks.db")).await;
    let audit = bench.get("/admin/audit").await;
    assert_eq!(audit.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!text(audit).await.contains("No change yet"));
    assert!(bench.screen("/admin/webhooks").await.contains("cannot be read"));

    let bench = Bench::beside(Some("deliveries.db")).await;
    let id = bench.create(&GOOD).await;
    let screen = bench.screen(&format!("/admin/webhooks/{id}")).await;
    assert!(screen.contains("The delivery log cannot be read now"), "{screen}");
    assert!(!screen.contains("0 succeeded"), "{screen}");

    // What somebody typed is not lost for it.
    let form = bench.screen("/admin/webhooks/new").await;
    let mut fields = GOOD.to_vec();
    fields.extend([("description", "typed for long"), ("do", "try")]);
    let tried = bench.submit(&form, "/admin/webhooks/new", &fields).await;
    assert_eq!(tried.status(), StatusCode::SERVICE_UNAVAILABLE);
    let tried = text(tried).await;
    assert!(tried.contains("typed for long") && tried.contains("id=\"errors\""), "{tried}");
}

/// The document of the API says what the audit can be asked for, in its words.
#[tokio::test]
async fn the_documents_actions_are_those_of_the_audit() {
    let bench = Bench::new().await;
    let document = text(bench.get("/api/v1/openapi.json").await).await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let parameters = document["paths"]["/audit"]["get"]["parameters"].as_array().unwrap();
    let action = parameters.iter().find(|parameter| parameter["name"] == "action").unwrap();
    let words = store::Action::ALL.map(store::Action::as_str).join("|");
    assert_eq!(action["schema"]["pattern"], format!("^({words})$"));
}

#[tokio::test]
async fn a_dead_letter_is_looked_for_by_url_and_what_stops_it_is_linked() {
    let bench = Bench::new().await;
    let id = bench.create(&GOOD).await;
    let found = bench.get("/admin/dead?webhook=hooks.example.com&reason=gone").await;
    assert_eq!(place(&found), format!("/admin/dead?webhook={id}&reason=gone"));
    assert!(bench.screen("/admin/dead?webhook=nowhere").await.contains("id=\"dead-away\""));

    let base = format!("/admin/webhooks/{id}");
    let (screen, settings) =
        (bench.screen(&base).await, bench.screen(&format!("{base}/settings")).await);
    bench.submit(&screen, &format!("{base}/disable"), &[]).await;
    let again = bench.submit(&settings, &format!("{base}/recover"), &[("since", "1h")]).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let again = text(again).await;
    assert!(again.contains(&format!("href=\"{base}\">Go to the webhook")), "{again}");
}

#[tokio::test]
async fn deliveries_arrive_while_somebody_looks() {
    let bench = Bench::new().await;
    let id = bench.create(&GOOD).await;
    let base = format!("/admin/webhooks/{id}");
    let screen = bench.screen(&base).await;
    let live = screen.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap();
    let response = bench.get(&live.replace("&amp;", "&")).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(bench.streams(), 1.0);
    let mut stream = response.into_body().into_data_stream();
    let sample = sample::event();
    let event = EventId::try_new(&sample.id).unwrap();
    let delivery = DeliveryId::derive(&event, &id);
    let event = Event::restore(&sample.body, event).unwrap();
    bench.recorder.offer(LoggedAttempt {
        delivery,
        webhook: WebhookId::try_new(&id).unwrap(),
        event: Arc::new(event),
        published_ms: now_ms(),
        attempt: 1,
        at_ms: now_ms(),
        duration: Duration::from_millis(42),
        status: Some(503),
        failure: Some("http_503".to_owned()),
        detail: None,
        response: bytes::Bytes::from_static(b"<b>busy</b>"),
        signature: HeaderValue::from_static("sha256=00"),
        standard_signature: HeaderValue::from_static("v1,00"),
        next: LoggedNext::Retry(now_ms() + 60_000),
    });
    let chunk = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
    let chunk = String::from_utf8(chunk.unwrap().unwrap().unwrap().to_vec()).unwrap();
    assert!(
        chunk.contains("event: delivery")
            && chunk.contains(&format!("<tr id=\"delivery-{}\"", delivery.as_str()))
    );

    let row = bench.screen(&base).await;
    assert!(row.contains(delivery.as_str()) && row.contains("Retrying"), "{row}");
    let detail = bench.screen(&format!("/admin/deliveries/{}", delivery.as_str())).await;
    assert!(detail.contains("answered 503") && detail.contains("&lt;b&gt;busy"), "{detail}");
    assert!(detail.contains("x-boottify-signature") && detail.contains("sha256=00"), "{detail}");

    // The service ends, and so does the stream.
    bench.stop.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(20), stream.collect::<Vec<_>>()).await;
    assert!(rest.is_ok());
    assert_eq!(bench.streams(), 0.0);
}
