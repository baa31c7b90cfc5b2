//! Rows of secrets: one a name, its value sealed.

use px_core::Scope;
use px_store::Error;
use px_store::secrets::SecretWrite;

use crate::layout;
use crate::rows::Expect;
use crate::translation::{Precondition, Translation};

impl Translation {
    /// A change of a secret, under the version that was read.
    pub(crate) fn secret(&mut self, scope: Scope, write: &SecretWrite) -> Result<(), Error> {
        let row = layout::secret_row(scope, &write.name);
        let expect = write.expected.map_or(Expect::Absent, Expect::Version);
        self.check(row.clone(), expect, Precondition::Secret(write.name.clone()));
        match &write.record {
            Some(record) => self.put(row, layout::versioned(write.version, record)?),
            None => self.remove(row),
        }
        Ok(())
    }
}
