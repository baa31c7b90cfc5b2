//! Who calls the desk, a sender a file.

pub mod bank;
pub mod buttons;
pub mod carrier;
pub mod disputes;
