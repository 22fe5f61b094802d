//! Which events there are, which webhooks, and who has to get what: pure, by number.

/// Events come from so many projects in turn.
pub(crate) const PROJECTS: u32 = 100;

/// One event of so many is none.
const INVALID_EVERY: u32 = 400;

/// Webhooks that get every event.
pub(crate) const STEADY: u16 = 7;

/// Projects of webhooks that come and go.
pub(crate) const CHANGING_PROJECTS: std::ops::RangeInclusive<u32> = 30..=33;

/// The first number of webhooks that come and go.
pub(crate) const CHANGING: u16 = 100;

/// What webhook a number is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Gets every event, and takes it.
    Steady,
    /// Gets deployments of one project.
    Picky,
    /// Gets those of some projects, and fails for a while now and then.
    Flaky,
    /// Gets those of one project, and refuses all of them: they have to become dead letters.
    Refusing,
    /// Wants what is never published.
    Never,
    /// Is made, changed and deleted meanwhile.
    Changing,
}

/// A webhook that is there throughout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hook {
    pub(crate) number: u16,
    pub(crate) role: Role,
    pub(crate) events: &'static str,
    pub(crate) projects: (u32, u32),
}

const PICKY: u16 = STEADY;
const FLAKY: u16 = STEADY + 1;
const REFUSING: u16 = STEADY + 2;
const NEVER_PROJECT: u16 = STEADY + 3;
const NEVER_TYPE: u16 = STEADY + 4;

/// A project that no event is of.
const NOBODY: u32 = 999_999;

/// Every webhook that is there throughout, in the order of their numbers.
pub(crate) fn hooks() -> Vec<Hook> {
    let all = (0, PROJECTS);
    let hook = |number, role, events, projects| Hook { number, role, events, projects };
    let mut hooks: Vec<Hook> =
        (0..STEADY).map(|number| hook(number, Role::Steady, "*", all)).collect();
    hooks.extend([
        hook(PICKY, Role::Picky, "deployment.*", (3, 3)),
        hook(FLAKY, Role::Flaky, "*", (10, 12)),
        hook(REFUSING, Role::Refusing, "*", (20, 20)),
        hook(NEVER_PROJECT, Role::Never, "*", (NOBODY, NOBODY)),
        hook(NEVER_TYPE, Role::Never, "deployment.failed", all),
    ]);
    hooks
}

impl Hook {
    /// Whether the `n`-th event has to reach it.
    pub(crate) fn wants(&self, n: u32) -> bool {
        let Kind::Event { domain, project } = kind(n) else { return false };
        let of_type = match self.events {
            "*" => true,
            "deployment.*" => !domain,
            _ => false,
        };
        of_type && (self.projects.0..=self.projects.1).contains(&project)
    }
}

/// What a number's webhook is.
pub(crate) fn role(number: u16) -> Option<Role> {
    match number {
        0..STEADY => Some(Role::Steady),
        PICKY => Some(Role::Picky),
        FLAKY => Some(Role::Flaky),
        REFUSING => Some(Role::Refusing),
        NEVER_PROJECT | NEVER_TYPE => Some(Role::Never),
        CHANGING.. => Some(Role::Changing),
        _ => None,
    }
}

/// What the `n`-th message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Event {
        domain: bool,
        project: u32,
    },
    /// It is none, for one of four reasons.
    Invalid(u32),
}

pub(crate) fn kind(n: u32) -> Kind {
    if n % INVALID_EVERY == 7 {
        return Kind::Invalid(n / INVALID_EVERY % 4);
    }
    Kind::Event { domain: (n / PROJECTS).is_multiple_of(5), project: n % PROJECTS }
}

pub(crate) fn is_event(n: u32) -> bool {
    matches!(kind(n), Kind::Event { .. })
}

/// Routing key and body of the `n`-th message, created at `now`.
pub(crate) fn message(n: u32, now: &str) -> (&'static str, String) {
    let (domain, project) = match kind(n) {
        Kind::Event { domain, project } => (domain, project),
        Kind::Invalid(reason) => {
            let body = match reason {
                0 => format!("{{\"torture\":{n}"),
                1 => format!("{{\"torture\":{n},\"createdAt\":\"{now}\"}}"),
                2 => format!(
                    "{{\"torture\":{n},\"type\":\"deployment.exploded\",\"createdAt\":\"{now}\"}}"
                ),
                _ => format!(
                    "{{\"torture\":{n},\"type\":\"domain.added\",\"createdAt\":\"{now}\",\
                     \"domain\":{{\"name\":\"a.example\",\"size\":9007199254740993}},\
                     \"project\":{{\"id\":\"prj_1\"}}}}"
                ),
            };
            return ("domain.added", body);
        }
    };
    let (kind, subject) = if domain {
        ("domain.added", "\"domain\":{\"name\":\"shop.example\"}".to_owned())
    } else {
        let subject = format!(
            "\"deployment\":{{\"id\":\"dpl_{n}\",\"name\":\"production\",\
             \"meta\":{{\"gitBranch\":\"main\"}}}}"
        );
        ("deployment.succeeded", subject)
    };
    let body = format!(
        "{{\"type\":\"{kind}\",\"createdAt\":\"{now}\",\"torture\":{n},{subject},\
         \"project\":{{\"id\":\"prj_{project}\",\"name\":\"my-project\"}}}}"
    );
    (kind, body)
}

/// The number of the event whose body this is.
pub(crate) fn number(body: &[u8]) -> Option<u32> {
    const MARK: &[u8] = b"\"torture\":";
    let at = body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits = body.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number: Option<u32>, digit| {
        number.unwrap_or_default().checked_mul(10)?.checked_add(u32::from(digit - b'0'))
    })
}

/// The AMQP message id of the `n`-th message.
pub(crate) fn id(n: u32) -> String {
    format!("evt_{n}")
}

/// The number of a message id.
pub(crate) fn number_of_id(id: &str) -> Option<u32> {
    id.strip_prefix("evt_")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_bodies_and_roles_from_numbers() {
        for n in [0, 7, 407, 807, 1_207, 123_456] {
            assert_eq!(number(message(n, "now").1.as_bytes()), Some(n));
            assert_eq!(number_of_id(&id(n)), Some(n));
        }
        assert_eq!(number(b"{\"torture\":}"), None);
        for hook in hooks() {
            assert_eq!(role(hook.number), Some(hook.role));
        }
        assert_eq!((role(99), role(CHANGING)), (None, Some(Role::Changing)));
    }

    #[test]
    fn each_role_but_never_wants_something_and_nobody_wants_what_is_no_event() {
        for hook in hooks() {
            let wanted = (0..10_000).filter(|n| hook.wants(*n)).count();
            assert_eq!(wanted == 0, hook.role == Role::Never, "{hook:?}");
            assert!(!hook.wants(7));
        }
    }
}
