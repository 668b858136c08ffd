//! Law 11: a user of the host who owns a directory that is mounted, and plays with links and names in it while jails start,
//! never gets another file into one, nor another owner or mode for a file outside.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use thinjail_tests::figures::show;
use thinjail_tests::host::alone;
use thinjail_tests::jail::{Finished, thinjail, thinjail_through};
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{calls, need, skip, wait};

const PERL: &str = "/usr/bin/perl";
/// The user who plays, and the one that the jails run as.
const PLAYER: u32 = 65_533;
const NOBODY: u32 = 65_534;
const STARTS: usize = 500;
/// No file of the host has it but those of the vault; the program that looks for it does not have it in one piece.
const SECRET: [&str; 2] = ["the-secret-of", "-the-vault"];

/// Reads every file inside and tells of the secret.
const SEARCHER: &str = r#"
    my $secret = join "", @ARGV;
    sub search {
        my ($dir) = @_;
        opendir my $list, $dir || "/" or return;
        for my $name (grep !/^\.\.?$/, readdir $list) {
            my $path = "$dir/$name";
            next if $path =~ m{^/(proc|dev)$};
            if (-d $path && !-l $path) { search($path); next }
            open my $file, "<", $path or next;
            local $/; my $text = <$file>;
            print "LEAK $path\n" if index($text, $secret) >= 0;
        }
    }
    search("");
    print "searched\n";
"#;

struct Ground {
    dir: TempDir,
    home: String,
    vault: String,
    outside: Vec<Outside>,
}

fn own(path: &Path, uid: u32) {
    rustix::fs::chown(path, Some(rustix::fs::Uid::from_raw(uid)), Some(rustix::fs::Gid::from_raw(uid))).unwrap();
}

impl Ground {
    fn new() -> Self {
        let dir = TempDir::new();
        let vault = dir.dir("vault");
        for place in ["vault/file", "vault/sub/file", "vault/point/file"] {
            dir.dir(Path::new(place).parent().unwrap().to_str().unwrap());
            dir.file(place, SECRET.concat());
        }
        chmod(&vault, 0o700);
        let home = dir.dir("home");
        for place in ["source", "source/point", "other", "other/point", "way", "way/sub"] {
            own(&dir.dir(&format!("home/{place}")), PLAYER);
        }
        for place in ["file", "other-file", "source/file", "other/file", "way/sub/file"] {
            own(&dir.file(&format!("home/{place}"), "the player's own"), PLAYER);
        }
        // Root's, in a directory of the player's, who may move them.
        for roots in ["home/roots", "home/roots-empty"] {
            chmod(&dir.dir(roots), 0o700);
        }
        dir.file("home/roots/file", "root's");
        own(&home, PLAYER);
        let (home, vault) = (home.display().to_string(), vault.display().to_string());
        let mut ground = Self { dir, home, vault, outside: Vec::new() };
        ground.outside = ground.outside();
        ground
    }

    fn play(&self, game: &str) -> Player {
        let script = format!("{}{}", calls::perl(), include_str!("games/player.pl"));
        let said = self.dir.path().join("player");
        let child = Command::new("setpriv")
            .args([
                "--reuid=65533",
                "--regid=65533",
                "--clear-groups",
                PERL,
                "-e",
                &script,
                game,
                &self.home,
                &self.vault,
            ])
            .stdin(Stdio::null())
            .stdout(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let player = Player(child);
        wait::until_true("the player plays", || fs::read_to_string(&said).unwrap() == "playing\n");
        player
    }

    /// Owner and mode of what must keep them, held by descriptor whatever its name is by now.
    fn outside(&self) -> Vec<Outside> {
        let home = Path::new(&self.home);
        let vault = Path::new(&self.vault);
        let watched = [
            home.join("roots"),
            home.join("roots-empty"),
            home.join("roots/file"),
            home.into(),
            vault.into(),
            vault.join("file"),
            vault.join("sub"),
            vault.join("sub/file"),
            "/etc".into(),
            "/".into(),
            self.dir.path().into(),
        ];
        watched.map(|path| Outside::hold(&path)).into()
    }
}

struct Player(Child);

impl Drop for Player {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

struct Outside {
    name: String,
    file: File,
    was: (u32, u32, u32),
}

impl Outside {
    fn hold(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let was = Self::now(&file);
        Self { name: path.display().to_string(), file, was }
    }

    fn now(file: &File) -> (u32, u32, u32) {
        let meta = file.metadata().unwrap();
        (meta.uid(), meta.gid(), meta.mode())
    }

    fn assert_unchanged(&self) {
        assert_eq!(Self::now(&self.file), self.was, "{} has another owner or mode", self.name);
    }
}

#[derive(Debug, Default)]
struct Count {
    clean: usize,
    refused: usize,
    reasons: BTreeMap<String, usize>,
}

impl Count {
    /// A game in which every start or none is refused was none.
    fn assert_both(&self) {
        assert!(self.clean > 0 && self.refused > 0, "{self:?}");
    }

