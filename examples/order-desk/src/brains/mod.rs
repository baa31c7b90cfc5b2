//! What the desk does, a brain a file.

pub mod approval;
pub mod order;
pub mod poll;
pub mod refund;
pub mod shipping;
