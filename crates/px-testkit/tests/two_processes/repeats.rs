//! Deliveries that are the same, at two processes.

use super::*;

#[test]
fn rule_19_equal_bodies_at_two_processes_have_one_effect() {
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 1)?;
        equal("duplicates", count(world, InboxState::Duplicate).await, 1)
    };
    Scene { before: async |_: &World| {}, acts: [vote, vote], holds }.holds_but_for(&[Bug::DedupForced]);
}

#[test]
fn rule_19_equal_bodies_after_their_window_have_one_more_effect() {
    let before = async |world: &World| {
        world.post("votes", &Note { id: "yes".into() }).await.unwrap();
        world.clock().advance(2 * HOUR);
    };
    let holds = async |world: &World| {
        equal("effects", effects(world).await, 2)?;
        equal("duplicates", count(world, InboxState::Duplicate).await, 1)
    };
    Scene { before, acts: [vote, vote], holds }.holds_but_for(&[Bug::DedupForced]);
}
