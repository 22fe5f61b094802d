//! The standard variables of OpenTelemetry: what platforms set for every program, read as its
//! specification says. A mistake ends nothing: it is told, and what is wrong is left out.

use http::Uri;

use super::{CollectorHeaders, NoTraces, address, below, decoded};

/// How OTLP is spoken here, as the standard calls it.
const PROTOCOL: &str = "http/protobuf";
/// What the service calls itself where nobody gives it another name.
const SERVICE: &str = "boottify-webhooks";

pub(super) const DISABLED: &str = "OTEL_SDK_DISABLED";
pub(super) const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
pub(super) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// Here and below, what is for traces alone comes before what is for all.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";

/// What is read here.
const READ: [&str; 13] = [
    DISABLED,
    EXPORTER,
    ENDPOINT,
    TRACES_ENDPOINT,
    PROTOCOLS[0],
    PROTOCOLS[1],
    HEADERS[0],
    HEADERS[1],
    SERVICE_NAME,
    ATTRIBUTES,
    SAMPLER,
    SAMPLER_ARG,
    PROPAGATORS,
];
/// What begins so is about traces, unless it says that it is for another signal.
const OF_TRACES: [&str; 8] = [
    "OTEL_ATTRIBUTE_",
    "OTEL_BSP_",
    "OTEL_EVENT_",
    "OTEL_EXPORTER_JAEGER_",
    "OTEL_EXPORTER_OTLP_",
    "OTEL_LINK_",
    "OTEL_SPAN_",
    "OTEL_TRACES_",
];

/// The standard variables of OpenTelemetry, as far as they are set.
#[derive(Clone, Default)]
pub(in crate::config) struct Standard(Vec<(String, String)>);

