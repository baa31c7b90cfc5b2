//! The nouns and the rules of px.

mod clock;
mod entropy;
mod id;
mod time;

pub use clock::{Clock, ManualClock, SystemClock};
pub use entropy::Ids;
pub use id::{DeliveryId, EventId, ExecutionId, ParseIdError, RunId, WaitId};
pub use time::Timestamp;
