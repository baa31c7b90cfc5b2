//! `px secrets import <file>`: the lines `NAME=value` of a `.env` file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use px_api::{SecretInfo, SetSecret};
use px_secrets::{Change, NewSecret};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{Way, find, old_values, refused};
use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::show::words;
use crate::way::{self, Place};

/// The largest file that is read, bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Set the secrets of a .env file of at most 4 MiB, all of them or none
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

    /// Time that the values before them still verify senders, at most 7d; 0s if they became known to others
    #[arg(long, value_name = "TIME", default_value = "24h")]
    grace: String,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let grace = super::grace(&args.grace)?;
    way::may_make(context, &args.place)?;
    let secrets = secrets(&args)?;
    let count = secrets.len();
    let names: Vec<String> = secrets.iter().map(|(name, _)| name.clone()).collect();
    let Set { change, mut old, shadows } = set(context, args.place, secrets, grace).await?;
    old.retain(|name, _| names.contains(name));
    if context.ui.json {
        let mut said = json!({ "created": change.created, "updated": change.updated });
        if let (false, Value::Object(fields)) = (old.is_empty(), &mut said) {
            fields.insert("oldValueUntil".to_owned(), json!(old));
        }
        return context.ui.json(&said);
    }
    let counted = words::count(u64::try_from(count).unwrap_or(u64::MAX), "secret");
    let same = match change.unchanged {
        0 => String::new(),
        unchanged => format!(", {unchanged} had that value already"),
    };
    context.ui.note(format_args!(
        "{counted} set, {} of them new{same}. Delete the file, or keep it from others.",
        change.created
    ));
    if let Some(said) = said_of_old(&old, change.updated) {
        context.ui.note(said);
    }
    for shadow in shadows.into_iter().filter(|(name, _)| names.contains(name)) {
        context.ui.warn(format_args!("nobody gets this value of {}: {}", shadow.0, shadow.1));
    }
    Ok(())
}

/// Outcome for the secrets of a file.
struct Set {
    change: Change,
    /// Time until which values before these count, by name.
    old: BTreeMap<String, String>,
    /// Names that others answer for, each with who does.
    shadows: Vec<(String, String)>,
}

async fn set(
    context: &Context,
    place: Place,
    secrets: Vec<(String, SecretString)>,
    grace: Duration,
) -> Result<Set> {
    match find(context, place, true).await? {
        Way::Server(client) => {
            let seconds = Some(Value::from(grace.as_secs()));
            let new = |(name, value)| SetSecret { grace: seconds.clone(), ..SetSecret::new(name, value) };
            let set = client.set_secrets(secrets.into_iter().map(new).collect()).await?.into_value();
            let change = Change { created: set.created, updated: set.updated, unchanged: set.unchanged };
            let listed = client.secrets().await?.into_value().secrets;
            let shadowed = listed.iter().filter(|secret| secret.shadowed);
            let shadows = shadowed.map(|secret| (secret.name.clone(), super::SHADOWED.to_owned())).collect();
            let until = |secret: SecretInfo| Some((secret.name, secret.old_value_until?));
            Ok(Set { change, old: listed.into_iter().filter_map(until).collect(), shadows })
        }
        Way::Nowhere(_) => Err(Error::failed("there is no store")),
        Way::Store(opened) => {
            let names: Vec<String> = secrets.iter().map(|(name, _)| name.clone()).collect();
            let new = |(name, value)| NewSecret { name, value, grace };
            let set = opened.secrets.set(secrets.into_iter().map(new).collect()).await;
            let old = old_values(&opened.secrets, context.now());
            opened.close()?;
            let shadow = |name: String| context::shadowed(&name).map(|why| (name, why));
            Ok(Set {
                change: set.map_err(refused)?,
                old,
                shadows: names.into_iter().filter_map(shadow).collect(),
            })
        }
    }
}

