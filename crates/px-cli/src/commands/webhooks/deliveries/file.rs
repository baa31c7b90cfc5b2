//! `px webhooks deliveries file`

use std::io::Write as _;
use std::path::PathBuf;

use super::explained;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::private;

/// Save a file that came with a delivery, as it was sent
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The sender's name of the file is shown by `show`, and is never used as a path: --out says where the file \
                  goes, and without it the bytes go to stdout. What the sender says of the file's type is not checked; \
                  open it with care.\n\n\
                  Exit codes: 0 saved, 3 there is no such delivery or file, 4 the file to make is there already\n\n\
                  Examples:\n  px webhooks deliveries file whd_0197c1f0a1b27000800000000000cafe 0 --out invoice.pdf\n  \
                  px webhooks deliveries file whd_0197c1f0a1b27000800000000000cafe.0 | sha256sum"
)]
pub(crate) struct Args {
    /// The delivery: its id, the id's last digits (4 or more), or @last, @last:STATE; or the file's id, which is the delivery's with a dot
    /// and a place behind it
    delivery: String,

    /// The file's place among the delivery's, from 0, if the id does not say it
    place: Option<u16>,

    /// Write it to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    if args.out.is_none() && context.ui.is_read_in_a_terminal() {
        return Err(Error::usage("a file of a sender's is not shown in a terminal")
            .hint("save it with --out, or pipe it to a program"));
    }
    let client = context.client()?;
    let (delivery, place) = named(&args.delivery, args.place)?;
    let id = &ids::delivery(&client, delivery).await?;
    let bytes = client.delivery_file(id, place).await.map_err(|error| explained(error, id))?;
    let Some(out) = &args.out else {
        return context.ui.raw(&bytes);
    };
    let mut file = private::create_new(out).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(Kind::Conflict, format!("{} is there already", out.display()))
                .hint("take another name, or remove it")
        }
        _ => unwritten(out, &error),
    })?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.map_err(|error| unwritten(out, &error))?;
    context.ui.note(format_args!("Saved {} bytes to {}.", bytes.len(), out.display()));
    Ok(())
}

/// The delivery and the place that are meant: `whd_….1` names both.
fn named(text: &str, place: Option<u16>) -> Result<(&str, u16)> {
    let said =
        text.rsplit_once('.').and_then(|(delivery, place)| Some((delivery, place.parse::<u16>().ok()?)));
    match (said.filter(|(delivery, _)| !delivery.is_empty()), place) {
        (Some((delivery, said)), None) => Ok((delivery, said)),
        (Some((delivery, said)), Some(place)) if said == place => Ok((delivery, said)),
        (Some((_, said)), Some(place)) => {
            Err(Error::usage(format!("'{text}' names file {said}, and the argument behind it file {place}"))
                .hint("say the place once"))
        }
        (None, place) => Ok((text, place.unwrap_or_default())),
    }
}

fn unwritten(out: &std::path::Path, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot write {}: {error}", out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_file_names_its_delivery_and_its_place() {
        for (text, place, expected) in [
            ("whd_1", None, ("whd_1", 0)),
            ("whd_1", Some(2), ("whd_1", 2)),
            ("whd_1.3", None, ("whd_1", 3)),
            ("whd_1.3", Some(3), ("whd_1", 3)),
            ("@last.1", None, ("@last", 1)),
            ("…00cafe.1", None, ("…00cafe", 1)),
            ("...00cafe", None, ("...00cafe", 0)),
            ("whd_1.x", None, ("whd_1.x", 0)),
        ] {
            assert_eq!(named(text, place).unwrap(), expected, "{text} {place:?}");
        }
        assert_eq!(named("whd_1.3", Some(4)).unwrap_err().kind, Kind::Usage);
    }
}
