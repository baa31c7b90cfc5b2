//! `px tokens …`: the tokens that open the API. They lie in the store. While a
//! server has it open they are changed through that server, which wants an
//! admin token as soon as there is any; else they are changed in the store
//! itself, by whoever may write its files.

mod create;
mod list;
mod revoke;

use std::sync::Arc;

use clap::Subcommand;
use px_api::Token;
use px_client::Client;
use px_core::{Ids, SystemClock};
use px_server::{TokenError, Tokens};
use px_store::Store as _;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::{self, store_error};
use crate::way::{self, Place};

/// A token of the store as the API shows it.
fn shown(token: &px_store::tokens::Token) -> Token {
    Token {
        id: token.id,
        name: token.name.clone(),
        scope: token.permission.as_str().into(),
        created_at: token.created_at,
    }
}

/// API tokens: who may use the API, and for what
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Without any token the API is for this machine only, and needs none. With the first one, which has \
                  to be an admin's, everything but the webhooks needs one: the command line takes it from PX_TOKEN.\n\n\
                  These commands go to the server if it runs, and to its data directory if it does not. So the first \
                  token can be made before the first start, and a lost one replaced while px is stopped."
)]
pub(crate) enum Command {
    Create(create::Args),
    List(list::Args),
    Revoke(revoke::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let done = match self {
            Self::Create(args) => create::run(context, args).await,
            Self::List(args) => list::run(context, args).await,
            Self::Revoke(args) => revoke::run(context, args).await,
        };
        done.map_err(|error| context.or_without_url(error))
    }
}

/// A way to the tokens.
enum Way {
    /// Through the server that has the store open.
    Server(Client),
    /// The store itself; none if there is none yet.
    Store(Option<Opened>),
}

struct Opened {
    tokens: Tokens,
    store: store::Opened,
}

impl Opened {
    /// Brings the store to rest.
    fn close(self) -> Result<()> {
        self.store.close().map_err(|error| store_error(&error))
    }
}

/// Finds the way. `makes` makes a store where there is none.
async fn way(context: &Context, place: Place, makes: bool) -> Result<Way> {
    let found = match way::find(context, place, makes)? {
        way::Way::Server(client) => return Ok(Way::Server(client)),
        way::Way::Nowhere(_) => return Ok(Way::Store(None)),
        way::Way::Store(found) => found,
    };
    found.tell(context.ui);
    let store = found.store;
    let tokens = Tokens::open(Arc::new(store.clone()), Arc::new(SystemClock), Arc::new(Ids::new())).await;
    let tokens = tokens.map_err(|error| store_error(&error))?;
    Ok(Way::Store(Some(Opened { tokens, store })))
}

fn refused(error: TokenError) -> Error {
    match error {
        TokenError::NotFound(_) => {
            Error::not_found(error.to_string()).hint("`px tokens list` prints them all")
        }
        TokenError::Name => Error::usage(error.to_string()),
        TokenError::Store(error) => store_error(&error),
        TokenError::FirstIsNotAdmin => Error::new(crate::error::Kind::Conflict, error.to_string())
            .hint("make that one first: `px tokens create <name> --scope admin`"),
        other => Error::new(crate::error::Kind::Conflict, other.to_string()),
    }
}
