//! What senders were told by callbacks: of each message that has ended, exactly once, if they
//! asked for it. A callback may come again, but under its one key.

use std::collections::HashMap;

use serde_json::Value;

use crate::crash::request::Request;

/// All callbacks that have come.
#[derive(Debug, Default)]
pub(crate) struct Callbacks(HashMap<Request, Callback>);

#[derive(Debug)]
struct Callback {
    key: String,
    /// The message that it tells of.
    message: String,
    /// Whether it was answered with a success.
    was_taken: bool,
}

impl Callbacks {
    /// Takes one in. Returns the state that it tells of.
    ///
    /// # Errors
    /// With what is wrong about it.
    pub(crate) fn arrived(
        &mut self,
        request: Request,
        key: &str,
        body: &[u8],
    ) -> Result<String, String> {
        if !request.has_callback() {
            return Err(format!("{request} asked for no callback, and got one"));
        }
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let callback = self.0.entry(request).or_insert_with(|| Callback {
            key: key.to_owned(),
            message: text(&told["data"]["id"]),
            was_taken: false,
        });
        let known = &callback.key;
        if known != key {
            return Err(format!("{request} got the callbacks {known} and {key}"));
        }
        Ok(text(&told["data"]["state"]))
    }

    /// One is answered.
    pub(crate) fn answering(&mut self, request: Request, succeeded: bool) {
        if let Some(callback) = self.0.get_mut(&request) {
            callback.was_taken |= succeeded;
        }
    }

    /// How many have come.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a request's sender was told.
    pub(crate) fn has_told(&self, request: Request) -> bool {
        let callback = self.0.get(&request);
        callback.is_some_and(|callback| callback.was_taken)
    }

    /// What is wrong, at the end, about a request that was accepted as `message`.
    pub(crate) fn wrong(&self, request: Request, message: &str) -> Option<String> {
        match self.0.get(&request) {
            None if request.has_callback() => {
                Some(format!("{message} ({request}) got no callback"))
            }
            Some(callback) if !callback.was_taken => {
                Some(format!("the callback of {message} ({request}) was refused"))
            }
            Some(callback) if callback.message != message => {
                let told = &callback.message;
                Some(format!(
                    "{request} is {message}, and its callback tells of {told}"
                ))
            }
            None | Some(_) => None,
        }
    }
}
