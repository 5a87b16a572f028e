//! The store in memory against the conformance suite, but for what it does without: limits and
//! retention, and the help of a lane to end what that doesn't hold.

use std::sync::Arc;

use fanway_store::conformance::{self, Settings};
use fanway_store::{BoxFuture, Store, suite};
use fanway_testkit::MemoryStore;

/// A process that dies leaves all as it was: everything is durable at once.
struct Engine(MemoryStore);

impl conformance::Engine for Engine {
    fn new(_settings: Settings) -> Self {
        Self(MemoryStore::default())
    }

    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let store: Arc<dyn Store> = Arc::new(self.0.clone());
        Box::pin(std::future::ready(store))
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn settle(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

suite!(
    Engine,
    accepting {
        messages_reach_their_lane_in_the_order_of_acceptance,
        every_step_of_every_message_reaches_its_lane_once,
        a_group_is_taken_whole,
        a_plan_is_found_after_a_crash_and_messages_of_it_are_taken,
        what_was_accepted_outlives_a_crash,
        the_backlog_counts_what_waits_and_what_is_dead,
    }
);
suite!(
    Engine,
    lanes {
        a_target_has_one_lane_at_a_time,
        a_lane_takes_no_more_than_it_has_room_for,
        a_waiting_lane_is_woken_by_a_fresh_message,
        what_was_let_go_comes_again_when_it_is_due_and_not_before,
        progress_outlives_a_crash,
        what_is_kept_in_a_lane_is_not_handed_out_again,
        what_a_lane_held_goes_to_the_next_one,
        an_outcome_after_the_end_is_ignored,
        ended_deliveries_stay_ended_after_a_crash,
    }
);
suite!(
    Engine,
    falling_back {
        what_falls_back_is_the_fallbacks,
        what_fell_back_outlives_a_crash,
        the_next_lane_of_the_target_is_not_given_it,
        the_other_steps_stay_where_they_are,
        what_fell_back_can_be_called_off,
        a_redrive_goes_to_the_target_of_the_step,
    }
);
suite!(
    Engine,
    ordering {
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
        the_rest_of_a_key_is_dead_with_it,
        what_is_called_off_leaves_its_line,
        what_is_made_anew_stands_in_line,
        more_than_is_parked_keeps_its_order,
        lines_go_to_the_heir,
        schedules_with_crashes,
    }
);
suite!(
    Engine,
    looking_up {
        a_message_is_found_as_soon_as_it_is_accepted,
        nobody_finds_what_was_never_accepted,
        whoever_listens_learns_of_a_change,
        a_message_ends_when_its_last_delivery_has,
        a_step_that_is_not_critical_leaves_its_message_partial,
        what_a_message_shows_outlives_a_crash,
    }
);
suite!(
    Engine,
    dead_letters {
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
    }
);
suite!(
    Engine,
    closing {
        what_comes_after_the_close_is_refused,
        a_waiting_lane_learns_of_the_close,
    }
);
suite!(
    Engine,
    schedules {
        lanes_that_keep_up_and_fall_behind,
        lanes_that_come_and_go,
        crashes_between_all_of_it,
    }
);
suite!(
    Engine,
    redriving {
        a_batch_tells_of_each_what_became_of_it,
        a_key_is_kept_over_redrives_until_a_new_one_is_asked_for,
        an_edited_body_is_sent_in_place_of_the_message_s,
        with_all_bodies_kept_what_has_ended_is_made_anew,
        of_two_batches_at_once_each_letter_is_in_one,
    }
);
suite!(
    Engine,
    candidates {
        what_ended_first_comes_first_page_by_page,
        a_place_stays_when_what_was_there_has_gone,
        a_filter_finds_what_fits_in_all,
    }
);
suite!(
    Engine,
    jobs {
        a_job_goes_on_after_a_crash,
        a_job_s_counts_are_true_whoever_comes_in_between,
    }
);
suite!(
    Engine,
    by_hand {
        jobs_outlive_a_crash,
        what_is_set_for_a_target_outlives_a_crash,
        what_is_not_well_with_a_target_outlives_a_crash,
        audit_records_outlive_a_crash,
        a_change_is_noted_where_it_is_made,
    }
);
suite!(
    Engine,
    idempotency {
        of_equal_requests_at_once_one_is_accepted,
        a_repeated_request_is_told_what_it_was_accepted_as,
        a_key_outlives_a_crash,
        a_key_whose_time_is_over_is_free,
        keys_are_their_scopes_own,
        other_keys_and_none_are_no_concern,
        a_group_with_a_taken_key_is_refused_whole,
    }
);
suite!(
    Engine,
    not_before {
        a_message_is_handed_out_at_its_time_and_not_before,
        its_time_outlives_a_crash,
        a_time_that_has_passed_is_none,
        it_waits_in_the_backlog,
    }
);
suite!(
    Engine,
    cancelling {
        without_lanes_all_has_ended_at_once,
        what_waits_before_a_lane_ends_and_is_not_handed_out,
        what_a_lane_holds_ends_as_the_lane_says,
        what_is_to_be_attempted_again_ends,
        what_is_let_go_after_all_ends,
        what_is_not_due_yet_ends,
        what_a_lane_leaves_behind_ends,
        a_cancel_among_many_leaves_the_others,
    }
);
suite!(
    Engine,
    cancelled {
        a_cancel_outlives_a_crash,
        what_has_ended_stays_as_it_is,
        a_redrive_after_the_cancel_is_not_cancelled,
        a_cancel_and_a_redrive_at_once_leave_nothing_behind,
        only_what_has_not_ended_can_be_called_off,
    }
);
suite!(
    Engine,
    notices {
        a_target_is_told_once_of_each_end,
        a_notice_is_a_message,
        a_target_is_told_once_of_each_death,
        a_second_end_is_told_of_again,
        a_sender_is_told_where_it_wants,
        a_target_and_a_sender_are_both_told,
        the_end_of_a_cancelled_message_is_told_of,
        one_notice_is_made_whenever_the_process_dies,
    }
);
suite!(
    Engine,
    adopting {
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
    }
);
suite!(
    Engine,
    watching {
        a_watcher_is_told_what_happens_in_its_order,
        a_watcher_is_told_of_cancels,
        a_watcher_is_told_of_redrives,
        a_watcher_is_told_of_notices,
        a_slow_watcher_is_told_what_it_has_missed,
        a_watcher_learns_of_the_close,
    }
);
