//! The definition of correct for an engine: what its own tests run.
//!
//! An engine's tests implement [`Engine`] and name it to [`suite!`](crate::suite), which makes a
//! test of each case. A case that breaks a promise panics and says which. Nothing here waits for
//! a time to pass: cases wait for what the store tells, and hang where it never does.

pub mod accepting;
pub mod adopting;
pub mod by_hand;
pub mod cancelled;
pub mod cancelling;
pub mod candidates;
pub mod closing;
pub mod dead_letters;
pub mod falling_back;
pub mod idempotency;
pub mod jobs;
pub mod lanes;
pub mod looking_up;
mod model;
pub mod not_before;
pub mod notices;
pub mod ordering;
pub mod redriving;
pub mod retention;
mod rig;
pub mod schedules;
pub mod watching;

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
        $crate::suite!($engine, falling_back {
            what_falls_back_is_the_fallbacks,
            what_fell_back_outlives_a_crash,
            the_next_lane_of_the_target_is_not_given_it,
            the_other_steps_stay_where_they_are,
            what_fell_back_can_be_called_off,
            a_redrive_goes_to_the_target_of_the_step,
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
        $crate::suite!($engine, redriving {
            a_batch_tells_of_each_what_became_of_it,
            a_key_is_kept_over_redrives_until_a_new_one_is_asked_for,
            an_edited_body_is_sent_in_place_of_the_message_s,
            an_edited_body_counts_in_the_backlog,
            what_was_delivered_is_made_anew_while_its_request_is_kept,
            with_all_bodies_kept_what_has_ended_is_made_anew,
            of_two_batches_at_once_each_letter_is_in_one,
        });
        $crate::suite!($engine, candidates {
            what_ended_first_comes_first_page_by_page,
            a_place_stays_when_what_was_there_has_gone,
            a_filter_finds_what_fits_in_all,
            what_was_delivered_is_found_while_its_request_is_kept,
            what_only_history_tells_of_is_counted,
        });
        $crate::suite!($engine, jobs {
            a_job_goes_on_after_a_crash,
            a_job_s_counts_are_true_whoever_comes_in_between,
        });
        $crate::suite!($engine, by_hand {
            jobs_outlive_a_crash,
            what_is_set_for_a_target_outlives_a_crash,
            what_is_not_well_with_a_target_outlives_a_crash,
            audit_records_outlive_a_crash,
            a_change_is_noted_where_it_is_made,
            ended_jobs_and_audit_records_last_as_long_as_history,
        });
        $crate::suite!($engine, idempotency {
            of_equal_requests_at_once_one_is_accepted,
            a_repeated_request_is_told_what_it_was_accepted_as,
            a_key_outlives_a_crash,
            a_key_whose_time_is_over_is_free,
            a_refused_message_leaves_its_key_free,
            keys_are_their_scopes_own,
            other_keys_and_none_are_no_concern,
            a_group_with_a_taken_key_is_refused_whole,
            a_dropped_acceptance_leaves_no_key_behind,
        });
        $crate::suite!($engine, not_before {
            a_message_is_handed_out_at_its_time_and_not_before,
            its_time_outlives_a_crash,
            a_time_that_has_passed_is_none,
            it_waits_in_the_backlog,
        });
        $crate::suite!($engine, ordering {
            of_a_key_one_at_a_time_is_handed_out_in_the_order_of_acceptance,
            other_keys_and_none_flow_on,
            what_is_to_be_attempted_again_keeps_its_turn,
            what_is_not_due_yet_keeps_its_place,
            what_comes_next_waits_for_its_own_time,
            lines_outlive_a_crash,
            a_lane_that_comes_late_finds_the_lines,
            behind_a_dead_one_the_next_has_its_turn,
            a_dead_one_blocks_its_key_until_it_is_discarded,
            a_dead_one_blocks_its_key_until_it_is_made_anew,
            a_blocked_key_goes_on_when_its_dead_letter_is_forgotten,
            the_rest_of_a_key_is_dead_with_it,
            what_is_called_off_leaves_its_line,
            what_is_made_anew_stands_in_line,
            more_than_is_parked_keeps_its_order,
            lines_go_to_the_heir,
            schedules_with_crashes,
        });
        $crate::suite!($engine, cancelling {
            without_lanes_all_has_ended_at_once,
            what_waits_before_a_lane_ends_and_is_not_handed_out,
            what_a_lane_holds_ends_as_the_lane_says,
            a_lane_that_asks_is_woken,
            what_is_to_be_attempted_again_ends,
            what_is_let_go_after_all_ends,
            what_is_not_due_yet_ends,
            what_a_lane_leaves_behind_ends,
            a_cancel_among_many_leaves_the_others,
        });
        $crate::suite!($engine, cancelled {
            a_cancel_outlives_a_crash,
            what_has_ended_stays_as_it_is,
            a_redrive_after_the_cancel_is_not_cancelled,
            a_cancel_and_a_redrive_at_once_leave_nothing_behind,
            only_what_has_not_ended_can_be_called_off,
            it_is_forgotten_like_any_message,
        });
        $crate::suite!($engine, notices {
            a_target_is_told_once_of_each_end,
            a_notice_is_a_message,
            a_target_is_told_once_of_each_death,
            a_second_end_is_told_of_again,
            a_sender_is_told_where_it_wants,
            a_target_and_a_sender_are_both_told,
            the_end_of_a_cancelled_message_is_told_of,
            one_notice_is_made_whenever_the_process_dies,
        });
        $crate::suite!($engine, adopting {
            what_waits_goes_to_the_heir,
            what_was_never_attempted_keeps_its_order,
            what_is_accepted_later_goes_to_the_heir,
            what_is_scheduled_goes_to_the_heir,
            what_the_old_lane_has_ended_stays_ended,
            a_name_that_has_a_lane_is_not_given_away,
            the_old_name_is_but_another_name,
            an_heir_can_have_an_heir,
            dead_letters_go_to_the_heir,
            what_was_called_off_is_not_handed_to_the_heir,
            it_goes_on_after_a_crash,
        });
        $crate::suite!($engine, watching {
            a_watcher_is_told_what_happens_in_its_order,
            a_watcher_is_told_of_cancels,
            a_watcher_is_told_of_redrives,
            a_watcher_is_told_of_notices,
            a_slow_watcher_is_told_what_it_has_missed,
            a_watcher_learns_of_the_close,
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
            messages_that_are_called_off,
            crashes_between_cancels,
            what_falls_back_between_all_of_it,
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