    fn add(&mut self, finished: &Finished) {
        assert!(!finished.stdout.contains("LEAK"), "{}", finished.stdout);
        match finished.code() {
            Some(0) => {
                assert_eq!(finished.stdout, "searched\n", "{}", finished.stderr);
                self.clean += 1;
            }
            _ => {
                finished.expect_code(125).expect_stderr(&["thinjail: "]);
                assert_eq!(finished.stdout, "");
                self.refused += 1;
                *self.reasons.entry(finished.stderr.lines().next().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
    }
}

/// Starts jails with these flags while the player plays.
fn start_all(ground: &Ground, game: &str, starts: usize, through: &[&str], flags: &[String]) -> Count {
    let player = ground.play(game);
    let mut count = Count::default();
    for _ in 0..starts {
        let words = flags.iter().map(String::as_str).chain(["--", PERL, "-e", SEARCHER]).chain(SECRET);
        count.add(&thinjail_through(through, ["run"].into_iter().chain(words)).run());
    }
    drop(player);
    ground.outside.iter().for_each(Outside::assert_unchanged);
    show(&format!("{game}: {} of {starts} starts went well, {} were refused", count.clean, count.refused));
    for (why, times) in &count.reasons {
        show(&format!("{times:5} {why}"));
    }
    count
}

/// Runs as root, and may read every file that gets in.
const READER: [&str; 3] = ["--user=root", "--capabilities=dac_override", "--etc="];

/// A wrapper that does nothing.
const PLAIN: [&str; 1] = ["env"];

#[test]
fn no_game_with_sources_gets_another_file_in() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("cc"));
    let ground = Ground::new();
    let home = &ground.home;
    let sources = [
        format!("--read={home}/source"),
        format!("--mount={home}/source:/bare:write"),
        format!("--read={home}/file"),
        format!("--mount={home}/way/sub/file:/deep"),
        format!("--write={home}/way/sub"),
    ];
    // The searcher does find what is there, or all of this means nothing.
    let seen = ["--read".into(), ground.vault.clone()];
    let words = READER.map(String::from).into_iter().chain(seen).collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).chain(["--", PERL, "-e", SEARCHER]).chain(SECRET);
    let finished = thinjail_through(PLAIN, ["run"].into_iter().chain(words)).run();
    assert_eq!(finished.expect_code(0).stdout.matches("LEAK").count(), 3, "{}", finished.stdout);

    // One at a time, since each is as likely to be refused as not; then all of them.
    for source in &sources {
        let flags = READER.map(String::from).into_iter().chain([source.clone()]).collect::<Vec<_>>();
        start_all(&ground, "sources", STARTS / 10, &PLAIN, &flags).assert_both();
    }
    let flags = READER.map(String::from).into_iter().chain(sources).collect::<Vec<_>>();
    start_all(&ground, "sources", STARTS / 10, &PLAIN, &flags);
}

#[test]
fn no_game_with_a_directory_that_is_made_changes_another() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("cc"));
    need!(skip::program("strace"));
    let ground = Ground::new();
    let flags = [
        format!("--user={NOBODY}"),
        "--etc=".into(),
        format!("--mount={}/made:create,write,owner={NOBODY}", ground.home),
    ];
    start_all(&ground, "made", STARTS / 5, &PLAIN, &flags).assert_both();
    // The moment between mkdirat(2) and opening what it made, drawn out.
    let slow = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=mkdirat:delay_exit=3000:when=1"];
    let count = start_all(&ground, "taken", STARTS / 10, &slow, &flags);
    assert!(count.refused > 0, "{count:?}");
}

#[test]
fn no_game_with_a_mountpoint_leads_a_mount_astray() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("cc"));
    let ground = Ground::new();
    let home = &ground.home;
    let public = ground.dir.dir("public").display().to_string();
    let nested = [format!("--mount={home}/source:/srv:write"), format!("--mount={public}:/srv/point")];
    let flags = READER.map(String::from).into_iter().chain(nested).collect::<Vec<_>>();
    start_all(&ground, "points", STARTS / 10, &PLAIN, &flags).assert_both();
}

/// What it may write to, it fills with links; what it was given then is written at the end of each.
const PLANTER: &str = r#"
    my ($data, $outside) = @ARGV;
    symlink "$outside/new", "$data/made";
    symlink "$outside/file", "$data/key";
    symlink "$outside", "$data/lib";
    if (open my $file, ">", "$outside/new/pwned") { print "WROTE\n" }
    for my $path ("$outside/file", "$data/lib/file") {
        if (open my $file, "<", $path) { print "READ $path\n" }
    }
    print "done\n";
"#;

#[test]
fn links_that_a_program_has_left_lead_its_next_start_nowhere() {
    need!(skip::namespaces());
    let _alone = alone();
    for user in ["root", "nobody"] {
        let temp = TempDir::new();
        let outside = temp.dir("outside");
        let data = temp.dir("data");
        let file = temp.file("outside/file", "root's");
        chmod(&file, 0o600);
        // The same owner throughout: the program might have gained by being that.
        if user == "nobody" {
            [&outside, &data, &file].into_iter().for_each(|path| own(path, NOBODY));
        }
        let [data, outside] = [data, outside].map(|path| path.display().to_string());
        let run = |more: &[&str]| {
            let words = ["run", "--user", user, "--write", &data, "--read", PERL];
            thinjail(words).args(more).args(["--", PERL, "-e", PLANTER, &data, &outside]).run()
        };
        assert_eq!(run(&[]).expect_code(0).stdout, "done\n");
        let mount = format!("{data}/made:create,write");
        let (secrets, listen) = (format!("--secrets={data}/key"), format!("--listen={data}/lib/x.sock"));
        for more in [&["--mount", &mount][..], &[&secrets], &[&listen]] {
            run(more).expect_code(125).expect_stderr(&["stands where the program may write"]);
        }
        let left: Vec<_> = fs::read_dir(&outside).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["file"], "{user}");
    }
}
