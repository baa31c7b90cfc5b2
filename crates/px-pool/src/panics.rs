//! A panic of users' code as a value: its payload, and the place in the code,
//! which only a hook is told. The hook notes it for the thread that panics, and
//! then lets the one before it speak.

use std::any::Any;
use std::cell::RefCell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Place of the newest panic of this thread.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic that was caught.
pub struct Panic {
    payload: Box<dyn Any + Send>,
    place: Option<String>,
}

impl Panic {
    /// File, line and column, if they are known.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}

impl Deref for Panic {
    type Target = dyn Any + Send;

    fn deref(&self) -> &Self::Target {
        &*self.payload
    }
}

impl std::fmt::Debug for Panic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panic").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Notes the places of panics from here on, once for the process. A hook that
/// is set later hides them.
pub(crate) fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string);
            // A thread that ends has no variables any more.
            let _ = PLACE.try_with(|noted| {
                if let Ok(mut noted) = noted.try_borrow_mut() {
                    *noted = place;
                }
            });
            before(panic);
        }));
    });
}

/// Runs code whose panic is a value.
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        let place = PLACE.try_with(RefCell::take).ok().flatten();
        Panic { payload, place }
    })
}
