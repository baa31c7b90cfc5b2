//! The resources of a project: made before the server takes work, on the threads
//! of users' code, and ended there when it takes none any more.

use std::time::Duration;

use px_pool::{Failure, Pool, Subject, panic_text};
use px_sdk::{Provided, Provider, Providers};
use tokio::sync::watch;

use crate::error::StartError;

/// Interval at which an operator is told of a resource that is still being made.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time that the resources have to end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Makes the resources one after the other, in the order of their lines. Those
/// that are there end if one cannot be made, or if the start is given up meanwhile.
pub(crate) async fn provide(
    pool: &Pool,
    providers: Providers,
    mut given_up: watch::Receiver<bool>,
) -> Result<Provided, StartError> {
    let provided = Provided::default();
    let making = async {
        for provider in providers {
            make(pool, provider, &provided).await?;
        }
        Ok(())
    };
    let made = tokio::select! {
        biased;
        () = until(&mut given_up) => Err(StartError::GivenUp),
        made = making => made,
    };
    if let Err(error) = made {
        end(pool, &provided).await;
        return Err(error);
    }
    Ok(provided)
}

/// Resolves when the start is given up, which it never is where nobody can say so.
async fn until(given_up: &mut watch::Receiver<bool>) {
    if given_up.wait_for(|given_up| *given_up).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn make(pool: &Pool, provider: Provider, provided: &Provided) -> Result<(), StartError> {
    let (need, place) = (provider.need, provider.place);
    // The call itself is users' code too, and belongs to the first poll.
    let code = async move { provider.make().await };
    let mut execution = pool.run(Subject::Resource { name: need.to_string() }, None, code);
    let made = loop {
        match tokio::time::timeout(PATIENCE, &mut execution).await {
            Ok(made) => break made,
            Err(_) => tracing::warn!(
                resource = %need, "px waits for the resource, which {place} provides, and takes no work before"
            ),
        }
    };
    let why = match made {
        Ok(Ok(resource)) => {
            provided.add(need, resource);
            return Ok(());
        }
        Ok(Err(error)) => {
            let causes = error.causes().iter().map(|cause| format!(": {cause}"));
            format!("{error}{}", causes.collect::<String>())
        }
        Err(Failure::Panicked(panic)) => format!("its provider panicked: {}", panic_text(&*panic)),
        Err(Failure::Closed) => "the threads of steps have ended".to_owned(),
    };
    Err(StartError::Resource { name: need.to_string(), place: place.to_string(), why })
}

/// Ends the resources that no step has any more, the newest first. A step that
/// never came back keeps those that it holds.
pub(crate) async fn end(pool: &Pool, provided: &Provided) {
    let held = provided.take();
    let ended = pool.run(Subject::Resource { name: "resources".to_owned() }, None, async move { drop(held) });
    match tokio::time::timeout(END_WITHIN, ended).await {
        Ok(Ok(()) | Err(Failure::Closed)) => {}
        Ok(Err(Failure::Panicked(panic))) => {
            tracing::error!("a resource panicked as it ended: {}", panic_text(&*panic));
        }
        Err(_) => tracing::warn!("the resources did not end within {END_WITHIN:?}, and are left"),
    }
}
