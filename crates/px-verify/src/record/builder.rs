//! Builder methods of a record. Those that shape a signature only fit records
//! in the declarative form; on others they are noted, and the evaluator
//! refuses to start.

use std::time::Duration;

use super::{
    Ack, AckBody, Algorithm, Alternative, BodyForm, Duplicates, Encoding, Handshake, KeyForm, Layout, Part,
    Scheme, Signature, Source, TimeSource, Verification, Window,
};

/// The shape of the signature.
impl Verification {
    /// HMAC with SHA-1.
    #[must_use]
    pub fn sha1(self) -> Self {
        self.signature("sha1", |signature| signature.algorithm = Algorithm::HmacSha1)
    }

    /// HMAC with SHA-256, which is the default.
    #[must_use]
    pub fn sha256(self) -> Self {
        self.signature("sha256", |signature| signature.algorithm = Algorithm::HmacSha256)
    }

    /// HMAC with SHA-512.
    #[must_use]
    pub fn sha512(self) -> Self {
        self.signature("sha512", |signature| signature.algorithm = Algorithm::HmacSha512)
    }

    /// The signature is written in hexadecimal, which is the default.
    #[must_use]
    pub fn hex(self) -> Self {
        self.signature("hex", |signature| signature.encoding = Encoding::Hex)
    }

    /// The signature is written in base64.
    #[must_use]
    pub fn base64(self) -> Self {
        self.signature("base64", |signature| signature.encoding = Encoding::Base64)
    }

    /// The signature is written in the base64 of URLs.
    #[must_use]
    pub fn base64url(self) -> Self {
        self.signature("base64url", |signature| signature.encoding = Encoding::Base64url)
    }

    /// The header's value begins with this text, `sha256=` for instance.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        self.signature("prefix", |signature| signature.layout = Layout::Plain { prefix, separator: None })
    }

    /// The layout of the header's value.
    #[must_use]
    pub fn layout(self, layout: Layout) -> Self {
        self.signature("layout", |signature| signature.layout = layout)
    }

    /// Sets what is signed, in order; the default is the body alone.
    #[must_use]
    pub fn signed(self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.signature("signed", |signature| signature.signed = parts.into_iter().collect())
    }

    /// Sets how the key's bytes are made from the secret's text.
    #[must_use]
    pub fn key(self, form: KeyForm) -> Self {
        self.signature("key", |signature| signature.key = form)
    }

    /// The header that [`Part::Id`] stands for.
    #[must_use]
    pub fn id_header(self, name: impl Into<String>) -> Self {
        self.signature("id_header", |signature| signature.id_header = Some(name.into()))
    }

    /// The header that names the key which signed, by the id that `px.toml`
    /// gives to a secret.
    #[must_use]
    pub fn key_id_header(self, name: impl Into<String>) -> Self {
        self.signature("key_id_header", |signature| signature.key_id_header = Some(name.into()))
    }

    /// The header with the time of sending, in seconds since the epoch. It
    /// has to be among the [`signed`](Self::signed) parts.
    #[must_use]
    pub fn timestamp_header(self, name: impl Into<String>) -> Self {
        let window = Window::new(TimeSource::Header(name.into()));
        self.signature("timestamp_header", |signature| signature.window = Some(window))
    }

    /// Sets where the time of sending is, and how far it may be off.
    #[must_use]
    pub fn timestamp(self, window: Window) -> Self {
        self.signature("timestamp", |signature| signature.window = Some(window))
    }

    /// Sets how far the time of sending may be from the time of receipt, both
    /// ways; whole seconds count.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        let seconds = tolerance.as_secs();
        let set = |scheme: &mut Scheme| match scheme {
            Scheme::Signature(Signature { window: Some(window), .. }) => {
                window.tolerance_secs = seconds;
                true
            }
            Scheme::Mailgun { tolerance_secs } => {
                *tolerance_secs = seconds;
                true
            }
            _ => false,
        };
        if !set(&mut self.scheme) {
            self.misapplied.push("tolerance");
        }
        for other in &mut self.also {
            set(&mut other.scheme);
        }
        self
    }

    fn signature(mut self, method: &'static str, change: impl FnOnce(&mut Signature)) -> Self {
        match &mut self.scheme {
            Scheme::Signature(signature) => change(signature),
            _ => self.misapplied.push(method),
        }
        self
    }
}

