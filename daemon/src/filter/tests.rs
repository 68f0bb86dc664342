#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;

use super::*;
use crate::config::OnError;
use crate::model::Transport;

const RAW: &[u8] = b"From: ann@x.test\r\nSubject: one\r\n two\r\n\r\nHello\r\n";
const CONTINUE: &[u8] = b"\0\0\0\x01c";
const PATIENCE: Duration = Duration::from_millis(150);

fn envelope() -> Envelope {
    Envelope {
        transport: Transport::Smtp,
        peer: Some("192.0.2.7".parse().unwrap()),
        helo: Some("client.test".into()),
        mail_from: "ann@x.test".into(),
        sender_unknown: false,
        recipients: vec!["support@desk.test".into(), "sales@desk.test".into()],
        tls: false,
        auth_user: None,
        outside: true,
        malformed: None,
        account: None,
        verdict: None,
        findings: Vec::new(),
    }
}

fn frame(code: u8, data: &[u8]) -> Vec<u8> {
    [&u32::try_from(data.len() + 1).unwrap().to_be_bytes()[..], &[code], data].concat()
}

fn agreed(version: u32, wants: u32) -> Vec<u8> {
    frame(b'O', &[version.to_be_bytes(), 0u32.to_be_bytes(), wants.to_be_bytes()].concat())
}

/// Reads one frame of ours; none when we have hung up.
async fn heard(io: &mut DuplexStream) -> Option<(u8, Vec<u8>)> {
    let length = usize::try_from(io.read_u32().await.ok()?).unwrap();
    let mut data = vec![0; length];
    io.read_exact(&mut data).await.ok()?;
    Some((data.remove(0), data))
}

/// A conversation about `raw` with somebody who answers each frame as `answer` says, by its command and its place among
/// those of that command; an answer of none hangs up. What was heard comes back.
async fn talk(raw: &[u8], answer: impl Fn(u8, usize) -> Option<Vec<u8>> + Send) -> (Result<Said, Fault>, Vec<(u8, Vec<u8>)>) {
    let (ours, mut theirs) = duplex(1 << 20);
    let peer = async {
        let mut all = Vec::new();
        while let Some((code, data)) = heard(&mut theirs).await {
            let nth = all.iter().filter(|(known, _)| *known == code).count();
            all.push((code, data));
            match answer(code, nth) {
                Some(said) => drop(theirs.write_all(&said).await),
                None => break,
            }
        }
        // Whoever waits for an answer learns that there will be none.
        drop(theirs);
        all
    };
    let asked = async {
        let envelope = envelope();
        let mut session = Session::begin(ours, Time::of(PATIENCE)).await?;
        session.judge(&Subject { envelope: &envelope, hostname: "desk.test", raw }).await
    };
    tokio::join!(asked, peer)
}

/// Says yes to everything, but `said` to one command.
fn but(wants: u32, command: u8, said: Vec<u8>) -> impl Fn(u8, usize) -> Option<Vec<u8>> {
    move |code, _| {
        Some(match code {
            b'O' => agreed(6, wants),
            b'D' | b'Q' => Vec::new(),
            code if code == command => said.clone(),
            _ => CONTINUE.to_vec(),
        })
    }
}

#[tokio::test]
async fn a_mail_is_told_as_a_mail_server_tells_it() {
    let (said, heard) = talk(RAW, but(0, b'x', Vec::new())).await;
    assert_eq!(said.unwrap(), Said { action: Action::Accept, why: None, tags: Vec::new() });
    let told: Vec<_> = heard.iter().filter(|(code, _)| *code != b'D').map(|(code, data)| (*code, data.as_slice())).collect();
    let expected: [(u8, &[u8]); 11] = [
        (b'O', &[0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xf7, 0xff]),
        (b'C', b"[192.0.2.7]\x004\0\x00192.0.2.7\0"),
        (b'H', b"client.test\0"),
        (b'M', b"<ann@x.test>\0"),
        (b'R', b"<support@desk.test>\0"),
        (b'R', b"<sales@desk.test>\0"),
        (b'T', b""),
        (b'L', b"From\0ann@x.test\0"),
        (b'L', b"Subject\0one\n two\0"),
        (b'N', b""),
        (b'B', b"Hello\r\n"),
    ];
    assert_eq!(told[..11], expected);
    assert_eq!(told[11..], [(b'E', &b""[..])]);
}

