//! Values that outlive runs, as a step sees them. What a step writes is kept here until its result is
//! committed, and goes into that commit; what it has read says what that commit demands.
//!
//! Three kinds of use differ in what a change by another run means. What a step has **read** has led to
//! its result, so the step must run again. What it **sets** without reading is as right over any other
//! value. What it **updates** is a function, which is applied again to what is there by then.
//!
//! This file refuses to know how values are stored, and when the engine tries again.

mod writes;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use px_core::{KvId, json_exceeds};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::finite;
use crate::in_effect::is_in_effect;

pub use writes::{KvLost, KvWrites};

/// Maximum number of values that one execution of a step reads or writes.
const MAX_TOUCHED: usize = 1_000;

/// Maximum number of updates that one execution of a step makes.
const MAX_UPDATES: usize = 10_000;

/// The value that is there, to the one from then on.
type Update = Arc<dyn Fn(Option<Value>) -> Result<Value> + Send + Sync>;

/// A value as it was last committed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KvRead {
    /// Its version; 0 if there is none.
    pub version: u64,
    /// The value, if there is one.
    pub value: Option<Value>,
}

/// The writes of one value.
#[derive(Clone, Default)]
enum Op {
    /// None.
    #[default]
    Keep,
    /// It is this from then on; none if it is removed.
    Set(Option<Value>),
    /// It is what these functions make of it: this, over the value that was read.
    Update(Vec<Update>, Value),
}

/// A value that a step has read or written.
#[derive(Clone, Default)]
struct Touched {
    /// As it was read first.
    read: Option<KvRead>,
    /// True if the step was given something that follows from what was read.
    is_seen: bool,
    op: Op,
}

impl Touched {
    /// The value as the step sees it.
    fn current(&self) -> Option<Value> {
        match &self.op {
            Op::Keep => self.read.as_ref().and_then(|read| read.value.clone()),
            Op::Set(value) => value.clone(),
            Op::Update(_, value) => Some(value.clone()),
        }
    }

    /// True if what the step sees does not follow from what was read.
    fn is_known(&self) -> bool {
        self.read.is_some() || matches!(self.op, Op::Set(_))
    }
}

/// The values that one execution of a step, or of an item of a list, has read or written.
#[derive(Default)]
pub(crate) struct KvLog {
    touched: BTreeMap<KvId, Touched>,
    /// Grows with each write.
    writes: usize,
    is_over: bool,
}

impl KvLog {
    fn touch(&mut self, id: &KvId) -> Result<&mut Touched> {
        if self.is_over {
            let why = "this execution of the step is over: values that outlive runs are read and written before it returns";
            return Err(Error::named("KvOver", why));
        }
        if self.touched.len() >= MAX_TOUCHED && !self.touched.contains_key(id) {
            return Err(Error::named(
                "KvTooMany",
                format_args!("a step reads and writes at most {MAX_TOUCHED} values in one execution"),
            ));
        }
        Ok(self.touched.entry(id.clone()).or_default())
    }

    fn set(&mut self, id: &KvId, value: Option<Value>) -> Result<()> {
        self.touch(id)?.op = Op::Set(value);
        self.writes += 1;
        Ok(())
    }

    /// Adds an update that has made `value` of what the step saw after so many writes; false if it has
    /// written meanwhile.
    fn update(&mut self, id: &KvId, writes: usize, update: &Update, value: Value) -> Result<bool> {
        if self.writes != writes {
            return Ok(false);
        }
        if writes >= MAX_UPDATES {
            return Err(Error::named(
                "KvTooMany",
                format_args!("a step makes at most {MAX_UPDATES} writes in one execution; make one of them"),
            ));
        }
        let touched = self.touch(id)?;
        touched.op = match std::mem::take(&mut touched.op) {
            Op::Update(mut updates, _) => {
                updates.push(Arc::clone(update));
                Op::Update(updates, value)
            }
            Op::Keep if !touched.is_seen => Op::Update(vec![Arc::clone(update)], value),
            Op::Keep | Op::Set(_) => Op::Set(Some(value)),
        };
        self.writes += 1;
        Ok(true)
    }

    /// The value as the step sees it. From then on the step rests on what was read.
    fn see(&mut self, id: &KvId) -> Result<Option<Value>> {
        let touched = self.touch(id)?;
        let current = touched.current();
        match &touched.op {
            Op::Set(_) => {}
            Op::Keep => touched.is_seen = true,
            Op::Update(..) => {
                touched.is_seen = true;
                touched.op = Op::Set(current.clone());
            }
        }
        Ok(current)
    }
}

/// A value that outlives runs: made by [`Cx::kv`].
pub struct Kv<T> {
    cx: Cx,
    id: KvId,
    value: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Kv<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kv").field(&self.id).finish()
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Kv<T> {
    /// The value of this name within a scope, such as a customer's number, instead of the one that all
    /// runs of the brain share.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.id.scope = scope.into();
        self
    }

    /// Reads the value: as this step has left it so far, else as it was last committed. A step that reads
    /// a value and writes any is run again, as after a crash, where another run changed what it has read
    /// before its result was committed; effects under a name are not made again. That is no attempt that
    /// counts.
    ///
    /// # Errors
    /// The value is of another type, or cannot be read now; the key does not fit.
    pub async fn get(&self) -> Result<Option<T>> {
        self.know().await?;
        let value = self.cx.kv_log().see(&self.id)?;
        read(&self.id, value)
    }

