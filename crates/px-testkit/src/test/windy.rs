//! One life of a scenario: a world in which deliveries are held up, doubled and
//! overtaken, and times pass unnoticed, as a list of troubles says.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use px_core::KvId;
use px_sdk::Brain;
use px_store::RunFilter;
use serde::Serialize;
use serde_json::{Map, Value};

use super::kv::Kv;
use super::process::Request;
use super::run::Run;
use super::weather::Trouble;
use super::world::World;

/// Maximum number of rounds in which a scenario is brought to rest; work that is left after them is
/// reported as stuck.
const ROUNDS: usize = 20;

/// An act of a scenario, by which troubles are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Start,
    Post,
    Skip,
}

/// A delivery that is still on its way.
struct Held {
    number: usize,
    request: Request,
    /// The deed after which it arrives; at the end, if `None`.
    after: Option<usize>,
}

/// A world with bad weather. A scenario says what happens, and the weather when
/// and how often.
pub struct Windy {
    world: World,
    troubles: Vec<Trouble>,
    deeds: RefCell<Vec<Deed>>,
    held: RefCell<Vec<Held>>,
    /// The deliveries that were answered with 2xx.
    told: RefCell<Vec<px_core::DeliveryId>>,
    unnoticed: Cell<Option<usize>>,
    is_calm: Cell<bool>,
}

impl fmt::Debug for Windy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windy").field("troubles", &self.troubles).finish_non_exhaustive()
    }
}

impl Windy {
    pub(super) fn of(world: World, troubles: Vec<Trouble>) -> Self {
        Self {
            world,
            troubles,
            deeds: RefCell::default(),
            held: RefCell::default(),
            told: RefCell::default(),
            unnoticed: Cell::new(None),
            is_calm: Cell::new(false),
        }
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        self.deeds.borrow().clone()
    }

    /// Starts a run.
    #[track_caller]
    pub fn start<I: Serialize, O>(&self, brain: impl Fn() -> Brain<I, O>, input: I) -> Run {
        let number = self.begin(Deed::Start, &format!("start {}", brain().title()));
        let run = self.world.inner.start(brain, input, Map::<String, Value>::new());
        self.end(number);
        Run::new(Rc::clone(&self.world.inner), run)
    }

    /// Sends JSON to a webhook, sooner or later.
    #[track_caller]
    pub fn post<P: Serialize>(&self, slug: &str, payload: P) {
        self.post_with(slug, &[], payload);
    }

    /// Sends JSON with these headers to a webhook, sooner or later.
    #[track_caller]
    pub fn post_with<P: Serialize>(&self, slug: &str, headers: &[(&str, &str)], payload: P) {
        self.request(Request::json(slug, headers, payload));
    }

    /// Sends a urlencoded form to a webhook, sooner or later.
    #[track_caller]
    pub fn post_form(&self, slug: &str, form: &str) {
        self.request(Request::form(slug, form));
    }

    #[track_caller]
    fn request(&self, request: Request) {
        let number = self.begin(Deed::Post, &format!("post {}", request.slug));
        let hold = |after| self.held.borrow_mut().push(Held { number, request: request.clone(), after });
        if self.has(Trouble::Late(number)) {
            self.world.inner.tell("  it is on its way until the end".into());
            hold(None);
        } else if self.has(Trouble::Overtaken(number)) {
            self.world.inner.tell("  it is overtaken by what comes next".into());
            hold(Some(number + 1));
        } else {
            self.deliver(&request);
            if self.has(Trouble::Twice(number)) {
                self.world.inner.tell("  and again".into());
                self.deliver(&request);
            }
        }
        if self.has(Trouble::AgainAtTheEnd(number)) {
            hold(None);
        }
        self.end(number);
    }

    #[track_caller]
    fn deliver(&self, request: &Request) {
        let answered = self.world.inner.post(request);
        self.world.inner.tell(format!("  {} {}", answered.status(), answered.action()));
        assert!(answered.status() < 300, "webhook '{}' answers {}", request.slug, answered.answer().body);
        self.told.borrow_mut().extend(answered.answer().delivery);
    }

