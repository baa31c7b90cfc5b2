//! Resources: what a process has once and its steps and handlers share, such as
//! a pool of connections. `px::app().provide(..)` makes them, `.needs::<T>()`
//! and `needs = (T)` say who uses them, `get` gives them.
//!
//! Here is who may use what. Making them is a server's business, since it
//! happens on the threads of users' code. Tests: below, and
//! `px-cli/tests/cli/resources.rs`.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::link::LinkSource;
use crate::secret::{Readable, Secret, SecretReader, SecretSource};

/// A value that steps and handlers share: a client, a pool of connections.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a resource",
    label = "not a resource",
    note = "steps and handlers on several threads share a resource for as long as the process lives: it must be \
            `Send + Sync` and own what it holds; use `Arc` instead of `Rc`, and `Mutex` instead of `RefCell`"
)]
pub trait Resource: Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Resource for T {}

/// The type of a resource that a brain or a webhook needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Need {
    id: TypeId,
    full_name: &'static str,
}

impl Need {
    /// The need of a `T`.
    #[must_use]
    pub fn of<T: Resource>() -> Self {
        Self { id: TypeId::of::<T>(), full_name: type_name::<T>() }
    }

    /// The type's name with the modules that it lies in.
    #[must_use]
    pub fn full_name(&self) -> &'static str {
        self.full_name
    }
}

impl fmt::Display for Need {
    /// Writes the type as a user does: `Arc<Db>`, without the modules.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.full_name)
    }
}

/// Writes a type's name without the modules that it lies in.
pub(crate) fn write_name(f: &mut fmt::Formatter<'_>, full_name: &str) -> fmt::Result {
    let is_path = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | ':');
    for part in full_name.split_inclusive(|letter| !is_path(letter)) {
        f.write_str(part.rsplit("::").next().unwrap_or(part))?;
    }
    Ok(())
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name)
    }
}

/// A resource of any type.
pub type AnyResource = Arc<dyn Any + Send + Sync>;

/// The resources of a process that are there. Clones share them.
#[derive(Clone, Default)]
pub struct Provided(Arc<Mutex<Arc<Held>>>);

/// The resources in the order in which they were provided, and where secrets and
/// links come from.
#[derive(Clone, Default)]
struct Held(Vec<(Need, AnyResource)>, Option<Arc<dyn SecretSource>>, Option<Arc<dyn LinkSource>>);

impl Drop for Held {
    /// What was made last may use what was made before it, and goes first. One that panics keeps no other from
    /// its end; two panics at once would end the process.
    fn drop(&mut self) {
        let mut panicked = None;
        while let Some(resource) = self.0.pop() {
            let ended = catch_unwind(AssertUnwindSafe(|| drop(resource)));
            panicked = panicked.or(ended.err());
        }
        if let Some(panic) = panicked.filter(|_| !std::thread::panicking()) {
            resume_unwind(panic);
        }
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provided").field(&self.needs()).finish()
    }
}

impl Provided {
    /// Adds a resource, in the place of one of the same type.
    pub fn add(&self, need: Need, resource: AnyResource) {
        let mut held = self.lock();
        let held = Arc::make_mut(&mut held);
        held.0.retain(|(other, _)| *other != need);
        held.0.push((need, resource));
    }

    /// Lets secrets come from this source.
    pub fn set_secrets(&self, source: Arc<dyn SecretSource>) {
        Arc::make_mut(&mut self.lock()).1 = Some(source);
    }

    /// Lets links be made by this source.
    pub fn set_links(&self, source: Arc<dyn LinkSource>) {
        Arc::make_mut(&mut self.lock()).2 = Some(source);
    }

    /// Gives up the resources. Each ends when no step or handler has it any
    /// more; dropping the returned value ends those that nobody has.
    #[must_use = "resources end where this is dropped"]
    pub fn take(&self) -> impl Send + use<> {
        std::mem::take(&mut *self.lock())
    }

