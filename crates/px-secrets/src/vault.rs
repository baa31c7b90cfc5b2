//! Secrets at rest: they have to sign again after a restart, so they are kept
//! encrypted, under a key that lies in a file of its own or comes from the
//! operator. Nothing here prints, logs or returns a secret but to the signer.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use px_core::Scope;
use px_core::hook::Sealed;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// Bytes of a nonce. 192 random bits: it can be drawn without a count.
const NONCE_BYTES: usize = 24;

/// Reason that secrets cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key is not what it should be.
    #[error("the key that encrypts secrets is not {} hexadecimal digits", KEY_BYTES * 2)]
    Key,
    /// The key's file holds something else.
    #[error(
        "the key file {path} does not hold {} hexadecimal digits: put the key back that secrets were kept under",
        KEY_BYTES * 2
    )]
    KeyFile {
        /// The path of the file.
        path: String,
    },
    /// The key's file.
    #[error("failed to use the key file {path}: {source}")]
    File {
        /// The path of the file.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The key's file can be read by others.
    #[error(
        "the key file {path} can be read by others (mode {mode:03o}): `chmod 600 {path}`, and think of what was kept under it as known"
    )]
    Wide {
        /// The path of the file.
        path: String,
        /// The permission bits of the file.
        mode: u32,
    },
    /// The secret was encrypted with another key, or damaged.
    #[error(
        "a secret cannot be decrypted: it was kept under another key; restore that key, or set the secret anew with `px hooks rotate-secret` or `px secrets set`"
    )]
    Secret,
}

/// The place that a secret is sealed for: what was sealed for one place opens in
/// no other, so a value that somebody moves to another name or store is worth
/// nothing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The number of the store.
    pub(crate) store: [u8; 16],
    /// The scope.
    pub(crate) scope: Scope,
    /// The secret's name.
    pub(crate) name: &'a str,
}

impl Place<'_> {
    /// Bytes that no other place has: all but the last part have a fixed length.
    fn bytes(&self) -> Vec<u8> {
        [b"px secret\0", &self.store[..], &self.scope.0.to_be_bytes(), self.name.as_bytes()].concat()
    }
}

