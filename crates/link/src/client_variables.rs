//! What the names of nginx's variables say of where their values come from.

use crate::template::Variable;

/// Whether the variable is empty unless a client sends something of its name.
pub(crate) fn is_optional(variable: &Variable) -> bool {
    let Variable::Named(name) = variable else { return false };
    ["arg_", "http_", "cookie_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Variables of nginx that repeat what a client sends, or are made of it alone.
///
/// What nginx vouches for is none of them: the client's address, the server that it chose, a
/// certificate that it showed.
const OF_CLIENT: &[&str] = &[
    // The request line.
    "args",
    "document_uri",
    "is_args",
    "query_string",
    "request",
    "request_method",
    "request_uri",
    "server_protocol",
    "uri",
    // The header.
    "ancient_browser",
    "content_length",
    "content_type",
    "host",
    "invalid_referer",
    "modern_browser",
    "msie",
    "proxy_add_x_forwarded_for",
    "remote_user",
    "uid_got",
    // The body and the whole.
    "request_body",
    "request_body_file",
    "request_length",
    // Names of files, made of the path.
    "fastcgi_path_info",
    "fastcgi_script_name",
    "request_filename",
    // The protocol.
    "http2",
    "http3",
];

/// Whether a client sets the variable as it likes.
pub fn client_sets(variable: &Variable) -> bool {
    let Variable::Named(name) = variable else { return false };
    // What a handshake comes to is what the client offered, but for its certificate.
    let is_offered = name.starts_with("ssl_") && !name.starts_with("ssl_client_");
    is_optional(variable) || is_offered || OF_CLIENT.contains(&&**name)
}

/// Whether the variable says which file is asked for.
pub fn names_the_path(variable: &Variable) -> bool {
    match variable {
        // The last expression that matched need not be the one that looked at the path.
        Variable::Capture(_) => false,
        Variable::Named(name) => {
            matches!(&**name, "uri" | "document_uri" | "request_uri" | "request")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nginx_vouches_for_is_not_the_clients() {
        let is_set = |name: &str| client_sets(&Variable::Named(name.into()));
        for name in [
            "arg_x",
            "http_x_debug",
            "cookie_x",
            "is_args",
            "request_method",
            "remote_user",
            "content_type",
            "request_filename",
            "server_protocol",
            "http2",
            "ssl_server_name",
            "ssl_early_data",
        ] {
            assert!(is_set(name), "{name}");
        }
        for name in [
            "remote_addr",
            "binary_remote_addr",
            "proxy_protocol_addr",
            "scheme",
            "https",
            "server_name",
            "server_port",
            "connection",
            "request_id",
            "ssl_client_verify",
            "ssl_client_s_dn",
            "secret_of_map",
        ] {
            assert!(!is_set(name), "{name}");
        }
        assert!(!client_sets(&Variable::Capture(1)));
    }

    #[test]
    fn a_numbered_group_need_not_be_of_the_path() {
        for name in ["uri", "document_uri", "request_uri", "request"] {
            assert!(names_the_path(&Variable::Named(name.into())), "{name}");
        }
        assert!(!names_the_path(&Variable::Capture(1)));
        assert!(!names_the_path(&Variable::Named("arg_uri".into())));
    }
}
