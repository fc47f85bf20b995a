//! What other protocols begin with, on a port that speaks HTTP: TLS, HTTP/2, a proxy's preface, mail, shells, scanners;
//! and answers in place of requests.

use super::Fate::{self, Refused, Unfinished};

pub fn add(add: &mut impl FnMut(Fate, &str, Vec<u8>)) {
    let http = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (name, bytes, fate) in FIRST_BYTES {
        add(*fate, name, bytes.to_vec());
    }
    for (name, preface) in PREFACES {
        add(Refused(400), name, [preface, &http[..]].concat());
    }
}

const FIRST_BYTES: &[(&str, &[u8], Fate)] = &[
    ("NUL", b"\0", Refused(400)),
    ("a byte that is never text", b"\xff", Refused(400)),
    ("TLS 1.0 client hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Refused(400)),
    ("TLS alert", b"\x15\x03\x03\x00\x02\x02\x28", Refused(400)),
    ("SSLv2 client hello", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", Refused(400)),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
    ("HTTP/2 preface and settings", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", Refused(505)),
    ("HTTP/2 settings", b"\0\0\x12\x04\0\0\0\0\0", Refused(400)),
    ("answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Refused(400)),
    ("answer without a reason", b"HTTP/1.1 200 \r\n\r\n", Refused(400)),
    ("answer of HTTP/1.0", b"HTTP/1.0 404 Not Found\r\nHost: localhost\r\n\r\n", Refused(400)),
    ("switching protocols", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", Refused(400)),
    ("masked text frame", b"\x81\x82\0\0\0\0{}", Refused(400)),
    ("masked close frame", b"\x88\x80\0\0\0\0", Refused(400)),
    ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Refused(400)),
    ("SMTP", b"EHLO mail.example\r\nMAIL FROM:<a@b>\r\n\r\n", Refused(400)),
    ("half of SMTP", b"EHLO mail.example\r\n", Unfinished),
    ("Redis", b"*1\r\n$4\r\nPING\r\n", Unfinished),
    ("memcached", b"stats\r\n\r\n", Refused(400)),
    ("RTSP", b"OPTIONS / RTSP/1.0\r\n\r\n", Refused(400)),
    ("SIP", b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n", Refused(400)),
    ("MQTT", b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0", Refused(400)),
    ("RDP", b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0", Refused(400)),
    ("SMB", b"\0\0\0\xa4\xffSMB", Refused(400)),
    ("telnet", b"\xff\xfb\x1f\xff\xfd\x03", Refused(400)),
    ("SOCKS5", b"\x05\x01\0", Refused(400)),
    ("JSON", b"{\"jsonrpc\":\"2.0\"}", Refused(400)),
    ("Flash policy request", b"<policy-file-request/>\0", Refused(400)),
    ("shell", b"; cat /etc/passwd\n", Refused(400)),
    ("HTTP/0.9", b"GET /health\r\n\r\n", Refused(400)),
    ("gzip", b"\x1f\x8b\x08\0", Refused(400)),
    ("UTF-16", b"G\0E\0T\0 \0/\0", Refused(400)),
];

/// Before a request that would be good.
const PREFACES: &[(&str, &[u8])] = &[
    ("PROXY protocol 1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    ("PROXY protocol 1, unknown", b"PROXY UNKNOWN\r\n"),
    ("PROXY protocol 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02"),
    ("PROXY protocol 2, LOCAL", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
    ("byte order mark", b"\xef\xbb\xbf"),
    ("SOCKS4", b"\x04\x01\0\x50\0\0\0\x01\0"),
    ("a chunk's end", b"0\r\n\r\n"),
];