    /// The types of the resources that are there.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        self.lock().0.iter().map(|(need, _)| *need).collect()
    }

    /// The resources and secrets as somebody may use them who declared these.
    #[must_use]
    pub fn grant(&self, needs: &[Need], secrets: &[String]) -> Resources {
        if needs.is_empty() && secrets.is_empty() {
            return Resources::default();
        }
        let held = Arc::clone(&self.lock());
        let readable = Readable { names: secrets.into(), source: held.1.clone() };
        Resources { needs: needs.into(), held: Some(held), readable, links: None, slug: None }
    }

    /// As [`Provided::grant`], for a step, which may make links too.
    #[must_use]
    pub fn grant_to_step(&self, needs: &[Need], secrets: &[String]) -> Resources {
        let links = self.lock().2.clone();
        Resources { links, ..self.grant(needs, secrets) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The resources that a step or a webhook's handler may use: those that its
/// brain or webhook needs.
///
/// A step asks its context for them, by [`Cx::get`](crate::Cx::get). A handler
/// takes them as its first argument:
///
/// ```
/// # mod answers {
/// # use px_sdk::{Inbound, Resources, Result};
/// # pub struct Db;
/// # impl Db { fn thread_of(&self, question: &str) -> String { question.to_owned() } }
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Answer { question: String }
/// px_sdk::webhook! {
///     slug = "answers",
///     payload = Answer,
///     response = Answer,
///     verify = px_sdk::verify::github("ANSWERS_SECRET"),
///     handler = receive,
///     needs = (Db),
/// }
///
/// async fn receive(resources: &Resources, answer: Answer) -> Result<Inbound<Answer>> {
///     let thread = resources.get::<Db>().thread_of(&answer.question);
///     Ok(Inbound::resume(thread, answer))
/// }
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Resources {
    needs: Arc<[Need]>,
    held: Option<Arc<Held>>,
    readable: Readable,
    links: Option<Arc<dyn LinkSource>>,
    /// The webhook whose handler has them, if it is one.
    slug: Option<Arc<str>>,
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resources").field(&self.needs).finish()
    }
}

impl Resources {
    /// The resource of this type.
    ///
    /// # Panics
    /// The webhook does not declare it by `needs = (T)`. Its sender is then
    /// answered as if the handler had failed.
    #[must_use]
    #[track_caller]
    pub fn get<T: Resource>(&self) -> &T {
        match self.find() {
            Ok(resource) => resource,
            Err(missing) => {
                panic!(
                    "{}",
                    missing.text(
                        "the webhook",
                        &format!("needs = ({})", missing.need),
                        "its `px::webhook!` or `#[px::handler]`"
                    )
                )
            }
        }
    }

    /// The secret of this name, as it is now: from the environment, from the file that
    /// `NAME_FILE` names there, or from the store. It is for handlers; a step asks
    /// [`Cx::secret`](crate::Cx::secret).
    ///
    /// # Errors
    /// The webhook does not declare it by `secrets = ["NAME"]`, or it is set nowhere.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        self.readable.read(name, SecretReader::Handler(self.slug.as_deref().unwrap_or_default()))
    }

    /// The secret of this name for a reader.
    pub(crate) fn secret_for(&self, name: &str, reader: SecretReader<'_>) -> Result<Secret> {
        self.readable.read(name, reader)
    }

    /// The maker of links, if there is one.
    pub(crate) fn links(&self) -> Option<&dyn LinkSource> {
        self.links.as_deref()
    }

    /// As the handler of a webhook has them.
    pub(crate) fn of_webhook(self, slug: &str) -> Self {
        Self { slug: Some(slug.into()), ..self }
    }

    /// The resource of this type, if it was declared and is there.
    pub(crate) fn find<T: Resource>(&self) -> Result<&T, Missing> {
        let need = Need::of::<T>();
        let is_declared = self.needs.contains(&need);
        let mut held = self.held.iter().flat_map(|held| held.0.iter());
        let found = held.find(|(other, _)| *other == need);
        match found.and_then(|(_, resource)| resource.downcast_ref::<T>()) {
            Some(resource) if is_declared => Ok(resource),
            _ => Err(Missing { need, is_declared }),
        }
    }
}

