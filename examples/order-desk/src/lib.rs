//! An order desk: payments with reminders, approvals by link or button, a carrier that fails now and then, and
//! refunds that begin with a dispute. Here to learn: begin with `brains/order.rs`.

pub mod brains;
pub mod outside;
pub mod webhooks;
