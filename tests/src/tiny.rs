//! A static program for FreeBSD of a few bytes, so that no test depends on /rescue, which a system may be without.

use std::path::PathBuf;

use crate::skip::Lack;
use crate::temp::TempDir;

/// The machine's code, by FreeBSD's numbers of system calls: what echo(1) does with its words, and without any `id -u`. rbx, r12 and
/// r13 stay over a system call.
#[rustfmt::skip]
const CODE: [u8; 155] = [
    // the words of the command stand where rdi leads; without any: uid
    0x48, 0x89, 0xfb, 0x4c, 0x8b, 0x23, 0x4c, 0x8d, 0x6b, 0x10, 0x49, 0xff, 0xcc, 0x74, 0x47,
    // next word
    0x49, 0x8b, 0x75, 0x00, 0x31, 0xd2,
    // its length
    0x80, 0x3c, 0x16, 0x00, 0x74, 0x05, 0x48, 0xff, 0xc2, 0xeb, 0xf5,
    // write(1, word, length), and then a space or, after the last, a newline
    0xbf, 0x01, 0x00, 0x00, 0x00, 0xb8, 0x04, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x49, 0x83, 0xc5, 0x08,
    0x49, 0xff, 0xcc, 0xb0, 0x20, 0x75, 0x02, 0xb0, 0x0a,
    // write(1, that, 1), and the next word, or the end
    0x50, 0x48, 0x89, 0xe6, 0xba, 0x01, 0x00, 0x00, 0x00, 0xbf, 0x01, 0x00, 0x00, 0x00, 0xb8, 0x04,
    0x00, 0x00, 0x00, 0x0f, 0x05, 0x58, 0x4d, 0x85, 0xe4, 0x75, 0xbb, 0xeb, 0x3c,
    // getuid(), and a newline at the end of 32 bytes of the stack
    0xb8, 0x18, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x48, 0x83, 0xec, 0x20, 0x48, 0x8d, 0x74, 0x24, 0x1f,
    0xc6, 0x06, 0x0a, 0xb9, 0x0a, 0x00, 0x00, 0x00,
    // its digits, the last one first
    0x31, 0xd2, 0xf7, 0xf1, 0x80, 0xc2, 0x30, 0x48, 0xff, 0xce, 0x88, 0x16, 0x85, 0xc0, 0x75, 0xf0,
    // write(1, them, as many as there are)
    0x48, 0x8d, 0x54, 0x24, 0x20, 0x48, 0x29, 0xf2, 0xbf, 0x01, 0x00, 0x00, 0x00, 0xb8, 0x04, 0x00,
    0x00, 0x00, 0x0f, 0x05,
    // _exit(0)
    0x31, 0xff, 0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0x05,
];

/// Where it is mapped.
const BASE: u64 = 0x40_0000;
/// Bytes of the header and of one segment.
const HEADERS: u64 = 64 + 56;

/// Writes it into a directory, executable; elf(5).
///
/// # Errors
///
/// On another machine.
pub fn program(temp: &TempDir, name: &str) -> Result<PathBuf, Lack> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Lack::new("the static program of the tests is for x86-64"));
    }
    Ok(temp.program(name, file()))
}

fn file() -> Vec<u8> {
    let size = HEADERS + CODE.len() as u64;
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    // ELFOSABI_FREEBSD, by which the kernel knows whose it is.
    out.extend([9, 0, 0, 0, 0, 0, 0, 0, 0]);
    let half = |out: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|value| out.extend(value.to_le_bytes()));
    let word = |out: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|value| out.extend(value.to_le_bytes()));
    let long = |out: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|value| out.extend(value.to_le_bytes()));
    // ET_EXEC, EM_X86_64; where it begins, and where its one segment is told of.
    half(&mut out, &[2, 62]);
    word(&mut out, &[1]);
    long(&mut out, &[BASE + HEADERS, 64, 0]);
    word(&mut out, &[0]);
    half(&mut out, &[64, 56, 1, 0, 0, 0]);
    // PT_LOAD, to be read and executed: all of the file.
    word(&mut out, &[1, 5]);
    long(&mut out, &[0, BASE, BASE, size, size, 0x1000]);
    out.extend(CODE);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_headers_are_as_long_as_they_say() {
        let file = file();
        assert_eq!(file.len(), CODE.len() + 120);
        assert_eq!(file[120..], CODE);
    }
}
