//! The PROXY protocol: a load balancer names the client, who counts as if it had come by itself; nobody else may.

use std::net::{SocketAddr, TcpStream};

use ombud_tests::{Desk, Options, Smtp};

use crate::{SUPPORT, from_ann};

/// A desk whose listener for SMTP has this load balancer.
fn behind(balancer: &str) -> Desk {
    let desk = Desk::prepare(Options::default());
    desk.configure(&desk.configuration().replace("[lmtp]", &format!("proxy = [\"{balancer}\"]\n[lmtp]")));
    desk.running()
}

fn with(address: SocketAddr, header: &[u8]) -> Smtp {
    let mut smtp = Smtp::open(address);
    smtp.send(header);
    smtp
}

fn v1(client: &str) -> String {
    format!("PROXY TCP4 {client} 127.0.0.1 40000 25\r\n")
}

#[test]
fn the_named_client_is_the_one_that_counts() {
    let desk = behind("127.0.0.1");
    let address = desk.ports().smtp;
    let mut smtp = with(address, v1("192.0.2.77").as_bytes());
    assert_eq!(smtp.reply().expect("a greeting").code, 220);
    assert_eq!(smtp.ask("EHLO client.test").code, 250);
    let mail = from_ann("Balanced", "through a load balancer");
    assert_eq!(smtp.mail(&mail.sender, &[SUPPORT], &mail.bytes()).expect("a reply").code, 250);
    assert!(desk.log().contains("mail accepted id=1 peer=Some(192.0.2.77)"), "{}", desk.log());

    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x4d\x7f\0\0\x01\0\x01\0\x19";
    assert_eq!(with(address, v2).reply().expect("a greeting").code, 220);
    let alive = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    assert_eq!(with(address, alive).reply().expect("a greeting").code, 220);

    // Twenty connections of one client; the balancer and other clients have no such limit.
    let mut open: Vec<Smtp> = (0..20).map(|_| with(address, v1("198.51.100.1").as_bytes())).collect();
    assert!(open.iter_mut().all(|smtp| smtp.reply().is_some_and(|reply| reply.code == 220)));
    let refused = with(address, v1("198.51.100.1").as_bytes()).reply().expect("a word");
    assert_eq!(refused.line, "421 4.7.0 Too many connections from your address, try again later");
    assert_eq!(with(address, v1("198.51.101.2").as_bytes()).reply().expect("a greeting").code, 220);
}

#[test]
fn a_header_is_needed_from_a_balancer() {
    let desk = behind("127.0.0.1");
    for wrong in ["EHLO client.test\r\n", "PROXY TCP4 x y 1 2\r\n", "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"] {
        assert_eq!(with(desk.ports().smtp, wrong.as_bytes()).until_closed(), "", "{wrong:?}");
    }
    // The other listeners have none.
    assert_eq!(Smtp::open(desk.ports().lmtp).reply().expect("a greeting").code, 220);
}

#[test]
fn nobody_else_may_name_a_client() {
    let desk = behind("192.0.2.1");
    let mut smtp = Smtp::open(desk.ports().smtp);
    assert_eq!(smtp.reply().expect("a greeting").code, 220);
    assert_eq!(smtp.ask("PROXY TCP4 10.0.0.1 10.0.0.2 1 25").code, 554);
    assert_eq!(smtp.until_closed(), "");
    assert!(TcpStream::connect(desk.ports().smtp).is_ok());
    let early = with(desk.ports().smtp, v1("10.0.0.1").as_bytes()).until_closed();
    assert!(early.contains("554 5.5.0 "), "{early}");
    assert!(desk.list("/api/v1/inbox").is_empty());
}
