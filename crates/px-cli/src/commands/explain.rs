//! `px explain PX0012`: the page about an error's code.

use px_api::pages;
use px_core::Code;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Error, Result};

/// Say what an error's code means, and what to do about it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each error of the API carries a code, which stays the same when its text changes. Without a code, \
                  every code is listed.\n\nExamples:\n  px explain PX0012\n  px explain"
)]
pub(crate) struct Args {
    /// The code
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<()> {
    let ui = context.ui;
    let Some(text) = &args.code else {
        if ui.json {
            let codes: Vec<Value> = Code::ALL
                .iter()
                .map(|code| json!({ "code": code.as_str(), "title": pages::title(*code) }))
                .collect();
            return ui.json(&json!({ "count": codes.len(), "codes": codes }));
        }
        let rows =
            Code::ALL.iter().map(|code| vec![code.to_string(), pages::title(*code).to_owned()]).collect();
        return ui.table(&["Code", "Meaning"], rows, &[0]);
    };
    let code = Code::parse(text).ok_or_else(|| {
        Error::not_found(format!("there is no code '{text}'"))
            .hint("a code is PX and four digits; `px explain` lists every one")
    })?;
    if ui.json {
        return ui
            .json(&json!({ "code": code.as_str(), "title": pages::title(code), "page": pages::page(code) }));
    }
    ui.line(pages::page(code).trim_end())
}
