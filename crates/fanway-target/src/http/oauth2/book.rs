//! When a token is asked for, which one is used, and when the token server is left alone. It has
//! no clock: `now` is an argument.
//!
//! What bounds the requests for tokens: after each failure in a row the server is left alone for
//! 1 s, 2 s, 4 s … 60 s, or as long as it asks, up to 5 minutes; and a refused token is replaced at
//! once, but the next refused one only 1 s after that, then 2 s … 60 s, until one is accepted.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use tokio::time::Instant;

/// The shortest life of a token, whatever its server says.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// That of one whose server says nothing.
const USUAL_LIFE: Duration = Duration::from_secs(3600);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that a token server is given because it asks for it.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// A token, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Token {
    /// Higher than that of the one before.
    pub(in crate::http) number: u64,
    /// The value of `Authorization`.
    pub(in crate::http) value: HeaderValue,
}

/// What is known of a target's tokens.
pub(super) struct Book {
    ahead: Duration,
    held: Option<Held>,
    /// Tokens that were got.
    number: u64,
    /// Requests that failed, in a row.
    failures: u32,
    /// Why the last one did.
    why: Arc<str>,
    /// Until when no token is asked for.
    left_alone_until: Option<Instant>,
    /// Tokens that were refused, in a row.
    refusals: u32,
    /// Until when a refused token is not replaced.
    kept_until: Option<Instant>,
}

struct Held {
    token: Token,
    /// When the next one is asked for.
    next_at: Instant,
    good_until: Instant,
}

/// What somebody is to do who needs a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Use this one.
    Use(Token),
    /// Use this one, and see to it that another one is asked for.
    UseAndAsk(Token),
    /// Wait for one that is asked for.
    Ask,
    /// Ask for none, for this reason; one that is asked for already may come.
    Wait(Arc<str>),
}

impl Book {
    /// A book without a token.
    pub(super) fn new(ahead: Duration) -> Self {
        Self {
            ahead,
            held: None,
            number: 0,
            failures: 0,
            why: "".into(),
            left_alone_until: None,
            refusals: 0,
            kept_until: None,
        }
    }

    /// What to do at `now`.
    pub(super) fn look(&self, now: Instant) -> Decision {
        let is_left_alone = self.left_alone_until.is_some_and(|until| now < until);
        match &self.held {
            Some(held) if now < held.good_until => {
                let token = held.token.clone();
                if now < held.next_at || is_left_alone {
                    Decision::Use(token)
                } else {
                    Decision::UseAndAsk(token)
                }
            }
            _ if is_left_alone => Decision::Wait(Arc::clone(&self.why)),
            _ => Decision::Ask,
        }
    }

    /// Holds a token that was asked for at `began` and is good for so long from then on.
    pub(super) fn got(
        &mut self,
        value: HeaderValue,
        lifetime: Option<Duration>,
        began: Instant,
    ) -> Token {
        let lifetime = lifetime.unwrap_or(USUAL_LIFE);
        let lifetime = lifetime.clamp(SHORTEST_LIFE, LONGEST_LIFE);
        self.number += 1;
        self.failures = 0;
        self.left_alone_until = None;
        let token = Token {
            number: self.number,
            value,
        };
        self.held = Some(Held {
            token: token.clone(),
            next_at: began + (lifetime - self.ahead.min(lifetime / 2)),
            good_until: began + lifetime,
        });
        token
    }

    /// Takes note that there was none, and that the server has `asked` to be left alone so long;
    /// returns how long it is.
    pub(super) fn failed(&mut self, why: &str, asked: Option<Duration>, now: Instant) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.why = why.into();
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
        let pause = pause_after(self.failures).max(asked);
        self.left_alone_until = Some(now + pause);
        pause
    }

    /// Takes note that a token was refused; whether another one may be had.
    pub(super) fn refused(&mut self, token: &Token, now: Instant) -> bool {
        let is_held = |held: &Held| held.token.number == token.number;
        if !self.held.as_ref().is_some_and(is_held) {
            return true;
        }
        if self.kept_until.is_some_and(|until| now < until) {
            return false;
        }
        self.refusals = self.refusals.saturating_add(1);
        self.kept_until = Some(now + pause_after(self.refusals));
        self.held = None;
        true
    }

    /// Takes note that a token was accepted.
    pub(super) fn accepted(&mut self, token: &Token) {
        if token.number == self.number {
            self.refusals = 0;
        }
    }
}

