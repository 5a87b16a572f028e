//! The definition of correct for an engine: what its own tests run.
//!
//! An engine's tests implement [`Engine`] and name it to [`suite!`](crate::suite), which makes a
//! test of each case. A case that breaks a promise panics and says which. Nothing here waits for
//! a time to pass: cases wait for what the store tells, and hang where it never does.

pub mod accepting;
pub mod closing;
pub mod dead_letters;
pub mod lanes;
pub mod looking_up;
mod model;
pub mod retention;
mod rig;
pub mod schedules;

use std::sync::Arc;
use std::time::Duration;

use fanway_types::{ByteCount, Timestamp};

use crate::{BoxFuture, Store};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An engine with one set of data, opened and closed by a case as often as it likes.
pub trait Engine: Send {
    /// An engine that keeps nothing yet.
    fn new(settings: Settings) -> Self;

    /// Opens what is kept.
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>>;

    /// Ends the process that has it open, without a word: what isn't durable may be lost. The
    /// case has let go of the store and its lanes.
    fn crash(&mut self) -> BoxFuture<'_, ()>;

    /// Resolves when all that was recorded is durable, lists and counts show it, and what was
    /// kept long enough has been forgotten.
    fn settle(&mut self) -> BoxFuture<'_, ()>;
}

/// What an engine is opened with.
#[derive(Clone)]
pub struct Settings {
    /// Tells the time by which things are kept.
    pub clock: Clock,
    /// How long what is kept.
    pub keep: Keep,
    /// Bytes of unfinished messages' bodies beyond which no more are accepted.
    pub max: Option<ByteCount>,
}

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How long an ended message can be asked for by its id.
    pub messages: Duration,
    /// How long history lasts.
    pub history: Duration,
    /// How long dead letters wait.
    pub dead: Duration,
    /// Whose bodies are kept.
    pub bodies: Bodies,
}

/// Whose bodies are kept after a message has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// All, as long as the history.
    All,
    /// Those of messages with dead letters, as long as these.
    Failures,
    /// None.
    None,
}

/// Makes a test of each case for an [`Engine`], which is named as it is in the module around. It needs `tokio` with `macros` and `rt`.
#[macro_export]
macro_rules! suite {
    ($engine:ident) => {
        $crate::suite!($engine, accepting {
            messages_reach_their_lane_in_the_order_of_acceptance,
            every_step_of_every_message_reaches_its_lane_once,
            a_group_is_taken_whole,
            a_plan_is_found_after_a_crash_and_messages_of_it_are_taken,
            what_was_accepted_outlives_a_crash,
            a_full_store_refuses_messages_and_heals,
            the_backlog_counts_what_waits_and_what_is_dead,
        });
        $crate::suite!($engine, lanes {
            a_target_has_one_lane_at_a_time,
            a_lane_takes_no_more_than_it_has_room_for,
            a_waiting_lane_is_woken_by_a_fresh_message,
            what_was_let_go_comes_again_when_it_is_due_and_not_before,
            progress_outlives_a_crash,
            what_is_kept_in_a_lane_is_not_handed_out_again,
            what_a_lane_held_goes_to_the_next_one,
            an_outcome_after_the_end_is_ignored,
            ended_deliveries_stay_ended_after_a_crash,
        });
        $crate::suite!($engine, looking_up {
            a_message_is_found_as_soon_as_it_is_accepted,
            nobody_finds_what_was_never_accepted,
            whoever_listens_learns_of_a_change,
            a_message_ends_when_its_last_delivery_has,
            a_step_that_is_not_critical_leaves_its_message_partial,
            what_a_message_shows_outlives_a_crash,
        });
        $crate::suite!($engine, dead_letters {
            they_are_listed_latest_first_and_page_by_page,
            they_are_listed_by_target_and_route,
            one_is_opened_with_its_request,
            a_redrive_makes_a_new_delivery_with_a_budget_of_its_own,
            a_redrive_by_another_plan_runs_its_step,
            of_two_redrives_at_once_one_is_done,
            a_redrive_outlives_a_crash,
            whoever_listens_learns_of_a_redrive,
            a_discarded_letter_is_off_the_list_and_stays_dead,
            a_redrive_of_a_step_that_is_not_there_changes_nothing,
        });
        $crate::suite!($engine, retention {
            an_ended_message_expires,
            an_unfinished_message_never_expires,
            dead_letters_wait_as_long_as_they_are_kept,
            without_bodies_letters_are_listed_and_cannot_be_sent_again,
            with_all_bodies_kept_nothing_is_sent_again,
        });
        $crate::suite!($engine, closing {
            what_comes_after_the_close_is_refused,
            a_waiting_lane_learns_of_the_close,
            what_was_recorded_before_the_close_is_kept,
        });
        $crate::suite!($engine, schedules {
            lanes_that_keep_up_and_fall_behind,
            lanes_that_come_and_go,
            crashes_between_all_of_it,
        });
    };
    ($engine:ident, $area:ident { $($case:ident),+ $(,)? }) => {
        mod $area {
            $(
                #[tokio::test]
                async fn $case() {
                    $crate::conformance::$area::$case::<super::$engine>().await;
                }
            )+
        }
    };
}
