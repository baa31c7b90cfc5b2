//! Parts of schemas that serde's types do not say by themselves.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// Any JSON object.
pub type Object = Map<String, Value>;

/// The schema of an `Option` that is always written, as null if there is nothing:
/// `#[schemars(with = "Nullable<T>")]`. A plain `Option` is left out instead.
#[derive(Debug)]
pub struct Nullable<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Nullable_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}
