//! `px config show`

use serde_json::{Value, json};

use crate::commands::serve;
use crate::config::effective::{self, Entry};
use crate::context::{self, Context};
use crate::error::{Error, Result};

/// Show each effective value, and whether a flag, a variable, px.toml or the default says so
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Flags count more than the environment, and that more than px.toml. Given the flags of `px serve`, it \
                  shows what that would do. Secrets are not shown.\n\n\
                  Examples:\n  px config show\n  px config show --json\n  PX_PORT=9000 px config show --bind 0.0.0.0"
)]
pub(crate) struct Args {
    #[command(flatten)]
    serve: serve::Args,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<()> {
    let config = serve::overlaid(context.config()?, &args.serve);
    let file = context.config_file();
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::usage(format!("cannot read {}: {error}", file.display()))),
    };
    let name = file.display().to_string();
    let mut entries = effective::entries(&config, &name, &text, &context::env, &args.serve.keys())?;
    entries.push(client_url(context, &config.local_url())?);
    if context.ui.json {
        let values: Vec<Value> = entries
            .into_iter()
            .map(|entry| json!({ "key": entry.key, "value": entry.value, "from": entry.from }))
            .collect();
        return context.ui.json(&json!({ "file": file.exists().then_some(name), "values": values }));
    }
    let rows = entries.into_iter().map(|entry| {
        let value = match entry.value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        vec![entry.key, value, entry.from]
    });
    context.ui.table(&["Key", "Value", "From"], rows.collect(), &[0, 2])
}

/// Returns where the other commands look for the server.
fn client_url(context: &Context, local: &str) -> Result<Entry> {
    let (value, from) = match context.explicit_url() {
        Some(_) if context::env("PX_URL").as_deref() == context.explicit_url() => {
            (context.server_url()?, "PX_URL")
        }
        Some(_) => (context.server_url()?, "--url"),
        None => (local.to_owned(), "server.bind and server.port"),
    };
    Ok(Entry { key: "url".into(), value: value.into(), from: from.into() })
}