    /// Writes the value, whatever was there.
    ///
    /// # Errors
    /// The value is no JSON or too large; the key does not fit.
    pub async fn set(&self, value: T) -> Result<()> {
        self.check()?;
        let value = written(&self.id, &value, self.cx.max_kv_value_bytes())?;
        self.cx.kv_log().set(&self.id, Some(value))
    }

    /// Removes the value. If there is none, that is no error.
    ///
    /// # Errors
    /// The key does not fit.
    pub async fn delete(&self) -> Result<()> {
        self.check()?;
        self.cx.kv_log().set(&self.id, None)
    }

    /// Makes a new value of the one that is there: `.update(|count| count.unwrap_or(0) + 1)`. The function
    /// is called now, and once more at each time that another run has changed the value before this step's
    /// result is committed; the step itself does not run again for it. So the function only computes. To
    /// learn what came of it, [`get`](Self::get) the value.
    ///
    /// # Errors
    /// The value that is there is of another type, or cannot be read now; the new one is no JSON or too
    /// large; the key does not fit.
    pub async fn update(&self, update: impl Fn(Option<T>) -> T + Send + Sync + 'static) -> Result<()> {
        self.try_update(move |value| Ok(update(value))).await
    }

    /// The same, with a function that may fail. A step that goes on then rests on what was read, as after
    /// [`get`](Self::get). If it fails when it is called once more, the step runs again.
    ///
    /// # Errors
    /// The function's own, and those of [`update`](Self::update).
    pub async fn try_update(
        &self,
        update: impl Fn(Option<T>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<()> {
        self.know().await?;
        let (id, most) = (self.id.clone(), self.cx.max_kv_value_bytes());
        let update: Update = Arc::new(move |value| written(&id, &update(read(&id, value)?)?, most));
        loop {
            let (writes, current) = {
                let mut log = self.cx.kv_log();
                (log.writes, log.touch(&self.id)?.current())
            };
            // Users' code: no lock is held.
            let value = update(current).inspect_err(|_| {
                // The step has learned something about the value: the error is this step's either way.
                let _ = self.cx.kv_log().see(&self.id);
            })?;
            if self.cx.kv_log().update(&self.id, writes, &update, value)? {
                return Ok(());
            }
        }
    }

    fn check(&self) -> Result<()> {
        if is_in_effect(self.cx.execution()) {
            let why = format_args!(
                "value {} is used within `cx.once`, `cx.effect` or their like: when the step runs again they are \
                 not, and what they have read or written would be lost. Read it before, write it behind",
                self.id
            );
            return Err(Error::named("KvInEffect", why));
        }
        self.id.check().map_err(|why| Error::named("KvName", why))
    }

    /// Reads the value, unless the step has written it or has read it before.
    async fn know(&self) -> Result<()> {
        self.check()?;
        if self.cx.kv_log().touch(&self.id)?.is_known() {
            return Ok(());
        }
        let read = self.cx.port().read_kv(self.id.clone()).await?;
        // Of two reads at once the first one counts for both.
        self.cx.kv_log().touch(&self.id)?.read.get_or_insert(read);
        Ok(())
    }
}

fn read<T: DeserializeOwned>(id: &KvId, value: Option<Value>) -> Result<Option<T>> {
    let read = value.map(serde_json::from_value).transpose();
    read.map_err(|error| Error::named("KvType", format_args!("value {id} is of another type: {error}")))
}

fn written<T: Serialize>(id: &KvId, value: &T, most: usize) -> Result<Value> {
    let value = finite::to_value(value)?;
    if json_exceeds(&value, most) {
        return Err(Error::named(
            "KvTooLarge",
            format_args!("value {id} would take more than {most} bytes (limits.max_kv_value_bytes)"),
        ));
    }
    Ok(value)
}

impl Cx {
    /// A value that outlives runs, shared by all runs of this brain: a counter, a cursor, what was seen
    /// last. [`Kv::scope`] is for runs that share less.
    ///
    /// ```
    /// # use px_sdk::{Cx, Result};
    /// # async fn step(cx: Cx, customer: String) -> Result<()> {
    /// cx.kv::<u64>("orders").update(|orders| orders.unwrap_or(0) + 1).await?;
    /// let greeted = cx.kv::<bool>("greeted").scope(customer);
    /// if greeted.get().await?.is_none() {
    ///     greeted.set(true).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What a step writes is committed with its result, in one commit: a step that fails or dies leaves
    /// nothing, and one that runs again writes once. In the work on an item of a list it is committed with
    /// the item's result. A brain inside another one has values of its own.
    #[must_use]
    pub fn kv<T>(&self, key: impl Into<String>) -> Kv<T> {
        Kv { cx: self.clone(), id: KvId::shared(self.brain(), key), value: PhantomData }
    }

    /// Forgets what was read and written, as after a failure.
    pub(crate) fn forget_kv(&self) {
        self.kv_log().touched.clear();
    }

    /// Ends the use of values, and returns what the commit of the result writes and demands.
    #[must_use]
    pub fn end_kv(&self) -> KvWrites {
        let mut log = self.kv_log();
        log.is_over = true;
        let mut touched = std::mem::take(&mut log.touched);
        touched.retain(|_, touched| touched.is_seen || !matches!(touched.op, Op::Keep));
        let writes = touched.values().any(|touched| !matches!(touched.op, Op::Keep));
        // What was read alone rests on nothing: a result without writes is as good a moment later.
        KvWrites(if writes { touched } else { BTreeMap::new() })
    }
}
