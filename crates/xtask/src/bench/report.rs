//! The page: docs/benchmarks.md.

use std::fmt::Write;
use std::time::Duration;

use super::Measured;
use super::listing::{Listing, PROGRAM};
use super::sample::Row;

/// What issue 2 asks for, as parts of the peer's time.
const WHOLE_LIMIT: f64 = 0.6;
const INNER_LIMIT: f64 = 0.35;
const MEMORY_LIMIT: u64 = 1024 * 1024;

/// What issue 4 asks for: the same for each peer; a time for each of many programs, and memory.
const LISTING_LIMITS: [(&str, f64); 3] = [("libtree", 0.75), ("ld.so --list", 0.5), ("ldd", 0.12)];
const PROGRAM_LIMIT: Duration = Duration::from_micros(100);
const LISTING_MEMORY: u64 = 30 << 20;

const OURS: &str = "thinjail";

pub(super) fn page(measured: &Measured, rounds: usize) -> String {
    let mut page = format!(
        "# Benchmarks\n\n\
        Written by `cargo xtask bench`, not by hand. In each of {rounds} rounds every program runs once, and after each\n\
        of the others equally often. A ratio is thinjail's median through the other's: below 1 thinjail is faster. Compare\n\
        ratios; the times are this machine's. thinjail is the release, with musl: `cargo xtask dist` builds it.\n\n\
        | machine | |\n| --- | --- |\n"
    );
    for (name, value) in &measured.machine {
        row(&mut page, &[name, value]);
    }

    page.push_str(
        "\n## A whole process\n\n\
        `/bin/true` from before its start until its status is there; each jail made and gone. thinjail finds out itself what\n\
        `true` needs and checks it; the others are told, and chroot has its files copied before. `bwrap, by hand` has a pid\n\
        namespace, three files, /proc and /dev; `bwrap, as tight` also the other namespaces and no capabilities.\n\n",
    );
    table(&mut page, &measured.whole);
    for (name, why) in &measured.absent {
        line(&mut page, &format!("\n{name} is not measured: {why}."));
    }
    limit(&mut page, &measured.whole, "bwrap, by hand", WHOLE_LIMIT);

    page.push_str(
        "\n## Until main, with twenty files\n\n\
        From before the start of the jailer until `main` of a static program inside, by one clock. Twenty single files and the\n\
        program are mounted. The bare program's time is in each of them.\n\n",
    );
    table(&mut page, &measured.ready);

    page.push_str(
        "\n## Building, with twenty files\n\n\
        The same jails, from knowing what to do until the program is executed: what thinjail tells by `--timings`, less its\n\
        reading, looking and resolving. It forks before those, so that pid 1 makes its namespaces meanwhile; the second row is all\n\
        from its fork on, with reading, looking and resolving. bwrap's is its time until `main` less that of `bwrap --version`,\n\
        which is the loading of bwrap: it forks soon after.\n\n",
    );
    table(&mut page, &measured.inner);
    limit(&mut page, &measured.inner, "bwrap", INNER_LIMIT);

    page.push_str(
        "\n## Private memory while a jail runs\n\n\
        Resident pages that no other process has, in KiB, a fifth of a second after the start; and the same while a second jail of the\n\
        kind runs, when the pages of the jailer's own program are shared.\n\n\
        | process | alone | of two |\n| --- | ---: | ---: |\n",
    );
    for process in &measured.memory {
        row(&mut page, &[&process.name, &(process.alone / 1024).to_string(), &(process.of_two / 1024).to_string()]);
    }
    if let Some(supervisor) = measured.memory.first() {
        let verdict = verdict(supervisor.alone <= MEMORY_LIMIT);
        line(&mut page, &format!("\nThe supervisor may have {} KiB: {verdict}.", MEMORY_LIMIT / 1024));
    }
    listing(&mut page, &measured.listing);
    page
}

