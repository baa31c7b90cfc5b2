//! `#[derive(Choice)]`: an enum whose variants are the ways on from a branch.

use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, Type, Variant};

/// One variant: its name, the state that it holds, and the method that gives its arm.
struct Way<'a> {
    variant: &'a Ident,
    state: &'a Type,
    name: String,
    method: Ident,
    slot: Ident,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<Tokens, Error> {
    let ways = ways(input)?;
    let name = &input.ident;
    let visibility = &input.vis;
    let (slots, variants): (Vec<_>, Vec<_>) = ways.iter().map(|way| (&way.slot, way.variant)).unzip();
    let takes = (0_usize..).zip(&ways).map(
        |(place, Way { variant, .. })| quote!(Self::#variant(state) => ::px::__private::way(#place, &state)),
    );
    let methods = (0_usize..).zip(&ways).map(|(place, way)| method(place, way, &slots));
    Ok(quote! {
        const _: () = {
            /// The variants, for what the compiler says of one without an arm.
            #[doc(hidden)]
            pub mod variants {
                #(#[derive(Debug)] pub struct #variants;)*
            }

            /// Arms of the ways on.
            #[must_use = "give it to `.choose(name, ways)`"]
            #[derive(Debug)]
            pub struct Ways<TEnd, THalts, #(#slots),*>(
                ::px::__private::WayArms<TEnd, THalts>,
                ::core::marker::PhantomData<fn() -> (#(#slots,)*)>,
            );

            #[automatically_derived]
            impl #name {
                /// Takes an arm for each variant, by a method of its name: for `.choose(name, ways)`.
                #visibility fn ways()
                    -> Ways<::px::__private::Unsettled, ::px::Sure, #(::px::__private::Missing<variants::#variants>),*>
                {
                    Ways(::px::__private::WayArms::none(), ::core::marker::PhantomData)
                }
            }

            #[automatically_derived]
            impl ::px::Choice for #name {
                fn take(self) -> ::px::Result<(usize, ::px::__private::Value)> {
                    match self {
                        #(#takes,)*
                    }
                }
            }

            #(#methods)*

            #[automatically_derived]
            impl<TEnd: ::px::State, THalts, #(#slots: ::px::__private::HasArm),*> ::px::Ways<#name>
                for Ways<::px::__private::Settled<TEnd>, THalts, #(#slots),*>
            {
                type State = TEnd;
                type Halts = THalts;

                fn arms(self) -> ::std::vec::Vec<::px::Arm> {
                    self.0.in_order()
                }
            }
        };
    })
}

/// The variants of an enum that is a choice.
fn ways(input: &DeriveInput) -> Result<Vec<Way<'_>>, Error> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`Choice` is derived for an enum: one variant for each way on",
        ));
    };
    if let Some(generic) = input.generics.params.first() {
        return Err(Error::new_spanned(generic, "`Choice` is derived for an enum without parameters"));
    }
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a choice needs a way: add a variant with its state"));
    }
    let ways = (0_usize..).zip(&data.variants).map(way).collect::<Result<Vec<_>, _>>()?;
    let mut others = ways.iter();
    while let Some(way) = others.next() {
        if let Some(other) = others.as_slice().iter().find(|other| other.name == way.name) {
            let text = format!(
                "this and `{}` would both have the method `{}` for their arm: call one of them otherwise",
                way.variant, way.name
            );
            return Err(Error::new_spanned(other.variant, text));
        }
    }
    Ok(ways)
}

/// The method that gives the arm of one variant, once.
fn method(place: usize, way: &Way<'_>, slots: &[&Ident]) -> Tokens {
    let Way { variant, state, name, method, slot } = way;
    let others: Vec<_> = slots.iter().filter(|other| **other != slot).collect();
    let before = slots.iter().map(|one| {
        if *one == slot { quote!(::px::__private::Missing<variants::#variant>) } else { quote!(#one) }
    });
    let after =
        slots.iter().map(|one| if *one == slot { quote!(::px::__private::Taken) } else { quote!(#one) });
    let doc = format!("The arm of `{variant}`: it begins with the state in it.");
    quote! {
        #[automatically_derived]
        impl<TEnd, THalts, #(#others),*> Ways<TEnd, THalts, #(#before),*> {
            #[doc = #doc]
            pub fn #method<TArm, TPhase, TGuard>(
                self,
                arm: impl ::core::ops::FnOnce(::px::PartOf<#state>) -> ::px::Builder<::px::InPart, TArm, TPhase, TGuard>,
            ) -> Ways<::px::__private::Settled<TArm>, <THalts as ::px::Or<TGuard>>::Either, #(#after),*>
            where
                TPhase: ::px::Ends,
                TArm: ::px::__private::EndsAlike<TEnd>,
                THalts: ::px::Or<TGuard>,
            {
                Ways(self.0.with(#place, #name, arm), ::core::marker::PhantomData)
            }
        }
    }
}

fn way((place, variant): (usize, &Variant)) -> Result<Way<'_>, Error> {
    let wrong = || {
        let name = &variant.ident;
        let text = format!(
            "a variant of a choice holds the state that its arm begins with: `{name}(State)`, or `{name}(())` \
             where there is none"
        );
        Error::new_spanned(variant, text)
    };
    let Fields::Unnamed(fields) = &variant.fields else { return Err(wrong()) };
    let mut fields = fields.unnamed.iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return Err(wrong()) };
    let name = crate::one_of::snake(&variant.ident.to_string());
    if ["crate", "self", "super"].contains(&name.as_str()) {
        let text = format!(
            "`{name}` cannot be the name of the method that takes this arm: call the variant otherwise"
        );
        return Err(Error::new_spanned(variant, text));
    }
    // A keyword is no name of a method, but `r#match` is.
    let method = match syn::parse_str::<Ident>(&name) {
        Ok(method) => Ident::new(&method.to_string(), Span::call_site()),
        Err(_) => Ident::new_raw(&name, Span::call_site()),
    };
    Ok(Way { variant: &variant.ident, state: &field.ty, name, method, slot: format_ident!("TWay{place}") })
}