/// The provider's behaviour.
impl Verification {
    /// Believes also who proves it as this record says, under its own secret:
    /// a provider with two signatures, or one that is changing them. Everything
    /// else of the other record (ids, body, reply) is left aside.
    #[must_use]
    pub fn also(mut self, other: Self) -> Self {
        let (of_self, of_other) = (self.secret.clone(), other.secret);
        let own = |secret: Option<String>| secret.filter(|secret| Some(secret) != of_self.as_ref());
        let first = Alternative { secret: own(of_other.clone()), scheme: other.scheme };
        let rest = other
            .also
            .into_iter()
            .map(|one| Alternative { secret: own(one.secret.or_else(|| of_other.clone())), ..one });
        let others: Vec<_> = std::iter::once(first).chain(rest).collect();
        self.also.extend(others);
        self.misapplied.extend(other.misapplied);
        self
    }

    /// The provider's name, for lists and logs.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.provider = name.into();
        self
    }

    /// One more place of the delivery's id: a header.
    #[must_use]
    pub fn dedup_header(self, name: impl Into<String>) -> Self {
        self.dedup(Source::header(name))
    }

    /// One more place of the delivery's id: a JSON pointer into the parsed
    /// body, or `/field` of a form.
    #[must_use]
    pub fn dedup_pointer(self, pointer: impl Into<String>) -> Self {
        self.dedup(Source::pointer(pointer))
    }

    /// One more place of the delivery's id.
    #[must_use]
    pub fn dedup(mut self, source: Source) -> Self {
        self.dedup.push(source);
        self
    }

    /// Sets the minimum time that an id is remembered, in whole seconds; a week
    /// by default. It has to be longer than the provider sends a delivery
    /// again, and where no time is signed it is what stops replays.
    #[must_use]
    pub fn remember(mut self, time: Duration) -> Self {
        self.remember_secs = time.as_secs();
        self
    }

    /// One more place of the kind of event: a header.
    #[must_use]
    pub fn event_header(mut self, name: impl Into<String>) -> Self {
        self.event_type.push(Source::header(name));
        self
    }

    /// One more place of the kind of event: a JSON pointer into the parsed
    /// body, or `/field` of a form.
    #[must_use]
    pub fn event_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.event_type.push(Source::pointer(pointer));
        self
    }

    /// The provider's question before the first delivery.
    #[must_use]
    pub fn handshake(mut self, handshake: Handshake) -> Self {
        self.handshake = Some(handshake);
        self
    }

    /// Sets how the body becomes JSON; the default goes by the content type.
    #[must_use]
    pub fn body(mut self, form: BodyForm) -> Self {
        self.body = form;
        self
    }

    /// Says that the provider posts forms, where the record takes JSON as well: samples are
    /// made as forms then.
    #[must_use]
    pub fn posts_forms(mut self) -> Self {
        self.posts_forms = true;
        self
    }

    /// The body carries several events, in an array at this JSON pointer. Each is
    /// known by an id of its own: where the id is in a header, the first by that id
    /// itself, the second by `<id>[1]`.
    #[must_use]
    pub fn batch(mut self, pointer: impl Into<String>) -> Self {
        self.batch = Some(pointer.into());
        self
    }

    /// The status of every accepted delivery.
    #[must_use]
    pub fn ack_status(mut self, status: u16) -> Self {
        self.ack.status = Some(status);
        self
    }

    /// The body of every accepted delivery.
    #[must_use]
    pub fn ack_body(mut self, content_type: impl Into<String>, text: impl Into<String>) -> Self {
        self.ack.body = Some(AckBody { content_type: content_type.into(), text: text.into() });
        self
    }

    /// The provider never sends a delivery again.
    #[must_use]
    pub fn never_retries(mut self) -> Self {
        self.never_retries = true;
        self
    }

    /// A duplicate is answered as its original was, byte for byte.
    #[must_use]
    pub fn repeat_duplicates(mut self) -> Self {
        self.ack = Ack { duplicates: Duplicates::Repeat, ..self.ack };
        self
    }
}
