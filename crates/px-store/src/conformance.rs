//! The suite that every [`Store`] must pass. A store instantiates it with
//! [`store_conformance!`](crate::store_conformance) in its own tests:
//!
//! ```ignore
//! px_store::store_conformance!(open_store);   // a `fn() -> (Arc<dyn Store>, Guard)`
//! ```
//!
//! Beside it stands [`differential`], which drives two stores with one random
//! stream of operations and compares every reply and the final snapshot.

mod claims;
mod differential;
mod driver;
mod files;
mod inbox;
mod keys;
mod kv;
mod lists;
mod outbox;
mod runs;
mod secret_key;
mod secrets;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use px_core::Scope;
use px_core::run::{BrainInfo, Catalog};

pub use differential::{Dice, differential};
pub use driver::{Driver, key};

/// Runs a future to its end on this thread. Stores answer from threads of
/// their own, or at once.
///
/// # Panics
/// If the future is not done after a minute: a store that does not answer.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Thread(std::thread::Thread);
    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    for _ in 0..600 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("the store does not answer");
}

/// The brains of these tests: one step, whatever its title.
#[derive(Debug)]
pub struct AnyBrain;

impl Catalog for AnyBrain {
    fn brain(&self, title: &str) -> Option<BrainInfo> {
        let step = px_core::event::StepInfo { title: "step".into(), kind: px_core::event::StepKind::Step };
        Some(BrainInfo { title: title.into(), description: None, version: 1, steps: vec![step] })
    }

    fn early(&self, _slug: &str) -> Option<Duration> {
        Some(Duration::from_secs(3600))
    }
}

const SCOPE: Scope = Scope(0);

/// The cases: what a store answers must hold over commits, conflicts and reads.
pub mod cases {
    pub use super::claims::{
        a_free_run_is_claimed_once_and_an_owned_one_never, a_member_claims_its_own_run_anew,
        members_that_claim_at_once_win_each_run_once, what_a_claim_leaves_stays_free,
    };
    pub use super::files::the_files_of_a_delivery_are_there_with_it;
    pub use super::inbox::{
        events_that_lie_apart_change_one_by_one, what_changed_meanwhile_is_not_forgotten,
        what_is_forgotten_is_nowhere, what_is_remembered_is_changed_as_it_was_read,
        what_is_set_aside_is_found_by_its_id,
    };
    pub use super::keys::{
        a_delivery_that_changed_is_a_conflict, a_key_that_changed_is_a_conflict,
        a_known_provider_id_is_a_conflict, a_line_is_read_by_place_by_token_and_by_id, events_and_waits_meet,
    };
    pub use super::kv::{
        a_brain_has_no_more_values_than_it_may, a_value_is_written_over_the_version_that_was_read,
        values_are_listed_in_the_order_of_their_names,
    };
    pub use super::lists::{
        a_run_between_two_attempts_is_listed_as_running, commits_are_numbered,
        keys_and_timers_are_looked_through_in_pages, lists_are_filtered_and_page, runs_are_found_by_label,
        runs_are_found_by_what_they_hold, tables_are_scanned_in_pages,
    };
    pub use super::outbox::{
        a_run_has_a_hook_of_its_own, hooks_change_under_a_precondition, what_happens_is_told_in_its_commit,
        what_is_due_is_found_by_lane_and_time,
    };
    pub use super::runs::{
        a_commit_comes_behind_an_earlier_one_of_its_run, a_demanded_run_that_changed_is_a_conflict,
        a_long_log_is_read_from_any_place, a_run_and_its_log_are_read_back, a_stale_fence_commits_nothing,
        reminders_of_a_wait_have_one_timer, timers_are_found_when_due,
    };
    pub use super::secret_key::the_check_of_the_key_is_written_once;
    pub use super::secrets::a_secret_changes_only_as_it_was_read;
}

/// Instantiates the suite for a store: `$open` is a `fn() -> (Arc<dyn Store>, Guard)`
/// that opens an empty one, and whose guard lives as long as it is used.
#[macro_export]
macro_rules! store_conformance {
    ($open:path) => {
        $crate::store_conformance!(@cases $open:
            a_run_and_its_log_are_read_back, a_long_log_is_read_from_any_place,
            a_key_that_changed_is_a_conflict, a_demanded_run_that_changed_is_a_conflict, a_delivery_that_changed_is_a_conflict,
            a_known_provider_id_is_a_conflict, a_line_is_read_by_place_by_token_and_by_id,
            a_stale_fence_commits_nothing, a_commit_comes_behind_an_earlier_one_of_its_run, events_and_waits_meet,
            a_free_run_is_claimed_once_and_an_owned_one_never, a_member_claims_its_own_run_anew,
            what_a_claim_leaves_stays_free, members_that_claim_at_once_win_each_run_once, timers_are_found_when_due, reminders_of_a_wait_have_one_timer,
            events_that_lie_apart_change_one_by_one, lists_are_filtered_and_page,
            a_run_between_two_attempts_is_listed_as_running, runs_are_found_by_label,
            runs_are_found_by_what_they_hold, keys_and_timers_are_looked_through_in_pages, tables_are_scanned_in_pages, commits_are_numbered,
            what_happens_is_told_in_its_commit, a_run_has_a_hook_of_its_own,
            what_is_forgotten_is_nowhere, what_changed_meanwhile_is_not_forgotten,
            what_is_remembered_is_changed_as_it_was_read, what_is_set_aside_is_found_by_its_id,
            what_is_due_is_found_by_lane_and_time, hooks_change_under_a_precondition,
            the_check_of_the_key_is_written_once, a_value_is_written_over_the_version_that_was_read,
            a_brain_has_no_more_values_than_it_may, values_are_listed_in_the_order_of_their_names,
            a_secret_changes_only_as_it_was_read, the_files_of_a_delivery_are_there_with_it);
    };
    (@cases $open:path: $($case:ident),+) => {
        $(
            #[test]
            fn $case() {
                let (store, _guard) = $open();
                $crate::conformance::cases::$case(store);
            }
        )+
    };
}
