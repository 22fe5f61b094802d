//! The table on the terminal, the JSON and the chart under `target/bench/`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::Result;
use serde_json::{Value, json};
use testbed::workspace;

use crate::CONTENDERS;
use crate::contender::Contender;
use crate::crowd;
use crate::isolation::Isolation;
use crate::latency;
use crate::throughput::Figures;

/// Those that keep a log.
const LOGGING: [Contender; 2] = [Contender::Sqlite, Contender::Postgres];

/// Everything measured in one run.
#[derive(Default)]
pub(crate) struct Report {
    throughput: BTreeMap<u32, Rounds>,
    latency: Vec<(u32, Contender, latency::Figures)>,
    loaded: Vec<(u32, Figures)>,
    isolation: Option<Isolation>,
    crowd: Vec<crowd::Figures>,
}

/// All rounds of one fan-out, by contender.
#[derive(Default)]
struct Rounds(Vec<(Contender, Figures)>);

impl Rounds {
    fn of(&self, contender: Contender) -> Vec<Figures> {
        let own = self.0.iter().filter(|(who, _)| *who == contender);
        own.map(|(_, figures)| *figures).collect()
    }

    fn median(&self, contender: Contender) -> Figures {
        median(&self.of(contender))
    }

    /// CPU per delivery of one over that of another: the median of the ratios of all rounds, for
    /// a machine whose speed drifts does so from round to round.
    fn ratio(&self, one: Contender, other: Contender) -> f64 {
        let rounds = self.of(one).into_iter().zip(self.of(other));
        middle(rounds.map(|(one, other)| one.cpu / other.cpu))
    }
}

impl Report {
    pub(crate) fn throughput(&mut self, fan_out: u32, contender: Contender, figures: Figures) {
        self.throughput.entry(fan_out).or_default().0.push((contender, figures));
    }

    pub(crate) fn latency(&mut self, fan_out: u32, who: Contender, figures: latency::Figures) {
        self.latency.push((fan_out, who, figures));
    }

    pub(crate) fn loaded(&mut self, webhooks: u32, figures: Figures) {
        self.loaded.push((webhooks, figures));
    }

    pub(crate) fn isolation(&mut self, isolation: Isolation) {
        self.isolation = Some(isolation);
    }

    pub(crate) fn crowd(&mut self, figures: crowd::Figures) {
        self.crowd.push(figures);
    }

    /// Prints the table and writes `table.md`, `bench.json` and the charts.
    pub(crate) fn write(&self) -> Result<()> {
        let folder = workspace::target().join("bench");
        fs::create_dir_all(&folder)?;
        let table = self.table()?;
        fs::write(folder.join("table.md"), &table)?;
        fs::write(folder.join("bench.json"), serde_json::to_string_pretty(&self.json())?)?;
        if !self.throughput.is_empty() {
            let title = "CPU milliseconds per 1,000 deliveries (median)";
            fs::write(folder.join("cpu.svg"), chart(title, &self.cpu_bars())?)?;
        }
        if let Some(isolation) = &self.isolation {
            let title = "Healthy deliveries of 2,000 events/s: p99 from publish to arrival, ms";
            fs::write(folder.join("isolation.svg"), chart(title, &isolation.bars())?)?;
        }
        println!("{table}\nwritten to {}", folder.display());
        Ok(())
    }

    fn table(&self) -> Result<String> {
        let mut text = String::from(
            "| | events/s | deliveries/s | CPU s per 1,000 deliveries | broker CPU s per 1,000 | peak MB |\n\
             | --- | --- | --- | --- | --- | --- |\n",
        );
        for (fan_out, rounds) in &self.throughput {
            for who in CONTENDERS {
                row(&mut text, &format!("fan-out {fan_out}, {who}"), &rounds.median(who))?;
            }
            let ratio = rounds.ratio(Contender::Service, Contender::Bare);
            writeln!(
                text,
                "| fan-out {fan_out}, **service / bare loop** | | | **{ratio:.2}** | | |"
            )?;
            for who in LOGGING {
                let kept = 100.0 * rounds.ratio(Contender::Service, who);
                let dropped = 100.0 * rounds.median(who).dropped;
                writeln!(
                    text,
                    "| fan-out {fan_out}, **deliveries per CPU second of the {who}, of those without** \
                     | | | **{kept:.0} %** ({dropped:.1} % not logged) | | |"
                )?;
            }
        }
        for (webhooks, figures) in &self.loaded {
            row(&mut text, &format!("fan-out 1, service, {webhooks} webhooks loaded"), figures)?;
        }
        text += "\n| from publish to arrival | events/s | p50 ms | p99 ms | p99.9 ms |\n\
                 | --- | --- | --- | --- | --- |\n";
        for (fan_out, who, figures) in &self.latency {
            let latency::Figures { rate, p50, p99, p999 } = figures;
            writeln!(
                text,
                "| fan-out {fan_out}, {who} | {rate} | {p50:.2} | {p99:.2} | {p999:.2} |"
            )?;
        }
        if let Some(rounds) = self.throughput.get(&1) {
            let idle = rounds.median(Contender::Service).idle_mb;
            writeln!(text, "\nIdle memory of the service: {idle:.1} MB.")?;
        }
        if let Some(isolation) = &self.isolation {
            write!(text, "\n{}", isolation.table()?)?;
        }
        write!(text, "\n{}", crowd::table(&self.crowd)?)?;
        Ok(text)
    }

