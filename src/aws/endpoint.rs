//! Where a service answers: one address per service, region and partition, without asking anybody.

use url::Url;

use super::Service;

/// A partition: a prefix of its regions, its DNS suffix, its dual-stack DNS suffix.
///
/// From botocore's `partitions.json` (1.44.5). Each prefix ends with a hyphen, so that no two of them fit one region.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-gov-", "amazonaws.com", "api.aws"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

/// The commercial partition, which also takes regions that nobody has heard of yet.
const COMMERCIAL: (&str, &str) = ("amazonaws.com", "api.aws");

/// A DNS label holds no more (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

/// An account's settings name no usable address. All of them are for a person to correct.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// The region could not be part of a host name.
    #[error("not a region: {0:?}")]
    Region(String),
    /// FIPS and dual stack choose among AWS's own addresses; with another one they mean nothing.
    #[error("a custom endpoint excludes fips and dual_stack")]
    CustomWithVariant,
    /// The custom address has parts that a base address cannot have, or another scheme than http and https.
    #[error("a custom endpoint is http or https, a host, a port and a path, nothing else")]
    Custom,
}

/// The base address of a service: a custom one as it is, else AWS's by the endpoint rules of the service
/// (botocore's `endpoint-rule-set-1.json` of `chime-sdk-voice`, `connect` and `sts`).
pub fn endpoint(
    service: Service,
    region: &str,
    fips: bool,
    dual_stack: bool,
    custom: Option<&Url>,
) -> Result<Url, EndpointError> {
    if !is_label(region) {
        return Err(EndpointError::Region(region.to_owned()));
    }
    if let Some(custom) = custom {
        return if fips || dual_stack { Err(EndpointError::CustomWithVariant) } else { base(custom) };
    }
    let (dns, dual) = PARTITIONS
        .iter()
        .find(|(prefix, ..)| region.starts_with(prefix))
        .map_or(COMMERCIAL, |&(_, dns, dual)| (dns, dual));
    let suffix = if dual_stack { dual } else { dns };
    let host = match service {
        Service::ChimeVoice => "voice-chime",
        Service::Connect => "connect",
        Service::Sts => "sts",
    };
    // Their plain address in us-gov is a FIPS one, and there is no other without dual stack.
    let may_be_fips = matches!(service, Service::Connect | Service::Sts);
    let plain_is_fips = may_be_fips && region.starts_with("us-gov-") && !dual_stack;
    let variant = if fips && !plain_is_fips { "-fips" } else { "" };
    Url::parse(&format!("https://{host}{variant}.{region}.{suffix}"))
        .map_err(|_| EndpointError::Region(region.to_owned()))
}

fn base(custom: &Url) -> Result<Url, EndpointError> {
    let plain = matches!(custom.scheme(), "http" | "https")
        && custom.host().is_some()
        && custom.username().is_empty()
        && custom.password().is_none()
        && custom.query().is_none()
        && custom.fragment().is_none();
    if plain { Ok(custom.clone()) } else { Err(EndpointError::Custom) }
}

