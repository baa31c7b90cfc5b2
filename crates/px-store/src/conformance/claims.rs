//! Claims in the suite of every store: who gets a ready run, and who does not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use px_core::run::Command;
use px_core::{RunId, Timestamp};

use super::driver::Driver;
use super::{SCOPE, block_on};
use crate::batch::{Conflict, Outcome};
use crate::claim::{ClaimRequest, Claimed};
use crate::model::Work;
use crate::store::Store;

/// Claims at most so many of these runs for a member.
fn claim(driver: &Driver, owner: u64, (runs, at_most): (&[RunId], usize), except: &[&str]) -> Vec<Claimed> {
    let except: BTreeSet<String> = except.iter().map(|brain| (*brain).to_owned()).collect();
    let fences = || driver.ids.version(Timestamp::from_millis(driver.now));
    let request = ClaimRequest { scope: SCOPE, owner, runs, at_most, except: &except, fences: &fences };
    block_on(driver.store.claim(request)).expect("the store claims")
}

fn runs(claims: &[Claimed]) -> Vec<RunId> {
    claims.iter().map(|claimed| claimed.record.run.id).collect()
}

/// Gives a ready run to this owner, whoever had it.
fn give(driver: &mut Driver, run: RunId, owner: u64) {
    let fence = driver.ids.version(Timestamp::from_millis(driver.now));
    let mut draft = driver.draft();
    draft.put_work(run, fence, Work { owner: Some(owner), ..Work::default() });
    let batch = draft.into_batch();
    assert!(matches!(driver.commit(batch), Outcome::Committed { .. }));
}

/// A run that is free is won once, under a new fence that its commits demand
/// from then on; one that another member owns is never won.
pub fn a_free_run_is_claimed_once_and_an_owned_one_never(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let (run, other) = (driver.start("one"), driver.start("one"));
    give(&mut driver, other, 9);
    let before = block_on(store.work_of(SCOPE, run)).unwrap().expect("ready work");
    let claims = claim(&driver, 1, (&[other, run], 9), &[]);
    assert_eq!(runs(&claims), [run]);
    let claimed = claims.first().expect("one");
    assert_eq!(claimed.work, Work { owner: Some(1), ..before.record });
    let row = block_on(store.work_of(SCOPE, run)).unwrap().expect("its row");
    assert_eq!((row.version, &row.record), (claimed.fence, &claimed.work), "it is durable");
    assert_ne!(claimed.fence, before.version);
    assert_eq!(Some(&claimed.record), block_on(store.run(SCOPE, run)).unwrap().as_ref());
    assert!(claim(&driver, 2, (&[run, other], 9), &[]).is_empty(), "both have owners");
    let mut draft = driver.draft();
    draft.fence(run, before.version);
    draft.put_work(run, 7, Work::default());
    let stale = draft.into_batch();
    assert_eq!(driver.commit(stale), Outcome::Conflict(Conflict::Fence(run)));
}

/// A member that asks for a run of its own gets it under a new fence.
pub fn a_member_claims_its_own_run_anew(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let run = driver.start("one");
    let (first, second) = (claim(&driver, 1, (&[run], 1), &[]), claim(&driver, 1, (&[run], 1), &[]));
    let fences: Vec<u64> = first.iter().chain(&second).map(|claimed| claimed.fence).collect();
    let row = block_on(store.work_of(SCOPE, run)).unwrap().expect("its row");
    assert!(matches!(fences.as_slice(), [before, now] if before != now && *now == row.version), "{fences:?}");
    assert_eq!(row.record.owner, Some(1));
}

/// Runs are won in the order of the request, no more than were asked for, none of
/// a brain that is left to others, and none that is ready no more.
pub fn what_a_claim_leaves_stays_free(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let ready: Vec<RunId> = (0..4).map(|_| driver.start("one")).collect();
    let (elsewhere, ended) = (driver.start("other"), driver.start("one"));
    driver.command(ended, Command::Cancel { reason: None }).unwrap();
    let mut wanted = vec![elsewhere, ended, RunId::from_bytes([9; 16])];
    wanted.extend(ready.iter().rev());
    assert!(claim(&driver, 1, (&wanted, 0), &[]).is_empty());
    let some = runs(&claim(&driver, 1, (&wanted, 3), &["other"]));
    let rest = runs(&claim(&driver, 2, (&wanted, 3), &["other"]));
    assert_eq!(some.iter().chain(&rest).collect::<Vec<_>>(), ready.iter().rev().collect::<Vec<_>>());
    assert_eq!((some.len(), rest.len()), (3, 1), "who is too late gets what is left");
    let row = block_on(store.work_of(SCOPE, elsewhere)).unwrap().expect("its row");
    assert_eq!(row.record.owner, None);
    assert_eq!(runs(&claim(&driver, 3, (&wanted, 9), &[])), [elsewhere]);
}

/// Members that ask for the same runs at the same time share them out: none is
/// won twice, and none is lost.
pub fn members_that_claim_at_once_win_each_run_once(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let ready: Vec<RunId> = (0..24).map(|_| driver.start("one")).collect();
    let (driver, wanted) = (&driver, ready.as_slice());
    let won: Vec<RunId> = thread::scope(|scope| {
        let members: Vec<_> = [1, 2, 3, 4]
            .map(|member| {
                scope.spawn(move || {
                    let mut won: Vec<RunId> = Vec::new();
                    loop {
                        // As an engine does, it asks for none that it has already.
                        let open: Vec<RunId> =
                            wanted.iter().filter(|run| !won.contains(run)).copied().collect();
                        let claims = claim(driver, member, (&open, 3), &[]);
                        if claims.is_empty() {
                            return won;
                        }
                        won.extend(runs(&claims));
                    }
                })
            })
            .into_iter()
            .collect();
        members.into_iter().flat_map(|member| member.join().expect("a member")).collect()
    });
    assert_eq!(won.len(), ready.len());
    assert_eq!(won.into_iter().collect::<BTreeSet<_>>(), ready.into_iter().collect());
}
