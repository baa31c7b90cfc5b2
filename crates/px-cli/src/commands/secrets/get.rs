//! `px secrets get`, which there is not: whoever looks for it is told so.

use crate::error::{Error, Result};

/// Values are shown to nobody
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(num_args = 0.., allow_hyphen_values = true)]
    names: Vec<String>,
}

pub(crate) fn run(args: Args) -> Result<()> {
    drop(args);
    Err(Error::usage("the value of a secret is never shown again, so there is no `px secrets get`").hint(
        "`px secrets list` says which there are, `px secrets reads NAME` who has read one, and `px secrets set NAME` \
         sets it anew",
    ))
}
