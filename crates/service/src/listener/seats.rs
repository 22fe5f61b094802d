//! Who may stay when there is no room. A connection whose peer owes us something (a request, the
//! rest of one) gives way to a new one, the longest-waiting first; one whose answer is being made does
//! not. So half-sent requests keep nobody out, unless a whole listener's worth of them comes faster
//! than a request does. The end of an answer is when its last part is handed to the socket's writer.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

/// Connections that are open, each with where it stands.
pub(super) struct Seats {
    open: JoinSet<()>,
    taken: HashMap<Id, (AbortHandle, Seat)>,
    most: usize,
}

/// Where one connection stands: since when we wait for its peer, if we do.
#[derive(Clone)]
pub(super) struct Seat(Arc<Mutex<Option<Instant>>>);

/// A body on its way, which says of its connection who waits for whom when it is at its end.
struct Watched<B> {
    body: B,
    seat: Seat,
    then: fn(&Seat),
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self { open: JoinSet::new(), taken: HashMap::new(), most }
    }

    /// Carries on a connection.
    pub(super) fn take<F>(&mut self, connection: impl FnOnce(Seat) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let seat = Seat(Arc::new(Mutex::new(Some(Instant::now()))));
        let handle = self.open.spawn(connection(seat.clone()));
        self.taken.insert(handle.id(), (handle, seat));
    }

    /// Waits until one of them has ended; `None` where there is none.
    pub(super) async fn ended(&mut self) -> Option<()> {
        let id = match self.open.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        };
        self.taken.remove(&id);
        Some(())
    }

    /// Forgets those that have ended without anybody's waiting for it.
    pub(super) fn note_ended(&mut self) {
        while let Some(ended) = self.open.try_join_next_with_id() {
            self.taken.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
        }
    }

    /// Whether one more may come without anybody's leaving.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < self.most
    }

    /// Ends the connection whose peer has owed us something for the longest time; `false` where we
    /// owe all of them an answer.
    pub(super) async fn make_room(&mut self) -> bool {
        let waiting = self.taken.values();
        let waiting = waiting.filter_map(|(handle, seat)| Some((seat.waiting_since()?, handle)));
        let Some((_, handle)) = waiting.min_by_key(|(since, _)| *since) else { return false };
        handle.abort();
        while !self.has_room() && self.ended().await.is_some() {}
        true
    }
}

impl Seat {
    /// A request's body: the answer is ours to give once it is there, or nobody wants it.
    pub(super) fn coming(&self, body: hyper::body::Incoming) -> Body {
        if body.is_end_stream() {
            self.answering();
            return Body::empty();
        }
        Body::new(Watched { body, seat: self.clone(), then: Self::answering })
    }

    /// An answer's body: the next request is the peer's to send once it is gone.
    pub(super) fn going(&self, body: Body) -> Body {
        self.answering();
        Body::new(Watched { body, seat: self.clone(), then: Self::waiting })
    }

    fn answering(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn waiting(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn waiting_since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: HttpBody + Unpin> HttpBody for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            (self.then)(&self.seat);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Not every body is read to its end.
impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        (self.then)(&self.seat);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    /// Takes a seat whose connection ends only by force; the second value says whether it did.
    fn sit(seats: &mut Seats) -> (Seat, Arc<()>) {
        let (alive, mut own) = (Arc::new(()), None);
        let held = Arc::clone(&alive);
        seats.take(|seat| {
            own = Some(seat);
            async move {
                let _held = held;
                pending::<()>().await;
            }
        });
        (own.unwrap(), alive)
    }

    fn is_open(alive: &Arc<()>) -> bool {
        Arc::strong_count(alive) > 1
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_owes_us_something_for_the_longest_time_gives_way() {
        let mut seats = Seats::new(3);
        let (first, first_alive) = sit(&mut seats);
        advance(Duration::from_secs(1)).await;
        let (_second, second_alive) = sit(&mut seats);
        advance(Duration::from_secs(1)).await;
        let (third, third_alive) = sit(&mut seats);
        assert!(!seats.has_room());
        // The first one's answer is gone: it waits since now, and the second one for longest.
        drop(first.going(Body::empty()));
        assert!(seats.make_room().await);
        assert!(seats.has_room());
        assert!(is_open(&first_alive) && !is_open(&second_alive) && is_open(&third_alive));

        let (fourth, fourth_alive) = sit(&mut seats);
        // Those whose answer is being made stay, whatever the time.
        let answers = [first, third, fourth].map(|seat| seat.going(Body::from("…")));
        assert!(!seats.make_room().await);
        assert!(is_open(&first_alive) && is_open(&third_alive) && is_open(&fourth_alive));
        drop(answers);
        assert!(seats.make_room().await);
    }
}
