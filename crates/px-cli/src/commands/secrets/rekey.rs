//! `px secrets rekey`

use std::path::PathBuf;

use px_secrets::key;
use px_secrets::vault::Vault;
use serde_json::json;

use super::{other_key, parts};
use crate::config::key::{self as config_key, KEY_FILE, NEXT_FILE, NEXT_VARIABLE, VARIABLE};
use crate::context::{Context, env};
use crate::error::{Error, Result};
use crate::show::words;
use crate::store::{self, store_error};
use crate::way;

/// Seal all secrets, those of hooks too, under a new key
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Works on the store alone: stop the server first. The new key takes the place of secret.key in the data \
                  directory; where PX_SECRET_KEY has the key, PX_SECRET_KEY_NEW has the new one, and takes its place by hand once \
                  this is done. If it is interrupted, do it again: until it is done both keys are needed.\n\n\
                  Backups and exports of the store that were made before rest under the old key. Once all is sealed anew the old key \
                  file stays beside the new one as secret.key.old, and after another change as secret.key.old.2 and so on: to \
                  serve such a copy, put that file into it as secret.key. Remove it once no such copy is kept. The old value of \
                  PX_SECRET_KEY is yours to keep as long.\n\n\
                  Exit codes: 0 done, 3 there is no store, 4 a process has it open\n\n\
                  Examples:\n  px secrets rekey\n  export PX_SECRET_KEY_NEW=$(openssl rand -hex 32)   # keep it: nothing else has it\n  px secrets rekey   # needs PX_SECRET_KEY, too: the key of now"
)]
pub(crate) struct Args {
    /// Folder with the files of the embedded store
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let config = context.store_config(args.data_dir)?;
    let dir = &config.data_dir;
    let store = store::require(&config)?;
    let mut parts = parts(&store, dir).await?;
    key::prove_key(&parts, false).await.map_err(other_key)?;
    let is_file = env(VARIABLE).is_none();
    if config_key::is_same(&env) {
        return Err(Error::usage(format!(
            "{NEXT_VARIABLE} has the key that {VARIABLE} has: nothing would be changed"
        ))
        .hint(format!("export {NEXT_VARIABLE}=$(openssl rand -hex 32), and keep it")));
    }
    if is_file && env(NEXT_VARIABLE).is_some() {
        return Err(Error::usage(format!(
            "{NEXT_VARIABLE} is set, and counts only where {VARIABLE} has the key that is in use: secret.key has it here"
        ))
        .hint(format!("unset {NEXT_VARIABLE}, and px makes a new secret.key; or export {VARIABLE}=$(the key in secret.key) first")));
    }
    let to = if is_file {
        // One that an interrupted change has left is gone on with.
        Vault::from_file(&dir.join(NEXT_FILE)).map_err(config_key::unusable)?
    } else {
        let text = env(NEXT_VARIABLE).ok_or_else(|| {
            Error::usage(format!(
                "{VARIABLE} has the key, and {NEXT_VARIABLE}, which has the new one, is not set"
            ))
            .hint(format!("export {NEXT_VARIABLE}=$(openssl rand -hex 32), and keep it"))
        })?;
        config_key::from_text(NEXT_VARIABLE, &text)?
    };
    parts.vault = parts.vault.beside(to.clone());
    let resealed = px_secrets::rekey(&parts, &to).await.map_err(other_key)?;
    let old = if is_file { config_key::take_next(dir)? } else { None };
    drop(parts);
    px_store::Store::close(&store).map_err(|error| store_error(&error))?;
    if context.ui.json {
        let said = json!({ "hooks": resealed.hooks, "secrets": resealed.secrets, "oldKey": old });
        return context.ui.json(&said);
    }
    let (hooks, secrets) = (words::count(resealed.hooks, "hook"), words::count(resealed.secrets, "secret"));
    let next = match old {
        Some(old) => format!(
            "{} has the new key, and {} the old one: backups and exports from before need it. Remove it once none of \
             them is kept.",
            way::absolute(&dir.join(KEY_FILE)),
            way::absolute(&old)
        ),
        None => format!(
            "Give {VARIABLE} the value of {NEXT_VARIABLE} now, and keep its old value as long as there are backups and \
             exports from before."
        ),
    };
    context.ui.note(format_args!("{hooks} and {secrets} are sealed anew. {next}"));
    Ok(())
}
