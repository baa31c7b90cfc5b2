//! Migrations of a brain without a run: the order in which they are found, and what
//! keeps a binary from starting.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use px_sdk::registry::{RegistryError, Source};
use px_sdk::{Brain, BrainDef, Builder, Cx, Next, Ready, Registry, Result, brain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

macro_rules! states {
    ($($state:ident),+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $state {
            way: String,
        }

        impl From<String> for $state {
            fn from(way: String) -> Self {
                Self { way }
            }
        }

        impl From<$state> for String {
            fn from(state: $state) -> Self {
                state.way
            }
        }
    )+};
}
states!(A, B, C, D);

/// A migration that leaves its mark.
fn mark<Old: Into<String>, New: From<String>>(mark: &'static str) -> impl Fn(Old) -> Result<New> {
    move |old| Ok(New::from(old.into() + mark))
}

async fn keep<S>(_cx: Cx, state: S) -> Result<Next<S>> {
    Ok(Next(state))
}

/// A brain of version 9 whose first step takes an `A`, and the others a `C`.
fn versions() -> Builder<A, C, Ready> {
    async fn turn(_cx: Cx, a: A) -> Result<Next<C>> {
        Ok(Next(C { way: a.way }))
    }
    brain("versions").version(9).step("turn", turn).step("keep", keep::<C>)
}

/// Marks of the migrations that bring a state of a version to what a step takes.
fn way(def: &BrainDef, step: usize, version: u32, at_input: bool) -> Option<String> {
    let path = def.migrations.path(&def.steps.get(step)?.state, version, at_input)?;
    serde_json::from_value::<A>(path.state(json!({"way": ""})).unwrap()).ok().map(|state| state.way)
}

fn of(builder: Builder<A, C, Ready>) -> BrainDef {
    let brain: Brain<A> = builder.build();
    Registry::of([(Source { file: "m.rs".into(), line: 3 }, brain.into_def())], [])
        .unwrap()
        .brain("versions")
        .unwrap()
        .as_ref()
        .clone()
}

#[test]
fn chains_go_upwards_from_the_version_that_was_stored() {
    let def = of(versions()
        .migrate_state::<B, C>(3, mark("3"))
        .migrate_state::<A, B>(2, mark("2"))
        // The same type, where only what it means has changed.
        .migrate_state::<C, C>(5, mark("5"))
        .migrate_state::<C, C>(4, mark("4")));
    for (version, expected) in [
        (1, Some("2345")),
        (2, Some("345")),
        (3, Some("45")),
        (4, Some("5")),
        (5, None),
        (8, None),
        (10, None),
    ] {
        assert_eq!(way(&def, 1, version, false).as_deref(), expected, "{version}");
        assert_eq!(way(&def, 0, version, true), None, "nothing leads to an `A`");
    }
}

#[test]
fn each_old_version_may_be_brought_over_at_once() {
    let def =
        of(versions().migrate_state::<A, C>(2, mark("from A")).migrate_state::<B, C>(3, mark("from B")));
    assert_eq!(way(&def, 1, 1, false).as_deref(), Some("from A"));
    assert_eq!(way(&def, 1, 2, false).as_deref(), Some("from B"));
}

#[test]
fn a_migration_of_the_input_is_for_the_first_step_and_goes_before_one_of_the_state() {
    let def = of(versions()
        .migrate_input::<D, A>(4, mark("input"))
        .migrate_state::<B, A>(4, mark("state"))
        .migrate_state::<A, A>(6, mark(" and on")));
    assert_eq!(way(&def, 0, 1, true).as_deref(), Some("input and on"));
    assert_eq!(way(&def, 0, 1, false).as_deref(), Some("state and on"));
    assert_eq!(way(&def, 0, 4, true).as_deref(), Some(" and on"));
}

#[test]
fn what_a_migration_makes_is_an_object_and_what_it_reads_is_named() {
    let def = of(versions().migrate_state::<B, C>(2, mark("2")));
    let path = def.migrations.path(&def.steps[1].state, 1, false).unwrap();
    let refused = path.state(json!({"road": 1})).unwrap_err().to_string();
    assert_eq!(refused, "what is stored is no `B`: missing field `way`");
    assert_eq!(
        path.item(Value::Null).unwrap_err().to_string().split(':').next(),
        Some("what is stored is no `B`")
    );
}

fn refusal(builder: Builder<A, C, Ready>) -> String {
    let brain: Brain<A> = builder.build();
    let source = Source { file: "m.rs".into(), line: 3 };
    let refused = Registry::of([(source, brain.into_def())], []).unwrap_err();
    assert!(matches!(refused, RegistryError::BadMigration { .. }), "{refused:?}");
    refused.to_string()
}

