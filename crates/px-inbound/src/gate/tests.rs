//! The gate: rooms, shares and rates, by a clock that each test turns itself.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn gate(limits: GateLimits, policies: &[(&str, Policy)]) -> Arc<Gate> {
    let policies = policies.iter().map(|(slug, policy)| ((*slug).to_owned(), policy.clone()));
    Gate::new(limits, policies.collect())
}

fn address(last: u32) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + last))
}

#[test]
fn room_is_kept_for_those_who_never_retry() {
    let limits = GateLimits { in_flight: 4, reserved: 2, ..GateLimits::default() };
    let never = Policy { never_retries: true, ..Policy::default() };
    let gate = gate(limits, &[("stripe", Policy::default()), ("github", never)]);
    let inside: Vec<_> = (0..2).map(|n| gate.enter("stripe", address(n), NOW).unwrap()).collect();
    assert_eq!(gate.enter("stripe", address(9), NOW).unwrap_err(), AdmissionDenied::Busy);
    let _github: Vec<_> = (0..2).map(|n| gate.enter("github", address(n), NOW).unwrap()).collect();
    assert_eq!(gate.enter("github", address(9), NOW).unwrap_err(), AdmissionDenied::Busy);
    drop(inside);
    gate.enter("stripe", address(9), NOW).unwrap_err();
    gate.enter("github", address(9), NOW).unwrap();
}

#[test]
fn one_slug_and_one_address_take_no_more_than_their_share() {
    let limits = GateLimits { in_flight_per_address: 2, ..GateLimits::default() };
    let small = Policy { in_flight: 3, ..Policy::default() };
    let gate = gate(limits, &[("a", small), ("b", Policy::default())]);
    let mut inside =
        vec![gate.enter("a", address(1), NOW).unwrap(), gate.enter("b", address(1), NOW).unwrap()];
    assert_eq!(gate.enter("b", address(1), NOW).unwrap_err(), AdmissionDenied::Busy);
    inside.push(gate.enter("a", address(2), NOW).unwrap());
    inside.push(gate.enter("a", address(3), NOW).unwrap());
    assert_eq!(gate.enter("a", address(4), NOW).unwrap_err(), AdmissionDenied::Busy);
    inside.push(gate.enter("b", address(4), NOW).unwrap());
    drop(inside);
    assert!(gate.state.lock().unwrap().by_address.is_empty());
}

#[test]
fn rates_refill_and_their_table_is_bounded() {
    let policy = Policy { per_second: Some(1_000_000), per_second_per_address: Some(2), ..Policy::default() };
    let limits = GateLimits { addresses: 100, ..GateLimits::default() };
    let gate = gate(limits, &[("a", policy)]);
    let come = |address, at| gate.enter("a", address, at).map(drop);
    assert_eq!(come(address(1), NOW), Ok(()));
    assert_eq!(come(address(1), NOW), Ok(()));
    assert_eq!(come(address(1), NOW), Err(AdmissionDenied::TooFast));
    assert_eq!(come(address(1), NOW.after(std::time::Duration::from_millis(500))), Ok(()));
    for n in 0..10_000 {
        come(address(n + 10), NOW).unwrap();
    }
    let state = gate.state.lock().unwrap();
    assert!(state.new_rates.len() + state.old_rates.len() <= 100);
}

#[test]
fn bodies_share_a_budget_and_lists_are_kept() {
    let limits = GateLimits { body_bytes: 10, spilled_bytes: 10, ..GateLimits::default() };
    let allow = vec!["10.0.0.0/8".parse().unwrap()];
    let gate = gate(limits, &[("a", Policy { allow, ..Policy::default() })]);
    let mut one = gate.enter("a", address(1), NOW).unwrap();
    let mut two = gate.enter("a", address(2), NOW).unwrap();
    one.hold(6).unwrap();
    assert_eq!(two.hold(6), Err(AdmissionDenied::Busy));
    drop(one);
    two.hold(6).unwrap();
    // What is on the disk is not in memory, and has a budget of its own.
    let mut three = gate.enter("a", address(1), NOW).unwrap();
    two.spill(6).unwrap();
    three.hold(10).unwrap();
    assert_eq!(three.spill(5), Err(AdmissionDenied::Busy));
    assert_eq!(two.hold(6), Err(AdmissionDenied::Busy));
    drop(three);
    two.hold(6).unwrap();
    two.unspill();
    gate.enter("a", address(1), NOW).unwrap().spill(10).unwrap();
    let outside = "192.0.2.1".parse().unwrap();
    assert_eq!(gate.enter("a", outside, NOW).unwrap_err(), AdmissionDenied::NotAllowed);
    let mapped = "::ffff:10.0.0.1".parse().unwrap();
    gate.enter("a", mapped, NOW).unwrap();
}

#[test]
fn one_address_and_one_webhook_leave_room_on_the_disk_for_others() {
    let limits = GateLimits { spilled_bytes: 80, ..GateLimits::default() };
    let gate = gate(limits, &[("a", Policy::default()), ("b", Policy::default())]);
    let enter = |slug, last| gate.enter(slug, address(last), NOW).unwrap();
    let spilled = |slug, last, bytes| {
        let mut permit = enter(slug, last);
        permit.spill(bytes).map(|()| permit)
    };
    // One alone may be larger than a share.
    let mut alone = spilled("a", 1, 15).unwrap();
    alone.spill(15).unwrap();
    assert_eq!(spilled("a", 1, 1).unwrap_err(), AdmissionDenied::Busy, "a quarter is an address's");
    let other = spilled("a", 2, 10).unwrap();
    assert_eq!(spilled("a", 3, 1).unwrap_err(), AdmissionDenied::Busy, "a half is a webhook's");
    let elsewhere = spilled("b", 3, 10).unwrap();
    alone.unspill();
    spilled("a", 1, 20).unwrap();
    drop((alone, other, elsewhere));
    let state = gate.state.lock().unwrap();
    assert!(state.spilled_bytes == 0 && state.by_slug.values().all(|inside| inside.spilled_bytes == 0));
}

#[test]
fn whole_forms_leave_memory_to_other_deliveries() {
    let limits = GateLimits { body_bytes: 80, ..GateLimits::default() };
    let gate = gate(limits, &[("a", Policy::default())]);
    let form = |last, bytes| {
        let mut permit = gate.enter("a", address(last), NOW).unwrap();
        permit.spill(bytes).unwrap();
        permit.hold_spilled().map(|()| permit)
    };
    let large = form(1, 50).unwrap();
    assert_eq!(form(2, 1).unwrap_err(), AdmissionDenied::Busy);
    gate.enter("a", address(3), NOW).unwrap().hold(30).unwrap();
    drop(large);
    let forms = [form(1, 20).unwrap(), form(2, 20).unwrap()];
    assert_eq!(form(3, 1).unwrap_err(), AdmissionDenied::Busy);
    drop(forms);
    assert_eq!(gate.state.lock().unwrap().form_bytes, 0);
}
