//! Labels that a step puts on its run.

use std::sync::PoisonError;

use px_core::{Labels, MAX_LABELS, check_label_name, check_label_value};

use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::in_effect::is_in_effect;

impl Cx {
    /// Labels the run: `px runs list --label order=o2` finds it by that. The label is committed with the step's
    /// result, in place of one of the same name; a step that fails leaves none.
    ///
    /// ```
    /// # use px_sdk::{Cx, Next, Result};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Order { id: String }
    /// async fn price(cx: Cx, order: Order) -> Result<Next<Order>> {
    ///     cx.label("order", &order.id)?;
    ///     Ok(Next(order))
    /// }
    /// ```
    ///
    /// # Errors
    /// Permanent ones: a name that is none (a letter from a to z, then up to 31 of these, digits, `_` and `-`); a
    /// value of no or more than 255 bytes, or with a control character; a 17th label; a call in the work on an item
    /// of a list, in a reminder, or within an effect.
    pub fn label(&self, name: impl Into<String>, value: impl Into<String>) -> Result<()> {
        let (name, value) = (name.into(), value.into());
        check_label_name(&name).map_err(Error::permanent)?;
        check_label_value(&name, &value).map_err(Error::permanent)?;
        let Some(there) = self.run_labels() else {
            return Err(Error::permanent(format_args!(
                "label '{name}' is put on the run by '{}', which works on an item of a list or reminds of a wait: put \
                 it there in a step",
                self.step()
            )));
        };
        if is_in_effect(self.execution()) {
            return Err(Error::permanent(format_args!(
                "label '{name}' is put on the run within `cx.once`, `cx.effect` or their like: when the step runs \
                 again they are not, and it would be lost. Put it there behind them"
            )));
        }
        let mut written = self.written_labels().lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |name: &str| there.contains_key(name) || written.contains_key(name);
        let new = written.keys().filter(|name| !there.contains_key(*name)).count();
        if !is_there(&name) && there.len() + new >= MAX_LABELS {
            return Err(Error::permanent(format_args!(
                "label '{name}' is one too many: a run has at most {MAX_LABELS}, and this one has {}",
                there
                    .keys()
                    .chain(written.keys().filter(|name| !there.contains_key(*name)))
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            )));
        }
        written.insert(name, value);
        Ok(())
    }

    /// Ends the labelling, and returns what the commit of the result writes.
    #[must_use]
    pub fn end_labels(&self) -> Labels {
        std::mem::take(&mut *self.written_labels().lock().unwrap_or_else(PoisonError::into_inner))
    }
}
