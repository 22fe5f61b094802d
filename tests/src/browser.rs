//! A real browser, without a window: opens pages, types and clicks, and tells what it saw.
//!
//! Chromium behind chromedriver, both of this test alone: a port, a profile and a process group of
//! their own, which end and go with the value. Elements are named as people name them, by label and
//! by what is written on them. Every action waits until it is possible; nothing sleeps.

mod complaints;
mod driver;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{By, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver, WebElement};
use url::Url;

use crate::eventually::eventually;
use crate::workspace;
use driver::Driver;

/// Longest wait for a page to show something: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Chromium's number for a content setting that blocks.
const BLOCK: u32 = 2;

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scripts {
    /// As most people have it.
    On,
    /// As with a content setting that blocks JavaScript. What a test runs in the page works still.
    Off,
}

/// What the system says its user prefers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

/// What a page is looked at with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Screen {
    /// 1280 by 900.
    Desktop,
    /// 390 by 844, touched with fingers.
    Phone,
}

/// A running browser with one open page.
#[derive(Debug)]
pub struct Browser {
    web: WebDriver,
    home: Url,
    // Last: the processes end after the session was let go.
    _driver: Driver,
}

impl Browser {
    /// Starts a browser for the pages of one server. Where Chromium is missing, it is installed.
    ///
    /// # Errors
    ///
    /// When `home` is no URL, or there is no way to a browser.
    pub async fn start(home: &str, scripts: Scripts) -> Result<Self> {
        let home = Url::parse(home).with_context(|| format!("{home} is no URL"))?;
        let driver = Driver::start().await?;
        let mut wish = DesiredCapabilities::chrome();
        for flag in driver.flags() {
            wish.add_arg(&flag)?;
        }
        wish.set_binary(&driver.browser().display().to_string())?;
        wish.set_logging_prefs("browser", LoggingPrefsLogLevel::All)?;
        wish.set_logging_prefs("performance", LoggingPrefsLogLevel::All)?;
        if scripts == Scripts::Off {
            let key = "profile.managed_default_content_settings.javascript";
            wish.add_experimental_option("prefs", json!({ key: BLOCK }))?;
        }
        let web = WebDriver::new(driver.url(), wish).await.context("the browser does not start")?;
        let browser = Self { web, home, _driver: driver };
        // Without a window there is no focus, and without focus no clipboard.
        browser.devtools("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await?;
        let allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        let origin = browser.home.origin().ascii_serialization();
        let grant = json!({ "origin": origin, "permissions": allowed });
        browser.devtools("Browser.grantPermissions", grant).await?;
        browser.look_with(Scheme::Light, Screen::Desktop).await?;
        Ok(browser)
    }

    /// Shows what is open, and all that is opened later, in this way.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub async fn look_with(&self, scheme: Scheme, screen: Screen) -> Result<()> {
        let scheme = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        let phone = screen == Screen::Phone;
        let (width, height) = if phone { (390, 844) } else { (1280, 900) };
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": phone });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": phone })).await?;
        Ok(())
    }

    /// Opens a path of the server, or a whole URL.
    ///
    /// # Errors
    ///
    /// When nobody answers there.
    pub async fn open(&self, path: &str) -> Result<()> {
        let url = self.home.join(path)?;
        self.web.goto(url.as_str()).await.with_context(|| format!("failed to open {url}"))
    }

    /// Where it is.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub async fn path(&self) -> Result<String> {
        Ok(self.web.current_url().await?.path().to_owned())
    }

    /// All text that can be seen.
    ///
    /// # Errors
    ///
    /// When there is no page.
    pub async fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText", Vec::new()).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a text can be seen.
    ///
    /// # Errors
    ///
    /// When it cannot, with what can be seen instead.
    pub async fn sees(&self, text: &str) -> Result<()> {
        self.until(&format!("{text:?} can be seen"), async || {
            Ok(self.text().await?.contains(text).then_some(()))
        })
        .await
    }

    /// Waits until a text can be seen nowhere.
    ///
    /// # Errors
    ///
    /// When it can.
    pub async fn sees_no(&self, text: &str) -> Result<()> {
        self.until(&format!("{text:?} is gone"), async || {
            Ok((!self.text().await?.contains(text)).then_some(()))
        })
        .await
    }

    /// Presses the button, link or summary with this name: what is written on it, or its label for
    /// those who do not see it. An exact name goes before one that begins with it.
    ///
    /// # Errors
    ///
    /// When there is none that can be pressed.
    pub async fn press(&self, name: &str) -> Result<()> {
        self.press_within("", name).await
    }

    /// The same for one part of the page, as an XPath: `//tr[contains(., "whk_1")]`.
    ///
    /// # Errors
    ///
    /// When there is none that can be pressed.
    pub async fn press_within(&self, part: &str, name: &str) -> Result<()> {
        let named = |test: &str| {
            format!("{part}//*[self::button or self::a or self::summary or @role='button'][{test}]")
        };
        let exact = named(&format!("normalize-space()={0} or @aria-label={0}", literal(name)));
        let begins = named(&format!(
            "starts-with(normalize-space(), {0}) or starts-with(@aria-label, {0})",
            literal(name)
        ));
        let what = format!("{name:?} can be pressed");
        self.on(&what, &[&exact, &begins], async |element| element.click().await).await
    }

    /// Replaces what is in the field with this label.
    ///
    /// # Errors
    ///
    /// When there is none that can be filled in.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        self.on(&format!("{label:?} can be filled in"), &fields(label), async |element| {
            element.clear().await?;
            element.send_keys(text).await
        })
        .await
    }

    /// What is in the field with this label.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn filled(&self, label: &str) -> Result<String> {
        let what = format!("there is {label:?}");
        let read = async |element: WebElement| element.value().await;
        Ok(self.on(&what, &fields(label), read).await?.unwrap_or_default())
    }

    /// Ticks, unticks or chooses the box with this label.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn tick(&self, label: &str) -> Result<()> {
        let what = format!("{label:?} can be ticked");
        self.on(&what, &fields(label), async |element| element.click().await).await
    }

    /// Chooses an option of the list with this label.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn choose(&self, label: &str, option: &str) -> Result<()> {
        let paths = fields(label)
            .map(|field| format!("{field}/option[normalize-space()={}]", literal(option)));
        let what = format!("{option:?} can be chosen");
        self.on(&what, &paths, async |element| element.click().await).await
    }

    /// The text of the first visible element of a CSS selector.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn text_of(&self, selector: &str) -> Result<String> {
        self.until(&format!("there is {selector}"), async || {
            for element in self.web.find_all(By::Css(selector)).await? {
                if element.is_displayed().await? {
                    return Ok(Some(element.text().await?));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Whether the page has elements for a CSS selector, seen or not.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub async fn has(&self, selector: &str) -> Result<bool> {
        Ok(!self.web.find_all(By::Css(selector)).await?.is_empty())
    }

    /// Says yes to the question that the page asks in a box of the browser's own.
    ///
    /// # Errors
    ///
    /// When it asks none.
    pub async fn agree(&self) -> Result<()> {
        self.until("the page asks", async || Ok(Some(self.web.accept_alert().await?))).await
    }

    /// What was copied.
    ///
    /// # Errors
    ///
    /// When nothing can be read.
    pub async fn clipboard(&self) -> Result<String> {
        let read = "const done = arguments[arguments.length - 1];
            navigator.clipboard.readText().then(done, (error) => done({ error: String(error) }));";
        let copied = self.run_async(read).await?;
        copied.as_str().map(str::to_owned).with_context(|| format!("the clipboard: {copied}"))
    }

    /// Runs a script in the page, from outside; gives what it returns.
    ///
    /// # Errors
    ///
    /// When it throws.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        Ok(self.web.execute(script, arguments).await?.json().clone())
    }

    /// The same for one that calls its last argument when it is done.
    ///
    /// # Errors
    ///
    /// When it throws, or is not done in time.
    pub async fn run_async(&self, script: &str) -> Result<Value> {
        Ok(self.web.execute_async(script, Vec::new()).await?.json().clone())
    }

    /// Waits until `look` gives something. What it fails with is told when it never does.
    ///
    /// # Errors
    ///
    /// When it does not, with the page's text.
    pub async fn until<T>(
        &self,
        what: &str,
        look: impl AsyncFn() -> Result<Option<T>>,
    ) -> Result<T> {
        let failed = std::cell::RefCell::new(None);
        let (look, kept) = (&look, &failed);
        let found = eventually(what, PATIENCE, || async move {
            look().await.unwrap_or_else(|error| {
                kept.replace(Some(error));
                None
            })
        })
        .await;
        match found {
            Ok(found) => Ok(found),
            Err(error) => {
                let last = failed.take().map(|error| format!("{error:#}")).unwrap_or_default();
                let (path, text) = (self.path().await?, self.text().await.unwrap_or_default());
                bail!("{error}\n{last}\nThe page at {path} shows:\n{text}")
            }
        }
    }

    /// Writes a picture of the whole page to `target/screenshots/<name>.png`.
    ///
    /// # Errors
    ///
    /// When there is no page, or the file cannot be written.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.devtools("Page.captureScreenshot", self.clipped(whole).await?).await?;
        let bytes = STANDARD.decode(taken["data"].as_str().context("no picture")?)?;
        let folder = workspace::target().join("screenshots");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }

    /// What the pages did wrong since this was asked last: errors and warnings on the console,
    /// violations of their policy, parts that did not load, requests to other hosts.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let mut complaints = complaints::of_console(&self.web.get_log("browser").await?);
        let requests = self.web.get_log("performance").await?;
        complaints.extend(complaints::of_requests(&requests, &self.home));
        Ok(complaints)
    }

    /// Forgets sessions and everything else that the server left here.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub async fn forget(&self) -> Result<()> {
        Ok(self.web.delete_all_cookies().await?)
    }

    /// A command of the developer tools' protocol.
    async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        let done = self.web.cdp().send_raw(command, parameters).await;
        done.with_context(|| format!("the browser refuses {command}"))
    }

    /// Parameters of a screenshot with the page's whole height.
    async fn clipped(&self, mut parameters: Value) -> Result<Value> {
        let layout = self.devtools("Page.getLayoutMetrics", json!({})).await?;
        let size = &layout["cssContentSize"];
        parameters["clip"] = json!({ "x": 0, "y": 0, "width": size["width"],
            "height": size["height"], "scale": 1 });
        Ok(parameters)
    }

    /// Does something with the first visible element that one of these XPaths finds, as soon as
    /// there is one with which it can be done.
    async fn on<T>(
        &self,
        what: &str,
        paths: &[impl AsRef<str>],
        act: impl AsyncFn(WebElement) -> WebDriverResult<T>,
    ) -> Result<T> {
        self.until(what, async || {
            for path in paths {
                for element in self.web.find_all(By::XPath(path.as_ref())).await? {
                    if element.is_displayed().await? {
                        return Ok(Some(act(element).await?));
                    }
                }
            }
            Ok(None)
        })
        .await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The guard ends the browser; asking it politely would block whoever drops us. A session
        // that was let go before is nothing to tell.
        self.web.clone().leak().unwrap_or_default();
    }
}

/// XPaths of the fields with a label: an exact one goes before one that begins with it.
fn fields(label: &str) -> [String; 2] {
    let label = literal(label);
    [format!("normalize-space()={label}"), format!("starts-with(normalize-space(), {label})")].map(
        |test| {
            format!(
                "//*[self::input or self::textarea or self::select]\
                 [@id=//label[{test}]/@for or ancestor::label[{test}] or @aria-label={label}]"
            )
        },
    )
}

/// A text in XPath, which has no escapes.
fn literal(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}