    fn json(&self) -> Value {
        let figures =
            |rounds: &Rounds, who| rounds.of(who).iter().map(figures_json).collect::<Vec<_>>();
        let throughput: Vec<_> = self
            .throughput
            .iter()
            .map(|(fan_out, rounds)| {
                json!({
                    "fanOut": fan_out,
                    "bare": figures(rounds, Contender::Bare),
                    "service": figures(rounds, Contender::Service),
                    "loggingInSqlite": figures(rounds, Contender::Sqlite),
                    "loggingInPostgres": figures(rounds, Contender::Postgres),
                    "cpuRatio": rounds.ratio(Contender::Service, Contender::Bare),
                })
            })
            .collect();
        let latency: Vec<_> = self
            .latency
            .iter()
            .map(|(fan_out, who, f)| {
                json!({ "fanOut": fan_out, "contender": who.to_string(), "eventsPerSecond": f.rate,
                        "p50Ms": f.p50, "p99Ms": f.p99, "p999Ms": f.p999 })
            })
            .collect();
        let loaded: Vec<_> = self
            .loaded
            .iter()
            .map(|(webhooks, f)| json!({ "webhooks": webhooks, "figures": figures_json(f) }))
            .collect();
        let isolation = self.isolation.as_ref().map(Isolation::json);
        json!({ "throughput": throughput, "latency": latency, "loaded": loaded,
                "isolation": isolation })
    }

    /// CPU milliseconds per 1,000 deliveries of each contender, per fan-out.
    fn cpu_bars(&self) -> Vec<(String, f64)> {
        let bars = |(fan_out, rounds): (&u32, &Rounds)| {
            CONTENDERS
                .map(|who| (format!("fan-out {fan_out}, {who}"), rounds.median(who).cpu * 1e3))
        };
        self.throughput.iter().flat_map(bars).collect()
    }
}

/// Bars; what all others are held against is grey.
fn chart(title: &str, bars: &[(String, f64)]) -> Result<String> {
    let longest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let height = 40 + 34 * bars.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"640\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"22\">{title}</text>\n"
    );
    for (index, (label, value)) in bars.iter().enumerate() {
        let (y, width) = (40 + 34 * index, 230.0 * value / longest);
        let is_base = label.ends_with("loop") || label.starts_with("all");
        let fill = if is_base { "#9ca3af" } else { "#2563eb" };
        writeln!(
            svg,
            "<text x=\"10\" y=\"{}\">{label}</text>\
             <rect x=\"300\" y=\"{y}\" width=\"{width:.1}\" height=\"22\" fill=\"{fill}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{value:.1}</text>",
            y + 16,
            width + 308.0,
            y + 16
        )?;
    }
    Ok(svg + "</svg>\n")
}

fn row(text: &mut String, label: &str, figures: &Figures) -> std::fmt::Result {
    let Figures { events_per_second, deliveries_per_second, cpu, broker_cpu, peak_mb, .. } =
        figures;
    writeln!(
        text,
        "| {label} | {events_per_second:.0} | {deliveries_per_second:.0} | {cpu:.4} | {broker_cpu:.4} | {peak_mb:.0} |"
    )
}

fn figures_json(f: &Figures) -> Value {
    json!({ "eventsPerSecond": f.events_per_second, "deliveriesPerSecond": f.deliveries_per_second,
            "cpuSecondsPer1000": f.cpu, "brokerCpuSecondsPer1000": f.broker_cpu,
            "idleMb": f.idle_mb, "peakMb": f.peak_mb, "notLogged": f.dropped })
}

/// The median of every figure by itself.
fn median(all: &[Figures]) -> Figures {
    let middle = |pick: fn(&Figures) -> f64| middle(all.iter().map(pick));
    Figures {
        events_per_second: middle(|f| f.events_per_second),
        deliveries_per_second: middle(|f| f.deliveries_per_second),
        cpu: middle(|f| f.cpu),
        broker_cpu: middle(|f| f.broker_cpu),
        idle_mb: middle(|f| f.idle_mb),
        peak_mb: middle(|f| f.peak_mb),
        dropped: middle(|f| f.dropped),
    }
}

/// The one in the middle; with an even number the greater of the two.
pub(crate) fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