#[tokio::test]
async fn steps_that_nobody_wants_are_left_out_and_silence_is_respected() {
    // Everything without an answer, as rspamd has it; then only the end.
    let (said, heard) = talk(RAW, |code, _| {
        Some(match code {
            b'O' => agreed(6, 0xf_f080 | 0x10_0000),
            b'E' => CONTINUE.to_vec(),
            _ => Vec::new(),
        })
    })
    .await;
    assert_eq!(said.unwrap().action, Action::Accept);
    assert!(heard.contains(&(b'L', b"From\0 ann@x.test\0".to_vec())), "its space was asked for");
    let (said, heard) = talk(RAW, but(0x27f, b'E', frame(b'r', b""))).await;
    assert_eq!(said.unwrap().action, Action::Reject);
    assert_eq!(heard.iter().filter(|(code, _)| *code != b'D').map(|(code, _)| *code).collect::<Vec<_>>(), b"OE");
}

#[tokio::test]
async fn each_word_is_understood_wherever_it_is_said() {
    for command in *b"CHMTLNBE" {
        for (said, action) in [
            (frame(b'a', b""), Action::Accept),
            (frame(b'r', b""), Action::Reject),
            (frame(b't', b""), Action::Tempfail),
            (frame(b'd', b""), Action::Discard),
            (frame(b'y', b"451 4.7.1 Later\0"), Action::Tempfail),
            ([frame(b'p', b""), frame(b'y', b"550 5.7.1 No\0")].concat(), Action::Reject),
        ] {
            let found = talk(RAW, but(0, command, said.clone())).await.0.unwrap();
            assert_eq!(found.action, action, "{said:?} to {}", char::from(command));
        }
    }
}

#[tokio::test]
async fn one_recipient_that_is_refused_does_not_refuse_the_mail() {
    let refusing = |refused: usize| {
        move |code, nth| {
            Some(match code {
                b'O' => agreed(6, 0),
                b'D' | b'Q' => Vec::new(),
                b'R' if nth < refused => frame(b'r', b""),
                _ => CONTINUE.to_vec(),
            })
        }
    };
    assert_eq!(talk(RAW, refusing(1)).await.0.unwrap().action, Action::Accept);
    assert_eq!(talk(RAW, refusing(2)).await.0.unwrap().action, Action::Reject);
}

#[tokio::test]
async fn changes_are_kept_as_evidence_and_a_quarantine_holds() {
    let said = [frame(b'h', b"X-Spam\0Yes\0"), frame(b'b', b"other text"), frame(b'q', b"bad luck\0"), CONTINUE.to_vec()].concat();
    let found = talk(RAW, but(0, b'E', said)).await.0.unwrap();
    assert_eq!(found, Said { action: Action::Quarantine, why: Some("bad luck".into()), tags: vec!["X-Spam: Yes".into()] });
    let many = [frame(b'h', b"X\0y\0").repeat(900), CONTINUE.to_vec()].concat();
    assert_eq!(talk(RAW, but(0, b'E', many)).await.0.unwrap().tags.len(), 20);
}

