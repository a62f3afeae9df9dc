//! Which service and which operation a request means.

use super::served::Operation;
use super::verify::signed_service;
use super::wire::{Request, decoded, form_value};

/// The services that are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Chime SDK Voice.
    Chime,
    /// Connect.
    Connect,
    /// The Security Token Service.
    Sts,
}

impl Service {
    /// The name in the scope of a signature.
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Self::Chime => "chime",
            Self::Connect => "connect",
            Self::Sts => "sts",
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// By the path; where the path says nothing, by the signature.
    pub(super) service: Service,
    pub(super) operation: Operation,
    /// The id in the path, decoded; empty for what has none.
    pub(super) id: String,
}

impl Call {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let call = |service, operation, id: &str| Self { service, operation, id: decoded(id) };
        let mut segments = request.path.strip_prefix('/').unwrap_or(request.path).split('/');
        let path = (segments.next().unwrap_or(""), segments.next(), segments.next());
        match (request.method, path) {
            ("GET", ("phone-number-orders", None, _)) => {
                call(Service::Chime, Operation::ListPhoneNumberOrders, "")
            }
            ("GET", ("phone-number-orders", Some(id), None)) if !id.is_empty() => {
                call(Service::Chime, Operation::GetPhoneNumberOrder, id)
            }
            ("POST", ("phone-number", Some("list"), None)) => {
                call(Service::Connect, Operation::ListPhoneNumbersV2, "")
            }
            ("GET", ("phone-number", Some(id), None)) if !id.is_empty() => {
                call(Service::Connect, Operation::DescribePhoneNumber, id)
            }
            ("POST", ("", None, _)) => call(Service::Sts, sts_operation(request), ""),
            (_, ("phone-number-orders" | "phone-numbers" | "search", ..)) => {
                call(Service::Chime, Operation::Other, "")
            }
            (_, ("phone-number", ..)) => call(Service::Connect, Operation::Other, ""),
            _ => call(service_by_signature(request), Operation::Other, ""),
        }
    }
}

fn sts_operation(request: &Request<'_>) -> Operation {
    let action = std::str::from_utf8(request.body).ok().and_then(|form| form_value(form, "Action"));
    if action.as_deref() == Some("GetCallerIdentity") {
        Operation::GetCallerIdentity
    } else {
        Operation::Other
    }
}

fn service_by_signature(request: &Request<'_>) -> Service {
    match signed_service(request) {
        Some("chime") => Service::Chime,
        Some("sts") => Service::Sts,
        _ => Service::Connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_decides_and_a_slash_inside_an_arn_has_to_be_encoded() {
        let of = |method, path| {
            let call = Call::of(&Request { method, path, query: "", headers: Vec::new(), body: b"" });
            (call.service, call.operation, call.id)
        };
        let arn = "/phone-number/arn%3Aaws%3Aconnect%3Aus-east-1%3A123456789012%3Aphone-number%2Fx";
        let (_, operation, id) = of("GET", arn);
        assert_eq!(operation, Operation::DescribePhoneNumber);
        assert_eq!(id, "arn:aws:connect:us-east-1:123456789012:phone-number/x");
        let bare = "/phone-number/arn:aws:connect:us-east-1:123456789012:phone-number/x";
        assert_eq!(of("GET", bare).1, Operation::Other);
        assert_eq!(of("GET", "/phone-number-orders").1, Operation::ListPhoneNumberOrders);
        for (method, path) in [
            ("DELETE", "/phone-number/x"),
            ("PUT", "/phone-number/x"),
            ("POST", "/phone-number/claim"),
            ("GET", "/phone-number/"),
        ] {
            assert_eq!(
                of(method, path),
                (Service::Connect, Operation::Other, String::new()),
                "{method} {path}"
            );
        }
        assert_eq!(of("POST", "/phone-number-orders").1, Operation::Other);
    }
}
