//! The contract as `/openapi.json` says it: which route a request is meant
//! for, whether its answer is one that the route may give, and what was seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::support::{Px, Reply};

/// A method and a path with its parameters' names.
pub type Route = (String, String);

pub struct Book {
    document: Value,
    validators: RefCell<BTreeMap<(Route, u16), Option<Validator>>>,
    seen: RefCell<BTreeMap<Route, BTreeSet<u16>>>,
    codes: RefCell<BTreeSet<String>>,
}

impl Book {
    pub fn of(px: &Px) -> Self {
        let reply = px.get("/openapi.json");
        assert_eq!((reply.status, reply.json()["openapi"].as_str()), (200, Some("3.1.0")));
        Self {
            document: reply.json(),
            validators: RefCell::default(),
            seen: RefCell::default(),
            codes: RefCell::default(),
        }
    }

    pub fn routes(&self) -> Vec<Route> {
        let paths = self.document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect()
    }

    pub fn operation(&self, (method, path): &Route) -> &Value {
        &self.document["paths"][path][method.to_lowercase()]
    }

    /// The route that a request is meant for: fixed words come before parameters.
    pub fn route(&self, method: &str, target: &str) -> Option<Route> {
        let target = target.split('?').next().unwrap_or(target);
        let fits = |path: &str| {
            let (mine, theirs): (Vec<_>, Vec<_>) = (path.split('/').collect(), target.split('/').collect());
            mine.len() == theirs.len()
                && mine.iter().zip(&theirs).all(|(a, b)| a.starts_with('{') && !b.is_empty() || a == b)
        };
        let routes = self.routes().into_iter().filter(|(known, path)| known == method && fits(path));
        routes.min_by_key(|(_, path)| path.matches('{').count())
    }

    /// Sends a request, and holds the answer against the document.
    #[track_caller]
    pub fn ask(&self, px: &Px, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let owned: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let reply = px.try_send(method, target, &owned, body).unwrap();
        if let Some(route) = self.route(method, target) {
            self.check(&route, &reply);
        }
        if let Some(code) = reply.json()["code"].as_str() {
            self.codes.borrow_mut().insert(code.to_owned());
        }
        reply
    }

    /// Notes an answer that was read elsewhere.
    #[track_caller]
    pub fn check(&self, route: &Route, reply: &Reply) {
        let status = reply.status.to_string();
        let documented = &self.operation(route)["responses"][&status];
        assert!(documented.is_object(), "{route:?} may not answer {status}: {}", reply.text());
        self.seen.borrow_mut().entry(route.clone()).or_default().insert(reply.status);
        let content = documented["content"].as_object();
        let kind = reply.header("content-type").map(|kind| kind.split(';').next().unwrap().to_owned());
        match (content, kind) {
            (None, _) => assert!(reply.body.is_empty(), "{route:?} {status} has a body: {}", reply.text()),
            (Some(content), kind) => {
                let said = content.keys().map(|kind| kind.split(';').next().unwrap()).collect::<Vec<_>>();
                // A webhook's own reply may look as it likes.
                let is_free = route.1 == "/webhooks/{slug}" && reply.status == 200;
                assert!(
                    is_free || kind.as_deref().is_some_and(|kind| said.contains(&kind)),
                    "{route:?} {status}: {kind:?}, and {said:?} is documented"
                );
            }
        }
        if content.is_none_or(|content| !content.contains_key("application/json")) {
            return;
        }
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry((route.clone(), reply.status)).or_insert_with(|| {
            let schema = documented["content"]["application/json"]["schema"].clone();
            let whole = json!({ "components": self.document["components"], "allOf": [schema] });
            Some(jsonschema::validator_for(&whole).unwrap())
        });
        let value = reply.json();
        let errors: Vec<String> = validator
            .as_ref()
            .unwrap()
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{route:?} {status} is not as documented: {errors:#?}\n{}", reply.text());
        super::types::check(&documented["content"]["application/json"]["schema"], &value);
        if reply.status >= 400 && value.get("error").is_some() {
            assert!(value["code"].as_str().is_some_and(|code| code.starts_with("PX")), "{}", reply.text());
        }
    }

    pub fn note(&self, route: &str, status: u16) {
        let (method, path) = route.split_once(' ').unwrap();
        let route = (method.to_owned(), path.to_owned());
        assert!(self.operation(&route)["responses"][status.to_string()].is_object(), "{route:?} {status}");
        self.seen.borrow_mut().entry(route).or_default().insert(status);
    }

    /// What is documented and was not seen.
    pub fn unseen(&self) -> BTreeSet<(Route, u16)> {
        let seen = self.seen.borrow();
        let mut unseen = BTreeSet::new();
        for route in self.routes() {
            for status in self.operation(&route)["responses"].as_object().unwrap().keys() {
                let status = status.parse().unwrap();
                if !seen.get(&route).is_some_and(|seen| seen.contains(&status)) {
                    unseen.insert((route.clone(), status));
                }
            }
        }
        unseen
    }

    pub fn codes(&self) -> BTreeSet<String> {
        self.codes.borrow().clone()
    }
}
