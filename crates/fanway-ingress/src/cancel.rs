//! Calling a message off: `DELETE` of it.
//!
//! What has been delivered stays so, and attempts in flight decide. So the answer waits for them a
//! little, and says by its status whether all has ended.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::sync::watch;

use fanway_store::change::CancelError;
use fanway_store::lookup::MessageView;
use fanway_types::{DeliveryState, MessageId};

use crate::connection::Closing;
use crate::door::Core;
use crate::generation::Generation;
use crate::problem::{Kind, Problem};
use crate::status::unavailable;

/// How long attempts in flight are waited for.
const DECIDE_TIME: Duration = Duration::from_secs(1);

/// When a store that can keep no changes may be able to again.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(5);

impl Core {
    /// Calls a message off. One that was called off before is answered as it stands.
    pub(crate) async fn cancel(
        &self,
        id: MessageId,
        present: &Generation,
        closing: &watch::Receiver<Closing>,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        let now = (self.shared.clock)();
        let message = match self.store.cancel(id, None, now).await {
            Ok(()) => self.look_up(id, DECIDE_TIME, closing.clone()).await?,
            Err(CancelError::Ended(_)) => called_off(self.message(id).await?)?,
            Err(CancelError::NotFound(_)) => {
                // Whether it was ever there is for the look-up to say.
                self.message(id).await?;
                return Err(Kind::MessageUnknown.into());
            }
            Err(CancelError::Full) => {
                return Err(Problem::from(Kind::StoreFull).retry_after(FULL_RETRY_AFTER));
            }
            Err(CancelError::Store(error)) => return Err(unavailable(&error, id)),
        };
        let mut response = self.message_response(&message, present);
        if !message.state.has_ended() {
            *response.status_mut() = StatusCode::ACCEPTED;
        }
        Ok(response)
    }
}

/// A message that has ended, and not without being called off.
fn called_off(message: MessageView) -> Result<MessageView, Problem> {
    let mut deliveries = message.deliveries.iter();
    if deliveries.any(|delivery| delivery.state == DeliveryState::Cancelled) {
        return Ok(message);
    }
    let detail = format!("it is {}", message.state);
    Err(Problem::new(Kind::MessageEnded, detail))
}
