//! How a webhook proves who sent it: records, no code.