#[test]
fn two_migrations_of_one_type_and_version_are_refused_at_start() {
    let twice = versions().migrate_state::<A, C>(3, mark("")).migrate_state::<B, C>(3, mark(""));
    assert_eq!(
        refusal(twice),
        "Bad migration in brain 'versions'\n  - m.rs:3\n`.migrate_state::<A, C>(3, ..)` and \
         `.migrate_state::<B, C>(3, ..)` both bring what was stored before version 3 to a `C`, and px could not tell \
         which of the two it was: keep one of them, and put `.migrate(..)` before the step that needs the other."
    );
    // Also where they only meet further up.
    let later = versions()
        .migrate_state::<A, B>(3, mark(""))
        .migrate_state::<D, C>(3, mark(""))
        .migrate_state::<B, C>(4, mark(""));
    assert!(
        refusal(later).contains("`.migrate_state::<A, B>(3, ..)` and `.migrate_state::<D, C>(3, ..)` both")
    );
}

#[test]
fn a_migration_that_is_never_run_is_refused_at_start() {
    let early = versions().migrate_state::<B, C>(1, mark(""));
    assert!(refusal(early).contains("versions begin with 1, and no state is of a lower one"));
    let beyond = versions().migrate_state::<B, C>(10, mark(""));
    assert!(refusal(beyond).ends_with("which is of version 9: raise it by `.version(10)`."));
    let nowhere = versions().migrate_state::<A, D>(2, mark(""));
    assert!(refusal(nowhere).contains("`.migrate_state::<A, D>(2, ..)` leads nowhere: no step takes a `D`"));
    let no_input = versions().migrate_input::<B, C>(2, mark(""));
    assert!(refusal(no_input).contains("leads nowhere: the first step takes no `C`"));
}

#[test]
fn the_migrations_of_a_brain_inside_another_are_looked_at_too() {
    fn inner() -> Brain<C, C> {
        brain("inner").step("keep", keep::<C>).migrate_state::<B, C>(2, mark("")).build()
    }
    let outer = versions().brain("inside", inner, |c| C { way: c.way.clone() }, |_, c| c);
    assert!(refusal(outer).contains("belongs to version 2 of brain 'inner', which is of version 1"));
}

#[test]
fn a_type_that_only_an_arm_or_an_inner_brain_takes_is_taken() {
    fn inner() -> Brain<D, D> {
        brain("inner").step("keep", keep::<D>).build()
    }
    let def = of(versions()
        .brain("inside", inner, |c| D { way: c.way.clone() }, |c, _| c)
        .migrate_state::<B, D>(2, mark("")));
    assert_eq!(def.steps.len(), 3);
}

/// A migration of one step.
fn anew(_from: u32, _state: Value) -> Result<C> {
    Ok(C { way: String::new() })
}

#[test]
fn a_migration_that_no_step_takes_is_refused_at_start() {
    let behind = versions().migrate(anew);
    assert_eq!(
        refusal(behind),
        "Bad migration in brain 'versions'\n  - m.rs:3\n`.migrate(..)` stands behind the last step 'keep', and would \
         never be run: it belongs before the step that takes what it returns."
    );
    let twice = versions().migrate(anew).migrate(anew).step("last", keep::<C>);
    assert!(
        refusal(twice).contains("Two `.migrate(..)` stand before step 'last', and one of them would never")
    );
    let in_arm = versions().when("some", |_| true, |b| b.step("in", keep::<C>).migrate(anew));
    assert!(refusal(in_arm).contains("`.migrate(..)` stands behind the last step 'in'"));
    let in_turn = versions().repeat_until("some", |_| true, |b| b.step("in", keep::<C>).migrate(anew));
    assert!(refusal(in_turn).contains("`.migrate(..)` stands behind the last step 'in'"));
    let in_empty_arm = versions().when("some", |_| true, |b| b.migrate(anew));
    assert!(refusal(in_empty_arm).contains("`.migrate(..)` stands in a part without steps"));
    let of_the_first = versions().migrate(anew).step("last", keep::<C>).version(1);
    assert!(refusal(of_the_first).ends_with(
        "`.migrate(..)` before step 'last' is never run: brain 'versions' is of version 1, and no state is of a lower \
         one. Raise it by `.version(2)`."
    ));
    let in_first_arm =
        versions().when("some", |_| true, |b| b.migrate(anew).step("in", keep::<C>)).version(1);
    assert!(refusal(in_first_arm).contains("`.migrate(..)` before step 'in' is never run"));
    let good = versions().migrate(anew).step("a", keep::<C>).migrate(anew).when(
        "some",
        |_| true,
        |b| b.migrate(anew).step("b", keep::<C>),
    );
    assert_eq!(of(good).steps.len(), 4);
}
