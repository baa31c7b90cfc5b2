//! Each way on has a method of its own, by its variant's name.
use px::prelude::*;

#[derive(Serialize, Deserialize, Choice)]
enum Load {
    Crate(String),
}

#[derive(Serialize, Deserialize, Choice)]
enum Twins {
    FooBar(String),
    Foo_bar(String),
}

fn main() {}
