//! Mutations of bytes: the usual ones of fuzzers, and pieces that the parsers
//! of this project care about.

/// A small generator (SplitMix64): reproducible, and fast enough not to count.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() % limit as u64) as usize }
    }

    pub(crate) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What the grammars are made of, and what parsers stumble over.
const PIECES: &[&str] = &[
    "",
    "=",
    ",",
    ";",
    "v1",
    "v0=",
    "v1=",
    "t=",
    "sha256=",
    "sha1=",
    " ",
    "\t",
    "v1,",
    "v1a,",
    "&",
    "&&",
    "%",
    "%zz",
    "%00",
    "%C3%28",
    "+",
    "[]",
    "k[]=",
    "payload=",
    "payload=%7B%7D",
    "{",
    "}",
    "[",
    "]",
    "[[[[[[[[",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\":",
    "null",
    "true",
    "1e999",
    "-0",
    "18446744073709551616",
    "0.1",
    "Infinity",
    "NaN",
    "-1",
    "9223372036854775807",
    "AAAA",
    "====",
    "==",
    "\u{feff}",
    "\u{0}",
    "é",
    "\u{10ffff}",
    "/",
    "~0",
    "~1",
    "type",
    "challenge",
    "url_verification",
    "ssl_check=1",
    "hub.mode=subscribe",
    "token=",
    "Bearer ",
    "Basic ",
    "JWT ",
    "HMAC_SHA256",
    "for=",
    "proto=https",
    "signature",
    "timestamp",
    "{\"a\":1,\"a\":2}",
    "whsec_",
    "id",
    ":",
    "application/json",
    "application/x-www-form-urlencoded",
    "; charset=utf-16",
];

/// Changes some bytes, up to eight times.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 if at < bytes.len() => {
                let end = (at + 1 + random.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 if at < bytes.len() => {
                let end = (at + 1 + random.below(32)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            4 => bytes.truncate(at),
            5 if at < bytes.len() && random.one_in(20) => {
                let copy = vec![bytes[at]; 1 << random.below(12)];
                bytes.splice(at..at, copy);
            }
            _ => {
                let piece = random.pick(PIECES).bytes();
                bytes.splice(at..at, piece);
            }
        }
    }
}

/// A mutated text; what is no UTF-8 any more is replaced.
pub(crate) fn text(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    mutate(&mut bytes, random);
    String::from_utf8_lossy(&bytes).into_owned()
}
