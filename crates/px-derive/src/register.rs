//! `#[px::register]`: the function stays as it is, and `px::brain!` is said of it.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Error, ItemFn, ReturnType, Type};

pub(crate) fn expand(arguments: &Tokens, item: &ItemFn) -> Result<Tokens, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[px::register]` takes nothing: a brain's options are said in its function, \
             `brain(\"survey\").describe(..)`",
        ));
    }
    let signature = &item.sig;
    let wrong = |place, text| Err(Error::new(place, text));
    if let Some(word) = &signature.asyncness {
        return wrong(word.span(), "a brain is made without waiting: leave out `async`");
    }
    if let Some(first) = signature.inputs.first() {
        return wrong(
            first.span(),
            "a brain is made of nothing: what its runs work on is the argument of its first step",
        );
    }
    if let Some(first) = signature.generics.params.first() {
        return wrong(first.span(), "one brain is registered: a function with parameters makes many");
    }
    if !makes_a_brain(&signature.output) {
        return wrong(
            signature.output.span(),
            "`#[px::register]` stands above the function that makes a brain: \
             `fn survey() -> Brain<Question> { brain(\"survey\").step(..).build() }`; of one that returns an \
             alias say `px::brain!(survey);` behind it",
        );
    }
    let name = &signature.ident;
    Ok(quote! {
        ::px::brain!(#name);
    })
}

/// Returns true if the type's last name is `Brain`.
fn makes_a_brain(output: &ReturnType) -> bool {
    let ReturnType::Type(_, output) = output else { return false };
    let Type::Path(path) = &**output else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Brain")
}