/// Returns until when values before those of a file count, a line for each time; nothing where all are new.
fn said_of_old(old: &BTreeMap<String, String>, updated: u64) -> Option<String> {
    let mut by_time = BTreeMap::<&str, Vec<&str>>::new();
    old.iter().for_each(|(name, until)| by_time.entry(until).or_default().push(name));
    let line = |(until, names): (&&str, &Vec<&str>)| {
        format!("Values before that of {} verify senders until {until} at the latest.", names.join(", "))
    };
    let lines: Vec<String> = by_time.iter().map(line).collect();
    match (lines.is_empty(), updated) {
        (true, 0) => None,
        (true, _) => Some("No value before these counts any more.".to_owned()),
        (false, _) => Some(lines.join("\n")),
    }
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
    let Parsed { lines: mut found, wrong } = parse(&text);
    // The line itself may hold a secret.
    let is_no_line =
        |line: &usize| (*line, format!("{shown}:{line}: it is no line NAME=value, or a quote is not closed"));
    let mut problems: Vec<(usize, String)> = wrong.iter().map(is_no_line).collect();
    let is_missing = |name: &&String| found.iter().all(|line| line.name != **name);
    let missing: Vec<&str> = args.names.iter().filter(is_missing).map(String::as_str).collect();
    if problems.is_empty() && !missing.is_empty() {
        return Err(Error::not_found(format!("{shown} has no line for {}", missing.join(", "))));
    }
    if !args.names.is_empty() {
        found.retain(|line| args.names.contains(&line.name));
    }
    let unfit = |line: &Line| {
        let checked = px_secrets::check_name(&line.name)
            .and_then(|()| px_secrets::check_value(line.value.expose_secret()));
        // The name may be a part of a value that has an equals sign.
        checked.err().map(|unfit| (line.number, format!("{shown}:{}: {unfit}", line.number)))
    };
    problems.extend(found.iter().filter_map(unfit));
    problems.sort_unstable();
    if !problems.is_empty() {
        let said: Vec<String> = problems.into_iter().map(|(_, problem)| problem).collect();
        return Err(Error::usage(format!(
            "nothing is set, since of these lines\n  - {}",
            said.join("\n  - ")
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

/// The lines of a file.
#[derive(Default)]
struct Parsed {
    /// Of two of one name the last one.
    lines: Vec<Line>,
    /// The numbers of those that are none.
    wrong: Vec<usize>,
}

/// The lines of a file. Behind one that is none the next line is read.
fn parse(text: &str) -> Parsed {
    let (mut parsed, mut rest, mut line) = (Parsed::default(), text, 1);
    while !rest.is_empty() {
        let (first, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = first.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            (rest, line) = (behind, line + 1);
            continue;
        }
        let named = rest.split_once('=').filter(|(name, _)| !name.contains('\n'));
        let read = named.and_then(|(name, from)| Some((name, value(from.trim_start_matches([' ', '\t']))?)));
        let Some((name, (value, behind))) = read else {
            parsed.wrong.push(line);
            (rest, line) = (behind, line + 1);
            continue;
        };
        let name = name.trim().strip_prefix("export ").unwrap_or(name.trim()).trim();
        let (taken, number) = (rest.len() - behind.len(), line);
        line += rest.get(..taken).unwrap_or_default().matches('\n').count();
        rest = behind;
        parsed.lines.retain(|other| other.name != name);
        parsed.lines.push(Line { number, name: name.to_owned(), value: SecretString::from(value) });
    }
    parsed
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

    fn parsed(text: &str) -> Vec<(String, String)> {
        let of = |line: Line| (line.name, line.value.expose_secret().to_owned());
        let parsed = parse(text);
        assert_eq!(parsed.wrong, [0; 0]);
        parsed.lines.into_iter().map(of).collect()
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
        assert_eq!(parsed(text), wanted);
    }

    #[test]
    fn what_is_no_line_is_named_by_its_number() {
        let wrong = |text: &str| parse(text).wrong;
        assert_eq!(wrong("A=1\nno line\nB=2\n# c\nnor this"), [2, 5]);
        assert_eq!(wrong("A=\"x\ny\"\nB='open"), [3]);
        assert_eq!(wrong("A='x' y\nB=1\n-"), [1, 3]);
        assert_eq!(parsed("\n# c\n"), Vec::new());
    }
}
