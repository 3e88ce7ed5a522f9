//! An operation that was accepted, and the ways to learn how far it got.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::fastlog::Error;
use crate::fastlog::core::Core;
use crate::fastlog::marks::OpNo;
use crate::fastlog::policy::Ack;
use crate::fastlog::queue::{Outcome, Watcher};

/// A batch that was accepted. Dropping it changes nothing about the batch.
///
/// Four ways to wait: blocking ([`Ticket::wait`], [`Ticket::wait_for`]), blocking with a deadline
/// ([`Ticket::wait_until`]), a callback ([`Ticket::when`]) and a future ([`Ticket::reaching`]),
/// which needs no runtime.
pub struct Ticket {
    pub(super) core: Arc<Core>,
    pub(super) op: OpNo,
    pub(super) ack: Ack,
    pub(super) outcome: Outcome,
}

impl Ticket {
    /// The operation's number.
    pub fn op(&self) -> OpNo {
        self.op
    }

    /// What its acknowledgement waits for, by the log's promise.
    pub fn ack(&self) -> Ack {
        self.ack
    }

    /// Whether it is acknowledged, or why it failed; `None` while neither.
    pub fn outcome(&self) -> Option<Result<(), Error>> {
        if self.ack == Ack::Accepted {
            return Some(Ok(()));
        }
        let known = self.outcome.get().cloned();
        if known.is_none() {
            self.core.abandon(self.op);
        }
        known
    }

    /// Waits for the acknowledgement. Whoever waits first does the work for all who wait.
    ///
    /// # Errors
    /// As [`FastLog::write`](crate::fastlog::FastLog::write).
    pub fn wait(&self) -> Result<(), Error> {
        if self.ack == Ack::Accepted && self.outcome.get().is_none() {
            return Ok(());
        }
        self.wait_for(self.ack)
    }

    /// Waits until the operation is at `mark`, whatever its acknowledgement waits for; for
    /// [`Ack::Durable`] that may sync, once for all who wait.
    ///
    /// # Errors
    /// As [`Ticket::wait`].
    pub fn wait_for(&self, mark: Ack) -> Result<(), Error> {
        self.core.wait(self.op, mark, &self.outcome, None).unwrap_or(Err(Error::Closed))
    }

    /// As [`Ticket::wait_for`], but `None` when [`FastLog::now`](crate::fastlog::FastLog::now)
    /// reaches `deadline` first.
    ///
    /// # Errors
    /// As [`Ticket::wait`].
    pub fn wait_until(&self, mark: Ack, deadline: Duration) -> Option<Result<(), Error>> {
        self.core.wait(self.op, mark, &self.outcome, Some(deadline))
    }

    /// Calls `callback` once the operation is at `mark`, or failed: at once, or later from a thread
    /// of the log or one that waits. It should be short and must not panic; the log may be used.
    pub fn when(&self, mark: Ack, callback: impl FnOnce(Result<(), Error>) + Send + 'static) {
        let (op, outcome) = (self.op, Arc::clone(&self.outcome));
        self.core.watch(Watcher { op, mark, outcome, callback: Box::new(callback) });
    }

    /// [`Ticket::when`] as a future.
    pub fn reaching(&self, mark: Ack) -> Reaching {
        let shared = Arc::<Mutex<Reached>>::default();
        let told = Arc::clone(&shared);
        self.when(mark, move |result| {
            let waker = {
                let mut reached = told.lock().unwrap_or_else(PoisonError::into_inner);
                reached.result = Some(result);
                reached.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        Reaching { shared }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Who flushes what is acknowledged when it is accepted was told then.
        if self.ack != Ack::Accepted && self.outcome.get().is_none() {
            self.core.abandon(self.op);
        }
    }
}

#[derive(Default)]
struct Reached {
    result: Option<Result<(), Error>>,
    waker: Option<Waker>,
}

/// A future that is ready when an operation is where it was waited for, or failed. Any executor
/// can poll it.
pub struct Reaching {
    shared: Arc<Mutex<Reached>>,
}

impl Future for Reaching {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut reached = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match &reached.result {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                reached.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