#[tokio::test]
async fn who_hangs_up_anywhere_is_found_out() {
    let frames = talk(RAW, but(0, b'x', Vec::new())).await.1.len();
    for at in 0..frames {
        let heard = std::sync::atomic::AtomicUsize::new(0);
        let yes = but(0, b'x', Vec::new());
        let found = talk(RAW, |code, nth| {
            let n = heard.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (n < at).then(|| yes(code, nth)).flatten()
        });
        let fault = found.await.0.unwrap_err();
        assert!(matches!(fault, Fault::HungUp | Fault::Broken(_)), "after {at} frames: {fault}");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    for command in *b"OCHMRTLNBE" {
        let fault = talk(RAW, but(0, command, Vec::new())).await;
        // To the negotiation `but` answers all the same.
        assert!(command == b'O' || matches!(fault.0, Err(Fault::Late(_))), "{}", char::from(command));
    }
    assert!(matches!(talk(RAW, |_, _| Some(Vec::new())).await.0, Err(Fault::Late(_))));
    // One that says nothing but that it is busy has three times its patience.
    let (ours, mut theirs) = duplex(1 << 16);
    let begun = tokio::time::Instant::now();
    let busy = async {
        theirs.write_all(&agreed(6, 0x7f | 0x200)).await.unwrap();
        while theirs.write_all(&frame(b'p', b"")).await.is_ok() {
            tokio::time::sleep(PATIENCE / 3).await;
        }
    };
    let envelope = envelope();
    let asked = async {
        let mut session = Session::begin(ours, Time::of(PATIENCE)).await?;
        session.judge(&Subject { envelope: &envelope, hostname: "desk.test", raw: RAW }).await
    };
    let (found, ()) = tokio::join!(asked, busy);
    assert!(matches!(found, Err(Fault::Late(limit)) if limit == PATIENCE * 3), "{found:?}");
    assert!(begun.elapsed() >= PATIENCE * 2);
}

#[tokio::test]
async fn whoever_says_too_much_or_nonsense_is_not_heard() {
    for bad in [
        b"\0\0\0\0".to_vec(),
        b"\xff\xff\xff\xffc".to_vec(),
        b"\0\x01\0\x01c".to_vec(),
        frame(b'?', b""),
        frame(b'y', b"250 fine\0"),
        frame(b'm', b"\0"),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ] {
        for command in *b"CE" {
            assert!(matches!(talk(RAW, but(0, command, bad.clone())).await.0, Err(Fault::Garbage(_))), "{bad:?}");
        }
    }
    for (version, wants) in [(1, 0), (7, 0), (u32::MAX, 0), (6, 0x800), (6, u32::MAX)] {
        let found = talk(RAW, |_, _| Some(agreed(version, wants))).await.0;
        assert!(matches!(found, Err(Fault::Garbage(_))), "{version} {wants}");
    }
    let found = talk(RAW, but(0, b'E', frame(b'p', b"").repeat(1_001))).await.0;
    assert!(matches!(found, Err(Fault::Chatty)), "{found:?}");
    let found = talk(RAW, but(0, b'E', frame(b'b', &[b'x'; 65_000]).repeat(20))).await.0;
    assert!(matches!(found, Err(Fault::Chatty)), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_octets_are_an_answer_or_a_fault(said in prop::collection::vec(any::<u8>(), 0..80), code in prop::sample::select(b"acrtdyhmiqspb".to_vec()), framed in any::<bool>()) {
        let said = if framed { [frame(code, &said), CONTINUE.to_vec()].concat() } else { said };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // It hangs up after its words, so that none of them can wait for more.
        let (ours, mut theirs) = duplex(1 << 16);
        let envelope = envelope();
        let found = runtime.block_on(async {
            theirs.write_all(&[agreed(6, 0x27f), said].concat()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut session = Session::begin(ours, Time::of(PATIENCE)).await?;
            session.judge(&Subject { envelope: &envelope, hostname: "desk.test", raw: RAW }).await
        });
        if let Ok(said) = found {
            prop_assert!(said.tags.len() <= 20 && !matches!(said.action, Action::Untested | Action::Failed));
        }
    }
}

fn filter(name: &str, address: SocketAddr) -> Filter {
    Filter {
        name: name.into(),
        address: FilterAddress::Tcp(address.ip().to_string(), address.port()),
        timeout: Duration::from_secs(2),
        on_error: OnError::Open,
        size: 1_000,
        hold_on: vec![("X-Spam".into(), "yes".into())],
    }
}

/// A filter that wants the end of a mail alone and says `said` to it; how often it was asked.
async fn fake(said: Vec<u8>) -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            io.write_all(&[agreed(6, 0x27f), said.clone()].concat()).await.unwrap();
            let _ = io.read_to_end(&mut Vec::new()).await;
        }
    });
    (address, asked)
}

async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn config(filters: Vec<Filter>) -> Config {
    let mut config = Config::local(std::path::Path::new("unused")).unwrap();
    config.filters = filters;
    config
}