/// Encrypts and decrypts secrets. It has no `Debug` that shows anything.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
    /// The keys that are taking the place of this one, or had it before: what rests
    /// under them is read, and nothing is sealed under them.
    beside: Vec<XChaCha20Poly1305>,
    is_forgetful: bool,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault with this key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&Key::from(*key)), beside: Vec::new(), is_forgetful: false }
    }

    /// A vault whose key dies with it: for stores that do, too.
    #[must_use]
    pub fn forgetful() -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        px_core::random_bytes(key.as_mut_slice());
        Self { is_forgetful: true, ..Self::new(&key) }
    }

    /// Reads what rests under the keys of another vault, too: while one key takes the
    /// place of the other.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.beside.push(other.cipher);
        self.beside.extend(other.beside);
        self
    }

    /// Without the keys beside its own.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { beside: Vec::new(), ..self.clone() }
    }

    /// Returns whether its key dies with it.
    pub(crate) const fn is_forgetful(&self) -> bool {
        self.is_forgetful
    }

    /// From the key's text, 64 hexadecimal digits.
    ///
    /// # Errors
    /// It is something else; the text is not repeated.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(|_| Error::Key)?;
        Ok(Self::new(&key))
    }

    /// From a file; `None` if it is not there.
    ///
    /// # Errors
    /// The file cannot be read, can be read by others too, or holds no key.
    pub fn read_file(path: &Path) -> Result<Option<Self>, Error> {
        #[cfg(unix)]
        if let Ok(about) = std::fs::metadata(path) {
            let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777;
            if mode & 0o077 != 0 {
                return Err(Error::Wide { path: path.display().to_string(), mode });
            }
        }
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let wrong = |_| Error::KeyFile { path: path.display().to_string() };
                Self::from_text(&text).map(Some).map_err(wrong)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { path: path.display().to_string(), source }),
        }
    }

    /// From a file, which is made, readable by its owner only, if it is not there.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds no key.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        match Self::read_file(path)? {
            Some(vault) => Ok(vault),
            None => Self::make_file(path),
        }
    }

    /// Makes a file with a new key, readable by its owner only, unless another
    /// process is first.
    fn make_file(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.display().to_string(), source };
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        px_core::random_bytes(key.as_mut_slice());
        let text = Zeroizing::new(hex::encode(key.as_slice()));
        // Written aside: a death half way leaves no key of half a length behind.
        let aside = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        // What another process of this number has left behind is nobody's.
        let _ = std::fs::remove_file(&aside);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&aside).map_err(failed)?;
        // The first secret is durable only once its key is, and so is the key's name.
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        // Unlike a rename a link replaces nothing: of two processes one is first.
        let linked = std::fs::hard_link(&aside, path);
        std::fs::remove_file(&aside).map_err(failed)?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Self::from_file(path),
            Err(error) => return Err(failed(error)),
        }
        if let Some(folder) = path.parent() {
            std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(Self::new(&key))
    }

    /// Encrypts a secret that belongs to no place: a hook's.
    #[must_use]
    pub fn seal(&self, secret: &SecretString) -> Sealed {
        self.seal_with(secret, &[])
    }

    /// Encrypts a secret for a place.
    #[must_use]
    pub(crate) fn seal_for(&self, place: &Place<'_>, secret: &SecretString) -> Sealed {
        self.seal_with(secret, &place.bytes())
    }

    /// Encrypts a text for a purpose: it opens for no other. Returns letters, digits, `-` and `_`.
    #[must_use]
    pub fn seal_text(&self, purpose: &str, text: &str) -> String {
        let sealed = self.seal_with(&SecretString::from(text), format!("px {purpose}\0").as_bytes());
        URL_SAFE_NO_PAD.encode(sealed.0)
    }

    /// Decrypts a text of a purpose.
    ///
    /// # Errors
    /// It was encrypted with another key or for another purpose, or is damaged.
    pub fn open_text(&self, purpose: &str, sealed: &str) -> Result<SecretString, Error> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Error::Secret)?;
        self.open_with(&Sealed(sealed), format!("px {purpose}\0").as_bytes())
    }

    fn seal_with(&self, secret: &SecretString, aad: &[u8]) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        px_core::random_bytes(&mut nonce);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad };
        // It fails only for messages of 256 GiB and more.
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        Sealed([&nonce[..], &sealed.unwrap_or_default()].concat())
    }

    /// Decrypts a secret that belongs to no place.
    ///
    /// # Errors
    /// It was encrypted with another key, or is damaged.
    pub fn open(&self, sealed: &Sealed) -> Result<SecretString, Error> {
        self.open_with(sealed, &[])
    }

    /// Decrypts a secret of a place.
    ///
    /// # Errors
    /// It was encrypted with another key or for another place, or is damaged.
    pub(crate) fn open_for(&self, place: &Place<'_>, sealed: &Sealed) -> Result<SecretString, Error> {
        self.open_with(sealed, &place.bytes())
    }

    fn open_with(&self, sealed: &Sealed, aad: &[u8]) -> Result<SecretString, Error> {
        let (nonce, msg) = sealed.0.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Secret)?;
        let mut ciphers = std::iter::once(&self.cipher).chain(&self.beside);
        let opened = ciphers
            .find_map(|cipher| cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad }).ok())
            .ok_or(Error::Secret)?;
        String::from_utf8(opened).map(SecretString::from).map_err(|_| Error::Secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_3_a_secret_signs_again_after_a_restart_and_is_nowhere_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let secret = SecretString::from("whsec_topsecret");
        let sealed = Vault::from_file(&path).unwrap().seal(&secret);
        assert!(!sealed.0.windows(9).any(|window| window == b"topsecret"));
        assert_ne!(Vault::from_file(&path).unwrap().seal(&secret), sealed, "no nonce twice");
        let opened = Vault::from_file(&path).unwrap().open(&sealed).unwrap();
        assert_eq!(opened.expose_secret(), "whsec_topsecret");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[cfg(unix)]
    #[test]
    fn rules_67_a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        Vault::from_file(&path).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o660, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Vault::from_file(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:03o}")) && error.contains("chmod 600"), "{error}");
        }
        for mode in [0o600, 0o400] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Vault::from_file(&path).unwrap();
        }
    }

    #[test]
    fn a_value_opens_under_its_own_name_in_its_own_store_and_nowhere_else() {
        let vault = Vault::new(&[7; 32]);
        let place = Place { store: [1; 16], scope: Scope(0), name: "STRIPE_KEY" };
        let secret = SecretString::from("sk_live_0123456789");
        let sealed = vault.seal_for(&place, &secret);
        assert_eq!(vault.open_for(&place, &sealed).unwrap().expose_secret(), "sk_live_0123456789");
        for moved in [
            Place { name: "OTHER_KEY", ..place },
            Place { name: "STRIPE_KEY2", ..place },
            Place { store: [2; 16], ..place },
            Place { scope: Scope(1), ..place },
        ] {
            assert!(matches!(vault.open_for(&moved, &sealed), Err(Error::Secret)), "{moved:?}");
        }
        assert!(vault.open(&sealed).is_err(), "a hook cannot sign with it");
        let cursor = vault.seal_text("cursor", "a name");
        assert!(vault.open_text("cursor", &cursor).is_ok() && vault.open_text("other", &cursor).is_err());
        let cursor = Sealed(URL_SAFE_NO_PAD.decode(&cursor).unwrap());
        assert!(vault.open(&cursor).is_err() && vault.open_for(&place, &cursor).is_err());
        assert!(vault.open_for(&place, &vault.seal(&secret)).is_err(), "and a hook's is no secret's");
    }

    #[test]
    fn while_one_key_takes_the_place_of_another_both_are_read_and_one_seals() {
        let (old, new) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let secret = SecretString::from("sk_live_0123456789");
        let both = old.clone().beside(new.clone());
        for sealed in [old.seal(&secret), new.seal(&secret)] {
            assert!(both.open(&sealed).is_ok());
        }
        assert!(old.open(&both.seal(&secret)).is_ok() && new.open(&both.seal(&secret)).is_err());
        assert!(both.alone().open(&new.seal(&secret)).is_err());
    }

    #[test]
    fn another_key_and_damage_are_told_and_a_bad_key_is_not_shown() {
        let vault = Vault::from_text(&"ab".repeat(32)).unwrap();
        let mut sealed = vault.seal(&SecretString::from("s"));
        assert!(matches!(Vault::forgetful().open(&sealed), Err(Error::Secret)));
        if let Some(last) = sealed.0.last_mut() {
            *last ^= 1;
        }
        assert!(matches!(vault.open(&sealed), Err(Error::Secret)));
        let error = Vault::from_text("hunter2").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        Vault::from_file(&path).unwrap();
        std::fs::write(&path, "hunter2").unwrap();
        let error = Vault::from_file(&path).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && !error.contains("hunter2"), "{error}");
        assert_eq!(format!("{vault:?}"), "Vault");
    }
}
