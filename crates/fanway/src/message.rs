//! One message to several targets at the same time. It spawns nothing: all of it happens while the
//! future of [`Message::send`] is polled.

use std::time::{Duration, SystemTime};

use fanway_types::{DeliveryId, MessageId, StepIndex};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::{Outcomes, Request, Target};

/// What there is to say, with a request for each target.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until `send` is awaited"]
pub struct Message {
    id: MessageId,
    deadline: Duration,
    deliveries: Vec<(Target, Request)>,
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl Message {
    /// How long all of it may take, unless [`deadline`](Self::deadline) says otherwise.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

    /// A message for nobody yet, with a new id.
    pub fn new() -> Self {
        let mut rng: StdRng = rand::make_rng();
        Self {
            id: MessageId::new(SystemTime::now().into(), &mut rng),
            deadline: Self::DEFAULT_DEADLINE,
            deliveries: Vec::new(),
        }
    }

    /// The same under this id, which the deliveries' `Idempotency-Key`s are made of: to send again
    /// what may have been sent before, with the same targets in the same order.
    pub fn with_id(mut self, id: MessageId) -> Self {
        self.id = id;
        self
    }

    /// Its id: keep it, where the message may have to be sent again.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Adds a delivery.
    ///
    /// # Panics
    /// Where it is the 65,537th.
    pub fn to(mut self, target: &Target, request: Request) -> Self {
        assert!(
            self.deliveries.len() <= usize::from(StepIndex::MAX),
            "a message has at most 65,536 deliveries"
        );
        self.deliveries.push((target.clone(), request));
        self
    }

    /// Adds a delivery to each of these targets, with the request that `shape` makes for it.
    ///
    /// # Panics
    /// As [`to`](Self::to) does.
    pub fn to_each<'a>(
        self,
        targets: impl IntoIterator<Item = &'a Target>,
        mut shape: impl FnMut(&Target) -> Request,
    ) -> Self {
        let targets = targets.into_iter();
        targets.fold(self, |message, target| message.to(target, shape(target)))
    }

    /// Bounds all of it, from when [`send`](Self::send) is first polled: deliveries that haven't
    /// ended by then end as [`End::Deadline`](crate::End::Deadline) or
    /// [`End::Held`](crate::End::Held).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends it to all targets at the same time, and waits until each delivery has ended.
    ///
    /// A delivery that fails is an outcome among the others. Dropping the future breaks off what is
    /// in flight; the targets may have seen those requests.
    pub async fn send(self) -> Outcomes {
        // A moment that no clock reaches is as good as a year.
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let until = Instant::now() + self.deadline.min(YEAR);
        let message = self.id;
        let deliveries = self.deliveries.into_iter().zip(0..=StepIndex::MAX);
        let deliveries = deliveries.map(|((target, request), step)| async move {
            let delivery = DeliveryId::first(message, step);
            target.deliver(&request, delivery, until).await
        });
        Outcomes(join_all(deliveries).await)
    }
}
