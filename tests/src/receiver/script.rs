//! What a receiver answers: a sequence of answers, and one that is given ever after.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::time::sleep;

use crate::receiver::wire::{Control, Manner};

/// Long enough that every client has given up before.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// What one piece of an endless body weighs.
const PIECE: &[u8] = &[b'x'; 16 * 1024];

/// The answer to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    endless: bool,
    delay: Duration,
    manner: Manner,
}

impl Answer {
    /// A status with a short body; 204 and 304 have none. A number that is no status becomes 500.
    pub fn status(code: u16) -> Self {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = match code {
            204 | 304 => Bytes::new(),
            _ => Bytes::from_static(b"ok\n"),
        };
        Self {
            status,
            headers: HeaderMap::new(),
            body,
            endless: false,
            delay: Duration::ZERO,
            manner: Manner::Plain,
        }
    }

    /// A status with `Retry-After`.
    pub fn retry_after(code: u16, value: &str) -> Self {
        Self::status(code).with_header("retry-after", value)
    }

    /// A redirect.
    pub fn redirect(code: u16, location: &str) -> Self {
        Self::status(code).with_header("location", location)
    }

    /// Takes the request and never answers.
    pub fn hang() -> Self {
        Self::status(200).after(FOR_EVER)
    }

    /// Breaks the connection (RST) in the middle of the response's body.
    pub fn reset() -> Self {
        let mut answer = Self::status(200).with_header("content-length", "100000");
        answer.endless = true;
        answer.manner = Manner::Reset { after: 4096 };
        answer
    }

    /// Breaks the connection before the response's first byte.
    pub fn reset_at_once() -> Self {
        let mut answer = Self::status(200);
        answer.manner = Manner::Reset { after: 0 };
        answer
    }

    /// Sends the response, its head first, one byte per `pause`.
    pub fn slow(pause: Duration) -> Self {
        let mut answer = Self::status(200);
        answer.manner = Manner::Trickle { pause };
        answer
    }

    /// A 200 whose body never ends.
    pub fn endless() -> Self {
        let mut answer = Self::status(200);
        answer.endless = true;
        answer
    }

    /// With another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With a header; what is no header is left out.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Given only after a delay.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(super) fn code(&self) -> StatusCode {
        self.status
    }

    pub(super) async fn give(self, control: &Control) -> Response<Reply> {
        sleep(self.delay).await;
        control.set(self.manner);
        let body = if self.endless { Reply::Endless } else { Reply::Whole(Some(self.body)) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Answers in order, then one for ever.
#[derive(Clone, Debug)]
pub struct Script {
    first: VecDeque<Answer>,
    last: Answer,
}

impl Script {
    /// The same answer always.
    pub fn always(answer: Answer) -> Self {
        Self { first: VecDeque::new(), last: answer }
    }

    /// 200 always.
    pub fn ok() -> Self {
        Self::always(Answer::status(200))
    }

    /// The same status `times` times, then 200.
    pub fn fail(times: usize, code: u16) -> Self {
        Self::sequence(std::iter::repeat_n(Answer::status(code), times), Answer::status(200))
    }

    /// These statuses in order, the last of them for ever; 200 if there is none.
    pub fn statuses(codes: &[u16]) -> Self {
        let last = codes.last().copied().unwrap_or(200);
        let first = codes.split_last().map_or(&[][..], |(_, first)| first);
        Self::sequence(first.iter().map(|code| Answer::status(*code)), Answer::status(last))
    }

    /// These answers in order, then `last` for ever.
    pub fn sequence(first: impl IntoIterator<Item = Answer>, last: Answer) -> Self {
        Self { first: first.into_iter().collect(), last }
    }

    pub(super) fn next(&mut self) -> Answer {
        self.first.pop_front().unwrap_or_else(|| self.last.clone())
    }
}

/// A response's body.
pub(super) enum Reply {
    Whole(Option<Bytes>),
    Endless,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match &mut *self {
            Self::Whole(body) => {
                body.take().filter(|body| !body.is_empty()).map(Frame::data).map(Ok)
            }
            Self::Endless => Some(Ok(Frame::data(Bytes::from_static(PIECE)))),
        })
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(body) => {
                hyper::body::SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Endless => hyper::body::SizeHint::default(),
        }
    }
}
