//! A variant of a choice holds the state that its arm begins with.
use px::prelude::*;

#[derive(Serialize, Deserialize, Choice)]
enum Route {
    Card,
    Invoice,
}

#[derive(Serialize, Deserialize, Choice)]
struct NoEnum {
    card: String,
}

fn main() {}
