//! What the program `inmate` does in a jail.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Does what its words say:
///
/// - `serve PORT TEXT`: says the text to everyone who connects to the loopback, for good
/// - `connect PORT`: prints what is said there
/// - `eat MEGABYTES`: takes as much memory, and says `ate`
/// - `open NUMBER`: opens as many files, and says `opened`
///
/// # Errors
///
/// If it can't be done.
pub fn run(words: &[&str]) -> Result<(), Box<dyn Error>> {
    match words {
        ["serve", port, text] => serve(port.parse()?, text),
        ["connect", port] => {
            let mut said = String::new();
            TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse()?))?.read_to_string(&mut said)?;
            say(&said)
        }
        ["eat", megabytes] => eat(megabytes.parse()?),
        ["open", number] => {
            let opened: Result<Vec<File>, _> = (0..number.parse()?).map(|_: u32| File::open("/dev/null")).collect();
            opened.map_err(Into::into).and_then(|_| say("opened\n"))
        }
        _ => Err("inmate knows serve, connect, eat and open".into()),
    }
}

fn serve(port: u16, text: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    say("listening\n")?;
    for stream in listener.incoming() {
        stream?.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn eat(megabytes: usize) -> Result<(), Box<dyn Error>> {
    let mut eaten: Vec<u8> = Vec::new();
    eaten.try_reserve_exact(megabytes << 20)?;
    // Written to, and with something else than what the system gives anyway.
    eaten.resize(megabytes << 20, 1);
    say(if eaten.last() == Some(&1) { "ate\n" } else { "had nothing\n" })
}

fn say(text: &str) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
