//! Secrets of configured hooks that take the place of others, over restarts.

mod rig;

use std::time::Duration;

use px_core::Timestamp;
use px_outbound::guard::Policy;
use px_outbound::operate::Spec;
use rig::Rig;
use secrecy::SecretString;

const DAY: Duration = Duration::from_hours(24);

/// The secret of a configured hook that the store has was set anew while px was down.
#[tokio::test]
async fn a_configured_secret_signs_on_for_the_grace_that_is_left_and_one_that_others_know_does_not() {
    let mut rig = Rig::new();
    rig.restart_with(Policy::public());
    let values = ["Zmlyc3Rz", "c2Vjb25k", "dGhpcmRz"];
    let values = values.map(|text| SecretString::from(format!("whsec_{}", text.repeat(4))));
    let configure = async |value: &SecretString, old: Vec<(SecretString, Timestamp)>| {
        let mut spec = Spec::to("https://receiver.example/hook");
        (spec.name, spec.secret) = ("billing".into(), Some(value.clone()));
        px_outbound::operate::configure(&rig.operator, vec![spec], &[], &move |_| old.clone()).await.unwrap();
        rig.operator.hooks().unwrap().remove(0).secrets
    };
    let now = rig.operator.parts().clock.now();
    let [first, second, third] = values;
    assert!(configure(&first, Vec::new()).await.old.is_empty());
    let old = vec![(first.clone(), now.after(DAY))];
    let secrets = configure(&second, old.clone()).await;
    assert_eq!(secrets.old.iter().map(|old| old.until).collect::<Vec<_>>(), [now.after(DAY)]);
    // Another start, in which nothing has changed.
    assert_eq!(configure(&second, old.clone()).await.old, secrets.old);
    // Those before are known to others by now, beside the same value and beside another.
    assert!(configure(&second, Vec::new()).await.old.is_empty());
    configure(&first, vec![(second.clone(), now.after(DAY))]).await;
    assert!(configure(&third, Vec::new()).await.old.is_empty());
    // One that the store has never had before this one is replaced at once.
    assert!(configure(&second, vec![(first, now.after(DAY))]).await.old.is_empty());
}