/// Reason that a resource is not given.
pub(crate) struct Missing {
    pub(crate) need: Need,
    is_declared: bool,
}

impl Missing {
    /// The sentence for whoever asked, with the line to write.
    pub(crate) fn text(&self, who: &str, line: &str, place: &str) -> String {
        let need = self.need;
        if self.is_declared {
            format!(
                "{who} needs the resource `{need}`, and nobody provides it: in a test by \
                 `world.provide(..)`, else by `px::app().provide(..)` in main.rs"
            )
        } else {
            format!("{who} asks for the resource `{need}` without declaring it: add `{line}` to {place}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Db(u8);
    struct Mail;

    #[test]
    fn a_type_is_named_as_it_is_written() {
        assert_eq!(Need::of::<Db>().to_string(), "Db");
        assert_eq!(Need::of::<Arc<Mutex<Vec<Db>>>>().to_string(), "Arc<Mutex<Vec<Db>>>");
        assert_eq!(Need::of::<(Db, Option<String>)>().to_string(), "(Db, Option<String>)");
    }

    #[test]
    fn only_what_was_declared_is_given() {
        let provided = Provided::default();
        provided.add(Need::of::<Db>(), Arc::new(Db(7)));
        provided.add(Need::of::<Mail>(), Arc::new(Mail));
        let resources = provided.grant(&[Need::of::<Db>()], &[]);
        assert_eq!(resources.get::<Db>().0, 7);
        let text = resources.find::<Mail>().err().unwrap().text("brain 'a'", ".needs::<Mail>()", "it");
        assert_eq!(
            text,
            "brain 'a' asks for the resource `Mail` without declaring it: add `.needs::<Mail>()` to it"
        );
        assert!(provided.grant(&[], &[]).find::<Db>().is_err());
    }

    #[test]
    fn the_last_resource_of_a_type_counts_and_the_newest_ends_first() {
        struct Ends(&'static str, Arc<Mutex<Vec<&'static str>>>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.1.lock().unwrap().push(self.0);
            }
        }
        struct Second(#[expect(dead_code, reason = "held for its end")] Ends);
        let ended = Arc::new(Mutex::new(Vec::new()));
        let ends = |name| Ends(name, Arc::clone(&ended));
        let provided = Provided::default();
        provided.add(Need::of::<Ends>(), Arc::new(ends("replaced")));
        provided.add(Need::of::<Ends>(), Arc::new(ends("first")));
        provided.add(Need::of::<Second>(), Arc::new(Second(ends("second"))));
        let user = provided.grant(&[Need::of::<Ends>()], &[]);
        drop(provided.take());
        assert_eq!(*ended.lock().unwrap(), ["replaced"]);
        assert_eq!(user.get::<Ends>().0, "first");
        drop(user);
        assert_eq!(*ended.lock().unwrap(), ["replaced", "second", "first"]);
    }

    #[test]
    fn a_resource_that_panics_as_it_ends_keeps_no_other_from_its_end() {
        struct Panics<const N: u8>(Arc<Mutex<Vec<u8>>>);
        impl<const N: u8> Drop for Panics<N> {
            fn drop(&mut self) {
                self.0.lock().unwrap().push(N);
                panic!("{N} does not end well");
            }
        }
        let ended = Arc::new(Mutex::new(Vec::new()));
        let provided = Provided::default();
        provided.add(Need::of::<Panics<1>>(), Arc::new(Panics::<1>(Arc::clone(&ended))));
        provided.add(Need::of::<Panics<2>>(), Arc::new(Panics::<2>(Arc::clone(&ended))));
        let held = provided.take();
        let panic = catch_unwind(AssertUnwindSafe(|| drop(held))).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "2 does not end well");
        assert_eq!(*ended.lock().unwrap(), [2, 1]);
    }
}