fn actions(findings: &[Finding]) -> Vec<Action> {
    findings.iter().map(|finding| finding.action).collect()
}

#[tokio::test]
async fn filters_are_asked_in_turn_until_one_refuses() {
    let (tags, _) = fake([frame(b'h', b"x-spam\0YES\0"), CONTINUE.to_vec()].concat()).await;
    let (refuses, asked) = fake(frame(b'y', b"550 5.7.1 Virus\0")).await;
    let config = config(vec![filter("a", tags), filter("b", nobody().await), filter("c", refuses), filter("d", tags)]);
    let filters = Filters::new(Clock::default());
    let found = filters.findings(&config, &envelope(), RAW, &[]).await;
    assert_eq!(actions(&found), [Action::Quarantine, Action::Failed, Action::Reject]);
    assert_eq!(refusal(&config, &found).unwrap().to_string(), "550 5.7.1 Virus");
    assert_eq!(filters.tally("c").findings, [0, 0, 0, 1, 0, 0, 0]);
    assert!(filters.tally("b").failing_since.is_some() && filters.tally("a").failing_since.is_none());
    // What was said once stands; what failed is asked again.
    assert!(Filters::is_asked(&config, &found));
    let again = filters.findings(&config, &envelope(), RAW, &found).await;
    assert_eq!((again == found, asked.load(std::sync::atomic::Ordering::Relaxed)), (true, 1));
    assert_eq!(filters.tally("b").findings.iter().sum::<u64>(), 2);
}

#[tokio::test]
async fn a_mail_that_is_too_large_passes_untested() {
    let (refuses, asked) = fake(frame(b'r', b"")).await;
    let config = config(vec![filter("a", refuses)]);
    let raw = [RAW, &[b'x'; 1_000]].concat();
    let found = Filters::new(Clock::default()).findings(&config, &envelope(), &raw, &[]).await;
    assert_eq!((actions(&found), asked.load(std::sync::atomic::Ordering::Relaxed)), (vec![Action::Untested], 0));
    assert!(refusal(&config, &found).is_none() && !Filters::is_asked(&config, &found));
}

#[tokio::test]
async fn nobody_waits_for_a_filter_that_has_let_three_wait() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = Filter { timeout: Duration::from_secs(1), ..filter("a", silent.local_addr().unwrap()) };
    let config = config(vec![slow]);
    let (filters, envelope, raw) = (Filters::new(Clock::default()), envelope(), RAW);
    let ask = || filters.findings(&config, &envelope, raw, &[]);
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    for found in [first, second, third] {
        assert_eq!(found.first().unwrap().why.as_deref(), Some("nothing within 1 s"));
    }
    assert!(filters.is_away(&config.filters[0]));
    let begun = Instant::now();
    let found = ask().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(actions(&found), [Action::Failed]);
    assert!(found[0].why.as_ref().unwrap().starts_with("it does not answer since 20"), "{found:?}");
    assert_eq!(filters.tally("a").findings, [0, 0, 0, 0, 0, 0, 4]);
}

#[tokio::test]
async fn what_fails_closed_is_asked_to_come_again() {
    let mut closed = filter("a", nobody().await);
    closed.on_error = OnError::Closed;
    let config = config(vec![closed]);
    let filters = Filters::new(Clock::default());
    let found = filters.findings(&config, &envelope(), RAW, &[]).await;
    assert_eq!(refusal(&config, &found).unwrap().code, 451);
    assert_eq!(failed_closed(&config, &found), found.first());
    let wait = filters.again_at(&config) - Clock::default().now();
    assert!((1_000..=2_000).contains(&wait), "{wait}");
    assert!(probe(&config.filters[0]).await.unwrap_err().contains("cannot connect"));
}

#[tokio::test]
async fn memory_is_shared_and_one_mail_may_always_have_it_all() {
    let filters = Filters::new(Clock::default());
    let small = filters.memory(1_000).unwrap();
    assert!(filters.memory(1 << 30).is_none());
    drop(small);
    let all = filters.memory_later(1 << 30).await.unwrap();
    assert!(filters.memory(1).is_none());
    drop(all);
}
