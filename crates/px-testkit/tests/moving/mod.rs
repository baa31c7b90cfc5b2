//! A brain of every shape that keeps a state: steps that wait, an arm, a loop, a
//! brain inside it, a list. It exists in three versions, each with another state.
//! A migration leaves a mark in the state, so that one that is run twice shows.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared by several tests")]

use std::sync::Arc;

use px_core::{Run, RunId};
use px_sdk::registry::Source;
use px_sdk::{
    Brain, BrainDef, Builder, Cx, Input, ItemResult, Next, Ready, Registry, Result, Waiting, brain, items,
    wait_for,
};
use px_testkit::{World, WorldError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::project::{Text, event, mail, registry};

/// A state, in whatever version.
pub trait Deal: Input + Clone {
    type Stamp: Stamp;
    fn key(&self) -> String;
    fn marks(&mut self) -> &mut Vec<String>;

    fn without_marks(&self) -> Self {
        let mut fresh = self.clone();
        fresh.marks().clear();
        fresh
    }

    fn and(mut self, mark: impl Into<String>) -> Self {
        self.marks().push(mark.into());
        self
    }
}

/// The result of an item, in whatever version.
pub trait Stamp: ItemResult {
    fn new(item: u32) -> Self;
    fn text(&self) -> String;
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Deal1 {
    pub key: String,
    pub name: String,
    pub marks: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deal2 {
    pub key: String,
    pub names: Vec<String>,
    pub marks: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deal3 {
    pub key: String,
    pub first: String,
    pub last: String,
    pub marks: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Stamp1 {
    text: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp3 {
    texts: Vec<String>,
}

impl Stamp for Stamp1 {
    fn new(item: u32) -> Self {
        Self { text: format!("stamp {item}") }
    }
    fn text(&self) -> String {
        self.text.clone()
    }
}

impl Stamp for Stamp3 {
    fn new(item: u32) -> Self {
        Self { texts: vec![format!("stamp {item}")] }
    }
    fn text(&self) -> String {
        self.texts.join(" and ")
    }
}

macro_rules! deals {
    ($($deal:ident $stamp:ident),+) => {$(
        impl Deal for $deal {
            type Stamp = $stamp;
            fn key(&self) -> String {
                self.key.clone()
            }
            fn marks(&mut self) -> &mut Vec<String> {
                &mut self.marks
            }
        }
    )+};
}
deals!(Deal1 Stamp1, Deal2 Stamp1, Deal3 Stamp3);

pub fn deal(key: &str) -> Deal1 {
    Deal1 { key: key.into(), name: "Ada Lovelace".into(), marks: Vec::new() }
}

async fn ask<D: Deal>(_cx: Cx, deal: D) -> Result<Waiting<D, Text>> {
    let on = mail::on(deal.key());
    Ok(wait_for(deal, on))
}

async fn hear<D: Deal>(_cx: Cx, deal: D, text: Text) -> Result<Next<D>> {
    Ok(Next(deal.and(text.text)))
}

async fn stamp<D: Deal>(_cx: Cx, item: u32) -> Result<D::Stamp> {
    Ok(D::Stamp::new(item))
}

async fn close<D: Deal>(_cx: Cx, deal: D) -> Result<Next<D>> {
    Ok(Next(deal.and("closed")))
}

/// Texts that a run takes until it is complete.
pub const TEXTS: [&str; 5] = ["opened", "checked", "first turn", "last turn", "inspected"];

fn is_last_turn<D: Deal>(deal: &D) -> bool {
    deal.clone().marks().iter().any(|mark| mark == "last turn")
}

/// Keeps version 1, whatever the brain around it does.
pub fn inspection<D: Deal>() -> Brain<D, D> {
    brain("inspection").step("ask", ask::<D>).step("hear", hear::<D>).build()
}

fn moving<D: Deal>(inspection: fn() -> Brain<D, D>) -> Builder<D, D, Ready> {
    brain("moving")
        .step("ask", ask::<D>)
        .step("hear", hear::<D>)
        .when("is old", |_: &D| true, |b| b.step("ask", ask::<D>).step("hear", hear::<D>))
        .repeat_until("turn", is_last_turn::<D>, |b| b.step("ask", ask::<D>).step("hear", hear::<D>))
        .brain("inspect", inspection, D::without_marks, |outer: D, mut inner: D| {
            let around = outer.clone().marks().join(", ");
            std::mem::take(inner.marks()).into_iter().fold(outer, D::and).and(format!("around: {around}"))
        })
        .map("stamp", items(|_: &D| vec![1, 2, 3], stamp::<D>).parallel(1), |deal: D, stamps| {
            stamps.into_iter().fold(deal, |deal, stamp| deal.and(stamp.text()))
        })
        .step("close", close::<D>)
}

pub fn up_to_2(old: Deal1) -> Result<Deal2> {
    let names = old.name.split(' ').map(str::to_owned).collect();
    Ok(Deal2 { key: old.key, names, marks: old.marks }.and("1 to 2"))
}

pub fn up_to_3(old: Deal2) -> Result<Deal3> {
    let mut names = old.names.into_iter();
    let (first, last) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    Ok(Deal3 { key: old.key, first, last, marks: old.marks }.and("2 to 3"))
}

pub fn first() -> Brain<Deal1, Deal1> {
    moving(inspection).build()
}

pub fn second() -> Brain<Deal2, Deal2> {
    moving(inspection).version(2).migrate_state(2, up_to_2).build()
}

pub fn third() -> Brain<Deal3, Deal3> {
    moving(inspection)
        .version(3)
        .migrate_state::<Deal2, Deal3>(3, up_to_3)
        .migrate_state::<Deal1, Deal2>(2, up_to_2)
        .migrate_state::<Stamp1, Stamp3>(3, |old| Ok(Stamp3 { texts: vec![old.text, "moved".into()] }))
        .build()
}

/// A registry of one brain, with the webhooks of the project.
pub fn deployed(def: BrainDef) -> Registry {
    let source = Source { file: "moving/mod.rs".into(), line: 1 };
    let base = registry();
    let webhooks = base.webhooks().map(|webhook| (webhook.source.clone(), (*webhook.def).clone()));
    Registry::of([(source, def)], webhooks.collect::<Vec<_>>()).unwrap()
}

/// A world over the rows of another one, with another version of the brain. Its
/// ids follow on those that the other has made.
pub fn redeploy(world: &World, def: BrainDef, number: u64) -> World {
    World::over(deployed(def), Arc::clone(world.rows()), number << 32).unwrap()
}

/// Posts the texts from one on, each once however often it is asked: a text that the
/// run has taken is a duplicate.
pub async fn post(world: &World, texts: &[&str]) -> std::result::Result<(), WorldError> {
    for text in texts {
        world.settle().await?;
        world.post("mail", &event(text, "k", text, "resume")).await?;
    }
    world.settle().await
}

/// The run as it is stored, also where the process is dead.
pub async fn stored(world: &World, run: RunId) -> Run {
    let record = px_store::Store::run(&**world.rows(), px_core::Scope::default(), run).await.unwrap();
    Run::clone(&record.unwrap().run)
}
