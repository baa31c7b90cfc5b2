//! The derive macro of enums that a step waits for, and the attributes that
//! register brains and webhooks. They write what a user would write by hand and
//! know nothing of webhooks, waits or runs.

mod choice;
mod handler;
mod one_of;
mod register;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{DeriveInput, Error, ItemFn, parse_macro_input};

/// Makes an enum the response of a wait on several webhooks: each variant has
/// one unnamed field, the response of one webhook, and the enum gets
/// `on(..)`, which takes a webhook's `on(identifier)` for each, in order.
///
/// ```ignore
/// #[derive(OneOf)]
/// enum Reply {
///     Slack(SlackReply),
///     Sms(Sms),
/// }
///
/// async fn ask(cx: Cx, customer: Customer) -> Result<Waiting<Asked, Reply>> {
///     // …
///     Ok(wait_for(asked, Reply::on(slack::on(&thread), twilio::on(&phone))))
/// }
/// ```
///
/// With `#[derive(Serialize)]` beside it, it is written into a state and read from there,
/// each variant under its own name: `{"Slack": …}`.
#[proc_macro_derive(OneOf)]
pub fn one_of(input: TokenStream) -> TokenStream {
    give(one_of::expand(&parse_macro_input!(input as DeriveInput)))
}

/// Makes an enum a choice for `.choose(name, ways)`: each variant holds the state that its arm
/// begins with, and the enum gets `ways()`, which takes an arm for each by a method of its name.
///
/// ```ignore
/// #[derive(Choice, Serialize, Deserialize)]
/// enum Route {
///     Card(CardOrder),
///     Invoice(InvoiceOrder),
/// }
///
/// brain("checkout")
///     .step("route", route) // async fn(Cx, Order) -> Result<Next<Route>>
///     .choose("how", Route::ways().card(|b| b.step("charge", charge)).invoice(|b| b.step("bill", bill)))
///     .build()
/// ```
#[proc_macro_derive(Choice)]
pub fn choice(input: TokenStream) -> TokenStream {
    give(choice::expand(&parse_macro_input!(input as DeriveInput)))
}

/// Registers a brain, above the function that makes it. `px::brain!(survey);` behind the
/// function does the same.
///
/// ```ignore
/// #[px::register]
/// pub fn survey() -> Brain<Question> {
///     brain("survey").step("ask", ask).step("note", note).build()
/// }
/// ```
#[proc_macro_attribute]
pub fn register(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemFn);
    beside(&item, register::expand(&arguments.into(), &item))
}

/// Defines and registers a webhook, above its handler: payload and response are those of
/// its signature. One a module, since it defines the module's `on(identifier)`, which is
/// what steps wait for. `px::webhook!` does the same.
///
/// ```ignore
/// /// Replies in Slack threads
/// #[px::handler(
///     slug = "slack",
///     verify = px::verify::slack("SLACK_SIGNING_SECRET"),
///     early = Duration::from_hours(1),      // optional: any method of `WebhookBuilder`
/// )]
/// async fn receive(event: Kind<SlackEvent>) -> Result<Inbound<SlackReply>> {
///     // …
/// }
/// ```
///
/// Where the return type does not show the response, an alias for instance, say it:
/// `response = SlackReply`.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemFn);
    beside(&item, syn::parse(arguments).and_then(|arguments| handler::expand(arguments, &item)))
}

/// Gives the function with what was made of it. It stays with an error too, so that nobody who names
/// it has another one.
fn beside(item: &ItemFn, made: Result<Tokens, Error>) -> TokenStream {
    let made = made.unwrap_or_else(Error::into_compile_error);
    quote!(#item #made).into()
}

fn give(made: Result<Tokens, Error>) -> TokenStream {
    made.unwrap_or_else(Error::into_compile_error).into()
}
