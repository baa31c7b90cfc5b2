//! Steps on several threads share a resource, and an `Rc` must not be.
mod given;
use std::rc::Rc;

use given::*;
use px::prelude::*;

struct Db {
    pool: Rc<u32>,
}

fn orders() -> Brain<Order> {
    brain("orders").needs::<Db>().step("price", price).build()
}

fn main() {}
