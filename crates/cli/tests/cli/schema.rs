//! The schema for editors, as a validator of others reads it: it says of a profile what the parser says.

use std::process::Command;

use thinjail_tests::{need, skip};

use crate::run_thinjail::thinjail;
use crate::scratch::Scratch;

/// Prints a line for each file: whether it fits.
const VALIDATE: &str = "
import json, sys, tomllib
from jsonschema import Draft7Validator
schema = json.load(open(sys.argv[1]))
Draft7Validator.check_schema(schema)
for name in sys.argv[2:]:
    print('fits' if Draft7Validator(schema).is_valid(tomllib.load(open(name, 'rb'))) else 'not')
";

/// Of each kind of value one that does not fit.
const BAD: [&str; 12] = [
    "usr = \"nobody\"",
    "user = 5",
    "read = \"/etc\"",
    "read = [5]",
    "tty = \"yes\"",
    "command = 5",
    "restart-limit = -1",
    "descriptors = [\"3\"]",
    "env = { A = 1 }",
    "[limits]\nopenfiles = -1",
    "[limits]\nwrite = \"5\"",
    "[linux.linux]\nuser = \"x\"",
];

/// Of each key that takes some values of its kind only: the last that fits, and the first that does not.
const NARROW: [(&str, &str, &str); 23] = [
    ("abstract-sockets", "\"inherit\"", "\"host\""),
    ("descriptors", "[3, 4]", "[2]"),
    ("descriptors", "[3]", "[3, 3]"),
    ("isolation", "\"landlock\"", "\"jail\""),
    ("links", "\"keep\"", "\"kept\""),
    ("log-size", "\"64K\"", "\"64 K\""),
    ("log-size", "\"unlimited\"", "\"none\""),
    ("network", "\"inherit\"", "\"private\""),
    ("proc", "\"full\"", "\"all\""),
    ("ready-descriptor", "3\ntype = \"notify\"", "2\ntype = \"notify\""),
    ("restart", "\"on-failure\"", "\"yes\""),
    ("start-timeout", "\"1h2min3s4ms\"", "\"3s1m\""),
    ("stop-timeout", "\"90\"", "\"\""),
    ("success-exit", "[255]", "[256]"),
    ("success-exit", "[0]", "[-1]"),
    ("tcp-bind", "[0]", "[-1]"),
    ("tcp-connect", "[65535]", "[65536]"),
    ("tmp", "\"1\"", "\"0M\""),
    ("tmp", "\"1G\"", "\"1 GB\""),
    ("type", "\"simple\"", "\"oneshot\""),
    ("umask", "\"0077\"", "\"1777\""),
    ("umask", "\"077\"", "\"77\""),
    ("wait", "\"all\"", "\"none\""),
];

const BAD_MOUNTS: [&str; 3] =
    ["[mount]\nsource = \"/a\"", "[[mount]]\ntarget = \"/a\"", "[[mount]]\nsource = \"/a\"\nreed = true"];

#[test]
fn the_schema_says_of_a_profile_what_the_parser_says() {
    let python = need!(skip::program("/usr/bin/python3"));
    // Of Debian, whatever else there may be.
    let modules = Command::new(&python).args(["-c", "import tomllib, jsonschema"]).status();
    let lacks = || skip::Lack::new("there is no jsonschema for python3 (Debian: python3-jsonschema)");
    need!(modules.is_ok_and(|status| status.success()).then_some(()).ok_or_else(lacks));
    let scratch = Scratch::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let shipped = std::fs::read_dir(format!("{root}/profiles")).unwrap().map(|entry| entry.unwrap().path());
    let mut good: Vec<String> = shipped.map(|path| path.to_str().unwrap().to_owned()).collect();
    good.push(format!("{root}/crates/plan/tests/scenarios/everything/profile.toml"));
    assert!(good.len() > 10, "{good:?}");
    let bad = BAD.iter().chain(&BAD_MOUNTS).enumerate();
    let bad: Vec<String> = bad.map(|(number, text)| scratch.file(&format!("bad{number}.toml"), text)).collect();
    let narrow = |name: &str, value: &str, key: &str| {
        scratch.file(&format!("{name}.toml"), format!("command = \"/bin/true\"\nuser = \"nobody\"\n{key} = {value}\n"))
    };
    let each = NARROW.iter().enumerate();
    let (fits, fits_not): (Vec<String>, Vec<String>) = each
        .map(|(number, (key, fits, not))| {
            (narrow(&format!("fits{number}"), fits, key), narrow(&format!("not{number}"), not, key))
        })
        .unzip();
    good.extend(fits.iter().cloned());
    let bad: Vec<String> = bad.into_iter().chain(fits_not.iter().cloned()).collect();
    let schema = scratch.file("schema.json", thinjail(&["schema"]).works());
    let output = Command::new(&python).args(["-c", VALIDATE, &schema]).args(&good).args(&bad).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = good.iter().map(|_| "fits").chain(bad.iter().map(|_| "not"));
    for ((name, said), expected) in good.iter().chain(&bad).zip(said.lines()).zip(expected) {
        assert_eq!(said, expected, "{name}");
    }
    assert_eq!(said.lines().count(), good.len() + bad.len());
    // The parser agrees of those that do not fit, and what follows it.
    let resolved = |file: &str| thinjail(&["check", "--profile", file]).out;
    for ((fits, not), (key, ..)) in fits.iter().zip(&fits_not).zip(NARROW) {
        // What the kernel here can't do is another matter.
        let (fits, not) = (resolved(fits), resolved(not));
        let words =
            ["is not known", "is no ", "is not 3 or more", "is the caller's", "written twice", "is not an octal"];
        let refused =
            |said: &str| said.lines().any(|line| line.contains(key) && words.iter().any(|word| line.contains(word)));
        assert!(refused(&not) && !refused(&fits), "{key}: {fits}\n{not}");
    }
    for file in bad.iter().filter(|file| !fits_not.contains(file)) {
        assert!(thinjail(&["check", "--profile", file]).out.contains(&format!("{file}:")), "{file}");
    }
}