    /// Presses a button of a signed link's page. A link is there once its step has run, so
    /// that this is neither early nor overtaken.
    #[track_caller]
    pub(super) fn press(&self, link: &str, label: &str) {
        let number = self.begin(Deed::Post, &format!("answer a link by '{label}'"));
        self.world.inner.settle();
        let times = if self.has(Trouble::Twice(number)) { 2 } else { 1 };
        for _ in 0..times {
            let answered = self.world.press(link, label);
            self.world.inner.tell(format!("  {:?}", answered.as_ref().map(|one| one.state)));
            self.told.borrow_mut().extend(answered.and_then(|one| one.answer.delivery));
        }
        self.end(number);
    }

    /// Lets time pass.
    #[track_caller]
    pub fn skip(&self, time: Duration) {
        let number = self.begin(Deed::Skip, &format!("{time:?} pass"));
        self.world.inner.advance(time);
        if self.has(Trouble::Unnoticed(number)) {
            self.world.inner.tell("  nobody notices yet".into());
            self.unnoticed.set(Some(number + 1));
        } else {
            self.world.inner.ring();
        }
        self.end(number);
    }

    /// A value that outlives runs of a brain, as [`Cx::kv`](px_sdk::Cx::kv) has it in a step.
    #[must_use]
    pub fn kv<I, O>(&self, brain: impl FnOnce() -> Brain<I, O>, key: impl Into<String>) -> Kv {
        Kv::new(Rc::clone(&self.world.inner), KvId::shared(brain().title(), key))
    }

    /// The runs of a brain, oldest first.
    #[must_use]
    #[track_caller]
    pub fn runs_of<I, O>(&self, brain: impl FnOnce() -> Brain<I, O>) -> Vec<Run> {
        self.world.runs_of(brain)
    }

    /// The world itself, to look at it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }

    #[track_caller]
    fn begin(&self, deed: Deed, what: &str) -> usize {
        self.deeds.borrow_mut().push(deed);
        let number = self.deeds.borrow().len();
        if !self.has(Trouble::Early(number)) {
            self.world.inner.settle();
        }
        let early = if self.has(Trouble::Early(number)) { ", before anything has run" } else { "" };
        self.world.inner.tell(format!("{number}. {what}{early}"));
        number
    }

    #[track_caller]
    fn end(&self, number: usize) {
        if self.unnoticed.get().is_some_and(|until| until <= number) {
            self.unnoticed.set(None);
            self.world.inner.ring();
        }
        self.arrive(|held| held.after.is_some_and(|after| after <= number));
    }

    #[track_caller]
    fn arrive(&self, which: impl Fn(&Held) -> bool) {
        let (now, later): (Vec<_>, Vec<_>) = self.held.take().into_iter().partition(|held| which(held));
        self.held.replace(later);
        for held in now {
            self.world.inner.tell(format!("  delivery {} arrives", held.number));
            self.deliver(&held.request);
        }
    }

    /// Ends the troubles: what is on its way arrives, what is ready runs, what
    /// is due rings, and then the ledger must add up. A scenario that looks at
    /// what has come of it calls this first.
    ///
    /// # Panics
    /// It does not add up, or a run neither waits nor ends.
    #[track_caller]
    pub fn calm(&self) {
        if self.is_calm.replace(true) {
            return;
        }
        let inner = &self.world.inner;
        inner.settle();
        self.arrive(|_| true);
        inner.settle();
        inner.ring();
        inner.settle();
        inner.disarm();
        for _ in 0..ROUNDS {
            inner.ring();
            inner.settle();
        }
        self.world.expect_sound();
        let inbox = inner.live(async |world| world.inbox().await);
        for told in &*self.told.borrow() {
            let kept = inbox.iter().any(|delivery| delivery.id == *told);
            assert!(kept, "{told} was answered with 2xx, and is not in the inbox");
        }
        let runs = inner.live(async |world| {
            let filter = RunFilter::default();
            Ok(world.rows().runs(px_core::Scope::default(), &filter, None, 1_000).await?)
        });
        for record in runs.items {
            let run = Run::new(Rc::clone(inner), record.run.id);
            // A step that is to be tried again waits for its time.
            assert!(run.rests() || record.run.retry_at.is_some(), "a run does not rest\n{}", run.story());
        }
    }
}