fn is_label(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The four variants of a region: plain, dual stack, FIPS, both. Written by botocore 1.44.5's own resolver.
    const CONNECT: [(&str, [&str; 4]); 10] = [
        (
            "us-east-1",
            [
                "connect.us-east-1.amazonaws.com",
                "connect.us-east-1.api.aws",
                "connect-fips.us-east-1.amazonaws.com",
                "connect-fips.us-east-1.api.aws",
            ],
        ),
        (
            "eu-west-2",
            [
                "connect.eu-west-2.amazonaws.com",
                "connect.eu-west-2.api.aws",
                "connect-fips.eu-west-2.amazonaws.com",
                "connect-fips.eu-west-2.api.aws",
            ],
        ),
        (
            "us-gov-west-1",
            [
                "connect.us-gov-west-1.amazonaws.com",
                "connect.us-gov-west-1.api.aws",
                "connect.us-gov-west-1.amazonaws.com",
                "connect-fips.us-gov-west-1.api.aws",
            ],
        ),
        (
            "cn-north-1",
            [
                "connect.cn-north-1.amazonaws.com.cn",
                "connect.cn-north-1.api.amazonwebservices.com.cn",
                "connect-fips.cn-north-1.amazonaws.com.cn",
                "connect-fips.cn-north-1.api.amazonwebservices.com.cn",
            ],
        ),
        (
            "eusc-de-east-1",
            [
                "connect.eusc-de-east-1.amazonaws.eu",
                "connect.eusc-de-east-1.api.amazonwebservices.eu",
                "connect-fips.eusc-de-east-1.amazonaws.eu",
                "connect-fips.eusc-de-east-1.api.amazonwebservices.eu",
            ],
        ),
        (
            "us-iso-east-1",
            [
                "connect.us-iso-east-1.c2s.ic.gov",
                "connect.us-iso-east-1.api.aws.ic.gov",
                "connect-fips.us-iso-east-1.c2s.ic.gov",
                "connect-fips.us-iso-east-1.api.aws.ic.gov",
            ],
        ),
        (
            "us-isob-east-1",
            [
                "connect.us-isob-east-1.sc2s.sgov.gov",
                "connect.us-isob-east-1.api.aws.scloud",
                "connect-fips.us-isob-east-1.sc2s.sgov.gov",
                "connect-fips.us-isob-east-1.api.aws.scloud",
            ],
        ),
        (
            "eu-isoe-west-1",
            [
                "connect.eu-isoe-west-1.cloud.adc-e.uk",
                "connect.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
                "connect-fips.eu-isoe-west-1.cloud.adc-e.uk",
                "connect-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
            ],
        ),
        (
            "us-isof-south-1",
            [
                "connect.us-isof-south-1.csp.hci.ic.gov",
                "connect.us-isof-south-1.api.aws.hci.ic.gov",
                "connect-fips.us-isof-south-1.csp.hci.ic.gov",
                "connect-fips.us-isof-south-1.api.aws.hci.ic.gov",
            ],
        ),
        (
            "xx-new-1",
            [
                "connect.xx-new-1.amazonaws.com",
                "connect.xx-new-1.api.aws",
                "connect-fips.xx-new-1.amazonaws.com",
                "connect-fips.xx-new-1.api.aws",
            ],
        ),
    ];

    const VARIANTS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

    #[test]
    fn every_partition_and_variant_is_where_botocore_says() {
        for (region, hosts) in CONNECT {
            for ((fips, dual_stack), host) in VARIANTS.into_iter().zip(hosts) {
                let url = endpoint(Service::Connect, region, fips, dual_stack, None).unwrap();
                assert_eq!(url.as_str(), format!("https://{host}/"), "{region} {fips} {dual_stack}");
                // STS's differ in the name only.
                let url = endpoint(Service::Sts, region, fips, dual_stack, None).unwrap();
                let sts = host.replacen("connect", "sts", 1);
                assert_eq!(url.as_str(), format!("https://{sts}/"), "{region} {fips} {dual_stack}");
                // Chime's rules are the same but for the name and the exception of us-gov.
                let url = endpoint(Service::ChimeVoice, region, fips, dual_stack, None).unwrap();
                let rest = host.trim_start_matches("connect").trim_start_matches("-fips");
                let name = if fips { "voice-chime-fips" } else { "voice-chime" };
                assert_eq!(url.as_str(), format!("https://{name}{rest}/"), "{region} {fips} {dual_stack}");
            }
        }
    }

    #[test]
    fn a_custom_endpoint_is_taken_as_it_is_but_not_with_a_variant() {
        let custom = Url::parse("http://127.0.0.1:4566/aws").unwrap();
        assert_eq!(endpoint(Service::Connect, "eu-west-2", false, false, Some(&custom)), Ok(custom.clone()));
        for (fips, dual_stack) in VARIANTS.into_iter().skip(1) {
            let answer = endpoint(Service::Connect, "eu-west-2", fips, dual_stack, Some(&custom));
            assert_eq!(answer, Err(EndpointError::CustomWithVariant));
        }
        for odd in ["ftp://h", "http://u@h", "http://u:p@h", "http://h/?q", "http://h/#f", "unix:/run/x"] {
            let odd = Url::parse(odd).unwrap();
            assert_eq!(
                endpoint(Service::Connect, "eu-west-2", false, false, Some(&odd)),
                Err(EndpointError::Custom)
            );
        }
    }

    #[test]
    fn a_region_cannot_lead_elsewhere() {
        for region in
            ["", "eu-west-2.example.com", "a/b", "EU-WEST-2", "a@b", "-a", "a-", "é", &"a".repeat(64)]
        {
            let answer = endpoint(Service::Connect, region, false, false, None);
            assert_eq!(answer, Err(EndpointError::Region(region.to_owned())));
        }
    }
}
