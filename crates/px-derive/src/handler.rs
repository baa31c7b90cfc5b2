//! `#[px::handler(..)]`: the handler stays as it is, and `px::webhook!` is said of it, with the
//! payload and the response of its signature.

use proc_macro2::{Ident, TokenStream as Tokens};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, ItemFn, Lit, Meta, PathArguments, ReturnType, Token, Type,
};

/// Arguments of the attribute: `slug = "slack", verify = ..`, in any order.
pub(crate) struct Arguments {
    slug: Option<Expr>,
    verify: Option<Expr>,
    response: Option<Type>,
    payload: Option<Type>,
    /// Types in parentheses, as `px::webhook!` takes them.
    needs: Option<Type>,
    /// Methods of `WebhookBuilder`, in the order in which they are said.
    options: Vec<(Ident, Expr)>,
}

/// One of the arguments.
enum Argument {
    Value(Ident, Expr),
    Type(Ident, Type),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self, Error> {
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        if name == "response" || name == "payload" || name == "needs" {
            return Ok(Self::Type(name, input.parse()?));
        }
        Ok(Self::Value(name, input.parse()?))
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self, Error> {
        let mut arguments = Self {
            slug: None,
            verify: None,
            response: None,
            payload: None,
            needs: None,
            options: Vec::new(),
        };
        let whole = input.span();
        for argument in Punctuated::<Argument, Token![,]>::parse_terminated(input)? {
            match argument {
                Argument::Value(name, value) if name == "slug" => {
                    if !matches!(&value, Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_))) {
                        return Err(Error::new_spanned(
                            value,
                            "a slug is written as it is: `slug = \"slack\"`",
                        ));
                    }
                    arguments.slug = Some(value);
                }
                Argument::Value(name, value) if name == "verify" => arguments.verify = Some(value),
                Argument::Value(name, _) if name == "handler" => {
                    return Err(Error::new(name.span(), "the handler is the function below: leave this out"));
                }
                Argument::Value(name, value) => arguments.options.push((name, value)),
                Argument::Type(name, named) if name == "response" => arguments.response = Some(named),
                Argument::Type(name, named) if name == "needs" => arguments.needs = Some(named),
                Argument::Type(_, named) => arguments.payload = Some(named),
            }
        }
        for (is_there, missing) in [
            (arguments.slug.is_some(), "a webhook has a slug, the last part of its URL: `slug = \"slack\"`"),
            (
                arguments.verify.is_some(),
                "a webhook says how its senders are verified: `verify = px::verify::slack(\"SLACK_SIGNING_SECRET\")`, \
                 or `verify = px::verify::unverified()` while you try it out",
            ),
        ] {
            if !is_there {
                return Err(Error::new(whole, missing));
            }
        }
        Ok(arguments)
    }
}

pub(crate) fn expand(arguments: Arguments, item: &ItemFn) -> Result<Tokens, Error> {
    let Arguments { slug, verify, response, payload, needs, options } = arguments;
    let needs = needs.map(|needs| quote!(needs = #needs,));
    let payload = payload.map_or_else(|| payload_of(item), Ok)?;
    let response = response.map_or_else(|| response_of(item), Ok)?;
    let docs = item.attrs.iter().filter(|attribute| is_doc(attribute));
    let (name, options) = (&item.sig.ident, options.iter().map(|(name, value)| quote!(#name = #value)));
    Ok(quote! {
        ::px::webhook! {
            #(#docs)*
            slug = #slug,
            payload = #payload,
            response = #response,
            verify = #verify,
            handler = #name,
            #needs
            #(#options,)*
        }
    })
}

/// Returns true for a doc comment of a plain text, which says what the webhook is for.
fn is_doc(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::NameValue(named) if named.path.is_ident("doc"))
}

const SIGNATURE: &str = "a handler is `async fn receive(payload: P) -> Result<Inbound<R>>`, or, to see the request, \
                         `async fn receive(received: &Received, payload: P) -> Result<Inbound<R>>`; with `needs = (..)` \
                         `resources: &Resources` comes first";

/// The payload is the last argument.
fn payload_of(item: &ItemFn) -> Result<Type, Error> {
    if item.sig.asyncness.is_none() {
        return Err(Error::new(item.sig.fn_token.span(), format!("`async` is missing: {SIGNATURE}")));
    }
    match item.sig.inputs.last() {
        Some(FnArg::Typed(payload)) if item.sig.inputs.len() <= 3 => Ok((*payload.ty).clone()),
        _ => Err(Error::new(item.sig.ident.span(), SIGNATURE)),
    }
}

/// The response is the argument of `Inbound` in the return type.
fn response_of(item: &ItemFn) -> Result<Type, Error> {
    let found = match &item.sig.output {
        ReturnType::Type(_, output) => inbound(output),
        ReturnType::Default => None,
    };
    found.ok_or_else(|| {
        let place = match &item.sig.output {
            ReturnType::Type(_, output) => output.span(),
            ReturnType::Default => item.sig.ident.span(),
        };
        let alias = "where the return type is an alias, say the response: `#[px::handler(response = R, ..)]`";
        Error::new(place, format!("this says no response: {SIGNATURE}; {alias}"))
    })
}

fn inbound(within: &Type) -> Option<Type> {
    let Type::Path(path) = within else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(named) => Some(named),
        _ => None,
    });
    if last.ident == "Inbound" { types.next().cloned() } else { types.find_map(inbound) }
}
