//! `#[derive(OneOf)]`: what a user would write by hand for an enum with one variant
//! for each webhook that a step waits for.

use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Lit, Token, Type, Variant};

/// One variant: its name, what it holds, and what it is called as an argument.
struct Entry<'a> {
    variant: &'a Ident,
    response: &'a Type,
    argument: Ident,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<Tokens, Error> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`OneOf` is derived for an enum: one variant for each webhook",
        ));
    };
    if let Some(generic) = input.generics.params.first() {
        return Err(Error::new_spanned(generic, "`OneOf` is derived for an enum without parameters"));
    }
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "a wait needs a webhook: add a variant with its response",
        ));
    }
    let attributes = data.variants.iter().flat_map(|variant| &variant.attrs).chain(&input.attrs);
    if let Some(attribute) = attributes.into_iter().find(|attribute| renames(attribute)) {
        return Err(Error::new_spanned(
            attribute,
            "a `OneOf` is read by the names of its variants, so `Serialize` must write these: leave out the rename",
        ));
    }
    let entries = data.variants.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let (name, visibility) = (&input.ident, &input.vis);
    let arguments =
        entries.iter().map(|Entry { argument, response, .. }| quote!(#argument: ::px::On<#response>));
    let registered = entries.iter().map(|Entry { argument, .. }| quote!(.and(#argument)));
    let variants = entries.iter().map(|Entry { variant, .. }| variant.unraw().to_string());
    let arms = (0_u32..).zip(&entries).map(|(index, Entry { variant, .. })| {
        quote!(#index => ::px::__private::VariantAccess::newtype_variant(response).map(Self::#variant))
    });
    Ok(quote! {
        #[automatically_derived]
        impl #name {
            /// The first of these webhooks, as what a step can wait for.
            #visibility fn on(#(#arguments),*) -> ::px::Union<Self> {
                ::px::Union::new() #(#registered)*
            }
        }

        #[automatically_derived]
        impl ::px::OneOf for #name {
            const VARIANTS: &'static [&'static str] = &[#(#variants),*];

            fn read<'de, A: ::px::__private::VariantAccess<'de>>(
                index: u32,
                response: A,
            ) -> ::core::result::Result<Self, A::Error> {
                match index {
                    #(#arms,)*
                    _ => ::core::result::Result::Err(::px::no_entry(index)),
                }
            }
        }

        #[automatically_derived]
        impl<'de> ::px::__private::Deserialize<'de> for #name {
            fn deserialize<D: ::px::__private::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                ::px::read_one_of(deserializer)
            }
        }
    })
}

/// Returns true for serde's attribute where it gives variants other names, or other forms.
fn renames(attribute: &Attribute) -> bool {
    let mut renames = false;
    if attribute.path().is_ident("serde") {
        // What cannot be parsed is serde's to name.
        let _ = attribute.parse_nested_meta(|meta| {
            renames |= ["rename", "rename_all", "tag", "content", "untagged"]
                .iter()
                .any(|one| meta.path.is_ident(one));
            if meta.input.peek(Token![=]) {
                meta.value()?.parse::<Lit>()?;
            }
            Ok(())
        });
    }
    renames
}

fn entry(variant: &Variant) -> Result<Entry<'_>, Error> {
    let wrong = || {
        let name = &variant.ident;
        let text = format!("a variant holds the response of one webhook: `{name}(Response)`");
        Error::new_spanned(variant, text)
    };
    let Fields::Unnamed(fields) = &variant.fields else { return Err(wrong()) };
    let mut fields = fields.unnamed.iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return Err(wrong()) };
    let argument = Ident::new(&snake(&variant.ident.to_string()), Span::call_site());
    Ok(Entry { variant: &variant.ident, response: &field.ty, argument: format_ident!("{argument}_") })
}

/// `SlackReply` as `slack_reply`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
