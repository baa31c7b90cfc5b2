//! `px secrets import <file>`: the lines `NAME=value` of a `.env` file.

use std::path::PathBuf;

use px_api::SetSecret;
use px_core::hook::Secrets as Values;
use px_secrets::{Change, NewSecret};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{Way, find, refused};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::show::words;
use crate::way::Place;

/// The largest file that is read, bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Set the secrets of a .env file, all of them or none
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Lines are NAME=value, with `export` before the name or without. A value in single quotes is taken as it is; in \
                  double quotes \\n, \\\", \\\\ and \\$ are read, and it may have several lines; without quotes it ends at the end \
                  of the line or before \" #\". Of lines that are no secrets, such as PORT=8080, name those that are behind the \
                  file.\n\n\
                  Examples:\n  px secrets import .env\n  px secrets import .env STRIPE_KEY SLACK_BOT_TOKEN"
)]
pub(crate) struct Args {
    /// The file
    file: PathBuf,

    /// Names to take; all if there are none
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let secrets = secrets(&args)?;
    let count = secrets.len();
    let change = match find(context, args.place, true).await? {
        Way::Server(client) => {
            let all = secrets.into_iter().map(|(name, value)| SetSecret::new(name, value)).collect();
            let set = client.set_secrets(all).await?.into_value();
            Change { created: set.created, updated: set.updated }
        }
        Way::Store(None) => return Err(Error::failed("there is no store")),
        Way::Store(Some(opened)) => {
            let new = |(name, value)| NewSecret { name, value, grace: Values::DEFAULT_GRACE };
            let set = opened.secrets.set(secrets.into_iter().map(new).collect()).await;
            opened.close()?;
            set.map_err(refused)?
        }
    };
    if context.ui.json {
        return context.ui.json(&json!({ "created": change.created, "updated": change.updated }));
    }
    let counted = words::count(u64::try_from(count).unwrap_or(u64::MAX), "secret");
    context.ui.note(format_args!(
        "{counted} set, {} of them new. Delete the file, or keep it from others.",
        change.created
    ));
    Ok(())
}

/// The secrets that are wanted of a file.
fn secrets(args: &Args) -> Result<Vec<(String, SecretString)>> {
    let shown = args.file.display();
    let cannot = |why: &dyn std::fmt::Display| Error::usage(format!("cannot read {shown}: {why}"));
    let about = std::fs::metadata(&args.file).map_err(|error| cannot(&error))?;
    if about.len() > MAX_FILE {
        return Err(cannot(&format_args!("it has more than {MAX_FILE} bytes")));
    }
    let text = std::fs::read_to_string(&args.file).map_err(|error| cannot(&error))?;
    let mut found = parse(&text).map_err(|line| {
        // The line itself may hold a secret.
        Error::usage(format!("{shown}:{line}: it is no line NAME=value, or a quote is not closed"))
    })?;
    if let Some(missing) = args.names.iter().find(|name| found.iter().all(|line| line.name != **name)) {
        return Err(Error::not_found(format!("{shown} has no line for {missing}")));
    }
    if !args.names.is_empty() {
        found.retain(|line| args.names.contains(&line.name));
    }
    let unfit = |line: &Line| {
        let checked = px_secrets::check_name(&line.name)
            .and_then(|()| px_secrets::check_value(line.value.expose_secret()));
        // The name may be a part of a value that has an equals sign.
        checked.err().map(|unfit| format!("{shown}:{}: {unfit}", line.number))
    };
    let unfit: Vec<String> = found.iter().filter_map(unfit).collect();
    if !unfit.is_empty() {
        return Err(Error::usage(format!(
            "nothing is set, since of these lines\n  - {}",
            unfit.join("\n  - ")
        ))
        .hint("name those that are secrets: `px secrets import FILE NAME NAME`"));
    }
    if found.is_empty() {
        return Err(Error::usage(format!("{shown} has no line NAME=value")));
    }
    Ok(found.into_iter().map(|line| (line.name, line.value)).collect())
}

/// A line of a file.
struct Line {
    /// From 1.
    number: usize,
    name: String,
    value: SecretString,
}

/// The lines of a file; of two of one name the last one counts. The number of the line
/// that is none otherwise.
fn parse(text: &str) -> Result<Vec<Line>, usize> {
    let (mut found, mut rest, mut line) = (Vec::new(), text, 1);
    while !rest.is_empty() {
        let (first, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = first.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            (rest, line) = (behind, line + 1);
            continue;
        }
        let (name, from) = rest.split_once('=').ok_or(line)?;
        if name.contains('\n') {
            return Err(line);
        }
        let name = name.trim().strip_prefix("export ").unwrap_or(name.trim()).trim();
        let (value, behind) = value(from.trim_start_matches([' ', '\t'])).ok_or(line)?;
        let (taken, number) = (rest.len() - behind.len(), line);
        line += rest.get(..taken).unwrap_or_default().matches('\n').count();
        rest = behind;
        found.retain(|other: &Line| other.name != name);
        found.push(Line { number, name: name.to_owned(), value: SecretString::from(value) });
    }
    Ok(found)
}

/// A value, and what comes behind its line.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        let (line, behind) = text.split_once('\n').unwrap_or((text, ""));
        let value = line.find(" #").and_then(|at| line.get(..at)).unwrap_or(line);
        return Some((value.trim().to_owned(), behind));
    };
    let (mut value, mut letters) = (String::new(), text.char_indices().skip(1));
    let end = loop {
        match letters.next()? {
            (at, letter) if letter == quote => break at + 1,
            (_, '\\') if quote == '"' => match letters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            (_, letter) => value.push(letter),
        }
    };
    let behind = text.get(end..)?;
    let (line, behind) = behind.split_once('\n').unwrap_or((behind, ""));
    let is_over = line.trim().is_empty() || line.trim_start().starts_with('#');
    is_over.then_some((value, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(String, String)>, usize> {
        let of = |line: Line| (line.name, line.value.expose_secret().to_owned());
        Ok(parse(text)?.into_iter().map(of).collect())
    }

    #[test]
    fn lines_are_names_and_values_in_each_of_their_forms() {
        let text = "# a comment\n\nA=plain # and more\nexport B = \"two\\nlines \\\"x\\\" \\d\" # c\r\nC='as it \\n is'\n\
                    D=\"-----BEGIN\nline # 2\n\"\nE=a#b=c \nA=last";
        let wanted = [
            ("B", "two\nlines \"x\" \\d"),
            ("C", "as it \\n is"),
            ("D", "-----BEGIN\nline # 2\n"),
            ("E", "a#b=c"),
            ("A", "last"),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parsed(text).unwrap(), wanted);
    }

    #[test]
    fn what_is_no_line_is_named_by_its_number() {
        assert_eq!(parsed("A=1\nno line\nB=2"), Err(2));
        assert_eq!(parsed("A=\"x\ny\"\nB='open"), Err(3));
        assert_eq!(parsed("A='x' y"), Err(1));
        assert_eq!(parsed("\n# c\n"), Ok(Vec::new()));
    }
}