fn listing(page: &mut String, listing: &Listing) {
    line(
        page,
        &format!(
            "\n## Listing libraries\n\n\
            What {PROGRAM} needs, which has about 60 libraries, as a whole process. ldd and ld.so run what the program names as\n\
            its interpreter; the others read.\n"
        ),
    );
    table(page, &listing.rows);
    for (name, why) in &listing.absent {
        line(page, &format!("\n{name} is not measured: {why}."));
    }
    for (peer, most) in LISTING_LIMITS {
        if listing.rows.iter().any(|row| row.name == peer) {
            limit(page, &listing.rows, peer, most);
        }
    }
    let all = &listing.all;
    let each = all.median / u32::try_from(all.programs.max(1)).unwrap_or(u32::MAX);
    line(
        page,
        &format!(
            "\nAll {} ELF programs of the machine in one call of `thinjail ldd`: {} ms, {} µs a program, where {} is the\n\
            limit: {}. It had {} KiB of memory at most, where {} is the limit: {}.",
            all.programs,
            ms(all.median),
            each.as_micros(),
            PROGRAM_LIMIT.as_micros(),
            verdict(each <= PROGRAM_LIMIT),
            all.memory / 1024,
            LISTING_MEMORY / 1024,
            verdict(all.memory <= LISTING_MEMORY)
        ),
    );
}

fn table(page: &mut String, rows: &[Row]) {
    page.push_str("| | median ms | 95th percentile ms | ratio |\n| --- | ---: | ---: | ---: |\n");
    let ours = median(rows, OURS);
    for of in rows {
        let ratio = if of.name == OURS { String::new() } else { format!("{:.2}", ratio(ours, of.median())) };
        row(page, &[of.name, &ms(of.median()), &ms(of.p95()), &ratio]);
    }
}

fn limit(page: &mut String, rows: &[Row], peer: &str, limit: f64) {
    let ratio = ratio(median(rows, OURS), median(rows, peer));
    line(page, &format!("\nAgainst {peer}: {ratio:.2}, where {limit} is the limit: {}.", verdict(ratio <= limit)));
}

fn median(rows: &[Row], name: &str) -> Duration {
    rows.iter().find(|row| row.name == name).map(Row::median).unwrap_or_default()
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

fn row(page: &mut String, cells: &[&str]) {
    line(page, &format!("| {} |", cells.join(" | ")));
}

fn line(page: &mut String, line: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(page, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::listing::All;
    use crate::bench::memory::Process;

    fn of(name: &'static str, ms: u64) -> Row {
        Row::new(name, vec![Duration::from_millis(ms)])
    }

    fn measured(ours: u64) -> Measured {
        Measured {
            machine: vec![("kernel", "Linux 6".into())],
            whole: vec![of(OURS, ours), of("bwrap, by hand", 10)],
            absent: vec![("crun", "no such file".into())],
            ready: vec![of(OURS, 1)],
            inner: vec![of(OURS, ours), of("bwrap", 10)],
            listing: Listing {
                rows: vec![of(OURS, ours), of("libtree", 10)],
                absent: vec![("lddtree", "no such file".into())],
                all: All { programs: 10, median: Duration::from_millis(ours), memory: 5 << 20 },
            },
            memory: vec![Process { name: "thinjail, supervisor".into(), alone: 300 << 10, of_two: 20 << 10 }],
        }
    }

    #[test]
    fn a_ratio_is_ours_through_theirs_and_is_held_against_the_limit() {
        let page = page(&measured(5), 1);
        for text in [
            "| kernel | Linux 6 |",
            "| thinjail | 5.00 | 5.00 |  |",
            "| bwrap, by hand | 10.00 | 10.00 | 0.50 |",
            "Against bwrap, by hand: 0.50, where 0.6 is the limit: met.",
            "Against bwrap: 0.50, where 0.35 is the limit: **missed**.",
            "crun is not measured: no such file.",
            "| thinjail, supervisor | 300 | 20 |",
            "The supervisor may have 1024 KiB: met.",
            "Against libtree: 0.50, where 0.75 is the limit: met.",
            "lddtree is not measured: no such file.",
            "in one call of `thinjail ldd`: 5.00 ms, 500 µs a program, where 100 is the\nlimit: **missed**. It had 5120 KiB",
        ] {
            assert!(page.contains(text), "{text}\n{page}");
        }
        assert!(super::page(&measured(7), 1).contains("0.70, where 0.6 is the limit: **missed**"));
    }
}