/// 1 s, 2 s, 4 s … 60 s.
fn pause_after(times: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(times.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::HeaderValue;
    use tokio::time::Instant;

    use super::{Book, Decision, Token};

    const SECOND: Duration = Duration::from_secs(1);

    fn book() -> Book {
        Book::new(60 * SECOND)
    }

    fn got(book: &mut Book, lifetime: Option<Duration>, began: Instant) -> Token {
        book.got(HeaderValue::from_static("Bearer t"), lifetime, began)
    }

    /// Which it is, for a token of this life got at 0 s, at `at` seconds.
    #[track_caller]
    fn check(lifetime: Option<u64>, at: f64, expected: &str) {
        let (mut book, start) = (book(), Instant::now());
        let lifetime = lifetime.map(Duration::from_secs);
        let token = got(&mut book, lifetime, start);
        let word = match book.look(start + Duration::from_secs_f64(at)) {
            Decision::Use(used) => (used == token).then_some("use"),
            Decision::UseAndAsk(used) => (used == token).then_some("use and ask"),
            Decision::Ask => Some("ask"),
            Decision::Wait(_) => Some("wait"),
        };
        assert_eq!(word, Some(expected), "{lifetime:?} at {at}");
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        check(Some(300), 0.0, "use");
        check(Some(300), 239.9, "use");
        check(Some(300), 240.0, "use and ask");
        check(Some(300), 299.9, "use and ask");
        check(Some(300), 300.0, "ask");
    }

    #[test]
    fn a_short_life_is_used_for_half_of_it_at_least() {
        check(Some(60), 29.9, "use");
        check(Some(60), 30.0, "use and ask");
        for none in [0, 1] {
            check(Some(none), 0.4, "use");
            check(Some(none), 0.5, "use and ask");
            check(Some(none), 1.0, "ask");
        }
    }

    #[test]
    fn a_life_that_isnt_told_or_is_endless_has_an_end() {
        check(None, 3539.0, "use");
        check(None, 3540.0, "use and ask");
        check(None, 3600.0, "ask");
        let month = 30.0 * 24.0 * 3600.0;
        check(Some(u64::MAX), month - 61.0, "use");
        check(Some(u64::MAX), month, "ask");
    }

    /// The pauses that follow from failures one after the other, in seconds.
    #[track_caller]
    fn check_pauses(asked: Option<u64>, expected: &[u64]) {
        let (mut book, now) = (book(), Instant::now());
        let asked = asked.map(Duration::from_secs);
        let pauses = expected
            .iter()
            .map(|_| book.failed("503", asked, now).as_secs());
        assert_eq!(pauses.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_server_that_fails_is_left_alone_for_longer_and_longer() {
        check_pauses(None, &[1, 2, 4, 8, 16, 32, 60, 60]);
        check_pauses(Some(10), &[10, 10, 10, 10, 16]);
        check_pauses(Some(100_000), &[300]);
        let (mut book, now) = (book(), Instant::now());
        book.failed("it answered 503", None, now);
        let why = "it answered 503".into();
        assert_eq!(book.look(now), Decision::Wait(why));
        assert_eq!(book.look(now + SECOND), Decision::Ask);
        got(&mut book, None, now);
        assert_eq!(book.failed("", None, now), SECOND);
    }

    #[test]
    fn a_good_token_is_used_while_its_server_fails() {
        let (mut book, start) = (book(), Instant::now());
        let token = got(&mut book, Some(300 * SECOND), start);
        let now = start + 250 * SECOND;
        book.failed("503", None, now);
        assert_eq!(book.look(now), Decision::Use(token.clone()));
        assert_eq!(book.look(now + SECOND), Decision::UseAndAsk(token));
        assert_eq!(book.look(start + 300 * SECOND), Decision::Ask);
    }

    #[test]
    fn a_refused_token_is_replaced_at_once_and_the_next_ones_later_and_later() {
        let (mut book, start) = (book(), Instant::now());
        let mut now = start;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            let token = got(&mut book, None, now);
            assert!(book.refused(&token, now), "at {:?}", now - start);
            assert_eq!(book.look(now), Decision::Ask);
            let next = got(&mut book, None, now);
            assert!(!book.refused(&next, now));
            assert!(!book.refused(&next, now + Duration::from_secs(pause) - SECOND / 10));
            assert_eq!(book.look(now), Decision::Use(next));
            now += Duration::from_secs(pause);
        }
        let token = got(&mut book, None, now);
        book.accepted(&token);
        assert!(book.refused(&token, now));
        let next = got(&mut book, None, now);
        assert!(book.refused(&next, now + SECOND));
    }

    #[test]
    fn who_was_refused_with_an_older_token_gets_the_newest() {
        let (mut book, now) = (book(), Instant::now());
        let old = got(&mut book, None, now);
        let new = got(&mut book, None, now);
        for _ in 0..3 {
            assert!(book.refused(&old, now));
            assert_eq!(book.look(now), Decision::Use(new.clone()));
        }
        assert!(book.refused(&new, now));
        assert_eq!(book.look(now), Decision::Ask);
    }
}
