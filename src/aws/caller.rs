//! Whose credentials are these? STS answers that to everybody, without any permission (`GetCallerIdentity` in the API
//! reference of AWS STS).

use std::time::Duration;

use super::credentials::Signer;
use super::fault::{self, Fault};
use super::{Account, Client, Content, FORM, Failure, Reply, Request, Service};
use crate::http::mask;

const QUESTION: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// Digits of an account id.
const DIGITS: usize = 12;

/// STS did not say whose credentials they are.
#[derive(Debug, thiserror::Error)]
pub enum NoCaller {
    /// There is no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The answer is a refusal, of the credentials or for another reason.
    #[error("STS answered HTTP {}: {}", reply.status, shown(fault))]
    Refused {
        /// The answer.
        reply: Box<Reply>,
        /// Its error code and message.
        fault: Fault,
    },
    /// The answer names no account: somebody else gave it.
    #[error("the answer of STS names no account")]
    Unreadable,
}

impl Client {
    /// The account that the credentials are of, in twelve digits. With a role, that is the role's account.
    pub async fn caller_account(
        &self,
        account: &Account,
        signer: &Signer,
        timeout: Duration,
    ) -> Result<String, NoCaller> {
        let content = Some(Content { media_type: FORM, text: QUESTION.to_owned() });
        let request = Request { service: Service::Sts, path_and_query: "/", content, timeout };
        let reply = self.ask(account, signer, &request).await?;
        if reply.status != 200 {
            let fault = Fault::read_query(&reply.body);
            return Err(NoCaller::Refused { reply: Box::new(reply), fault });
        }
        account_in(&reply.body).ok_or(NoCaller::Unreadable)
    }
}

fn account_in(body: &[u8]) -> Option<String> {
    let id = fault::element(std::str::from_utf8(body).ok()?, "Account")?;
    (id.len() == DIGITS && id.bytes().all(|b| b.is_ascii_digit())).then(|| id.to_owned())
}

fn shown(fault: &Fault) -> String {
    fault.code.as_deref().map_or_else(|| "no error code".to_owned(), mask::mask)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use url::Url;

    use super::super::AccountSettings;
    use super::super::credentials::CredentialCache;
    use super::*;

    #[test]
    fn sts_is_where_aws_has_it_unless_a_service_is_on_this_machine() {
        const ALONE: &str = "https://sts.eu-west-2.amazonaws.com/";
        const VPC: &str = "https://vpce-1.connect.eu-west-2.vpce.amazonaws.com/";
        for (chime, connect, sts) in [
            (None, None, ALONE),
            (None, Some(VPC), ALONE),
            (None, Some("http://127.0.0.1:4566/aws"), "http://127.0.0.1:4566/aws"),
            (Some("http://localhost:4566"), Some(VPC), "http://localhost:4566/"),
            (Some(VPC), Some("http://[::1]:4566"), "http://[::1]:4566/"),
        ] {
            let settings = AccountSettings {
                region: "eu-west-2".into(),
                chime_endpoint: chime.map(|url| Url::parse(url).unwrap()),
                connect_endpoint: connect.map(|url| Url::parse(url).unwrap()),
                ..AccountSettings::default()
            };
            let keys = Credentials::new("a", "b", None, None, "test");
            let cache = CredentialCache::from_provider(SharedCredentialsProvider::new(keys));
            let account = Account::with_credentials("prod-eu", &settings, cache).unwrap();
            assert_eq!(account.sts.as_str(), sts, "{chime:?} {connect:?}");
        }
    }

    #[test]
    fn only_twelve_digits_are_an_account() {
        for (body, wanted) in [
            ("<R><Account>123456789012</Account></R>", Some("123456789012")),
            ("<R>\n <Account>\n123456789012 </Account><Account>2</Account>", Some("123456789012")),
            ("<Account>12345678901</Account>", None),
            ("<Account>1234567890123</Account>", None),
            ("<Account>12345678901x</Account>", None),
            ("<Account>\u{0661}23456789012</Account>", None),
            ("<Account></Account>", None),
            ("<Account>123456789012", None),
            ("</Account>123456789012<Account>", None),
            ("{\"Account\":\"123456789012\"}", None),
            ("", None),
        ] {
            assert_eq!(account_in(body.as_bytes()).as_deref(), wanted, "{body}");
        }
        assert_eq!(account_in(b"<Account>123456789012</Account>\xff"), None);
    }
}
