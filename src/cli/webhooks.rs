//! The webhooks of a configuration, with their secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::{Config, SecretFile};
use crate::http::transport::Transport;
use crate::sink::webhook::{Secret, Webhook};

/// Where systemd puts the credentials of a unit (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The secrets of all webhooks, as far as they can be read, and what there is to say of their files.
#[derive(Debug)]
pub(super) struct Secrets {
    /// Those of each webhook, in the order of the configuration.
    of: Vec<Vec<Secret>>,
    /// Why secrets cannot be had, a line each.
    pub(super) errors: Vec<String>,
    /// Which credentials are not handed to this process: whoever is not the service cannot look into them.
    pub(super) not_handed: Vec<String>,
    /// What is not as it should be, a line each.
    pub(super) warnings: Vec<String>,
}

/// Reads the secrets of all webhooks.
pub(super) fn secrets(config: &Config, environment: &BTreeMap<String, String>) -> Secrets {
    let mut read =
        Secrets { of: Vec::new(), errors: Vec::new(), not_handed: Vec::new(), warnings: Vec::new() };
    for hook in &config.events.webhooks {
        let mut secrets = Vec::new();
        for file in &hook.secret_files {
            let of = format!("webhook {:?}: secret_files", hook.name);
            let Some(path) = path(file, environment) else {
                read.not_handed.push(format!(
                    "{of}: {file}: {CREDENTIALS} is not set; systemd sets it for a unit with LoadCredential="
                ));
                continue;
            };
            let named = path.display();
            match Secret::read(&path) {
                Ok((secret, by_all)) => {
                    secrets.push(secret);
                    if by_all {
                        read.warnings.push(format!("{of}: {named} can be read by everybody: chmod o-r"));
                    }
                }
                Err(error) => read.errors.push(format!("{of}: {named} {error}")),
            }
        }
        read.of.push(secrets);
    }
    read
}

fn path(file: &SecretFile, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    match file {
        SecretFile::File(path) => Some(path.clone()),
        SecretFile::Credential(name) => {
            let folder = environment.get(CREDENTIALS).filter(|folder| !folder.is_empty())?;
            Some(Path::new(folder).join(name))
        }
    }
}

impl Secrets {
    /// The webhooks, to be posted by this client.
    pub(super) fn webhooks(self, config: &Config, transport: &Transport) -> Vec<Webhook> {
        let made = config.events.webhooks.iter().zip(self.of).map(|(hook, secrets)| {
            Webhook::new(hook.name.clone(), hook.url.clone(), secrets, transport.clone())
        });
        made.collect()
    }
}