impl Standard {
    /// Those of `env`; an empty one counts as absent, as the standard says.
    pub(in crate::config) fn of(env: &[(String, String)]) -> Self {
        let ours = |(name, value): &&(String, String)| {
            name.starts_with("OTEL_") && !value.trim().is_empty()
        };
        Self(env.iter().filter(ours).cloned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// The first of these that is set.
    fn first_of(&self, names: [&'static str; 2]) -> Option<(&'static str, &str)> {
        names.into_iter().find_map(|name| Some((name, self.get(name)?)))
    }

    pub(super) fn is_off(&self, unheeded: &mut Vec<String>) -> bool {
        let text = self.get(DISABLED).unwrap_or("false");
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        if !is("true") && !is("false") {
            unheeded.push(format!("{DISABLED}: expected true or false; it counts as false"));
        }
        is("true")
    }

    pub(super) fn endpoint(&self, unheeded: &mut Vec<String>) -> Result<Uri, NoTraces> {
        let exporters = self.get(EXPORTER).unwrap_or("otlp");
        if exporters == "none" {
            return Err(NoTraces::NoExporter);
        }
        let mut read = |name: &str, take: fn(&str) -> Result<Uri, &'static str>| {
            take(self.get(name)?).map_err(|why| unheeded.push(format!("{name}: {why}"))).ok()
        };
        let endpoint = read(TRACES_ENDPOINT, address).or_else(|| read(ENDPOINT, below));
        let endpoint = endpoint.ok_or(NoTraces::NoEndpoint)?;
        if !exporters.split(',').any(|name| name.trim() == "otlp") {
            let known = "only otlp and none are known here; traces go by otlp";
            unheeded.push(format!("{EXPORTER}: {known}"));
        }
        if let Some((name, _)) = self.first_of(PROTOCOLS).filter(|(_, text)| *text != PROTOCOL) {
            let known = "only http/protobuf is spoken here; the collector is asked by that";
            unheeded.push(format!("{name}: {known}"));
        }
        Ok(endpoint)
    }

    /// The part of the traces without a parent that is recorded, as the platform's sampler has it.
    pub(super) fn ratio(&self, unheeded: &mut Vec<String>) -> Option<f64> {
        let name = self.get(SAMPLER)?;
        let of_roots = name.strip_prefix("parentbased_");
        let ratio = match of_roots.unwrap_or(name) {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => self.ratio_argument(unheeded),
            _ => {
                let known = "only always_on, always_off and traceidratio are known here, and the \
                             same behind parentbased_; traces.sample_ratio counts";
                unheeded.push(format!("{SAMPLER}: {known}"));
                return None;
            }
        };
        if of_roots.is_none() {
            let why = "what a publisher decided on counts here in any case, as with parentbased_…";
            unheeded.push(format!("{SAMPLER}: {why}"));
        }
        Some(ratio)
    }

    /// All, where it is absent or wrong, as the standard says.
    fn ratio_argument(&self, unheeded: &mut Vec<String>) -> f64 {
        let Some(text) = self.get(SAMPLER_ARG) else { return 1.0 };
        let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.unwrap_or_else(|| {
            unheeded.push(format!("{SAMPLER_ARG}: expected a number from 0 to 1; it counts as 1"));
            1.0
        })
    }

    /// Who sets one of these and sees nothing of it is told so.
    pub(super) fn unread(&self, unheeded: &mut Vec<String>) {
        let of_others = |name: &str| ["_METRICS_", "_LOGS_"].iter().any(|part| name.contains(part));
        let is_unread = |name: &&str| {
            let of_traces = OF_TRACES.iter().any(|start| name.starts_with(start));
            of_traces && !READ.contains(name) && !of_others(name)
        };
        let names = self.0.iter().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = names.filter(is_unread).collect();
        if self.get(PROPAGATORS).is_some_and(|known| !known.contains("tracecontext")) {
            names.push(PROPAGATORS);
        }
        names.sort_unstable();
        if !names.is_empty() {
            let instead = "not read here; what can be set stands under [traces]";
            unheeded.push(format!("{}: {instead}", names.join(", ")));
        }
    }

    pub(super) fn headers(&self, unheeded: &mut Vec<String>) -> CollectorHeaders {
        let Some((name, text)) = self.first_of(HEADERS) else { return CollectorHeaders::default() };
        CollectorHeaders::parse(text).unwrap_or_else(|why| {
            unheeded.push(format!("{name}: {why}; none of them is sent"));
            CollectorHeaders::default()
        })
    }

    /// Attributes that are no `name=value` are left out: they describe, and nothing hangs on them.
    pub(super) fn resource(&self, unheeded: &mut Vec<String>) -> Vec<(String, String)> {
        let pairs = self.get(ATTRIBUTES).unwrap_or_default().split(',').map(str::trim);
        let pairs: Vec<&str> = pairs.filter(|pair| !pair.is_empty()).collect();
        let given = pairs.iter().filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim().to_owned(), decoded(value.trim())?))
        });
        let mut all: Vec<(String, String)> = given.collect();
        if all.len() < pairs.len() {
            let why = "expected attributes as name=value, separated by commas; others are left out";
            unheeded.push(format!("{ATTRIBUTES}: {why}"));
        }
        if let Some(service) = self.get(SERVICE_NAME) {
            all.retain(|(name, _)| name != "service.name");
            all.push(("service.name".to_owned(), service.to_owned()));
        }
        for (name, value) in
            [("service.name", SERVICE), ("service.version", env!("CARGO_PKG_VERSION"))]
        {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(pairs: &[(&str, &str)]) -> Standard {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Standard::of(&pairs.collect::<Vec<_>>())
    }

    #[test]
    fn standard_variables_are_read_as_the_standard_says() {
        let of_all = (ENDPOINT, "http://all:4318");
        let of_traces = (TRACES_ENDPOINT, "http://traces:4318/x");
        let endpoint = |pairs: &[_]| {
            let mut unheeded = Vec::new();
            let found = standard(pairs).endpoint(&mut unheeded).map(|uri| uri.to_string());
            assert_eq!(unheeded, [""; 0], "{pairs:?}");
            found.ok()
        };
        assert_eq!(endpoint(&[of_all]).as_deref(), Some("http://all:4318/v1/traces"));
        assert_eq!(endpoint(&[of_all, of_traces]).as_deref(), Some("http://traces:4318/x"));
        assert_eq!(endpoint(&[(of_all.0, "")]), None);
        assert_eq!(endpoint(&[of_all, (EXPORTER, "none")]), None);
        let both = [of_all, (EXPORTER, "console, otlp"), (PROTOCOLS[1], "http/protobuf")];
        assert!(endpoint(&both).is_some());
        // What is for traces comes first.
        let other = [of_all, (PROTOCOLS[0], "http/protobuf"), (PROTOCOLS[1], "grpc")];
        assert!(endpoint(&other).is_some());

        let attributes = (ATTRIBUTES, "a.b=c%20d, service.name=x,");
        let mut unheeded = Vec::new();
        let resource = standard(&[attributes, (SERVICE_NAME, "hooks")]).resource(&mut unheeded);
        let version = env!("CARGO_PKG_VERSION");
        let expected = [("a.b", "c d"), ("service.name", "hooks"), ("service.version", version)];
        assert!(resource.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(expected));
        assert_eq!(unheeded, [""; 0]);
    }

    /// Each is told by its name, and by no part of its value.
    #[test]
    fn a_mistake_in_a_standard_variable_is_told_and_left_out() {
        let good = (ENDPOINT, "http://all:4318");
        for (wrong, endpoint) in [
            ((ENDPOINT, "hunter2"), None),
            ((TRACES_ENDPOINT, "http://u:hunter2@c"), Some("http://all:4318/v1/traces")),
            ((EXPORTER, "hunter2"), Some("http://all:4318/v1/traces")),
            ((PROTOCOLS[0], "hunter2"), Some("http://all:4318/v1/traces")),
            ((PROTOCOLS[1], "grpc"), Some("http://all:4318/v1/traces")),
            ((HEADERS[0], "hunter2"), Some("http://all:4318/v1/traces")),
            ((HEADERS[1], "hunter2"), Some("http://all:4318/v1/traces")),
            ((DISABLED, "hunter2"), Some("http://all:4318/v1/traces")),
            ((ATTRIBUTES, "hunter2,a=b"), Some("http://all:4318/v1/traces")),
            ((SAMPLER, "hunter2"), Some("http://all:4318/v1/traces")),
            ((SAMPLER, "always_on"), Some("http://all:4318/v1/traces")),
            ((PROPAGATORS, "hunter2"), Some("http://all:4318/v1/traces")),
            (("OTEL_BSP_SCHEDULE_DELAY", "hunter2"), Some("http://all:4318/v1/traces")),
            (("OTEL_EXPORTER_OTLP_TIMEOUT", "hunter2"), Some("http://all:4318/v1/traces")),
        ] {
            let standard = standard(&[wrong, good]);
            let mut told = Vec::new();
            assert!(!standard.is_off(&mut told));
            let found = standard.endpoint(&mut told).map(|uri| uri.to_string());
            assert_eq!(found.ok().as_deref(), endpoint, "{wrong:?}");
            standard.ratio(&mut told);
            standard.unread(&mut told);
            assert!(standard.headers(&mut told).expose().is_empty());
            standard.resource(&mut told);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(&format!("{}: ", wrong.0)), "{told:?}");
            assert!(!told[0].contains("hunter2"), "{told:?}");
        }
        let off = standard(&[(DISABLED, "True")]);
        assert!(off.is_off(&mut Vec::new()));
    }

    #[test]
    fn the_platforms_sampler_is_a_ratio() {
        for (name, argument, ratio, told) in [
            ("parentbased_always_on", "", Some(1.0), 0),
            ("parentbased_always_off", "", Some(0.0), 0),
            ("parentbased_traceidratio", "0.25", Some(0.25), 0),
            ("parentbased_traceidratio", "", Some(1.0), 0),
            ("parentbased_traceidratio", "2", Some(1.0), 1),
            ("parentbased_traceidratio", "NaN", Some(1.0), 1),
            ("traceidratio", "0.25", Some(0.25), 1),
            ("jaeger_remote", "", None, 1),
            ("", "0.25", None, 0),
        ] {
            let mut unheeded = Vec::new();
            let standard = standard(&[(SAMPLER, name), (SAMPLER_ARG, argument)]);
            assert_eq!(standard.ratio(&mut unheeded), ratio, "{name} {argument}");
            assert_eq!(unheeded.len(), told, "{name} {argument}: {unheeded:?}");
        }
    }

    /// What is for other signals, or for nobody, is no concern of ours.
    #[test]
    fn variables_that_are_not_read_are_told_in_one_line() {
        let mut told = Vec::new();
        let quiet = [
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "1"),
            ("OTEL_POD_IP", "10.0.0.1"),
            (PROPAGATORS, "tracecontext,baggage"),
            (SAMPLER_ARG, "1"),
        ];
        standard(&quiet).unread(&mut told);
        assert_eq!(told, [""; 0]);
        let read_nowhere = [("OTEL_SPAN_LINK_COUNT_LIMIT", "1"), ("OTEL_BSP_MAX_QUEUE_SIZE", "1")];
        standard(&[&quiet[..], &read_nowhere].concat()).unread(&mut told);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("OTEL_BSP_MAX_QUEUE_SIZE, OTEL_SPAN_LINK_COUNT_LIMIT: not read")
        );
    }
}
